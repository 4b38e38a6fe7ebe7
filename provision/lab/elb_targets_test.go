package lab_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/linkassay/linkassay/provision/lab"
)

func (b *basics) health(group string, named ...elbtypes.TargetDescription) []elbtypes.TargetHealthDescription {
	b.Helper()
	return ok[*elb.DescribeTargetHealthOutput](b)(b.elb.DescribeTargetHealth(b.ctx, &elb.DescribeTargetHealthInput{
		TargetGroupArn: &group, Targets: named,
	})).TargetHealthDescriptions
}

func (b *basics) register(group string, ids ...string) (*elb.RegisterTargetsOutput, error) {
	return b.elb.RegisterTargets(b.ctx, &elb.RegisterTargetsInput{TargetGroupArn: &group, Targets: targets(ids...)})
}

func (b *basics) deregister(group string, ids ...string) (*elb.DeregisterTargetsOutput, error) {
	return b.elb.DeregisterTargets(b.ctx, &elb.DeregisterTargetsInput{TargetGroupArn: &group, Targets: targets(ids...)})
}

func targets(ids ...string) []elbtypes.TargetDescription {
	var out []elbtypes.TargetDescription
	for _, id := range ids {
		out = append(out, elbtypes.TargetDescription{Id: &id})
	}
	return out
}

func TestTargetGroupDefaults(t *testing.T) {
	t.Parallel()
	b := newBasics(t, nil)
	v := b.vpc("10.0.0.0/16")
	g := b.targetGroup("tg", v, elbtypes.TargetTypeEnumInstance)
	equal(b, "health check protocol", g.HealthCheckProtocol, elbtypes.ProtocolEnumTcp)
	equal(b, "health check port", *g.HealthCheckPort, "traffic-port")
	equal(b, "interval", *g.HealthCheckIntervalSeconds, 30)
	equal(b, "timeout", *g.HealthCheckTimeoutSeconds, 10)
	equal(b, "healthy threshold", *g.HealthyThresholdCount, 5)
	equal(b, "unhealthy threshold", *g.UnhealthyThresholdCount, 2)
	attributes := map[string]string{}
	for _, a := range ok[*elb.DescribeTargetGroupAttributesOutput](b)(b.elb.DescribeTargetGroupAttributes(b.ctx, &elb.DescribeTargetGroupAttributesInput{TargetGroupArn: g.TargetGroupArn})).Attributes {
		attributes[*a.Key] = *a.Value
	}
	for k, want := range map[string]string{
		"proxy_protocol_v2.enabled": "false", "preserve_client_ip.enabled": "true", "deregistration_delay.timeout_seconds": "300",
		"load_balancing.cross_zone.enabled": "use_load_balancer_configuration",
	} {
		equal(b, k, attributes[k], want)
	}
	modified := ok[*elb.ModifyTargetGroupOutput](b)(b.elb.ModifyTargetGroup(b.ctx, &elb.ModifyTargetGroupInput{
		TargetGroupArn: g.TargetGroupArn, HealthCheckProtocol: elbtypes.ProtocolEnumHttp, HealthCheckPath: aws.String("/healthz"),
		HealthCheckPort: aws.String("8080"), HealthCheckIntervalSeconds: aws.Int32(10), Matcher: &elbtypes.Matcher{HttpCode: aws.String("200-299")},
	})).TargetGroups[0]
	equal(b, "HTTP timeout", *modified.HealthCheckTimeoutSeconds, 6)
	equal(b, "matcher", *modified.Matcher.HttpCode, "200-299")
	again, err := b.elb.CreateTargetGroup(b.ctx, &elb.CreateTargetGroupInput{
		Name: aws.String("tg"), VpcId: &v, Protocol: elbtypes.ProtocolEnumTcp, Port: aws.Int32(80), TargetType: elbtypes.TargetTypeEnumInstance,
	})
	refused[*elb.CreateTargetGroupOutput](b, "DuplicateTargetGroupName", "")(again, err)

	for _, tc := range []struct {
		code string
		set  func(*elb.CreateTargetGroupInput)
	}{
		{"ValidationError", func(in *elb.CreateTargetGroupInput) { in.Protocol = "" }},
		{"ValidationError", func(in *elb.CreateTargetGroupInput) { in.Port = nil }},
		{"ValidationError", func(in *elb.CreateTargetGroupInput) { in.VpcId = aws.String("vpc-0") }},
		{"ValidationError", func(in *elb.CreateTargetGroupInput) { in.HealthCheckIntervalSeconds = aws.Int32(4) }},
		{"ValidationError", func(in *elb.CreateTargetGroupInput) {
			in.HealthCheckIntervalSeconds, in.HealthCheckTimeoutSeconds = aws.Int32(5), aws.Int32(6)
		}},
		{"ValidationError", func(in *elb.CreateTargetGroupInput) { in.HealthCheckPort = aws.String("http") }},
		{"InvalidConfigurationRequest", func(in *elb.CreateTargetGroupInput) { in.HealthCheckPath = aws.String("/") }},
		{"InvalidConfigurationRequest", func(in *elb.CreateTargetGroupInput) { in.HealthCheckProtocol = elbtypes.ProtocolEnumUdp }},
		{"InvalidConfigurationRequest", func(in *elb.CreateTargetGroupInput) { in.TargetType = elbtypes.TargetTypeEnumLambda }},
	} {
		in := &elb.CreateTargetGroupInput{Name: aws.String("new"), VpcId: &v, Protocol: elbtypes.ProtocolEnumTcp, Port: aws.Int32(80)}
		tc.set(in)
		refused[*elb.CreateTargetGroupOutput](b, tc.code, "")(b.elb.CreateTargetGroup(b.ctx, in))
	}
	refused[*elb.DescribeTargetGroupsOutput](b, "TargetGroupNotFound", "")(b.elb.DescribeTargetGroups(b.ctx, &elb.DescribeTargetGroupsInput{Names: []string{"new"}}))
}

func TestListeners(t *testing.T) {
	t.Parallel()
	b := newBasics(t, nil)
	v := b.vpc("10.0.0.0/16")
	s := b.subnet(v, "10.0.1.0/24", zoneID(1))
	lb, other := b.balancer("one", s), b.balancer("two", s)
	tg, spare := b.targetGroup("tg", v, elbtypes.TargetTypeEnumIp), b.targetGroup("spare", v, elbtypes.TargetTypeEnumIp)
	l := b.listener(*lb.LoadBalancerArn, *tg.TargetGroupArn, 80)
	if got := ok[*elb.DescribeTargetGroupsOutput](b)(b.elb.DescribeTargetGroups(b.ctx, &elb.DescribeTargetGroupsInput{LoadBalancerArn: lb.LoadBalancerArn})).TargetGroups; len(got) != 1 || got[0].LoadBalancerArns[0] != *lb.LoadBalancerArn {
		t.Errorf("target groups of the load balancer: %+v", got)
	}
	create := func(arn *string, port int32, p elbtypes.ProtocolEnum, group *string) (*elb.CreateListenerOutput, error) {
		return b.elb.CreateListener(b.ctx, &elb.CreateListenerInput{LoadBalancerArn: arn, Port: &port, Protocol: p, DefaultActions: forward(*group)})
	}
	refused[*elb.CreateListenerOutput](b, "DuplicateListener", "")(create(lb.LoadBalancerArn, 80, "TCP", spare.TargetGroupArn))
	refused[*elb.CreateListenerOutput](b, "UnsupportedProtocol", "")(create(lb.LoadBalancerArn, 81, "HTTP", spare.TargetGroupArn))
	refused[*elb.CreateListenerOutput](b, "IncompatibleProtocols", "")(create(lb.LoadBalancerArn, 81, "UDP", spare.TargetGroupArn))
	refused[*elb.CreateListenerOutput](b, "ValidationError", "A certificate must be specified for TLS listeners")(create(lb.LoadBalancerArn, 81, "TLS", spare.TargetGroupArn))
	refused[*elb.CreateListenerOutput](b, "TargetGroupAssociationLimit", "")(create(other.LoadBalancerArn, 80, "TCP", tg.TargetGroupArn))
	missing := *tg.TargetGroupArn + "0"
	refused[*elb.CreateListenerOutput](b, "TargetGroupNotFound", "")(create(lb.LoadBalancerArn, 81, "TCP", &missing))
	refused[*elb.DeleteTargetGroupOutput](b, "ResourceInUse", "")(b.elb.DeleteTargetGroup(b.ctx, &elb.DeleteTargetGroupInput{TargetGroupArn: tg.TargetGroupArn}))

	tls := ok[*elb.CreateListenerOutput](b)(b.elb.CreateListener(b.ctx, &elb.CreateListenerInput{
		LoadBalancerArn: lb.LoadBalancerArn, Port: aws.Int32(443), Protocol: elbtypes.ProtocolEnumTls, DefaultActions: forward(*tg.TargetGroupArn),
		Certificates: []elbtypes.Certificate{{CertificateArn: aws.String("arn:aws:acm:ap-southeast-1:111111111111:certificate/x")}},
	})).Listeners[0]
	equal(b, "certificates", len(tls.Certificates), 1)
	changed := ok[*elb.ModifyListenerOutput](b)(b.elb.ModifyListener(b.ctx, &elb.ModifyListenerInput{
		ListenerArn: l.ListenerArn, Port: aws.Int32(8080), DefaultActions: forward(*spare.TargetGroupArn),
	})).Listeners[0]
	equal(b, "the new target group", *changed.DefaultActions[0].TargetGroupArn, *spare.TargetGroupArn)
	refused[*elb.ModifyListenerOutput](b, "DuplicateListener", "")(b.elb.ModifyListener(b.ctx, &elb.ModifyListenerInput{ListenerArn: l.ListenerArn, Port: aws.Int32(443)}))
	all := ok[*elb.DescribeListenersOutput](b)(b.elb.DescribeListeners(b.ctx, &elb.DescribeListenersInput{LoadBalancerArn: lb.LoadBalancerArn})).Listeners
	if len(all) != 2 || *all[0].Port != 8080 || *all[1].Port != 443 {
		t.Errorf("listeners: %+v", all)
	}
	out := ok[*elb.ModifyListenerAttributesOutput](b)(b.elb.ModifyListenerAttributes(b.ctx, &elb.ModifyListenerAttributesInput{
		ListenerArn: l.ListenerArn, Attributes: []elbtypes.ListenerAttribute{{Key: aws.String("tcp.idle_timeout.seconds"), Value: aws.String("600")}},
	})).Attributes
	equal(b, "idle timeout", *out[0].Value, "600")
	refused[*elb.DescribeListenersOutput](b, "ValidationError", "")(b.elb.DescribeListeners(b.ctx, &elb.DescribeListenersInput{}))
	ok[*elb.DeleteListenerOutput](b)(b.elb.DeleteListener(b.ctx, &elb.DeleteListenerInput{ListenerArn: l.ListenerArn}))
	refused[*elb.DeleteListenerOutput](b, "ListenerNotFound", "")(b.elb.DeleteListener(b.ctx, &elb.DeleteListenerInput{ListenerArn: l.ListenerArn}))
}

func TestTargets(t *testing.T) {
	t.Parallel()
	b := newBasics(t, func(o *lab.Options) { o.Timing.HealthScale = 3000 }) // draining takes 100 ms
	v, w := b.vpc("10.0.0.0/16"), b.vpc("10.0.0.0/16")
	s1, s2 := b.subnet(v, "10.0.1.0/24", zoneID(1)), b.subnet(v, "10.0.2.0/24", zoneID(2))
	i1, i2 := *b.run(s1, 1)[0].InstanceId, *b.run(s2, 1)[0].InstanceId
	foreign := *b.run(b.subnet(w, "10.0.1.0/24", zoneID(1)), 1)[0].InstanceId
	lb := b.balancer("one", s1)
	byID, byIP := b.targetGroup("id", v, elbtypes.TargetTypeEnumInstance), b.targetGroup("ip", v, elbtypes.TargetTypeEnumIp)
	tg := *byID.TargetGroupArn

	refused[*elb.RegisterTargetsOutput](b, "InvalidTarget", "")(b.register(tg, "i-0"))
	refused[*elb.RegisterTargetsOutput](b, "InvalidTarget", "")(b.register(tg, i1, foreign))
	equal(b, "targets after refusals", len(b.health(tg)), 0)
	refused[*elb.RegisterTargetsOutput](b, "InvalidTarget", "")(b.register(*byIP.TargetGroupArn, "192.0.2.1"))
	refused[*elb.RegisterTargetsOutput](b, "ValidationError", "")(b.register(*byIP.TargetGroupArn, i1))
	ok[*elb.RegisterTargetsOutput](b)(b.register(*byIP.TargetGroupArn, "10.0.2.99"))

	ok[*elb.RegisterTargetsOutput](b)(b.register(tg, i1, i2))
	ok[*elb.RegisterTargetsOutput](b)(b.register(tg, i1)) // a repetition
	h := b.health(tg)
	if len(h) != 2 || h[0].TargetHealth.State != elbtypes.TargetHealthStateEnumUnused || h[0].TargetHealth.Reason != elbtypes.TargetHealthReasonEnumNotInUse {
		t.Fatalf("without a listener: %+v", h)
	}
	equal(b, "the group's port", *h[0].Target.Port, 80)
	equal(b, "the health check's port", *h[0].HealthCheckPort, "80")

	b.listener(*lb.LoadBalancerArn, tg, 80)
	h = b.health(tg)
	if h[0].TargetHealth.Reason == elbtypes.TargetHealthReasonEnumNotInUse {
		t.Errorf("with a listener: %+v", h[0].TargetHealth)
	}
	if h[1].TargetHealth.State != elbtypes.TargetHealthStateEnumUnused || *h[1].TargetHealth.Description != "Target is in an Availability Zone that is not enabled for the load balancer" {
		t.Errorf("in a zone without load balancer: %+v", h[1].TargetHealth)
	}
	if h[0].Target.AvailabilityZone == nil || h[1].Target.AvailabilityZone == nil || *h[0].Target.AvailabilityZone == *h[1].Target.AvailabilityZone {
		t.Errorf("zones of the targets: %+v", h)
	}
	named := b.health(tg, elbtypes.TargetDescription{Id: aws.String(i1), Port: aws.Int32(81)})
	if len(named) != 1 || named[0].TargetHealth.Reason != elbtypes.TargetHealthReasonEnumNotRegistered {
		t.Errorf("a target that is not registered: %+v", named)
	}

	ok[*ec2.StopInstancesOutput](b)(b.ec2.StopInstances(b.ctx, &ec2.StopInstancesInput{InstanceIds: []string{i1}}))
	if h = b.health(tg); h[0].TargetHealth.Reason != elbtypes.TargetHealthReasonEnumInvalidState {
		t.Errorf("a stopped instance: %+v", h[0].TargetHealth)
	}
	refused[*elb.RegisterTargetsOutput](b, "InvalidTarget", "The following targets are not in a running state and cannot be registered: '"+i1+"'")(b.register(tg, i1))
	b.reach(i1, ec2types.InstanceStateNameStopped)

	ok[*elb.DeregisterTargetsOutput](b)(b.deregister(tg, i2))
	if h = b.health(tg); len(h) != 2 || h[1].TargetHealth.State != elbtypes.TargetHealthStateEnumDraining || h[1].TargetHealth.Reason != elbtypes.TargetHealthReasonEnumDeregistrationInProgress {
		t.Errorf("deregistering: %+v", h)
	}
	b.until("the target is gone", func() bool { return len(b.health(tg)) == 1 })
	refused[*elb.DeregisterTargetsOutput](b, "InvalidTarget", "")(b.deregister(tg, i2))
	ok[*elb.DeregisterTargetsOutput](b)(b.deregister(*byIP.TargetGroupArn, "10.0.2.99"))
	equal(b, "targets of an unused group", len(b.health(*byIP.TargetGroupArn)), 0)
}

// A target that is registered again while it drains must not vanish when its old delay is over.
func TestRegisterWhileDraining(t *testing.T) {
	t.Parallel()
	b := newBasics(t, func(o *lab.Options) { o.Timing.HealthScale = 3000 })
	v := b.vpc("10.0.0.0/16")
	s := b.subnet(v, "10.0.1.0/24", zoneID(1))
	tg := *b.targetGroup("ip", v, elbtypes.TargetTypeEnumIp).TargetGroupArn
	b.listener(*b.balancer("one", s).LoadBalancerArn, tg, 80)
	ok[*elb.RegisterTargetsOutput](b)(b.register(tg, "10.0.1.9"))
	start := time.Now()
	ok[*elb.DeregisterTargetsOutput](b)(b.deregister(tg, "10.0.1.9"))
	ok[*elb.RegisterTargetsOutput](b)(b.register(tg, "10.0.1.9"))
	b.until("the old delay is over", func() bool {
		if h := b.health(tg); len(h) != 1 || h[0].TargetHealth.State == elbtypes.TargetHealthStateEnumDraining {
			t.Fatalf("targets: %+v", h)
		}
		return time.Since(start) > 200*time.Millisecond
	})
}

// An address of the load balancer itself can be registered, and is never used.
func TestLoadBalancerAsTarget(t *testing.T) {
	t.Parallel()
	b := newBasics(t, nil)
	v := b.vpc("10.0.0.0/16")
	lb := *b.balancer("svc", b.subnet(v, "10.0.1.0/24", zoneID(1))).LoadBalancerArn
	tg := *b.targetGroup("tg", v, elbtypes.TargetTypeEnumIp).TargetGroupArn
	b.listener(lb, tg, 80)
	node := ok[*ec2.DescribeNetworkInterfacesOutput](b)(b.ec2.DescribeNetworkInterfaces(b.ctx, &ec2.DescribeNetworkInterfacesInput{
		Filters: filterBy("interface-type", "network_load_balancer"),
	})).NetworkInterfaces[0].PrivateIpAddress
	ok[*elb.RegisterTargetsOutput](b)(b.elb.RegisterTargets(b.ctx, &elb.RegisterTargetsInput{
		TargetGroupArn: &tg, Targets: []elbtypes.TargetDescription{{Id: node}},
	}))
	health := ok[*elb.DescribeTargetHealthOutput](b)(b.elb.DescribeTargetHealth(b.ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: &tg})).TargetHealthDescriptions[0].TargetHealth
	equal(b, "state", health.State, elbtypes.TargetHealthStateEnumUnused)
	equal(b, "reason", health.Reason, elbtypes.TargetHealthReasonEnumIpUnusable)
}
