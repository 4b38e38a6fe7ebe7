package awsapi

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// reading is how an operation is answered.
type reading struct {
	rare bool
	ask  func(ctx context.Context, n need, direct func(context.Context) (any, error)) *answer
}

// freshness is that of an answer.
func (r reading) freshness(a *answer) freshness {
	if r.rare {
		return freshness{rarely: a.holds()}
	}
	return freshness{often: a.holds()}
}

// reading says how an operation with this input is answered; false: by a request of its own, as all are that are not
// listed here.
func (s *store) reading(in any) (reading, bool) {
	t := &s.tables
	switch in := in.(type) {
	case *ec2.DescribeVpcEndpointsInput:
		return of(s, t.endpoints, in, whole(in.DryRun, in.MaxResults, in.NextToken), question{in.VpcEndpointIds, in.Filters})
	case *ec2.DescribeVpcsInput:
		return of(s, t.vpcs, in, whole(in.DryRun, in.MaxResults, in.NextToken), question{in.VpcIds, in.Filters})
	case *ec2.DescribeSubnetsInput:
		return of(s, t.subnets, in, whole(in.DryRun, in.MaxResults, in.NextToken), question{in.SubnetIds, in.Filters})
	case *ec2.DescribeSecurityGroupsInput:
		return of(s, t.groups, in, whole(in.DryRun, in.MaxResults, in.NextToken) && len(in.GroupNames) == 0, question{in.GroupIds, in.Filters})
	case *ec2.DescribeNetworkAclsInput:
		return of(s, t.acls, in, whole(in.DryRun, in.MaxResults, in.NextToken), question{in.NetworkAclIds, in.Filters})
	case *ec2.DescribeRouteTablesInput:
		return of(s, t.routes, in, whole(in.DryRun, in.MaxResults, in.NextToken), question{in.RouteTableIds, in.Filters})
	case *ec2.DescribeDhcpOptionsInput:
		return of(s, t.dhcpOptions, in, whole(in.DryRun, in.MaxResults, in.NextToken), question{in.DhcpOptionsIds, in.Filters})
	case *ec2.DescribeVpcEndpointServiceConfigurationsInput:
		return of(s, t.services, in, whole(in.DryRun, in.MaxResults, in.NextToken), question{in.ServiceIds, in.Filters})
	case *ec2.DescribeVpcEndpointServicesInput:
		if len(in.ServiceRegions) > 0 { // of another Region: not in the list
			return s.alone(in, false, whole(in.DryRun, in.MaxResults, in.NextToken))
		}
		return of(s, t.offered, in, whole(in.DryRun, in.MaxResults, in.NextToken), question{in.ServiceNames, in.Filters})
	case *ec2.DescribeInstancesInput:
		return of(s, t.instances, in, whole(in.DryRun, in.MaxResults, in.NextToken), question{in.InstanceIds, in.Filters})
	case *ec2.DescribeNetworkInterfacesInput:
		return s.interfacesReading(in)
	case *elb.DescribeLoadBalancersInput:
		return of(s, t.loadBalancers, in, in.PageSize == nil && in.Marker == nil && len(in.Names) == 0, question{in.LoadBalancerArns, nil})
	case *elb.DescribeTargetGroupsInput:
		if in.PageSize != nil { // the first page alone
			return s.alone(in, false, in.Marker == nil)
		}
		return of(s, t.targetGroups, in, in.Marker == nil && len(in.Names) == 0 && in.LoadBalancerArn == nil, question{in.TargetGroupArns, nil})

	case *ec2.DescribeVpcEndpointConnectionsInput:
		return s.paged(in, whole(in.DryRun, in.MaxResults, in.NextToken), func(ctx context.Context) (any, error) {
			all, _, _, err := pages(func(ctx context.Context, token *string) ([]ec2types.VpcEndpointConnection, *string, error) {
				out, err := s.c.EC2.DescribeVpcEndpointConnections(ctx,
					&ec2.DescribeVpcEndpointConnectionsInput{Filters: in.Filters, MaxResults: s.limit(1000), NextToken: token})
				if err != nil {
					return nil, nil, err
				}
				return out.VpcEndpointConnections, out.NextToken, nil
			})(ctx, maxPages)
			return &ec2.DescribeVpcEndpointConnectionsOutput{VpcEndpointConnections: all}, err
		})
	case *ec2.DescribeVpcEndpointServicePermissionsInput:
		return s.paged(in, whole(in.DryRun, in.MaxResults, in.NextToken), func(ctx context.Context) (any, error) {
			all, _, _, err := pages(func(ctx context.Context, token *string) ([]ec2types.AllowedPrincipal, *string, error) {
				out, err := s.c.EC2.DescribeVpcEndpointServicePermissions(ctx,
					&ec2.DescribeVpcEndpointServicePermissionsInput{ServiceId: in.ServiceId, Filters: in.Filters, MaxResults: s.limit(1000), NextToken: token})
				if err != nil {
					return nil, nil, err
				}
				return out.AllowedPrincipals, out.NextToken, nil
			})(ctx, maxPages)
			return &ec2.DescribeVpcEndpointServicePermissionsOutput{AllowedPrincipals: all}, err
		})
	case *elb.DescribeListenersInput:
		return s.alone(in, false, in.PageSize == nil && in.Marker == nil)
	case *elb.DescribeTargetHealthInput:
		return s.alone(in, false, true)

	case *ec2.DescribeAvailabilityZonesInput:
		return s.alone(in, true, !aws.ToBool(in.DryRun))
	case *ec2.DescribeVpcAttributeInput:
		return s.alone(in, true, !aws.ToBool(in.DryRun))
	case *sts.GetCallerIdentityInput, *elb.DescribeLoadBalancerAttributesInput, *elb.DescribeTargetGroupAttributesInput, *elb.DescribeListenerAttributesInput,
		*route53.GetHostedZoneInput, *route53.ListHostedZonesByNameInput, *route53.ListHostedZonesByVPCInput, *route53.ListResourceRecordSetsInput:
		return s.alone(in, true, true)
	}
	return reading{}, false
}

// whole says whether all is asked for, and in earnest.
func whole(dryRun *bool, size *int32, token *string) bool {
	return !aws.ToBool(dryRun) && size == nil && token == nil
}

// of answers from a table.
func of[T any](s *store, t *table[T], in any, whole bool, q question) (reading, bool) {
	if !whole {
		return reading{}, false
	}
	if !t.answers(q) {
		return s.alone(in, t.rare, true)
	}
	q = question{slices.Clone(q.ids), slices.Clone(q.filters)}
	return reading{t.rare, func(ctx context.Context, n need, direct func(context.Context) (any, error)) *answer {
		return t.ask(ctx, n, in, q, direct)
	}}, true
}

// alone answers what AWS serves one at a time: the same question is asked once.
func (s *store) alone(in any, rare, ok bool) (reading, bool) {
	return reading{rare, func(ctx context.Context, n need, direct func(context.Context) (any, error)) *answer {
		return s.ask(ctx, keyOf(in), n.of(rare), direct)
	}}, ok
}

// paged is alone for what has pages of its own.
func (s *store) paged(in any, ok bool, read func(context.Context) (any, error)) (reading, bool) {
	key := keyOf(in)
	return reading{false, func(ctx context.Context, n need, _ func(context.Context) (any, error)) *answer {
		return s.ask(ctx, key, n.since, read)
	}}, ok
}

// of is since when an answer must have been read.
func (n need) of(rare bool) time.Time {
	if rare {
		return n.rarely
	}
	return n.since
}

// interfacesReading tells network interfaces of endpoints, of load balancers and of instances apart by what is asked for.
func (s *store) interfacesReading(in *ec2.DescribeNetworkInterfacesInput) (reading, bool) {
	if !whole(in.DryRun, in.MaxResults, in.NextToken) {
		return reading{}, false
	}
	if len(in.NetworkInterfaceIds) > 0 && len(in.Filters) == 0 {
		ids := slices.Clone(in.NetworkInterfaceIds)
		return reading{false, func(ctx context.Context, n need, direct func(context.Context) (any, error)) *answer {
			return s.tables.interfaces.ask(ctx, n, in, ids, direct)
		}}, true
	}
	all := func(prefixes ...string) bool {
		return !slices.ContainsFunc(in.Filters[0].Values, func(v string) bool {
			return !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(v, p) })
		})
	}
	if len(in.NetworkInterfaceIds) == 0 && len(in.Filters) == 1 {
		switch name := aws.ToString(in.Filters[0].Name); {
		case name == "description" && all("ELB net/", "ELB gwy/"):
			return of(s, s.tables.nodes, in, true, question{nil, in.Filters})
		case name == "attachment.instance-id" && all("i-"):
			return of(s, s.tables.hosts, in, true, question{nil, in.Filters})
		}
	}
	return s.alone(in, true, true)
}
