package lab_test

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

func tcp(port int32, cidr string) ec2types.IpPermission {
	return ec2types.IpPermission{
		IpProtocol: aws.String("tcp"), FromPort: &port, ToPort: &port, IpRanges: []ec2types.IpRange{{CidrIp: &cidr}},
	}
}

func (b *basics) authorize(group string, p ...ec2types.IpPermission) (*ec2.AuthorizeSecurityGroupIngressOutput, error) {
	return b.ec2.AuthorizeSecurityGroupIngress(b.ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: p})
}

func (b *basics) revoke(group string, p ...ec2types.IpPermission) (*ec2.RevokeSecurityGroupIngressOutput, error) {
	return b.ec2.RevokeSecurityGroupIngress(b.ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: &group, IpPermissions: p})
}

func (b *basics) groupNamed(id string) ec2types.SecurityGroup {
	b.Helper()
	return ok[*ec2.DescribeSecurityGroupsOutput](b)(b.ec2.DescribeSecurityGroups(b.ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{id}})).SecurityGroups[0]
}

func TestSecurityGroupRules(t *testing.T) {
	t.Parallel()
	b := newBasics(t, nil)
	v := b.vpc("10.0.0.0/16")
	id, peer := b.group(v, "vpce"), b.group(v, "clients")
	equal(b, "egress of a new group", *b.groupNamed(id).IpPermissionsEgress[0].IpRanges[0].CidrIp, "0.0.0.0/0")

	added := ok[*ec2.AuthorizeSecurityGroupIngressOutput](b)(b.authorize(id, tcp(443, "10.1.2.3/16"), tcp(443, "10.2.0.0/16")))
	if len(added.SecurityGroupRules) != 2 || *added.SecurityGroupRules[0].CidrIpv4 != "10.1.0.0/16" {
		t.Fatalf("rules: %+v", added.SecurityGroupRules)
	}
	refused[*ec2.AuthorizeSecurityGroupIngressOutput](b, "InvalidPermission.Duplicate",
		`the specified rule "peer: 10.1.0.0/16, TCP, from port: 443, to port: 443, ALLOW" already exists`)(b.authorize(id, tcp(443, "10.1.0.0/16")))
	ok[*ec2.AuthorizeSecurityGroupIngressOutput](b)(b.ec2.AuthorizeSecurityGroupIngress(b.ctx, &ec2.AuthorizeSecurityGroupIngressInput{
		GroupId: &id, IpProtocol: aws.String("udp"), FromPort: aws.Int32(53), ToPort: aws.Int32(53), CidrIp: aws.String("10.0.0.0/16"),
	}))
	ok[*ec2.AuthorizeSecurityGroupIngressOutput](b)(b.authorize(id, ec2types.IpPermission{
		IpProtocol: aws.String("-1"), UserIdGroupPairs: []ec2types.UserIdGroupPair{{GroupId: &peer, Description: aws.String("clients")}},
	}))
	shown := b.groupNamed(id)
	if len(shown.IpPermissions) != 3 || len(shown.IpPermissions[0].IpRanges) != 2 || *shown.IpPermissions[2].UserIdGroupPairs[0].GroupId != peer ||
		shown.IpPermissions[2].FromPort != nil {
		t.Errorf("permissions: %+v", shown.IpPermissions)
	}
	for name, value := range map[string]string{
		"ip-permission.cidr": "10.2.*", "ip-permission.from-port": "53", "ip-permission.group-id": peer, "ip-permission.protocol": "udp", "group-name": "vp?e",
	} {
		out := ok[*ec2.DescribeSecurityGroupsOutput](b)(b.ec2.DescribeSecurityGroups(b.ctx, &ec2.DescribeSecurityGroupsInput{Filters: filterBy(name, value)}))
		if len(out.SecurityGroups) != 1 || *out.SecurityGroups[0].GroupId != id {
			t.Errorf("groups by %s=%s: %d", name, value, len(out.SecurityGroups))
		}
	}

	refused[*ec2.DeleteSecurityGroupOutput](b, "DependencyViolation", "resource "+peer+" has a dependent object")(
		b.ec2.DeleteSecurityGroup(b.ctx, &ec2.DeleteSecurityGroupInput{GroupId: &peer}))
	rules := ok[*ec2.DescribeSecurityGroupRulesOutput](b)(b.ec2.DescribeSecurityGroupRules(b.ctx, &ec2.DescribeSecurityGroupRulesInput{Filters: filterBy("group-id", id)})).SecurityGroupRules
	equal(b, "rules, egress too", len(rules), 5)
	for _, r := range rules {
		if r.ReferencedGroupInfo != nil {
			out := ok[*ec2.RevokeSecurityGroupIngressOutput](b)(b.ec2.RevokeSecurityGroupIngress(b.ctx, &ec2.RevokeSecurityGroupIngressInput{
				GroupId: &id, SecurityGroupRuleIds: []string{*r.SecurityGroupRuleId},
			}))
			equal(b, "revoked peer", *out.RevokedSecurityGroupRules[0].ReferencedGroupId, peer)
		}
	}
	ok[*ec2.DeleteSecurityGroupOutput](b)(b.ec2.DeleteSecurityGroup(b.ctx, &ec2.DeleteSecurityGroupInput{GroupId: &peer}))

	ok[*ec2.RevokeSecurityGroupIngressOutput](b)(b.revoke(id, tcp(443, "10.1.0.0/16")))
	refused[*ec2.RevokeSecurityGroupIngressOutput](b, "InvalidPermission.NotFound", "The specified rule does not exist in this security group.")(
		b.revoke(id, tcp(443, "10.1.0.0/16")))
	refused[*ec2.RevokeSecurityGroupIngressOutput](b, "InvalidSecurityGroupRuleId.NotFound", "")(
		b.ec2.RevokeSecurityGroupIngress(b.ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: &id, SecurityGroupRuleIds: []string{"sgr-0"}}))
	everything := ec2types.IpPermission{IpProtocol: aws.String("-1"), IpRanges: []ec2types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}}}
	ok[*ec2.RevokeSecurityGroupEgressOutput](b)(b.ec2.RevokeSecurityGroupEgress(b.ctx, &ec2.RevokeSecurityGroupEgressInput{
		GroupId: &id, IpPermissions: []ec2types.IpPermission{everything},
	}))
	equal(b, "egress left", len(b.groupNamed(id).IpPermissionsEgress), 0)
	ok[*ec2.AuthorizeSecurityGroupEgressOutput](b)(b.ec2.AuthorizeSecurityGroupEgress(b.ctx, &ec2.AuthorizeSecurityGroupEgressInput{
		GroupId: &id, IpPermissions: []ec2types.IpPermission{everything},
	}))
	equal(b, "egress again", len(b.groupNamed(id).IpPermissionsEgress), 1)
}

func TestSecurityGroupRefusals(t *testing.T) {
	t.Parallel()
	b := newBasics(t, nil)
	v, other := b.vpc("10.0.0.0/16"), b.vpc("10.0.0.0/16")
	id, foreign := b.group(v, "one"), b.group(other, "one")
	create := func(name string) (*ec2.CreateSecurityGroupOutput, error) {
		return b.ec2.CreateSecurityGroup(b.ctx, &ec2.CreateSecurityGroupInput{VpcId: &v, GroupName: &name, Description: aws.String("d")})
	}
	refused[*ec2.CreateSecurityGroupOutput](b, "InvalidGroup.Duplicate", fmt.Sprintf("The security group 'one' already exists for VPC '%s'", v))(create("one"))
	refused[*ec2.CreateSecurityGroupOutput](b, "InvalidParameterValue", "Cannot use reserved security group name: default")(create("default"))
	refused[*ec2.CreateSecurityGroupOutput](b, "InvalidParameterValue", "Group names may not be in the format sg-*.")(create("sg-x"))
	refused[*ec2.DescribeSecurityGroupsOutput](b, "InvalidGroup.NotFound", "The security group 'sg-0123' does not exist")(
		b.ec2.DescribeSecurityGroups(b.ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{"sg-0123"}}))
	for what, p := range map[string]ec2types.IpPermission{
		"InvalidParameterValue: CIDR block 10.0.0.0/33 is malformed":                                              tcp(443, "10.0.0.0/33"),
		"InvalidParameterValue: TCP/UDP port (70000) out of range":                                                tcp(70000, "10.0.0.0/16"),
		"InvalidParameterValue: Invalid TCP/UDP port range (443:80)":                                              {IpProtocol: aws.String("tcp"), FromPort: aws.Int32(443), ToPort: aws.Int32(80), IpRanges: tcp(1, "10.0.0.0/8").IpRanges},
		"InvalidParameterValue: Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.": {IpProtocol: aws.String("tcp"), IpRanges: tcp(1, "10.0.0.0/8").IpRanges},
		"InvalidParameterValue: Invalid value 'nope' for IP protocol. Unknown protocol.":                          {IpProtocol: aws.String("nope"), IpRanges: tcp(1, "10.0.0.0/8").IpRanges},
		"InvalidGroup.NotFound: You have specified two resources that belong to different networks.":              {IpProtocol: aws.String("-1"), UserIdGroupPairs: []ec2types.UserIdGroupPair{{GroupId: &foreign}}},
		"MissingParameter: Source group ID missing.":                                                              {IpProtocol: aws.String("-1")},
	} {
		_, err := b.authorize(id, p)
		if got := apiText(err); got != what {
			t.Errorf("got %q, want %q", got, what)
		}
	}
	b60 := make([]ec2types.IpPermission, 61)
	for i := range b60 {
		b60[i] = tcp(int32(1000+i), "10.0.0.0/16")
	}
	refused[*ec2.AuthorizeSecurityGroupIngressOutput](b, "RulesPerSecurityGroupLimitExceeded", "")(b.authorize(id, b60...))
	equal(b, "rules after refusals", len(b.groupNamed(id).IpPermissions), 0)
	def := ok[*ec2.DescribeSecurityGroupsOutput](b)(b.ec2.DescribeSecurityGroups(b.ctx, &ec2.DescribeSecurityGroupsInput{
		Filters: append(filterBy("vpc-id", v), filterBy("group-name", "default")...),
	})).SecurityGroups[0]
	refused[*ec2.DeleteSecurityGroupOutput](b, "CannotDelete", "")(b.ec2.DeleteSecurityGroup(b.ctx, &ec2.DeleteSecurityGroupInput{GroupId: def.GroupId}))
}
