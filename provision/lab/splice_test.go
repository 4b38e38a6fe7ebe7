package lab

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// loopPair is a TCP connection on loopback: its two ends.
func loopPair(t *testing.T) (near, far *net.TCPConn) {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if near, err = net.DialTCP("tcp", nil, l.Addr().(*net.TCPAddr)); err != nil {
		t.Fatal(err)
	}
	if far, err = l.AcceptTCP(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

// spliced joins a client and a target by a load balancer's splice. done is closed when it ends.
func spliced(t *testing.T, ctx context.Context, idle time.Duration) (client, target *net.TCPConn, done chan struct{}) {
	t.Helper()
	client, down := loopPair(t)
	up, target := loopPair(t)
	p := &plane{buffers: sync.Pool{New: func() any { b := make([]byte, spliceBuffer); return &b }}}
	done = make(chan struct{})
	go func() {
		defer close(done)
		p.splice(ctx, down, up, idle)
	}()
	deadline := time.Now().Add(10 * time.Second)
	for _, c := range []*net.TCPConn{client, target} {
		if err := c.SetDeadline(deadline); err != nil {
			t.Fatal(err)
		}
	}
	return client, target, done
}

func ended(t *testing.T, done chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("the splice does not end")
	}
}

func TestSplicePassesHalfClose(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	client, target, done := spliced(t, t.Context(), time.Minute)
	if _, err := io.WriteString(client, "question"); err != nil {
		t.Fatal(err)
	}
	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(target); err != nil || string(got) != "question" {
		t.Fatalf("target read %q, %v", got, err)
	}
	// The other direction is still open.
	if _, err := io.WriteString(target, "answer"); err != nil {
		t.Fatal(err)
	}
	target.Close()
	if got, err := io.ReadAll(client); err != nil || string(got) != "answer" {
		t.Fatalf("client read %q, %v", got, err)
	}
	ended(t, done)
	goleak.VerifyNone(t, ignore)
}

// After the idle time nobody is told that the connection is forgotten; who says something then is reset.
func TestSpliceForgetsWhenIdle(t *testing.T) {
	t.Parallel()
	const idle = 600 * time.Millisecond // longer than a busy machine stalls
	began := time.Now()
	client, target, done := spliced(t, t.Context(), idle)
	// One direction alone keeps both alive.
	tick := time.NewTicker(idle / 5)
	defer tick.Stop()
	b := make([]byte, 1)
	for range 10 {
		<-tick.C
		if _, err := client.Write(b); err != nil {
			t.Fatalf("busy for %s: %v", time.Since(began), err)
		}
		if _, err := io.ReadFull(target, b); err != nil {
			t.Fatalf("busy for %s: %v", time.Since(began), err)
		}
	}
	quiet := time.Now()
	if _, err := target.Read(b); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the target reads %v, want a reset", err)
	}
	if took := time.Since(quiet); took < idle/2 {
		t.Errorf("forgotten %s after the last byte, want %s", took, idle)
	}
	if err := client.SetReadDeadline(time.Now().Add(idle / 6)); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the client, which said nothing, reads %v", err)
	}
	select {
	case <-done:
		t.Fatal("the client's connection ended before it said anything")
	default:
	}
	if err := client.SetReadDeadline(quiet.Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Write(b); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Read(b); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client reads %v after it spoke, want a reset", err)
	}
	ended(t, done)
}

// A client that goes away without a word more leaves nothing behind.
func TestSpliceForgetsAClientThatCloses(t *testing.T) {
	t.Parallel()
	client, _, done := spliced(t, t.Context(), 50*time.Millisecond)
	client.Close()
	ended(t, done)
}

func TestSpliceEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	client, _, done := spliced(t, ctx, time.Minute)
	cancel()
	ended(t, done)
	if _, err := client.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("client after the end: %v", err)
	}
}
