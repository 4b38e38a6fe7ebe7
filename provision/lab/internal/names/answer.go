package names

import (
	"slices"

	"github.com/miekg/dns"
)

// maxChain bounds the CNAMEs that are followed for one question.
const maxChain = 16

// answer is what a zone has to say to a question.
type answer struct {
	rcode    int
	records  []dns.RR // of the answer section
	ns       []dns.RR // of the authority section
	extra    []dns.RR // addresses of name servers
	referral bool     // the name belongs to a zone that ns delegates
	next     string   // a CNAME leads out of the zone to here
}

// lookup answers a question about a name in the zone: RFC 1034, 4.3.2, with RFC 4592 for
// wildcards and RFC 6604 for the response code after a CNAME. With cuts, NS records below the
// origin delegate; without, they are records like any other, as in a private hosted zone.
func (z *Zone) lookup(name string, qtype uint16, cuts bool) answer {
	z.mu.RLock()
	defer z.mu.RUnlock()
	var a answer
	name = canonical(name)
	seen := map[string]bool{}
	for range maxChain {
		seen[name] = true
		if cuts {
			if cut := z.cut(name, qtype); cut != "" {
				if len(a.records) == 0 {
					a.referral = true
					a.ns = z.nodes[cut].sets[dns.TypeNS]
					a.extra = z.glue(a.ns)
				} else {
					a.next = name // the client asks on, with the delegated name
				}
				return a
			}
		}
		n, source := z.find(name)
		if n == nil {
			a.rcode = dns.RcodeNameError
			a.ns = z.negative()
			return a
		}
		cname := n.sets[dns.TypeCNAME]
		if len(cname) == 0 || qtype == dns.TypeCNAME || qtype == dns.TypeANY {
			z.fill(&a, n, name, source, qtype)
			return a
		}
		a.records = append(a.records, named(cname, name, source)...)
		name = canonical(cname[0].(*dns.CNAME).Target)
		if !dns.IsSubDomain(z.origin, name) {
			a.next = name
			return a
		}
		if seen[name] {
			return a // a loop inside the zone: say what there is, and let the client see it
		}
	}
	return a
}

func (z *Zone) fill(a *answer, n *node, name, source string, qtype uint16) {
	var found []dns.RR
	if qtype == dns.TypeANY {
		types := make([]uint16, 0, len(n.sets))
		for t := range n.sets {
			types = append(types, t)
		}
		slices.Sort(types)
		for _, t := range types {
			found = append(found, n.sets[t]...)
		}
	} else {
		found = n.sets[qtype]
	}
	if len(found) == 0 {
		a.ns = z.negative()
		return
	}
	a.records = append(a.records, named(found, name, source)...)
	if qtype == dns.TypeNS {
		a.extra = z.glue(found)
	}
}

// find gives the node that answers for name, and the owner under which it is kept: the name
// itself, or the wildcard of its closest encloser.
func (z *Zone) find(name string) (*node, string) {
	if n := z.nodes[name]; n != nil {
		return n, name
	}
	for name != z.origin && name != "." {
		name = parent(name)
		if z.nodes[name] == nil {
			continue
		}
		wildcard := "*." + name
		if name == "." {
			wildcard = "*."
		}
		return z.nodes[wildcard], wildcard
	}
	return nil, ""
}

// cut is the highest delegation at or above the name; DS records at it belong to the parent.
func (z *Zone) cut(name string, qtype uint16) string {
	cut := ""
	for at := name; at != z.origin && at != "."; at = parent(at) {
		if n := z.nodes[at]; n != nil && len(n.sets[dns.TypeNS]) > 0 && (at != name || qtype != dns.TypeDS) {
			cut = at
		}
	}
	return cut
}

// glue is the addresses that this zone knows of the name servers.
func (z *Zone) glue(ns []dns.RR) []dns.RR {
	var rrs []dns.RR
	for _, rr := range ns {
		s, ok := rr.(*dns.NS)
		if !ok {
			continue
		}
		if n := z.nodes[s.Ns]; n != nil {
			rrs = append(rrs, n.sets[dns.TypeA]...)
			rrs = append(rrs, n.sets[dns.TypeAAAA]...)
		}
	}
	return rrs
}

// negative is the authority section of a negative answer: the SOA record, with the time for
// which the answer may be kept as its TTL (RFC 2308, 5).
func (z *Zone) negative() []dns.RR {
	set := z.nodes[z.origin].sets[dns.TypeSOA]
	if len(set) == 0 {
		return nil
	}
	soa, ok := dns.Copy(set[0]).(*dns.SOA)
	if !ok {
		return nil
	}
	soa.Hdr.Ttl = min(soa.Hdr.Ttl, soa.Minttl)
	return []dns.RR{soa}
}

// named gives records that a wildcard made the name that was asked for.
func named(rrs []dns.RR, name, source string) []dns.RR {
	if name == source {
		return rrs
	}
	out := make([]dns.RR, len(rrs))
	for i, rr := range rrs {
		out[i] = dns.Copy(rr)
		out[i].Header().Name = name
	}
	return out
}
