package suites

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/linkassay/linkassay/probes"
)

// fault is a broken link as it looks in an Observation, and the one check that must fail.
type fault struct {
	name string
	make func(o *probes.Observation)
	root string
	side Side
	// passed are checks that must pass in spite of the fault, to show that blocking is not blind.
	passed []string
}

func faults() []fault {
	return slices.Concat(
		linkFaults(),
		aloneFaults(),
		subnetFaults(),
		balancerFaults(),
		proxyFaults(),
		recordFaults(),
		nameFaults(),
		pathFaults(),
		zoneFaults(),
		familyFaults(),
		identityFaults(),
		idleFaults(),
	)
}

func linkFaults() []fault {
	return []fault{
		{"not-allowed", func(o *probes.Observation) {
			o.Provider.Permissions.Value = o.Provider.Permissions.Value[:1]
			o.Provider.Connections.Value = nil
			o.Consumer.Service.Value = probes.ServiceDetail{Name: service, Code: "InvalidServiceName", Message: "The Vpc Endpoint Service '" + service + "' does not exist"}
			o.Link.Consumer.EndpointID = ""
			o.Consumer.Endpoint.Value = probes.Endpoint{}
			absent(&o.Consumer.Interfaces, probes.NoSubject)
			absent(&o.Consumer.Subnets, probes.NoSubject)
			absent(&o.Consumer.VPC, probes.NoSubject)
			absent(&o.Consumer.SecurityGroups, probes.NoSubject)
			absent(&o.Consumer.HostedZones, probes.NoSubject)
			absent(&o.Consumer.DHCPOptions, probes.NoSubject)
			absent(&o.DNS.Regional, probes.NoSubject)
			absent(&o.DNS.Zonal, probes.NoSubject)
			setDNS(o.DNS.Private, nxdomain)
			absent(&o.Reach.TCP, probes.NoSubject)
			absent(&o.Reach.TLS, probes.NoSubject)
			absent(&o.Reach.HTTP, probes.NoSubject)
		}, "connection.principal-allowed", ProviderSide, []string{"verification.state", "connection.healthy-target"}},
		{"permission-removed-later", func(o *probes.Observation) {
			o.Provider.Permissions.Value = nil
			o.Consumer.Service.Value = probes.ServiceDetail{Name: service, Code: "InvalidServiceName"}
		}, "connection.principal-allowed", ProviderSide, []string{"connection.endpoint-exists", "connection.accepted", "dns.private-name-matches-endpoint", "reachability.http-private-name"}},
		{
			"never-accepted", func(o *probes.Observation) { state(o, "pendingAcceptance") },
			"connection.accepted", ProviderSide,
			[]string{"connection.sides-agree", "connection.endpoint-security-group"},
		},
		{
			"rejected", func(o *probes.Observation) { state(o, "rejected") },
			"connection.accepted", ProviderSide,
			[]string{"connection.sides-agree", "verification.state"},
		},
		{"failed", func(o *probes.Observation) {
			state(o, "Failed") // AWS writes some states in Pascal case
			o.Consumer.Endpoint.Value.LastErrorMessage = "subnet has no free address"
		}, "connection.accepted", ConsumerSide, nil},
		{"expired", func(o *probes.Observation) { state(o, "expired") }, "connection.accepted", ConsumerSide, nil},
		{
			"pending", func(o *probes.Observation) { state(o, "pending") },
			"connection.endpoint-available", ConsumerSide,
			[]string{"connection.accepted"},
		},
		{"security-group-closed", func(o *probes.Observation) {
			o.Consumer.SecurityGroups.Value[0].Ingress = nil
			allTCP(o, probes.TimedOut)
		}, "connection.endpoint-security-group", ConsumerSide, []string{"dns.private-name-matches-regional", "connection.healthy-target"}},
		{"security-group-foreign", func(o *probes.Observation) {
			for i := range o.Consumer.SecurityGroups.Value[0].Ingress {
				o.Consumer.SecurityGroups.Value[0].Ingress[i].CIDR = "192.0.2.0/24"
			}
			allTCP(o, probes.TimedOut)
		}, "connection.endpoint-security-group", ConsumerSide, nil},
		{"load-balancer-security-group", func(o *probes.Observation) {
			o.Provider.LoadBalancers.Value[0].SecurityGroupIDs = []string{"sg-0b"}
			o.Provider.LoadBalancers.Value[0].EnforceInbound = "on"
			o.Provider.SecurityGroups.Value = []probes.SecurityGroup{{ID: "sg-0b", Ingress: []probes.SecurityGroupRule{{Protocol: "tcp", FromPort: 80, ToPort: 443, CIDR: "172.16.0.0/12"}}, Egress: []probes.SecurityGroupRule{{Protocol: "-1", CIDR: "0.0.0.0/0"}}}}
			allTCP(o, probes.TimedOut)
		}, "connection.load-balancer-security-group", ProviderSide, nil},
		{"no-healthy-target", func(o *probes.Observation) {
			unhealthy(o, "Target.FailedHealthChecks")
			allTCP(o, probes.Refused)
		}, "connection.healthy-target", ProviderSide, []string{"dns.private-name-matches-endpoint", "connection.accepted"}},
		{"no-healthy-target-empty-dns", func(o *probes.Observation) {
			// The regional name returns healthy interfaces only: it may have none left.
			unhealthy(o, "Target.Timeout")
			setDNS(o.DNS.Regional, func(l probes.Lookup) probes.Lookup { return lookup(l.Vantage, l.Name, l.Type, nil) })
			setDNS(o.DNS.Private, func(l probes.Lookup) probes.Lookup {
				return lookup(l.Vantage, l.Name, l.Type, nil, regional)
			})
			reach(o)
			allTCP(o, probes.Refused)
		}, "connection.healthy-target", ProviderSide, nil},
		{
			"servers-stopped-unnoticed", func(o *probes.Observation) { allTCP(o, probes.Refused) },
			"reachability.tcp-interfaces", ProviderSide,
			[]string{"connection.healthy-target", "dns.regional-name-resolves"},
		},
		{"listener-missing", func(o *probes.Observation) {
			o.Provider.Listeners.Value = o.Provider.Listeners.Value[:1]
			o.Provider.TargetGroups.Value = o.Provider.TargetGroups.Value[:1]
			o.Provider.TargetHealth.Value = slices.DeleteFunc(o.Provider.TargetHealth.Value, func(h probes.TargetHealth) bool { return h.TargetGroupARN == "tg/https" })
			setTCP(o, func(a probes.Attempt) probes.Outcome {
				if a.Addr.Port() == 443 {
					return probes.Refused
				}
				return probes.OK
			})
		}, "connection.listener-on-each-port", ProviderSide, []string{"dns.private-name-matches-endpoint"}},
		{"txt-missing", func(o *probes.Observation) {
			txtGone(o)
			unverified(o, "pendingVerification")
		}, "verification.txt-published", ProviderSide, []string{"reachability.http-aws-names", "reachability.http-interfaces", "reachability.tls-certificate"}},
		{
			"txt-removed-later", txtGone,
			"verification.txt-published", ProviderSide,
			[]string{"verification.state", "dns.private-dns-enabled", "reachability.http-private-name"},
		},
		{
			"txt-at-one-server-stale", func(o *probes.Observation) { withoutTXT(&o.DNS.TXT.Value.Asked[2]) },
			"verification.txt-servers-agree", ProviderSide,
			[]string{"verification.state", "verification.txt-published"},
		},
		{"no-names-yet", func(o *probes.Observation) {
			o.Consumer.Endpoint.Value.RegionalName, o.Consumer.Endpoint.Value.ZonalNames = "", nil
			absent(&o.DNS.Regional, probes.NoSubject)
			absent(&o.DNS.Zonal, probes.NoSubject)
		}, "dns.names-assigned", ConsumerSide, []string{"reachability.tcp-interfaces"}},
		{
			"not-verified-though-published", func(o *probes.Observation) { unverified(o, "pendingVerification") },
			"verification.state", ProviderSide,
			[]string{"verification.txt-published"},
		},
		{"private-dns-not-enabled", func(o *probes.Observation) {
			o.Consumer.Endpoint.Value.PrivateDNSEnabled = false
			o.Consumer.Endpoint.Value.OtherNames = nil
			o.Consumer.HostedZones.Value = nil
			noPrivateName(o)
		}, "dns.private-dns-enabled", ConsumerSide, []string{"dns.regional-name-resolves", "dns.no-shadowing-zone", "reachability.http-aws-names"}},
		{"private-zone-shadows", func(o *probes.Observation) {
			o.Consumer.HostedZones.Value = append(o.Consumer.HostedZones.Value, probes.HostedZone{ID: "/hostedzone/ZSHADOW", Name: name + ".", OwnerAccount: "222222222222"})
			noPrivateName(o)
		}, "dns.no-shadowing-zone", ConsumerSide, []string{"dns.private-dns-enabled", "dns.zonal-names-match", "reachability.http-aws-names"}},
		{"private-zone-shadows-and-blocks-enabling", func(o *probes.Observation) {
			o.Consumer.Endpoint.Value.PrivateDNSEnabled = false
			o.Consumer.HostedZones.Value = []probes.HostedZone{{ID: "ZSHADOW", Name: name + ".", OwnerAccount: "222222222222"}}
			noPrivateName(o)
		}, "dns.no-shadowing-zone", ConsumerSide, nil},
		{"parent-zone-shadows", func(o *probes.Observation) {
			o.Consumer.HostedZones.Value = []probes.HostedZone{{ID: "ZPARENT", Name: "chartsinvestor.com.", OwnerAccount: "222222222222"}}
			noPrivateName(o)
		}, "dns.no-shadowing-zone", ConsumerSide, nil},
		{"one-zone-down", func(o *probes.Observation) {
			setTCP(o, func(a probes.Attempt) probes.Outcome {
				if a.Addr.Addr() == address(1) {
					return probes.TimedOut
				}
				return probes.OK
			})
		}, "reachability.tcp-interfaces", Network, []string{"connection.healthy-target-in-endpoint-zones", "dns.regional-name-resolves"}},
		{"one-zone-down-and-left-out-of-dns", func(o *probes.Observation) {
			two := []netip.Addr{address(0), address(2)}
			setDNS(o.DNS.Regional, func(l probes.Lookup) probes.Lookup {
				if l.Type == "A" {
					return lookup(l.Vantage, l.Name, "A", two)
				}
				return l
			})
			setDNS(o.DNS.Private, func(l probes.Lookup) probes.Lookup {
				if l.Type == "A" {
					return lookup(l.Vantage, l.Name, "A", two, regional)
				}
				return l
			})
			reach(o)
			setTCP(o, func(a probes.Attempt) probes.Outcome {
				if a.Addr.Addr() == address(1) {
					return probes.TimedOut
				}
				return probes.OK
			})
		}, "reachability.tcp-interfaces", Network, []string{"dns.regional-name-resolves", "dns.private-name-matches-regional"}},
		{"vantage-in-the-zone-that-is-down", func(o *probes.Observation) {
			allTCP(o, probes.TimedOut)
			for _, it := range []*probes.Item[[]probes.Lookup]{o.DNS.Private, o.DNS.Regional, o.DNS.Zonal} {
				setDNS(it, func(l probes.Lookup) probes.Lookup { return failedLookup(l.Vantage, l.Name, probes.TimedOut) })
			}
		}, "reachability.tcp-interfaces", Network, nil},
		{"one-zone-unhealthy", func(o *probes.Observation) {
			unhealthy(o, "Target.Timeout", zones[1])
			setTCP(o, func(a probes.Attempt) probes.Outcome {
				if a.Addr.Addr() == address(1) {
					return probes.Refused
				}
				return probes.OK
			})
		}, "connection.healthy-target-in-endpoint-zones", ProviderSide, []string{"connection.healthy-target"}},
		{"one-zone-unhealthy-but-cross-zone", func(o *probes.Observation) {
			o.Provider.LoadBalancers.Value[0].CrossZone = true
			unhealthy(o, "Target.Timeout", zones[1])
		}, "connection.healthy-target-in-each-zone", ProviderSide, []string{"reachability.http-private-name"}},
		{"dns-support-off", func(o *probes.Observation) {
			o.Consumer.VPC.Value.DNSSupport = false
			for _, it := range []*probes.Item[[]probes.Lookup]{o.DNS.Private, o.DNS.Regional, o.DNS.Zonal} {
				setDNS(it, func(l probes.Lookup) probes.Lookup { return failedLookup(l.Vantage, l.Name, probes.TimedOut) })
			}
			reach(o)
		}, "dns.vpc-attributes", ConsumerSide, []string{"reachability.tcp-interfaces", "reachability.http-interfaces"}},
		{"dns-hostnames-off", func(o *probes.Observation) {
			o.Consumer.VPC.Value.DNSHostnames = false
			noPrivateName(o)
		}, "dns.vpc-attributes", ConsumerSide, nil},
		{"resolver-dead", func(o *probes.Observation) {
			for _, it := range []*probes.Item[[]probes.Lookup]{o.DNS.Private, o.DNS.Regional, o.DNS.Zonal} {
				setDNS(it, func(l probes.Lookup) probes.Lookup { return failedLookup(l.Vantage, l.Name, probes.Refused) })
			}
			reach(o)
		}, "dns.resolver-answers", Network, []string{"reachability.tcp-interfaces"}},
		{"resolver-serverfail", func(o *probes.Observation) {
			for _, it := range []*probes.Item[[]probes.Lookup]{o.DNS.Private, o.DNS.Regional, o.DNS.Zonal} {
				setDNS(it, func(l probes.Lookup) probes.Lookup { return failedLookup(l.Vantage, l.Name, probes.ServFail) })
			}
			reach(o)
		}, "dns.resolver-answers", Network, []string{"reachability.tcp-interfaces"}},
		{"resolver-refuses", func(o *probes.Observation) {
			for _, it := range []*probes.Item[[]probes.Lookup]{o.DNS.Private, o.DNS.Regional, o.DNS.Zonal} {
				setDNS(it, func(l probes.Lookup) probes.Lookup { return failedLookup(l.Vantage, l.Name, probes.DNSRefused) })
			}
			reach(o)
		}, "dns.resolver-answers", Network, []string{"reachability.tcp-interfaces"}},
		{"private-name-serverfail", func(o *probes.Observation) {
			setDNS(o.DNS.Private, func(l probes.Lookup) probes.Lookup { return failedLookup(l.Vantage, l.Name, probes.ServFail) })
			reach(o)
		}, "dns.private-name-resolves", Network, []string{"dns.resolver-answers", "dns.regional-name-resolves"}},
		{"resolver-lies", func(o *probes.Observation) {
			// Only one of the addresses is wrong, and it is not the last.
			setDNS(o.DNS.Private, func(l probes.Lookup) probes.Lookup {
				if l.Type == "A" {
					l.Addrs = []netip.Addr{netip.MustParseAddr("198.51.100.7"), address(0), address(1), address(2)}
				}
				return l
			})
			reach(o)
		}, "dns.private-name-matches-endpoint", Network, nil},
		{"private-name-has-foreign-aaaa", func(o *probes.Observation) {
			setDNS(o.DNS.Private, func(l probes.Lookup) probes.Lookup {
				if l.Type == "AAAA" {
					return lookup(l.Vantage, l.Name, "AAAA", []netip.Addr{netip.MustParseAddr("2001:db8::7")})
				}
				return l
			})
		}, "dns.private-name-matches-endpoint", Network, nil},
		{"private-name-copied-in-part", func(o *probes.Observation) {
			setDNS(o.DNS.Private, func(l probes.Lookup) probes.Lookup {
				if l.Type == "A" {
					l.Addrs = []netip.Addr{address(0)}
				}
				return l
			})
			reach(o)
		}, "dns.private-name-matches-regional", Network, nil},
		{"zonal-names-swapped", func(o *probes.Observation) {
			setDNS(o.DNS.Zonal, func(l probes.Lookup) probes.Lookup {
				switch l.Name {
				case zonal(0):
					return lookup(l.Vantage, l.Name, "A", []netip.Addr{address(1)})
				case zonal(1):
					return lookup(l.Vantage, l.Name, "A", []netip.Addr{address(0)})
				}
				return l
			})
		}, "dns.zonal-names-match", Network, nil},
		{"zone-left-out-of-regional-name", func(o *probes.Observation) {
			setDNS(o.DNS.Regional, func(l probes.Lookup) probes.Lookup {
				if l.Type == "A" {
					l.Addrs = l.Addrs[:2]
				}
				return l
			})
			setDNS(o.DNS.Private, func(l probes.Lookup) probes.Lookup {
				if l.Type == "A" {
					l.Addrs = l.Addrs[:2]
				}
				return l
			})
		}, "dns.regional-name-complete", ProviderSide, nil},
		{
			"wrong-name-in-link-file", func(o *probes.Observation) { o.Link.PrivateDNSName = "api.example.com" },
			"dns.private-name-of-service", ProviderSide, nil,
		},
		{"service-deleted", func(o *probes.Observation) {
			o.Provider.Service.Value = probes.Service{Code: "InvalidVpcEndpointServiceId.NotFound"}
			absent(&o.Provider.Permissions, probes.NoSubject)
			absent(&o.Provider.Connections, probes.NoSubject)
			absent(&o.Provider.LoadBalancers, probes.NoSubject)
			absent(&o.Provider.Listeners, probes.NoSubject)
			absent(&o.Provider.TargetGroups, probes.NoSubject)
			absent(&o.Provider.TargetHealth, probes.NoSubject)
			absent(&o.Provider.SecurityGroups, probes.NoSubject)
			absent(&o.DNS.TXT, probes.NoSubject)
			o.Consumer.Service.Value = probes.ServiceDetail{Code: "InvalidServiceName"}
		}, "connection.service-exists", ProviderSide, nil},
		{"wrong-consumer-credentials", func(o *probes.Observation) {
			o.Consumer.Identity.Value = probes.Identity{Account: "444444444444", ARN: "arn:aws:iam::444444444444:user/other"}
			o.Consumer.Endpoint.Value = probes.Endpoint{Code: "InvalidVpcEndpointId.NotFound"}
			o.Consumer.Service.Value = probes.ServiceDetail{Code: "InvalidServiceName"}
			absent(&o.Consumer.Interfaces, probes.NoSubject)
			absent(&o.Consumer.VPC, probes.NoSubject)
		}, "connection.consumer-account", ConsumerSide, nil},
		{"load-balancer-provisioning", func(o *probes.Observation) {
			o.Provider.LoadBalancers.Value[0].State = "provisioning"
			allTCP(o, probes.TimedOut)
		}, "connection.load-balancer-active", ProviderSide, nil},
		{
			"provider-does-not-see-connection", func(o *probes.Observation) { o.Provider.Connections.Value = nil },
			"connection.sides-agree", ProviderSide, nil,
		},
		{"endpoint-of-older-service", func(o *probes.Observation) {
			o.Consumer.Endpoint.Value.ServiceName = "com.amazonaws.vpce.ap-southeast-1.vpce-svc-00000000000000000"
			o.Provider.Connections.Value = nil
		}, "connection.endpoint-service", ConsumerSide, nil},
		{"interface-missing", func(o *probes.Observation) {
			o.Consumer.Interfaces.Value = o.Consumer.Interfaces.Value[:2]
		}, "connection.interface-in-each-subnet", ConsumerSide, nil},
		{"certificate-for-other-name", func(o *probes.Observation) {
			for i := range o.Reach.TLS.Value {
				h := &o.Reach.TLS.Value[i]
				h.Outcome, h.VerifyError = probes.TLSFailed, "x509: certificate is valid for other.example.com, not "+name
			}
			for i := range o.Reach.HTTP.Value {
				if x := &o.Reach.HTTP.Value[i]; x.Addr.Port() == 443 {
					x.Outcome, x.Status, x.BodyMatched = probes.TLSFailed, 0, nil
				}
			}
		}, "reachability.tls-certificate", ProviderSide, []string{"reachability.tls-handshake", "reachability.tcp-private-name"}},
		{"certificate-ends-soon", func(o *probes.Observation) {
			for i := range o.Reach.TLS.Value {
				o.Reach.TLS.Value[i].Chain[0].NotAfter = start.Add(13 * 24 * time.Hour)
			}
		}, "reachability.tls-certificate-lasts", ProviderSide, []string{"reachability.http-private-name"}},
		{"no-tls-spoken", func(o *probes.Observation) {
			for i := range o.Reach.TLS.Value {
				o.Reach.TLS.Value[i].Outcome, o.Reach.TLS.Value[i].Chain = probes.BadAnswer, nil
			}
			for i := range o.Reach.HTTP.Value {
				if x := &o.Reach.HTTP.Value[i]; x.Addr.Port() == 443 {
					x.Outcome = probes.BadAnswer
				}
			}
		}, "reachability.tls-handshake", ProviderSide, nil},
		{"service-unavailable", func(o *probes.Observation) {
			for i := range o.Reach.HTTP.Value {
				o.Reach.HTTP.Value[i].Status = 503
			}
		}, "reachability.http-interfaces", ProviderSide, []string{"reachability.tcp-private-name"}},
		{"wrong-body", func(o *probes.Observation) {
			no := false
			for i := range o.Reach.HTTP.Value {
				if x := &o.Reach.HTTP.Value[i]; x.Addr.Port() == 443 {
					x.BodyMatched = &no
				}
			}
		}, "reachability.http-interfaces", ProviderSide, nil},
		{"closed-vantage-connects", func(o *probes.Observation) {
			for i := range o.Reach.TCP.Value {
				if a := &o.Reach.TCP.Value[i]; a.Vantage == outside && a.Addr.Port() == 80 {
					// The first try went through, the second did not: that is no pass.
					a.Tries = []probes.Try{{Outcome: probes.OK}, {Outcome: probes.TimedOut}}
				}
			}
		}, "reachability.closed-vantages", ConsumerSide, []string{"reachability.tcp-interfaces"}},
		{"closed-vantage-refused", func(o *probes.Observation) {
			for i := range o.Reach.TCP.Value {
				if a := &o.Reach.TCP.Value[i]; a.Vantage == outside {
					a.Tries[0].Outcome = probes.Refused
				}
			}
		}, "reachability.closed-vantages", ConsumerSide, nil},
	}
}

func byStatus(verdicts []Verdict, s Status) []string {
	var ids []string
	for _, v := range verdicts {
		if v.Status == s {
			ids = append(ids, v.Check)
		}
	}
	return ids
}

func TestOneFaultHasOneRoot(t *testing.T) {
	t.Parallel()
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			o := healthy()
			f.make(o)
			verdicts := Judge(o, Catalogue(), nil)
			if got := byStatus(verdicts, Failed); !slices.Equal(got, []string{f.root}) {
				for _, v := range verdicts {
					if v.Status == Failed {
						t.Logf("%s: %s %v", v.Check, v.Reason, v.Facts)
					}
				}
				t.Fatalf("failed checks: %v, want only %s", got, f.root)
			}
			for _, v := range verdicts {
				switch v.Status {
				case Failed:
					if v.Side != f.side {
						t.Errorf("%s is on the %s side, want %s", v.Check, v.Side, f.side)
					}
					if v.Fix == nil || v.Fix.Text == "" || v.Reason == "" || len(v.Facts) == 0 {
						t.Errorf("%s lacks fix, reason or facts: %+v", v.Check, v)
					}
				case Blocked:
					if v.BlockedBy != f.root {
						t.Errorf("%s is blocked by %s, want %s", v.Check, v.BlockedBy, f.root)
					}
				case Untold:
					t.Errorf("%s could not be told: %s", v.Check, v.Reason)
				}
			}
			passed := byStatus(verdicts, Passed)
			for _, id := range f.passed {
				if !slices.Contains(passed, id) {
					i := slices.IndexFunc(verdicts, func(v Verdict) bool { return v.Check == id })
					t.Errorf("%s should pass: %+v", id, verdicts[i])
				}
			}
		})
	}
}

func TestEveryCheckIsARootOfSomeFault(t *testing.T) {
	t.Parallel()
	roots := map[string]bool{}
	for _, f := range faults() {
		roots[f.root] = true
	}
	for _, c := range Catalogue() {
		if !roots[c.ID] {
			t.Errorf("no fault fails %s", c.ID)
		}
	}
}
