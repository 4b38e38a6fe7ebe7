package lab

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/linkassay/linkassay/provision"
)

func (b *breaker) force(s EndpointState) error {
	return b.lab.SetEndpoint(b.link.Consumer.EndpointID, s)
}

func (b *breaker) endpointFailed(context.Context) error {
	return b.force(EndpointState{State: "failed", Code: "InternalError", Message: "The endpoint could not be made available"})
}

func (b *breaker) endpointExpired(context.Context) error {
	return b.force(EndpointState{State: "expired"})
}

func (b *breaker) endpointStuckPending(context.Context) error {
	return b.force(EndpointState{State: endpointPending, Created: time.Now().Add(-20 * time.Minute)})
}

func (b *breaker) endpointPartial(context.Context) error {
	return b.force(EndpointState{State: "partial"})
}

func (b *breaker) endpointStuckDeleting(context.Context) error {
	id := b.link.Consumer.EndpointID
	b.lab.believe(func(l *provision.Link) { l.Consumer.EndpointID, l.Consumer.Build = id, nil })
	return b.force(EndpointState{State: endpointDeleting, Created: time.Now().Add(-time.Hour)})
}

func (b *breaker) connectionUnseen(context.Context) error {
	return b.lab.HideConnection(b.link.Consumer.EndpointID, true)
}

func (b *breaker) interfaceLost(ctx context.Context) error {
	e, err := b.endpoint(ctx)
	if err != nil {
		return err
	}
	return b.lab.LoseInterface(*e.VpcEndpointId, e.SubnetIds[0])
}

// endpointOfGatewayType makes an endpoint without saying its type, marked as the link's own is.
func (b *breaker) endpointOfGatewayType(ctx context.Context) error {
	e, err := b.endpoint(ctx)
	if err != nil {
		return err
	}
	made, err := b.sides.Consumer.EC2.CreateVpcEndpoint(ctx, &ec2.CreateVpcEndpointInput{
		VpcId: e.VpcId, ServiceName: aws.String(gatewayServices(b.link.Region)[0]),
		TagSpecifications: []ec2types.TagSpecification{{ResourceType: ec2types.ResourceTypeVpcEndpoint, Tags: e.Tags}},
	})
	if err != nil {
		return err
	}
	id := *made.VpcEndpoint.VpcEndpointId
	b.lab.believe(func(l *provision.Link) { l.Consumer.EndpointID, l.Consumer.Build = id, nil })
	return nil
}

// endpointOfOldService makes a second service, with an endpoint to it, and lets the link file name that
// endpoint. What it makes is marked as the link's own is, so that destroy finds it.
func (b *breaker) endpointOfOldService(ctx context.Context) error {
	e, err := b.endpoint(ctx)
	if err != nil {
		return err
	}
	old, err := b.oldService(ctx)
	if err != nil {
		return err
	}
	var groups []string
	for _, g := range e.Groups {
		groups = append(groups, *g.GroupId)
	}
	made, err := b.sides.Consumer.EC2.CreateVpcEndpoint(ctx, &ec2.CreateVpcEndpointInput{
		VpcEndpointType: ec2types.VpcEndpointTypeInterface, VpcId: e.VpcId, ServiceName: old,
		SubnetIds: e.SubnetIds, SecurityGroupIds: groups, PrivateDnsEnabled: aws.Bool(false),
		TagSpecifications: []ec2types.TagSpecification{{ResourceType: ec2types.ResourceTypeVpcEndpoint, Tags: e.Tags}},
	})
	if err != nil {
		return err
	}
	id := *made.VpcEndpoint.VpcEndpointId
	service := b.link.Provider.ServiceID
	b.lab.believe(func(l *provision.Link) {
		l.Consumer.EndpointID, l.Consumer.Build = id, nil
		l.Provider.ServiceID, l.Provider.Build = service, nil
	})
	return nil
}

// oldService makes a load balancer and a service on it, and returns the service's name.
func (b *breaker) oldService(ctx context.Context) (*string, error) {
	services, err := b.sides.Provider.EC2.DescribeVpcEndpointServiceConfigurations(ctx, &ec2.DescribeVpcEndpointServiceConfigurationsInput{ServiceIds: []string{b.link.Provider.ServiceID}})
	if err != nil {
		return nil, err
	}
	current := services.ServiceConfigurations[0]
	balancers, err := b.sides.Provider.ELB.DescribeLoadBalancers(ctx, &elb.DescribeLoadBalancersInput{LoadBalancerArns: current.NetworkLoadBalancerArns})
	if err != nil {
		return nil, err
	}
	tags, err := b.sides.Provider.ELB.DescribeTags(ctx, &elb.DescribeTagsInput{ResourceArns: current.NetworkLoadBalancerArns})
	if err != nil {
		return nil, err
	}
	var subnets []string
	for _, z := range balancers.LoadBalancers[0].AvailabilityZones {
		subnets = append(subnets, *z.SubnetId)
	}
	made, err := b.sides.Provider.ELB.CreateLoadBalancer(ctx, &elb.CreateLoadBalancerInput{
		Name: aws.String(*balancers.LoadBalancers[0].LoadBalancerName + "-old"), Type: elbtypes.LoadBalancerTypeEnumNetwork,
		Scheme: elbtypes.LoadBalancerSchemeEnumInternal, Subnets: subnets, Tags: tags.TagDescriptions[0].Tags,
	})
	if err != nil {
		return nil, err
	}
	arn := *made.LoadBalancers[0].LoadBalancerArn
	if err := b.until(ctx, "the old load balancer is active", func() (bool, error) {
		out, err := b.sides.Provider.ELB.DescribeLoadBalancers(ctx, &elb.DescribeLoadBalancersInput{LoadBalancerArns: []string{arn}})
		return err == nil && out.LoadBalancers[0].State.Code == elbtypes.LoadBalancerStateEnumActive, err
	}); err != nil {
		return nil, err
	}
	old, err := b.sides.Provider.EC2.CreateVpcEndpointServiceConfiguration(ctx, &ec2.CreateVpcEndpointServiceConfigurationInput{
		NetworkLoadBalancerArns: []string{arn}, AcceptanceRequired: aws.Bool(false),
		TagSpecifications: []ec2types.TagSpecification{{ResourceType: ec2types.ResourceTypeVpcEndpointService, Tags: current.Tags}},
	})
	if err != nil {
		return nil, err
	}
	c := old.ServiceConfiguration
	if _, err := b.sides.Provider.EC2.ModifyVpcEndpointServicePermissions(ctx, &ec2.ModifyVpcEndpointServicePermissionsInput{
		ServiceId: c.ServiceId, AddAllowedPrincipals: []string{b.link.ConsumerPrincipal()},
	}); err != nil {
		return nil, err
	}
	return c.ServiceName, b.untilVisible(ctx, *c.ServiceName)
}
