package lab

import (
	"fmt"
	"hash/fnv"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// vpcParts are the parts of a VPC that AWS makes with it and that the lab lets nobody change.
type vpcParts struct {
	routes       owned // the main route table
	association  string
	dhcp         string
	cidrID       string
	usageMetrics bool
}

// part lets the VPC's route tables and network ACLs be listed like resources of their own.
type part struct {
	*owned
	vpc *vpc
	of  *vpcParts
}

func (p part) record() *owned { return p.owned }

// partsOf collects one kind of part of all VPCs by id.
func partsOf(c *call, pick func(*vpcParts) *owned) map[string]part {
	out := map[string]part{}
	for id, p := range c.parts {
		if v := c.vpcs[id]; v != nil {
			out[pick(p).id] = part{pick(p), v, p}
		}
	}
	return out
}

// findPart finds a part of the caller's VPCs by id.
func findPart(c *call, all map[string]part, code, what string) func(id string) (part, error) {
	return func(id string) (part, error) {
		if p, ok := all[id]; ok && c.owns(p) {
			return p, nil
		}
		return part{}, wire.Errorf(400, code, "The %s ID '%.128s' does not exist", what, id)
	}
}

// dhcpOptions is the id of the account's default DHCP options set in the Region: it is there
// before the first VPC.
func (w *world) dhcpOptions(account, region string) string {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%d/%s/%s", w.seed, account, region) // a hash never fails
	return fmt.Sprintf("dopt-0%016x", h.Sum64())
}

type routeTableXML struct {
	ID           string                         `xml:"routeTableId"`
	VPC          string                         `xml:"vpcId"`
	Owner        string                         `xml:"ownerId"`
	Routes       *wire.Set[routeXML]            `xml:"routeSet"`
	Associations *wire.Set[routeAssociationXML] `xml:"associationSet"`
	Propagating  *wire.Set[struct{}]            `xml:"propagatingVgwSet"`
	Tags         *wire.Set[tagItem]             `xml:"tagSet"`
}

type routeXML struct {
	Destination string `xml:"destinationCidrBlock"`
	Gateway     string `xml:"gatewayId"`
	State       string `xml:"state"`
	Origin      string `xml:"origin"`
}

type routeAssociationXML struct {
	ID    string `xml:"routeTableAssociationId"`
	Table string `xml:"routeTableId"`
	Main  bool   `xml:"main"`
	State string `xml:"associationState>state"`
}

func describeRouteTables(c *call) (any, error) {
	all := partsOf(c, func(p *vpcParts) *owned { return &p.routes })
	set, next, err := listing[part, routeTableXML]{
		ids: "RouteTableId", all: all, find: findPart(c, all, "InvalidRouteTableID.NotFound", "routeTable"),
		filters: []string{
			"association.gateway-id", "association.main", "association.route-table-association-id",
			"association.route-table-id", "association.subnet-id", "owner-id", "route-table-id",
			"route.destination-cidr-block", "route.gateway-id", "route.origin", "route.state",
			"route.vpc-endpoint-id", "vpc-id",
		},
		values: func(p part, name string) []string {
			switch name {
			case "association.main":
				return one("true")
			case "association.route-table-association-id":
				return one(p.of.association)
			case "association.route-table-id", "route-table-id":
				return one(p.id)
			case "owner-id":
				return one(p.account)
			case "route.destination-cidr-block":
				return one(p.vpc.cidr.String())
			case "route.gateway-id":
				return one("local")
			case "route.origin":
				return one("CreateRouteTable")
			case "route.state":
				return one("active")
			case "vpc-id":
				return one(p.vpc.id)
			}
			return nil // subnets use the main table without an association of their own
		},
		show: func(p part) routeTableXML {
			return routeTableXML{
				ID: p.id, VPC: p.vpc.id, Owner: p.account, Tags: tagSet(p.tags),
				Routes:       wire.SetOf([]routeXML{{p.vpc.cidr.String(), "local", "active", "CreateRouteTable"}}),
				Associations: wire.SetOf([]routeAssociationXML{{p.of.association, p.id, true, "associated"}}),
				Propagating:  wire.SetOf[struct{}](nil),
			}
		},
	}.run(c)
	return struct {
		Items *wire.Set[routeTableXML] `xml:"routeTableSet"`
		Next  string                   `xml:"nextToken,omitempty"`
	}{set, next}, err
}
