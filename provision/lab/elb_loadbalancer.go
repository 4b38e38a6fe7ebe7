package lab

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// elbOperations are the ELBv2 operations; the lab has network load balancers.
func elbOperations() map[string]operation {
	read := func(f func(*call) (any, error)) operation { return operation{run: f} }
	write := func(f func(*call) (any, error)) operation { return operation{mutates: true, run: f} }
	return map[string]operation{
		"CreateLoadBalancer": write(createLoadBalancer), "DescribeLoadBalancers": read(describeLoadBalancers),
		"DeleteLoadBalancer":             write(deleteLoadBalancer),
		"DescribeLoadBalancerAttributes": read(describeLoadBalancerAttributes),
		"ModifyLoadBalancerAttributes":   write(modifyLoadBalancerAttributes),
		"SetSecurityGroups":              write(setSecurityGroups), "SetSubnets": write(setSubnets),
		"SetIpAddressType":  write(setIPAddressType),
		"CreateTargetGroup": write(createTargetGroup), "DescribeTargetGroups": read(describeTargetGroups),
		"ModifyTargetGroup": write(modifyTargetGroup), "DeleteTargetGroup": write(deleteTargetGroup),
		"DescribeTargetGroupAttributes": read(describeTargetGroupAttributes),
		"ModifyTargetGroupAttributes":   write(modifyTargetGroupAttributes),
		"RegisterTargets":               write(registerTargets), "DeregisterTargets": write(deregisterTargets),
		"DescribeTargetHealth": read(describeTargetHealth),
		"CreateListener":       write(createListener), "DescribeListeners": read(describeListeners),
		"ModifyListener": write(modifyListener), "DeleteListener": write(deleteListener),
		"DescribeListenerAttributes": read(describeListenerAttributes),
		"ModifyListenerAttributes":   write(modifyListenerAttributes),
		"AddTags":                    write(addELBTags), "RemoveTags": write(removeELBTags), "DescribeTags": read(describeELBTags),
		"DescribeAccountLimits": read(describeAccountLimits),
	}
}

// placement is one subnet that a load balancer was given.
type placement struct {
	subnet *subnet
	want   netip.Addr // the address asked for; the zero value for any
}

// newLoadBalancer is what CreateLoadBalancer was asked for.
type newLoadBalancer struct {
	name, scheme string
	ipType       string
	places       []placement
	groups       []string
	tags         tags
}

func createLoadBalancer(c *call) (any, error) {
	if c.params.String("Type") == "gateway" {
		return createGatewayBalancer(c)
	}
	n, err := loadBalancerFrom(c)
	if err != nil {
		return nil, err
	}
	for _, lb := range mine(c, c.loadBalancers) {
		if lb.name != n.name {
			continue
		}
		if !n.same(lb) {
			return nil, wire.Errorf(400, "DuplicateLoadBalancerName",
				"A load balancer with the same name '%s' exists, but with different settings", n.name)
		}
		return loadBalancerList{Items: wire.MembersOf([]loadBalancerXML{showLoadBalancer(c, lb)})}, nil
	}
	if len(mine(c, c.loadBalancers)) >= maxLoadBalancers {
		return nil, wire.Errorf(400, "TooManyLoadBalancers", "The maximum number of load balancers has been reached")
	}
	suffix := c.hex(16)
	arn := c.arn("elasticloadbalancing", c.region, c.account, "loadbalancer/net/"+n.name+"/"+suffix)
	lb := &loadBalancer{
		owned: owned{id: arn, account: c.account, region: c.region, created: c.stamp(), tags: n.tags},
		name:  n.name, dnsName: strings.ToLower(n.name) + "-" + suffix + ".elb." + c.region + ".amazonaws.com",
		scheme: n.scheme, kind: "network", vpc: n.places[0].subnet.vpc, state: "provisioning", groups: n.groups,
		enforce: "on", attributes: loadBalancerDefaults(), ipAddressType: n.ipType, hadGroupsAtMake: len(n.groups) > 0,
	}
	if err := c.addNodes(lb, n.places); err != nil {
		return nil, err
	}
	c.loadBalancers[arn] = lb
	c.after(c.timing.LoadBalancer, "load balancer "+lb.name+" becomes active", func() {
		if lb.state == "provisioning" {
			lb.state = "active"
		}
	})
	return loadBalancerList{Items: wire.MembersOf([]loadBalancerXML{showLoadBalancer(c, lb)})}, nil
}

// loadBalancerFrom reads and checks a CreateLoadBalancer request.
func loadBalancerFrom(c *call) (*newLoadBalancer, error) {
	n := &newLoadBalancer{name: c.params.String("Name"), scheme: cmp.Or(c.params.String("Scheme"), "internet-facing")}
	if err := elbName("load balancer", n.name); err != nil {
		return nil, err
	}
	if strings.HasPrefix(n.name, "internal-") {
		return nil, invalid("The load balancer name '%s' cannot begin with 'internal-'", n.name)
	}
	if kind := cmp.Or(c.params.String("Type"), "application"); kind != "network" {
		return nil, wire.Errorf(400, "InvalidConfigurationRequest",
			"The lab has network and gateway load balancers; '%.64s' load balancers are not supported", kind)
	}
	if n.scheme != "internal" && n.scheme != "internet-facing" {
		return nil, wire.Errorf(400, "InvalidScheme", "The requested scheme is not valid")
	}
	var err error
	if n.places, err = placementsFrom(c); err != nil {
		return nil, err
	}
	if n.ipType, err = balancerIPType(c, typeIPv4, n.places); err != nil {
		return nil, err
	}
	vpcID := n.places[0].subnet.vpc
	for _, p := range n.places {
		if p.want.IsValid() && n.scheme != "internal" {
			return nil, wire.Errorf(400, "InvalidConfigurationRequest",
				"A private IPv4 address cannot be specified for an internet-facing load balancer")
		}
	}
	if n.scheme == "internet-facing" && !c.hasInternetGateway(vpcID) {
		return nil, wire.Errorf(400, "InvalidSubnet", "VPC %s has no internet gateway", vpcID)
	}
	if n.groups, err = elbGroups(c, vpcID); err != nil {
		return nil, err
	}
	n.tags, err = elbTags(c)
	return n, err
}

// same says whether an existing load balancer has the settings asked for: then the request is a
// repetition.
func (n *newLoadBalancer) same(lb *loadBalancer) bool {
	var have, want []string
	for _, node := range lb.nodes {
		have = append(have, node.subnet)
	}
	for _, p := range n.places {
		want = append(want, p.subnet.id)
	}
	return lb.scheme == n.scheme && lb.ipAddressType == n.ipType && sameSet(have, want) && sameSet(lb.groups, n.groups)
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// placementsFrom reads Subnets or SubnetMappings: one subnet in each zone, all of one VPC.
func placementsFrom(c *call) ([]placement, error) {
	var out []placement
	add := func(id, address string) error {
		s := c.subnets[id]
		if s == nil || !c.owns(s) {
			return wire.Errorf(400, "SubnetNotFound", "The subnet ID '%.128s' does not exist", id)
		}
		p := placement{subnet: s}
		if address != "" {
			a, err := netip.ParseAddr(address)
			if err != nil || !a.Is4() || !s.cidr.Contains(a) {
				return wire.Errorf(400, "InvalidConfigurationRequest",
					"The private IPv4 address '%.64s' is not valid for the subnet '%s'", address, s.id)
			}
			p.want = a
		}
		for _, other := range out {
			switch {
			case other.subnet.vpc != s.vpc:
				return wire.Errorf(400, "InvalidSubnet", "All subnets must belong to the same VPC: '%s'", out[0].subnet.vpc)
			case other.subnet.zoneID == s.zoneID:
				return wire.Errorf(400, "InvalidConfigurationRequest",
					"A load balancer cannot be attached to multiple subnets in the same Availability Zone")
			}
		}
		out = append(out, p)
		return nil
	}
	subnets := c.params.Members("Subnets")
	for _, id := range subnets {
		if err := add(id, ""); err != nil {
			return nil, err
		}
	}
	err := c.params.Each("SubnetMappings.member", func(p string) error {
		if len(subnets) > 0 {
			return invalid("You can specify subnets or subnet mappings, but not both")
		}
		if id := c.params.String(p + ".AllocationId"); id != "" {
			return wire.Errorf(400, "AllocationIdNotFound", "The allocation ID '%.128s' does not exist", id)
		}
		return add(c.params.String(p+".SubnetId"), c.params.String(p+".PrivateIPv4Address"))
	})
	if err == nil && len(out) == 0 {
		err = invalid("You must specify at least one subnet")
	}
	return out, err
}

// addNodes gives the load balancer a network interface in each subnet, or in none.
func (w *world) addNodes(lb *loadBalancer, places []placement) error {
	description := "ELB " + strings.TrimPrefix(lb.id[strings.Index(lb.id, "loadbalancer/"):], "loadbalancer/")
	var made []*loadBalancerNode
	for _, p := range places {
		n, err := w.newInterface(p.subnet, lb.kind+"_load_balancer", description, lb.id, lb.groups, p.want)
		if err != nil {
			for _, node := range made {
				w.removeInterface(w.interfaces[node.eni])
				delete(w.fixed, node.eni)
			}
			return wire.Errorf(400, "InvalidSubnet", "Subnet '%s': %s", p.subnet.id, err)
		}
		if lb.ipAddressType == typeDualstack {
			err = w.giveIPv6(n, netip.Addr{})
		}
		if err != nil {
			w.removeInterface(n)
			return wire.Errorf(400, "InvalidSubnet", "Subnet '%s': %s", p.subnet.id, err)
		}
		if p.want.IsValid() {
			w.fixed[n.id] = true
		}
		made = append(made, &loadBalancerNode{zoneID: p.subnet.zoneID, subnet: p.subnet.id, eni: n.id})
	}
	lb.nodes = append(slices.Clone(lb.nodes), made...)
	return nil
}

func describeLoadBalancers(c *call) (any, error) {
	arns, names := c.params.Members("LoadBalancerArns"), c.params.Members("Names")
	if len(arns) > 0 && len(names) > 0 {
		return nil, invalid("Load balancer ARNs and names cannot be specified at the same time")
	}
	var out []*loadBalancer
	for _, arn := range arns {
		lb, err := c.lbByARN(arn)
		if err != nil {
			return nil, err
		}
		out = append(out, lb)
	}
	all := mine(c, c.loadBalancers)
	for _, name := range names {
		i := slices.IndexFunc(all, func(lb *loadBalancer) bool { return lb.name == name })
		if i < 0 {
			return nil, wire.Errorf(400, "LoadBalancerNotFound", "Load balancers '[%.256s]' not found", name)
		}
		out = append(out, all[i])
	}
	if len(arns)+len(names) == 0 {
		out = all
	}
	out, next, err := marked(c, out)
	if err != nil {
		return nil, err
	}
	list := loadBalancerList{Items: wire.MembersOf[loadBalancerXML](nil), Next: next}
	for _, lb := range out {
		list.Items.Items = append(list.Items.Items, showLoadBalancer(c, lb))
	}
	return list, nil
}

// deleteLoadBalancer succeeds for a load balancer that is not there, as at AWS.
func deleteLoadBalancer(c *call) (any, error) {
	arn, err := c.elbRequired("LoadBalancerArn")
	if err != nil {
		return nil, err
	}
	lb := c.loadBalancers[arn]
	if lb == nil || !c.owns(lb) {
		return nil, nil
	}
	if lb.attributes["deletion_protection.enabled"] == "true" {
		return nil, wire.Errorf(400, "OperationNotPermitted",
			"Load balancer '%s' cannot be deleted because deletion protection is enabled", arn)
	}
	for _, s := range c.services {
		if slices.Contains(s.loadBalancers, arn) {
			return nil, wire.Errorf(400, "ResourceInUse",
				"Load balancer '%s' cannot be deleted because it is currently associated with another service", arn)
		}
	}
	for id, l := range c.listeners {
		if l.loadBalancer == arn {
			delete(c.listeners, id)
			delete(c.tls, id)
		}
	}
	for _, node := range lb.nodes {
		c.removeInterface(c.interfaces[node.eni])
		delete(c.fixed, node.eni)
	}
	delete(c.loadBalancers, arn)
	return nil, nil
}
