package lab

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/netip"
)

// Proxy protocol version 2 (haproxy's proxy-protocol.txt, section 2.2), with AWS's type for the
// VPC endpoint: a subtype byte and the endpoint id in ASCII.
const (
	proxySignature = "\r\n\r\n\x00\r\nQUIT\n"
	proxyFixed     = 16   // signature, version and command, family, length
	proxyLocal     = 0x20 // version 2, LOCAL: the sender's own connection, such as a health check
	proxyProxied   = 0x21 // version 2, PROXY
	proxyTCP4      = 0x11
	proxyTCP6      = 0x21
	proxyCRC32C    = 0x03
	proxyAWS       = 0xEA
	proxyAWSVPCE   = 0x01
	maxProxyHeader = 2048 // of the address part and the TLVs: nobody's is longer
)

// proxyHeader is what a load balancer says about a connection before its first byte.
type proxyHeader struct {
	local    bool // no client: the load balancer's own connection
	src, dst netip.AddrPort
	endpoint string // VPC endpoint id, if the client came through one
}

// encode writes the header as a Network Load Balancer does: addresses, CRC32C over the whole
// header, endpoint id. (A real one also pads with a NOOP element.)
func (h proxyHeader) encode() []byte {
	b := append(make([]byte, 0, 64), proxySignature...)
	if h.local {
		return append(b, proxyLocal, 0, 0, 0)
	}
	family := byte(proxyTCP4)
	if !h.src.Addr().Is4() {
		family = proxyTCP6
	}
	b = append(b, proxyProxied, family, 0, 0)
	b = append(append(b, h.src.Addr().AsSlice()...), h.dst.Addr().AsSlice()...)
	b = binary.BigEndian.AppendUint16(b, h.src.Port())
	b = binary.BigEndian.AppendUint16(b, h.dst.Port())
	b = append(b, proxyCRC32C, 0, 4, 0, 0, 0, 0)
	sum := len(b) - 4
	if h.endpoint != "" {
		b = append(b, proxyAWS)
		b = binary.BigEndian.AppendUint16(b, uint16(1+len(h.endpoint)))
		b = append(append(b, proxyAWSVPCE), h.endpoint...)
	}
	binary.BigEndian.PutUint16(b[14:], uint16(len(b)-proxyFixed))
	binary.BigEndian.PutUint32(b[sum:], crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	return b
}

var errProxyHeader = errors.New("malformed proxy protocol header")

// readProxyHeader takes a header off the connection if there is one. It reads no further than the
// bytes agree with the signature, so that other protocols are left as they were.
func readProxyHeader(r *bufio.Reader) (*proxyHeader, error) {
	for n := 1; n <= len(proxySignature); n++ {
		b, err := r.Peek(n)
		if err != nil {
			return nil, err
		}
		if b[n-1] != proxySignature[n-1] {
			return nil, nil
		}
	}
	fixed, err := r.Peek(proxyFixed)
	if err != nil {
		return nil, err
	}
	size := int(binary.BigEndian.Uint16(fixed[14:]))
	if size > maxProxyHeader {
		return nil, fmt.Errorf("%w: %d bytes", errProxyHeader, size)
	}
	b := make([]byte, proxyFixed+size)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, err
	}
	return parseProxyHeader(b)
}

// parseProxyHeader reads one whole header. Families other than TCP over IPv4 or IPv6 are taken as having no
// address, as the protocol asks of a receiver that does not know them.
func parseProxyHeader(b []byte) (*proxyHeader, error) {
	if len(b) < proxyFixed || string(b[:len(proxySignature)]) != proxySignature ||
		int(binary.BigEndian.Uint16(b[14:])) != len(b)-proxyFixed {
		return nil, errProxyHeader
	}
	switch b[12] {
	case proxyLocal:
		return &proxyHeader{local: true}, nil
	case proxyProxied:
	default:
		return nil, fmt.Errorf("%w: version and command %#x", errProxyHeader, b[12])
	}
	h, rest := &proxyHeader{}, b[proxyFixed:]
	size := 4 // of an address
	switch b[13] {
	case proxyTCP4:
	case proxyTCP6:
		size = 16
	default:
		return h, nil
	}
	addresses := 2*size + 4
	if len(rest) < addresses {
		return nil, fmt.Errorf("%w: address part of %d bytes", errProxyHeader, len(rest))
	}
	src, _ := netip.AddrFromSlice(rest[:size])
	dst, _ := netip.AddrFromSlice(rest[size : 2*size])
	h.src = netip.AddrPortFrom(src, binary.BigEndian.Uint16(rest[2*size:]))
	h.dst = netip.AddrPortFrom(dst, binary.BigEndian.Uint16(rest[2*size+2:]))
	for at := proxyFixed + addresses; at < len(b); {
		if len(b)-at < 3 {
			return nil, fmt.Errorf("%w: element cut off", errProxyHeader)
		}
		kind, size := b[at], int(binary.BigEndian.Uint16(b[at+1:]))
		if at += 3; len(b)-at < size {
			return nil, fmt.Errorf("%w: element of %d bytes cut off", errProxyHeader, size)
		}
		switch value := b[at : at+size]; kind {
		case proxyCRC32C:
			if size != 4 || !sumMatches(b, at) {
				return nil, fmt.Errorf("%w: checksum does not match", errProxyHeader)
			}
		case proxyAWS:
			if size > 1 && value[0] == proxyAWSVPCE {
				h.endpoint = printable(string(value[1:]), 64)
			}
		}
		at += size
	}
	return h, nil
}

// sumMatches checks the CRC32C at the offset, which counts as zero in the sum itself.
func sumMatches(b []byte, at int) bool {
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Update(0, table, b[:at])
	sum = crc32.Update(sum, table, make([]byte, 4))
	return crc32.Update(sum, table, b[at+4:]) == binary.BigEndian.Uint32(b[at:])
}

// printable keeps what a stranger sent harmless in a text: short, and visible ASCII only.
func printable(s string, most int) string {
	b := []byte(s)
	if len(b) > most {
		b = b[:most]
	}
	for i, c := range b {
		if c < 0x20 || c > 0x7e {
			b[i] = '?'
		}
	}
	return string(b)
}
