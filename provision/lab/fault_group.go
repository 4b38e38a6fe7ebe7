package lab

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// groupFaults: security groups and network ACLs.
func groupFaults() []Fault {
	return []Fault{
		{
			Name: "security-group-closed", Text: "the endpoint's security groups allow nothing in",
			Excludes: []string{"endpoint-group"}, set: (*breaker).securityGroupClosed,
		},
		{
			Name: "default-security-group", Text: "the endpoint has the VPC's default security group, which admits its own members alone",
			Excludes: []string{"endpoint", "endpoint-group"}, set: (*breaker).defaultSecurityGroup,
		},
	}
}

func (b *breaker) securityGroupClosed(ctx context.Context) error {
	endpoint, err := b.endpoint(ctx)
	if err != nil {
		return err
	}
	for _, g := range endpoint.Groups {
		out, err := b.sides.Consumer.EC2.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{*g.GroupId}})
		if err != nil {
			return err
		}
		if len(out.SecurityGroups[0].IpPermissions) == 0 {
			continue
		}
		if _, err := b.sides.Consumer.EC2.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{
			GroupId: g.GroupId, IpPermissions: out.SecurityGroups[0].IpPermissions,
		}); err != nil {
			return err
		}
	}
	return nil
}

// defaultSecurityGroup leaves the endpoint with what it gets when nobody names a group.
func (b *breaker) defaultSecurityGroup(ctx context.Context) error {
	endpoint, err := b.endpoint(ctx)
	if err != nil {
		return err
	}
	out, err := b.sides.Consumer.EC2.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{Filters: []ec2types.Filter{
		{Name: aws.String("vpc-id"), Values: []string{*endpoint.VpcId}}, {Name: aws.String("group-name"), Values: []string{"default"}},
	}})
	if err != nil {
		return err
	}
	var others []string
	for _, g := range endpoint.Groups {
		others = append(others, *g.GroupId)
	}
	if _, err := b.sides.Consumer.EC2.ModifyVpcEndpoint(ctx, &ec2.ModifyVpcEndpointInput{
		VpcEndpointId: endpoint.VpcEndpointId, AddSecurityGroupIds: []string{*out.SecurityGroups[0].GroupId}, RemoveSecurityGroupIds: others,
	}); err != nil {
		return err
	}
	return b.untilAvailable(ctx)
}
