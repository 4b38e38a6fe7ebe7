package probes

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// publicVantage is the vantage's name in questions to public DNS.
const publicVantage = "publicDNS"

// walked is a walk from the root and what it used, which later questions share.
type walked struct {
	walker *walker
	steps  []ServersOf
}

// askTXT looks for the domain verification record where AWS looks: at the authoritative servers of
// the zones that hold the private DNS name. The walk needs only the name, so it starts before the
// provider's API has said which label to ask for.
func (r *run) askTXT(provider side, service *promise[Service], public func() *promise[walked]) *promise[TXT] {
	hinted := verificationDomain(r.link.PrivateDNSName)
	var early func() *promise[walked]
	if provider.stop == nil {
		early = public
	}
	return ask(r, "dns.txt", func(s *span) (TXT, error) {
		svc, err := service.value()
		switch {
		case err != nil:
			return TXT{}, err
		case !svc.Found:
			return TXT{}, absent{NoSubject}
		case svc.PrivateDNSName == "" || svc.Verification == nil:
			return TXT{}, absent{NoPrivateDNSName}
		case r.src.PublicDNS == nil:
			return TXT{}, absent{NoVantage}
		}
		domain := verificationDomain(svc.PrivateDNSName)
		return shared(r, s, []string{"txt", domain, svc.Verification.Name, svc.Verification.Value}, func() (TXT, error) {
			var way walked
			var err error
			if early != nil && domain == hinted {
				walk := early()
				<-walk.done // its error is this item's own, not that of something else
				way, err = walk.item.Value, walk.err
				s.cover(walk.item.Started)
				s.cover(walk.item.Started.Add(walk.item.Duration))
			} else {
				way, err = r.walkTo(s, domain)
			}
			if err != nil {
				return TXT{}, err
			}
			txt := TXT{
				Domain: bare(domain), Label: svc.Verification.Name, Want: svc.Verification.Value,
				Zones: shown(way.steps),
			}
			txt.Asked = r.askOwners(way, s, domain, svc.Verification.Name)
			return txt, nil
		})
	})
}

// walkPublic walks to the private DNS name in public DNS; nil when there is no name or no place to
// ask from. It begins at once, unless other links may have the answers.
func (r *run) walkPublic() func() *promise[walked] {
	if r.src.PublicDNS == nil || r.link.PrivateDNSName == "" {
		return nil
	}
	walk := sync.OnceValue(func() *promise[walked] {
		return ask(r, "dns.public", func(s *span) (walked, error) {
			return r.walkTo(s, verificationDomain(r.link.PrivateDNSName))
		})
	})
	if r.o.Public == nil {
		walk()
	}
	return walk
}

// askPublic looks the private DNS name up in public DNS, where it may well have other addresses, for
// those who have no endpoint.
func (r *run) askPublic(public func() *promise[walked]) *promise[[]Lookup] {
	return ask(r, "dns.public", func(s *span) ([]Lookup, error) {
		switch {
		case r.link.PrivateDNSName == "":
			return nil, absent{NoPrivateDNSName}
		case public == nil:
			return nil, absent{NoVantage}
		}
		return shared(r, s, []string{"public", r.link.PrivateDNSName}, func() ([]Lookup, error) { return r.lookupPublic(s, public()) })
	})
}

func (r *run) lookupPublic(s *span, walk *promise[walked]) ([]Lookup, error) {
	<-walk.done
	if walk.err != nil {
		return nil, walk.err
	}
	s.cover(walk.item.Started)
	s.cover(walk.item.Started.Add(walk.item.Duration))
	types := []uint16{dns.TypeA, dns.TypeAAAA}
	all := make([]Lookup, len(types))
	parallel(len(types), len(types), func(i int) {
		l := walk.item.Value.walker.lookup(r.ctx, dns.Fqdn(ProbeName(r.link.PrivateDNSName)), types[i], 1)
		for range 3 { // CNAMEs that leave the zone
			if len(l.Addrs) > 0 || len(l.Chain) == 0 {
				break
			}
			next := walk.item.Value.walker.lookup(r.ctx, dns.Fqdn(l.Chain[len(l.Chain)-1]), types[i], 1)
			l.Outcome, l.Detail, l.RCode, l.Addrs, l.TTL = next.Outcome, next.Detail, next.RCode, next.Addrs, min(l.TTL, next.TTL)
			if len(next.Chain) == 0 {
				break
			}
			l.Chain = append(l.Chain, next.Chain...)
		}
		all[i] = l
		s.cover(l.Started)
		s.cover(r.now())
	})
	return all, nil
}

func (r *run) walkTo(s *span, domain string) (walked, error) {
	w := newWalker(&dnsClient{run: r, vantage: r.src.PublicDNS, name: publicVantage}, s, rootServers())
	steps, err := w.walk(r.ctx, domain, 0)
	if err != nil {
		return walked{}, walkFailure(err)
	}
	return walked{w, steps}, nil
}

// shown writes zones without their trailing dots.
func shown(steps []ServersOf) []ServersOf {
	out := slices.Clone(steps)
	for i := range out {
		out[i].Zone = bare(out[i].Zone)
	}
	return out
}

// owner is a name that may hold the verification record, and the zone whose servers to ask.
type owner struct {
	name string
	zone ServersOf
}

// owners lists where the record may stand (PrivateLink guide, "Manage DNS names"): below the
// private DNS name or a parent of it, with the label or, where the DNS host takes no
// underscores, without. And where it is often put by mistake: under the zone's name twice, because
// the DNS host appends the zone to what was typed.
func owners(domain, label string, steps []ServersOf) []owner {
	zoneOf := func(name string) (ServersOf, bool) {
		for _, z := range slices.Backward(steps) {
			if dns.IsSubDomain(z.Zone, name) {
				return z, dns.CountLabel(z.Zone) > 0
			}
		}
		return ServersOf{}, false
	}
	deepest := steps[len(steps)-1]
	var all []owner
	add := func(name string, zone ServersOf) {
		if _, ok := dns.IsDomainName(name); ok && len(name) <= 254 {
			all = append(all, owner{name, zone})
		}
	}
	// A public suffix such as com or co.uk is asked nothing: the name of one label is left out, and
	// asking one label more than needed does no harm.
	for d := domain; dns.CountLabel(d) >= 2; d = parent(d) {
		z, ok := zoneOf(d)
		if !ok || dns.CountLabel(z.Zone) < 2 {
			// Held by a top-level domain or the root: not the owner's to write into, unless
			// nothing below was delegated at all.
			if z.Zone != deepest.Zone {
				break
			}
		}
		if label != "" {
			add(label+"."+d, z)
		}
		if rest, ok := strings.CutPrefix(label, "_"); ok && rest != "" {
			add(rest+"."+d, z) // some DNS hosts drop the underscore
		}
		add(d, z)
		if label != "" && z.Zone == deepest.Zone && deepest.Zone != "." {
			add(label+"."+d+deepest.Zone, z)
		}
	}
	if label != "" {
		add(label+"."+domain+domain, deepest)
	}
	slices.SortStableFunc(all, func(a, b owner) int { return cmp.Compare(a.name, b.name) })
	return slices.CompactFunc(all, func(a, b owner) bool { return a.name == b.name })
}

// askOwners asks every name server for every owner name, and follows CNAMEs that leave the zone.
func (r *run) askOwners(way walked, s *span, domain, label string) []TXTQuestion {
	type task struct {
		owner  string
		server Server
	}
	var tasks []task
	for _, o := range owners(domain, label, way.steps) {
		for _, srv := range withAddress(o.zone.Servers) {
			tasks = append(tasks, task{o.name, srv})
		}
	}
	asked := make([]TXTQuestion, len(tasks))
	parallel(len(tasks), r.o.Concurrency, func(i int) {
		t := tasks[i]
		asked[i] = TXTQuestion{clean(bare(t.owner), maxName), way.walker.ask(r.ctx, t.server, t.owner, dns.TypeTXT, dnsAttempts)}
	})
	chased := map[string]string{} // owner by the end of its chain
	for _, q := range asked {
		if n := len(q.Chain); n > 0 && len(q.Texts) == 0 && len(chased) < 4 {
			chased[q.Chain[n-1]] = q.Owner
		}
	}
	for _, end := range slices.Sorted(maps.Keys(chased)) {
		asked = append(asked, TXTQuestion{chased[end], way.walker.lookup(r.ctx, dns.Fqdn(end), dns.TypeTXT, 1)})
	}
	return asked
}
