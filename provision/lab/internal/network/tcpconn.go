package network

import (
	"bytes"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/waiter"
)

// tcpConn is a net.Conn over a connected socket of the stack. The adapter that comes with the
// stack reports its errors as bare strings, which nobody can classify; hence this one.
type tcpConn struct {
	n             *Net
	ep            tcpip.Endpoint
	wq            *waiter.Queue
	local, remote net.Addr // kept, for the stack forgets them with the connection

	readMu, writeMu sync.Mutex
	readBy, writeBy *deadline
	closeOnce       sync.Once
	closed          chan struct{}
}

func newTCPConn(n *Net, wq *waiter.Queue, ep tcpip.Endpoint) *tcpConn {
	c := &tcpConn{n: n, ep: ep, wq: wq, readBy: newDeadline(), writeBy: newDeadline(), closed: make(chan struct{})}
	c.local, c.remote = &net.TCPAddr{}, &net.TCPAddr{}
	if a, err := ep.GetLocalAddress(); err == nil {
		c.local = net.TCPAddrFromAddrPort(fromStack(a.Addr, a.Port))
	}
	if a, err := ep.GetRemoteAddress(); err == nil {
		c.remote = net.TCPAddrFromAddrPort(fromStack(a.Addr, a.Port))
	}
	return c
}

// Read implements net.Conn.
func (c *tcpConn) Read(b []byte) (int, error) {
	c.readMu.Lock()
	defer c.readMu.Unlock()
	past := c.readBy.wait()
	if err := c.ready(past); err != nil {
		return 0, c.opError("read", err)
	}
	if len(b) == 0 {
		return 0, nil
	}
	w := tcpip.SliceWriter(b)
	res, e := c.ep.Read(&w, tcpip.ReadOptions{})
	if _, empty := e.(*tcpip.ErrWouldBlock); empty {
		entry, events := waiter.NewChannelEntry(waiter.ReadableEvents | waiter.EventErr | waiter.EventHUp)
		c.wq.EventRegister(&entry)
		defer c.wq.EventUnregister(&entry)
		for {
			res, e = c.ep.Read(&w, tcpip.ReadOptions{})
			if _, empty := e.(*tcpip.ErrWouldBlock); !empty {
				break
			}
			select {
			case <-events:
			case <-past:
				return 0, c.opError("read", os.ErrDeadlineExceeded)
			case <-c.closed:
				return 0, c.opError("read", net.ErrClosed)
			}
		}
	}
	if e == nil {
		c.ep.ModerateRecvBuf(res.Count)
		return res.Count, nil
	}
	if c.gone() {
		return 0, c.opError("read", net.ErrClosed)
	}
	if _, end := e.(*tcpip.ErrClosedForReceive); end {
		return 0, io.EOF
	}
	return 0, c.opError("read", syscallError("read", e))
}

// Write implements net.Conn.
func (c *tcpConn) Write(b []byte) (int, error) {
	c.writeMu.Lock()
	defer c.writeMu.Unlock()
	past := c.writeBy.wait()
	if err := c.ready(past); err != nil {
		return 0, c.opError("write", err)
	}
	var (
		r      bytes.Reader
		entry  waiter.Entry
		events <-chan struct{}
		done   int
	)
	for done < len(b) {
		r.Reset(b[done:])
		n, e := c.ep.Write(&r, tcpip.WriteOptions{})
		done += int(n)
		switch e.(type) {
		case nil:
		case *tcpip.ErrWouldBlock:
			if events == nil { // registered now, so look once more before waiting
				entry, events = waiter.NewChannelEntry(waiter.WritableEvents | waiter.EventErr | waiter.EventHUp)
				c.wq.EventRegister(&entry)
				defer c.wq.EventUnregister(&entry)
				continue
			}
			select {
			case <-events:
			case <-past:
				return done, c.opError("write", os.ErrDeadlineExceeded)
			case <-c.closed:
				return done, c.opError("write", net.ErrClosed)
			}
		default:
			if c.gone() {
				return done, c.opError("write", net.ErrClosed)
			}
			return done, c.opError("write", syscallError("write", e))
		}
	}
	return done, nil
}

// ready says why an operation can't even begin.
func (c *tcpConn) ready(past <-chan struct{}) error {
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

// gone is whether this side gave the connection up: by Close, or because the network closes.
func (c *tcpConn) gone() bool {
	select {
	case <-c.closed:
		return true
	default:
		return c.n.closing()
	}
}

// Close implements net.Conn.
func (c *tcpConn) Close() error {
	err := c.opError("close", net.ErrClosed)
	c.closeOnce.Do(func() {
		close(c.closed)
		c.readBy.set(time.Time{})
		c.writeBy.set(time.Time{})
		c.ep.Close()
		err = nil
	})
	return err
}

// CloseWrite tells the peer that no more data will come; reading goes on.
func (c *tcpConn) CloseWrite() error { return c.shutdown(tcpip.ShutdownWrite) }

// CloseRead gives up reading; writing goes on.
func (c *tcpConn) CloseRead() error { return c.shutdown(tcpip.ShutdownRead) }

func (c *tcpConn) shutdown(how tcpip.ShutdownFlags) error {
	if c.gone() {
		return c.opError("close", net.ErrClosed)
	}
	if e := c.ep.Shutdown(how); e != nil {
		return c.opError("close", syscallError("shutdown", e))
	}
	return nil
}

// SetLinger with 0 makes Close reset the connection, as net.TCPConn's does; a negative value
// restores the ordinary close.
func (c *tcpConn) SetLinger(sec int) error {
	c.ep.SocketOptions().SetLinger(tcpip.LingerOption{Enabled: sec >= 0, Timeout: time.Duration(max(sec, 0)) * time.Second})
	return nil
}

// LocalAddr implements net.Conn.
func (c *tcpConn) LocalAddr() net.Addr { return c.local }

// RemoteAddr implements net.Conn.
func (c *tcpConn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline implements net.Conn.
func (c *tcpConn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (c *tcpConn) SetReadDeadline(t time.Time) error { return c.setDeadline(c.readBy, t) }

// SetWriteDeadline implements net.Conn.
func (c *tcpConn) SetWriteDeadline(t time.Time) error { return c.setDeadline(c.writeBy, t) }

func (c *tcpConn) setDeadline(d *deadline, t time.Time) error {
	if c.gone() {
		return c.opError("set", net.ErrClosed)
	}
	d.set(t)
	return nil
}

func (c *tcpConn) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}
