package lab

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/linkassay/linkassay/provision/lab/internal/names"
	"github.com/linkassay/linkassay/provision/lab/internal/network"
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
