package lab

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/linkassay/linkassay/provision/lab/internal/network"
)

// judge decides on one packet. It runs for every packet, takes no lock but the address table's, and
// only judges rules on packets that open a connection: security groups are stateful. What is not
// allowed is dropped, never refused.
func (n *vpcNetwork) judge(pk network.Packet) (network.Verdict, time.Duration) {
	faults, down := n.faults.Load(), n.plane.zonesDown.Load()
	opens := pk.Proto == protoTCP && pk.SYN && !pk.ACK || pk.Proto == protoUDP
	bordered := n.bordered.Load()
	if !opens && faults == nil && down == nil && !bordered {
		return network.Pass, 0
	}
	src, dst := n.at(pk.Src), n.at(pk.Dst)
	if down != nil && (src != nil && (*down)[src.zoneID] || dst != nil && (*down)[dst.zoneID]) {
		return network.Drop, 0
	}
	var delay time.Duration
	if faults != nil {
		if faults.loss > 0 && rand.Float64() < faults.loss {
			return network.Drop, 0
		}
		if faults.most > 0 && pk.Len > faults.most {
			return network.Drop, 0
		}
		delay = faults.latency
	}
	if bordered && src != nil && dst != nil && !crosses(pk, src, dst) {
		return network.Drop, 0 // what the resolver says and hears is not filtered: it has no subnet
	}
	switch {
	case !opens:
		return network.Pass, delay
	case n.isResolver(pk.Dst, pk.DstPort), n.isResolver(pk.Src, pk.SrcPort):
		// Security groups do not filter the resolver.
		if !n.dnsSupport.Load() || n.mute.Load() {
			return network.Drop, 0
		}
		return network.Pass, delay
	case n.isServer(pk.Dst, pk.DstPort), n.isServer(pk.Src, pk.SrcPort):
		return network.Pass, delay
	case src == nil || dst == nil:
		return network.Drop, 0 // nobody has that address: silence
	case !allows(pk, src, dst):
		return network.Drop, 0
	}
	return network.Pass, delay
}

func (n *vpcNetwork) isResolver(a netip.Addr, port uint16) bool {
	return port == 53 && (a == n.base2 || a == n.linkDNS)
}

// isServer tells the DNS servers that DHCP options name. Where they stand is of no concern: no security group
// of this VPC filters them.
func (n *vpcNetwork) isServer(a netip.Addr, port uint16) bool {
	if port != 53 {
		return false
	}
	s := n.dnsServers.Load()
	return s != nil && (*s)[a]
}
