package lab

import (
	"maps"
	"slices"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// rulesPerGroup is AWS's default quota, for each direction.
const rulesPerGroup = 60

func authorizeIngress(c *call) (any, error) { return authorize(c, false) }
func authorizeEgress(c *call) (any, error)  { return authorize(c, true) }
func revokeIngress(c *call) (any, error)    { return revoke(c, false) }
func revokeEgress(c *call) (any, error)     { return revoke(c, true) }

// direction is the list of rules that an operation is about.
func (g *securityGroup) direction(egress bool) *[]groupRule {
	if egress {
		return &g.egress
	}
	return &g.ingress
}

func authorize(c *call, egress bool) (any, error) {
	g, err := groupOf(c)
	if err != nil {
		return nil, err
	}
	add, err := rulesFrom(c, g)
	if err != nil {
		return nil, err
	}
	t, err := tagsFrom(c, "security-group-rule")
	if err != nil {
		return nil, err
	}
	rules := g.direction(egress)
	for i, r := range add {
		if slices.ContainsFunc(*rules, r.same) {
			return nil, wire.Errorf(400, "InvalidPermission.Duplicate", "the specified rule \"%s\" already exists", r)
		}
		if slices.ContainsFunc(add[:i], r.same) {
			return nil, wire.Errorf(400, "InvalidParameterValue",
				"The same permission must not appear multiple times")
		}
	}
	if len(*rules)+len(add) > rulesPerGroup {
		return nil, wire.Errorf(400, "RulesPerSecurityGroupLimitExceeded",
			"The maximum number of rules per security group has been reached.")
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	var out []ruleXML
	for _, r := range add {
		r.id, r.tags = c.newID("sgr"), maps.Clone(t)
		*rules = append(*rules, r)
		out = append(out, showRule(c, g, r, egress))
	}
	return struct {
		Return bool               `xml:"return"`
		Rules  *wire.Set[ruleXML] `xml:"securityGroupRuleSet"`
	}{true, wire.SetOf(out)}, nil
}

// revokedXML is a rule in the answer of Revoke…, which names the peer group otherwise than
// Describe… does.
type revokedXML struct {
	ID          string `xml:"securityGroupRuleId"`
	Group       string `xml:"groupId"`
	Egress      bool   `xml:"isEgress"`
	Protocol    string `xml:"ipProtocol"`
	From        int    `xml:"fromPort"`
	To          int    `xml:"toPort"`
	IPv4        string `xml:"cidrIpv4,omitempty"`
	IPv6        string `xml:"cidrIpv6,omitempty"`
	Referenced  string `xml:"referencedGroupId,omitempty"`
	Description string `xml:"description,omitempty"`
}

func revoke(c *call, egress bool) (any, error) {
	g, err := groupOf(c)
	if err != nil {
		return nil, err
	}
	rules := g.direction(egress)
	drop := map[string]bool{}
	for _, id := range c.params.List("SecurityGroupRuleId") {
		if !slices.ContainsFunc(*rules, func(r groupRule) bool { return r.id == id }) {
			return nil, wire.Errorf(400, "InvalidSecurityGroupRuleId.NotFound", "The security group rule ID '%.128s' does not exist", id)
		}
		drop[id] = true
	}
	if len(drop) == 0 {
		named, err := rulesFrom(c, g)
		if err != nil {
			return nil, err
		}
		for _, r := range named {
			i := slices.IndexFunc(*rules, r.same)
			if i < 0 {
				return nil, wire.Errorf(400, "InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
			}
			drop[(*rules)[i].id] = true
		}
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	var kept []groupRule
	var out []revokedXML
	for _, r := range *rules {
		if !drop[r.id] {
			kept = append(kept, r)
			continue
		}
		x := showRule(c, g, r, egress)
		out = append(out, revokedXML{
			x.ID, x.Group, egress, x.Protocol, x.From, x.To, x.IPv4, x.IPv6, r.group, x.Description,
		})
	}
	*rules = kept // a new slice: the data plane may hold the old one
	return struct {
		Return  bool                  `xml:"return"`
		Revoked *wire.Set[revokedXML] `xml:"revokedSecurityGroupRuleSet"`
	}{true, wire.SetOf(out)}, nil
}
