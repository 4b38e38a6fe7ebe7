package lab

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// setSecurityGroups works only for load balancers that were made with security groups.
func setSecurityGroups(c *call) (any, error) {
	lb, err := c.requiredLB()
	if err != nil {
		return nil, err
	}
	if !lb.hadGroupsAtMake {
		return nil, wire.Errorf(400, "InvalidConfigurationRequest",
			"You can't perform this operation on a Network Load Balancer unless you specified a security group when you created the load balancer.")
	}
	groups, err := elbGroups(c, lb.vpc)
	if err != nil {
		return nil, err
	}
	if len(groups) == 0 {
		return nil, wire.Errorf(400, "InvalidConfigurationRequest", "You must specify at least one security group")
	}
	switch on := c.params.String("EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic"); on {
	case "":
	case "on", "off":
		lb.enforce = on
	default:
		return nil, invalid("EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic must be 'on' or 'off'")
	}
	lb.groups = groups
	for _, node := range lb.nodes {
		if n := c.interfaces[node.eni]; n != nil {
			n.groups = slices.Clone(groups)
		}
	}
	return struct {
		Groups  *wire.Members[string] `xml:"SecurityGroupIds"`
		Enforce string                `xml:"EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic"`
	}{wire.MembersOf(groups), lb.enforce}, nil
}

// setSubnets replaces the subnets. Nodes in subnets that stay keep their addresses. An endpoint
// service on the load balancer keeps its zones until it is modified itself.
func setSubnets(c *call) (any, error) {
	lb, err := c.requiredLB()
	if err != nil {
		return nil, err
	}
	places, err := placementsFrom(c)
	if err != nil {
		return nil, err
	}
	ipType, err := balancerIPType(c, lb.ipAddressType, places)
	if err != nil {
		return nil, err
	}
	if places[0].subnet.vpc != lb.vpc {
		return nil, wire.Errorf(400, "InvalidSubnet", "All subnets must belong to the same VPC: '%s'", lb.vpc)
	}
	var keep, drop []*loadBalancerNode
	var added []placement
	for _, node := range lb.nodes {
		if slices.ContainsFunc(places, func(p placement) bool { return p.subnet.id == node.subnet }) {
			keep = append(keep, node)
		} else {
			drop = append(drop, node)
		}
	}
	if len(drop) > 0 && c.hasEndpoints(lb) {
		// That it is refused is documented (NLB guide, Update the Availability Zones); code and text are UNSOURCED.
		return nil, wire.Errorf(400, "InvalidConfigurationRequest", "Subnets cannot be removed from load balancer '%s': it has active VPC endpoint associations", lb.id)
	}
	for _, p := range places {
		if !slices.ContainsFunc(keep, func(n *loadBalancerNode) bool { return n.subnet == p.subnet.id }) {
			added = append(added, p)
		}
	}
	old, oldType := lb.nodes, lb.ipAddressType
	lb.nodes, lb.ipAddressType = keep, ipType
	if err := c.addNodes(lb, added); err != nil {
		lb.nodes, lb.ipAddressType = old, oldType
		return nil, err
	}
	if err := c.setNodeFamilies(lb); err != nil {
		return nil, err
	}
	for _, node := range drop {
		c.removeInterface(c.interfaces[node.eni])
		delete(c.fixed, node.eni)
	}
	return struct {
		Zones  *wire.Members[elbZoneXML] `xml:"AvailabilityZones"`
		IPType string                    `xml:"IpAddressType"`
	}{showNodes(c, lb), lb.ipAddressType}, nil
}

// hasEndpoints says whether endpoints are connected to a service of the load balancer.
func (w *world) hasEndpoints(lb *loadBalancer) bool {
	for _, s := range w.services {
		if slices.Contains(s.loadBalancers, lb.id) && w.hasConnections(s, endpointPendingAcceptance, endpointPending, endpointAvailable) {
			return true
		}
	}
	return false
}

// setIPAddressType is SetIpAddressType. A load balancer may become ipv4 again while a service on it
// supports ipv6: whether AWS refuses that is UNSOURCED.
func setIPAddressType(c *call) (any, error) {
	lb, err := c.requiredLB()
	if err != nil {
		return nil, err
	}
	if _, err := c.elbRequired("IpAddressType"); err != nil {
		return nil, err
	}
	var places []placement
	for _, n := range lb.nodes {
		places = append(places, placement{subnet: c.subnets[n.subnet]})
	}
	if lb.ipAddressType, err = balancerIPType(c, lb.ipAddressType, places); err != nil {
		return nil, err
	}
	if err := c.setNodeFamilies(lb); err != nil {
		return nil, err
	}
	return struct {
		IPType string `xml:"IpAddressType"`
	}{lb.ipAddressType}, nil
}

// balancerIPType reads IpAddressType for a load balancer in these subnets; without one it is old.
func balancerIPType(c *call, old string, places []placement) (string, error) {
	t := cmp.Or(c.params.String("IpAddressType"), old)
	switch t {
	case typeIPv4, typeDualstack:
	default:
		return old, invalid("1 validation error detected: Value '%.64s' at 'ipAddressType' failed to satisfy constraint: Member must satisfy enum value set: [ipv4, dualstack]", t)
	}
	for _, p := range places {
		if t == typeDualstack && (p.subnet == nil || !p.subnet.cidr6.valid()) {
			return old, wire.Errorf(400, "InvalidConfigurationRequest",
				"You must specify subnets with an associated IPv6 CIDR block for the address type '%s'", t)
		}
	}
	return t, nil
}

// setNodeFamilies makes the load balancer's nodes have the addresses of its type.
func (w *world) setNodeFamilies(lb *loadBalancer) error {
	for _, node := range lb.nodes {
		n := w.interfaces[node.eni]
		switch {
		case n == nil:
		case lb.ipAddressType == typeDualstack:
			if err := w.giveIPv6(n, netip.Addr{}); err != nil {
				return err
			}
		default:
			w.takeIPv6(n)
		}
	}
	return nil
}
