package network

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestIPv6 goes the ways of IPv4 over IPv6: listeners, flows, datagrams and every verdict.
func TestIPv6(t *testing.T) {
	t.Parallel()
	client, server := netip.MustParseAddr("2600:1f00:0:100::32"), netip.MustParseAddr("2600:1f00:0:100::64")
	n := newNet(t, clientAddr, serverAddr, client, server)
	echo(t, n, netip.AddrPortFrom(server, 80))
	n.Handle(server, func(_ context.Context, f *Flow) {
		if f.Src.Addr() != client || f.Dst != netip.AddrPortFrom(server, 443) {
			f.Refuse()
			return
		}
		c, err := f.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.Copy(c, c)
	})
	for _, port := range []uint16{80, 443} {
		c, err := n.Dialer(client).DialContext(within(t, patience), "tcp", netip.AddrPortFrom(server, port).String())
		if err != nil {
			t.Fatalf("port %d: %v", port, err)
		}
		if _, err := c.Write([]byte("ping")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 4)); err != nil {
			t.Fatalf("port %d: %v", port, err)
		}
		if got := c.RemoteAddr().String(); got != netip.AddrPortFrom(server, port).String() {
			t.Errorf("remote address %s", got)
		}
		c.Close()
	}
	if _, err := n.Dialer(client).DialContext(within(t, patience), "tcp", netip.AddrPortFrom(server, 81).String()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a closed port: %v, want refused", err)
	}

	u, err := n.ListenPacket(netip.AddrPortFrom(server, 53))
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	c, err := n.Dialer(client).DialContext(within(t, patience), "udp", netip.AddrPortFrom(server, 53).String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("question")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 64)
	size, from, err := u.ReadFrom(b)
	if err != nil || string(b[:size]) != "question" {
		t.Fatalf("%q, %v", b[:size], err)
	}
	if _, err := u.WriteTo([]byte("answer"), from); err != nil {
		t.Fatal(err)
	}
	if size, err = c.Read(b); err != nil || string(b[:size]) != "answer" {
		t.Errorf("%q, %v", b[:size], err)
	}

	var mu sync.Mutex
	seen := map[Packet]bool{}
	for _, v := range []struct {
		verdict Verdict
		want    error
	}{{RejectRST, syscall.ECONNREFUSED}, {RejectICMP, syscall.ENETUNREACH}} {
		n.SetPolicy(func(p Packet) (Verdict, time.Duration) {
			if !p.SYN || p.ACK {
				return Pass, 0
			}
			mu.Lock()
			defer mu.Unlock()
			seen[Packet{Src: p.Src, Dst: p.Dst, Proto: p.Proto, DstPort: p.DstPort}] = true
			return v.verdict, 0
		})
		if _, err := n.Dialer(client).DialContext(within(t, patience), "tcp", netip.AddrPortFrom(server, 80).String()); !errors.Is(err, v.want) {
			t.Errorf("verdict %d: %v, want %v", v.verdict, err, v.want)
		}
	}
	if mu.Lock(); !seen[Packet{Src: client, Dst: server, Proto: 6, DstPort: 80}] {
		t.Errorf("the policy saw %v", seen)
	}
	mu.Unlock()
	n.SetPolicy(nil)
	n.DelAddr(server)
	if n.HasAddr(server) || !n.HasAddr(serverAddr) {
		t.Error("one address was taken away, another is gone")
	}
}
