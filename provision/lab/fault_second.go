package lab

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// secondBalancer is in what a second load balancer of the service is unlike the first.
type secondBalancer struct {
	groups  []string // security groups
	without []int32  // ports on which it has no listener
}

// secondBalancer gives the service another load balancer in the same subnets, with the same listeners in front of
// target groups of its own (a group can't have two load balancers) and the same targets.
func (b *breaker) secondBalancer(ctx context.Context, second secondBalancer) error {
	first, err := b.balancer(ctx)
	if err != nil {
		return err
	}
	listeners, err := b.listeners(ctx)
	if err != nil {
		return err
	}
	p := b.sides.Provider
	made, err := p.ELB.CreateLoadBalancer(ctx, &elb.CreateLoadBalancerInput{
		Name: aws.String("second"), Type: elbtypes.LoadBalancerTypeEnumNetwork, Scheme: elbtypes.LoadBalancerSchemeEnumInternal,
		Subnets: nodeSubnets(first), SecurityGroups: second.groups,
	})
	if err != nil {
		return err
	}
	arn := *made.LoadBalancers[0].LoadBalancerArn
	for _, l := range listeners {
		if slices.Contains(second.without, *l.Port) {
			continue
		}
		group, err := b.copyGroup(ctx, *l.DefaultActions[0].TargetGroupArn, fmt.Sprintf("second-%d", *l.Port))
		if err != nil {
			return err
		}
		if _, err := p.ELB.CreateListener(ctx, &elb.CreateListenerInput{
			LoadBalancerArn: &arn, Protocol: l.Protocol, Port: l.Port, DefaultActions: forwardTo(group),
		}); err != nil {
			return err
		}
		if err := b.untilTargets(ctx, group, "healthy"); err != nil {
			return err
		}
	}
	if err := b.untilActive(ctx, arn); err != nil {
		return err
	}
	_, err = p.EC2.ModifyVpcEndpointServiceConfiguration(ctx, &ec2.ModifyVpcEndpointServiceConfigurationInput{
		ServiceId: &b.link.Provider.ServiceID, AddNetworkLoadBalancerArns: []string{arn},
	})
	return err
}

// copyGroup makes a target group like another, with the same targets.
func (b *breaker) copyGroup(ctx context.Context, arn, name string) (string, error) {
	p := b.sides.Provider
	out, err := p.ELB.DescribeTargetGroups(ctx, &elb.DescribeTargetGroupsInput{TargetGroupArns: []string{arn}})
	if err != nil {
		return "", err
	}
	g := out.TargetGroups[0]
	made, err := p.ELB.CreateTargetGroup(ctx, &elb.CreateTargetGroupInput{
		Name: &name, Protocol: g.Protocol, Port: g.Port, VpcId: g.VpcId, TargetType: g.TargetType,
		HealthCheckProtocol: g.HealthCheckProtocol, HealthCheckPort: g.HealthCheckPort,
		HealthCheckIntervalSeconds: g.HealthCheckIntervalSeconds, HealthCheckTimeoutSeconds: g.HealthCheckTimeoutSeconds,
		HealthyThresholdCount: g.HealthyThresholdCount, UnhealthyThresholdCount: g.UnhealthyThresholdCount,
	})
	if err != nil {
		return "", err
	}
	health, err := b.targetHealth(ctx, arn)
	if err != nil {
		return "", err
	}
	var targets []elbtypes.TargetDescription
	for _, t := range health {
		targets = append(targets, elbtypes.TargetDescription{Id: t.Target.Id, Port: t.Target.Port})
	}
	copied := *made.TargetGroups[0].TargetGroupArn
	_, err = p.ELB.RegisterTargets(ctx, &elb.RegisterTargetsInput{TargetGroupArn: &copied, Targets: targets})
	return copied, err
}
