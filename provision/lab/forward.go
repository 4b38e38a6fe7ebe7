package lab

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync/atomic"
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
	forwardTimeout     = 10 * time.Second
	defaultIdleTimeout = 350 * time.Second
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
	cell := a.balancer(route.service.now.Load())
	if cell == nil {
		f.Ignore()
		return
	}
	b := cell.now.Load()
	node, ok := b.nodes[a.zoneID]
	if !f.Dst.Addr().Is4() {
		// What reaches the load balancer over IPv6, it forwards to its targets over IPv4.
		_, ok = b.nodes6[a.zoneID]
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
	if z := p.halfOpen.Load(); z != nil && *z == a.zoneID {
		hold(opened, f)
		return
	}
	p.forward(ctx, opened, f, cell, b, a.zoneID, node, route.endpoint)
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
	p.splice(ctx, down, up, l.idle)
}

// dialFrom opens a TCP connection from one of a network's addresses.
func dialFrom(ctx context.Context, n *vpcNetwork, src netip.Addr, to netip.AddrPort, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return n.net.Dialer(src).DialContext(ctx, "tcp", to.String())
}

// splice copies both ways until both ends are done, one fails, nothing was sent for the idle time,
// or ctx ends. The end of one direction is passed on and leaves the other open.
func (p *plane) splice(ctx context.Context, a, b net.Conn, idle time.Duration) {
	drop := func() { _, _ = a.Close(), b.Close() }
	defer drop()
	defer context.AfterFunc(ctx, drop)()
	var last atomic.Int64
	last.Store(time.Now().UnixNano())
	other := make(chan struct{})
	go func() {
		defer close(other)
		if !p.pump(a, b, &last, idle) {
			drop()
		}
	}()
	if !p.pump(b, a, &last, idle) {
		drop()
	}
	<-other
}

// pump copies one way until the source ends, and then ends the destination's input. It says
// whether the other direction may go on.
func (p *plane) pump(dst, src net.Conn, last *atomic.Int64, idle time.Duration) bool {
	buf := p.buffers.Get().(*[]byte)
	defer p.buffers.Put(buf)
	for {
		_ = src.SetReadDeadline(time.Unix(0, last.Load()).Add(idle)) // a closed connection fails at Read
		n, err := src.Read(*buf)
		if n > 0 {
			last.Store(time.Now().UnixNano())
			if _, err := dst.Write((*buf)[:n]); err != nil {
				return false
			}
		}
		var timeout net.Error
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			w, ok := dst.(interface{ CloseWrite() error })
			return ok && w.CloseWrite() == nil
		case errors.As(err, &timeout) && timeout.Timeout() && time.Since(time.Unix(0, last.Load())) < idle:
			// The other direction was busy.
		default:
			return false
		}
	}
}
