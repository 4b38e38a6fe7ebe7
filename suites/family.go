package suites

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/onsi/gomega"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
)

// familyChecks: service, load balancers, endpoint, names and security groups agree on IPv4 and IPv6.
func familyChecks() []Check {
	return []Check{
		check("family.service-types", "the service supports the endpoint's IP type",
			revision(1), severity(Critical), side(ProviderSide),
			after("connection.service-exists", "connection.endpoint-exists"),
			needs("consumer.endpoint"), needsOne("provider.service", "consumer.service"), rows("PL-EP-015"),
			asserts("SupportedIpAddressTypes of the service has each family of the endpoint's IpAddressType and of the link file's consumer.ipAddressType"),
			why("an endpoint of a type that the service does not support cannot be made, and one that is there already can't be made again"),
			source("PrivateLink guide, Create a service, IP address types; EC2 API reference, ServiceConfiguration.SupportedIpAddressTypes"),
			fix(func(o *probes.Observation) Fix {
				args := []string{"ec2", "modify-vpc-endpoint-service-configuration", "--service-id", serviceIDOf(o)}
				for _, f := range lackedBy(o) {
					args = append(args, "--add-supported-ip-address-types", f)
				}
				return Fix{
					Text:     "let the service support the family; for ipv6 its load balancers must be dualstack first",
					Command:  command(o.Link, ProviderSide, args...),
					LinkFile: "consumer.ipAddressType: a type that the service supports",
				}
			}),
			body(func(c *C, o *probes.Observation) {
				e, _ := value(o.Consumer.Endpoint)
				types := serviceTypes(o)
				if len(types) == 0 || e.IPAddressType == "" {
					c.Skip("the IP address types are not known")
				}
				c.Fact("service", "%s", list(types))
				c.Fact("endpoint", "%s", e.IPAddressType)
				if want := o.Link.Consumer.IPAddressType; want != "" {
					c.Fact("link file", "%s", want)
				}
				lacks := lackedBy(o)
				c.Expect(lacks).To(gomega.BeEmpty(), "the service does not support %s", list(lacks))
			}),
		),
		check("family.load-balancers", "an IPv6 service has dualstack load balancers",
			revision(1), severity(Critical), side(ProviderSide),
			after("connection.load-balancer-active"), needs("provider.service", "provider.loadBalancers"), rows("PL-EP-015"),
			asserts("where SupportedIpAddressTypes has ipv6, IpAddressType of each load balancer is dualstack (elbv2:DescribeLoadBalancers)"),
			why("a load balancer without IPv6 addresses takes no IPv6 connections: clients that try them wait in vain"),
			source("PrivateLink guide, Create a service, considerations for IPv6; ELBv2 API reference, SetIpAddressType"),
			fix(func(o *probes.Observation) Fix {
				arn := loadBalancerARNOf(o)
				for _, lb := range maybe(o.Provider.LoadBalancers) {
					if !same(lb.IPAddressType, "dualstack") {
						arn = lb.ARN
					}
				}
				return Fix{
					Text:    "make the load balancer dualstack (its subnets need IPv6 CIDR blocks), or stop supporting ipv6",
					Command: command(o.Link, ProviderSide, "elbv2", "set-ip-address-type", "--load-balancer-arn", arn, "--ip-address-type", "dualstack"),
				}
			}),
			body(func(c *C, o *probes.Observation) {
				s, _ := value(o.Provider.Service)
				lbs, _ := value(o.Provider.LoadBalancers)
				if !slices.Contains(s.IPAddressTypes, "ipv6") {
					c.Skip("the service does not support ipv6")
				}
				for _, lb := range lbs {
					if !same(lb.IPAddressType, "dualstack") {
						c.Wrong(lb.Name, "is %s", or(lb.IPAddressType, "of no known IP address type"))
						continue
					}
					c.Fact(lb.Name, "%s", lb.IPAddressType)
				}
			}),
		),
		endpointTypeCheck(),
		recordTypeCheck(),
		check("family.names-complete", "its names give addresses of each family",
			revision(1), severity(Critical), side(Network),
			after("dns.regional-name-resolves", "family.dns-record-type"), because("dns.private-name-resolves"),
			needs("dns.regional", "consumer.endpoint"), wants("dns.private", "dns.zonal"),
			asserts("from each vantage each name of the endpoint that resolves has A and AAAA records as DnsRecordIpType says"),
			why("clients of a family that the resolver withholds do not find the service, and others fall back without a word"),
			source("EC2 API reference, DnsOptions.DnsRecordIpType; PrivateLink guide, Create an interface endpoint"),
			fix(fixResolver),
			body(func(c *C, o *probes.Observation) {
				e, _ := value(o.Consumer.Endpoint)
				aws, private := recordFamilies(e.DNSRecordIPType)
				if len(aws) < 2 {
					c.Skip("the endpoint's names have records of one family")
				}
				regional, _ := value(o.DNS.Regional)
				zonal, _ := value(o.DNS.Zonal)
				own, _ := value(o.DNS.Private)
				judgeFamilies(c, o, slices.Concat(regional, zonal), aws)
				judgeFamilies(c, o, own, private)
			}),
		),
		groupFamilyCheck(),
	}
}

// familiesOf are the address families of an IP address type.
func familiesOf(ipType string) []string {
	switch strings.ToLower(ipType) {
	case "ipv4", "ipv6":
		return []string{strings.ToLower(ipType)}
	case "dualstack":
		return []string{"ipv4", "ipv6"}
	}
	return nil
}

// recordFamilies are the families of the records that AWS's names and the private name have with a
// DnsRecordIpType.
func recordFamilies(recordType string) (aws, private []string) {
	if same(recordType, "service-defined") {
		return []string{"ipv4", "ipv6"}, []string{"ipv4"}
	}
	return familiesOf(recordType), familiesOf(recordType)
}

func family(a netip.Addr) string {
	if a.Unmap().Is4() {
		return "ipv4"
	}
	return "ipv6"
}

func serviceTypes(o *probes.Observation) []string {
	if own := maybe(o.Provider.Service); len(own.IPAddressTypes) > 0 {
		return own.IPAddressTypes
	}
	return maybe(o.Consumer.Service).IPAddressTypes
}

// lackedBy are the families that the link needs and the service does not support.
func lackedBy(o *probes.Observation) []string {
	need := sorted(slices.Concat(familiesOf(maybe(o.Consumer.Endpoint).IPAddressType), familiesOf(o.Link.Consumer.IPAddressType)))
	types := serviceTypes(o)
	return slices.DeleteFunc(need, func(f string) bool { return slices.Contains(types, f) })
}

func endpointTypeCheck() Check {
	return check("family.endpoint-type", "the endpoint has addresses of each family",
		revision(1), severity(Critical), side(ConsumerSide),
		after("family.service-types", "connection.endpoint-available", "connection.interface-in-each-subnet"),
		needs("consumer.endpoint", "consumer.interfaces", "consumer.subnets"), rows("PL-EP-015"),
		asserts("IpAddressType of the endpoint is the link file's consumer.ipAddressType, each interface has an address of each of its families, and each subnet of an endpoint with IPv6 has an IPv6 CIDR block"),
		why("clients of a family that the endpoint does not have cannot connect to it"),
		source("PrivateLink guide, Create an interface endpoint, IP address type; EC2 API reference, VpcEndpoint.IpAddressType"),
		fix(func(o *probes.Observation) Fix {
			e := maybe(o.Consumer.Endpoint)
			return Fix{
				Text: "change the endpoint's type (dualstack needs subnets with IPv6 CIDR blocks), or say what it is",
				Command: command(o.Link, ConsumerSide, "ec2", "modify-vpc-endpoint", "--vpc-endpoint-id", endpointIDOf(o),
					"--ip-address-type", or(o.Link.Consumer.IPAddressType, e.IPAddressType, "IP_ADDRESS_TYPE")),
				LinkFile: "consumer.ipAddressType: " + or(e.IPAddressType, "the endpoint's type"),
			}
		}),
		body(func(c *C, o *probes.Observation) {
			e, _ := value(o.Consumer.Endpoint)
			interfaces, _ := value(o.Consumer.Interfaces)
			subnets, _ := value(o.Consumer.Subnets)
			if e.IPAddressType == "" {
				c.Skip("the endpoint's IP address type is not known")
			}
			c.Fact("endpoint", "%s", e.IPAddressType)
			if want := o.Link.Consumer.IPAddressType; want != "" {
				c.Expect(same(e.IPAddressType, want)).To(gomega.BeTrue(), "endpoint %s is %s, the link file says %s", e.ID, e.IPAddressType, want)
			}
			families := familiesOf(e.IPAddressType)
			for _, n := range interfaces {
				for _, f := range families {
					if !slices.ContainsFunc(n.IPs, func(a netip.Addr) bool { return family(a) == f }) {
						c.Wrong(n.ID, "in %s has no %s address", or(n.ZoneID, n.ZoneName), f)
					}
				}
			}
			for _, s := range subnets {
				if slices.Contains(families, "ipv6") && s.IPv6CIDR == "" {
					c.Wrong(s.ID, "has no IPv6 CIDR block")
				}
			}
		}),
	)
}

func recordTypeCheck() Check {
	return check("family.dns-record-type", "its names have records of each family",
		revision(1), severity(Critical), side(ConsumerSide),
		after("family.endpoint-type"), needs("consumer.endpoint"), rows("PL-EP-016"),
		asserts("DnsRecordIpType fits the endpoint's IpAddressType (ipv4 and ipv6 only themselves, dualstack any), and the regional name has records of each family of the link file's consumer.ipAddressType"),
		why("an address that no name gives is not used: clients of that family do not find the service"),
		source("PrivateLink guide, Create an interface endpoint, DNS record IP type; EC2 API reference, DnsOptions.DnsRecordIpType"),
		fix(func(o *probes.Observation) Fix {
			return Fix{
				Text: "give the names records of the endpoint's type",
				Command: command(o.Link, ConsumerSide, "ec2", "modify-vpc-endpoint", "--vpc-endpoint-id", endpointIDOf(o),
					"--dns-options", "DnsRecordIpType="+or(maybe(o.Consumer.Endpoint).IPAddressType, "IP_ADDRESS_TYPE")),
			}
		}),
		body(func(c *C, o *probes.Observation) {
			e, _ := value(o.Consumer.Endpoint)
			if e.IPAddressType == "" || e.DNSRecordIPType == "" {
				c.Skip("the endpoint's record type is not known")
			}
			c.Fact("endpoint", "%s", e.IPAddressType)
			c.Fact("records", "%s", e.DNSRecordIPType)
			has, _ := recordFamilies(e.DNSRecordIPType)
			for _, f := range has {
				c.Expect(familiesOf(e.IPAddressType)).To(gomega.ContainElement(f), "records of type %s do not fit an endpoint of type %s", e.DNSRecordIPType, e.IPAddressType)
			}
			for _, f := range familiesOf(o.Link.Consumer.IPAddressType) {
				c.Expect(has).To(gomega.ContainElement(f), "the link file says %s, and its names have no %s records", o.Link.Consumer.IPAddressType, f)
			}
		}),
	)
}

// judgeFamilies wants each answer that has addresses to have some of each family.
func judgeFamilies(c *C, o *probes.Observation, lookups []probes.Lookup, families []string) {
	for _, a := range answersAt(lookups, reachVantages(o.Link)) {
		if !a.resolved() {
			continue // for others to judge
		}
		name := a.vantage + " " + firstLabel(a.name)
		var missing []string
		for _, f := range families {
			if !slices.ContainsFunc(a.addrs, func(ip netip.Addr) bool { return family(ip) == f }) {
				missing = append(missing, f)
			}
		}
		if len(missing) > 0 {
			c.Wrong(name, "has no %s address", list(missing))
			continue
		}
		c.Fact(name, "%s", list(families))
	}
}

func groupFamilyCheck() Check {
	return check("family.security-group", "its security groups admit IPv6 clients too",
		revision(1), severity(Critical), side(ConsumerSide),
		after("connection.endpoint-security-group"),
		needs("consumer.endpoint", "consumer.securityGroups", "consumer.vpc"), wants("reach.tcp"),
		asserts("for each port of the link to an endpoint with IPv6 a rule of its security groups admits TCP from the VPC's IPv6 addresses, from a security group or from a prefix list; rules for other addresses count when a connection over IPv6 shows that they fit"),
		why("rules for IPv4 addresses admit no IPv6 packet: connections over IPv6 time out while those over IPv4 work"),
		source("VPC guide, Security group rules; PrivateLink guide, Configure an interface endpoint, security groups"),
		fix(func(o *probes.Observation) Fix {
			e, vpc := maybe(o.Consumer.Endpoint), maybe(o.Consumer.VPC)
			rules := ingressOf(maybe(o.Consumer.SecurityGroups), e.SecurityGroupIDs)
			port := o.Link.Ports[0].Port // a link file has at least one
			for _, p := range slices.Backward(o.Link.Ports) {
				if !admits(ofFamily(rules, "ipv6"), p.Port, peers{at: prefixes(vpc.IPv6CIDRs)}).open() {
					port = p.Port
				}
			}
			return Fix{
				Text: "admit the port from the clients' IPv6 addresses",
				Command: command(o.Link, ConsumerSide, "ec2", "authorize-security-group-ingress",
					"--group-id", or(append(slices.Clone(e.SecurityGroupIDs), "SECURITY_GROUP_ID")...), "--ip-permissions",
					fmt.Sprintf("IpProtocol=tcp,FromPort=%d,ToPort=%d,Ipv6Ranges=[{CidrIpv6=%s}]", port, port, or(append(slices.Clone(vpc.IPv6CIDRs), "CLIENT_CIDR")...))),
			}
		}),
		body(func(c *C, o *probes.Observation) {
			e, _ := value(o.Consumer.Endpoint)
			groups, _ := value(o.Consumer.SecurityGroups)
			vpc, _ := value(o.Consumer.VPC)
			attempts, _ := value(o.Reach.TCP)
			if !slices.Contains(familiesOf(e.IPAddressType), "ipv6") {
				c.Skip("the endpoint has no IPv6 addresses")
			}
			rules := ofFamily(ingressOf(groups, e.SecurityGroupIDs), "ipv6")
			for _, p := range o.Link.Ports {
				name := fmt.Sprintf("port %d", p.Port)
				how := admits(rules, p.Port, peers{at: prefixes(vpc.IPv6CIDRs)})
				if how.open() || how.level == fromElsewhere && connectedOver(o.Link, attempts, p.Port, "ipv6") {
					c.Fact(name, "%s", how)
					continue
				}
				c.Wrong(name, "over IPv6 %s", how)
			}
		}),
	)
}

// ofFamily leaves out the rules for addresses of the other family.
func ofFamily(rules []probes.SecurityGroupRule, f string) []probes.SecurityGroupRule {
	return slices.DeleteFunc(slices.Clone(rules), func(r probes.SecurityGroupRule) bool {
		p, err := netip.ParsePrefix(r.CIDR)
		return err == nil && family(p.Addr()) != f
	})
}

// connectedOver says whether a vantage that should reach the link connected to an interface on the
// port, to an address of the family.
func connectedOver(l provision.Link, attempts []probes.Attempt, port uint16, f string) bool {
	reach := reachVantages(l)
	return slices.ContainsFunc(attempts, func(a probes.Attempt) bool {
		return a.Target.Kind == probes.TargetInterface && a.Addr.Port() == port && family(a.Addr.Addr()) == f &&
			slices.Contains(reach, a.Vantage) && outcomeOf(a.Tries) == probes.OK
	})
}
