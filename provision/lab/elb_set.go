package lab

import (
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
	if t := c.params.String("IpAddressType"); t != "" && t != "ipv4" {
		return nil, wire.Errorf(400, "InvalidConfigurationRequest",
			"You must specify subnets with an associated IPv6 CIDR block for the address type '%s'", t)
	}
	places, err := placementsFrom(c)
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
	for _, p := range places {
		if !slices.ContainsFunc(keep, func(n *loadBalancerNode) bool { return n.subnet == p.subnet.id }) {
			added = append(added, p)
		}
	}
	old := lb.nodes
	lb.nodes = keep
	if err := c.addNodes(lb, added); err != nil {
		lb.nodes = old
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

func setIPAddressType(c *call) (any, error) {
	lb, err := c.requiredLB()
	if err != nil {
		return nil, err
	}
	switch t := c.params.String("IpAddressType"); t {
	case "ipv4":
	case "dualstack":
		return nil, wire.Errorf(400, "InvalidSubnet", "The subnets of the load balancer have no associated IPv6 CIDR block")
	default:
		return nil, invalid("1 validation error detected: Value '%.64s' at 'ipAddressType' failed to satisfy constraint: Member must satisfy enum value set: [ipv4, dualstack]", t)
	}
	return struct {
		IPType string `xml:"IpAddressType"`
	}{lb.ipAddressType}, nil
}
