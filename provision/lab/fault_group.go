package lab

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// groupFaults: security groups and network ACLs.
func groupFaults() []Fault {
	return []Fault{
		{
			Name: "security-group-closed", Text: "the endpoint's security groups allow nothing in",
			Excludes: []string{"endpoint-group"}, set: (*breaker).securityGroupClosed,
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
