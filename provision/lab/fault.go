package lab

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	r53types "github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/linkassay/linkassay/provision"
)

// Fault is one way to break the walk-through's link.
type Fault struct {
	Name string
	Text string
	set  func(b *breaker, ctx context.Context) error
}

// Faults lists the ways to break a link, in the order in which a link comes to life. A fault that an
// operator could cause is set through the AWS API, the others in the network.
func Faults() []Fault {
	return []Fault{
		{"not-allowed", "the provider allows no principal of the consumer, so that it has no endpoint", (*breaker).notAllowed},
		{"never-accepted", "the endpoint waits for an acceptance that nobody gives", (*breaker).neverAccepted},
		{"rejected", "the provider rejects the connection", (*breaker).rejected},
		{"security-group-closed", "the endpoint's security groups allow nothing in", (*breaker).securityGroupClosed},
		{"no-healthy-target", "the servers on all targets have stopped", (*breaker).noHealthyTarget},
		{"listener-missing", "the load balancer has no listener on port 443", (*breaker).listenerMissing},
		{"txt-missing", "the domain verification TXT record is gone", (*breaker).txtMissing},
		{"txt-wrong", "the domain verification TXT record has another value", (*breaker).txtWrong},
		{"private-dns-not-enabled", "private DNS is not enabled on the endpoint", (*breaker).privateDNSNotEnabled},
		{"private-zone-shadowing", "a private hosted zone of the consumer's VPC answers for the private DNS name", (*breaker).privateZoneShadowing},
		{"zone-down", "one availability zone drops every packet", (*breaker).zoneDown},
	}
}

// Inject breaks a provisioned link in the named way and returns when the fault shows in the
// control plane.
func (l *Lab) Inject(ctx context.Context, name string, link provision.Link) error {
	for _, f := range Faults() {
		if f.Name != name {
			continue
		}
		sides, err := provision.Open(ctx, &link, l.Open)
		if err != nil {
			return err
		}
		if err := f.set(&breaker{lab: l, link: link, sides: sides}, ctx); err != nil {
			return fmt.Errorf("inject %s into link %s: %w", name, link.Name, err)
		}
		return nil
	}
	return fmt.Errorf("inject %s: no such fault", name)
}

// breaker breaks one link.
type breaker struct {
	lab   *Lab
	link  provision.Link
	sides provision.Sides
}

// until polls with a small pause until done says so. It is for states that the lab's AWS reaches
// in its own time.
func (b *breaker) until(ctx context.Context, what string, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := done()
		if err != nil || ok {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until %s: %w", what, ctx.Err())
		case <-tick.C:
		}
	}
}

func (b *breaker) endpoint(ctx context.Context) (*ec2types.VpcEndpoint, error) {
	out, err := b.sides.Consumer.EC2.DescribeVpcEndpoints(ctx, &ec2.DescribeVpcEndpointsInput{VpcEndpointIds: []string{b.link.Consumer.EndpointID}})
	if err != nil {
		return nil, fmt.Errorf("describe endpoint %s: %w", b.link.Consumer.EndpointID, err)
	}
	return &out.VpcEndpoints[0], nil
}

// deleteEndpoint deletes the endpoint and waits until it is gone.
func (b *breaker) deleteEndpoint(ctx context.Context) error {
	if _, err := b.sides.Consumer.EC2.DeleteVpcEndpoints(ctx, &ec2.DeleteVpcEndpointsInput{VpcEndpointIds: []string{b.link.Consumer.EndpointID}}); err != nil {
		return err
	}
	return b.until(ctx, "the endpoint is gone", func() (bool, error) {
		out, err := b.sides.Consumer.EC2.DescribeVpcEndpoints(ctx, &ec2.DescribeVpcEndpointsInput{
			Filters: []ec2types.Filter{{Name: aws.String("vpc-endpoint-id"), Values: []string{b.link.Consumer.EndpointID}}},
		})
		return err == nil && len(out.VpcEndpoints) == 0, err
	})
}

func (b *breaker) notAllowed(ctx context.Context) error {
	if err := b.deleteEndpoint(ctx); err != nil {
		return err
	}
	_, err := b.sides.Provider.EC2.ModifyVpcEndpointServicePermissions(ctx, &ec2.ModifyVpcEndpointServicePermissionsInput{
		ServiceId: &b.link.Provider.ServiceID, RemoveAllowedPrincipals: []string{b.link.ConsumerPrincipal()},
	})
	return err
}

func (b *breaker) neverAccepted(ctx context.Context) error {
	old, err := b.endpoint(ctx)
	if err != nil {
		return err
	}
	if err := b.deleteEndpoint(ctx); err != nil {
		return err
	}
	var groups []string
	for _, g := range old.Groups {
		groups = append(groups, *g.GroupId)
	}
	_, err = b.sides.Consumer.EC2.CreateVpcEndpoint(ctx, &ec2.CreateVpcEndpointInput{
		VpcEndpointType: ec2types.VpcEndpointTypeInterface, VpcId: old.VpcId, ServiceName: old.ServiceName,
		SubnetIds: old.SubnetIds, SecurityGroupIds: groups, PrivateDnsEnabled: aws.Bool(false),
		TagSpecifications: []ec2types.TagSpecification{{ResourceType: ec2types.ResourceTypeVpcEndpoint, Tags: old.Tags}},
	})
	return err
}

func (b *breaker) rejected(ctx context.Context) error {
	_, err := b.sides.Provider.EC2.RejectVpcEndpointConnections(ctx, &ec2.RejectVpcEndpointConnectionsInput{
		ServiceId: &b.link.Provider.ServiceID, VpcEndpointIds: []string{b.link.Consumer.EndpointID},
	})
	return err
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

func (b *breaker) noHealthyTarget(ctx context.Context) error {
	groups, err := b.targetGroups(ctx)
	if err != nil {
		return err
	}
	stopped := map[string]bool{}
	for _, g := range groups {
		health, err := b.sides.Provider.ELB.DescribeTargetHealth(ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: g.TargetGroupArn})
		if err != nil {
			return err
		}
		for _, t := range health.TargetHealthDescriptions {
			if id := *t.Target.Id; !stopped[id] {
				stopped[id] = true
				if err := b.lab.StopServers(id); err != nil {
					return err
				}
			}
		}
	}
	return b.until(ctx, "every target is unhealthy", func() (bool, error) {
		for _, g := range groups {
			health, err := b.sides.Provider.ELB.DescribeTargetHealth(ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: g.TargetGroupArn})
			if err != nil {
				return false, err
			}
			for _, t := range health.TargetHealthDescriptions {
				if t.TargetHealth.State != elbtypes.TargetHealthStateEnumUnhealthy {
					return false, nil
				}
			}
		}
		return true, nil
	})
}

// listeners lists the listeners of the service's load balancers.
func (b *breaker) listeners(ctx context.Context) ([]elbtypes.Listener, error) {
	out, err := b.sides.Provider.EC2.DescribeVpcEndpointServiceConfigurations(ctx, &ec2.DescribeVpcEndpointServiceConfigurationsInput{ServiceIds: []string{b.link.Provider.ServiceID}})
	if err != nil {
		return nil, err
	}
	var all []elbtypes.Listener
	for _, arn := range out.ServiceConfigurations[0].NetworkLoadBalancerArns {
		l, err := b.sides.Provider.ELB.DescribeListeners(ctx, &elb.DescribeListenersInput{LoadBalancerArn: &arn})
		if err != nil {
			return nil, err
		}
		all = append(all, l.Listeners...)
	}
	return all, nil
}

func (b *breaker) targetGroups(ctx context.Context) ([]elbtypes.TargetGroup, error) {
	listeners, err := b.listeners(ctx)
	if err != nil {
		return nil, err
	}
	var arns []string
	for _, l := range listeners {
		for _, a := range l.DefaultActions {
			arns = append(arns, aws.ToString(a.TargetGroupArn))
		}
	}
	out, err := b.sides.Provider.ELB.DescribeTargetGroups(ctx, &elb.DescribeTargetGroupsInput{TargetGroupArns: arns})
	if err != nil {
		return nil, err
	}
	return out.TargetGroups, nil
}

func (b *breaker) listenerMissing(ctx context.Context) error {
	listeners, err := b.listeners(ctx)
	if err != nil {
		return err
	}
	for _, l := range listeners {
		if aws.ToInt32(l.Port) == 443 {
			_, err := b.sides.Provider.ELB.DeleteListener(ctx, &elb.DeleteListenerInput{ListenerArn: l.ListenerArn})
			return err
		}
	}
	return fmt.Errorf("no listener on port 443 among %d", len(listeners))
}

// txtRecord finds the verification record set and its zone.
func (b *breaker) txtRecord(ctx context.Context) (zone string, set *r53types.ResourceRecordSet, err error) {
	out, err := b.sides.Provider.EC2.DescribeVpcEndpointServiceConfigurations(ctx, &ec2.DescribeVpcEndpointServiceConfigurationsInput{ServiceIds: []string{b.link.Provider.ServiceID}})
	if err != nil {
		return "", nil, err
	}
	label := aws.ToString(out.ServiceConfigurations[0].PrivateDnsNameConfiguration.Name)
	zones, err := b.sides.Provider.Route53.ListHostedZones(ctx, &route53.ListHostedZonesInput{})
	if err != nil {
		return "", nil, err
	}
	for _, z := range zones.HostedZones {
		sets, err := b.sides.Provider.Route53.ListResourceRecordSets(ctx, &route53.ListResourceRecordSetsInput{HostedZoneId: z.Id})
		if err != nil {
			return "", nil, err
		}
		for _, s := range sets.ResourceRecordSets {
			if s.Type == r53types.RRTypeTxt && len(*s.Name) > len(label) && (*s.Name)[:len(label)+1] == label+"." {
				return *z.Id, &s, nil
			}
		}
	}
	return "", nil, fmt.Errorf("no TXT record with label %s in %d zones", label, len(zones.HostedZones))
}

// changeTXT changes the verification record, waits until the name servers have it, and lets AWS
// verify the domain again.
func (b *breaker) changeTXT(ctx context.Context, zone string, action r53types.ChangeAction, set *r53types.ResourceRecordSet) error {
	out, err := b.sides.Provider.Route53.ChangeResourceRecordSets(ctx, &route53.ChangeResourceRecordSetsInput{
		HostedZoneId: &zone,
		ChangeBatch:  &r53types.ChangeBatch{Changes: []r53types.Change{{Action: action, ResourceRecordSet: set}}},
	})
	if err != nil {
		return err
	}
	err = b.until(ctx, "the name servers have the change", func() (bool, error) {
		change, err := b.sides.Provider.Route53.GetChange(ctx, &route53.GetChangeInput{Id: out.ChangeInfo.Id})
		return err == nil && change.ChangeInfo.Status == r53types.ChangeStatusInsync, err
	})
	if err != nil {
		return err
	}
	if _, err := b.sides.Provider.EC2.StartVpcEndpointServicePrivateDnsVerification(ctx, &ec2.StartVpcEndpointServicePrivateDnsVerificationInput{ServiceId: &b.link.Provider.ServiceID}); err != nil {
		return err
	}
	return b.until(ctx, "the service is no longer verified", func() (bool, error) {
		out, err := b.sides.Provider.EC2.DescribeVpcEndpointServiceConfigurations(ctx, &ec2.DescribeVpcEndpointServiceConfigurationsInput{ServiceIds: []string{b.link.Provider.ServiceID}})
		return err == nil && out.ServiceConfigurations[0].PrivateDnsNameConfiguration.State != ec2types.DnsNameStateVerified, err
	})
}

func (b *breaker) txtMissing(ctx context.Context) error {
	zone, set, err := b.txtRecord(ctx)
	if err != nil {
		return err
	}
	return b.changeTXT(ctx, zone, r53types.ChangeActionDelete, set)
}

func (b *breaker) txtWrong(ctx context.Context) error {
	zone, set, err := b.txtRecord(ctx)
	if err != nil {
		return err
	}
	set.ResourceRecords = []r53types.ResourceRecord{{Value: aws.String(`"vpce:AAAAAAAAAAAAAAAAAAAA"`)}}
	return b.changeTXT(ctx, zone, r53types.ChangeActionUpsert, set)
}

func (b *breaker) privateDNSNotEnabled(ctx context.Context) error {
	if _, err := b.sides.Consumer.EC2.ModifyVpcEndpoint(ctx, &ec2.ModifyVpcEndpointInput{
		VpcEndpointId: &b.link.Consumer.EndpointID, PrivateDnsEnabled: aws.Bool(false),
	}); err != nil {
		return err
	}
	return b.until(ctx, "the endpoint is available again", func() (bool, error) {
		e, err := b.endpoint(ctx)
		return err == nil && e.State == "available", err
	})
}

func (b *breaker) privateZoneShadowing(ctx context.Context) error {
	endpoint, err := b.endpoint(ctx)
	if err != nil {
		return err
	}
	zone, err := b.sides.Consumer.Route53.CreateHostedZone(ctx, &route53.CreateHostedZoneInput{
		Name: &b.link.PrivateDNSName, CallerReference: aws.String("shadow-" + b.link.Consumer.EndpointID),
		VPC: &r53types.VPC{VPCId: endpoint.VpcId, VPCRegion: r53types.VPCRegion(b.link.Region)},
	})
	if err != nil {
		return err
	}
	out, err := b.sides.Consumer.Route53.ChangeResourceRecordSets(ctx, &route53.ChangeResourceRecordSetsInput{
		HostedZoneId: zone.HostedZone.Id,
		ChangeBatch: &r53types.ChangeBatch{Changes: []r53types.Change{{Action: r53types.ChangeActionCreate, ResourceRecordSet: &r53types.ResourceRecordSet{
			Name: &b.link.PrivateDNSName, Type: r53types.RRTypeA, TTL: aws.Int64(60),
			ResourceRecords: []r53types.ResourceRecord{{Value: aws.String("10.0.255.200")}},
		}}}},
	})
	if err != nil {
		return err
	}
	return b.until(ctx, "the zone is in sync", func() (bool, error) {
		change, err := b.sides.Consumer.Route53.GetChange(ctx, &route53.GetChangeInput{Id: out.ChangeInfo.Id})
		return err == nil && change.ChangeInfo.Status == r53types.ChangeStatusInsync, err
	})
}

func (b *breaker) zoneDown(ctx context.Context) error {
	subnets := b.lab.Subnets(b.link.Consumer.Account)
	if len(subnets) == 0 {
		return fmt.Errorf("account %s has no subnet", b.link.Consumer.Account)
	}
	b.lab.ZoneDown(subnets[0].ZoneID, true)
	return nil
}
