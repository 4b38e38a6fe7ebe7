package suites

import (
	"net/netip"
	"slices"

	"github.com/linkassay/linkassay/probes"
)

// answer is what one vantage's resolver said of one name: the whole set of addresses over all
// record types, or why there is none.
type answer struct {
	vantage string
	name    string
	addrs   []netip.Addr // sorted
	outcome probes.Outcome
	detail  string
	chain   []string
}

func (a answer) resolved() bool { return len(a.addrs) > 0 }

// why says in a few words why there is no address.
func (a answer) why() string {
	if a.detail == "" {
		return string(a.outcome)
	}
	return string(a.outcome) + " (" + a.detail + ")"
}

// couldNotAsk says that an outcome is about the question, not an answer to it.
func couldNotAsk(o probes.Outcome) bool { return o == probes.NoVia || o == probes.NotAsked || o == "" }

// answersAt gathers the lookups of each vantage into one answer per name, vantages in the given
// order and names in that of the lookups. A vantage with no lookup at all has an answer that was
// not asked.
func answersAt(lookups []probes.Lookup, vantages []string) []answer {
	var out []answer
	for _, vantage := range vantages {
		start := len(out)
		for _, l := range lookups {
			if l.Vantage != vantage {
				continue
			}
			i := slices.IndexFunc(out[start:], func(a answer) bool { return sameName(a.name, l.Name) })
			if i < 0 {
				out = append(out, answer{vantage: vantage, name: l.Name})
				i = len(out) - 1 - start
			}
			out[start+i].add(l)
		}
		if len(out) == start {
			out = append(out, answer{vantage: vantage, outcome: probes.NotAsked})
		}
	}
	for i := range out {
		slices.SortFunc(out[i].addrs, netip.Addr.Compare)
		out[i].addrs = slices.Compact(out[i].addrs)
	}
	return out
}

// add takes one lookup into the answer. Of several failures the one that tells most is kept: that
// there is no AAAA record says nothing when the A lookup failed.
func (a *answer) add(l probes.Lookup) {
	if l.Outcome == probes.OK {
		a.addrs = append(a.addrs, l.Addrs...)
		if len(a.chain) == 0 {
			a.chain = l.Chain
		}
	}
	if a.outcome == "" || a.outcome == probes.NoData && l.Outcome != probes.OK {
		a.outcome, a.detail = l.Outcome, l.Detail
	}
	if len(a.addrs) > 0 {
		a.outcome, a.detail = probes.OK, ""
	} else if a.outcome == probes.OK {
		a.outcome = probes.NoData // answered, with no address in it
	}
}

// foreign are the addresses of the answer that are not in the set.
func (a answer) foreign(own []netip.Addr) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(a.addrs), func(ip netip.Addr) bool { return slices.Contains(own, ip) })
}

// comparable are the addresses of the family that both answers have: a private name may have A
// records only where the regional name has A and AAAA (DnsRecordIpType service-defined).
func comparable(a, b answer) (fromA, fromB []netip.Addr) {
	family := func(addrs []netip.Addr, v4 bool) []netip.Addr {
		return slices.DeleteFunc(slices.Clone(addrs), func(ip netip.Addr) bool { return ip.Unmap().Is4() != v4 })
	}
	if x, y := family(a.addrs, true), family(b.addrs, true); len(x) > 0 && len(y) > 0 {
		return x, y
	}
	return a.addrs, b.addrs
}
