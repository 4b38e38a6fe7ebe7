package network

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// resetFor makes the TCP reset that answers the packet (RFC 9293, 3.10.7.1); nil if none may.
func resetFor(pkt *stack.PacketBuffer, p Packet) []byte {
	th := pkt.TransportHeader().Slice()
	if p.Proto != uint8(header.TCPProtocolNumber) || len(th) < header.TCPMinimumSize {
		return nil
	}
	in := header.TCP(th)
	if in.Flags().Contains(header.TCPFlagRst) {
		return nil
	}
	f := header.TCPFields{SrcPort: p.DstPort, DstPort: p.SrcPort, DataOffset: header.TCPMinimumSize}
	if in.Flags().Contains(header.TCPFlagAck) {
		f.SeqNum, f.Flags = in.AckNumber(), header.TCPFlagRst
	} else {
		f.AckNum = in.SequenceNumber() + uint32(pkt.Data().Size())
		if p.SYN {
			f.AckNum++
		}
		f.Flags = header.TCPFlagRst | header.TCPFlagAck
	}
	b, segment := answerTo(p, p.Proto, header.TCPMinimumSize)
	t := header.TCP(segment)
	t.Encode(&f)
	sum := header.PseudoHeaderChecksum(header.TCPProtocolNumber, toStack(p.Dst), toStack(p.Src), header.TCPMinimumSize)
	t.SetChecksum(^t.CalculateChecksum(sum))
	return b
}

// unreachableFor makes the ICMP host unreachable that answers the packet; nil for ICMP itself.
func unreachableFor(pkt *stack.PacketBuffer, p Packet) []byte {
	if p.icmp() {
		return nil
	}
	quote := pkt.ToView().AsSlice()
	if p.Src.Is6() {
		quote = quote[:min(len(quote), header.IPv6MinimumSize+header.TCPMinimumSize)] // as much as fits may be quoted: RFC 4443
		b, rest := answerTo(p, uint8(header.ICMPv6ProtocolNumber), header.ICMPv6DstUnreachableMinimumSize+len(quote))
		c := header.ICMPv6(rest)
		copy(c[header.ICMPv6DstUnreachableMinimumSize:], quote)
		c.SetType(header.ICMPv6DstUnreachable)
		c.SetCode(header.ICMPv6NetworkUnreachable) // the stack passes no other such code on to TCP
		c.SetChecksum(header.ICMPv6Checksum(header.ICMPv6ChecksumParams{Header: c, Src: toStack(p.Dst), Dst: toStack(p.Src)}))
		return b
	}
	quote = quote[:min(len(quote), header.IPv4MinimumSize+8)] // header and 8 bytes: RFC 792
	b, rest := answerTo(p, uint8(header.ICMPv4ProtocolNumber), header.ICMPv4MinimumSize+len(quote))
	c := header.ICMPv4(rest)
	copy(c[header.ICMPv4MinimumSize:], quote)
	c.SetType(header.ICMPv4DstUnreachable)
	c.SetCode(header.ICMPv4HostUnreachable)
	c.SetChecksum(0)
	c.SetChecksum(^checksum.Checksum(c, 0))
	return b
}

// answerTo makes a packet from the receiver of p to its sender, and gives the part behind its IP
// header, of the given size, too.
func answerTo(p Packet, proto uint8, size int) (packet, payload []byte) {
	if p.Src.Is4() {
		b := make([]byte, header.IPv4MinimumSize+size)
		encodeIPv4(b, p.Dst, p.Src, proto)
		return b, b[header.IPv4MinimumSize:]
	}
	b := make([]byte, header.IPv6MinimumSize+size)
	header.IPv6(b).Encode(&header.IPv6Fields{
		PayloadLength: uint16(size), TransportProtocol: tcpip.TransportProtocolNumber(proto), HopLimit: 64,
		SrcAddr: toStack(p.Dst), DstAddr: toStack(p.Src),
	})
	return b, b[header.IPv6MinimumSize:]
}

func encodeIPv4(b []byte, src, dst netip.Addr, proto uint8) {
	h := header.IPv4(b)
	h.Encode(&header.IPv4Fields{
		TotalLength: uint16(len(b)), TTL: 64, Protocol: proto,
		SrcAddr: tcpip.AddrFrom4(src.As4()), DstAddr: tcpip.AddrFrom4(dst.As4()),
	})
	h.SetChecksum(^h.CalculateChecksum())
}
