package probes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/linkassay/linkassay/provision"
)

// authoritative serves zones with delegations, as a plain name server does.
type authoritative struct {
	zone    string
	records []string // answers
	cuts    []string // NS records and glue of delegations
}

func (a authoritative) handler(t *testing.T) dns.HandlerFunc {
	t.Helper()
	var answers, cuts []dns.RR
	for _, s := range a.records {
		answers = append(answers, rr(t, s))
	}
	for _, s := range a.cuts {
		cuts = append(cuts, rr(t, s))
	}
	soa := rr(t, a.zone+" 60 IN SOA ns. host. 1 2 3 4 5")
	return func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		defer func() { _ = w.WriteMsg(m) }()
		if q.RecursionDesired {
			m.Rcode = dns.RcodeRefused // the walk must not ask for recursion
			return
		}
		name := dns.CanonicalName(q.Question[0].Name)
		for _, c := range cuts {
			if c.Header().Rrtype == dns.TypeNS && dns.IsSubDomain(c.Header().Name, name) {
				m.Ns = append(m.Ns, c)
			}
		}
		if len(m.Ns) > 0 {
			for _, c := range cuts {
				if c.Header().Rrtype == dns.TypeA {
					m.Extra = append(m.Extra, c)
				}
			}
			return
		}
		m.Authoritative = true
		exists := false
		for _, r := range answers {
			if dns.CanonicalName(r.Header().Name) != name {
				continue
			}
			exists = true
			if t := r.Header().Rrtype; t == q.Question[0].Qtype || t == dns.TypeCNAME {
				m.Answer = append(m.Answer, r)
			}
		}
		if len(m.Answer) == 0 {
			m.Ns = append(m.Ns, soa)
			if !exists {
				m.Rcode = dns.RcodeNameError
			}
		}
	}
}

// internet is a small one: a root, com and net, and example.com on two servers whose names lie in
// another zone, as Route 53's do.
func internet(t *testing.T, first, second []string) *mapped {
	t.Helper()
	at := func(ip string, a authoritative) (string, string) { return ip + ":53", nameServer(t, a.handler(t)) }
	m := &mapped{to: map[string]string{}}
	put := func(k, v string) { m.to[k] = v }
	put(at("198.41.0.4", authoritative{zone: ".", cuts: []string{
		"com. 60 IN NS a.gtld.net.", "a.gtld.net. 60 IN A 192.5.6.30",
		"net. 60 IN NS b.gtld.net.", "b.gtld.net. 60 IN A 192.5.6.31",
	}}))
	put(at("192.5.6.30", authoritative{zone: "com.", cuts: []string{
		"example.com. 60 IN NS ns-1.dns.net.", "example.com. 60 IN NS ns-2.dns.net.",
		"ns-1.dns.net. 60 IN A 6.6.6.6", // not com's to say
	}}))
	put(at("192.5.6.31", authoritative{zone: "net.", cuts: []string{"dns.net. 60 IN NS ns.dns.net.", "ns.dns.net. 60 IN A 205.0.0.1"}}))
	put(at("205.0.0.1", authoritative{zone: "dns.net.", records: []string{"ns-1.dns.net. 60 IN A 205.0.0.2", "ns-2.dns.net. 60 IN A 205.0.0.3"}}))
	put(at("205.0.0.2", authoritative{zone: "example.com.", records: first}))
	put(at("205.0.0.3", authoritative{zone: "example.com.", records: second}))
	return m
}

const (
	testLabel = "_6e86v84tqgqubxbwii1m"
	testValue = "vpce:l6p0ERxlTt45jevFwOCp"
)

// txtOf runs the TXT item against a service with this private DNS name.
func txtOf(t *testing.T, v Vantage, name string) *Item[TXT] {
	t.Helper()
	return txtWithin(t, patient(), v, name)
}

func txtWithin(t *testing.T, timeouts provision.Timeouts, v Vantage, name string) *Item[TXT] {
	t.Helper()
	r := testRun(t, provision.Link{PrivateDNSName: name, Timeouts: timeouts})
	r.src.PublicDNS = v
	p := r.askTXT(side{}, given(Service{Found: true, PrivateDNSName: name, Verification: &Verification{
		State: "pendingVerification", Type: "TXT", Name: testLabel, Value: testValue,
	}}, nil), r.walkPublic())
	r.wg.Wait()
	if len(r.panics) > 0 {
		t.Fatal(r.panics)
	}
	return p.item
}

func TestTXTIsAskedAtEveryAuthoritativeServer(t *testing.T) {
	t.Parallel()
	record := testLabel + `.api.example.com. 60 IN TXT "` + testValue + `"`
	v := internet(t, []string{record, "api.example.com. 60 IN A 1.2.3.4"},
		[]string{testLabel + `.example.com.example.com. 60 IN TXT "` + testValue + `"`})
	item := txtOf(t, v, "*.api.example.com")
	if item.Error != nil || item.Absent != "" {
		t.Fatalf("%+v", item)
	}
	txt := item.Value
	var zones []string
	for _, z := range txt.Zones {
		zones = append(zones, z.Zone)
	}
	if !slices.Equal(zones, []string{".", "com", "example.com"}) {
		t.Errorf("zones %v", zones)
	}
	if got := fmt.Sprint(txt.Zones[2].Servers); got != "[{ns-1.dns.net 205.0.0.2} {ns-2.dns.net 205.0.0.3}]" {
		t.Errorf("servers %v (glue for another zone must not be believed)", got)
	}
	found := map[string][]string{}
	for _, q := range txt.Asked {
		if q.Auth != true || q.Transport != "udp" {
			t.Errorf("not asked at the source: %+v", q)
		}
		if slices.Contains(q.Texts, testValue) {
			found[q.Owner] = append(found[q.Owner], q.Server.Addr().String())
		}
	}
	want := map[string][]string{testLabel + ".api.example.com": {"205.0.0.2"}, testLabel + ".example.com.example.com": {"205.0.0.3"}}
	if fmt.Sprint(found) != fmt.Sprint(want) {
		t.Errorf("found %v, want %v", found, want)
	}
	var owners []string
	for _, q := range txt.Asked {
		owners = append(owners, q.Owner)
	}
	slices.Sort(owners)
	owners = slices.Compact(owners)
	for _, o := range []string{
		"api.example.com", "example.com", testLabel + ".api.example.com", testLabel + ".example.com",
		testLabel + ".api.example.com.example.com", testLabel + ".api.example.com.api.example.com",
	} {
		if !slices.Contains(owners, o) {
			t.Errorf("%s was not asked", o)
		}
	}
	if txt.Domain != "api.example.com" || txt.Label != testLabel || txt.Want != testValue || len(txt.Asked) != 2*len(owners) {
		t.Errorf("%s %s %s, %d questions for %v", txt.Domain, txt.Label, txt.Want, len(txt.Asked), owners)
	}
}

func TestTXTFollowsACNAMEToAnotherZone(t *testing.T) {
	t.Parallel()
	zone := []string{testLabel + ".example.com. 60 IN CNAME ns-1.dns.net."}
	v := internet(t, zone, zone)
	item := txtOf(t, v, "example.com")
	if item.Error != nil {
		t.Fatalf("%+v", item.Error)
	}
	chased := false
	for _, q := range item.Value.Asked {
		if q.Owner == testLabel+".example.com" && q.Name == "ns-1.dns.net" {
			chased = true
		} else if q.Owner == testLabel+".example.com" && !slices.Equal(q.Chain, []string{"ns-1.dns.net"}) {
			t.Errorf("chain %v", q.Chain)
		}
	}
	if !chased {
		t.Error("the CNAME's target was not asked")
	}
}

func TestTXTByTCPAlone(t *testing.T) {
	t.Parallel()
	v := internet(t, []string{testLabel + `.example.com. 60 IN TXT "` + testValue + `"`}, nil)
	v.tcpOnly = true
	item := txtOf(t, v, "example.com")
	if item.Error != nil || len(item.Value.Asked) == 0 || item.Value.Asked[0].Transport != "tcp" {
		t.Fatalf("%+v", item)
	}
}

func TestWalkWithoutARoot(t *testing.T) {
	t.Parallel()
	resolver := nameServer(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q) // somebody who intercepts port 53 and answers himself
		m.RecursionAvailable = true
		m.Answer = append(m.Answer, rr(t, q.Question[0].Name+` 60 IN TXT "mine"`))
		_ = w.WriteMsg(m)
	})
	intercepted := &mapped{to: map[string]string{}}
	for _, s := range rootServers() {
		intercepted.to[s.Addr.String()+":53"] = resolver
	}
	down, err := NewSOCKS5(closedPort(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		v    Vantage
		want FailureClass
	}{
		"nobody answers":      {&mapped{}, FailNetwork},
		"somebody intercepts": {intercepted, FailNetwork},
		"vantage down":        {down, FailVantage},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			item := txtWithin(t, short(), tc.v, "example.com")
			if item.Error == nil || item.Error.Class != tc.want {
				t.Errorf("%+v", item)
			}
		})
	}
}

func TestWalkGoesOnWithoutASilentServer(t *testing.T) {
	t.Parallel()
	v := internet(t, nil, nil)
	v.to["192.33.4.12:53"] = v.to["198.41.0.4:53"]
	delete(v.to, "198.41.0.4:53") // a.root-servers.net keeps silent, c answers
	item := txtOf(t, v, "example.com")
	if item.Error != nil || len(item.Value.Zones) != 3 {
		t.Fatalf("%+v", item)
	}
}

func TestWalkIsBounded(t *testing.T) {
	t.Parallel()
	// Every server refers to two name servers in zones that nobody has heard of, for ever.
	var asked atomic.Int64
	endless := nameServer(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		n := asked.Add(1)
		name := q.Question[0].Name
		m.Ns = append(m.Ns, rr(t, fmt.Sprintf("%s 60 IN NS a%d.lost%d.example.", name, n, n)), rr(t, fmt.Sprintf("%s 60 IN NS b%d.lost%d.example.", name, n, n)))
		_ = w.WriteMsg(m)
	})
	v := &mapped{to: map[string]string{"198.41.0.4:53": endless}}
	began := time.Now()
	txtOf(t, v, "a.b.c.d.e.f.g.example")
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestTXTAbsences(t *testing.T) {
	t.Parallel()
	verified := Service{Found: true, PrivateDNSName: "x.example", Verification: &Verification{Name: testLabel}}
	for name, tc := range map[string]struct {
		service Service
		err     error
		v       Vantage
		want    Absence
	}{
		"no access":           {Service{}, absent{NoProviderAccess}, &mapped{}, NoProviderAccess},
		"no service":          {Service{}, nil, &mapped{}, NoSubject},
		"no private DNS name": {Service{Found: true}, nil, &mapped{}, NoPrivateDNSName},
		"no vantage":          {verified, nil, nil, NoVantage},
	} {
		r := testRun(t, provision.Link{})
		r.src.PublicDNS = tc.v
		p := r.askTXT(side{stop: errors.New("closed")}, given(tc.service, tc.err), r.walkPublic())
		r.wg.Wait()
		if p.item.Absent != tc.want {
			t.Errorf("%s: %+v", name, p.item)
		}
	}
}

func TestInterruptedWalkIsNotReached(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	r := newRun(ctx, &provision.Link{PrivateDNSName: "x.example.com"}, Sources{PublicDNS: &mapped{}}, Options{})
	p := r.askTXT(side{}, given(Service{Found: true, PrivateDNSName: "x.example.com", Verification: &Verification{}}, nil), r.walkPublic())
	cancel()
	r.wg.Wait()
	if p.item.Absent != NotReached {
		t.Errorf("%+v", p.item)
	}
}

func TestOwnersStopAtTheTopLevelDomain(t *testing.T) {
	t.Parallel()
	steps := []ServersOf{{Zone: "."}, {Zone: "com."}, {Zone: "example.com."}, {Zone: "intra.example.com."}}
	at := map[string]string{}
	for _, o := range owners("api.intra.example.com.", "_l", steps) {
		at[o.name] = o.zone.Zone
	}
	for name, zone := range map[string]string{
		"_l.api.intra.example.com.":                       "intra.example.com.",
		"_l.intra.example.com.intra.example.com.":         "intra.example.com.",
		"_l.api.intra.example.com.api.intra.example.com.": "intra.example.com.",
		"_l.example.com.":                                 "example.com.",
		"example.com.":                                    "example.com.",
	} {
		if at[name] != zone {
			t.Errorf("%s is asked at %q, want %q", name, at[name], zone)
		}
	}
	for name := range at {
		if name == "com." || strings.HasSuffix(name, "_l.com.") {
			t.Errorf("%s was asked", name)
		}
	}
}
