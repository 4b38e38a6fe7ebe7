package suites

import (
	"fmt"
	"slices"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
)

// What is slow enough to be worth an advice. AWS sets no bounds of this kind: its defaults are 60 s (two
// checks, 30 s apart) and 300 s.
const (
	slowestDetection = 60  // seconds until a dead target is noticed
	slowestDrain     = 900 // seconds for which a deregistered target is kept
)

// resilienceChecks: what works now goes on working when a zone, a target or a load balancer's capacity fails.
func resilienceChecks() []Check {
	return []Check{
		check("resilience.load-balancer-unimpaired", "the load balancers can scale",
			revision(1), severity(Warning), side(ProviderSide),
			after("connection.load-balancer-active"), needs("provider.loadBalancers"),
			asserts("no load balancer is active_impaired (elbv2:DescribeLoadBalancers)"),
			why("it forwards traffic, and lacks what it needs to scale: free addresses in its subnets, above all"),
			source("ELBv2 API reference, LoadBalancerState active_impaired"),
			rows("PL-NLB-001"),
			fix(func(o *probes.Observation) Fix {
				args := []string{"ec2", "describe-subnets", "--subnet-ids"}
				for _, lb := range maybe(o.Provider.LoadBalancers) {
					for _, z := range lb.Zones {
						if same(lb.State, "active_impaired") {
							args = append(args, z.SubnetID)
						}
					}
				}
				return Fix{
					Text:    "see the load balancer's reason, and that its subnets have free addresses (AvailableIpAddressCount)",
					Command: command(o.Link, ProviderSide, args...),
				}
			}),
			body(func(c *C, o *probes.Observation) {
				lbs, _ := value(o.Provider.LoadBalancers)
				for _, lb := range lbs {
					if same(lb.State, "active_impaired") {
						c.Wrong(lb.Name, "is %s%s", lb.State, inParentheses(lb.StateReason))
					} else {
						c.Fact(lb.Name, "%s", lb.State)
					}
				}
			}),
		),
		check("resilience.service-in-two-zones", "the service is in at least two zones",
			revision(1), severity(Warning), side(ProviderSide),
			after("connection.load-balancer-active"), needs("provider.loadBalancers"),
			asserts("the load balancers are in two zone ids or more, where the link file does not ask for one"),
			why("when the service's only zone fails, it is gone for every consumer"),
			source("PrivateLink guide, Create a service: enable the load balancer in at least two zones"),
			rows("PL-NLB-008"),
			fix(func(o *probes.Observation) Fix {
				lbs := maybe(o.Provider.LoadBalancers)
				if len(lbs) == 0 {
					return Fix{Text: "enable a second zone on the load balancer"}
				}
				f := enableZoneFix(o, lbs[0], "a second zone")
				f.LinkFile = "provider.build.zones: that one zone, if one is enough"
				return f
			}),
			body(func(c *C, o *probes.Observation) {
				zones := serviceZones(o)
				c.Fact("zones", "%s", list(zones))
				if b := o.Link.Provider.Build; b != nil && max(len(b.Zones), len(b.SubnetIDs)) == 1 {
					c.Skip("the link file asks for one zone")
				}
				if len(zones) < 2 {
					c.Wrong("zones", "the service is in %s alone", list(zones))
				}
			}),
		),
		check("resilience.every-target-in-service", "every registered target takes its share",
			revision(1), severity(Warning), side(ProviderSide),
			after("connection.healthy-target"), because("connection.healthy-target-in-endpoint-zones", "connection.healthy-target-in-each-zone"),
			needs("provider.loadBalancers", "provider.listeners", "provider.targetHealth"),
			asserts("behind the link's ports no target is unused, unhealthy or unavailable; one that is initial or draining may be"),
			why("the others carry its share, until one of them fails too"),
			source("ELBv2 API reference, TargetHealth.State and Reason"),
			rows("PL-TGT-005", "PL-TGT-006"),
			fix(func(o *probes.Observation) Fix {
				p, _ := firstPort(o, func(p portTargets) bool { return len(p.with(outOfService)) > 0 })
				p.targets = p.with(outOfService)
				if len(p.targets) > 0 && p.targets[0].State != "unused" {
					return fixUnhealthy(o, p.group(), p.targets)
				}
				return fixUnused(o, p)
			}),
			body(func(c *C, o *probes.Observation) {
				for _, p := range targetsByPort(o) {
					out := p.with(outOfService)
					for _, h := range out {
						c.Wrong(fmt.Sprintf("%s %s", p.name, h.TargetID), "is %s%s", stateOf(h), inParentheses(h.Description))
					}
					if len(out) == 0 {
						c.Fact(p.name, "%d targets", len(p.targets))
					}
				}
			}),
		),
		check("resilience.health-checks-fast", "a dead target is noticed within a minute",
			revision(1), severity(Advice), side(ProviderSide),
			after("connection.listener-on-each-port"), because("connection.targets-checked"), needs("provider.targetGroups", "provider.listeners"),
			asserts(fmt.Sprintf("HealthCheckIntervalSeconds times UnhealthyThresholdCount is at most %d s for the target groups behind the link's ports", slowestDetection)),
			why("until it is noticed a dead target gets its share of the connections, and they fail"),
			source("ELBv2 API reference, TargetGroup.HealthCheckIntervalSeconds and UnhealthyThresholdCount"),
			fix(func(o *probes.Observation) Fix {
				arn := "TARGET_GROUP_ARN"
				for _, g := range slices.Backward(groupsInUse(o)) {
					if g.IntervalSeconds*g.UnhealthyThreshold > slowestDetection {
						arn = g.ARN
					}
				}
				return Fix{
					Text: "check more often",
					Command: command(o.Link, ProviderSide, "elbv2", "modify-target-group", "--target-group-arn", arn,
						"--health-check-interval-seconds", "10", "--unhealthy-threshold-count", "2"),
				}
			}),
			body(func(c *C, o *probes.Observation) {
				for _, g := range groupsInUse(o) {
					if n := g.IntervalSeconds * g.UnhealthyThreshold; n > slowestDetection {
						c.Wrong(or(g.Name, g.ARN), "%d failed checks, %d s apart, take %d s", g.UnhealthyThreshold, g.IntervalSeconds, n)
					} else {
						c.Fact(or(g.Name, g.ARN), "%d s", n)
					}
				}
			}),
		),
		check("resilience.deregistration-delay", "a target that leaves is gone soon enough",
			revision(1), severity(Advice), side(ProviderSide),
			after("connection.listener-on-each-port"), needs("provider.targetGroups", "provider.listeners"),
			asserts(fmt.Sprintf("deregistration_delay.timeout_seconds is at most %d s for the target groups behind the link's ports", slowestDrain)),
			why("for that long each target that is replaced goes on serving old connections: a roll-out takes as long, and old versions answer meanwhile"),
			source("NLB guide, target group attributes, deregistration_delay.timeout_seconds (default 300)"),
			fix(func(o *probes.Observation) Fix {
				arn := "TARGET_GROUP_ARN"
				for _, g := range slices.Backward(groupsInUse(o)) {
					if g.DrainSeconds > slowestDrain {
						arn = g.ARN
					}
				}
				return Fix{
					Text: "let them leave sooner",
					Command: command(o.Link, ProviderSide, "elbv2", "modify-target-group-attributes", "--target-group-arn", arn,
						"--attributes", "Key=deregistration_delay.timeout_seconds,Value=300"),
				}
			}),
			body(func(c *C, o *probes.Observation) {
				for _, g := range groupsInUse(o) {
					if g.DrainSeconds > slowestDrain {
						c.Wrong(or(g.Name, g.ARN), "%d s", g.DrainSeconds)
					} else {
						c.Fact(or(g.Name, g.ARN), "%d s", g.DrainSeconds)
					}
				}
			}),
		),
	}
}

func outOfService(h probes.TargetHealth) bool {
	return !slices.Contains([]string{"healthy", "initial", "draining"}, h.State)
}

// groupsInUse are the target groups behind the link's ports.
func groupsInUse(o *probes.Observation) []probes.TargetGroup {
	var out []probes.TargetGroup
	for _, g := range maybe(o.Provider.TargetGroups) {
		if slices.ContainsFunc(maybe(o.Provider.Listeners), func(l probes.Listener) bool {
			return slices.Contains(l.TargetGroupARNs, g.ARN) && slices.ContainsFunc(o.Link.Ports, func(p provision.Port) bool { return p.Port == l.Port })
		}) {
			out = append(out, g)
		}
	}
	return out
}
