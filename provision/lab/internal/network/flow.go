package network

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

var errFlowDecided = errors.New("the flow was accepted, refused or ignored before")

// Flow is a TCP connection that a client has asked for and nobody has answered yet. Its handler
// calls exactly one of Accept, Refuse and Ignore; a handler that returns without is taken to
// ignore the flow.
type Flow struct {
	Src, Dst netip.AddrPort

	n   *Net
	mu  sync.Mutex
	req *tcp.ForwarderRequest // nil once decided
}

// Accept completes the handshake with the client and returns the connection, which has
// CloseWrite, CloseRead and SetLinger as well.
func (f *Flow) Accept() (net.Conn, error) {
	req := f.take()
	if req == nil {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: net.TCPAddrFromAddrPort(f.Dst), Err: errFlowDecided}
	}
	wq := new(waiter.Queue)
	ep, e := req.CreateEndpoint(wq)
	req.Complete(false) // the handshake has had its answer, also where it failed
	if e != nil {
		return nil, &net.OpError{
			Op: "accept", Net: "tcp",
			Source: net.TCPAddrFromAddrPort(f.Src), Addr: net.TCPAddrFromAddrPort(f.Dst), Err: syscallError("accept", e),
		}
	}
	return newTCPConn(f.n, wq, ep), nil
}

// Refuse answers with a reset, as a closed port does.
func (f *Flow) Refuse() { f.complete(true) }

// Ignore leaves the client without an answer.
func (f *Flow) Ignore() { f.complete(false) }

func (f *Flow) complete(reset bool) {
	if req := f.take(); req != nil {
		req.Complete(reset)
	}
}

func (f *Flow) take() *tcp.ForwarderRequest {
	f.mu.Lock()
	defer f.mu.Unlock()
	req := f.req
	f.req = nil
	return req
}

// Handle gives every connection attempt to address a, on a port that nobody listens on, to h in
// a goroutine of its own. The context ends when the network closes, and Close waits for h. An
// address without a handler refuses. The address itself is given with AddAddr.
func (n *Net) Handle(a netip.Addr, h func(ctx context.Context, f *Flow)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.handlers[a.Unmap()] = h
}

// Unhandle takes the handler away; flows that it has begun go on.
func (n *Net) Unhandle(a netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.handlers, a.Unmap())
}

// onSYN runs in a goroutine that the stack started for this SYN.
func (n *Net) onSYN(req *tcp.ForwarderRequest) {
	if !n.enter() {
		req.Complete(false)
		return
	}
	defer n.work.Done()
	id := req.ID()
	f := &Flow{
		Src: fromStack(id.RemoteAddress, id.RemotePort), Dst: fromStack(id.LocalAddress, id.LocalPort),
		n: n, req: req,
	}
	n.mu.RLock()
	h := n.handlers[f.Dst.Addr()]
	n.mu.RUnlock()
	if h == nil {
		f.Refuse()
		return
	}
	defer f.Ignore() // the stack must be told exactly once, whatever the handler does
	h(n.ctx, f)
}
