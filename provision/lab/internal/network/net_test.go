package network

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen; it is never reached when all is well.
const patience = 10 * time.Second

var (
	clientAddr = netip.MustParseAddr("10.0.1.50")
	serverAddr = netip.MustParseAddr("10.0.1.100")
	serverPort = netip.AddrPortFrom(serverAddr, 80)
)

func newNet(t testing.TB, addrs ...netip.Addr) *Net {
	t.Helper()
	n, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	for _, a := range addrs {
		if err := n.AddAddr(a); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// echo accepts at ap and sends back what it reads until the test ends.
func echo(t testing.TB, n *Net, ap netip.AddrPort) {
	t.Helper()
	l, err := n.Listen(ap)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
}

func roundTrip(t testing.TB, c net.Conn, s string) {
	t.Helper()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte(s)); err != nil {
		t.Fatalf("write: %v", err)
	}
	b := make([]byte, len(s))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != s {
		t.Fatalf("read %q, %v; want %q", b, err, s)
	}
}

func TestConnectAndEcho(t *testing.T) {
	t.Parallel()
	n := newNet(t, clientAddr, serverAddr)
	echo(t, n, serverPort)
	c, err := n.Dialer(clientAddr).DialContext(within(t, patience), "tcp", serverPort.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	roundTrip(t, c, "hello")
	if got := c.RemoteAddr().String(); got != serverPort.String() {
		t.Errorf("remote address %s", got)
	}
	if got := netip.MustParseAddrPort(c.LocalAddr().String()).Addr(); got != clientAddr {
		t.Errorf("local address %s, want the dialer's own", got)
	}
	if s := n.Stats(); s.Passed == 0 || s.Dropped != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestTwoNetworksWithTheSameAddressesDoNotMeet(t *testing.T) {
	t.Parallel()
	a, b := newNet(t, clientAddr, serverAddr), newNet(t, clientAddr, serverAddr)
	echo(t, a, serverPort)
	c, err := a.Dialer(clientAddr).DialContext(within(t, patience), "tcp", serverPort.String())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	c, err = b.Dialer(clientAddr).DialContext(within(t, patience), "tcp", serverPort.String())
	if err == nil {
		c.Close()
		t.Fatal("the other network's listener answered")
	}
}

func TestAddAddr(t *testing.T) {
	t.Parallel()
	n := newNet(t, clientAddr)
	if err := n.AddAddr(clientAddr); err == nil {
		t.Error("the same address twice: no error")
	}
	if err := n.AddAddr(netip.MustParseAddr("fe80::1%eth0")); err == nil {
		t.Error("an address of a zone: no error")
	}
	n.DelAddr(serverAddr) // not there: nothing happens
}

func TestDelAddrSilencesItsFlows(t *testing.T) {
	t.Parallel()
	n := newNet(t, clientAddr, serverAddr)
	served := make(chan error, 1)
	n.Handle(serverAddr, func(_ context.Context, f *Flow) {
		c, err := f.Accept()
		if err != nil {
			served <- err
			return
		}
		defer c.Close()
		if _, err = io.ReadFull(c, make([]byte, 1)); err == nil {
			_, err = c.Write([]byte("x"))
		}
		if err == nil {
			_, err = c.Read(make([]byte, 1))
		}
		served <- err
	})
	c, err := n.Dialer(clientAddr).DialContext(within(t, patience), "tcp", serverPort.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	roundTrip(t, c, "x")
	n.DelAddr(serverAddr)
	select {
	case err := <-served:
		if err == nil || errors.Is(err, io.EOF) {
			t.Errorf("the deleted address's socket: %v, want an error", err)
		}
	case <-time.After(patience):
		t.Error("the deleted address's socket lives on")
	}
	var ne net.Error
	_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := c.Read(make([]byte, 1)); !errors.As(err, &ne) || !ne.Timeout() {
		t.Errorf("the peer reads %v, want silence", err)
	}
	// It can come back.
	if err := n.AddAddr(serverAddr); err != nil {
		t.Fatal(err)
	}
	c2, err := n.Dialer(clientAddr).DialContext(within(t, patience), "tcp", serverPort.String())
	if err != nil {
		t.Fatal(err)
	}
	c2.Close()
}

func TestUseAfterClose(t *testing.T) {
	t.Parallel()
	n := newNet(t, clientAddr, serverAddr)
	l, err := n.Listen(serverPort)
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			_, err = c.Read(make([]byte, 1))
		}
		accepted <- err
	}()
	c, err := n.Dialer(clientAddr).DialContext(within(t, patience), "tcp", serverPort.String())
	if err != nil {
		t.Fatal(err)
	}
	n.Close()
	n.Close() // twice is fine
	if err := <-accepted; !errors.Is(err, net.ErrClosed) {
		t.Errorf("server side after Close: %v", err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read after Close: %v", err)
	}
	if _, err := c.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write after Close: %v", err)
	}
	c.Close()
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept after Close: %v", err)
	}
	_ = l.Close()
	if _, err := n.Listen(serverPort); !errors.Is(err, net.ErrClosed) {
		t.Errorf("listen after Close: %v", err)
	}
	if _, err := n.ListenPacket(serverPort); !errors.Is(err, net.ErrClosed) {
		t.Errorf("listen packet after Close: %v", err)
	}
	if _, err := n.Dialer(clientAddr).DialContext(within(t, patience), "tcp", serverPort.String()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("dial after Close: %v", err)
	}
}
