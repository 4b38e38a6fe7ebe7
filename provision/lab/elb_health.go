package lab

import (
	"slices"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

type targetHealthXML struct {
	Target targetXML      `xml:"Target"`
	Port   string         `xml:"HealthCheckPort,omitempty"`
	Health healthStateXML `xml:"TargetHealth"`
}

type targetXML struct {
	ID   string `xml:"Id"`
	Port int    `xml:"Port"`
	Zone string `xml:"AvailabilityZone,omitempty"`
}

type healthStateXML struct {
	State  string `xml:"State"`
	Reason string `xml:"Reason,omitempty"`
	Detail string `xml:"Description,omitempty"`
}

// targetHealth is a target's state as AWS shows it: what the health checks found, unless the
// target can't get traffic at all.
func (w *world) targetHealth(g *targetGroup, t *target) healthStateXML {
	if t.state == "draining" {
		return healthStateXML{t.state, t.reason, t.detail}
	}
	lbs := w.loadBalancersOf(g)
	if len(lbs) == 0 {
		return healthStateXML{"unused", "Target.NotInUse", "Target group is not configured to receive traffic from the load balancer"}
	}
	if i := w.instances[t.id]; g.targetType == "instance" && (i == nil || i.state != "running") {
		state := "terminated"
		if i != nil && i.state != "shutting-down" {
			state = i.state
		}
		return healthStateXML{"unused", "Target.InvalidState", "Target is in the " + state + " state"}
	}
	if g.targetType == "ip" && w.isBalancerAddress(g.vpc, t.id) {
		return healthStateXML{"unused", "Target.IpUnusable", "The target IP address is reserved for use by a load balancer"}
	}
	if lb := w.loadBalancers[lbs[0]]; t.zoneID != "" && lb != nil &&
		!slices.ContainsFunc(lb.nodes, func(n *loadBalancerNode) bool { return n.zoneID == t.zoneID }) {
		return healthStateXML{"unused", "Target.NotInUse", "Target is in an Availability Zone that is not enabled for the load balancer"}
	}
	if t.state == "healthy" {
		return healthStateXML{State: t.state}
	}
	return healthStateXML{t.state, t.reason, t.detail}
}

// isBalancerAddress says whether an address of the VPC is a load balancer node's, which can't be a target.
func (w *world) isBalancerAddress(vpcID, addr string) bool {
	for _, n := range w.interfaces {
		if n.vpc == vpcID && n.kind == "network_load_balancer" && n.addr.String() == addr {
			return true
		}
	}
	return false
}

func describeTargetHealth(c *call) (any, error) {
	g, err := c.requiredTargetGroup()
	if err != nil {
		return nil, err
	}
	named, err := namedTargets(c, g, false)
	if err != nil {
		return nil, err
	}
	_ = c.params.Members("Include") // anomaly detection does not exist for network load balancers
	show := func(t *target) targetHealthXML {
		port := g.health.port
		if port == "traffic-port" {
			port = itoa(t.port)
		}
		return targetHealthXML{
			targetXML{t.id, t.port, c.zoneName(c.account, c.region, t.zoneID)}, port, c.targetHealth(g, t),
		}
	}
	var out []targetHealthXML
	if len(named) == 0 {
		for _, t := range g.targets {
			out = append(out, show(t))
		}
	}
	for _, t := range named {
		if have := g.find(t); have != nil {
			out = append(out, show(have))
			continue
		}
		x := targetHealthXML{Target: targetXML{ID: t.id, Port: t.port}}
		x.Health = healthStateXML{"unused", "Target.NotRegistered", "Target is not registered to the target group"}
		out = append(out, x)
	}
	return struct {
		Items *wire.Members[targetHealthXML] `xml:"TargetHealthDescriptions"`
	}{wire.MembersOf(out)}, nil
}
