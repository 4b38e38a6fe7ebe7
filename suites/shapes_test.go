package suites_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	r53types "github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/awsapi"
	"github.com/linkassay/linkassay/provision/lab"
)

// What makes a built link another healthy one, through the lab's API.

// wildcard lets the service share *.intra.chartsinvestor.com, of which the link uses one name.
func wildcard(o *lab.Options) {
	o.Link = func(l *provision.Link) { l.PrivateDNSName = "*.intra.chartsinvestor.com" }
}

// oneName is the link file of a consumer who uses one name of a wildcard.
func oneName(l *provision.Link) { l.PrivateDNSName = lab.PrivateDNSName }

// anyLatency delays the packets of both VPCs by up to 10 ms each way.
func anyLatency(seed uint64) func(context.Context, labLink) error {
	return func(ctx context.Context, l labLink) error {
		r := rand.New(rand.NewPCG(seed, 5))
		sides, err := provision.Open(ctx, &l.link, l.lab.Open)
		if err != nil {
			return err
		}
		defer sides.Close()
		for _, c := range []*ec2.Client{sides.Provider.EC2, sides.Consumer.EC2} {
			vpcs, err := c.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
			if err != nil {
				return err
			}
			for _, v := range vpcs.Vpcs {
				if err := l.lab.Latency(*v.VpcId, time.Duration(r.IntN(10_000))*time.Microsecond); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

// The places where AWS looks for the TXT record beside LABEL.NAME.
func parentDomain(label, name string) string {
	_, parent, _ := strings.Cut(name, ".")
	return label + "." + parent
}

func domainItself(_, name string) string { return name }

// moveTXT moves the verification record to another place where AWS finds it.
func moveTXT(place func(label, name string) string) func(context.Context, labLink) error {
	return func(ctx context.Context, l labLink) error {
		sides, err := provision.Open(ctx, &l.link, l.lab.Open)
		if err != nil {
			return err
		}
		defer sides.Close()
		c := sides.Provider
		services, err := c.EC2.DescribeVpcEndpointServiceConfigurations(ctx, &ec2.DescribeVpcEndpointServiceConfigurationsInput{ServiceIds: []string{l.link.Provider.ServiceID}})
		if err != nil {
			return err
		}
		p := services.ServiceConfigurations[0].PrivateDnsNameConfiguration
		zones, err := c.Route53.ListHostedZones(ctx, &route53.ListHostedZonesInput{})
		if err != nil {
			return err
		}
		zone := zones.HostedZones[0].Id
		sets, err := c.Route53.ListResourceRecordSets(ctx, &route53.ListResourceRecordSetsInput{HostedZoneId: zone})
		if err != nil {
			return err
		}
		i := slices.IndexFunc(sets.ResourceRecordSets, func(s r53types.ResourceRecordSet) bool {
			return s.Type == r53types.RRTypeTxt && strings.HasPrefix(*s.Name, *p.Name+".")
		})
		if i < 0 {
			return errors.New("no verification record")
		}
		old := sets.ResourceRecordSets[i]
		moved := r53types.ResourceRecordSet{
			Name: aws.String(place(*p.Name, l.link.PrivateDNSName)), Type: r53types.RRTypeTxt, TTL: aws.Int64(60),
			ResourceRecords: []r53types.ResourceRecord{{Value: aws.String(strconv.Quote(*p.Value))}},
		}
		change, err := c.Route53.ChangeResourceRecordSets(ctx, &route53.ChangeResourceRecordSetsInput{HostedZoneId: zone, ChangeBatch: &r53types.ChangeBatch{
			Changes: []r53types.Change{{Action: r53types.ChangeActionDelete, ResourceRecordSet: &old}, {Action: r53types.ChangeActionCreate, ResourceRecordSet: &moved}},
		}})
		if err != nil {
			return err
		}
		if err := until(ctx, "the name servers have the record", func() (bool, error) {
			out, err := c.Route53.GetChange(ctx, &route53.GetChangeInput{Id: change.ChangeInfo.Id})
			return err == nil && out.ChangeInfo.Status == r53types.ChangeStatusInsync, err
		}); err != nil {
			return err
		}
		if _, err := c.EC2.StartVpcEndpointServicePrivateDnsVerification(ctx, &ec2.StartVpcEndpointServicePrivateDnsVerificationInput{ServiceId: &l.link.Provider.ServiceID}); err != nil {
			return err
		}
		return until(ctx, "the name is verified", func() (bool, error) {
			out, err := c.EC2.DescribeVpcEndpointServiceConfigurations(ctx, &ec2.DescribeVpcEndpointServiceConfigurationsInput{ServiceIds: []string{l.link.Provider.ServiceID}})
			return err == nil && out.ServiceConfigurations[0].PrivateDnsNameConfiguration.State == ec2types.DnsNameStateVerified, err
		})
	}
}

// guardBalancer puts a load balancer with a security group in place of the one without, which can't be given one
// afterwards. A service is never without a load balancer, and apply knows its own by name: one stands in.
func guardBalancer(ctx context.Context, l labLink) error {
	sides, err := provision.Open(ctx, &l.link, l.lab.Open)
	if err != nil {
		return err
	}
	defer sides.Close()
	if err := deleteEndpoint(ctx, sides.Consumer.EC2, l.link.Consumer.EndpointID); err != nil { // while it stands, none can be taken away
		return err
	}
	c := sides.Provider
	balancers, err := c.ELB.DescribeLoadBalancers(ctx, &elb.DescribeLoadBalancersInput{})
	if err != nil {
		return err
	}
	old := balancers.LoadBalancers[0]
	tags, err := c.ELB.DescribeTags(ctx, &elb.DescribeTagsInput{ResourceArns: []string{*old.LoadBalancerArn}})
	if err != nil {
		return err
	}
	group, err := c.EC2.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{GroupName: aws.String("balancer"), Description: aws.String("clients of the service"), VpcId: old.VpcId})
	if err != nil {
		return err
	}
	if _, err := c.EC2.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{
		GroupId: group.GroupId,
		IpPermissions: []ec2types.IpPermission{{
			IpProtocol: aws.String("tcp"), FromPort: aws.Int32(0), ToPort: aws.Int32(65535), IpRanges: []ec2types.IpRange{{CidrIp: aws.String("10.0.0.0/8")}},
		}},
	}); err != nil {
		return err
	}
	in := &elb.CreateLoadBalancerInput{
		Name: aws.String("stands-in"), Type: elbtypes.LoadBalancerTypeEnumNetwork, Scheme: elbtypes.LoadBalancerSchemeEnumInternal,
		Tags: tags.TagDescriptions[0].Tags,
	}
	for _, z := range old.AvailabilityZones {
		in.Subnets = append(in.Subnets, *z.SubnetId)
	}
	standIn, err := replaceBalancer(ctx, c, l.link.Provider.ServiceID, *old.LoadBalancerArn, in)
	if err != nil {
		return err
	}
	in.Name, in.SecurityGroups = old.LoadBalancerName, []string{*group.GroupId}
	if _, err := replaceBalancer(ctx, c, l.link.Provider.ServiceID, standIn, in); err != nil {
		return err
	}
	_, err = l.lab.Provision(ctx, nil)
	return err
}

func deleteEndpoint(ctx context.Context, c *ec2.Client, id string) error {
	if _, err := c.DeleteVpcEndpoints(ctx, &ec2.DeleteVpcEndpointsInput{VpcEndpointIds: []string{id}}); err != nil {
		return err
	}
	return until(ctx, "the endpoint is gone", func() (bool, error) {
		out, err := c.DescribeVpcEndpoints(ctx, &ec2.DescribeVpcEndpointsInput{
			Filters: []ec2types.Filter{{Name: aws.String("vpc-endpoint-id"), Values: []string{id}}},
		})
		return err == nil && len(out.VpcEndpoints) == 0, err
	})
}

// replaceBalancer makes a load balancer, gives it to the service in place of an old one with that one's listeners,
// and deletes the old one.
func replaceBalancer(ctx context.Context, c *awsapi.Clients, service, old string, in *elb.CreateLoadBalancerInput) (string, error) {
	created, err := c.ELB.CreateLoadBalancer(ctx, in)
	if err != nil {
		return "", err
	}
	arn := *created.LoadBalancers[0].LoadBalancerArn
	if err := until(ctx, "the load balancer is active", func() (bool, error) {
		out, err := c.ELB.DescribeLoadBalancers(ctx, &elb.DescribeLoadBalancersInput{LoadBalancerArns: []string{arn}})
		return err == nil && out.LoadBalancers[0].State.Code == elbtypes.LoadBalancerStateEnumActive, err
	}); err != nil {
		return "", err
	}
	if _, err := c.EC2.ModifyVpcEndpointServiceConfiguration(ctx, &ec2.ModifyVpcEndpointServiceConfigurationInput{
		ServiceId: &service, AddNetworkLoadBalancerArns: []string{arn}, RemoveNetworkLoadBalancerArns: []string{old},
	}); err != nil {
		return "", err
	}
	if err := moveListeners(ctx, c.ELB, old, arn); err != nil {
		return "", err
	}
	_, err = c.ELB.DeleteLoadBalancer(ctx, &elb.DeleteLoadBalancerInput{LoadBalancerArn: &old})
	return arn, err
}

// moveListeners makes the listeners of one load balancer those of another.
func moveListeners(ctx context.Context, c *elb.Client, from, to string) error {
	listeners, err := c.DescribeListeners(ctx, &elb.DescribeListenersInput{LoadBalancerArn: &from})
	if err != nil {
		return err
	}
	for _, l := range listeners.Listeners {
		tags, err := c.DescribeTags(ctx, &elb.DescribeTagsInput{ResourceArns: []string{*l.ListenerArn}})
		if err != nil {
			return err
		}
		if _, err := c.DeleteListener(ctx, &elb.DeleteListenerInput{ListenerArn: l.ListenerArn}); err != nil {
			return err
		}
		if _, err := c.CreateListener(ctx, &elb.CreateListenerInput{
			LoadBalancerArn: &to, Port: l.Port, Protocol: l.Protocol, Tags: tags.TagDescriptions[0].Tags,
			DefaultActions: []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: l.DefaultActions[0].TargetGroupArn}},
		}); err != nil {
			return err
		}
	}
	return nil
}

// until polls until done says so.
func until(ctx context.Context, what string, done func() (bool, error)) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := done()
		if err != nil || ok {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until %s: %w", what, ctx.Err())
		case <-tick.C:
		}
	}
}
