package lab

import (
	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// createGatewayBalancer is CreateLoadBalancer for a Gateway Load Balancer. The lab has it as something that
// an endpoint service can be made of by mistake: it is there, in its subnets, and carries nothing.
func createGatewayBalancer(c *call) (any, error) {
	name := c.params.String("Name")
	if err := elbName("load balancer", name); err != nil {
		return nil, err
	}
	if c.params.String("Scheme") != "" || len(c.params.Members("SecurityGroups")) > 0 {
		return nil, wire.Errorf(400, "InvalidConfigurationRequest", "Gateway Load Balancers have neither a scheme nor security groups")
	}
	places, err := placementsFrom(c)
	if err != nil {
		return nil, err
	}
	labels, err := elbTags(c)
	if err != nil {
		return nil, err
	}
	for _, lb := range mine(c, c.loadBalancers) {
		if lb.name == name {
			return nil, wire.Errorf(400, "DuplicateLoadBalancerName",
				"A load balancer with the same name '%s' exists, but with different settings", name)
		}
	}
	arn := c.arn("elasticloadbalancing", c.region, c.account, "loadbalancer/gwy/"+name+"/"+c.hex(16))
	lb := &loadBalancer{
		owned: owned{id: arn, account: c.account, region: c.region, created: c.stamp(), tags: labels},
		name:  name, kind: "gateway", vpc: places[0].subnet.vpc, state: "provisioning",
		attributes: loadBalancerDefaults(), ipAddressType: "ipv4",
	}
	if err := c.addNodes(lb, places); err != nil {
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

// onlyNetwork refuses what the lab's other load balancers can't do.
func (lb *loadBalancer) onlyNetwork() error {
	if lb.kind == "network" {
		return nil
	}
	return wire.Errorf(400, "InvalidConfigurationRequest", "The lab's Gateway Load Balancers carry nothing: '%s' can't be changed", lb.id)
}
