package lab

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

type permissionXML struct {
	Protocol string                  `xml:"ipProtocol"`
	From     *int                    `xml:"fromPort"`
	To       *int                    `xml:"toPort"`
	Groups   *wire.Set[groupPairXML] `xml:"groups"`
	IPv4     *wire.Set[ipv4RangeXML] `xml:"ipRanges"`
	IPv6     *wire.Set[ipv6RangeXML] `xml:"ipv6Ranges"`
	Prefixes *wire.Set[struct{}]     `xml:"prefixListIds"`
}

type groupPairXML struct {
	Account     string `xml:"userId"`
	ID          string `xml:"groupId"`
	Description string `xml:"description,omitempty"`
}

type ipv4RangeXML struct {
	CIDR        string `xml:"cidrIp"`
	Description string `xml:"description,omitempty"`
}

type ipv6RangeXML struct {
	CIDR        string `xml:"cidrIpv6"`
	Description string `xml:"description,omitempty"`
}

// permissionsOf groups rules as AWS shows them: all peers of one protocol and port range together.
func permissionsOf(c *call, rules []groupRule) *wire.Set[permissionXML] {
	type key struct {
		protocol string
		from, to int
	}
	place := map[key]int{}
	var out []permissionXML
	for _, r := range rules {
		k := key{r.protocol, r.from, r.to}
		i, ok := place[k]
		if !ok {
			i = len(out)
			place[k] = i
			x := permissionXML{
				Protocol: r.protocol, Groups: wire.SetOf[groupPairXML](nil), IPv4: wire.SetOf[ipv4RangeXML](nil),
				IPv6: wire.SetOf[ipv6RangeXML](nil), Prefixes: wire.SetOf[struct{}](nil),
			}
			if r.protocol != "-1" {
				x.From, x.To = &k.from, &k.to
			}
			out = append(out, x)
		}
		switch x := &out[i]; {
		case r.group != "":
			account := c.account
			if g := c.groups[r.group]; g != nil {
				account = g.account
			}
			x.Groups.Items = append(x.Groups.Items, groupPairXML{account, r.group, r.description})
		case r.cidr.Addr().Is4():
			x.IPv4.Items = append(x.IPv4.Items, ipv4RangeXML{r.cidr.String(), r.description})
		default:
			x.IPv6.Items = append(x.IPv6.Items, ipv6RangeXML{r.cidr.String(), r.description})
		}
	}
	return wire.SetOf(out)
}

type ruleXML struct {
	ID          string             `xml:"securityGroupRuleId"`
	Group       string             `xml:"groupId"`
	Owner       string             `xml:"groupOwnerId"`
	Egress      bool               `xml:"isEgress"`
	Protocol    string             `xml:"ipProtocol"`
	From        int                `xml:"fromPort"`
	To          int                `xml:"toPort"`
	IPv4        string             `xml:"cidrIpv4,omitempty"`
	IPv6        string             `xml:"cidrIpv6,omitempty"`
	Referenced  *referencedXML     `xml:"referencedGroupInfo"`
	Description string             `xml:"description,omitempty"`
	Tags        *wire.Set[tagItem] `xml:"tagSet"`
	ARN         string             `xml:"securityGroupRuleArn,omitempty"`
}

type referencedXML struct {
	ID      string `xml:"groupId"`
	Account string `xml:"userId"`
	VPC     string `xml:"vpcId"`
}

func showRule(c *call, g *securityGroup, r groupRule, egress bool) ruleXML {
	x := ruleXML{
		ID: r.id, Group: g.id, Owner: g.account, Egress: egress, Protocol: r.protocol, From: r.from, To: r.to,
		Description: r.description, Tags: tagSet(r.tags), ARN: c.arn("ec2", g.region, g.account, "security-group-rule/"+r.id),
	}
	switch {
	case r.group != "":
		x.Referenced = &referencedXML{r.group, g.account, g.vpc}
	case r.cidr.Addr().Is4():
		x.IPv4 = r.cidr.String()
	default:
		x.IPv6 = r.cidr.String()
	}
	return x
}

func describeSecurityGroupRules(c *call) (any, error) {
	f, err := filtersFrom(c, "group-id", "security-group-rule-id")
	if err != nil {
		return nil, err
	}
	wanted := map[string]bool{}
	for _, id := range c.params.List("SecurityGroupRuleId") {
		wanted[id] = true
	}
	var out []ruleXML
	found := map[string]bool{}
	for _, g := range mine(c, c.groups) {
		for i, rules := range [][]groupRule{g.ingress, g.egress} {
			for _, r := range rules {
				found[r.id] = true
				if len(wanted) > 0 && !wanted[r.id] || !f.match(func(name string) []string {
					switch name {
					case "group-id":
						return one(g.id)
					case "security-group-rule-id":
						return one(r.id)
					}
					return r.tags.filter(name)
				}) {
					continue
				}
				out = append(out, showRule(c, g, r, i == 1))
			}
		}
	}
	for _, id := range c.params.List("SecurityGroupRuleId") {
		if !found[id] {
			return nil, unknownID(c, id)
		}
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	out, next, err := page(c, out, 5, 1000)
	return struct {
		Items *wire.Set[ruleXML] `xml:"securityGroupRuleSet"`
		Next  string             `xml:"nextToken,omitempty"`
	}{wire.SetOf(out), next}, err
}

// rulesFrom reads the rules of an Authorize or Revoke request, one for each peer: from
// IpPermissions.N, or from the flat parameters.
func rulesFrom(c *call, g *securityGroup) ([]groupRule, error) {
	var out []groupRule
	err := c.params.Each("IpPermissions", func(p string) error {
		rules, err := permissionFrom(c, g, p+".")
		out = append(out, rules...)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(out) == 0 && c.params.String("IpProtocol") != "" {
		if out, err = permissionFrom(c, g, ""); err != nil {
			return nil, err
		}
	}
	if len(out) == 0 {
		return nil, wire.Errorf(400, "MissingParameter", "The request must contain the parameter ipPermissions")
	}
	return out, nil
}

// permissionFrom reads one permission; an empty prefix means the flat parameters.
func permissionFrom(c *call, g *securityGroup, prefix string) ([]groupRule, error) {
	base, err := protocolAndPorts(c, prefix)
	if err != nil {
		return nil, err
	}
	var out []groupRule
	addRange := func(cidr, description string, v6 bool) error {
		p, err := netip.ParsePrefix(cidr)
		if err != nil || p.Addr().Is4() == v6 {
			return wire.Errorf(400, "InvalidParameterValue", "CIDR block %.128s is malformed", cidr)
		}
		r := base
		r.cidr, r.description = p.Masked(), description
		out = append(out, r)
		return nil
	}
	addGroup := func(group, description string) {
		r := base
		r.group, r.description = group, description
		out = append(out, r)
	}
	if prefix == "" {
		if cidr := c.params.String("CidrIp"); cidr != "" {
			err = addRange(cidr, "", false)
		}
		if name := c.params.String("SourceSecurityGroupName"); name != "" && err == nil {
			var peer string
			if peer, err = peerGroup(c, g, "", name); err == nil {
				addGroup(peer, "")
			}
		}
	} else {
		err = c.params.Each(prefix+"IpRanges", func(p string) error {
			return addRange(c.params.String(p+".CidrIp"), c.params.String(p+".Description"), false)
		})
		if err == nil {
			err = c.params.Each(prefix+"Ipv6Ranges", func(p string) error {
				return addRange(c.params.String(p+".CidrIpv6"), c.params.String(p+".Description"), true)
			})
		}
		if err == nil {
			err = c.params.Each(prefix+"Groups", func(p string) error {
				peer, err := peerGroup(c, g, c.params.String(p+".GroupId"), c.params.String(p+".GroupName"))
				if err != nil {
					return err
				}
				addGroup(peer, c.params.String(p+".Description"))
				return nil
			})
		}
		if c.params.Has(prefix+"PrefixListIds.1.PrefixListId") && err == nil {
			err = wire.Errorf(400, "InvalidPrefixListID.NotFound", "The prefix list ID '%.128s' does not exist",
				c.params.String(prefix+"PrefixListIds.1.PrefixListId"))
		}
	}
	if err == nil && len(out) == 0 {
		err = wire.Errorf(400, "MissingParameter", "Source group ID missing.")
	}
	return out, err
}

// protocolAndPorts reads IpProtocol, FromPort and ToPort.
func protocolAndPorts(c *call, prefix string) (groupRule, error) {
	r := groupRule{protocol: strings.ToLower(c.params.String(prefix + "IpProtocol")), tags: tags{}}
	switch r.protocol {
	case "6":
		r.protocol = "tcp"
	case "17":
		r.protocol = "udp"
	case "1":
		r.protocol = "icmp"
	case "58":
		r.protocol = "icmpv6"
	case "all":
		r.protocol = "-1"
	case "":
		return r, wire.Errorf(400, "MissingParameter", "The request must contain the parameter ipProtocol")
	}
	from, err := c.params.Int(prefix+"FromPort", -1)
	if err != nil {
		return r, err
	}
	to, err := c.params.Int(prefix+"ToPort", -1)
	if err != nil {
		return r, err
	}
	r.from, r.to = from, to
	switch r.protocol {
	case "tcp", "udp":
		switch {
		case !c.params.Has(prefix+"FromPort") || !c.params.Has(prefix+"ToPort"):
			return r, wire.Errorf(400, "InvalidParameterValue", "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.")
		case from < 0 || from > 65535:
			return r, wire.Errorf(400, "InvalidParameterValue", "TCP/UDP port (%d) out of range", from)
		case to < 0 || to > 65535:
			return r, wire.Errorf(400, "InvalidParameterValue", "TCP/UDP port (%d) out of range", to)
		case from > to:
			return r, wire.Errorf(400, "InvalidParameterValue", "Invalid TCP/UDP port range (%d:%d)", from, to)
		}
	case "icmp", "icmpv6":
	case "-1":
		r.from, r.to = -1, -1
	default:
		n, err := strconv.Atoi(r.protocol)
		if err != nil || n < 0 || n > 255 {
			return r, wire.Errorf(400, "InvalidParameterValue", "Invalid value '%.128s' for IP protocol. Unknown protocol.", r.protocol)
		}
		r.from, r.to = -1, -1 // other protocols have no ports
	}
	return r, nil
}

// peerGroup finds the security group that a rule names as its source or destination.
func peerGroup(c *call, g *securityGroup, id, name string) (string, error) {
	if id == "" {
		for _, other := range c.groups {
			if other.vpc == g.vpc && other.name == name {
				return other.id, nil
			}
		}
		return "", wire.Errorf(400, "InvalidGroup.NotFound", "The security group '%.128s' does not exist", name)
	}
	peer, err := c.group(id)
	if err != nil {
		return "", err
	}
	if peer.vpc != g.vpc {
		return "", wire.Errorf(400, "InvalidGroup.NotFound", "You have specified two resources that belong to different networks.")
	}
	return peer.id, nil
}

// same says whether two rules allow the same to the same peer.
func (r groupRule) same(o groupRule) bool {
	return r.protocol == o.protocol && r.from == o.from && r.to == o.to && r.cidr == o.cidr && r.group == o.group
}

// String writes a rule as AWS does in InvalidPermission.Duplicate.
func (r groupRule) String() string {
	peer := r.group
	if peer == "" {
		peer = r.cidr.String()
	}
	if r.protocol == "-1" {
		return fmt.Sprintf("peer: %s, ALL, ALLOW", peer)
	}
	return fmt.Sprintf("peer: %s, %s, from port: %d, to port: %d, ALLOW", peer, strings.ToUpper(r.protocol), r.from, r.to)
}
