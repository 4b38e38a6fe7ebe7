package lab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
)

// Vantage is a place in the lab that connections are made from: a subnet of a VPC, or the
// internet. It satisfies probes.Vantage.
type Vantage struct {
	plane     *plane
	network   *vpcNetwork // nil for the internet
	addr      netip.Addr  // the client's, in a VPC
	name      string
	dial      func(ctx context.Context, network, address string) (net.Conn, error)
	resolvers []netip.AddrPort
}

// DialContext connects to an IP address and port over "tcp" or "udp", with the errors of package
// net. What the AWS API answered before the call is true for the connection.
func (v *Vantage) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	v.plane.settle()
	return v.dial(ctx, network, address)
}

// Resolvers are the DNS servers of the place: a VPC's base+2, or the internet's public resolver.
func (v *Vantage) Resolvers() []netip.AddrPort { return append([]netip.AddrPort(nil), v.resolvers...) }

// String names the place in messages.
func (v *Vantage) String() string { return v.name }

// Vantage is a client in the subnet: a free address at the subnet's end, without a security group.
// All vantages of a subnet are the same client.
func (l *Lab) Vantage(subnetID string) (*Vantage, error) {
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	return l.plane.vantage(subnetID)
}

// Internet is a client in the lab's internet.
func (l *Lab) Internet() *Vantage { return l.plane.internetVantage() }

func (p *plane) internetVantage() *Vantage {
	d := p.internet.Dialer()
	return &Vantage{
		plane: p, name: "internet", dial: d.DialContext,
		resolvers: []netip.AddrPort{netip.AddrPortFrom(publicResolver(), 53)},
	}
}

// vantage finds or makes the subnet's vantage. world.mu is held.
func (p *plane) vantage(subnetID string) (*Vantage, error) {
	s := p.world.subnets[subnetID]
	if s == nil {
		return nil, fmt.Errorf("vantage in %s: the lab has no such subnet", subnetID)
	}
	if v := p.vantages[subnetID]; v != nil {
		return v, nil
	}
	n := p.networks[s.vpc]
	if n == nil {
		return nil, fmt.Errorf("vantage in %s: VPC %s has no network", subnetID, s.vpc)
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
	// A vantage is not of its subnet's zone: it is who looks, also at a zone that is down.
	a, err := n.attach(addr, "", "", p.borderOf(s.id))
	if err != nil {
		return nil, fmt.Errorf("vantage in %s: %w", subnetID, err)
	}
	a.guards.Store(&guards{open: true, closed: true})
	s.used[addr] = ""
	v := &Vantage{
		plane: p, network: n, addr: addr, name: subnetID + " (" + addr.String() + ")", dial: n.net.Dialer(addr).DialContext,
		resolvers: []netip.AddrPort{netip.AddrPortFrom(n.base2, 53)},
	}
	p.vantages[subnetID] = v
	return v, nil
}

// followVantages takes the addresses back from vantages whose subnet is gone.
func (p *plane) followVantages() {
	for id, v := range p.vantages {
		if p.world.subnets[id] == nil {
			delete(p.vantages, id)
			v.network.detach(v.addr)
		}
	}
}
