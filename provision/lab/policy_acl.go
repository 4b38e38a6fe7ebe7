package lab

import (
	"net/netip"
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/linkassay/linkassay/provision/lab/internal/network"
)

// border is what packets meet that cross the border of a subnet.
type border struct {
	subnet string
	acl    string
	v6     bool // the subnet has an IPv6 block
	print  []aclEntry
	rules  atomic.Pointer[borderRules] // nil: everything passes
}

// borderRules are a network ACL as packets see it.
type borderRules struct{ in, out []borderRule }

type borderRule struct {
	proto    uint8 // protoAny for all
	from, to uint16
	peers    netip.Prefix
	allow    bool
}

// followBorders compiles the network ACLs of the subnets whose rules changed. world.mu is held.
func (p *plane) followBorders() {
	filtered := map[string]bool{} // VPCs with a network ACL that may deny something
	for id, s := range p.world.subnets {
		b := p.borderOf(id)
		if a := p.world.acls[s.acl]; a != nil {
			if v6 := s.cidr6.valid(); b.acl != a.id || b.v6 != v6 || !slices.Equal(b.print, a.entries) {
				b.acl, b.v6, b.print = a.id, v6, slices.Clone(a.entries)
				b.rules.Store(compileBorder(a.entries, v6))
			}
		}
		filtered[s.vpc] = filtered[s.vpc] || b.rules.Load() != nil
	}
	for id := range p.borders {
		if p.world.subnets[id] == nil {
			delete(p.borders, id)
		}
	}
	for id, n := range p.networks {
		n.bordered.Store(filtered[id])
	}
}

// borderOf gives a subnet's border. world.mu is held.
func (p *plane) borderOf(subnet string) *border {
	b := p.borders[subnet]
	if b == nil {
		b = &border{subnet: subnet}
		p.borders[subnet] = b
	}
	return b
}

// compileBorder turns entries, which are in the order of their numbers, into rules; nil when they let
// everything pass, as the default network ACL does. v6 says whether IPv6 packets need leave too.
func compileBorder(entries []aclEntry, v6 bool) *borderRules {
	r := &borderRules{}
	for _, e := range entries {
		c := borderRule{to: 65535, peers: e.cidr, allow: e.allow}
		if n, err := strconv.Atoi(e.protocol); err == nil && n > 0 {
			c.proto = uint8(n)
		}
		if c.proto == protoTCP || c.proto == protoUDP {
			c.from, c.to = uint16(e.from), uint16(e.to)
		}
		if e.egress {
			r.out = append(r.out, c)
		} else {
			r.in = append(r.in, c)
		}
	}
	first := func(rules []borderRule, v4 bool) bool {
		i := slices.IndexFunc(rules, func(r borderRule) bool { return r.peers.Addr().Is4() == v4 })
		return i >= 0 && rules[i].allow && rules[i].proto == protoAny && rules[i].peers.Bits() == 0
	}
	all := func(rules []borderRule) bool { return first(rules, true) && (!v6 || first(rules, false)) }
	if all(r.in) && all(r.out) {
		return nil
	}
	return r
}

// crosses says whether the packet gets out of the source's subnet and into the destination's. Network
// ACLs remember nothing: answers are judged like questions.
func crosses(pk network.Packet, src, dst *attachment) bool {
	from, to := src.border, dst.border
	if from == to || from == nil || to == nil {
		return true
	}
	if r := from.rules.Load(); r != nil && !decide(r.out, pk, pk.Dst) {
		return false
	}
	if r := to.rules.Load(); r != nil && !decide(r.in, pk, pk.Src) {
		return false
	}
	return true
}

// decide finds the first rule that fits the packet; what none fits is denied.
func decide(rules []borderRule, pk network.Packet, peer netip.Addr) bool {
	for _, r := range rules {
		if (r.proto == protoAny || r.proto == pk.Proto && (pk.Proto == protoICMP || r.from <= pk.DstPort && pk.DstPort <= r.to)) && r.peers.Contains(peer) {
			return r.allow
		}
	}
	return false
}
