package lab

import (
	"net/netip"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// ResolverAnswers makes the VPC's resolver lie: it answers address questions for the name with these
// addresses. nil makes it honest again.
func (l *Lab) ResolverAnswers(vpcID, name string, addrs []netip.Addr) error {
	if addrs == nil {
		return l.tamper(vpcID, func(t *tampering) { t.set(name, nil) })
	}
	return l.tamper(vpcID, func(t *tampering) { t.set(name, &lie{addrs: addrs}) })
}

// ResolverEmpty makes the VPC's resolver answer that the name has no records of any kind.
// ResolverAnswers with nil undoes it.
func (l *Lab) ResolverEmpty(vpcID, name string) error {
	return l.tamper(vpcID, func(t *tampering) { t.set(name, &lie{}) })
}

// ResolverDenies makes the VPC's resolver answer that the name does not exist. With a zone it does so as one
// that has kept the zone's negative answer, for so many seconds more. ResolverAnswers with nil undoes it.
func (l *Lab) ResolverDenies(vpcID, name, zone string, seconds uint32) error {
	x := &lie{rcode: dns.RcodeNameError}
	if zone != "" {
		x.soa = &dns.SOA{
			Hdr: dns.RR_Header{Name: strings.ToLower(dns.Fqdn(zone)), Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: seconds},
			Ns:  "ns." + dns.Fqdn(zone), Mbox: "awsdns-hostmaster.amazon.com.", Serial: 1, Refresh: 7200, Retry: 900, Expire: 1209600, Minttl: 86400,
		}
	}
	return l.tamper(vpcID, func(t *tampering) { t.set(name, x) })
}

// ResolverStrips makes the VPC's resolver take private addresses out of its answers, as resolvers do that
// guard against DNS rebinding.
func (l *Lab) ResolverStrips(vpcID string, on bool) error {
	return l.tamper(vpcID, func(t *tampering) { t.strips = on })
}

// ResolverSilent makes the VPC's resolver answer nobody.
func (l *Lab) ResolverSilent(vpcID string, on bool) error {
	n, err := l.network(vpcID)
	if err == nil {
		n.mute.Store(on)
	}
	return err
}

// ResolverBeyond runs a DNS server at an address that the VPC's clients reach over a VPN or a transit gateway. It
// resolves as the internet does and does not forward to the VPC.
func (l *Lab) ResolverBeyond(vpcID string, addr netip.Addr) error {
	n, err := l.network(vpcID)
	if err != nil {
		return err
	}
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	n.beyond = append(n.beyond, addr)
	l.world.changed()
	return nil
}

// LeaveOutZone makes AWS leave a zone (by zone id) out of every endpoint's regional name, as it does while it
// holds the zone for unhealthy or traffic is shifted away from it, or put it in again.
func (l *Lab) LeaveOutZone(zoneID string, on bool) {
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	left := l.plane.published.left
	if delete(left, zoneID); on {
		left[zoneID] = true
	}
	l.world.changed()
}

// ForgetNames makes AWS show an endpoint without its regional and zonal names, or with them again.
func (l *Lab) ForgetNames(endpointID string, on bool) error {
	return l.changeEndpoint(endpointID, func(e *endpoint) { e.nameless = on })
}

func (l *Lab) tamper(vpcID string, change func(*tampering)) error {
	n, err := l.network(vpcID)
	if err != nil {
		return err
	}
	n.lies.mu.Lock()
	defer n.lies.mu.Unlock()
	change(&n.lies)
	return nil
}

// tampering is what a resolver answers instead of the truth.
type tampering struct {
	mu     sync.RWMutex
	lies   map[string]*lie // by name
	strips bool            // private addresses
}

// lie is one name's answer: addresses, or none of them.
type lie struct {
	addrs []netip.Addr
	rcode int
	soa   *dns.SOA
}

func (t *tampering) set(name string, x *lie) {
	name = strings.ToLower(dns.Fqdn(name))
	if x == nil {
		delete(t.lies, name)
		return
	}
	if t.lies == nil {
		t.lies = map[string]*lie{}
	}
	t.lies[name] = x
}

// apply changes a resolver's answer.
func (t *tampering) apply(q dns.Question, m *dns.Msg) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if x, ok := t.lies[strings.ToLower(q.Name)]; ok {
		x.tell(q, m)
	}
	if t.strips {
		m.Answer = stripped(m.Answer)
	}
}

func (x *lie) tell(q dns.Question, m *dns.Msg) {
	m.Rcode, m.Answer, m.Ns = x.rcode, nil, nil
	if x.soa != nil {
		m.Ns = []dns.RR{dns.Copy(x.soa)}
	}
	if q.Qtype != dns.TypeA && q.Qtype != dns.TypeAAAA {
		return
	}
	for _, a := range x.addrs {
		if a.Is4() == (q.Qtype == dns.TypeA) {
			m.Answer = append(m.Answer, addressRecord(q.Name, a))
		}
	}
}

func stripped(answer []dns.RR) []dns.RR {
	var out []dns.RR
	for _, rr := range answer {
		var raw []byte
		switch rr := rr.(type) {
		case *dns.A:
			raw = rr.A.To4()
		case *dns.AAAA:
			raw = rr.AAAA
		}
		if a, ok := netip.AddrFromSlice(raw); !ok || !a.IsPrivate() {
			out = append(out, rr)
		}
	}
	return out
}
