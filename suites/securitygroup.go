package suites

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/onsi/gomega"

	"github.com/linkassay/linkassay/probes"
)

// securityGroupChecks: the endpoint's security groups admit the link's ports.
func securityGroupChecks() []Check {
	return []Check{
		check("connection.endpoint-security-group", "its security groups admit each port",
			revision(1), severity(Critical), side(ConsumerSide),
			after("connection.endpoint-service"),
			needs("consumer.endpoint", "consumer.securityGroups", "consumer.vpc"), wants("reach.tcp"),
			asserts("for each port of the link a rule of the endpoint's security groups admits TCP from the VPC's addresses, from a security group or from a prefix list; rules for other addresses count when a connection from a vantage shows that they fit"),
			why("a security group drops what no rule admits: connections time out, nothing is refused"),
			source("PrivateLink guide, Configure an interface endpoint, security groups; EC2 API reference, DescribeSecurityGroups"),
			fix(func(o *probes.Observation) Fix {
				e, vpc := maybe(o.Consumer.Endpoint), maybe(o.Consumer.VPC)
				clients := prefixes(vpc.CIDRs)
				rules := ingressOf(maybe(o.Consumer.SecurityGroups), e.SecurityGroupIDs)
				group := or(append(slices.Clone(e.SecurityGroupIDs), "SECURITY_GROUP_ID")...)
				var port uint16
				for _, p := range slices.Backward(o.Link.Ports) {
					if !admits(rules, p.Port, clients).open() {
						port = p.Port
					}
				}
				return Fix{
					Text:    "admit the port from the clients' addresses",
					Command: authorizeCommand(o, ConsumerSide, group, port, clients),
				}
			}),
			body(func(c *C, o *probes.Observation) {
				e, _ := value(o.Consumer.Endpoint)
				groups, _ := value(o.Consumer.SecurityGroups)
				vpc, _ := value(o.Consumer.VPC)
				attempts, _ := value(o.Reach.TCP)
				c.Expect(e.SecurityGroupIDs).NotTo(gomega.BeEmpty(), "the endpoint has no security group")
				rules := ingressOf(groups, e.SecurityGroupIDs)
				c.Fact("groups", "%s", list(e.SecurityGroupIDs))
				for _, p := range o.Link.Ports {
					name := fmt.Sprintf("port %d", p.Port)
					how := admits(rules, p.Port, prefixes(vpc.CIDRs))
					if how.open() || how.level == fromElsewhere && connected(o, attempts, p.Port) {
						c.Fact(name, "%s", how)
						continue
					}
					c.Wrong(name, "%s", how)
				}
			}),
		),
	}
}

// connected says whether a vantage that should reach the link connected to an interface on the port.
func connected(o *probes.Observation, attempts []probes.Attempt, port uint16) bool {
	reach := reachVantages(o.Link)
	return slices.ContainsFunc(attempts, func(a probes.Attempt) bool {
		return a.Target.Kind == probes.TargetInterface && a.Addr.Port() == port &&
			slices.Contains(reach, a.Vantage) && outcomeOf(a.Tries) == probes.OK
	})
}

// ingressOf gathers the inbound rules of the groups with these ids.
func ingressOf(groups []probes.SecurityGroup, ids []string) []probes.SecurityGroupRule {
	var rules []probes.SecurityGroupRule
	for _, g := range groups {
		if slices.Contains(ids, g.ID) {
			rules = append(rules, g.Ingress...)
		}
	}
	return rules
}

// admission is how far rules admit a port.
type admission struct {
	level int
	by    []string
}

const (
	fromNowhere   = iota
	fromElsewhere // only from addresses that are not the clients'
	fromSome      // from some of the clients' addresses, or from a group or list of unknown members
	fromAll
)

func (a admission) open() bool { return a.level >= fromSome }

func (a admission) String() string {
	switch a.level {
	case fromAll:
		return "admitted from " + list(a.by)
	case fromSome:
		return "admitted in part, from " + list(a.by)
	case fromElsewhere:
		return "admitted only from " + list(a.by) + ", which are not the clients' addresses"
	}
	return "no rule admits it"
}

// admits evaluates rules for a TCP port and clients with these prefixes. The clients' own addresses
// are not known, only the network that they are in, so a rule for a part of it counts.
func admits(rules []probes.SecurityGroupRule, port uint16, clients []netip.Prefix) admission {
	var a admission
	covered := make([]bool, len(clients))
	for _, r := range rules {
		if !appliesTo(r, port) {
			continue
		}
		if from := or(r.GroupID, r.PrefixID); from != "" {
			a.level, a.by = max(a.level, fromSome), append(a.by, from)
			continue
		}
		p, err := netip.ParsePrefix(r.CIDR)
		if err != nil {
			continue
		}
		a.level, a.by = max(a.level, fromElsewhere), append(a.by, p.String())
		for i, client := range clients {
			if p.Overlaps(client) {
				a.level = max(a.level, fromSome)
			}
			if p.Bits() <= client.Bits() && p.Contains(client.Addr()) {
				covered[i] = true
			}
		}
	}
	if len(clients) > 0 && !slices.Contains(covered, false) {
		a.level = fromAll
	}
	a.by = sorted(a.by)
	return a
}

func appliesTo(r probes.SecurityGroupRule, port uint16) bool {
	switch r.Protocol {
	case "-1":
		return true
	case "tcp", "6":
		return r.FromPort <= int32(port) && int32(port) <= r.ToPort || r.FromPort == -1
	}
	return false
}

// prefixes parses CIDR blocks; AWS sends no others, so what doesn't parse is left out.
func prefixes(cidrs []string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range cidrs {
		if p, err := netip.ParsePrefix(s); err == nil {
			out = append(out, p.Masked())
		}
	}
	return out
}
