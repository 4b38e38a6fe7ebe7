package suites

import (
	"fmt"
	"slices"
	"strings"

	"github.com/onsi/gomega"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
)

// loadBalancerChecks: the service's load balancers work, listen on the link's ports, and let its
// clients in.
func loadBalancerChecks() []Check {
	return []Check{
		check("connection.load-balancer-active", "the load balancers are active NLBs",
			revision(2), severity(Critical), side(ProviderSide),
			after("connection.service-exists", "connection.service-type"), needs("provider.service", "provider.loadBalancers"),
			asserts("each of NetworkLoadBalancerArns is of type network and in state active or active_impaired (elbv2:DescribeLoadBalancers)"),
			why("a load balancer that is provisioning or failed forwards nothing"),
			source("ELBv2 API reference, LoadBalancerState; PrivateLink guide, Create a service"),
			rows("PL-NLB-001"),
			fix(func(o *probes.Observation) Fix {
				return Fix{
					Text:    "wait while it is provisioning (about two minutes); see its reason when it is failed",
					Command: command(o.Link, ProviderSide, "elbv2", "describe-load-balancers", "--load-balancer-arns", loadBalancerARNOf(o)),
				}
			}),
			body(func(c *C, o *probes.Observation) {
				service, _ := value(o.Provider.Service)
				lbs, _ := value(o.Provider.LoadBalancers)
				c.Expect(lbs).NotTo(gomega.BeEmpty(), "none of the service's %d load balancers exists", len(service.LoadBalancerARNs))
				for _, lb := range lbs {
					switch {
					case lb.Type != "network":
						c.Wrong(lb.Name, "is of type %s, not network", or(lb.Type, "unknown"))
					case !same(lb.State, "active") && !same(lb.State, "active_impaired"):
						c.Wrong(lb.Name, "is %s%s", or(lb.State, "without a state"), inParentheses(lb.StateReason))
					default:
						c.Fact(lb.Name, "%s", lb.State)
					}
				}
				for _, arn := range service.LoadBalancerARNs {
					if !slices.ContainsFunc(lbs, func(lb probes.LoadBalancer) bool { return lb.ARN == arn }) {
						c.Wrong(arn, "does not exist")
					}
				}
			}),
		),
		listenerCheck(),
		check("connection.load-balancer-security-group", "the NLB's security groups let clients in",
			revision(2), severity(Critical), side(ProviderSide),
			after("connection.load-balancer-active"), needs("provider.loadBalancers", "provider.securityGroups"), wants("consumer.vpc", "path.clients", "reach.tcp"),
			asserts("where a load balancer has security groups and enforces them on PrivateLink traffic, a rule admits each link port from each vantage's own address, or, where those are not known, from the consumer's addresses"),
			why("the load balancer then drops what no rule admits, and connections time out; the rules see the client's own address, not the endpoint's"),
			source("NLB guide, Update the security groups; ELBv2 API reference, EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic"),
			rows("PL-NLB-SG-001", "PL-NLB-SG-002", "PL-NET-003"),
			fix(fixLoadBalancerGroups),
			body(judgeLoadBalancerGroups),
		),
	}
}

func listenerCheck() Check {
	return check("connection.listener-on-each-port", "a listener stands on each port of the link",
		revision(2), severity(Critical), side(ProviderSide),
		after("connection.load-balancer-active"), needs("provider.loadBalancers", "provider.listeners"),
		asserts("for each port of the link a load balancer of the service has a TCP, TLS or TCP_UDP listener (elbv2:DescribeListeners)"),
		why("a port without a listener refuses connections"),
		source("ELBv2 API reference, Listener.Port and Protocol; PrivateLink guide, Create a service"),
		rows("PL-NLB-004", "PL-TGT-005"),
		fix(fixListener),
		body(func(c *C, o *probes.Observation) {
			lbs, _ := value(o.Provider.LoadBalancers)
			listeners, _ := value(o.Provider.Listeners)
			for _, lb := range lbs {
				var on []string
				for _, l := range listeners {
					if l.LoadBalancerARN == lb.ARN {
						on = append(on, fmt.Sprintf("%d/%s", l.Port, l.Protocol))
					}
				}
				c.Fact(lb.Name, "listens on %s", list(on))
			}
			for _, gap := range portsWithoutListener(o, lbs, listeners) {
				c.Wrong(portName(gap.port), "no TCP or TLS listener on %s", gap.lb.Name)
			}
		}),
	)
}

// fixListener mends the first port that lacks a listener: one that stands on a wrong port is moved, one for
// another protocol is changed, and else one is made.
func fixListener(o *probes.Observation) Fix {
	listeners := maybe(o.Provider.Listeners)
	arn, port := loadBalancerARNOf(o), o.Link.Ports[0].Port // a link file has at least one
	if gaps := portsWithoutListener(o, maybe(o.Provider.LoadBalancers), listeners); len(gaps) > 0 {
		arn, port = gaps[0].lb.ARN, gaps[0].port
	}
	f := Fix{
		Text:     "add the listener, or correct the port",
		LinkFile: "ports: those that the service listens on",
	}
	group := targetGroupARNOf(o, port)
	action := "Type=forward,TargetGroupArn=" + group
	for _, l := range listeners {
		switch {
		case l.LoadBalancerARN != arn:
		case l.Port == port:
			f.Text = fmt.Sprintf("the listener on port %d takes %s only: make it one for TCP, in front of a target group for TCP", port, l.Protocol)
			f.Command = command(o.Link, ProviderSide, "elbv2", "modify-listener", "--listener-arn", l.ARN,
				"--protocol", "TCP", "--default-actions", action)
			return f
		case slices.Contains(l.TargetGroupARNs, group) && !slices.ContainsFunc(o.Link.Ports, func(p provision.Port) bool { return p.Port == l.Port }):
			f.Text = fmt.Sprintf("the listener for these targets is on port %d: move it to port %d, or correct the link file", l.Port, port)
			f.Command = command(o.Link, ProviderSide, "elbv2", "modify-listener", "--listener-arn", l.ARN, "--port", fmt.Sprint(port))
		}
	}
	if f.Command == "" {
		f.Command = command(o.Link, ProviderSide, "elbv2", "create-listener", "--load-balancer-arn", arn,
			"--protocol", "TCP", "--port", fmt.Sprint(port), "--default-actions", action)
	}
	return f
}

type portGap struct {
	lb   probes.LoadBalancer
	port uint16
}

// portsWithoutListener lists the ports that none of the load balancers listens on, each with the first
// of them.
func portsWithoutListener(o *probes.Observation, lbs []probes.LoadBalancer, listeners []probes.Listener) []portGap {
	var gaps []portGap
	for _, p := range o.Link.Ports {
		if len(lbs) > 0 && !slices.ContainsFunc(lbs, func(lb probes.LoadBalancer) bool {
			_, ok := listenerOn(listeners, lb.ARN, p.Port)
			return ok
		}) {
			gaps = append(gaps, portGap{lbs[0], p.Port})
		}
	}
	return gaps
}

// listenerOn finds the listener that takes TCP connections on a port. Listeners for other protocols
// may share the port number.
func listenerOn(listeners []probes.Listener, lb string, port uint16) (probes.Listener, bool) {
	for _, l := range listeners {
		if l.LoadBalancerARN == lb && l.Port == port && (l.Protocol == "TLS" || strings.HasPrefix(l.Protocol, "TCP")) {
			return l, true
		}
	}
	return probes.Listener{}, false
}

// targetGroupARNOf suggests a target group for a port: one whose targets listen there, if there is one.
func targetGroupARNOf(o *probes.Observation, port uint16) string {
	target := port
	for _, p := range o.Link.Ports {
		if p.Port == port && p.TargetPort != 0 {
			target = p.TargetPort
		}
	}
	for _, g := range maybe(o.Provider.TargetGroups) {
		if g.Port == target && g.Protocol != "UDP" {
			return g.ARN
		}
	}
	return "TARGET_GROUP_ARN"
}

// balancerAdmissions evaluates the groups of load balancers that enforce them. They see the clients' own
// addresses; groups of another VPC are nobody's there.
func balancerAdmissions(o *probes.Observation) []portAdmission {
	var out []portAdmission
	for _, lb := range maybe(o.Provider.LoadBalancers) {
		if len(lb.SecurityGroupIDs) > 0 && !same(lb.EnforceInbound, "off") {
			out = append(out, admissions(o, ingressOf(maybe(o.Provider.SecurityGroups), lb.SecurityGroupIDs), lb.Name)...)
		}
	}
	for i, w := range out {
		// With several load balancers a connection may have gone through another one.
		out[i].connected = w.connected && len(maybe(o.Provider.LoadBalancers)) == 1
		// The consumer's addresses are not known: any rule may be for them.
		if w.how.level == fromElsewhere && len(w.by.from) == 0 {
			out[i].how.level = fromSome
		}
	}
	return out
}

func judgeLoadBalancerGroups(c *C, o *probes.Observation) {
	all := balancerAdmissions(o)
	if len(all) == 0 {
		c.Skip("no load balancer enforces security groups")
	}
	judgeAdmissions(c, all)
}

func fixLoadBalancerGroups(o *probes.Observation) Fix {
	group, on := "SECURITY_GROUP_ID", ""
	closed := slices.DeleteFunc(balancerAdmissions(o), func(w portAdmission) bool { return w.how.open() || w.connected })
	if len(closed) > 0 {
		on = closed[0].on // one command is for one group
		closed = slices.DeleteFunc(closed, func(w portAdmission) bool { return w.on != on })
	}
	for _, lb := range maybe(o.Provider.LoadBalancers) {
		if len(lb.SecurityGroupIDs) > 0 && (on == "" || lb.Name == on) {
			group = lb.SecurityGroupIDs[0]
		}
	}
	return Fix{
		Text:    "admit the consumer's addresses, or don't enforce the groups on PrivateLink traffic (elbv2 set-security-groups)",
		Command: authorizeCommand(o, ProviderSide, group, openingsFor(o, closed)),
	}
}

func egressCommand(o *probes.Observation, s Side, group string, port uint16, to string) string {
	return command(o.Link, s, "ec2", "authorize-security-group-egress", "--group-id", group,
		"--protocol", "tcp", "--port", fmt.Sprint(port), "--cidr", to)
}
