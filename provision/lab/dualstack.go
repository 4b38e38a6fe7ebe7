package lab

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/linkassay/linkassay/provision/awsapi"
)

// dualstack gives the built link IPv6 beside IPv4, from the targets' side to the clients', through the
// API as its operators would: blocks, the load balancer, the service, security groups, the endpoint.
func (b *breaker) dualstack(ctx context.Context) error {
	lbs, err := b.balancers(ctx)
	if err != nil {
		return err
	}
	for _, lb := range lbs {
		var subnets []string
		for _, z := range lb.AvailabilityZones {
			subnets = append(subnets, aws.ToString(z.SubnetId))
		}
		// Clients are not of this VPC, and targets are reached over IPv4: no rule needs the block.
		if _, err := giveBlocks(ctx, b.sides.Provider, aws.ToString(lb.VpcId), subnets); err != nil {
			return fmt.Errorf("give the provider's VPC IPv6 blocks: %w", err)
		}
		if _, err := b.sides.Provider.ELB.SetIpAddressType(ctx, &elb.SetIpAddressTypeInput{
			LoadBalancerArn: lb.LoadBalancerArn, IpAddressType: elbtypes.IpAddressTypeDualstack,
		}); err != nil {
			return err
		}
	}
	if _, err := b.sides.Provider.EC2.ModifyVpcEndpointServiceConfiguration(ctx, &ec2.ModifyVpcEndpointServiceConfigurationInput{
		ServiceId: &b.link.Provider.ServiceID, AddSupportedIpAddressTypes: []string{typeIPv6},
	}); err != nil {
		return err
	}
	e, err := b.endpoint(ctx)
	if err != nil {
		return err
	}
	block, err := giveBlocks(ctx, b.sides.Consumer, aws.ToString(e.VpcId), e.SubnetIds)
	if err != nil {
		return fmt.Errorf("give the consumer's VPC IPv6 blocks: %w", err)
	}
	for _, g := range e.Groups {
		if err := admitIPv6(ctx, b.sides.Consumer, aws.ToString(g.GroupId), block, b.ports()); err != nil {
			return err
		}
	}
	for _, lb := range lbs {
		for _, g := range lb.SecurityGroups {
			if err := admitIPv6(ctx, b.sides.Provider, g, block, b.ports()); err != nil {
				return err
			}
		}
	}
	return b.modifyEndpoint(ctx, ec2.ModifyVpcEndpointInput{IpAddressType: ec2types.IpAddressTypeDualstack})
}

// modifyEndpoint modifies the link's endpoint and waits until it is available again.
func (b *breaker) modifyEndpoint(ctx context.Context, in ec2.ModifyVpcEndpointInput) error {
	in.VpcEndpointId = &b.link.Consumer.EndpointID
	if _, err := b.sides.Consumer.EC2.ModifyVpcEndpoint(ctx, &in); err != nil {
		return err
	}
	return b.until(ctx, "the endpoint is available again", func() (bool, error) {
		e, err := b.endpoint(ctx)
		return err == nil && e.State == endpointAvailable, err
	})
}

// balancers are the load balancers of the service.
func (b *breaker) balancers(ctx context.Context) ([]elbtypes.LoadBalancer, error) {
	out, err := b.sides.Provider.EC2.DescribeVpcEndpointServiceConfigurations(ctx, &ec2.DescribeVpcEndpointServiceConfigurationsInput{
		ServiceIds: []string{b.link.Provider.ServiceID},
	})
	if err != nil {
		return nil, err
	}
	lbs, err := b.sides.Provider.ELB.DescribeLoadBalancers(ctx, &elb.DescribeLoadBalancersInput{
		LoadBalancerArns: out.ServiceConfigurations[0].NetworkLoadBalancerArns,
	})
	if err != nil {
		return nil, err
	}
	return lbs.LoadBalancers, nil
}

func (b *breaker) ports() []uint16 {
	var out []uint16
	for _, p := range b.link.Ports {
		out = append(out, p.Port)
	}
	return out
}

// giveBlocks gives a VPC an IPv6 block of Amazon's and each of the subnets a /64 of it.
func giveBlocks(ctx context.Context, c *awsapi.Clients, vpc string, subnets []string) (netip.Prefix, error) {
	out, err := c.EC2.AssociateVpcCidrBlock(ctx, &ec2.AssociateVpcCidrBlockInput{VpcId: &vpc, AmazonProvidedIpv6CidrBlock: aws.Bool(true)})
	if err != nil {
		return netip.Prefix{}, err
	}
	block, err := netip.ParsePrefix(aws.ToString(out.Ipv6CidrBlockAssociation.Ipv6CidrBlock))
	if err != nil {
		return netip.Prefix{}, err
	}
	for i, s := range subnets {
		a := block.Addr().As16()
		a[7] = byte(i)
		if _, err := c.EC2.AssociateSubnetCidrBlock(ctx, &ec2.AssociateSubnetCidrBlockInput{
			SubnetId: &s, Ipv6CidrBlock: aws.String(netip.PrefixFrom(netip.AddrFrom16(a), subnetBitsIPv6).String()),
		}); err != nil {
			return block, err
		}
	}
	return block, nil
}

// admitIPv6 admits the ports from the block into a security group.
func admitIPv6(ctx context.Context, c *awsapi.Clients, group string, from netip.Prefix, ports []uint16) error {
	var rules []ec2types.IpPermission
	for _, p := range ports {
		rules = append(rules, ec2types.IpPermission{
			IpProtocol: aws.String("tcp"), FromPort: aws.Int32(int32(p)), ToPort: aws.Int32(int32(p)),
			Ipv6Ranges: []ec2types.Ipv6Range{{CidrIpv6: aws.String(from.String())}},
		})
	}
	_, err := c.EC2.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: rules})
	return err
}
