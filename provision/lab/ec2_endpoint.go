package lab

import (
	"cmp"
	"encoding/json"
	"net/netip"
	"slices"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// Quotas of AWS that the lab keeps.
const (
	maxEndpointsPerVPC    = 50 // Interface and Gateway Load Balancer endpoints, quota L-29B6F2EB
	maxGroupsPerInterface = 5  // the default of an adjustable quota
)

// endpointRequest is a CreateVpcEndpoint that has passed its checks.
type endpointRequest struct {
	service    *endpointService
	vpc        *vpc
	places     []endpointPlace
	groups     []string
	privateDNS bool
	types      addressTypes
	tags       tags
}

// endpointPlace is a subnet that the endpoint gets an interface in; a valid addr or addr6 asks for
// that very address.
type endpointPlace struct {
	subnet      *subnet
	addr, addr6 netip.Addr
}

// createEndpoint is CreateVpcEndpoint for interface endpoints to endpoint services. Interfaces and
// DnsEntries are there at once, also while the connection waits for acceptance, as seen at AWS.
func createEndpoint(c *call) (any, error) {
	if id, hit, err := clientTokenHit(c); err != nil {
		return nil, err
	} else if e := c.endpoints[id]; hit && e != nil {
		return c.createdEndpoint(e), nil
	}
	if c.wantsGateway() {
		return createGateway(c)
	}
	r, err := c.endpointRequest()
	if err != nil {
		return nil, err
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}

	e := &endpoint{
		owned:        owned{id: c.newID("vpce"), account: c.account, region: c.region, created: c.stamp(), tags: r.tags},
		connectionID: c.newID("vpce-con"), // the form of these ids is UNSOURCED
		serviceName:  r.service.name, serviceID: r.service.id, vpc: r.vpc.id,
		state: endpointPendingAcceptance, groups: r.groups, suffix: c.alnum(8),
		ipAddressType: r.types.ip, recordIPType: r.types.records, visibleFrom: c.now.Add(c.timing.EndpointVisible),
		connectedFrom: c.now.Add(c.timing.EndpointVisible),
		policy:        c.requestedPolicy(),
	}
	c.endpoints[e.id] = e // before its interfaces, which lead packets to it
	if err := c.giveInterfaces(e, nil, r.places); err != nil {
		delete(c.endpoints, e.id)
		return nil, err
	}
	if r.privateDNS {
		c.enablePrivateDNS(e)
	}
	if !r.service.acceptanceRequired {
		c.settleEndpoint(e)
	}
	clientTokenKeep(c, e.id)
	return c.createdEndpoint(e), nil
}

func (c *call) createdEndpoint(e *endpoint) any {
	return &createEndpointResponse{Endpoint: c.endpointItem(e), ClientToken: c.params.String("ClientToken")}
}

// giveInterfaces gives the endpoint new interfaces: in subnets that it has, at another address, and
// in subnets that it gets. All of it is done, or nothing.
func (w *world) giveInterfaces(e *endpoint, moved, added []endpointPlace) error {
	var made []*networkInterface
	for _, p := range slices.Concat(moved, added) {
		n, err := w.newInterface(p.subnet, "vpc_endpoint", "VPC Endpoint Interface "+e.id, e.id, e.groups, p.addr)
		if err != nil {
			for _, n := range made {
				w.removeInterface(n)
			}
			return err
		}
		made = append(made, n)
		if e.ipAddressType == typeDualstack {
			err = w.giveIPv6(n, p.addr6)
		}
		if err != nil {
			for _, n := range made {
				w.removeInterface(n)
			}
			return err
		}
	}
	for i, p := range moved {
		at := slices.Index(e.subnets, p.subnet.id)
		w.removeInterface(w.interfaces[e.enis[at]]) // its flows die
		e.enis[at] = made[i].id
	}
	for i, p := range added {
		e.subnets, e.enis = append(e.subnets, p.subnet.id), append(e.enis, made[len(moved)+i].id)
	}
	return nil
}

// endpointRequest reads and checks a CreateVpcEndpoint: first that the service may be seen, then
// zones, then private DNS.
func (c *call) endpointRequest() (*endpointRequest, error) {
	r := &endpointRequest{}
	vpcID, err := c.required("VpcId")
	if err != nil {
		return nil, err
	}
	if r.privateDNS, err = c.params.Bool("PrivateDnsEnabled", false); err != nil {
		return nil, err
	}
	if r.tags, err = tagsFrom(c, "vpc-endpoint"); err != nil {
		return nil, err
	}
	if r.service, err = c.requestedService(); err != nil {
		return nil, err
	}
	if r.vpc, err = c.vpc(vpcID); err != nil {
		return nil, err
	}
	if r.places, err = c.requestedPlaces(r.vpc, unique(c.params.List("SubnetId"))); err != nil {
		return nil, err
	}
	if r.groups, err = c.requestedGroups(r.vpc, unique(c.params.List("SecurityGroupId"))); err != nil {
		return nil, err
	}
	if r.types, err = c.requestedAddressTypes(r.service, addressTypes{}); err != nil {
		return nil, err
	}
	if err := checkSubnetFamilies(r.types.ip, r.places); err != nil {
		return nil, err
	}
	if err := c.checkNotForServices(); err != nil {
		return nil, err
	}
	if err := checkZones(r.service, c.region, r.places); err != nil {
		return nil, err
	}
	if err := checkOnePerZone(r.places, nil); err != nil {
		return nil, err
	}
	if r.privateDNS {
		if err := c.checkPrivateDNS(r.vpc, r.service, !r.service.acceptanceRequired, ""); err != nil {
			return nil, err
		}
	}
	inVPC := 0
	for _, e := range c.endpoints {
		if e.vpc == r.vpc.id {
			inVPC++
		}
	}
	if inVPC >= c.endpointQuota {
		// UNSOURCED text.
		return nil, wire.Errorf(400, "VpcEndpointLimitExceeded", "The maximum number of VPC endpoints (%d) has been reached for the VPC %s", c.endpointQuota, r.vpc.id)
	}
	return r, nil
}

// requestedService finds the service that the request names, and refuses endpoint types that such
// services do not have.
func (c *call) requestedService() (*endpointService, error) {
	kind := c.params.String("VpcEndpointType")
	switch kind {
	case "":
		kind = "Gateway" // AWS's default, and a common mistake
	case "Interface", "Gateway", "GatewayLoadBalancer":
	case "Resource", "ServiceNetwork":
		return nil, wire.Errorf(400, "UnsupportedOperation", "The lab has no endpoints of the type %s", kind)
	default:
		// The code is in EC2's list; lower case is refused too. UNSOURCED text.
		return nil, wire.Errorf(400, "InvalidVpcEndpointType", "Invalid VPC endpoint type '%s'", shown(kind))
	}
	if c.params.Has("ServiceNetworkArn") || c.params.Has("ResourceConfigurationArn") {
		return nil, wire.Errorf(400, "UnsupportedOperation", "The lab has no service networks and no resource configurations")
	}
	name, err := c.required("ServiceName")
	if err != nil {
		return nil, err
	}
	s, err := c.visibleService(name, []string{cmp.Or(c.params.String("ServiceRegion"), c.region)})
	if err != nil {
		return nil, err
	}
	if kind != s.kind() {
		return nil, wire.Errorf(400, "InvalidParameter", "Endpoint type (%s) does not match available service types ([%s]).", kind, s.kind())
	}
	if s.gateway {
		return nil, wire.Errorf(400, "UnsupportedOperation", "The lab's Gateway Load Balancers carry nothing: it has no endpoints for them")
	}
	if s.usableFrom.After(c.now) {
		return nil, wire.Errorf(503, "Unavailable", "The service is unavailable")
	}
	return s, nil
}

// requestedPlaces finds the subnets, with the addresses that SubnetConfiguration.N wants in them.
// An endpoint without subnets is possible; it has no interfaces and no names.
func (c *call) requestedPlaces(v *vpc, ids []string) ([]endpointPlace, error) {
	var places []endpointPlace
	for _, id := range ids {
		s, err := c.subnetByID(id)
		if err != nil {
			return nil, err
		}
		if s.vpc != v.id {
			// UNSOURCED text.
			return nil, wire.Errorf(400, "InvalidParameter", "The subnet %s does not belong to the VPC %s", s.id, v.id)
		}
		places = append(places, endpointPlace{subnet: s})
	}
	err := c.params.Each("SubnetConfiguration", func(prefix string) error {
		id := c.params.String(prefix + ".SubnetId")
		i := slices.IndexFunc(places, func(p endpointPlace) bool { return p.subnet.id == id })
		if i < 0 {
			// Whether AWS takes a configuration of a subnet that the request does not list is UNSOURCED.
			return wire.Errorf(400, "InvalidParameter", "The subnet configuration names the subnet '%s', which the endpoint does not have", shown(id))
		}
		if text := c.params.String(prefix + ".Ipv6"); text != "" {
			addr, err := netip.ParseAddr(text)
			if err != nil || !addr.Is6() {
				return wire.Errorf(400, "InvalidParameterValue", "invalid value for parameter address: %s", shown(text))
			}
			if !places[i].subnet.cidr6.valid() {
				return wire.Errorf(400, "InvalidParameter", "The subnet %s does not have an IPv6 CIDR block", id) // UNSOURCED text
			}
			places[i].addr6 = addr
		}
		want := c.params.String(prefix + ".Ipv4")
		if want == "" {
			return nil
		}
		addr, err := netip.ParseAddr(want)
		if err != nil || !addr.Is4() {
			return wire.Errorf(400, "InvalidParameterValue", "invalid value for parameter address: %s", shown(want))
		}
		places[i].addr = addr
		return nil
	})
	return places, err
}

// requestedGroups finds the security groups; the VPC's default one when none is named.
func (c *call) requestedGroups(v *vpc, ids []string) ([]string, error) {
	if len(ids) == 0 {
		for _, g := range c.groups {
			if g.vpc == v.id && g.isDefault {
				return []string{g.id}, nil
			}
		}
		return nil, nil
	}
	return ids, c.checkGroups(v, ids)
}

func (c *call) checkGroups(v *vpc, ids []string) error {
	for _, id := range ids {
		g, err := c.group(id)
		if err != nil {
			return err
		}
		if g.vpc != v.id {
			// UNSOURCED text.
			return wire.Errorf(400, "InvalidParameter", "The security group %s does not belong to the VPC %s", g.id, v.id)
		}
	}
	if len(ids) > maxGroupsPerInterface {
		return wire.Errorf(400, "SecurityGroupsPerInterfaceLimitExceeded", "The maximum number of security groups per interface (%d) has been reached", maxGroupsPerInterface)
	}
	return nil
}

// checkZones refuses subnets in zones that the service does not have, or, in another Region, that take
// no part in such links: one bad subnet fails the whole request.
func checkZones(s *endpointService, region string, places []endpointPlace) error {
	for _, p := range places {
		offered := slices.Contains(s.zoneIDs, p.subnet.zoneID)
		if s.region != region {
			offered = !slices.Contains(excludedAcrossRegions(), p.subnet.zoneID)
		}
		if !offered {
			return wire.Errorf(400, "InvalidParameter", "The VPC endpoint service %s does not support the availability zone of the subnet: %s.", s.name, p.subnet.id)
		}
	}
	return nil
}

// checkOnePerZone refuses a second subnet in a zone, among the new ones and beside those that the
// endpoint has.
func checkOnePerZone(places []endpointPlace, taken []string) error {
	for _, p := range places {
		if slices.Contains(taken, p.subnet.zoneID) {
			return wire.Errorf(400, "DuplicateSubnetsInSameZone", "Found another VPC endpoint subnet in the availability zone of %s", p.subnet.id)
		}
		taken = append(slices.Clone(taken), p.subnet.zoneID)
	}
	return nil
}

// checkNotForServices refuses what interface endpoints to customers' services do not have: routes
// and, since such services say vpcEndpointPolicySupported=false here, policies. (UNSOURCED texts.)
func (c *call) checkNotForServices() error {
	for _, list := range []string{"RouteTableId", "AddRouteTableId", "RemoveRouteTableId"} {
		if len(c.params.List(list)) > 0 {
			return wire.Errorf(400, "InvalidParameter", "Route tables are for Gateway endpoints only")
		}
	}
	switch policy := c.params.String("PolicyDocument"); {
	case policy == "":
	case !c.endpointPolicies:
		return wire.Errorf(400, "InvalidParameter", "The VPC endpoint service does not support endpoint policies")
	case !json.Valid([]byte(policy)):
		return wire.Errorf(400, "InvalidParameter", "The policy document is not valid JSON") // UNSOURCED code and text
	}
	return nil
}

// fullAccess is the policy that an endpoint has when it is given none.
const fullAccess = `{"Statement":[{"Action":"*","Effect":"Allow","Principal":"*","Resource":"*"}]}`

// requestedPolicy is the policy of an endpoint that is made; "" where endpoints have none.
func (c *call) requestedPolicy() string {
	if !c.endpointPolicies {
		return ""
	}
	return cmp.Or(c.params.String("PolicyDocument"), fullAccess)
}
