package lab

import (
	"net/netip"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// ec2BasicOperations are the EC2 operations for everything that PrivateLink stands on.
func ec2BasicOperations() map[string]operation {
	read := func(f func(*call) (any, error)) operation { return operation{run: f} }
	write := func(f func(*call) (any, error)) operation { return operation{mutates: true, run: f} }
	return map[string]operation{
		"CreateVpc": write(createVpc), "DescribeVpcs": read(describeVpcs), "DeleteVpc": write(deleteVpc),
		"AssociateVpcCidrBlock": write(associateVpcBlock), "DisassociateVpcCidrBlock": write(disassociateVpcBlock),
		"AssociateSubnetCidrBlock": write(associateSubnetBlock), "DisassociateSubnetCidrBlock": write(disassociateSubnetBlock),
		"ModifyVpcAttribute": write(modifyVpcAttribute), "DescribeVpcAttribute": read(describeVpcAttribute),
		"CreateSubnet": write(createSubnet), "DescribeSubnets": read(describeSubnets),
		"DeleteSubnet": write(deleteSubnet), "ModifySubnetAttribute": write(modifySubnetAttribute),
		"DescribeAvailabilityZones": read(describeAvailabilityZones), "DescribeRegions": read(describeRegions),
		"CreateSecurityGroup": write(createSecurityGroup), "DescribeSecurityGroups": read(describeSecurityGroups),
		"DescribeSecurityGroupRules": read(describeSecurityGroupRules), "DeleteSecurityGroup": write(deleteSecurityGroup),
		"AuthorizeSecurityGroupIngress": write(authorizeIngress), "AuthorizeSecurityGroupEgress": write(authorizeEgress),
		"RevokeSecurityGroupIngress": write(revokeIngress), "RevokeSecurityGroupEgress": write(revokeEgress),
		"DescribeNetworkInterfaces": read(describeNetworkInterfaces), "DescribeNetworkAcls": read(describeNetworkAcls),
		"CreateNetworkAcl": write(createNetworkACL), "DeleteNetworkAcl": write(deleteNetworkACL),
		"CreateNetworkAclEntry": write(createACLEntry), "ReplaceNetworkAclEntry": write(replaceACLEntry),
		"DeleteNetworkAclEntry":        write(deleteACLEntry),
		"ReplaceNetworkAclAssociation": write(replaceACLAssociation),
		"DescribeRouteTables":          read(describeRouteTables), "DescribeDhcpOptions": read(describeDhcpOptions),
		"CreateDhcpOptions": write(createDhcpOptions), "AssociateDhcpOptions": write(associateDhcpOptions), "DeleteDhcpOptions": write(deleteDhcpOptions),
		"CreateInternetGateway": write(createInternetGateway), "DeleteInternetGateway": write(deleteInternetGateway),
		"AttachInternetGateway": write(attachInternetGateway), "DetachInternetGateway": write(detachInternetGateway),
		"DescribeInternetGateways": read(describeInternetGateways),
		"CreateTags":               write(createTags), "DeleteTags": write(deleteTags), "DescribeTags": read(describeTags),
		"RunInstances": write(runInstances), "DescribeInstances": read(describeInstances),
		"DescribeInstanceStatus": read(describeInstanceStatus), "StopInstances": write(stopInstances),
		"StartInstances": write(startInstances), "TerminateInstances": write(terminateInstances),
		"DescribeImages": read(describeImages),
	}
}

type vpcXML struct {
	ID          string                        `xml:"vpcId"`
	Owner       string                        `xml:"ownerId"`
	State       string                        `xml:"state"`
	CIDR        string                        `xml:"cidrBlock"`
	CIDRs       *wire.Set[cidrAssociationXML] `xml:"cidrBlockAssociationSet"`
	IPv6        *wire.Set[ipv6AssociationXML] `xml:"ipv6CidrBlockAssociationSet"`
	DHCPOptions string                        `xml:"dhcpOptionsId"`
	Tenancy     string                        `xml:"instanceTenancy"`
	IsDefault   bool                          `xml:"isDefault"`
	Tags        *wire.Set[tagItem]            `xml:"tagSet"`
}

type cidrAssociationXML struct {
	CIDR  string `xml:"cidrBlock"`
	ID    string `xml:"associationId"`
	State string `xml:"cidrBlockState>state"`
}

func showVpc(c *call, v *vpc) vpcXML {
	p := c.parts[v.id]
	return vpcXML{
		ID: v.id, Owner: v.account, State: v.state, CIDR: v.cidr.String(),
		CIDRs: wire.SetOf([]cidrAssociationXML{{v.cidr.String(), p.cidrID, "associated"}}),
		IPv6:  v.cidr6.shown(), DHCPOptions: p.dhcp, Tenancy: "default",
		IsDefault: v.isDefault, Tags: tagSet(v.tags),
	}
}

// cidrBlock reads a VPC's or subnet's IPv4 CIDR block. Bits behind the prefix are cleared, as AWS
// does.
func cidrBlock(s, rangeCode string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil || !p.Addr().Is4() {
		return p, wire.Errorf(400, "InvalidParameterValue",
			"Value (%.128s) for parameter cidrBlock is invalid. This is not a valid CIDR block.", s)
	}
	if p.Bits() < 16 || p.Bits() > 28 {
		return p, wire.Errorf(400, rangeCode, "The CIDR '%.128s' is invalid.", s)
	}
	return p.Masked(), nil
}

func createVpc(c *call) (any, error) {
	block := c.params.String("CidrBlock")
	if block == "" {
		return nil, wire.Errorf(400, "MissingParameter", "Either 'cidrBlock' or 'ipv4IpamPoolId' should be provided.")
	}
	cidr, err := cidrBlock(block, "InvalidVpc.Range")
	if err != nil {
		return nil, err
	}
	switch t := c.params.String("InstanceTenancy"); t {
	case "", "default":
	case "dedicated":
		return nil, wire.Errorf(400, "UnsupportedOperation", "The lab has no dedicated tenancy")
	default:
		return nil, wire.Errorf(400, "InvalidParameterValue",
			"Value (%.128s) for parameter instanceTenancy is invalid. Valid values are 'default' and 'dedicated'.", t)
	}
	withIPv6, err := c.wantsAmazonBlock()
	if err != nil {
		return nil, err
	}
	t, err := tagsFrom(c, "vpc")
	if err != nil {
		return nil, err
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	v := &vpc{
		owned: owned{id: c.newID("vpc"), account: c.account, region: c.region, created: c.stamp(), tags: t},
		cidr:  cidr, dnsSupport: true, state: "pending",
	}
	if withIPv6 {
		v.cidr6 = c.amazonBlock()
	}
	if c.plane != nil {
		if err := c.plane.openVPC(v); err != nil {
			return nil, wire.Errorf(500, "InternalError", "open the network of %s: %s", v.id, err)
		}
	}
	c.vpcs[v.id] = v
	beside := func(prefix string) owned {
		return owned{id: c.newID(prefix), account: c.account, region: c.region, created: v.created, tags: tags{}}
	}
	c.parts[v.id] = &vpcParts{
		routes: beside("rtb"), association: c.newID("rtbassoc"),
		dhcp: c.dhcpOptions(c.account, c.region), cidrID: c.newID("vpc-cidr-assoc"),
	}
	newDefaultACL(c, v)
	g := newGroup(c, v, "default", "default VPC security group", tags{})
	g.isDefault = true
	g.ingress = []groupRule{{id: c.newID("sgr"), protocol: "-1", from: -1, to: -1, group: g.id, tags: tags{}}}
	c.after(c.timing.VPC, "VPC "+v.id+" becomes available", func() {
		if v.state == "pending" {
			v.state = "available"
		}
	})
	return struct {
		VPC vpcXML `xml:"vpc"`
	}{showVpc(c, v)}, nil
}

func describeVpcs(c *call) (any, error) {
	set, next, err := listing[*vpc, vpcXML]{
		ids: "VpcId", all: c.vpcs, find: c.vpc,
		filters: []string{
			"cidr", "cidr-block-association.association-id", "cidr-block-association.cidr-block",
			"cidr-block-association.state", "ipv6-cidr-block-association.association-id",
			"ipv6-cidr-block-association.ipv6-cidr-block", "ipv6-cidr-block-association.state", "dhcp-options-id", "is-default", "isDefault",
			"owner-id", "state", "vpc-id",
		},
		values: func(v *vpc, name string) []string {
			switch name {
			case "cidr", "cidr-block-association.cidr-block":
				return one(v.cidr.String())
			case "cidr-block-association.association-id":
				return one(c.parts[v.id].cidrID)
			case "cidr-block-association.state":
				return one("associated")
			case "ipv6-cidr-block-association.association-id", "ipv6-cidr-block-association.ipv6-cidr-block", "ipv6-cidr-block-association.state":
				return v.cidr6.filter(name)
			case "dhcp-options-id":
				return one(c.parts[v.id].dhcp)
			case "is-default", "isDefault":
				return one(yes(v.isDefault))
			case "owner-id":
				return one(v.account)
			case "state":
				return one(v.state)
			case "vpc-id":
				return one(v.id)
			}
			return nil
		},
		show: func(v *vpc) vpcXML { return showVpc(c, v) },
	}.run(c)
	return struct {
		Items *wire.Set[vpcXML] `xml:"vpcSet"`
		Next  string            `xml:"nextToken,omitempty"`
	}{set, next}, err
}

func deleteVpc(c *call) (any, error) {
	id, err := c.required("VpcId")
	if err != nil {
		return nil, err
	}
	v, err := c.vpc(id)
	if err != nil {
		return nil, err
	}
	if c.vpcInUse(v) {
		return nil, wire.Errorf(400, "DependencyViolation", "The vpc '%s' has dependencies and cannot be deleted.", v.id)
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	if c.plane != nil {
		c.plane.closeVPC(v)
	}
	for _, g := range c.groups {
		if g.vpc == v.id {
			delete(c.groups, g.id) // only the default group is left
		}
	}
	for _, a := range c.acls {
		if a.vpc == v.id {
			delete(c.acls, a.id) // only the default one is left
		}
	}
	delete(c.parts, v.id)
	delete(c.vpcs, v.id)
	return done{true}, nil
}

// vpcInUse says whether the VPC has what must be deleted before it.
func (c *call) vpcInUse(v *vpc) bool {
	for _, s := range c.subnets {
		if s.vpc == v.id {
			return true
		}
	}
	for _, g := range c.groups {
		if g.vpc == v.id && !g.isDefault {
			return true
		}
	}
	for _, a := range c.acls {
		if a.vpc == v.id && !a.isDefault {
			return true
		}
	}
	for _, g := range c.gateways {
		if g.vpc == v.id {
			return true
		}
	}
	for _, e := range c.endpoints {
		if e.vpc == v.id {
			return true
		}
	}
	return false
}

func modifyVpcAttribute(c *call) (any, error) {
	id, err := c.required("VpcId")
	if err != nil {
		return nil, err
	}
	v, err := c.vpc(id)
	if err != nil {
		return nil, err
	}
	var named []string
	for _, a := range []string{"EnableDnsHostnames", "EnableDnsSupport", "EnableNetworkAddressUsageMetrics"} {
		if c.params.Has(a + ".Value") {
			named = append(named, a)
		}
	}
	switch len(named) {
	case 0:
		return nil, wire.Errorf(400, "MissingParameter", "The request must contain a VPC attribute to modify")
	case 1:
	default:
		return nil, wire.Errorf(400, "InvalidParameterCombination", "Fields for multiple attribute types specified")
	}
	on, err := c.params.Bool(named[0]+".Value", false)
	if err != nil {
		return nil, err
	}
	if named[0] == "EnableDnsHostnames" && on && !v.dnsSupport {
		return nil, wire.Errorf(400, "InvalidParameterValue",
			"DNS hostnames can only be enabled if DNS support is enabled for VPC %s", v.id)
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	switch named[0] {
	case "EnableDnsHostnames":
		v.dnsHostnames = on
	case "EnableDnsSupport":
		v.dnsSupport = on
	case "EnableNetworkAddressUsageMetrics":
		c.parts[v.id].usageMetrics = on
	}
	return done{true}, nil
}

func describeVpcAttribute(c *call) (any, error) {
	id, err := c.required("VpcId")
	if err != nil {
		return nil, err
	}
	attribute, err := c.required("Attribute")
	if err != nil {
		return nil, err
	}
	v, err := c.vpc(id)
	if err != nil {
		return nil, err
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	type value struct {
		Value bool `xml:"value"`
	}
	out := struct {
		ID        string `xml:"vpcId"`
		Support   *value `xml:"enableDnsSupport"`
		Hostnames *value `xml:"enableDnsHostnames"`
		Metrics   *value `xml:"enableNetworkAddressUsageMetrics"`
	}{ID: v.id}
	switch attribute {
	case "enableDnsSupport":
		out.Support = &value{v.dnsSupport}
	case "enableDnsHostnames":
		out.Hostnames = &value{v.dnsHostnames}
	case "enableNetworkAddressUsageMetrics":
		out.Metrics = &value{c.parts[v.id].usageMetrics}
	default:
		return nil, wire.Errorf(400, "InvalidParameterValue", "Value (%.128s) for parameter attribute is invalid. Unknown attribute.", attribute)
	}
	return out, nil
}
