package lab

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/linkassay/linkassay/provision"
)

// targetFaults: the targets and how they are checked.
func targetFaults() []Fault {
	return []Fault{
		{
			Name: "no-healthy-target", Text: "the servers on all targets have stopped",
			Excludes: []string{"target"}, set: (*breaker).noHealthyTarget,
		},
		{
			Name: "zone-without-healthy-target", Text: "the servers in one zone have stopped, and cross-zone load balancing is off",
			Excludes: []string{"target"}, set: (*breaker).zoneWithoutHealthyTarget,
		},
		{
			Name: "zone-served-by-others", Text: "the servers in one zone have stopped, and cross-zone load balancing hides it",
			Excludes: []string{"target"}, Prepare: building(func(p *provision.ProviderBuild) { p.CrossZone = true }),
			set: (*breaker).zoneWithoutHealthyTarget,
		},
		{
			Name: "targets-deregistered", Text: "no target is registered for port 443",
			Excludes: []string{"target"}, set: (*breaker).targetsDeregistered,
		},
		{
			Name: "listener-to-empty-group", Text: "the listener on port 443 forwards to a new target group, and the targets are in the old one",
			Excludes: []string{"target", "listener", "load-balancer"}, set: (*breaker).listenerToEmptyGroup,
		},
		{
			Name: "instances-stopped", Text: "the instances of all targets are stopped",
			Excludes: []string{"target"}, set: (*breaker).instancesStopped,
		},
		{
			Name: "target-is-load-balancer", Text: "the targets of port 443 are the load balancer's own addresses",
			Excludes: []string{"target", "listener", "load-balancer"}, set: (*breaker).targetIsBalancer,
		},
		{
			Name: "targets-still-initial", Text: "the targets of port 443 were just registered, and are checked every five minutes",
			Excludes: []string{"target"}, Prepare: func(o *Options) {
				o.Timing = o.filled().Timing
				o.Timing.HealthScale = 5 // long enough to be seen
			},
			set: (*breaker).targetsStillInitial,
		},
		{
			Name: "health-check-code-wrong", Text: "the health checks of port 80 accept status 204 only, and the servers answer 200",
			Excludes: []string{"target"}, set: (*breaker).healthCheckCodeWrong,
		},
		{
			Name: "health-check-port-wrong", Text: "the health checks of port 443 go to a port that the targets' security group does not admit",
			Excludes: []string{"target"}, set: (*breaker).healthCheckPortWrong,
		},
		{
			Name: "health-checks-slow", Text: "the targets of port 443 are checked every minute, and are dead after five failures",
			Excludes: []string{"target"}, set: (*breaker).healthChecksSlow,
		},
		{
			Name: "deregistration-slow", Text: "targets that leave port 443 are kept for an hour",
			Excludes: []string{"target"}, set: (*breaker).deregistrationSlow,
		},
	}
}

// building changes what the provider side is built with, on top of what the lab's options change already.
func building(change func(*provision.ProviderBuild)) func(*Options) {
	return func(o *Options) {
		before := o.Link
		o.Link = func(l *provision.Link) {
			if before != nil {
				before(l)
			}
			change(l.Provider.Build)
		}
	}
}

func (b *breaker) targetHealth(ctx context.Context, group string) ([]elbtypes.TargetHealthDescription, error) {
	out, err := b.sides.Provider.ELB.DescribeTargetHealth(ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: &group})
	if err != nil {
		return nil, err
	}
	return out.TargetHealthDescriptions, nil
}

// untilTargets waits until all targets of the group are in the state, or, with ids, those alone.
func (b *breaker) untilTargets(ctx context.Context, group string, state elbtypes.TargetHealthStateEnum, ids ...string) error {
	return b.until(ctx, "the targets are "+string(state), func() (bool, error) {
		health, err := b.targetHealth(ctx, group)
		return !slices.ContainsFunc(health, func(t elbtypes.TargetHealthDescription) bool {
			return t.TargetHealth.State != state && (len(ids) == 0 || slices.Contains(ids, *t.Target.Id))
		}), err
	})
}

// targetGroups lists the ARNs of the groups behind the listeners, each once.
func (b *breaker) targetGroups(ctx context.Context) ([]string, error) {
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
	slices.Sort(arns)
	return slices.Compact(arns), nil
}

// targets lists the ids of the targets in the groups, each once.
func (b *breaker) targets(ctx context.Context, groups ...string) ([]string, error) {
	var ids []string
	for _, g := range groups {
		health, err := b.targetHealth(ctx, g)
		if err != nil {
			return nil, err
		}
		for _, t := range health {
			ids = append(ids, *t.Target.Id)
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) == 0 {
		return nil, fmt.Errorf("%d target groups have no targets", len(groups))
	}
	return ids, nil
}

// stopServers stops the servers of those targets that are chosen, and waits until health checks
// have noticed.
func (b *breaker) stopServers(ctx context.Context, choose func(id string) bool) error {
	groups, err := b.targetGroups(ctx)
	if err != nil {
		return err
	}
	ids, err := b.targets(ctx, groups...)
	if err != nil {
		return err
	}
	ids = slices.DeleteFunc(ids, func(id string) bool { return !choose(id) })
	for _, id := range ids {
		if err := b.lab.StopServers(id); err != nil {
			return err
		}
	}
	for _, g := range groups {
		if err := b.untilTargets(ctx, g, elbtypes.TargetHealthStateEnumUnhealthy, ids...); err != nil {
			return err
		}
	}
	return nil
}

func (b *breaker) noHealthyTarget(ctx context.Context) error {
	return b.stopServers(ctx, func(string) bool { return true })
}

func (b *breaker) zoneWithoutHealthyTarget(ctx context.Context) error {
	zone := b.lab.Subnets(b.link.Consumer.Account)[0].ZoneID
	return b.stopServers(ctx, func(id string) bool { return b.lab.zoneOfInstance(id) == zone })
}

// zoneOfInstance is the zone id of an instance; "" when there is no such instance.
func (l *Lab) zoneOfInstance(id string) string {
	l.world.mu.RLock()
	defer l.world.mu.RUnlock()
	if i := l.world.instances[id]; i != nil {
		if s := l.world.subnets[i.subnet]; s != nil {
			return s.zoneID
		}
	}
	return ""
}
