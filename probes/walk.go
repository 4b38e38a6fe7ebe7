package probes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// The bounds of a walk from the root.
const (
	maxSteps      = 12  // delegations on the way to one name
	maxDepth      = 4   // name servers whose names need a walk of their own, nested
	maxQuestions  = 600 // of one walk, all nested ones included
	maxServers    = 16  // name servers kept of one delegation
	walkAttempts  = 2   // questions to one server; another server is asked meanwhile
	walkRace      = 5   // servers asked for one step
	raceHeadStart = 250 * time.Millisecond
)

// walker finds the authoritative servers of names, from the root down, as AWS's own resolver does.
// It only uses IPv4.
type walker struct {
	client *dnsClient
	span   *span
	asked  atomic.Int64
	roots  []Server

	mu    sync.Mutex
	cache map[string]ServersOf // delegation by "parent child"
}

func newWalker(c *dnsClient, s *span, roots []Server) *walker {
	return &walker{client: c, span: s, roots: roots, cache: map[string]ServersOf{}}
}

// errNoRoot says that not one root server answered as a root server does.
type errNoRoot struct{ why Lookup }

func (e errNoRoot) Error() string {
	if e.why.Detail == "" {
		return "no root server answered as one: " + string(e.why.Outcome)
	}
	return "no root server answered as one: " + string(e.why.Outcome) + ": " + e.why.Detail
}

// walk follows the delegations towards name and returns them, root first. The last one is the zone
// that holds the name, or as deep as the walk came.
func (w *walker) walk(ctx context.Context, name string, depth int) ([]ServersOf, error) {
	steps := []ServersOf{{Zone: ".", Servers: w.roots}}
	for len(steps) < maxSteps {
		here := steps[len(steps)-1]
		child, found := w.cached(here.Zone, name)
		if !found {
			m, last := w.first(ctx, here.Servers, here.Zone, name)
			if m == nil {
				if here.Zone == "." {
					return steps, errNoRoot{last}
				}
				return steps, nil // its servers are lame; their answers to the real questions show it
			}
			if child, found = referral(m, here.Zone, name); !found {
				return steps, nil // this zone answers for the name itself
			}
			child.Servers = w.addressed(ctx, child.Servers, depth)
			w.mu.Lock()
			w.cache[here.Zone+" "+child.Zone] = child
			w.mu.Unlock()
		}
		steps = append(steps, child)
	}
	return steps, nil
}

func (w *walker) cached(zone, name string) (ServersOf, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for at := name; at != zone && at != "."; at = parent(at) {
		if child, ok := w.cache[zone+" "+at]; ok {
			return child, true
		}
	}
	return ServersOf{}, false
}

// first asks servers of a zone for name, the next one as soon as one has failed or kept silent for
// a moment, and returns the first answer that takes the walk on.
func (w *walker) first(ctx context.Context, servers []Server, zone, name string) (*dns.Msg, Lookup) {
	ctx, cancel := context.WithCancel(ctx)
	servers = withAddress(servers)
	servers = servers[:min(len(servers), walkRace)]
	type result struct {
		msg    *dns.Msg
		lookup Lookup
	}
	results := make(chan result, len(servers))
	var g group
	defer g.wait()
	defer cancel()
	next := 0
	start := func() {
		s := servers[next]
		next++
		g.start(func() {
			var r result
			defer func() { results <- r }() // on a panic too, or the race would wait for ever
			r.lookup = w.ask(ctx, s, name, dns.TypeTXT, walkAttempts)
			r.msg = usable(r.lookup, zone, name)
		})
	}
	last := Lookup{Outcome: Failed, Detail: "no name server of " + zone + " has an address"}
	for running := 0; ; {
		if running == 0 {
			if next == len(servers) {
				return nil, last
			}
			start()
			running++
		}
		hurry := time.NewTimer(raceHeadStart)
		select {
		case r := <-results:
			running--
			if r.msg != nil {
				hurry.Stop()
				return r.msg, r.lookup
			}
			last = r.lookup
		case <-hurry.C:
			if next < len(servers) {
				start()
				running++
			}
		}
		hurry.Stop()
	}
}

// ask asks one name server.
func (w *walker) ask(ctx context.Context, s Server, name string, qtype uint16, attempts int) Lookup {
	if w.asked.Add(1) > maxQuestions {
		return Lookup{
			Vantage: w.client.name, Name: bare(name), Type: dns.TypeToString[qtype], Started: w.client.run.now(),
			Outcome: Failed, Detail: fmt.Sprintf("not asked: the walk already took %d questions", maxQuestions),
		}
	}
	defer w.span.begin()()
	return w.client.ask(ctx, question{
		name: name, qtype: qtype, server: netip.AddrPortFrom(s.Addr, 53), attempts: attempts,
	})
}

// usable returns the message of an answer that either refers further down or speaks for the zone
// itself. A resolver that answers in the zone's place does neither.
func usable(l Lookup, zone, name string) *dns.Msg {
	if l.RCode != "NOERROR" && l.RCode != "NXDOMAIN" {
		return nil
	}
	m := new(dns.Msg)
	if m.Unpack(l.Wire) != nil {
		return nil
	}
	if _, down := referral(m, zone, name); !down && !m.Authoritative {
		return nil
	}
	return m
}

// referral reads a delegation out of an answer: name servers of a zone that lies below this one
// and holds the name. Anything else (upward, sideways) is no referral.
func referral(m *dns.Msg, zone, name string) (ServersOf, bool) {
	if m.Authoritative || m.Rcode != dns.RcodeSuccess || len(m.Answer) > 0 {
		return ServersOf{}, false
	}
	child := ServersOf{}
	for _, rr := range m.Ns {
		ns, ok := rr.(*dns.NS)
		if !ok {
			continue
		}
		owner := dns.CanonicalName(ns.Hdr.Name)
		if owner == zone || !dns.IsSubDomain(zone, owner) || !dns.IsSubDomain(owner, name) || (child.Zone != "" && child.Zone != owner) {
			continue
		}
		child.Zone = owner
		host := dns.CanonicalName(ns.Ns)
		glue := glueFor(m.Extra, zone, host)
		if len(glue) == 0 {
			glue = []netip.Addr{{}}
		}
		for _, a := range glue {
			child.Servers = append(child.Servers, Server{Name: clean(bare(host), maxName), Addr: a})
		}
	}
	if child.Zone == "" {
		return ServersOf{}, false
	}
	child.Servers = tidy(child.Servers)
	return child, true
}

// glueFor takes addresses only for hosts below the zone that gives them.
func glueFor(extra []dns.RR, zone, host string) []netip.Addr {
	if !dns.IsSubDomain(zone, host) {
		return nil
	}
	var found []netip.Addr
	for _, rr := range extra {
		if a, ok := rr.(*dns.A); ok && dns.CanonicalName(a.Hdr.Name) == host {
			if ip, ok := netip.AddrFromSlice(a.A.To4()); ok {
				found = append(found, ip)
			}
		}
	}
	return found
}

// addressed looks up the addresses of name servers that came without.
func (w *walker) addressed(ctx context.Context, servers []Server, depth int) []Server {
	if depth >= maxDepth {
		return servers
	}
	found := make([][]Server, len(servers))
	parallel(len(servers), maxServers, func(i int) {
		found[i] = []Server{servers[i]}
		if servers[i].Addr.IsValid() {
			return
		}
		if ips := w.addresses(ctx, dns.Fqdn(servers[i].Name), depth+1); len(ips) > 0 {
			found[i] = nil
			for _, ip := range ips {
				found[i] = append(found[i], Server{servers[i].Name, ip})
			}
		}
	})
	return tidy(slices.Concat(found...))
}

// addresses resolves a name server's name, following CNAMEs (which are not allowed there, but met).
func (w *walker) addresses(ctx context.Context, host string, depth int) []netip.Addr {
	for range 3 {
		l := w.lookup(ctx, host, dns.TypeA, depth)
		if len(l.Addrs) > 0 || len(l.Chain) == 0 {
			return l.Addrs
		}
		host = dns.Fqdn(l.Chain[len(l.Chain)-1])
	}
	return nil
}

// lookup asks the servers of the zone that holds name, one after the other, until one answers.
func (w *walker) lookup(ctx context.Context, name string, qtype uint16, depth int) Lookup {
	l := Lookup{Vantage: w.client.name, Name: bare(name), Type: dns.TypeToString[qtype], Started: w.client.run.now(), Outcome: Failed}
	if depth > maxDepth {
		l.Detail = "the name servers' own names lead too deep"
		return l
	}
	steps, err := w.walk(ctx, name, depth)
	if err != nil {
		l.Detail = clean(err.Error(), maxDetail)
		return l
	}
	for _, s := range withAddress(steps[len(steps)-1].Servers) {
		l = w.ask(ctx, s, name, qtype, walkAttempts)
		if l.RCode == "NOERROR" || l.RCode == "NXDOMAIN" || ctx.Err() != nil {
			break
		}
	}
	return l
}

func withAddress(servers []Server) []Server {
	return slices.DeleteFunc(slices.Clone(servers), func(s Server) bool { return !s.Addr.IsValid() })
}

func tidy(servers []Server) []Server {
	slices.SortFunc(servers, func(a, b Server) int { return cmp.Or(cmp.Compare(a.Name, b.Name), a.Addr.Compare(b.Addr)) })
	servers = slices.Compact(servers)
	return servers[:min(len(servers), maxServers)]
}

func parent(name string) string {
	if i, end := dns.NextLabel(name, 0); !end {
		return name[i:]
	}
	return "."
}

// walkFailure turns the end of a walk that found nothing into an item's error.
func walkFailure(err error) error {
	class := FailNetwork
	var none errNoRoot
	if errors.As(err, &none) && none.why.Outcome == NoVia {
		class = FailVantage
	}
	return failure(class, "walk NS from the root", "%s", strings.TrimSpace(err.Error()))
}
