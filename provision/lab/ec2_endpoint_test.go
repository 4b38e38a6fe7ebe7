package lab_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/linkassay/linkassay/provision/lab"
)

// TestCreateVpcEndpointRefused has one wrong thing per request, and AWS's words for it.
func TestCreateVpcEndpointRefused(t *testing.T) {
	t.Parallel()
	p := newPLWorld(t, nil)
	s := p.makeService(true, plRoot(plConsumer))
	otherVPC := p.makeVPC(p.consumer)
	foreign := p.makeSubnet(p.consumer, otherVPC, p.nlbZones[0], 0)
	first := p.subnets[p.nlbZones[0]]
	out, err := p.consumer.ec2.CreateSubnet(p.ctx, &ec2.CreateSubnetInput{VpcId: aws.String(p.vpc), AvailabilityZoneId: aws.String(p.nlbZones[0]), CidrBlock: aws.String("10.0.9.0/24")})
	p.must("make a second subnet in the zone", err)
	twin := aws.ToString(out.Subnet.SubnetId)
	group, err := p.consumer.ec2.CreateSecurityGroup(p.ctx, &ec2.CreateSecurityGroupInput{GroupName: aws.String("other"), Description: aws.String("other"), VpcId: aws.String(otherVPC)})
	p.must("make a group in the other VPC", err)

	for _, c := range []struct {
		name       string
		spoil      func(*ec2.CreateVpcEndpointInput)
		code, text string
	}{
		{
			"type omitted means Gateway", func(in *ec2.CreateVpcEndpointInput) { in.VpcEndpointType = "" },
			"InvalidParameter", "Endpoint type (Gateway) does not match available service types ([Interface]).",
		},
		{"lower-case type", func(in *ec2.CreateVpcEndpointInput) { in.VpcEndpointType = "interface" }, "InvalidVpcEndpointType", "interface"},
		{"no service name", func(in *ec2.CreateVpcEndpointInput) { in.ServiceName = nil }, "MissingParameter", "serviceName"},
		{"unknown service", func(in *ec2.CreateVpcEndpointInput) {
			in.ServiceName = aws.String("com.amazonaws.vpce." + plRegion + ".vpce-svc-0123456789abcdef0")
		}, "InvalidServiceName", "The Vpc Endpoint Service 'com.amazonaws.vpce." + plRegion + ".vpce-svc-0123456789abcdef0' does not exist"},
		{"service name of another Region", func(in *ec2.CreateVpcEndpointInput) {
			in.ServiceName = aws.String("com.amazonaws.vpce.eu-west-1." + *s.ServiceId)
		}, "InvalidServiceName", "does not exist"},
		{"unknown VPC", func(in *ec2.CreateVpcEndpointInput) { in.VpcId = aws.String("vpc-0123456789abcdef0") }, "InvalidVpcID.NotFound", "vpc-0123456789abcdef0"},
		{"unknown subnet", func(in *ec2.CreateVpcEndpointInput) { in.SubnetIds = []string{"subnet-0123456789abcdef0"} }, "InvalidSubnetID.NotFound", "subnet-0123456789abcdef0"},
		{"the provider's subnet", func(in *ec2.CreateVpcEndpointInput) { in.SubnetIds = []string{p.spare} }, "InvalidSubnetID.NotFound", p.spare},
		{"subnet of another VPC", func(in *ec2.CreateVpcEndpointInput) { in.SubnetIds = []string{foreign} }, "InvalidParameter", foreign},
		{"unknown group", func(in *ec2.CreateVpcEndpointInput) { in.SecurityGroupIds = []string{"sg-0123456789abcdef0"} }, "InvalidGroup.NotFound", "sg-0123456789abcdef0"},
		{"group of another VPC", func(in *ec2.CreateVpcEndpointInput) { in.SecurityGroupIds = []string{*group.GroupId} }, "InvalidParameter", *group.GroupId},
		{
			"zone that the service lacks", func(in *ec2.CreateVpcEndpointInput) { in.SubnetIds = append(in.SubnetIds, p.subnets[p.zones[2]]) },
			"InvalidParameter", "The VPC endpoint service " + *s.ServiceName + " does not support the availability zone of the subnet: " + p.subnets[p.zones[2]] + ".",
		},
		{
			"two subnets in a zone", func(in *ec2.CreateVpcEndpointInput) { in.SubnetIds = []string{first, twin} },
			"DuplicateSubnetsInSameZone", "Found another VPC endpoint subnet in the availability zone of " + twin,
		},
		{"dualstack", func(in *ec2.CreateVpcEndpointInput) { in.IpAddressType = ec2types.IpAddressTypeDualstack }, "InvalidParameter", "does not support the IP address type dualstack"},
		{"records of another type", func(in *ec2.CreateVpcEndpointInput) {
			in.DnsOptions = &ec2types.DnsOptionsSpecification{DnsRecordIpType: ec2types.DnsRecordIpTypeIpv6}
		}, "InvalidParameter", "ipv6"},
		{"inbound resolver endpoint only", func(in *ec2.CreateVpcEndpointInput) {
			in.DnsOptions = &ec2types.DnsOptionsSpecification{PrivateDnsOnlyForInboundResolverEndpoint: aws.Bool(true)}
		}, "InvalidParameter", "To set PrivateDnsOnlyForInboundResolverEndpoint to true, the VPC " + p.vpc + " must have a Gateway endpoint for the service."},
		{"address outside of the subnet", func(in *ec2.CreateVpcEndpointInput) {
			in.SubnetConfigurations = []ec2types.SubnetConfiguration{{SubnetId: aws.String(first), Ipv4: aws.String("10.9.9.9")}}
		}, "InvalidParameterValue", "range"},
		{"route table", func(in *ec2.CreateVpcEndpointInput) { in.RouteTableIds = []string{"rtb-0123456789abcdef0"} }, "InvalidParameter", "Gateway"},
		{"policy", func(in *ec2.CreateVpcEndpointInput) { in.PolicyDocument = aws.String("{}") }, "InvalidParameter", "policies"},
		{
			"private DNS without VPC attributes", func(in *ec2.CreateVpcEndpointInput) { in.PrivateDnsEnabled = aws.Bool(true) },
			"InvalidParameter", "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for " + p.vpc,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := p.request(s)
			c.spoil(in)
			_, err := p.consumer.ec2.CreateVpcEndpoint(p.ctx, in)
			(&plWorld{t: t}).refused(err, c.code, c.text)
		})
	}
	// Nothing of all that is left behind.
	left, err := p.consumer.ec2.DescribeVpcEndpoints(p.ctx, &ec2.DescribeVpcEndpointsInput{})
	p.must("list endpoints", err)
	plEq(t, "endpoints left", len(left.VpcEndpoints), 0)
	enis, err := p.consumer.ec2.DescribeNetworkInterfaces(p.ctx, &ec2.DescribeNetworkInterfacesInput{})
	p.must("list interfaces", err)
	plEq(t, "interfaces left", len(enis.NetworkInterfaces), 0)
}

// TestPrivateDNSRefused goes through the checks of private DNS in their order.
func TestPrivateDNSRefused(t *testing.T) {
	t.Parallel()
	p := newPLWorld(t, nil)
	s := p.makeService(true, plRoot(plConsumer))
	e := p.makeEndpoint(s)
	enable := func(id *string) error {
		_, err := p.consumer.ec2.ModifyVpcEndpoint(p.ctx, &ec2.ModifyVpcEndpointInput{VpcEndpointId: id, PrivateDnsEnabled: aws.Bool(true)})
		return err
	}
	create := func() error {
		in := p.request(s)
		in.PrivateDnsEnabled = aws.Bool(true)
		_, err := p.consumer.ec2.CreateVpcEndpoint(p.ctx, in)
		return err
	}
	for _, try := range []func() error{create, func() error { return enable(e.VpcEndpointId) }} {
		p.refused(try(), "InvalidParameter", "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for "+p.vpc)
	}
	p.dnsHostnames(p.vpc, true)
	p.refused(create(), "InvalidParameter", "Private DNS can't be enabled because the service "+*s.ServiceName+" does not provide a private DNS name.")
	_, err := p.provider.ec2.StartVpcEndpointServicePrivateDnsVerification(p.ctx, &ec2.StartVpcEndpointServicePrivateDnsVerificationInput{ServiceId: s.ServiceId})
	p.refused(err, "InvalidParameter", "private DNS name")
	_, err = p.provider.ec2.ModifyVpcEndpointServiceConfiguration(p.ctx, &ec2.ModifyVpcEndpointServiceConfigurationInput{ServiceId: s.ServiceId, PrivateDnsName: aws.String("x.chartsinvestor.com")})
	p.must("set the private name", err)
	p.refused(enable(e.VpcEndpointId), "InvalidParameter", "Private DNS can't be enabled because the service "+*s.ServiceName+" has not verified the private DNS name.")

	p.verify(s, plPrivateName)
	unaccepted := "Private DNS can only be enabled after the endpoint connection is accepted by the owner of " + *s.ServiceName + "."
	p.refused(create(), "InvalidParameter", unaccepted)
	p.refused(enable(e.VpcEndpointId), "InvalidParameter", unaccepted)
	p.accept(s, *e.VpcEndpointId)
	p.must("enable private DNS", enable(e.VpcEndpointId))
	p.must("enable it again", enable(e.VpcEndpointId))

	// A second endpoint cannot answer for the name in the same VPC, also while the first one goes.
	conflict := "private-dns-enabled cannot be set because there is already a conflicting DNS domain for " + plPrivateName + " in the VPC " + p.vpc
	second := p.makeEndpoint(s)
	p.accept(s, *second.VpcEndpointId)
	p.refused(enable(second.VpcEndpointId), "InvalidParameter", conflict)
	_, err = p.consumer.ec2.DeleteVpcEndpoints(p.ctx, &ec2.DeleteVpcEndpointsInput{VpcEndpointIds: []string{*e.VpcEndpointId}})
	p.must("delete the first endpoint", err)
	p.until("the name is free again", func() bool { return enable(second.VpcEndpointId) == nil })

	// Another name has to be verified anew, and nobody answers for it until then.
	_, err = p.provider.ec2.ModifyVpcEndpointServiceConfiguration(p.ctx, &ec2.ModifyVpcEndpointServiceConfigurationInput{ServiceId: s.ServiceId, PrivateDnsName: aws.String("*.other.chartsinvestor.com")})
	p.must("change the private name", err)
	plEq(t, "state of another name", p.configuration(s).PrivateDnsNameConfiguration.State, ec2types.DnsNameStatePendingVerification)
	plEq(t, "private DNS", aws.ToBool(p.endpoint(second.VpcEndpointId).PrivateDnsEnabled), false)
}

func TestEndpointClientTokenAndDryRun(t *testing.T) {
	t.Parallel()
	p := newPLWorld(t, nil)
	s := p.makeService(true, plRoot(plConsumer))
	in := p.request(s)
	in.DryRun = aws.Bool(true)
	_, err := p.consumer.ec2.CreateVpcEndpoint(p.ctx, in)
	p.refused(err, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
	in.VpcId = aws.String("vpc-0123456789abcdef0")
	_, err = p.consumer.ec2.CreateVpcEndpoint(p.ctx, in)
	p.refused(err, "InvalidVpcID.NotFound", "vpc-0123456789abcdef0")

	in = p.request(s)
	in.ClientToken = aws.String("once")
	one, err := p.consumer.ec2.CreateVpcEndpoint(p.ctx, in)
	p.must("create", err)
	two, err := p.consumer.ec2.CreateVpcEndpoint(p.ctx, in)
	p.must("create again", err)
	plEq(t, "the same endpoint", *two.VpcEndpoint.VpcEndpointId, *one.VpcEndpoint.VpcEndpointId)
	plEq(t, "client token", aws.ToString(two.ClientToken), "once")
	in.SubnetIds = in.SubnetIds[:1]
	_, err = p.consumer.ec2.CreateVpcEndpoint(p.ctx, in)
	p.refused(err, "IdempotentParameterMismatch", "")

	svc := &ec2.CreateVpcEndpointServiceConfigurationInput{NetworkLoadBalancerArns: []string{p.makeBalancer("second", p.back...)}, ClientToken: aws.String("once")}
	a, err := p.provider.ec2.CreateVpcEndpointServiceConfiguration(p.ctx, svc)
	p.must("create the service", err)
	b, err := p.provider.ec2.CreateVpcEndpointServiceConfiguration(p.ctx, svc)
	p.must("create the service again", err)
	plEq(t, "the same service", *b.ServiceConfiguration.ServiceId, *a.ServiceConfiguration.ServiceId)

	for name, err := range map[string]error{
		"DeleteVpcEndpoints": plErr(p.consumer.ec2.DeleteVpcEndpoints(p.ctx, &ec2.DeleteVpcEndpointsInput{DryRun: aws.Bool(true), VpcEndpointIds: []string{*one.VpcEndpoint.VpcEndpointId}})),
		"Accept":             plErr(p.provider.ec2.AcceptVpcEndpointConnections(p.ctx, &ec2.AcceptVpcEndpointConnectionsInput{DryRun: aws.Bool(true), ServiceId: s.ServiceId, VpcEndpointIds: []string{*one.VpcEndpoint.VpcEndpointId}})),
		"DeleteService":      plErr(p.provider.ec2.DeleteVpcEndpointServiceConfigurations(p.ctx, &ec2.DeleteVpcEndpointServiceConfigurationsInput{DryRun: aws.Bool(true), ServiceIds: []string{*s.ServiceId}})),
		"Describe":           plErr(p.provider.ec2.DescribeVpcEndpointConnections(p.ctx, &ec2.DescribeVpcEndpointConnectionsInput{DryRun: aws.Bool(true)})),
	} {
		t.Log(name)
		p.refused(err, "DryRunOperation", "")
	}
	plEq(t, "state after all the dry runs", string(p.endpoint(one.VpcEndpoint.VpcEndpointId).State), "pendingAcceptance")
}

func plErr[T any](_ T, err error) error { return err }

// TestEventualConsistency sees the windows in which AWS answers that something that was just made
// is not there, or not ready.
func TestEventualConsistency(t *testing.T) {
	t.Parallel()
	p := newPLWorld(t, func(o *lab.Options) {
		o.Timing.ServiceUsable, o.Timing.EndpointVisible, o.Timing.Permission = 400*time.Millisecond, 300*time.Millisecond, 100*time.Millisecond
	})
	s := p.makeService(true, plRoot(plConsumer))
	_, err := p.consumer.ec2.CreateVpcEndpoint(p.ctx, p.request(s))
	p.refused(err, "InvalidServiceName", *s.ServiceName)
	p.until("the permission is effective", func() bool {
		_, err = p.consumer.ec2.DescribeVpcEndpointServices(p.ctx, &ec2.DescribeVpcEndpointServicesInput{ServiceNames: []string{*s.ServiceName}})
		return err == nil
	})
	_, err = p.consumer.ec2.CreateVpcEndpoint(p.ctx, p.request(s))
	p.refused(err, "Unavailable", "The service is unavailable")
	var e *ec2types.VpcEndpoint
	p.until("the service is usable", func() bool {
		out, err := p.consumer.ec2.CreateVpcEndpoint(p.ctx, p.request(s))
		if err == nil {
			e = out.VpcEndpoint
		}
		return err == nil
	})
	_, err = p.consumer.ec2.DescribeVpcEndpoints(p.ctx, &ec2.DescribeVpcEndpointsInput{VpcEndpointIds: []string{*e.VpcEndpointId}})
	p.refused(err, "InvalidVpcEndpointId.NotFound", *e.VpcEndpointId)
	p.until("the endpoint is visible", func() bool {
		_, err = p.consumer.ec2.DescribeVpcEndpoints(p.ctx, &ec2.DescribeVpcEndpointsInput{VpcEndpointIds: []string{*e.VpcEndpointId}})
		return err == nil
	})
	// Retried, as the SDK does by itself, 503 is not an error.
	_, err = p.consumer.ec2.DescribeVpcEndpoints(p.ctx, &ec2.DescribeVpcEndpointsInput{VpcEndpointIds: []string{"vpce-svc-0123456789abcdef0"}})
	p.refused(err, "InvalidVpcEndpointId.Malformed", "")
}

func TestModifyVpcEndpoint(t *testing.T) {
	t.Parallel()
	p := newPLWorld(t, nil)
	s := p.makeService(false, plRoot(plConsumer))
	in := p.request(s)
	a, b := in.SubnetIds[0], in.SubnetIds[1]
	in.SubnetIds = []string{a}
	in.SubnetConfigurations = []ec2types.SubnetConfiguration{{SubnetId: aws.String(a), Ipv4: aws.String("10.0.1.77")}}
	out, err := p.consumer.ec2.CreateVpcEndpoint(p.ctx, in)
	p.must("create", err)
	e := out.VpcEndpoint
	plEq(t, "state without acceptance", string(e.State), "pending")
	p.untilState(e.VpcEndpointId, "available")
	plEq(t, "address", p.addresses(e)[0], "10.0.1.77")

	modify := func(in ec2.ModifyVpcEndpointInput) error {
		in.VpcEndpointId = e.VpcEndpointId
		_, err := p.consumer.ec2.ModifyVpcEndpoint(p.ctx, &in)
		return err
	}
	p.must("add a subnet", modify(ec2.ModifyVpcEndpointInput{AddSubnetIds: []string{b}}))
	plEq(t, "state after the modification", string(p.endpoint(e.VpcEndpointId).State), "pending")
	p.untilState(e.VpcEndpointId, "available")
	plSame(t, "subnets", p.endpoint(e.VpcEndpointId).SubnetIds, []string{a, b})
	plEq(t, "names", len(p.endpoint(e.VpcEndpointId).DnsEntries), 3)

	p.refused(modify(ec2.ModifyVpcEndpointInput{AddSubnetIds: []string{a}}), "DuplicateSubnetsInSameZone", a)
	made, err := p.consumer.ec2.CreateSubnet(p.ctx, &ec2.CreateSubnetInput{VpcId: aws.String(p.vpc), AvailabilityZoneId: aws.String(p.nlbZones[0]), CidrBlock: aws.String("10.0.9.0/24")})
	p.must("make a second subnet in the zone", err)
	twin := *made.Subnet.SubnetId
	p.refused(modify(ec2.ModifyVpcEndpointInput{AddSubnetIds: []string{twin}, RemoveSubnetIds: []string{a}}), "DuplicateSubnetsInSameZone", twin)
	p.must("remove first", modify(ec2.ModifyVpcEndpointInput{RemoveSubnetIds: []string{a}}))
	p.must("then add", modify(ec2.ModifyVpcEndpointInput{AddSubnetIds: []string{twin}}))
	plSame(t, "subnets", p.endpoint(e.VpcEndpointId).SubnetIds, []string{b, twin})
	p.refused(modify(ec2.ModifyVpcEndpointInput{RemoveSubnetIds: []string{a}}), "InvalidParameter", a)
	p.refused(modify(ec2.ModifyVpcEndpointInput{AddSubnetIds: []string{p.subnets[p.zones[2]]}}), "InvalidParameter", "does not support the availability zone of the subnet: ")

	// Another address is another interface; one that is taken changes nothing.
	before := p.endpoint(e.VpcEndpointId)
	p.must("move", modify(ec2.ModifyVpcEndpointInput{SubnetConfigurations: []ec2types.SubnetConfiguration{{SubnetId: aws.String(twin), Ipv4: aws.String("10.0.9.99")}}}))
	after := p.endpoint(e.VpcEndpointId)
	plEq(t, "the moved address", p.addresses(after)[1], "10.0.9.99")
	plEq(t, "the other interface", after.NetworkInterfaceIds[0], before.NetworkInterfaceIds[0])
	if after.NetworkInterfaceIds[1] == before.NetworkInterfaceIds[1] {
		t.Error("the moved interface is the old one")
	}
	p.refused(modify(ec2.ModifyVpcEndpointInput{SubnetConfigurations: []ec2types.SubnetConfiguration{{SubnetId: aws.String(twin), Ipv4: aws.String("10.0.9.1")}}}), "InvalidParameterValue", "10.0.9.1")
	plSame(t, "interfaces after the refusal", p.endpoint(e.VpcEndpointId).NetworkInterfaceIds, after.NetworkInterfaceIds)

	// Security groups, on the endpoint and on its interfaces.
	group, err := p.consumer.ec2.CreateSecurityGroup(p.ctx, &ec2.CreateSecurityGroupInput{GroupName: aws.String("endpoint"), Description: aws.String("endpoint"), VpcId: aws.String(p.vpc)})
	p.must("make a group", err)
	p.must("change groups", modify(ec2.ModifyVpcEndpointInput{AddSecurityGroupIds: []string{*group.GroupId}, RemoveSecurityGroupIds: []string{*after.Groups[0].GroupId}}))
	got := p.endpoint(e.VpcEndpointId)
	plEq(t, "groups", len(got.Groups), 1)
	plEq(t, "group", aws.ToString(got.Groups[0].GroupName), "endpoint")
	enis, err := p.consumer.ec2.DescribeNetworkInterfaces(p.ctx, &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: got.NetworkInterfaceIds})
	p.must("describe the interfaces", err)
	for _, n := range enis.NetworkInterfaces {
		plEq(t, "group of the interface", aws.ToString(n.Groups[0].GroupId), *group.GroupId)
	}
	p.refused(modify(ec2.ModifyVpcEndpointInput{RemoveSecurityGroupIds: []string{*group.GroupId}}), "InvalidParameter", "at least one security group")

	p.must("remove all subnets", modify(ec2.ModifyVpcEndpointInput{RemoveSubnetIds: []string{b, twin}}))
	plEq(t, "names without subnets", len(p.endpoint(e.VpcEndpointId).DnsEntries), 0)
	p.reject(s, *e.VpcEndpointId)
	p.refused(modify(ec2.ModifyVpcEndpointInput{AddSubnetIds: []string{a}}), "IncorrectState", "rejected")
}

// addresses are those of the endpoint's interfaces, in its order.
func (p *plWorld) addresses(e *ec2types.VpcEndpoint) []string {
	p.t.Helper()
	var out []string
	for _, id := range e.NetworkInterfaceIds {
		got, err := p.consumer.ec2.DescribeNetworkInterfaces(p.ctx, &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{id}})
		p.must("describe the interface", err)
		out = append(out, aws.ToString(got.NetworkInterfaces[0].PrivateIpAddress))
	}
	return out
}

func TestEndpointQuotaFiltersAndPages(t *testing.T) {
	t.Parallel()
	p := newPLWorld(t, nil)
	s := p.makeService(true, plRoot(plConsumer))
	in := p.request(s)
	in.SubnetIds = nil
	var ids []string
	for i := range 50 {
		in.TagSpecifications = []ec2types.TagSpecification{{ResourceType: ec2types.ResourceTypeVpcEndpoint, Tags: []ec2types.Tag{{Key: aws.String("n"), Value: aws.String(fmt.Sprint(i))}}}}
		out, err := p.consumer.ec2.CreateVpcEndpoint(p.ctx, in)
		p.must("create", err)
		ids = append(ids, *out.VpcEndpoint.VpcEndpointId)
	}
	_, err := p.consumer.ec2.CreateVpcEndpoint(p.ctx, in)
	p.refused(err, "VpcEndpointLimitExceeded", p.vpc)

	var paged []string
	pages := ec2.NewDescribeVpcEndpointsPaginator(p.consumer.ec2, &ec2.DescribeVpcEndpointsInput{MaxResults: aws.Int32(20)})
	count := 0
	for ; pages.HasMorePages(); count++ {
		out, err := pages.NextPage(p.ctx)
		p.must("next page", err)
		for _, e := range out.VpcEndpoints {
			paged = append(paged, *e.VpcEndpointId)
		}
	}
	plEq(t, "pages", count, 3)
	plSame(t, "endpoints in the order of creation", paged, ids)
	_, err = p.consumer.ec2.DescribeVpcEndpoints(p.ctx, &ec2.DescribeVpcEndpointsInput{NextToken: aws.String("nonsense")})
	p.refused(err, "InvalidPaginationToken", "")
	cut, err := p.consumer.ec2.DescribeVpcEndpoints(p.ctx, &ec2.DescribeVpcEndpointsInput{MaxResults: aws.Int32(5000)})
	p.must("ask for more than 1000", err)
	plEq(t, "no token on the last page", cut.NextToken, nil)

	for _, c := range []struct {
		name, value string
		want        int
	}{
		{"vpc-endpoint-state", "pendingAcceptance", 50},
		{"vpc-endpoint-state", "PendingAcceptance", 0},
		{"vpc-endpoint-id", ids[7], 1},
		{"tag:n", "4?", 10},
		{"tag-key", "n", 50},
		{"vpc-id", p.vpc, 50},
		{"service-name", *s.ServiceName, 50},
		{"vpc-endpoint-type", "Gateway", 0},
		{"ip-address-type", "ipv4", 50},
	} {
		out, err := p.consumer.ec2.DescribeVpcEndpoints(p.ctx, &ec2.DescribeVpcEndpointsInput{Filters: []ec2types.Filter{{Name: aws.String(c.name), Values: []string{c.value}}}})
		p.must("filter", err)
		plEq(t, c.name+"="+c.value, len(out.VpcEndpoints), c.want)
	}
	_, err = p.consumer.ec2.DescribeVpcEndpoints(p.ctx, &ec2.DescribeVpcEndpointsInput{Filters: []ec2types.Filter{{Name: aws.String("state"), Values: []string{"x"}}}})
	p.refused(err, "InvalidParameterValue", "The filter 'state' is invalid")
	mine, err := p.provider.ec2.DescribeVpcEndpoints(p.ctx, &ec2.DescribeVpcEndpointsInput{})
	p.must("list as the provider", err)
	plEq(t, "endpoints of the provider", len(mine.VpcEndpoints), 0)
	some, err := p.provider.ec2.DescribeVpcEndpointConnections(p.ctx, &ec2.DescribeVpcEndpointConnectionsInput{MaxResults: aws.Int32(5), Filters: []ec2types.Filter{{Name: aws.String("vpc-endpoint-owner"), Values: []string{plConsumer}}}})
	p.must("a page of connections", err)
	plEq(t, "a page of connections", len(some.VpcEndpointConnections), 5)
}
