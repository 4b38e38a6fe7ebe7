package probes

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/linkassay/linkassay/provision"
)

// answerOne answers one HTTP request.
func answerOne(c net.Conn) {
	if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
		_, _ = c.Write([]byte("HTTP/1.1 204 No Content\r\n\r\n"))
	}
}

// silenceOf keeps one connection to a server silent for so long.
func silenceOf(t *testing.T, ctx context.Context, port provision.Port, to string, timeouts provision.Timeouts, read func(string) ([]byte, error), wanted time.Duration) Silence {
	t.Helper()
	port.Port = testAddr.Port()
	r := testRun(t, provision.Link{PrivateDNSName: "svc.example.com", Ports: []provision.Port{port}, Timeouts: timeouts})
	r.ctx, r.o.ReadFile = ctx, read
	x := newReach(r, prepare(r.link.Ports, r.loadTrust))
	p := place{name: "v1", vantage: &mapped{to: map[string]string{testAddr.String(): to}}}
	x.silence(p, reachKey{"v1", Target{Kind: TargetInterface}, testAddr}, x.ports[0], wanted)
	return x.idle.sofar()[0]
}

func TestSilences(t *testing.T) {
	t.Parallel()
	const wanted = 50 * time.Millisecond
	ca := newAuthority(t, "lab CA")
	config := &tls.Config{Certificates: []tls.Certificate{ca.issue(t, time.Hour, "svc.example.com")}}
	read := files(map[string][]byte{"ca.pem": ca.pem})
	web, plain := provision.Port{HTTP: &provision.HTTP{}}, provision.Port{}
	secure := provision.Port{TLS: &provision.TLS{CA: "ca.pem"}, HTTP: &provision.HTTP{}}
	first := func(then func(net.Conn)) func(net.Conn) { // waits for the first byte
		return func(c net.Conn) {
			_, _ = c.Read(make([]byte, 1))
			then(c)
		}
	}
	// A connection that is reset at once may never have been one for the client.
	soon := func(c net.Conn) {
		<-time.After(wanted / 5)
		reset(c)
	}
	for name, tc := range map[string]struct {
		port   provision.Port
		server string
		want   Outcome
		ended  bool
		detail string
	}{
		"answered":               {port: web, server: listen(t, answerOne), want: OK},
		"answered over TLS":      {port: secure, server: tlsServer(t, config, answerOne), want: OK},
		"not HTTP":               {port: web, server: listen(t, first(func(c net.Conn) { _, _ = c.Write([]byte("hello\r\n\r\n")) })), want: BadAnswer},
		"reset afterwards":       {port: web, server: listen(t, first(reset)), want: Reset},
		"no answer afterwards":   {port: web, server: listen(t, hold), want: TimedOut},
		"closed meanwhile":       {port: web, server: listen(t, func(net.Conn) {}), want: Closed, ended: true},
		"reset meanwhile":        {port: web, server: listen(t, soon), want: Reset, ended: true},
		"closed meanwhile, TLS":  {port: secure, server: tlsServer(t, config, func(net.Conn) {}), want: Closed, ended: true},
		"certificate of another": {port: provision.Port{TLS: &provision.TLS{CA: "ca.pem", ServerName: "other.example.com"}, HTTP: &provision.HTTP{}}, server: tlsServer(t, config, answerOne), want: TLSFailed, detail: "not trusted"},
		"a greeting first": {port: web, server: listen(t, func(c net.Conn) {
			_, _ = c.Write([]byte("220 ready\r\n"))
			answerOne(c)
		}), want: OK},
		"one that talks on": {port: web, server: listen(t, func(c net.Conn) {
			tick := time.NewTicker(wanted / 10)
			defer tick.Stop()
			for range tick.C {
				if _, err := c.Write([]byte("x")); err != nil {
					return
				}
			}
		}), want: Failed, ended: true, detail: "never silent"},
		"without HTTP, the end is answered": {port: plain, server: listen(t, hold), want: OK},
		"without HTTP, bytes are answers":   {port: plain, server: listen(t, first(func(c net.Conn) { _, _ = c.Write([]byte("bye")) })), want: OK},
		"without HTTP, reset":               {port: plain, server: listen(t, first(reset)), want: Reset},
		"without HTTP, nothing":             {port: plain, server: listen(t, first(func(net.Conn) { <-t.Context().Done() })), want: TimedOut},
		"refused":                           {port: web, server: closedPort(t), want: Refused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := silenceOf(t, t.Context(), tc.port, tc.server, timeoutsFor(tc.want), read, wanted)
			if s.Outcome != tc.want || s.Ended != tc.ended || !strings.Contains(s.Detail, tc.detail) {
				t.Errorf("%+v, want %s, ended %t, %q", s, tc.want, tc.ended, tc.detail)
			}
			if connected := tc.want != Refused && tc.want != TLSFailed; connected && !tc.ended && s.Silent < wanted {
				t.Errorf("silent for %s, want %s", s.Silent, wanted)
			}
		})
	}
}

// Behind a proxy a reset looks like an end: nothing is asked there.
func TestEndOfNeedsHalfClose(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	if out, detail := classify(t.Context(), endOf(near, time.Minute)); out != NoVia {
		t.Errorf("%s: %s", out, detail)
	}
}

// A run that is interrupted does not wait for the silence to end.
func TestSilenceEndsWithTheRun(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	to := listen(t, func(c net.Conn) {
		cancel()
		hold(c)
	})
	s := silenceOf(t, ctx, provision.Port{}, to, patient(), nil, time.Hour)
	if s.Outcome != NotAsked || s.Silent > time.Minute {
		t.Errorf("%+v", s)
	}
}

func TestSilencesGoByTheIdleTimeout(t *testing.T) {
	t.Parallel()
	for idle, want := range map[time.Duration][2]time.Duration{
		0:                       {340 * time.Second, 360 * time.Second},
		time.Hour:               {time.Hour - 10*time.Second, time.Hour + 10*time.Second},
		1400 * time.Millisecond: {1200 * time.Millisecond, 1600 * time.Millisecond},
	} {
		r := testRun(t, provision.Link{Timeouts: provision.Timeouts{Idle: provision.Duration(idle)}})
		if got := r.silences(); got[0] != want[0] || got[1] != want[1] {
			t.Errorf("idle %s: %v, want %v", idle, got, want)
		}
	}
}

// One address a vantage is enough: in its own zone where the endpoint has one there.
func TestOneAddressIsKeptSilent(t *testing.T) {
	t.Parallel()
	ip := netip.MustParseAddr
	interfaces := []Interface{
		{ID: "eni-none", ZoneID: "a"}, {ID: "eni-c", ZoneID: "c", IPs: []netip.Addr{ip("10.0.3.1")}}, {ID: "eni-b", ZoneID: "b", IPs: []netip.Addr{ip("10.0.2.1"), ip("fd00::2")}},
	}
	for name, tc := range map[string]struct {
		zone string
		all  []Interface
		want string
		kind TargetKind
	}{
		"its own zone":            {"c", interfaces, "10.0.3.1", TargetInterface},
		"a zone without any":      {"a", interfaces, "10.0.2.1", TargetInterface},
		"no zone":                 {"", interfaces, "10.0.2.1", TargetInterface},
		"no interface is known":   {"c", nil, "10.0.0.7", TargetPrivate},
		"interfaces have no more": {"c", interfaces[:1], "10.0.0.7", TargetPrivate},
	} {
		r := testRun(t, provision.Link{})
		w := &way{run: r, consumer: &consumerItems{interfaces: given(tc.all, nil)}, private: newGathering[Lookup](r, "dns.private")}
		w.private.add(Lookup{Vantage: "other", Addrs: []netip.Addr{ip("10.0.0.1")}}, r.now(), 0)
		w.private.add(Lookup{Vantage: "v1", Addrs: []netip.Addr{ip("10.0.0.9"), ip("10.0.0.7")}}, r.now(), 0)
		target, got, ok := w.oneAddress(place{name: "v1", zone: tc.zone}, "svc.example.com")
		if !ok || got.String() != tc.want || target.Kind != tc.kind {
			t.Errorf("%s: %s %+v %t, want %s", name, got, target, ok, tc.want)
		}
	}
	r := testRun(t, provision.Link{})
	w := &way{run: r, consumer: &consumerItems{interfaces: given[[]Interface](nil, nil)}, private: newGathering[Lookup](r, "dns.private")}
	if _, _, ok := w.oneAddress(place{name: "v1"}, ""); ok {
		t.Error("there is no address, and one was found")
	}
}
