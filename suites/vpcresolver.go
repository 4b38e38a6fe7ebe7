package suites

import (
	"slices"
	"strings"

	"github.com/linkassay/linkassay/probes"
)

// dhcpCheck: what the VPC's instances are told to ask leads to the private name.
func dhcpCheck() Check {
	return check("dns.dhcp-options", "the VPC's DNS servers know its private names",
		revision(1), severity(Critical), side(ConsumerSide),
		after("dns.vpc-attributes"), because("dns.no-shadowing-zone"),
		needs("consumer.dhcpOptions"), wants("consumer.endpoint", "dns.private", "consumer.interfaces"), rows("PL-VPC-002"),
		asserts("domain-name-servers of the VPC's DHCP options is AmazonProvidedDNS (ec2:DescribeDhcpOptions), or the servers that it names lead the private DNS name to the endpoint"),
		why("private DNS names exist for the VPC's own resolver alone: a DNS server that does not forward to it gives the public answer, or none"),
		source("VPC guide, DHCP option sets; PrivateLink guide, Manage DNS names"),
		fix(func(o *probes.Observation) Fix {
			amazon := command(o.Link, ConsumerSide, "ec2", "create-dhcp-options", "--dhcp-configurations", "Key=domain-name-servers,Values="+amazonDNS,
				"--query", "DhcpOptions.DhcpOptionsId", "--output", "text")
			line := command(o.Link, ConsumerSide, "ec2", "associate-dhcp-options", "--vpc-id", vpcIDOf(o), "--dhcp-options-id", dhcpPlace)
			return Fix{
				Text: "let " + list(customServers(maybe(o.Consumer.DHCPOptions))) + " forward " + or(o.Link.PrivateDNSName, "the name") +
					" to the VPC's resolver at base+2, or give the VPC its own resolver back",
				Command: strings.Replace(line, dhcpPlace, `"$(`+amazon+`)"`, 1),
			}
		}),
		body(func(c *C, o *probes.Observation) {
			d, _ := value(o.Consumer.DHCPOptions)
			c.Fact("domain-name-servers", "%s", or(strings.Join(d.Servers, ", "), "none"))
			custom := customServers(d)
			e, known := value(o.Consumer.Endpoint)
			if len(custom) == 0 || o.Link.PrivateDNSName == "" || !known || !e.PrivateDNSEnabled || !misled(o) {
				return
			}
			c.Wrong(d.ID, "the VPC's instances ask %s, which does not lead %s to the endpoint", list(custom), o.Link.PrivateDNSName)
		}),
	)
}

// amazonDNS in DHCP options stands for the VPC's own resolver; dhcpPlace is where a command has the id
// of a set that another one makes.
const (
	amazonDNS = "AmazonProvidedDNS"
	dhcpPlace = "DHCP_OPTIONS_ID"
)

func customServers(d probes.DHCPOptions) []string {
	return slices.DeleteFunc(slices.Clone(d.Servers), func(s string) bool { return s == amazonDNS })
}

// conflictCheck: nobody else in the VPC has the name.
func conflictCheck() Check {
	return check("dns.no-conflicting-endpoint", "no other endpoint has the private name",
		revision(1), severity(Critical), side(ConsumerSide),
		after("connection.endpoint-available"), needs("consumer.hostedZones", "consumer.endpoint"), rows("PL-DNS-004"),
		asserts("while private DNS is not enabled on the endpoint, the VPC sees no zone of AWS's own for the private DNS name (route53:ListHostedZonesByVPC)"),
		why("a name belongs to one endpoint of a VPC: enabling private DNS is refused with 'conflicting DNS domain', and the name leads to the other endpoint"),
		source("EC2 API reference, ModifyVpcEndpoint; PrivateLink guide, Manage DNS names; Route 53 API reference, ListHostedZonesByVPC"),
		fix(func(o *probes.Observation) Fix {
			return Fix{
				Text: "turn private DNS off on the endpoint that has the name, or wait some minutes if that one was deleted just now; then enable it on " + endpointIDOf(o),
				Command: command(o.Link, ConsumerSide, "ec2", "describe-vpc-endpoints", "--filters", "Name=vpc-id,Values="+vpcIDOf(o),
					"--query", "VpcEndpoints[?PrivateDnsEnabled && DnsEntries[?DnsName==`\""+or(o.Link.PrivateDNSName, "NAME")+"\"`]].[VpcEndpointId,ServiceName]"),
			}
		}),
		body(func(c *C, o *probes.Observation) {
			skipWithoutName(c, o)
			e, _ := value(o.Consumer.Endpoint)
			zones, _ := value(o.Consumer.HostedZones)
			c.Fact("PrivateDnsEnabled", "%t", e.PrivateDNSEnabled)
			if e.PrivateDNSEnabled {
				return
			}
			for _, z := range zones {
				if z.OwningService != "" && covers(z.Name, o.Link.PrivateDNSName) {
					c.Wrong(strings.TrimSuffix(z.Name, "."), "zone %s of %s belongs to another endpoint of %s", strings.TrimPrefix(z.ID, "/hostedzone/"), z.OwningService, e.VPCID)
				}
			}
		}),
	)
}

// switchCheck: clients were not moved to the endpoint before it works.
func switchCheck() Check {
	return check("dns.not-switched-early", "the name did not move before the endpoint",
		revision(1), severity(Critical), side(ConsumerSide),
		after("connection.accepted"), needs("consumer.endpoint"), wants("dns.public"), rows("PL-DNS-009"),
		asserts("an endpoint that is not available has no private DNS for a name that has addresses in public DNS too"),
		why("clients who reached the service over its public addresses are sent to an endpoint that does not carry traffic yet"),
		source("PrivateLink guide, Manage DNS names: private DNS hides the public name in the VPC; EC2 API reference, ModifyVpcEndpoint"),
		fix(func(o *probes.Observation) Fix {
			return Fix{
				Text:    "turn private DNS off until the endpoint is available and its regional name answers",
				Command: command(o.Link, ConsumerSide, "ec2", "modify-vpc-endpoint", "--vpc-endpoint-id", endpointIDOf(o), "--no-private-dns-enabled"),
			}
		}),
		body(func(c *C, o *probes.Observation) {
			skipWithoutName(c, o)
			e, _ := value(o.Consumer.Endpoint)
			c.Fact("state", "%s", e.State)
			c.Fact("PrivateDnsEnabled", "%t", e.PrivateDNSEnabled)
			if same(e.State, "available") || !e.PrivateDNSEnabled {
				return
			}
			if addrs := publicAddresses(o); len(addrs) > 0 {
				c.Wrong(o.Link.PrivateDNSName, "it has %s in public DNS, and leads to endpoint %s, which is %s", list(addrs), e.ID, e.State)
			}
		}),
	)
}
