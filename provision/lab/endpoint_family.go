package lab

import (
	"net/netip"
	"slices"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// IP address types, as endpoints, load balancers and services write them.
const (
	typeIPv4           = "ipv4"
	typeIPv6           = "ipv6"
	typeDualstack      = "dualstack"
	typeServiceDefined = "service-defined" // of DNS records only
)

// addressTypes are an endpoint's IpAddressType and DnsRecordIpType.
type addressTypes struct{ ip, records string }

// recordFamilies are the DnsRecordIpTypes that an endpoint's IpAddressType allows, the default first.
func recordFamilies(ip string) []string {
	switch ip {
	case typeDualstack:
		return []string{typeDualstack, typeIPv4, typeIPv6, typeServiceDefined}
	case typeIPv6:
		return []string{typeIPv6}
	}
	return []string{typeIPv4}
}

// requestedAddressTypes reads and checks IpAddressType and DnsOptions of a request to create (old is
// empty) or to modify. A type that the request does not name stays, and is not checked again: a
// service that no longer supports it stops nobody from changing something else.
func (c *call) requestedAddressTypes(s *endpointService, old addressTypes) (addressTypes, error) {
	want := old
	if err := c.checkDNSOptions(); err != nil {
		return want, err
	}
	t := c.params.String("IpAddressType")
	if t == "" && old.ip == "" {
		t = typeIPv4
	}
	if t != "" {
		if err := checkFamily(s, t); err != nil {
			return want, err
		}
		if t != old.ip {
			want = addressTypes{t, recordFamilies(t)[0]}
		}
	}
	switch t := c.params.String("DnsOptions.DnsRecordIpType"); t {
	case "":
	case typeIPv4, typeIPv6, typeDualstack, typeServiceDefined:
		if !slices.Contains(recordFamilies(want.ip), t) {
			// UNSOURCED text.
			return want, wire.Errorf(400, "InvalidParameter", "The DNS record IP type %s is not compatible with the IP address type %s", t, want.ip)
		}
		want.records = t
	default:
		return want, wire.Errorf(400, "InvalidParameterValue", "Invalid value '%s' for DnsRecordIpType", shown(t))
	}
	return want, nil
}

// checkFamily says whether the service supports an endpoint of the type. (UNSOURCED texts.)
func checkFamily(s *endpointService, t string) error {
	var needs []string
	switch t {
	case typeIPv4, typeIPv6:
		needs = []string{t}
	case typeDualstack:
		needs = []string{typeIPv4, typeIPv6}
	default:
		return wire.Errorf(400, "InvalidParameterValue", "Invalid value '%s' for IpAddressType: expected ipv4, dualstack or ipv6", shown(t))
	}
	for _, n := range needs {
		if !slices.Contains(s.ipTypes, n) {
			return wire.Errorf(400, "InvalidParameter", "The VPC endpoint service %s does not support the IP address type %s.", s.name, t)
		}
	}
	return nil
}

// checkSubnetFamilies says whether the subnets have the addresses that the type needs: ipv4 and
// dualstack need IPv4, dualstack needs IPv6 too, and ipv6 needs subnets without IPv4, which the lab
// does not have. (UNSOURCED texts.)
func checkSubnetFamilies(t string, places []endpointPlace) error {
	for _, p := range places {
		switch {
		case t == typeIPv6:
			return wire.Errorf(400, "InvalidParameter", "The IP address type ipv6 requires IPv6-only subnets: %s has an IPv4 CIDR block", p.subnet.id)
		case t == typeDualstack && !p.subnet.cidr6.valid():
			return wire.Errorf(400, "InvalidParameter", "The IP address type dualstack requires subnets with IPv6 CIDR blocks: %s has none", p.subnet.id)
		case t == typeIPv4 && p.addr6.IsValid():
			return wire.Errorf(400, "InvalidParameter", "An IPv6 address requires an endpoint of the IP address type dualstack or ipv6")
		}
	}
	return nil
}

func (c *call) checkDNSOptions() error {
	refuse := func(format string, args ...any) error { return wire.Errorf(400, "InvalidParameter", format, args...) }
	inboundOnly, err := c.params.Bool("DnsOptions.PrivateDnsOnlyForInboundResolverEndpoint", false)
	if err != nil {
		return err
	}
	if inboundOnly {
		return refuse("To set PrivateDnsOnlyForInboundResolverEndpoint to true, the VPC %s must have a Gateway endpoint for the service.", shown(c.params.String("VpcId")))
	}
	if c.params.Has("DnsOptions.PrivateDnsPreference") || len(c.params.List("DnsOptions.PrivateDnsSpecifiedDomain")) > 0 {
		return refuse("PrivateDnsPreference is for Resource and ServiceNetwork endpoints only") // UNSOURCED text
	}
	return nil
}

// setAddressTypes makes the endpoint's interfaces have the addresses of its type: all of them, or
// nothing is changed.
func (w *world) setAddressTypes(e *endpoint, t addressTypes) error {
	had := map[*networkInterface]bool{}
	for _, id := range e.enis {
		n := w.interfaces[id]
		switch {
		case n == nil:
		case t.ip == typeDualstack:
			had[n] = n.addr6.IsValid()
			if err := w.giveIPv6(n, netip.Addr{}); err != nil {
				for n, before := range had {
					if !before {
						w.takeIPv6(n)
					}
				}
				return err
			}
		default:
			w.takeIPv6(n)
		}
	}
	e.ipAddressType, e.recordIPType = t.ip, t.records
	return nil
}

// published are the addresses of one of the endpoint's interfaces that its names lead to.
func (e *endpoint) published(i *networkInterface) []netip.Addr {
	var out []netip.Addr
	if e.recordIPType != typeIPv6 {
		out = append(out, i.addr)
	}
	if e.recordIPType != typeIPv4 && i.addr6.IsValid() {
		out = append(out, i.addr6)
	}
	return out
}
