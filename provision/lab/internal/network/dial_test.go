package network

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// short is the deadline of a dial that must get no answer.
const short = 100 * time.Millisecond

func onlySYN(v Verdict) Policy {
	return func(p Packet) (Verdict, time.Duration) {
		if p.SYN && !p.ACK {
			return v, 0
		}
		return Pass, 0
	}
}

func TestDialOutcomes(t *testing.T) {
	t.Parallel()
	timeout := func(err error) bool {
		var ne net.Error
		return errors.As(err, &ne) && ne.Timeout() &&
			errors.Is(err, os.ErrDeadlineExceeded) && errors.Is(err, context.DeadlineExceeded)
	}
	is := func(want error) func(error) bool { return func(err error) bool { return errors.Is(err, want) } }
	for _, tt := range []struct {
		name    string
		network string // tcp when empty
		dst     string
		src     netip.Addr // clientAddr when zero
		policy  Policy
		handler func(context.Context, *Flow)
		limit   time.Duration // patience when zero
		ok      func(error) bool
	}{
		{name: "no listener is refused", dst: "10.0.1.100:81", ok: is(syscall.ECONNREFUSED)},
		{name: "unused address times out", dst: "10.0.9.9:80", limit: short, ok: timeout},
		{name: "closed security group times out", dst: "10.0.1.100:80", policy: onlySYN(Drop), limit: short, ok: timeout},
		{name: "reset by the policy", dst: "10.0.1.100:80", policy: onlySYN(RejectRST), ok: is(syscall.ECONNREFUSED)},
		{name: "unreachable by the policy", dst: "10.0.1.100:80", policy: onlySYN(RejectICMP), ok: is(syscall.EHOSTUNREACH)},
		{name: "handler refuses", dst: "10.0.1.100:81", handler: func(_ context.Context, f *Flow) { f.Refuse() }, ok: is(syscall.ECONNREFUSED)},
		{name: "handler ignores", dst: "10.0.1.100:81", handler: func(_ context.Context, f *Flow) { f.Ignore() }, limit: short, ok: timeout},
		{name: "handler forgets", dst: "10.0.1.100:81", handler: func(context.Context, *Flow) {}, limit: short, ok: timeout},
		{name: "source not of this network", dst: "10.0.1.100:80", src: netip.MustParseAddr("10.0.1.51"), ok: is(syscall.EADDRNOTAVAIL)},
		{name: "IPv6 from a host without", dst: "[fd00::1]:80", ok: is(syscall.ENETUNREACH)},
		{name: "IPv6 as IPv4", network: "tcp4", dst: "[fd00::1]:80", ok: is(syscall.EAFNOSUPPORT)},
		{name: "IPv4 as IPv6", network: "tcp6", dst: "10.0.1.100:80", ok: is(syscall.EAFNOSUPPORT)},
		{name: "no address", dst: "example.com:80", ok: func(err error) bool { return errors.As(err, new(*net.AddrError)) }},
		{name: "unknown network", network: "unix", dst: "10.0.1.100:80", ok: func(err error) bool { return errors.As(err, new(net.UnknownNetworkError)) }},
		{name: "past deadline", dst: "10.0.1.100:80", limit: -time.Second, ok: timeout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := newNet(t, clientAddr, serverAddr)
			echo(t, n, serverPort)
			n.SetPolicy(tt.policy)
			if tt.handler != nil {
				n.Handle(serverAddr, tt.handler)
			}
			src, limit, network := tt.src, tt.limit, tt.network
			if !src.IsValid() {
				src = clientAddr
			}
			if limit == 0 {
				limit = patience
			}
			if network == "" {
				network = "tcp"
			}
			begin := time.Now()
			c, err := n.Dialer(src).DialContext(within(t, limit), network, tt.dst)
			if err == nil {
				c.Close()
				t.Fatal("connected")
			}
			if !tt.ok(err) {
				t.Errorf("%v (%#v)", err, errors.Unwrap(err))
			}
			if !errors.As(err, new(*net.OpError)) {
				t.Errorf("not a net.OpError: %v", err)
			}
			if limit == short && time.Since(begin) < short {
				t.Errorf("gave up after %v, before the deadline", time.Since(begin))
			}
		})
	}
}

func TestDialCancelled(t *testing.T) {
	t.Parallel()
	n := newNet(t, clientAddr)
	sent := make(chan struct{})
	var once sync.Once
	n.SetPolicy(func(Packet) (Verdict, time.Duration) {
		once.Do(func() { close(sent) })
		return Drop, 0
	})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-sent
		cancel()
	}()
	_, err := n.Dialer(clientAddr).DialContext(ctx, "tcp", "10.0.9.9:80")
	var ne net.Error
	if !errors.Is(err, context.Canceled) || errors.As(err, &ne) && ne.Timeout() {
		t.Errorf("cancelled dial: %v", err)
	}
}

func TestDialerOwnTimeout(t *testing.T) {
	t.Parallel()
	n := newNet(t, clientAddr)
	d := n.Dialer(clientAddr)
	d.Timeout = short
	if _, err := d.DialContext(context.Background(), "tcp", "10.0.9.9:80"); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestPolicyKeepsEstablishedFlows(t *testing.T) {
	t.Parallel()
	n := newNet(t, clientAddr, serverAddr)
	echo(t, n, serverPort)
	c, err := n.Dialer(clientAddr).DialContext(within(t, patience), "tcp", serverPort.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	n.SetPolicy(onlySYN(Drop))
	roundTrip(t, c, "still here")
	if _, err := n.Dialer(clientAddr).DialContext(within(t, short), "tcp", serverPort.String()); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("new flow: %v", err)
	}
	if n.Stats().Dropped == 0 {
		t.Error("no packet counted as dropped")
	}
}

func TestPolicyResetsEstablishedFlow(t *testing.T) {
	t.Parallel()
	n := newNet(t, clientAddr, serverAddr)
	echo(t, n, serverPort)
	c, err := n.Dialer(clientAddr).DialContext(within(t, patience), "tcp", serverPort.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	roundTrip(t, c, "x")
	n.SetPolicy(func(p Packet) (Verdict, time.Duration) {
		if p.Src == clientAddr {
			return RejectRST, 0
		}
		return Pass, 0
	})
	_ = c.SetDeadline(time.Now().Add(patience))
	_, _ = c.Write([]byte("y"))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read: %v, want a reset", err)
	}
}

func TestLatency(t *testing.T) {
	t.Parallel()
	const oneWay = 20 * time.Millisecond
	n := newNet(t, clientAddr, serverAddr)
	echo(t, n, serverPort)
	n.SetPolicy(func(Packet) (Verdict, time.Duration) { return Pass, oneWay })
	begin := time.Now()
	c, err := n.Dialer(clientAddr).DialContext(within(t, patience), "tcp", serverPort.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if d := time.Since(begin); d < 2*oneWay {
		t.Errorf("connected in %v, less than a round trip", d)
	}
	roundTrip(t, c, "slow")
}

// A lost SYN costs the client its retransmission timer of a second, and the dial still succeeds.
func TestLossIsRetransmitted(t *testing.T) {
	t.Parallel()
	n := newNet(t, clientAddr, serverAddr)
	echo(t, n, serverPort)
	var syns atomic.Int32
	n.SetPolicy(func(p Packet) (Verdict, time.Duration) {
		if p.SYN && !p.ACK && syns.Add(1) == 1 {
			return Drop, 0
		}
		return Pass, 0
	})
	begin := time.Now()
	c, err := n.Dialer(clientAddr).DialContext(within(t, patience), "tcp", serverPort.String())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if d := time.Since(begin); syns.Load() < 2 || d < 900*time.Millisecond {
		t.Errorf("connected in %v with %d SYNs", d, syns.Load())
	}
}

func TestMTU(t *testing.T) {
	t.Parallel()
	n := newNet(t, clientAddr, serverAddr)
	echo(t, n, serverPort)
	var longest atomic.Int64
	n.SetPolicy(func(p Packet) (Verdict, time.Duration) {
		for {
			old := longest.Load()
			if int64(p.Len) <= old || longest.CompareAndSwap(old, int64(p.Len)) {
				return Pass, 0
			}
		}
	})
	d := n.Dialer(clientAddr)
	c, err := d.DialContext(within(t, patience), "tcp", serverPort.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	roundTrip(t, c, string(make([]byte, 100_000)))
	if got := longest.Load(); got > 8500 || got < 8000 {
		t.Errorf("longest packet %d bytes, want just under 8500", got)
	}
	// A path that silently loses what is longer than 1500: the handshake works, bulk data stalls.
	n.SetPolicy(func(p Packet) (Verdict, time.Duration) {
		if p.Len > 1500 {
			return Drop, 0
		}
		return Pass, 0
	})
	c2, err := d.DialContext(within(t, patience), "tcp", serverPort.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c2.Close()
	roundTrip(t, c2, "small")
	if _, err := c2.Write(make([]byte, 20_000)); err != nil {
		t.Fatal(err)
	}
	_ = c2.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	if _, err := c2.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("bulk data over the black hole: %v, want a stall", err)
	}
}
