package suites

import (
	"slices"

	"github.com/linkassay/linkassay/probes"
)

const zoneID = "Z0PUBLIC"

// names fills in the provider's zones and services, and what public DNS says of the private name.
func names(o *probes.Observation) {
	zone := probes.ProviderZone{ID: zoneID, Name: "chartsinvestor.com", Records: []probes.ZoneRecord{{
		Name: txtLabel + "." + name, Type: "TXT", TTL: 1800, Values: []string{`"` + txtValue + `"`}, Texts: []string{txtValue},
	}}}
	for _, s := range o.DNS.TXT.Value.Zones[1].Servers {
		zone.NameServers = append(zone.NameServers, s.Name)
	}
	o.Provider.HostedZones = item([]probes.ProviderZone{zone})
	o.Provider.Services = item([]probes.OtherService{{ID: serviceID, PrivateDNSName: name, Verification: o.Provider.Service.Value.Verification}})
	o.Consumer.DHCPOptions = item(probes.DHCPOptions{ID: "dopt-0a", Servers: []string{"AmazonProvidedDNS"}})
	var public []probes.Lookup
	for _, kind := range []string{"A", "AAAA"} {
		l := failedLookup("publicDNS", name, probes.NXDomain)
		l.Type, l.Negative = kind, &probes.Negative{Zone: "chartsinvestor.com", TTL: 900}
		public = append(public, l)
	}
	o.DNS.Public = item(public)
}

// txtGone takes the record out of public DNS and out of the zone.
func txtGone(o *probes.Observation) {
	setTXT(o, withoutTXT)
	o.Provider.HostedZones.Value[0].Records = nil
}

// txtAt makes every server answer for one owner name with these texts, and the account's zone hold them.
func txtAt(o *probes.Observation, owner string, texts ...string) {
	for _, s := range o.DNS.TXT.Value.Zones[1].Servers {
		i := slices.IndexFunc(o.DNS.TXT.Value.Asked, func(q probes.TXTQuestion) bool { return q.Owner == owner && q.Server.Addr() == s.Addr })
		if i < 0 {
			q := o.DNS.TXT.Value.Asked[0]
			for _, other := range o.DNS.TXT.Value.Asked {
				if other.Server.Addr() == s.Addr {
					q = other
				}
			}
			o.DNS.TXT.Value.Asked = append(o.DNS.TXT.Value.Asked, q)
			i = len(o.DNS.TXT.Value.Asked) - 1
		}
		q := &o.DNS.TXT.Value.Asked[i]
		q.Owner, q.Name, q.Outcome, q.RCode, q.Texts = owner, owner, probes.OK, "NOERROR", texts
	}
	rec := probes.ZoneRecord{Name: owner, Type: "TXT", TTL: 300, Texts: texts}
	for _, t := range texts {
		rec.Values = append(rec.Values, `"`+t+`"`)
	}
	o.Provider.HostedZones.Value[0].Records = append(o.Provider.HostedZones.Value[0].Records, rec)
}
