package suites

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/linkassay/linkassay/probes"
)

// publicAddresses are those that the private DNS name has in public DNS, sorted.
func publicAddresses(o *probes.Observation) []netip.Addr {
	lookups, _ := value(o.DNS.Public)
	var out []netip.Addr
	for _, l := range lookups {
		out = append(out, l.Addrs...)
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out)
}

// publicNegative is the negative answer of public DNS itself, from the zone's own servers.
func publicNegative(o *probes.Observation, kind string) *probes.Negative {
	lookups, _ := value(o.DNS.Public)
	for _, l := range lookups {
		if l.Type == kind && l.Negative != nil {
			return l.Negative
		}
	}
	return nil
}

func seconds(n uint32) string { return fmt.Sprintf("%d s", n) }

// publicAnswerCheck: split-horizon DNS works as meant.
func publicAnswerCheck() Check {
	return check("dns.private-name-not-public", "the answer is not the public name's",
		revision(1), severity(Critical), side(Network),
		after("dns.private-name-resolves"), needs("dns.private", "consumer.interfaces"), wants("dns.public"), rows("PL-DNS-006"),
		asserts("from no vantage the private DNS name's answer is, apart from addresses of the endpoint, what public DNS gives for the name from the root down"),
		why("a resolver that asks public DNS in the VPC's place sends clients over the internet, past the endpoint"),
		source("PrivateLink guide, Manage DNS names: private DNS; VPC guide, DHCP option sets; Route 53 guide, Forwarding outbound DNS queries"),
		fix(fixResolver),
		body(func(c *C, o *probes.Observation) {
			lookups, _ := value(o.DNS.Private)
			interfaces, _ := value(o.Consumer.Interfaces)
			public := publicAddresses(o)
			c.Fact("in public DNS", "%s", list(public))
			own := interfaceIPs(interfaces)
			forEachAnswer(c, o, lookups, func(a answer) {
				others := a.foreign(own)
				if len(others) > 0 && !slices.ContainsFunc(others, func(ip netip.Addr) bool { return !slices.Contains(public, ip) }) {
					c.Wrong(a.vantage, "gives %s, as public DNS does", list(others))
				}
			})
		}),
	)
}

// keptNegativeCheck: no cache stands before the truth.
func keptNegativeCheck() Check {
	return check("dns.no-kept-negative-answer", "no old \"no such name\" is kept",
		revision(1), severity(Critical), side(Network),
		after("dns.private-dns-enabled", "dns.no-shadowing-zone", "dns.dhcp-options", "dns.regional-name-resolves", "dns.resolver-answers"),
		needs("dns.private"), wants("dns.public"), rows("PL-DNS-015"),
		asserts("from no vantage the private DNS name is denied by an answer of the public zone that is older than the zone's servers would give it: the TTL of its SOA record has run down"),
		why("who asked before private DNS was enabled may keep the public zone's negative answer until its time is over"),
		source("RFC 2308, Negative Caching of DNS Queries; PrivateLink guide, Configure an interface endpoint, private DNS"),
		fix(func(o *probes.Observation) Fix {
			_, ttl := keptNegative(o)
			return Fix{
				Text:     "wait until the kept answer's time is over (" + seconds(ttl) + "), or flush the resolver's cache: no setting is wrong",
				LinkFile: "vantages[].resolver: the VPC's base address plus two, where another resolver stands there",
			}
		}),
		body(func(c *C, o *probes.Observation) {
			if len(reachVantages(o.Link)) == 0 {
				c.Skip("no vantage is expected to reach the link")
			}
			kept, _ := keptNegative(o)
			c.Fact("kept answers", "%d", len(kept))
			for _, l := range kept {
				c.Wrong(l.Vantage, "%s answers %s %s for the zone %s, which it will keep for %s", l.Server, l.Name, l.Outcome, l.Negative.Zone, seconds(l.Negative.TTL))
			}
		}),
	)
}

// keptNegative are the address lookups of the private name that a kept answer of the public zone denied,
// and the longest time in seconds for which one is still kept.
func keptNegative(o *probes.Observation) (kept []probes.Lookup, longest uint32) {
	lookups, _ := value(o.DNS.Private)
	resolved := map[string]bool{}
	for _, l := range lookups {
		if len(l.Addrs) > 0 {
			resolved[l.Vantage] = true
		}
	}
	for _, l := range lookups {
		fresh := publicNegative(o, l.Type)
		if l.Type != "A" || resolved[l.Vantage] || l.Negative == nil || fresh == nil || !slices.Contains(reachVantages(o.Link), l.Vantage) {
			continue
		}
		if sameName(l.Negative.Zone, fresh.Zone) && l.Negative.TTL < fresh.TTL {
			kept = append(kept, l)
			longest = max(longest, l.Negative.TTL)
		}
	}
	return kept, longest
}
