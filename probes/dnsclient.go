package probes

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// The bounds of a question.
const (
	dnsAttempts    = 3    // a lookup counts as failed after this many unanswered questions
	ednsSize       = 1232 // what DNS flag day 2020 recommends: no fragments on any path
	maxStrays      = 64   // datagrams that don't fit the question, before a socket is given up
	maxDNSMessage  = 65535
	maxChain       = 16  // CNAMEs in one answer
	maxAnswerItems = 256 // addresses, texts or hosts kept of one answer
)

// question is what one lookup asks.
type question struct {
	name     string // with or without the trailing dot
	qtype    uint16
	server   netip.AddrPort
	recurse  bool // asked of a resolver, not of an authoritative server
	attempts int
}

// dnsClient asks DNS servers from one vantage.
type dnsClient struct {
	run     *run
	vantage Vantage
	name    string // of the vantage

	// With an engine questions over UDP go over sockets that are there already. In a fast round it may be known what the
	// first one came to.
	engine *Engine
	first  *asked
}

// ask asks one server until it answers, at most q.attempts times. Whatever comes of it is in the
// Lookup. An answer is never asked for again, whatever it says; only silence is.
func (c *dnsClient) ask(ctx context.Context, q question) (l Lookup) {
	l = Lookup{
		Vantage: c.name, Name: clean(bare(q.name), maxName), Type: dns.TypeToString[q.qtype], Server: q.server,
		Started: c.run.now(), Outcome: NotAsked,
	}
	// The result has a name for this: what a return copied, a defer would change too late.
	defer func() { l.Duration = c.run.now().Sub(l.Started) }()
	if !acquire(ctx, c.run.dnsSlots) {
		l.Detail = "the run was interrupted"
		return l
	}
	defer func() { <-c.run.dnsSlots }()
	l.Started = c.run.now() // not the time spent in the queue
	if c.first != nil && !c.first.started.IsZero() {
		l.Started = c.first.started
	}

	c.attempt(ctx, q, &l)
	return l
}

func (c *dnsClient) attempt(ctx context.Context, q question, l *Lookup) {
	network, edns := "udp", true
	for tries := max(q.attempts, 1); l.Attempts < tries; {
		l.Attempts++
		a, err := c.exchange(ctx, network, q, edns)
		if network == "udp" && errors.Is(err, errors.ErrUnsupported) {
			network, l.Attempts = "tcp", l.Attempts-1
			continue
		}
		if err != nil {
			l.Transport = network
			l.Outcome, l.Detail = classify(ctx, err)
			if errors.Is(err, errBadAnswer) {
				l.Outcome = BadAnswer
			}
			if l.Outcome == NotAsked || l.Outcome == NoVia {
				return
			}
			continue
		}
		if edns && (a.msg.Rcode == dns.RcodeFormatError || a.msg.Rcode == dns.RcodeNotImplemented) {
			edns = false // a server from before RFC 6891
			tries++
			continue
		}
		l.Transport, l.Detail = a.transport, ""
		digest(l, a, q)
		return
	}
}

// answer is a message that fits the question.
type answer struct {
	msg       *dns.Msg
	wire      []byte
	transport string
}

// exchange asks once: over UDP with TCP when the answer is truncated, or over TCP alone.
func (c *dnsClient) exchange(ctx context.Context, network string, q question, edns bool) (answer, error) {
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(q.name), q.qtype)
	m.RecursionDesired = q.recurse
	if edns {
		m.SetEdns0(ednsSize, false)
	}
	packed, err := m.Pack()
	if err != nil {
		return answer{}, fmt.Errorf("pack a question for %s: %w", clean(q.name, maxName), err)
	}
	send := func(network string) (answer, error) {
		if network == "udp" && edns && c.engine != nil {
			if s := c.engine.server(c.vantage, q.server, c.run.limit.dns); s != nil {
				return c.shared(ctx, s, q, packed)
			}
		}
		ctx, cancel := context.WithTimeout(ctx, c.run.limit.dns)
		defer cancel()
		conn, err := c.vantage.DialContext(ctx, network, q.server.String())
		if err != nil {
			return answer{}, err
		}
		defer conn.Close()
		// The deadline comes with the context: a cancelled run must not wait for a silent server.
		stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
		defer stop()
		if network == "udp" {
			return viaUDP(conn, packed, m)
		}
		return viaTCP(conn, packed, m)
	}
	a, err := send(network)
	if err == nil && network == "udp" && a.msg.Truncated {
		return send("tcp")
	}
	return a, err
}

// shared asks over a socket that other questions use too.
func (c *dnsClient) shared(ctx context.Context, s *dnsServer, q question, packed []byte) (answer, error) {
	a := c.first
	if c.first = nil; a == nil {
		a = &asked{question: q, packed: packed, timeout: c.run.limit.dns, now: c.run.now}
		if err := s.ask(ctx, a); err != nil {
			return answer{}, err
		}
	}
	if a.err != nil {
		return answer{}, a.err
	}
	if a.msg == nil {
		m, err := a.parse(a.wire)
		return answer{m, a.wire, "udp"}, err
	}
	return answer{a.msg, a.wire, "udp"}, nil
}

// viaUDP drops datagrams that are not an answer to the question, as somebody may send on behalf of
// the server, and waits on.
func viaUDP(conn net.Conn, packed []byte, asked *dns.Msg) (answer, error) {
	if _, err := conn.Write(packed); err != nil {
		return answer{}, err
	}
	buf := make([]byte, maxDNSMessage)
	var stray error
	for range maxStrays {
		n, err := conn.Read(buf)
		if err != nil {
			if stray != nil {
				return answer{}, fmt.Errorf("%w, and then: %w", stray, err)
			}
			return answer{}, err
		}
		m, err := parseAnswer(buf[:n], asked)
		if err != nil {
			stray = err
			continue
		}
		return answer{m, append([]byte(nil), buf[:n]...), "udp"}, nil
	}
	return answer{}, fmt.Errorf("%d datagrams that don't fit the question: %w", maxStrays, stray)
}

func viaTCP(conn net.Conn, packed []byte, asked *dns.Msg) (answer, error) {
	framed := binary.BigEndian.AppendUint16(nil, uint16(len(packed)))
	if _, err := conn.Write(append(framed, packed...)); err != nil {
		return answer{}, err
	}
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return answer{}, err
	}
	wire := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, wire); err != nil {
		return answer{}, err
	}
	m, err := parseAnswer(wire, asked)
	if err != nil {
		return answer{}, err
	}
	return answer{m, wire, "tcp"}, nil
}
