package lab

import (
	"net/netip"
	"strings"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

type groupXML struct {
	Owner       string                   `xml:"ownerId"`
	ID          string                   `xml:"groupId"`
	Name        string                   `xml:"groupName"`
	Description string                   `xml:"groupDescription"`
	VPC         string                   `xml:"vpcId"`
	ARN         string                   `xml:"securityGroupArn"`
	Ingress     *wire.Set[permissionXML] `xml:"ipPermissions"`
	Egress      *wire.Set[permissionXML] `xml:"ipPermissionsEgress"`
	Tags        *wire.Set[tagItem]       `xml:"tagSet"`
}

// newGroup makes a security group that lets everything out.
func newGroup(c *call, v *vpc, name, description string, t tags) *securityGroup {
	g := &securityGroup{
		owned: owned{id: c.newID("sg"), account: c.account, region: c.region, created: c.stamp(), tags: t},
		vpc:   v.id, name: name, description: description,
	}
	g.egress = []groupRule{{
		id: c.newID("sgr"), protocol: "-1", from: -1, to: -1, cidr: netip.MustParsePrefix("0.0.0.0/0"), tags: tags{},
	}}
	if v.cidr6.valid() {
		g.egress = append(g.egress, c.anyIPv6())
	}
	c.groups[g.id] = g
	return g
}

// groupText says whether a group's name or description has only what AWS allows.
func groupText(s string) bool {
	return s != "" && len(s) <= 255 && !strings.ContainsFunc(s, func(r rune) bool {
		return r > 0x7e || !strings.ContainsRune(mixedAlnum+" ._-:/()#,@[]+=&;{}!$*", r)
	})
}

func createSecurityGroup(c *call) (any, error) {
	name, err := c.required("GroupName")
	if err != nil {
		return nil, err
	}
	description, err := c.required("GroupDescription")
	if err != nil {
		return nil, err
	}
	vpcID := c.params.String("VpcId")
	if vpcID == "" {
		return nil, wire.Errorf(400, "VPCIdNotSpecified", "No default VPC for this user")
	}
	v, err := c.vpc(vpcID)
	if err != nil {
		return nil, err
	}
	switch {
	case strings.HasPrefix(name, "sg-"):
		return nil, wire.Errorf(400, "InvalidParameterValue", "Group names may not be in the format sg-*.")
	case name == "default":
		return nil, wire.Errorf(400, "InvalidParameterValue", "Cannot use reserved security group name: default")
	case !groupText(name):
		return nil, wire.Errorf(400, "InvalidParameterValue",
			"Value (%.128s) for parameter GroupName is invalid. Character sets beyond ASCII are not supported.", name)
	case !groupText(description):
		return nil, wire.Errorf(400, "InvalidParameterValue",
			"Invalid security group description. Valid descriptions are strings less than 256 characters from the following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*")
	}
	for _, g := range c.groups {
		if g.vpc == v.id && g.name == name {
			return nil, wire.Errorf(400, "InvalidGroup.Duplicate", "The security group '%s' already exists for VPC '%s'", name, v.id)
		}
	}
	t, err := tagsFrom(c, "security-group")
	if err != nil {
		return nil, err
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	g := newGroup(c, v, name, description, t)
	return struct {
		Return bool               `xml:"return"` // as in AWS's documented answer, though no model has it
		ID     string             `xml:"groupId"`
		Tags   *wire.Set[tagItem] `xml:"tagSet"`
		ARN    string             `xml:"securityGroupArn"`
	}{true, g.id, tagSet(t), c.groupARN(g)}, nil
}

func (c *call) groupARN(g *securityGroup) string {
	return c.arn("ec2", g.region, g.account, "security-group/"+g.id)
}

func describeSecurityGroups(c *call) (any, error) {
	names := map[string]bool{}
	for _, n := range c.params.List("GroupName") {
		names[n] = true
	}
	all := c.groups
	if len(names) > 0 {
		all = map[string]*securityGroup{}
		found := map[string]bool{}
		for id, g := range c.groups {
			if c.owns(g) && names[g.name] {
				all[id], found[g.name] = g, true
			}
		}
		for _, n := range c.params.List("GroupName") {
			if !found[n] {
				return nil, wire.Errorf(400, "InvalidGroup.NotFound", "The security group '%.128s' does not exist", n)
			}
		}
	}
	filters := []string{"description", "group-id", "group-name", "owner-id", "vpc-id"}
	for _, f := range []string{"cidr", "from-port", "group-id", "group-name", "ipv6-cidr", "prefix-list-id", "protocol", "to-port", "user-id"} {
		filters = append(filters, "ip-permission."+f, "egress.ip-permission."+f)
	}
	set, next, err := listing[*securityGroup, groupXML]{
		ids: "GroupId", all: all, find: c.group, filters: filters,
		values: func(g *securityGroup, name string) []string {
			switch name {
			case "description":
				return one(g.description)
			case "group-id":
				return one(g.id)
			case "group-name":
				return one(g.name)
			case "owner-id":
				return one(g.account)
			case "vpc-id":
				return one(g.vpc)
			}
			rules := g.ingress
			name, egress := strings.CutPrefix(name, "egress.")
			if egress {
				rules = g.egress
			}
			field, ok := strings.CutPrefix(name, "ip-permission.")
			if !ok {
				return nil
			}
			var out []string
			for _, r := range rules {
				out = append(out, ruleFilter(c, r, field)...)
			}
			return out
		},
		show: func(g *securityGroup) groupXML {
			return groupXML{
				g.account, g.id, g.name, g.description, g.vpc, c.groupARN(g),
				permissionsOf(c, g.ingress), permissionsOf(c, g.egress), tagSet(g.tags),
			}
		},
	}.run(c)
	return struct {
		Items *wire.Set[groupXML] `xml:"securityGroupInfo"`
		Next  string              `xml:"nextToken,omitempty"`
	}{set, next}, err
}

// ruleFilter gives a rule's value for one of the ip-permission filters.
func ruleFilter(c *call, r groupRule, field string) []string {
	switch field {
	case "cidr":
		if r.cidr.IsValid() && r.cidr.Addr().Is4() {
			return one(r.cidr.String())
		}
	case "ipv6-cidr":
		if r.cidr.IsValid() && r.cidr.Addr().Is6() {
			return one(r.cidr.String())
		}
	case "protocol":
		return one(r.protocol)
	case "from-port":
		if r.protocol != "-1" {
			return one(itoa(r.from))
		}
	case "to-port":
		if r.protocol != "-1" {
			return one(itoa(r.to))
		}
	case "group-id":
		return one(r.group)
	case "group-name", "user-id":
		if g := c.groups[r.group]; g != nil {
			if field == "user-id" {
				return one(g.account)
			}
			return one(g.name)
		}
	}
	return nil
}

func deleteSecurityGroup(c *call) (any, error) {
	g, err := groupOf(c)
	if err != nil {
		return nil, err
	}
	if g.isDefault {
		return nil, wire.Errorf(400, "CannotDelete",
			"the specified group: \"%s\" name: \"%s\" cannot be deleted by a user", g.id, g.name)
	}
	if c.groupInUse(g) {
		return nil, wire.Errorf(400, "DependencyViolation", "resource %s has a dependent object", g.id)
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	delete(c.groups, g.id)
	return struct {
		Return bool   `xml:"return"`
		ID     string `xml:"groupId"`
	}{true, g.id}, nil
}

// groupInUse says whether an interface has the group or another group's rule names it.
func (c *call) groupInUse(g *securityGroup) bool {
	for _, n := range c.interfaces {
		for _, id := range n.groups {
			if id == g.id {
				return true
			}
		}
	}
	for _, other := range c.groups {
		for _, rules := range [][]groupRule{other.ingress, other.egress} {
			for _, r := range rules {
				if r.group == g.id && other.id != g.id {
					return true
				}
			}
		}
	}
	return false
}

// groupOf finds the group that a request names in GroupId. AWS takes names only for groups of a
// default VPC, which the lab does not have.
func groupOf(c *call) (*securityGroup, error) {
	id, name := c.params.String("GroupId"), c.params.String("GroupName")
	switch {
	case id != "":
		return c.group(id)
	case name != "":
		return nil, wire.Errorf(400, "InvalidParameterValue",
			"Invalid value '%.128s' for groupName. You may not reference Amazon VPC security groups by name. Please use the corresponding id for this operation.", name)
	default:
		return nil, wire.Errorf(400, "MissingParameter", "The request must contain the parameter groupName or groupId")
	}
}

// groupsIn checks that groups exist and belong to the VPC, and gives the VPC's default group when
// none are named.
func (c *call) groupsIn(ids []string, s *subnet) ([]string, error) {
	if len(ids) == 0 {
		for _, g := range c.groups {
			if g.vpc == s.vpc && g.isDefault {
				return []string{g.id}, nil
			}
		}
	}
	for _, id := range ids {
		g, err := c.group(id)
		if err != nil {
			return nil, err
		}
		if g.vpc != s.vpc {
			return nil, wire.Errorf(400, "InvalidParameter",
				"Security group %s and subnet %s belong to different networks.", g.id, s.id)
		}
	}
	if len(ids) > 5 {
		return nil, wire.Errorf(400, "SecurityGroupsPerInterfaceLimitExceeded",
			"The maximum number of security groups per interface has been reached.")
	}
	return ids, nil
}
