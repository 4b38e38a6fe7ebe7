package provision

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// defaultCIDR is the block of a new VPC. Both sides may have the same: no route joins them.
var defaultCIDR = netip.MustParsePrefix("10.0.0.0/16")

// subnetBits is the prefix length of the subnets that a block is cut into: sixteen of them, but no
// smaller than AWS allows.
func subnetBits(block netip.Prefix) int { return min(block.Bits()+4, 28) }

// subnetCount is how many subnets fit into the block.
func subnetCount(block netip.Prefix) int { return 1 << (subnetBits(block) - block.Bits()) }

// wrongDNSName says what is wrong with a DNS name, or "".
func wrongDNSName(name string, wildcard bool) string {
	rest := name
	if wildcard {
		rest = strings.TrimPrefix(name, "*.")
	}
	switch {
	case name == "":
		return "is empty, expected a DNS name or no such key"
	case strings.HasSuffix(name, "."):
		return "ends in a dot, expected a name without it"
	case name != strings.ToLower(name):
		return "has capitals, expected lower case: " + strings.ToLower(name)
	case len(name) > maxNameLength:
		return fmt.Sprintf("has %d characters, expected at most %d", len(name), maxNameLength)
	case !strings.Contains(rest, "."):
		return "has a single label, expected a name below a domain"
	}
	for label := range strings.SplitSeq(rest, ".") {
		switch {
		case label == "":
			return "has an empty label, expected letters between the dots"
		case label == "*" || strings.Contains(label, "*"):
			if wildcard {
				return "has a * inside, expected a wildcard only as the whole first label"
			}
			return "has a *, expected a single host's name"
		case len(label) > 63:
			return fmt.Sprintf("has a label of %d characters, expected at most 63", len(label))
		case !labelSyntax.MatchString(label):
			return fmt.Sprintf("has the label %s, expected letters, digits and inner hyphens", show(label))
		}
	}
	return ""
}

// zonePrefix is how the zone ids of a Region begin: apse1 for ap-southeast-1. It is "" for
// partitions whose scheme is not public.
func zonePrefix(region string) string {
	parts := strings.Split(region, "-")
	if len(parts) < 3 {
		return ""
	}
	var b strings.Builder
	b.WriteString(parts[0])
	for _, p := range parts[1 : len(parts)-1] {
		switch p {
		case "north", "south", "east", "west", "central":
			b.WriteString(p[:1])
		case "northeast":
			b.WriteString("ne")
		case "northwest":
			b.WriteString("nw")
		case "southeast":
			b.WriteString("se")
		case "southwest":
			b.WriteString("sw")
		case "gov":
			b.WriteString("g")
		default:
			return ""
		}
	}
	b.WriteString(parts[len(parts)-1])
	return b.String()
}

// isAddress says whether s is IP or IP:PORT.
func isAddress(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	ap, err := netip.ParseAddrPort(s)
	return err == nil && ap.Port() > 0
}

// isHostPort says whether s is HOST:PORT and nothing more: no user, no path.
func isHostPort(s string) bool {
	u, err := url.Parse("socks5://" + s)
	if err != nil || u.Host != s || u.Hostname() == "" || u.User != nil {
		return false
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	return err == nil && port > 0
}

// targetPort is the port on the targets.
func (p Port) targetPort() uint16 {
	if p.TargetPort != 0 {
		return p.TargetPort
	}
	return p.Port
}

// serviceNameOf is the name of the endpoint service with that id.
func serviceNameOf(region, serviceID string) string {
	return "com.amazonaws.vpce." + region + "." + serviceID
}

// serviceIDOf is the id in a service's name, or "".
func serviceIDOf(serviceName string) string {
	if m := serviceSyntax.FindStringSubmatch(serviceName); m != nil {
		return m[2]
	}
	return ""
}
