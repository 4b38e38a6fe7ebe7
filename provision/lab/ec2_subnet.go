package lab

import (
	"net/netip"
	"strings"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

type subnetXML struct {
	ID         string                        `xml:"subnetId"`
	ARN        string                        `xml:"subnetArn"`
	State      string                        `xml:"state"`
	Owner      string                        `xml:"ownerId"`
	VPC        string                        `xml:"vpcId"`
	CIDR       string                        `xml:"cidrBlock"`
	IPv6       *wire.Set[ipv6AssociationXML] `xml:"ipv6CidrBlockAssociationSet"`
	Free       int                           `xml:"availableIpAddressCount"`
	Zone       string                        `xml:"availabilityZone"`
	ZoneID     string                        `xml:"availabilityZoneId"`
	Default    bool                          `xml:"defaultForAz"`
	MapPublic  bool                          `xml:"mapPublicIpOnLaunch"`
	AssignIPv6 bool                          `xml:"assignIpv6AddressOnCreation"`
	EnableDNS6 bool                          `xml:"enableDns64"`
	IPv6Native bool                          `xml:"ipv6Native"`
	Hostnames  subnetHostnamesXML            `xml:"privateDnsNameOptionsOnLaunch"`
	Tags       *wire.Set[tagItem]            `xml:"tagSet"`
}

type subnetHostnamesXML struct {
	Type string `xml:"hostnameType"`
	A    bool   `xml:"enableResourceNameDnsARecord"`
	AAAA bool   `xml:"enableResourceNameDnsAAAARecord"`
}

func showSubnet(c *call, s *subnet) subnetXML {
	return subnetXML{
		ID: s.id, ARN: c.arn("ec2", s.region, s.account, "subnet/"+s.id), State: "available", Owner: s.account,
		VPC: s.vpc, CIDR: s.cidr.String(), IPv6: s.cidr6.shown(), Free: freeAddresses(s),
		Zone: c.zoneName(s.account, s.region, s.zoneID), ZoneID: s.zoneID, MapPublic: c.mapped[s.id],
		Hostnames: subnetHostnamesXML{Type: "ip-name"}, Tags: tagSet(s.tags),
	}
}

// subnetZone reads the zone of a new subnet, by name or by id; AWS chooses when none is given.
func subnetZone(c *call) (zone, error) {
	name, id := c.params.String("AvailabilityZone"), c.params.String("AvailabilityZoneId")
	zones := c.zonesOf(c.account, c.region)
	switch {
	case name != "" && id != "":
		return zone{}, wire.Errorf(400, "InvalidParameterCombination",
			"Only one of the parameters availabilityZone and availabilityZoneId may be specified")
	case name == "" && id == "" && len(zones) > 0:
		return zones[0], nil
	}
	var names []string
	for _, z := range zones {
		if name != "" && z.name == name || id != "" && z.id == id {
			return z, nil
		}
		if id != "" {
			names = append(names, z.id)
		} else {
			names = append(names, z.name)
		}
	}
	parameter := "availabilityZone"
	if id != "" {
		parameter = "availabilityZoneId"
	}
	return zone{}, wire.Errorf(400, "InvalidParameterValue",
		"Value (%.128s) for parameter %s is invalid. Subnets can currently only be created in the following availability zones: %s.",
		name+id, parameter, strings.Join(names, ", "))
}

func createSubnet(c *call) (any, error) {
	vpcID, err := c.required("VpcId")
	if err != nil {
		return nil, err
	}
	block := c.params.String("CidrBlock")
	if block == "" {
		return nil, wire.Errorf(400, "MissingParameter", "Either 'cidrBlock' or 'ipv6CidrBlock' should be provided.")
	}
	v, err := c.vpc(vpcID)
	if err != nil {
		return nil, err
	}
	cidr, err := cidrBlock(block, "InvalidSubnet.Range")
	if err != nil {
		return nil, err
	}
	z, err := subnetZone(c)
	if err != nil {
		return nil, err
	}
	if !v.cidr.Contains(cidr.Addr()) || cidr.Bits() < v.cidr.Bits() {
		return nil, wire.Errorf(400, "InvalidSubnet.Range", "The CIDR '%.128s' is invalid.", block)
	}
	for _, s := range c.subnets {
		if s.vpc == v.id && s.cidr.Overlaps(cidr) {
			return nil, wire.Errorf(400, "InvalidSubnet.Conflict", "The CIDR '%.128s' conflicts with another subnet", block)
		}
	}
	var block6 blockIPv6
	if text := c.params.String("Ipv6CidrBlock"); text != "" {
		if block6, err = c.subnetBlock(v, text); err != nil {
			return nil, err
		}
	}
	t, err := tagsFrom(c, "subnet")
	if err != nil {
		return nil, err
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	s := &subnet{
		owned: owned{id: c.newID("subnet"), account: c.account, region: c.region, created: c.stamp(), tags: t},
		vpc:   v.id, cidr: cidr, cidr6: block6, zoneID: z.id, used: map[netip.Addr]string{},
		acl: c.defaultACL(v.id).id, aclAssociation: c.newID("aclassoc"),
	}
	c.subnets[s.id] = s
	return struct {
		Subnet subnetXML `xml:"subnet"`
	}{showSubnet(c, s)}, nil
}

func describeSubnets(c *call) (any, error) {
	set, next, err := listing[*subnet, subnetXML]{
		ids: "SubnetId", all: c.subnets, find: c.subnetByID,
		filters: []string{
			"availability-zone", "availabilityZone", "availability-zone-id", "availabilityZoneId",
			"available-ip-address-count", "cidr-block", "cidr", "cidrBlock", "default-for-az", "defaultForAz",
			"ipv6-cidr-block-association.association-id", "ipv6-cidr-block-association.ipv6-cidr-block",
			"ipv6-cidr-block-association.state", "ipv6-native", "map-public-ip-on-launch", "owner-id", "state", "subnet-arn", "subnet-id", "vpc-id",
		},
		values: func(s *subnet, name string) []string {
			switch name {
			case "availability-zone", "availabilityZone":
				return one(c.zoneName(s.account, s.region, s.zoneID))
			case "availability-zone-id", "availabilityZoneId":
				return one(s.zoneID)
			case "available-ip-address-count":
				return one(itoa(freeAddresses(s)))
			case "cidr-block", "cidr", "cidrBlock":
				return one(s.cidr.String())
			case "default-for-az", "defaultForAz", "ipv6-native":
				return one("false")
			case "ipv6-cidr-block-association.association-id", "ipv6-cidr-block-association.ipv6-cidr-block", "ipv6-cidr-block-association.state":
				return s.cidr6.filter(name)
			case "map-public-ip-on-launch":
				return one(yes(c.mapped[s.id]))
			case "owner-id":
				return one(s.account)
			case "state":
				return one("available")
			case "subnet-arn":
				return one(c.arn("ec2", s.region, s.account, "subnet/"+s.id))
			case "subnet-id":
				return one(s.id)
			case "vpc-id":
				return one(s.vpc)
			}
			return nil
		},
		show: func(s *subnet) subnetXML { return showSubnet(c, s) },
	}.run(c)
	return struct {
		Items *wire.Set[subnetXML] `xml:"subnetSet"`
		Next  string               `xml:"nextToken,omitempty"`
	}{set, next}, err
}

func deleteSubnet(c *call) (any, error) {
	id, err := c.required("SubnetId")
	if err != nil {
		return nil, err
	}
	s, err := c.subnetByID(id)
	if err != nil {
		return nil, err
	}
	for _, n := range c.interfaces {
		if n.subnet == s.id {
			return nil, wire.Errorf(400, "DependencyViolation", "The subnet '%s' has dependencies and cannot be deleted.", s.id)
		}
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	delete(c.subnets, s.id)
	delete(c.cursors, s.id)
	delete(c.mapped, s.id)
	return done{true}, nil
}

// modifySubnetAttribute keeps MapPublicIpOnLaunch, which many tools set; the lab gives no public
// addresses to instances.
func modifySubnetAttribute(c *call) (any, error) {
	id, err := c.required("SubnetId")
	if err != nil {
		return nil, err
	}
	s, err := c.subnetByID(id)
	if err != nil {
		return nil, err
	}
	if !c.params.Has("MapPublicIpOnLaunch.Value") {
		return nil, wire.Errorf(400, "UnsupportedOperation", "The lab can modify no subnet attribute but mapPublicIpOnLaunch")
	}
	on, err := c.params.Bool("MapPublicIpOnLaunch.Value", false)
	if err != nil {
		return nil, err
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	c.mapped[s.id] = on
	return done{true}, nil
}
