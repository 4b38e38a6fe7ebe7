package suites

import (
	"net/netip"
	"slices"

	"github.com/linkassay/linkassay/probes"
)

// aloneFaults change little, so that one check alone can find them: the neighbours that read the same items pass.
func aloneFaults() []fault {
	named := func(o *probes.Observation, out probes.Outcome, kinds ...probes.TargetKind) {
		setTCP(o, func(a probes.Attempt) probes.Outcome {
			// Port 80 alone: on the other TLS would fail too.
			if a.Addr.Port() == 80 && slices.Contains(kinds, a.Target.Kind) {
				return out
			}
			return probes.OK
		})
	}
	answered := func(o *probes.Observation, status int, kind probes.TargetKind) {
		for i := range o.Reach.HTTP.Value {
			if x := &o.Reach.HTTP.Value[i]; x.Target.Kind == kind && x.Addr.Port() == 80 {
				x.Status = status
			}
		}
	}
	return []fault{
		{"wrong-provider-credentials", func(o *probes.Observation) {
			o.Provider.Identity.Value = probes.Identity{Account: "444444444444", ARN: "arn:aws:iam::444444444444:user/other"}
			o.Provider.Service.Value = probes.Service{Code: "InvalidVpcEndpointServiceId.NotFound"}
			absent(&o.Provider.Permissions, probes.NoSubject)
			absent(&o.Provider.Connections, probes.NoSubject)
			absent(&o.Provider.LoadBalancers, probes.NoSubject)
			absent(&o.Provider.Listeners, probes.NoSubject)
			absent(&o.Provider.TargetGroups, probes.NoSubject)
			absent(&o.Provider.TargetHealth, probes.NoSubject)
			absent(&o.Provider.SecurityGroups, probes.NoSubject)
			absent(&o.DNS.TXT, probes.NoSubject)
		}, "connection.provider-account", ProviderSide, []string{"connection.consumer-account"}},
		{
			"service-failed", func(o *probes.Observation) { o.Provider.Service.Value.State = "Failed" },
			"connection.service-available", ProviderSide,
			[]string{"connection.service-exists", "connection.service-type", "connection.principal-allowed"},
		},
		{
			"service-of-gateway-load-balancer", func(o *probes.Observation) { o.Provider.Service.Value.Type = "GatewayLoadBalancer" },
			"connection.service-type", ProviderSide,
			[]string{"connection.service-exists", "connection.service-available", "connection.principal-allowed"},
		},
		{
			"service-hidden-though-allowed", func(o *probes.Observation) {
				o.Consumer.Service.Value = probes.ServiceDetail{Name: service, Code: "InvalidServiceName"}
			},
			"connection.service-visible", ProviderSide,
			[]string{"connection.principal-allowed", "connection.endpoint-exists", "connection.accepted"},
		},
		{
			"service-of-another-owner", func(o *probes.Observation) { o.Consumer.Service.Value.Owner = "444444444444" },
			"connection.service-visible", ProviderSide,
			[]string{"connection.principal-allowed", "connection.endpoint-exists"},
		},
		{"endpoint-deleted", func(o *probes.Observation) {
			o.Provider.Connections.Value = nil
			o.Consumer.Endpoint.Value = probes.Endpoint{Code: "InvalidVpcEndpointId.NotFound"}
			absent(&o.Consumer.Interfaces, probes.NoSubject)
			absent(&o.Consumer.VPC, probes.NoSubject)
			absent(&o.Consumer.SecurityGroups, probes.NoSubject)
			absent(&o.Consumer.HostedZones, probes.NoSubject)
			absent(&o.DNS.Regional, probes.NoSubject)
			absent(&o.DNS.Zonal, probes.NoSubject)
			setDNS(o.DNS.Private, nxdomain)
			absent(&o.Reach.TCP, probes.NoSubject)
			absent(&o.Reach.TLS, probes.NoSubject)
			absent(&o.Reach.HTTP, probes.NoSubject)
		}, "connection.endpoint-exists", ConsumerSide, []string{"connection.service-visible", "connection.healthy-target"}},
		{"regional-name-with-foreign-address", func(o *probes.Observation) {
			setDNS(o.DNS.Regional, func(l probes.Lookup) probes.Lookup {
				if l.Type == "A" {
					l.Addrs = append(slices.Clone(l.Addrs), netip.MustParseAddr("198.51.100.7"))
				}
				return l
			})
		}, "dns.regional-name-resolves", Network, []string{"dns.names-assigned", "dns.resolver-answers", "reachability.http-interfaces"}},
		{
			"private-name-not-there-yet", noPrivateName, "dns.private-name-resolves", Network,
			[]string{"dns.private-dns-enabled", "dns.regional-name-resolves", "reachability.http-aws-names"},
		},
		{
			"regional-name-refuses", func(o *probes.Observation) { named(o, probes.Refused, probes.TargetRegional) },
			"reachability.http-aws-names", ProviderSide,
			[]string{"reachability.tcp-interfaces", "reachability.http-private-name"},
		},
		{
			"zonal-names-silent", func(o *probes.Observation) { named(o, probes.TimedOut, probes.TargetZonal) },
			"reachability.http-aws-names", ProviderSide,
			[]string{"reachability.tcp-interfaces", "reachability.http-private-name"},
		},
		{
			"private-name-silent", func(o *probes.Observation) { named(o, probes.TimedOut, probes.TargetPrivate) },
			"reachability.tcp-private-name", Network,
			[]string{"reachability.tcp-interfaces", "reachability.http-aws-names"},
		},
		{
			"error-by-regional-name", func(o *probes.Observation) { answered(o, 421, probes.TargetRegional) },
			"reachability.http-aws-names", ProviderSide,
			[]string{"reachability.http-interfaces", "reachability.http-private-name"},
		},
		{
			"error-by-zonal-name", func(o *probes.Observation) { answered(o, 421, probes.TargetZonal) },
			"reachability.http-aws-names", ProviderSide,
			[]string{"reachability.http-interfaces", "reachability.http-private-name"},
		},
		{
			"error-by-private-name", func(o *probes.Observation) { answered(o, 404, probes.TargetPrivate) },
			"reachability.http-private-name", ProviderSide,
			[]string{"reachability.http-interfaces", "reachability.http-aws-names"},
		},
	}
}
