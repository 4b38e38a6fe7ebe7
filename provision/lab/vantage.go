package lab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
)

// Vantage is a place in the lab that connections are made from: a subnet of a VPC, or the
// internet. It satisfies probes.Vantage.
type Vantage struct {
	plane   *plane
	network *vpcNetwork                // nil for the internet
	addr    netip.Addr                 // the client's, in a VPC
	addr6   atomic.Pointer[netip.Addr] // where the subnet has an IPv6 block
	name    string
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
}

// DialContext connects to an IP address and port over "tcp" or "udp", with the errors of package
// net. What the AWS API answered before the call is true for the connection.
func (v *Vantage) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	v.plane.settle()
	return v.dial(ctx, network, address)
}

// Resolvers are the DNS servers of the place: those of the VPC's DHCP options, which are base+2 unless
// somebody changed them, or the internet's public resolver.
func (v *Vantage) Resolvers() []netip.AddrPort {
	if v.network == nil {
		return []netip.AddrPort{netip.AddrPortFrom(publicResolver(), 53)}
	}
	v.plane.settle()
	return v.network.resolvers()
}

// String names the place in messages.
func (v *Vantage) String() string { return v.name }

// VantageTag marks an instance as the client in its subnet: the subnet's vantage is then the instance,
// with the security groups that it has.
const VantageTag = "linkassay:vantage"

// Vantage is a client in the subnet: a free address at the subnet's end, without a security group, or
// the running instance with the VantageTag. All vantages of a subnet are the same client.
func (l *Lab) Vantage(subnetID string) (*Vantage, error) {
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	return l.plane.vantage(subnetID)
}

// Internet is a client in the lab's internet.
func (l *Lab) Internet() *Vantage { return l.plane.internetVantage() }

// Where vantages of a link stand that a fault puts there, beside those in the consumer's subnets: the From of
// provision.Vantage, until LinkFile writes the SOCKS listener that leads there.
const (
	FromInternet = "lab:internet"
	FromClient   = "lab:client" // the consumer's first subnet
)

// Place is the vantage that stands where from says: FromInternet or FromClient.
func (l *Lab) Place(from string) (*Vantage, error) {
	switch from {
	case FromInternet:
		return l.Internet(), nil
	case FromClient:
		if subnets := l.Subnets(l.Link().Consumer.Account); len(subnets) > 0 {
			return l.Vantage(subnets[0].ID)
		}
	}
	return nil, fmt.Errorf("the lab has no vantage %q", from)
}

func (p *plane) internetVantage() *Vantage {
	d := p.internet.Dialer()
	return &Vantage{
		plane: p, name: "internet", dial: d.DialContext,
	}
}

// vantage finds or makes the subnet's vantage. world.mu is held.
func (p *plane) vantage(subnetID string) (*Vantage, error) {
	s := p.world.subnets[subnetID]
	if s == nil {
		return nil, fmt.Errorf("vantage in %s: the lab has no such subnet", subnetID)
	}
	n := p.networks[s.vpc]
	if n == nil {
		return nil, fmt.Errorf("vantage in %s: VPC %s has no network", subnetID, s.vpc)
	}
	if addr, ok := p.world.client(subnetID); ok {
		return &Vantage{
			plane: p, network: n, addr: addr, name: subnetID + " (" + addr.String() + ")", dial: n.net.Dialer(addr).DialContext,
		}, nil
	}
	if v := p.vantages[subnetID]; v != nil {
		return v, nil
	}
	first, addr := usable(s.cidr)
	for {
		if _, used := s.used[addr]; !used {
			break
		}
		if addr = addr.Prev(); addr.Less(first) {
			return nil, fmt.Errorf("vantage in %s: no free address in %s", subnetID, s.cidr)
		}
	}
	a, err := n.attach(addr, s.zoneID, "", p.borderOf(s.id))
	if err != nil {
		return nil, fmt.Errorf("vantage in %s: %w", subnetID, err)
	}
	a.guards.Store(&guards{open: true, closed: true})
	s.used[addr] = ""
	v := &Vantage{
		plane: p, network: n, addr: addr, name: subnetID + " (" + addr.String() + ")",
	}
	v.dial = v.dialFromSubnet
	p.vantages[subnetID] = v
	p.followVantage(v, s)
	return v, nil
}

// dialFromSubnet connects from the vantage's address of the destination's family.
func (v *Vantage) dialFromSubnet(ctx context.Context, network, address string) (net.Conn, error) {
	src := v.addr
	if to, err := netip.ParseAddrPort(address); err == nil && !to.Addr().Unmap().Is4() {
		if a := v.addr6.Load(); a != nil {
			src = *a
		}
	}
	return v.network.net.Dialer(src).DialContext(ctx, network, address)
}

// followVantage gives the vantage an IPv6 address as long as its subnet has a block of them: that of
// the block that ends as its IPv4 address does.
func (p *plane) followVantage(v *Vantage, s *subnet) {
	a := v.network.at(v.addr)
	switch old := v.addr6.Load(); {
	case a == nil:
	case old != nil && !s.cidr6.prefix.Contains(*old):
		v.addr6.Store(nil)
		v.network.detachIPv6(a)
	case old == nil && s.cidr6.valid():
		b, v4 := s.cidr6.prefix.Addr().As16(), v.addr.As4()
		copy(b[12:], v4[:])
		addr := netip.AddrFrom16(b)
		if err := v.network.attachIPv6(a, addr); err != nil {
			p.log.Error("vantage", "vantage", v.name, "error", err)
			return
		}
		v.addr6.Store(&addr)
	}
}

// followVantages takes the addresses back from vantages whose subnet is gone, and lets the others have
// the families of their subnets.
func (p *plane) followVantages() {
	for id, v := range p.vantages {
		s := p.world.subnets[id]
		if s == nil {
			delete(p.vantages, id)
			v.network.detach(v.addr)
			continue
		}
		p.followVantage(v, s)
	}
}

// client is the address of the subnet's instance that is tagged as its vantage. world.mu is held.
func (w *world) client(subnetID string) (netip.Addr, bool) {
	for _, i := range w.instances {
		if _, tagged := i.tags[VantageTag]; tagged && i.subnet == subnetID && i.state == "running" {
			if n := w.interfaces[i.eni]; n != nil {
				return n.addr, true
			}
		}
	}
	return netip.Addr{}, false
}
