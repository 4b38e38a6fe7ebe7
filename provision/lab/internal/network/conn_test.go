package network

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/nettest"
)

// pipe is the two ends of a connection. With a flow, the server's end comes from a handler, else
// from a listener.
func pipe(t testing.TB, n *Net, flow bool) (client, server net.Conn) {
	t.Helper()
	accepted := make(chan net.Conn, 1)
	var dst netip.AddrPort
	if flow {
		dst = netip.AddrPortFrom(serverAddr, 8080)
		n.Handle(serverAddr, func(_ context.Context, f *Flow) {
			c, err := f.Accept()
			if err != nil {
				t.Errorf("accept: %v", err)
			}
			accepted <- c
		})
	} else {
		l, err := n.Listen(netip.AddrPortFrom(serverAddr, 0))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		dst = netip.MustParseAddrPort(l.Addr().String())
		go func() {
			c, err := l.Accept()
			if err != nil {
				t.Errorf("accept: %v", err)
			}
			accepted <- c
		}()
	}
	c, err := n.Dialer(clientAddr).DialContext(within(t, patience), "tcp", dst.String())
	if err != nil {
		t.Fatal(err)
	}
	return c, <-accepted
}

// The net package's own conformance test of what a net.Conn must do.
func TestConnConformance(t *testing.T) {
	for _, flow := range []bool{false, true} {
		name := map[bool]string{false: "listener", true: "flow"}[flow]
		t.Run(name, func(t *testing.T) {
			nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
				n, err := New(Options{})
				if err != nil {
					return nil, nil, nil, err
				}
				for _, a := range []netip.Addr{clientAddr, serverAddr} {
					if err := n.AddAddr(a); err != nil {
						return nil, nil, nil, err
					}
				}
				c, s := pipe(t, n, flow)
				return c, s, func() {
					c.Close()
					s.Close()
					n.Close()
				}, nil
			})
		})
	}
}

func TestConnErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		peer func(t *testing.T, c, s net.Conn) // what happens before
		do   func(c net.Conn) error
		want error
	}{
		{"end of data", func(_ *testing.T, _, s net.Conn) { s.Close() }, read, io.EOF},
		{"half close", func(t *testing.T, _, s net.Conn) { closeWrite(t, s) }, read, io.EOF},
		{"reset", func(t *testing.T, _, s net.Conn) { reset(t, s) }, read, syscall.ECONNRESET},
		{"write after a reset was read", func(t *testing.T, c, s net.Conn) {
			reset(t, s)
			if err := read(c); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("read: %v", err)
			}
		}, write, syscall.EPIPE},
		{"write after own half close", func(t *testing.T, c, _ net.Conn) { closeWrite(t, c) }, write, syscall.EPIPE},
		{"read deadline", func(_ *testing.T, c, _ net.Conn) { _ = c.SetReadDeadline(time.Now().Add(10 * time.Millisecond)) }, read, os.ErrDeadlineExceeded},
		{"past write deadline", func(_ *testing.T, c, _ net.Conn) { _ = c.SetWriteDeadline(time.Now().Add(-time.Second)) }, write, os.ErrDeadlineExceeded},
		{"write deadline with a peer that does not read", func(_ *testing.T, c, _ net.Conn) {
			_ = c.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		}, func(c net.Conn) error {
			_, err := c.Write(make([]byte, 64<<20))
			return err
		}, os.ErrDeadlineExceeded},
		{"read after own close", func(_ *testing.T, c, _ net.Conn) { c.Close() }, read, net.ErrClosed},
		{"write after own close", func(_ *testing.T, c, _ net.Conn) { c.Close() }, write, net.ErrClosed},
		{"close twice", func(_ *testing.T, c, _ net.Conn) { c.Close() }, net.Conn.Close, net.ErrClosed},
		{"deadline after own close", func(_ *testing.T, c, _ net.Conn) { c.Close() }, func(c net.Conn) error { return c.SetDeadline(time.Now()) }, net.ErrClosed},
	} {
		for _, flow := range []bool{false, true} {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				n := newNet(t, clientAddr, serverAddr)
				c, s := pipe(t, n, flow)
				defer c.Close()
				defer s.Close()
				tt.peer(t, c, s)
				err := tt.do(c)
				if !errors.Is(err, tt.want) {
					t.Errorf("%v, want %v", err, tt.want)
				}
				if tt.want != io.EOF && !errors.As(err, new(*net.OpError)) {
					t.Errorf("not a net.OpError: %v", err)
				}
			})
		}
	}
}

func read(c net.Conn) error {
	_, err := c.Read(make([]byte, 1))
	return err
}

func write(c net.Conn) error {
	_, err := c.Write([]byte("x"))
	return err
}

func closeWrite(t *testing.T, c net.Conn) {
	if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Errorf("close write: %v", err)
	}
}

func reset(t *testing.T, c net.Conn) {
	if err := c.(interface{ SetLinger(int) error }).SetLinger(0); err != nil {
		t.Errorf("set linger: %v", err)
	}
	c.Close()
}

func TestHalfCloseStillReads(t *testing.T) {
	t.Parallel()
	n := newNet(t, clientAddr, serverAddr)
	c, s := pipe(t, n, true)
	defer c.Close()
	defer s.Close()
	if _, err := c.Write([]byte("question")); err != nil {
		t.Fatal(err)
	}
	closeWrite(t, c)
	if b, err := io.ReadAll(s); err != nil || string(b) != "question" {
		t.Fatalf("server read %q, %v", b, err)
	}
	if _, err := s.Write([]byte("answer")); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if b, err := io.ReadAll(c); err != nil || string(b) != "answer" {
		t.Fatalf("client read %q, %v", b, err)
	}
}

func TestCloseWakesReader(t *testing.T) {
	t.Parallel()
	n := newNet(t, clientAddr, serverAddr)
	c, s := pipe(t, n, false)
	defer s.Close()
	got := make(chan error, 1)
	go func() { got <- read(c) }()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-got; !errors.Is(err, net.ErrClosed) {
		t.Errorf("reader woke with %v", err)
	}
}

func TestListenErrors(t *testing.T) {
	t.Parallel()
	n := newNet(t, serverAddr)
	l, err := n.Listen(serverPort)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Listen(serverPort); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("same port twice: %v", err)
	}
	if _, err := n.Listen(netip.MustParseAddrPort("10.0.9.9:80")); !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Errorf("foreign address: %v", err)
	}
	if _, err := n.Listen(netip.MustParseAddrPort("[fd00::1]:80")); !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Errorf("foreign address, IPv6: %v", err)
	}
	if _, err := n.ListenPacket(netip.MustParseAddrPort("10.0.9.9:53")); !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Errorf("foreign address, UDP: %v", err)
	}
	got := make(chan error, 1)
	go func() {
		_, err := l.Accept()
		got <- err
	}()
	_ = l.Close()
	if err := <-got; !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept after close: %v", err)
	}
	l, err = n.Listen(serverPort)
	if err != nil {
		t.Fatalf("listen again after close: %v", err)
	}
	_ = l.Close()
}
