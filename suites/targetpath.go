package suites

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"github.com/linkassay/linkassay/probes"
)

// targetPathChecks: between the load balancers' nodes and the targets nothing drops their packets.
func targetPathChecks() []Check {
	return []Check{
		check("network.load-balancer-egress", "the NLB's groups let it out to its targets",
			revision(1), severity(Critical), side(ProviderSide),
			after("connection.listener-on-each-port"),
			needs("provider.loadBalancers", "provider.listeners", "provider.targetGroups", "provider.targetHealth", "provider.securityGroups", "path.nodes", "path.targets"),
			asserts("where a load balancer has security groups, their outbound rules admit TCP to each target on its port and its health check port"),
			why("without an outbound rule neither health checks nor connections leave the load balancer: all targets turn unhealthy at once"),
			source("NLB guide, Security groups, recommended outbound rules"),
			rows("PL-NLB-SG-004"),
			fix(func(o *probes.Observation) Fix {
				f := Fix{Text: "let the load balancer's security group out to the targets", Command: egressCommand(o, ProviderSide, "SECURITY_GROUP_ID", o.Link.Ports[0].Port, "TARGET_CIDR")}
				forEachTargetFlow(o, func(w targetFlow) {
					if how, judged := w.egress(o); judged && !how.open() {
						f.Command = egressCommand(o, ProviderSide, w.lb.SecurityGroupIDs[0], w.port, w.to.String()+"/32")
					}
				})
				return f
			}),
			body(func(c *C, o *probes.Observation) {
				if !judgeTargetFlows(c, o, func(targetFlow) bool { return true }, targetFlow.egress) {
					c.Skip("no load balancer has security groups")
				}
			}),
		),
		check("network.target-health-checks", "targets' security groups admit health checks",
			revision(1), severity(Critical), side(ProviderSide),
			after("connection.listener-on-each-port"),
			needs("provider.loadBalancers", "provider.listeners", "provider.targetGroups", "provider.targetHealth", "path.nodes", "path.targets", "path.targetGroups"),
			asserts("each node of the load balancer finds a target whose security groups admit TCP from the node's own address, or from a security group of the load balancer, on the health check port"),
			why("health checks that are dropped make every target unhealthy, though its server runs"),
			source("NLB guide, Target security groups; ELBv2 API reference, HealthCheckPort"),
			rows("PL-TGT-002"),
			fix(func(o *probes.Observation) Fix { return fixTargetGroups(o, true) }),
			body(func(c *C, o *probes.Observation) {
				if !judgeTargetFlows(c, o, func(w targetFlow) bool { return w.check }, targetFlow.ingress) {
					c.Skip("no target's network interface is known")
				}
			}),
		),
		check("network.target-security-group", "targets' security groups admit the NLB's nodes",
			revision(1), severity(Critical), side(ProviderSide),
			after("connection.listener-on-each-port", "network.target-health-checks"),
			needs("provider.loadBalancers", "provider.listeners", "provider.targetGroups", "provider.targetHealth", "path.nodes", "path.targets", "path.targetGroups"),
			asserts("the security groups of each target admit TCP on the target's port from the addresses of the load balancer's nodes, or from a security group of the load balancer"),
			why("through PrivateLink targets see the load balancer's address, never the client's: a rule for the clients, or for the health check port alone, carries nothing"),
			source("NLB guide, Target security groups and Client IP preservation: traffic from PrivateLink"),
			rows("PL-TGT-003", "PL-TGT-004"),
			fix(func(o *probes.Observation) Fix { return fixTargetGroups(o, false) }),
			body(func(c *C, o *probes.Observation) {
				if !judgeTargetFlows(c, o, func(w targetFlow) bool { return w.serves }, targetFlow.ingress) {
					c.Skip("no target's network interface is known")
				}
			}),
		),
		check("network.target-acl", "network ACLs between NLB and targets pass",
			revision(1), severity(Critical), side(ProviderSide),
			after("connection.listener-on-each-port"),
			needs("provider.loadBalancers", "provider.listeners", "provider.targetGroups", "provider.targetHealth", "path.nodes", "path.targets", "path.providerAcls"),
			asserts("where a node and a target are in different subnets, the network ACLs of both let TCP through to the target's port and its health check port, and the answers back on ephemeral ports"),
			why("a network ACL is stateless: it must allow questions and answers, and what it denies times out"),
			source("NLB guide, Network ACLs; VPC guide, Network ACLs, ephemeral ports"),
			rows("PL-TGT-011"),
			fix(func(o *probes.Observation) Fix {
				f := fixACL(o, ProviderSide, probes.NetworkACL{}, false, netip.PrefixFrom(netip.IPv4Unspecified(), 0), o.Link.Ports[0].Port)
				found := false
				forEachTargetFlow(o, func(w targetFlow) {
					for _, asks := range []bool{true, false} {
						if acl, peer, ok := w.border(o, asks); !found && ok && refusal(acl, asks, peer, w.port) != "" {
							f, found = fixACL(o, ProviderSide, acl, asks, peer, w.port), true
						}
					}
				})
				return f
			}),
			body(judgeTargetACLs),
		),
	}
}

// targetFlow is one connection that a load balancer makes: from a node to a target that it forwards to.
type targetFlow struct {
	lb     probes.LoadBalancer
	node   probes.Interface
	from   netip.Addr // of the node
	target probes.TargetNIC
	to     netip.Addr
	port   uint16
	on     uint16 // the listener's port
	check  bool   // health checks take it
	serves bool   // clients' connections take it
	used   bool   // the target is healthy: they do now
}

func (w targetFlow) name() string {
	what := ""
	if !w.serves {
		what = "health check of "
	}
	return fmt.Sprintf("%s%s port %d from %s", what, w.target.TargetID, w.port, w.from)
}

// flowKey is what makes two connections the same.
type flowKey struct {
	on, port      uint16
	serves, check bool
	target        string
	from          netip.Addr
}

// forEachTargetFlow calls f with each connection that the nodes make for the link's ports, to targets
// whose interface is known.
func forEachTargetFlow(o *probes.Observation, f func(w targetFlow)) {
	b, groups := backendsOf(o), maybe(o.Provider.TargetGroups)
	seen := map[flowKey]bool{}
	for _, lb := range b.lbs {
		nodes := nodesOf(o, lb)
		for _, p := range o.Link.Ports {
			l, ok := listenerOn(b.listeners, lb.ARN, p.Port)
			if !ok {
				continue
			}
			cross := crossZone(lb, groups, l)
			for _, h := range b.behind(l) {
				if h.State == "unused" || h.State == "draining" {
					continue // nothing is sent to it
				}
				for _, node := range nodes {
					if !cross && h.ZoneID != "" && h.ZoneID != "all" && h.ZoneID != node.ZoneID || len(node.IPs) == 0 {
						continue
					}
					for _, t := range maybe(o.Path.Targets) {
						if t.TargetID != h.TargetID || len(t.IPs) == 0 || len(t.GroupIDs) == 0 { // without groups nothing is filtered
							continue
						}
						w := targetFlow{lb: lb, node: node, from: node.IPs[0], target: t, to: addressed(t), port: h.Port, on: p.Port, serves: true, used: h.State == "healthy"}
						if w.from.Is4() != w.to.Is4() {
							continue
						}
						flows := []targetFlow{w}
						if health := healthPort(groups, h); health == h.Port {
							flows[0].check = true // the same packets serve both
						} else {
							w.port, w.check, w.serves, w.used = health, true, false, false
							flows = append(flows, w)
						}
						for _, w := range flows {
							if key := (flowKey{w.on, w.port, w.serves, w.check, w.target.TargetID, w.from}); !seen[key] {
								seen[key] = true
								f(w)
							}
						}
					}
				}
			}
		}
	}
}

// addressed is the address that a load balancer connects to: the registered one, or an instance's first.
func addressed(t probes.TargetNIC) netip.Addr {
	if ip, err := netip.ParseAddr(t.TargetID); err == nil {
		return ip
	}
	return t.IPs[0]
}

// nodesOf are the network interfaces of a load balancer.
func nodesOf(o *probes.Observation, lb probes.LoadBalancer) []probes.Interface {
	var out []probes.Interface
	for _, n := range maybe(o.Path.Nodes) {
		if n.LoadBalancerARN == lb.ARN {
			out = append(out, n.Interface)
		}
	}
	return out
}

// healthPort is the port on which a target is checked: its own, or the target group's for all.
func healthPort(groups []probes.TargetGroup, h probes.TargetHealth) uint16 {
	for _, g := range groups {
		if n, err := strconv.ParseUint(g.HealthPort, 10, 16); g.ARN == h.TargetGroupARN && err == nil {
			return uint16(n)
		}
	}
	return h.Port
}

func (w targetFlow) ingress(o *probes.Observation) (admission, bool) {
	rules := ingressOf(maybe(o.Path.TargetGroups), w.target.GroupIDs)
	return admits(rules, w.port, peers{[]netip.Prefix{single(w.from)}, w.lb.SecurityGroupIDs, true}), true
}

func (w targetFlow) egress(o *probes.Observation) (admission, bool) {
	if len(w.lb.SecurityGroupIDs) == 0 {
		return admission{}, false
	}
	var rules []probes.SecurityGroupRule
	for _, g := range maybe(o.Provider.SecurityGroups) {
		if slices.Contains(w.lb.SecurityGroupIDs, g.ID) {
			rules = append(rules, g.Egress...)
		}
	}
	return admits(rules, w.port, peers{[]netip.Prefix{single(w.to)}, w.target.GroupIDs, true}), true
}

// judgeTargetFlows wants the rules to admit each flow that matters: one that clients' connections take,
// or all that a node has.
func judgeTargetFlows(c *C, o *probes.Observation, judges func(targetFlow) bool, how func(targetFlow, *probes.Observation) (admission, bool)) (judged bool) {
	type verdict struct {
		flow targetFlow
		how  admission
	}
	var all []verdict
	type way struct {
		node     string
		listener uint16
	}
	fine := map[way]bool{} // with a target that is admitted
	forEachTargetFlow(o, func(w targetFlow) {
		if a, ok := how(w, o); ok && judges(w) {
			all = append(all, verdict{w, a})
			at := way{w.node.ID, w.on}
			fine[at] = fine[at] || a.open()
		}
	})
	for _, v := range all {
		switch {
		case v.how.open():
			c.Fact(v.flow.name(), "%s", v.how)
		case fine[way{v.flow.node.ID, v.flow.on}] && !v.flow.used:
			c.Fact(v.flow.name(), "%s; the node has other targets", v.how)
		default:
			c.Wrong(v.flow.name(), "%s (groups %s)", v.how, list(v.flow.target.GroupIDs))
		}
	}
	return len(all) > 0
}

func fixTargetGroups(o *probes.Observation, checks bool) Fix {
	group, closed := "SECURITY_GROUP_ID", []opening(nil)
	forEachTargetFlow(o, func(w targetFlow) {
		if how, _ := w.ingress(o); how.open() || checks && !w.check || len(w.target.GroupIDs) == 0 {
			return
		}
		if len(closed) == 0 {
			group = w.target.GroupIDs[0] // one command is for one group
		}
		if group == w.target.GroupIDs[0] {
			closed = append(closed, opening{w.port, single(w.from)})
		}
	})
	if len(closed) == 0 {
		closed = openings(o.Link.Ports[0].Port, nil)
	}
	return Fix{
		Text:    "admit the load balancer's nodes: their addresses are listed with the facts; better their subnets, or the load balancer's security group",
		Command: authorizeCommand(o, ProviderSide, group, closed),
	}
}

// border is the network ACL that the flow meets at the node's subnet (asks) or the target's.
func (w targetFlow) border(o *probes.Observation, asks bool) (acl probes.NetworkACL, peer netip.Prefix, ok bool) {
	if w.node.SubnetID == w.target.SubnetID {
		return acl, peer, false
	}
	subnet, peer := w.target.SubnetID, single(w.from)
	if asks {
		subnet, peer = w.node.SubnetID, single(w.to)
	}
	acl, ok = aclOf(maybe(o.Path.ProviderACLs), subnet)
	return acl, peer, ok
}

func judgeTargetACLs(c *C, o *probes.Observation) {
	judged := 0
	forEachTargetFlow(o, func(w targetFlow) {
		for _, asks := range []bool{true, false} {
			acl, peer, ok := w.border(o, asks)
			if !ok {
				continue
			}
			judged++
			if what := refusal(acl, asks, peer, w.port); what != "" {
				c.Wrong(w.name(), "%s", what)
			}
		}
	})
	if judged == 0 {
		c.Skip("no node and target are known to be in different subnets")
	}
	c.Fact("connections", "%d borders judged", judged)
}
