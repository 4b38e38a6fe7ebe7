package lab_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

const plPrivateName = "api-svc.intra.chartsinvestor.com"

// TestPrivateLinkWalkThrough goes the whole way of a link through the API, from the service to
// private DNS and back.
func TestPrivateLinkWalkThrough(t *testing.T) {
	t.Parallel()
	p := newPLWorld(t, nil)
	consumer, provider := p.consumer.ec2, p.provider.ec2

	// 1. The provider's service, and who may use it.
	made, err := provider.CreateVpcEndpointServiceConfiguration(p.ctx, &ec2.CreateVpcEndpointServiceConfigurationInput{
		NetworkLoadBalancerArns: []string{p.nlb}, ClientToken: aws.String("service-1"),
		TagSpecifications: []ec2types.TagSpecification{{ResourceType: ec2types.ResourceTypeVpcEndpointService, Tags: []ec2types.Tag{{Key: aws.String("Name"), Value: aws.String("charts")}}}},
	})
	p.must("create the service", err)
	s := made.ServiceConfiguration
	plEq(t, "client token", aws.ToString(made.ClientToken), "service-1")
	if !regexp.MustCompile(`^vpce-svc-[0-9a-f]{17}$`).MatchString(*s.ServiceId) {
		t.Errorf("service id %q", *s.ServiceId)
	}
	plEq(t, "service name", *s.ServiceName, "com.amazonaws.vpce."+plRegion+"."+*s.ServiceId)
	plEq(t, "service state", s.ServiceState, ec2types.ServiceStateAvailable)
	plEq(t, "acceptance is required by default", aws.ToBool(s.AcceptanceRequired), true)
	plSame(t, "zone ids", s.AvailabilityZoneIds, p.nlbZones)
	plSame(t, "zones in the provider's names", s.AvailabilityZones, p.named(p.provider, p.nlbZones))
	plSame(t, "base names", s.BaseEndpointDnsNames, []string{*s.ServiceId + "." + plRegion + ".vpce.amazonaws.com"})
	plSame(t, "load balancers", s.NetworkLoadBalancerArns, []string{p.nlb})
	plEq(t, "types", len(s.ServiceType), 1)
	plEq(t, "type", s.ServiceType[0].ServiceType, ec2types.ServiceTypeInterface)
	plEq(t, "no private name", aws.ToString(s.PrivateDnsName)+string(s.PrivateDnsNameConfiguration.State), "")
	plEq(t, "tag", aws.ToString(s.Tags[0].Value), "charts")

	// 2. Not allowed looks like not there.
	unknown := "The Vpc Endpoint Service '" + *s.ServiceName + "' does not exist"
	_, err = consumer.DescribeVpcEndpointServices(p.ctx, &ec2.DescribeVpcEndpointServicesInput{ServiceNames: []string{*s.ServiceName}})
	p.refused(err, "InvalidServiceName", unknown)
	_, err = consumer.CreateVpcEndpoint(p.ctx, p.request(s))
	p.refused(err, "InvalidServiceName", unknown)
	all, err := consumer.DescribeVpcEndpointServices(p.ctx, &ec2.DescribeVpcEndpointServicesInput{})
	p.must("list services", err)
	plEq(t, "services that the consumer sees", len(all.ServiceDetails), 0)

	added, err := provider.ModifyVpcEndpointServicePermissions(p.ctx, &ec2.ModifyVpcEndpointServicePermissionsInput{ServiceId: s.ServiceId, AddAllowedPrincipals: []string{plRoot(plConsumer)}})
	p.must("allow the consumer", err)
	plEq(t, "added", len(added.AddedPrincipals), 1)
	plEq(t, "kind", added.AddedPrincipals[0].PrincipalType, ec2types.PrincipalTypeAccount)
	if !regexp.MustCompile(`^vpce-svc-perm-\w{17}$`).MatchString(aws.ToString(added.AddedPrincipals[0].ServicePermissionId)) {
		t.Errorf("permission id %q", aws.ToString(added.AddedPrincipals[0].ServicePermissionId))
	}

	// The consumer sees the same zone ids under its own names.
	seen, err := consumer.DescribeVpcEndpointServices(p.ctx, &ec2.DescribeVpcEndpointServicesInput{ServiceNames: []string{*s.ServiceName}, ServiceRegions: []string{plRegion}})
	p.must("see the service", err)
	d := seen.ServiceDetails[0]
	plSame(t, "names", seen.ServiceNames, []string{*s.ServiceName})
	plSame(t, "zone ids", d.AvailabilityZoneIds, p.nlbZones)
	plSame(t, "zones in the consumer's names", d.AvailabilityZones, p.named(p.consumer, p.nlbZones))
	if slices.Equal(d.AvailabilityZones, s.AvailabilityZones) {
		t.Errorf("provider and consumer name the zones alike: %q", d.AvailabilityZones)
	}
	plEq(t, "owner", aws.ToString(d.Owner), plProvider)
	plEq(t, "region", aws.ToString(d.ServiceRegion), plRegion)
	plEq(t, "the owner's tags stay with the owner", len(d.Tags), 0)

	// 3. The endpoint waits, with its interfaces and names.
	in := p.request(s)
	in.ClientToken = aws.String("endpoint-1")
	out, err := consumer.CreateVpcEndpoint(p.ctx, in)
	p.must("create the endpoint", err)
	e := out.VpcEndpoint
	plEq(t, "state", string(e.State), "pendingAcceptance")
	plEq(t, "private DNS", aws.ToBool(e.PrivateDnsEnabled), false)
	plEq(t, "owner", aws.ToString(e.OwnerId), plConsumer)
	plSame(t, "subnets", e.SubnetIds, in.SubnetIds)
	plEq(t, "default security group", aws.ToString(e.Groups[0].GroupName), "default")
	p.checkNames(e, s)
	p.checkInterfaces(e)

	// 4. The provider finds and accepts it.
	found, err := provider.DescribeVpcEndpointConnections(p.ctx, &ec2.DescribeVpcEndpointConnectionsInput{Filters: []ec2types.Filter{
		{Name: aws.String("service-id"), Values: []string{*s.ServiceId}},
		{Name: aws.String("vpc-endpoint-state"), Values: []string{"pendingAcceptance"}},
	}})
	p.must("find the connection", err)
	plEq(t, "connections", len(found.VpcEndpointConnections), 1)
	con := found.VpcEndpointConnections[0]
	plEq(t, "connection", aws.ToString(con.VpcEndpointId), *e.VpcEndpointId)
	plEq(t, "connection's owner", aws.ToString(con.VpcEndpointOwner), plConsumer)
	plSame(t, "connection's load balancers", con.NetworkLoadBalancerArns, []string{p.nlb})
	_, err = consumer.AcceptVpcEndpointConnections(p.ctx, &ec2.AcceptVpcEndpointConnectionsInput{ServiceId: s.ServiceId, VpcEndpointIds: []string{*e.VpcEndpointId}})
	p.refused(err, "InvalidVpcEndpointServiceId.NotFound", *s.ServiceId)
	plEq(t, "unsuccessful", len(p.accept(s, *e.VpcEndpointId)), 0)
	plEq(t, "state after acceptance", string(p.endpoint(e.VpcEndpointId).State), "pending")
	p.untilState(e.VpcEndpointId, "available")

	// 5. The private name, verified; 6. enabled as a second step.
	p.dnsHostnames(p.vpc, true)
	p.verify(s, plPrivateName)
	c := p.configuration(s)
	plEq(t, "type of the verification", aws.ToString(c.PrivateDnsNameConfiguration.Type), "TXT")
	_, err = consumer.ModifyVpcEndpoint(p.ctx, &ec2.ModifyVpcEndpointInput{VpcEndpointId: e.VpcEndpointId, PrivateDnsEnabled: aws.Bool(true)})
	p.must("enable private DNS", err)
	e = p.endpoint(e.VpcEndpointId)
	plEq(t, "state after the modification", string(e.State), "pending")
	p.untilState(e.VpcEndpointId, "available")
	plEq(t, "private DNS", aws.ToBool(e.PrivateDnsEnabled), true)
	last := e.DnsEntries[len(e.DnsEntries)-1]
	plEq(t, "last name", aws.ToString(last.DnsName), plPrivateName)
	if id := aws.ToString(last.HostedZoneId); !strings.HasPrefix(id, "Z") || id == "Z18LLCSTV4NVNL" {
		t.Errorf("the private name is in the hosted zone %q", id)
	}

	// And back: no deletion of a service that is in use.
	gone, err := provider.DeleteVpcEndpointServiceConfigurations(p.ctx, &ec2.DeleteVpcEndpointServiceConfigurationsInput{ServiceIds: []string{*s.ServiceId}})
	p.must("try to delete the service", err)
	p.failedItem(gone.Unsuccessful, *s.ServiceId, "ExistingVpcEndpointConnections", "Service has existing active VPC Endpoint connections!")
	removed, err := consumer.DeleteVpcEndpoints(p.ctx, &ec2.DeleteVpcEndpointsInput{VpcEndpointIds: []string{*e.VpcEndpointId}})
	p.must("delete the endpoint", err)
	plEq(t, "unsuccessful", len(removed.Unsuccessful), 0)
	plEq(t, "state", string(p.endpoint(e.VpcEndpointId).State), "deleting")
	p.untilGone(e)
	p.deleteService(s)
}

// named translates zone ids into one account's names.
func (p *plWorld) named(s *plSide, ids []string) []string {
	p.t.Helper()
	byID := map[string]string{}
	for _, z := range p.zoneNames(s) {
		byID[z.id] = z.name
	}
	var out []string
	for _, id := range ids {
		out = append(out, byID[id])
	}
	return out
}

// checkNames asserts the regional and then the zonal names, in the order of the subnets.
func (p *plWorld) checkNames(e *ec2types.VpcEndpoint, s *ec2types.ServiceConfiguration) {
	p.t.Helper()
	domain := "." + *s.ServiceId + "." + plRegion + ".vpce.amazonaws.com"
	regional := aws.ToString(e.DnsEntries[0].DnsName)
	if !regexp.MustCompile(`^` + *e.VpcEndpointId + `-[a-z0-9]{8}` + regexp.QuoteMeta(domain) + `$`).MatchString(regional) {
		p.t.Errorf("regional name %q", regional)
	}
	want := []string{regional}
	for _, zone := range p.named(p.consumer, p.nlbZones) {
		want = append(want, strings.TrimSuffix(regional, domain)+"-"+zone+domain)
	}
	var got []string
	for _, d := range e.DnsEntries {
		got = append(got, aws.ToString(d.DnsName))
		plEq(p.t, "hosted zone", aws.ToString(d.HostedZoneId), "Z18LLCSTV4NVNL")
	}
	plSame(p.t, "names", got, want)
}

func (p *plWorld) checkInterfaces(e *ec2types.VpcEndpoint) {
	p.t.Helper()
	out, err := p.consumer.ec2.DescribeNetworkInterfaces(p.ctx, &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: e.NetworkInterfaceIds})
	p.must("describe the interfaces", err)
	plEq(p.t, "interfaces", len(out.NetworkInterfaces), len(e.SubnetIds))
	for _, n := range out.NetworkInterfaces {
		plEq(p.t, "description", aws.ToString(n.Description), "VPC Endpoint Interface "+*e.VpcEndpointId)
		plEq(p.t, "type", string(n.InterfaceType), "vpc_endpoint")
		plEq(p.t, "requester-managed", aws.ToBool(n.RequesterManaged), true)
		plEq(p.t, "status", n.Status, ec2types.NetworkInterfaceStatusInUse)
		if !slices.Contains(e.SubnetIds, aws.ToString(n.SubnetId)) {
			p.t.Errorf("interface %s is in %s", aws.ToString(n.NetworkInterfaceId), aws.ToString(n.SubnetId))
		}
	}
}

// untilGone waits until the endpoint is not found any more, and asserts that its interfaces went
// with it.
func (p *plWorld) untilGone(e *ec2types.VpcEndpoint) {
	p.t.Helper()
	var err error
	p.until("the endpoint is gone", func() bool {
		_, err = p.consumer.ec2.DescribeVpcEndpoints(p.ctx, &ec2.DescribeVpcEndpointsInput{VpcEndpointIds: []string{*e.VpcEndpointId}})
		return err != nil
	})
	p.refused(err, "InvalidVpcEndpointId.NotFound", *e.VpcEndpointId)
	left, err := p.consumer.ec2.DescribeNetworkInterfaces(p.ctx, &ec2.DescribeNetworkInterfacesInput{Filters: []ec2types.Filter{{Name: aws.String("vpc-id"), Values: []string{p.vpc}}}})
	p.must("list interfaces", err)
	plEq(p.t, "interfaces left", len(left.NetworkInterfaces), 0)
}

// deleteService deletes the service and waits until it is gone.
func (p *plWorld) deleteService(s *ec2types.ServiceConfiguration) {
	p.t.Helper()
	out, err := p.provider.ec2.DeleteVpcEndpointServiceConfigurations(p.ctx, &ec2.DeleteVpcEndpointServiceConfigurationsInput{ServiceIds: []string{*s.ServiceId}})
	p.must("delete the service", err)
	plEq(p.t, "unsuccessful", plShow(out.Unsuccessful), "[]")
	p.until("the service is gone", func() bool {
		_, err = p.provider.ec2.DescribeVpcEndpointServiceConfigurations(p.ctx, &ec2.DescribeVpcEndpointServiceConfigurationsInput{ServiceIds: []string{*s.ServiceId}})
		return err != nil
	})
	p.refused(err, "InvalidVpcEndpointServiceId.NotFound", *s.ServiceId)
}
