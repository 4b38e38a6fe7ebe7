package suites

import (
	"slices"
	"strings"
	"testing"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
)

// variant is a healthy link of another shape.
type variant struct {
	name    string
	make    func(o *probes.Observation)
	skipped []Absence
}

// Absence is spelled out here so that the table reads easily.
type Absence = probes.Absence

func variants() []variant { return slices.Concat(linkVariants(), familyVariants()) }

func linkVariants() []variant {
	return []variant{
		{"consumer-only", func(o *probes.Observation) {
			o.Link.Provider.Access = provision.AccessNone
			o.Link.Provider.ServiceID, o.Link.Provider.ServiceName = "", service
			p := &o.Provider
			absent(&p.Identity, probes.NoProviderAccess)
			absent(&p.Zones, probes.NoProviderAccess)
			absent(&p.Service, probes.NoProviderAccess)
			absent(&p.Permissions, probes.NoProviderAccess)
			absent(&p.Connections, probes.NoProviderAccess)
			absent(&p.LoadBalancers, probes.NoProviderAccess)
			absent(&p.Listeners, probes.NoProviderAccess)
			absent(&p.TargetGroups, probes.NoProviderAccess)
			absent(&p.TargetHealth, probes.NoProviderAccess)
			absent(&p.SecurityGroups, probes.NoProviderAccess)
			absent(&p.HostedZones, probes.NoProviderAccess)
			absent(&p.Services, probes.NoProviderAccess)
			absent(&o.DNS.TXT, probes.NoProviderAccess)
			noProviderPath(o)
		}, []Absence{probes.NoProviderAccess}},
		{"provider-only", func(o *probes.Observation) {
			o.Link.Consumer.Access = provision.AccessNone
			o.Link.Vantages = nil
			o.Link.Consumer.EndpointID = "" // the connection is found by its owner
			c := &o.Consumer
			absent(&c.Identity, probes.NoConsumerAccess)
			absent(&c.Zones, probes.NoConsumerAccess)
			absent(&c.Service, probes.NoConsumerAccess)
			absent(&c.Endpoint, probes.NoConsumerAccess)
			absent(&c.Interfaces, probes.NoConsumerAccess)
			absent(&c.Subnets, probes.NoConsumerAccess)
			absent(&c.VPC, probes.NoConsumerAccess)
			absent(&c.SecurityGroups, probes.NoConsumerAccess)
			absent(&c.HostedZones, probes.NoConsumerAccess)
			absent(&c.DHCPOptions, probes.NoConsumerAccess)
			noConsumerPath(o)
			noVantage(o)
		}, []Absence{probes.NoConsumerAccess, probes.NoVantage}},
		{"control-plane-only", func(o *probes.Observation) {
			o.Link.Vantages = nil
			noVantage(o)
		}, []Absence{probes.NoVantage}},
		{"no-private-name", func(o *probes.Observation) {
			o.Link.PrivateDNSName = ""
			o.Provider.Service.Value.PrivateDNSName, o.Provider.Service.Value.Verification = "", nil
			o.Consumer.Service.Value.PrivateDNSName, o.Consumer.Service.Value.VerificationState = "", ""
			o.Consumer.Endpoint.Value.PrivateDNSEnabled, o.Consumer.Endpoint.Value.OtherNames = false, nil
			o.Consumer.HostedZones.Value = nil
			o.Consumer.VPC.Value.DNSHostnames = false
			absent(&o.DNS.Private, probes.NoPrivateDNSName)
			absent(&o.Provider.HostedZones, probes.NoPrivateDNSName)
			absent(&o.DNS.TXT, probes.NoPrivateDNSName)
			absent(&o.DNS.Public, probes.NoPrivateDNSName)
			reach(o)
		}, []Absence{probes.NoPrivateDNSName}},
		{"tcp-only", func(o *probes.Observation) {
			o.Link.Ports = []provision.Port{{Port: 80}, {Port: 443}}
			absent(&o.Reach.TLS, probes.NotConfigured)
			absent(&o.Reach.HTTP, probes.NotConfigured)
			absent(&o.Reach.Large, probes.NotConfigured)
		}, []Absence{probes.NotConfigured}},
		{"principal-star", func(o *probes.Observation) {
			o.Provider.Permissions.Value = []probes.Principal{{Type: "All", ARN: "*"}, {Type: "Account", ARN: "arn:aws:iam::333333333333:root"}}
		}, nil},
		{"principal-own-role", func(o *probes.Observation) {
			o.Provider.Permissions.Value = []probes.Principal{{Type: "Role", ARN: "arn:aws:iam::222222222222:role/App"}, {Type: "Account", ARN: "arn:aws:iam::333333333333:root"}}
		}, nil},
		{"txt-at-the-parent-domain", func(o *probes.Observation) {
			setTXT(o, func(q *probes.TXTQuestion) {
				if q.Outcome == probes.OK {
					withoutTXT(q)
					return
				}
				q.Outcome, q.Texts = probes.OK, []string{"another record", txtValue}
			})
		}, nil},
		{"txt-behind-a-cname", func(o *probes.Observation) {
			q := o.DNS.TXT.Value.Asked[0]
			setTXT(o, func(q *probes.TXTQuestion) {
				if q.Outcome == probes.OK {
					q.Outcome, q.Texts, q.Chain = probes.NoData, nil, []string{"elsewhere.example.com"}
				}
			})
			o.DNS.TXT.Value.Asked = append(o.DNS.TXT.Value.Asked, q)
		}, nil},
		{"wildcard-private-name", func(o *probes.Observation) {
			o.Provider.Service.Value.PrivateDNSName = "*.intra.chartsinvestor.com"
			o.Consumer.Service.Value.PrivateDNSName = "*.intra.chartsinvestor.com"
			o.Consumer.Endpoint.Value.OtherNames = []string{"*.intra.chartsinvestor.com"}
			o.Consumer.HostedZones.Value[0].Name = "intra.chartsinvestor.com."
		}, nil},
		{"parent-zone-that-shadows-nothing", func(o *probes.Observation) {
			o.Consumer.HostedZones.Value = append(o.Consumer.HostedZones.Value, probes.HostedZone{ID: "ZPARENT", Name: "chartsinvestor.com.", OwnerAccount: "222222222222"})
		}, nil},
		{"one-zone-on-purpose", func(o *probes.Observation) {
			o.Link.Provider.Build = &provision.ProviderBuild{
				Zones: zones[:1], AllowedPrincipals: []string{"arn:aws:iam::333333333333:root", "arn:aws:iam::222222222222:root"},
			}
			lb := &o.Provider.LoadBalancers.Value[0]
			lb.Zones, o.Provider.Service.Value.ZoneIDs = lb.Zones[:1], zones[:1]
			absent(&o.Consumer.Subnets, probes.NoConsumerAccess)
			absent(&o.Consumer.BuildSubnets, probes.NotConfigured)
		}, nil},
		{"two-load-balancers-alike", second, nil},
		{"security-group-by-reference", func(o *probes.Observation) {
			o.Consumer.SecurityGroups.Value[0].Ingress = []probes.SecurityGroupRule{{Protocol: "-1", FromPort: -1, ToPort: -1, GroupID: "sg-0c"}}
		}, nil},
		{"clients-from-elsewhere", func(o *probes.Observation) {
			// The vantage comes over a transit gateway: what connects is admitted.
			o.Consumer.SecurityGroups.Value[0].Ingress = []probes.SecurityGroupRule{{Protocol: "tcp", FromPort: 0, ToPort: 65535, CIDR: "192.168.0.0/16"}}
		}, nil},
		{"states-in-pascal-case", func(o *probes.Observation) {
			o.Consumer.Endpoint.Value.State = "Available"
		}, nil},
		{"one-flaky-try", func(o *probes.Observation) {
			o.Reach.TCP.Value[0].Tries = []probes.Try{{Outcome: probes.TimedOut}, {Outcome: probes.OK}}
		}, nil},
	}
}

func noVantage(o *probes.Observation) {
	absent(&o.DNS.Private, probes.NoVantage)
	absent(&o.DNS.Regional, probes.NoVantage)
	absent(&o.DNS.Zonal, probes.NoVantage)
	absent(&o.Reach.TCP, probes.NoVantage)
	absent(&o.Reach.TLS, probes.NoVantage)
	absent(&o.Reach.HTTP, probes.NoVantage)
	absent(&o.Reach.Large, probes.NoVantage)
	absent(&o.Reach.Idle, probes.NoVantage)
	absent(&o.Path.Clients, probes.NoVantage)
	absent(&o.Path.ClientGroups, probes.NoVantage)
}

func TestHealthyVariantsFailNothing(t *testing.T) {
	t.Parallel()
	for _, x := range variants() {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			o := healthy()
			x.make(o)
			verdicts := Judge(o, Catalogue(), nil)
			if s := Summarize(verdicts, Advice); s.Failed+s.Blocked+s.Untold > 0 || s.Passed < 8 {
				t.Errorf("%+v", s)
			}
			for _, v := range verdicts {
				switch v.Status {
				case Failed, Blocked, Untold:
					t.Errorf("%s: %s: %s", v.Check, v.Status, v.Reason)
				case Skipped:
					if v.Reason == "" {
						t.Errorf("%s is skipped for no reason", v.Check)
					}
				}
			}
			for _, why := range x.skipped {
				if !slices.ContainsFunc(verdicts, func(v Verdict) bool { return v.Status == Skipped && v.Reason == string(why) }) {
					t.Errorf("no check is skipped because of %q", why)
				}
			}
			if x.name == "control-plane-only" || strings.HasSuffix(x.name, "-only") && x.name != "tcp-only" {
				if len(NotVerified(verdicts)) == 0 {
					t.Error("nothing is listed as not verified")
				}
			}
		})
	}
}
