package provision_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	r53types "github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/linkassay/linkassay/provision"
)

func TestApplyBuildsWhatTheFileSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	before := w.inventory(t)
	no := false
	l := w.link
	l.Name = "a-link-with-the-longest-of-all-names-40ch"[:40]
	l.PrivateDNSName = "*.intra.chartsinvestor.com"
	l.Provider.Build = &provision.ProviderBuild{
		CIDR: "10.7.0.0/24", Zones: []string{"apse1-az3", "apse1-az1"}, AcceptanceRequired: &no, CrossZone: true, ProxyProtocol: true,
		AllowedPrincipals: []string{"*"}, Tags: map[string]string{"team": "network"},
	}
	l.Consumer.Build = &provision.ConsumerBuild{CIDR: "10.8.0.0/28", Zones: []string{"apse1-az3"}}
	l.Ports = []provision.Port{{Port: 8080, TargetPort: 80, HTTP: &provision.HTTP{}}, {Port: 22}}
	built := w.apply(t, l)
	w.verified(t, built)
	s := w.service(t, built.Provider.ServiceID)
	if aws.ToBool(s.AcceptanceRequired) {
		t.Error("acceptance is required")
	}
	if e := w.endpoint(t, built.Consumer.EndpointID); len(e.SubnetIds) != 1 {
		t.Errorf("endpoint in %v", e.SubnetIds)
	}
	if got := strings.Join(w.principals(t, built.Provider.ServiceID), " "); got != "*" {
		t.Errorf("principals %s", got)
	}
	balancer, err := w.sides.Provider.ELB.DescribeLoadBalancerAttributes(t.Context(), &elb.DescribeLoadBalancerAttributesInput{
		LoadBalancerArn: aws.String(s.NetworkLoadBalancerArns[0]),
	})
	if err != nil {
		t.Fatal(err)
	}
	cross := ""
	for _, a := range balancer.Attributes {
		if *a.Key == "load_balancing.cross_zone.enabled" {
			cross = *a.Value
		}
	}
	if cross != "true" {
		t.Errorf("cross-zone %q", cross)
	}
	if !strings.Contains(strings.Join(w.inventory(t), "\n"), "team=network") {
		t.Error("the file's own tags are missing")
	}
	if left := w.destroy(t, l); len(left) > 0 {
		t.Errorf("left over:\n%s", left)
	}
	same(t, "after destroy", w.inventory(t), before)
}

// Existing targets are registered and stay.
func TestExistingTargets(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	base := w.link
	base.Name, base.PrivateDNSName = "base", ""
	base.Consumer = provision.Consumer{Party: provision.Party{Access: provision.AccessNone, Account: base.Consumer.Account}}
	w.apply(t, base)
	before := w.inventory(t)

	out, err := w.sides.Provider.EC2.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{})
	if err != nil {
		t.Fatal(err)
	}
	b := &provision.ProviderBuild{VPCID: *out.Reservations[0].Instances[0].VpcId}
	var ips []provision.TargetRef
	for _, r := range out.Reservations {
		i := r.Instances[0]
		b.Targets = append(b.Targets, provision.TargetRef{Instance: *i.InstanceId})
		ips = append(ips, provision.TargetRef{IP: *i.PrivateIpAddress})
		b.SubnetIDs = append(b.SubnetIDs, *i.SubnetId)
	}
	for _, kind := range []string{"instance", "ip"} {
		l := w.link
		l.Name, l.Provider.Build = "by-"+kind, b
		if kind == "ip" {
			byIP := *b
			byIP.Targets = append(ips, provision.TargetRef{IP: "10.0.0.99"}) // with nothing behind it
			l.Provider.Build = &byIP
		}
		w.verified(t, w.apply(t, l))
		if left := w.destroy(t, l); len(left) > 0 {
			t.Errorf("%s: left over:\n%s", kind, left)
		}
		same(t, "after destroying "+l.Name, w.inventory(t), before)
	}
}

func TestApplyExplainsWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	built := w.apply(t, w.link)
	vpc, subnet := existingNetwork(t, w)
	for _, test := range []struct {
		name, want string
		change     func(*provision.Link)
	}{
		{"another private DNS name", "has the private DNS name api-svc.intra.chartsinvestor.com, the link file says other.chartsinvestor.com", func(l *provision.Link) {
			l.PrivateDNSName = "other.chartsinvestor.com"
		}},
		{"an unknown service", "read the endpoint service vpce-svc-0123456789abcdef0: InvalidVpcEndpointServiceId.NotFound", func(l *provision.Link) {
			l.Provider.ServiceID, l.Provider.Build = "vpce-svc-0123456789abcdef0", nil
		}},
		{"an endpoint of another service", "the link is to com.amazonaws.vpce.ap-southeast-1.vpce-svc-0123456789abcdef0", func(l *provision.Link) {
			l.Provider = provision.Provider{
				Party:       provision.Party{Access: provision.AccessNone, Account: l.Provider.Account},
				ServiceName: "com.amazonaws.vpce.ap-southeast-1.vpce-svc-0123456789abcdef0",
			}
			l.Consumer.EndpointID = built.Consumer.EndpointID
		}},
		{"a subnet of another VPC", "the link file says vpc-", func(l *provision.Link) {
			other := w.endpoint(t, built.Consumer.EndpointID)
			l.Name = "second"
			l.Provider.ServiceID, l.Provider.Build = built.Provider.ServiceID, nil
			l.Consumer.Build = &provision.ConsumerBuild{VPCID: *other.VpcId, SubnetIDs: []string{subnet}}
		}},
		{"a zone that the service lacks", "the service is not in zone apse1-az9", func(l *provision.Link) {
			l.Name = "third"
			l.Provider.ServiceID, l.Provider.Build = built.Provider.ServiceID, nil
			l.Consumer.Build = &provision.ConsumerBuild{Zones: []string{"apse1-az9"}}
		}},
		{"a private hosted zone", "is private, expected a public one", func(l *provision.Link) {
			l.Provider.HostedZone = privateZone(t, w)
			l.Provider.ServiceID, l.Provider.Build = built.Provider.ServiceID, nil
			unverify(t, w, built)
		}},
	} {
		l := w.link
		test.change(&l)
		_, err := provision.Apply(t.Context(), &l, w.open(t, l), options(t))
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "link "+l.Name+": ") {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	_ = vpc
}

// unverify gives the service its name anew, which has to be verified anew.
func unverify(t *testing.T, w *world, l provision.Link) {
	t.Helper()
	for _, in := range []*ec2.ModifyVpcEndpointServiceConfigurationInput{
		{ServiceId: aws.String(l.Provider.ServiceID), RemovePrivateDnsName: aws.Bool(true)},
		{ServiceId: aws.String(l.Provider.ServiceID), PrivateDnsName: aws.String(l.PrivateDNSName)},
	} {
		if _, err := w.sides.Provider.EC2.ModifyVpcEndpointServiceConfiguration(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	if s := w.service(t, l.Provider.ServiceID); s.PrivateDnsNameConfiguration.State == ec2types.DnsNameStateVerified {
		t.Fatal("still verified")
	}
}

func privateZone(t *testing.T, w *world) string {
	t.Helper()
	vpcs, err := w.sides.Provider.EC2.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := w.sides.Provider.Route53.CreateHostedZone(t.Context(), &route53.CreateHostedZoneInput{
		Name: aws.String("chartsinvestor.com"), CallerReference: aws.String("private"), HostedZoneConfig: &r53types.HostedZoneConfig{PrivateZone: true},
		VPC: &r53types.VPC{VPCId: vpcs.Vpcs[0].VpcId, VPCRegion: r53types.VPCRegion(w.link.Region)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(*out.HostedZone.Id, "/hostedzone/")
}
