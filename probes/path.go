package probes

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/linkassay/linkassay/provision/awsapi"
)

// pathItems are what packets meet on their way, in the making.
type pathItems struct {
	clients      *promise[[]Client]
	clientGroups *promise[[]SecurityGroup]
	consumerACLs *promise[[]NetworkACL]
	routes       *promise[[]RouteTable]
	nodes        *promise[[]NodeNIC]
	targets      *promise[[]TargetNIC]
	targetGroups *promise[[]SecurityGroup]
	providerACLs *promise[[]NetworkACL]
}

// askPath starts the questions about what lies between the vantages, the endpoint, the load balancer
// and the targets.
func (r *run) askPath(provider, consumer side, p *providerItems, c *consumerItems, places []place) *pathItems {
	x := &pathItems{}
	x.clients = ask(r, "path.clients", func(s *span) ([]Client, error) { return r.clients(consumer, s, c, places) })
	x.clientGroups = ask(r, "path.clientGroups", func(s *span) ([]SecurityGroup, error) {
		clients, err := x.clients.value()
		if err != nil {
			return nil, err
		}
		var ids []string
		for _, v := range clients {
			ids = append(ids, v.GroupIDs...)
		}
		return r.securityGroups(consumer, s, distinct(ids))
	})
	x.consumerACLs = ask(r, "path.consumerAcls", func(s *span) ([]NetworkACL, error) {
		ep, err := c.found()
		if err != nil {
			return nil, err
		}
		return r.networkACLs(consumer, s, []string{ep.VPCID})
	})
	x.routes = ask(r, "path.routes", func(s *span) ([]RouteTable, error) {
		ep, err := c.found()
		if err != nil {
			return nil, err
		}
		return r.routeTables(consumer, s, ep.VPCID)
	})
	x.nodes = ask(r, "path.nodes", func(s *span) ([]NodeNIC, error) {
		svc, err := p.found()
		if err != nil {
			return nil, err
		}
		return r.nodes(provider, s, svc.LoadBalancerARNs, p.zones)
	})
	x.targets = ask(r, "path.targets", func(s *span) ([]TargetNIC, error) {
		health, err := p.targetHealth.value()
		if err != nil {
			return nil, err
		}
		groups, err := p.targetGroups.value()
		if err != nil {
			return nil, err
		}
		return r.targetInterfaces(provider, s, health, groups, p.zones)
	})
	x.targetGroups = ask(r, "path.targetGroups", func(s *span) ([]SecurityGroup, error) {
		targets, err := x.targets.value()
		if err != nil {
			return nil, err
		}
		var ids []string
		for _, t := range targets {
			ids = append(ids, t.GroupIDs...)
		}
		return r.securityGroups(provider, s, distinct(ids))
	})
	x.providerACLs = ask(r, "path.providerAcls", func(s *span) ([]NetworkACL, error) {
		lbs, err := p.loadBalancers.value()
		if err != nil {
			return nil, err
		}
		var vpcs []string
		for _, lb := range lbs {
			vpcs = append(vpcs, lb.VPCID)
		}
		return r.networkACLs(provider, s, distinct(vpcs))
	})
	return x
}

// collect reads the items after the run's goroutines have ended.
func (x *pathItems) collect() Path {
	return Path{
		Clients: x.clients.item, ClientGroups: x.clientGroups.item, ConsumerACLs: x.consumerACLs.item, Routes: x.routes.item,
		Nodes: x.nodes.item, Targets: x.targets.item, TargetGroups: x.targetGroups.item, ProviderACLs: x.providerACLs.item,
	}
}

func distinct(in []string) []string {
	out := slices.DeleteFunc(slices.Clone(in), func(s string) bool { return s == "" })
	slices.Sort(out)
	return slices.Compact(out)
}

func filterOf(name string, values ...string) ec2types.Filter {
	return ec2types.Filter{Name: &name, Values: values}
}

func (r *run) networkACLs(sd side, s *span, vpcs []string) ([]NetworkACL, error) {
	if len(vpcs) == 0 {
		return []NetworkACL{}, nil
	}
	return derived(r, s, sd, "ec2:DescribeNetworkAcls", strings.Join(vpcs, " "), func(ctx context.Context) ([]ec2types.NetworkAcl, error) {
		return awsapi.All(ctx, ec2.NewDescribeNetworkAclsPaginator(sd.EC2, &ec2.DescribeNetworkAclsInput{Filters: []ec2types.Filter{filterOf("vpc-id", vpcs...)}}),
			func(o *ec2.DescribeNetworkAclsOutput) []ec2types.NetworkAcl { return o.NetworkAcls })
	}, aclsOf)
}

func aclsOf(raw []ec2types.NetworkAcl) []NetworkACL {
	all := []NetworkACL{}
	for _, a := range raw {
		acl := NetworkACL{ID: aws.ToString(a.NetworkAclId), VPCID: aws.ToString(a.VpcId), Default: aws.ToBool(a.IsDefault)}
		for _, x := range a.Associations {
			acl.SubnetIDs = append(acl.SubnetIDs, aws.ToString(x.SubnetId))
		}
		slices.Sort(acl.SubnetIDs)
		for _, e := range a.Entries {
			entry := ACLEntry{
				Number: aws.ToInt32(e.RuleNumber), Egress: aws.ToBool(e.Egress), Allow: e.RuleAction == ec2types.RuleActionAllow,
				Protocol: aws.ToString(e.Protocol), CIDR: cmp.Or(aws.ToString(e.CidrBlock), aws.ToString(e.Ipv6CidrBlock)),
			}
			if e.PortRange != nil {
				entry.FromPort, entry.ToPort = aws.ToInt32(e.PortRange.From), aws.ToInt32(e.PortRange.To)
			}
			acl.Entries = append(acl.Entries, entry)
		}
		slices.SortFunc(acl.Entries, func(a, b ACLEntry) int { return cmp.Compare(a.Number, b.Number) })
		all = append(all, acl)
	}
	slices.SortFunc(all, func(a, b NetworkACL) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

func (r *run) routeTables(sd side, s *span, vpc string) ([]RouteTable, error) {
	return derived(r, s, sd, "ec2:DescribeRouteTables", vpc, func(ctx context.Context) ([]ec2types.RouteTable, error) {
		return awsapi.All(ctx, ec2.NewDescribeRouteTablesPaginator(sd.EC2, &ec2.DescribeRouteTablesInput{Filters: []ec2types.Filter{filterOf("vpc-id", vpc)}}),
			func(o *ec2.DescribeRouteTablesOutput) []ec2types.RouteTable { return o.RouteTables })
	}, routesOf)
}

func routesOf(raw []ec2types.RouteTable) []RouteTable {
	all := []RouteTable{}
	for _, t := range raw {
		table := RouteTable{ID: aws.ToString(t.RouteTableId), VPCID: aws.ToString(t.VpcId)}
		for _, x := range t.Associations {
			table.Main = table.Main || aws.ToBool(x.Main)
			if x.SubnetId != nil {
				table.SubnetIDs = append(table.SubnetIDs, *x.SubnetId)
			}
		}
		slices.Sort(table.SubnetIDs)
		for _, x := range t.Routes {
			table.Routes = append(table.Routes, Route{
				CIDR:         cmp.Or(aws.ToString(x.DestinationCidrBlock), aws.ToString(x.DestinationIpv6CidrBlock)),
				PrefixListID: aws.ToString(x.DestinationPrefixListId), State: string(x.State),
				Via: cmp.Or(aws.ToString(x.GatewayId), aws.ToString(x.TransitGatewayId), aws.ToString(x.VpcPeeringConnectionId), aws.ToString(x.NatGatewayId),
					aws.ToString(x.NetworkInterfaceId), aws.ToString(x.InstanceId), aws.ToString(x.EgressOnlyInternetGatewayId),
					aws.ToString(x.LocalGatewayId), aws.ToString(x.CarrierGatewayId), aws.ToString(x.CoreNetworkArn)),
			})
		}
		all = append(all, table)
	}
	slices.SortFunc(all, func(a, b RouteTable) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// nodes finds the load balancers' network interfaces, which AWS describes as ELB net/NAME/ID: the
// addresses that targets see.
func (r *run) nodes(sd side, s *span, arns []string, zones *promise[[]Zone]) ([]NodeNIC, error) {
	of := map[string]string{} // ARNs by description
	var descriptions []string
	for _, arn := range arns {
		if _, name, ok := strings.Cut(arn, ":loadbalancer/"); ok {
			of["ELB "+name] = arn
			descriptions = append(descriptions, "ELB "+name)
		}
	}
	raw, err := r.rawInterfaces(sd, s, filterOf("description", descriptions...))
	if err != nil {
		return nil, err
	}
	all := []NodeNIC{}
	for _, n := range raw {
		all = append(all, NodeNIC{of[aws.ToString(n.Description)], interfaceOf(n, zones)})
	}
	slices.SortFunc(all, func(a, b NodeNIC) int { return cmp.Compare(a.ID, b.ID) })
	return all, nil
}

// interfacesBy finds network interfaces by one filter; none when it has no values.
func (r *run) interfacesBy(sd side, s *span, zones *promise[[]Zone], by ...ec2types.Filter) ([]Interface, error) {
	raw, err := r.rawInterfaces(sd, s, by...)
	if err != nil {
		return nil, err
	}
	all := []Interface{}
	for _, n := range raw {
		all = append(all, interfaceOf(n, zones))
	}
	slices.SortFunc(all, func(a, b Interface) int { return cmp.Compare(a.ID, b.ID) })
	return all, nil
}

func (r *run) rawInterfaces(sd side, s *span, by ...ec2types.Filter) ([]ec2types.NetworkInterface, error) {
	if len(by[0].Values) == 0 {
		return nil, nil
	}
	return call(r, s, "ec2:DescribeNetworkInterfaces", func(ctx context.Context) ([]ec2types.NetworkInterface, error) {
		return awsapi.All(ctx, ec2.NewDescribeNetworkInterfacesPaginator(sd.EC2, &ec2.DescribeNetworkInterfacesInput{Filters: by}),
			func(o *ec2.DescribeNetworkInterfacesOutput) []ec2types.NetworkInterface { return o.NetworkInterfaces })
	})
}

// targetInterfaces finds the interfaces of registered targets: those of instances, and those that have
// a registered address in the target groups' VPCs. Addresses elsewhere have none that can be seen.
func (r *run) targetInterfaces(sd side, s *span, health []TargetHealth, groups []TargetGroup, zones *promise[[]Zone]) ([]TargetNIC, error) {
	var instances, addrs, vpcs []string
	for _, h := range health {
		if strings.HasPrefix(h.TargetID, "i-") {
			instances = append(instances, h.TargetID)
		} else if _, err := netip.ParseAddr(h.TargetID); err == nil {
			addrs = append(addrs, h.TargetID)
		}
	}
	for _, g := range groups {
		vpcs = append(vpcs, g.VPCID)
	}
	instances, addrs, vpcs = distinct(instances), distinct(addrs), distinct(vpcs)
	all := []TargetNIC{}
	raw, err := r.rawInterfaces(sd, s, filterOf("attachment.instance-id", instances...))
	if err != nil {
		return nil, err
	}
	for _, n := range raw {
		if n.Attachment != nil && aws.ToInt32(n.Attachment.DeviceIndex) == 0 { // traffic goes to the primary one
			all = append(all, TargetNIC{aws.ToString(n.Attachment.InstanceId), interfaceOf(n, zones)})
		}
	}
	if len(vpcs) > 0 {
		if raw, err = r.rawInterfaces(sd, s, filterOf("addresses.private-ip-address", addrs...), filterOf("vpc-id", vpcs...)); err != nil {
			return nil, err
		}
		for _, n := range raw {
			i := interfaceOf(n, zones)
			for _, ip := range i.IPs {
				if slices.Contains(addrs, ip.String()) {
					all = append(all, TargetNIC{ip.String(), i})
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b TargetNIC) int {
		return cmp.Or(cmp.Compare(a.TargetID, b.TargetID), cmp.Compare(a.ID, b.ID))
	})
	return all, nil
}
