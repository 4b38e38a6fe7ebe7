package lab

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/linkassay/linkassay/provision"
)

// providerZoneFaults: the zones that the provider's side is in.
func providerZoneFaults() []Fault {
	return []Fault{
		{
			Name: "load-balancer-not-in-zone", Text: "the link file builds the endpoint in a zone that the load balancer is not in",
			Excludes: []string{"zones"}, Prepare: inFirstZones(2),
			File: func(l *provision.Link) {
				if l.Consumer.Build != nil {
					l.Consumer.Build.Zones = zoneIDsOf(l.Region, 3)
				}
			},
		},
		{
			Name: "service-in-one-zone", Text: "the service is in one zone, and nobody asked for that",
			Excludes: []string{"zones"}, Prepare: inFirstZones(1),
			File: func(l *provision.Link) {
				if l.Provider.Build != nil {
					l.Provider.Build.Zones = nil
				}
			},
		},
		{
			Name: "service-zones-old", Text: "a third zone was enabled on the load balancer, and the service was not told",
			Excludes: []string{"zones", "target", "family", "service-config"}, Prepare: inFirstZones(2), set: (*breaker).serviceZonesOld,
		},
		{
			Name: "target-zone-not-enabled", Text: "a target was added in a zone that is not enabled on the load balancer",
			Excludes: []string{"zones", "target", "family"}, Prepare: inFirstZones(2), set: (*breaker).targetZoneNotEnabled,
		},
	}
}

// inFirstZones builds the provider's side in the Region's first zones.
func inFirstZones(n int) func(*Options) {
	return func(o *Options) {
		region := o.filled().Region
		building(func(p *provision.ProviderBuild) { p.Zones = zoneIDsOf(region, n) })(o)
	}
}

// zoneIDsOf are the first n zone ids of a Region of the lab.
func zoneIDsOf(region string, n int) []string {
	var ids []string
	for _, r := range regions() {
		for i := 1; i <= n && r.name == region; i++ {
			ids = append(ids, fmt.Sprintf("%s-az%d", r.prefix, i))
		}
	}
	return ids
}

// anotherZone makes a subnet in a zone that the provider's VPC has none in, with an instance like those that are there,
// and returns both when the instance runs.
func (b *breaker) anotherZone(ctx context.Context) (subnet, instance string, err error) {
	lb, err := b.balancer(ctx)
	if err != nil {
		return "", "", err
	}
	groups, err := b.targetGroups(ctx)
	if err != nil {
		return "", "", err
	}
	ids, err := b.targets(ctx, groups...)
	if err != nil {
		return "", "", err
	}
	p := b.sides.Provider.EC2
	like, err := p.DescribeInstances(ctx, &ec2.DescribeInstancesInput{InstanceIds: ids[:1]})
	if err != nil {
		return "", "", err
	}
	model := like.Reservations[0].Instances[0]
	var have []string
	for _, s := range b.lab.Subnets(b.link.Provider.Account) {
		have = append(have, s.ZoneID)
	}
	free := slices.DeleteFunc(zoneIDsOf(b.link.Region, 3), func(z string) bool { return slices.Contains(have, z) })
	if len(free) == 0 {
		return "", "", fmt.Errorf("the provider has subnets in all zones already")
	}
	vpcs, err := p.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{VpcIds: []string{*lb.VpcId}})
	if err != nil {
		return "", "", err
	}
	block, err := netip.ParsePrefix(aws.ToString(vpcs.Vpcs[0].CidrBlock))
	if err != nil {
		return "", "", err
	}
	last := netip.PrefixFrom(lastAddr(block), 20).Masked().String()
	made, err := p.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: lb.VpcId, CidrBlock: &last, AvailabilityZoneId: &free[0]})
	if err != nil {
		return "", "", err
	}
	subnet = *made.Subnet.SubnetId
	run, err := p.RunInstances(ctx, &ec2.RunInstancesInput{
		ImageId: model.ImageId, InstanceType: model.InstanceType, MinCount: aws.Int32(1), MaxCount: aws.Int32(1),
		SubnetId: &subnet, SecurityGroupIds: []string{*model.SecurityGroups[0].GroupId},
	})
	if err != nil {
		return "", "", err
	}
	instance = *run.Instances[0].InstanceId
	return subnet, instance, b.until(ctx, "the new instance runs", func() (bool, error) {
		out, err := p.DescribeInstances(ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{instance}})
		return err == nil && out.Reservations[0].Instances[0].State.Name == ec2types.InstanceStateNameRunning, err
	})
}

// register adds an instance to all target groups of the link and waits for the state.
func (b *breaker) register(ctx context.Context, instance string, state elbtypes.TargetHealthStateEnum) error {
	groups, err := b.targetGroups(ctx)
	if err != nil {
		return err
	}
	for _, g := range groups {
		if _, err := b.sides.Provider.ELB.RegisterTargets(ctx, &elb.RegisterTargetsInput{
			TargetGroupArn: &g, Targets: []elbtypes.TargetDescription{{Id: &instance}},
		}); err != nil {
			return err
		}
		if err := b.untilTargets(ctx, g, state, instance); err != nil {
			return err
		}
	}
	return nil
}

func (b *breaker) serviceZonesOld(ctx context.Context) error {
	subnet, instance, err := b.anotherZone(ctx)
	if err != nil {
		return err
	}
	lb, err := b.balancer(ctx)
	if err != nil {
		return err
	}
	if _, err := b.sides.Provider.ELB.SetSubnets(ctx, &elb.SetSubnetsInput{
		LoadBalancerArn: lb.LoadBalancerArn, Subnets: append(nodeSubnets(lb), subnet),
	}); err != nil {
		return err
	}
	return b.register(ctx, instance, elbtypes.TargetHealthStateEnumHealthy)
}

func (b *breaker) targetZoneNotEnabled(ctx context.Context) error {
	_, instance, err := b.anotherZone(ctx)
	if err != nil {
		return err
	}
	return b.register(ctx, instance, elbtypes.TargetHealthStateEnumUnused)
}
