package network

import (
	"net/netip"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// Verdict is what the link does with one packet.
type Verdict uint8

// The verdicts. A security group drops; the rejections are what other middleboxes do.
const (
	Pass       Verdict = iota
	Drop               // silence
	RejectRST          // a TCP reset to the sender; silence for other protocols
	RejectICMP         // ICMP host unreachable to the sender
)

// Packet is what a policy sees of one packet.
type Packet struct {
	Src, Dst         netip.Addr
	Proto            uint8  // IP protocol number: 6 TCP, 17 UDP, 1 ICMP, 58 ICMPv6
	SrcPort, DstPort uint16 // TCP and UDP; zero in the later fragments of a datagram
	SYN, ACK         bool   // TCP
	Len              int    // bytes, IP header included
}

// Policy judges every packet that the network carries, and says how long a packet that passes is
// under way. It is called concurrently and from inside the stack: it must return quickly and must
// not call the network.
type Policy func(p Packet) (Verdict, time.Duration)

func (p Packet) icmp() bool {
	return p.Proto == uint8(header.ICMPv4ProtocolNumber) || p.Proto == uint8(header.ICMPv6ProtocolNumber)
}

func parse(pkt *stack.PacketBuffer) (p Packet, ok bool) {
	nh := pkt.NetworkHeader().Slice()
	switch {
	case pkt.NetworkProtocolNumber == ipv4.ProtocolNumber && len(nh) >= header.IPv4MinimumSize:
		ip := header.IPv4(nh)
		p.Src = netip.AddrFrom4(ip.SourceAddress().As4())
		p.Dst = netip.AddrFrom4(ip.DestinationAddress().As4())
		p.Proto = ip.Protocol()
	case pkt.NetworkProtocolNumber == ipv6.ProtocolNumber && len(nh) >= header.IPv6MinimumSize:
		ip := header.IPv6(nh)
		p.Src = netip.AddrFrom16(ip.SourceAddress().As16())
		p.Dst = netip.AddrFrom16(ip.DestinationAddress().As16())
		p.Proto = uint8(pkt.TransportProtocolNumber) // the first header may be an extension
	default:
		return p, false
	}
	p.Len = pkt.Size()
	th := pkt.TransportHeader().Slice()
	switch p.Proto {
	case uint8(header.TCPProtocolNumber):
		if len(th) >= header.TCPMinimumSize {
			t := header.TCP(th)
			p.SrcPort, p.DstPort = t.SourcePort(), t.DestinationPort()
			p.SYN, p.ACK = t.Flags().Contains(header.TCPFlagSyn), t.Flags().Contains(header.TCPFlagAck)
		}
	case uint8(header.UDPProtocolNumber):
		if len(th) >= header.UDPMinimumSize {
			u := header.UDP(th)
			p.SrcPort, p.DstPort = u.SourcePort(), u.DestinationPort()
		}
	}
	return p, true
}
