package probes

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/linkassay/linkassay/provision/awsapi"
)

// providerItems are the provider's items in the making.
type providerItems struct {
	identity       *promise[Identity]
	zones          *promise[[]Zone]
	service        *promise[Service]
	permissions    *promise[[]Principal]
	connections    *promise[[]Connection]
	loadBalancers  *promise[[]LoadBalancer]
	listeners      *promise[[]Listener]
	targetGroups   *promise[[]TargetGroup]
	targetHealth   *promise[[]TargetHealth]
	securityGroups *promise[[]SecurityGroup]
	hostedZones    *promise[[]ProviderZone]
	services       *promise[[]OtherService]
	dryRuns        *promise[[]DryRun]

	serviceName string // what the consumer side asks for; "" when the link does not say
}

// askProvider starts all questions to the provider's account.
func (r *run) askProvider(sd side) *providerItems {
	p := &providerItems{}
	id := serviceID(r.link.Provider.ServiceID, r.link.Provider.ServiceName)
	p.serviceName = r.link.Provider.ServiceName
	if p.serviceName == "" && id != "" {
		p.serviceName = "com.amazonaws.vpce." + r.link.ProviderRegion() + "." + id
	}
	p.identity = ask(r, "provider.identity", func(s *span) (Identity, error) { return r.identity(sd, s) })
	p.zones = ask(r, "provider.zones", func(s *span) ([]Zone, error) { return r.zones(sd, s) })
	p.service = ask(r, "provider.service", func(s *span) (Service, error) { return r.service(sd, s, id) })
	p.permissions = ask(r, "provider.permissions", func(s *span) ([]Principal, error) {
		if _, err := p.found(); err != nil {
			return nil, err
		}
		return r.permissions(sd, s, id)
	})
	p.connections = ask(r, "provider.connections", func(s *span) ([]Connection, error) {
		if _, err := p.found(); err != nil {
			return nil, err
		}
		return r.connections(sd, s, id)
	})
	p.loadBalancers = ask(r, "provider.loadBalancers", func(s *span) ([]LoadBalancer, error) {
		svc, err := p.found()
		if err != nil {
			return nil, err
		}
		return r.loadBalancers(sd, s, svc.LoadBalancerARNs, p.zones)
	})
	p.listeners = ask(r, "provider.listeners", func(s *span) ([]Listener, error) {
		svc, err := p.found()
		if err != nil {
			return nil, err
		}
		return r.listeners(sd, s, svc.LoadBalancerARNs)
	})
	p.targetGroups = ask(r, "provider.targetGroups", func(s *span) ([]TargetGroup, error) {
		ls, err := p.listeners.value()
		if err != nil {
			return nil, err
		}
		groups, err := r.targetGroups(sd, s, groupsBehind(ls))
		if err != nil {
			return nil, err
		}
		return append(groups, r.spareGroups(sd, s, ls, p.loadBalancers)...), nil
	})
	p.targetHealth = ask(r, "provider.targetHealth", func(s *span) ([]TargetHealth, error) {
		ls, err := p.listeners.value()
		if err != nil {
			return nil, err
		}
		health, err := r.targetHealth(sd, s, groupsBehind(ls))
		if err != nil {
			return nil, err
		}
		return r.placeTargets(sd, s, health, p), nil
	})
	p.securityGroups = ask(r, "provider.securityGroups", func(s *span) ([]SecurityGroup, error) {
		lbs, err := p.loadBalancers.value()
		if err != nil {
			return nil, err
		}
		var ids []string
		for _, lb := range lbs {
			ids = append(ids, lb.SecurityGroupIDs...)
		}
		slices.Sort(ids)
		return r.securityGroups(sd, s, slices.Compact(ids))
	})
	p.hostedZones = ask(r, "provider.hostedZones", func(s *span) ([]ProviderZone, error) { return r.providerZones(sd, s, p.service) })
	p.services = ask(r, "provider.services", func(s *span) ([]OtherService, error) { return r.services(sd, s) })
	p.dryRuns = ask(r, "provider.dryRuns", func(s *span) ([]DryRun, error) {
		if r.link.Provider.Build == nil && sd.stop == nil {
			return nil, absent{NotConfigured}
		}
		svc, err := p.found()
		if err != nil {
			return nil, err
		}
		return r.providerDryRuns(sd, s, svc)
	})
	return p
}

// found waits for the service; it is an error when there is none.
func (p *providerItems) found() (Service, error) {
	svc, err := p.service.value()
	if err == nil && !svc.Found {
		err = absent{NoSubject}
	}
	return svc, err
}

// collect reads the items after the run's goroutines have ended.
func (p *providerItems) collect() Provider {
	return Provider{
		Identity: p.identity.item, Zones: p.zones.item, Service: p.service.item, Permissions: p.permissions.item,
		Connections: p.connections.item, LoadBalancers: p.loadBalancers.item, Listeners: p.listeners.item,
		TargetGroups: p.targetGroups.item, TargetHealth: p.targetHealth.item, SecurityGroups: p.securityGroups.item,
		HostedZones: p.hostedZones.item, Services: p.services.item, DryRuns: p.dryRuns.item,
	}
}

// serviceID returns the id of a service that a link names by id or by name: the id is the last
// dot-separated part of the name.
func serviceID(id, name string) string {
	if id != "" {
		return id
	}
	return name[strings.LastIndex(name, ".")+1:]
}

func (r *run) service(sd side, s *span, id string) (Service, error) {
	if sd.stop != nil {
		return Service{}, sd.stop
	}
	if id == "" {
		return Service{Code: notFoundByTag}, nil
	}
	out, err := call(r, s, "ec2:DescribeVpcEndpointServiceConfigurations",
		func(ctx context.Context) (*ec2.DescribeVpcEndpointServiceConfigurationsOutput, error) {
			return sd.EC2.DescribeVpcEndpointServiceConfigurations(ctx,
				&ec2.DescribeVpcEndpointServiceConfigurationsInput{ServiceIds: []string{id}})
		})
	if isNotFound(err) {
		return Service{ID: id, Code: codeOf(err)}, nil
	}
	if err != nil {
		return Service{}, err
	}
	for _, c := range out.ServiceConfigurations {
		if aws.ToString(c.ServiceId) == id {
			return serviceOf(c), nil
		}
	}
	return Service{ID: id, Code: "InvalidVpcEndpointServiceId.NotFound"}, nil
}

func serviceOf(c ec2types.ServiceConfiguration) Service {
	svc := Service{
		Found: true, ID: aws.ToString(c.ServiceId), Name: aws.ToString(c.ServiceName), State: string(c.ServiceState),
		ZoneIDs: texts(c.AvailabilityZoneIds), ZoneNames: texts(c.AvailabilityZones),
		AcceptanceRequired: aws.ToBool(c.AcceptanceRequired),
		LoadBalancerARNs:   texts(slices.Concat(c.NetworkLoadBalancerArns, c.GatewayLoadBalancerArns)),
		IPAddressTypes:     texts(c.SupportedIpAddressTypes), BaseDNSNames: texts(c.BaseEndpointDnsNames),
		PrivateDNSName: clean(aws.ToString(c.PrivateDnsName), maxName), Tags: tagsOf(c.Tags),
	}
	for _, s := range c.SupportedRegions {
		svc.Regions = append(svc.Regions, OfferedRegion{aws.ToString(s.Region), aws.ToString(s.ServiceState)})
	}
	if len(c.ServiceType) > 0 {
		svc.Type = string(c.ServiceType[0].ServiceType)
	}
	// AWS sends an empty element for a service that has no private DNS name.
	if v := c.PrivateDnsNameConfiguration; v != nil && (v.State != "" || aws.ToString(v.Name) != "") {
		svc.Verification = &Verification{
			State: string(v.State), Type: aws.ToString(v.Type),
			Name: clean(aws.ToString(v.Name), maxName), Value: clean(aws.ToString(v.Value), maxName),
		}
	}
	return svc
}

func (r *run) permissions(sd side, s *span, id string) ([]Principal, error) {
	all, err := call(r, s, "ec2:DescribeVpcEndpointServicePermissions", func(ctx context.Context) ([]ec2types.AllowedPrincipal, error) {
		return awsapi.All(ctx, ec2.NewDescribeVpcEndpointServicePermissionsPaginator(sd.EC2,
			&ec2.DescribeVpcEndpointServicePermissionsInput{ServiceId: &id}),
			func(o *ec2.DescribeVpcEndpointServicePermissionsOutput) []ec2types.AllowedPrincipal {
				return o.AllowedPrincipals
			})
	})
	if err != nil {
		return nil, err
	}
	principals := []Principal{}
	for _, a := range all {
		principals = append(principals, Principal{string(a.PrincipalType), clean(aws.ToString(a.Principal), 2048)})
	}
	slices.SortFunc(principals, func(a, b Principal) int { return cmp.Compare(a.ARN, b.ARN) })
	return principals, nil
}

func (r *run) connections(sd side, s *span, id string) ([]Connection, error) {
	return derived(r, s, sd, "ec2:DescribeVpcEndpointConnections", id, func(ctx context.Context) ([]ec2types.VpcEndpointConnection, error) {
		return awsapi.All(ctx, ec2.NewDescribeVpcEndpointConnectionsPaginator(sd.EC2,
			&ec2.DescribeVpcEndpointConnectionsInput{Filters: []ec2types.Filter{{Name: aws.String("service-id"), Values: []string{id}}}}),
			func(o *ec2.DescribeVpcEndpointConnectionsOutput) []ec2types.VpcEndpointConnection {
				return o.VpcEndpointConnections
			})
	}, connectionsOf)
}

func connectionsOf(all []ec2types.VpcEndpointConnection) []Connection {
	connections := []Connection{}
	for _, c := range all {
		connections = append(connections, Connection{
			EndpointID: aws.ToString(c.VpcEndpointId), EndpointOwner: aws.ToString(c.VpcEndpointOwner),
			State: string(c.VpcEndpointState), Created: aws.ToTime(c.CreationTimestamp).UTC(),
			IPAddressType: string(c.IpAddressType), ConnectionID: aws.ToString(c.VpcEndpointConnectionId),
		})
	}
	slices.SortFunc(connections, func(a, b Connection) int { return cmp.Compare(a.EndpointID, b.EndpointID) })
	return connections
}
