package probes

import "net/netip"

// rootServers are the DNS root's name servers and their IPv4 addresses (IANA, "Root Servers"): the
// same everywhere since 2017, b's since 2023.
func rootServers() []Server {
	return []Server{
		{"a.root-servers.net", netip.AddrFrom4([4]byte{198, 41, 0, 4})},
		{"b.root-servers.net", netip.AddrFrom4([4]byte{170, 247, 170, 2})},
		{"c.root-servers.net", netip.AddrFrom4([4]byte{192, 33, 4, 12})},
		{"d.root-servers.net", netip.AddrFrom4([4]byte{199, 7, 91, 13})},
		{"e.root-servers.net", netip.AddrFrom4([4]byte{192, 203, 230, 10})},
		{"f.root-servers.net", netip.AddrFrom4([4]byte{192, 5, 5, 241})},
		{"g.root-servers.net", netip.AddrFrom4([4]byte{192, 112, 36, 4})},
		{"h.root-servers.net", netip.AddrFrom4([4]byte{198, 97, 190, 53})},
		{"i.root-servers.net", netip.AddrFrom4([4]byte{192, 36, 148, 17})},
		{"j.root-servers.net", netip.AddrFrom4([4]byte{192, 58, 128, 30})},
		{"k.root-servers.net", netip.AddrFrom4([4]byte{193, 0, 14, 129})},
		{"l.root-servers.net", netip.AddrFrom4([4]byte{199, 7, 83, 42})},
		{"m.root-servers.net", netip.AddrFrom4([4]byte{202, 12, 27, 33})},
	}
}
