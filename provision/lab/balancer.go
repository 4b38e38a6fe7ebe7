package lab

import (
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"
)

// balancer is a load balancer as packets see it. It is never changed, only replaced.
type balancer struct {
	arn       string
	network   *vpcNetwork
	nodes     map[string]netip.Addr // by zone id
	nodes6    map[string]netip.Addr // the same in IPv6, of one that is dualstack
	active    bool
	enforce   bool // security groups apply to PrivateLink traffic
	groups    []*groupCell
	listeners map[uint16]listenerRoute
	healthy   map[string]bool // zones with a healthy target for every listener
}

type balancerCell struct {
	arn  string
	turn atomic.Uint32 // round robin over targets
	now  atomic.Pointer[balancer]
}

// listenerRoute is where a listener's connections go.
type listenerRoute struct {
	idle  time.Duration
	proxy bool
	// byZone holds, by the node's zone id, the targets that it forwards to. A zone without one
	// resets connections.
	byZone map[string][]netip.AddrPort
}

// serviceCell is what an endpoint service's endpoints lead to.
type serviceCell struct {
	now atomic.Pointer[serviceRoute]
}

type serviceRoute struct {
	zones     map[string]bool // that the service offers
	remote    []string        // those that it offers to other Regions
	balancers []*balancerCell
}

// endpointRoute is where an endpoint's interface leads.
type endpointRoute struct {
	endpoint string
	open     bool // the connection is accepted and the endpoint works
	remote   bool // the service is in another Region
	service  *serviceCell
}

// followBalancers compiles the load balancers with their listeners and targets.
func (p *plane) followBalancers() {
	w := p.world
	byBalancer := map[string][]*listener{}
	for _, l := range w.listeners {
		byBalancer[l.loadBalancer] = append(byBalancer[l.loadBalancer], l)
	}
	for arn, lb := range w.loadBalancers {
		cell := p.balancers[arn]
		if cell == nil {
			cell = &balancerCell{arn: arn}
			p.balancers[arn] = cell
		}
		cell.now.Store(p.compileBalancer(lb, byBalancer[arn]))
	}
	for arn, cell := range p.balancers {
		if w.loadBalancers[arn] == nil {
			cell.now.Store(&balancer{arn: arn})
			delete(p.balancers, arn)
		}
	}
}

func (p *plane) compileBalancer(lb *loadBalancer, listeners []*listener) *balancer {
	b := &balancer{
		arn: lb.id, network: p.networks[lb.vpc], nodes: map[string]netip.Addr{}, nodes6: map[string]netip.Addr{},
		active:  lb.carries(),
		enforce: lb.enforce != "off", listeners: map[uint16]listenerRoute{}, healthy: map[string]bool{},
	}
	b.active = b.active && b.network != nil
	for _, id := range lb.groups {
		b.groups = append(b.groups, p.cell(id))
	}
	for _, n := range lb.nodes {
		if i := p.world.interfaces[n.eni]; i != nil {
			b.nodes[n.zoneID] = i.addr
			if i.addr6.IsValid() {
				b.nodes6[n.zoneID] = i.addr6
			}
			b.healthy[n.zoneID] = len(listeners) > 0
		}
	}
	down := p.zonesDown.Load()
	for _, l := range listeners {
		if l.protocol == "UDP" {
			continue
		}
		route := listenerRoute{idle: p.world.timing.idle(defaultIdleTimeout), byZone: map[string][]netip.AddrPort{}}
		if s, err := strconv.Atoi(l.attributes["tcp.idle_timeout.seconds"]); err == nil && s > 0 {
			route.idle = p.world.timing.idle(time.Duration(s) * time.Second)
		}
		g := p.world.targetGroups[l.targetGroup]
		if g != nil {
			route.proxy = g.attributes["proxy_protocol_v2.enabled"] == "true"
		}
		for zoneID := range b.nodes {
			targets, healthy := p.targetsFor(lb, g, zoneID)
			route.byZone[zoneID] = targets
			b.healthy[zoneID] = b.healthy[zoneID] && healthy && (down == nil || !(*down)[zoneID])
		}
		b.listeners[uint16(l.port)] = route
	}
	return b
}

// targetsFor lists what a node in the zone forwards to, and whether one of them is healthy. When no
// target of the group is healthy anywhere, the load balancer fails open to all of them.
func (p *plane) targetsFor(lb *loadBalancer, g *targetGroup, zoneID string) (targets []netip.AddrPort, healthy bool) {
	if g == nil {
		return nil, false
	}
	cross, anywhere := crossZone(lb, g), false
	var all []netip.AddrPort
	for _, t := range g.targets {
		if t.state == "draining" || !p.inUse(lb, t) {
			continue
		}
		anywhere = anywhere || t.state == "healthy"
		zone := p.targetZone(t)
		if !cross && zone != "" && zone != zoneID {
			continue
		}
		addr, ok := p.targetAddr(t)
		if !ok {
			continue
		}
		ap := netip.AddrPortFrom(addr, uint16(t.port))
		all = append(all, ap)
		if t.state == "healthy" {
			targets = append(targets, ap)
		}
	}
	if !anywhere {
		return all, false
	}
	return targets, len(targets) > 0
}

// crossZone says whether nodes forward to targets in other zones: the target group's attribute, or
// else the load balancer's.
func crossZone(lb *loadBalancer, g *targetGroup) bool {
	const key = "load_balancing.cross_zone.enabled"
	switch g.attributes[key] {
	case "true":
		return true
	case "false":
		return false
	default:
		return lb.attributes[key] == "true"
	}
}

// targetAddr is the address of a target: itself, or its instance's.
func (p *plane) targetAddr(t *target) (netip.Addr, bool) {
	if i := p.world.instances[t.id]; i != nil {
		if eni := p.world.interfaces[i.eni]; eni != nil {
			return eni.addr, true
		}
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(t.id)
	return a, err == nil && a.Is4()
}

// targetZone is the zone id that a target is in; "" for one that counts in every zone.
func (p *plane) targetZone(t *target) string {
	if i := p.world.instances[t.id]; i != nil {
		if s := p.world.subnets[i.subnet]; s != nil {
			return s.zoneID
		}
	}
	if t.zoneID == "all" {
		return ""
	}
	return t.zoneID
}

// followServices compiles the endpoint services.
func (p *plane) followServices() {
	for id, s := range p.world.services {
		cell := p.services[id]
		if cell == nil {
			cell = &serviceCell{}
			p.services[id] = cell
		}
		route := &serviceRoute{zones: map[string]bool{}, remote: s.remoteZones()}
		for _, z := range s.zoneIDs {
			route.zones[z] = true
		}
		for _, arn := range s.loadBalancers {
			if c := p.balancers[arn]; c != nil {
				route.balancers = append(route.balancers, c)
			}
		}
		cell.now.Store(route)
	}
	for id, cell := range p.services {
		if p.world.services[id] == nil {
			cell.now.Store(nil)
			delete(p.services, id)
		}
	}
}

// routeEndpoint gives an endpoint's interface its way. While an endpoint that was available is
// modified (pending) it goes on working; when its connection ends, so do its flows.
func (p *plane) routeEndpoint(a *attachment, e *endpoint) {
	if e.state == "available" {
		p.accepted[e.id] = true
	}
	next := endpointRoute{
		endpoint: e.id, service: p.services[e.serviceID], remote: e.remote(),
		open: e.state == "available" || e.state == "pending" && p.accepted[e.id],
	}
	old := a.route.Load()
	if old != nil && *old == next {
		return
	}
	a.route.Store(&next)
	if old != nil && old.open && !next.open {
		a.endFlows()
		a.renewFlows()
	}
}
