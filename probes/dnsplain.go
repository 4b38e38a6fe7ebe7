package probes

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// The layout of a message (RFC 1035, section 4).
const (
	dnsHeader   = 12
	dnsRecord   = 16 // a record of an IPv4 address whose owner is a pointer
	dnsOPT      = 11 // an OPT record without options (RFC 6891, section 6.1)
	maxPlain    = 16 // addresses
	maxLabel    = 63
	maxHostName = 253
	noError     = "NOERROR"
	flagsAnswer = 0x80
	flagsFirst  = 0xfa // answer, operation and truncation; the others of that octet say nothing of the kind of answer
	flagAuth    = 0x04
	flagCut     = 0x02
)

// plain is what the plainest answer says: addresses of the very name that was asked for.
type plain struct {
	addrs []netip.Addr // sorted, each once
	ttl   uint32       // the smallest
	auth  bool
}

// parsePlain reads answers of the kind that a healthy link gives, at a tenth of what the general way costs: no error, the
// question as it was asked, and nothing but A records of its name. It is not sure of anything else, which says nothing
// against it: parseAnswer and digest then have the word. What it is sure of, they would read the same way.
// room is memory for the addresses, if there are no more.
func parsePlain(wire, packed []byte, room []netip.Addr) (plain, bool) {
	end := questionEnd(packed)
	if end < 0 || len(wire) < end+dnsRecord {
		return plain{}, false
	}
	count := int(binary.BigEndian.Uint16(wire[6:]))
	opt := int(binary.BigEndian.Uint16(wire[10:]))
	switch {
	case wire[2]&flagsFirst != flagsAnswer, wire[3]&0x0f != 0,
		binary.BigEndian.Uint16(wire[4:]) != 1, count < 1, count > maxPlain, binary.BigEndian.Uint16(wire[8:]) != 0, opt > 1,
		len(wire) != end+count*dnsRecord+opt*dnsOPT,
		binary.BigEndian.Uint16(packed[end-4:]) != dns.TypeA, !bytes.Equal(wire[dnsHeader:end], packed[dnsHeader:end]):
		return plain{}, false
	}
	if opt == 1 {
		// An empty name, the type, a size, four octets of which the first is the upper part of the code, and no options.
		o := wire[len(wire)-dnsOPT:]
		if o[0] != 0 || o[1] != 0 || o[2] != byte(dns.TypeOPT) || o[5] != 0 || o[9] != 0 || o[10] != 0 {
			return plain{}, false
		}
	}
	if cap(room) < count {
		room = make([]netip.Addr, 0, count)
	}
	p := plain{addrs: room[:0], auth: wire[2]&flagAuth != 0}
	for i := range count {
		r := wire[end+i*dnsRecord:][:dnsRecord]
		// The owner points to the question; type A, class IN, four octets.
		if string(r[:6]) != "\xc0\x0c\x00\x01\x00\x01" || r[10] != 0 || r[11] != 4 {
			return plain{}, false
		}
		if ttl := binary.BigEndian.Uint32(r[6:]); i == 0 || ttl < p.ttl {
			p.ttl = ttl
		}
		p.addrs = append(p.addrs, netip.AddrFrom4([4]byte(r[12:])))
	}
	slices.SortFunc(p.addrs, netip.Addr.Compare)
	p.addrs = slices.Compact(p.addrs)
	return p, true
}

// questionEnd is where the question of a message of our own ends; negative where it has none.
func questionEnd(packed []byte) int {
	at := dnsHeader
	for at < len(packed) {
		n := int(packed[at])
		if at += n + 1; n == 0 {
			if at+4 > len(packed) {
				return -1
			}
			return at + 4
		}
	}
	return -1
}

// packQuestion writes a question, with EDNS. The id is 0.
func packQuestion(q question) ([]byte, error) {
	return appendQuestion(make([]byte, 0, maxPacked(q)), q)
}

// maxPacked is the length of a message that appendPlain writes, or more.
func maxPacked(q question) int { return dnsHeader + len(q.name) + 2 + 4 + dnsOPT }

func appendQuestion(b []byte, q question) ([]byte, error) {
	if packed, ok := appendPlain(b, q); ok {
		return packed, nil
	}
	m := new(dns.Msg).SetQuestion(dns.Fqdn(q.name), q.qtype)
	m.Id, m.RecursionDesired = 0, q.recurse
	m.SetEdns0(ednsSize, false)
	packed, err := m.Pack()
	if err != nil {
		return b, fmt.Errorf("pack a question for %s: %w", clean(q.name, maxName), err)
	}
	return append(b, packed...), nil
}

// appendPlain does so for a name of letters, digits, hyphens and underscores, as nearly all are.
func appendPlain(b []byte, q question) ([]byte, bool) {
	name := bare(q.name)
	if name == "" || len(name) > maxHostName {
		return nil, false
	}
	b = append(b, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1) // one question, one additional record
	if q.recurse {
		b[len(b)-dnsHeader+2] = 1
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > maxLabel {
			return nil, false
		}
		b = append(b, byte(len(label)))
		for i := range len(label) {
			c := label[i]
			if c != '-' && c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
				return nil, false
			}
		}
		b = append(b, label...)
	}
	b = append(b, 0, byte(q.qtype>>8), byte(q.qtype), 0, byte(dns.ClassINET))
	return append(b, 0, 0, byte(dns.TypeOPT), ednsSize>>8, ednsSize&0xff, 0, 0, 0, 0, 0, 0), true
}
