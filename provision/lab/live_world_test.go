package lab_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	r53types "github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/linkassay/linkassay/provision/awsapi"
	"github.com/linkassay/linkassay/provision/lab"
)

const (
	liveRegion   = "ap-southeast-1"
	liveCIDR     = "10.0.0.0/16" // of both sides
	livePatience = 20 * time.Second
	// liveSilence is how long a connection that must get no answer is tried.
	liveSilence = 300 * time.Millisecond
)

// live is a whole link, built through the API, with real packets in it.
type live struct {
	t                  *testing.T
	ctx                context.Context
	lab                *lab.Lab
	provider, consumer *awsapi.Clients
	zones              []string // zone ids in order

	backVPC, frontVPC   string
	back, front         map[string]string // zone id -> subnet
	backGroup, endGroup string
	instances           map[string]string // zone id -> instance
	nlb                 string
	groups              map[int]string // port -> target group
	listeners           map[int]string // port -> listener
	service             *ec2types.ServiceConfiguration
	endpoint            *ec2types.VpcEndpoint
}

// liveOptions change what is built.
type liveOptions struct {
	nlbGroup   bool // the load balancer has a security group, which allows nothing
	noAccept   bool
	noHealth   bool // don't wait for healthy targets
	crossZone  bool
	targetZone string // only this zone has an instance
}

func liveTiming() lab.Timing {
	t := lab.Brisk()
	t.LoadBalancer, t.Endpoint, t.Deleting, t.Instance = 10*time.Millisecond, 10*time.Millisecond, 10*time.Millisecond, 5*time.Millisecond
	t.Change, t.Verification, t.Permission, t.VPC = 10*time.Millisecond, 10*time.Millisecond, 0, 0
	t.PrivateZone = 5 * time.Millisecond
	return t
}

func startLive(t *testing.T, opts lab.Options) *live {
	t.Helper()
	if opts.Timing == (lab.Timing{}) {
		opts.Timing = liveTiming()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
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
	v := useLive(t, ctx, l)
	t.Cleanup(v.provider.Close)
	t.Cleanup(v.consumer.Close)
	return v
}

// useLive opens the two accounts of a lab.
func useLive(t *testing.T, ctx context.Context, l *lab.Lab) *live {
	t.Helper()
	v := &live{
		t: t, ctx: ctx, lab: l, back: map[string]string{}, front: map[string]string{},
		instances: map[string]string{}, groups: map[int]string{}, listeners: map[int]string{},
	}
	open := func(profile string) *awsapi.Clients {
		id, secret, ok := l.Credentials(profile)
		if !ok {
			t.Fatalf("the lab has no profile %s", profile)
		}
		c, err := awsapi.Open(ctx, awsapi.Access{Region: liveRegion}, awsapi.WithStatic(l.URL(), id, secret))
		v.must("open "+profile, err)
		return c
	}
	v.provider, v.consumer = open("provider"), open("consumer")
	zones, err := v.provider.EC2.DescribeAvailabilityZones(ctx, &ec2.DescribeAvailabilityZonesInput{})
	v.must("describe zones", err)
	for _, z := range zones.AvailabilityZones {
		v.zones = append(v.zones, *z.ZoneId)
	}
	slices.Sort(v.zones)
	return v
}

// newLive builds a link up to an available endpoint with healthy targets.
func newLive(t *testing.T, o liveOptions) *live {
	t.Helper()
	v := startLive(t, lab.Options{})
	v.build(o)
	return v
}

func (v *live) build(o liveOptions) {
	v.t.Helper()
	v.backVPC = v.makeVPC(v.provider, v.back)
	v.frontVPC = v.makeVPC(v.consumer, v.front)
	v.backGroup = v.makeGroup(v.provider, v.backVPC, "targets")
	v.allow(v.provider, v.backGroup, liveCIDR, 0, 65535)
	v.endGroup = v.makeGroup(v.consumer, v.frontVPC, "endpoint")
	v.allow(v.consumer, v.endGroup, liveCIDR, 80, 443)
	for _, z := range v.zones {
		if o.targetZone == "" || o.targetZone == z {
			v.instances[z] = v.makeInstance(z, "")
		}
	}
	in := &elb.CreateLoadBalancerInput{
		Name: aws.String("front"), Type: elbtypes.LoadBalancerTypeEnumNetwork, Scheme: elbtypes.LoadBalancerSchemeEnumInternal,
	}
	for _, z := range v.zones {
		in.Subnets = append(in.Subnets, v.back[z])
	}
	if o.nlbGroup {
		in.SecurityGroups = []string{v.makeGroup(v.provider, v.backVPC, "nlb")}
	}
	lb, err := v.provider.ELB.CreateLoadBalancer(v.ctx, in)
	v.must("create the load balancer", err)
	v.nlb = *lb.LoadBalancers[0].LoadBalancerArn
	v.until("the load balancer is active", func() bool {
		out, err := v.provider.ELB.DescribeLoadBalancers(v.ctx, &elb.DescribeLoadBalancersInput{LoadBalancerArns: []string{v.nlb}})
		v.must("describe the load balancer", err)
		return out.LoadBalancers[0].State.Code == elbtypes.LoadBalancerStateEnumActive
	})
	if o.crossZone {
		v.balancerAttribute("load_balancing.cross_zone.enabled", "true")
	}
	v.listen(80, "HTTP")
	v.listen(443, "HTTPS")
	if !o.noHealth {
		v.untilHealth(80, "healthy")
		v.untilHealth(443, "healthy")
	}
	made, err := v.provider.EC2.CreateVpcEndpointServiceConfiguration(v.ctx, &ec2.CreateVpcEndpointServiceConfigurationInput{
		NetworkLoadBalancerArns: []string{v.nlb}, AcceptanceRequired: aws.Bool(true),
	})
	v.must("create the service", err)
	v.service = made.ServiceConfiguration
	_, err = v.provider.EC2.ModifyVpcEndpointServicePermissions(v.ctx, &ec2.ModifyVpcEndpointServicePermissionsInput{
		ServiceId: v.service.ServiceId, AddAllowedPrincipals: []string{"arn:aws:iam::222222222222:root"},
	})
	v.must("allow the consumer", err)
	var subnets []string
	for _, z := range v.zones {
		subnets = append(subnets, v.front[z])
	}
	end, err := v.consumer.EC2.CreateVpcEndpoint(v.ctx, &ec2.CreateVpcEndpointInput{
		VpcEndpointType: ec2types.VpcEndpointTypeInterface, VpcId: &v.frontVPC, ServiceName: v.service.ServiceName,
		SubnetIds: subnets, SecurityGroupIds: []string{v.endGroup}, PrivateDnsEnabled: aws.Bool(false),
	})
	v.must("create the endpoint", err)
	v.endpoint = end.VpcEndpoint
	if !o.noAccept {
		v.accept()
	}
}

func (v *live) must(what string, err error) {
	v.t.Helper()
	if err != nil {
		v.t.Fatalf("%s: %v", what, err)
	}
}

// until polls until the condition holds.
func (v *live) until(what string, holds func() bool) {
	v.t.Helper()
	deadline := time.After(livePatience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			v.t.Fatalf("after %s it is not so that %s", livePatience, what)
		case <-tick.C:
		}
	}
}

func (v *live) makeVPC(c *awsapi.Clients, subnets map[string]string) string {
	v.t.Helper()
	out, err := c.EC2.CreateVpc(v.ctx, &ec2.CreateVpcInput{CidrBlock: aws.String(liveCIDR)})
	v.must("create a VPC", err)
	_, err = c.EC2.ModifyVpcAttribute(v.ctx, &ec2.ModifyVpcAttributeInput{
		VpcId: out.Vpc.VpcId, EnableDnsHostnames: &ec2types.AttributeBooleanValue{Value: aws.Bool(true)},
	})
	v.must("enable DNS hostnames", err)
	for i, z := range v.zones {
		s, err := c.EC2.CreateSubnet(v.ctx, &ec2.CreateSubnetInput{
			VpcId: out.Vpc.VpcId, CidrBlock: aws.String(fmt.Sprintf("10.0.%d.0/24", i)), AvailabilityZoneId: aws.String(z),
		})
		v.must("create a subnet", err)
		subnets[z] = *s.Subnet.SubnetId
	}
	return *out.Vpc.VpcId
}

func (v *live) makeGroup(c *awsapi.Clients, vpc, name string) string {
	v.t.Helper()
	out, err := c.EC2.CreateSecurityGroup(v.ctx, &ec2.CreateSecurityGroupInput{VpcId: &vpc, GroupName: &name, Description: &name})
	v.must("create security group "+name, err)
	return *out.GroupId
}

func livePermission(cidr string, from, to int) []ec2types.IpPermission {
	return []ec2types.IpPermission{{
		IpProtocol: aws.String("tcp"), FromPort: aws.Int32(int32(from)), ToPort: aws.Int32(int32(to)),
		IpRanges: []ec2types.IpRange{{CidrIp: &cidr}},
	}}
}

func (v *live) allow(c *awsapi.Clients, group, cidr string, from, to int) {
	v.t.Helper()
	_, err := c.EC2.AuthorizeSecurityGroupIngress(v.ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: livePermission(cidr, from, to)})
	v.must("authorize ingress", err)
}

func (v *live) revoke(c *awsapi.Clients, group, cidr string, from, to int) {
	v.t.Helper()
	_, err := c.EC2.RevokeSecurityGroupIngress(v.ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: &group, IpPermissions: livePermission(cidr, from, to)})
	v.must("revoke ingress", err)
}

func (v *live) makeInstance(zone, userData string) string {
	v.t.Helper()
	out, err := v.provider.EC2.RunInstances(v.ctx, &ec2.RunInstancesInput{
		MinCount: aws.Int32(1), MaxCount: aws.Int32(1), ImageId: aws.String("resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"), InstanceType: ec2types.InstanceTypeT4gNano,
		SubnetId: aws.String(v.back[zone]), SecurityGroupIds: []string{v.backGroup},
		UserData: aws.String(base64.StdEncoding.EncodeToString([]byte(userData))),
	})
	v.must("run an instance", err)
	id := *out.Instances[0].InstanceId
	v.until("the instance runs", func() bool {
		out, err := v.provider.EC2.DescribeInstances(v.ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
		v.must("describe the instance", err)
		return out.Reservations[0].Instances[0].State.Name == ec2types.InstanceStateNameRunning
	})
	return id
}

// listen makes a target group of all instances and a listener for a port.
func (v *live) listen(port int, check string) {
	v.t.Helper()
	g, err := v.provider.ELB.CreateTargetGroup(v.ctx, &elb.CreateTargetGroupInput{
		Name: aws.String(fmt.Sprintf("on-%d", port)), Protocol: elbtypes.ProtocolEnumTcp, Port: aws.Int32(int32(port)), VpcId: &v.backVPC,
		TargetType: elbtypes.TargetTypeEnumInstance, HealthCheckProtocol: elbtypes.ProtocolEnum(check), HealthCheckPath: aws.String("/"),
		HealthCheckIntervalSeconds: aws.Int32(5), HealthyThresholdCount: aws.Int32(2), UnhealthyThresholdCount: aws.Int32(2),
	})
	v.must("create a target group", err)
	v.groups[port] = *g.TargetGroups[0].TargetGroupArn
	v.register(port)
	l, err := v.provider.ELB.CreateListener(v.ctx, &elb.CreateListenerInput{
		LoadBalancerArn: &v.nlb, Port: aws.Int32(int32(port)), Protocol: elbtypes.ProtocolEnumTcp,
		DefaultActions: []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: g.TargetGroups[0].TargetGroupArn}},
	})
	v.must("create a listener", err)
	v.listeners[port] = *l.Listeners[0].ListenerArn
}

func (v *live) targets() []elbtypes.TargetDescription {
	var out []elbtypes.TargetDescription
	for _, id := range v.instances {
		out = append(out, elbtypes.TargetDescription{Id: aws.String(id)})
	}
	return out
}

func (v *live) register(port int) {
	v.t.Helper()
	_, err := v.provider.ELB.RegisterTargets(v.ctx, &elb.RegisterTargetsInput{TargetGroupArn: aws.String(v.groups[port]), Targets: v.targets()})
	v.must("register targets", err)
}

func (v *live) balancerAttribute(key, value string) {
	v.t.Helper()
	_, err := v.provider.ELB.ModifyLoadBalancerAttributes(v.ctx, &elb.ModifyLoadBalancerAttributesInput{
		LoadBalancerArn: &v.nlb, Attributes: []elbtypes.LoadBalancerAttribute{{Key: &key, Value: &value}},
	})
	v.must("set "+key, err)
}

func (v *live) groupAttribute(port int, key, value string) {
	v.t.Helper()
	_, err := v.provider.ELB.ModifyTargetGroupAttributes(v.ctx, &elb.ModifyTargetGroupAttributesInput{
		TargetGroupArn: aws.String(v.groups[port]), Attributes: []elbtypes.TargetGroupAttribute{{Key: &key, Value: &value}},
	})
	v.must("set "+key, err)
}

// health describes the targets of a port's group by instance.
func (v *live) health(port int) map[string]elbtypes.TargetHealth {
	v.t.Helper()
	out, err := v.provider.ELB.DescribeTargetHealth(v.ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: aws.String(v.groups[port])})
	v.must("describe target health", err)
	found := map[string]elbtypes.TargetHealth{}
	for _, d := range out.TargetHealthDescriptions {
		found[*d.Target.Id] = *d.TargetHealth
	}
	return found
}

// untilHealth waits until all targets of a port, or those named, are in the state.
func (v *live) untilHealth(port int, state elbtypes.TargetHealthStateEnum, only ...string) {
	v.t.Helper()
	v.until(fmt.Sprintf("targets on %d are %s", port, state), func() bool {
		found := v.health(port)
		for id, h := range found {
			if h.State != state && (len(only) == 0 || slices.Contains(only, id)) {
				return false
			}
		}
		return len(found) > 0
	})
}

func (v *live) accept() {
	v.t.Helper()
	out, err := v.provider.EC2.AcceptVpcEndpointConnections(v.ctx, &ec2.AcceptVpcEndpointConnectionsInput{
		ServiceId: v.service.ServiceId, VpcEndpointIds: []string{*v.endpoint.VpcEndpointId},
	})
	v.must("accept", err)
	if len(out.Unsuccessful) > 0 {
		v.t.Fatalf("accept: %+v", out.Unsuccessful[0])
	}
	v.untilState("available")
}

func (v *live) untilState(state string) {
	v.t.Helper()
	v.until("the endpoint is "+state, func() bool {
		out, err := v.consumer.EC2.DescribeVpcEndpoints(v.ctx, &ec2.DescribeVpcEndpointsInput{VpcEndpointIds: []string{*v.endpoint.VpcEndpointId}})
		v.must("describe the endpoint", err)
		v.endpoint = &out.VpcEndpoints[0]
		return strings.EqualFold(string(v.endpoint.State), state)
	})
}

// vantage is a client in the consumer's subnet of the zone.
func (v *live) vantage(zone string) *lab.Vantage {
	v.t.Helper()
	p, err := v.lab.Vantage(v.front[zone])
	v.must("vantage", err)
	return p
}

// interfaces are the endpoint's addresses by zone id.
func (v *live) interfaces() map[string]netip.Addr {
	v.t.Helper()
	out, err := v.consumer.EC2.DescribeNetworkInterfaces(v.ctx, &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: v.endpoint.NetworkInterfaceIds})
	v.must("describe interfaces", err)
	found := map[string]netip.Addr{}
	for _, i := range out.NetworkInterfaces {
		for z, s := range v.front {
			if s == *i.SubnetId {
				found[z] = netip.MustParseAddr(*i.PrivateIpAddress)
			}
		}
	}
	return found
}

// regional is the endpoint's regional name.
func (v *live) regional() string { return *v.endpoint.DnsEntries[0].DnsName }

// txt creates or replaces a TXT record in the provider's public zone and waits for INSYNC.
func (v *live) txt(action r53types.ChangeAction, owner string, values ...string) {
	v.t.Helper()
	zones, err := v.provider.Route53.ListHostedZones(v.ctx, &route53.ListHostedZonesInput{})
	v.must("list hosted zones", err)
	set := &r53types.ResourceRecordSet{Name: &owner, Type: r53types.RRTypeTxt, TTL: aws.Int64(60)}
	for _, value := range values {
		set.ResourceRecords = append(set.ResourceRecords, r53types.ResourceRecord{Value: aws.String(`"` + value + `"`)})
	}
	out, err := v.provider.Route53.ChangeResourceRecordSets(v.ctx, &route53.ChangeResourceRecordSetsInput{
		HostedZoneId: zones.HostedZones[0].Id,
		ChangeBatch:  &r53types.ChangeBatch{Changes: []r53types.Change{{Action: action, ResourceRecordSet: set}}},
	})
	v.must(string(action)+" TXT "+owner, err)
	v.until("the change is in sync", func() bool {
		got, err := v.provider.Route53.GetChange(v.ctx, &route53.GetChangeInput{Id: out.ChangeInfo.Id})
		v.must("get change", err)
		return got.ChangeInfo.Status == r53types.ChangeStatusInsync
	})
}

// privateName sets the service's private DNS name and returns its verification.
func (v *live) privateName(name string) *ec2types.PrivateDnsNameConfiguration {
	v.t.Helper()
	_, err := v.provider.EC2.ModifyVpcEndpointServiceConfiguration(v.ctx, &ec2.ModifyVpcEndpointServiceConfigurationInput{
		ServiceId: v.service.ServiceId, PrivateDnsName: &name,
	})
	v.must("set the private name", err)
	return v.verification()
}

func (v *live) verification() *ec2types.PrivateDnsNameConfiguration {
	v.t.Helper()
	out, err := v.provider.EC2.DescribeVpcEndpointServiceConfigurations(v.ctx, &ec2.DescribeVpcEndpointServiceConfigurationsInput{ServiceIds: []string{*v.service.ServiceId}})
	v.must("describe the service", err)
	return out.ServiceConfigurations[0].PrivateDnsNameConfiguration
}

// verify starts the verification and waits for the state.
func (v *live) verify(want ec2types.DnsNameState) {
	v.t.Helper()
	_, err := v.provider.EC2.StartVpcEndpointServicePrivateDnsVerification(v.ctx, &ec2.StartVpcEndpointServicePrivateDnsVerificationInput{ServiceId: v.service.ServiceId})
	v.must("start the verification", err)
	v.until("the private name is "+string(want), func() bool { return v.verification().State == want })
}

// enablePrivateDNS verifies a name and turns private DNS on.
func (v *live) enablePrivateDNS(name string) {
	v.t.Helper()
	c := v.privateName(name)
	v.txt(r53types.ChangeActionUpsert, *c.Name+"."+strings.TrimPrefix(name, "*."), *c.Value)
	v.verify(ec2types.DnsNameStateVerified)
	_, err := v.consumer.EC2.ModifyVpcEndpoint(v.ctx, &ec2.ModifyVpcEndpointInput{VpcEndpointId: v.endpoint.VpcEndpointId, PrivateDnsEnabled: aws.Bool(true)})
	v.must("enable private DNS", err)
	v.untilState("available")
}
