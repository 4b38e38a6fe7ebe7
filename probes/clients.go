package probes

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/linkassay/linkassay/provision/awsapi"
)

// clients finds out where the vantages stand: their own addresses, and what of the endpoint's VPC has
// them.
func (r *run) clients(sd side, s *span, c *consumerItems, places []place) ([]Client, error) {
	if len(places) == 0 {
		return nil, absent{NoVantage}
	}
	interfaces, err := c.interfaces.value()
	if err != nil {
		return nil, err
	}
	ep, err := c.found()
	if err != nil {
		return nil, err
	}
	if len(interfaces) == 0 || len(interfaces[0].IPs) == 0 {
		return nil, absent{NoSubject}
	}
	to := netip.AddrPortFrom(interfaces[0].IPs[0], r.link.Ports[0].Port)
	all := make([]Client, len(places))
	var subnets []ec2types.Subnet
	var failed error
	var g group
	for i, p := range places {
		g.start(func() { all[i] = Client{Vantage: p.name, Addr: r.ownAddress(s, p, to)} })
	}
	g.start(func() {
		subnets, failed = call(r, s, "ec2:DescribeSubnets", func(ctx context.Context) ([]ec2types.Subnet, error) {
			return awsapi.All(ctx, ec2.NewDescribeSubnetsPaginator(sd.EC2, &ec2.DescribeSubnetsInput{Filters: []ec2types.Filter{filterOf("vpc-id", ep.VPCID)}}),
				func(o *ec2.DescribeSubnetsOutput) []ec2types.Subnet { return o.Subnets })
		})
	})
	g.wait()
	if failed != nil {
		return nil, failed
	}
	var addrs []string
	for i := range all {
		for _, n := range subnets {
			if p, err := netip.ParsePrefix(aws.ToString(n.CidrBlock)); err == nil && p.Contains(all[i].Addr) {
				all[i].SubnetID = aws.ToString(n.SubnetId)
				addrs = append(addrs, all[i].Addr.String())
			}
		}
	}
	found, err := r.interfacesBy(sd, s, c.zones, filterOf("addresses.private-ip-address", distinct(addrs)...), filterOf("vpc-id", ep.VPCID))
	if err != nil {
		return nil, err
	}
	for i := range all {
		for _, n := range found {
			if slices.Contains(n.IPs, all[i].Addr) {
				all[i].InterfaceID, all[i].GroupIDs = n.ID, n.GroupIDs
			}
		}
	}
	return all, nil
}

// ownAddress is the address that a vantage's packets to an interface have. A datagram socket knows it
// without sending anything. Behind a proxy that has no datagrams, the proxy may say it with a
// connection to a resolver, which is as good as any. Not valid: it cannot be known.
func (r *run) ownAddress(s *span, p place, to netip.AddrPort) netip.Addr {
	defer s.begin()()
	if !acquire(r.ctx, r.dialSlots) {
		return netip.Addr{}
	}
	defer func() { <-r.dialSlots }()
	ctx, cancel := context.WithTimeout(r.ctx, r.limit.connect)
	defer cancel()
	conn, err := p.vantage.DialContext(ctx, "udp", to.String())
	if err == nil {
		defer conn.Close()
		return addrOf(conn.LocalAddr())
	}
	if !errors.Is(err, errors.ErrUnsupported) {
		return netip.Addr{}
	}
	servers := p.resolvers()
	if len(servers) == 0 {
		return netip.Addr{}
	}
	if conn, err = p.vantage.DialContext(ctx, "tcp", servers[0].String()); err != nil {
		return netip.Addr{}
	}
	defer conn.Close()
	bound, ok := conn.(interface{ BoundAddr() net.Addr })
	if !ok {
		return netip.Addr{}
	}
	return addrOf(bound.BoundAddr())
}

// addrOf reads an address that means something to others: not 0.0.0.0, as ssh -D says, nor loopback.
func addrOf(a net.Addr) netip.Addr {
	if a == nil {
		return netip.Addr{}
	}
	ap, err := netip.ParseAddrPort(a.String())
	if ip := ap.Addr().Unmap(); err == nil && !ip.IsUnspecified() && !ip.IsLoopback() {
		return ip.WithZone("")
	}
	return netip.Addr{}
}
