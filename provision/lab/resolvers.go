package lab

import (
	"net/netip"
	"slices"

	"github.com/linkassay/linkassay/provision/lab/internal/names"
)

// followDNSServers lets each VPC's clients ask the DNS servers that its DHCP options name, and runs those
// that are not the VPC's own resolver. Such a server resolves as the internet does, from wherever it
// stands: of the VPC's private zones it knows nothing. So do those beyond the VPC that clients may ask.
func (p *plane) followDNSServers() {
	w := p.world
	for id, n := range p.networks {
		var servers []netip.AddrPort
		custom := slices.Clone(n.beyond)
		if parts := w.parts[id]; parts != nil {
			for _, s := range w.dnsServersOf(parts.dhcp) {
				a, err := netip.ParseAddr(s)
				switch {
				case s == amazonDNS:
					a = n.base2
				case err != nil:
					continue
				case a != n.base2 && a != n.linkDNS && !slices.Contains(custom, a):
					custom = append(custom, a)
				}
				servers = append(servers, netip.AddrPortFrom(a, 53))
			}
		}
		if old := n.servers.Load(); old == nil || !slices.Equal(*old, servers) || len(custom) != len(n.custom) {
			n.runServers(custom)
			n.servers.Store(&servers)
		}
	}
}

// dnsServersOf are the DNS servers that a DHCP options set names. Without a set, or in the default one,
// it is the VPC's own.
func (w *world) dnsServersOf(id string) []string {
	if o := w.dhcp[id]; o != nil && len(o.settings["domain-name-servers"]) > 0 {
		return o.settings["domain-name-servers"]
	}
	return []string{amazonDNS}
}

// runServers runs the servers at these addresses and stops the others. world.mu is held.
func (n *vpcNetwork) runServers(addrs []netip.Addr) {
	next := map[netip.Addr]*names.Resolver{}
	for _, a := range addrs {
		if r := n.custom[a]; r != nil {
			next[a] = r
			continue
		}
		r, err := names.NewResolver(n.net, []netip.Addr{a}, n.plane.recurse)
		if err != nil {
			n.plane.log.Error("DNS server of DHCP options", "vpc", n.id, "address", a, "error", err)
			continue
		}
		next[a] = r
	}
	for a, r := range n.custom {
		if next[a] == nil {
			r.Close()
		}
	}
	n.custom = next
	known := make(map[netip.Addr]bool, len(next))
	for a := range next {
		known[a] = true
	}
	n.dnsServers.Store(&known)
}

// resolvers are the DNS servers that clients in the VPC ask.
func (n *vpcNetwork) resolvers() []netip.AddrPort {
	if s := n.servers.Load(); s != nil {
		return slices.Clone(*s)
	}
	return []netip.AddrPort{netip.AddrPortFrom(n.base2, 53)}
}
