package provision

import (
	"context"
	"net/netip"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/linkassay/linkassay/provision/awsapi"
)

// providerGroup makes the targets' security group. Connections through an endpoint reach targets from
// the load balancer's own addresses, so the VPC is all that has to be let in.
func (b *builder) providerGroup(ctx context.Context) error {
	return b.securityGroup(ctx, SideProvider, &b.provider, partProviderGroup, uniquePorts(b.link.Ports, Port.targetPort))
}

// consumerGroup makes the endpoint's security group.
func (b *builder) consumerGroup(ctx context.Context) error {
	return b.securityGroup(ctx, SideConsumer, &b.consumer, partConsumerGroup, uniquePorts(b.link.Ports, func(p Port) uint16 { return p.Port }))
}

func (b *builder) securityGroup(ctx context.Context, side string, n *network, part string, ports []uint16) error {
	c := b.clients(side)
	groups, err := groupsOf(ctx, c, append(marked(b.link.Name, part), filter("vpc-id", n.vpc))...)
	if err != nil {
		return err
	}
	var rules []ec2types.IpPermission
	if len(groups) > 0 {
		n.group, rules = aws.ToString(groups[0].GroupId), groups[0].IpPermissions
	} else {
		err := b.try(ctx, "the VPC "+n.vpc, consistencyWait, notYet, func(ctx context.Context) error {
			out, err := c.EC2.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{
				VpcId: aws.String(n.vpc), GroupName: aws.String("linkassay-" + b.link.Name + "-" + side),
				Description:       aws.String("linkassay link " + b.link.Name + ": its ports, from this VPC"),
				TagSpecifications: ec2Tags(ec2types.ResourceTypeSecurityGroup, marks(&b.link, part)),
			})
			if err == nil {
				n.group = aws.ToString(out.GroupId)
			}
			return attempted(err, "create the %s side's security group in %s", side, n.vpc)
		})
		if err != nil {
			return err
		}
		b.say("created %s", n.group)
	}
	for _, port := range ports {
		for _, block := range n.blocks {
			if allowed(rules, port, block) {
				continue
			}
			if err := b.allow(ctx, c, n.group, port, block); err != nil {
				return err
			}
		}
	}
	return nil
}

// allow opens one port. Rules are added one by one: a single duplicate would fail all of them.
func (b *builder) allow(ctx context.Context, c *awsapi.Clients, group string, port uint16, from netip.Prefix) error {
	return b.try(ctx, "the security group "+group, consistencyWait, notYet, func(ctx context.Context) error {
		_, err := c.EC2.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{
			GroupId: aws.String(group),
			IpPermissions: []ec2types.IpPermission{{
				IpProtocol: aws.String("tcp"), FromPort: aws.Int32(int32(port)), ToPort: aws.Int32(int32(port)),
				IpRanges: []ec2types.IpRange{{CidrIp: aws.String(from.String()), Description: aws.String("linkassay link " + b.link.Name)}},
			}},
		})
		if awsapi.IsCode(err, "InvalidPermission.Duplicate") {
			return nil
		}
		return attempted(err, "open port %d of security group %s for %s", port, group, from)
	})
}

func allowed(rules []ec2types.IpPermission, port uint16, from netip.Prefix) bool {
	return slices.ContainsFunc(rules, func(r ec2types.IpPermission) bool {
		return aws.ToString(r.IpProtocol) == "tcp" && aws.ToInt32(r.FromPort) <= int32(port) && aws.ToInt32(r.ToPort) >= int32(port) &&
			slices.ContainsFunc(r.IpRanges, func(i ec2types.IpRange) bool { return aws.ToString(i.CidrIp) == from.String() })
	})
}

func groupsOf(ctx context.Context, c *awsapi.Clients, filters ...ec2types.Filter) ([]ec2types.SecurityGroup, error) {
	all, err := awsapi.All(ctx, ec2.NewDescribeSecurityGroupsPaginator(c.EC2, &ec2.DescribeSecurityGroupsInput{Filters: filters}),
		func(o *ec2.DescribeSecurityGroupsOutput) []ec2types.SecurityGroup { return o.SecurityGroups })
	return all, attempted(err, "list security groups")
}
