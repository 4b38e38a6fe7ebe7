package lab

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	r53types "github.com/aws/aws-sdk-go-v2/service/route53/types"
)

// txtFaults: domain verification.
func txtFaults() []Fault {
	return []Fault{
		{
			Name: "txt-missing", Text: "the domain verification TXT record is gone",
			Excludes: []string{"txt"}, set: (*breaker).txtMissing,
		},
		{
			Name: "txt-wrong", Text: "the domain verification TXT record has another value",
			Excludes: []string{"txt"}, set: (*breaker).txtWrong,
		},
	}
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
