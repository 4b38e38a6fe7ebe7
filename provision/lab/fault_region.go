package lab

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/linkassay/linkassay/provision"
)

// regionFaults: the sides are in different Regions, or the link file says so.
func regionFaults() []Fault {
	elsewhere := serviceIn("ap-southeast-2", "ap-northeast-1")
	return []Fault{
		{
			Name: "region-wrong", Text: "the link file has the service in another Region than it is",
			Excludes: []string{"*"},
			File: func(l *provision.Link) {
				l.Provider.Region = "eu-west-1"
				if l.Region == "eu-west-1" {
					l.Provider.Region = "eu-central-1"
				}
			},
		},
		{
			Name: "region-not-offered", Text: "the provider no longer offers the service in the consumer's Region",
			Excludes: []string{"*"}, Prepare: elsewhere, set: (*breaker).regionNotOffered,
		},
		{
			Name: "region-zone-excluded", Text: "a zone of the service takes no part across Regions",
			Excludes: []string{"*"}, Prepare: serviceIn("us-east-1", "ap-northeast-1"), // each has such a zone
		},
		{
			Name: "region-not-permitted", Text: "the consumer side's identity lacks vpce:AllowMultiRegion, which endpoints to other Regions need",
			Excludes: []string{"*"}, Prepare: elsewhere,
			set: func(b *breaker, _ context.Context) error {
				return b.lab.deny("consumer", `{"Effect":"Deny","Action":"vpce:AllowMultiRegion","Resource":"*"}`)
			},
		},
		{
			Name: "region-idle-timeout", Text: "a listener behind a service for other Regions has an idle timeout of its own",
			Excludes: []string{"*"}, Prepare: elsewhere, set: (*breaker).regionIdleTimeout,
		},
	}
}

func (b *breaker) regionNotOffered(ctx context.Context) error {
	_, err := b.sides.Provider.EC2.ModifyVpcEndpointServiceConfiguration(ctx, &ec2.ModifyVpcEndpointServiceConfigurationInput{
		ServiceId: &b.link.Provider.ServiceID, RemoveSupportedRegions: []string{b.link.Region},
	})
	return err
}

func (b *breaker) regionIdleTimeout(ctx context.Context) error {
	listeners, err := b.listeners(ctx)
	if err != nil {
		return err
	}
	_, err = b.sides.Provider.ELB.ModifyListenerAttributes(ctx, &elb.ModifyListenerAttributesInput{
		ListenerArn: listeners[0].ListenerArn,
		Attributes:  []elbtypes.ListenerAttribute{{Key: aws.String("tcp.idle_timeout.seconds"), Value: aws.String("600")}},
	})
	return err
}
