package lab_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/linkassay/linkassay/provision/lab"
)

func TestLoadBalancerLife(t *testing.T) {
	t.Parallel()
	b := newBasics(t, nil)
	v := b.vpc("10.0.0.0/16")
	s1, s2 := b.subnet(v, "10.0.1.0/24", zoneID(1)), b.subnet(v, "10.0.2.0/24", zoneID(2))
	g := b.group(v, "nlb")
	in := &elb.CreateLoadBalancerInput{
		Name: aws.String("svc"), Type: elbtypes.LoadBalancerTypeEnumNetwork, Scheme: elbtypes.LoadBalancerSchemeEnumInternal,
		SecurityGroups: []string{g}, SubnetMappings: []elbtypes.SubnetMapping{
			{SubnetId: &s1, PrivateIPv4Address: aws.String("10.0.1.20")}, {SubnetId: &s2},
		},
		Tags: []elbtypes.Tag{{Key: aws.String("k"), Value: aws.String("v")}},
	}
	lb := ok[*elb.CreateLoadBalancerOutput](b)(b.elb.CreateLoadBalancer(b.ctx, in)).LoadBalancers[0]
	arn := *lb.LoadBalancerArn
	equal(b, "state at creation", lb.State.Code, elbtypes.LoadBalancerStateEnumProvisioning)
	equal(b, "hosted zone", *lb.CanonicalHostedZoneId, "ZKVM4W9LS7TM")
	suffix, found := strings.CutPrefix(arn, "arn:aws:elasticloadbalancing:ap-southeast-1:111111111111:loadbalancer/net/svc/")
	if !found || len(suffix) != 16 || *lb.DNSName != "svc-"+suffix+".elb.ap-southeast-1.amazonaws.com" {
		t.Errorf("ARN %s, DNS name %s", arn, *lb.DNSName)
	}
	addresses := 0
	for _, z := range lb.AvailabilityZones {
		for _, a := range z.LoadBalancerAddresses {
			addresses++
			equal(b, "the address asked for", *a.PrivateIPv4Address, "10.0.1.20")
		}
	}
	equal(b, "addresses shown", addresses, 1)
	again := ok[*elb.CreateLoadBalancerOutput](b)(b.elb.CreateLoadBalancer(b.ctx, in)).LoadBalancers[0]
	equal(b, "the repeated request's ARN", *again.LoadBalancerArn, arn)
	other := *in
	other.SecurityGroups = nil
	refused[*elb.CreateLoadBalancerOutput](b, "DuplicateLoadBalancerName", "A load balancer with the same name 'svc' exists, but with different settings")(
		b.elb.CreateLoadBalancer(b.ctx, &other))
	if err := elb.NewLoadBalancerAvailableWaiter(b.elb, func(o *elb.LoadBalancerAvailableWaiterOptions) {
		o.MinDelay, o.MaxDelay = 10*time.Millisecond, 20*time.Millisecond
	}).Wait(b.ctx, &elb.DescribeLoadBalancersInput{Names: []string{"svc"}}, 20*time.Second); err != nil {
		t.Fatal(err)
	}

	enis := func() []ec2types.NetworkInterface {
		return ok[*ec2.DescribeNetworkInterfacesOutput](b)(b.ec2.DescribeNetworkInterfaces(b.ctx, &ec2.DescribeNetworkInterfacesInput{
			Filters: append(filterBy("description", "ELB net/svc/"+suffix), filterBy("requester-managed", "true")...),
		})).NetworkInterfaces
	}
	if n := enis(); len(n) != 2 || n[0].InterfaceType != "network_load_balancer" || *n[0].PrivateIpAddress != "10.0.1.20" || *n[0].Groups[0].GroupId != g {
		t.Errorf("interfaces: %+v", n)
	}
	refused[*ec2.DeleteSecurityGroupOutput](b, "DependencyViolation", "")(b.ec2.DeleteSecurityGroup(b.ctx, &ec2.DeleteSecurityGroupInput{GroupId: &g}))

	g2 := b.group(v, "nlb2")
	set := ok[*elb.SetSecurityGroupsOutput](b)(b.elb.SetSecurityGroups(b.ctx, &elb.SetSecurityGroupsInput{
		LoadBalancerArn: &arn, SecurityGroups: []string{g2},
		EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic: elbtypes.EnforceSecurityGroupInboundRulesOnPrivateLinkTrafficEnumOff,
	}))
	equal(b, "enforce", set.EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic, elbtypes.EnforceSecurityGroupInboundRulesOnPrivateLinkTrafficEnumOff)
	equal(b, "the interface's group", *enis()[1].Groups[0].GroupId, g2)

	s3 := b.subnet(v, "10.0.3.0/24", zoneID(3))
	zones := ok[*elb.SetSubnetsOutput](b)(b.elb.SetSubnets(b.ctx, &elb.SetSubnetsInput{LoadBalancerArn: &arn, Subnets: []string{s1, s3}})).AvailabilityZones
	equal(b, "zones after SetSubnets", len(zones), 2)
	if n := enis(); len(n) != 2 || *n[0].PrivateIpAddress != "10.0.1.20" || *n[1].SubnetId != s3 {
		t.Errorf("interfaces after SetSubnets: %+v", n)
	}
	ok[*ec2.DeleteSubnetOutput](b)(b.ec2.DeleteSubnet(b.ctx, &ec2.DeleteSubnetInput{SubnetId: &s2}))

	attributes := func(k, value string) (*elb.ModifyLoadBalancerAttributesOutput, error) {
		return b.elb.ModifyLoadBalancerAttributes(b.ctx, &elb.ModifyLoadBalancerAttributesInput{
			LoadBalancerArn: &arn, Attributes: []elbtypes.LoadBalancerAttribute{{Key: &k, Value: &value}},
		})
	}
	refused[*elb.ModifyLoadBalancerAttributesOutput](b, "InvalidConfigurationRequest", "Load balancer attribute key 'nope' is not recognized")(attributes("nope", "1"))
	refused[*elb.ModifyLoadBalancerAttributesOutput](b, "ValidationError", "")(attributes("load_balancing.cross_zone.enabled", "maybe"))
	ok[*elb.ModifyLoadBalancerAttributesOutput](b)(attributes("deletion_protection.enabled", "true"))
	remove := func() (*elb.DeleteLoadBalancerOutput, error) {
		return b.elb.DeleteLoadBalancer(b.ctx, &elb.DeleteLoadBalancerInput{LoadBalancerArn: &arn})
	}
	refused[*elb.DeleteLoadBalancerOutput](b, "OperationNotPermitted", "")(remove())
	ok[*elb.ModifyLoadBalancerAttributesOutput](b)(attributes("deletion_protection.enabled", "false"))
	tg := b.targetGroup("tg", v, elbtypes.TargetTypeEnumIp)
	l := b.listener(arn, *tg.TargetGroupArn, 80)
	ok[*elb.DeleteLoadBalancerOutput](b)(remove())
	ok[*elb.DeleteLoadBalancerOutput](b)(remove()) // gone already: no error, as at AWS
	equal(b, "interfaces left", len(enis()), 0)
	refused[*elb.DescribeListenersOutput](b, "ListenerNotFound", "")(b.elb.DescribeListeners(b.ctx, &elb.DescribeListenersInput{ListenerArns: []string{*l.ListenerArn}}))
	refused[*elb.DescribeLoadBalancersOutput](b, "LoadBalancerNotFound", "")(b.elb.DescribeLoadBalancers(b.ctx, &elb.DescribeLoadBalancersInput{LoadBalancerArns: []string{arn}}))
	refused[*elb.DescribeLoadBalancersOutput](b, "LoadBalancerNotFound", "Load balancers '[svc]' not found")(b.elb.DescribeLoadBalancers(b.ctx, &elb.DescribeLoadBalancersInput{Names: []string{"svc"}}))
	ok[*elb.DeleteTargetGroupOutput](b)(b.elb.DeleteTargetGroup(b.ctx, &elb.DeleteTargetGroupInput{TargetGroupArn: tg.TargetGroupArn}))
}

func TestLoadBalancerRefusals(t *testing.T) {
	t.Parallel()
	b := newBasics(t, func(o *lab.Options) { o.Timing.LoadBalancer = time.Hour })
	v, w := b.vpc("10.0.0.0/16"), b.vpc("10.0.0.0/16")
	s1, same, foreign := b.subnet(v, "10.0.1.0/24", zoneID(1)), b.subnet(v, "10.0.2.0/24", zoneID(1)), b.subnet(w, "10.0.1.0/24", zoneID(2))
	for _, tc := range []struct {
		code string
		set  func(*elb.CreateLoadBalancerInput)
	}{
		{"ValidationError", func(in *elb.CreateLoadBalancerInput) { in.Name = aws.String("internal-x") }},
		{"ValidationError", func(in *elb.CreateLoadBalancerInput) { in.Name = aws.String("-x") }},
		{"ValidationError", func(in *elb.CreateLoadBalancerInput) { in.Name = aws.String("under_score") }},
		{"ValidationError", func(in *elb.CreateLoadBalancerInput) { in.Name = aws.String(strings.Repeat("x", 33)) }},
		{"ValidationError", func(in *elb.CreateLoadBalancerInput) { in.Subnets = nil }},
		{"InvalidConfigurationRequest", func(in *elb.CreateLoadBalancerInput) { in.Type = elbtypes.LoadBalancerTypeEnumApplication }},
		{"SubnetNotFound", func(in *elb.CreateLoadBalancerInput) { in.Subnets = []string{"subnet-0"} }},
		{"InvalidConfigurationRequest", func(in *elb.CreateLoadBalancerInput) { in.Subnets = []string{s1, same} }},
		{"InvalidSubnet", func(in *elb.CreateLoadBalancerInput) { in.Subnets = []string{s1, foreign} }},
		{"InvalidSubnet", func(in *elb.CreateLoadBalancerInput) { in.Scheme = elbtypes.LoadBalancerSchemeEnumInternetFacing }},
		{"InvalidSecurityGroup", func(in *elb.CreateLoadBalancerInput) { in.SecurityGroups = []string{"sg-0"} }},
	} {
		in := &elb.CreateLoadBalancerInput{
			Name: aws.String("a"), Type: elbtypes.LoadBalancerTypeEnumNetwork, Scheme: elbtypes.LoadBalancerSchemeEnumInternal, Subnets: []string{s1},
		}
		tc.set(in)
		refused[*elb.CreateLoadBalancerOutput](b, tc.code, "")(b.elb.CreateLoadBalancer(b.ctx, in))
	}
	lb := b.balancer("plain", s1)
	refused[*elb.SetSecurityGroupsOutput](b, "InvalidConfigurationRequest", "")(b.elb.SetSecurityGroups(b.ctx, &elb.SetSecurityGroupsInput{
		LoadBalancerArn: lb.LoadBalancerArn, SecurityGroups: []string{b.group(v, "late")},
	}))
	refused[*elb.SetIpAddressTypeOutput](b, "InvalidConfigurationRequest", "")(b.elb.SetIpAddressType(b.ctx, &elb.SetIpAddressTypeInput{
		LoadBalancerArn: lb.LoadBalancerArn, IpAddressType: elbtypes.IpAddressTypeDualstack,
	}))
	refused[*elb.DescribeLoadBalancerAttributesOutput](b.as("consumer", basicRegion), "LoadBalancerNotFound", "")(
		b.as("consumer", basicRegion).elb.DescribeLoadBalancerAttributes(b.ctx, &elb.DescribeLoadBalancerAttributesInput{LoadBalancerArn: lb.LoadBalancerArn}))
	refused[*elb.DescribeLoadBalancerAttributesOutput](b, "ValidationError", "'lb' is not a valid load balancer ARN")(
		b.elb.DescribeLoadBalancerAttributes(b.ctx, &elb.DescribeLoadBalancerAttributesInput{LoadBalancerArn: aws.String("lb")}))
}

func TestLoadBalancerPagesAndTags(t *testing.T) {
	t.Parallel()
	b := newBasics(t, nil)
	v := b.vpc("10.0.0.0/16")
	s := b.subnet(v, "10.0.1.0/24", zoneID(1))
	var arns []string
	for _, name := range []string{"c", "a", "b"} {
		arns = append(arns, *b.balancer(name, s).LoadBalancerArn)
	}
	var got []string
	p := elb.NewDescribeLoadBalancersPaginator(b.elb, &elb.DescribeLoadBalancersInput{PageSize: aws.Int32(2)})
	for p.HasMorePages() {
		for _, lb := range ok[*elb.DescribeLoadBalancersOutput](b)(p.NextPage(b.ctx)).LoadBalancers {
			got = append(got, *lb.LoadBalancerName)
		}
	}
	equal(b, "in order of creation", strings.Join(got, " "), "c a b")

	add := func(tags ...elbtypes.Tag) (*elb.AddTagsOutput, error) {
		return b.elb.AddTags(b.ctx, &elb.AddTagsInput{ResourceArns: arns[:2], Tags: tags})
	}
	tag := func(k, value string) elbtypes.Tag { return elbtypes.Tag{Key: &k, Value: &value} }
	ok[*elb.AddTagsOutput](b)(add(tag("a", "1"), tag("b", "2")))
	refused[*elb.AddTagsOutput](b, "DuplicateTagKeys", "")(add(tag("a", "1"), tag("a", "2")))
	ok[*elb.RemoveTagsOutput](b)(b.elb.RemoveTags(b.ctx, &elb.RemoveTagsInput{ResourceArns: arns[:1], TagKeys: []string{"a", "none"}}))
	out := ok[*elb.DescribeTagsOutput](b)(b.elb.DescribeTags(b.ctx, &elb.DescribeTagsInput{ResourceArns: arns})).TagDescriptions
	if len(out) != 3 || len(out[0].Tags) != 1 || len(out[1].Tags) != 2 || len(out[2].Tags) != 0 || *out[0].ResourceArn != arns[0] {
		t.Errorf("tags: %+v", out)
	}
	limits := ok[*elb.DescribeAccountLimitsOutput](b)(b.elb.DescribeAccountLimits(b.ctx, nil)).Limits
	equal(b, "first limit", *limits[0].Name, "network-load-balancers")
}
