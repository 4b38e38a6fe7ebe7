package lab

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/linkassay/linkassay/provision/lab/internal/names"
)

// followPrivate gives each VPC's resolver its private zones: Route 53's, associated with the VPC,
// and the hidden ones of its endpoints' private DNS names. Both need the VPC's two DNS attributes.
// A hosted zone of the same name stands before a hidden one.
func (p *publisher) followPrivate() {
	w := p.plane.world
	zones := map[string][]*names.Zone{} // by VPC
	shadows := map[string]bool{}        // VPC and name
	for id, h := range w.hostedZones {
		z := p.hosted[id]
		if !h.private || z == nil {
			continue
		}
		for _, v := range h.vpcs {
			zones[v.id] = append(zones[v.id], z.zone)
			shadows[v.id+" "+fqdn(h.name)] = true
		}
	}
	for id, e := range w.endpoints {
		h := p.hiddenZone(e)
		if h == nil {
			delete(p.hidden, id)
			continue
		}
		if wait := time.Until(h.from); wait > 0 {
			p.plane.dueAt(h.from)
			continue
		}
		if !shadows[e.vpc+" "+fqdn(strings.TrimPrefix(h.name, "*."))] {
			zones[e.vpc] = append(zones[e.vpc], h.zone)
		}
	}
	for id := range p.hidden {
		if w.endpoints[id] == nil {
			delete(p.hidden, id)
		}
	}
	for id, n := range p.plane.networks {
		v, list := w.vpcs[id], zones[id]
		if v == nil || !v.dnsSupport || !v.dnsHostnames {
			list = nil
		}
		slices.SortFunc(list, func(a, b *names.Zone) int { return strings.Compare(a.Origin(), b.Origin()) })
		if !slices.Equal(n.private, list) {
			n.private = list
			n.resolver.SetPrivate(list)
		}
	}
}

// hiddenZone finds or makes the endpoint's hidden zone; nil while it has none. It holds one CNAME
// record, to the endpoint's regional name, at its own name; for a wildcard name, below it. With
// service-defined records it holds the addresses themselves.
func (p *publisher) hiddenZone(e *endpoint) *hiddenZone {
	name := p.plane.world.privateNameOf(e)
	if name == "" || !e.inState(endpointPending, endpointAvailable) || len(e.enis) == 0 {
		return nil
	}
	target := fqdn(e.regionalDNSName())
	var addrs []netip.Addr
	if e.recordIPType == typeServiceDefined {
		// Regional and zonal names have records of both families, the private name has A records only.
		addrs = slices.DeleteFunc(slices.Clone(p.addresses[target]), func(a netip.Addr) bool { return !a.Is4() })
	}
	from := time.Now().Add(p.plane.world.timing.PrivateZone)
	if h := p.hidden[e.id]; h != nil && h.id == e.privateZone && h.name == name && h.target == target {
		if slices.Equal(h.addrs, addrs) {
			return h
		}
		from = h.from
	}
	origin := fqdn(strings.TrimPrefix(name, "*."))
	owner := fqdn(name)
	h := &hiddenZone{zone: names.NewZone(origin, nil), id: e.privateZone, name: name, target: target, addrs: addrs, from: from}
	if len(addrs) > 0 {
		var records []dns.RR
		for _, a := range addrs {
			records = append(records, addressRecord(owner, a))
		}
		h.zone.Set(owner, dns.TypeA, records)
		p.hidden[e.id] = h
		return h
	}
	h.zone.Set(owner, dns.TypeCNAME, []dns.RR{&dns.CNAME{
		Hdr:    dns.RR_Header{Name: owner, Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: recordTTL},
		Target: target,
	}})
	p.hidden[e.id] = h
	return h
}

// followDomains tells the certificate authority which names are the lab's own: below the accounts'
// domains, and the services' private names.
func (p *publisher) followDomains() {
	w := p.plane.world
	var domains []string
	for _, a := range w.accounts {
		if a.domain != "" {
			domains = append(domains, strings.TrimSuffix(fqdn(a.domain), "."))
		}
	}
	for _, s := range w.services {
		if s.privateName != "" {
			domains = append(domains, strings.TrimSuffix(fqdn(strings.TrimPrefix(s.privateName, "*.")), "."))
		}
	}
	slices.Sort(domains)
	domains = slices.Compact(domains)
	if !slices.Equal(domains, *p.plane.ca.domains.Load()) {
		p.plane.ca.domains.Store(&domains)
	}
}
