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

type dhcpXML struct {
	ID       string                 `xml:"dhcpOptionsId"`
	Owner    string                 `xml:"ownerId"`
	Settings *wire.Set[dhcpSetting] `xml:"dhcpConfigurationSet"`
	Tags     *wire.Set[tagItem]     `xml:"tagSet"`
}

type dhcpSetting struct {
	Key    string               `xml:"key"`
	Values *wire.Set[dhcpValue] `xml:"valueSet"`
}

type dhcpValue struct {
	Value string `xml:"value"`
}

// describeDhcpOptions shows the one set that every VPC of the account has: the resolver of the VPC
// and the Region's internal domain.
func describeDhcpOptions(c *call) (any, error) {
	only := owned{id: c.dhcpOptions(c.account, c.region), account: c.account, region: c.region, tags: tags{}}
	all := map[string]*owned{only.id: &only}
	values := map[string]string{"domain-name": internalDomain(c.region), "domain-name-servers": "AmazonProvidedDNS"}
	set, next, err := listing[*owned, dhcpXML]{
		ids: "DhcpOptionsId", all: all,
		find: func(id string) (*owned, error) {
			if o := all[id]; o != nil {
				return o, nil
			}
			return nil, wire.Errorf(400, "InvalidDhcpOptionID.NotFound", "The dhcpOption ID '%.128s' does not exist", id)
		},
		filters: []string{"dhcp-options-id", "key", "value", "owner-id"},
		values: func(o *owned, name string) []string {
			switch name {
			case "dhcp-options-id":
				return one(o.id)
			case "key":
				return []string{"domain-name", "domain-name-servers"}
			case "value":
				return []string{values["domain-name"], values["domain-name-servers"]}
			case "owner-id":
				return one(o.account)
			}
			return nil
		},
		show: func(o *owned) dhcpXML {
			setting := func(key string) dhcpSetting {
				return dhcpSetting{key, wire.SetOf([]dhcpValue{{values[key]}})}
			}
			return dhcpXML{
				o.id, o.account,
				wire.SetOf([]dhcpSetting{setting("domain-name"), setting("domain-name-servers")}), tagSet(o.tags),
			}
		},
	}.run(c)
	return struct {
		Items *wire.Set[dhcpXML] `xml:"dhcpOptionsSet"`
		Next  string             `xml:"nextToken,omitempty"`
	}{set, next}, err
}

// internalDomain is the domain of private hostnames in a Region.
func internalDomain(region string) string {
	if region == "us-east-1" {
		return "ec2.internal"
	}
	return region + ".compute.internal"
}
