package provision

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
)

// Tags that mark what linkassay built. A thing without the first is never removed.
const (
	tagPrefix = "linkassay:"
	tagLink   = tagPrefix + "link" // the link's name
	tagPart   = tagPrefix + "part" // what it is in the link, such as provider-subnet-apse1-az1
)

// The parts of a link. Those that exist more than once end in a zone id or a port.
const (
	partProviderVPC    = "provider-vpc"
	partProviderSubnet = "provider-subnet-" // zone id
	partProviderGroup  = "provider-security-group"
	partInstance       = "provider-instance-" // zone id
	partBalancer       = "provider-load-balancer"
	partTargetGroup    = "provider-target-group-" // port
	partListener       = "provider-listener-"     // port
	partService        = "provider-service"
	partConsumerVPC    = "consumer-vpc"
	partConsumerSubnet = "consumer-subnet-" // zone id
	partConsumerGroup  = "consumer-security-group"
	partEndpoint       = "consumer-endpoint"
)

// maxStem leaves room for "-65535" within the 32 characters of load balancer and target group names.
const maxStem = 26

// stem is what the names of a link's things begin with. Long link names are cut and told apart by
// a hash, so that two links never share a name.
func stem(link string) string {
	s := "linkassay-" + link
	if len(s) <= maxStem {
		return s
	}
	return s[:maxStem-7] + "-" + hash(link)[:6]
}

// BalancerName is the name of the load balancer that Apply makes for a link.
func BalancerName(link string) string { return stem(link) }

func targetGroupName(link string, port uint16) string {
	return stem(link) + "-" + strconv.Itoa(int(port))
}

// clientToken makes a create call safe to repeat: the same build gives the same token, also after an
// interruption. What the thing is built on is part of it, so that it differs once that was built anew.
func clientToken(link, part, on string, attempt int) string {
	return "linkassay-" + hash(link, part, on, strconv.Itoa(attempt))[:40]
}

func hash(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil))
}
