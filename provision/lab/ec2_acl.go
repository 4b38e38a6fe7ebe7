package lab

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// networkACL is a network ACL: stateless rules for what crosses the border of its subnets.
type networkACL struct {
	owned
	vpc       string
	isDefault bool
	entries   []aclEntry // sorted by direction and number; without the last one, which denies the rest
}

// aclEntry is one rule of a network ACL. The lowest number that fits a packet decides.
type aclEntry struct {
	number     int
	protocol   string // a number, or -1 for all
	allow      bool
	egress     bool
	cidr       netip.Prefix
	from, to   int // ports; TCP and UDP
	icmp, code int // ICMP
}

// lastACLEntry is the number under which AWS shows the rule that denies what no other one fits.
const lastACLEntry = 32767

type aclXML struct {
	ID           string                       `xml:"networkAclId"`
	VPC          string                       `xml:"vpcId"`
	Owner        string                       `xml:"ownerId"`
	Default      bool                         `xml:"default"`
	Entries      *wire.Set[aclEntryXML]       `xml:"entrySet"`
	Associations *wire.Set[aclAssociationXML] `xml:"associationSet"`
	Tags         *wire.Set[tagItem]           `xml:"tagSet"`
}

type aclEntryXML struct {
	Number   int         `xml:"ruleNumber"`
	Protocol string      `xml:"protocol"`
	Action   string      `xml:"ruleAction"`
	Egress   bool        `xml:"egress"`
	CIDR     string      `xml:"cidrBlock,omitempty"`
	IPv6     string      `xml:"ipv6CidrBlock,omitempty"`
	Ports    *portsXML   `xml:"portRange"`
	ICMP     *icmpACLXML `xml:"icmpTypeCode"`
}

type portsXML struct {
	From int `xml:"from"`
	To   int `xml:"to"`
}

type icmpACLXML struct {
	Code int `xml:"code"`
	Type int `xml:"type"`
}

type aclAssociationXML struct {
	ID     string `xml:"networkAclAssociationId"`
	ACL    string `xml:"networkAclId"`
	Subnet string `xml:"subnetId"`
}

// newDefaultACL makes the network ACL that a VPC comes with: it allows all.
func newDefaultACL(c *call, v *vpc) {
	all := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	a := &networkACL{
		owned: owned{id: c.newID("acl"), account: c.account, region: c.region, created: v.created, tags: tags{}},
		vpc:   v.id, isDefault: true, entries: []aclEntry{
			{number: 100, protocol: "-1", allow: true, egress: true, cidr: all},
			{number: 100, protocol: "-1", allow: true, cidr: all},
		},
	}
	c.acls[a.id] = a
	if v.cidr6.valid() {
		a.allowIPv6()
	}
}

// allowIPv6 adds the rules that a VPC's default network ACL gets with its IPv6 block.
func (a *networkACL) allowIPv6() {
	for _, egress := range []bool{true, false} {
		e := aclEntry{number: 101, protocol: "-1", allow: true, egress: egress, cidr: netip.PrefixFrom(netip.IPv6Unspecified(), 0)}
		if a.entry(e) < 0 {
			a.entries = append(a.entries, e)
		}
	}
	sortEntries(a.entries)
}

// defaultACL is the network ACL that the VPC's subnets have until they get another one.
func (w *world) defaultACL(vpc string) *networkACL {
	for _, a := range w.acls {
		if a.vpc == vpc && a.isDefault {
			return a
		}
	}
	return nil
}

func (c *call) acl(id string) (*networkACL, error) {
	if a := c.acls[id]; a != nil && c.owns(a) {
		return a, nil
	}
	return nil, wire.Errorf(400, "InvalidNetworkAclID.NotFound", "The networkAcl ID '%.128s' does not exist", id)
}

// aclFrom reads the request's NetworkAclId.
func aclFrom(c *call) (*networkACL, error) {
	id, err := c.required("NetworkAclId")
	if err != nil {
		return nil, err
	}
	return c.acl(id)
}

// subnetsWith lists the subnets that have the network ACL, oldest first.
func (c *call) subnetsWith(a *networkACL) []*subnet {
	return slices.DeleteFunc(mine(c, c.subnets), func(s *subnet) bool { return s.acl != a.id })
}

// shown are the entries as AWS shows them: outbound first, each direction with the rule that ends it.
func (a *networkACL) shown() []aclEntry {
	all := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	out := append(slices.Clone(a.entries),
		aclEntry{number: lastACLEntry, protocol: "-1", egress: true, cidr: all}, aclEntry{number: lastACLEntry, protocol: "-1", cidr: all})
	sortEntries(out)
	return out
}

func sortEntries(entries []aclEntry) {
	slices.SortFunc(entries, func(a, b aclEntry) int {
		if a.egress != b.egress {
			if a.egress {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.number, b.number)
	})
}

func (e aclEntry) action() string {
	if e.allow {
		return "allow"
	}
	return "deny"
}

func showACL(c *call, a *networkACL) aclXML {
	var entries []aclEntryXML
	for _, e := range a.shown() {
		x := aclEntryXML{Number: e.number, Protocol: e.protocol, Action: e.action(), Egress: e.egress}
		if e.cidr.Addr().Is4() {
			x.CIDR = e.cidr.String()
		} else {
			x.IPv6 = e.cidr.String()
		}
		switch e.protocol {
		case "6", "17":
			x.Ports = &portsXML{e.from, e.to}
		case "1", "58":
			x.ICMP = &icmpACLXML{e.code, e.icmp}
		}
		entries = append(entries, x)
	}
	var associations []aclAssociationXML
	for _, s := range c.subnetsWith(a) {
		associations = append(associations, aclAssociationXML{s.aclAssociation, a.id, s.id})
	}
	return aclXML{a.id, a.vpc, a.account, a.isDefault, wire.SetOf(entries), wire.SetOf(associations), tagSet(a.tags)}
}

func describeNetworkAcls(c *call) (any, error) {
	set, next, err := listing[*networkACL, aclXML]{
		ids: "NetworkAclId", all: c.acls, find: c.acl,
		filters: []string{
			"association.association-id", "association.network-acl-id", "association.subnet-id", "default",
			"entry.cidr", "entry.egress", "entry.protocol", "entry.rule-action", "entry.rule-number",
			"network-acl-id", "owner-id", "vpc-id",
		},
		values: func(a *networkACL, name string) []string { return aclValues(c, a, name) },
		show:   func(a *networkACL) aclXML { return showACL(c, a) },
	}.run(c)
	return struct {
		Items *wire.Set[aclXML] `xml:"networkAclSet"`
		Next  string            `xml:"nextToken,omitempty"`
	}{set, next}, err
}

// aclValues are what a network ACL has for one of DescribeNetworkAcls' filters.
func aclValues(c *call, a *networkACL, name string) (out []string) {
	for _, s := range c.subnetsWith(a) {
		switch name {
		case "association.association-id":
			out = append(out, s.aclAssociation)
		case "association.network-acl-id":
			out = append(out, a.id)
		case "association.subnet-id":
			out = append(out, s.id)
		}
	}
	for _, e := range a.shown() {
		switch name {
		case "entry.cidr":
			out = append(out, e.cidr.String())
		case "entry.egress":
			out = append(out, yes(e.egress))
		case "entry.protocol":
			out = append(out, e.protocol)
		case "entry.rule-action":
			out = append(out, e.action())
		case "entry.rule-number":
			out = append(out, itoa(e.number))
		}
	}
	switch name {
	case "default":
		return one(yes(a.isDefault))
	case "network-acl-id":
		return one(a.id)
	case "owner-id":
		return one(a.account)
	case "vpc-id":
		return one(a.vpc)
	}
	return out
}

// createNetworkACL makes a network ACL that denies everything until entries are added.
func createNetworkACL(c *call) (any, error) {
	id, err := c.required("VpcId")
	if err != nil {
		return nil, err
	}
	v, err := c.vpc(id)
	if err != nil {
		return nil, err
	}
	t, err := tagsFrom(c, "network-acl")
	if err != nil {
		return nil, err
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	a := &networkACL{owned: owned{id: c.newID("acl"), account: c.account, region: c.region, created: c.stamp(), tags: t}, vpc: v.id}
	c.acls[a.id] = a
	return struct {
		ACL aclXML `xml:"networkAcl"`
	}{showACL(c, a)}, nil
}

func deleteNetworkACL(c *call) (any, error) {
	a, err := aclFrom(c)
	switch {
	case err != nil:
		return nil, err
	case a.isDefault:
		// That AWS refuses is documented; its code and text are the lab's guess.
		return nil, wire.Errorf(400, "InvalidParameterValue", "Cannot delete default network ACL %s", a.id)
	case len(c.subnetsWith(a)) > 0:
		return nil, wire.Errorf(400, "DependencyViolation", "The networkAcl '%s' has dependencies and cannot be deleted.", a.id)
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	delete(c.acls, a.id)
	return done{true}, nil
}

// replaceACLAssociation gives a subnet another network ACL. The association has a new id afterwards.
func replaceACLAssociation(c *call) (any, error) {
	id, err := c.required("AssociationId")
	if err != nil {
		return nil, err
	}
	a, err := aclFrom(c)
	if err != nil {
		return nil, err
	}
	var of *subnet
	for _, s := range mine(c, c.subnets) {
		if s.aclAssociation == id {
			of = s
		}
	}
	switch {
	case of == nil:
		return nil, wire.Errorf(400, "InvalidAssociationID.NotFound", "The association ID '%.128s' does not exist", id)
	case of.vpc != a.vpc:
		return nil, wire.Errorf(400, "InvalidParameterValue", "networkAcl %s and subnet %s belong to different networks", a.id, of.id)
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	of.acl, of.aclAssociation = a.id, c.newID("aclassoc")
	return struct {
		ID string `xml:"newAssociationId"`
	}{of.aclAssociation}, nil
}
