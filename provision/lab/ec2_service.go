package lab

import (
	"slices"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// privateLink holds what the PrivateLink operations keep beside the model: things that neither
// packets nor names depend on. Like the model it is guarded by world.mu.
type privateLink struct {
	notifications map[string]*connectionNotification // by vpce-nfn- id
	ownerPays     map[string]bool                    // by vpce-svc- id
}

// privateLinkOperations are the EC2 operations on endpoint services, endpoints and the connections
// between them. Every call returns a registry with a state of its own, so it is called once per lab.
func privateLinkOperations() map[string]operation {
	p := &privateLink{notifications: map[string]*connectionNotification{}, ownerPays: map[string]bool{}}
	reads := map[string]func(*call) (any, error){
		"DescribeVpcEndpointServiceConfigurations":   p.describeServiceConfigurations,
		"DescribeVpcEndpointServicePermissions":      describeServicePermissions,
		"DescribeVpcEndpointServices":                p.describeServices,
		"DescribeVpcEndpoints":                       describeEndpoints,
		"DescribeVpcEndpointAssociations":            describeEndpointAssociations,
		"DescribeVpcEndpointConnections":             describeConnections,
		"DescribeVpcEndpointConnectionNotifications": p.describeNotifications,
	}
	writes := map[string]func(*call) (any, error){
		"CreateVpcEndpointServiceConfiguration":         p.createServiceConfiguration,
		"ModifyVpcEndpointServiceConfiguration":         modifyServiceConfiguration,
		"DeleteVpcEndpointServiceConfigurations":        p.deleteServiceConfigurations,
		"ModifyVpcEndpointServicePermissions":           modifyServicePermissions,
		"ModifyVpcEndpointServicePayerResponsibility":   p.modifyServicePayer,
		"StartVpcEndpointServicePrivateDnsVerification": startVerification,
		"CreateVpcEndpoint":                             createEndpoint,
		"ModifyVpcEndpoint":                             modifyEndpoint,
		"DeleteVpcEndpoints":                            deleteEndpoints,
		"AcceptVpcEndpointConnections":                  acceptConnections,
		"RejectVpcEndpointConnections":                  rejectConnections,
		"CreateVpcEndpointConnectionNotification":       p.createNotification,
		"ModifyVpcEndpointConnectionNotification":       p.modifyNotification,
		"DeleteVpcEndpointConnectionNotifications":      p.deleteNotifications,
	}
	ops := make(map[string]operation, len(reads)+len(writes))
	for name, run := range reads {
		ops[name] = operation{run: run}
	}
	for name, run := range writes {
		ops[name] = operation{mutates: true, run: run}
	}
	return ops
}

// Service states as EC2 writes them: Pascal case, unlike the states of endpoints.
const (
	serviceAvailable = "Available"
	serviceDeleting  = "Deleting"
)

// Verification states of a private DNS name.
const (
	verificationPending  = "pendingVerification"
	verificationVerified = "verified"
	verificationFailed   = "failed"
)

// ownService finds an endpoint service of the caller.
func (c *call) ownService(id string) (*endpointService, error) {
	if id == "" {
		return nil, missingParameter("ServiceId")
	}
	// The doubled Id in the code is AWS's own.
	if err := wellFormed(id, "vpce-svc", "InvalidVpcEndpointServiceIdId.Malformed"); err != nil {
		return nil, err
	}
	s := c.services[id]
	if s == nil || !c.owns(s) {
		return nil, wire.Errorf(400, "InvalidVpcEndpointServiceId.NotFound", "The VpcEndpointService Id '%s' does not exist", id)
	}
	return s, nil
}

// createServiceConfiguration is CreateVpcEndpointServiceConfiguration. The service is Available at
// once, and yet CreateVpcEndpoint answers 503 until usableFrom, as seen at AWS.
func (p *privateLink) createServiceConfiguration(c *call) (any, error) {
	if id, hit, err := clientTokenHit(c); err != nil {
		return nil, err
	} else if hit && c.services[id] != nil {
		return p.createdService(c, c.services[id]), nil
	}
	acceptance, err := c.params.Bool("AcceptanceRequired", true)
	if err != nil {
		return nil, err
	}
	privateName, err := privateNameFrom(c.params.String("PrivateDnsName"))
	if err != nil {
		return nil, err
	}
	arns := unique(c.params.List("NetworkLoadBalancerArn"))
	gateways := unique(c.params.List("GatewayLoadBalancerArn"))
	if (len(arns) == 0) == (len(gateways) == 0) {
		return nil, wire.Errorf(400, "InvalidParameter", "exactly one of network_load_balancer_arn or gateway_load_balancer_arn is a required member")
	}
	kind := "network"
	if len(gateways) > 0 {
		kind, arns = "gateway", gateways
	}
	if kind == "gateway" && privateName != "" {
		// That only interface services have private names is documented; code and text are UNSOURCED.
		return nil, wire.Errorf(400, "InvalidParameter", "Private DNS names are not supported for Gateway Load Balancer endpoint services")
	}
	if err := c.checkServiceBalancers(arns, "", kind); err != nil {
		return nil, err
	}
	ipTypes, err := c.serviceIPTypes(unique(c.params.List("SupportedIpAddressType")), arns)
	if err != nil {
		return nil, err
	}
	if err := c.checkRegions(unique(c.params.List("SupportedRegion")), arns); err != nil {
		return nil, err
	}
	labels, err := tagsFrom(c, "vpc-endpoint-service")
	if err != nil {
		return nil, err
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}

	id := c.newID("vpce-svc")
	s := &endpointService{
		owned:              owned{id: id, account: c.account, region: c.region, created: c.stamp(), tags: labels},
		name:               "com.amazonaws.vpce." + c.region + "." + id,
		state:              serviceAvailable,
		acceptanceRequired: acceptance,
		loadBalancers:      arns,
		gateway:            kind == "gateway",
		zoneIDs:            c.serviceZoneIDs(arns),
		ipTypes:            ipTypes,
		usableFrom:         c.now.Add(c.timing.ServiceUsable),
		supportedRegions:   withHostRegion(c.params.List("SupportedRegion"), c.region),
	}
	if privateName != "" {
		s.privateName, s.verification = privateName, c.newVerification()
	}
	c.services[id] = s
	clientTokenKeep(c, id)
	return p.createdService(c, s), nil
}

func (p *privateLink) createdService(c *call, s *endpointService) any {
	return &createServiceResponse{Service: p.serviceItem(c, s), ClientToken: c.params.String("ClientToken")}
}

// checkServiceBalancers says whether the load balancers can carry the service with the id self
// (empty for one that is to be made): they are of the kind network or gateway.
func (c *call) checkServiceBalancers(arns []string, self, kind string) error {
	for _, arn := range arns {
		lb, ok := c.loadBalancers[arn]
		if !ok || lb.account != c.account || lb.region != c.region {
			// The code is in EC2's list; the text is UNSOURCED.
			return wire.Errorf(400, "NetworkLoadBalancerNotFoundException", "The network load balancer '%s' does not exist", shown(arn))
		}
		if lb.kind != kind {
			// UNSOURCED code and text.
			return wire.Errorf(400, "InvalidParameter", "The load balancer '%s' is not a %s load balancer", shown(arn), kind)
		}
		if lb.state != "active" && lb.state != "active_impaired" {
			// UNSOURCED code and text; that it fails is known, clients wait for active first.
			return wire.Errorf(400, "InvalidParameter", "The network load balancer '%s' is not active: its state is %s", shown(arn), lb.state)
		}
		for _, other := range c.services {
			if other.id != self && slices.Contains(other.loadBalancers, arn) {
				return wire.Errorf(400, "InvalidParameter", "LBs are already associated with another VPC Endpoint Service Configuration")
			}
		}
	}
	return nil
}

// serviceZoneIDs are the zone ids in which one of the load balancers has a node.
func (w *world) serviceZoneIDs(arns []string) []string {
	var ids []string
	for _, arn := range arns {
		if lb := w.loadBalancers[arn]; lb != nil {
			for _, n := range lb.nodes {
				ids = append(ids, n.zoneID)
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// serviceIPTypes checks the address types that a service on these load balancers wants to support.
func (c *call) serviceIPTypes(want, arns []string) ([]string, error) {
	if len(want) == 0 {
		return []string{"ipv4"}, nil
	}
	for _, t := range want {
		switch t {
		case "ipv4":
		case "ipv6":
			for _, arn := range arns {
				if lb := c.loadBalancers[arn]; lb != nil && lb.ipAddressType != "dualstack" {
					// That every load balancer must be dualstack is documented; the text is UNSOURCED.
					return nil, wire.Errorf(400, "InvalidParameter", "IPv6 requires the load balancer '%s' to have the IP address type dualstack", shown(arn))
				}
			}
		default:
			return nil, wire.Errorf(400, "InvalidParameterValue", "Invalid value '%s' for SupportedIpAddressType: expected ipv4 or ipv6", shown(t))
		}
	}
	return want, nil
}

// describeServiceConfigurations is DescribeVpcEndpointServiceConfigurations: the owner's view.
func (p *privateLink) describeServiceConfigurations(c *call) (any, error) {
	filters, err := filtersFrom(c, "service-name", "service-id", "service-state", "supported-ip-address-types")
	if err != nil {
		return nil, err
	}
	var found []*endpointService
	if ids := unique(c.params.List("ServiceId")); len(ids) > 0 {
		for _, id := range ids {
			s, err := c.ownService(id)
			if err != nil {
				return nil, err
			}
			found = append(found, s)
		}
	} else {
		found = mine(c, c.services)
	}
	found = slices.DeleteFunc(found, func(s *endpointService) bool {
		return !filters.match(func(name string) []string {
			switch name {
			case "service-name":
				return []string{s.name}
			case "service-id":
				return []string{s.id}
			case "service-state":
				return []string{s.state}
			case "supported-ip-address-types":
				return s.ipTypes
			}
			return s.tags.filter(name)
		})
	})
	found, next, err := page(c, found, 5, 1000)
	if err != nil {
		return nil, err
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	items := make([]serviceItem, 0, len(found))
	for _, s := range found {
		items = append(items, p.serviceItem(c, s))
	}
	return &describeServiceConfigurationsResponse{Services: wire.SetOf(items), NextToken: next}, nil
}

// deleteServiceConfigurations is DeleteVpcEndpointServiceConfigurations. A service whose
// connections are not all rejected (or gone) stays, and says so in an unsuccessful item.
func (p *privateLink) deleteServiceConfigurations(c *call) (any, error) {
	ids := unique(c.params.List("ServiceId"))
	if len(ids) == 0 {
		return nil, missingParameter("ServiceId")
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	var failed []unsuccessfulResource
	for _, id := range ids {
		s, err := c.ownService(id)
		if err != nil {
			failed = append(failed, unsuccessful(id, "InvalidVpcEndpointService.NotFound",
				"The VpcEndpointService Id '"+shown(id)+"' does not exist"))
			continue
		}
		if c.hasConnections(s, endpointPendingAcceptance, endpointPending, endpointAvailable, endpointDeleting) {
			failed = append(failed, unsuccessful(id, "ExistingVpcEndpointConnections",
				"Service has existing active VPC Endpoint connections!"))
			continue
		}
		if s.state == serviceDeleting {
			continue
		}
		// Its load balancers stay in use until it is gone, so that deleting one right after answers
		// ResourceInUse, as operators see it.
		s.state = serviceDeleting
		w := c.world
		w.after(w.timing.Deleting, "endpoint service "+s.id+" is gone", func() {
			delete(w.services, s.id)
			delete(p.ownerPays, s.id)
			for nid, n := range p.notifications {
				if n.serviceID == s.id {
					delete(p.notifications, nid)
				}
			}
		})
	}
	return &unsuccessfulResponse{Unsuccessful: wire.SetOf(failed)}, nil
}

// hasConnections says whether an endpoint in one of the states is connected to the service.
func (w *world) hasConnections(s *endpointService, states ...string) bool {
	for _, e := range w.endpoints {
		if e.serviceID == s.id && slices.Contains(states, e.state) {
			return true
		}
	}
	return false
}

// withHostRegion adds the Region that the service lives in, which is always one of its Regions.
func withHostRegion(regions []string, host string) []string {
	out := []string{host}
	for _, r := range regions {
		if !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out
}
