package suites

import (
	"fmt"
	"slices"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
)

// loadBalancerZoneChecks: the load balancers are where the link needs them, and alike.
func loadBalancerZoneChecks() []Check {
	return []Check{
		check("connection.load-balancers-alike", "the load balancers listen alike",
			revision(1), severity(Critical), side(ProviderSide),
			after("connection.listener-on-each-port"), needs("provider.loadBalancers", "provider.listeners"), wants("provider.targetGroups"),
			asserts("where the service has several load balancers, each has a listener on each link port, all for the same protocol and all with or all without proxy protocol v2"),
			why("an endpoint's interface takes one of them at random and stays with it: a difference fails for some clients, and not for others"),
			source("PrivateLink guide, Create a service: keep listeners and target groups of all load balancers the same"),
			rows("PL-NLB-010"),
			fix(fixUnlike),
			body(func(c *C, o *probes.Observation) {
				lbs, _ := value(o.Provider.LoadBalancers)
				if len(lbs) < 2 {
					c.Skip("the service has one load balancer")
				}
				groups, _ := value(o.Provider.TargetGroups)
				for _, p := range o.Link.Ports {
					var kinds []string
					for _, lb := range lbs {
						kind := howListens(o, groups, lb, p.Port)
						kinds = append(kinds, kind)
						c.Fact(fmt.Sprintf("%s port %d", lb.Name, p.Port), "%s", kind)
					}
					if len(sorted(kinds)) > 1 {
						c.Wrong(portName(p.Port), "is not the same on all: %s", list(sorted(kinds)))
					}
				}
			}),
		),
		check("connection.load-balancer-in-endpoint-zones", "a load balancer is in each endpoint zone",
			revision(2), severity(Critical), side(ProviderSide),
			after("connection.load-balancer-active"),
			needs("provider.loadBalancers"), wants("consumer.subnets"),
			asserts("each zone id that the endpoint is in, or that the link file builds it in, is a zone of one of the load balancers (elbv2:DescribeLoadBalancers)"),
			why("an endpoint interface reaches the load balancer in its own zone only; where there is none, an endpoint can't be made, and one that is there leads nowhere"),
			source("NLB guide, Update the Availability Zones; PrivateLink guide, Share your services"),
			rows("PL-NLB-007"),
			fix(func(o *probes.Observation) Fix {
				for _, z := range wantedZones(o) {
					if lbs := maybe(o.Provider.LoadBalancers); len(lbs) > 0 && !slices.Contains(serviceZones(o), z) {
						f := enableZoneFix(o, lbs[0], z)
						f.LinkFile = "consumer.build.zones: zones of the load balancers, " + list(serviceZones(o))
						return f
					}
				}
				return Fix{Text: "enable the endpoint's zones on the load balancer"}
			}),
			body(func(c *C, o *probes.Observation) {
				skipAcrossRegions(c, o)
				wanted, has := wantedZones(o), serviceZones(o)
				if len(wanted) == 0 {
					c.Skip("it is not known in which zones the endpoint is to be")
				}
				if slices.Contains(has, "") {
					c.Skip("the ids of the load balancers' zones are not known")
				}
				c.Fact("load balancers", "%s", list(has))
				for _, z := range wanted {
					if slices.Contains(has, z) {
						c.Fact(z, "a load balancer is there")
					} else {
						c.Wrong(z, "no load balancer of the service is there")
					}
				}
			}),
		),
		check("connection.service-zones-current", "the service offers all its balancers' zones",
			revision(2), severity(Warning), side(ProviderSide),
			after("connection.load-balancer-active"),
			needs("provider.service", "provider.loadBalancers"),
			asserts("each zone of the load balancers is among the service's (AvailabilityZoneIds)"),
			why("a zone that is enabled on a load balancer later becomes one of the service's only when the service is modified: until then no endpoint can use it"),
			source("PrivateLink guide, Configure an endpoint service, load balancers; EC2 API reference, ModifyVpcEndpointServiceConfiguration"),
			rows("PL-SVC-005"),
			fix(func(o *probes.Observation) Fix {
				return Fix{
					Text:    "call it with the service's id alone: the service then takes the zones that its load balancers have",
					Command: command(o.Link, ProviderSide, "ec2", "modify-vpc-endpoint-service-configuration", "--service-id", serviceIDOf(o)),
				}
			}),
			body(func(c *C, o *probes.Observation) {
				s, _ := value(o.Provider.Service)
				has := serviceZones(o)
				if len(s.ZoneIDs) == 0 || slices.Contains(has, "") {
					c.Skip("the zones are not known by their ids")
				}
				c.Fact("service", "%s", list(sorted(s.ZoneIDs)))
				for _, z := range has {
					if slices.Contains(s.ZoneIDs, z) {
						c.Fact(z, "offered")
					} else {
						c.Wrong(z, "a load balancer is there, and the service does not offer it")
					}
				}
			}),
		),
	}
}

// wantedZones are the zone ids that the endpoint is in, and those that the link file builds it in.
func wantedZones(o *probes.Observation) []string {
	zones := endpointZones(o)
	if b := o.Link.Consumer.Build; b != nil {
		zones = append(zones, b.Zones...)
	}
	return slices.DeleteFunc(sorted(zones), func(z string) bool { return z == "" })
}

// howListens says what one load balancer does with connections to a port.
func howListens(o *probes.Observation, groups []probes.TargetGroup, lb probes.LoadBalancer, port uint16) string {
	l, ok := listenerOn(maybe(o.Provider.Listeners), lb.ARN, port)
	if !ok {
		return "no listener"
	}
	for _, g := range groups {
		if slices.Contains(l.TargetGroupARNs, g.ARN) && g.ProxyProtocol {
			return l.Protocol + " with proxy protocol"
		}
	}
	return l.Protocol
}

func fixUnlike(o *probes.Observation) Fix {
	lbs, groups := maybe(o.Provider.LoadBalancers), maybe(o.Provider.TargetGroups)
	for _, p := range o.Link.Ports {
		for _, lb := range lbs {
			l, ok := listenerOn(maybe(o.Provider.Listeners), lb.ARN, p.Port)
			if !ok {
				return Fix{
					Text: fmt.Sprintf("give %s what the others have on port %d: a target group like theirs (one group serves one load balancer only), the same targets, and the listener", lb.Name, p.Port),
					Command: command(o.Link, ProviderSide, "elbv2", "create-listener", "--load-balancer-arn", lb.ARN, "--protocol", "TCP",
						"--port", fmt.Sprint(p.Port), "--default-actions", "Type=forward,TargetGroupArn="+spareGroupOf(o, p)),
				}
			}
			if first := howListens(o, groups, lbs[0], p.Port); howListens(o, groups, lb, p.Port) != first {
				return Fix{
					Text:    fmt.Sprintf("make port %d of %s what it is on %s: %s", p.Port, lb.Name, lbs[0].Name, first),
					Command: command(o.Link, ProviderSide, "elbv2", "describe-listeners", "--listener-arns", l.ARN),
				}
			}
		}
	}
	return Fix{Text: "make the listeners of all load balancers the same"}
}

// spareGroupOf suggests a target group for a port that no listener has yet.
func spareGroupOf(o *probes.Observation, p provision.Port) string {
	target := p.TargetPort
	if target == 0 {
		target = p.Port
	}
	for _, g := range maybe(o.Provider.TargetGroups) {
		if g.Port == target && g.Protocol != "UDP" && !slices.ContainsFunc(maybe(o.Provider.Listeners), func(l probes.Listener) bool {
			return slices.Contains(l.TargetGroupARNs, g.ARN)
		}) {
			return g.ARN
		}
	}
	return "TARGET_GROUP_ARN"
}
