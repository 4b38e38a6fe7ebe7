package lab

import (
	"encoding/hex"
	"net/netip"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// The sizes that AWS gives: a VPC gets a /56 of Amazon's addresses, a subnet a /64 of its VPC's.
const (
	vpcBitsIPv6    = 56
	subnetBitsIPv6 = 64
)

// blockIPv6 is a VPC's or a subnet's IPv6 CIDR block; the zero value is none.
type blockIPv6 struct {
	prefix netip.Prefix
	id     string // of the association
}

func (b blockIPv6) valid() bool { return b.prefix.IsValid() }

type ipv6AssociationXML struct {
	ID    string `xml:"associationId"`
	CIDR  string `xml:"ipv6CidrBlock"`
	State string `xml:"ipv6CidrBlockState>state"`
	Pool  string `xml:"ipv6Pool,omitempty"` // of a VPC's block
}

func (b blockIPv6) show(state string) ipv6AssociationXML {
	x := ipv6AssociationXML{ID: b.id, CIDR: b.prefix.String(), State: state}
	if b.prefix.Bits() == vpcBitsIPv6 {
		x.Pool = "Amazon"
	}
	return x
}

func (b blockIPv6) shown() *wire.Set[ipv6AssociationXML] {
	if !b.valid() {
		return wire.SetOf[ipv6AssociationXML](nil)
	}
	return wire.SetOf([]ipv6AssociationXML{b.show("associated")})
}

// filter is what ipv6-cidr-block-association.NAME matches.
func (b blockIPv6) filter(name string) []string {
	if !b.valid() {
		return nil
	}
	switch name {
	case "ipv6-cidr-block-association.association-id":
		return one(b.id)
	case "ipv6-cidr-block-association.ipv6-cidr-block":
		return one(b.prefix.String())
	}
	return one("associated")
}

type ipv6AddressXML struct {
	Address string `xml:"ipv6Address"`
}

func (n *networkInterface) shownIPv6() *wire.Set[ipv6AddressXML] {
	if !n.addr6.IsValid() {
		return wire.SetOf[ipv6AddressXML](nil)
	}
	return wire.SetOf([]ipv6AddressXML{{n.addr6.String()}})
}

// wantsAmazonBlock reads AmazonProvidedIpv6CidrBlock; the lab has no other source of IPv6 blocks.
func (c *call) wantsAmazonBlock() (bool, error) {
	for _, p := range []string{"Ipv6Pool", "Ipv6CidrBlock", "Ipv6IpamPoolId", "Ipv6NetmaskLength"} {
		if c.params.Has(p) {
			return false, wire.Errorf(400, "UnsupportedOperation", "The lab has IPv6 blocks of Amazon's only: use AmazonProvidedIpv6CidrBlock")
		}
	}
	return c.params.Bool("AmazonProvidedIpv6CidrBlock", false)
}

// amazonBlock is a fresh /56.
func (w *world) amazonBlock() blockIPv6 {
	a := [16]byte{0x26, 0x00, 0x1f, 0x00}
	_, _ = hex.Decode(a[4:7], []byte(w.hex(6))) // hexadecimal by construction
	return blockIPv6{netip.PrefixFrom(netip.AddrFrom16(a), vpcBitsIPv6), w.newID("vpc-cidr-assoc")}
}

// anyIPv6 is the rule that lets everything out over IPv6: security groups of a VPC with an IPv6
// block have it beside that for IPv4.
func (w *world) anyIPv6() groupRule {
	return groupRule{
		id: w.newID("sgr"), protocol: "-1", from: -1, to: -1,
		cidr: netip.PrefixFrom(netip.IPv6Unspecified(), 0), tags: tags{},
	}
}

type vpcBlockResponse struct {
	VPC         string             `xml:"vpcId"`
	Association ipv6AssociationXML `xml:"ipv6CidrBlockAssociation"`
}

type subnetBlockResponse struct {
	Subnet      string             `xml:"subnetId"`
	Association ipv6AssociationXML `xml:"ipv6CidrBlockAssociation"`
}

// associateVpcBlock is AssociateVpcCidrBlock for IPv6. A VPC of the lab has one IPv4 block.
func associateVpcBlock(c *call) (any, error) {
	id, err := c.required("VpcId")
	if err != nil {
		return nil, err
	}
	v, err := c.vpc(id)
	if err != nil {
		return nil, err
	}
	wanted, err := c.wantsAmazonBlock()
	if err != nil {
		return nil, err
	}
	if !wanted {
		return nil, wire.Errorf(400, "UnsupportedOperation", "A VPC of the lab has one IPv4 block: use AmazonProvidedIpv6CidrBlock")
	}
	if v.cidr6.valid() {
		// The default quota is five; the lab gives one. The code is EC2's for the quota.
		return nil, wire.Errorf(400, "CidrLimitExceeded", "This network '%s' has met its maximum number of allowed CIDRs: 1", v.id)
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	v.cidr6 = c.amazonBlock()
	for _, g := range c.groups {
		if g.vpc == v.id && g.isDefault {
			g.egress = append(g.egress, c.anyIPv6())
		}
	}
	if a := c.defaultACL(v.id); a != nil {
		a.allowIPv6()
	}
	return vpcBlockResponse{v.id, v.cidr6.show("associating")}, nil
}

func disassociateVpcBlock(c *call) (any, error) {
	id, err := c.required("AssociationId")
	if err != nil {
		return nil, err
	}
	for _, v := range mine(c, c.vpcs) {
		if !v.cidr6.valid() || v.cidr6.id != id {
			continue
		}
		for _, s := range c.subnets {
			if s.vpc == v.id && s.cidr6.valid() {
				return nil, wire.Errorf(400, "InvalidCidrBlock.InUse", "The vpc %s currently has a subnet within CIDR block %s", v.id, v.cidr6.prefix)
			}
		}
		if err := dryRun(c); err != nil {
			return nil, err
		}
		old := v.cidr6
		v.cidr6 = blockIPv6{}
		return vpcBlockResponse{v.id, old.show("disassociating")}, nil
	}
	return nil, wire.Errorf(400, "InvalidVpcCidrBlockAssociationID.NotFound", "The vpc CIDR block association ID '%s' does not exist", shown(id))
}

// subnetBlock checks the IPv6 block that a subnet of the VPC is to have.
func (c *call) subnetBlock(v *vpc, text string) (blockIPv6, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil || !p.Addr().Is6() || p.Addr().Is4In6() {
		return blockIPv6{}, wire.Errorf(400, "InvalidParameterValue",
			"Value (%.128s) for parameter ipv6CidrBlock is invalid. This is not a valid CIDR block.", text)
	}
	if p = p.Masked(); p.Bits() != subnetBitsIPv6 || !v.cidr6.valid() || !v.cidr6.prefix.Contains(p.Addr()) {
		return blockIPv6{}, wire.Errorf(400, "InvalidSubnet.Range", "The CIDR '%.128s' is invalid.", text)
	}
	for _, s := range c.subnets {
		if s.vpc == v.id && s.cidr6.prefix == p {
			return blockIPv6{}, wire.Errorf(400, "InvalidSubnet.Conflict", "The CIDR '%.128s' conflicts with another subnet", text)
		}
	}
	return blockIPv6{p, c.newID("subnet-cidr-assoc")}, nil
}

func associateSubnetBlock(c *call) (any, error) {
	id, err := c.required("SubnetId")
	if err != nil {
		return nil, err
	}
	text, err := c.required("Ipv6CidrBlock")
	if err != nil {
		return nil, err
	}
	s, err := c.subnetByID(id)
	if err != nil {
		return nil, err
	}
	if s.cidr6.valid() {
		return nil, wire.Errorf(400, "InvalidParameterValue", "The subnet '%s' already has an IPv6 CIDR block", s.id) // UNSOURCED code and text
	}
	block, err := c.subnetBlock(c.vpcs[s.vpc], text)
	if err != nil {
		return nil, err
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	s.cidr6 = block
	return subnetBlockResponse{s.id, block.show("associating")}, nil
}

func disassociateSubnetBlock(c *call) (any, error) {
	id, err := c.required("AssociationId")
	if err != nil {
		return nil, err
	}
	for _, s := range mine(c, c.subnets) {
		if !s.cidr6.valid() || s.cidr6.id != id {
			continue
		}
		for _, n := range c.interfaces {
			if n.subnet == s.id && n.addr6.IsValid() {
				// UNSOURCED code and text; that a block in use stays is documented.
				return nil, wire.Errorf(400, "InvalidCidrBlock.InUse", "The subnet %s has addresses within CIDR block %s in use", s.id, s.cidr6.prefix)
			}
		}
		if err := dryRun(c); err != nil {
			return nil, err
		}
		old := s.cidr6
		s.cidr6 = blockIPv6{}
		return subnetBlockResponse{s.id, old.show("disassociating")}, nil
	}
	return nil, wire.Errorf(400, "InvalidSubnetCidrBlockAssociationID.NotFound", "The subnet CIDR block association ID '%s' does not exist", shown(id))
}

// giveIPv6 gives the interface an address of its subnet's IPv6 block: want, or any when that is the
// zero value. An interface that has one keeps it.
func (w *world) giveIPv6(n *networkInterface, want netip.Addr) error {
	s := w.subnets[n.subnet]
	switch {
	case n.addr6.IsValid():
		return nil
	case s == nil || !s.cidr6.valid():
		return wire.Errorf(400, "InvalidParameterValue", "The subnet %s does not have an IPv6 CIDR block", n.subnet)
	case want.IsValid() && !s.cidr6.prefix.Contains(want):
		return wire.Errorf(400, "InvalidParameterValue", "Address does not fall within the subnet's address range")
	}
	for _, other := range w.interfaces {
		if want.IsValid() && other.vpc == n.vpc && other.addr6 == want {
			return wire.Errorf(400, "InvalidIPAddress.InUse", "Address %s is in use.", want)
		}
	}
	if !want.IsValid() {
		a := s.cidr6.prefix.Addr().As16()
		_, _ = hex.Decode(a[8:], []byte(w.hex(16))) // hexadecimal by construction; 64 bits do not collide
		want = netip.AddrFrom16(a)
	}
	n.addr6 = want
	if w.plane != nil && !w.plane.bare {
		if err := w.plane.attachIPv6(n); err != nil {
			n.addr6 = netip.Addr{}
			return wire.Errorf(500, "InternalError", "attach %s to the network of %s: %s", want, n.vpc, err)
		}
	}
	return nil
}

// takeIPv6 takes the interface's IPv6 address away; its flows die.
func (w *world) takeIPv6(n *networkInterface) {
	if n == nil || !n.addr6.IsValid() {
		return
	}
	if w.plane != nil {
		w.plane.detachIPv6(n)
	}
	n.addr6 = netip.Addr{}
}
