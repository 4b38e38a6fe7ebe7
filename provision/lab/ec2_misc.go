package lab

import (
	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

type gatewayXML struct {
	ID          string                          `xml:"internetGatewayId"`
	Owner       string                          `xml:"ownerId"`
	Attachments *wire.Set[gatewayAttachmentXML] `xml:"attachmentSet"`
	Tags        *wire.Set[tagItem]              `xml:"tagSet"`
}

type gatewayAttachmentXML struct {
	State string `xml:"state"`
	VPC   string `xml:"vpcId"`
}

func showGateway(g *internetGateway) gatewayXML {
	var attached []gatewayAttachmentXML
	if g.vpc != "" {
		attached = append(attached, gatewayAttachmentXML{"available", g.vpc})
	}
	return gatewayXML{g.id, g.account, wire.SetOf(attached), tagSet(g.tags)}
}

func createInternetGateway(c *call) (any, error) {
	t, err := tagsFrom(c, "internet-gateway")
	if err != nil {
		return nil, err
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	g := &internetGateway{owned: owned{id: c.newID("igw"), account: c.account, region: c.region, created: c.stamp(), tags: t}}
	c.gateways[g.id] = g
	return struct {
		Gateway gatewayXML `xml:"internetGateway"`
	}{showGateway(g)}, nil
}

// gatewayAndVPC reads the two ids that attaching and detaching have.
func gatewayAndVPC(c *call) (*internetGateway, *vpc, error) {
	id, err := c.required("InternetGatewayId")
	if err != nil {
		return nil, nil, err
	}
	vpcID, err := c.required("VpcId")
	if err != nil {
		return nil, nil, err
	}
	g, err := c.gateway(id)
	if err != nil {
		return nil, nil, err
	}
	v, err := c.vpc(vpcID)
	return g, v, err
}

func attachInternetGateway(c *call) (any, error) {
	g, v, err := gatewayAndVPC(c)
	if err != nil {
		return nil, err
	}
	if g.vpc != "" {
		return nil, wire.Errorf(400, "Resource.AlreadyAssociated", "resource %s is already attached to network %s", g.id, g.vpc)
	}
	if c.hasInternetGateway(v.id) {
		return nil, wire.Errorf(400, "InvalidParameterValue", "Network %s already has an internet gateway attached", v.id)
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	g.vpc = v.id
	return done{true}, nil
}

func (w *world) hasInternetGateway(vpcID string) bool {
	for _, g := range w.gateways {
		if g.vpc == vpcID {
			return true
		}
	}
	return false
}

func detachInternetGateway(c *call) (any, error) {
	g, v, err := gatewayAndVPC(c)
	if err != nil {
		return nil, err
	}
	if g.vpc != v.id {
		return nil, wire.Errorf(400, "Gateway.NotAttached", "resource %s is not attached to network %s", g.id, v.id)
	}
	for _, lb := range c.loadBalancers {
		if lb.vpc == v.id && lb.scheme == "internet-facing" {
			return nil, wire.Errorf(400, "DependencyViolation",
				"Network %s has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.", v.id)
		}
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	g.vpc = ""
	return done{true}, nil
}

func deleteInternetGateway(c *call) (any, error) {
	id, err := c.required("InternetGatewayId")
	if err != nil {
		return nil, err
	}
	g, err := c.gateway(id)
	if err != nil {
		return nil, err
	}
	if g.vpc != "" {
		return nil, wire.Errorf(400, "DependencyViolation", "The internetGateway '%s' has dependencies and cannot be deleted.", g.id)
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	delete(c.gateways, g.id)
	return done{true}, nil
}

func describeInternetGateways(c *call) (any, error) {
	set, next, err := listing[*internetGateway, gatewayXML]{
		ids: "InternetGatewayId", all: c.gateways, find: c.gateway,
		filters: []string{"attachment.state", "attachment.vpc-id", "internet-gateway-id", "owner-id"},
		values: func(g *internetGateway, name string) []string {
			switch name {
			case "attachment.state":
				if g.vpc != "" {
					return one("available")
				}
			case "attachment.vpc-id":
				return one(g.vpc)
			case "internet-gateway-id":
				return one(g.id)
			case "owner-id":
				return one(g.account)
			}
			return nil
		},
		show: showGateway,
	}.run(c)
	return struct {
		Items *wire.Set[gatewayXML] `xml:"internetGatewaySet"`
		Next  string                `xml:"nextToken,omitempty"`
	}{set, next}, err
}
