package probes

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/linkassay/linkassay/provision"
)

// testEngine is closed at the end of the test, before the servers that it knows.
func testEngine(t *testing.T) *Engine {
	t.Helper()
	e := NewEngine(0)
	t.Cleanup(e.Close)
	return e
}

// timeless takes out of an Observation what differs from one to the next of the same.
func timeless(o *Observation) (DNS, Reach) {
	lookups := func(it *Item[[]Lookup]) *Item[[]Lookup] {
		c := Item[[]Lookup]{Absent: it.Absent, Error: it.Error}
		for _, l := range it.Value {
			l.Started, l.Duration, l.Detail = time.Time{}, 0, portless(l.Detail)
			if l.Type == "AAAA" && l.Outcome == NoData { // taken over: nothing is nothing, however it was said
				l.Wire, l.Chain, l.TTL, l.Transport = nil, nil, 0, ""
			}
			if len(l.Wire) > 2 {
				l.Wire = l.Wire[2:] // without the id
			}
			c.Value = append(c.Value, l)
		}
		return &c
	}
	tried := func(t Try) Try {
		t.Started, t.Duration, t.Detail = time.Time{}, 0, portless(t.Detail)
		return t
	}
	d := DNS{Private: lookups(o.DNS.Private), Regional: lookups(o.DNS.Regional), Zonal: lookups(o.DNS.Zonal)}
	x := Reach{TCP: &Item[[]Attempt]{Absent: o.Reach.TCP.Absent}, TLS: &Item[[]Handshake]{Absent: o.Reach.TLS.Absent}, HTTP: &Item[[]Exchange]{Absent: o.Reach.HTTP.Absent}}
	for _, a := range o.Reach.TCP.Value {
		tries := a.Tries
		a.Tries = nil
		for _, t := range tries {
			a.Tries = append(a.Tries, tried(t))
		}
		if a.Tries[0].Outcome == OK {
			a.Tries = a.Tries[:1] // one is as good as three
		}
		x.TCP.Value = append(x.TCP.Value, a)
	}
	for _, h := range o.Reach.TLS.Value {
		h.Try = tried(h.Try)
		x.TLS.Value = append(x.TLS.Value, h)
	}
	for _, e := range o.Reach.HTTP.Value {
		e.Try = tried(e.Try)
		x.HTTP.Value = append(x.HTTP.Value, e)
	}
	return d, x
}

// portless is an error without the client's port, and without which of its calls it came up in.
func portless(detail string) string {
	if at := strings.LastIndex(detail, "->"); at > 0 {
		return strings.ReplaceAll(detail[at:], "write:", "read:")
	}
	return detail
}

// A fast round finds what another finds, and dials each address once.
func TestFastRound(t *testing.T) {
	t.Parallel()
	_, provider := account(t, providerAccount())
	_, consumer := account(t, consumerAccount())
	ca := newAuthority(t, "ca")
	server := ca.issue(t, time.Hour, "api.example.com")
	web := func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	}
	link := testLink()
	link.Ports = []provision.Port{
		{Port: 80, HTTP: &provision.HTTP{Body: "o", Headers: map[string]string{"X-Asked": "yes"}}},
		{Port: 443, TLS: &provision.TLS{CA: "ca.pem"}, HTTP: &provision.HTTP{}},
		{Port: 8443, TLS: &provision.TLS{CA: "ca.pem"}},
		{Port: 9000},
		{Port: 9001, TLS: &provision.TLS{CA: "missing.pem"}},
	}
	for name, tc := range map[string]struct {
		change  func(v *mapped, l *provision.Link)
		dialled int // 10.1.1.10:80, in a fast round; 0 asks for no number
	}{
		"healthy": {dialled: 1},
		"refused": {change: func(v *mapped, _ *provision.Link) { v.to["10.1.1.10:80"] = closedPort(t) }, dialled: 3},
		"timed out": {change: func(v *mapped, l *provision.Link) {
			delete(v.to, "10.1.1.10:80")
			l.Timeouts.Connect = provision.Duration(time.Second)
		}, dialled: 3},
		"TCP alone": {change: func(v *mapped, _ *provision.Link) { v.tcpOnly = true }},
		"TCP alone, and the names are gone": {change: func(v *mapped, _ *provision.Link) {
			v.tcpOnly = true
			v.to["10.1.0.2:53"] = nameServer(t, answers(t, dns.RcodeNameError))
		}},
		"no resolver":  {change: func(v *mapped, _ *provision.Link) { v.to["10.1.0.2:53"] = closedPort(t) }},
		"without name": {change: func(_ *mapped, l *provision.Link) { l.PrivateDNSName = "" }},
		"other addresses": {change: func(v *mapped, _ *provision.Link) {
			v.to["10.1.0.2:53"] = nameServer(t, answers(t, 0, "api.example.com. 60 IN A 10.1.9.9"))
			for _, port := range []string{"80", "443", "8443", "9000", "9001"} {
				v.to["10.1.9.9:"+port] = closedPort(t)
			}
		}},
		"a closed vantage": {change: func(_ *mapped, l *provision.Link) { l.Vantages[0].Expect = provision.ExpectTimeout }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			link := link
			link.Vantages = []provision.Vantage{{Name: "zone-a", From: "local"}, {Name: "zone-b", From: "local"}}
			v := consumerVPC(t)
			for _, ip := range []string{"10.1.1.10", "10.1.2.10"} {
				v.to[ip+":443"] = tlsServer(t, &tls.Config{Certificates: []tls.Certificate{server}}, web)
				v.to[ip+":8443"] = tlsServer(t, &tls.Config{Certificates: []tls.Certificate{server}}, web)
				v.to[ip+":9000"] = listen(t, func(c net.Conn) { hold(c) })
				v.to[ip+":9001"] = v.to[ip+":9000"]
			}
			o := Options{ReadFile: files(map[string][]byte{"ca.pem": ca.pem})}
			src := Sources{Provider: provider, Consumer: consumer, Vantages: []Placed{{link.Vantages[0], v}, {link.Vantages[1], v}}}
			known := Observe(t.Context(), link, src, o)
			if tc.change != nil {
				tc.change(v, &link)
				src.Vantages[0].Spec = link.Vantages[0]
			}
			src.Provider, src.Consumer = nil, nil
			o.Known = known
			full := Observe(t.Context(), link, src, o)
			o.Engine = testEngine(t)
			before := v.count("tcp 10.1.1.10:80")
			fast := Observe(t.Context(), link, src, o)
			dialled := v.count("tcp 10.1.1.10:80") - before
			again := Observe(t.Context(), link, src, o)
			wantDNS, wantReach := timeless(full)
			for which, o := range map[string]*Observation{"first": fast, "second": again} {
				gotDNS, gotReach := timeless(o)
				differ(t, which+" names", wantDNS.Private, gotDNS.Private)
				differ(t, which+" names", wantDNS.Regional, gotDNS.Regional)
				differ(t, which+" names", wantDNS.Zonal, gotDNS.Zonal)
				differ(t, which+" connections", wantReach.TCP, gotReach.TCP)
				differ(t, which+" handshakes", wantReach.TLS, gotReach.TLS)
				differ(t, which+" exchanges", wantReach.HTTP, gotReach.HTTP)
				if o.Reach.Large != known.Reach.Large || !o.Known.Equal(known.Started) || o.Interrupted || o.Panics != nil {
					t.Errorf("the %s round: %v %v %v", which, o.Known, o.Interrupted, o.Panics)
				}
			}
			if tc.dialled != 0 && dialled != 2*tc.dialled {
				t.Errorf("%d dials of one address from two vantages, expected %d", dialled, 2*tc.dialled)
			}
		})
	}
}

func differ[T any](t *testing.T, what string, want, got *Item[[]T]) {
	t.Helper()
	if want.Absent != got.Absent || len(want.Value) != len(got.Value) {
		t.Errorf("%s: %d (%s), expected %d (%s)", what, len(got.Value), got.Absent, len(want.Value), want.Absent)
		return
	}
	for i := range want.Value {
		if !reflect.DeepEqual(want.Value[i], got.Value[i]) {
			t.Errorf("%s %d:\n got %+v\nwant %+v", what, i, got.Value[i], want.Value[i])
		}
	}
}

// What is said to an address is said over the first connection that opens.
func TestFastRoundSpeaksOverTheConnectionThatOpens(t *testing.T) {
	t.Parallel()
	_, provider := account(t, providerAccount())
	_, consumer := account(t, consumerAccount())
	link := testLink()
	link.Ports = []provision.Port{{Port: 80, HTTP: &provision.HTTP{}}}
	link.Vantages = []provision.Vantage{{Name: "zone-a", From: "local"}}
	v := consumerVPC(t)
	src := Sources{Provider: provider, Consumer: consumer, Vantages: []Placed{{link.Vantages[0], v}}}
	known := Observe(t.Context(), link, src, Options{})
	engine := testEngine(t)
	src.Provider, src.Consumer = nil, nil
	for refused, want := range map[int]struct {
		tries []Outcome
		http  Outcome
	}{
		0: {[]Outcome{OK}, OK},
		1: {[]Outcome{Refused, OK}, OK},
		3: {[]Outcome{Refused, Refused, Refused}, Refused},
	} {
		v.refuse = map[string]int{"10.1.1.10:80": refused}
		before := v.count("tcp 10.1.1.10:80")
		o := Observe(t.Context(), link, src, Options{Known: known, Engine: engine})
		if dialled := v.count("tcp 10.1.1.10:80") - before; dialled != len(want.tries) {
			t.Errorf("refused %d times: %d dials, expected %d", refused, dialled, len(want.tries))
		}
		for _, a := range o.Reach.TCP.Value {
			var got []Outcome
			for _, try := range a.Tries {
				got = append(got, try.Outcome)
			}
			if a.Addr.Addr().String() == "10.1.1.10" && !slices.Equal(got, want.tries) {
				t.Errorf("refused %d times: tries %v, expected %v", refused, got, want.tries)
			}
		}
		found := false
		for _, e := range o.Reach.HTTP.Value {
			if e.Addr.Addr().String() != "10.1.1.10" {
				continue
			}
			found = true
			if e.Outcome != want.http || e.Outcome == OK && e.Status != 200 {
				t.Errorf("refused %d times: HTTP %s %d %s, expected %s", refused, e.Outcome, e.Status, e.Detail, want.http)
			}
		}
		if !found {
			t.Errorf("refused %d times: no exchange with 10.1.1.10", refused)
		}
	}
}
