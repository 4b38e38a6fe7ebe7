package lab

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	r53types "github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/linkassay/linkassay/provision"
)

// privateNameFaults: the private DNS name in the consumer's VPC.
func privateNameFaults() []Fault {
	return []Fault{
		{
			Name: "dns-support-off", Text: "enableDnsSupport is off in the consumer's VPC",
			Excludes: []string{"vpc-dns", "resolver", "private-name"}, set: (*breaker).dnsSupportOff,
		},
		{
			Name: "dns-hostnames-off", Text: "enableDnsHostnames is off in the consumer's VPC",
			Excludes: []string{"vpc-dns", "resolver", "private-name"}, set: (*breaker).dnsHostnamesOff,
		},
		{
			Name: "dhcp-custom-dns", Text: "the VPC's DHCP options name a DNS server that knows nothing of the VPC",
			Excludes: []string{"vpc-dns", "resolver", "private-name", "endpoint"}, set: (*breaker).dhcpCustomDNS,
		},
		{
			Name: "private-name-removed", Text: "the service has no private DNS name any more",
			Excludes: []string{"txt", "private-name", "endpoint"}, set: (*breaker).privateNameRemoved,
		},
		{
			Name: "private-name-misspelt", Text: "the link file expects another private DNS name than the service has",
			Excludes: []string{"txt", "private-name"}, File: func(l *provision.Link) { l.PrivateDNSName = "api." + l.PrivateDNSName },
		},
		{
			Name: "private-dns-not-enabled", Text: "private DNS is turned off on the endpoint",
			Excludes: []string{"endpoint", "private-name"}, set: (*breaker).privateDNSNotEnabled,
		},
		{
			Name: "conflicting-endpoint", Text: "another endpoint of the VPC has the private DNS name",
			Excludes: []string{"endpoint", "private-name", "txt"}, set: (*breaker).conflictingEndpoint,
		},
		{
			Name: "private-zone-shadowing", Text: "a private hosted zone of the consumer's VPC answers for the private DNS name",
			Excludes: []string{"private-name", "resolver"}, set: (*breaker).privateZoneShadowing,
		},
		{
			Name: "names-not-assigned", Text: "AWS has given the endpoint no DNS names",
			Excludes: []string{"endpoint", "resolver"}, set: (*breaker).namesNotAssigned,
		},
		{
			Name: "switched-early", Text: "the endpoint is still pending, and takes the private DNS name's traffic off its public addresses already",
			Excludes: []string{"endpoint", "private-name", "txt"}, set: (*breaker).switchedEarly,
		},
	}
}

// vpcID is the VPC of the endpoint.
func (b *breaker) vpcID(ctx context.Context) (string, error) {
	e, err := b.endpoint(ctx)
	if err != nil {
		return "", err
	}
	return *e.VpcId, nil
}

func (b *breaker) dnsSupportOff(ctx context.Context) error {
	return b.vpcAttribute(ctx, ec2.ModifyVpcAttributeInput{EnableDnsSupport: &ec2types.AttributeBooleanValue{Value: aws.Bool(false)}})
}

func (b *breaker) dnsHostnamesOff(ctx context.Context) error {
	return b.vpcAttribute(ctx, ec2.ModifyVpcAttributeInput{EnableDnsHostnames: &ec2types.AttributeBooleanValue{Value: aws.Bool(false)}})
}

func (b *breaker) vpcAttribute(ctx context.Context, in ec2.ModifyVpcAttributeInput) error {
	id, err := b.vpcID(ctx)
	if err != nil {
		return err
	}
	in.VpcId = &id
	_, err = b.sides.Consumer.EC2.ModifyVpcAttribute(ctx, &in)
	return err
}

func (b *breaker) dhcpCustomDNS(ctx context.Context) error {
	id, err := b.vpcID(ctx)
	if err != nil {
		return err
	}
	c := b.sides.Consumer.EC2
	made, err := c.CreateDhcpOptions(ctx, &ec2.CreateDhcpOptionsInput{DhcpConfigurations: []ec2types.NewDhcpConfiguration{
		{Key: aws.String("domain-name-servers"), Values: []string{"192.0.2.53"}},
	}})
	if err != nil {
		return err
	}
	_, err = c.AssociateDhcpOptions(ctx, &ec2.AssociateDhcpOptionsInput{DhcpOptionsId: made.DhcpOptions.DhcpOptionsId, VpcId: &id})
	return err
}

// privateNameRemoved takes the private DNS name off the service.
func (b *breaker) privateNameRemoved(ctx context.Context) error {
	_, err := b.sides.Provider.EC2.ModifyVpcEndpointServiceConfiguration(ctx, &ec2.ModifyVpcEndpointServiceConfigurationInput{
		ServiceId: &b.link.Provider.ServiceID, RemovePrivateDnsName: aws.Bool(true),
	})
	return err
}

func (b *breaker) privateDNSNotEnabled(ctx context.Context) error {
	return b.privateDNS(ctx, b.link.Consumer.EndpointID, false)
}

// privateDNS turns private DNS on or off and waits until the endpoint is available again.
func (b *breaker) privateDNS(ctx context.Context, id string, on bool) error {
	if _, err := b.sides.Consumer.EC2.ModifyVpcEndpoint(ctx, &ec2.ModifyVpcEndpointInput{VpcEndpointId: &id, PrivateDnsEnabled: &on}); err != nil {
		return err
	}
	return b.available(ctx, id)
}

func (b *breaker) available(ctx context.Context, id string) error {
	return b.until(ctx, "endpoint "+id+" is available", func() (bool, error) {
		out, err := b.sides.Consumer.EC2.DescribeVpcEndpoints(ctx, &ec2.DescribeVpcEndpointsInput{VpcEndpointIds: []string{id}})
		return err == nil && out.VpcEndpoints[0].State == "available", err
	})
}

func (b *breaker) privateDNSForgotten(ctx context.Context) error {
	old, err := b.endpoint(ctx)
	if err != nil {
		return err
	}
	if err := b.deleteEndpoint(ctx); err != nil {
		return err
	}
	_, err = b.another(ctx, old, old.Tags)
	return err
}

// another makes an endpoint like an old one, accepted but with no private DNS.
func (b *breaker) another(ctx context.Context, old *ec2types.VpcEndpoint, tags []ec2types.Tag) (string, error) {
	in := &ec2.CreateVpcEndpointInput{
		VpcEndpointType: ec2types.VpcEndpointTypeInterface, VpcId: old.VpcId, ServiceName: old.ServiceName,
		SubnetIds: old.SubnetIds, PrivateDnsEnabled: aws.Bool(false),
	}
	for _, g := range old.Groups {
		in.SecurityGroupIds = append(in.SecurityGroupIds, *g.GroupId)
	}
	if len(tags) > 0 {
		in.TagSpecifications = []ec2types.TagSpecification{{ResourceType: ec2types.ResourceTypeVpcEndpoint, Tags: tags}}
	}
	made, err := b.sides.Consumer.EC2.CreateVpcEndpoint(ctx, in)
	if err != nil {
		return "", err
	}
	id := *made.VpcEndpoint.VpcEndpointId
	if made.VpcEndpoint.State == endpointPendingAcceptance {
		if _, err := b.sides.Provider.EC2.AcceptVpcEndpointConnections(ctx, &ec2.AcceptVpcEndpointConnectionsInput{
			ServiceId: &b.link.Provider.ServiceID, VpcEndpointIds: []string{id},
		}); err != nil {
			return "", err
		}
	}
	return id, b.available(ctx, id)
}

// conflictingEndpoint makes a second endpoint, which has the name before the first one gets it.
func (b *breaker) conflictingEndpoint(ctx context.Context) error {
	old, err := b.endpoint(ctx)
	if err != nil {
		return err
	}
	if err := b.privateDNS(ctx, *old.VpcEndpointId, false); err != nil {
		return err
	}
	id, err := b.another(ctx, old, nil)
	if err != nil {
		return err
	}
	return b.privateDNS(ctx, id, true)
}

func (b *breaker) privateZoneShadowing(ctx context.Context) error {
	vpc, err := b.vpcID(ctx)
	if err != nil {
		return err
	}
	zone, err := b.sides.Consumer.Route53.CreateHostedZone(ctx, &route53.CreateHostedZoneInput{
		Name: &b.link.PrivateDNSName, CallerReference: aws.String("shadow-" + b.link.Consumer.EndpointID),
		VPC: &r53types.VPC{VPCId: &vpc, VPCRegion: r53types.VPCRegion(b.link.Region)},
	})
	if err != nil {
		return err
	}
	out, err := b.sides.Consumer.Route53.ChangeResourceRecordSets(ctx, &route53.ChangeResourceRecordSetsInput{
		HostedZoneId: zone.HostedZone.Id,
		ChangeBatch: &r53types.ChangeBatch{Changes: []r53types.Change{
			changed(r53types.ChangeActionCreate, records(r53types.RRTypeA, b.link.PrivateDNSName, "10.0.255.200")),
		}},
	})
	if err != nil {
		return err
	}
	return b.until(ctx, "the zone is in sync", func() (bool, error) {
		change, err := b.sides.Consumer.Route53.GetChange(ctx, &route53.GetChangeInput{Id: out.ChangeInfo.Id})
		return err == nil && change.ChangeInfo.Status == r53types.ChangeStatusInsync, err
	})
}

func (b *breaker) namesNotAssigned(context.Context) error {
	return b.lab.ForgetNames(b.link.Consumer.EndpointID, true)
}

// publicAddress gives the private DNS name an address in public DNS, as a service has that is being
// moved behind an endpoint.
func (b *breaker) publicAddress(ctx context.Context, address string) error {
	zone, _, err := b.txtRecord(ctx)
	if err != nil {
		return err
	}
	return b.change(ctx, zone, changed(r53types.ChangeActionCreate, records(r53types.RRTypeA, b.link.PrivateDNSName, address)))
}

func (b *breaker) switchedEarly(ctx context.Context) error {
	if err := b.publicAddress(ctx, "203.0.113.80"); err != nil {
		return err
	}
	return b.lab.SetEndpoint(b.link.Consumer.EndpointID, EndpointState{State: endpointPending, Created: time.Now().Add(-5 * time.Minute)})
}
