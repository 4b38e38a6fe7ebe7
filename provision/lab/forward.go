package lab

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/linkassay/linkassay/provision/lab/internal/network"
)

const (
	// maxFlows bounds the connections that the lab's load balancers carry at once; more are
	// ignored, as a load balancer out of ports does.
	maxFlows     = 8192
	spliceBuffer = 16 << 10
	// forwardTimeout is how long a load balancer waits for a target's handshake. The client has
	// given up or is still waiting: to it a silent target is silence.
	forwardTimeout = 10 * time.Second
)

// throughEndpoint takes a connection to an endpoint's interface to the service's load balancer in
// the same zone. Everything that is not there yet, or no longer, is silence; what a load balancer
// refuses, it resets.
func (p *plane) throughEndpoint(ctx context.Context, a *attachment, f *network.Flow) {
	opened := a.opened.Load() // before the route: flows that end between the two must end this one too
	route := a.route.Load()
	if route == nil || !route.open || route.service == nil {
		f.Ignore()
		return
	}
	var cell *balancerCell
	zoneID := a.zoneID
	if service := route.service.now.Load(); route.remote {
		cell, zoneID = a.fromAfar(service)
	} else {
		cell = a.balancer(service)
	}
	if cell == nil {
		f.Ignore()
		return
	}
	b := cell.now.Load()
	node, ok := b.nodes[zoneID]
	if !f.Dst.Addr().Is4() {
		// What reaches the load balancer over IPv6, it forwards to its targets over IPv4.
		_, ok = b.nodes6[zoneID]
	}
	switch {
	case !ok || !b.active:
		f.Ignore()
		return
	case b.enforce && len(b.groups) > 0 && !admits(b.groups, protoTCP, f.Dst.Port(), f.Src.Addr(), nil):
		// The groups see the client's own address, not the interface's.
		f.Ignore()
		return
	}
	if z := p.halfOpen.Load(); z != nil && *z == zoneID {
		hold(opened, f)
		return
	}
	p.forward(ctx, opened, f, cell, b, zoneID, node, route.endpoint)
}

// throughNode takes a connection from inside the provider's VPC to a load balancer's node. The
// load balancer's security groups have judged it already.
func (p *plane) throughNode(ctx context.Context, a *attachment, f *network.Flow) {
	opened, cell := a.opened.Load(), a.node.Load()
	if cell == nil {
		f.Ignore()
		return
	}
	b := cell.now.Load()
	if b == nil || !b.active {
		f.Ignore()
		return
	}
	p.forward(ctx, opened, f, cell, b, a.zoneID, a.addr, "")
}

// balancer picks the load balancer of the interface: one of those with a node in its zone, at the
// first connection, and the same from then on.
func (a *attachment) balancer(s *serviceRoute) *balancerCell {
	if s == nil || !s.zones[a.zoneID] {
		return nil
	}
	kept := a.choice.Load()
	var fit []*balancerCell
	for _, c := range s.balancers {
		b := c.now.Load()
		if b == nil {
			continue
		}
		if _, ok := b.nodes[a.zoneID]; ok {
			if c == kept {
				return kept
			}
			fit = append(fit, c)
		}
	}
	if len(fit) == 0 {
		return nil
	}
	c := fit[rand.IntN(len(fit))]
	a.choice.Store(c)
	return c
}

// forward opens a connection from the node to a target and joins the two. The client's handshake
// completes after the target's.
func (p *plane) forward(ctx context.Context, opened *flowContext, f *network.Flow, cell *balancerCell, b *balancer, zoneID string, node netip.Addr, endpoint string) {
	l, ok := b.listeners[f.Dst.Port()]
	targets := l.byZone[zoneID]
	if !ok || len(targets) == 0 {
		f.Refuse()
		return
	}
	select {
	case p.flows <- struct{}{}:
		defer func() { <-p.flows }()
	default:
		f.Ignore()
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(opened.ctx, cancel)()

	target := targets[int(cell.turn.Add(1))%len(targets)]
	up, err := dialFrom(ctx, b.network, node, target, forwardTimeout)
	if err != nil {
		if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) {
			f.Refuse()
		} else {
			f.Ignore()
		}
		return
	}
	down, err := f.Accept()
	if err != nil {
		_ = up.Close() // the client has gone
		return
	}
	if l.proxy {
		h := proxyHeader{src: f.Src, dst: f.Dst, endpoint: endpoint}
		if _, err := up.Write(h.encode()); err != nil {
			_, _ = up.Close(), down.Close()
			return
		}
	}
	idle := l.idle
	if endpoint != "" { // it has an idle timeout of its own
		idle = min(idle, p.world.timing.idle(endpointIdleTimeout))
	}
	p.splice(ctx, down, up, idle)
}

// dialFrom opens a TCP connection from one of a network's addresses.
func dialFrom(ctx context.Context, n *vpcNetwork, src netip.Addr, to netip.AddrPort, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return n.net.Dialer(src).DialContext(ctx, "tcp", to.String())
}
