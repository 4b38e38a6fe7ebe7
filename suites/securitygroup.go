package suites

import (
	"net/netip"
	"slices"

	"github.com/onsi/gomega"

	"github.com/linkassay/linkassay/probes"
)

// securityGroupChecks: the endpoint's security groups admit the link's ports.
func securityGroupChecks() []Check {
	return []Check{
		check("connection.endpoint-security-group", "its security groups admit each port",
			revision(2), severity(Critical), side(ConsumerSide),
			after("connection.endpoint-service"), because("network.route-to-vantage"),
			needs("consumer.endpoint", "consumer.securityGroups", "consumer.vpc"), wants("reach.tcp", "path.clients"),
			asserts("for each port of the link a rule of the endpoint's security groups admits TCP from each vantage's own address or security group; where those are not known, from the VPC's addresses, a security group or a prefix list; a connection from the vantage shows more than any rule"),
			why("a security group drops what no rule admits: connections time out, nothing is refused"),
			source("PrivateLink guide, Configure an interface endpoint, security groups; EC2 API reference, DescribeSecurityGroups"),
			rows("PL-SG-001", "PL-SG-002"),
			fix(func(o *probes.Observation) Fix {
				e := maybe(o.Consumer.Endpoint)
				group := or(append(slices.Clone(e.SecurityGroupIDs), "SECURITY_GROUP_ID")...)
				closed := slices.DeleteFunc(endpointAdmissions(o), func(w portAdmission) bool { return w.how.open() || w.connected })
				if onlyDefaultGroup(o) {
					return Fix{
						Text: "give the endpoint a group of its own that admits the port, instead of the VPC's default group",
						Command: command(o.Link, ConsumerSide, "ec2", "modify-vpc-endpoint", "--vpc-endpoint-id", endpointIDOf(o),
							"--add-security-group-ids", "SECURITY_GROUP_ID", "--remove-security-group-ids", group),
						LinkFile: "consumer.build.securityGroupIds: the group, or none for one that apply makes",
					}
				}
				return Fix{
					Text:    "admit the clients' addresses",
					Command: authorizeCommand(o, ConsumerSide, group, openingsFor(o, closed)),
				}
			}),
			body(func(c *C, o *probes.Observation) {
				e, _ := value(o.Consumer.Endpoint)
				c.Expect(e.SecurityGroupIDs).NotTo(gomega.BeEmpty(), "the endpoint has no security group")
				c.Fact("groups", "%s", list(e.SecurityGroupIDs))
				if onlyDefaultGroup(o) {
					c.Fact("default", "it is the VPC's default group, which an endpoint gets when none is named")
				}
				judgeAdmissions(c, endpointAdmissions(o))
			}),
		),
	}
}

// onlyDefaultGroup says whether the endpoint has its VPC's default security group and no other.
func onlyDefaultGroup(o *probes.Observation) bool {
	e := maybe(o.Consumer.Endpoint)
	return len(e.SecurityGroupIDs) == 1 && slices.ContainsFunc(maybe(o.Consumer.SecurityGroups), func(g probes.SecurityGroup) bool {
		return g.ID == e.SecurityGroupIDs[0] && g.Name == "default"
	})
}

// portAdmission is how security groups treat one client's packets to one port.
type portAdmission struct {
	by        client
	on        string // what the groups belong to, where there are several
	port      uint16
	how       admission
	connected bool // shown by a connection, whatever the rules say
}

// admit names the addresses that a rule should let in: the VPC's, or the client's own if it is outside.
func (w portAdmission) admit(vpc []netip.Prefix) []netip.Prefix {
	inside := func(p netip.Prefix) bool { return p.Contains(w.by.from[0].Addr()) }
	if !w.by.known || slices.ContainsFunc(vpc, inside) {
		return vpc
	}
	return w.by.from
}

// endpointAdmissions evaluates the endpoint's groups for each client and port.
func endpointAdmissions(o *probes.Observation) []portAdmission {
	rules := ingressOf(maybe(o.Consumer.SecurityGroups), maybe(o.Consumer.Endpoint).SecurityGroupIDs)
	all := admissions(o, rules, "")
	if !onlyDefaultGroup(o) {
		return all
	}
	// The default group's first rule names the group itself, whose members the clients are not: what
	// does not connect is not put down to something else.
	own := maybe(o.Consumer.Endpoint).SecurityGroupIDs[0]
	for i, w := range all {
		if w.how.level == fromSome && !w.connected && slices.Equal(sorted(w.how.by), []string{own}) {
			all[i].how.level = fromElsewhere
		}
	}
	return all
}

func admissions(o *probes.Observation, rules []probes.SecurityGroupRule, on string) []portAdmission {
	attempts := maybe(o.Reach.TCP)
	var out []portAdmission
	for _, by := range clientsOf(o) {
		for _, p := range o.Link.Ports {
			how := admits(rules, p.Port, peers{by.from, by.groups, by.eni != ""})
			out = append(out, portAdmission{by, on, p.Port, how, connectedFrom(attempts, by.vantage, p.Port, netip.Addr{})})
		}
	}
	return out
}

// judgeAdmissions keeps what is wrong, and one fact for each port on which all is well.
func judgeAdmissions(c *C, all []portAdmission) {
	facts := map[string]bool{}
	for _, w := range all {
		name := portName(w.port)
		if w.on != "" {
			name = w.on + " " + name
		}
		if w.how.open() || w.connected {
			if line := name + w.how.String(); !facts[line] {
				facts[line] = true
				c.Fact(name, "%s", w.how)
			}
			continue
		}
		if w.by.vantage == "" {
			c.Wrong(name, "%s", w.how)
		} else {
			c.Wrong(name+" from "+w.by.String(), "%s", w.how)
		}
	}
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

// peers are the ends that a rule may name: addresses, and the groups of the interface that has them.
type peers struct {
	at     []netip.Prefix
	groups []string
	member bool // groups are known
}

// admits evaluates rules for a TCP port. Where the peer's own address is not known, only the network
// that it is in, a rule for a part of it counts.
func admits(rules []probes.SecurityGroupRule, port uint16, with peers) admission {
	var a admission
	covered := make([]bool, len(with.at))
	for _, r := range rules {
		if !appliesTo(r, port) {
			continue
		}
		if from := or(r.GroupID, r.PrefixID); from != "" {
			switch {
			case r.GroupID != "" && slices.Contains(with.groups, r.GroupID):
				for i := range covered {
					covered[i] = true
				}
			case r.GroupID != "" && with.member:
				a.level = max(a.level, fromElsewhere)
			default:
				a.level = max(a.level, fromSome)
			}
			a.by = append(a.by, from)
			continue
		}
		p, err := netip.ParsePrefix(r.CIDR)
		if err != nil {
			continue
		}
		a.level, a.by = max(a.level, fromElsewhere), append(a.by, p.String())
		for i, client := range with.at {
			if p.Overlaps(client) {
				a.level = max(a.level, fromSome)
			}
			if p.Bits() <= client.Bits() && p.Contains(client.Addr()) {
				covered[i] = true
			}
		}
	}
	if len(with.at) > 0 && !slices.Contains(covered, false) {
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
