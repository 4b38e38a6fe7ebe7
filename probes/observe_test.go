package probes

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/awsapi"
)

func testLink() provision.Link {
	return provision.Link{
		Name: "api", Region: "us-east-1", PrivateDNSName: "api.example.com",
		Provider: provision.Provider{Party: provision.Party{Account: "111111111111"}, ServiceID: testService},
		Consumer: provision.Consumer{Party: provision.Party{Account: "222222222222"}, EndpointID: testEndpoint},
		Ports:    []provision.Port{{Port: 80, HTTP: &provision.HTTP{}}},
		Timeouts: patient(),
	}
}

// consumerVPC is a vantage in a VPC of the canned account, with a resolver at base+2, and servers
// behind both interfaces.
func consumerVPC(t *testing.T) *mapped {
	t.Helper()
	records := map[string][]string{
		"api.example.com.": {"api.example.com. 60 IN CNAME " + testRegional + ".", testRegional + ". 60 IN A 10.1.1.10", testRegional + ". 60 IN A 10.1.2.10"},
		testRegional + ".": {testRegional + ". 60 IN A 10.1.1.10", testRegional + ". 60 IN A 10.1.2.10"},
		testZonalA + ".":   {testZonalA + ". 60 IN A 10.1.2.10"},
		testZonalC + ".":   {testZonalC + ". 60 IN A 10.1.1.10"},
	}
	resolver := nameServer(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		for _, s := range records[dns.CanonicalName(q.Question[0].Name)] {
			if r := rr(t, s); r.Header().Rrtype == q.Question[0].Qtype || r.Header().Rrtype == dns.TypeCNAME {
				m.Answer = append(m.Answer, r)
			}
		}
		_ = w.WriteMsg(m)
	})
	web := func() string {
		return listen(t, func(c net.Conn) {
			if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			}
		})
	}
	return &mapped{to: map[string]string{"10.1.0.2:53": resolver, "10.1.1.10:80": web(), "10.1.2.10:80": web()}}
}

func dryRuns(all []DryRun) string {
	var words []string
	for _, d := range all {
		words = append(words, strings.TrimPrefix(d.Operation, "ec2:")+"="+d.Code)
	}
	return strings.Join(words, " ")
}

// Finding the link took its time too: the Observation counts from then.
func TestObserveCountsFromTheBeginning(t *testing.T) {
	t.Parallel()
	link := testLink()
	link.Provider.Access, link.Consumer.Access = provision.AccessNone, provision.AccessNone
	began := time.Now().Add(-30 * time.Second)
	if o := Observe(t.Context(), link, Sources{}, Options{Started: began}); !o.Started.Equal(began) || o.Started.Location() != time.UTC {
		t.Errorf("started %v, want %v", o.Started, began)
	}
	if o := Observe(t.Context(), link, Sources{}, Options{}); time.Since(o.Started) > 20*time.Second {
		t.Errorf("started %v", o.Started)
	}
}

func TestObserveAHealthyLink(t *testing.T) {
	t.Parallel()
	_, provider := account(t, providerAccount())
	_, consumer := account(t, consumerAccount())
	record := testLabel + `.api.example.com. 60 IN TXT "` + testValue + `"`
	v := consumerVPC(t)
	link := testLink()
	link.Vantages = []provision.Vantage{{Name: "zone-a", From: "local"}}
	link.Provider.Build, link.Consumer.Build = &provision.ProviderBuild{}, &provision.ConsumerBuild{}
	o := Observe(t.Context(), link, Sources{
		Provider: provider, Consumer: consumer, PublicDNS: internet(t, []string{record}, []string{record}),
		Vantages: []Placed{{link.Vantages[0], v}},
	}, Options{})
	for _, name := range ItemNames() {
		m, ok := o.Meta(name)
		if !ok {
			t.Errorf("%s is nil", name)
		}
		if m.Absent == NotConfigured && name != "reach.tls" || m.Absent == OnlySlow {
			continue // the link file, or the run, asks for no such thing
		}
		if want := name == "reach.tls"; (m.Absent != "") != want || m.Error != nil {
			t.Errorf("%s: absent %q, error %+v", name, m.Absent, m.Error)
		}
		if m.Absent == "" && (m.Started.IsZero() || m.Duration < 0 || m.Started.Location() != time.UTC) {
			t.Errorf("%s: started %v, took %v", name, m.Started, m.Duration)
		}
	}
	if o.Interrupted || len(o.Panics) > 0 {
		t.Fatalf("%v %v", o.Interrupted, o.Panics)
	}
	p, c := o.Provider, o.Consumer
	for _, tc := range []struct{ what, got, want string }{
		{"identities", p.Identity.Value.Account + " " + c.Identity.Value.Account, "111111111111 222222222222"},
		{"zones sorted", fmt.Sprint(p.Zones.Value), "[{us-east-1a use1-az1 available} {us-east-1b use1-az2 available}]"},
		{"service zones", fmt.Sprint(p.Service.Value.ZoneIDs), "[use1-az1 use1-az2]"},
		{"verification", fmt.Sprint(*p.Service.Value.Verification), "{verified TXT " + testLabel + " " + testValue + "}"},
		{"principals", fmt.Sprint(p.Permissions.Value), "[{Account arn:aws:iam::222222222222:root}]"},
		{"balancer zones", fmt.Sprint(p.LoadBalancers.Value[0].Zones), "[{us-east-1a use1-az1 subnet-1} {us-east-1b use1-az2 subnet-2}]"},
		{"cross zone", fmt.Sprint(p.LoadBalancers.Value[0].CrossZone), "true"},
		{"listeners", fmt.Sprint(p.Listeners.Value[0].Port, p.Listeners.Value[1].Port, p.Listeners.Value[1].TargetGroupARNs), "80 443 [" + testGroup + "]"},
		{"proxy protocol", fmt.Sprint(p.TargetGroups.Value[0].ProxyProtocol), "true"},
		{"the domain's zones alone", fmt.Sprint(len(p.HostedZones.Value), " ", p.HostedZones.Value[0].ID, " ", p.HostedZones.Value[0].NameServers), "1 Z1 [ns-1.awsdns-00.com ns-2.awsdns-00.net]"},
		{"the verification's records alone", fmt.Sprint(len(p.HostedZones.Value[0].Records), " ", p.HostedZones.Value[0].Records[0].Texts), "1 [" + testValue + "]"},
		{"DHCP options", fmt.Sprint(c.DHCPOptions.Value.ID, c.DHCPOptions.Value.Servers), "dopt-0a[AmazonProvidedDNS]"},
		{"services", fmt.Sprint(len(p.Services.Value), " ", p.Services.Value[0].Verification.Value), "1 " + testValue},
		{"network ACL", fmt.Sprint(o.Path.ConsumerACLs.Value), "[{acl-0b vpc-0b true [subnet-a] [{90 false true 6 80 443 10.0.0.0/8} {32767 false false -1 0 0 0.0.0.0/0}]}]"},
		{"provider's network ACL", o.Path.ProviderACLs.Value[0].ID, "acl-0a"},
		{"routes", fmt.Sprint(o.Path.Routes.Value), "[{rtb-0b vpc-0b true [subnet-a] [{10.1.0.0/16  local active} {10.9.0.0/16  tgw-1 blackhole}]}]"},
		{"target's interface", o.Path.Targets.Value[0].TargetID + " " + o.Path.Targets.Value[0].SubnetID + " " + fmt.Sprint(o.Path.Targets.Value[0].GroupIDs), "10.0.1.10 subnet-1 [sg-b]"},
		{"targets' groups", fmt.Sprint(len(o.Path.TargetGroups.Value), len(o.Path.Nodes.Value)), "1 1"},
		{"targets placed by subnet", p.TargetHealth.Value[0].ZoneID + " " + p.TargetHealth.Value[1].ZoneID, "use1-az1 use1-az2"},
		{"rules spread", fmt.Sprint(len(p.SecurityGroups.Value[0].Ingress), p.SecurityGroups.Value[0].Egress[0].Protocol), "3-1"},
		{"service seen", c.Service.Value.Owner, "111111111111"},
		{"regional by pattern", c.Endpoint.Value.RegionalName, testRegional},
		{"zonal by pattern", fmt.Sprint(c.Endpoint.Value.ZonalNames), "[" + testZonalA + " " + testZonalC + "]"},
		{"other names", fmt.Sprint(c.Endpoint.Value.OtherNames), "[api.example.com]"},
		{"interfaces", fmt.Sprint(c.Interfaces.Value[0].IPs) + c.Interfaces.Value[0].ZoneID, "[10.1.1.10]use1-az1"},
		{"VPC", fmt.Sprint(c.VPC.Value.CIDRs, c.VPC.Value.DNSSupport), "[10.1.0.0/16 10.2.0.0/16] true"},
		{"services", fmt.Sprintf("%d %s", len(p.Services.Value), p.Services.Value[0].ID), "1 " + testService},
		{"endpoints of the VPC", fmt.Sprintf("%d %s %s", len(c.Endpoints.Value), c.Endpoints.Value[0].ID, c.Endpoints.Value[0].State), "1 " + testEndpoint + " available"},
		{"dry runs of the provider", dryRuns(p.DryRuns.Value), "CreateVpcEndpointServiceConfiguration=DryRunOperation ModifyVpcEndpointServicePermissions=DryRunOperation AcceptVpcEndpointConnections=UnauthorizedOperation"},
		{"dry runs of the consumer", dryRuns(c.DryRuns.Value), "CreateVpcEndpoint=Unavailable ModifyVpcEndpoint=none"},
		{"clocks", fmt.Sprint(p.API.Value.ClockKnown, p.API.Value.ClockOffset.Abs() < time.Minute, p.API.Value.Throttled, p.API.Value.Requests > 10), "true true 0 true"},
		{"hosted zones", fmt.Sprint(c.HostedZones.Value), "[{Z2 example.com 222222222222  0 0}]"},
		{"private answers", fmt.Sprint(o.DNS.Private.Value[0].Addrs, o.DNS.Private.Value[0].Chain), "[10.1.1.10 10.1.2.10] [" + testRegional + "]"},
		{"AAAA", string(o.DNS.Private.Value[1].Outcome), "no data"},
		{"zonal lookups", fmt.Sprint(len(o.DNS.Zonal.Value)), "4"},
		{"attempts", fmt.Sprint(len(o.Reach.TCP.Value)), "8"},
		{"exchanges", fmt.Sprint(len(o.Reach.HTTP.Value)), "8"},
		{"TLS", string(o.Reach.TLS.Absent), string(NotConfigured)},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: %s, want %s", tc.what, tc.got, tc.want)
		}
	}
	kinds := []TargetKind{}
	for _, a := range o.Reach.TCP.Value {
		kinds = append(kinds, a.Target.Kind)
		if len(a.Tries) != 3 || a.Tries[2].Outcome != OK {
			t.Errorf("%+v", a)
		}
		if a.Target.Kind == TargetZonal || a.Target.Kind == TargetInterface {
			if want := map[string]string{"10.1.1.10": "use1-az1", "10.1.2.10": "use1-az2"}[a.Addr.Addr().String()]; a.Target.ZoneID != want {
				t.Errorf("%+v, want zone %s", a.Target, want)
			}
		}
	}
	want := []TargetKind{TargetPrivate, TargetPrivate, TargetRegional, TargetRegional, TargetZonal, TargetZonal, TargetInterface, TargetInterface}
	if !slices.Equal(kinds, want) {
		t.Errorf("order %v", kinds)
	}
	for _, e := range o.Reach.HTTP.Value {
		if e.Outcome != OK || e.Status != 200 || e.URL != "http://api.example.com/" {
			t.Errorf("%+v", e)
		}
	}
}

func TestObservationTakesItsLongestChain(t *testing.T) {
	t.Parallel()
	a, provider := account(t, providerAccount())
	b, consumer := account(t, consumerAccount())
	a.delay, b.delay = 200*time.Millisecond, 200*time.Millisecond
	began := time.Now()
	o := Observe(t.Context(), testLink(), Sources{Provider: provider, Consumer: consumer}, Options{})
	took := time.Since(began)
	calls := a.total() + b.total()
	// service → listeners → target health → subnets of the targets is four calls; there are more
	// than twenty.
	if calls < 20 || took > time.Duration(calls)*a.delay/2 {
		t.Errorf("%d calls of %s took %s", calls, a.delay, took)
	}
	if o.Provider.TargetHealth.Error != nil || o.Reach.TCP.Absent != NoVantage {
		t.Errorf("%+v, %+v", o.Provider.TargetHealth, o.Reach.TCP)
	}
}

func TestOneSidedLinks(t *testing.T) {
	t.Parallel()
	none := func(l provision.Link, provider, consumer bool) provision.Link {
		if !provider {
			l.Provider.Access = provision.AccessNone
		}
		if !consumer {
			l.Consumer.Access = provision.AccessNone
		}
		return l
	}
	t.Run("consumer only", func(t *testing.T) {
		t.Parallel()
		_, consumer := account(t, consumerAccount())
		o := Observe(t.Context(), none(testLink(), false, true), Sources{Consumer: consumer, Vantages: []Placed{{provision.Vantage{Name: "v"}, consumerVPC(t)}}, PublicDNS: &mapped{}}, Options{})
		if o.Provider.Service.Absent != NoProviderAccess || o.Provider.TargetHealth.Absent != NoProviderAccess || o.DNS.TXT.Absent != NoProviderAccess {
			t.Errorf("%+v %+v", o.Provider.Service, o.DNS.TXT)
		}
		if !o.Consumer.Service.Value.Visible || len(o.Reach.TCP.Value) != 8 {
			t.Errorf("%+v %+v", o.Consumer.Service, o.Reach.TCP)
		}
	})
	t.Run("provider only", func(t *testing.T) {
		t.Parallel()
		_, provider := account(t, providerAccount())
		v := consumerVPC(t)
		v.resolvers = []netip.AddrPort{netip.MustParseAddrPort("10.1.0.2:53")}
		o := Observe(t.Context(), none(testLink(), true, false), Sources{Provider: provider, Vantages: []Placed{{provision.Vantage{Name: "v"}, v}}}, Options{})
		if o.Consumer.Endpoint.Absent != NoConsumerAccess || o.DNS.Regional.Absent != NoConsumerAccess || o.DNS.TXT.Absent != NoVantage {
			t.Errorf("%+v %+v %+v", o.Consumer.Endpoint, o.DNS.Regional, o.DNS.TXT)
		}
		if len(o.Reach.TCP.Value) != 2 || o.Reach.TCP.Value[0].Target.Kind != TargetPrivate {
			t.Errorf("%+v", o.Reach.TCP)
		}
	})
	t.Run("neither", func(t *testing.T) {
		t.Parallel()
		o := Observe(t.Context(), none(testLink(), false, false), Sources{}, Options{})
		for _, name := range ItemNames() {
			if m, _ := o.Meta(name); m.Absent == "" || m.Error != nil {
				t.Errorf("%s: %+v", name, m)
			}
		}
	})
}

func TestWhatIsNotThereIsAnAnswer(t *testing.T) {
	t.Parallel()
	gone, out := providerAccount(), consumerAccount()
	gone["DescribeVpcEndpointServiceConfigurations"] = failXML(400, "InvalidVpcEndpointServiceId.NotFound", "does not exist")
	out["DescribeVpcEndpoints"] = failXML(400, "InvalidVpcEndpointId.NotFound", "does not exist")
	out["DescribeVpcEndpointServices"] = failXML(400, "InvalidServiceName", "The Vpc Endpoint Service 'x' does not exist\u202e")
	_, provider := account(t, gone)
	_, consumer := account(t, out)
	v := &mapped{resolvers: []netip.AddrPort{netip.MustParseAddrPort("10.1.0.2:53")}, to: map[string]string{"10.1.0.2:53": nameServer(t, answers(t, dns.RcodeNameError))}}
	o := Observe(t.Context(), testLink(), Sources{Provider: provider, Consumer: consumer, Vantages: []Placed{{provision.Vantage{Name: "v"}, v}}}, Options{})
	if s := o.Provider.Service; s.Error != nil || s.Value.Found || s.Value.Code != "InvalidVpcEndpointServiceId.NotFound" {
		t.Errorf("%+v", s)
	}
	if s := o.Consumer.Service; s.Error != nil || s.Value.Visible || s.Value.Code != "InvalidServiceName" || strings.Contains(s.Value.Message, "\u202e") {
		t.Errorf("%+v", s)
	}
	if e := o.Consumer.Endpoint; e.Error != nil || e.Value.Found || e.Value.Code != "InvalidVpcEndpointId.NotFound" {
		t.Errorf("%+v", e)
	}
	for _, name := range []string{"provider.listeners", "consumer.interfaces", "dns.regional", "reach.tcp", "reach.http"} {
		if m, _ := o.Meta(name); m.Absent != NoSubject {
			t.Errorf("%s: %+v", name, m)
		}
	}
	if o.DNS.Private.Value[0].Outcome != NXDomain {
		t.Errorf("%+v", o.DNS.Private)
	}
	link := testLink()
	link.Provider.ServiceID, link.Consumer.EndpointID = "", ""
	o = Observe(t.Context(), link, Sources{Provider: provider, Consumer: consumer}, Options{})
	if o.Provider.Service.Value.Code != notFoundByTag || o.Consumer.Endpoint.Value.Code != notFoundByTag || o.Consumer.Service.Value.Code != notFoundByTag {
		t.Errorf("%+v %+v", o.Provider.Service.Value, o.Consumer.Endpoint.Value)
	}
}

func TestFailuresSayWhatToDo(t *testing.T) {
	t.Parallel()
	denied := providerAccount()
	denied["DescribeVpcEndpointServiceConfigurations"] = failXML(403, "UnauthorizedOperation", "You are not authorized")
	denied["GetCallerIdentity"] = `403<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>ExpiredToken</Code><Message>expired</Message></Error><RequestId>r</RequestId></ErrorResponse>`
	_, provider := account(t, denied)
	o := Observe(t.Context(), testLink(), Sources{Provider: provider, ConsumerErr: errors.New("profile consumer: not found")}, Options{})
	for name, class := range map[string]FailureClass{
		"provider.identity": FailCredentials, "provider.service": FailDenied, "provider.listeners": FailDenied,
		"provider.targetHealth": FailDenied, "consumer.endpoint": FailCredentials, "consumer.interfaces": FailCredentials,
	} {
		m, _ := o.Meta(name)
		if m.Error == nil || m.Error.Class != class {
			t.Errorf("%s: %+v", name, m.Error)
		}
	}
	if f := o.Provider.Service.Error; f.Operation != "ec2:DescribeVpcEndpointServiceConfigurations" || f.Code != "UnauthorizedOperation" || f.Attempts != 1 {
		t.Errorf("%+v", f)
	}
	if f := o.Provider.TargetHealth.Error; !strings.HasPrefix(f.Message, "not asked: ec2:DescribeVpcEndpointServiceConfigurations failed") {
		t.Errorf("%+v", f)
	}
	_, down := account(t, nil)
	awsapiDown, err := awsapi.Open(t.Context(), awsapi.Access{Region: "us-east-1"}, awsapi.WithStatic("http://"+closedPort(t), "AKIDEXAMPLE", "s"), awsapi.WithRetries(1))
	if err != nil {
		t.Fatal(err)
	}
	o = Observe(t.Context(), testLink(), Sources{Provider: awsapiDown, Consumer: down}, Options{})
	if f := o.Provider.Zones.Error; f == nil || f.Class != FailNetwork {
		t.Errorf("%+v", f)
	}
}

// exploding panics when it is dialled.
type exploding struct{}

func (exploding) DialContext(context.Context, string, string) (net.Conn, error) { panic("boom\x1b") }
func (exploding) Resolvers() []netip.AddrPort                                   { return nil }

func TestAPanicBecomesAnErrorOfItsItem(t *testing.T) {
	t.Parallel()
	_, provider := account(t, providerAccount())
	_, consumer := account(t, consumerAccount())
	o := Observe(t.Context(), testLink(), Sources{
		Provider: provider, Consumer: consumer, Vantages: []Placed{{provision.Vantage{Name: "v"}, exploding{}}}, PublicDNS: exploding{},
	}, Options{})
	if len(o.Panics) == 0 || strings.Contains(strings.Join(o.Panics, ""), "\x1b") || !strings.Contains(o.Panics[0], "observe_test.go") {
		t.Errorf("%q", o.Panics)
	}
	for _, name := range []string{"dns.private", "dns.regional", "dns.zonal", "dns.txt", "reach.tcp", "reach.http"} {
		if m, _ := o.Meta(name); m.Error == nil || m.Error.Class != FailInternal {
			t.Errorf("%s: %+v", name, m)
		}
	}
	if o.Provider.Service.Error != nil || !o.Provider.Service.Value.Found {
		t.Errorf("%+v", o.Provider.Service)
	}
}

func TestAnUnreachableVantageIsNotAnAnswer(t *testing.T) {
	t.Parallel()
	_, consumer := account(t, consumerAccount())
	proxy, err := NewSOCKS5(closedPort(t))
	if err != nil {
		t.Fatal(err)
	}
	o := Observe(t.Context(), testLink(), Sources{Consumer: consumer, Vantages: []Placed{{provision.Vantage{Name: "v"}, proxy}}}, Options{})
	for _, name := range []string{"dns.private", "dns.regional", "reach.tcp", "reach.http"} {
		if m, _ := o.Meta(name); m.Error == nil || m.Error.Class != FailVantage {
			t.Errorf("%s: %+v", name, m)
		}
	}
}

func TestWhereTheLinkMustNotAnswerOnlyTCPIsTriedOnce(t *testing.T) {
	t.Parallel()
	_, consumer := account(t, consumerAccount())
	inside, outside := consumerVPC(t), &mapped{}
	link := testLink()
	link.Timeouts.Connect = short().Connect
	link.Provider.Access = provision.AccessNone
	spec := provision.Vantage{Name: "out", Expect: provision.ExpectTimeout}
	o := Observe(t.Context(), link, Sources{Consumer: consumer, Vantages: []Placed{{spec, outside}}}, Options{})
	if len(o.Reach.TCP.Value) != 2 || o.Reach.HTTP.Absent != NoVantage || o.DNS.Private.Absent != NoVantage {
		t.Errorf("%+v %+v %+v", o.Reach.TCP, o.Reach.HTTP, o.DNS.Private)
	}
	for _, a := range o.Reach.TCP.Value {
		if a.Target.Kind != TargetInterface || len(a.Tries) != 1 || a.Tries[0].Outcome != TimedOut {
			t.Errorf("%+v", a)
		}
	}
	// Without the consumer's API the addresses are those that others see behind the name.
	link.Consumer.Access = provision.AccessNone
	inside.resolvers = []netip.AddrPort{netip.MustParseAddrPort("10.1.0.2:53")}
	o = Observe(t.Context(), link, Sources{Vantages: []Placed{{provision.Vantage{Name: "in"}, inside}, {spec, outside}}}, Options{})
	var out []string
	for _, a := range o.Reach.TCP.Value {
		if a.Vantage == "out" {
			out = append(out, fmt.Sprint(a.Target.Kind, " ", a.Addr, " ", a.Tries[0].Outcome))
		}
	}
	if fmt.Sprint(out) != "[private-name 10.1.1.10:80 timed out private-name 10.1.2.10:80 timed out]" {
		t.Errorf("%v", out)
	}
}

func TestInterruptKeepsWhatWasObserved(t *testing.T) {
	t.Parallel()
	_, provider := account(t, providerAccount())
	slow, consumer := account(t, consumerAccount())
	slow.delay = time.Minute
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	v := &mapped{resolvers: []netip.AddrPort{netip.MustParseAddrPort("10.1.0.2:53")}}
	done := make(chan *Observation)
	link := testLink()
	link.Timeouts = provision.Timeouts{DNS: provision.Duration(time.Minute), Connect: provision.Duration(time.Minute)}
	go func() {
		done <- Observe(ctx, link, Sources{Provider: provider, Consumer: consumer, Vantages: []Placed{{provision.Vantage{Name: "v"}, v}}, PublicDNS: v}, Options{})
	}()
	// The provider's side is done when the zones of the targets were asked for.
	deadline := time.After(10 * time.Second)
	for provider.Calls() < 13 || v.count("udp 10.1.0.2:53") == 0 {
		select {
		case <-deadline:
			t.Fatalf("%d calls", provider.Calls())
		case <-time.After(5 * time.Millisecond):
		}
	}
	cancel()
	o := <-done
	if !o.Interrupted || !o.Provider.Service.Value.Found {
		t.Errorf("%v %+v", o.Interrupted, o.Provider.Service)
	}
	for _, name := range []string{"consumer.endpoint", "consumer.interfaces", "dns.regional", "dns.txt", "reach.tcp"} {
		if m, _ := o.Meta(name); m.Absent != NotReached {
			t.Errorf("%s: %+v", name, m)
		}
	}
	if l := o.DNS.Private.Value; len(l) != 2 || l[0].Outcome != NotAsked {
		t.Errorf("%+v", l)
	}
}

func TestWaitKeepsTheTimeline(t *testing.T) {
	t.Parallel()
	a, provider := account(t, providerAccount())
	b, consumer := account(t, consumerAccount())
	a.answers["DescribeVpcEndpointServiceConfigurations"] = []string{serviceXML("Available", "pendingVerification"), serviceXML("Available", "verified")}
	a.answers["DescribeTargetHealth"] = []string{healthXML("initial", "healthy"), healthXML("healthy", "healthy")}
	b.answers["DescribeVpcEndpoints"] = []string{failXML(400, "InvalidVpcEndpointId.NotFound", "x"), endpointXML("pendingAcceptance"), endpointXML("pending"), endpointXML("available")}
	var progress []string
	o := Observe(t.Context(), testLink(), Sources{Provider: provider, Consumer: consumer}, Options{
		Wait: time.Minute, Progress: func(s string) { progress = append(progress, s) },
	})
	seen := map[string][]string{}
	for _, c := range o.Timeline {
		seen[c.What] = append(seen[c.What], c.State)
	}
	for what, want := range map[string]string{
		"consumer.endpoint.state": "[not found pendingAcceptance pending available]", "provider.service.state": "[Available]",
		"provider.service.verification": "[pendingVerification verified]", "provider.target 10.0.1.10:443 in svc": "[initial healthy]",
	} {
		if fmt.Sprint(seen[what]) != want {
			t.Errorf("%s: %v, want %s", what, seen[what], want)
		}
	}
	if len(progress) != 3 || !strings.Contains(progress[1], "consumer.endpoint.state is pendingAcceptance") {
		t.Errorf("%q", progress)
	}
	if o.Consumer.Endpoint.Value.State != "available" {
		t.Errorf("%+v", o.Consumer.Endpoint.Value)
	}
}

func TestWaitEndsAtItsDeadline(t *testing.T) {
	t.Parallel()
	out := consumerAccount()
	out["DescribeVpcEndpoints"] = endpointXML("pendingAcceptance")
	_, consumer := account(t, out)
	link := testLink()
	link.Provider.Access = provision.AccessNone
	var progress []string
	began := time.Now()
	o := Observe(t.Context(), link, Sources{Consumer: consumer}, Options{Wait: 400 * time.Millisecond, Progress: func(s string) { progress = append(progress, s) }})
	if took := time.Since(began); took > 5*time.Second || len(progress) != 2 || !strings.HasPrefix(progress[1], "gave up waiting") {
		t.Errorf("took %s, %q", took, progress)
	}
	if o.Consumer.Endpoint.Value.State != "pendingAcceptance" || len(o.Timeline) != 1 {
		t.Errorf("%+v %+v", o.Consumer.Endpoint.Value, o.Timeline)
	}
}

func TestResolverChoice(t *testing.T) {
	t.Parallel()
	own := &mapped{resolvers: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53")}}
	r := testRun(t, provision.Link{})
	with := func(d DHCPOptions) *way {
		return &way{run: r, consumer: &consumerItems{vpc: given(VPC{CIDRs: []string{"10.7.0.0/16"}}, nil), dhcpOptions: given(d, nil)}}
	}
	known := with(DHCPOptions{Servers: []string{"AmazonProvidedDNS"}})
	unknown := &way{run: r, consumer: &consumerItems{vpc: given(VPC{}, absent{NoConsumerAccess}), dhcpOptions: given(DHCPOptions{}, absent{NoConsumerAccess})}}
	for _, tc := range []struct {
		w    *way
		p    Placed
		want string
	}{
		{known, Placed{provision.Vantage{Resolver: "192.0.2.9"}, own}, "[192.0.2.9:53]"},
		{known, Placed{provision.Vantage{Resolver: "192.0.2.9:5353"}, own}, "[192.0.2.9:5353]"},
		{known, Placed{provision.Vantage{Resolver: "fd00::2"}, own}, "[[fd00::2]:53]"},
		{known, Placed{provision.Vantage{}, own}, "[192.0.2.1:53]"},
		{known, Placed{provision.Vantage{}, &mapped{}}, "[10.7.0.2:53]"},
		{with(DHCPOptions{Servers: []string{"10.7.1.1", "10.7.1.2"}}), Placed{provision.Vantage{}, &mapped{}}, "[10.7.1.1:53 10.7.1.2:53]"},
		{unknown, Placed{provision.Vantage{}, &mapped{}}, "[169.254.169.253:53]"},
	} {
		if got := fmt.Sprint(tc.w.resolversOf(tc.p)); got != tc.want {
			t.Errorf("%+v: %s, want %s", tc.p.Spec, got, tc.want)
		}
	}
}

func TestASecondResolverIsAskedWhenTheFirstIsSilent(t *testing.T) {
	t.Parallel()
	v := &mapped{to: map[string]string{
		"192.0.2.1:53": closedPort(t), "192.0.2.2:53": nameServer(t, answers(t, 0, "x.example. 5 IN A 10.0.0.1")),
	}}
	r := testRun(t, provision.Link{})
	w := &way{run: r}
	p := place{name: "v", vantage: v, dns: &dnsClient{run: r, vantage: v, name: "v"}}
	l := w.resolve(p, []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53"), netip.MustParseAddrPort("192.0.2.2:53")}, "x.example", dns.TypeA)
	if l.Outcome != OK || l.Server.Addr().String() != "192.0.2.2" || l.Attempts != dnsAttempts+1 {
		t.Errorf("%+v", l)
	}
	l = w.resolve(p, []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53")}, "x.example", dns.TypeA)
	if l.Outcome != Refused {
		t.Errorf("%+v", l)
	}
}

func TestEndpointNamesByPattern(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		testRegional: "regional-name ", testZonalC: "zonal-name us-east-1c",
		"vpce-0fe5b17a0707d6abc-29p5708s-us-west-2-lax-1a.vpce-svc-1.us-west-2.vpce.amazonaws.com": "zonal-name us-west-2-lax-1a",
		"vpce-0fe5b17a0707d6abc-x.vpce-svc-1.cn-north-1.vpce.amazonaws.com.cn":                     "regional-name ",
		"vpce-other-29p5708s.vpce-svc-1.us-east-1.vpce.amazonaws.com":                              "private-name ",
		"vpce-0fe5b17a0707d6abc-x.vpce-svc-1.evil.example":                                         "private-name ",
		"api.example.com": "private-name ",
	} {
		kind, zone := endpointName(testEndpoint, name)
		if got := string(kind) + " " + zone; got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if ProbeName("*.example.com") != "probe.example.com" || ProbeName("a.example.com") != "a.example.com" {
		t.Error("ProbeName")
	}
}
