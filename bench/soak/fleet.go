package main

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

// The fleet's shape: every VPC has an endpoint to every service, in two zones.
const (
	servicesOf = 20 // endpoints of a VPC; its quota is 50
	port       = 80
	domain     = "intra.chartsinvestor.com"
)

// fleet is a lab with services, VPCs, and a link from each VPC to each service.
type fleet struct {
	lab                *lab.Lab
	provider, consumer *awsapi.Clients    // who builds, breaks and mends
	watching           [2]*awsapi.Clients // the canary's, of both sides, which share what they read
	services           []*service
	vpcs               []*vpc
	links              []provision.Link
	engine             *probes.Engine
	from               map[string][]probes.Placed // vantages, by link
}

// service is one endpoint service and what stands behind it.
type service struct {
	id, name, private, balancer, group string
	listener                           elbtypes.Listener
	targets                            []string // instance ids
	links                              []string
}

// vpc is one consumer VPC.
type vpc struct {
	id, group, acl string
	subnets        []string
	links          []string
	endpoints      map[string]string // by link
	vantage        probes.Placed
}

// build starts a lab and builds a fleet of at least so many links, at the given pace.
func build(ctx context.Context, links int, seed uint64, settings provision.Canary) (f *fleet, err error) {
	timing := lab.Brisk()
	timing.HealthScale = 10 // a second between health checks: a tenth of that would be most of the machine's work
	l, err := lab.Start(ctx, lab.Options{Seed: seed, Timing: timing})
	if err != nil {
		return nil, err
	}
	f = &fleet{lab: l, engine: probes.NewEngine(0), from: map[string][]probes.Placed{}}
	walk := l.Link()
	if f.provider, err = l.Open(ctx, walk.Provider.Party, walk.Region); err != nil {
		return f, err
	}
	if f.consumer, err = l.Open(ctx, walk.Consumer.Party, walk.Region); err != nil {
		return f, err
	}
	for i, profile := range []string{walk.Provider.Profile, walk.Consumer.Profile} {
		id, secret, _ := l.Credentials(profile)
		f.watching[i], err = awsapi.Open(ctx, awsapi.Access{Region: walk.Region}, awsapi.WithStatic(l.URL(), id, secret), awsapi.WithSharing(awsapi.Sharing{}))
		if err != nil {
			return f, err
		}
	}
	zones, err := f.consumer.EC2.DescribeAvailabilityZones(ctx, &ec2.DescribeAvailabilityZonesInput{})
	if err != nil {
		return f, err
	}
	ids := []string{*zones.AvailabilityZones[0].ZoneId, *zones.AvailabilityZones[1].ZoneId}
	services := min(servicesOf, links)
	f.services = make([]*service, services)
	if err := side(services, 8, func(i int) (err error) {
		if f.services[i], err = f.addService(ctx, walk, i, ids); err != nil {
			err = fmt.Errorf("service %d: %w", i, err)
		}
		return err
	}); err != nil {
		return f, err
	}
	for i := range (links + services - 1) / services {
		v, err := f.addVPC(ctx, i, ids)
		if err != nil {
			return f, fmt.Errorf("VPC %d: %w", i, err)
		}
		f.vpcs = append(f.vpcs, v)
		for j, s := range f.services {
			if len(f.links) == links {
				break
			}
			if err := f.addLink(ctx, walk, fmt.Sprintf("vpc-%02d-svc-%02d", i, j), v, s, settings); err != nil {
				return f, fmt.Errorf("endpoint from VPC %d to service %d: %w", i, j, err)
			}
		}
	}
	return f, f.ready(ctx)
}

// addService builds a provider side, as an operator would.
func (f *fleet) addService(ctx context.Context, walk provision.Link, i int, zones []string) (*service, error) {
	link := walk
	link.Name, link.PrivateDNSName = fmt.Sprintf("svc-%02d", i), fmt.Sprintf("svc-%02d.%s", i, domain)
	link.Ports = []provision.Port{{Port: port, HTTP: &provision.HTTP{Path: "/"}}}
	link.Provider.Build = &provision.ProviderBuild{
		CIDR: "10.0.0.0/16", Zones: zones, CrossZone: true, AcceptanceRequired: aws.Bool(false), AllowedPrincipals: []string{"arn:aws:iam::" + walk.Consumer.Account + ":root"},
	}
	link.Consumer = provision.Consumer{Party: provision.Party{Access: provision.AccessNone, Account: walk.Consumer.Account}}
	built, err := provision.Apply(ctx, &link, provision.Sides{Provider: f.provider}, provision.Options{})
	if err != nil {
		return nil, err
	}
	s := &service{id: built.Provider.ServiceID, name: built.Provider.ServiceName, private: link.PrivateDNSName}
	found, err := f.provider.EC2.DescribeVpcEndpointServiceConfigurations(ctx, &ec2.DescribeVpcEndpointServiceConfigurationsInput{ServiceIds: []string{s.id}})
	if err != nil {
		return nil, err
	}
	s.name, s.balancer = *found.ServiceConfigurations[0].ServiceName, found.ServiceConfigurations[0].NetworkLoadBalancerArns[0]
	listeners, err := f.provider.ELB.DescribeListeners(ctx, &elb.DescribeListenersInput{LoadBalancerArn: &s.balancer})
	if err != nil {
		return nil, err
	}
	s.listener = listeners.Listeners[0]
	s.group = *s.listener.DefaultActions[0].TargetGroupArn
	// Targets that leave do so at once: as long as they drain, none is healthy, which is another cause than that none is registered.
	if _, err := f.provider.ELB.ModifyTargetGroupAttributes(ctx, &elb.ModifyTargetGroupAttributesInput{
		TargetGroupArn: &s.group, Attributes: []elbtypes.TargetGroupAttribute{{Key: aws.String("deregistration_delay.timeout_seconds"), Value: aws.String("0")}},
	}); err != nil {
		return nil, err
	}
	health, err := f.provider.ELB.DescribeTargetHealth(ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: &s.group})
	if err != nil {
		return nil, err
	}
	for _, t := range health.TargetHealthDescriptions {
		s.targets = append(s.targets, *t.Target.Id)
	}
	return s, nil
}

func (f *fleet) addVPC(ctx context.Context, i int, zones []string) (*vpc, error) {
	api := f.consumer.EC2
	block := fmt.Sprintf("10.%d.0.0/16", i%200)
	made, err := api.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: &block})
	if err != nil {
		return nil, err
	}
	v := &vpc{id: *made.Vpc.VpcId, endpoints: map[string]string{}}
	if _, err := api.ModifyVpcAttribute(ctx, &ec2.ModifyVpcAttributeInput{VpcId: &v.id, EnableDnsHostnames: &ec2types.AttributeBooleanValue{Value: aws.Bool(true)}}); err != nil {
		return nil, err
	}
	for z, zone := range zones {
		s, err := api.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: &v.id, AvailabilityZoneId: aws.String(zone), CidrBlock: aws.String(fmt.Sprintf("10.%d.%d.0/24", i%200, z))})
		if err != nil {
			return nil, err
		}
		v.subnets = append(v.subnets, *s.Subnet.SubnetId)
	}
	g, err := api.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{VpcId: &v.id, GroupName: aws.String("endpoints"), Description: aws.String("of all endpoints")})
	if err != nil {
		return nil, err
	}
	v.group = *g.GroupId
	if err := f.admit(ctx, v, true); err != nil {
		return nil, err
	}
	acls, err := api.DescribeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{Filters: []ec2types.Filter{{Name: aws.String("vpc-id"), Values: []string{v.id}}}})
	if err != nil {
		return nil, err
	}
	v.acl = *acls.NetworkAcls[0].NetworkAclId
	at, err := f.lab.Vantage(v.subnets[0])
	v.vantage = probes.Placed{Spec: provision.Vantage{Name: "client", From: "lab", Zone: zones[0]}, Vantage: at}
	return v, err
}

// admit opens or closes the security group of all endpoints in a VPC.
func (f *fleet) admit(ctx context.Context, v *vpc, on bool) error {
	rule := []ec2types.IpPermission{{
		IpProtocol: aws.String("tcp"), FromPort: aws.Int32(port), ToPort: aws.Int32(port), IpRanges: []ec2types.IpRange{{CidrIp: aws.String("10.0.0.0/8")}},
	}}
	if on {
		_, err := f.consumer.EC2.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &v.group, IpPermissions: rule})
		return err
	}
	_, err := f.consumer.EC2.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: &v.group, IpPermissions: rule})
	return err
}

func (f *fleet) addLink(ctx context.Context, walk provision.Link, name string, v *vpc, s *service, settings provision.Canary) error {
	made, err := f.consumer.EC2.CreateVpcEndpoint(ctx, &ec2.CreateVpcEndpointInput{
		VpcId: &v.id, ServiceName: &s.name, VpcEndpointType: ec2types.VpcEndpointTypeInterface, SubnetIds: v.subnets, SecurityGroupIds: []string{v.group},
	})
	if err != nil {
		return err
	}
	link := walk
	link.Name, link.PrivateDNSName, link.Canary = name, s.private, settings
	link.Ports = []provision.Port{{Port: port, HTTP: &provision.HTTP{Path: "/"}}}
	link.Provider = provision.Provider{Party: walk.Provider.Party, ServiceID: s.id, ServiceName: s.name}
	link.Consumer = provision.Consumer{Party: walk.Consumer.Party, EndpointID: *made.VpcEndpoint.VpcEndpointId}
	link.Vantages = []provision.Vantage{v.vantage.Spec}
	v.endpoints[name] = link.Consumer.EndpointID
	v.links, s.links = append(v.links, name), append(s.links, name)
	f.links, f.from[name] = append(f.links, link), []probes.Placed{v.vantage}
	return nil
}

// ready waits until all endpoints are available, and gives them their private names.
func (f *fleet) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	return side(len(f.links), 16, func(i int) error { return f.name(ctx, f.links[i].Consumer.EndpointID, true) })
}

// side does n things, so many side by side.
func side(n, most int, do func(int) error) error {
	errs := make([]error, n)
	slots := make(chan struct{}, most)
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

// name switches an endpoint's private name on or off, and waits until that is so.
func (f *fleet) name(ctx context.Context, endpoint string, on bool) error {
	if err := f.available(ctx, endpoint); err != nil {
		return err
	}
	if _, err := f.consumer.EC2.ModifyVpcEndpoint(ctx, &ec2.ModifyVpcEndpointInput{VpcEndpointId: &endpoint, PrivateDnsEnabled: &on}); err != nil {
		return err
	}
	return f.available(ctx, endpoint)
}

func (f *fleet) available(ctx context.Context, endpoint string) error {
	for {
		out, err := f.consumer.EC2.DescribeVpcEndpoints(ctx, &ec2.DescribeVpcEndpointsInput{VpcEndpointIds: []string{endpoint}})
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

// look observes a link as the canary does.
func (f *fleet) look(ctx context.Context, l provision.Link, known *probes.Observation) (*probes.Observation, int64) {
	ctx, trace := awsapi.WithTrace(ctx)
	o := probes.Observe(ctx, l, probes.Sources{
		Provider: f.watching[0], Consumer: f.watching[1], Vantages: f.from[l.Name], PublicDNS: f.lab.Internet(),
	}, probes.Options{ReadFile: f.lab.ReadFile, Known: known, Engine: f.engine})
	return o, trace.End(func(int64) {})
}

// close ends the canary's clients and the lab.
func (f *fleet) close() error {
	f.engine.Close()
	for _, c := range f.watching {
		c.Close()
	}
	return f.lab.Close()
}
