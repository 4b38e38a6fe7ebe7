package suites

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
)

// Flow is one connection to walk: to a name or an address of the link, on a port.
type Flow struct {
	Kind probes.TargetKind `json:"kind"`
	Host string            `json:"host"` // the name without a trailing dot, or the address of an interface
	Port uint16            `json:"port"`
}

// ErrNotOfLink says that a host is no name or address of the link.
var ErrNotOfLink = errors.New("not a name or address of the link")

// FlowTo finds what a host is to the link: its private DNS name, a name that AWS gave the endpoint, or the
// address of one of its interfaces. Where the endpoint is not known (it could not be asked, or there is none), a
// name of AWS's form and any address are taken for its own. The error names what there is.
func FlowTo(o *probes.Observation, host string, port uint16) (Flow, error) {
	host = strings.TrimSuffix(host, ".")
	e, known := maybe(o.Consumer.Endpoint), maybe(o.Consumer.Endpoint).Found
	f := Flow{Host: host, Port: port}
	if ip, err := netip.ParseAddr(host); err == nil {
		f.Kind, f.Host = probes.TargetInterface, ip.Unmap().String()
		if interfaces := maybe(o.Consumer.Interfaces); len(interfaces) == 0 || slices.Contains(interfaceIPs(interfaces), ip.Unmap()) {
			return f, nil
		}
		return f, notOfLink(o, host)
	}
	is := func(name string) bool { return name != "" && sameName(name, host) }
	switch {
	case IsPrivateName(o.Link, host):
		f.Kind, f.Host = probes.TargetPrivate, probes.ProbeName(o.Link.PrivateDNSName)
	case is(e.RegionalName):
		f.Kind, f.Host = probes.TargetRegional, e.RegionalName
	case slices.ContainsFunc(e.ZonalNames, is):
		f.Kind, f.Host = probes.TargetZonal, e.ZonalNames[slices.IndexFunc(e.ZonalNames, is)]
	case !known && IsAWSName(host):
		f.Kind = probes.TargetRegional
	default:
		return f, notOfLink(o, host)
	}
	return f, nil
}

// IsPrivateName says whether a host is the link's private DNS name, or one that its wildcard covers.
func IsPrivateName(l provision.Link, host string) bool {
	return l.PrivateDNSName != "" && (covers(l.PrivateDNSName, host) || sameName(probes.ProbeName(l.PrivateDNSName), host))
}

// IsAWSName says whether a host has the form of a name that AWS gives an endpoint (PrivateLink guide, DNS names).
func IsAWSName(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return strings.HasPrefix(host, "vpce-") && (strings.HasSuffix(host, ".vpce.amazonaws.com") || strings.HasSuffix(host, ".vpce.amazonaws.com.cn"))
}

func notOfLink(o *probes.Observation, host string) error {
	const most = 1200 // the endpoint's names are long
	var has []string
	e := maybe(o.Consumer.Endpoint)
	for _, ip := range interfaceIPs(maybe(o.Consumer.Interfaces)) {
		has = append(has, ip.String())
	}
	has = slices.Concat([]string{o.Link.PrivateDNSName}, has, []string{e.RegionalName}, e.ZonalNames)
	has = slices.DeleteFunc(has, func(s string) bool { return s == "" })
	return fmt.Errorf("%s is %w %s, which has %s", plain(host), ErrNotOfLink, o.Link.Name, plainTo(list(has), most))
}

func (f Flow) addr() netip.Addr {
	ip, _ := netip.ParseAddr(f.Host)
	return ip
}

// port is what the link file says of the flow's port; of one that it does not know, nothing.
func (f Flow) port(l provision.Link) provision.Port {
	for _, p := range l.Ports {
		if p.Port == f.Port {
			return p
		}
	}
	return provision.Port{Port: f.Port}
}

// narrowed is an Observation of one vantage and the flow's port alone. Checks that judge it say of this flow what they
// say of it in the whole Observation, and nothing of the link's other ports and vantages.
func (f Flow) narrowed(o *probes.Observation, vantage string) *probes.Observation {
	view := *o
	view.Link.Vantages = slices.DeleteFunc(slices.Clone(o.Link.Vantages), func(v provision.Vantage) bool { return v.Name != vantage })
	view.Link.Ports = []provision.Port{f.port(o.Link)}
	return &view
}

// withAllPorts gives a narrowed Observation the link's other ports back, after the flow's: a fix must not take what they need.
func (f Flow) withAllPorts(o *probes.Observation, l provision.Link) *probes.Observation {
	view := *o
	view.Link.Ports = append([]provision.Port{f.port(l)}, slices.DeleteFunc(slices.Clone(l.Ports), func(p provision.Port) bool { return p.Port == f.Port })...)
	return &view
}

// part copies an item with a part of its value.
func part[T any](it *probes.Item[[]T], keep func(T) bool) *probes.Item[[]T] {
	if it == nil {
		return nil
	}
	view := *it
	view.Value = nil
	for _, v := range it.Value {
		if keep(v) {
			view.Value = append(view.Value, v)
		}
	}
	return &view
}

func nameless() *probes.Item[[]probes.Lookup] {
	return &probes.Item[[]probes.Lookup]{Absent: probes.NotConfigured}
}

// throughZone is an Observation of the way through one zone of the endpoint: its interface (only one address of it, if
// one is given), its subnet, the load balancers' nodes there, and the connections to that interface.
func throughZone(o *probes.Observation, zone string, only netip.Addr) *probes.Observation {
	view := *o
	var ids []string
	var ips []netip.Addr
	view.Consumer.Interfaces = part(o.Consumer.Interfaces, func(n probes.Interface) bool { return n.ZoneID == zone })
	for i, n := range maybe(view.Consumer.Interfaces) {
		if only.IsValid() {
			n.IPs = []netip.Addr{only}
			view.Consumer.Interfaces.Value[i] = n
		}
		ids, ips = append(ids, n.ID), append(ips, n.IPs...)
	}
	view.Consumer.Subnets = part(o.Consumer.Subnets, func(s probes.Subnet) bool { return s.ZoneID == zone })
	if e := o.Consumer.Endpoint; e != nil {
		it := *e
		it.Value.InterfaceIDs = slices.DeleteFunc(slices.Clone(it.Value.InterfaceIDs), func(id string) bool { return !slices.Contains(ids, id) })
		it.Value.SubnetIDs = slices.DeleteFunc(slices.Clone(it.Value.SubnetIDs), func(id string) bool {
			return slices.ContainsFunc(maybe(o.Consumer.Subnets), func(s probes.Subnet) bool { return s.ID == id && s.ZoneID != zone })
		})
		view.Consumer.Endpoint = &it
	}
	inZone := func(n probes.NodeNIC) bool { return n.ZoneID == zone }
	if slices.ContainsFunc(maybe(o.Path.Nodes), inZone) { // across Regions zones have nothing to do with each other
		view.Path.Nodes = part(o.Path.Nodes, inZone)
	}
	to := func(t probes.Target, a netip.AddrPort) bool {
		return t.Kind == probes.TargetInterface && slices.Contains(ips, a.Addr())
	}
	view.Reach.TCP = part(o.Reach.TCP, func(a probes.Attempt) bool { return to(a.Target, a.Addr) })
	view.Reach.TLS = part(o.Reach.TLS, func(h probes.Handshake) bool { return to(h.Target, h.Addr) })
	view.Reach.HTTP = part(o.Reach.HTTP, func(x probes.Exchange) bool { return to(x.Target, x.Addr) })
	view.Reach.Large = part(o.Reach.Large, func(x probes.Exchange) bool { return to(x.Target, x.Addr) })
	// Names stand for other zones too: they are judged with all zones in view.
	view.DNS.Private, view.DNS.Regional, view.DNS.Zonal = nameless(), nameless(), nameless()
	return &view
}
