package lab

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// groupOn is the target group behind the listener on a port.
func (b *breaker) groupOn(ctx context.Context, port int32) (*elbtypes.TargetGroup, error) {
	l, err := b.listener(ctx, port)
	if err != nil {
		return nil, err
	}
	out, err := b.sides.Provider.ELB.DescribeTargetGroups(ctx, &elb.DescribeTargetGroupsInput{TargetGroupArns: []string{*l.DefaultActions[0].TargetGroupArn}})
	if err != nil {
		return nil, err
	}
	return &out.TargetGroups[0], nil
}

// deregister takes all targets out of the group, waits until they are gone, and returns what they were.
func (b *breaker) deregister(ctx context.Context, group string) ([]elbtypes.TargetDescription, error) {
	if err := b.setGroupAttribute(ctx, group, "deregistration_delay.timeout_seconds", "0"); err != nil {
		return nil, err
	}
	health, err := b.targetHealth(ctx, group)
	if err != nil {
		return nil, err
	}
	var targets []elbtypes.TargetDescription
	for _, t := range health {
		targets = append(targets, elbtypes.TargetDescription{Id: t.Target.Id, Port: t.Target.Port})
	}
	if _, err := b.sides.Provider.ELB.DeregisterTargets(ctx, &elb.DeregisterTargetsInput{TargetGroupArn: &group, Targets: targets}); err != nil {
		return nil, err
	}
	return targets, b.until(ctx, "the targets are gone", func() (bool, error) {
		health, err := b.targetHealth(ctx, group)
		return len(health) == 0, err
	})
}

func (b *breaker) setGroupAttribute(ctx context.Context, group, key, value string) error {
	_, err := b.sides.Provider.ELB.ModifyTargetGroupAttributes(ctx, &elb.ModifyTargetGroupAttributesInput{
		TargetGroupArn: &group, Attributes: []elbtypes.TargetGroupAttribute{{Key: &key, Value: &value}},
	})
	return err
}

func (b *breaker) targetsDeregistered(ctx context.Context) error {
	g, err := b.groupOn(ctx, 443)
	if err != nil {
		return err
	}
	_, err = b.deregister(ctx, *g.TargetGroupArn)
	return err
}

// newGroup puts a new target group behind the listener on port 443, for targets of a type.
func (b *breaker) newGroup(ctx context.Context, name string, kind elbtypes.TargetTypeEnum) (string, error) {
	g, err := b.groupOn(ctx, 443)
	if err != nil {
		return "", err
	}
	made, err := b.sides.Provider.ELB.CreateTargetGroup(ctx, &elb.CreateTargetGroupInput{
		Name: &name, Protocol: g.Protocol, Port: g.Port, VpcId: g.VpcId, TargetType: kind,
	})
	if err != nil {
		return "", err
	}
	l, err := b.listener(ctx, 443)
	if err != nil {
		return "", err
	}
	arn := *made.TargetGroups[0].TargetGroupArn
	_, err = b.sides.Provider.ELB.ModifyListener(ctx, &elb.ModifyListenerInput{ListenerArn: l.ListenerArn, DefaultActions: forwardTo(arn)})
	return arn, err
}

func (b *breaker) listenerToEmptyGroup(ctx context.Context) error {
	_, err := b.newGroup(ctx, "green", elbtypes.TargetTypeEnumInstance)
	return err
}

func (b *breaker) targetIsBalancer(ctx context.Context) error {
	lb, err := b.balancer(ctx)
	if err != nil {
		return err
	}
	nodes, err := b.sides.Provider.EC2.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{Filters: []ec2types.Filter{
		{Name: aws.String("vpc-id"), Values: []string{*lb.VpcId}}, {Name: aws.String("interface-type"), Values: []string{"network_load_balancer"}},
	}})
	if err != nil {
		return err
	}
	group, err := b.newGroup(ctx, "itself", elbtypes.TargetTypeEnumIp)
	if err != nil {
		return err
	}
	var targets []elbtypes.TargetDescription
	for _, n := range nodes.NetworkInterfaces {
		targets = append(targets, elbtypes.TargetDescription{Id: n.PrivateIpAddress})
	}
	_, err = b.sides.Provider.ELB.RegisterTargets(ctx, &elb.RegisterTargetsInput{TargetGroupArn: &group, Targets: targets})
	return err
}

func (b *breaker) instancesStopped(ctx context.Context) error {
	groups, err := b.targetGroups(ctx)
	if err != nil {
		return err
	}
	ids, err := b.targets(ctx, groups...)
	if err != nil {
		return err
	}
	if _, err := b.sides.Provider.EC2.StopInstances(ctx, &ec2.StopInstancesInput{InstanceIds: ids}); err != nil {
		return err
	}
	return b.until(ctx, "the instances are stopped", func() (bool, error) {
		out, err := b.sides.Provider.EC2.DescribeInstances(ctx, &ec2.DescribeInstancesInput{
			InstanceIds: ids, Filters: []ec2types.Filter{{Name: aws.String("instance-state-name"), Values: []string{"stopped"}}},
		})
		if err != nil {
			return false, err
		}
		n := 0
		for _, r := range out.Reservations {
			n += len(r.Instances)
		}
		return n == len(ids), nil
	})
}

// targetsStillInitial registers the targets anew when their checks have become rare.
func (b *breaker) targetsStillInitial(ctx context.Context) error {
	g, err := b.groupOn(ctx, 443)
	if err != nil {
		return err
	}
	targets, err := b.deregister(ctx, *g.TargetGroupArn)
	if err != nil {
		return err
	}
	if _, err := b.sides.Provider.ELB.ModifyTargetGroup(ctx, &elb.ModifyTargetGroupInput{
		TargetGroupArn: g.TargetGroupArn, HealthCheckIntervalSeconds: aws.Int32(300), HealthyThresholdCount: aws.Int32(10),
	}); err != nil {
		return err
	}
	_, err = b.sides.Provider.ELB.RegisterTargets(ctx, &elb.RegisterTargetsInput{TargetGroupArn: g.TargetGroupArn, Targets: targets})
	return err
}

func (b *breaker) healthCheckCodeWrong(ctx context.Context) error {
	g, err := b.groupOn(ctx, 80)
	if err != nil {
		return err
	}
	return b.checkBy(ctx, &elb.ModifyTargetGroupInput{
		TargetGroupArn: g.TargetGroupArn, HealthCheckProtocol: elbtypes.ProtocolEnumHttp, HealthCheckPath: aws.String("/"),
		Matcher: &elbtypes.Matcher{HttpCode: aws.String("204")},
	})
}

func (b *breaker) healthCheckPortWrong(ctx context.Context) error {
	g, err := b.groupOn(ctx, 443)
	if err != nil {
		return err
	}
	return b.checkBy(ctx, &elb.ModifyTargetGroupInput{TargetGroupArn: g.TargetGroupArn, HealthCheckPort: aws.String("9000")})
}

// checkBy changes the health check and waits until it has found all targets unhealthy.
func (b *breaker) checkBy(ctx context.Context, in *elb.ModifyTargetGroupInput) error {
	if _, err := b.sides.Provider.ELB.ModifyTargetGroup(ctx, in); err != nil {
		return err
	}
	return b.untilTargets(ctx, *in.TargetGroupArn, elbtypes.TargetHealthStateEnumUnhealthy)
}

func (b *breaker) healthChecksSlow(ctx context.Context) error {
	g, err := b.groupOn(ctx, 443)
	if err != nil {
		return err
	}
	_, err = b.sides.Provider.ELB.ModifyTargetGroup(ctx, &elb.ModifyTargetGroupInput{
		TargetGroupArn: g.TargetGroupArn, HealthCheckIntervalSeconds: aws.Int32(60), UnhealthyThresholdCount: aws.Int32(5),
	})
	return err
}

func (b *breaker) deregistrationSlow(ctx context.Context) error {
	g, err := b.groupOn(ctx, 443)
	if err != nil {
		return err
	}
	return b.setGroupAttribute(ctx, *g.TargetGroupArn, "deregistration_delay.timeout_seconds", "3600")
}
