package lab

import (
	"context"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/linkassay/linkassay/provision/lab/internal/names"
	"github.com/linkassay/linkassay/provision/lab/internal/network"
)

const (
	protoAny  = 0
	protoICMP = 1
	protoTCP  = 6
	protoUDP  = 17
)

// vpcNetwork is a VPC's network; the data plane owns it.
type vpcNetwork struct {
	id       string
	plane    *plane
	cidr     netip.Prefix
	net      *network.Net
	resolver *names.Resolver
	base2    netip.Addr
	linkDNS  netip.Addr // 169.254.169.253

	dnsSupport atomic.Bool // off: the resolver is silent
	bordered   atomic.Bool // a network ACL of the VPC may deny something
	faults     atomic.Pointer[linkFaults]
	lies       tampering
	mute       atomic.Bool   // the resolver answers nobody
	private    []*names.Zone // what the resolver has, guarded by world.mu

	servers    atomic.Pointer[[]netip.AddrPort]    // what its clients ask, as its DHCP options say
	custom     map[netip.Addr]*names.Resolver      // those of them that are not its own, guarded by world.mu
	beyond     []netip.Addr                        // of servers that its clients reach outside of it, guarded by world.mu
	dnsServers atomic.Pointer[map[netip.Addr]bool] // their addresses

	mu    sync.RWMutex
	addrs map[netip.Addr]*attachment
}

// linkFaults are what a network does to all its packets.
type linkFaults struct {
	latency time.Duration // one way
	loss    float64       // 0 to 1
	most    int           // bytes of the largest packet that gets through; 0: any
}

// attachment is what has an address of a network, or one of each family: an interface or a vantage.
type attachment struct {
	network *vpcNetwork
	addr    netip.Addr
	addr6   netip.Addr // guarded by the network's mu
	zoneID  string
	eni     string  // "" for a vantage
	border  *border // of its subnet

	// guards is nil until the first follow: nothing gets in or out before its groups are known.
	guards atomic.Pointer[guards]
	route  atomic.Pointer[endpointRoute] // of an endpoint's interface
	node   atomic.Pointer[balancerCell]  // of a load balancer's node
	choice atomic.Pointer[balancerCell]  // the load balancer that an endpoint's interface keeps to
	opened atomic.Pointer[flowContext]
}

// flowContext is what an attachment's flows live in.
type flowContext struct {
	ctx context.Context
	end context.CancelFunc
}

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

// openNetwork starts a VPC's network.
func openNetwork(p *plane, v *vpc) (*vpcNetwork, error) {
	base2 := v.cidr.Masked().Addr().Next().Next()
	nw, err := network.New(network.Options{MTU: 8500})
	if err != nil {
		return nil, err
	}
	n := &vpcNetwork{
		id: v.id, plane: p, cidr: v.cidr, net: nw, base2: base2,
		linkDNS: netip.AddrFrom4([4]byte{169, 254, 169, 253}), addrs: map[netip.Addr]*attachment{},
	}
	n.dnsSupport.Store(v.dnsSupport)
	nw.SetPolicy(n.judge)
	if n.resolver, err = names.NewResolver(nw, []netip.Addr{n.base2, n.linkDNS}, p.recurse); err != nil {
		nw.Close()
		return nil, fmt.Errorf("resolver at %s: %w", base2, err)
	}
	n.resolver.SetTamper(n.lies.apply)
	return n, nil
}

func (n *vpcNetwork) close() {
	n.mu.Lock()
	for _, a := range n.addrs {
		a.endFlows()
	}
	n.addrs = map[netip.Addr]*attachment{}
	n.mu.Unlock()
	n.resolver.Close()
	for _, r := range n.custom {
		r.Close()
	}
	n.net.Close()
}

func (n *vpcNetwork) attach(addr netip.Addr, zoneID, eni string, b *border) (*attachment, error) {
	if err := n.net.AddAddr(addr); err != nil {
		return nil, fmt.Errorf("give %s to %s: %w", addr, n.id, err)
	}
	a := &attachment{network: n, addr: addr, zoneID: zoneID, eni: eni, border: b}
	a.renewFlows()
	n.mu.Lock()
	n.addrs[addr] = a
	n.mu.Unlock()
	return a, nil
}

// attachIPv6 gives the attachment an IPv6 address beside the one that it has.
func (n *vpcNetwork) attachIPv6(a *attachment, addr netip.Addr) error {
	if err := n.net.AddAddr(addr); err != nil {
		return fmt.Errorf("give %s to %s: %w", addr, n.id, err)
	}
	n.mu.Lock()
	a.addr6 = addr
	n.addrs[addr] = a
	n.mu.Unlock()
	return nil
}

// detachIPv6 takes only that address away.
func (n *vpcNetwork) detachIPv6(a *attachment) {
	n.mu.Lock()
	addr := a.addr6
	a.addr6 = netip.Addr{}
	delete(n.addrs, addr)
	n.mu.Unlock()
	if addr.IsValid() {
		n.net.Unhandle(addr)
		n.net.DelAddr(addr)
	}
}

func (n *vpcNetwork) detach(addr netip.Addr) {
	n.mu.Lock()
	a := n.addrs[addr]
	delete(n.addrs, addr)
	n.mu.Unlock()
	if a == nil {
		return
	}
	n.detachIPv6(a)
	n.net.Unhandle(addr)
	a.endFlows()
	n.net.DelAddr(addr)
}

func (n *vpcNetwork) at(addr netip.Addr) *attachment {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.addrs[addr]
}

func (a *attachment) renewFlows() {
	ctx, end := context.WithCancel(a.network.plane.ctx)
	a.opened.Store(&flowContext{ctx, end})
}

func (a *attachment) endFlows() { a.opened.Load().end() }

// judge decides on one packet. It runs for every packet, takes no lock but the address table's, and
// only judges rules on packets that open a connection: security groups are stateful. What is not
// allowed is dropped, never refused.
func (n *vpcNetwork) judge(pk network.Packet) (network.Verdict, time.Duration) {
	faults, down := n.faults.Load(), n.plane.zonesDown.Load()
	opens := pk.Proto == protoTCP && pk.SYN && !pk.ACK || pk.Proto == protoUDP
	bordered := n.bordered.Load()
	if !opens && faults == nil && down == nil && !bordered {
		return network.Pass, 0
	}
	src, dst := n.at(pk.Src), n.at(pk.Dst)
	if down != nil && (src != nil && (*down)[src.zoneID] || dst != nil && (*down)[dst.zoneID]) {
		return network.Drop, 0
	}
	var delay time.Duration
	if faults != nil {
		if faults.loss > 0 && rand.Float64() < faults.loss {
			return network.Drop, 0
		}
		if faults.most > 0 && pk.Len > faults.most {
			return network.Drop, 0
		}
		delay = faults.latency
	}
	if bordered && src != nil && dst != nil && !crosses(pk, src, dst) {
		return network.Drop, 0 // what the resolver says and hears is not filtered: it has no subnet
	}
	switch {
	case !opens:
		return network.Pass, delay
	case n.isResolver(pk.Dst, pk.DstPort), n.isResolver(pk.Src, pk.SrcPort):
		// Security groups do not filter the resolver.
		if !n.dnsSupport.Load() || n.mute.Load() {
			return network.Drop, 0
		}
		return network.Pass, delay
	case n.isServer(pk.Dst, pk.DstPort), n.isServer(pk.Src, pk.SrcPort):
		return network.Pass, delay
	case src == nil || dst == nil:
		return network.Drop, 0 // nobody has that address: silence
	case !allows(pk, src, dst):
		return network.Drop, 0
	}
	return network.Pass, delay
}

func (n *vpcNetwork) isResolver(a netip.Addr, port uint16) bool {
	return port == 53 && (a == n.base2 || a == n.linkDNS)
}

// isServer tells the DNS servers that DHCP options name. Where they stand is of no concern: no security group
// of this VPC filters them.
func (n *vpcNetwork) isServer(a netip.Addr, port uint16) bool {
	if port != 53 {
		return false
	}
	s := n.dnsServers.Load()
	return s != nil && (*s)[a]
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
