package network

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

const listenBacklog = 4096 // connections that nobody has accepted yet

// Listen accepts TCP connections at one address of the network.
func (n *Net) Listen(ap netip.AddrPort) (net.Listener, error) {
	addr := net.TCPAddrFromAddrPort(ap)
	fail := func(err error) (net.Listener, error) {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Addr: addr, Err: err}
	}
	if !n.enter() {
		return fail(net.ErrClosed)
	}
	defer n.work.Done()
	if !n.hasAddr(ap.Addr().Unmap()) { // the stack would let it be
		return fail(os.NewSyscallError("bind", syscall.EADDRNOTAVAIL))
	}
	wq := new(waiter.Queue)
	ep, e := n.stack.NewEndpoint(tcp.ProtocolNumber, protocolOf(ap.Addr().Unmap()), wq)
	if e != nil {
		return fail(syscallError("socket", e))
	}
	if e = ep.Bind(toFull(ap)); e != nil {
		ep.Close()
		return fail(syscallError("bind", e))
	}
	if e = ep.Listen(listenBacklog); e != nil {
		ep.Close()
		return fail(syscallError("listen", e))
	}
	l := &listener{n: n, ep: ep, wq: wq, addr: addr, closed: make(chan struct{})}
	if a, e := ep.GetLocalAddress(); e == nil { // port 0 asks for any port
		l.addr = net.TCPAddrFromAddrPort(fromStack(a.Addr, a.Port))
	}
	return l, nil
}

type listener struct {
	n    *Net
	ep   tcpip.Endpoint
	wq   *waiter.Queue
	addr *net.TCPAddr

	once   sync.Once
	closed chan struct{}
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	entry, events := waiter.NewChannelEntry(waiter.ReadableEvents | waiter.EventErr | waiter.EventHUp)
	l.wq.EventRegister(&entry)
	defer l.wq.EventUnregister(&entry)
	for {
		ep, wq, e := l.ep.Accept(nil)
		switch e.(type) {
		case nil:
			return newTCPConn(l.n, wq, ep), nil
		case *tcpip.ErrWouldBlock:
		case *tcpip.ErrInvalidEndpointState: // closed, or its address or network is gone
			return nil, l.opError(net.ErrClosed)
		default:
			return nil, l.opError(syscallError("accept", e))
		}
		select {
		case <-events:
		case <-l.closed:
			return nil, l.opError(net.ErrClosed)
		}
	}
}

// Close implements net.Listener: connections that nobody has accepted are reset.
func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.ep.Close()
	})
	return nil
}

// Addr implements net.Listener.
func (l *listener) Addr() net.Addr { return l.addr }

func (l *listener) opError(err error) error {
	return &net.OpError{Op: "accept", Net: "tcp", Addr: l.addr, Err: err}
}

// ListenPacket receives UDP datagrams at one address of the network.
func (n *Net) ListenPacket(ap netip.AddrPort) (net.PacketConn, error) {
	fail := func(err error) (net.PacketConn, error) {
		return nil, &net.OpError{Op: "listen", Net: "udp", Addr: net.UDPAddrFromAddrPort(ap), Err: err}
	}
	if !n.enter() {
		return fail(net.ErrClosed)
	}
	defer n.work.Done()
	if !n.hasAddr(ap.Addr().Unmap()) { // the stack would let it be
		return fail(os.NewSyscallError("bind", syscall.EADDRNOTAVAIL))
	}
	wq := new(waiter.Queue)
	ep, e := n.stack.NewEndpoint(udp.ProtocolNumber, protocolOf(ap.Addr().Unmap()), wq)
	if e != nil {
		return fail(syscallError("socket", e))
	}
	if e = ep.Bind(toFull(ap)); e != nil {
		ep.Close()
		return fail(syscallError("bind", e))
	}
	return newUDPConn(n, wq, ep, false), nil
}
