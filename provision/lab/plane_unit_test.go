package lab

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/linkassay/linkassay/provision/lab/internal/network"
)

// realProxyHeader is what a Network Load Balancer sent for a PrivateLink connection, from the tests
// of aws/elastic-load-balancing-tools.
func realProxyHeader(t testing.TB) []byte {
	t.Helper()
	b, err := hex.DecodeString("0d0a0d0a000d0a515549540a21110054ac1f0771ac1f0a1fc8f20050" +
		"030004e8d6892d" + "ea001701767063652d3038643262663135666163353030316339" + "040024" + strings.Repeat("00", 36))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestProxyHeaderReadsARealOne(t *testing.T) {
	t.Parallel()
	h, err := parseProxyHeader(realProxyHeader(t))
	if err != nil {
		t.Fatal(err)
	}
	want := proxyHeader{
		src: netip.MustParseAddrPort("172.31.7.113:51442"), dst: netip.MustParseAddrPort("172.31.10.31:80"),
		endpoint: "vpce-08d2bf15fac5001c9",
	}
	if *h != want {
		t.Errorf("got %+v, want %+v", *h, want)
	}
}

// TestProxyHeaderWritesARealOne: without the NOOP padding and with its own checksum, the header is
// the load balancer's byte for byte.
func TestProxyHeaderWritesARealOne(t *testing.T) {
	t.Parallel()
	genuine := realProxyHeader(t)
	h, err := parseProxyHeader(genuine)
	if err != nil {
		t.Fatal(err)
	}
	got := h.encode()
	if len(got) != len(genuine)-39 {
		t.Fatalf("%d bytes, want %d", len(got), len(genuine)-39)
	}
	masked := func(b []byte) []byte {
		b = bytes.Clone(b[:len(got)])
		copy(b[14:16], "LL")   // length
		copy(b[31:35], "CCCC") // checksum over another length
		return b
	}
	if !bytes.Equal(masked(got), masked(genuine)) {
		t.Errorf("got  %x\nwant %x", masked(got), masked(genuine))
	}
	if back, err := parseProxyHeader(got); err != nil || *back != *h {
		t.Errorf("read back: %+v, %v", back, err)
	}
}

func TestProxyHeaderRefusesBadOnes(t *testing.T) {
	t.Parallel()
	genuine := realProxyHeader(t)
	change := func(at int, to byte) []byte { b := bytes.Clone(genuine); b[at] = to; return b }
	for name, b := range map[string][]byte{
		"checksum": change(34, 0), "version": change(12, 0x11), "length": change(15, 1), "cut off": genuine[:40],
		"element longer than the header": change(37, 0xff),
	} {
		if h, err := parseProxyHeader(b); !errors.Is(err, errProxyHeader) {
			t.Errorf("%s: %+v, %v", name, h, err)
		}
	}
}

func TestReadProxyHeaderLeavesOtherProtocolsAlone(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"GET / HTTP/1.1\r\n", "\r\n\r\nGET", "\x16\x03\x01"} {
		r := bufio.NewReader(strings.NewReader(in))
		h, err := readProxyHeader(r)
		if h != nil || err != nil && len(in) > 12 {
			t.Errorf("%q: %+v, %v", in, h, err)
		}
		rest := make([]byte, len(in))
		if n, _ := r.Read(rest); string(rest[:n]) != in {
			t.Errorf("%q: left %q", in, rest[:n])
		}
	}
	in := append(realProxyHeader(t), "GET"...)
	r := bufio.NewReader(bytes.NewReader(in))
	if h, err := readProxyHeader(r); err != nil || h == nil || h.endpoint == "" {
		t.Fatalf("%+v, %v", h, err)
	}
	rest := make([]byte, 10)
	if n, _ := r.Read(rest); string(rest[:n]) != "GET" {
		t.Errorf("left %q", rest[:n])
	}
}

func FuzzParseProxyHeader(f *testing.F) {
	f.Add(realProxyHeader(f))
	f.Add(proxyHeader{local: true}.encode())
	f.Add(proxyHeader{
		src: netip.MustParseAddrPort("[2600:1f00::1]:51442"), dst: netip.MustParseAddrPort("[2600:1f00::2]:80"), endpoint: "vpce-08d2bf15fac5001c9",
	}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := parseProxyHeader(b)
		if err != nil || h.local || !h.src.IsValid() {
			return
		}
		again, err := parseProxyHeader(h.encode())
		if err != nil || again.src != h.src || again.dst != h.dst || again.endpoint != h.endpoint {
			t.Errorf("%+v became %+v, %v", h, again, err)
		}
	})
}

func TestPortsFromUserData(t *testing.T) {
	t.Parallel()
	usual := "http [80 8080] https [443 8443]"
	for in, want := range map[string]string{
		"":                usual,
		"#!/bin/sh\nls\n": usual,
		"#linkassay:serve http=80,8080 https=443,8443":            usual,
		"#!/bin/sh\n  #linkassay:serve http=8000\nexec python3\n": "http [8000] https []",
		"#linkassay:serve https=1,65535":                          "http [] https [1 65535]",
		"#linkassay:serve http=0":                                 usual,
		"#linkassay:serve http=70000":                             usual,
		"#linkassay:serve ftp=21":                                 usual,
		"#linkassay:serve http=80 proxy=unknown":                  "http [80] https [] plain",
		"#linkassay:serve http=80 proxy=odd":                      usual,
		"#linkassay:serve http":                                   usual,
	} {
		p := portsFromUserData(in)
		got := fmt.Sprintf("http %v https %v", p.http, p.https)
		if p.plain {
			got += " plain"
		}
		if got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

func TestVerificationOwners(t *testing.T) {
	t.Parallel()
	want := []string{"_x.a.b.example.com", "a.b.example.com", "_x.b.example.com", "b.example.com", "_x.example.com", "example.com"}
	for _, name := range []string{"a.b.example.com", "*.a.b.example.com", "a.b.example.com."} {
		if got := verificationOwners(name, "_x"); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestMatcher(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		matcher string
		status  int
		want    bool
	}{
		{"", 200, true},
		{"", 404, false},
		{"200-399", 302, true},
		{"200", 201, false},
		{"200,202", 202, true},
		{"200, 300-310", 305, true},
		{"x", 200, false},
	} {
		if got := matches(c.matcher, c.status); got != c.want {
			t.Errorf("%q and %d: %v", c.matcher, c.status, got)
		}
	}
}

// TestRules judges opening packets by compiled rules, as a security group would.
func TestRules(t *testing.T) {
	t.Parallel()
	src, dst := netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("10.0.1.5")
	cell := func(id string, in, out []groupRule) *groupCell {
		c := &groupCell{id: id}
		c.rules.Store(&groupRules{in: compileRules(in), out: compileRules(out)})
		return c
	}
	all := []groupRule{{protocol: "-1", from: -1, to: -1, cidr: netip.MustParsePrefix("0.0.0.0/0")}}
	tcp := func(from, to int, cidr string) []groupRule {
		return []groupRule{{protocol: "tcp", from: from, to: to, cidr: netip.MustParsePrefix(cidr)}}
	}
	for _, c := range []struct {
		name    string
		in, out []groupRule
		port    uint16
		want    bool
	}{
		{"no rule in", nil, all, 80, false},
		{"no rule out", all, nil, 80, false},
		{"all", all, all, 80, true},
		{"port", tcp(80, 80, "10.0.0.0/24"), all, 80, true},
		{"another port", tcp(80, 80, "10.0.0.0/24"), all, 81, false},
		{"range", tcp(80, 90, "10.0.0.0/24"), all, 90, true},
		{"another source", tcp(80, 80, "10.0.1.0/24"), all, 80, false},
		{"another destination", all, tcp(80, 80, "10.0.0.0/24"), 80, false},
		{"udp", []groupRule{{protocol: "udp", from: 80, to: 80, cidr: all[0].cidr}}, all, 80, false},
		{"protocol number", []groupRule{{protocol: "6", from: 80, to: 80, cidr: all[0].cidr}}, all, 80, true},
		{"unknown protocol", []groupRule{{protocol: "50", from: -1, to: -1, cidr: all[0].cidr}}, all, 80, false},
		{"from the group", []groupRule{{protocol: "tcp", from: 0, to: 65535, group: "sg-src"}}, all, 80, true},
		{"from another group", []groupRule{{protocol: "tcp", from: 0, to: 65535, group: "sg-other"}}, all, 80, false},
		{"to the group", all, []groupRule{{protocol: "tcp", from: 0, to: 65535, group: "sg-dst"}}, 80, true},
	} {
		from, to := &attachment{addr: src}, &attachment{addr: dst}
		from.guards.Store(&guards{groups: []*groupCell{cell("sg-src", nil, c.out)}})
		to.guards.Store(&guards{groups: []*groupCell{cell("sg-dst", c.in, nil)}})
		pk := network.Packet{Src: src, Dst: dst, Proto: protoTCP, SrcPort: 40000, DstPort: c.port, SYN: true}
		if got := allows(pk, from, to); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	// Nothing passes before an interface's groups are known, and nothing opens towards a vantage.
	known, unknown, vantage := &attachment{addr: src}, &attachment{addr: dst}, &attachment{addr: dst}
	known.guards.Store(&guards{open: true})
	vantage.guards.Store(&guards{open: true, closed: true})
	for _, to := range []*attachment{unknown, vantage} {
		if allows(network.Packet{Src: src, Dst: dst, Proto: protoTCP, SYN: true}, known, to) {
			t.Error("allowed")
		}
	}
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	ca, err := newAuthority()
	if err != nil {
		t.Fatal(err)
	}
	ca.domains.Store(&[]string{"example.com"})
	for asked, want := range map[string]string{
		"a.example.com": "a.example.com", "A.EXAMPLE.com.": "a.example.com", "example.com": "example.com",
		"badexample.com": "own", "": "own", "a.example.org": "own", "*.example.com": "own",
	} {
		c, err := ca.certificate(asked, "own")
		if err != nil {
			t.Fatal(err)
		}
		if again, _ := ca.certificate(asked, "own"); again != c {
			t.Errorf("%q: issued twice", asked)
		}
		leaf, err := parseLeaf(c)
		if err != nil {
			t.Fatal(err)
		}
		if err := leaf.CheckSignatureFrom(ca.root); err != nil || leaf.DNSNames[0] != want {
			t.Errorf("%q: certificate for %v, %v; want %s", asked, leaf.DNSNames, err, want)
		}
	}
}

func parseLeaf(c *tls.Certificate) (*x509.Certificate, error) {
	return x509.ParseCertificate(c.Certificate[0])
}
