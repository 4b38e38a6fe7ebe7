package lab

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// permissionFaults: who may see and use the service.
func permissionFaults() []Fault {
	return []Fault{
		{
			Name: "not-allowed", Text: "the provider allows no principal of the consumer, so that it has no endpoint",
			Excludes: []string{"endpoint", "permission"}, set: (*breaker).notAllowed,
		},
	}
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
