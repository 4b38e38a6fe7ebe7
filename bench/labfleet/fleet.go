// Package labfleet builds fleets in the lab: many consumer VPCs with endpoints to many services, all of it through the lab's own API as operators
// would do it.
package labfleet

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

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/awsapi"
	"github.com/linkassay/linkassay/provision/lab"
)

// What all services have.
const (
	Port   = 80 // speaks HTTP
	domain = "intra.chartsinvestor.com"
)

// Shape says what is built: a link from each VPC to each service, until there are so many.
type Shape struct {
	Links, Services int
	Zones           int // of each endpoint, and of each load balancer
	Seed            uint64
	Timing          lab.Timing
	Canary          provision.Canary // of each link
}

// Fleet is a lab with services, VPCs, and links between them.
type Fleet struct {
	Lab                *lab.Lab
	Provider, Consumer *awsapi.Clients // who builds, breaks and mends
	Services           []*Service
	VPCs               []*VPC
	Links              []provision.Link
	From               map[string][]probes.Placed // vantages, by link
}

// Service is one endpoint service and what stands behind it.
type Service struct {
	ID, Name, Private, Balancer, Group string // Private is the private DNS name, Balancer and Group are ARNs
	Listener                           elbtypes.Listener
	Targets                            []string // instance ids
	Links                              []string
}

// VPC is one consumer VPC.
type VPC struct {
	ID, Group, ACL string // Group is the security group of its endpoints
	Subnets        []string
	Links          []string
	Endpoints      map[string]string // by link
	Vantage        probes.Placed
}

// Build starts a lab and builds a fleet. With an error what there is of it is returned, if anything, to be closed.
func Build(ctx context.Context, shape Shape) (f *Fleet, err error) {
	services := min(shape.Services, shape.Links)
	l, err := lab.Start(ctx, lab.Options{Seed: shape.Seed, Timing: shape.Timing})
	if err != nil {
		return nil, err
	}
	f = &Fleet{Lab: l, From: map[string][]probes.Placed{}}
	walk := l.Link()
	if f.Provider, err = l.Open(ctx, walk.Provider.Party, walk.Region); err != nil {
		return f, err
	}
	if f.Consumer, err = l.Open(ctx, walk.Consumer.Party, walk.Region); err != nil {
		return f, err
	}
	zones, err := f.Consumer.EC2.DescribeAvailabilityZones(ctx, &ec2.DescribeAvailabilityZonesInput{})
	if err != nil {
		return f, err
	}
	var ids []string
	for _, z := range zones.AvailabilityZones[:shape.Zones] {
		ids = append(ids, *z.ZoneId)
	}
	f.Services = make([]*Service, services)
	if err := side(services, func(i int) (err error) {
		if f.Services[i], err = f.addService(ctx, walk, i, ids); err != nil {
			err = fmt.Errorf("service %d: %w", i, err)
		}
		return err
	}); err != nil {
		return f, err
	}
	for i := range (shape.Links + services - 1) / services {
		v, err := f.addVPC(ctx, i, ids)
		if err != nil {
			return f, fmt.Errorf("VPC %d: %w", i, err)
		}
		f.VPCs = append(f.VPCs, v)
		for j, s := range f.Services {
			if len(f.Links) == shape.Links {
				break
			}
			if err := f.addLink(ctx, walk, fmt.Sprintf("vpc-%02d-svc-%02d", i, j), v, s, shape.Canary); err != nil {
				return f, fmt.Errorf("endpoint from VPC %d to service %d: %w", i, j, err)
			}
		}
	}
	return f, f.ready(ctx)
}

// Share opens clients for both sides that share what they read, as a canary's do.
func (f *Fleet) Share(ctx context.Context) (clients [2]*awsapi.Clients, err error) {
	walk := f.Lab.Link()
	for i, profile := range []string{walk.Provider.Profile, walk.Consumer.Profile} {
		id, secret, _ := f.Lab.Credentials(profile)
		clients[i], err = awsapi.Open(ctx, awsapi.Access{Region: walk.Region}, awsapi.WithStatic(f.Lab.URL(), id, secret), awsapi.WithSharing(awsapi.Sharing{}))
		if err != nil {
			return clients, err
		}
	}
	return clients, nil
}

// Close ends the lab.
func (f *Fleet) Close() error { return f.Lab.Close() }

// addService builds a provider side, as an operator would.
func (f *Fleet) addService(ctx context.Context, walk provision.Link, i int, zones []string) (*Service, error) {
	link := walk
	link.Name, link.PrivateDNSName = fmt.Sprintf("svc-%02d", i), fmt.Sprintf("svc-%02d.%s", i, domain)
	link.Ports = []provision.Port{{Port: Port, HTTP: &provision.HTTP{Path: "/"}}}
	link.Provider.Build = &provision.ProviderBuild{
		CIDR: "10.0.0.0/16", Zones: zones, CrossZone: true, AcceptanceRequired: aws.Bool(false), AllowedPrincipals: []string{"arn:aws:iam::" + walk.Consumer.Account + ":root"},
	}
	link.Consumer = provision.Consumer{Party: provision.Party{Access: provision.AccessNone, Account: walk.Consumer.Account}}
	built, err := provision.Apply(ctx, &link, provision.Sides{Provider: f.Provider}, provision.Options{})
	if err != nil {
		return nil, err
	}
	s := &Service{ID: built.Provider.ServiceID, Name: built.Provider.ServiceName, Private: link.PrivateDNSName}
	found, err := f.Provider.EC2.DescribeVpcEndpointServiceConfigurations(ctx, &ec2.DescribeVpcEndpointServiceConfigurationsInput{ServiceIds: []string{s.ID}})
	if err != nil {
		return nil, err
	}
	s.Name, s.Balancer = *found.ServiceConfigurations[0].ServiceName, found.ServiceConfigurations[0].NetworkLoadBalancerArns[0]
	listeners, err := f.Provider.ELB.DescribeListeners(ctx, &elb.DescribeListenersInput{LoadBalancerArn: &s.Balancer})
	if err != nil {
		return nil, err
	}
	s.Listener = listeners.Listeners[0]
	s.Group = *s.Listener.DefaultActions[0].TargetGroupArn
	// Targets that leave do so at once: as long as they drain, none is healthy, which is another cause than that none is registered.
	if _, err := f.Provider.ELB.ModifyTargetGroupAttributes(ctx, &elb.ModifyTargetGroupAttributesInput{
		TargetGroupArn: &s.Group, Attributes: []elbtypes.TargetGroupAttribute{{Key: aws.String("deregistration_delay.timeout_seconds"), Value: aws.String("0")}},
	}); err != nil {
		return nil, err
	}
	health, err := f.Provider.ELB.DescribeTargetHealth(ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: &s.Group})
	if err != nil {
		return nil, err
	}
	for _, t := range health.TargetHealthDescriptions {
		s.Targets = append(s.Targets, *t.Target.Id)
	}
	return s, nil
}

func (f *Fleet) addVPC(ctx context.Context, i int, zones []string) (*VPC, error) {
	api := f.Consumer.EC2
	block := fmt.Sprintf("10.%d.0.0/16", i%200)
	made, err := api.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: &block})
	if err != nil {
		return nil, err
	}
	v := &VPC{ID: *made.Vpc.VpcId, Endpoints: map[string]string{}}
	if _, err := api.ModifyVpcAttribute(ctx, &ec2.ModifyVpcAttributeInput{VpcId: &v.ID, EnableDnsHostnames: &ec2types.AttributeBooleanValue{Value: aws.Bool(true)}}); err != nil {
		return nil, err
	}
	for z, zone := range zones {
		s, err := api.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: &v.ID, AvailabilityZoneId: aws.String(zone), CidrBlock: aws.String(fmt.Sprintf("10.%d.%d.0/24", i%200, z))})
		if err != nil {
			return nil, err
		}
		v.Subnets = append(v.Subnets, *s.Subnet.SubnetId)
	}
	g, err := api.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{VpcId: &v.ID, GroupName: aws.String("endpoints"), Description: aws.String("of all endpoints")})
	if err != nil {
		return nil, err
	}
	v.Group = *g.GroupId
	if err := f.Admit(ctx, v, true); err != nil {
		return nil, err
	}
	acls, err := api.DescribeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{Filters: []ec2types.Filter{{Name: aws.String("vpc-id"), Values: []string{v.ID}}}})
	if err != nil {
		return nil, err
	}
	v.ACL = *acls.NetworkAcls[0].NetworkAclId
	at, err := f.Lab.Vantage(v.Subnets[0])
	v.Vantage = probes.Placed{Spec: provision.Vantage{Name: "client", From: "lab", Zone: zones[0]}, Vantage: at}
	return v, err
}

// Admit opens or closes the security group of all endpoints in a VPC.
func (f *Fleet) Admit(ctx context.Context, v *VPC, on bool) error {
	rule := []ec2types.IpPermission{{
		IpProtocol: aws.String("tcp"), FromPort: aws.Int32(Port), ToPort: aws.Int32(Port), IpRanges: []ec2types.IpRange{{CidrIp: aws.String("10.0.0.0/8")}},
	}}
	if on {
		_, err := f.Consumer.EC2.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &v.Group, IpPermissions: rule})
		return err
	}
	_, err := f.Consumer.EC2.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: &v.Group, IpPermissions: rule})
	return err
}

func (f *Fleet) addLink(ctx context.Context, walk provision.Link, name string, v *VPC, s *Service, settings provision.Canary) error {
	made, err := f.Consumer.EC2.CreateVpcEndpoint(ctx, &ec2.CreateVpcEndpointInput{
		VpcId: &v.ID, ServiceName: &s.Name, VpcEndpointType: ec2types.VpcEndpointTypeInterface, SubnetIds: v.Subnets, SecurityGroupIds: []string{v.Group},
	})
	if err != nil {
		return err
	}
	link := walk
	link.Name, link.PrivateDNSName, link.Canary = name, s.Private, settings
	link.Ports = []provision.Port{{Port: Port, HTTP: &provision.HTTP{Path: "/"}}}
	link.Provider = provision.Provider{Party: walk.Provider.Party, ServiceID: s.ID, ServiceName: s.Name}
	link.Consumer = provision.Consumer{Party: walk.Consumer.Party, EndpointID: *made.VpcEndpoint.VpcEndpointId}
	link.Vantages = []provision.Vantage{v.Vantage.Spec}
	v.Endpoints[name] = link.Consumer.EndpointID
	v.Links, s.Links = append(v.Links, name), append(s.Links, name)
	f.Links, f.From[name] = append(f.Links, link), []probes.Placed{v.Vantage}
	return nil
}

// ready waits until all endpoints are available, and gives them their private names.
func (f *Fleet) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	return side(len(f.Links), func(i int) error { return f.SetPrivateName(ctx, f.Links[i].Consumer.EndpointID, true) })
}

// side does n things, a few side by side.
func side(n int, do func(int) error) error {
	errs := make([]error, n)
	slots := make(chan struct{}, 16)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			errs[i] = do(i)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// SetPrivateName switches an endpoint's private name on or off, and waits until that is so.
func (f *Fleet) SetPrivateName(ctx context.Context, endpoint string, on bool) error {
	if err := f.available(ctx, endpoint); err != nil {
		return err
	}
	if _, err := f.Consumer.EC2.ModifyVpcEndpoint(ctx, &ec2.ModifyVpcEndpointInput{VpcEndpointId: &endpoint, PrivateDnsEnabled: &on}); err != nil {
		return err
	}
	return f.available(ctx, endpoint)
}

func (f *Fleet) available(ctx context.Context, endpoint string) error {
	for {
		out, err := f.Consumer.EC2.DescribeVpcEndpoints(ctx, &ec2.DescribeVpcEndpointsInput{VpcEndpointIds: []string{endpoint}})
		switch {
		case err == nil && string(out.VpcEndpoints[0].State) == "available":
			return nil
		case err != nil && !awsapi.IsCode(err, "InvalidVpcEndpointId.NotFound"):
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for endpoint %s: %w", endpoint, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}
