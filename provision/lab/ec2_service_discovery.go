package lab

import (
	"slices"
	"strings"
	"time"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// visibleTo says whether the caller may discover the service: its owner does, and whom a permission
// covers that has become effective. (That the owner needs no permission is UNSOURCED.)
func (s *endpointService) visibleTo(caller *accessKey, now time.Time) bool {
	if s.state != serviceAvailable {
		return false
	}
	if s.account == caller.account {
		return true
	}
	return slices.ContainsFunc(s.permissions, func(p permission) bool {
		return !p.from.After(now) && principalCovers(p.principal, caller)
	})
}

// offeredIn says whether endpoints in the Region may use the service.
func (s *endpointService) offeredIn(region string) bool {
	return s.region == region || slices.Contains(s.supportedRegions, region)
}

// visibleService finds a service by name in the given Regions. AWS tells nobody the difference
// between a service that does not exist and one that the caller is not allowed to see.
func (c *call) visibleService(name string, regions []string) (*endpointService, error) {
	id := name[strings.LastIndexByte(name, '.')+1:]
	s, ok := c.services[id]
	if !ok || s.name != name || !slices.Contains(regions, s.region) || !s.offeredIn(c.region) || !s.visibleTo(c.caller, c.now) {
		return nil, wire.Errorf(400, "InvalidServiceName", "The Vpc Endpoint Service '%s' does not exist", shown(name))
	}
	return s, nil
}

// describeServices is DescribeVpcEndpointServices: the consumer's view. The zones are those that
// the service and the caller have in common, under the caller's names. The lab has no services of
// AWS's own.
func (p *privateLink) describeServices(c *call) (any, error) {
	filters, err := filtersFrom(c, "owner", "service-name", "service-region", "service-type", "supported-ip-address-types")
	if err != nil {
		return nil, err
	}
	regions := c.params.List("ServiceRegion")
	if len(regions) == 0 {
		regions = []string{c.region}
	}
	var found []*endpointService
	if names := unique(c.params.List("ServiceName")); len(names) > 0 {
		for _, name := range names {
			s, err := c.visibleService(name, regions)
			if err != nil {
				return nil, err
			}
			found = append(found, s)
		}
	} else {
		for _, s := range c.services {
			if slices.Contains(regions, s.region) && s.offeredIn(c.region) && s.visibleTo(c.caller, c.now) {
				found = append(found, s)
			}
		}
	}
	slices.SortFunc(found, func(a, b *endpointService) int { return strings.Compare(a.name, b.name) })
	found = slices.DeleteFunc(found, func(s *endpointService) bool {
		return !filters.match(func(name string) []string {
			switch name {
			case "owner":
				return []string{s.account}
			case "service-name":
				return []string{s.name}
			case "service-region":
				return []string{s.region}
			case "service-type":
				return []string{s.kind()}
			case "supported-ip-address-types":
				return s.ipTypes
			}
			return s.tagsFor(c.account).filter(name)
		})
	})
	found, next, err := page(c, found, 1, 1000)
	if err != nil {
		return nil, err
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	names, details := []string{}, []serviceDetailItem{}
	for _, s := range found {
		names = append(names, s.name)
		details = append(details, p.serviceDetail(c, s))
	}
	return &describeServicesResponse{Names: wire.SetOf(names), Details: wire.SetOf(details), NextToken: next}, nil
}

// tagsFor are the service's tags as the account may see them: its owner only. (UNSOURCED.)
func (s *endpointService) tagsFor(account string) tags {
	if s.account == account {
		return s.tags
	}
	return nil
}

// commonZones are the zones of the service that the account has too, as it names them. For a
// service of another Region the zones are that Region's: they need not match.
func (w *world) commonZones(s *endpointService, account string) (ids, names []string) {
	for _, id := range s.zoneIDs {
		if name := w.zoneName(account, s.region, id); name != "" {
			ids, names = append(ids, id), append(names, name)
		}
	}
	return ids, names
}
