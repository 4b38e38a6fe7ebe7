package awsapi

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// tables are what is read as a whole. Page sizes are the greatest that the API reference allows: 1,000, but 100 for route
// tables, and 400 in ELBv2.
type tables struct {
	endpoints     *table[ec2types.VpcEndpoint]
	vpcs          *table[ec2types.Vpc]
	subnets       *table[ec2types.Subnet]
	groups        *table[ec2types.SecurityGroup]
	acls          *table[ec2types.NetworkAcl]
	routes        *table[ec2types.RouteTable]
	dhcpOptions   *table[ec2types.DhcpOptions]
	services      *table[ec2types.ServiceConfiguration]
	offered       *table[ec2types.ServiceDetail]
	instances     *table[ec2types.Reservation] // of one instance each
	hosts         *table[ec2types.NetworkInterface]
	nodes         *table[ec2types.NetworkInterface]
	loadBalancers *table[elbtypes.LoadBalancer]
	targetGroups  *table[elbtypes.TargetGroup]
	interfaces    *interfaces
}

// Pages that are read at most. An account has many more instances than a link has targets.
const (
	mostPages         = 100
	mostInstancePages = 5
	routePage         = 100
	elbPage           = 400
)

func newTables(s *store) tables {
	var t tables
	e := s.c // its clients are set once it is open
	t.interfaces = newInterfaces(s)
	t.endpoints = &table[ec2types.VpcEndpoint]{
		s: s, name: "endpoints", most: mostPages, saw: t.interfaces.saw,
		read: pages(func(ctx context.Context, token *string) ([]ec2types.VpcEndpoint, *string, error) {
			out, err := e.EC2.DescribeVpcEndpoints(ctx, &ec2.DescribeVpcEndpointsInput{MaxResults: s.limit(1000), NextToken: token})
			if err != nil {
				return nil, nil, err
			}
			return out.VpcEndpoints, out.NextToken, nil
		}),
		id: func(e *ec2types.VpcEndpoint) string { return aws.ToString(e.VpcEndpointId) },
		values: func(e *ec2types.VpcEndpoint, name string) ([]string, bool) {
			switch name {
			case "vpc-id":
				return one(e.VpcId), true
			case "vpc-endpoint-id":
				return one(e.VpcEndpointId), true
			case "service-name":
				return one(e.ServiceName), true
			}
			return tagged(e.Tags, name)
		},
		wrap:   func(all []ec2types.VpcEndpoint) any { return &ec2.DescribeVpcEndpointsOutput{VpcEndpoints: all} },
		unwrap: func(out any) []ec2types.VpcEndpoint { return out.(*ec2.DescribeVpcEndpointsOutput).VpcEndpoints },
	}
	t.vpcs = &table[ec2types.Vpc]{
		s: s, name: "vpcs", most: mostPages,
		read: pages(func(ctx context.Context, token *string) ([]ec2types.Vpc, *string, error) {
			out, err := e.EC2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{MaxResults: s.limit(1000), NextToken: token})
			if err != nil {
				return nil, nil, err
			}
			return out.Vpcs, out.NextToken, nil
		}),
		id:     func(v *ec2types.Vpc) string { return aws.ToString(v.VpcId) },
		values: func(v *ec2types.Vpc, name string) ([]string, bool) { return ofVPC(v.VpcId, v.Tags, name) },
		wrap:   func(all []ec2types.Vpc) any { return &ec2.DescribeVpcsOutput{Vpcs: all} },
	}
	t.subnets = &table[ec2types.Subnet]{
		s: s, name: "subnets", most: mostPages,
		read: pages(func(ctx context.Context, token *string) ([]ec2types.Subnet, *string, error) {
			out, err := e.EC2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{MaxResults: s.limit(1000), NextToken: token})
			if err != nil {
				return nil, nil, err
			}
			return out.Subnets, out.NextToken, nil
		}),
		id:     func(n *ec2types.Subnet) string { return aws.ToString(n.SubnetId) },
		values: func(n *ec2types.Subnet, name string) ([]string, bool) { return ofVPC(n.VpcId, n.Tags, name) },
		wrap:   func(all []ec2types.Subnet) any { return &ec2.DescribeSubnetsOutput{Subnets: all} },
	}
	t.groups = &table[ec2types.SecurityGroup]{
		s: s, name: "security groups", most: mostPages,
		read: pages(func(ctx context.Context, token *string) ([]ec2types.SecurityGroup, *string, error) {
			out, err := e.EC2.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{MaxResults: s.limit(1000), NextToken: token})
			if err != nil {
				return nil, nil, err
			}
			return out.SecurityGroups, out.NextToken, nil
		}),
		id:     func(g *ec2types.SecurityGroup) string { return aws.ToString(g.GroupId) },
		values: func(g *ec2types.SecurityGroup, name string) ([]string, bool) { return ofVPC(g.VpcId, g.Tags, name) },
		wrap:   func(all []ec2types.SecurityGroup) any { return &ec2.DescribeSecurityGroupsOutput{SecurityGroups: all} },
	}
	t.acls = &table[ec2types.NetworkAcl]{
		s: s, name: "network ACLs", most: mostPages,
		read: pages(func(ctx context.Context, token *string) ([]ec2types.NetworkAcl, *string, error) {
			out, err := e.EC2.DescribeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{MaxResults: s.limit(1000), NextToken: token})
			if err != nil {
				return nil, nil, err
			}
			return out.NetworkAcls, out.NextToken, nil
		}),
		id:     func(a *ec2types.NetworkAcl) string { return aws.ToString(a.NetworkAclId) },
		values: func(a *ec2types.NetworkAcl, name string) ([]string, bool) { return ofVPC(a.VpcId, a.Tags, name) },
		wrap:   func(all []ec2types.NetworkAcl) any { return &ec2.DescribeNetworkAclsOutput{NetworkAcls: all} },
	}
	t.routes = &table[ec2types.RouteTable]{
		s: s, name: "route tables", most: mostPages,
		read: pages(func(ctx context.Context, token *string) ([]ec2types.RouteTable, *string, error) {
			out, err := e.EC2.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{MaxResults: s.limit(routePage), NextToken: token})
			if err != nil {
				return nil, nil, err
			}
			return out.RouteTables, out.NextToken, nil
		}),
		id:     func(r *ec2types.RouteTable) string { return aws.ToString(r.RouteTableId) },
		values: func(r *ec2types.RouteTable, name string) ([]string, bool) { return ofVPC(r.VpcId, r.Tags, name) },
		wrap:   func(all []ec2types.RouteTable) any { return &ec2.DescribeRouteTablesOutput{RouteTables: all} },
	}
	t.dhcpOptions = &table[ec2types.DhcpOptions]{
		s: s, name: "DHCP options", most: mostPages, rare: true,
		read: pages(func(ctx context.Context, token *string) ([]ec2types.DhcpOptions, *string, error) {
			out, err := e.EC2.DescribeDhcpOptions(ctx, &ec2.DescribeDhcpOptionsInput{MaxResults: s.limit(1000), NextToken: token})
			if err != nil {
				return nil, nil, err
			}
			return out.DhcpOptions, out.NextToken, nil
		}),
		id:     func(d *ec2types.DhcpOptions) string { return aws.ToString(d.DhcpOptionsId) },
		values: func(d *ec2types.DhcpOptions, name string) ([]string, bool) { return tagged(d.Tags, name) },
		wrap:   func(all []ec2types.DhcpOptions) any { return &ec2.DescribeDhcpOptionsOutput{DhcpOptions: all} },
	}
	t.services = &table[ec2types.ServiceConfiguration]{
		s: s, name: "services", most: mostPages,
		read: pages(func(ctx context.Context, token *string) ([]ec2types.ServiceConfiguration, *string, error) {
			out, err := e.EC2.DescribeVpcEndpointServiceConfigurations(ctx,
				&ec2.DescribeVpcEndpointServiceConfigurationsInput{MaxResults: s.limit(1000), NextToken: token})
			if err != nil {
				return nil, nil, err
			}
			return out.ServiceConfigurations, out.NextToken, nil
		}),
		id: func(c *ec2types.ServiceConfiguration) string { return aws.ToString(c.ServiceId) },
		values: func(c *ec2types.ServiceConfiguration, name string) ([]string, bool) {
			if name == "service-id" {
				return one(c.ServiceId), true
			}
			return tagged(c.Tags, name)
		},
		wrap: func(all []ec2types.ServiceConfiguration) any {
			return &ec2.DescribeVpcEndpointServiceConfigurationsOutput{ServiceConfigurations: all}
		},
	}
	// What the caller may connect to, AWS's own services too: a few hundred in a Region.
	t.offered = &table[ec2types.ServiceDetail]{
		s: s, name: "offered services", most: mostInstancePages,
		read: pages(func(ctx context.Context, token *string) ([]ec2types.ServiceDetail, *string, error) {
			out, err := e.EC2.DescribeVpcEndpointServices(ctx, &ec2.DescribeVpcEndpointServicesInput{MaxResults: s.limit(1000), NextToken: token})
			if err != nil {
				return nil, nil, err
			}
			return out.ServiceDetails, out.NextToken, nil
		}),
		id:     func(d *ec2types.ServiceDetail) string { return aws.ToString(d.ServiceName) },
		values: func(*ec2types.ServiceDetail, string) ([]string, bool) { return nil, false },
		wrap: func(all []ec2types.ServiceDetail) any {
			out := &ec2.DescribeVpcEndpointServicesOutput{ServiceDetails: all}
			for _, d := range all {
				out.ServiceNames = append(out.ServiceNames, aws.ToString(d.ServiceName))
			}
			return out
		},
	}
	t.instances = &table[ec2types.Reservation]{
		s: s, name: "instances", most: mostInstancePages, rare: true,
		read: pages(func(ctx context.Context, token *string) ([]ec2types.Reservation, *string, error) {
			out, err := e.EC2.DescribeInstances(ctx, &ec2.DescribeInstancesInput{MaxResults: s.limit(1000), NextToken: token})
			if err != nil {
				return nil, nil, err
			}
			return apart(out.Reservations), out.NextToken, nil
		}),
		id:     func(r *ec2types.Reservation) string { return aws.ToString(r.Instances[0].InstanceId) },
		values: func(*ec2types.Reservation, string) ([]string, bool) { return nil, false },
		wrap:   func(all []ec2types.Reservation) any { return &ec2.DescribeInstancesOutput{Reservations: together(all)} },
	}
	// The interfaces of instances, and those of load balancers' nodes.
	t.hosts = s.interfaceTable("instances' interfaces", mostInstancePages, "attachment.instance-id", []string{"i-*"},
		func(n *ec2types.NetworkInterface) *string {
			if n.Attachment == nil {
				return nil
			}
			return n.Attachment.InstanceId
		})
	t.nodes = s.interfaceTable("load balancers' interfaces", mostPages, "description", []string{"ELB net/*", "ELB gwy/*"},
		func(n *ec2types.NetworkInterface) *string { return n.Description })
	t.loadBalancers = &table[elbtypes.LoadBalancer]{
		s: s, name: "load balancers", most: mostPages,
		read: pages(func(ctx context.Context, token *string) ([]elbtypes.LoadBalancer, *string, error) {
			out, err := e.ELB.DescribeLoadBalancers(ctx, &elb.DescribeLoadBalancersInput{PageSize: s.limit(elbPage), Marker: token})
			if err != nil {
				return nil, nil, err
			}
			return out.LoadBalancers, out.NextMarker, nil
		}),
		id:     func(b *elbtypes.LoadBalancer) string { return aws.ToString(b.LoadBalancerArn) },
		values: func(*elbtypes.LoadBalancer, string) ([]string, bool) { return nil, false },
		wrap:   func(all []elbtypes.LoadBalancer) any { return &elb.DescribeLoadBalancersOutput{LoadBalancers: all} },
	}
	t.targetGroups = &table[elbtypes.TargetGroup]{
		s: s, name: "target groups", most: mostPages,
		read: pages(func(ctx context.Context, token *string) ([]elbtypes.TargetGroup, *string, error) {
			out, err := e.ELB.DescribeTargetGroups(ctx, &elb.DescribeTargetGroupsInput{PageSize: s.limit(elbPage), Marker: token})
			if err != nil {
				return nil, nil, err
			}
			return out.TargetGroups, out.NextMarker, nil
		}),
		id:     func(g *elbtypes.TargetGroup) string { return aws.ToString(g.TargetGroupArn) },
		values: func(*elbtypes.TargetGroup, string) ([]string, bool) { return nil, false },
		wrap:   func(all []elbtypes.TargetGroup) any { return &elb.DescribeTargetGroupsOutput{TargetGroups: all} },
	}
	return t
}

// interfaceTable is the network interfaces that have one of the values, which is what the filter is asked for.
func (s *store) interfaceTable(name string, most int, filter string, all []string, value func(*ec2types.NetworkInterface) *string) *table[ec2types.NetworkInterface] {
	return &table[ec2types.NetworkInterface]{
		s: s, name: name, most: most, rare: true,
		read: pages(func(ctx context.Context, token *string) ([]ec2types.NetworkInterface, *string, error) {
			out, err := s.c.EC2.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{
				Filters: []ec2types.Filter{{Name: &filter, Values: all}}, MaxResults: s.limit(1000), NextToken: token,
			})
			if err != nil {
				return nil, nil, err
			}
			return out.NetworkInterfaces, out.NextToken, nil
		}),
		id: func(n *ec2types.NetworkInterface) string { return aws.ToString(n.NetworkInterfaceId) },
		values: func(n *ec2types.NetworkInterface, name string) ([]string, bool) {
			if name != filter {
				return nil, false
			}
			return one(value(n)), true
		},
		wrap: func(all []ec2types.NetworkInterface) any {
			return &ec2.DescribeNetworkInterfacesOutput{NetworkInterfaces: all}
		},
	}
}

// limit is the page size to ask for.
func (s *store) limit(most int) *int32 { return aws.Int32(int32(min(s.page, most))) }

// pages reads page after page.
func pages[T any](next func(ctx context.Context, token *string) ([]T, *string, error)) func(context.Context, int) ([]T, int, bool, error) {
	return func(ctx context.Context, most int) ([]T, int, bool, error) {
		all := []T{} // an empty list is one
		var token *string
		words := words{}
		for n := 1; ; n++ {
			items, more, err := next(ctx, token)
			if err != nil {
				return nil, n, false, err
			}
			words.share(items)
			all = append(all, items...)
			if aws.ToString(more) == "" {
				return slices.Clip(all), n, true, nil
			}
			if n == most {
				return all, n, false, nil
			}
			token = more
		}
	}
}

// apart makes reservations of one instance each.
func apart(in []ec2types.Reservation) []ec2types.Reservation {
	var out []ec2types.Reservation
	for _, r := range in {
		for i := range r.Instances {
			alone := r
			alone.Instances = r.Instances[i : i+1 : i+1]
			out = append(out, alone)
		}
	}
	return out
}

// together undoes apart.
func together(in []ec2types.Reservation) []ec2types.Reservation {
	out := []ec2types.Reservation{}
	for _, r := range in {
		if n := len(out); n > 0 && aws.ToString(out[n-1].ReservationId) == aws.ToString(r.ReservationId) {
			out[n-1].Instances = append(slices.Clip(out[n-1].Instances), r.Instances...)
			continue
		}
		out = append(out, r)
	}
	return out
}

func one(v *string) []string {
	if v == nil {
		return nil
	}
	return []string{*v}
}

// tagged are the values that a filter by tag compares.
func tagged(tags []ec2types.Tag, name string) ([]string, bool) {
	key, ok := strings.CutPrefix(name, "tag:")
	if !ok {
		return nil, false
	}
	for _, t := range tags {
		if aws.ToString(t.Key) == key {
			return one(t.Value), true
		}
	}
	return nil, true
}

func ofVPC(vpc *string, tags []ec2types.Tag, name string) ([]string, bool) {
	if name == "vpc-id" {
		return one(vpc), true
	}
	return tagged(tags, name)
}
