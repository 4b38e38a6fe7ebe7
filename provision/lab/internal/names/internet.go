package names

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"

	"github.com/miekg/dns"

	"github.com/linkassay/linkassay/provision/lab/internal/network"
)

var (
	clientAddr    = netip.AddrFrom4([4]byte{203, 0, 113, 10}) // of Dialer
	recursionAddr = netip.AddrFrom4([4]byte{203, 0, 113, 53}) // from which Recurse and LookupTXT ask
)

// Internet is the public side: a network with the DNS root, top-level domains, and name servers
// that serve published zones.
type Internet struct {
	log       *slog.Logger
	net       *network.Net
	overrides *overrides
	cache     *cache

	mu            sync.Mutex
	closed        bool
	root          *Zone
	hosts         map[string]*nameServer // by each of their names
	servers       []*nameServer
	registries    map[string]*registry      // by origin, the root's included
	published     map[string][]*publication // by origin; the first is the one delegated to
	hosting       hosting
	registryHosts int
}

// publication is a zone in public and the name servers that serve it.
type publication struct {
	zone    *Zone
	servers []string
}

// NewInternet starts the network, the root and the usual top-level domains.
func NewInternet(log *slog.Logger) (*Internet, error) {
	n, err := network.New(network.Options{})
	if err != nil {
		return nil, fmt.Errorf("internet: %w", err)
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	i := &Internet{
		log: log, net: n,
		overrides:  &overrides{rrs: map[overrideKey][]dns.RR{}},
		cache:      newCache(),
		hosts:      map[string]*nameServer{},
		registries: map[string]*registry{},
		published:  map[string][]*publication{},
		hosting:    hosting{zones: map[string]*Zone{}},
	}
	for _, a := range []netip.Addr{clientAddr, recursionAddr} {
		if err := n.AddAddr(a); err != nil {
			i.Close()
			return nil, fmt.Errorf("internet: %w", err)
		}
	}
	if err := i.startRoot(); err != nil {
		i.Close()
		return nil, fmt.Errorf("internet: %w", err)
	}
	return i, nil
}

// Net is the internet's network. An address that is added to it can be reached by everybody.
func (i *Internet) Net() *network.Net { return i.net }

// Dialer dials from an ordinary client's address.
func (i *Internet) Dialer() *network.Dialer { return i.net.Dialer(clientAddr) }

// FlushCache makes Recurse forget everything.
func (i *Internet) FlushCache() { i.cache.flush() }

// Close stops the name servers and closes the network.
func (i *Internet) Close() {
	i.mu.Lock()
	servers := i.servers
	i.servers, i.closed = nil, true
	i.mu.Unlock()
	var wg sync.WaitGroup
	for _, s := range servers {
		wg.Go(s.server.close)
	}
	wg.Wait()
	i.net.Close()
}

// addServer starts a name server on an address of its own. Called with i.mu held, or before
// anybody else knows i.
func (i *Internet) addServer(h host) (*nameServer, error) {
	if i.closed {
		return nil, fmt.Errorf("name server %s: %w", h.name, errClosed)
	}
	if err := i.net.AddAddr(h.addr); err != nil {
		return nil, fmt.Errorf("name server %s: %w", h.name, err)
	}
	s := &nameServer{name: h.name, addr: h.addr, overrides: i.overrides, zones: map[string]*Zone{}}
	var err error
	if s.server, err = newServer(i.net, h.addr, s.respond); err != nil {
		i.net.DelAddr(h.addr)
		return nil, fmt.Errorf("name server %s: %w", h.name, err)
	}
	i.hosts[h.name] = s
	i.servers = append(i.servers, s)
	return s, nil
}

// NameServerAddr is the address of a name server of the internet.
func (i *Internet) NameServerAddr(name string) (netip.Addr, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	s, ok := i.hosts[canonical(name)]
	if !ok {
		return netip.Addr{}, false
	}
	return s.addr, true
}

// Publish serves the zone on the name servers, which NameServers gave, and registers it: the
// closest domain above it in which the lab registers (com, co.uk, …) delegates it to them. Below
// another published zone nothing is registered; the NS records in that zone are its owner's
// business. Of several zones of one name the first published is the one delegated to.
func (i *Internet) Publish(z *Zone, servers []string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	fail := func(format string, a ...any) error {
		return fmt.Errorf("publish the zone %s: %w", z.origin, fmt.Errorf(format, a...))
	}
	if i.closed {
		return fail("%w", errClosed)
	}
	if i.registries[z.origin] != nil {
		return fail("it belongs to a registry")
	}
	if len(servers) == 0 {
		return fail("no name servers given")
	}
	p := &publication{zone: z}
	for _, name := range servers {
		name = canonical(name)
		s := i.hosts[name]
		if s == nil {
			return fail("no name server is called %s", name)
		}
		s.mu.RLock()
		other := s.zones[z.origin]
		s.mu.RUnlock()
		if other != nil {
			return fail("%s already serves a zone of this name", name)
		}
		p.servers = append(p.servers, name)
	}
	labels := dns.SplitDomainName(z.origin)
	if tld := labels[len(labels)-1] + "."; i.registries[tld] == nil {
		if tld == z.origin {
			return fail("it is a top-level domain")
		}
		if err := i.addTLD(tld); err != nil {
			return fail("%w", err)
		}
	}
	for _, name := range p.servers {
		i.hosts[name].serve(z)
	}
	i.published[z.origin] = append(i.published[z.origin], p)
	if len(i.published[z.origin]) == 1 {
		i.delegate(p)
	}
	return nil
}

// Withdraw stops serving the zone and takes its registration back.
func (i *Internet) Withdraw(z *Zone) {
	i.mu.Lock()
	defer i.mu.Unlock()
	all := i.published[z.origin]
	k := slices.IndexFunc(all, func(p *publication) bool { return p.zone == z })
	if k < 0 {
		return
	}
	for _, name := range all[k].servers {
		i.hosts[name].drop(z)
	}
	all = slices.Delete(all, k, k+1)
	if len(all) == 0 {
		delete(i.published, z.origin)
	} else {
		i.published[z.origin] = all
	}
	if k > 0 {
		return
	}
	if r := i.registrar(z.origin); r != nil {
		r.zone.Delete(z.origin, dns.TypeNS)
	}
	if len(all) > 0 {
		i.delegate(all[0])
	}
}

// delegate registers the zone, unless it lies below another published zone.
func (i *Internet) delegate(p *publication) {
	origin := p.zone.origin
	for at := parent(origin); i.registries[at] == nil; at = parent(at) {
		if len(i.published[at]) > 0 {
			return
		}
	}
	r := i.registrar(origin)
	r.zone.Set(origin, dns.TypeNS, withTTL(delegationTTL, nsRecords(origin, p.servers)))
	for _, name := range p.servers {
		if dns.IsSubDomain(origin, name) { // or nobody could find them
			r.zone.Set(name, dns.TypeA, addressRecords(name, delegationTTL, i.hosts[name].addr))
		}
	}
}

// Delegate changes what the registry above a domain says of it: that these servers have its zone, or,
// with none, nothing. What the servers hold stays as it is.
func (i *Internet) Delegate(domain string, servers []string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	origin := canonical(domain)
	r := i.registrar(origin)
	if len(servers) == 0 {
		r.zone.Delete(origin, dns.TypeNS)
		return
	}
	r.zone.Set(origin, dns.TypeNS, withTTL(delegationTTL, nsRecords(origin, servers)))
}

// registrar is the closest registry above the origin.
func (i *Internet) registrar(origin string) *registry {
	for at := parent(origin); ; at = parent(at) {
		if r := i.registries[at]; r != nil {
			return r
		}
	}
}

// Override makes a name server, or with an empty name all of them, answer the records instead of
// what the zone holds, where it answers for the owner at all. No records mean that the name has
// none of the type.
func (i *Internet) Override(server, owner string, rrtype uint16, rrs []dns.RR) {
	i.overrides.set(newOverrideKey(server, owner, rrtype), rrs)
}

// ClearOverride ends an Override.
func (i *Internet) ClearOverride(server, owner string, rrtype uint16) {
	i.overrides.clear(newOverrideKey(server, owner, rrtype))
}

func newOverrideKey(server, owner string, rrtype uint16) overrideKey {
	if server != "" {
		server = canonical(server)
	}
	return overrideKey{server, canonical(owner), rrtype}
}

var (
	errClosed   = errors.New("the internet is closed")
	errNoServer = errors.New("no name server answered")
)
