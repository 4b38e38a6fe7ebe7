package names

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"github.com/linkassay/linkassay/provision/lab/internal/network"
)

// resolverTime is how long a resolver works on a question before it admits failure. A client's
// own patience is mostly 5 s.
const resolverTime = 4 * time.Second

// Resolver answers the questions of a network's clients: from private zones first, which shadow
// the public names below their origins, and else by recursion.
type Resolver struct {
	net     *network.Net
	added   []netip.Addr // addresses that the resolver itself gave the network
	servers []*server
	recurse func(ctx context.Context, q dns.Question) (*dns.Msg, error)
	private atomic.Pointer[map[string]*Zone] // by origin
	tamper  atomic.Pointer[func(q dns.Question, m *dns.Msg)]
}

// NewResolver serves UDP and TCP port 53 on each address, which is given to the network where it
// has not got it, and taken away again by Close.
func NewResolver(n *network.Net, addrs []netip.Addr, recurse func(ctx context.Context, q dns.Question) (*dns.Msg, error)) (*Resolver, error) {
	r := &Resolver{net: n, recurse: recurse}
	r.SetPrivate(nil)
	for _, a := range addrs {
		if !n.HasAddr(a) {
			if err := n.AddAddr(a); err != nil {
				r.Close()
				return nil, fmt.Errorf("resolver at %s: %w", a, err)
			}
			r.added = append(r.added, a)
		}
		s, err := newServer(n, a, r.respond)
		if err != nil {
			r.Close()
			return nil, fmt.Errorf("resolver: %w", err)
		}
		r.servers = append(r.servers, s)
	}
	return r, nil
}

// SetPrivate replaces the private zones. Of two with the same origin the first counts.
func (r *Resolver) SetPrivate(zones []*Zone) {
	m := make(map[string]*Zone, len(zones))
	for _, z := range zones {
		if m[z.origin] == nil {
			m[z.origin] = z
		}
	}
	r.private.Store(&m)
}

// SetTamper lets f change every answer before it is sent; nil ends that. It is called concurrently.
func (r *Resolver) SetTamper(f func(q dns.Question, m *dns.Msg)) {
	if f == nil {
		r.tamper.Store(nil)
		return
	}
	r.tamper.Store(&f)
}

// Close stops the resolver and waits for the questions it is answering.
func (r *Resolver) Close() {
	for _, s := range r.servers {
		s.cancel() // all at once, so that the waits below are one
	}
	for _, s := range r.servers {
		s.close()
	}
	for _, a := range r.added {
		r.net.DelAddr(a)
	}
}

func (r *Resolver) respond(ctx context.Context, query *dns.Msg) *dns.Msg {
	q, ok := question(query)
	if !ok {
		return refuse(query, dns.RcodeRefused)
	}
	ctx, cancel := context.WithTimeout(ctx, resolverTime)
	defer cancel()
	m := new(dns.Msg).SetReply(query)
	m.RecursionAvailable = true
	if err := r.resolve(ctx, q, m); err != nil {
		m.Rcode, m.Answer, m.Ns = dns.RcodeServerFailure, nil, nil
	}
	if f := r.tamper.Load(); f != nil {
		m = m.Copy() // the records are the zones' own
		(*f)(q, m)
	}
	return m
}

var errChain = errors.New("the CNAMEs lead nowhere")

// resolve follows the name through private zones and recursion until it ends.
func (r *Resolver) resolve(ctx context.Context, q dns.Question, m *dns.Msg) error {
	private := *r.private.Load()
	name := canonical(q.Name)
	seen := map[string]bool{}
	for range maxChain {
		if seen[name] {
			return errChain
		}
		seen[name] = true
		next := ""
		if z := closest(private, name); z != nil {
			a := z.lookup(name, q.Qtype, false)
			m.Rcode, m.Ns = a.rcode, a.ns
			m.Answer = append(m.Answer, a.records...)
			if next = a.next; next == "" && endsInCNAME(a, q.Qtype) {
				return errChain
			}
		} else {
			if r.recurse == nil {
				return errNoServer
			}
			p, err := r.recurse(ctx, dns.Question{Name: name, Qtype: q.Qtype, Qclass: dns.ClassINET})
			if err != nil {
				return err
			}
			var kept []dns.RR
			kept, next = cutAtPrivate(p.Answer, private)
			m.Rcode, m.Ns = p.Rcode, p.Ns
			m.Answer = append(m.Answer, kept...)
		}
		if next == "" {
			return nil
		}
		m.Rcode, m.Ns = dns.RcodeSuccess, nil
		name = next
	}
	return errChain
}

// endsInCNAME tells an answer that goes round in a circle inside its zone.
func endsInCNAME(a answer, qtype uint16) bool {
	if len(a.records) == 0 || len(a.ns) > 0 || a.rcode != dns.RcodeSuccess || qtype == dns.TypeCNAME || qtype == dns.TypeANY {
		return false
	}
	_, is := a.records[len(a.records)-1].(*dns.CNAME)
	return is
}

// cutAtPrivate gives the public answer up to a CNAME whose target a private zone holds, and that
// target: from inside the VPC it is the private zone's.
func cutAtPrivate(answer []dns.RR, private map[string]*Zone) (kept []dns.RR, next string) {
	for i, rr := range answer {
		if c, ok := rr.(*dns.CNAME); ok {
			if target := canonical(c.Target); closest(private, target) != nil {
				return answer[:i+1], target
			}
		}
	}
	return answer, ""
}
