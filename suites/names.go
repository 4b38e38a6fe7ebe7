package suites

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/linkassay/linkassay/probes"
)

// nameChecks: the endpoint's names resolve, from each vantage, to the endpoint's own interfaces and
// to nothing else. Whole answer sets are compared.
func nameChecks() []Check {
	return []Check{
		check("dns.regional-name-resolves", "the regional name leads to the endpoint",
			revision(1), severity(Critical), side(Network),
			after("dns.names-assigned", "connection.interface-in-each-subnet", "dns.vpc-attributes", "dns.resolver-answers"),
			because("connection.listener-on-each-port", "connection.healthy-target", "connection.healthy-target-in-endpoint-zones"),
			needs("dns.regional", "consumer.interfaces"),
			asserts("from each vantage the answer has an address, and each address is that of an interface of the endpoint; zones without a healthy target may be left out"),
			why("the private DNS name is a CNAME to this one, and it is public, so a failure lies with the resolver"),
			source("PrivateLink guide, Share your services: the regional name returns healthy interfaces only; DNS names of interface endpoints are public"),
			fix(fixResolver),
			body(func(c *C, o *probes.Observation) {
				lookups, _ := value(o.DNS.Regional)
				interfaces, _ := value(o.Consumer.Interfaces)
				judgeAnswers(c, o, lookups, interfaces)
			}),
		),
		check("dns.regional-name-complete", "the regional name gives every zone",
			revision(1), severity(Warning), side(ProviderSide),
			after("dns.regional-name-resolves", "reachability.tcp-interfaces", "connection.healthy-target-in-endpoint-zones"),
			because("connection.healthy-target-in-each-zone"),
			needs("dns.regional", "consumer.interfaces"), rows("PL-DNS-011"),
			asserts("from each vantage the answer set equals the addresses of the endpoint's interfaces"),
			why("AWS leaves zones out of the regional name that it holds for unhealthy: their capacity is missing"),
			source("PrivateLink guide, Share your services: the regional name returns healthy interfaces only"),
			fix(func(o *probes.Observation) Fix {
				return Fix{
					Text:    "look at the targets in the zones that are left out",
					Command: command(o.Link, ProviderSide, "elbv2", "describe-target-health", "--target-group-arn", targetGroupOn(o, 0)),
				}
			}),
			body(func(c *C, o *probes.Observation) {
				lookups, _ := value(o.DNS.Regional)
				interfaces, _ := value(o.Consumer.Interfaces)
				forEachAnswer(c, o, lookups, func(a answer) {
					var missing []string
					for _, n := range interfaces {
						if !slices.ContainsFunc(n.IPs, func(ip netip.Addr) bool { return slices.Contains(a.addrs, ip) }) {
							missing = append(missing, or(n.ZoneID, n.ZoneName))
						}
					}
					if len(missing) > 0 {
						c.Wrong(a.vantage, "the answer leaves out %s", list(sorted(missing)))
						return
					}
					c.Fact(a.vantage, "%s", list(a.addrs))
				})
			}),
		),
		zonalCheck(),
		keptNegativeCheck(),
		check("dns.private-name-resolves", "the private name resolves",
			revision(1), severity(Critical), side(Network),
			after("dns.private-dns-enabled", "dns.no-shadowing-zone", "dns.dhcp-options", "dns.regional-name-resolves", "dns.resolver-answers",
				"dns.no-kept-negative-answer"),
			because("network.route-to-vantage"), needs("dns.private"), rows("PL-DNS-006", "PL-DNS-014"),
			asserts("from each vantage the private DNS name has an address"),
			why("clients know the service by this name; AWS may need some minutes after private DNS was enabled, and resolvers keep a negative answer"),
			source("PrivateLink guide, Configure an interface endpoint, private DNS"),
			fix(fixResolver),
			body(func(c *C, o *probes.Observation) {
				lookups, _ := value(o.DNS.Private)
				judgeAnswers(c, o, lookups, nil)
			}),
		),
		publicAnswerCheck(),
		check("dns.private-name-matches-endpoint", "the private name leads to the endpoint",
			revision(1), severity(Critical), side(Network),
			after("dns.private-name-resolves", "dns.private-name-not-public"), needs("dns.private", "consumer.interfaces"), rows("PL-DNS-006"),
			asserts("from each vantage each address of the private DNS name, A and AAAA, is that of an interface of the endpoint"),
			why("a resolver that gives the public or another VPC's address sends clients past the endpoint, and they may not notice"),
			source("PrivateLink guide, Manage DNS names; VPC guide, DHCP option sets"),
			fix(fixResolver),
			body(func(c *C, o *probes.Observation) {
				lookups, _ := value(o.DNS.Private)
				interfaces, _ := value(o.Consumer.Interfaces)
				judgeAnswers(c, o, lookups, interfaces)
			}),
		),
		check("dns.private-name-matches-regional", "private and regional name agree",
			revision(1), severity(Critical), side(Network),
			after("dns.private-name-matches-endpoint", "dns.regional-name-resolves"), needs("dns.private", "dns.regional"),
			asserts("from each vantage both names have the same whole answer set"),
			why("the private DNS name is a CNAME to the regional name: another set comes from another source, such as a copied record that nobody keeps up to date"),
			source("PrivateLink guide, Manage DNS names: a CNAME record maps the private name to the regional name"),
			fix(fixResolver),
			body(func(c *C, o *probes.Observation) {
				lookups, _ := value(o.DNS.Private)
				others, _ := value(o.DNS.Regional)
				regional := answersAt(others, reachVantages(o.Link))
				forEachAnswer(c, o, lookups, func(a answer) {
					i := slices.IndexFunc(regional, func(r answer) bool { return r.vantage == a.vantage })
					r := regional[i]
					switch {
					case couldNotAsk(r.outcome):
						c.Unknown(a.vantage, "regional name: %s", or(string(r.outcome), "not asked"))
						return
					case !r.resolved():
						c.Wrong(a.vantage, "the regional name: %s", r.why())
						return
					}
					if mine, theirs := comparable(a, r); !slices.Equal(mine, theirs) {
						c.Wrong(a.vantage, "private name %s, regional name %s", list(mine), list(theirs))
						return
					}
					c.Fact(a.vantage, "%s", list(a.addrs))
				})
			}),
		),
	}
}

func zonalCheck() Check {
	return check("dns.zonal-names-match", "each zonal name leads to its own zone",
		revision(1), severity(Critical), side(Network),
		after("connection.interface-in-each-subnet", "dns.resolver-answers", "dns.regional-name-resolves"),
		needs("dns.zonal", "consumer.interfaces", "consumer.endpoint"), rows("PL-DNS-012"),
		asserts("each interface's zone has a zonal name, and from each vantage that name's addresses are that interface's alone"),
		why("clients that stay in their zone use these names; a swapped one sends traffic across zones, or to a zone that is down"),
		source("PrivateLink guide, Share your services: zonal names; EC2 API reference, VpcEndpoint.DnsEntries"),
		fix(fixResolver),
		body(func(c *C, o *probes.Observation) {
			lookups, _ := value(o.DNS.Zonal)
			interfaces, _ := value(o.Consumer.Interfaces)
			e, _ := value(o.Consumer.Endpoint)
			for _, n := range interfaces {
				if !slices.ContainsFunc(e.ZonalNames, func(name string) bool { return inZone(name, n.ZoneName) }) {
					c.Wrong(or(n.ZoneID, n.ZoneName), "the endpoint has no zonal name for it")
				}
			}
			forEachAnswer(c, o, lookups, func(a answer) {
				i := slices.IndexFunc(interfaces, func(n probes.Interface) bool { return inZone(a.name, n.ZoneName) })
				name := a.vantage + " " + firstLabel(a.name)
				if i < 0 {
					c.Wrong(name, "the endpoint has no interface in its zone")
					return
				}
				n := interfaces[i]
				if others := a.foreign(n.IPs); len(others) > 0 {
					c.Wrong(name, "gives %s, not the interface in %s (%s)", list(others), or(n.ZoneID, n.ZoneName), list(n.IPs))
					return
				}
				c.Fact(name, "%s in %s", list(a.addrs), or(n.ZoneID, n.ZoneName))
			})
			for _, name := range e.ZonalNames {
				if !slices.ContainsFunc(lookups, func(l probes.Lookup) bool { return sameName(l.Name, name) }) {
					c.Unknown(firstLabel(name), "was not asked")
				}
			}
		}),
	)
}

// inZone says whether a zonal name is that of the zone: its first label ends with the zone's name in
// the consumer account.
func inZone(name, zoneName string) bool {
	return zoneName != "" && strings.HasSuffix(firstLabel(name), "-"+zoneName)
}

func firstLabel(name string) string {
	label, _, _ := strings.Cut(name, ".")
	return label
}

// forEachAnswer calls f with each answer that has addresses, and keeps those without as wrong or as
// unknown.
func forEachAnswer(c *C, o *probes.Observation, lookups []probes.Lookup, f func(a answer)) {
	vantages := reachVantages(o.Link)
	if len(vantages) == 0 {
		c.Skip("no vantage is expected to reach the link")
	}
	for _, a := range answersAt(lookups, vantages) {
		switch {
		case couldNotAsk(a.outcome):
			c.Unknown(a.vantage, "%s", or(a.why(), "not asked"))
		case !a.resolved():
			c.Wrong(a.vantage, "%s: %s", firstLabel(a.name), a.why())
		default:
			f(a)
		}
	}
}

// judgeAnswers wants each answer to have addresses, and, where interfaces are given, none that is
// not an interface's.
func judgeAnswers(c *C, o *probes.Observation, lookups []probes.Lookup, interfaces []probes.Interface) {
	own := interfaceIPs(interfaces)
	forEachAnswer(c, o, lookups, func(a answer) {
		if others := a.foreign(own); interfaces != nil && len(others) > 0 {
			c.Wrong(a.vantage, "gives %s, which are not the endpoint's (%s)", list(others), list(own))
			return
		}
		c.Fact(a.vantage, "%s", list(a.addrs))
	})
}

func fixResolver(o *probes.Observation) Fix {
	return Fix{
		Text:     "make the vantage ask the VPC's own resolver: DHCP options AmazonProvidedDNS; from outside the VPC, forward the name to a Route 53 Resolver inbound endpoint in it",
		Command:  command(o.Link, ConsumerSide, "ec2", "describe-vpcs", "--vpc-ids", vpcIDOf(o), "--query", "Vpcs[].DhcpOptionsId"),
		LinkFile: "vantages[].resolver: the VPC's base address plus two",
	}
}

// targetGroupOn is the target group behind the listener on a port, or any of the service's when there
// is none or the port does not matter (0).
func targetGroupOn(o *probes.Observation, port uint16) string {
	for _, l := range maybe(o.Provider.Listeners) {
		if l.Port == port && len(l.TargetGroupARNs) > 0 {
			return l.TargetGroupARNs[0]
		}
	}
	for _, g := range maybe(o.Provider.TargetGroups) {
		return g.ARN
	}
	return "TARGET_GROUP_ARN"
}
