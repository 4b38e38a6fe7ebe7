package suites

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/linkassay/linkassay/probes"
)

// client is where packets of the consumer come from: a vantage, as far as its address is known.
type client struct {
	vantage string         // "" for the VPC as a whole
	from    []netip.Prefix // its own address, or where it may be
	known   bool           // from is its own address
	subnet  string         // in the endpoint's VPC, "" when it is not known
	eni     string
	groups  []string // of its interface; only when eni is known
}

// clientsOf are the vantages that should reach the link. Without vantages it is the endpoint's VPC.
func clientsOf(o *probes.Observation) []client {
	vpc := prefixes(maybe(o.Consumer.VPC).CIDRs)
	var out []client
	for _, name := range reachVantages(o.Link) {
		c := client{vantage: name, from: vpc}
		for _, seen := range maybe(o.Path.Clients) {
			if seen.Vantage == name && seen.Addr.IsValid() {
				c = client{name, []netip.Prefix{single(seen.Addr)}, true, seen.SubnetID, seen.InterfaceID, seen.GroupIDs}
			}
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		out = append(out, client{from: vpc})
	}
	return out
}

func single(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

func (c client) String() string {
	switch {
	case c.vantage == "":
		return "the VPC (" + list(c.from) + ")"
	case c.known:
		return c.vantage + " (" + c.from[0].Addr().String() + ")"
	}
	return c.vantage
}

// connectedFrom says whether the vantage connected to an interface on the port, to one address if it
// is given. What came through shows more than any rule.
func connectedFrom(attempts []probes.Attempt, vantage string, port uint16, to netip.Addr) bool {
	return slices.ContainsFunc(attempts, func(a probes.Attempt) bool {
		return a.Target.Kind == probes.TargetInterface && a.Vantage == vantage && a.Addr.Port() == port &&
			(!to.IsValid() || a.Addr.Addr() == to) && outcomeOf(a.Tries) == probes.OK
	})
}

// The ports that answers go to. Every client takes them from 1024-65535 (VPC guide, ephemeral ports);
// Linux, which vantages mostly are, from the narrower range.
const (
	linuxFirst, linuxLast = 32768, 60999
)

// span is a range of ports.
type span struct{ from, to int32 }

func (s span) String() string {
	if s.from == s.to {
		return fmt.Sprint(s.from)
	}
	return fmt.Sprintf("%d-%d", s.from, s.to)
}

// denied is what a network ACL does not let through of a range of TCP ports.
type denied struct {
	span
	by int32 // the entry's number
}

// aclOf finds the network ACL of a subnet.
func aclOf(all []probes.NetworkACL, subnet string) (probes.NetworkACL, bool) {
	i := slices.IndexFunc(all, func(a probes.NetworkACL) bool { return slices.Contains(a.SubnetIDs, subnet) })
	if i < 0 {
		return probes.NetworkACL{}, false
	}
	return all[i], true
}

// lastEntry is the number under which the API lists the entry that denies the rest.
const lastEntry = 32767

// deniedBy evaluates a network ACL for TCP packets in one direction: the entries in the order of their
// numbers, the first that fits decides. The peer may be a network of which one member's address is not
// known: an entry that allows a part of it counts, one that denies a part doesn't.
func deniedBy(acl probes.NetworkACL, egress bool, peer netip.Prefix, ports span) []denied {
	open := []span{ports}
	var out []denied
	for _, e := range acl.Entries {
		if e.Egress != egress || e.Protocol != "-1" && e.Protocol != "6" && e.Protocol != "tcp" {
			continue
		}
		p, err := netip.ParsePrefix(e.CIDR)
		if err != nil || !p.Overlaps(peer) || !e.Allow && p.Bits() > peer.Bits() {
			continue
		}
		of := span{0, 65535}
		if e.Protocol != "-1" {
			of = span{e.FromPort, e.ToPort}
		}
		var left []span
		for _, s := range open {
			hit := span{max(s.from, of.from), min(s.to, of.to)}
			if hit.from > hit.to {
				left = append(left, s)
				continue
			}
			if !e.Allow {
				out = append(out, denied{hit, e.Number})
			}
			if s.from < hit.from {
				left = append(left, span{s.from, hit.from - 1})
			}
			if hit.to < s.to {
				left = append(left, span{hit.to + 1, s.to})
			}
		}
		open = left
	}
	for _, s := range open {
		out = append(out, denied{s, lastEntry})
	}
	return out
}

// refusal says what of a connection a network ACL denies: its packets to the port in one direction,
// or the answers to it in the other. It is empty when it denies nothing.
func refusal(acl probes.NetworkACL, asks bool, peer netip.Prefix, port uint16) string {
	// asks: the packets to the port leave this subnet, and the answers come in.
	there, back := "inbound", "outbound"
	if asks {
		there, back = back, there
	}
	if d := deniedBy(acl, asks, peer, span{int32(port), int32(port)}); len(d) > 0 {
		return fmt.Sprintf("%s denies %s TCP %d %s %s by %s", acl.ID, there, port, preposition(asks), peer, entryName(d[0].by))
	}
	if d := deniedBy(acl, !asks, peer, span{linuxFirst, linuxLast}); len(d) > 0 {
		return fmt.Sprintf("%s denies %s TCP %s %s %s, where answers go, by %s", acl.ID, back, d[0].span, preposition(!asks), peer, entryName(d[0].by))
	}
	return ""
}

func preposition(egress bool) string {
	if egress {
		return "to"
	}
	return "from"
}

func entryName(number int32) string {
	if number == lastEntry {
		return "its last entry"
	}
	return fmt.Sprintf("entry %d", number)
}

// fixACL is the entry that lets through what refusal found, under a number that comes first.
func fixACL(o *probes.Observation, s Side, acl probes.NetworkACL, asks bool, peer netip.Prefix, port uint16) Fix {
	return admitACL(o, s, acl, asks, peer, port, peer)
}

// admitACL is fixACL with an entry for more than the peer that was refused.
func admitACL(o *probes.Observation, s Side, acl probes.NetworkACL, asks bool, peer netip.Prefix, port uint16, admit netip.Prefix) Fix {
	egress, ports := asks, span{int32(port), int32(port)}
	if len(deniedBy(acl, asks, peer, ports)) == 0 {
		egress, ports = !asks, span{1024, 65535}
	}
	direction := "--ingress"
	if egress {
		direction = "--egress"
	}
	return Fix{
		Text: fmt.Sprintf("let the network ACL pass TCP %s %s %s; it forgets connections, so both directions need an entry", ports, preposition(egress), admit),
		Command: command(o.Link, s, "ec2", "create-network-acl-entry", "--network-acl-id", or(acl.ID, "NETWORK_ACL_ID"), direction,
			"--rule-number", fmt.Sprint(freeNumber(acl, egress)), "--protocol", "tcp", "--rule-action", "allow",
			"--port-range", fmt.Sprintf("From=%d,To=%d", ports.from, ports.to), "--cidr-block", admit.String()),
	}
}

// freeNumber is the highest number before the direction's first entry, or 1.
func freeNumber(acl probes.NetworkACL, egress bool) int32 {
	first := int32(101)
	for _, e := range acl.Entries {
		if e.Egress == egress {
			first = min(first, e.Number)
		}
	}
	return max(first-1, 1)
}
