package provision

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/linkassay/linkassay/provision/awsapi"
)

// balancer finds or creates the load balancer. It gets no security group: without one nothing is
// filtered there, and one could not be taken away again.
func (b *builder) balancer(ctx context.Context) error {
	c, name := b.sides.Provider, stem(b.link.Name)
	found, err := balancerByName(ctx, c, b.link.Name)
	if err != nil {
		return err
	}
	if found == nil {
		err := b.try(ctx, "the subnets", consistencyWait, anyOf("SubnetNotFound", "InvalidSubnet"), func(ctx context.Context) error {
			out, err := c.ELB.CreateLoadBalancer(ctx, &elb.CreateLoadBalancerInput{
				Name: aws.String(name), Type: elbtypes.LoadBalancerTypeEnumNetwork, Scheme: elbtypes.LoadBalancerSchemeEnumInternal,
				IpAddressType: elbtypes.IpAddressTypeIpv4, Subnets: b.provider.subnetIDs(), Tags: elbTags(marks(&b.link, partBalancer)),
			})
			if err == nil && len(out.LoadBalancers) == 1 {
				found = &out.LoadBalancers[0]
			}
			return attempted(err, "create the load balancer %s in %s", name, strings.Join(b.provider.subnetIDs(), ", "))
		})
		if err != nil {
			return err
		}
		if found == nil {
			return fmt.Errorf("create the load balancer %s: AWS did not return it", name)
		}
		b.say("created %s", name)
	}
	b.balancerARN = aws.ToString(found.LoadBalancerArn)
	return b.setBalancerAttribute(ctx, "load_balancing.cross_zone.enabled", fmt.Sprint(b.link.Provider.Build.CrossZone))
}

// balancerByName finds the link's load balancer, or nil. One of that name that linkassay did not
// build is an error: it must neither be used nor removed.
func balancerByName(ctx context.Context, c *awsapi.Clients, link string) (*elbtypes.LoadBalancer, error) {
	name := stem(link)
	out, err := c.ELB.DescribeLoadBalancers(ctx, &elb.DescribeLoadBalancersInput{Names: []string{name}})
	if awsapi.IsCode(err, "LoadBalancerNotFound") || err == nil && len(out.LoadBalancers) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, attempted(err, "look for the load balancer %s", name)
	}
	arn := aws.ToString(out.LoadBalancers[0].LoadBalancerArn)
	tags, err := elbTagsOf(ctx, c, []string{arn})
	if err != nil {
		return nil, err
	}
	if tags[arn][tagLink] != link {
		return nil, &foreignError{"load balancer", name}
	}
	return &out.LoadBalancers[0], nil
}

// foreignError says that a name is taken by something that linkassay did not build.
type foreignError struct{ kind, name string }

func (e *foreignError) Error() string {
	return fmt.Sprintf("the %s %s was not built by linkassay for this link (it lacks the tag %s); rename the link or remove it",
		e.kind, e.name, tagLink)
}

func (b *builder) setBalancerAttribute(ctx context.Context, key, value string) error {
	c := b.sides.Provider
	now, err := c.ELB.DescribeLoadBalancerAttributes(ctx, &elb.DescribeLoadBalancerAttributesInput{LoadBalancerArn: aws.String(b.balancerARN)})
	if err != nil {
		return attempted(err, "read the attributes of %s", b.balancerARN)
	}
	for _, a := range now.Attributes {
		if aws.ToString(a.Key) == key && aws.ToString(a.Value) == value {
			return nil
		}
	}
	_, err = c.ELB.ModifyLoadBalancerAttributes(ctx, &elb.ModifyLoadBalancerAttributesInput{
		LoadBalancerArn: aws.String(b.balancerARN),
		Attributes:      []elbtypes.LoadBalancerAttribute{{Key: aws.String(key), Value: aws.String(value)}},
	})
	return attempted(err, "set %s of %s to %s", key, b.balancerARN, value)
}

// portOf finds or creates one port's target group and listener, and registers its targets.
func (b *builder) portOf(ctx context.Context, p Port) error {
	arn, err := b.targetGroup(ctx, p)
	if err != nil {
		return err
	}
	if b.groupARNs == nil {
		b.groupARNs = map[uint16]string{}
	}
	b.groupARNs[p.Port] = arn
	if err := b.setProxyProtocol(ctx, arn, p); err != nil {
		return err
	}
	if err := b.register(ctx, arn, p); err != nil {
		return err
	}
	return b.listener(ctx, arn, p)
}

func (b *builder) targetGroup(ctx context.Context, p Port) (string, error) {
	c, name := b.sides.Provider, targetGroupName(b.link.Name, p.Port)
	out, err := c.ELB.DescribeTargetGroups(ctx, &elb.DescribeTargetGroupsInput{Names: []string{name}})
	if err != nil && !awsapi.IsCode(err, "TargetGroupNotFound") {
		return "", attempted(err, "look for the target group %s", name)
	}
	if err == nil && len(out.TargetGroups) > 0 {
		arn := aws.ToString(out.TargetGroups[0].TargetGroupArn)
		tags, err := elbTagsOf(ctx, c, []string{arn})
		if err != nil {
			return "", err
		}
		if tags[arn][tagLink] != b.link.Name {
			return "", &foreignError{"target group", name}
		}
		return arn, nil
	}
	kind := elbtypes.TargetTypeEnumInstance
	if t := b.link.Provider.Build.Targets; len(t) > 0 && t[0].IP != "" {
		kind = elbtypes.TargetTypeEnumIp
	}
	var arn string
	err = b.try(ctx, "the VPC "+b.provider.vpc, consistencyWait, notYet, func(ctx context.Context) error {
		made, err := c.ELB.CreateTargetGroup(ctx, &elb.CreateTargetGroupInput{
			Name: aws.String(name), Protocol: elbtypes.ProtocolEnumTcp, Port: aws.Int32(int32(p.targetPort())),
			VpcId: aws.String(b.provider.vpc), TargetType: kind,
			HealthCheckProtocol: elbtypes.ProtocolEnumTcp, HealthCheckPort: aws.String("traffic-port"),
			HealthCheckIntervalSeconds: aws.Int32(10), HealthCheckTimeoutSeconds: aws.Int32(5),
			HealthyThresholdCount: aws.Int32(2), UnhealthyThresholdCount: aws.Int32(2),
			Tags: elbTags(marks(&b.link, partTargetGroup+fmt.Sprint(p.Port))),
		})
		if err == nil && len(made.TargetGroups) == 1 {
			arn = aws.ToString(made.TargetGroups[0].TargetGroupArn)
		}
		return attempted(err, "create the target group %s", name)
	})
	return arn, err
}

func (b *builder) setProxyProtocol(ctx context.Context, arn string, p Port) error {
	const key = "proxy_protocol_v2.enabled"
	on, _ := b.link.ProxyProtocol(p)
	c, want := b.sides.Provider, fmt.Sprint(on)
	now, err := c.ELB.DescribeTargetGroupAttributes(ctx, &elb.DescribeTargetGroupAttributesInput{TargetGroupArn: aws.String(arn)})
	if err != nil {
		return attempted(err, "read the attributes of %s", arn)
	}
	for _, a := range now.Attributes {
		if aws.ToString(a.Key) == key && aws.ToString(a.Value) == want {
			return nil
		}
	}
	_, err = c.ELB.ModifyTargetGroupAttributes(ctx, &elb.ModifyTargetGroupAttributesInput{
		TargetGroupArn: aws.String(arn), Attributes: []elbtypes.TargetGroupAttribute{{Key: aws.String(key), Value: aws.String(want)}},
	})
	return attempted(err, "set %s of %s to %s", key, arn, want)
}

// register adds the targets that are not registered yet.
func (b *builder) register(ctx context.Context, arn string, p Port) error {
	c := b.sides.Provider
	health, err := targetHealth(ctx, c, arn)
	if err != nil {
		return err
	}
	var add []elbtypes.TargetDescription
	for _, t := range b.targets() {
		t.Port = aws.Int32(int32(p.targetPort()))
		if !slices.ContainsFunc(health, func(h elbtypes.TargetHealthDescription) bool {
			return h.Target != nil && aws.ToString(h.Target.Id) == aws.ToString(t.Id) && aws.ToInt32(h.Target.Port) == *t.Port &&
				h.TargetHealth != nil && h.TargetHealth.State != elbtypes.TargetHealthStateEnumDraining
		}) {
			add = append(add, t)
		}
	}
	if err := b.deregisterDead(ctx, arn, health); err != nil {
		return err
	}
	if len(add) == 0 {
		return nil
	}
	return b.try(ctx, "the targets", consistencyWait, anyOf("InvalidTarget", "TargetGroupNotFound"), func(ctx context.Context) error {
		_, err := c.ELB.RegisterTargets(ctx, &elb.RegisterTargetsInput{TargetGroupArn: aws.String(arn), Targets: add})
		return attempted(err, "register %d targets in %s", len(add), arn)
	})
}

// deregisterDead takes terminated instances out of a target group whose targets linkassay launches:
// they would be counted as unhealthy for ever.
func (b *builder) deregisterDead(ctx context.Context, arn string, health []elbtypes.TargetHealthDescription) error {
	if !b.link.launches() {
		return nil
	}
	c := b.sides.Provider
	var dead []elbtypes.TargetDescription
	for _, h := range health {
		if h.Target == nil || h.TargetHealth == nil || h.TargetHealth.Reason != elbtypes.TargetHealthReasonEnumInvalidState ||
			slices.Contains(b.instances, aws.ToString(h.Target.Id)) {
			continue
		}
		found, err := describeInstances(ctx, c, &ec2.DescribeInstancesInput{Filters: []ec2types.Filter{
			{Name: aws.String("instance-id"), Values: []string{aws.ToString(h.Target.Id)}}, // by id, one that is forgotten were an error
		}})
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(found, isAlive) {
			dead = append(dead, elbtypes.TargetDescription{Id: h.Target.Id, Port: h.Target.Port})
		}
	}
	if len(dead) == 0 {
		return nil
	}
	_, err := c.ELB.DeregisterTargets(ctx, &elb.DeregisterTargetsInput{TargetGroupArn: aws.String(arn), Targets: dead})
	return attempted(err, "deregister %d terminated instances in %s", len(dead), arn)
}

// targets are the launched instances, or those that the link file names.
func (b *builder) targets() []elbtypes.TargetDescription {
	var out []elbtypes.TargetDescription
	for _, id := range b.instances {
		out = append(out, elbtypes.TargetDescription{Id: aws.String(id)})
	}
	for _, t := range b.link.Provider.Build.Targets {
		d := elbtypes.TargetDescription{Id: aws.String(either(t.Instance, t.IP))}
		if t.IP != "" && !within(b.provider.blocks, t.IP) {
			d.AvailabilityZone = aws.String("all") // what AWS asks for outside of the VPC
		}
		out = append(out, d)
	}
	return out
}

func (b *builder) listener(ctx context.Context, group string, p Port) error {
	c := b.sides.Provider
	all, err := listenersOf(ctx, c, b.balancerARN)
	if err != nil {
		return err
	}
	for _, l := range all {
		if aws.ToInt32(l.Port) != int32(p.Port) {
			continue
		}
		tags, err := elbTagsOf(ctx, c, []string{aws.ToString(l.ListenerArn)})
		if err != nil {
			return err
		}
		if tags[aws.ToString(l.ListenerArn)][tagLink] != b.link.Name {
			return &foreignError{"listener for port", fmt.Sprint(p.Port)}
		}
		return nil
	}
	return b.try(ctx, "the target group", consistencyWait, anyOf("TargetGroupNotFound", "LoadBalancerNotFound"), func(ctx context.Context) error {
		_, err := c.ELB.CreateListener(ctx, &elb.CreateListenerInput{
			LoadBalancerArn: aws.String(b.balancerARN), Protocol: elbtypes.ProtocolEnumTcp, Port: aws.Int32(int32(p.Port)),
			DefaultActions: []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: aws.String(group)}},
			Tags:           elbTags(marks(&b.link, partListener+fmt.Sprint(p.Port))),
		})
		return attempted(err, "create the listener for port %d on %s", p.Port, stem(b.link.Name))
	})
}

// healthy waits for the load balancer and its targets. Targets that linkassay launched must all be
// healthy; of existing ones one a port is enough, the others are not its business.
func (b *builder) healthy(ctx context.Context) error {
	c := b.sides.Provider
	err := b.wait(ctx, "the load balancer", 0, func(ctx context.Context) (string, bool, error) {
		out, err := c.ELB.DescribeLoadBalancers(ctx, &elb.DescribeLoadBalancersInput{LoadBalancerArns: []string{b.balancerARN}})
		if err != nil {
			return "not known yet", false, unless(notYet, attempted(err, "read the load balancer %s", b.balancerARN))
		}
		if len(out.LoadBalancers) == 0 || out.LoadBalancers[0].State == nil {
			return "not known yet", false, nil
		}
		s := out.LoadBalancers[0].State
		if s.Code == elbtypes.LoadBalancerStateEnumFailed {
			return "", false, fmt.Errorf("the load balancer %s failed: %s", stem(b.link.Name), either(aws.ToString(s.Reason), "AWS gives no reason"))
		}
		return string(s.Code), s.Code == elbtypes.LoadBalancerStateEnumActive || s.Code == elbtypes.LoadBalancerStateEnumActiveImpaired, nil
	})
	if err != nil {
		return err
	}
	for _, p := range b.link.Ports {
		err := b.wait(ctx, fmt.Sprintf("the targets of port %d", p.Port), 0, func(ctx context.Context) (string, bool, error) {
			health, err := targetHealth(ctx, c, b.groupARNs[p.Port])
			if err != nil {
				return "", false, err
			}
			good, all, states := 0, 0, []string{}
			for _, h := range health {
				if h.TargetHealth == nil || h.Target == nil || h.TargetHealth.State == elbtypes.TargetHealthStateEnumDraining {
					continue
				}
				all++
				if h.TargetHealth.State == elbtypes.TargetHealthStateEnumHealthy {
					good++
					continue
				}
				s := aws.ToString(h.Target.Id) + " " + string(h.TargetHealth.State)
				if h.TargetHealth.Reason != "" {
					s += " (" + string(h.TargetHealth.Reason) + ")"
				}
				states = append(states, s)
			}
			enough := good > 0 && (good == all || len(b.link.Provider.Build.Targets) > 0)
			return fmt.Sprintf("%d of %d healthy; %s", good, all, strings.Join(states, ", ")), enough, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func targetHealth(ctx context.Context, c *awsapi.Clients, group string) ([]elbtypes.TargetHealthDescription, error) {
	out, err := c.ELB.DescribeTargetHealth(ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: aws.String(group)})
	if err != nil {
		return nil, attempted(err, "read the health of the targets in %s", group)
	}
	return out.TargetHealthDescriptions, nil
}

func listenersOf(ctx context.Context, c *awsapi.Clients, balancer string) ([]elbtypes.Listener, error) {
	all, err := awsapi.All(ctx, elb.NewDescribeListenersPaginator(c.ELB, &elb.DescribeListenersInput{LoadBalancerArn: aws.String(balancer)}),
		func(o *elb.DescribeListenersOutput) []elbtypes.Listener { return o.Listeners })
	return all, attempted(err, "list the listeners of %s", balancer)
}
