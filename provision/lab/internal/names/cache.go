package names

import (
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	maxCached   = 1 << 14       // entries; beyond, arbitrary ones make room
	maxCacheTTL = 3 * time.Hour // whatever a record claims
)

type cacheKey struct {
	name   string
	rrtype uint16
}

// cache keeps what recursion has learnt: the answer to a name and type, and which servers serve
// a zone. A nil cache keeps nothing.
type cache struct {
	mu   sync.Mutex
	hops map[cacheKey]cachedHop
	cuts map[string]cachedCut
}

type cachedHop struct {
	hop            hop
	stored, expiry time.Time
}

type cachedCut struct {
	servers []authority
	expiry  time.Time
}

func newCache() *cache {
	c := &cache{}
	c.flush()
	return c
}

func (c *cache) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hops, c.cuts = map[cacheKey]cachedHop{}, map[string]cachedCut{}
}

// hop returns a kept answer with the time it was kept taken off its TTLs.
func (c *cache) hop(name string, rrtype uint16, now time.Time) (hop, bool) {
	if c == nil {
		return hop{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	types := []uint16{rrtype, dns.TypeCNAME}
	if rrtype == dns.TypeCNAME || rrtype == dns.TypeANY { // they ask for the CNAME itself
		types = types[:1]
	}
	for _, t := range types {
		k := cacheKey{name, t}
		e, ok := c.hops[k]
		if !ok || t != rrtype && e.hop.next == "" {
			continue
		}
		if now.Before(e.expiry) {
			h := e.hop.aged(uint32(now.Sub(e.stored) / time.Second))
			if rrtype == dns.TypeCNAME {
				h.next = ""
			}
			return h, true
		}
		delete(c.hops, k)
	}
	return hop{}, false
}

func (c *cache) keepHop(name string, rrtype uint16, h hop, now time.Time) {
	ttl := h.ttl()
	if c == nil || ttl == 0 {
		return
	}
	if h.next != "" {
		rrtype = dns.TypeCNAME
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	makeRoom(c.hops)
	c.hops[cacheKey{name, rrtype}] = cachedHop{h, now, now.Add(capTTL(ttl))}
}

// cut returns the servers of the closest zone at or above the name that is known.
func (c *cache) cut(name string, now time.Time) (zone string, servers []authority, ok bool) {
	if c == nil {
		return "", nil, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for at := name; at != "."; at = parent(at) {
		e, ok := c.cuts[at]
		if !ok {
			continue
		}
		if now.Before(e.expiry) {
			return at, e.servers, true
		}
		delete(c.cuts, at)
	}
	return "", nil, false
}

func (c *cache) keepCut(zone string, servers []authority, ttl uint32, now time.Time) {
	if c == nil || ttl == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	makeRoom(c.cuts)
	c.cuts[zone] = cachedCut{servers, now.Add(capTTL(ttl))}
}

func capTTL(seconds uint32) time.Duration {
	return min(time.Duration(seconds)*time.Second, maxCacheTTL)
}

func makeRoom[K comparable, V any](m map[K]V) {
	if len(m) < maxCached {
		return
	}
	for k := range m {
		delete(m, k)
		if len(m) < maxCached*7/8 {
			return
		}
	}
}
