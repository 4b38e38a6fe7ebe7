package network

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/waiter"
)

// udpConn is a datagram socket, connected or not. It is a net.Conn and a net.PacketConn both, and
// libraries take the second as the sign that messages need no length prefix.
type udpConn struct {
	n      *Net
	ep     tcpip.Endpoint
	wq     *waiter.Queue
	local  net.Addr
	remote net.Addr // nil when not connected

	readBy, writeBy *deadline
	closeOnce       sync.Once
	closed          chan struct{}
}

func newUDPConn(n *Net, wq *waiter.Queue, ep tcpip.Endpoint, connected bool) *udpConn {
	c := &udpConn{n: n, ep: ep, wq: wq, readBy: newDeadline(), writeBy: newDeadline(), closed: make(chan struct{})}
	c.local = &net.UDPAddr{}
	if a, err := ep.GetLocalAddress(); err == nil {
		c.local = net.UDPAddrFromAddrPort(fromStack(a.Addr, a.Port))
	}
	if !connected {
		return c
	}
	if a, err := ep.GetRemoteAddress(); err == nil {
		c.remote = net.UDPAddrFromAddrPort(fromStack(a.Addr, a.Port))
	}
	return c
}

// Read implements net.Conn.
func (c *udpConn) Read(b []byte) (int, error) {
	n, _, err := c.ReadFrom(b)
	return n, err
}

// ReadFrom implements net.PacketConn. What does not fit into b is lost, as with any datagram.
func (c *udpConn) ReadFrom(b []byte) (int, net.Addr, error) {
	past := c.readBy.wait()
	// Errors too, or an ICMP unreachable would be seen only when the deadline passes.
	entry, events := waiter.NewChannelEntry(waiter.ReadableEvents | waiter.EventErr | waiter.EventHUp)
	c.wq.EventRegister(&entry)
	defer c.wq.EventUnregister(&entry)
	for {
		if err := c.ready(past); err != nil {
			return 0, nil, c.opError("read", c.remote, err)
		}
		w := tcpip.SliceWriter(b)
		res, e := c.ep.Read(&w, tcpip.ReadOptions{NeedRemoteAddr: true})
		switch e.(type) {
		case nil:
			return res.Count, net.UDPAddrFromAddrPort(fromStack(res.RemoteAddr.Addr, res.RemoteAddr.Port)), nil
		case *tcpip.ErrBadBuffer: // an empty b
			return 0, nil, nil
		case *tcpip.ErrClosedForReceive:
			return 0, nil, c.opError("read", c.remote, net.ErrClosed)
		case *tcpip.ErrWouldBlock:
		default:
			return 0, nil, c.opError("read", c.remote, syscallError("read", e))
		}
		select {
		case <-events:
		case <-past:
		case <-c.closed:
		}
	}
}

// Write implements net.Conn.
func (c *udpConn) Write(b []byte) (int, error) {
	if c.remote == nil {
		return 0, c.opError("write", nil, os.NewSyscallError("write", syscall.EDESTADDRREQ))
	}
	return c.send(b, c.remote, tcpip.WriteOptions{})
}

// WriteTo implements net.PacketConn.
func (c *udpConn) WriteTo(b []byte, to net.Addr) (int, error) {
	if c.remote != nil {
		return 0, c.opError("write", to, net.ErrWriteToConnected)
	}
	u, ok := to.(*net.UDPAddr)
	if !ok || u == nil {
		return 0, c.opError("write", to, os.NewSyscallError("write", syscall.EINVAL))
	}
	ap := u.AddrPort()
	if local, ok := c.local.(*net.UDPAddr); ok && ap.Addr().Unmap().Is4() != local.AddrPort().Addr().Unmap().Is4() {
		return 0, c.opError("write", to, os.NewSyscallError("write", syscall.EAFNOSUPPORT))
	}
	full := toFull(netip.AddrPortFrom(ap.Addr(), ap.Port()))
	return c.send(b, to, tcpip.WriteOptions{To: &full})
}

func (c *udpConn) send(b []byte, to net.Addr, opts tcpip.WriteOptions) (int, error) {
	past := c.writeBy.wait()
	var (
		entry  waiter.Entry
		events <-chan struct{}
	)
	for {
		if err := c.ready(past); err != nil {
			return 0, c.opError("write", to, err)
		}
		n, e := c.ep.Write(bytes.NewReader(b), opts)
		switch e.(type) {
		case nil:
			return int(n), nil
		case *tcpip.ErrWouldBlock:
		default:
			return 0, c.opError("write", to, syscallError("write", e))
		}
		if events == nil {
			entry, events = waiter.NewChannelEntry(waiter.WritableEvents | waiter.EventErr | waiter.EventHUp)
			c.wq.EventRegister(&entry)
			defer c.wq.EventUnregister(&entry)
			continue
		}
		select {
		case <-events:
		case <-past:
		case <-c.closed:
		}
	}
}

func (c *udpConn) ready(past <-chan struct{}) error {
	if c.gone() {
		return net.ErrClosed
	}
	select {
	case <-past:
		return os.ErrDeadlineExceeded
	default:
		return nil
	}
}

func (c *udpConn) gone() bool {
	select {
	case <-c.closed:
		return true
	default:
		return c.n.closing()
	}
}

// Close implements net.Conn and net.PacketConn.
func (c *udpConn) Close() error {
	err := c.opError("close", c.remote, net.ErrClosed)
	c.closeOnce.Do(func() {
		close(c.closed)
		c.readBy.set(time.Time{})
		c.writeBy.set(time.Time{})
		c.ep.Close()
		err = nil
	})
	return err
}

// LocalAddr implements net.Conn and net.PacketConn.
func (c *udpConn) LocalAddr() net.Addr { return c.local }

// RemoteAddr implements net.Conn; it is nil for a socket that is not connected.
func (c *udpConn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline implements net.Conn and net.PacketConn.
func (c *udpConn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline implements net.Conn and net.PacketConn.
func (c *udpConn) SetReadDeadline(t time.Time) error { return c.setDeadline(c.readBy, t) }

// SetWriteDeadline implements net.Conn and net.PacketConn.
func (c *udpConn) SetWriteDeadline(t time.Time) error { return c.setDeadline(c.writeBy, t) }

func (c *udpConn) setDeadline(d *deadline, t time.Time) error {
	if c.gone() {
		return c.opError("set", c.remote, net.ErrClosed)
	}
	d.set(t)
	return nil
}

func (c *udpConn) opError(op string, remote net.Addr, err error) error {
	return &net.OpError{Op: op, Net: "udp", Source: c.local, Addr: remote, Err: err}
}
