package lab

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// endpointFaults: the endpoint and its connection.
func endpointFaults() []Fault {
	return []Fault{
		{
			Name: "never-accepted", Text: "the endpoint waits for an acceptance that nobody gives",
			Excludes: []string{"endpoint"}, set: (*breaker).neverAccepted,
		},
		{
			Name: "rejected", Text: "the provider rejects the connection",
			Excludes: []string{"endpoint"}, set: (*breaker).rejected,
		},
		{
			Name: "endpoint-deleted", Text: "the consumer has deleted the endpoint",
			Excludes: []string{"endpoint"}, set: (*breaker).deleteEndpoint,
		},
		{
			Name: "endpoint-failed", Text: "AWS could not make the endpoint available",
			Excludes: []string{"endpoint"}, set: (*breaker).endpointFailed,
		},
		{
			Name: "endpoint-expired", Text: "nobody accepted the connection request in time",
			Excludes: []string{"endpoint"}, set: (*breaker).endpointExpired,
		},
		{
			Name: "endpoint-stuck-pending", Text: "the endpoint has been pending for twenty minutes",
			Excludes: []string{"endpoint"}, set: (*breaker).endpointStuckPending,
		},
		{
			Name: "endpoint-partial", Text: "only a part of the endpoint is available",
			Excludes: []string{"endpoint"}, set: (*breaker).endpointPartial,
		},
		{
			Name: "endpoint-stuck-deleting", Text: "the endpoint that the link file names is being deleted, and does not go",
			Excludes: []string{"endpoint"}, set: (*breaker).endpointStuckDeleting,
		},
		{
			Name: "connection-unseen", Text: "the provider does not see the endpoint's connection",
			Excludes: []string{"endpoint"}, set: (*breaker).connectionUnseen,
		},
		{
			Name: "interface-lost", Text: "one of the endpoint's interfaces is no longer in use",
			Excludes: []string{"endpoint", "zone"}, set: (*breaker).interfaceLost,
		},
		{
			Name: "endpoint-of-gateway-type", Text: "the link file names an endpoint that was made without a type, and so is a gateway endpoint",
			Excludes: []string{"endpoint"}, set: (*breaker).endpointOfGatewayType,
		},
		// Its endpoint is a new one, so that what is broken on the old one is broken before: it stands here, not among the names.
		{
			Name: "private-dns-forgotten", Text: "nobody enabled private DNS after the connection was accepted",
			Excludes: []string{"endpoint", "private-name"}, set: (*breaker).privateDNSForgotten,
		},
		{
			Name: "endpoint-of-old-service", Text: "the link file names an endpoint to an older service of the same provider",
			Excludes: []string{"endpoint", "listener", "load-balancer", "target"}, set: (*breaker).endpointOfOldService,
		},
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
