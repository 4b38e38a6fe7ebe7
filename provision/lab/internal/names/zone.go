package names

import (
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// zoneTTL is the TTL, in seconds, of what the lab itself puts into a zone. It is short because
// tests change their minds quickly.
const zoneTTL = 1

// Zone is the content of one authoritative zone. It is safe for concurrent use; a change costs
// the same however many names the zone holds.
type Zone struct {
	origin string

	mu    sync.RWMutex
	nodes map[string]*node // by canonical owner name
}

// node is one name of a zone. A name that only has names below it is a node as well, for it
// exists: asking for it gives no data instead of NXDOMAIN.
type node struct {
	sets  map[uint16][]dns.RR
	below int // names directly below
}

// NewZone makes a zone with its SOA record and the NS records of its name servers. Without a SOA
// record it gets one whose negative answers live for a second.
func NewZone(origin string, soa *dns.SOA, nameServers ...string) *Zone {
	z := &Zone{origin: canonical(origin), nodes: map[string]*node{}}
	if soa == nil {
		primary := "ns." + strings.TrimPrefix(z.origin, ".")
		if len(nameServers) > 0 {
			primary = canonical(nameServers[0])
		}
		soa = &dns.SOA{
			Hdr: dns.RR_Header{Ttl: zoneTTL}, Ns: primary, Mbox: "hostmaster." + strings.TrimPrefix(z.origin, "."),
			Serial: 1, Refresh: 7200, Retry: 900, Expire: 1209600, Minttl: zoneTTL,
		}
	}
	z.Set(z.origin, dns.TypeSOA, []dns.RR{soa})
	if len(nameServers) > 0 {
		z.Set(z.origin, dns.TypeNS, nsRecords(z.origin, nameServers))
	}
	return z
}

// Origin is the zone's name, in lower case and with the final dot.
func (z *Zone) Origin() string { return z.origin }

// Set replaces the records of one type at owner. Owners outside the zone are ignored; an empty
// set is a Delete. The records are copied, and get the owner, type and class they are set for.
func (z *Zone) Set(owner string, rrtype uint16, rrs []dns.RR) {
	owner = canonical(owner)
	if !dns.IsSubDomain(z.origin, owner) {
		return
	}
	if len(rrs) == 0 {
		z.Delete(owner, rrtype)
		return
	}
	set := ownedBy(owner, rrtype, rrs)
	z.mu.Lock()
	defer z.mu.Unlock()
	z.ensure(owner).sets[rrtype] = set
}

// Get returns the records of one type at owner, without following anything. They must not be
// changed.
func (z *Zone) Get(owner string, rrtype uint16) []dns.RR {
	z.mu.RLock()
	defer z.mu.RUnlock()
	if n := z.nodes[canonical(owner)]; n != nil {
		return n.sets[rrtype]
	}
	return nil
}

// Delete removes the records of one type at owner.
func (z *Zone) Delete(owner string, rrtype uint16) {
	owner = canonical(owner)
	z.mu.Lock()
	defer z.mu.Unlock()
	n := z.nodes[owner]
	if n == nil {
		return
	}
	delete(n.sets, rrtype)
	for n != nil && len(n.sets) == 0 && n.below == 0 && owner != z.origin {
		delete(z.nodes, owner)
		owner = parent(owner)
		if n = z.nodes[owner]; n != nil {
			n.below--
		}
	}
}

// ensure makes the node of owner and those above it up to the origin.
func (z *Zone) ensure(owner string) *node {
	if n := z.nodes[owner]; n != nil {
		return n
	}
	n := &node{sets: map[uint16][]dns.RR{}}
	z.nodes[owner] = n
	if owner != z.origin {
		z.ensure(parent(owner)).below++
	}
	return n
}

// ownedBy copies the records and gives the copies their owner, type and class.
func ownedBy(owner string, rrtype uint16, rrs []dns.RR) []dns.RR {
	set := make([]dns.RR, len(rrs))
	for i, rr := range rrs {
		set[i] = dns.Copy(rr)
		h := set[i].Header()
		h.Name, h.Rrtype, h.Class = owner, rrtype, dns.ClassINET
	}
	return set
}

func nsRecords(owner string, nameServers []string) []dns.RR {
	rrs := make([]dns.RR, len(nameServers))
	for i, s := range nameServers {
		rrs[i] = &dns.NS{Hdr: dns.RR_Header{Name: owner, Rrtype: dns.TypeNS, Class: dns.ClassINET, Ttl: zoneTTL}, Ns: canonical(s)}
	}
	return rrs
}

// canonical is the one spelling under which a name is kept: lower case, final dot, and every
// character written as the DNS library writes it. Route 53 writes the asterisk of a wildcard as
// \052, in octal, where master files have decimal; no other source of names writes it so.
func canonical(name string) string {
	if rest, ok := strings.CutPrefix(name, `\052.`); ok {
		name = "*." + rest
	}
	if strings.Contains(name, `\`) {
		wire := make([]byte, 256)
		if _, err := dns.PackDomainName(dns.Fqdn(name), wire, 0, nil, false); err == nil {
			if plain, _, err := dns.UnpackDomainName(wire, 0); err == nil {
				name = plain
			}
		}
	}
	return dns.CanonicalName(name)
}

// parent is the name without its first label; the root's is the root.
func parent(name string) string {
	if i, end := dns.NextLabel(name, 0); !end {
		return name[i:]
	}
	return "."
}
