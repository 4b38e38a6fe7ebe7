package lab

import (
	"slices"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// zoneVPC finds a VPC of the caller that a request to Route 53 names, in any Region.
func (c *call) zoneVPC(e zoneVPCElement) (zoneVPC, error) {
	out := zoneVPC{id: e.ID, region: e.Region}
	if v := c.vpcs[e.ID]; v == nil || v.account != c.account || v.region != e.Region {
		return out, wire.Errorf(400, "InvalidVPCId", "The VPC: %s in region %s that you provided doesn't exist or isn't yours.", e.ID, e.Region)
	}
	return out, nil
}

// associated finds the private zone of this very name that the VPC sees already. AWS lets zones
// overlap, but not have the same name.
func (c *call) associated(v zoneVPC, name string) *hostedZone {
	for _, z := range c.hostedZones {
		if z.name == name && slices.Contains(z.vpcs, v) {
			return z
		}
	}
	return nil
}

type vpcRequest struct {
	VPC     *zoneVPCElement
	Comment string
}

// vpcChange reads a request to associate or disassociate a VPC.
func (c *call) vpcChange(r *restRequest, root string) (*hostedZone, vpcRequest, error) {
	var in vpcRequest
	if err := wire.ParseXML(r.body, root, &in); err != nil {
		return nil, in, err
	}
	z, err := c.hostedZone(r.ids[0])
	if err == nil && in.VPC == nil {
		err = invalidInput("The request must contain the element VPC")
	}
	return z, in, err
}

func associateVPC(c *call, r *restRequest) (any, error) {
	z, in, err := c.vpcChange(r, "AssociateVPCWithHostedZoneRequest")
	if err != nil {
		return nil, err
	}
	if !z.private {
		return nil, wire.Errorf(400, "PublicZoneVPCAssociation", "You're trying to associate a VPC with a public hosted zone. Amazon Route 53 doesn't support associating a VPC with a public hosted zone.")
	}
	v := zoneVPC{id: in.VPC.ID, region: in.VPC.Region}
	if other := c.vpcs[v.id]; other != nil && other.account != c.account && other.region == v.region {
		return nil, wire.Errorf(401, "NotAuthorizedException", "The VPC: %s that you provided is not authorized to make the association.", v.id)
	}
	if v, err = c.zoneVPC(*in.VPC); err != nil {
		return nil, err
	}
	if c.associated(v, z.name) != nil {
		return nil, wire.Errorf(400, "ConflictingDomainExists",
			"The VPC that you chose, %s in region %s, is already associated with another private hosted zone that has an overlapping name space, %s.", v.id, v.region, z.name)
	}
	z.vpcs = append(z.vpcs, v)
	return changeResult{c.submit(z, in.Comment, nil).info()}, nil
}

func disassociateVPC(c *call, r *restRequest) (any, error) {
	z, in, err := c.vpcChange(r, "DisassociateVPCFromHostedZoneRequest")
	if err != nil {
		return nil, err
	}
	v := zoneVPC{id: in.VPC.ID, region: in.VPC.Region}
	switch {
	case !slices.Contains(z.vpcs, v):
		return nil, wire.Errorf(404, "VPCAssociationNotFound", "The VPC: %s is not currently associated with the hosted zone: %s.", v.id, z.id)
	case len(z.vpcs) == 1:
		return nil, wire.Errorf(400, "LastVPCAssociation", "The VPC %s is the last one associated with the hosted zone %s and can't be disassociated.", v.id, z.id)
	}
	z.vpcs = slices.DeleteFunc(slices.Clone(z.vpcs), func(have zoneVPC) bool { return have == v })
	return changeResult{c.submit(z, in.Comment, nil).info()}, nil
}
