package probes

import (
	"cmp"
	"net"
	"net/netip"
	"strings"
	"sync"

	"github.com/miekg/dns"

	"github.com/linkassay/linkassay/provision"
)

// maxResolvers is how many resolvers of a vantage are tried for one name.
const maxResolvers = 3

// way is everything that is measured from vantages: lookups of the names, and connections to every
// address as soon as it is known.
type way struct {
	run      *run
	consumer *consumerItems
	places   []place
	ranks    map[string]int // of the vantages, by name

	private, regional, zonal *gathering[Lookup]
	reach                    *reach
	own                      [3]gathering[Lookup] // those three

	privateDone sync.WaitGroup // lookups of the private name that are not answered yet
}

// place is a vantage of the link in use.
type place struct {
	name      string
	vantage   Vantage
	expect    provision.Expect
	zone      string // zone id; "" where the link file says none
	dns       *dnsClient
	resolvers func() []netip.AddrPort // may wait for the consumer's VPC
}

func (r *run) newWay(c *consumerItems, said *speeches) *way {
	w := &way{
		run: r, consumer: c, ranks: map[string]int{}, reach: newReach(r, said),
	}
	w.private, w.regional, w.zonal = w.own[0].of(r, "dns.private"), w.own[1].of(r, "dns.regional"), w.own[2].of(r, "dns.zonal")
	w.places = make([]place, 0, len(r.src.Vantages))
	for i, v := range r.src.Vantages {
		p := place{
			name: v.Spec.Name, vantage: v.Vantage, expect: v.Spec.Expect, zone: v.Spec.Zone,
			dns: &dnsClient{run: r, vantage: v.Vantage, name: v.Spec.Name, engine: r.o.Engine},
		}
		if p.expect == "" {
			p.expect = provision.ExpectReach
		}
		p.resolvers = sync.OnceValue(func() []netip.AddrPort { return w.resolversOf(v) })
		w.ranks[p.name] = i
		w.places = append(w.places, p)
	}
	return w
}

// askWay starts the lookups and connections. They run in goroutines that the run waits for.
func (r *run) askWay(c *consumerItems) *way {
	w := r.newWay(c, prepare(r.link.Ports, r.loadTrust))
	name := ProbeName(r.link.PrivateDNSName)
	w.privateDone.Add(1)
	defer w.privateDone.Done()
	if r.o.Slow {
		r.progress("connections are silent for up to %s", r.silences()[1])
	}
	for _, p := range w.places {
		if p.expect == provision.ExpectTimeout {
			w.reach.tcp.start(func() { w.forbidden(p, name) })
			continue
		}
		w.reach.tcp.start(func() {
			interfaces, _ := w.consumer.interfaces.value()
			w.connectInterfaces(p, interfaces)
		})
		if name != "" {
			w.privateDone.Add(1)
			w.private.start(func() {
				defer w.privateDone.Done()
				w.lookup(p, w.private, Target{Kind: TargetPrivate, Name: name})
			})
		}
		if r.o.Slow {
			w.reach.idle.start(func() { w.keepSilent(p, name) })
		}
		w.regional.start(func() {
			if ep, err := w.consumer.found(); err == nil && ep.RegionalName != "" {
				w.lookup(p, w.regional, Target{Kind: TargetRegional, Name: ep.RegionalName})
			}
		})
		w.zonal.start(func() {
			if ep, err := w.consumer.found(); err == nil {
				w.lookupZonal(p, ep)
			}
		})
	}
	return w
}

// forbidden connects from a vantage where the link must not be reachable. The endpoint's own
// addresses are what must not answer; names are not looked up there, since they may well mean
// something else, unless there is no other way to know an address.
func (w *way) forbidden(p place, name string) {
	interfaces, err := w.consumer.interfaces.value()
	if err == nil && len(interfaces) > 0 {
		w.connectInterfaces(p, interfaces)
		return
	}
	if name == "" {
		return
	}
	target := Target{Kind: TargetPrivate, Name: name}
	for _, other := range w.places {
		if other.expect != provision.ExpectTimeout {
			w.privateDone.Wait()
			for _, l := range w.private.sofar() {
				for _, a := range l.Addrs {
					w.reach.add(p, target, a)
				}
			}
			return
		}
	}
	w.lookup(p, w.private, target)
}

func (w *way) connectInterfaces(p place, interfaces []Interface) {
	for _, i := range interfaces {
		for _, ip := range i.IPs {
			w.reach.add(p, Target{Kind: TargetInterface, Name: i.ID, ZoneID: i.ZoneID}, ip)
		}
	}
}

func (w *way) lookupZonal(p place, ep Endpoint) {
	zones, _ := w.consumer.zones.value() // without it zone ids stay unknown; that item says why
	parallel(len(ep.ZonalNames), apiConcurrency, func(i int) {
		name := ep.ZonalNames[i]
		_, zone := endpointName(ep.ID, name)
		w.lookup(p, w.zonal, Target{Kind: TargetZonal, Name: name, ZoneID: zoneID(zones, zone)})
	})
}

// lookup asks A and AAAA of a target's name and connects to every address as soon as it is known.
func (w *way) lookup(p place, g *gathering[Lookup], t Target) {
	resolvers := p.resolvers()
	types := []uint16{dns.TypeA, dns.TypeAAAA}
	parallel(len(types), len(types), func(i int) {
		l := w.resolve(p, resolvers, t.Name, types[i])
		g.add(l, l.Started, l.Duration)
		for _, a := range l.Addrs {
			w.reach.add(p, t, a)
		}
	})
}

// resolve asks the vantage's resolvers in turn until one answers, as a stub resolver does. When
// none does, the first one's silence is what is reported.
func (w *way) resolve(p place, resolvers []netip.AddrPort, name string, qtype uint16) Lookup {
	var first Lookup
	attempts := 0
	for i, server := range resolvers[:min(len(resolvers), maxResolvers)] {
		l := p.dns.ask(w.run.ctx, question{name: name, qtype: qtype, server: server, recurse: true, attempts: dnsAttempts})
		attempts += l.Attempts
		l.Attempts = attempts
		if i == 0 {
			first = l
		}
		if l.RCode != "" || l.Outcome == NoVia || l.Outcome == NotAsked {
			return l
		}
	}
	return first
}

// resolversOf names the resolvers of a vantage: those of the link file, or its own, or those that the
// consumer's VPC gives its instances.
func (w *way) resolversOf(v Placed) []netip.AddrPort {
	if v.Spec.Resolver != "" {
		if ap, ok := parseResolver(v.Spec.Resolver); ok {
			return []netip.AddrPort{ap}
		}
	}
	if own := v.Vantage.Resolvers(); len(own) > 0 {
		return own
	}
	if own := w.serversOfVPC(); len(own) > 0 {
		return own
	}
	if vpc, err := w.consumer.vpc.value(); err == nil {
		for _, c := range vpc.CIDRs {
			if prefix, err := netip.ParsePrefix(c); err == nil {
				return []netip.AddrPort{netip.AddrPortFrom(provision.BasePlusTwo(prefix), 53)}
			}
		}
	}
	return []netip.AddrPort{netip.MustParseAddrPort(unknownResolver)}
}

// serversOfVPC are the DNS servers that the VPC's instances ask, where its DHCP options name others than
// the VPC's own.
func (w *way) serversOfVPC() []netip.AddrPort {
	d, err := w.consumer.dhcpOptions.value()
	if err != nil {
		return nil
	}
	var out []netip.AddrPort
	for _, s := range d.Servers {
		a, err := netip.ParseAddr(s)
		if err != nil { // AmazonProvidedDNS
			return nil
		}
		out = append(out, netip.AddrPortFrom(a, 53))
	}
	return out
}

// parseResolver reads IP or IP:PORT.
func parseResolver(s string) (netip.AddrPort, bool) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return netip.AddrPortFrom(a, 53), true
	}
	ap, err := netip.ParseAddrPort(s)
	return ap, err == nil
}

// collect reads the items after the run's goroutines have ended.
func (w *way) collect() (DNS, Reach) {
	reaching := false
	for _, p := range w.places {
		reaching = reaching || p.expect == provision.ExpectReach
	}
	_, endpoint := w.consumer.found()
	if endpoint == nil {
		endpoint = absent{NoSubject} // it is there, but has no such names
	}
	_, address := w.consumer.interfaces.value()
	if address == nil {
		address = absent{NoSubject}
	}
	unless := func(missing bool, why Absence, otherwise error) error {
		if missing {
			return absent{why}
		}
		return otherwise
	}
	anywhere := func(e error) error { return unless(len(w.places) == 0, NoVantage, e) }
	reached := func(e error) error { return unless(!reaching, NoVantage, e) }
	noTLS := !hasPort(*w.run.link, func(p provision.Port) bool { return p.TLS != nil })
	noHTTP := !hasPort(*w.run.link, func(p provision.Port) bool { return p.HTTP != nil })

	byLookup := func(a, b Lookup) int {
		if a.Vantage != b.Vantage { // nearly all comparisons are of one vantage's
			return cmp.Compare(w.ranks[a.Vantage], w.ranks[b.Vantage])
		}
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Type, b.Type))
	}
	lookupVia := func(l Lookup) (string, bool) { return l.Detail, l.Outcome == NoVia }
	slow := func(e error) error { return unless(!w.run.o.Slow, OnlySlow, e) }
	tryVia := func(t Try) (string, bool) { return t.Detail, t.Outcome == NoVia }
	attemptVia := func(a Attempt) (string, bool) { return tryVia(a.Tries[len(a.Tries)-1]) }
	byReach := func(va, vb string, ta, tb Target, aa, ab netip.AddrPort) int {
		return cmp.Or(cmp.Compare(w.ranks[va], w.ranks[vb]), cmp.Compare(kindRank(ta.Kind), kindRank(tb.Kind)),
			cmp.Compare(ta.Name, tb.Name), aa.Addr().Compare(ab.Addr()), cmp.Compare(aa.Port(), ab.Port()))
	}
	d := DNS{
		Private: w.private.item(unless(w.run.link.PrivateDNSName == "", NoPrivateDNSName, reached(absent{NoSubject})),
			lookupVia, byLookup),
		Regional: w.regional.item(reached(endpoint), lookupVia, byLookup),
		Zonal:    w.zonal.item(reached(endpoint), lookupVia, byLookup),
	}
	if address == (absent{NoConsumerAccess}) && len(d.Private.Value) > 0 {
		address = absent{NoSubject} // the name was asked, and there is no address
	}
	if d.Private.Error != nil && address == (absent{NoConsumerAccess}) {
		address = failed{*d.Private.Error}
	}
	x := Reach{
		TCP: w.reach.tcp.item(anywhere(address), attemptVia, func(a, b Attempt) int {
			return byReach(a.Vantage, b.Vantage, a.Target, b.Target, a.Addr, b.Addr)
		}),
		TLS: w.reach.tls.item(unless(noTLS, NotConfigured, reached(address)),
			func(h Handshake) (string, bool) { return tryVia(h.Try) }, func(a, b Handshake) int {
				return byReach(a.Vantage, b.Vantage, a.Target, b.Target, a.Addr, b.Addr)
			}),
		HTTP: w.reach.http.item(unless(noHTTP, NotConfigured, reached(address)),
			func(e Exchange) (string, bool) { return tryVia(e.Try) }, func(a, b Exchange) int {
				return byReach(a.Vantage, b.Vantage, a.Target, b.Target, a.Addr, b.Addr)
			}),
		Large: w.reach.bulk.item(unless(noHTTP, NotConfigured, reached(address)),
			func(e Exchange) (string, bool) { return tryVia(e.Try) }, func(a, b Exchange) int {
				return byReach(a.Vantage, b.Vantage, a.Target, b.Target, a.Addr, b.Addr)
			}),
		Idle: w.reach.idle.item(slow(reached(address)),
			func(s Silence) (string, bool) { return tryVia(s.Try) }, func(a, b Silence) int {
				return cmp.Or(byReach(a.Vantage, b.Vantage, a.Target, b.Target, a.Addr, b.Addr), cmp.Compare(a.Wanted, b.Wanted))
			}),
	}
	return d, x
}

func hasPort(l provision.Link, is func(provision.Port) bool) bool {
	for _, p := range l.Ports {
		if is(p) {
			return true
		}
	}
	return false
}

func kindRank(k TargetKind) int {
	switch k {
	case TargetPrivate:
		return 0
	case TargetRegional:
		return 1
	case TargetZonal:
		return 2
	}
	return 3
}

// hostport writes an address for a URL or a dialler, leaving out the scheme's own port.
func hostport(host string, port, usual uint16) string {
	if port == usual {
		if strings.Contains(host, ":") {
			return "[" + host + "]"
		}
		return host
	}
	return net.JoinHostPort(host, portText(port))
}
