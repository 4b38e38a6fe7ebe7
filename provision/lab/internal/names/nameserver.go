package names

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/miekg/dns"
)

// nameServer is an authoritative server of the internet and the zones it serves.
type nameServer struct {
	name      string
	addr      netip.Addr
	overrides *overrides
	server    *server

	mu    sync.RWMutex
	zones map[string]*Zone // by origin
}

func (s *nameServer) serve(z *Zone) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.zones[z.origin] = z
}

// drop stops serving z; a zone of the same name that took its place stays.
func (s *nameServer) drop(z *Zone) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.zones[z.origin] == z {
		delete(s.zones, z.origin)
	}
}

// zone is the most specific zone here that holds the name.
func (s *nameServer) zone(name string) *Zone {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return closest(s.zones, name)
}

// closest is the zone with the longest origin at or above the canonical name.
func closest(zones map[string]*Zone, name string) *Zone {
	for {
		if z := zones[name]; z != nil {
			return z
		}
		if name == "." {
			return nil
		}
		name = parent(name)
	}
}

func (s *nameServer) respond(_ context.Context, query *dns.Msg) *dns.Msg {
	q, ok := question(query)
	if !ok {
		return refuse(query, dns.RcodeRefused)
	}
	name := canonical(q.Name)
	z := s.zone(name)
	if z == nil {
		return refuse(query, dns.RcodeRefused)
	}
	a := z.lookup(name, q.Qtype, true)
	m := new(dns.Msg).SetReply(query)
	m.Authoritative = !a.referral
	m.Rcode, m.Answer, m.Ns, m.Extra = a.rcode, a.records, a.ns, a.extra
	if rrs, ok := s.overrides.get(s.name, name, q.Qtype); ok && !a.referral {
		m.Rcode, m.Answer, m.Ns, m.Extra = dns.RcodeSuccess, rrs, nil, nil
		if len(rrs) == 0 {
			z.mu.RLock()
			m.Ns = z.negative()
			z.mu.RUnlock()
		}
	}
	return m
}

type overrideKey struct {
	server, owner string
	rrtype        uint16
}

// overrides are answers that name servers give instead of what their zones hold.
type overrides struct {
	count atomic.Int32 // so that the usual case, none, costs nothing
	mu    sync.RWMutex
	rrs   map[overrideKey][]dns.RR
}

func (o *overrides) set(k overrideKey, rrs []dns.RR) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rrs[k] = ownedBy(k.owner, k.rrtype, rrs)
	o.count.Store(int32(len(o.rrs)))
}

func (o *overrides) clear(k overrideKey) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.rrs, k)
	o.count.Store(int32(len(o.rrs)))
}

// get prefers what was set for this one server.
func (o *overrides) get(server, owner string, rrtype uint16) ([]dns.RR, bool) {
	if o.count.Load() == 0 {
		return nil, false
	}
	o.mu.RLock()
	defer o.mu.RUnlock()
	for _, s := range []string{server, ""} {
		if rrs, ok := o.rrs[overrideKey{s, owner, rrtype}]; ok {
			return rrs, true
		}
	}
	return nil, false
}
