package lab_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	r53types "github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/linkassay/linkassay/provision/lab"
)

const (
	plRegion   = "ap-southeast-1"
	plProvider = "111111111111"
	plConsumer = "222222222222"
)

// plWorld is a lab with what every PrivateLink test needs: the provider's load balancer in two zones
// out of three, and a consumer VPC with a subnet in each zone.
type plWorld struct {
	t        *testing.T
	ctx      context.Context
	lab      *lab.Lab
	http     *plHTTP
	provider *plSide
	consumer *plSide
	nlb      string
	nlbZones []string // zone ids
	vpc      string
	subnets  map[string]string // zone id -> the consumer's subnet
	zones    []string          // all zone ids
	spare    string            // the provider's subnet in the zone without load balancer
	back     []string          // the provider's subnets under the load balancer
}

// plSide is one account through the SDK. It does not retry, so that tests see every answer.
type plSide struct {
	ec2 *ec2.Client
	elb *elb.Client
	r53 *route53.Client
	sts *sts.Client
}

func (p *plWorld) open(id, secret, token string) *plSide {
	cfg := aws.Config{
		Region:      plRegion,
		Credentials: credentials.NewStaticCredentialsProvider(id, secret, token),
		Retryer:     func() aws.Retryer { return aws.NopRetryer{} },
		HTTPClient:  p.http,
	}
	url := aws.String(p.lab.URL())
	return &plSide{
		ec2: ec2.NewFromConfig(cfg, func(o *ec2.Options) { o.BaseEndpoint = url }),
		elb: elb.NewFromConfig(cfg, func(o *elb.Options) { o.BaseEndpoint = url }),
		r53: route53.NewFromConfig(cfg, func(o *route53.Options) { o.BaseEndpoint = url }),
		sts: sts.NewFromConfig(cfg, func(o *sts.Options) { o.BaseEndpoint = url }),
	}
}

// plHTTP hides from net/http that the SDK's request bodies are io.WriterTo. smithy-go closes a body as
// soon as the response's header is there, and its WriteTo then answers io.EOF where it should answer
// nil: net/http takes that for a failed request and closes the connection under the response. Only a
// server as fast as one on loopback can show that.
type plHTTP struct{ client http.Client }

func (c *plHTTP) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return c.client.Do(r)
}

func newPLWorld(t *testing.T, set func(*lab.Options)) *plWorld {
	t.Helper()
	opts := lab.Options{Timing: lab.Brisk()}
	opts.Timing.Permission = 0
	if set != nil {
		set(&opts)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	l, err := lab.Start(ctx, opts)
	if err != nil {
		t.Fatalf("start the lab: %v", err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close the lab: %v", err)
		}
	})
	p := &plWorld{t: t, ctx: ctx, lab: l, subnets: map[string]string{}, http: &plHTTP{http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2}}}}
	t.Cleanup(p.http.client.CloseIdleConnections)
	open := func(profile string) *plSide {
		id, secret, ok := l.Credentials(profile)
		if !ok {
			t.Fatalf("the lab has no profile %s", profile)
		}
		return p.open(id, secret, "")
	}
	p.provider, p.consumer = open("provider"), open("consumer")
	for _, z := range p.zoneNames(p.provider) {
		p.zones = append(p.zones, z.id)
	}
	slices.Sort(p.zones)

	back := p.makeVPC(p.provider)
	for i, z := range p.zones {
		id := p.makeSubnet(p.provider, back, z, i)
		if i == len(p.zones)-1 {
			p.spare = id
			break
		}
		p.back, p.nlbZones = append(p.back, id), append(p.nlbZones, z)
	}
	p.nlb = p.makeBalancer("front", p.back...)
	p.vpc = p.makeVPC(p.consumer)
	for i, z := range p.zones {
		p.subnets[z] = p.makeSubnet(p.consumer, p.vpc, z, i)
	}
	return p
}

type plZone struct{ name, id string }

func (p *plWorld) zoneNames(s *plSide) []plZone {
	p.t.Helper()
	out, err := s.ec2.DescribeAvailabilityZones(p.ctx, &ec2.DescribeAvailabilityZonesInput{})
	p.must("describe zones", err)
	var zones []plZone
	for _, z := range out.AvailabilityZones {
		zones = append(zones, plZone{aws.ToString(z.ZoneName), aws.ToString(z.ZoneId)})
	}
	return zones
}

func (p *plWorld) must(what string, err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatalf("%s: %v", what, err)
	}
}

func (p *plWorld) makeVPC(s *plSide) string {
	p.t.Helper()
	out, err := s.ec2.CreateVpc(p.ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
	p.must("create the VPC", err)
	id := aws.ToString(out.Vpc.VpcId)
	p.until("the VPC is available", func() bool {
		out, err := s.ec2.DescribeVpcs(p.ctx, &ec2.DescribeVpcsInput{VpcIds: []string{id}})
		return err == nil && out.Vpcs[0].State == ec2types.VpcStateAvailable
	})
	return id
}

func (p *plWorld) dnsHostnames(vpc string, on bool) {
	p.t.Helper()
	_, err := p.consumer.ec2.ModifyVpcAttribute(p.ctx, &ec2.ModifyVpcAttributeInput{
		VpcId: aws.String(vpc), EnableDnsHostnames: &ec2types.AttributeBooleanValue{Value: aws.Bool(on)},
	})
	p.must("set enableDnsHostnames", err)
}

func (p *plWorld) makeSubnet(s *plSide, vpc, zoneID string, i int) string {
	p.t.Helper()
	out, err := s.ec2.CreateSubnet(p.ctx, &ec2.CreateSubnetInput{
		VpcId: aws.String(vpc), AvailabilityZoneId: aws.String(zoneID),
		CidrBlock: aws.String("10.0." + string(rune('1'+i)) + ".0/24"),
	})
	p.must("create the subnet", err)
	return aws.ToString(out.Subnet.SubnetId)
}

func (p *plWorld) makeBalancer(name string, subnets ...string) string {
	p.t.Helper()
	out, err := p.provider.elb.CreateLoadBalancer(p.ctx, &elb.CreateLoadBalancerInput{
		Name: aws.String(name), Type: elbtypes.LoadBalancerTypeEnumNetwork, Scheme: elbtypes.LoadBalancerSchemeEnumInternal, Subnets: subnets,
	})
	p.must("create the load balancer", err)
	arn := aws.ToString(out.LoadBalancers[0].LoadBalancerArn)
	p.until("the load balancer is active", func() bool {
		out, err := p.provider.elb.DescribeLoadBalancers(p.ctx, &elb.DescribeLoadBalancersInput{LoadBalancerArns: []string{arn}})
		return err == nil && out.LoadBalancers[0].State.Code == elbtypes.LoadBalancerStateEnumActive
	})
	return arn
}

func (p *plWorld) makeService(acceptance bool, allowed ...string) *ec2types.ServiceConfiguration {
	p.t.Helper()
	out, err := p.provider.ec2.CreateVpcEndpointServiceConfiguration(p.ctx, &ec2.CreateVpcEndpointServiceConfigurationInput{
		NetworkLoadBalancerArns: []string{p.nlb}, AcceptanceRequired: aws.Bool(acceptance),
	})
	p.must("create the service", err)
	if len(allowed) > 0 {
		p.allow(out.ServiceConfiguration, allowed...)
	}
	return out.ServiceConfiguration
}

func (p *plWorld) allow(s *ec2types.ServiceConfiguration, principals ...string) {
	p.t.Helper()
	_, err := p.provider.ec2.ModifyVpcEndpointServicePermissions(p.ctx, &ec2.ModifyVpcEndpointServicePermissionsInput{
		ServiceId: s.ServiceId, AddAllowedPrincipals: principals,
	})
	p.must("add principals", err)
}

// request is a good request for an endpoint in the zones of the load balancer.
func (p *plWorld) request(s *ec2types.ServiceConfiguration) *ec2.CreateVpcEndpointInput {
	return &ec2.CreateVpcEndpointInput{
		VpcEndpointType: ec2types.VpcEndpointTypeInterface, VpcId: aws.String(p.vpc), ServiceName: s.ServiceName,
		SubnetIds: []string{p.subnets[p.nlbZones[0]], p.subnets[p.nlbZones[1]]}, PrivateDnsEnabled: aws.Bool(false),
	}
}

func (p *plWorld) makeEndpoint(s *ec2types.ServiceConfiguration) *ec2types.VpcEndpoint {
	p.t.Helper()
	out, err := p.consumer.ec2.CreateVpcEndpoint(p.ctx, p.request(s))
	p.must("create the endpoint", err)
	return out.VpcEndpoint
}

func (p *plWorld) endpoint(id *string) *ec2types.VpcEndpoint {
	p.t.Helper()
	out, err := p.consumer.ec2.DescribeVpcEndpoints(p.ctx, &ec2.DescribeVpcEndpointsInput{VpcEndpointIds: []string{*id}})
	p.must("describe the endpoint", err)
	return &out.VpcEndpoints[0]
}

func (p *plWorld) untilState(id *string, state string) {
	p.t.Helper()
	p.until("endpoint "+*id+" is "+state, func() bool { return string(p.endpoint(id).State) == state })
}

func (p *plWorld) accept(s *ec2types.ServiceConfiguration, ids ...string) []ec2types.UnsuccessfulItem {
	p.t.Helper()
	out, err := p.provider.ec2.AcceptVpcEndpointConnections(p.ctx, &ec2.AcceptVpcEndpointConnectionsInput{ServiceId: s.ServiceId, VpcEndpointIds: ids})
	p.must("accept", err)
	return out.Unsuccessful
}

func (p *plWorld) reject(s *ec2types.ServiceConfiguration, ids ...string) []ec2types.UnsuccessfulItem {
	p.t.Helper()
	out, err := p.provider.ec2.RejectVpcEndpointConnections(p.ctx, &ec2.RejectVpcEndpointConnectionsInput{ServiceId: s.ServiceId, VpcEndpointIds: ids})
	p.must("reject", err)
	return out.Unsuccessful
}

func (p *plWorld) configuration(s *ec2types.ServiceConfiguration) *ec2types.ServiceConfiguration {
	p.t.Helper()
	out, err := p.provider.ec2.DescribeVpcEndpointServiceConfigurations(p.ctx, &ec2.DescribeVpcEndpointServiceConfigurationsInput{ServiceIds: []string{*s.ServiceId}})
	p.must("describe the service", err)
	return &out.ServiceConfigurations[0]
}

// verify gives the service the private name and proves it with a TXT record in the provider's zone.
func (p *plWorld) verify(s *ec2types.ServiceConfiguration, name string) {
	p.t.Helper()
	_, err := p.provider.ec2.ModifyVpcEndpointServiceConfiguration(p.ctx, &ec2.ModifyVpcEndpointServiceConfigurationInput{ServiceId: s.ServiceId, PrivateDnsName: aws.String(name)})
	p.must("set the private name", err)
	c := p.configuration(s).PrivateDnsNameConfiguration
	zones, err := p.provider.r53.ListHostedZonesByName(p.ctx, &route53.ListHostedZonesByNameInput{DNSName: aws.String("chartsinvestor.com")})
	p.must("find the public zone", err)
	_, err = p.provider.r53.ChangeResourceRecordSets(p.ctx, &route53.ChangeResourceRecordSetsInput{
		HostedZoneId: zones.HostedZones[0].Id,
		ChangeBatch: &r53types.ChangeBatch{Changes: []r53types.Change{{
			Action: r53types.ChangeActionUpsert,
			ResourceRecordSet: &r53types.ResourceRecordSet{
				Name: aws.String(*c.Name + "." + name), Type: r53types.RRTypeTxt, TTL: aws.Int64(1800),
				ResourceRecords: []r53types.ResourceRecord{{Value: aws.String(`"` + *c.Value + `"`)}},
			},
		}}},
	})
	p.must("make the TXT record", err)
	start := func() {
		_, err := p.provider.ec2.StartVpcEndpointServicePrivateDnsVerification(p.ctx, &ec2.StartVpcEndpointServicePrivateDnsVerificationInput{ServiceId: s.ServiceId})
		p.must("start the verification", err)
	}
	start()
	p.until("the name is verified", func() bool {
		switch p.configuration(s).PrivateDnsNameConfiguration.State {
		case ec2types.DnsNameStateVerified:
			return true
		case ec2types.DnsNameStateFailed: // the name servers did not have the record yet
			start()
		}
		return false
	})
}

// until polls a condition until it holds or the test's time is over.
func (p *plWorld) until(what string, holds func() bool) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			p.t.Fatalf("waited too long until %s", what)
		case <-tick.C:
		}
	}
}

// refused asserts an API error by its code and what its message holds.
func (p *plWorld) refused(err error, code, text string) {
	p.t.Helper()
	var api smithy.APIError
	switch {
	case !errors.As(err, &api):
		p.t.Errorf("got %v, want the API error %s", err, code)
	case api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), text):
		p.t.Errorf("got %s %q, want %s with %q", api.ErrorCode(), api.ErrorMessage(), code, text)
	}
}

// failedItem asserts that exactly one item failed.
func (p *plWorld) failedItem(items []ec2types.UnsuccessfulItem, id, code, text string) {
	p.t.Helper()
	if len(items) != 1 || aws.ToString(items[0].ResourceId) != id || aws.ToString(items[0].Error.Code) != code ||
		!strings.Contains(aws.ToString(items[0].Error.Message), text) {
		p.t.Errorf("got the unsuccessful items %s, want %s for %s with %q", plShow(items), code, id, text)
	}
}

func plShow(items []ec2types.UnsuccessfulItem) string {
	var b strings.Builder
	for _, i := range items {
		b.WriteString(aws.ToString(i.ResourceId) + ": " + aws.ToString(i.Error.Code) + " " + aws.ToString(i.Error.Message) + "; ")
	}
	return "[" + b.String() + "]"
}

func plRoot(account string) string { return "arn:aws:iam::" + account + ":root" }

// plEq asserts that two values are the same.
func plEq[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func plSame(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}
