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
	b := make([]byte, header.IPv4MinimumSize+header.TCPMinimumSize)
	encodeIPv4(b, p.Dst, p.Src, p.Proto)
	t := header.TCP(b[header.IPv4MinimumSize:])
	t.Encode(&f)
	sum := header.PseudoHeaderChecksum(header.TCPProtocolNumber, toStack(p.Dst), toStack(p.Src), header.TCPMinimumSize)
	t.SetChecksum(^t.CalculateChecksum(sum))
	return b
}

// unreachableFor makes the ICMP host unreachable that answers the packet; nil for ICMP itself.
func unreachableFor(pkt *stack.PacketBuffer, p Packet) []byte {
	if p.Proto == uint8(header.ICMPv4ProtocolNumber) {
		return nil
	}
	quote := pkt.ToView().AsSlice()
	quote = quote[:min(len(quote), header.IPv4MinimumSize+8)] // header and 8 bytes: RFC 792
	b := make([]byte, header.IPv4MinimumSize+header.ICMPv4MinimumSize+len(quote))
	encodeIPv4(b, p.Dst, p.Src, uint8(header.ICMPv4ProtocolNumber))
	c := header.ICMPv4(b[header.IPv4MinimumSize:])
	copy(c[header.ICMPv4MinimumSize:], quote)
	c.SetType(header.ICMPv4DstUnreachable)
	c.SetCode(header.ICMPv4HostUnreachable)
	c.SetChecksum(0)
	c.SetChecksum(^checksum.Checksum(c, 0))
	return b
}

func encodeIPv4(b []byte, src, dst netip.Addr, proto uint8) {
	h := header.IPv4(b)
	h.Encode(&header.IPv4Fields{
		TotalLength: uint16(len(b)), TTL: 64, Protocol: proto,
		SrcAddr: tcpip.AddrFrom4(src.As4()), DstAddr: tcpip.AddrFrom4(dst.As4()),
	})
	h.SetChecksum(^h.CalculateChecksum())
}
