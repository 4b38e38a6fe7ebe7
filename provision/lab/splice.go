package lab

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// Idle timeouts of TCP: a listener's, unless tcp.idle_timeout.seconds is set (NLB guide, TCP idle timeout), and that of
// endpoints, which cannot be set (AWS Networking Blog, Implementing long-running TCP connections within VPC networking).
const (
	defaultIdleTimeout  = 350 * time.Second
	endpointIdleTimeout = 350 * time.Second
)

// idle is how long an idle timeout takes in the lab.
func (t Timing) idle(d time.Duration) time.Duration {
	if t.IdleScale > 0 {
		d = time.Duration(float64(d) / t.IdleScale)
	}
	return d
}

// flowEnd is how one direction of a flow ended.
type flowEnd int

const (
	finished flowEnd = iota // its source had no more to say, which was passed on
	broken
	idled // neither end said anything for the idle time
)

// splice copies both ways until both ends are done, one fails, nothing was sent for the idle time,
// or ctx ends. The end of one direction is passed on and leaves the other open.
func (p *plane) splice(ctx context.Context, client, target net.Conn, idle time.Duration) {
	drop := func() { _, _ = client.Close(), target.Close() }
	defer drop()
	defer context.AfterFunc(ctx, drop)()
	var last atomic.Int64
	last.Store(time.Now().UnixNano())
	back := make(chan flowEnd)
	go func() {
		end := p.pump(client, target, &last, idle)
		if end == broken {
			drop()
		}
		back <- end
	}()
	there := p.pump(target, client, &last, idle)
	if there == broken {
		drop()
	}
	if here := <-back; here != broken && there != broken && (here == idled || there == idled) {
		forget(client, target)
	}
}

// forget is what happens to a connection that was silent for too long: nobody is told, and whoever says something
// afterwards is answered with a reset (NLB guide, TCP idle timeout). That endpoints do so too, rather than leave it
// without an answer, is UNSOURCED. The target, which nobody watches, is told at once.
func forget(client, target net.Conn) {
	abort(target)
	_ = client.SetReadDeadline(time.Time{})
	_, _ = client.Read(make([]byte, 1)) // or its end, or ours
	abort(client)
}

// abort ends a connection with a reset.
func abort(c net.Conn) {
	if l, ok := c.(interface{ SetLinger(sec int) error }); ok {
		_ = l.SetLinger(0)
	}
	_ = c.Close()
}

// pump copies one way until the source ends, and then ends the destination's input.
func (p *plane) pump(dst, src net.Conn, last *atomic.Int64, idle time.Duration) flowEnd {
	buf := p.buffers.Get().(*[]byte)
	defer p.buffers.Put(buf)
	for {
		_ = src.SetReadDeadline(time.Unix(0, last.Load()).Add(idle)) // a closed connection fails at Read
		n, err := src.Read(*buf)
		if n > 0 {
			last.Store(time.Now().UnixNano())
			if _, err := dst.Write((*buf)[:n]); err != nil {
				return broken
			}
		}
		var timeout net.Error
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			if w, ok := dst.(interface{ CloseWrite() error }); ok && w.CloseWrite() == nil {
				return finished
			}
			return broken
		case errors.As(err, &timeout) && timeout.Timeout():
			if time.Since(time.Unix(0, last.Load())) >= idle {
				return idled
			} // else the other direction was busy
		default:
			return broken
		}
	}
}
