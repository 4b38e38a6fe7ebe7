package lab

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// balancerFaults: the load balancer, its listeners and its targets.
func balancerFaults() []Fault {
	return []Fault{
		{
			Name: "no-healthy-target", Text: "the servers on all targets have stopped",
			Excludes: []string{"target"}, set: (*breaker).noHealthyTarget,
		},
		{
			Name: "listener-missing", Text: "the load balancer has no listener on port 443",
			Excludes: []string{"listener"}, set: (*breaker).listenerMissing,
		},
	}
}

func (b *breaker) noHealthyTarget(ctx context.Context) error {
	groups, err := b.targetGroups(ctx)
	if err != nil {
		return err
	}
	stopped := map[string]bool{}
	for _, g := range groups {
		health, err := b.sides.Provider.ELB.DescribeTargetHealth(ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: g.TargetGroupArn})
		if err != nil {
			return err
		}
		for _, t := range health.TargetHealthDescriptions {
			if id := *t.Target.Id; !stopped[id] {
				stopped[id] = true
				if err := b.lab.StopServers(id); err != nil {
					return err
				}
			}
		}
	}
	return b.until(ctx, "every target is unhealthy", func() (bool, error) {
		for _, g := range groups {
			health, err := b.sides.Provider.ELB.DescribeTargetHealth(ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: g.TargetGroupArn})
			if err != nil {
				return false, err
			}
			for _, t := range health.TargetHealthDescriptions {
				if t.TargetHealth.State != elbtypes.TargetHealthStateEnumUnhealthy {
					return false, nil
				}
			}
		}
		return true, nil
	})
}

// listeners lists the listeners of the service's load balancers.
func (b *breaker) listeners(ctx context.Context) ([]elbtypes.Listener, error) {
	out, err := b.sides.Provider.EC2.DescribeVpcEndpointServiceConfigurations(ctx, &ec2.DescribeVpcEndpointServiceConfigurationsInput{ServiceIds: []string{b.link.Provider.ServiceID}})
	if err != nil {
		return nil, err
	}
	var all []elbtypes.Listener
	for _, arn := range out.ServiceConfigurations[0].NetworkLoadBalancerArns {
		l, err := b.sides.Provider.ELB.DescribeListeners(ctx, &elb.DescribeListenersInput{LoadBalancerArn: &arn})
		if err != nil {
			return nil, err
		}
		all = append(all, l.Listeners...)
	}
	return all, nil
}

func (b *breaker) targetGroups(ctx context.Context) ([]elbtypes.TargetGroup, error) {
	listeners, err := b.listeners(ctx)
	if err != nil {
		return nil, err
	}
	var arns []string
	for _, l := range listeners {
		for _, a := range l.DefaultActions {
			arns = append(arns, aws.ToString(a.TargetGroupArn))
		}
	}
	out, err := b.sides.Provider.ELB.DescribeTargetGroups(ctx, &elb.DescribeTargetGroupsInput{TargetGroupArns: arns})
	if err != nil {
		return nil, err
	}
	return out.TargetGroups, nil
}

func (b *breaker) listenerMissing(ctx context.Context) error {
	listeners, err := b.listeners(ctx)
	if err != nil {
		return err
	}
	for _, l := range listeners {
		if aws.ToInt32(l.Port) == 443 {
			_, err := b.sides.Provider.ELB.DeleteListener(ctx, &elb.DeleteListenerInput{ListenerArn: l.ListenerArn})
			return err
		}
	}
	return fmt.Errorf("no listener on port 443 among %d", len(listeners))
}
