package suites

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/linkassay/linkassay/probes"
)

// targetStateChecks: what must hold of a port's targets before one of them can be healthy. Each asks for
// one target at least; what is wrong with some of several is for the zones' checks to say.
func targetStateChecks() []Check {
	return []Check{
		check("connection.targets-registered", "targets are registered for each port",
			revision(1), severity(Critical), side(ProviderSide),
			after("connection.listener-on-each-port"),
			needs("provider.loadBalancers", "provider.listeners", "provider.targetHealth"),
			asserts("behind the listener of each link port at least one target is registered (elbv2:DescribeTargetHealth)"),
			why("a listener in front of an empty target group resets connections"),
			source("ELBv2 API reference, RegisterTargets and DescribeTargetHealth"),
			rows("PL-NLB-005"),
			fix(func(o *probes.Observation) Fix {
				p, ok := firstPort(o, func(p portTargets) bool { return len(p.targets) == 0 })
				if !ok {
					return Fix{Text: "register targets"}
				}
				return registerFix(o, "register the targets", p.group(), p.targetPort)
			}),
			body(func(c *C, o *probes.Observation) {
				for _, p := range targetsByPort(o) {
					if len(p.targets) == 0 {
						c.Wrong(p.name, "no target is registered")
					} else {
						c.Fact(p.name, "%d targets", len(p.targets))
					}
				}
			}),
		),
		check("connection.targets-in-use", "the targets of each port can get traffic",
			revision(1), severity(Critical), side(ProviderSide),
			after("connection.targets-registered"),
			needs("provider.loadBalancers", "provider.listeners", "provider.targetHealth"),
			asserts("behind the listener of each link port not all registered targets are unused: the instances run, the addresses are no load balancer's, and their zones are enabled on the load balancer"),
			why("an unused target is not even checked: without another the port refuses connections"),
			source("ELBv2 API reference, TargetHealth.State unused and its reasons"),
			rows("PL-TGT-005", "PL-TGT-006"),
			fix(func(o *probes.Observation) Fix {
				p, _ := firstPort(o, func(p portTargets) bool { return p.all("unused") })
				return fixUnused(o, p)
			}),
			body(func(c *C, o *probes.Observation) {
				for _, p := range targetsByPort(o) {
					judgePort(c, p, !p.all("unused"), "all")
				}
			}),
		),
		check("connection.targets-checked", "targets are past their first health checks",
			revision(1), severity(Critical), side(ProviderSide),
			after("connection.targets-in-use"),
			needs("provider.loadBalancers", "provider.listeners", "provider.targetHealth"), wants("provider.targetGroups"),
			asserts("behind the listener of each link port not all targets are initial (elbv2:DescribeTargetHealth)"),
			why("a target gets no traffic of its own right before HealthyThresholdCount checks have succeeded; with long intervals that takes many minutes"),
			source("ELBv2 API reference, TargetHealth.State initial, Elb.RegistrationInProgress and Elb.InitialHealthChecking"),
			rows("PL-TGT-007"),
			fix(func(o *probes.Observation) Fix {
				p, _ := firstPort(o, func(p portTargets) bool { return p.all("initial") })
				f := Fix{Text: "wait for the first health checks (run with --wait)"}
				if g, ok := groupOf(o, p.group()); ok && g.IntervalSeconds*g.HealthyThreshold > 0 {
					f.Text = fmt.Sprintf("wait for the first health checks (run with --wait): up to %d s; fewer and more frequent ones take less", g.IntervalSeconds*g.HealthyThreshold)
				}
				f.Command = command(o.Link, ProviderSide, "elbv2", "modify-target-group", "--target-group-arn", p.group(),
					"--health-check-interval-seconds", "10", "--healthy-threshold-count", "2")
				return f
			}),
			body(func(c *C, o *probes.Observation) {
				groups, _ := value(o.Provider.TargetGroups)
				for _, p := range targetsByPort(o) {
					if i := slices.IndexFunc(groups, func(g probes.TargetGroup) bool { return g.ARN == p.group() }); i >= 0 {
						c.Fact(p.name+" health checks", "%d in a row, every %d s", groups[i].HealthyThreshold, groups[i].IntervalSeconds)
					}
					judgePort(c, p, !p.all("initial"), "all")
				}
			}),
		),
		check("connection.health-check-code", "health checks get an accepted code",
			revision(1), severity(Critical), side(ProviderSide),
			after("connection.targets-checked", "proxy.health-checks-parsed"),
			needs("provider.loadBalancers", "provider.listeners", "provider.targetHealth"), wants("provider.targetGroups"),
			asserts("behind the listener of each link port, unless a target is healthy, none fails its HTTP health checks with a status code that the target group does not accept (Target.ResponseCodeMismatch)"),
			why("the servers answer, and yet count as dead: the check asks for another path or code than they have"),
			source("ELBv2 API reference, TargetHealth.Reason Target.ResponseCodeMismatch, TargetGroup.Matcher and HealthCheckPath"),
			rows("PL-TGT-001"),
			fix(fixHealthCheckCode),
			body(func(c *C, o *probes.Observation) {
				groups, _ := value(o.Provider.TargetGroups)
				for _, p := range targetsByPort(o) {
					mismatch := p.with(mismatched)
					if len(p.with(isHealthy)) > 0 || len(mismatch) == 0 {
						c.Fact(p.name, "%s", list(states(p.targets)))
						continue
					}
					if i := slices.IndexFunc(groups, func(g probes.TargetGroup) bool { return g.ARN == p.group() }); i >= 0 {
						g := groups[i]
						c.Fact(p.name+" health check", "%s %s port %s, accepts %s", g.HealthProtocol, g.HealthPath, g.HealthPort, or(g.Matcher, "200-399"))
					}
					c.Wrong(p.name, "none of %d targets is healthy, %d answer with another code: %s", len(p.targets), len(mismatch), or(mismatch[0].Description, "which one is not said"))
				}
			}),
		),
	}
}

// portTargets is one port of the link on one load balancer of the service, and what stands behind it.
type portTargets struct {
	name       string // the port, and the load balancer where there are several
	targetPort uint16
	lb         probes.LoadBalancer
	listener   probes.Listener
	targets    []probes.TargetHealth
}

// targetsByPort lists the ports that a listener takes connections on.
func targetsByPort(o *probes.Observation) []portTargets {
	b := backends{maybe(o.Provider.LoadBalancers), maybe(o.Provider.Listeners), maybe(o.Provider.TargetHealth)}
	var out []portTargets
	for _, p := range o.Link.Ports {
		for _, lb := range b.lbs {
			l, ok := listenerOn(b.listeners, lb.ARN, p.Port)
			if !ok {
				continue
			}
			name := portName(p.Port)
			if len(b.lbs) > 1 {
				name += " on " + lb.Name
			}
			target := p.TargetPort
			if target == 0 {
				target = p.Port
			}
			out = append(out, portTargets{name, target, lb, l, b.behind(l)})
		}
	}
	return out
}

func firstPort(o *probes.Observation, f func(p portTargets) bool) (portTargets, bool) {
	all := targetsByPort(o)
	i := slices.IndexFunc(all, f)
	if i < 0 {
		return portTargets{}, false
	}
	return all[i], true
}

// group is the port's target group; there is more than one only where traffic is weighted.
func (p portTargets) group() string {
	return or(append(slices.Clone(p.listener.TargetGroupARNs), "TARGET_GROUP_ARN")...)
}

func (p portTargets) with(f func(probes.TargetHealth) bool) []probes.TargetHealth {
	return slices.DeleteFunc(slices.Clone(p.targets), func(h probes.TargetHealth) bool { return !f(h) })
}

// all says that there are targets, and that all of those that stay are in the state.
func (p portTargets) all(state string) bool {
	stay := p.with(func(h probes.TargetHealth) bool { return h.State != "draining" })
	return len(stay) > 0 && !slices.ContainsFunc(stay, func(h probes.TargetHealth) bool { return h.State != state })
}

func isHealthy(h probes.TargetHealth) bool { return h.State == "healthy" }

func mismatched(h probes.TargetHealth) bool { return h.Reason == "Target.ResponseCodeMismatch" }

func judgePort(c *C, p portTargets, well bool, how string) {
	if well {
		c.Fact(p.name, "%s", list(states(p.targets)))
		return
	}
	c.Wrong(p.name, "%s of %d targets: %s%s", how, len(p.targets), list(states(p.targets)), inParentheses(p.targets[0].Description))
}

func groupOf(o *probes.Observation, arn string) (probes.TargetGroup, bool) {
	groups := maybe(o.Provider.TargetGroups)
	i := slices.IndexFunc(groups, func(g probes.TargetGroup) bool { return g.ARN == arn })
	if i < 0 {
		return probes.TargetGroup{}, false
	}
	return groups[i], true
}

// registerFix registers the targets that the link's other ports have, which are most likely meant.
func registerFix(o *probes.Observation, text, group string, port uint16) Fix {
	var ids []string
	for _, h := range maybe(o.Provider.TargetHealth) {
		if h.TargetGroupARN != group && h.State != "draining" {
			ids = append(ids, h.TargetID)
		}
	}
	args := []string{"elbv2", "register-targets", "--target-group-arn", group, "--targets"}
	for _, id := range sorted(ids) {
		args = append(args, fmt.Sprintf("Id=%s,Port=%d", id, port))
	}
	if len(ids) == 0 {
		args = append(args, "Id=TARGET_ID")
	}
	return Fix{Text: text, Command: command(o.Link, ProviderSide, args...)}
}

// fixUnused mends what keeps a port's targets from being used: the reason of the first says what.
func fixUnused(o *probes.Observation, p portTargets) Fix {
	if len(p.targets) == 0 {
		return Fix{Text: "start the targets' instances, or register others"}
	}
	first := p.targets[0]
	var ids []string
	for _, h := range p.targets {
		if h.Reason == first.Reason {
			ids = append(ids, h.TargetID)
		}
	}
	ids = sorted(ids)
	switch {
	case first.Reason == "Target.InvalidState" && strings.Contains(first.Description, "terminated"):
		return registerFix(o, "the instances are gone: register others", p.group(), p.targetPort)
	case first.Reason == "Target.InvalidState":
		return Fix{
			Text:    "the instances do not run: start them",
			Command: command(o.Link, ProviderSide, append([]string{"ec2", "start-instances", "--instance-ids"}, ids...)...),
		}
	case first.Reason == "Target.IpUnusable":
		f := registerFix(o, "the addresses are a load balancer's own: register the servers' addresses instead", p.group(), p.targetPort)
		if len(ids) > 0 {
			f.Command = command(o.Link, ProviderSide, "elbv2", "deregister-targets", "--target-group-arn", p.group(), "--targets", "Id="+ids[0])
		}
		return f
	case first.Reason == "Target.NotInUse":
		return enableZoneFix(o, p.lb, first.ZoneID)
	}
	return registerFix(o, "register targets that can be used", p.group(), p.targetPort)
}

// enableZoneFix adds a zone to those of the load balancer: the subnets that it has must be named again.
func enableZoneFix(o *probes.Observation, lb probes.LoadBalancer, zone string) Fix {
	args := []string{"elbv2", "set-subnets", "--load-balancer-arn", lb.ARN, "--subnets"}
	for _, z := range lb.Zones {
		args = append(args, z.SubnetID)
	}
	return Fix{
		Text:    "the load balancer is not enabled in " + or(zone, "that zone") + ": add a subnet there, then call modify-vpc-endpoint-service-configuration with the service's id; or register targets in its own zones",
		Command: command(o.Link, ProviderSide, append(args, "SUBNET_ID")...),
	}
}

// answeredCode finds the first status code in DescribeTargetHealth's text, such as "Health checks failed
// with these codes: [404]".
var answeredCode = regexp.MustCompile(`\[(\d{3})`)

func fixHealthCheckCode(o *probes.Observation) Fix {
	p, _ := firstPort(o, func(p portTargets) bool { return len(p.with(isHealthy)) == 0 && len(p.with(mismatched)) > 0 })
	code := "CODE"
	for _, h := range p.with(mismatched) {
		if m := answeredCode.FindStringSubmatch(h.Description); m != nil {
			code = m[1]
		}
	}
	return Fix{
		Text: "ask for a path that answers with an accepted code (--health-check-path), or accept the one that the servers have",
		Command: command(o.Link, ProviderSide, "elbv2", "modify-target-group", "--target-group-arn", p.group(),
			"--matcher", "HttpCode="+code),
	}
}
