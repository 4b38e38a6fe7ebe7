package names

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

const (
	recursionTime  = 10 * time.Second       // of one question, where the caller sets no limit
	tryTime        = 500 * time.Millisecond // of one query to one server
	rounds         = 2                      // times that every server of a zone is tried
	maxReferrals   = 16                     // on the way down to one name
	maxDepth       = 5                      // of looking up name servers to look up name servers
	maxSent        = 100                    // queries for one question
	recursionBytes = 1232                   // UDP payload asked for
)

// Recurse answers a question as a recursive resolver: it walks down from the root with queries
// over the internet's packets, follows CNAMEs, and keeps what it learns for as long as its TTL
// says. A name that does not exist is an answer, not an error.
func (i *Internet) Recurse(ctx context.Context, q dns.Question) (*dns.Msg, error) {
	return i.walk(ctx, q, i.cache)
}

// LookupTXT asks the authoritative servers themselves: it walks from the root without any cache
// and returns the text of each TXT record at owner, its strings joined, as DNS writes it (with
// backslashes before what is special), and the response code.
func (i *Internet) LookupTXT(ctx context.Context, owner string) (texts []string, rcode int, err error) {
	m, err := i.walk(ctx, dns.Question{Name: dns.Fqdn(owner), Qtype: dns.TypeTXT, Qclass: dns.ClassINET}, nil)
	if err != nil {
		return nil, dns.RcodeServerFailure, err
	}
	for _, rr := range m.Answer {
		if t, ok := rr.(*dns.TXT); ok {
			texts = append(texts, strings.Join(t.Txt, ""))
		}
	}
	return texts, m.Rcode, nil
}

func (i *Internet) walk(ctx context.Context, q dns.Question, c *cache) (*dns.Msg, error) {
	if _, ok := dns.IsDomainName(q.Name); !ok {
		return nil, fmt.Errorf("resolve %q: not a domain name", q.Name)
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, recursionTime)
		defer cancel()
	}
	w := &walker{i: i, cache: c, left: maxSent}
	m, err := w.resolve(ctx, canonical(q.Name), q.Qtype, 0)
	if err != nil {
		return nil, fmt.Errorf("resolve %s %s from the root: %w", canonical(q.Name), dns.TypeToString[q.Qtype], err)
	}
	m.Question = []dns.Question{q}
	return m, nil
}

// walker resolves one question.
type walker struct {
	i     *Internet
	cache *cache
	left  int // queries that may still be sent
}

// authority is a name server of a zone. Without addresses its name must be resolved first.
type authority struct {
	name  string
	addrs []netip.Addr
}

// hop is the final word of an authoritative server on one name: records, a CNAME that leads on,
// or that there is nothing.
type hop struct {
	rcode   int
	records []dns.RR
	soa     []dns.RR // of a negative answer
	next    string
}

func (w *walker) resolve(ctx context.Context, name string, qtype uint16, depth int) (*dns.Msg, error) {
	m := new(dns.Msg)
	m.Response, m.RecursionAvailable = true, true
	seen := map[string]bool{}
	for range maxChain {
		seen[name] = true
		h, err := w.hop(ctx, name, qtype, depth)
		if err != nil {
			return nil, err
		}
		m.Answer = append(m.Answer, h.records...)
		if h.next == "" {
			m.Rcode, m.Ns = h.rcode, h.soa
			return m, nil
		}
		if seen[h.next] {
			return nil, fmt.Errorf("the CNAME at %s leads round to %s", name, h.next)
		}
		name = h.next
	}
	return nil, fmt.Errorf("more than %d CNAMEs, the last to %s", maxChain, name)
}

func (w *walker) hop(ctx context.Context, name string, qtype uint16, depth int) (hop, error) {
	if h, ok := w.cache.hop(name, qtype, time.Now()); ok {
		return h, nil
	}
	zone, servers, ok := w.cache.cut(name, time.Now())
	if !ok {
		zone = "."
		for _, r := range rootServers {
			servers = append(servers, authority{r.name, []netip.Addr{r.addr}})
		}
	}
	for range maxReferrals {
		h, down, err := w.ask(ctx, zone, servers, name, qtype, depth)
		if err != nil {
			return hop{}, fmt.Errorf("ask the servers of %s for %s: %w", zone, name, err)
		}
		if down == nil {
			w.cache.keepHop(name, qtype, h, time.Now())
			return h, nil
		}
		zone, servers = down.zone, down.servers
		w.cache.keepCut(zone, servers, down.ttl, time.Now())
	}
	return hop{}, fmt.Errorf("more than %d referrals on the way to %s", maxReferrals, name)
}

// ask asks a zone's servers in turn until one says something useful: an answer or a referral.
func (w *walker) ask(ctx context.Context, zone string, servers []authority, name string, qtype uint16, depth int) (hop, *referral, error) {
	var failures []error
	for range rounds {
		for k := range servers {
			addrs, err := w.addresses(ctx, servers[k], depth)
			if err != nil {
				failures = append(failures, err)
				if ctx.Err() != nil {
					return hop{}, nil, errors.Join(append(failures, ctx.Err())...)
				}
				continue
			}
			servers = slices.Clone(servers) // a cached list belongs to others too
			servers[k].addrs = addrs
			for _, a := range addrs {
				if w.left--; w.left < 0 {
					return hop{}, nil, fmt.Errorf("gave up after %d queries", maxSent)
				}
				m, err := w.i.exchange(ctx, a, name, qtype)
				if err == nil {
					var h hop
					var down *referral
					if h, down, err = read(m, zone, name, qtype); err == nil {
						return h, down, nil
					}
				}
				failures = append(failures, fmt.Errorf("%s (%s): %w", servers[k].name, a, err))
				if ctx.Err() != nil {
					return hop{}, nil, errors.Join(failures...)
				}
			}
		}
	}
	return hop{}, nil, fmt.Errorf("%w: %w", errNoServer, errors.Join(failures...))
}

// addresses gives the server's addresses, looking its name up where no glue came with it.
func (w *walker) addresses(ctx context.Context, s authority, depth int) ([]netip.Addr, error) {
	if len(s.addrs) > 0 {
		return s.addrs, nil
	}
	if depth >= maxDepth {
		return nil, fmt.Errorf("%s: name servers more than %d deep in names of others", s.name, maxDepth)
	}
	m, err := w.resolve(ctx, s.name, dns.TypeA, depth+1)
	if err != nil {
		return nil, fmt.Errorf("find the name server %s: %w", s.name, err)
	}
	addrs := addressesIn(m.Answer, "")
	if len(addrs) == 0 {
		return nil, fmt.Errorf("the name server %s has no address (%s)", s.name, dns.RcodeToString[m.Rcode])
	}
	return addrs, nil
}

// addressesIn gives the addresses of an owner, or of all owners.
func addressesIn(rrs []dns.RR, owner string) (addrs []netip.Addr) {
	for _, rr := range rrs {
		if r, ok := rr.(*dns.A); ok && (owner == "" || canonical(r.Hdr.Name) == owner) {
			if a, ok := netip.AddrFromSlice(r.A); ok {
				addrs = append(addrs, a.Unmap())
			}
		}
	}
	return addrs
}

// aged is the hop some seconds later, its records copied.
func (h hop) aged(seconds uint32) hop {
	h.records, h.soa = aged(h.records, seconds), aged(h.soa, seconds)
	return h
}

func aged(rrs []dns.RR, seconds uint32) []dns.RR {
	out := make([]dns.RR, len(rrs))
	for i, rr := range rrs {
		out[i] = dns.Copy(rr)
		h := out[i].Header()
		h.Ttl -= min(seconds, h.Ttl)
	}
	return out
}

// ttl is for how many seconds the hop may be kept.
func (h hop) ttl() uint32 {
	ttl := uint32(math.MaxUint32)
	for _, rr := range append(slices.Clone(h.records), h.soa...) {
		ttl = min(ttl, rr.Header().Ttl)
		if soa, ok := rr.(*dns.SOA); ok && len(h.records) == 0 {
			ttl = min(ttl, soa.Minttl)
		}
	}
	if ttl == math.MaxUint32 { // a negative answer without a SOA
		return 0
	}
	return ttl
}
