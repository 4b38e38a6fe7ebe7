package lab_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/smithy-go"

	"github.com/linkassay/linkassay/provision/awsapi"
)

// An endpoint of another Region needs a service that is offered there, asks for it with its Region, and
// then carries packets from zones that the service does not have.
func TestEndpointInAnotherRegion(t *testing.T) {
	t.Parallel()
	v := newLive(t, liveOptions{})
	const far = "us-east-1"
	id, secret, _ := v.lab.Credentials("consumer")
	c, err := awsapi.Open(v.ctx, awsapi.Access{Region: far}, awsapi.WithStatic(v.lab.URL(), id, secret))
	v.must("open the consumer in another Region", err)
	t.Cleanup(c.Close)
	see := func(regions ...string) error {
		_, err := c.EC2.DescribeVpcEndpointServices(v.ctx, &ec2.DescribeVpcEndpointServicesInput{ServiceNames: []string{*v.service.ServiceName}, ServiceRegions: regions})
		return err
	}
	refused := func(what string, err error, code, text string) {
		t.Helper()
		var api smithy.APIError
		if !errors.As(err, &api) || api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), text) {
			t.Errorf("%s: %v, want %s with %q", what, err, code, text)
		}
	}
	offer := func(in ec2.ModifyVpcEndpointServiceConfigurationInput) error {
		in.ServiceId = v.service.ServiceId
		_, err := v.provider.EC2.ModifyVpcEndpointServiceConfiguration(v.ctx, &in)
		return err
	}
	timeout := func(seconds string) {
		t.Helper()
		_, err := v.provider.ELB.ModifyListenerAttributes(v.ctx, &elb.ModifyListenerAttributesInput{
			ListenerArn: aws.String(v.listeners[80]), Attributes: []elbtypes.ListenerAttribute{{Key: aws.String("tcp.idle_timeout.seconds"), Value: &seconds}},
		})
		v.must("set the idle timeout", err)
	}
	refused("not offered", see(liveRegion), "InvalidServiceName", "does not exist")
	timeout("600")
	refused("idle timeout", offer(ec2.ModifyVpcEndpointServiceConfigurationInput{AddSupportedRegions: []string{far}}), "InvalidParameter", "idle timeout")
	timeout("350")
	refused("no such Region", offer(ec2.ModifyVpcEndpointServiceConfigurationInput{AddSupportedRegions: []string{"mars-1"}}), "InvalidParameter", "mars-1")
	refused("its own Region", offer(ec2.ModifyVpcEndpointServiceConfigurationInput{RemoveSupportedRegions: []string{liveRegion}}), "InvalidParameter", liveRegion)
	v.must("offer the Region", offer(ec2.ModifyVpcEndpointServiceConfigurationInput{AddSupportedRegions: []string{far}}))
	refused("asked in its own Region", see(), "InvalidServiceName", "does not exist")
	v.must("see the service", see(liveRegion))

	vpc, err := c.EC2.CreateVpc(v.ctx, &ec2.CreateVpcInput{CidrBlock: aws.String(liveCIDR)})
	v.must("create a VPC", err)
	subnet := func(zone, cidr string) string {
		s, err := c.EC2.CreateSubnet(v.ctx, &ec2.CreateSubnetInput{VpcId: vpc.Vpc.VpcId, CidrBlock: &cidr, AvailabilityZoneId: &zone})
		v.must("create a subnet", err)
		return *s.Subnet.SubnetId
	}
	group := v.makeGroup(c, *vpc.Vpc.VpcId, "endpoint")
	v.allow(c, group, liveCIDR, 80, 443)
	good, excluded := subnet("use1-az1", "10.0.1.0/24"), subnet("use1-az3", "10.0.3.0/24")
	make := func(region *string, subnets ...string) (*ec2.CreateVpcEndpointOutput, error) {
		return c.EC2.CreateVpcEndpoint(v.ctx, &ec2.CreateVpcEndpointInput{
			VpcEndpointType: ec2types.VpcEndpointTypeInterface, VpcId: vpc.Vpc.VpcId, ServiceName: v.service.ServiceName, ServiceRegion: region,
			SubnetIds: subnets, SecurityGroupIds: []string{group}, PrivateDnsEnabled: aws.Bool(false),
		})
	}
	_, err = make(nil, good)
	refused("without the Region", err, "InvalidServiceName", "does not exist")
	_, err = make(aws.String(liveRegion), excluded)
	refused("in an excluded zone", err, "InvalidParameter", excluded)
	made, err := make(aws.String(liveRegion), good)
	v.must("create the endpoint", err)
	e := made.VpcEndpoint
	if aws.ToString(e.ServiceRegion) != liveRegion {
		t.Errorf("service Region %s", aws.ToString(e.ServiceRegion))
	}
	for i, zone := range []string{"", "-us-east-1"} {
		if name := *e.DnsEntries[i].DnsName; !strings.HasSuffix(name, "."+*v.service.ServiceId+"."+liveRegion+".vpce.amazonaws.com") || !strings.Contains(name, zone) {
			t.Errorf("name %s", name)
		}
	}
	seen, err := v.provider.EC2.DescribeVpcEndpointConnections(v.ctx, &ec2.DescribeVpcEndpointConnectionsInput{Filters: []ec2types.Filter{
		{Name: aws.String("vpc-endpoint-region"), Values: []string{"cross-region"}},
	}})
	v.must("describe connections", err)
	if n := seen.VpcEndpointConnections; len(n) != 1 || *n[0].VpcEndpointId != *e.VpcEndpointId || aws.ToString(n[0].VpcEndpointRegion) != far {
		t.Errorf("connections: %+v", n)
	}
	_, err = v.provider.EC2.AcceptVpcEndpointConnections(v.ctx, &ec2.AcceptVpcEndpointConnectionsInput{ServiceId: v.service.ServiceId, VpcEndpointIds: []string{*e.VpcEndpointId}})
	v.must("accept", err)
	v.until("the endpoint is available", func() bool {
		out, err := c.EC2.DescribeVpcEndpoints(v.ctx, &ec2.DescribeVpcEndpointsInput{VpcEndpointIds: []string{*e.VpcEndpointId}})
		v.must("describe the endpoint", err)
		return out.VpcEndpoints[0].State == "available"
	})

	from, err := v.lab.Vantage(good)
	v.must("stand in the subnet", err)
	addrs := v.addresses(from, *e.DnsEntries[0].DnsName)
	if len(addrs) != 1 {
		t.Fatalf("regional name: %v", addrs)
	}
	if got := v.mustGet(from, "http", plPrivateName, addrs[0]); !slices.Contains(v.zones, got["zone"]) {
		t.Errorf("answered in %s", got["zone"])
	}
	// Taking the Region away stops nobody who is there.
	v.must("withdraw the Region", offer(ec2.ModifyVpcEndpointServiceConfigurationInput{RemoveSupportedRegions: []string{far}}))
	if got := v.connect(from, addrs[0], 443); got != "open" {
		t.Errorf("after the Region was withdrawn: %s", got)
	}
	refused("not offered any more", see(liveRegion), "InvalidServiceName", "does not exist")
}
