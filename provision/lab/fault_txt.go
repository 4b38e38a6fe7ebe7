package lab

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	r53types "github.com/aws/aws-sdk-go-v2/service/route53/types"
)

// otherValue is a verification value that belongs to no service.
const otherValue = "vpce:AAAAAAAAAAAAAAAAAAAA"

// txtFaults: the domain verification record and its value.
func txtFaults() []Fault {
	txt := func(name, text string, set func(b *breaker, ctx context.Context) error) Fault {
		return Fault{Name: name, Text: text, Excludes: []string{"txt"}, set: set}
	}
	return []Fault{
		txt("txt-missing", "the domain verification TXT record is gone", (*breaker).txtMissing),
		txt("txt-removed-later", "the domain verification TXT record was removed after the verification, and AWS has not looked again", (*breaker).txtRemovedLater),
		txt("txt-wrong", "the domain verification TXT record has the value of a service that is no more", becomes(func(string) []string { return []string{otherValue} })),
		txt("txt-lower-case", "the DNS host wrote the TXT value in lower case", becomes(func(v string) []string { return []string{strings.ToLower(v)} })),
		txt("txt-quoted", "quotes are part of the TXT value", becomes(func(v string) []string { return []string{`\"` + v + `\"`} })),
		txt("txt-with-space", "there is a space in the TXT value", becomes(func(v string) []string { return []string{strings.Replace(v, ":", ": ", 1)} })),
		txt("txt-without-prefix", "the TXT value lacks vpce: in front", becomes(func(v string) []string { return []string{strings.TrimPrefix(v, "vpce:")} })),
		txt("txt-run-together", "two TXT values are run together into one", becomes(func(v string) []string { return []string{otherValue + `" "` + v} })),
		txt("txt-overwritten", "another service's value has replaced the TXT value", (*breaker).txtOverwritten),
		txt("txt-stale-server", "one of the domain's name servers does not have the TXT record", (*breaker).txtStaleServer),
		{
			// The endpoints of the service lose the private name with it, so that nothing of it shows there.
			Name: "verification-never-started", Text: "the TXT record is right, and nobody has started the verification",
			Excludes: []string{"txt", "private-name"}, set: (*breaker).verificationNeverStarted,
		},
		txt("verification-lost", "the TXT record was gone for a while, and the verification that failed is not started again", (*breaker).verificationLost),
	}
}

// txtRecord finds the verification record set and its zone.
func (b *breaker) txtRecord(ctx context.Context) (zone string, set *r53types.ResourceRecordSet, err error) {
	v, err := b.verification(ctx)
	if err != nil {
		return "", nil, err
	}
	label := aws.ToString(v.Name)
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
			if s.Type == r53types.RRTypeTxt && strings.HasPrefix(*s.Name, label+".") {
				return *z.Id, &s, nil
			}
		}
	}
	return "", nil, fmt.Errorf("no TXT record with label %s in %d zones", label, len(zones.HostedZones))
}

func (b *breaker) verification(ctx context.Context) (*ec2types.PrivateDnsNameConfiguration, error) {
	out, err := b.sides.Provider.EC2.DescribeVpcEndpointServiceConfigurations(ctx, &ec2.DescribeVpcEndpointServiceConfigurationsInput{ServiceIds: []string{b.link.Provider.ServiceID}})
	if err != nil {
		return nil, err
	}
	return out.ServiceConfigurations[0].PrivateDnsNameConfiguration, nil
}

// change changes records of a zone and waits until the name servers have it.
func (b *breaker) change(ctx context.Context, zone string, changes ...r53types.Change) error {
	out, err := b.sides.Provider.Route53.ChangeResourceRecordSets(ctx, &route53.ChangeResourceRecordSetsInput{
		HostedZoneId: &zone, ChangeBatch: &r53types.ChangeBatch{Changes: changes},
	})
	if err != nil {
		return err
	}
	return b.until(ctx, "the name servers have the change", func() (bool, error) {
		change, err := b.sides.Provider.Route53.GetChange(ctx, &route53.GetChangeInput{Id: out.ChangeInfo.Id})
		return err == nil && change.ChangeInfo.Status == r53types.ChangeStatusInsync, err
	})
}

func changed(action r53types.ChangeAction, set *r53types.ResourceRecordSet) r53types.Change {
	return r53types.Change{Action: action, ResourceRecordSet: set}
}

// records makes a record set.
func records(kind r53types.RRType, name string, values ...string) *r53types.ResourceRecordSet {
	set := &r53types.ResourceRecordSet{Name: &name, Type: kind, TTL: aws.Int64(300)}
	for _, v := range values {
		set.ResourceRecords = append(set.ResourceRecords, r53types.ResourceRecord{Value: &v})
	}
	return set
}

// reverify lets AWS look for the record again, in vain.
func (b *breaker) reverify(ctx context.Context) error {
	if err := b.startVerification(ctx); err != nil {
		return err
	}
	return b.until(ctx, "the verification has failed", func() (bool, error) {
		v, err := b.verification(ctx)
		return err == nil && v.State == ec2types.DnsNameStateFailed, err
	})
}

func (b *breaker) startVerification(ctx context.Context) error {
	_, err := b.sides.Provider.EC2.StartVpcEndpointServicePrivateDnsVerification(ctx, &ec2.StartVpcEndpointServicePrivateDnsVerificationInput{ServiceId: &b.link.Provider.ServiceID})
	return err
}

func (b *breaker) txtMissing(ctx context.Context) error {
	if err := b.txtRemovedLater(ctx); err != nil {
		return err
	}
	return b.reverify(ctx)
}

func (b *breaker) txtRemovedLater(ctx context.Context) error {
	zone, set, err := b.txtRecord(ctx)
	if err != nil {
		return err
	}
	return b.change(ctx, zone, changed(r53types.ChangeActionDelete, set))
}

// becomes gives the record other values, made of the right one and written without the outer quotes.
func becomes(values func(string) []string) func(b *breaker, ctx context.Context) error {
	return func(b *breaker, ctx context.Context) error {
		zone, set, err := b.txtRecord(ctx)
		if err != nil {
			return err
		}
		right := strings.Trim(aws.ToString(set.ResourceRecords[0].Value), `"`)
		set.ResourceRecords = nil
		for _, v := range values(right) {
			set.ResourceRecords = append(set.ResourceRecords, r53types.ResourceRecord{Value: aws.String(`"` + v + `"`)})
		}
		if err := b.change(ctx, zone, changed(r53types.ChangeActionUpsert, set)); err != nil {
			return err
		}
		return b.reverify(ctx)
	}
}

// txtOverwritten makes a second service with a private DNS name, behind a load balancer of its own, and
// writes its value over the first one's.
func (b *breaker) txtOverwritten(ctx context.Context) error {
	c := b.sides.Provider
	lb, err := b.spareBalancer(ctx)
	if err != nil {
		return err
	}
	made, err := c.EC2.CreateVpcEndpointServiceConfiguration(ctx, &ec2.CreateVpcEndpointServiceConfigurationInput{
		NetworkLoadBalancerArns: []string{lb}, PrivateDnsName: aws.String("other." + strings.TrimPrefix(b.link.PrivateDNSName, "*.")),
	})
	if err != nil {
		return err
	}
	value := aws.ToString(made.ServiceConfiguration.PrivateDnsNameConfiguration.Value)
	return becomes(func(string) []string { return []string{value} })(b, ctx)
}

// spareBalancer makes a load balancer beside the service's, in one of its subnets.
func (b *breaker) spareBalancer(ctx context.Context) (string, error) {
	c := b.sides.Provider.ELB
	have, err := c.DescribeLoadBalancers(ctx, &elb.DescribeLoadBalancersInput{})
	if err != nil {
		return "", err
	}
	out, err := c.CreateLoadBalancer(ctx, &elb.CreateLoadBalancerInput{
		Name: aws.String("spare-" + strings.TrimPrefix(b.link.Provider.ServiceID, "vpce-svc-")[:8]), Type: elbtypes.LoadBalancerTypeEnumNetwork,
		Scheme: elbtypes.LoadBalancerSchemeEnumInternal, Subnets: []string{*have.LoadBalancers[0].AvailabilityZones[0].SubnetId},
	})
	if err != nil {
		return "", err
	}
	arn := *out.LoadBalancers[0].LoadBalancerArn
	return arn, b.until(ctx, "the spare load balancer is active", func() (bool, error) {
		lbs, err := c.DescribeLoadBalancers(ctx, &elb.DescribeLoadBalancersInput{LoadBalancerArns: []string{arn}})
		return err == nil && lbs.LoadBalancers[0].State.Code == elbtypes.LoadBalancerStateEnumActive, err
	})
}

func (b *breaker) txtStaleServer(ctx context.Context) error {
	zone, set, err := b.txtRecord(ctx)
	if err != nil {
		return err
	}
	out, err := b.sides.Provider.Route53.GetHostedZone(ctx, &route53.GetHostedZoneInput{Id: &zone})
	if err != nil {
		return err
	}
	servers := out.DelegationSet.NameServers
	b.lab.OverrideTXT(servers[len(servers)-1], *set.Name, []string{})
	return nil
}

// verificationNeverStarted takes the name off the service and gives it back, which makes it anew, and
// publishes its new record.
func (b *breaker) verificationNeverStarted(ctx context.Context) error {
	zone, old, err := b.txtRecord(ctx)
	if err != nil {
		return err
	}
	for _, in := range []*ec2.ModifyVpcEndpointServiceConfigurationInput{
		{RemovePrivateDnsName: aws.Bool(true)}, {PrivateDnsName: &b.link.PrivateDNSName},
	} {
		in.ServiceId = &b.link.Provider.ServiceID
		if _, err := b.sides.Provider.EC2.ModifyVpcEndpointServiceConfiguration(ctx, in); err != nil {
			return err
		}
	}
	v, err := b.verification(ctx)
	if err != nil {
		return err
	}
	_, domain, _ := strings.Cut(*old.Name, ".")
	return b.change(ctx, zone, changed(r53types.ChangeActionDelete, old),
		changed(r53types.ChangeActionCreate, records(r53types.RRTypeTxt, *v.Name+"."+domain, `"`+*v.Value+`"`)))
}

func (b *breaker) verificationLost(ctx context.Context) error {
	zone, set, err := b.txtRecord(ctx)
	if err != nil {
		return err
	}
	if err := b.txtMissing(ctx); err != nil {
		return err
	}
	return b.change(ctx, zone, changed(r53types.ChangeActionCreate, set))
}
