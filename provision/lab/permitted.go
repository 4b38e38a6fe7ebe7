package lab

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// grants are what a user or a role may do in its account. Without documents that is everything but
// what it lacks; with them it is what they allow. They are guarded by world.mu.
type grants struct {
	documents []identityPolicy
	lacks     []string
}

func newGrants(documents, lacks []string) (*grants, error) {
	g := &grants{lacks: slices.Clone(lacks)}
	for i, text := range documents {
		p, err := parseIdentityPolicy(text)
		if err != nil {
			return nil, fmt.Errorf("identity policy %d: %w", i+1, err)
		}
		g.documents = append(g.documents, p)
	}
	return g, nil
}

// SetPolicies replaces the identity policies of the user of the account with this profile, as
// iam:PutUserPolicy does; none lets it do everything again.
func (l *Lab) SetPolicies(profile string, documents ...string) error {
	g, err := newGrants(documents, nil)
	if err != nil {
		return fmt.Errorf("profile %s: %w", profile, err)
	}
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	a := l.world.accounts[l.AccountID(profile)]
	if a == nil {
		return fmt.Errorf("the lab has no account with the profile %s", profile)
	}
	*a.user = *g
	return nil
}

// permitted refuses what the caller has no permission for, as each service does: before anything
// about the request is looked at. GetCallerIdentity needs no permission. The caller holds world.mu.
func (c *call) permitted() error {
	g := c.caller.grants
	if g == nil || c.service == "sts" && c.action == "GetCallerIdentity" {
		return nil
	}
	for _, a := range c.needed() {
		why := ""
		if slices.Contains(g.lacks, a.action) {
			why = "because no identity-based policy allows the " + a.action + " action"
		} else if len(g.documents) > 0 {
			_, why = decideAccess(g.documents, a)
		}
		if why != "" {
			return c.refused(a, why)
		}
	}
	return nil
}

// refused is how each service says no. The HTTP status is UNSOURCED; AWS adds an encoded message.
func (c *call) refused(a access, why string) error {
	on := ""
	if len(a.resources) > 0 {
		on = " on resource: " + a.resources[0]
	}
	text := fmt.Sprintf("User: %s is not authorized to perform: %s%s %s", c.caller.arn, a.action, on, why)
	if c.service == "ec2" {
		return wire.Errorf(http.StatusForbidden, "UnauthorizedOperation", "You are not authorized to perform this operation. %s", text)
	}
	return wire.Errorf(http.StatusForbidden, "AccessDenied", "%s", text)
}

// needed lists the accesses of a request: the action itself, and the actions that it depends on
// (Service Authorization Reference, CreateVpcEndpoint; PrivateLink guide, cross-Region).
func (c *call) needed() []access {
	keys := c.conditionKeys()
	all := []access{{action: c.service + ":" + c.action, resources: c.touched(), keys: keys}}
	also := func(action string) { all = append(all, access{action: action, keys: keys}) }
	if c.service != "ec2" {
		return all
	}
	if strings.HasPrefix(c.action, "Create") && c.action != "CreateTags" && c.params.Has("TagSpecification.1.ResourceType") {
		also("ec2:CreateTags")
	}
	switch c.action {
	case "CreateVpcEndpoint", "ModifyVpcEndpoint":
		// That ModifyVpcEndpoint depends on it too is UNSOURCED; the hidden zone is associated then.
		if on, _ := strconv.ParseBool(c.params.String("PrivateDnsEnabled")); on {
			also("route53:AssociateVPCWithHostedZone")
		}
		if r := c.params.String("ServiceRegion"); r != "" && r != c.region {
			also("vpce:AllowMultiRegion")
		}
	case "CreateVpcEndpointServiceConfiguration", "ModifyVpcEndpointServiceConfiguration":
		if len(c.params.List("SupportedRegion"))+len(c.params.List("AddSupportedRegion")) > 0 {
			also("vpce:AllowMultiRegion")
		}
	}
	return all
}

// conditionKeys are the condition keys of a request, in lower case.
func (c *call) conditionKeys() map[string]string {
	keys := map[string]string{
		"aws:requestedregion": c.region, "aws:principalarn": c.caller.arn, "aws:principalaccount": c.account,
	}
	set := func(key, value string) {
		if value != "" {
			keys[key] = value
		}
	}
	if c.service != "ec2" {
		return keys
	}
	name := c.params.String("ServiceName")
	if e := c.endpoints[c.params.String("VpcEndpointId")]; e != nil {
		name = e.serviceName
	}
	set("ec2:vpceservicename", name)
	if s := c.services[name[strings.LastIndexByte(name, '.')+1:]]; s != nil && s.name == name {
		set("ec2:vpceserviceowner", s.account)
		set("ec2:vpceserviceprivatednsname", s.privateName)
	}
	if c.action == "CreateVpcEndpointServiceConfiguration" || c.action == "ModifyVpcEndpointServiceConfiguration" {
		set("ec2:vpceserviceprivatednsname", c.params.String("PrivateDnsName"))
	}
	if r := c.params.String("ServiceRegion"); r != "" {
		set("ec2:vpceserviceregion", r)
		set("ec2:vpcemultiregion", strconv.FormatBool(r != c.region))
	}
	if r := append(c.params.List("SupportedRegion"), c.params.List("AddSupportedRegion")...); len(r) > 0 {
		set("ec2:vpcesupportedregion", r[0])
	}
	return keys
}

// touched are the ARNs of the resources that an EC2 request names by id. (Requests to the other
// services are judged on all resources.)
func (c *call) touched() []string {
	if c.service != "ec2" {
		return nil
	}
	kinds := []struct{ parameter, kind string }{
		{"VpcEndpointId", "vpc-endpoint"},
		{"ServiceId", "vpc-endpoint-service"},
		{"VpcId", "vpc"},
		{"SubnetId", "subnet"},
		{"SecurityGroupId", "security-group"},
		{"GroupId", "security-group"},
		{"InstanceId", "instance"},
	}
	var arns []string
	for _, k := range kinds {
		for _, id := range append(c.params.List(k.parameter), c.params.String(k.parameter)) {
			if id != "" {
				arns = append(arns, c.arn("ec2", c.region, c.account, k.kind+"/"+id))
			}
		}
	}
	return arns
}
