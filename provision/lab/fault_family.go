package lab

import (
	"context"
	"net/netip"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/miekg/dns"

	"github.com/linkassay/linkassay/provision"
)

// familyFaults: IPv4 and IPv6 that do not fit together. All but the first break a dualstack link.
func familyFaults() []Fault {
	dualstack := func(set func(b *breaker, ctx context.Context) error) func(b *breaker, ctx context.Context) error {
		return func(b *breaker, ctx context.Context) error {
			if err := b.dualstack(ctx); err != nil {
				return err
			}
			return set(b, ctx)
		}
	}
	wanted := func(l *provision.Link) { l.Consumer.IPAddressType = typeDualstack }
	// Each turns the link dualstack, which can be done once.
	return []Fault{
		{
			Name: "endpoint-ipv4-only", Text: "the link file says dualstack, and the endpoint of a dualstack service is ipv4",
			Excludes: []string{"family", "load-balancer", "endpoint"}, File: wanted,
			set: dualstack(func(b *breaker, ctx context.Context) error {
				return b.modifyEndpoint(ctx, ec2.ModifyVpcEndpointInput{IpAddressType: ec2types.IpAddressTypeIpv4})
			}),
		},
		{
			Name: "service-ipv4-only", Text: "the service of a dualstack endpoint no longer supports ipv6",
			Excludes: []string{"family", "load-balancer", "endpoint"}, set: dualstack((*breaker).serviceIPv4Only),
		},
		{
			Name: "load-balancer-ipv4-only", Text: "the load balancer of a service that supports ipv6 is ipv4",
			Excludes: []string{"family", "load-balancer", "endpoint"}, set: dualstack((*breaker).loadBalancerIPv4Only),
		},
		{
			Name: "records-ipv4-only", Text: "the link file says dualstack, and the endpoint's names have IPv4 records only",
			Excludes: []string{"family", "load-balancer", "endpoint"}, File: wanted,
			set: dualstack(func(b *breaker, ctx context.Context) error {
				return b.modifyEndpoint(ctx, ec2.ModifyVpcEndpointInput{
					DnsOptions: &ec2types.DnsOptionsSpecification{DnsRecordIpType: ec2types.DnsRecordIpTypeIpv4},
				})
			}),
		},
		{
			Name: "resolver-without-ipv6", Text: "the VPC's resolver withholds the IPv6 addresses of a dualstack endpoint's regional name",
			Excludes: []string{"family", "load-balancer", "endpoint", "resolver"}, set: dualstack((*breaker).resolverWithoutIPv6),
		},
		{
			Name: "security-group-ipv4-only", Text: "the security groups of a dualstack endpoint admit IPv4 clients only",
			Excludes: []string{"family", "load-balancer", "endpoint", "endpoint-group"}, set: dualstack((*breaker).securityGroupIPv4Only),
		},
	}
}

func (b *breaker) serviceIPv4Only(ctx context.Context) error {
	_, err := b.sides.Provider.EC2.ModifyVpcEndpointServiceConfiguration(ctx, &ec2.ModifyVpcEndpointServiceConfigurationInput{
		ServiceId: &b.link.Provider.ServiceID, RemoveSupportedIpAddressTypes: []string{typeIPv6},
	})
	return err
}

func (b *breaker) loadBalancerIPv4Only(ctx context.Context) error {
	lbs, err := b.balancers(ctx)
	if err != nil {
		return err
	}
	for _, lb := range lbs {
		if _, err := b.sides.Provider.ELB.SetIpAddressType(ctx, &elb.SetIpAddressTypeInput{
			LoadBalancerArn: lb.LoadBalancerArn, IpAddressType: elbtypes.IpAddressTypeIpv4,
		}); err != nil {
			return err
		}
	}
	return nil
}

// resolverWithoutIPv6 lets the resolver answer what it did, less the IPv6 addresses.
func (b *breaker) resolverWithoutIPv6(ctx context.Context) error {
	e, err := b.endpoint(ctx)
	if err != nil {
		return err
	}
	v, err := b.lab.Vantage(e.SubnetIds[0])
	if err != nil {
		return err
	}
	name := aws.ToString(e.DnsEntries[0].DnsName)
	answer, err := exchange(ctx, v, "udp", new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeA))
	if err != nil {
		return err
	}
	var kept []netip.Addr
	for _, rr := range answer.Answer {
		if a, ok := rr.(*dns.A); ok {
			if addr, ok := netip.AddrFromSlice(a.A.To4()); ok {
				kept = append(kept, addr)
			}
		}
	}
	return b.lab.ResolverAnswers(aws.ToString(e.VpcId), name, kept)
}

func (b *breaker) securityGroupIPv4Only(ctx context.Context) error {
	e, err := b.endpoint(ctx)
	if err != nil {
		return err
	}
	for _, g := range e.Groups {
		out, err := b.sides.Consumer.EC2.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{aws.ToString(g.GroupId)}})
		if err != nil {
			return err
		}
		var rules []ec2types.IpPermission
		for _, r := range out.SecurityGroups[0].IpPermissions {
			if r.IpRanges, r.UserIdGroupPairs = nil, nil; len(r.Ipv6Ranges) > 0 {
				rules = append(rules, r)
			}
		}
		if _, err := b.sides.Consumer.EC2.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{
			GroupId: g.GroupId, IpPermissions: rules,
		}); err != nil {
			return err
		}
	}
	return nil
}
