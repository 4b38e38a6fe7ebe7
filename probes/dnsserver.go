package probes

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// The bounds of what an engine asks one DNS server from one vantage.
const (
	dnsInFlight = 128  // questions that may lie in the server's buffer; at 512 it overflows
	dnsSockets  = 2    // per server
	dnsPerPort  = 4096 // questions, after which a socket makes way for one with another port
	// dnsQueued is how long a question may lie in a server's buffer. One that is not answered after that fills no buffer
	// any more, and others need not wait for its timeout.
	dnsQueued = 250 * time.Millisecond
	dnsGrain  = 10 * time.Millisecond // how far apart the looks at what is open are, at least
	dnsIdle   = 30 * time.Second      // a socket that nobody needs for so long is closed
	// maxUnasked is how many datagrams that fit no question a socket takes in a row, before it is given up. Networks that
	// send everything twice stay below it.
	maxUnasked = 4 * maxStrays
)

// errEngineClosed is what questions end with that were open when their engine was closed.
var errEngineClosed = errors.New("the engine was closed")

// dnsServer is a DNS server as one vantage asks it: over a few connected sockets that many questions share. Which answer
// is whose is told by the id, which is random, and by the question that is repeated in it; connected sockets take
// datagrams from nobody else.
type dnsServer struct {
	engine *Engine
	key    serverKey
	dial   func(ctx context.Context) (net.Conn, error)
	slots  chan struct{}

	mu      sync.Mutex
	sockets []*dnsSocket
	next    int
}

// asked is one question on its way over UDP. What comes of it is written before it is heard, which is once, and not
// by the goroutine that asked.
type asked struct {
	question question
	packed   []byte // the message, with any id; it is not changed, and may be shared
	timeout  time.Duration
	now      func() time.Time
	to       hearer

	started, ended time.Time
	wire           []byte   // the answer, where there is one; before, room for it
	plain          plain    // what is in it; before, room for the addresses
	msg            *dns.Msg // nil where plain says it all
	err            error    // why there is no answer

	// Of the socket, under its mutex.
	socket   *dnsSocket
	id       uint16
	sent     time.Time
	queued   bool // it holds one of the server's slots
	over     bool // it has landed or was given up; its id is known still, so that a late answer is told from a strange one
	stray    error
	strays   int
	deadline time.Time
}

// hearer is told what has come of a question. It must not wait for anything: the socket's reader tells it.
type hearer interface{ hear(q *asked) }

// send asks each question once, several at a time. It waits while too many are on their way to the server. If it returns an error,
// all but the first so many were not sent, and of them nothing will be heard.
func (s *dnsServer) send(ctx context.Context, qs []*asked) (int, error) {
	for sent := 0; sent < len(qs); {
		n := s.acquire(ctx, len(qs)-sent)
		if n == 0 {
			return sent, context.Cause(ctx)
		}
		some := qs[sent : sent+n]
		now := some[0].now()
		for _, q := range some {
			q.started = now
		}
		for {
			c, err := s.socket(ctx)
			if err != nil {
				for range n {
					<-s.slots
				}
				s.engine.forget(s)
				return sent, err
			}
			if c.send(some) {
				break
			}
		}
		sent += n
	}
	return len(qs), nil
}

// acquire waits for one slot, and takes as many as there are then: who holds some and waits for more would keep them from others.
func (s *dnsServer) acquire(ctx context.Context, most int) int {
	if !acquire(ctx, s.slots) {
		return 0
	}
	for n := 1; ; n++ {
		if n == most {
			return n
		}
		select {
		case s.slots <- struct{}{}:
		default:
			return n
		}
	}
}

// heard is closed when something has come of a question.
type heard chan struct{}

func (h heard) hear(*asked) { close(h) }

// ask sends and waits for the answer.
func (s *dnsServer) ask(ctx context.Context, q *asked) error {
	done := make(heard)
	q.to = done
	if _, err := s.send(ctx, []*asked{q}); err != nil {
		return err
	}
	select {
	case <-done:
	case <-ctx.Done():
		if q.socket.giveUp(q) {
			return context.Cause(ctx)
		}
		<-done
	}
	return q.err
}

// socket is one that takes questions.
func (s *dnsServer) socket(ctx context.Context) (*dnsSocket, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	if len(s.sockets) == dnsSockets {
		return s.sockets[s.next%dnsSockets], nil
	}
	conn, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	c := &dnsSocket{server: s, conn: conn, wire: newDNSWire(conn), left: dnsPerPort/2 + rand.IntN(dnsPerPort/2), open: map[uint16]*asked{}}
	if !s.engine.listen(c) {
		_ = conn.Close()
		return nil, errEngineClosed
	}
	s.sockets = append(s.sockets, c)
	return c, nil
}

// drop takes a socket away from those that are asked over.
func (s *dnsServer) drop(c *dnsSocket) {
	s.mu.Lock()
	s.sockets = slices.DeleteFunc(s.sockets, func(other *dnsSocket) bool { return other == c })
	last := len(s.sockets) == 0
	s.mu.Unlock()
	if last {
		s.engine.forget(s)
	}
}

// parse reads any message. A panic is one that makes no sense.
func (q *asked) parse(wire []byte) (m *dns.Msg, err error) {
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("%w: %v", errBadAnswer, x)
		}
	}()
	return parseAnswer(wire, q.message(q.id))
}

// leadsOn says whether an answer is one after which another question is asked: over TCP, or without EDNS.
func (q *asked) leadsOn() bool {
	return q.msg != nil && (q.msg.Truncated || q.msg.Rcode == dns.RcodeFormatError || q.msg.Rcode == dns.RcodeNotImplemented)
}

// message is the question as miekg/dns has it.
func (q *asked) message(id uint16) *dns.Msg {
	m := new(dns.Msg).SetQuestion(dns.Fqdn(q.question.name), q.question.qtype)
	m.Id = id
	return m
}

// serverKey is a DNS server as a vantage sees it.
type serverKey struct {
	network any // see networkOf
	addr    netip.AddrPort
}
