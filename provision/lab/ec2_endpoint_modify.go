package lab

import (
	"slices"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// codeWrongState is how the lab refuses an operation in a state that does not allow it. EC2 has
// this code; that these operations use it is UNSOURCED.
const codeWrongState = "IncorrectState"

// endpointModification is a ModifyVpcEndpoint that has passed its checks.
type endpointModification struct {
	add        []endpointPlace
	move       []endpointPlace // subnets that it has, with the address that it is to have there
	remove     []string        // subnet ids
	groups     []string
	privateDNS bool
	types      addressTypes
	policy     string
}

// modifyEndpoint is ModifyVpcEndpoint. An available endpoint goes back to pending for a moment.
func modifyEndpoint(c *call) (any, error) {
	id, err := c.required("VpcEndpointId")
	if err != nil {
		return nil, err
	}
	e, err := c.ownEndpoint(id)
	if err != nil {
		return nil, err
	}
	m, err := c.endpointModification(e)
	if err != nil {
		return nil, err
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}

	old := e.ipAddressType
	e.ipAddressType = m.types.ip // new interfaces are of the new type
	if err := c.giveInterfaces(e, m.move, m.add); err != nil {
		e.ipAddressType = old
		return nil, err
	}
	for _, subnet := range m.remove {
		at := slices.Index(e.subnets, subnet)
		c.removeInterface(c.interfaces[e.enis[at]])
		e.subnets, e.enis = slices.Delete(e.subnets, at, at+1), slices.Delete(e.enis, at, at+1)
	}
	if err := c.setAddressTypes(e, m.types); err != nil {
		return nil, err
	}
	e.groups, e.policy = m.groups, m.policy
	for _, id := range e.enis {
		if n := c.interfaces[id]; n != nil {
			n.groups = slices.Clone(m.groups)
		}
	}
	switch {
	case m.privateDNS && !e.privateDNS:
		c.enablePrivateDNS(e)
	case !m.privateDNS:
		e.privateDNS, e.privateZone = false, ""
	}
	if !e.inState(endpointPendingAcceptance) {
		c.settleEndpoint(e)
	}
	return done{true}, nil
}

// endpointModification reads and checks a ModifyVpcEndpoint.
func (c *call) endpointModification(e *endpoint) (*endpointModification, error) {
	s, v := c.services[e.serviceID], c.vpcs[e.vpc]
	if s == nil || v == nil || !e.inState(endpointPendingAcceptance, endpointPending, endpointAvailable) {
		return nil, wire.Errorf(400, codeWrongState, "The VPC endpoint %s cannot be modified: its state is %s", e.id, e.state)
	}
	m := &endpointModification{remove: unique(c.params.List("RemoveSubnetId"))}
	var err error
	if m.privateDNS, err = c.params.Bool("PrivateDnsEnabled", e.privateDNS); err != nil {
		return nil, err
	}
	reset, err := c.params.Bool("ResetPolicy", false)
	if err != nil {
		return nil, err
	}
	if m.policy = e.policy; reset || c.params.Has("PolicyDocument") {
		m.policy = c.requestedPolicy()
	}
	if err := c.checkNotForServices(); err != nil {
		return nil, err
	}
	if m.types, err = c.requestedAddressTypes(s, addressTypes{e.ipAddressType, e.recordIPType}); err != nil {
		return nil, err
	}
	if err := c.modifiedPlaces(e, s, v, m); err != nil {
		return nil, err
	}
	if m.groups, err = c.modifiedGroups(e, v); err != nil {
		return nil, err
	}
	if m.privateDNS && !e.privateDNS {
		if err := c.checkPrivateDNS(v, s, !e.inState(endpointPendingAcceptance), e.id); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// modifiedPlaces works out which subnets come, go, and get another address. A subnet cannot replace
// another of its zone in one request: operators remove first and add in a second one.
func (c *call) modifiedPlaces(e *endpoint, s *endpointService, v *vpc, m *endpointModification) error {
	added := unique(c.params.List("AddSubnetId"))
	for _, id := range m.remove {
		if !slices.Contains(e.subnets, id) {
			// UNSOURCED text.
			return wire.Errorf(400, "InvalidParameter", "The VPC endpoint %s does not have the subnet '%s'", e.id, shown(id))
		}
	}
	for _, id := range added {
		if slices.Contains(e.subnets, id) {
			return wire.Errorf(400, "DuplicateSubnetsInSameZone", "Found another VPC endpoint subnet in the availability zone of %s", shown(id))
		}
	}
	places, err := c.requestedPlaces(v, append(slices.Clone(e.subnets), added...))
	if err != nil {
		return err
	}
	for _, p := range places {
		if slices.Contains(m.remove, p.subnet.id) {
			continue
		}
		if err := checkSubnetFamilies(m.types.ip, []endpointPlace{p}); err != nil {
			return err
		}
		if slices.Contains(added, p.subnet.id) {
			m.add = append(m.add, p)
			continue
		}
		n := c.interfaces[e.enis[slices.Index(e.subnets, p.subnet.id)]]
		if p.addr.IsValid() && n.addr != p.addr || p.addr6.IsValid() && n.addr6 != p.addr6 {
			m.move = append(m.move, p)
		}
	}
	if err := checkZones(s, e.region, m.add); err != nil {
		return err
	}
	return checkOnePerZone(m.add, c.zoneIDsOf(e))
}

func (c *call) modifiedGroups(e *endpoint, v *vpc) ([]string, error) {
	add := unique(c.params.List("AddSecurityGroupId"))
	remove := unique(c.params.List("RemoveSecurityGroupId"))
	if len(add)+len(remove) == 0 {
		return e.groups, nil
	}
	for _, id := range remove {
		if _, err := c.group(id); err != nil {
			return nil, err
		}
	}
	left := slices.DeleteFunc(unique(append(slices.Clone(e.groups), add...)), func(id string) bool {
		return slices.Contains(remove, id)
	})
	if len(left) == 0 {
		// UNSOURCED code and text.
		return nil, wire.Errorf(400, "InvalidParameter", "The VPC endpoint %s must have at least one security group", e.id)
	}
	return left, c.checkGroups(v, left)
}

// deleteEndpoints is DeleteVpcEndpoints. Only the consumer can delete; the provider can reject.
func deleteEndpoints(c *call) (any, error) {
	ids := unique(c.params.List("VpcEndpointId"))
	if len(ids) == 0 {
		return nil, missingParameter("VpcEndpointId")
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	var failed []unsuccessfulResource
	for _, id := range ids {
		e := c.endpoints[id]
		if e == nil || !c.owns(e) {
			// Another code than that of DescribeVpcEndpoints, as operators see it.
			failed = append(failed, unsuccessful(id, "InvalidVpcEndpoint.NotFound", "The Vpc Endpoint Id '"+shown(id)+"' does not exist"))
			continue
		}
		c.removeEndpoint(e)
	}
	return &unsuccessfulResponse{Unsuccessful: wire.SetOf(failed)}, nil
}
