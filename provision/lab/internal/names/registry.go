package names

import (
	"fmt"
	"net/netip"

	"github.com/miekg/dns"
)

// rootServers are the first three root servers, on their genuine addresses.
var rootServers = []host{
	{"a.root-servers.net.", netip.AddrFrom4([4]byte{198, 41, 0, 4})},
	{"b.root-servers.net.", netip.AddrFrom4([4]byte{199, 9, 14, 201})},
	{"c.root-servers.net.", netip.AddrFrom4([4]byte{192, 33, 4, 12})},
}

// gtldServers serve com and net, on their genuine addresses.
var gtldServers = []host{
	{"a.gtld-servers.net.", netip.AddrFrom4([4]byte{192, 5, 6, 30})},
	{"b.gtld-servers.net.", netip.AddrFrom4([4]byte{192, 33, 14, 30})},
}

type host struct {
	name string
	addr netip.Addr
}

const (
	rootTTL       = 60 // seconds: the root's delegations never change while the lab runs
	delegationTTL = 2  // seconds: in reality two days
)

// startRoot makes the root zone and the registries that every internet has.
func (i *Internet) startRoot() error {
	i.root = NewZone(".", nil)
	names := make([]string, len(rootServers))
	for k, h := range rootServers {
		s, err := i.addServer(h)
		if err != nil {
			return err
		}
		s.serve(i.root)
		names[k] = h.name
		i.root.Set(h.name, dns.TypeA, addressRecords(h.name, rootTTL, h.addr))
	}
	i.root.Set(".", dns.TypeNS, nsRecords(".", names))
	i.registries["."] = &registry{zone: i.root}
	for _, tld := range []string{"com.", "net.", "org.", "io.", "dev.", "uk."} {
		if err := i.addTLD(tld); err != nil {
			return err
		}
	}
	// Names of the root's and the registries' own servers, for whoever asks.
	net := i.registries["net."].zone
	for _, h := range append(append([]host(nil), rootServers...), gtldServers...) {
		net.Set(h.name, dns.TypeA, addressRecords(h.name, rootTTL, h.addr))
	}
	// co.uk is a zone of its own on uk's servers.
	uk := i.registries["uk."]
	couk := &registry{zone: NewZone("co.uk.", nil, uk.servers...), servers: uk.servers}
	for _, s := range uk.servers {
		i.hosts[s].serve(couk.zone)
	}
	uk.zone.Set("co.uk.", dns.TypeNS, withTTL(rootTTL, nsRecords("co.uk.", uk.servers)))
	i.registries["co.uk."] = couk
	return nil
}

// registry is a zone in which the lab registers domains: a top-level domain, or one like co.uk.
type registry struct {
	zone    *Zone
	servers []string
}

// addTLD makes a top-level domain with two name servers and delegates it from the root.
func (i *Internet) addTLD(tld string) error {
	hosts := gtldServers
	if tld != "com." && tld != "net." {
		hosts = nil
		for _, letter := range []string{"a", "b"} {
			addr, err := i.registryAddr()
			if err != nil {
				return fmt.Errorf("top-level domain %s: %w", tld, err)
			}
			hosts = append(hosts, host{letter + ".nic." + tld, addr})
		}
	}
	r := &registry{}
	for _, h := range hosts {
		r.servers = append(r.servers, h.name)
	}
	r.zone = NewZone(tld, nil, r.servers...)
	for _, h := range hosts {
		s := i.hosts[h.name]
		if s == nil {
			var err error
			if s, err = i.addServer(h); err != nil {
				return err
			}
		}
		s.serve(r.zone)
		r.zone.Set(h.name, dns.TypeA, addressRecords(h.name, rootTTL, h.addr))
		i.root.Set(h.name, dns.TypeA, addressRecords(h.name, rootTTL, h.addr)) // glue
	}
	i.root.Set(tld, dns.TypeNS, withTTL(rootTTL, nsRecords(tld, r.servers)))
	i.registries[tld] = r
	return nil
}

// registryAddr is a fresh address for a top-level domain's name server.
func (i *Internet) registryAddr() (netip.Addr, error) {
	if i.registryHosts >= 1<<16-2 {
		return netip.Addr{}, fmt.Errorf("no address left for its name servers")
	}
	i.registryHosts++
	return netip.AddrFrom4([4]byte{194, 0, byte(i.registryHosts >> 8), byte(i.registryHosts)}), nil
}

func addressRecords(owner string, ttl uint32, addrs ...netip.Addr) []dns.RR {
	rrs := make([]dns.RR, len(addrs))
	for k, a := range addrs {
		rrs[k] = &dns.A{Hdr: dns.RR_Header{Name: owner, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: ttl}, A: a.AsSlice()}
	}
	return rrs
}

func withTTL(ttl uint32, rrs []dns.RR) []dns.RR {
	for _, rr := range rrs {
		rr.Header().Ttl = ttl
	}
	return rrs
}
