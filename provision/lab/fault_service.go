package lab

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/linkassay/linkassay/provision"
)

// serviceFaults: the endpoint service itself.
func serviceFaults() []Fault {
	return []Fault{
		{
			Name: "service-unknown", Text: "the link file names an endpoint service that does not exist",
			Excludes: []string{"service"}, File: func(l *provision.Link) { l.Provider.ServiceID, l.Provider.Build = "vpce-svc-0123456789abcdef0", nil },
		},
		{
			Name: "service-failed", Text: "the endpoint service is in the state Failed",
			Excludes: []string{"service"}, set: (*breaker).serviceFailed,
		},
		{
			Name: "service-of-gateway", Text: "the link file names a service that was made of a Gateway Load Balancer",
			Excludes: []string{"*"}, set: (*breaker).serviceOfGateway,
		},
	}
}

// configuration describes the link's service as its owner sees it.
func (b *breaker) configuration(ctx context.Context) (*ec2types.ServiceConfiguration, error) {
	out, err := b.sides.Provider.EC2.DescribeVpcEndpointServiceConfigurations(ctx, &ec2.DescribeVpcEndpointServiceConfigurationsInput{ServiceIds: []string{b.link.Provider.ServiceID}})
	if err != nil {
		return nil, err
	}
	if len(out.ServiceConfigurations) == 0 {
		return nil, fmt.Errorf("there is no service %s", b.link.Provider.ServiceID)
	}
	return &out.ServiceConfigurations[0], nil
}

func (b *breaker) serviceFailed(context.Context) error {
	return b.lab.ServiceState(b.link.Provider.ServiceID, "Failed")
}

// serviceOfGateway makes a Gateway Load Balancer beside the link's, and a service of it that the consumer
// may see, and lets the link file name that one.
func (b *breaker) serviceOfGateway(ctx context.Context) error {
	lb, err := b.balancer(ctx)
	if err != nil {
		return err
	}
	p := b.sides.Provider
	made, err := p.ELB.CreateLoadBalancer(ctx, &elb.CreateLoadBalancerInput{
		Name: aws.String("inspection"), Type: elbtypes.LoadBalancerTypeEnumGateway, Subnets: nodeSubnets(lb),
	})
	if err != nil {
		return err
	}
	arn := *made.LoadBalancers[0].LoadBalancerArn
	if err := b.untilActive(ctx, arn); err != nil {
		return err
	}
	out, err := p.EC2.CreateVpcEndpointServiceConfiguration(ctx, &ec2.CreateVpcEndpointServiceConfigurationInput{GatewayLoadBalancerArns: []string{arn}})
	if err != nil {
		return err
	}
	id := *out.ServiceConfiguration.ServiceId
	if _, err := p.EC2.ModifyVpcEndpointServicePermissions(ctx, &ec2.ModifyVpcEndpointServicePermissionsInput{
		ServiceId: &id, AddAllowedPrincipals: []string{b.link.ConsumerPrincipal()},
	}); err != nil {
		return err
	}
	b.lab.believe(func(l *provision.Link) { l.Provider.ServiceID, l.Provider.Build = id, nil })
	return b.untilVisible(ctx, *out.ServiceConfiguration.ServiceName)
}

// untilVisible waits until the consumer sees a service that allows it.
func (b *breaker) untilVisible(ctx context.Context, name string) error {
	return b.until(ctx, "the consumer sees "+name, func() (bool, error) {
		_, err := b.sides.Consumer.EC2.DescribeVpcEndpointServices(ctx, &ec2.DescribeVpcEndpointServicesInput{ServiceNames: []string{name}})
		if isCode(err, "InvalidServiceName") {
			return false, nil
		}
		return err == nil, err
	})
}
