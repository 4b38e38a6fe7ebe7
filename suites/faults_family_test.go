package suites

import (
	"net/netip"
	"slices"

	"github.com/linkassay/linkassay/probes"
)

func familyFaults() []fault {
	return []fault{
		{"endpoint-ipv4-only", func(o *probes.Observation) {
			o.Provider.Service.Value.IPAddressTypes = []string{"ipv4", "ipv6"}
			o.Provider.LoadBalancers.Value[0].IPAddressType = "dualstack"
			o.Link.Consumer.IPAddressType = "dualstack"
		}, "family.endpoint-type", ConsumerSide, []string{"family.service-types", "family.load-balancers", "reachability.http-private-name"}},
		{"interface-without-ipv6", func(o *probes.Observation) {
			dualstack(o)
			o.Consumer.Interfaces.Value[1].IPs = o.Consumer.Interfaces.Value[1].IPs[:1]
			setDNS(o.DNS.Zonal, func(l probes.Lookup) probes.Lookup {
				if l.Name == zonal(1) && l.Type == "AAAA" {
					return lookup(l.Vantage, l.Name, l.Type, nil)
				}
				return l
			})
			for _, it := range []*probes.Item[[]probes.Lookup]{o.DNS.Private, o.DNS.Regional} {
				setDNS(it, func(l probes.Lookup) probes.Lookup {
					l.Addrs = slices.DeleteFunc(slices.Clone(l.Addrs), func(a netip.Addr) bool { return a == address6(1) })
					return l
				})
			}
			reach(o)
		}, "family.endpoint-type", ConsumerSide, []string{"family.service-types"}},
		{"subnet-without-ipv6", func(o *probes.Observation) {
			dualstack(o)
			o.Consumer.Subnets.Value[1].IPv6CIDR = ""
		}, "family.endpoint-type", ConsumerSide, nil},
		{"service-ipv4-only", func(o *probes.Observation) {
			dualstack(o)
			o.Provider.Service.Value.IPAddressTypes = []string{"ipv4"}
		}, "family.service-types", ProviderSide, []string{"reachability.http-private-name"}},
		{"load-balancer-ipv4-only", func(o *probes.Observation) {
			dualstack(o)
			o.Provider.LoadBalancers.Value[0].IPAddressType = "ipv4"
			silentOver(o, "ipv6")
		}, "family.load-balancers", ProviderSide, []string{"family.service-types", "dns.private-name-matches-regional"}},
		{"records-ipv4-only", func(o *probes.Observation) {
			dualstack(o)
			o.Link.Consumer.IPAddressType = "dualstack"
			o.Consumer.Endpoint.Value.DNSRecordIPType = "ipv4"
			withoutIPv6(o.DNS.Private, o.DNS.Regional, o.DNS.Zonal)
			reach(o)
		}, "family.dns-record-type", ConsumerSide, []string{"family.endpoint-type", "reachability.http-private-name"}},
		{"records-of-another-type", func(o *probes.Observation) {
			o.Consumer.Endpoint.Value.DNSRecordIPType = "dualstack"
		}, "family.dns-record-type", ConsumerSide, nil},
		{"resolver-without-ipv6", func(o *probes.Observation) {
			dualstack(o)
			withoutIPv6(o.DNS.Regional)
			reach(o)
		}, "family.names-complete", Network, []string{"family.dns-record-type", "dns.private-name-matches-regional"}},
		{"private-name-without-ipv6", func(o *probes.Observation) {
			dualstack(o)
			withoutIPv6(o.DNS.Private)
			reach(o)
		}, "family.names-complete", Network, nil},
		{"security-group-ipv4-only", func(o *probes.Observation) {
			dualstack(o)
			o.Consumer.SecurityGroups.Value[0].Ingress = o.Consumer.SecurityGroups.Value[0].Ingress[:2]
			silentOver(o, "ipv6")
		}, "family.security-group", ConsumerSide, []string{"connection.endpoint-security-group"}},
		{"region-not-offered", func(o *probes.Observation) {
			crossRegion(o)
			o.Provider.Service.Value.Regions = o.Provider.Service.Value.Regions[:1]
			o.Consumer.Service.Value = probes.ServiceDetail{Name: service, Code: "InvalidServiceName"}
		}, "region.service-offered", ProviderSide, []string{"region.of-service", "reachability.http-private-name"}},
		{"region-not-offered-yet", func(o *probes.Observation) {
			crossRegion(o)
			o.Provider.Service.Value.Regions[1].State = "Pending"
		}, "region.service-offered", ProviderSide, nil},
		{"region-zone-excluded", func(o *probes.Observation) {
			crossRegion(o)
			o.Provider.Service.Value.ZoneIDs = []string{zones[0], zones[1], "use1-az3"}
			o.Provider.LoadBalancers.Value[0].Zones[2].ZoneID = "use1-az3"
			for i := range o.Provider.TargetHealth.Value {
				if h := &o.Provider.TargetHealth.Value[i]; h.ZoneID == zones[2] {
					h.ZoneID = "use1-az3"
				}
			}
		}, "region.zones-supported", ProviderSide, []string{"reachability.http-private-name"}},
		{"region-subnet-zone-excluded", func(o *probes.Observation) {
			crossRegion(o)
			o.Consumer.Subnets.Value[2].ZoneID = "apne1-az3"
		}, "region.zones-supported", ProviderSide, nil},
		{"region-idle-timeout", func(o *probes.Observation) {
			crossRegion(o)
			o.Provider.Listeners.Value[1].IdleTimeoutSeconds = 600
		}, "region.idle-timeout", ProviderSide, []string{"reachability.http-private-name"}},
		{"region-wrong", func(o *probes.Observation) {
			o.Link.Provider.Region = "eu-west-1"
			o.Consumer.Service.Value = probes.ServiceDetail{Name: service, Code: "InvalidServiceName"}
			o.Provider.Service.Value = probes.Service{ID: serviceID, Code: "InvalidVpcEndpointServiceId.NotFound"}
			p := &o.Provider
			absent(&p.Permissions, probes.NoSubject)
			absent(&p.Connections, probes.NoSubject)
			absent(&p.LoadBalancers, probes.NoSubject)
			absent(&p.Listeners, probes.NoSubject)
			absent(&p.TargetGroups, probes.NoSubject)
			absent(&p.TargetHealth, probes.NoSubject)
			absent(&p.SecurityGroups, probes.NoSubject)
			absent(&o.DNS.TXT, probes.NoSubject)
		}, "region.of-service", ConsumerSide, nil},
	}
}

func withoutIPv6(items ...*probes.Item[[]probes.Lookup]) {
	for _, it := range items {
		it.Value = slices.DeleteFunc(it.Value, func(l probes.Lookup) bool { return l.Type == "AAAA" })
	}
}

func familyVariants() []variant {
	return []variant{
		{"dualstack", dualstack, nil},
		{"dualstack-as-the-link-file-says", func(o *probes.Observation) {
			dualstack(o)
			o.Link.Consumer.IPAddressType = "dualstack"
		}, nil},
		{"dualstack-with-service-defined-records", func(o *probes.Observation) {
			dualstack(o)
			o.Consumer.Endpoint.Value.DNSRecordIPType = "service-defined"
			withoutIPv6(o.DNS.Private)
			reach(o)
		}, nil},
		{"dualstack-with-ipv4-records", func(o *probes.Observation) {
			dualstack(o)
			o.Consumer.Endpoint.Value.DNSRecordIPType = "ipv4"
			withoutIPv6(o.DNS.Private, o.DNS.Regional, o.DNS.Zonal)
			reach(o)
		}, nil},
		{"cross-region", crossRegion, nil},
		{"recorded-without-families", func(o *probes.Observation) {
			o.Provider.Service.Value.IPAddressTypes, o.Consumer.Service.Value.IPAddressTypes = nil, nil
			o.Consumer.Endpoint.Value.IPAddressType, o.Consumer.Endpoint.Value.DNSRecordIPType = "", ""
		}, nil},
	}
}
