package lab_test

import (
	"maps"
	"net/netip"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/linkassay/linkassay/provision/lab"
)

func TestListenersAndTargetsRefuse(t *testing.T) {
	t.Parallel()
	v := newLive(t, liveOptions{})
	z := v.zones[0]
	from, addr := v.vantage(z), v.interfaces()[z]
	if got := v.connectBriefly(from, addr, 8081); got != "silence" {
		t.Errorf("port 8081, which the security group doesn't allow: %s, want silence", got)
	}
	v.allow(v.consumer, v.endGroup, liveCIDR, 8081, 8081)
	if got := v.connect(from, addr, 8081); got != "refused" {
		t.Errorf("no listener: %s, want refused", got)
	}
	_, err := v.provider.ELB.DeleteListener(v.ctx, &elb.DeleteListenerInput{ListenerArn: aws.String(v.listeners[443])})
	v.must("delete the listener", err)
	if got := v.connect(from, addr, 443); got != "refused" {
		t.Errorf("listener deleted: %s, want refused", got)
	}
	v.untilHealth(443, "unused")
	for id, h := range v.health(443) {
		if h.Reason != elbtypes.TargetHealthReasonEnumNotInUse {
			t.Errorf("%s: reason %s", id, h.Reason)
		}
	}
	_, err = v.provider.ELB.DeregisterTargets(v.ctx, &elb.DeregisterTargetsInput{TargetGroupArn: aws.String(v.groups[80]), Targets: v.targets()})
	v.must("deregister", err)
	v.until("no target is registered", func() bool { return len(v.health(80)) == 0 })
	if got := v.connect(from, addr, 80); got != "refused" {
		t.Errorf("no targets: %s, want refused", got)
	}
}

func TestStoppedServersAreNoticed(t *testing.T) {
	t.Parallel()
	v := newLive(t, liveOptions{})
	bad, good := v.zones[0], v.zones[1]
	at := v.interfaces()
	all := slices.SortedFunc(maps.Values(at), netip.Addr.Compare)
	v.until("the regional name has all interfaces", func() bool { return slices.Equal(v.addresses(v.vantage(good), v.regional()), all) })

	v.must("stop servers", v.lab.StopServers(v.instances[bad]))
	v.untilHealth(80, "unhealthy", v.instances[bad])
	h := v.health(80)[v.instances[bad]]
	if h.Reason != elbtypes.TargetHealthReasonEnumFailedHealthChecks || aws.ToString(h.Description) != "Health checks failed" {
		t.Errorf("reason %s, %q", h.Reason, aws.ToString(h.Description))
	}
	if h := v.health(80)[v.instances[good]]; h.State != "healthy" || h.Reason != "" {
		t.Errorf("the other target: %+v", h)
	}
	rest := slices.DeleteFunc(slices.Clone(all), func(a netip.Addr) bool { return a == at[bad] })
	if got := v.addresses(v.vantage(good), v.regional()); !slices.Equal(got, rest) {
		t.Errorf("regional name: %v, want %v", got, rest)
	}
	// The zonal name stays.
	for _, e := range v.endpoint.DnsEntries[1:] {
		if got := v.addresses(v.vantage(good), *e.DnsName); len(got) != 1 {
			t.Errorf("zonal name %s: %v", *e.DnsName, got)
		}
	}
	if got := v.connect(v.vantage(bad), at[bad], 80); got != "refused" {
		t.Errorf("zone without healthy target: %s, want refused", got)
	}
	// With cross-zone load balancing the zone is as good as the others.
	v.balancerAttribute("load_balancing.cross_zone.enabled", "true")
	if got := v.connect(v.vantage(bad), at[bad], 80); got != "open" {
		t.Errorf("cross-zone: %s, want open", got)
	}
	if got := v.addresses(v.vantage(good), v.regional()); !slices.Equal(got, all) {
		t.Errorf("regional name with cross-zone: %v, want %v", got, all)
	}
	// The target group's attribute goes first.
	v.groupAttribute(80, "load_balancing.cross_zone.enabled", "false")
	if got := v.connect(v.vantage(bad), at[bad], 80); got != "refused" {
		t.Errorf("cross-zone off for the target group: %s, want refused", got)
	}
	v.must("start servers", v.lab.StartServers(v.instances[bad]))
	v.untilHealth(80, "healthy")
	if got := v.connect(v.vantage(bad), at[bad], 80); got != "open" {
		t.Errorf("servers started again: %s, want open", got)
	}
}

// TestFailOpen: when nothing is healthy the load balancer uses all targets, and the regional name
// leads to all interfaces.
func TestFailOpen(t *testing.T) {
	t.Parallel()
	v := newLive(t, liveOptions{})
	z := v.zones[0]
	_, err := v.provider.ELB.ModifyTargetGroup(v.ctx, &elb.ModifyTargetGroupInput{
		TargetGroupArn: aws.String(v.groups[80]), Matcher: &elbtypes.Matcher{HttpCode: aws.String("503")},
	})
	v.must("ask for another status", err)
	v.untilHealth(80, "unhealthy")
	for _, h := range v.health(80) {
		if h.Reason != elbtypes.TargetHealthReasonEnumResponseCodeMismatch || aws.ToString(h.Description) != "Health checks failed with these codes: [200]" {
			t.Errorf("reason %s, %q", h.Reason, aws.ToString(h.Description))
		}
	}
	if got := v.connect(v.vantage(z), v.interfaces()[z], 80); got != "open" {
		t.Errorf("no healthy target: %s, want open", got)
	}
	if got := v.addresses(v.vantage(z), v.regional()); len(got) != len(v.zones) {
		t.Errorf("regional name: %v", got)
	}
}

func TestSilentTargetTimesOut(t *testing.T) {
	t.Parallel()
	v := startLive(t, lab.Options{})
	v.build(liveOptions{noHealth: true})
	g, err := v.provider.ELB.CreateTargetGroup(v.ctx, &elb.CreateTargetGroupInput{
		Name: aws.String("nobody"), Protocol: elbtypes.ProtocolEnumTcp, Port: aws.Int32(80), VpcId: &v.backVPC, TargetType: elbtypes.TargetTypeEnumIp,
		HealthCheckIntervalSeconds: aws.Int32(5), UnhealthyThresholdCount: aws.Int32(2),
	})
	v.must("create a target group", err)
	arn := *g.TargetGroups[0].TargetGroupArn
	_, err = v.provider.ELB.RegisterTargets(v.ctx, &elb.RegisterTargetsInput{TargetGroupArn: &arn, Targets: []elbtypes.TargetDescription{{Id: aws.String("10.0.0.222")}}})
	v.must("register an address", err)
	_, err = v.provider.ELB.ModifyListener(v.ctx, &elb.ModifyListenerInput{
		ListenerArn: aws.String(v.listeners[80]), DefaultActions: []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: &arn}},
	})
	v.must("lead the listener there", err)
	z := v.zones[0]
	if got := v.connectBriefly(v.vantage(z), v.interfaces()[z], 80); got != "silence" {
		t.Errorf("target that nobody is: %s, want silence", got)
	}
	v.groups[0] = arn
	v.untilHealth(0, "unhealthy")
	if h := v.health(0)["10.0.0.222"]; h.Reason != elbtypes.TargetHealthReasonEnumTimeout || aws.ToString(h.Description) != "Request timed out" {
		t.Errorf("reason %s, %q", h.Reason, aws.ToString(h.Description))
	}
}

func TestLoadBalancerSecurityGroups(t *testing.T) {
	t.Parallel()
	v := newLive(t, liveOptions{nlbGroup: true})
	z := v.zones[0]
	from, addr := v.vantage(z), v.interfaces()[z]
	out, err := v.provider.ELB.DescribeLoadBalancers(v.ctx, &elb.DescribeLoadBalancersInput{LoadBalancerArns: []string{v.nlb}})
	v.must("describe", err)
	group := out.LoadBalancers[0].SecurityGroups[0]
	set := func(enforce string) {
		_, err := v.provider.ELB.SetSecurityGroups(v.ctx, &elb.SetSecurityGroupsInput{
			LoadBalancerArn: &v.nlb, SecurityGroups: []string{group},
			EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic: elbtypes.EnforceSecurityGroupInboundRulesOnPrivateLinkTrafficEnum(enforce),
		})
		v.must("set enforcement "+enforce, err)
	}
	// Health checks pass: they are outbound. PrivateLink traffic does not.
	if got := v.connectBriefly(from, addr, 80); got != "silence" {
		t.Errorf("enforced by default: %s, want silence", got)
	}
	set("off")
	if got := v.connect(from, addr, 80); got != "open" {
		t.Errorf("enforcement off: %s, want open", got)
	}
	set("on")
	if got := v.connectBriefly(from, addr, 80); got != "silence" {
		t.Errorf("enforcement on: %s, want silence", got)
	}
	// The rules see the client, not the endpoint's interface.
	v.allow(v.provider, group, addr.String()+"/32", 80, 80)
	if got := v.connectBriefly(from, addr, 80); got != "silence" {
		t.Errorf("interface allowed: %s, want silence", got)
	}
	v.allow(v.provider, group, "10.0.0.254/32", 80, 80) // the vantage
	if got := v.connect(from, addr, 80); got != "open" {
		t.Errorf("client allowed: %s, want open", got)
	}
}

func TestProxyProtocolReachesTargets(t *testing.T) {
	t.Parallel()
	v := newLive(t, liveOptions{})
	v.groupAttribute(80, "proxy_protocol_v2.enabled", "true")
	z := v.zones[2]
	got := v.mustGet(v.vantage(z), "http", "x.example", v.interfaces()[z])
	source, err := netip.ParseAddrPort(got["proxy-source"])
	if err != nil || source.Addr() != netip.MustParseAddr("10.0.2.254") {
		t.Errorf("source %q, want the vantage's 10.0.2.254", got["proxy-source"])
	}
	if got["proxy-endpoint"] != *v.endpoint.VpcEndpointId {
		t.Errorf("endpoint %q, want %s", got["proxy-endpoint"], *v.endpoint.VpcEndpointId)
	}
	if remote := netip.MustParseAddrPort(got["remote"]).Addr(); remote != v.nodes()[z] {
		t.Errorf("remote %s, want the node", remote)
	}
	v.untilHealth(80, "healthy")
}

func TestLoadBalancerInItsOwnVPC(t *testing.T) {
	t.Parallel()
	v := newLive(t, liveOptions{})
	out, err := v.provider.ELB.DescribeLoadBalancers(v.ctx, &elb.DescribeLoadBalancersInput{LoadBalancerArns: []string{v.nlb}})
	v.must("describe", err)
	name := *out.LoadBalancers[0].DNSName
	from, err := v.lab.Vantage(v.back[v.zones[0]])
	v.must("vantage", err)
	nodes := slices.SortedFunc(maps.Values(v.nodes()), netip.Addr.Compare)
	if got := v.addresses(from, name); !slices.Equal(got, nodes) {
		t.Errorf("%s: %v, want %v", name, got, nodes)
	}
	if got := v.addresses(v.lab.Internet(), name); !slices.Equal(got, nodes) {
		t.Errorf("%s from the internet: %v, want %v", name, got, nodes)
	}
	for _, node := range nodes {
		v.mustGet(from, "http", name, node)
	}
}
