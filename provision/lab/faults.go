package lab

import (
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// The methods below break what no API call can. Each can be undone.

// ZoneDown makes a zone (by zone id) drop every packet, in every VPC, or work again.
func (l *Lab) ZoneDown(zoneID string, down bool) {
	p := l.plane
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	next := map[string]bool{}
	if old := p.zonesDown.Load(); old != nil {
		next = maps.Clone(*old)
	}
	if delete(next, zoneID); down {
		next[zoneID] = true
	}
	if len(next) == 0 {
		p.zonesDown.Store(nil)
	} else {
		p.zonesDown.Store(&next)
	}
	l.world.changed() // names leave a zone that is down
}

// Latency delays every packet in the VPC by d, each way; 0 undoes it.
func (l *Lab) Latency(vpcID string, d time.Duration) error {
	return l.fault(vpcID, func(f *linkFaults) { f.latency = max(d, 0) })
}

// Loss drops the fraction (0 to 1) of all packets in the VPC; 0 undoes it.
func (l *Lab) Loss(vpcID string, fraction float64) error {
	return l.fault(vpcID, func(f *linkFaults) { f.loss = min(max(fraction, 0), 1) })
}

func (l *Lab) fault(vpcID string, change func(*linkFaults)) error {
	n, err := l.network(vpcID)
	if err != nil {
		return err
	}
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	var next linkFaults
	if old := n.faults.Load(); old != nil {
		next = *old
	}
	change(&next)
	if next == (linkFaults{}) {
		n.faults.Store(nil)
	} else {
		n.faults.Store(&next)
	}
	return nil
}

func (l *Lab) network(vpcID string) (*vpcNetwork, error) {
	l.world.mu.RLock()
	defer l.world.mu.RUnlock()
	if n := l.plane.networks[vpcID]; n != nil {
		return n, nil
	}
	return nil, fmt.Errorf("the lab has no VPC %s", vpcID)
}

// Skew sets the API's clock ahead of this host's by d, or behind it; 0 undoes it. Signatures and the Date
// header go by it, nothing else does.
func (l *Lab) Skew(d time.Duration) { l.api.skew.Store(int64(d)) }

// Throttle refuses all calls of an account but STS's for being too many, or serves it again.
func (l *Lab) Throttle(account string, on bool) { l.api.throttle.stop(account, on) }

// StopServers stops the servers of an instance, which the API goes on calling running: its ports
// refuse, and health checks notice. StartServers undoes it.
func (l *Lab) StopServers(instanceID string) error {
	h, err := l.host(instanceID)
	if err == nil {
		h.stop()
	}
	return err
}

// StartServers starts an instance's servers again.
func (l *Lab) StartServers(instanceID string) error {
	h, err := l.host(instanceID)
	if err != nil {
		return err
	}
	return h.start(l.plane.ctx)
}

func (l *Lab) host(instanceID string) (*host, error) {
	l.world.mu.RLock()
	defer l.world.mu.RUnlock()
	if h := l.plane.hosts[instanceID]; h != nil {
		return h, nil
	}
	return nil, fmt.Errorf("the lab runs no instance %s", instanceID)
}

// OverrideTXT lets one name server (by its name), or all with "", answer TXT questions for the
// owner with these values instead of the zone's; an empty slice makes it answer that there is no
// such record. nil undoes it.
func (l *Lab) OverrideTXT(server, owner string, values []string) {
	internet := l.plane.internet
	defer internet.FlushCache()
	if values == nil {
		internet.ClearOverride(serverName(server), dns.Fqdn(owner), dns.TypeTXT)
		return
	}
	rrs := []dns.RR{}
	for _, v := range values {
		rrs = append(rrs, &dns.TXT{
			Hdr: dns.RR_Header{Name: dns.Fqdn(owner), Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: recordTTL},
			Txt: chunks(v, 255),
		})
	}
	internet.Override(serverName(server), dns.Fqdn(owner), dns.TypeTXT, rrs)
}

// Delegate makes the registry above a domain name these name servers for it, as its registration
// says; none take the domain out of the registry.
func (l *Lab) Delegate(domain string, servers []string) {
	l.plane.internet.Delegate(domain, servers)
	l.plane.internet.FlushCache()
}

func serverName(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToLower(dns.Fqdn(s))
}

// chunks cuts a TXT value into strings that fit one record.
func chunks(s string, size int) []string {
	out := []string{}
	for len(s) > size {
		out = append(out, s[:size])
		s = s[size:]
	}
	return append(out, s)
}

// addressRecord makes an A or AAAA record as AWS's own names have it.
func addressRecord(owner string, a netip.Addr) dns.RR {
	if !a.Is4() {
		return &dns.AAAA{
			Hdr:  dns.RR_Header{Name: owner, Rrtype: dns.TypeAAAA, Class: dns.ClassINET, Ttl: recordTTL},
			AAAA: a.AsSlice(),
		}
	}
	return &dns.A{
		Hdr: dns.RR_Header{Name: owner, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: recordTTL},
		A:   a.AsSlice(),
	}
}
