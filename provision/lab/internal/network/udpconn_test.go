package network

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"
)

func dialUDP(t testing.TB, n *Net, dst netip.AddrPort) net.Conn {
	t.Helper()
	c, err := n.Dialer(clientAddr).DialContext(within(t, patience), "udp", dst.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestUDP(t *testing.T) {
	t.Parallel()
	n := newNet(t, clientAddr, serverAddr)
	pc, err := n.ListenPacket(netip.AddrPortFrom(serverAddr, 53))
	if err != nil {
		t.Fatal(err)
	}
	c := dialUDP(t, n, netip.AddrPortFrom(serverAddr, 53))
	if _, ok := c.(net.PacketConn); !ok {
		t.Error("a UDP connection is no net.PacketConn")
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	_ = pc.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write([]byte("question")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	k, from, err := pc.ReadFrom(b)
	if err != nil || string(b[:k]) != "question" || from.String() != c.LocalAddr().String() {
		t.Fatalf("server read %q from %v, %v", b[:k], from, err)
	}
	if _, err := pc.WriteTo([]byte("answer"), from); err != nil {
		t.Fatal(err)
	}
	if k, err = c.Read(b); err != nil || string(b[:k]) != "answer" {
		t.Fatalf("client read %q, %v", b[:k], err)
	}
	// A datagram longer than the MTU travels in fragments.
	long := make([]byte, 20_000)
	if _, err := c.Write(long); err != nil {
		t.Fatal(err)
	}
	if k, _, err = pc.ReadFrom(make([]byte, 1<<16)); err != nil || k != len(long) {
		t.Fatalf("long datagram: %d bytes, %v", k, err)
	}
	if _, err := c.(net.PacketConn).WriteTo(long, from); !errors.Is(err, net.ErrWriteToConnected) {
		t.Errorf("WriteTo on a connected socket: %v", err)
	}
	got := make(chan error, 1)
	go func() {
		_, _, err := pc.ReadFrom(b)
		got <- err
	}()
	_ = pc.Close()
	if err := <-got; !errors.Is(err, net.ErrClosed) {
		t.Errorf("reader of a closed socket: %v", err)
	}
}

func TestUDPErrors(t *testing.T) {
	t.Parallel()
	n := newNet(t, clientAddr, serverAddr)
	closed := netip.AddrPortFrom(serverAddr, 5353)
	t.Run("closed port", func(t *testing.T) {
		t.Parallel()
		c := dialUDP(t, n, closed)
		_ = c.SetDeadline(time.Now().Add(patience))
		if err := write(c); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if err := read(c); !errors.Is(err, syscall.ECONNREFUSED) || time.Since(begin) > patience/2 {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
	t.Run("closed port, reader waits already", func(t *testing.T) {
		t.Parallel()
		c := dialUDP(t, n, closed)
		_ = c.SetDeadline(time.Now().Add(patience))
		got := make(chan error, 1)
		go func() { got <- read(c) }()
		if err := write(c); err != nil {
			t.Fatal(err)
		}
		if err := <-got; !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%v", err)
		}
	})
	t.Run("silence", func(t *testing.T) {
		t.Parallel()
		c := dialUDP(t, n, netip.MustParseAddrPort("10.0.9.9:53"))
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		if err := write(c); err != nil {
			t.Fatal(err)
		}
		if err := read(c); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}
