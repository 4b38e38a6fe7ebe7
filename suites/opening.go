package suites

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/linkassay/linkassay/probes"
)

// opening is what a rule should let in. Without a valid address it says CLIENT_CIDR.
type opening struct {
	port uint16
	from netip.Prefix
}

// openings are for one port, from each of these.
func openings(port uint16, from []netip.Prefix) []opening {
	if len(from) == 0 {
		return []opening{{port: port}}
	}
	var out []opening
	for _, p := range from {
		out = append(out, opening{port, p})
	}
	return out
}

// openingsFor are what clients that are kept out need: the VPC's addresses, or their own if they are outside.
func openingsFor(o *probes.Observation, closed []portAdmission) []opening {
	vpc := prefixes(maybe(o.Consumer.VPC).CIDRs)
	var out []opening
	for _, w := range closed {
		out = append(out, openings(w.port, w.admit(vpc))...)
	}
	if len(out) == 0 {
		out = openings(o.Link.Ports[0].Port, vpc)
	}
	return out
}

// authorizeCommand adds one inbound rule to a security group for each opening, all in one call: half of them would
// leave the link broken.
func authorizeCommand(o *probes.Observation, s Side, group string, all []opening) string {
	slices.SortStableFunc(all, func(a, b opening) int { return int(a.port) - int(b.port) })
	all = slices.Compact(all)
	args := []string{"ec2", "authorize-security-group-ingress", "--group-id", group}
	if len(all) == 1 && (all[0].from.Addr().Is4() || !all[0].from.IsValid()) {
		return command(o.Link, s, append(args, "--protocol", "tcp", "--port", fmt.Sprint(all[0].port), "--cidr", all[0].cidr())...)
	}
	args = append(args, "--ip-permissions")
	for at := 0; at < len(all); {
		port, ranges, ranges6 := all[at].port, []string(nil), []string(nil)
		for ; at < len(all) && all[at].port == port; at++ {
			if all[at].from.Addr().Is6() {
				ranges6 = append(ranges6, "{CidrIpv6="+all[at].cidr()+"}")
			} else if r := "{CidrIp=" + all[at].cidr() + "}"; !slices.Contains(ranges, r) {
				ranges = append(ranges, r)
			}
		}
		permission := fmt.Sprintf("IpProtocol=tcp,FromPort=%d,ToPort=%d", port, port)
		if len(ranges) > 0 {
			permission += ",IpRanges=[" + strings.Join(ranges, ",") + "]"
		}
		if len(ranges6) > 0 {
			permission += ",Ipv6Ranges=[" + strings.Join(ranges6, ",") + "]"
		}
		args = append(args, permission)
	}
	return command(o.Link, s, args...)
}

func (p opening) cidr() string {
	if !p.from.IsValid() {
		return "CLIENT_CIDR"
	}
	return p.from.String()
}
