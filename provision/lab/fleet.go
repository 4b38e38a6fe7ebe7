package lab

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/awsapi"
)

// Fleet is the shape of many links between the lab's first two accounts: endpoints are dealt out to VPCs and services in
// turn, each with an interface in three zones. A service has a load balancer of its own, with one listener and one target
// group of one instance.
type Fleet struct {
	Endpoints, VPCs, Services int
	// PrivateNames gives each service a private DNS name, which nobody has verified.
	PrivateNames bool
}

// fleetZones is the number of interfaces of each endpoint.
const fleetZones = 3

// fleetBuilder makes a fleet through the lab's own API.
type fleetBuilder struct {
	l                  *Lab
	shape              Fleet
	provider, consumer *awsapi.Clients
}

// ProvisionFleet builds a fleet and returns its links. Options.EndpointsPerVPC has to let as many into a VPC.
func (l *Lab) ProvisionFleet(ctx context.Context, shape Fleet) (links []provision.Link, err error) {
	base := l.Link()
	provider := provision.Party{Account: base.Provider.Account, Profile: base.Provider.Profile}
	consumer := provision.Party{Account: base.Consumer.Account, Profile: base.Consumer.Profile}
	b := &fleetBuilder{l: l, shape: shape}
	if b.provider, err = l.Open(ctx, provider, l.opts.Region); err != nil {
		return nil, err
	}
	defer b.provider.Close()
	if b.consumer, err = l.Open(ctx, consumer, l.opts.Region); err != nil {
		return nil, err
	}
	defer b.consumer.Close()
	services, err := b.services(ctx)
	if err != nil {
		return nil, fmt.Errorf("build the fleet's services: %w", err)
	}
	places := make([]fleetPlace, shape.VPCs)
	for i := range places {
		if places[i], err = b.place(ctx, b.consumer); err != nil {
			return nil, fmt.Errorf("build the fleet's VPC %d: %w", i, err)
		}
	}
	links = make([]provision.Link, shape.Endpoints)
	err = sideBySide(shape.Endpoints, func(i int) error {
		p, service := places[i%shape.VPCs], services[i/shape.VPCs%shape.Services]
		e, err := b.consumer.EC2.CreateVpcEndpoint(ctx, &ec2.CreateVpcEndpointInput{
			VpcEndpointType: ec2types.VpcEndpointTypeInterface, ServiceName: &service.name, VpcId: &p.vpc, SubnetIds: p.subnets,
			SecurityGroupIds: []string{p.group}, PrivateDnsEnabled: aws.Bool(false),
		})
		if err != nil {
			return fmt.Errorf("make the fleet's endpoint %d: %w", i, err)
		}
		links[i] = provision.Link{
			Name: fmt.Sprintf("link-%05d", i), Region: l.opts.Region,
			Provider: provision.Provider{Party: provider, ServiceID: service.id, ServiceName: service.name},
			Consumer: provision.Consumer{Party: consumer, EndpointID: aws.ToString(e.VpcEndpoint.VpcEndpointId)},
			Ports:    []provision.Port{{Port: 80}},
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return links, b.untilAvailable(ctx)
}

// sideBySide calls f for 0 … n-1, eight at a time.
func sideBySide(n int, f func(i int) error) error {
	errs := make([]error, n)
	slots := make(chan struct{}, 8)
	var wg sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			errs[i] = f(i)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

type fleetPlace struct {
	vpc, group string
	subnets    []string
}

// place makes a VPC with a large subnet in each zone and a security group.
func (b *fleetBuilder) place(ctx context.Context, c *awsapi.Clients) (fleetPlace, error) {
	v, err := c.EC2.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
	if err != nil {
		return fleetPlace{}, err
	}
	p := fleetPlace{vpc: aws.ToString(v.Vpc.VpcId)}
	zones, err := c.EC2.DescribeAvailabilityZones(ctx, &ec2.DescribeAvailabilityZonesInput{})
	if err != nil {
		return p, err
	}
	for i := range fleetZones {
		s, err := c.EC2.CreateSubnet(ctx, &ec2.CreateSubnetInput{
			VpcId: &p.vpc, CidrBlock: aws.String(fmt.Sprintf("10.0.%d.0/18", i*64)), AvailabilityZoneId: zones.AvailabilityZones[i].ZoneId,
		})
		if err != nil {
			return p, err
		}
		p.subnets = append(p.subnets, aws.ToString(s.Subnet.SubnetId))
	}
	g, err := c.EC2.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{VpcId: &p.vpc, GroupName: aws.String("fleet"), Description: aws.String("fleet")})
	if err != nil {
		return p, err
	}
	p.group = aws.ToString(g.GroupId)
	_, err = c.EC2.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: g.GroupId, IpPermissions: []ec2types.IpPermission{{
		IpProtocol: aws.String("tcp"), FromPort: aws.Int32(80), ToPort: aws.Int32(80), IpRanges: []ec2types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}},
	}}})
	return p, err
}

type fleetService struct{ id, name string }

// services builds one after the other, in one VPC of the provider's.
func (b *fleetBuilder) services(ctx context.Context) ([]fleetService, error) {
	p, err := b.place(ctx, b.provider)
	if err != nil {
		return nil, err
	}
	var all []fleetService
	for i := range b.shape.Services {
		s, err := b.service(ctx, i, p)
		if err != nil {
			return nil, fmt.Errorf("service %d: %w", i, err)
		}
		all = append(all, s)
	}
	return all, nil
}

func (b *fleetBuilder) service(ctx context.Context, i int, p fleetPlace) (s fleetService, err error) {
	name := aws.String(fmt.Sprintf("fleet-%d", i))
	c := b.provider
	lb, err := c.ELB.CreateLoadBalancer(ctx, &elb.CreateLoadBalancerInput{
		Name: name, Type: elbtypes.LoadBalancerTypeEnumNetwork, Scheme: elbtypes.LoadBalancerSchemeEnumInternal, Subnets: p.subnets, SecurityGroups: []string{p.group},
	})
	if err != nil {
		return s, err
	}
	balancer := lb.LoadBalancers[0].LoadBalancerArn
	tg, err := c.ELB.CreateTargetGroup(ctx, &elb.CreateTargetGroupInput{Name: name, Protocol: elbtypes.ProtocolEnumTcp, Port: aws.Int32(80), VpcId: &p.vpc, TargetType: elbtypes.TargetTypeEnumInstance})
	if err != nil {
		return s, err
	}
	group := tg.TargetGroups[0].TargetGroupArn
	run, err := c.EC2.RunInstances(ctx, &ec2.RunInstancesInput{
		MinCount: aws.Int32(1), MaxCount: aws.Int32(1), InstanceType: ec2types.InstanceTypeT4gNano, SubnetId: &p.subnets[0], SecurityGroupIds: []string{p.group},
		ImageId: aws.String("resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"),
	})
	if err != nil {
		return s, err
	}
	instance := run.Instances[0].InstanceId
	running := ec2.NewInstanceRunningWaiter(c.EC2, func(o *ec2.InstanceRunningWaiterOptions) { o.MinDelay, o.MaxDelay = 10*time.Millisecond, time.Second })
	if err := running.Wait(ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{*instance}}, time.Minute); err != nil {
		return s, err
	}
	if _, err = c.ELB.RegisterTargets(ctx, &elb.RegisterTargetsInput{TargetGroupArn: group, Targets: []elbtypes.TargetDescription{{Id: instance}}}); err != nil {
		return s, err
	}
	if _, err = c.ELB.CreateListener(ctx, &elb.CreateListenerInput{
		LoadBalancerArn: balancer, Protocol: elbtypes.ProtocolEnumTcp, Port: aws.Int32(80),
		DefaultActions: []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: group}},
	}); err != nil {
		return s, err
	}
	active := elb.NewLoadBalancerAvailableWaiter(c.ELB, func(o *elb.LoadBalancerAvailableWaiterOptions) {
		o.MinDelay, o.MaxDelay = 10*time.Millisecond, time.Second
	})
	if err := active.Wait(ctx, &elb.DescribeLoadBalancersInput{LoadBalancerArns: []string{*balancer}}, time.Minute); err != nil {
		return s, err
	}
	in := &ec2.CreateVpcEndpointServiceConfigurationInput{NetworkLoadBalancerArns: []string{*balancer}, AcceptanceRequired: aws.Bool(false)}
	if domain := b.l.opts.Accounts[0].Domain; b.shape.PrivateNames && domain != "" {
		in.PrivateDnsName = aws.String(*name + "." + domain)
	}
	made, err := c.EC2.CreateVpcEndpointServiceConfiguration(ctx, in)
	if err != nil {
		return s, err
	}
	s = fleetService{aws.ToString(made.ServiceConfiguration.ServiceId), aws.ToString(made.ServiceConfiguration.ServiceName)}
	_, err = c.EC2.ModifyVpcEndpointServicePermissions(ctx, &ec2.ModifyVpcEndpointServicePermissionsInput{
		ServiceId: &s.id, AddAllowedPrincipals: []string{"arn:aws:iam::" + b.l.opts.Accounts[1].ID + ":root"},
	})
	if err != nil {
		return s, err
	}
	return s, until(ctx, func() (bool, error) { // the permission is effective after a while
		_, err := b.consumer.EC2.DescribeVpcEndpointServices(ctx, &ec2.DescribeVpcEndpointServicesInput{ServiceNames: []string{s.name}})
		if awsapi.IsCode(err, "InvalidServiceName") {
			return false, nil
		}
		return true, err
	})
}

// untilAvailable waits for the last endpoint.
func (b *fleetBuilder) untilAvailable(ctx context.Context) error {
	return until(ctx, func() (bool, error) {
		b.l.world.mu.RLock()
		defer b.l.world.mu.RUnlock()
		for _, e := range b.l.world.endpoints {
			if e.state != endpointAvailable {
				return false, nil
			}
		}
		return true, nil
	})
}

// until asks again and again whether it is done.
func until(ctx context.Context, done func() (bool, error)) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
