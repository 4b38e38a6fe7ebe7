package network

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// defaultDialTimeout ends a dial whose context never does: net/http keeps dialling after its
// request is cancelled.
const defaultDialTimeout = 30 * time.Second

// Dialer opens connections from one address of the network.
type Dialer struct {
	Timeout time.Duration // of one dial, where the context has no earlier deadline; 30 s by default

	n   *Net
	src netip.Addr
}

// Dialer gives a dialer whose connections come from src, which must be an address of the network
// by the time of dialling.
func (n *Net) Dialer(src netip.Addr) *Dialer {
	return &Dialer{Timeout: defaultDialTimeout, n: n, src: src.Unmap()}
}

// DialContext connects to an IP address and port; network is tcp, tcp4,
// tcp6, udp, udp4 or udp6. Errors are
// those of the net package: a *net.OpError around the system's errno, a timeout, or the context's
// end. A TCP connection also has CloseWrite, CloseRead and SetLinger; a UDP one is a
// net.PacketConn too.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	dst, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: &net.AddrError{Err: "not an IP address and port", Addr: address}}
	}
	dst = netip.AddrPortFrom(dst.Addr().Unmap(), dst.Port())
	var addr net.Addr
	var dial func(context.Context, netip.AddrPort) (net.Conn, error)
	switch network {
	case "tcp", "tcp4", "tcp6":
		addr, dial = net.TCPAddrFromAddrPort(dst), d.dialTCP
	case "udp", "udp4", "udp6":
		addr, dial = net.UDPAddrFromAddrPort(dst), d.dialUDP
	default:
		return nil, &net.OpError{Op: "dial", Net: network, Err: net.UnknownNetworkError(network)}
	}
	fail := func(err error) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: network, Source: d.source(network), Addr: addr, Err: err}
	}
	if v6 := !dst.Addr().Is4(); v6 && network[3:] == "4" || !v6 && network[3:] == "6" {
		return fail(os.NewSyscallError("socket", syscall.EAFNOSUPPORT))
	} else if v6 == d.src.Is4() { // a host without an address of that family has no route
		return fail(os.NewSyscallError("connect", syscall.ENETUNREACH))
	}
	if !d.n.enter() {
		return fail(net.ErrClosed)
	}
	defer d.n.work.Done()
	if !d.n.hasAddr(d.src) {
		return fail(fmt.Errorf("source address %s: %w", d.src, os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)))
	}
	if d.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.Timeout)
		defer cancel()
	}
	if ctx.Err() != nil {
		return fail(contextError(ctx))
	}
	c, err := dial(ctx, dst)
	if err != nil {
		return fail(err)
	}
	return c, nil
}

func (d *Dialer) source(network string) net.Addr {
	if network[0] == 'u' {
		return &net.UDPAddr{IP: d.src.AsSlice()}
	}
	return &net.TCPAddr{IP: d.src.AsSlice()}
}

func (d *Dialer) dialTCP(ctx context.Context, dst netip.AddrPort) (net.Conn, error) {
	wq := new(waiter.Queue)
	ep, e := d.n.stack.NewEndpoint(tcp.ProtocolNumber, protocolOf(d.src), wq)
	if e != nil {
		return nil, syscallError("socket", e)
	}
	entry, events := waiter.NewChannelEntry(waiter.WritableEvents) // connected, or failed for good
	wq.EventRegister(&entry)
	defer wq.EventUnregister(&entry)
	if e = d.bind(ep); e != nil {
		ep.Close()
		return nil, syscallError("bind", e)
	}
	e = ep.Connect(toFull(dst))
	if _, started := e.(*tcpip.ErrConnectStarted); started {
		select {
		case <-events:
		case <-ctx.Done():
			ep.Abort()
			return nil, contextError(ctx)
		case <-d.n.ctx.Done():
			ep.Abort()
			return nil, net.ErrClosed
		}
		e = ep.LastError()
	}
	if e != nil {
		ep.Close()
		if d.n.closing() {
			return nil, net.ErrClosed
		}
		return nil, syscallError("connect", e)
	}
	return newTCPConn(d.n, wq, ep), nil
}

// bind walks the port range in order instead of at random, so that a port comes back only after
// some 64,000 dials. A SYN that meets a socket in TIME_WAIT which a Flow made is swallowed, since
// there is no listener to take it, and would cost the dial a whole second.
func (d *Dialer) bind(ep tcpip.Endpoint) (e tcpip.Error) {
	const first = 1024
	for range 64 {
		port := uint16(first + d.n.port.Add(1)%(1<<16-first))
		e = ep.Bind(toFull(netip.AddrPortFrom(d.src, port)))
		if _, busy := e.(*tcpip.ErrPortInUse); !busy {
			return e
		}
	}
	return e
}

func (d *Dialer) dialUDP(_ context.Context, dst netip.AddrPort) (net.Conn, error) {
	wq := new(waiter.Queue)
	ep, e := d.n.stack.NewEndpoint(udp.ProtocolNumber, protocolOf(d.src), wq)
	if e != nil {
		return nil, syscallError("socket", e)
	}
	if e = ep.Bind(toFull(netip.AddrPortFrom(d.src, 0))); e != nil {
		ep.Close()
		return nil, syscallError("bind", e)
	}
	if e = ep.Connect(toFull(dst)); e != nil {
		ep.Close()
		return nil, syscallError("connect", e)
	}
	return newUDPConn(d.n, wq, ep, true), nil
}
