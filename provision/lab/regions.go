package lab

import (
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// excludedAcrossRegions are the zones that take no part in links across Regions (PrivateLink guide,
// Share your services, cross-Region access).
func excludedAcrossRegions() []string {
	return []string{"use1-az3", "usw1-az2", "apne1-az3", "apne2-az2", "apne2-az4"}
}

// serviceRegion is the Region of the service, which its name says.
func (e *endpoint) serviceRegion() string {
	return strings.TrimSuffix(strings.TrimPrefix(e.serviceName, "com.amazonaws.vpce."), "."+e.serviceID)
}

// remote says whether the endpoint is to a service of another Region.
func (e *endpoint) remote() bool { return e.serviceRegion() != e.region }

// checkRegions checks the Regions that a service on these load balancers wants to be offered in. A
// load balancer with an idle timeout of its own is not supported then; that AWS refuses it here is
// UNSOURCED, and so are codes and texts.
func (c *call) checkRegions(want, arns []string) error {
	for _, r := range want {
		if !slices.ContainsFunc(regions(), func(known regionInfo) bool { return known.name == r }) {
			return wire.Errorf(400, "InvalidParameter", "The Region '%s' is not a Region that the account can use", shown(r))
		}
	}
	for _, l := range c.listeners {
		if t := l.attributes["tcp.idle_timeout.seconds"]; len(want) > 0 && slices.Contains(arns, l.loadBalancer) && t != "" && t != "350" {
			return wire.Errorf(400, "InvalidParameter", "The load balancer '%s' has a custom TCP idle timeout, which cross-Region access does not support", l.loadBalancer)
		}
	}
	return nil
}

// remoteZones are the zones of the service that links from other Regions lead to.
func (s *endpointService) remoteZones() []string {
	return slices.DeleteFunc(slices.Clone(s.zoneIDs), func(z string) bool { return slices.Contains(excludedAcrossRegions(), z) })
}

// fromAfar picks the load balancer of an interface in another Region, the same as long as it is there,
// and one of its zones: zones of two Regions have nothing to do with each other.
func (a *attachment) fromAfar(s *serviceRoute) (*balancerCell, string) {
	if s == nil {
		return nil, ""
	}
	kept := a.choice.Load()
	zonesOf := func(c *balancerCell) (all, healthy []string) {
		b := c.now.Load()
		for _, z := range s.remote {
			if _, ok := b.nodes[z]; ok {
				all = append(all, z)
				if b.healthy[z] {
					healthy = append(healthy, z)
				}
			}
		}
		return all, healthy
	}
	fit := slices.DeleteFunc(slices.Clone(s.balancers), func(c *balancerCell) bool {
		all, _ := zonesOf(c)
		return len(all) == 0
	})
	if len(fit) == 0 {
		return nil, ""
	}
	c := kept
	if !slices.Contains(fit, c) {
		c = fit[rand.IntN(len(fit))]
		a.choice.Store(c)
	}
	all, healthy := zonesOf(c)
	if len(healthy) > 0 {
		all = healthy
	}
	return c, all[rand.IntN(len(all))]
}

// healthyFor are the zones of the endpoint that lead to healthy targets: those of the service that have
// some, or for a service of another Region all of them, if any of its zones has.
func (p *plane) healthyFor(e *endpoint) map[string]bool {
	healthy := p.healthyZones(e.serviceID)
	s := p.world.services[e.serviceID]
	if s == nil || !e.remote() {
		return healthy
	}
	out := map[string]bool{}
	if slices.ContainsFunc(s.remoteZones(), func(z string) bool { return healthy[z] }) {
		for _, z := range p.world.zoneIDsOf(e) {
			out[z] = true
		}
	}
	return out
}
