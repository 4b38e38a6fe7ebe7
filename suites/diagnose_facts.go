package suites

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/linkassay/linkassay/probes"
)

// facts are what a hop really is, from the observation of the way through one zone.
func (f flowWalk) facts(at int, o *probes.Observation, w *zoneWalk) []Fact {
	var out []Fact
	say := func(format string, args ...any) {
		if fact := (Fact{Value: fmt.Sprintf(format, args...)}); !slices.Contains(out, fact) {
			out = append(out, fact)
		}
	}
	switch at {
	case hopVantage:
		f.vantageFact(say)
	case hopName:
		f.nameFacts(say)
	case hopRoute, hopClientGroup, hopEndpointGroup:
		f.clientFacts(at, o, say)
	case hopInterface:
		for _, n := range maybe(o.Consumer.Interfaces) {
			say("%s %s in %s, %s", n.ID, list(n.IPs), n.SubnetID, n.Status)
		}
	case hopEndpoint:
		if e := maybe(o.Consumer.Endpoint); e.Found {
			say("%s is %s%s", e.ID, e.State, f.providerSees(e.ID))
		}
	case hopService:
		if s := maybe(o.Provider.Service); s.Found {
			say("%s is %s", s.ID, s.State)
		}
	case hopNode, hopBalancerGroup, hopListener, hopTargetGroup, hopHealth, hopTarget:
		f.balancerFacts(at, o, w.zone, say)
	case hopTCP:
		out = w.seen.tcp.facts
	case hopTLS:
		out = w.seen.tls.facts
		if !w.seen.tls.wanted {
			say("the link file asks for none on this port")
		}
	case hopHTTP:
		out = w.seen.http.facts
		if !w.seen.http.wanted {
			say("the link file asks for none on this port")
		}
	}
	return out
}

func (f flowWalk) vantageFact(say func(string, ...any)) {
	if f.vantage == "" {
		say("the link file has none: control plane only")
		return
	}
	for _, c := range maybe(f.link.Path.Clients) {
		if c.Vantage == f.vantage && c.Addr.IsValid() {
			say("%s", strings.TrimSpace(fmt.Sprintf("%s %s %s %s", f.vantage, c.Addr, c.SubnetID, c.InterfaceID)))
			return
		}
	}
	say("%s, whose address is not known", f.vantage)
}

// nameFacts say what was asked of whom, and whose the addresses are.
func (f flowWalk) nameFacts(say func(string, ...any)) {
	if !f.byName() {
		say("an address was given")
		return
	}
	server := ""
	for _, lookups := range []*probes.Item[[]probes.Lookup]{f.link.DNS.Private, f.link.DNS.Regional, f.link.DNS.Zonal} {
		for _, l := range maybe(lookups) {
			if l.Vantage == f.vantage && sameName(l.Name, f.to.Host) && l.Server.IsValid() {
				server = l.Server.String() + ": "
			}
		}
	}
	own := interfaceIPs(maybe(f.link.Consumer.Interfaces))
	switch {
	case !f.answer.resolved():
		say("%s%s", server, or(f.answer.why(), "not asked"))
		return
	case len(own) == 0:
		say("%s%s", server, list(f.answer.addrs))
		return
	case len(f.foreign) > 0:
		say("%s%s: not the endpoint's, which are %s", server, list(f.foreign), list(own))
	default:
		say("%s%s, the endpoint's", server, list(f.answer.addrs))
	}
	for _, a := range maybe(f.whole.o.Reach.TCP) {
		if a.Target.Kind == f.to.Kind && a.Addr.Port() == f.to.Port && a.Vantage == f.vantage && slices.Contains(f.foreign, a.Addr.Addr()) {
			say("a connect to %s there: %s", a.Addr, outcomeOf(a.Tries))
		}
	}
	if f.to.Kind == probes.TargetZonal {
		return
	}
	var out []string
	for _, n := range maybe(f.link.Consumer.Interfaces) {
		if !slices.ContainsFunc(n.IPs, func(ip netip.Addr) bool { return slices.Contains(f.answer.addrs, ip) }) {
			out = append(out, or(n.ZoneID, n.ID))
		}
	}
	if len(out) > 0 && len(f.foreign) == 0 {
		say("the answer leaves out %s", list(sorted(out)))
	}
}

// clientFacts are the rules between the vantage and the interface.
func (f flowWalk) clientFacts(at int, o *probes.Observation, say func(string, ...any)) {
	if at == hopRoute {
		for _, r := range routesBack(o) {
			say("outside the VPC; %s", or(r.found, "no route back to it"))
		}
	}
	forEachFlow(o, func(w clientFlow) {
		if w.by.vantage != f.vantage {
			return
		}
		switch at {
		case hopRoute:
			if acl, peer, ok := w.border(o, true); ok {
				say("%s", passing(acl, true, peer, w.port))
			} else if w.by.subnet != "" && w.by.subnet == w.to.SubnetID {
				say("none: inside %s", w.by.subnet)
			}
		case hopClientGroup:
			if w.by.eni != "" {
				how := w.egress(o)
				say("%s lets TCP %d out to %s", list(w.by.groups), w.port, list(how.by))
			}
		case hopEndpointGroup:
			for _, a := range endpointAdmissions(o) {
				if a.by.vantage == w.by.vantage && a.port == w.port {
					say("%s: TCP %d %s", list(maybe(o.Consumer.Endpoint).SecurityGroupIDs), w.port, a.how)
				}
			}
			if acl, peer, ok := w.border(o, false); ok {
				say("%s", passing(acl, false, peer, w.port))
			}
		}
	})
}

// passing names the entry by which a network ACL lets packets to a port through, or what it denies.
func passing(acl probes.NetworkACL, asks bool, peer netip.Prefix, port uint16) string {
	if what := refusal(acl, asks, peer, port); what != "" {
		return what
	}
	for _, e := range acl.Entries {
		p, err := netip.ParsePrefix(e.CIDR)
		if err != nil || e.Egress != asks || !e.Allow || !p.Overlaps(peer) {
			continue
		}
		if e.Protocol == "-1" || (e.Protocol == "6" || e.Protocol == "tcp") && e.FromPort <= int32(port) && int32(port) <= e.ToPort {
			return fmt.Sprintf("%s lets TCP %d %s %s pass by %s", acl.ID, port, preposition(asks), peer, entryName(e.Number))
		}
	}
	return acl.ID + " lets it pass"
}

func (f flowWalk) providerSees(endpoint string) string {
	for _, c := range maybe(f.link.Provider.Connections) {
		if c.EndpointID == endpoint {
			return ", to the provider " + c.State
		}
	}
	return ""
}

// balancerFacts are what stands on the provider's side of one zone.
func (f flowWalk) balancerFacts(at int, o *probes.Observation, zone string, say func(string, ...any)) {
	b, groups := backendsOf(o), maybe(o.Provider.TargetGroups)
	for _, lb := range b.lbs {
		l, listens := listenerOn(b.listeners, lb.ARN, f.to.Port)
		switch at {
		case hopNode:
			nodes := nodesOf(o, lb)
			for _, n := range nodes {
				say("%s %s of %s%s", n.ID, list(n.IPs), lb.Name, inParentheses(lb.State))
			}
			if len(nodes) == 0 {
				say("%s is %s", or(lb.Name, lb.ARN), lb.State)
			}
		case hopBalancerGroup:
			switch {
			case len(lb.SecurityGroupIDs) == 0:
				say("%s has none: nothing is filtered", or(lb.Name, lb.ARN))
			case same(lb.EnforceInbound, "off"):
				say("%s is not enforced on PrivateLink traffic", list(lb.SecurityGroupIDs))
			}
			for _, a := range balancerAdmissions(o) {
				if a.by.vantage == f.vantage && a.on == lb.Name {
					say("%s: TCP %d %s", list(lb.SecurityGroupIDs), a.port, a.how)
				}
			}
		case hopListener:
			if listens {
				say("%s %d on %s", l.Protocol, l.Port, lb.Name)
			}
		case hopTargetGroup:
			for _, g := range groups {
				if listens && slices.Contains(l.TargetGroupARNs, g.ARN) {
					say("%s%s", strings.TrimSpace(fmt.Sprintf("%s %s %d", or(g.Name, g.ARN), g.Protocol, g.Port)), map[bool]string{true: ", proxy protocol"}[g.ProxyProtocol])
				}
			}
		case hopHealth:
			if !listens {
				continue
			}
			behind := b.behind(l)
			if own, _ := within(behind, zone); zone != "" && !crossZone(lb, groups, l) && !o.Link.CrossRegion() {
				behind = own
			}
			say("%d of %d: %s", len(slices.DeleteFunc(slices.Clone(behind), func(h probes.TargetHealth) bool { return h.State != "healthy" })), len(behind), list(states(behind)))
		}
	}
	if at != hopTarget {
		return
	}
	forEachTargetFlow(o, func(w targetFlow) {
		if w.serves {
			how, _ := w.ingress(o)
			say("%s → %s port %d: %s %s", w.from, w.target.TargetID, w.port, list(w.target.GroupIDs), how)
		}
	})
}
