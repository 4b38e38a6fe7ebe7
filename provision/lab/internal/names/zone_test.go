package names

import (
	"fmt"
	"testing"

	"github.com/miekg/dns"
)

func testZone(t testing.TB) *Zone {
	z := NewZone("Example.COM", nil, "ns1.example.net")
	put(t, z,
		"example.com. 60 IN A 192.0.2.1",
		"www.example.com. 60 IN A 192.0.2.2",
		"www.example.com. 60 IN A 192.0.2.3",
		"a.b.c.example.com. 60 IN TXT \"deep\"",
		"*.wild.example.com. 60 IN A 192.0.2.9",
		"taken.wild.example.com. 60 IN TXT \"taken\"",
		"alias.example.com. 60 IN CNAME www.example.com.",
		"alias2.example.com. 60 IN CNAME alias.example.com.",
		"dangling.example.com. 60 IN CNAME nothing.example.com.",
		"out.example.com. 60 IN CNAME elsewhere.example.net.",
		"round.example.com. 60 IN CNAME round2.example.com.",
		"round2.example.com. 60 IN CNAME round.example.com.",
		"into.example.com. 60 IN CNAME x.sub.example.com.",
		"sub.example.com. 60 IN NS ns.sub.example.com.",
		"ns.sub.example.com. 60 IN A 192.0.2.53",
		"sub.example.com. 60 IN DS 1 8 2 00",
	)
	return z
}

func TestZoneLookup(t *testing.T) {
	t.Parallel()
	z := testZone(t)
	for _, tt := range []struct {
		name     string
		qtype    uint16
		rcode    int
		answer   string
		soa      bool
		referral bool
		next     string
	}{
		{name: "www.example.com.", qtype: dns.TypeA, answer: "www.example.com. A 192.0.2.2; www.example.com. A 192.0.2.3"},
		{name: "WWW.eXample.com", qtype: dns.TypeA, answer: "www.example.com. A 192.0.2.2; www.example.com. A 192.0.2.3"},
		{name: "www.example.com.", qtype: dns.TypeAAAA, soa: true},
		{name: "nothing.example.com.", qtype: dns.TypeA, rcode: dns.RcodeNameError, soa: true},
		{name: "b.c.example.com.", qtype: dns.TypeTXT, soa: true},
		{name: "x.b.c.example.com.", qtype: dns.TypeTXT, rcode: dns.RcodeNameError, soa: true},
		{name: "any.wild.example.com.", qtype: dns.TypeA, answer: "any.wild.example.com. A 192.0.2.9"},
		{name: "any.thing.wild.example.com.", qtype: dns.TypeA, answer: "any.thing.wild.example.com. A 192.0.2.9"},
		{name: "any.wild.example.com.", qtype: dns.TypeTXT, soa: true},
		{name: "taken.wild.example.com.", qtype: dns.TypeA, soa: true},
		{name: "below.taken.wild.example.com.", qtype: dns.TypeA, rcode: dns.RcodeNameError, soa: true},
		{name: `\052.wild.example.com.`, qtype: dns.TypeA, answer: "*.wild.example.com. A 192.0.2.9"},
		{name: `\042.wild.example.com.`, qtype: dns.TypeA, answer: "*.wild.example.com. A 192.0.2.9"},
		{name: "alias2.example.com.", qtype: dns.TypeA, answer: "alias2.example.com. CNAME alias.example.com.; alias.example.com. CNAME www.example.com.; www.example.com. A 192.0.2.2; www.example.com. A 192.0.2.3"},
		{name: "alias.example.com.", qtype: dns.TypeCNAME, answer: "alias.example.com. CNAME www.example.com."},
		{name: "alias.example.com.", qtype: dns.TypeMX, answer: "alias.example.com. CNAME www.example.com.", soa: true},
		{name: "dangling.example.com.", qtype: dns.TypeA, rcode: dns.RcodeNameError, answer: "dangling.example.com. CNAME nothing.example.com.", soa: true},
		{name: "out.example.com.", qtype: dns.TypeA, answer: "out.example.com. CNAME elsewhere.example.net.", next: "elsewhere.example.net."},
		{name: "round.example.com.", qtype: dns.TypeA, answer: "round.example.com. CNAME round2.example.com.; round2.example.com. CNAME round.example.com."},
		{name: "into.example.com.", qtype: dns.TypeA, answer: "into.example.com. CNAME x.sub.example.com.", next: "x.sub.example.com."},
		{name: "x.y.sub.example.com.", qtype: dns.TypeA, referral: true},
		{name: "sub.example.com.", qtype: dns.TypeNS, referral: true},
		{name: "sub.example.com.", qtype: dns.TypeDS, answer: "sub.example.com. DS 1 8 2 00"},
		{name: "example.com.", qtype: dns.TypeNS, answer: "example.com. NS ns1.example.net."},
		{name: "example.com.", qtype: dns.TypeANY, answer: "example.com. A 192.0.2.1; example.com. NS ns1.example.net.; example.com. SOA ns1.example.net. hostmaster.example.com. 1 7200 900 1209600 1"},
	} {
		t.Run(tt.name+" "+dns.TypeToString[tt.qtype], func(t *testing.T) {
			t.Parallel()
			a := z.lookup(tt.name, tt.qtype, true)
			if a.rcode != tt.rcode || brief(a.records) != tt.answer || a.referral != tt.referral || a.next != tt.next {
				t.Errorf("%s %q referral=%v next=%q", dns.RcodeToString[a.rcode], brief(a.records), a.referral, a.next)
			}
			soa := len(a.ns) == 1 && a.ns[0].Header().Rrtype == dns.TypeSOA
			if soa != tt.soa {
				t.Errorf("authority section %s", brief(a.ns))
			}
			if tt.referral && (brief(a.ns) != "sub.example.com. NS ns.sub.example.com." || brief(a.extra) != "ns.sub.example.com. A 192.0.2.53") {
				t.Errorf("referral to %s, glue %s", brief(a.ns), brief(a.extra))
			}
		})
	}
	// A private zone has no delegations.
	if a := z.lookup("ns.sub.example.com.", dns.TypeA, false); a.referral || len(a.records) != 1 {
		t.Errorf("without cuts: %+v", a)
	}
}

func TestZoneSetAndDelete(t *testing.T) {
	t.Parallel()
	z := NewZone("example.com", nil)
	put(t, z, "a.b.example.com. 60 IN A 192.0.2.1")
	rcode := func(name string) int { return z.lookup(name, dns.TypeA, true).rcode }
	if rcode("b.example.com") != dns.RcodeSuccess {
		t.Error("an empty non-terminal does not exist")
	}
	z.Set(`\052.Example.com`, dns.TypeA, []dns.RR{rr(t, "whatever. 60 CH A 192.0.2.7")})
	if got := brief(z.lookup("x.example.com", dns.TypeA, true).records); got != "x.example.com. A 192.0.2.7" {
		t.Errorf("wildcard set under its escape: %q", got)
	}
	z.Delete("*.example.com", dns.TypeA)
	z.Delete("a.b.example.com", dns.TypeA)
	z.Delete("a.b.example.com", dns.TypeA)
	for _, name := range []string{"a.b.example.com", "b.example.com", "x.example.com"} {
		if rcode(name) != dns.RcodeNameError {
			t.Errorf("%s is still there", name)
		}
	}
	if rcode("example.com") != dns.RcodeSuccess {
		t.Error("the origin went with the last name")
	}
	z.Set("a.example.org", dns.TypeA, []dns.RR{rr(t, "a.example.org. 60 IN A 192.0.2.1")})
	if len(z.nodes) != 1 {
		t.Errorf("nodes left: %v", z.nodes)
	}
	put(t, z, "c.example.com. 60 IN A 192.0.2.1")
	z.Set("c.example.com", dns.TypeA, nil)
	if rcode("c.example.com") != dns.RcodeNameError {
		t.Error("an empty set does not delete")
	}
}

func TestZoneNegativeTTL(t *testing.T) {
	t.Parallel()
	soa := rr(t, "example.com. 900 IN SOA ns.example.com. h.example.com. 1 2 3 4 300").(*dns.SOA)
	z := NewZone("example.com", soa)
	if a := z.lookup("x.example.com", dns.TypeA, true); a.ns[0].Header().Ttl != 300 {
		t.Errorf("negative TTL %d", a.ns[0].Header().Ttl)
	}
	if got := z.Get("example.com", dns.TypeSOA)[0].Header().Ttl; got != 900 {
		t.Errorf("the record's own TTL became %d", got)
	}
}

func BenchmarkZoneSetAmong40000(b *testing.B) {
	z := NewZone("example.com", nil)
	set := []dns.RR{&dns.A{Hdr: dns.RR_Header{Ttl: 60}, A: []byte{192, 0, 2, 1}}}
	for k := range 40_000 {
		z.Set(fmt.Sprintf("n%d.zone.example.com.", k), dns.TypeA, set)
	}
	for b.Loop() {
		z.Set("n77.zone.example.com.", dns.TypeA, set)
		z.Delete("n77.zone.example.com.", dns.TypeA)
	}
}

func FuzzZoneLookup(f *testing.F) {
	for _, s := range []string{"www.example.com.", `\052.wild.example.com`, "", ".", "..", `\`, `a\.b.example.com`, `\300\000.example.com`, "*.*.wild.example.com"} {
		f.Add(s)
	}
	z := testZone(f)
	f.Fuzz(func(t *testing.T, name string) {
		if _, err := dns.PackDomainName(dns.Fqdn(name), make([]byte, 256), 0, nil, false); err != nil {
			return // such a name can't come off the wire
		}
		c := canonical(name)
		if again := canonical(c); again != c {
			t.Errorf("canonical(%q) = %q, and of that %q", name, c, again)
		}
		z.lookup(name, dns.TypeA, true)
		z.Set(name, dns.TypeTXT, []dns.RR{&dns.TXT{Txt: []string{"x"}}})
		if dns.IsSubDomain(z.origin, c) && len(z.Get(name, dns.TypeTXT)) != 1 {
			t.Errorf("%q was set and is not there", name)
		}
		z.Delete(name, dns.TypeTXT)
	})
}
