package lab

import (
	"bufio"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// hostConn is a connection to an instance. It takes the proxy protocol header off at the first
// read, under the deadlines that the reader has set, and takes connections without one as they are.
type hostConn struct {
	net.Conn
	r       *bufio.Reader
	release func()
	plain   bool // a header is left for the server to read

	read   sync.Once
	closed sync.Once
	header *proxyHeader
	err    error
}

func (c *hostConn) Read(b []byte) (int, error) {
	c.read.Do(func() {
		if !c.plain {
			c.header, c.err = readProxyHeader(c.r)
		}
	})
	if c.err != nil {
		return 0, c.err
	}
	return c.r.Read(b)
}

func (c *hostConn) Close() error {
	c.closed.Do(c.release)
	return c.Conn.Close()
}

// unwrap finds the connection to the instance below what a server sees.
func unwrap(c net.Conn) (*hostConn, bool) {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	h, ok := c.(*hostConn)
	return h, ok
}

// hostListener accepts hostConns, a bounded number at a time.
type hostListener struct {
	net.Listener
	slots chan struct{}
	done  chan struct{}
	once  sync.Once
	plain bool
}

func newHostListener(l net.Listener, most int, plain bool) *hostListener {
	return &hostListener{Listener: l, slots: make(chan struct{}, most), done: make(chan struct{}), plain: plain}
}

func (l *hostListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.done:
		return nil, net.ErrClosed
	}
	release := func() { <-l.slots }
	c, err := l.Listener.Accept()
	if err != nil {
		release()
		return nil, err
	}
	return &hostConn{Conn: c, r: bufio.NewReaderSize(c, 4096), release: release, plain: l.plain}, nil
}

func (l *hostListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return l.Listener.Close()
}

// connections are a server's open connections: http.Server.Close does not wait for their
// goroutines.
type connections struct {
	mu   sync.Mutex
	open map[net.Conn]bool
	none chan struct{} // closed when the last one is gone while somebody waits
}

// follow is an http.Server's ConnState.
func (c *connections) follow(conn net.Conn, s http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch s {
	case http.StateNew:
		if c.open == nil {
			c.open = map[net.Conn]bool{}
		}
		c.open[conn] = true
	case http.StateClosed, http.StateHijacked:
		delete(c.open, conn)
		if len(c.open) == 0 && c.none != nil {
			close(c.none)
			c.none = nil
		}
	}
}

// abort makes every connection end in a reset, as when a process dies: a polite end would hold
// the port for a while.
func (c *connections) abort() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.open {
		if h, ok := unwrap(conn); ok {
			if t, ok := h.Conn.(interface{ SetLinger(sec int) error }); ok {
				_ = t.SetLinger(0) // it ends anyway
			}
		}
	}
}

// wait waits until every connection's goroutine has ended.
func (c *connections) wait() {
	c.mu.Lock()
	if len(c.open) == 0 {
		c.mu.Unlock()
		return
	}
	none := make(chan struct{})
	c.none = none
	c.mu.Unlock()
	<-none
}
