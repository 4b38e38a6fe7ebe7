package lab

import (
	"context"
	"fmt"
	"hash/maphash"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/linkassay/linkassay/provision/lab/internal/names"
)

// recordTTL is the TTL of AWS's own records, in seconds (UNSOURCED for endpoints' names).
const recordTTL = 60

// publisher keeps the lab's DNS in step with the world: the names of endpoints and load balancers,
// hosted zones, and the hidden zones of private DNS names. It changes only what differs. All its
// methods are called with world.mu held.
type publisher struct {
	plane *plane

	zones     map[string]*names.Zone     // AWS's own zones, by origin
	addresses map[string][]netip.Addr    // AWS's own records, by owner
	endpoints map[string]*publishedNames // by endpoint id
	balancers map[string]*publishedNames // by load balancer ARN
	hosted    map[string]*publishedZone  // by hosted zone id
	hidden    map[string]*hiddenZone     // by endpoint id

	left map[string]bool // zones, by id, that regional names leave out whatever their health

	changed bool // something public changed in this run
}

// publishedNames are the owners that a resource has in AWS's own zones.
type publishedNames struct {
	print  uint64
	owners []string
}

// publishedZone is a hosted zone as its name servers or resolvers have it.
type publishedZone struct {
	zone   *names.Zone
	public bool
	sets   map[recordKey]publishedSet
}

type publishedSet struct {
	set   *recordSet
	alias []netip.Addr // of an alias's target
}

// hiddenZone is the zone that AWS makes for an endpoint's private DNS name.
type hiddenZone struct {
	zone   *names.Zone
	id     string // of the zone: another one when private DNS was off in between
	name   string
	target string
	addrs  []netip.Addr // instead of the target
	from   time.Time
}

func newPublisher(p *plane) *publisher {
	return &publisher{
		plane: p, zones: map[string]*names.Zone{}, addresses: map[string][]netip.Addr{},
		endpoints: map[string]*publishedNames{}, balancers: map[string]*publishedNames{},
		hosted: map[string]*publishedZone{}, hidden: map[string]*hiddenZone{}, left: map[string]bool{},
	}
}

// follow publishes what changed.
func (p *publisher) follow() {
	p.changed = false
	if !p.plane.bare { // names that lead to addresses of VPCs
		p.followEndpoints()
		p.followBalancers()
		p.followPrivate()
	}
	p.followHosted()
	p.followDomains()
	if p.changed {
		p.plane.renamed.Add(1)
		p.plane.internet.FlushCache()
	}
}

// recurse is how the lab's resolvers resolve public names: from the root down, with a cache that
// never outlives a change. An answer that was being looked up during one is looked up again.
func (p *plane) recurse(ctx context.Context, q dns.Question) (*dns.Msg, error) {
	for {
		before := p.renamed.Load()
		m, err := p.internet.Recurse(ctx, q)
		if p.renamed.Load() == before || ctx.Err() != nil {
			return m, err
		}
		p.internet.FlushCache()
	}
}

// delegationSet gives four fresh name servers for a public hosted zone.
func (p *plane) delegationSet() []string { return p.internet.NameServers(4) }

// followEndpoints publishes regional and zonal names. The regional name leads to the interfaces in
// healthy zones, and to all when no zone is healthy; a zonal name to its own interface always.
func (p *publisher) followEndpoints() {
	w := p.plane.world
	var b []byte
	for id, e := range w.endpoints {
		healthy := p.plane.healthyFor(e)
		b = b[:0]
		for k, eni := range e.enis {
			i, s := w.interfaces[eni], w.subnets[e.subnets[k]]
			if i == nil || s == nil {
				continue
			}
			for _, a := range e.published(i) {
				b = append(b, a.AsSlice()...)
			}
			b = append(b, s.zoneID...)
			if healthy[s.zoneID] && !p.left[s.zoneID] {
				b = append(b, '+')
			}
		}
		print := maphash.Bytes(p.plane.seed, b)
		old := p.endpoints[id]
		if old != nil && old.print == print {
			continue
		}
		records := map[string][]netip.Addr{}
		var all, up []netip.Addr
		for k, eni := range e.enis {
			i, s := w.interfaces[eni], w.subnets[e.subnets[k]]
			if i == nil || s == nil {
				continue
			}
			addrs := e.published(i)
			all = append(all, addrs...)
			if healthy[s.zoneID] && !p.left[s.zoneID] {
				up = append(up, addrs...)
			}
			records[w.zonalDNSName(e, s.zoneID)] = addrs
		}
		if len(up) == 0 {
			up = all
		}
		if len(up) > 0 {
			records[e.regionalDNSName()] = up
		}
		_, origin, _ := strings.Cut(e.regionalDNSName(), "."+e.serviceID+".")
		p.endpoints[id] = p.publish(origin, old, print, records)
	}
	for id, old := range p.endpoints {
		if w.endpoints[id] == nil {
			p.withdraw(old)
			delete(p.endpoints, id)
		}
	}
}

// healthyZones are the zones in which a load balancer of the service has healthy targets.
func (p *plane) healthyZones(serviceID string) map[string]bool {
	cell := p.services[serviceID]
	if cell == nil {
		return nil
	}
	route := cell.now.Load()
	if len(route.balancers) == 1 {
		return route.balancers[0].now.Load().healthy
	}
	out := map[string]bool{}
	for _, c := range route.balancers {
		for z, ok := range c.now.Load().healthy {
			out[z] = out[z] || ok
		}
	}
	return out
}

// followBalancers publishes the load balancers' own names: their nodes in healthy zones, or all.
func (p *publisher) followBalancers() {
	w := p.plane.world
	for arn, lb := range w.loadBalancers {
		b := p.plane.balancers[arn].now.Load()
		var all, up []netip.Addr
		for _, z := range slices.Sorted(maps.Keys(b.nodes)) {
			addrs := []netip.Addr{b.nodes[z]}
			if a := b.nodes6[z]; a.IsValid() {
				addrs = append(addrs, a)
			}
			all = append(all, addrs...)
			if b.healthy[z] {
				up = append(up, addrs...)
			}
		}
		if len(up) == 0 {
			up = all
		}
		var raw []byte
		for _, a := range up {
			raw = append(raw, a.AsSlice()...)
		}
		print := maphash.Bytes(p.plane.seed, raw)
		old := p.balancers[arn]
		if old != nil && old.print == print || lb.dnsName == "" {
			continue
		}
		_, origin, _ := strings.Cut(lb.dnsName, ".")
		p.balancers[arn] = p.publish(origin, old, print, map[string][]netip.Addr{lb.dnsName: up})
	}
	for arn, old := range p.balancers {
		if w.loadBalancers[arn] == nil {
			p.withdraw(old)
			delete(p.balancers, arn)
		}
	}
}

// publish makes a resource's records in one of AWS's own zones those given.
func (p *publisher) publish(origin string, old *publishedNames, print uint64, records map[string][]netip.Addr) *publishedNames {
	z := p.zone(origin)
	next := &publishedNames{print: print}
	for owner, addrs := range records {
		owner = fqdn(owner)
		next.owners = append(next.owners, owner)
		if slices.Equal(p.addresses[owner], addrs) {
			continue
		}
		p.changed = true
		p.addresses[owner] = addrs
		var v4, v6 []dns.RR
		for _, a := range addrs {
			if a.Is4() {
				v4 = append(v4, addressRecord(owner, a))
			} else {
				v6 = append(v6, addressRecord(owner, a))
			}
		}
		z.Set(owner, dns.TypeA, v4)
		z.Set(owner, dns.TypeAAAA, v6)
	}
	if old != nil {
		gone := &publishedNames{owners: slices.DeleteFunc(old.owners, func(o string) bool { return slices.Contains(next.owners, o) })}
		p.withdraw(gone)
	}
	return next
}

func (p *publisher) withdraw(old *publishedNames) {
	for _, owner := range old.owners {
		p.changed = true
		delete(p.addresses, owner)
		for origin, z := range p.zones {
			if dns.IsSubDomain(origin, owner) {
				z.Delete(owner, dns.TypeA)
				z.Delete(owner, dns.TypeAAAA)
			}
		}
	}
}

// zone finds or makes one of AWS's own public zones, such as REGION.vpce.amazonaws.com.
func (p *publisher) zone(origin string) *names.Zone {
	origin = fqdn(origin)
	if z := p.zones[origin]; z != nil {
		return z
	}
	servers := p.plane.internet.NameServers(4)
	z := names.NewZone(origin, nil, servers...)
	p.zones[origin] = z
	if err := p.plane.internet.Publish(z, servers); err != nil {
		p.plane.log.Error("publish zone", "zone", origin, "error", err)
	}
	return z
}

// followHosted publishes Route 53's hosted zones: public ones at their name servers.
func (p *publisher) followHosted() {
	w := p.plane.world
	for id, h := range w.hostedZones {
		z := p.hosted[id]
		if z == nil {
			z = &publishedZone{zone: names.NewZone(h.name, nil, h.nameServers...), public: !h.private, sets: map[recordKey]publishedSet{}}
			p.hosted[id] = z
			if z.public {
				p.changed = true
				if err := p.plane.internet.Publish(z.zone, h.nameServers); err != nil {
					p.plane.log.Error("publish hosted zone", "zone", h.name, "id", id, "error", err)
				}
			}
		}
		p.fill(z, h.published)
	}
	for id, old := range p.hosted {
		if w.hostedZones[id] == nil {
			if old.public {
				p.plane.internet.Withdraw(old.zone)
				p.changed = true
			}
			delete(p.hosted, id)
		}
	}
}

// fill sets and deletes the record sets that differ. A record set never changes, another takes its
// place; but the addresses of an alias's target do.
func (p *publisher) fill(z *publishedZone, records map[recordKey]*recordSet) {
	for k, r := range records {
		next := publishedSet{set: r}
		if r.alias != nil {
			next.alias = p.aliased(r)
		}
		old := z.sets[k]
		if old.set == r && slices.Equal(old.alias, next.alias) {
			continue
		}
		p.changed = p.changed || z.public
		z.sets[k] = next
		kind, ok := dns.StringToType[r.kind]
		if !ok {
			p.plane.log.Warn("record type that the lab does not serve", "name", r.name, "type", r.kind)
			continue
		}
		rrs, err := next.resourceRecords()
		if err != nil {
			p.plane.log.Warn("record that the lab cannot serve", "name", r.name, "type", r.kind, "error", err)
		}
		z.zone.Set(r.name, kind, rrs)
	}
	if len(z.sets) == len(records) {
		return
	}
	for k := range z.sets {
		if records[k] == nil {
			p.changed = p.changed || z.public
			delete(z.sets, k)
			z.zone.Delete(k.name, dns.StringToType[k.kind])
		}
	}
}

// resourceRecords makes DNS records of a record set; an alias gets the addresses of its target.
func (s publishedSet) resourceRecords() ([]dns.RR, error) {
	rrs := make([]dns.RR, 0, len(s.set.values))
	for _, a := range s.alias {
		rrs = append(rrs, addressRecord(s.set.name, a))
	}
	for _, v := range s.set.values {
		if strings.ContainsAny(v, "\r\n") {
			return nil, fmt.Errorf("value %q holds a line break", v)
		}
		// The zone gives it its owner.
		rr, err := dns.NewRR(fmt.Sprintf(". %d IN %s %s", s.set.ttl, s.set.kind, v))
		if err != nil {
			return nil, fmt.Errorf("value %q: %w", v, err)
		}
		if rr != nil {
			rrs = append(rrs, rr)
		}
	}
	return rrs, nil
}

// aliased are the addresses of an alias's target, of the record's family: one of AWS's own names, or
// a record of a hosted zone.
func (p *publisher) aliased(r *recordSet) []netip.Addr {
	if r.kind != "A" && r.kind != "AAAA" {
		return nil
	}
	var out []netip.Addr
	target := strings.TrimPrefix(fqdn(r.alias.name), "dualstack.")
	if addrs, ok := p.addresses[target]; ok {
		for _, a := range addrs {
			if a.Is4() == (r.kind == "A") {
				out = append(out, a)
			}
		}
		return out
	}
	if h := p.plane.world.hostedZones[r.alias.zoneID]; h != nil {
		if set := h.records[recordKey{name: target, kind: r.kind}]; set != nil && set.alias == nil {
			for _, v := range set.values {
				if a, err := netip.ParseAddr(v); err == nil && a.Is4() == (r.kind == "A") {
					out = append(out, a)
				}
			}
		}
	}
	return out
}

func fqdn(name string) string { return strings.ToLower(dns.Fqdn(name)) }
