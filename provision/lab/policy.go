package lab

import (
	"hash/maphash"
	"net/netip"
	"sync/atomic"

	"github.com/linkassay/linkassay/provision/lab/internal/network"
)

const (
	protoAny  = 0
	protoICMP = 1
	protoTCP  = 6
	protoUDP  = 17
)

// guards are the security groups of an attachment.
type guards struct {
	open   bool // not filtered at all: a load balancer without groups, a vantage's way out
	closed bool // nothing gets in: a vantage
	groups []*groupCell
}

func (g *guards) member(group string) bool {
	for _, c := range g.groups {
		if c.id == group {
			return true
		}
	}
	return false
}

// groupCell holds the compiled rules of one security group. Attachments point to it, so that a
// changed rule costs one store.
type groupCell struct {
	id    string
	print uint64 // of the rules, to notice changes
	rules atomic.Pointer[groupRules]
}

type groupRules struct{ in, out []packetRule }

type packetRule struct {
	proto    uint8
	from, to uint16
	peers    netip.Prefix
	group    string
}

// allows asks the source's groups outbound and the destination's groups inbound.
func allows(pk network.Packet, src, dst *attachment) bool {
	from, to := src.guards.Load(), dst.guards.Load()
	if from == nil || to == nil || to.closed {
		return false
	}
	out := from.open
	for _, c := range from.groups {
		out = out || c.rules.Load().matchOut(pk, to)
	}
	if !out {
		return false
	}
	return to.open || admits(to.groups, pk.Proto, pk.DstPort, pk.Src, from)
}

// admits says whether one of the groups lets a packet from the address in. from are the groups of
// the source, nil when it is in another VPC.
func admits(groups []*groupCell, proto uint8, port uint16, src netip.Addr, from *guards) bool {
	for _, c := range groups {
		for _, r := range c.rules.Load().in {
			if r.covers(proto, port) && r.isPeer(src, from) {
				return true
			}
		}
	}
	return false
}

func (g *groupRules) matchOut(pk network.Packet, to *guards) bool {
	for _, r := range g.out {
		if r.covers(pk.Proto, pk.DstPort) && r.isPeer(pk.Dst, to) {
			return true
		}
	}
	return false
}

func (r packetRule) covers(proto uint8, port uint16) bool {
	return r.proto == protoAny || r.proto == proto && r.from <= port && port <= r.to
}

func (r packetRule) isPeer(a netip.Addr, g *guards) bool {
	if r.group != "" {
		return g != nil && g.member(r.group)
	}
	return r.peers.IsValid() && r.peers.Contains(a)
}

// followGroups compiles the groups whose rules changed.
func (p *plane) followGroups() {
	for id, g := range p.world.groups {
		c := p.cell(id)
		if print := printRules(p.seed, g); print != c.print || c.rules.Load() == nil {
			c.print = print
			c.rules.Store(&groupRules{in: compileRules(g.ingress), out: compileRules(g.egress)})
		}
	}
	for id, c := range p.groups {
		if p.world.groups[id] == nil {
			c.rules.Store(&groupRules{})
			delete(p.groups, id)
		}
	}
}

// cell gives a group's cell; one that does not exist has no rules.
func (p *plane) cell(id string) *groupCell {
	c := p.groups[id]
	if c == nil {
		c = &groupCell{id: id}
		c.rules.Store(&groupRules{})
		p.groups[id] = c
	}
	return c
}

// printRules is a fingerprint of a group's rules; compared within one plane only.
func printRules(seed maphash.Seed, g *securityGroup) uint64 {
	var h uint64 = 1
	for i, rules := range [][]groupRule{g.ingress, g.egress} {
		for _, r := range rules {
			h = h*31 + uint64(i) + maphash.Comparable(seed, struct {
				protocol, group string
				from, to        int
				cidr            netip.Prefix
			}{r.protocol, r.group, r.from, r.to, r.cidr})
		}
	}
	return h
}

func compileRules(rules []groupRule) []packetRule {
	out := make([]packetRule, 0, len(rules))
	for _, r := range rules {
		c := packetRule{from: 0, to: 65535, group: r.group, peers: r.cidr}
		switch r.protocol {
		case "-1", "all", "":
			c.proto = protoAny
		case "tcp", "6":
			c.proto = protoTCP
		case "udp", "17":
			c.proto = protoUDP
		case "icmp", "1":
			c.proto = protoICMP
		default:
			continue // a protocol that the lab's networks do not carry
		}
		if r.from >= 0 && r.to >= 0 && c.proto != protoAny {
			c.from, c.to = uint16(r.from), uint16(r.to)
		}
		out = append(out, c)
	}
	return out
}

// followInterfaces gives every interface its groups and its way.
func (p *plane) followInterfaces() {
	for _, v := range p.world.vpcs {
		if v.net != nil {
			v.net.dnsSupport.Store(v.dnsSupport)
		}
	}
	for id := range p.accepted {
		if p.world.endpoints[id] == nil {
			delete(p.accepted, id)
		}
	}
	for _, i := range p.world.interfaces {
		n := p.networks[i.vpc]
		if n == nil {
			continue
		}
		a := n.at(i.addr)
		if a == nil || a.eni != i.id {
			continue
		}
		groups, open := i.groups, false
		switch i.kind {
		case "vpc_endpoint":
			if e := p.world.endpoints[i.owner]; e != nil {
				groups = e.groups
				p.routeEndpoint(a, e)
			}
		case "network_load_balancer":
			// Security groups can only be given to a load balancer when it is made; one without is
			// not filtered.
			groups, open = nil, true
			if lb := p.world.loadBalancers[i.owner]; lb != nil {
				groups, open = lb.groups, len(lb.groups) == 0
				a.node.Store(p.balancers[lb.id])
			}
		}
		p.guard(a, groups, open)
	}
}

// guard stores the attachment's groups if they changed.
func (p *plane) guard(a *attachment, groups []string, open bool) {
	old := a.guards.Load()
	same := old != nil && old.open == open && len(old.groups) == len(groups)
	for i := 0; same && i < len(groups); i++ {
		same = old.groups[i] == p.cell(groups[i])
	}
	if same {
		return
	}
	g := &guards{open: open}
	for _, id := range groups {
		g.groups = append(g.groups, p.cell(id))
	}
	a.guards.Store(g)
}
