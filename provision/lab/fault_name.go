package lab

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	r53types "github.com/aws/aws-sdk-go-v2/service/route53/types"
)

// privateNameFaults: the private DNS name in the consumer's VPC.
func privateNameFaults() []Fault {
	return []Fault{
		{
			Name: "private-dns-not-enabled", Text: "private DNS is not enabled on the endpoint",
			Excludes: []string{"endpoint", "private-name"}, set: (*breaker).privateDNSNotEnabled,
		},
		{
			Name: "private-zone-shadowing", Text: "a private hosted zone of the consumer's VPC answers for the private DNS name",
			Excludes: []string{"private-name"}, set: (*breaker).privateZoneShadowing,
		},
	}
}

func (b *breaker) privateDNSNotEnabled(ctx context.Context) error {
	if _, err := b.sides.Consumer.EC2.ModifyVpcEndpoint(ctx, &ec2.ModifyVpcEndpointInput{
		VpcEndpointId: &b.link.Consumer.EndpointID, PrivateDnsEnabled: aws.Bool(false),
	}); err != nil {
		return err
	}
	return b.untilAvailable(ctx)
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
