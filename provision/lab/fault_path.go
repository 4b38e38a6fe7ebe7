package lab

import (
	"context"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/awsapi"
)

// pathFaults: what drops packets on their way, on both sides.
func pathFaults() []Fault {
	deny := func(provider, egress bool, from, to int32) func(*breaker, context.Context) error {
		return func(b *breaker, ctx context.Context) error { return b.aclDenies(ctx, provider, egress, from, to) }
	}
	also := func(v provision.Vantage) func(*provision.Link) {
		return func(l *provision.Link) { l.Vantages = append(l.Vantages, v) }
	}
	return []Fault{
		{
			Name: "vantage-outside", Text: "a vantage that should reach the link stands outside the VPC, and nothing routes there",
			Excludes: []string{"vantage"}, File: also(provision.Vantage{Name: "office", From: FromInternet}),
		},
		{
			Name: "closed-vantage-connects", Text: "a vantage that must not reach the link is let in",
			// It connects only where everything else lets it.
			Excludes: []string{"vantage", "load-balancer", "endpoint", "endpoint-group", "consumer-acl", "provider-acl", "target"}, File: also(provision.Vantage{Name: "guest", From: FromClient, Expect: provision.ExpectTimeout}),
		},
		{
			Name: "endpoint-acl-denies", Text: "the network ACL of the endpoint's subnets denies port 443 inbound",
			Excludes: []string{"consumer-acl", "zones"}, set: deny(false, false, 443, 443),
		},
		{
			Name: "endpoint-acl-denies-answers", Text: "the network ACL of the endpoint's subnets denies ephemeral ports outbound",
			Excludes: []string{"consumer-acl", "zones"}, set: deny(false, true, 1024, 65535),
		},
		{
			Name: "client-acl-denies", Text: "the network ACL of the clients' subnets denies port 443 outbound",
			Excludes: []string{"consumer-acl", "zones"}, set: deny(false, true, 443, 443),
		},
		{
			Name: "client-acl-denies-answers", Text: "the network ACL of the clients' subnets denies ephemeral ports inbound",
			Excludes: []string{"consumer-acl", "zones"}, set: deny(false, false, 1024, 65535),
		},
		{
			Name: "client-group-closed", Text: "a client's security group lets nothing out but DNS",
			Excludes: []string{"client", "endpoint"}, set: (*breaker).clientGroupClosed,
		},
		{
			Name: "target-acl-denies", Text: "the network ACL of load balancer and targets denies port 443 between their subnets",
			Excludes: []string{"provider-acl", "target"}, Prepare: building(func(p *provision.ProviderBuild) { p.CrossZone = true }),
			set: deny(true, false, 443, 443),
		},
		{
			Name: "target-group-without-health-checks", Text: "the targets' security group does not admit port 443 at all",
			Excludes: []string{"target", "target-group", "load-balancer"}, set: (*breaker).targetGroupClosed,
		},
		{
			Name: "target-group-without-traffic", Text: "the targets' security group admits the health check port, not the traffic port",
			Excludes: []string{"target", "target-group"}, set: (*breaker).targetGroupWithoutTraffic,
		},
		{
			Name: "target-group-admits-clients", Text: "the targets' security group admits the clients' addresses, not the load balancer's",
			Excludes: []string{"target", "target-group"}, set: (*breaker).targetGroupAdmitsClients,
		},
		{
			Name: "load-balancer-group-closed-outbound", Text: "the security group of one of two load balancers lets nothing out to targets",
			Excludes: []string{"load-balancer", "target", "target-group", "zones", "zone", "proxy", "listener"}, set: (*breaker).balancerGroupClosedOutbound,
		},
		{
			Name: "load-balancer-group-admits-interfaces", Text: "the security group of one of two load balancers admits the endpoint's interfaces, not the clients",
			Excludes: []string{"load-balancer", "endpoint", "target", "target-group", "zones", "zone", "proxy", "listener"}, set: (*breaker).balancerGroupAdmitsInterfaces,
		},
	}
}

// aclDenies puts an entry before all others into the default network ACL of a side's VPC.
func (b *breaker) aclDenies(ctx context.Context, provider, egress bool, from, to int32) error {
	c, vpc := b.sides.Consumer, ""
	if provider {
		lb, err := b.balancer(ctx)
		if err != nil {
			return err
		}
		c, vpc = b.sides.Provider, aws.ToString(lb.VpcId)
	} else {
		e, err := b.endpoint(ctx)
		if err != nil {
			return err
		}
		vpc = aws.ToString(e.VpcId)
	}
	out, err := c.EC2.DescribeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{Filters: []ec2types.Filter{
		{Name: aws.String("vpc-id"), Values: []string{vpc}}, {Name: aws.String("default"), Values: []string{"true"}},
	}})
	if err != nil {
		return err
	}
	_, err = c.EC2.CreateNetworkAclEntry(ctx, &ec2.CreateNetworkAclEntryInput{
		NetworkAclId: out.NetworkAcls[0].NetworkAclId, RuleNumber: aws.Int32(90), Protocol: aws.String("6"), RuleAction: ec2types.RuleActionDeny,
		Egress: &egress, CidrBlock: aws.String("0.0.0.0/0"), PortRange: &ec2types.PortRange{From: &from, To: &to},
	})
	return err
}

// clientGroupClosed puts an instance into one of the endpoint's subnets, whose vantage it becomes.
func (b *breaker) clientGroupClosed(ctx context.Context) error {
	c := b.sides.Consumer
	e, err := b.endpoint(ctx)
	if err != nil {
		return err
	}
	group, err := b.newSecurityGroup(ctx, c, e.VpcId, "client")
	if err != nil {
		return err
	}
	everything := []ec2types.IpPermission{{IpProtocol: aws.String("-1"), IpRanges: []ec2types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}}}}
	if _, err := c.EC2.RevokeSecurityGroupEgress(ctx, &ec2.RevokeSecurityGroupEgressInput{GroupId: &group, IpPermissions: everything}); err != nil {
		return err
	}
	if _, err := c.EC2.AuthorizeSecurityGroupEgress(ctx, &ec2.AuthorizeSecurityGroupEgressInput{GroupId: &group, IpPermissions: []ec2types.IpPermission{{
		IpProtocol: aws.String("udp"), FromPort: aws.Int32(53), ToPort: aws.Int32(53), IpRanges: everything[0].IpRanges,
	}}}); err != nil {
		return err
	}
	images, err := c.EC2.DescribeImages(ctx, &ec2.DescribeImagesInput{Owners: []string{"amazon"}})
	if err != nil {
		return err
	}
	run, err := c.EC2.RunInstances(ctx, &ec2.RunInstancesInput{
		ImageId: images.Images[0].ImageId, InstanceType: ec2types.InstanceTypeT4gNano, MinCount: aws.Int32(1), MaxCount: aws.Int32(1),
		SubnetId: &e.SubnetIds[0], SecurityGroupIds: []string{group},
		TagSpecifications: []ec2types.TagSpecification{{ResourceType: ec2types.ResourceTypeInstance, Tags: []ec2types.Tag{{Key: aws.String(VantageTag), Value: aws.String("yes")}}}},
	})
	if err != nil {
		return err
	}
	return b.until(ctx, "the client runs", func() (bool, error) {
		out, err := c.EC2.DescribeInstances(ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{*run.Instances[0].InstanceId}})
		return err == nil && out.Reservations[0].Instances[0].State.Name == ec2types.InstanceStateNameRunning, err
	})
}

func (b *breaker) newSecurityGroup(ctx context.Context, c *awsapi.Clients, vpc *string, name string) (string, error) {
	out, err := c.EC2.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{
		GroupName: &name, Description: aws.String("of a fault"), VpcId: vpc,
	})
	if err != nil {
		return "", err
	}
	return *out.GroupId, nil
}

// targetSecurityGroups are those of the instances behind port 443.
func (b *breaker) targetSecurityGroups(ctx context.Context) (group *elbtypes.TargetGroup, ids []string, err error) {
	if group, err = b.groupOn(ctx, 443); err != nil {
		return nil, nil, err
	}
	instances, err := b.targets(ctx, *group.TargetGroupArn)
	if err != nil {
		return nil, nil, err
	}
	out, err := b.sides.Provider.EC2.DescribeInstances(ctx, &ec2.DescribeInstancesInput{InstanceIds: instances})
	if err != nil {
		return nil, nil, err
	}
	seen := map[string]bool{}
	for _, r := range out.Reservations {
		for _, i := range r.Instances {
			for _, g := range i.SecurityGroups {
				if id := aws.ToString(g.GroupId); !seen[id] {
					seen[id] = true
					ids = append(ids, id)
				}
			}
		}
	}
	return group, ids, nil
}

// closeTargets takes the rules for a port out of the targets' security groups.
func (b *breaker) closeTargets(ctx context.Context, ids []string, port int32) error {
	p := b.sides.Provider
	out, err := p.EC2.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: ids})
	if err != nil {
		return err
	}
	for _, g := range out.SecurityGroups {
		for _, rule := range g.IpPermissions {
			if aws.ToInt32(rule.FromPort) != port {
				continue
			}
			if _, err := p.EC2.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: g.GroupId, IpPermissions: []ec2types.IpPermission{rule}}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *breaker) targetGroupClosed(ctx context.Context) error {
	group, ids, err := b.targetSecurityGroups(ctx)
	if err != nil {
		return err
	}
	if err := b.closeTargets(ctx, ids, aws.ToInt32(group.Port)); err != nil {
		return err
	}
	return b.untilTargets(ctx, *group.TargetGroupArn, elbtypes.TargetHealthStateEnumUnhealthy)
}

// checkOn moves the health checks of port 443 to the port of the other target group.
func (b *breaker) checkOn(ctx context.Context, group *elbtypes.TargetGroup) error {
	other, err := b.groupOn(ctx, 80)
	if err != nil {
		return err
	}
	if _, err := b.sides.Provider.ELB.ModifyTargetGroup(ctx, &elb.ModifyTargetGroupInput{
		TargetGroupArn: group.TargetGroupArn, HealthCheckPort: aws.String(strconv.Itoa(int(aws.ToInt32(other.Port)))),
	}); err != nil {
		return err
	}
	return b.untilTargets(ctx, *group.TargetGroupArn, elbtypes.TargetHealthStateEnumHealthy)
}

func (b *breaker) targetGroupWithoutTraffic(ctx context.Context) error {
	group, ids, err := b.targetSecurityGroups(ctx)
	if err != nil {
		return err
	}
	if err := b.checkOn(ctx, group); err != nil {
		return err
	}
	if err := b.closeTargets(ctx, ids, aws.ToInt32(group.Port)); err != nil {
		return err
	}
	return b.untilTargets(ctx, *group.TargetGroupArn, elbtypes.TargetHealthStateEnumHealthy)
}

func (b *breaker) targetGroupAdmitsClients(ctx context.Context) error {
	group, ids, err := b.targetSecurityGroups(ctx)
	if err != nil {
		return err
	}
	if err := b.checkOn(ctx, group); err != nil {
		return err
	}
	if err := b.closeTargets(ctx, ids, aws.ToInt32(group.Port)); err != nil {
		return err
	}
	rule := ec2types.IpPermission{IpProtocol: aws.String("tcp"), FromPort: group.Port, ToPort: group.Port}
	for _, s := range b.lab.Subnets(b.link.Consumer.Account) {
		v, err := b.lab.Vantage(s.ID)
		if err != nil {
			return err
		}
		rule.IpRanges = append(rule.IpRanges, ec2types.IpRange{CidrIp: aws.String(v.addr.String() + "/32")})
	}
	_, err = b.sides.Provider.EC2.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &ids[0], IpPermissions: []ec2types.IpPermission{rule}})
	if err != nil {
		return err
	}
	return b.untilTargets(ctx, *group.TargetGroupArn, elbtypes.TargetHealthStateEnumHealthy)
}

// guardedBalancer gives the service a second load balancer, with a security group: a load balancer gets its
// first group when it is made, or never.
func (b *breaker) guardedBalancer(ctx context.Context) (group string, err error) {
	first, err := b.balancer(ctx)
	if err != nil {
		return "", err
	}
	if group, err = b.newSecurityGroup(ctx, b.sides.Provider, first.VpcId, "guarded"); err != nil {
		return "", err
	}
	return group, b.secondBalancer(ctx, secondBalancer{groups: []string{group}})
}

// admit lets TCP from the blocks in on the link's ports.
func (b *breaker) admit(ctx context.Context, group string, blocks ...string) error {
	var rules []ec2types.IpPermission
	for _, port := range b.link.Ports {
		rule := ec2types.IpPermission{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(int32(port.Port)), ToPort: aws.Int32(int32(port.Port))}
		for _, block := range blocks {
			rule.IpRanges = append(rule.IpRanges, ec2types.IpRange{CidrIp: aws.String(block)})
		}
		rules = append(rules, rule)
	}
	_, err := b.sides.Provider.EC2.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: rules})
	return err
}

func (b *breaker) balancerGroupClosedOutbound(ctx context.Context) error {
	group, err := b.guardedBalancer(ctx)
	if err != nil {
		return err
	}
	if err := b.admit(ctx, group, "0.0.0.0/0"); err != nil {
		return err
	}
	if _, err := b.sides.Provider.EC2.RevokeSecurityGroupEgress(ctx, &ec2.RevokeSecurityGroupEgressInput{GroupId: &group, IpPermissions: []ec2types.IpPermission{
		{IpProtocol: aws.String("-1"), IpRanges: []ec2types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}}},
	}}); err != nil {
		return err
	}
	for _, port := range b.link.Ports {
		out, err := b.sides.Provider.ELB.DescribeTargetGroups(ctx, &elb.DescribeTargetGroupsInput{Names: []string{fmt.Sprintf("second-%d", port.Port)}})
		if err != nil {
			return err
		}
		if err := b.untilTargets(ctx, *out.TargetGroups[0].TargetGroupArn, elbtypes.TargetHealthStateEnumUnhealthy); err != nil {
			return err
		}
	}
	return nil
}

func (b *breaker) balancerGroupAdmitsInterfaces(ctx context.Context) error {
	group, err := b.guardedBalancer(ctx)
	if err != nil {
		return err
	}
	e, err := b.endpoint(ctx)
	if err != nil {
		return err
	}
	out, err := b.sides.Consumer.EC2.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: e.NetworkInterfaceIds})
	if err != nil {
		return err
	}
	var blocks []string
	for _, n := range out.NetworkInterfaces {
		blocks = append(blocks, aws.ToString(n.PrivateIpAddress)+"/32")
	}
	if len(blocks) == 0 {
		return fmt.Errorf("endpoint %s has no interface", b.link.Consumer.EndpointID)
	}
	return b.admit(ctx, group, blocks...)
}
