package lab_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// A service of a Gateway Load Balancer is of another type, and no interface endpoint can use it.
func TestServiceOfAGatewayBalancer(t *testing.T) {
	t.Parallel()
	b := newBasics(t, nil)
	v := b.vpc("10.0.0.0/16")
	s := b.subnet(v, "10.0.1.0/24", zoneID(1))
	in := &elb.CreateLoadBalancerInput{Name: aws.String("inspect"), Type: elbtypes.LoadBalancerTypeEnumGateway, Subnets: []string{s}}
	lb := ok[*elb.CreateLoadBalancerOutput](b)(b.elb.CreateLoadBalancer(b.ctx, in)).LoadBalancers[0]
	arn := *lb.LoadBalancerArn
	equal(b, "type", lb.Type, elbtypes.LoadBalancerTypeEnumGateway)
	if lb.DNSName != nil || lb.Scheme != "" {
		t.Errorf("a Gateway Load Balancer with name %s and scheme %s", aws.ToString(lb.DNSName), lb.Scheme)
	}
	refused[*elb.CreateLoadBalancerOutput](b, "DuplicateLoadBalancerName", "")(b.elb.CreateLoadBalancer(b.ctx, in))
	withScheme := *in
	withScheme.Scheme = elbtypes.LoadBalancerSchemeEnumInternal
	refused[*elb.CreateLoadBalancerOutput](b, "InvalidConfigurationRequest", "")(b.elb.CreateLoadBalancer(b.ctx, &withScheme))
	tg := b.targetGroup("tg", v, elbtypes.TargetTypeEnumIp)
	refused[*elb.CreateListenerOutput](b, "InvalidConfigurationRequest", "")(b.elb.CreateListener(b.ctx, &elb.CreateListenerInput{
		LoadBalancerArn: &arn, Port: aws.Int32(80), Protocol: elbtypes.ProtocolEnumTcp, DefaultActions: forward(*tg.TargetGroupArn),
	}))
	b.until("the load balancer is active", func() bool {
		out := ok[*elb.DescribeLoadBalancersOutput](b)(b.elb.DescribeLoadBalancers(b.ctx, &elb.DescribeLoadBalancersInput{LoadBalancerArns: []string{arn}}))
		return out.LoadBalancers[0].State.Code == elbtypes.LoadBalancerStateEnumActive
	})

	refused[*ec2.CreateVpcEndpointServiceConfigurationOutput](b, "InvalidParameter", "")(b.ec2.CreateVpcEndpointServiceConfiguration(b.ctx,
		&ec2.CreateVpcEndpointServiceConfigurationInput{NetworkLoadBalancerArns: []string{arn}}))
	refused[*ec2.CreateVpcEndpointServiceConfigurationOutput](b, "InvalidParameter", "")(b.ec2.CreateVpcEndpointServiceConfiguration(b.ctx,
		&ec2.CreateVpcEndpointServiceConfigurationInput{GatewayLoadBalancerArns: []string{arn}, PrivateDnsName: aws.String("api.example.com")}))
	svc := ok[*ec2.CreateVpcEndpointServiceConfigurationOutput](b)(b.ec2.CreateVpcEndpointServiceConfiguration(b.ctx,
		&ec2.CreateVpcEndpointServiceConfigurationInput{GatewayLoadBalancerArns: []string{arn}})).ServiceConfiguration
	equal(b, "type", svc.ServiceType[0].ServiceType, ec2types.ServiceTypeGatewayLoadBalancer)
	if len(svc.NetworkLoadBalancerArns) != 0 || len(svc.GatewayLoadBalancerArns) != 1 || svc.GatewayLoadBalancerArns[0] != arn {
		t.Errorf("load balancers %v and %v", svc.NetworkLoadBalancerArns, svc.GatewayLoadBalancerArns)
	}
	seen := ok[*ec2.DescribeVpcEndpointServicesOutput](b)(b.ec2.DescribeVpcEndpointServices(b.ctx, &ec2.DescribeVpcEndpointServicesInput{ServiceNames: []string{*svc.ServiceName}}))
	equal(b, "type as consumers see it", seen.ServiceDetails[0].ServiceType[0].ServiceType, ec2types.ServiceTypeGatewayLoadBalancer)
	refused[*ec2.CreateVpcEndpointOutput](b, "InvalidParameter", "")(b.ec2.CreateVpcEndpoint(b.ctx, &ec2.CreateVpcEndpointInput{
		VpcEndpointType: ec2types.VpcEndpointTypeInterface, VpcId: &v, ServiceName: svc.ServiceName, SubnetIds: []string{s},
	}))
	refused[*elb.DeleteLoadBalancerOutput](b, "ResourceInUse", "")(b.elb.DeleteLoadBalancer(b.ctx, &elb.DeleteLoadBalancerInput{LoadBalancerArn: &arn}))
}

// States that no API call can set.
func TestStatesSetInTheLab(t *testing.T) {
	t.Parallel()
	b := newBasics(t, nil)
	v := b.vpc("10.0.0.0/16")
	arn := *b.balancer("svc", b.subnet(v, "10.0.1.0/24", zoneID(1))).LoadBalancerArn
	if err := b.lab.BalancerState(arn, "failed", "no capacity"); err != nil {
		t.Fatal(err)
	}
	lb := ok[*elb.DescribeLoadBalancersOutput](b)(b.elb.DescribeLoadBalancers(b.ctx, &elb.DescribeLoadBalancersInput{LoadBalancerArns: []string{arn}})).LoadBalancers[0]
	equal(b, "state", lb.State.Code, elbtypes.LoadBalancerStateEnumFailed)
	equal(b, "reason", *lb.State.Reason, "no capacity")
	if b.lab.BalancerState(arn, "gone", "") == nil || b.lab.BalancerState("arn:none", "failed", "") == nil {
		t.Error("a state or load balancer that there is not was set")
	}
	if err := b.lab.BalancerState(arn, "active", ""); err != nil {
		t.Fatal(err)
	}
	svc := ok[*ec2.CreateVpcEndpointServiceConfigurationOutput](b)(b.ec2.CreateVpcEndpointServiceConfiguration(b.ctx,
		&ec2.CreateVpcEndpointServiceConfigurationInput{NetworkLoadBalancerArns: []string{arn}})).ServiceConfiguration
	if err := b.lab.ServiceState(*svc.ServiceId, "Failed"); err != nil {
		t.Fatal(err)
	}
	out := ok[*ec2.DescribeVpcEndpointServiceConfigurationsOutput](b)(b.ec2.DescribeVpcEndpointServiceConfigurations(b.ctx,
		&ec2.DescribeVpcEndpointServiceConfigurationsInput{ServiceIds: []string{*svc.ServiceId}}))
	equal(b, "state", out.ServiceConfigurations[0].ServiceState, ec2types.ServiceStateFailed)
	refused[*ec2.DescribeVpcEndpointServicesOutput](b, "InvalidServiceName", "")(b.ec2.DescribeVpcEndpointServices(b.ctx, &ec2.DescribeVpcEndpointServicesInput{ServiceNames: []string{*svc.ServiceName}}))
	if b.lab.ServiceState(*svc.ServiceId, "Odd") == nil || b.lab.ServiceState("vpce-svc-0", "Failed") == nil {
		t.Error("a state or service that there is not was set")
	}
}
