package suites

import (
	"fmt"
	"slices"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
)

// tcpChecks: connections are made where they should be, and only there.
func tcpChecks() []Check {
	return []Check{
		check("reachability.tcp-interfaces", "every interface accepts connections",
			revision(3), severity(Critical), side(Network),
			after("connection.endpoint-available", "connection.interface-in-each-subnet",
				"connection.endpoint-security-group", "network.route-to-vantage", "network.client-security-group", "network.client-acl",
				"network.endpoint-acl", "network.target-security-group", "network.target-acl", "connection.listener-on-each-port", "connection.load-balancer-security-group",
				"connection.load-balancers-alike", "connection.load-balancer-in-endpoint-zones",
				"connection.healthy-target", "connection.healthy-target-in-endpoint-zones",
				"family.load-balancers", "family.security-group", "network.zones-carry-packets"),
			needs("reach.tcp", "consumer.interfaces"), wants("consumer.endpoint", "consumer.securityGroups", "consumer.vpc"),
			asserts("from each vantage that should reach the link, a TCP handshake with each interface and port of the link completes, through the load balancer to a target"),
			why("each interface is one zone's way into the service; a name hides one that fails until clients get its address"),
			source("PrivateLink guide, Share your services; NLB guide, Troubleshoot"),
			rows("PL-NET-001", "PL-NET-002"),
			fix(func(o *probes.Observation) Fix { return fixPath(o) }),
			body(func(c *C, o *probes.Observation) {
				attempts, _ := value(o.Reach.TCP)
				interfaces, _ := value(o.Consumer.Interfaces)
				judgeAttempts(c, o, attempts, probes.TargetInterface)
				reach := reachVantages(o.Link)
				for _, vantage := range reach {
					for _, n := range interfaces {
						for _, p := range o.Link.Ports {
							if !slices.ContainsFunc(attempts, func(a probes.Attempt) bool {
								return a.Target.Kind == probes.TargetInterface && a.Vantage == vantage && a.Addr.Port() == p.Port &&
									slices.Contains(n.IPs, a.Addr.Addr())
							}) {
								c.Unknown(vantage, "%s port %d was not dialled", or(n.ZoneID, n.ID), p.Port)
							}
						}
					}
				}
				blamePath(c, o, attempts)
			}),
		),
		check("reachability.tcp-private-name", "the private name accepts connections",
			revision(1), severity(Critical), side(Network),
			after("reachability.tcp-interfaces", "dns.private-name-resolves", "dns.private-name-matches-endpoint", "dns.private-name-matches-regional"),
			needs("reach.tcp"),
			asserts("from each vantage a TCP handshake with each address of the private DNS name completes on each port"),
			why("this is the way that clients take"),
			source("PrivateLink guide, Configure an interface endpoint, private DNS"),
			fix(func(o *probes.Observation) Fix { return fixPath(o) }),
			body(func(c *C, o *probes.Observation) {
				skipWithoutName(c, o)
				attempts, _ := value(o.Reach.TCP)
				judgeAttempts(c, o, attempts, probes.TargetPrivate)
			}),
		),
		check("reachability.closed-vantages", "vantages that must not reach it time out",
			revision(2), severity(Critical), side(ConsumerSide),
			// An endpoint that carries nothing yet times out for everybody, which proves nothing.
			after("connection.endpoint-available"), needs("reach.tcp"),
			asserts("from each vantage that says expect: timeout, every connection attempt times out; a refusal, an error or a vantage that is out of reach is not a pass"),
			why("the link would be open to a network that it must be closed to, or the test would prove nothing"),
			source("the link file's vantages[].expect"),
			fix(func(o *probes.Observation) Fix {
				return Fix{
					Text: "narrow the endpoint's security groups to the clients that should reach it",
					Command: command(o.Link, ConsumerSide, "ec2", "describe-security-groups", "--group-ids",
						or(append(slices.Clone(maybe(o.Consumer.Endpoint).SecurityGroupIDs), "SECURITY_GROUP_ID")...)),
					LinkFile: "vantages[].expect: reach, if the vantage may reach the link",
				}
			}),
			body(judgeClosed),
		),
	}
}

// outcomeOf is what a series of tries came to: one that went well is enough, else the last counts.
func outcomeOf(tries []probes.Try) probes.Outcome {
	if slices.ContainsFunc(tries, func(t probes.Try) bool { return t.Outcome == probes.OK }) {
		return probes.OK
	}
	if len(tries) == 0 {
		return probes.NotAsked
	}
	return tries[len(tries)-1].Outcome
}

// judgeAttempts wants every attempt on targets of one kind to have connected, from each vantage that
// should reach the link, and at least one attempt on each port.
func judgeAttempts(c *C, o *probes.Observation, attempts []probes.Attempt, kind probes.TargetKind) {
	vantages := reachVantages(o.Link)
	if len(vantages) == 0 {
		c.Skip("no vantage is expected to reach the link")
	}
	for _, vantage := range vantages {
		for _, p := range o.Link.Ports {
			well, all := 0, 0
			for _, a := range attempts {
				if a.Vantage != vantage || a.Target.Kind != kind || a.Addr.Port() != p.Port {
					continue
				}
				all++
				switch outcome := outcomeOf(a.Tries); {
				case outcome == probes.OK:
					well++
				case couldNotAsk(outcome):
					c.Unknown(vantage, "%s %s", whereTo(a.Target, a.Addr.String()), outcome)
				default:
					c.Wrong(vantage, "%s %s%s", whereTo(a.Target, a.Addr.String()), outcome, timesTried(a.Tries))
				}
			}
			if all == 0 {
				c.Unknown(vantage, "%s port %d was not dialled", kind, p.Port)
				continue
			}
			if well == all {
				c.Fact(vantage, "%s port %d: %d of %d connected", kind, p.Port, well, all)
			}
		}
	}
}

func timesTried(tries []probes.Try) string {
	if len(tries) < 2 {
		return ""
	}
	return fmt.Sprintf(" (%d tries)", len(tries))
}

// whereTo names what was dialled: its zone, or the kind of name, and the address.
func whereTo(t probes.Target, addr string) string {
	if t.ZoneID != "" {
		return t.ZoneID + " " + addr
	}
	if t.Kind == probes.TargetInterface {
		return addr
	}
	return string(t.Kind) + " " + addr
}

func judgeClosed(c *C, o *probes.Observation) {
	closed := vantages(o.Link, provision.ExpectTimeout)
	if len(closed) == 0 {
		c.Skip("no vantage is expected to time out")
	}
	attempts, _ := value(o.Reach.TCP)
	for _, vantage := range closed {
		timedOut, all := 0, 0
		for _, a := range attempts {
			if a.Vantage != vantage {
				continue
			}
			all++
			// Every try counts: one connection is enough to show that the way is open.
			worst := probes.TimedOut
			for _, t := range a.Tries {
				if t.Outcome != probes.TimedOut && worst != probes.OK {
					worst = t.Outcome
				}
			}
			where := whereTo(a.Target, a.Addr.String())
			switch {
			case len(a.Tries) == 0 || couldNotAsk(worst):
				c.Unknown(vantage, "%s %s", where, or(string(worst), "not asked"))
			case worst == probes.OK:
				c.Wrong(vantage, "%s connected", where)
			case worst != probes.TimedOut:
				c.Wrong(vantage, "%s %s, not timed out", where, worst)
			default:
				timedOut++
			}
		}
		switch {
		case all == 0:
			c.Unknown(vantage, "nothing was dialled")
		case timedOut == all:
			c.Fact(vantage, "%d of %d timed out", timedOut, all)
		}
	}
}

// blamePath says whose an unreachable interface most likely is: who refuses, is there.
func blamePath(c *C, o *probes.Observation, attempts []probes.Attempt) {
	reach := reachVantages(o.Link)
	var bad []probes.Outcome
	var zones []string
	for _, a := range attempts {
		outcome := outcomeOf(a.Tries)
		if a.Target.Kind == probes.TargetInterface && slices.Contains(reach, a.Vantage) && outcome != probes.OK && !couldNotAsk(outcome) {
			bad, zones = append(bad, outcome), append(zones, a.Target.ZoneID)
		}
	}
	if len(bad) == 0 {
		return
	}
	if !slices.ContainsFunc(bad, func(o probes.Outcome) bool { return o != probes.Refused && o != probes.Reset && o != probes.Closed }) {
		c.Blame(ProviderSide, func(o *probes.Observation) Fix {
			f := fixTargets(o)
			f.Text = "the load balancer answers, and no target behind it does: " + f.Text
			return f
		})
		return
	}
	if port, how, ok := admittedInPart(o, attempts); ok {
		c.Fact(fmt.Sprintf("security groups, port %d", port), "%s", how)
		c.Blame(ConsumerSide, func(o *probes.Observation) Fix {
			group := or(append(slices.Clone(maybe(o.Consumer.Endpoint).SecurityGroupIDs), "SECURITY_GROUP_ID")...)
			return Fix{
				Text:    "the endpoint's security groups seem to leave this vantage out: admit the port from the clients' addresses",
				Command: authorizeCommand(o, ConsumerSide, group, openings(port, prefixes(maybe(o.Consumer.VPC).CIDRs))),
			}
		})
		return
	}
	c.Blame(Network, func(o *probes.Observation) Fix {
		f := fixPath(o, zones...)
		if zones := sorted(zones); len(zones) < len(interfaceZones(o)) {
			f.Text = fmt.Sprintf("%s only: %s", list(zones), f.Text)
		}
		return f
	})
}

// admittedInPart finds a port on which every failed connection timed out, as packets do that a
// security group drops, and which the endpoint's groups admit from some clients only: from part of
// the VPC, or from the members of a group, and whether the vantage is one is not known.
func admittedInPart(o *probes.Observation, attempts []probes.Attempt) (uint16, admission, bool) {
	e, _ := value(o.Consumer.Endpoint)
	groups, known := value(o.Consumer.SecurityGroups)
	vpc, _ := value(o.Consumer.VPC)
	if !known {
		return 0, admission{}, false
	}
	reach, rules := reachVantages(o.Link), ingressOf(groups, e.SecurityGroupIDs)
	for _, p := range o.Link.Ports {
		late, other := 0, 0
		for _, a := range attempts {
			if a.Target.Kind != probes.TargetInterface || a.Addr.Port() != p.Port || !slices.Contains(reach, a.Vantage) {
				continue
			}
			switch outcome := outcomeOf(a.Tries); {
			case outcome == probes.TimedOut:
				late++
			case outcome != probes.OK && !couldNotAsk(outcome):
				other++
			}
		}
		if how := admits(rules, p.Port, peers{at: prefixes(vpc.CIDRs)}); late > 0 && other == 0 && how.level == fromSome {
			return p.Port, how, true
		}
	}
	return 0, admission{}, false
}

func interfaceZones(o *probes.Observation) []string {
	interfaces, _ := value(o.Consumer.Interfaces)
	var zones []string
	for _, n := range interfaces {
		zones = append(zones, n.ZoneID)
	}
	return sorted(zones)
}

// fixPath names the endpoint's subnet in the first of the zones, or its first subnet.
func fixPath(o *probes.Observation, zones ...string) Fix {
	f := Fix{Text: "look at the network ACLs and routes between vantage, endpoint, load balancer and targets, and at the state of the zone"}
	subnets := slices.Clone(maybe(o.Consumer.Endpoint).SubnetIDs)
	for _, s := range maybe(o.Consumer.Subnets) {
		if len(zones) > 0 && s.ZoneID == zones[0] {
			subnets = slices.Insert(subnets, 0, s.ID)
		}
	}
	if len(subnets) > 0 {
		f.Command = command(o.Link, ConsumerSide, "ec2", "describe-network-acls", "--filters",
			"Name=association.subnet-id,Values="+subnets[0])
	}
	return f
}
