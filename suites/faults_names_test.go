package suites

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/linkassay/linkassay/probes"
)

// recordFaults: how the verification record goes wrong, each with its own fix.
func recordFaults() []fault {
	instead := func(owner string, texts ...string) func(o *probes.Observation) {
		return func(o *probes.Observation) {
			txtGone(o)
			txtAt(o, owner, texts...)
			unverified(o, "failed")
		}
	}
	const right = txtLabel + "." + name
	return []fault{
		{"txt-in-another-case", instead(right, "v=spf1 -all", strings.ToLower(txtValue)), "verification.value-case-kept", ProviderSide, []string{"verification.value-unaltered"}},
		{"txt-with-quotes", instead(right, `"`+txtValue+`"`), "verification.value-unaltered", ProviderSide, []string{"verification.value-case-kept", "verification.value-current"}},
		{"txt-with-spaces", instead(right, "vpce: "+strings.TrimPrefix(txtValue, "vpce:")), "verification.value-unaltered", ProviderSide, nil},
		{"txt-without-prefix", instead(right, strings.TrimPrefix(txtValue, "vpce:")), "verification.value-unaltered", ProviderSide, nil},
		{"txt-run-together", instead(right, "vpce:AAAAAAAAAAAAAAAAAAAA"+txtValue), "verification.value-unaltered", ProviderSide, nil},
		{"txt-of-an-older-service", instead(right, "vpce:AAAAAAAAAAAAAAAAAAAA"), "verification.value-current", ProviderSide, []string{"verification.value-kept-beside-others"}},
		{"txt-overwritten", func(o *probes.Observation) {
			instead(right, "vpce:BBBBBBBBBBBBBBBBBBBB")(o)
			o.Provider.Services.Value = append(o.Provider.Services.Value, probes.OtherService{
				ID: "vpce-svc-0bbbbbbbbbbbbbbbb", PrivateDNSName: "b." + name, Verification: &probes.Verification{Value: "vpce:BBBBBBBBBBBBBBBBBBBB"},
			})
		}, "verification.value-kept-beside-others", ProviderSide, []string{"verification.value-current"}},
		{"txt-at-doubled-name", instead(right+".chartsinvestor.com", txtValue), "verification.name-not-doubled", ProviderSide, []string{"verification.domain-right", "verification.label-whole"}},
		{"txt-at-the-whole-name-twice", instead(right+"."+name, txtValue), "verification.name-not-doubled", ProviderSide, nil},
		{"txt-without-underscore", instead(strings.TrimPrefix(right, "_"), txtValue), "verification.label-whole", ProviderSide, []string{"verification.domain-right", "verification.name-not-doubled"}},
		{"txt-below-the-name", func(o *probes.Observation) {
			txtGone(o)
			txtAt(o, txtLabel+".www."+name, txtValue)
			o.DNS.TXT.Value.Asked = o.DNS.TXT.Value.Asked[:8] // nobody would ask there: Route 53 tells
			unverified(o, "failed")
		}, "verification.domain-right", ProviderSide, []string{"verification.name-not-doubled"}},
		{"txt-in-a-private-zone", func(o *probes.Observation) {
			private := o.Provider.HostedZones.Value[0]
			private.ID, private.Private, private.NameServers = "Z0PRIVATE", true, nil
			txtGone(o)
			o.Provider.HostedZones.Value = append(o.Provider.HostedZones.Value, private)
			unverified(o, "failed")
		}, "verification.zone-public", ProviderSide, []string{"verification.zone-delegated", "verification.domain-right"}},
		{"txt-behind-a-cname", func(o *probes.Observation) {
			txtGone(o)
			setTXT(o, func(q *probes.TXTQuestion) {
				if q.Owner == right {
					q.Outcome, q.Chain, q.TTL = probes.NXDomain, []string{"charts.example.net"}, 600
				}
			})
			unverified(o, "failed")
		}, "verification.no-cname", ProviderSide, []string{"verification.value-current"}},
		{"zone-of-two-that-is-not-delegated-to", func(o *probes.Observation) {
			second := o.Provider.HostedZones.Value[0]
			second.ID, second.NameServers = "Z0SECOND", []string{"ns-9.awsdns-09.com", "ns-9.awsdns-09.net"}
			txtGone(o)
			o.Provider.HostedZones.Value = append(o.Provider.HostedZones.Value, second)
			unverified(o, "failed")
		}, "verification.zone-delegated", ProviderSide, nil},
		{"zone-below-not-delegated", func(o *probes.Observation) {
			below := o.Provider.HostedZones.Value[0]
			below.ID, below.Name, below.NameServers = "Z0BELOW", "intra.chartsinvestor.com", []string{"ns-9.awsdns-09.com", "ns-9.awsdns-09.net"}
			txtGone(o)
			o.Provider.HostedZones.Value = append(o.Provider.HostedZones.Value, below)
			unverified(o, "failed")
		}, "verification.zone-delegated", ProviderSide, nil},
		{"domain-not-delegated", func(o *probes.Observation) {
			o.DNS.TXT.Value.Zones[1].Zone = "com"
			setTXT(o, withoutTXT)
			unverified(o, "failed")
		}, "verification.zone-delegated", ProviderSide, nil},
		{"domain-delegated-to-strangers", func(o *probes.Observation) {
			setTXT(o, func(q *probes.TXTQuestion) { q.Outcome, q.RCode, q.Texts = probes.DNSRefused, "REFUSED", nil })
			unverified(o, "failed")
		}, "verification.zone-delegated", ProviderSide, nil},
	}
}

// nameFaults: the private DNS name in the consumer's VPC.
func nameFaults() []fault {
	denied := func(zone string, ttl uint32) func(o *probes.Observation) {
		return func(o *probes.Observation) {
			setDNS(o.DNS.Private, func(l probes.Lookup) probes.Lookup {
				x := failedLookup(l.Vantage, l.Name, probes.NXDomain)
				x.Type, x.Negative = l.Type, &probes.Negative{Zone: zone, TTL: ttl}
				return x
			})
			reach(o)
		}
	}
	public := netip.MustParseAddr("203.0.113.80")
	moved := func(o *probes.Observation) {
		o.DNS.Public.Value[0].Outcome, o.DNS.Public.Value[0].Addrs, o.DNS.Public.Value[0].Negative = probes.OK, []netip.Addr{public}, nil
	}
	return []fault{
		{"custom-dns-servers", func(o *probes.Observation) {
			o.Consumer.DHCPOptions.Value.Servers = []string{"10.0.0.53", "10.0.1.53"}
			noPrivateName(o)
		}, "dns.dhcp-options", ConsumerSide, []string{"dns.private-dns-enabled", "dns.no-shadowing-zone", "dns.regional-name-resolves"}},
		{"custom-dns-servers-are-silent", func(o *probes.Observation) {
			o.Consumer.DHCPOptions.Value.Servers = []string{"10.0.0.53"}
			for _, it := range []*probes.Item[[]probes.Lookup]{o.DNS.Private, o.DNS.Regional, o.DNS.Zonal} {
				setDNS(it, func(l probes.Lookup) probes.Lookup { return failedLookup(l.Vantage, l.Name, probes.TimedOut) })
			}
			reach(o)
		}, "dns.dhcp-options", ConsumerSide, nil},
		{"another-endpoint-has-the-name", func(o *probes.Observation) {
			o.Consumer.Endpoint.Value.PrivateDNSEnabled, o.Consumer.Endpoint.Value.OtherNames = false, nil
			setDNS(o.DNS.Private, func(l probes.Lookup) probes.Lookup {
				if l.Type == "A" {
					return lookup(l.Vantage, l.Name, "A", []netip.Addr{netip.MustParseAddr("10.0.1.77")})
				}
				return l
			})
			reach(o)
		}, "dns.no-conflicting-endpoint", ConsumerSide, []string{"dns.no-shadowing-zone", "verification.state"}},
		{"switched-early", func(o *probes.Observation) {
			moved(o)
			o.Consumer.Endpoint.Value.State = "pending"
			o.Provider.Connections.Value[0].State = "pending"
			allTCP(o, probes.TimedOut)
		}, "dns.not-switched-early", ConsumerSide, []string{"connection.accepted"}},
		{"no-such-name-kept", denied("chartsinvestor.com", 600), "dns.no-kept-negative-answer", Network, []string{"dns.private-dns-enabled", "dns.dhcp-options"}},
		{"no-such-name-new", denied("chartsinvestor.com", 900), "dns.private-name-resolves", Network, []string{"dns.no-kept-negative-answer"}},
		{"no-such-name-of-another-zone", denied("intra.chartsinvestor.com", 60), "dns.private-name-resolves", Network, []string{"dns.no-kept-negative-answer"}},
		{"public-address", func(o *probes.Observation) {
			moved(o)
			setDNS(o.DNS.Private, func(l probes.Lookup) probes.Lookup {
				if l.Type == "A" {
					return lookup(l.Vantage, l.Name, "A", []netip.Addr{public})
				}
				return l
			})
			reach(o)
		}, "dns.private-name-not-public", Network, []string{"dns.private-name-resolves", "dns.private-dns-enabled"}},
	}
}

// Split-horizon DNS is allowed, and so are DNS servers of one's own that forward to the VPC's.
func TestHealthyNames(t *testing.T) {
	t.Parallel()
	o := healthy()
	o.Consumer.DHCPOptions.Value.Servers = []string{"10.0.0.53"}
	o.DNS.Public.Value[0].Outcome, o.DNS.Public.Value[0].Addrs = probes.OK, []netip.Addr{netip.MustParseAddr("203.0.113.80")}
	if failed := byStatus(Judge(o, Catalogue(), nil), Failed); len(failed) > 0 {
		t.Errorf("failed: %v", failed)
	}
}

// Each way in which the record goes wrong has the command that mends it.
func TestRecordFixes(t *testing.T) {
	t.Parallel()
	const (
		right = txtLabel + "." + name
		set   = `"ResourceRecords":[{"Value":"\"` + txtValue + `\""}]`
	)
	for fault, parts := range map[string][]string{
		"txt-in-another-case":                  {"--hosted-zone-id " + zoneID + " ", `"UPSERT"`, `"Name":"` + right + `"`, `{"Value":"\"v=spf1 -all\""},{"Value":"\"` + txtValue + `\""}`},
		"txt-overwritten":                      {`{"Value":"\"vpce:BBBBBBBBBBBBBBBBBBBB\""},{"Value":"\"` + txtValue + `\""}`},
		"txt-run-together":                     {set},
		"txt-at-doubled-name":                  {`"Action":"UPSERT"`, `"Action":"DELETE","ResourceRecordSet":{"Name":"` + right + `.chartsinvestor.com","Type":"TXT","TTL":300`},
		"txt-below-the-name":                   {`"Action":"DELETE","ResourceRecordSet":{"Name":"` + txtLabel + ".www." + name + `"`},
		"txt-behind-a-cname":                   {`"Action":"DELETE","ResourceRecordSet":{"Name":"` + right + `","Type":"CNAME","TTL":600,"ResourceRecords":[{"Value":"charts.example.net."}]}`, `"Action":"CREATE"`},
		"txt-without-underscore":               {`"Name":"` + name + `","Type":"TXT"`},
		"txt-in-a-private-zone":                {"--hosted-zone-id " + zoneID + " ", set},
		"zone-of-two-that-is-not-delegated-to": {"--hosted-zone-id " + zoneID + " ", set},
		"zone-below-not-delegated": {
			"--hosted-zone-id " + zoneID + " ", `"Name":"intra.chartsinvestor.com","Type":"NS"`, `{"Value":"ns-9.awsdns-09.com."},{"Value":"ns-9.awsdns-09.net."}`,
		},
		"domain-not-delegated": {"route53domains update-domain-nameservers --domain-name chartsinvestor.com --nameservers Name=ns-0.awsdns-00.com Name=ns-1.awsdns-01.com", "--region us-east-1 "},
	} {
		for _, f := range recordFaults() {
			if f.name != fault {
				continue
			}
			o := healthy()
			f.make(o)
			v := onlyRoot(t, o)
			for _, part := range parts {
				if !strings.Contains(v.Fix.Command, part) {
					t.Errorf("%s: %s\n%s\nlacks %s", fault, v.Fix.Text, v.Fix.Command, part)
				}
			}
		}
	}
}
