package suites

import (
	"slices"
	"strings"

	"github.com/onsi/gomega"

	"github.com/linkassay/linkassay/probes"
)

// vpcDNSChecks: what must hold in the consumer's VPC before any name can resolve as wanted.
func vpcDNSChecks() []Check {
	return []Check{
		check("dns.vpc-attributes", "the VPC has DNS support and host names on",
			revision(1), severity(Critical), side(ConsumerSide),
			after("connection.endpoint-exists"), needs("consumer.vpc"), rows("PL-VPC-001"),
			asserts("enableDnsSupport is true, and enableDnsHostnames too when the link has a private DNS name (ec2:DescribeVpcAttribute)"),
			why("without DNS support the VPC's resolver answers nothing; private DNS requires both"),
			source("VPC guide, DNS attributes for your VPC; PrivateLink guide, Access a service through an interface endpoint, prerequisites"),
			fix(func(o *probes.Observation) Fix {
				attribute := "--enable-dns-support"
				if maybe(o.Consumer.VPC).DNSSupport {
					attribute = "--enable-dns-hostnames"
				}
				return Fix{
					Text:    "turn the attribute on; one call for each attribute",
					Command: command(o.Link, ConsumerSide, "ec2", "modify-vpc-attribute", "--vpc-id", vpcIDOf(o), attribute, "Value=true"),
				}
			}),
			body(func(c *C, o *probes.Observation) {
				vpc, _ := value(o.Consumer.VPC)
				c.Fact("enableDnsSupport", "%t", vpc.DNSSupport)
				c.Fact("enableDnsHostnames", "%t", vpc.DNSHostnames)
				c.Expect(vpc.DNSSupport).To(gomega.BeTrue(), "enableDnsSupport is off in %s", vpc.ID)
				if o.Link.PrivateDNSName != "" {
					c.Expect(vpc.DNSHostnames).To(gomega.BeTrue(), "enableDnsHostnames is off in %s", vpc.ID)
				}
			}),
		),
		check("dns.resolver-answers", "the resolver of each vantage answers",
			revision(2), severity(Critical), side(Network),
			after("dns.vpc-attributes"),
			// A vantage that reaches nothing at all, as in a zone that is down, is one cause.
			because("reachability.tcp-interfaces", "dns.dhcp-options"),
			needsOne("dns.regional", "dns.private"), wants("dns.zonal"),
			asserts("from each vantage that should reach the link, at least one DNS question got an answer other than an error such as SERVFAIL or REFUSED; an error for the private DNS name alone says nothing of the resolver"),
			why("a resolver that is out of reach, or that has no way to resolve anything, makes every name fail, which says nothing about the names"),
			source("VPC guide, Understanding Amazon DNS: the Route 53 Resolver is at the base of the VPC network range plus two"),
			fix(func(o *probes.Observation) Fix {
				return Fix{
					Text:     "let the vantage reach its resolver on port 53 over UDP and TCP; where it answers SERVFAIL or REFUSED, let it reach what it forwards to, and let it serve this client",
					LinkFile: "vantages[].resolver: the IP of a resolver that the vantage reaches, such as the VPC's base address plus two",
				}
			}),
			body(func(c *C, o *probes.Observation) {
				regional, _ := value(o.DNS.Regional)
				private, _ := value(o.DNS.Private)
				zonal, _ := value(o.DNS.Zonal)
				judgeResolvers(c, reachVantages(o.Link), slices.Concat(regional, zonal), private)
			}),
		),
		dhcpCheck(),
		switchCheck(),
		namesAssignedCheck(),
		privateDNSEnabledCheck(),
		conflictCheck(),
		shadowCheck(),
		check("dns.private-name-of-service", "the private name is the service's",
			revision(1), severity(Critical), side(ProviderSide),
			after("connection.service-exists", "connection.service-type"), because("connection.service-visible", "connection.principal-allowed"),
			needsOne("provider.service", "consumer.service"), rows("PL-DNS-001"),
			asserts("PrivateDnsName of the service equals the link file's privateDNSName, or is a wildcard over it"),
			why("AWS makes the name that the service has, not the one that the link file expects"),
			source("EC2 API reference, ServiceConfiguration.PrivateDnsName; PrivateLink guide, Manage DNS names"),
			fix(func(o *probes.Observation) Fix {
				return Fix{
					Text: "set the name on the service, or correct the link file",
					Command: command(o.Link, ProviderSide, "ec2", "modify-vpc-endpoint-service-configuration",
						"--service-id", serviceIDOf(o), "--private-dns-name", o.Link.PrivateDNSName),
					LinkFile: "privateDNSName: " + or(maybe(o.Provider.Service).PrivateDNSName, maybe(o.Consumer.Service).PrivateDNSName, "none; the service has no private DNS name"),
				}
			}),
			body(func(c *C, o *probes.Observation) {
				skipWithoutName(c, o)
				own, provider := value(o.Provider.Service)
				seen, _ := value(o.Consumer.Service)
				name := seen.PrivateDNSName
				if provider {
					name = own.PrivateDNSName
				} else {
					c.Expect(seen.Visible).To(gomega.BeTrue(), "the service is not visible to account %s", o.Link.Consumer.Account)
				}
				c.Fact("service", "%s", or(name, "none"))
				c.Fact("link file", "%s", o.Link.PrivateDNSName)
				c.Expect(covers(name, o.Link.PrivateDNSName)).To(gomega.BeTrue(), "the service's private DNS name is %s, the link's %s", or(name, "not set"), o.Link.PrivateDNSName)
			}),
		),
	}
}

func skipWithoutName(c *C, o *probes.Observation) {
	if o.Link.PrivateDNSName == "" {
		c.Skip("%s", probes.NoPrivateDNSName)
	}
}

// Deaf says whether the resolver of a vantage gave no answer, as dns.resolver-answers judges it.
func Deaf(o *probes.Observation, vantage string) bool {
	regional, _ := value(o.DNS.Regional)
	zonal, _ := value(o.DNS.Zonal)
	private, _ := value(o.DNS.Private)
	first, answered, _ := resolverAt(vantage, slices.Concat(regional, zonal), private)
	return answered == nil && first != nil && !couldNotAsk(first.Outcome) && slices.Contains(reachVantages(o.Link), vantage)
}

// resolverAt finds the lookup that shows that the vantage's resolver answers, the first answer that is an error, and the first lookup at
// all. That AWS's public names fail like any other says that it is the resolver; an error for the private name alone may be its zone's,
// and so shows that it answers.
func resolverAt(vantage string, public, private []probes.Lookup) (first, answered, failed *probes.Lookup) {
	publicFailed := false
	for i, l := range slices.Concat(public, private) {
		if l.Vantage != vantage {
			continue
		}
		if first == nil || couldNotAsk(first.Outcome) {
			first = &l
		}
		switch {
		case l.Outcome == probes.OK || l.RCode != "" && !l.ResolverFailed():
			return first, &l, nil
		case l.RCode != "" && failed == nil:
			failed, publicFailed = &l, i < len(public)
		}
	}
	if !publicFailed {
		return first, failed, nil
	}
	return first, nil, failed
}

// judgeResolvers looks for an answer at each vantage.
func judgeResolvers(c *C, vantages []string, public, private []probes.Lookup) {
	if len(vantages) == 0 {
		c.Skip("no vantage is expected to reach the link")
	}
	for _, vantage := range vantages {
		first, answered, failed := resolverAt(vantage, public, private)
		switch {
		case answered != nil:
			c.Fact(vantage, "%s answers over %s", answered.Server, or(answered.Transport, "an unknown transport"))
		case failed != nil:
			c.Wrong(vantage, "%s: %s for every name", failed.Server, failed.RCode)
		case first == nil:
			c.Unknown(vantage, "nothing was asked")
		case couldNotAsk(first.Outcome):
			c.Unknown(vantage, "%s", or(string(first.Outcome), "not asked"))
		default:
			c.Wrong(vantage, "%s: %s", first.Server, first.Outcome)
		}
	}
}

func namesAssignedCheck() Check {
	return check("dns.names-assigned", "AWS has given the endpoint its names",
		revision(1), severity(Critical), side(ConsumerSide),
		after("connection.endpoint-available"), needs("consumer.endpoint"),
		asserts("DnsEntries hold a regional name, and a zonal name for each subnet (ec2:DescribeVpcEndpoints)"),
		why("the private DNS name leads to the regional name; without it nothing resolves"),
		source("EC2 API reference, VpcEndpoint.DnsEntries; PrivateLink guide, Share your services, DNS names"),
		fix(func(o *probes.Observation) Fix {
			return Fix{Text: "wait some minutes; then delete the endpoint and create it anew", Command: describeEndpointCommand(o)}
		}),
		body(func(c *C, o *probes.Observation) {
			e, _ := value(o.Consumer.Endpoint)
			c.Fact("regional", "%s", or(e.RegionalName, "none"))
			c.Fact("zonal", "%d for %d subnets", len(e.ZonalNames), len(e.SubnetIDs))
			c.Expect(e.RegionalName).NotTo(gomega.BeEmpty(), "endpoint %s has no regional name", e.ID)
			c.Expect(len(e.ZonalNames)).To(gomega.BeNumerically(">=", len(e.SubnetIDs)),
				"endpoint %s has %d zonal names for %d subnets", e.ID, len(e.ZonalNames), len(e.SubnetIDs))
		}),
	)
}

func privateDNSEnabledCheck() Check {
	return check("dns.private-dns-enabled", "private DNS is enabled on the endpoint",
		revision(2), severity(Critical), side(ConsumerSide),
		after("connection.endpoint-available", "dns.vpc-attributes", "dns.private-name-of-service"),
		because("verification.state", "dns.no-shadowing-zone", "dns.no-conflicting-endpoint"),
		needs("consumer.endpoint"), wants("provider.service"), rows("PL-DNS-007", "PL-DNS-008"),
		asserts("PrivateDnsEnabled is true, and DnsEntries hold the private DNS name (ec2:DescribeVpcEndpoints)"),
		why("the private DNS name resolves to the endpoint only where private DNS is enabled; it can't be at creation when the connection must be accepted first, and is easily forgotten afterwards"),
		source("PrivateLink guide, Configure an interface endpoint, private DNS; EC2 API reference, ModifyVpcEndpoint"),
		fix(func(o *probes.Observation) Fix {
			return Fix{
				Text:    "enable private DNS, now that the connection is accepted and the name verified",
				Command: command(o.Link, ConsumerSide, "ec2", "modify-vpc-endpoint", "--vpc-endpoint-id", endpointIDOf(o), "--private-dns-enabled"),
			}
		}),
		body(func(c *C, o *probes.Observation) {
			skipWithoutName(c, o)
			e, _ := value(o.Consumer.Endpoint)
			c.Fact("PrivateDnsEnabled", "%t", e.PrivateDNSEnabled)
			if own, ok := value(o.Provider.Service); ok && !e.PrivateDNSEnabled {
				c.Fact("acceptance", "%s", map[bool]string{true: "required: private DNS can only be enabled afterwards", false: "not required"}[own.AcceptanceRequired])
			}
			c.Expect(e.PrivateDNSEnabled).To(gomega.BeTrue(), "private DNS is not enabled on endpoint %s", e.ID)
			if len(e.OtherNames) > 0 {
				c.Fact("names", "%s", list(e.OtherNames))
				held := slices.ContainsFunc(e.OtherNames, func(n string) bool { return covers(n, o.Link.PrivateDNSName) })
				c.Expect(held).To(gomega.BeTrue(), "endpoint %s carries %s, not %s", e.ID, list(e.OtherNames), o.Link.PrivateDNSName)
			}
		}),
	)
}

func shadowCheck() Check {
	return check("dns.no-shadowing-zone", "no private hosted zone hides the private name",
		revision(1), severity(Critical), side(ConsumerSide),
		after("connection.endpoint-exists"), needs("consumer.hostedZones", "consumer.endpoint"), wants("dns.private", "consumer.interfaces"), rows("PL-DNS-005"),
		asserts("no customer's zone that the VPC sees has the private DNS name (route53:ListHostedZonesByVPC); one of a parent domain counts when private DNS is enabled and yet the name does not lead to the endpoint"),
		why("the resolver answers from the customer's zone and never comes to the one that AWS made for the endpoint"),
		source("Route 53 guide, Considerations when working with a private hosted zone; API reference, ListHostedZonesByVPC"),
		fix(fixShadowing),
		body(func(c *C, o *probes.Observation) {
			skipWithoutName(c, o)
			e, _ := value(o.Consumer.Endpoint)
			zones, _ := value(o.Consumer.HostedZones)
			c.Fact("zones", "%d", len(zones))
			for _, z := range shadowing(o.Link.PrivateDNSName, zones, e.PrivateDNSEnabled && misled(o)) {
				c.Wrong(strings.TrimSuffix(z.Name, "."), "private hosted zone %s%s is associated with %s",
					strings.TrimPrefix(z.ID, "/hostedzone/"), of(z.OwnerAccount), e.VPCID)
			}
		}),
	)
}

// fixShadowing takes the first hiding zone off the VPC. Route 53 keeps the last VPC on a private zone (LastVPCAssociation),
// so that such a zone is deleted, its records first; the NS and SOA records of its own go with it.
func fixShadowing(o *probes.Observation) Fix {
	z := probes.HostedZone{ID: "ZONE_ID"}
	if zones := shadowing(o.Link.PrivateDNSName, maybe(o.Consumer.HostedZones), true); len(zones) > 0 {
		z = zones[0]
	}
	id := strings.TrimPrefix(z.ID, "/hostedzone/")
	route53 := func(args ...string) string {
		return command(o.Link, ConsumerSide, append([]string{"route53"}, args...)...)
	}
	if z.VPCs != 1 {
		f := Fix{
			Text:    "take the zone off the VPC",
			Command: route53("disassociate-vpc-from-hosted-zone", "--hosted-zone-id", id, "--vpc", "VPCRegion="+o.Link.Region+",VPCId="+vpcIDOf(o)),
		}
		if z.VPCs == 0 {
			f.Text += "; if this VPC is its last one (LastVPCAssociation), delete its records and the zone"
		}
		return f
	}
	f := Fix{
		Text:    "this VPC is the zone's last, which can't be taken off (LastVPCAssociation): delete its records and the zone, or associate another VPC with it and take this one off",
		Command: route53("delete-hosted-zone", "--id", id),
	}
	if z.Records != 2 {
		f.Command = route53("change-resource-record-sets", "--hosted-zone-id", id, "--change-batch", "CHANGES") + " && " + f.Command
		find := route53("list-resource-record-sets", "--hosted-zone-id", id, "--output", "json",
			"--query", "ResourceRecordSets[?Type!=`\"NS\"` && Type!=`\"SOA\"`].{Action:`\"DELETE\"`,ResourceRecordSet:@}")
		f.Command = strings.Replace(f.Command, "CHANGES", `"{\"Changes\":$(`+find+`)}"`, 1)
	}
	return f
}

func of(account string) string {
	if account == "" {
		return ""
	}
	return " of account " + account
}

// misled says whether the private name resolves, from a vantage that should reach the link, to
// something else than the endpoint's interfaces, or not at all.
func misled(o *probes.Observation) bool {
	lookups, asked := value(o.DNS.Private)
	interfaces, known := value(o.Consumer.Interfaces)
	if !asked || !known {
		return false
	}
	own := interfaceIPs(interfaces)
	return slices.ContainsFunc(answersAt(lookups, reachVantages(o.Link)), func(a answer) bool {
		return !couldNotAsk(a.outcome) && (!a.resolved() || len(a.foreign(own)) > 0)
	})
}

// shadowing are the customers' zones that have the name itself, and with parents those above it,
// unless AWS's own zone for the name is there, which is the more specific one.
func shadowing(name string, zones []probes.HostedZone, parents bool) []probes.HostedZone {
	base := strings.TrimPrefix(strings.TrimSuffix(name, "."), "*.")
	own := slices.ContainsFunc(zones, func(z probes.HostedZone) bool { return z.OwningService != "" && covers(z.Name, base) })
	var out []probes.HostedZone
	for _, z := range zones {
		zone := strings.TrimSuffix(z.Name, ".")
		switch {
		case z.OwningService != "":
		case sameName(zone, base):
			out = append(out, z)
		case parents && !own && zone != "" && covers("*."+zone, base):
			out = append(out, z)
		}
	}
	return out
}
