package suites

import (
	"net/netip"

	"github.com/linkassay/linkassay/probes"
)

// families gives the healthy link the types of an IPv4 one.
func families(o *probes.Observation) {
	o.Provider.Service.Value.IPAddressTypes = []string{"ipv4"}
	o.Consumer.Service.Value.IPAddressTypes = []string{"ipv4"}
	for i := range o.Provider.LoadBalancers.Value {
		o.Provider.LoadBalancers.Value[i].IPAddressType = "ipv4"
	}
	o.Consumer.Endpoint.Value.IPAddressType, o.Consumer.Endpoint.Value.DNSRecordIPType = "ipv4", "ipv4"
}

func address6(i int) netip.Addr {
	a := netip.MustParseAddr("2600:1f00:0:100::a").As16()
	a[7] = byte(i)
	return netip.AddrFrom16(a)
}

// dualstack makes the healthy link one of both families, and connects to all its addresses.
func dualstack(o *probes.Observation) {
	o.Provider.Service.Value.IPAddressTypes = []string{"ipv4", "ipv6"}
	o.Consumer.Service.Value.IPAddressTypes = []string{"ipv4", "ipv6"}
	for i := range o.Provider.LoadBalancers.Value {
		o.Provider.LoadBalancers.Value[i].IPAddressType = "dualstack"
	}
	o.Consumer.Endpoint.Value.IPAddressType, o.Consumer.Endpoint.Value.DNSRecordIPType = "dualstack", "dualstack"
	o.Consumer.VPC.Value.IPv6CIDRs = []string{"2600:1f00:0:100::/56"}
	o.Consumer.SecurityGroups.Value[0].Ingress = append(o.Consumer.SecurityGroups.Value[0].Ingress,
		probes.SecurityGroupRule{Protocol: "tcp", FromPort: 80, ToPort: 443, CIDR: "2600:1f00:0:100::/56"})
	for i := range o.Path.ClientGroups.Value {
		g := &o.Path.ClientGroups.Value[i]
		g.Egress = append(g.Egress, probes.SecurityGroupRule{Protocol: "-1", CIDR: "::/0"})
	}
	for i := range o.Path.ConsumerACLs.Value {
		acl := &o.Path.ConsumerACLs.Value[i]
		acl.Entries = append([]probes.ACLEntry{
			{Number: 101, Egress: true, Allow: true, Protocol: "-1", CIDR: "::/0"}, {Number: 101, Allow: true, Protocol: "-1", CIDR: "::/0"},
		}, acl.Entries...)
	}
	var all []netip.Addr
	for i := range zones {
		all = append(all, address6(i))
		o.Consumer.Interfaces.Value[i].IPs = append(o.Consumer.Interfaces.Value[i].IPs, address6(i))
		o.Consumer.Subnets.Value[i].IPv6CIDR = netip.PrefixFrom(address6(i), 64).Masked().String()
	}
	for _, it := range []*probes.Item[[]probes.Lookup]{o.DNS.Private, o.DNS.Regional, o.DNS.Zonal} {
		var with []probes.Lookup
		for _, l := range it.Value {
			if l.Type == "AAAA" {
				continue
			}
			six := lookup(l.Vantage, l.Name, "AAAA", all, l.Chain...)
			for i, a := range l.Addrs {
				if len(l.Addrs) == 1 && a == address(i) {
					six.Addrs = all[i : i+1]
				}
			}
			for i := range zones {
				if l.Name == zonal(i) {
					six.Addrs = all[i : i+1]
				}
			}
			with = append(with, l)
			if l.Outcome == probes.OK {
				with = append(with, six)
			}
		}
		it.Value = with
	}
	reach(o)
}

// silentOver makes connections to the addresses of a family time out.
func silentOver(o *probes.Observation, f string) {
	setTCP(o, func(a probes.Attempt) probes.Outcome {
		if family(a.Addr.Addr()) == f {
			return probes.TimedOut
		}
		return probes.OK
	})
}

// ofOtherFamilies are checks that do not apply to the healthy link, which is IPv4 in one Region.
func ofOtherFamilies() []string {
	return []string{
		"family.load-balancers", "family.names-complete", "family.security-group",
		"region.service-offered", "region.zones-supported", "region.idle-timeout",
	}
}

// crossRegion moves the consumer of the healthy link into another Region.
func crossRegion(o *probes.Observation) {
	o.Link.Provider.Region, o.Link.Region = o.Link.Region, "eu-west-1"
	o.Provider.Service.Value.Regions = []probes.OfferedRegion{{Region: "ap-southeast-1", State: "Available"}, {Region: "eu-west-1", State: "Available"}}
	for i := range o.Provider.Listeners.Value {
		o.Provider.Listeners.Value[i].IdleTimeoutSeconds = 350
	}
	for i, z := range []string{"euw1-az1", "euw1-az2", "euw1-az3"} {
		o.Consumer.Subnets.Value[i].ZoneID = z
		o.Consumer.Interfaces.Value[i].ZoneID = z
	}
	reach(o)
}
