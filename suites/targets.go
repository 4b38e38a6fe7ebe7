package suites

import (
	"fmt"
	"slices"

	"github.com/linkassay/linkassay/probes"
)

// targetChecks: behind each listener stands something that answers.
func targetChecks() []Check {
	return []Check{
		check("connection.healthy-target", "each port of the link has a healthy target",
			revision(2), severity(Critical), side(ProviderSide),
			after("connection.health-check-code"),
			because("network.load-balancer-egress", "network.target-health-checks", "network.target-acl"),
			needs("provider.loadBalancers", "provider.listeners", "provider.targetHealth"), wants("provider.targetGroups"),
			asserts("behind the listener of each link port at least one registered target is healthy (elbv2:DescribeTargetHealth)"),
			why("without a healthy target connections are refused or time out, in every zone"),
			source("ELBv2 API reference, TargetHealth.State and Reason; NLB guide, Troubleshoot"),
			rows("PL-TGT-001"),
			fix(fixTargets),
			body(func(c *C, o *probes.Observation) {
				b := backendsOf(o)
				for _, p := range o.Link.Ports {
					for _, lb := range b.lbs {
						l, ok := listenerOn(b.listeners, lb.ARN, p.Port)
						if !ok {
							continue
						}
						name := fmt.Sprintf("port %d", p.Port)
						if len(b.lbs) > 1 {
							name += " on " + lb.Name
						}
						behind := b.behind(l)
						healthy := b.healthy(l)
						switch {
						case len(healthy) == 0:
							c.Wrong(name, "none of %d targets is healthy: %s", len(behind), list(states(behind)))
						default:
							c.Fact(name, "%d of %d targets healthy", len(healthy), len(behind))
						}
					}
				}
			}),
		),
		check("connection.healthy-target-in-endpoint-zones", "each zone of the endpoint has a healthy target",
			revision(2), severity(Critical), side(ProviderSide),
			after("connection.healthy-target", "connection.endpoint-service"), because("network.target-health-checks", "network.target-acl", "network.zones-carry-packets"),
			needs("provider.loadBalancers", "provider.listeners", "provider.targetGroups", "provider.targetHealth", "consumer.subnets"),
			asserts("where cross-zone load balancing is off, each zone that the endpoint is in has a healthy target behind each link port"),
			why("an endpoint interface talks to the load balancer's node in its own zone; without cross-zone load balancing that node has its own zone's targets only"),
			source("NLB guide, target group attributes, load_balancing.cross_zone.enabled; PrivateLink guide, Create a service"),
			rows("PL-NLB-006", "PL-DNS-011", "PL-DNS-012"),
			fix(func(o *probes.Observation) Fix { return fixZones(o, endpointZones(o), true) }),
			body(func(c *C, o *probes.Observation) {
				skipAcrossRegions(c, o)
				judgeZones(c, o, endpointZones(o), true)
			}),
		),
		check("connection.healthy-target-in-each-zone", "each zone of the service has a healthy target",
			revision(2), severity(Warning), side(ProviderSide),
			after("connection.healthy-target"), because("connection.healthy-target-in-endpoint-zones", "network.target-health-checks", "network.target-acl", "network.zones-carry-packets"),
			needs("provider.loadBalancers", "provider.listeners", "provider.targetGroups", "provider.targetHealth"),
			asserts("each zone of the load balancers has a healthy target behind each link port, whether or not cross-zone load balancing hides its lack"),
			why("a zone without targets has no capacity of its own: it fails, or lives from the others"),
			source("PrivateLink guide, Create a service; ELBv2 API reference, DescribeTargetHealth"),
			rows("PL-NLB-006"),
			fix(func(o *probes.Observation) Fix { return fixZones(o, serviceZones(o), false) }),
			body(func(c *C, o *probes.Observation) { judgeZones(c, o, serviceZones(o), false) }),
		),
	}
}

// endpointZones are the ids of the zones that the endpoint is in.
func endpointZones(o *probes.Observation) []string {
	var zones []string
	for _, s := range maybe(o.Consumer.Subnets) {
		zones = append(zones, s.ZoneID)
	}
	return sorted(zones)
}

// serviceZones are the ids of the load balancers' zones.
func serviceZones(o *probes.Observation) []string {
	var zones []string
	for _, lb := range maybe(o.Provider.LoadBalancers) {
		for _, z := range lb.Zones {
			zones = append(zones, z.ZoneID)
		}
	}
	return sorted(zones)
}

// backends are the provider's load balancers with what stands behind them.
type backends struct {
	lbs       []probes.LoadBalancer
	listeners []probes.Listener
	health    []probes.TargetHealth
}

func backendsOf(o *probes.Observation) backends {
	lbs, _ := value(o.Provider.LoadBalancers)
	listeners, _ := value(o.Provider.Listeners)
	health, _ := value(o.Provider.TargetHealth)
	return backends{lbs, listeners, health}
}

func (b backends) behind(l probes.Listener) []probes.TargetHealth {
	var out []probes.TargetHealth
	for _, h := range b.health {
		if slices.Contains(l.TargetGroupARNs, h.TargetGroupARN) {
			out = append(out, h)
		}
	}
	return out
}

func (b backends) healthy(l probes.Listener) []probes.TargetHealth {
	return slices.DeleteFunc(b.behind(l), func(h probes.TargetHealth) bool { return h.State != "healthy" })
}

// states says what state each target is in and why, with alike ones counted.
func states(targets []probes.TargetHealth) []string {
	count := map[string]int{}
	var out []string
	for _, h := range targets {
		count[stateOf(h)]++
		out = append(out, stateOf(h))
	}
	out = sorted(out)
	for i, s := range out {
		if n := count[s]; n > 1 {
			out[i] = fmt.Sprintf("%d × %s", n, s)
		}
	}
	return out
}

func stateOf(h probes.TargetHealth) string {
	return or(h.State, "unknown") + inParentheses(h.Reason)
}

// judgeZones asks for a healthy target per zone, load balancer and port. With onlyOwn, zones that
// cross-zone load balancing serves from others are left out.
func judgeZones(c *C, o *probes.Observation, zones []string, onlyOwn bool) {
	groups, _ := value(o.Provider.TargetGroups)
	b := backendsOf(o)
	judged := false
	for _, lb := range b.lbs {
		for _, p := range o.Link.Ports {
			l, ok := listenerOn(b.listeners, lb.ARN, p.Port)
			if !ok || onlyOwn && crossZone(lb, groups, l) {
				continue
			}
			behind := b.behind(l)
			if slices.ContainsFunc(behind, func(h probes.TargetHealth) bool { return h.ZoneID == "" || h.ZoneID == "all" }) {
				c.Skip("the zones of the targets are not known")
			}
			judged = true
			for _, zone := range zones {
				if !inZones(lb, zone) {
					continue // the service's other load balancers serve it
				}
				own, well := within(behind, zone)
				name := fmt.Sprintf("%s port %d", zone, p.Port)
				switch {
				case len(own) == 0:
					c.Wrong(name, "no target is registered")
				case len(well) == 0:
					c.Wrong(name, "none of %d targets is healthy: %s", len(own), list(states(own)))
				default:
					c.Fact(name, "%d of %d targets healthy", len(well), len(own))
				}
			}
		}
	}
	if !judged {
		c.Skip("cross-zone load balancing is on")
	}
}

// within are the targets in a zone, and those of them that are healthy.
func within(targets []probes.TargetHealth, zone string) (own, well []probes.TargetHealth) {
	for _, h := range targets {
		if h.ZoneID != zone {
			continue
		}
		own = append(own, h)
		if h.State == "healthy" {
			well = append(well, h)
		}
	}
	return own, well
}

func inZones(lb probes.LoadBalancer, zone string) bool {
	return slices.ContainsFunc(lb.Zones, func(z probes.LoadBalancerZone) bool { return z.ZoneID == zone })
}

// crossZone says whether the listener's target groups take traffic from other zones: the group's
// attribute decides unless it leaves it to the load balancer.
func crossZone(lb probes.LoadBalancer, groups []probes.TargetGroup, l probes.Listener) bool {
	for _, g := range groups {
		if !slices.Contains(l.TargetGroupARNs, g.ARN) {
			continue
		}
		switch g.CrossZone {
		case "true":
		case "false":
			return false
		default:
			if !lb.CrossZone {
				return false
			}
		}
	}
	return true
}

func fixTargets(o *probes.Observation) Fix {
	b := backendsOf(o)
	for _, lb := range b.lbs {
		for _, p := range o.Link.Ports {
			l, ok := listenerOn(b.listeners, lb.ARN, p.Port)
			if !ok || len(b.healthy(l)) > 0 || len(l.TargetGroupARNs) == 0 {
				continue
			}
			group := l.TargetGroupARNs[0]
			if f, ok := registerAgain(o, group, b.behind(l)); ok {
				return f
			}
			return fixUnhealthy(o, group, b.behind(l))
		}
	}
	return Fix{Text: "register targets and see that they answer health checks"}
}

// fixUnhealthy says what to do about targets that fail their health checks, by how they fail them.
func fixUnhealthy(o *probes.Observation, group string, targets []probes.TargetHealth) Fix {
	silent := !slices.ContainsFunc(targets, func(h probes.TargetHealth) bool { return h.Reason != "Target.Timeout" })
	g, _ := groupOf(o, group)
	other := g.HealthPort != "" && g.HealthPort != "traffic-port" &&
		!slices.ContainsFunc(targets, func(h probes.TargetHealth) bool { return fmt.Sprint(h.Port) == g.HealthPort })
	switch {
	case other:
		return Fix{
			Text: "the health checks go to port " + g.HealthPort + ", where no target takes traffic: check the traffic's port, or let the load balancer's subnets through to that one and answer there",
			Command: command(o.Link, ProviderSide, "elbv2", "modify-target-group", "--target-group-arn", group,
				"--health-check-port", "traffic-port"),
		}
	case silent && len(targets) > 0:
		return Fix{
			Text:    "nothing answers the health checks: let the load balancer's subnets through the targets' security groups and network ACLs on the health check port",
			Command: command(o.Link, ProviderSide, "elbv2", "describe-target-health", "--target-group-arn", group),
		}
	}
	return Fix{
		Text:    "start the targets' servers, or let the load balancer's subnets through their security group on the health check port",
		Command: command(o.Link, ProviderSide, "elbv2", "describe-target-health", "--target-group-arn", group),
	}
}

// registerAgain is the fix for targets that are all being deregistered: they are still known.
func registerAgain(o *probes.Observation, group string, targets []probes.TargetHealth) (Fix, bool) {
	if len(targets) == 0 || slices.ContainsFunc(targets, func(h probes.TargetHealth) bool { return h.State != "draining" }) {
		return Fix{}, false
	}
	args := []string{"elbv2", "register-targets", "--target-group-arn", group, "--targets"}
	for _, h := range targets {
		if h.TargetGroupARN == group {
			args = append(args, fmt.Sprintf("Id=%s,Port=%d", h.TargetID, h.Port))
		}
	}
	return Fix{Text: "the targets were deregistered: register them again", Command: command(o.Link, ProviderSide, args...)}, true
}

// fixZones mends the targets of the first zone that lacks a healthy one. Where the lack is that a zone's own targets are
// all it has (onlyOwn), cross-zone load balancing is the other way: what is broken stays so, and the others carry its load.
func fixZones(o *probes.Observation, zones []string, onlyOwn bool) Fix {
	groups := maybe(o.Provider.TargetGroups)
	for _, p := range targetsByPort(o) {
		if len(p.listener.TargetGroupARNs) == 0 || onlyOwn && crossZone(p.lb, groups, p.listener) {
			continue
		}
		for _, zone := range zones {
			own, well := within(p.targets, zone)
			if !inZones(p.lb, zone) || len(well) > 0 {
				continue
			}
			p.targets = own
			f := fixZone(o, p, zone)
			if onlyOwn {
				f.Text += "; or let the other zones' targets serve it: " + crossZoneOn(p.lb, groups, p.listener)
			}
			return f
		}
	}
	return Fix{Text: "mend or add targets in those zones"}
}

// fixZone mends a port's targets in a zone, none of which is healthy.
func fixZone(o *probes.Observation, p portTargets, zone string) Fix {
	if f, ok := registerAgain(o, p.group(), p.targets); ok {
		return f
	}
	switch {
	case len(p.targets) == 0:
		return Fix{
			Text:    "register a target in " + zone,
			Command: command(o.Link, ProviderSide, "elbv2", "register-targets", "--target-group-arn", p.group(), "--targets", "Id="+or(targetIn(o, zone), "TARGET_ID")),
		}
	case p.all("unused"):
		return fixUnused(o, p)
	}
	f := fixUnhealthy(o, p.group(), p.targets)
	f.Text = "in " + zone + ": " + f.Text
	return f
}

// targetIn is a target that other ports have in the zone.
func targetIn(o *probes.Observation, zone string) string {
	for _, h := range maybe(o.Provider.TargetHealth) {
		if h.ZoneID == zone && h.State == "healthy" {
			return h.TargetID
		}
	}
	return ""
}

// crossZoneOn says where cross-zone load balancing is turned on: a target group's own setting goes before the load
// balancer's.
func crossZoneOn(lb probes.LoadBalancer, groups []probes.TargetGroup, l probes.Listener) string {
	for _, g := range groups {
		if slices.Contains(l.TargetGroupARNs, g.ARN) && g.CrossZone == "false" {
			return "turn load_balancing.cross_zone.enabled on in target group " + or(g.Name, g.ARN)
		}
	}
	return "turn load_balancing.cross_zone.enabled on in load balancer " + or(lb.Name, lb.ARN)
}
