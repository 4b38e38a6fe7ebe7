package lab

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/linkassay/linkassay/provision"
)

// balancerFaults: the load balancers and their listeners.
func balancerFaults() []Fault {
	return []Fault{
		{
			Name: "load-balancer-failed", Text: "the load balancer is in the state failed",
			Excludes: []string{"load-balancer"}, set: (*breaker).balancerFailed,
		},
		{
			Name: "listener-missing", Text: "the load balancer has no listener on port 443",
			Excludes: []string{"listener", "load-balancer"}, set: (*breaker).listenerMissing,
		},
		{
			Name: "listener-on-other-port", Text: "the listener for port 443 listens on port 8443",
			Excludes: []string{"listener", "load-balancer"}, set: (*breaker).listenerOnOtherPort,
		},
		{
			Name: "listener-for-udp", Text: "the listener on port 443 takes UDP only",
			Excludes: []string{"listener", "load-balancer"}, set: (*breaker).listenerForUDP,
		},
		{
			Name: "listener-idle-short", Text: "the listener forgets silent connections sooner than the link file says", Slow: true,
			Excludes: []string{"*"}, Prepare: silentForLess, set: (*breaker).listenerIdleShort,
		},
		{
			Name: "load-balancer-group-closed", Text: "a load balancer of the service has a security group that admits nobody",
			Excludes: []string{"load-balancer", "target", "target-group", "zones", "zone", "proxy", "listener"}, set: (*breaker).balancerGroupClosed,
		},
		{
			Name: "load-balancers-differ", Text: "the service has a second load balancer, without a listener on port 443",
			Excludes: []string{"load-balancer", "listener", "target", "target-group", "zones", "zone", "proxy"}, set: (*breaker).balancersDiffer,
		},
		{
			Name: "load-balancer-impaired", Text: "the load balancer works, and lacks what it needs to scale",
			Excludes: []string{"load-balancer"}, set: (*breaker).balancerImpaired,
		},
	}
}

// balancer describes the first load balancer of the service.
func (b *breaker) balancer(ctx context.Context) (*elbtypes.LoadBalancer, error) {
	s, err := b.configuration(ctx)
	if err != nil {
		return nil, err
	}
	out, err := b.sides.Provider.ELB.DescribeLoadBalancers(ctx, &elb.DescribeLoadBalancersInput{LoadBalancerArns: s.NetworkLoadBalancerArns})
	if err != nil {
		return nil, err
	}
	return &out.LoadBalancers[0], nil
}

func nodeSubnets(lb *elbtypes.LoadBalancer) []string {
	var ids []string
	for _, z := range lb.AvailabilityZones {
		ids = append(ids, aws.ToString(z.SubnetId))
	}
	return ids
}

func (b *breaker) untilActive(ctx context.Context, arn string) error {
	return b.until(ctx, "load balancer "+arn+" is active", func() (bool, error) {
		out, err := b.sides.Provider.ELB.DescribeLoadBalancers(ctx, &elb.DescribeLoadBalancersInput{LoadBalancerArns: []string{arn}})
		return err == nil && out.LoadBalancers[0].State.Code == elbtypes.LoadBalancerStateEnumActive, err
	})
}

func (b *breaker) balancersDiffer(ctx context.Context) error {
	return b.secondBalancer(ctx, secondBalancer{without: []int32{443}})
}

func (b *breaker) balancerImpaired(ctx context.Context) error {
	lb, err := b.balancer(ctx)
	if err != nil {
		return err
	}
	return b.lab.BalancerState(*lb.LoadBalancerArn, "active_impaired", "one or more subnets have no free addresses")
}

func (b *breaker) balancerFailed(ctx context.Context) error {
	lb, err := b.balancer(ctx)
	if err != nil {
		return err
	}
	return b.lab.BalancerState(*lb.LoadBalancerArn, "failed", "the load balancer could not be set up")
}

// listeners lists the listeners of the service's load balancers.
func (b *breaker) listeners(ctx context.Context) ([]elbtypes.Listener, error) {
	s, err := b.configuration(ctx)
	if err != nil {
		return nil, err
	}
	var all []elbtypes.Listener
	for _, arn := range s.NetworkLoadBalancerArns {
		l, err := b.sides.Provider.ELB.DescribeListeners(ctx, &elb.DescribeListenersInput{LoadBalancerArn: &arn})
		if err != nil {
			return nil, err
		}
		all = append(all, l.Listeners...)
	}
	return all, nil
}

// listener finds the one on the port.
func (b *breaker) listener(ctx context.Context, port int32) (*elbtypes.Listener, error) {
	listeners, err := b.listeners(ctx)
	if err != nil {
		return nil, err
	}
	for _, l := range listeners {
		if aws.ToInt32(l.Port) == port {
			return &l, nil
		}
	}
	return nil, fmt.Errorf("no listener on port %d among %d", port, len(listeners))
}

// silentForLess builds a small link in a lab that forgets soon: what else is said over it must not be late.
func silentForLess(o *Options) {
	o.HurryIdle(5 * time.Second) // a busy machine stalls for seconds
	inFirstZones(1)(o)
	o.change(func(l *provision.Link) {
		l.Ports = l.Ports[:1]
		l.Consumer.Build.Zones = l.Provider.Build.Zones
	})
}

func (b *breaker) listenerIdleShort(ctx context.Context) error {
	return b.idleTimeout(ctx, "200")
}

// idleTimeout sets the first listener's, in seconds.
func (b *breaker) idleTimeout(ctx context.Context, seconds string) error {
	listeners, err := b.listeners(ctx)
	if err != nil {
		return err
	}
	_, err = b.sides.Provider.ELB.ModifyListenerAttributes(ctx, &elb.ModifyListenerAttributesInput{
		ListenerArn: listeners[0].ListenerArn,
		Attributes:  []elbtypes.ListenerAttribute{{Key: aws.String("tcp.idle_timeout.seconds"), Value: &seconds}},
	})
	return err
}

func (b *breaker) listenerMissing(ctx context.Context) error {
	l, err := b.listener(ctx, 443)
	if err != nil {
		return err
	}
	_, err = b.sides.Provider.ELB.DeleteListener(ctx, &elb.DeleteListenerInput{ListenerArn: l.ListenerArn})
	return err
}

func (b *breaker) listenerOnOtherPort(ctx context.Context) error {
	l, err := b.listener(ctx, 443)
	if err != nil {
		return err
	}
	_, err = b.sides.Provider.ELB.ModifyListener(ctx, &elb.ModifyListenerInput{ListenerArn: l.ListenerArn, Port: aws.Int32(8443)})
	return err
}

// listenerForUDP makes the listener one for UDP, in front of a target group for it.
func (b *breaker) listenerForUDP(ctx context.Context) error {
	l, err := b.listener(ctx, 443)
	if err != nil {
		return err
	}
	lb, err := b.balancer(ctx)
	if err != nil {
		return err
	}
	made, err := b.sides.Provider.ELB.CreateTargetGroup(ctx, &elb.CreateTargetGroupInput{
		Name: aws.String("udp-443"), Protocol: elbtypes.ProtocolEnumUdp, Port: aws.Int32(443), VpcId: lb.VpcId,
	})
	if err != nil {
		return err
	}
	_, err = b.sides.Provider.ELB.ModifyListener(ctx, &elb.ModifyListenerInput{
		ListenerArn: l.ListenerArn, Protocol: elbtypes.ProtocolEnumUdp, DefaultActions: forwardTo(*made.TargetGroups[0].TargetGroupArn),
	})
	return err
}

func forwardTo(group string) []elbtypes.Action {
	return []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: &group}}
}

// balancerGroupClosed adds a load balancer whose security group has no rule: groups can't be given to
// one that was made without.
func (b *breaker) balancerGroupClosed(ctx context.Context) error {
	lb, err := b.balancer(ctx)
	if err != nil {
		return err
	}
	group, err := b.sides.Provider.EC2.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{
		GroupName: aws.String("second"), Description: aws.String("of the second load balancer"), VpcId: lb.VpcId,
	})
	if err != nil {
		return err
	}
	return b.secondBalancer(ctx, secondBalancer{groups: []string{*group.GroupId}})
}
