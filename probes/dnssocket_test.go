package probes

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/linkassay/linkassay/provision"
)

// fleetOf is a link with so many names at a vantage whose resolver is server, and what is known of it.
func fleetOf(server string, names int, timeout time.Duration) (provision.Link, Sources, *Observation) {
	link := provision.Link{
		Name: "api", Ports: []provision.Port{{Port: 80}},
		Timeouts: provision.Timeouts{DNS: provision.Duration(timeout), Connect: provision.Duration(30 * time.Second)},
	}
	ep := Endpoint{Found: true, ID: testEndpoint}
	known := &Observation{Started: time.Now()}
	known.DNS.Zonal = &Item[[]Lookup]{}
	for i := range names {
		name := fmt.Sprintf("n%03d.example", i)
		ep.ZonalNames = append(ep.ZonalNames, name)
		known.DNS.Zonal.Value = append(known.DNS.Zonal.Value, Lookup{Vantage: "v", Name: name, Type: "AAAA", Outcome: NoData})
	}
	known.Consumer.Endpoint = &Item[Endpoint]{Value: ep}
	known.Consumer.Interfaces = &Item[[]Interface]{}
	link.Vantages = []provision.Vantage{{Name: "v", Resolver: "10.0.0.2"}}
	v := &mapped{to: map[string]string{"10.0.0.2:53": server, "10.0.0.1:80": server}}
	return link, Sources{Vantages: []Placed{{link.Vantages[0], v}}}, known
}

// rawServer answers datagrams over UDP as f does; f gets what a question needs to be answered, any number of times.
func rawServer(t *testing.T, f func(q *dns.Msg, send func([]byte))) string {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			q := new(dns.Msg)
			if q.Unpack(buf[:n]) == nil {
				f(q, func(b []byte) { _, _ = pc.WriteTo(b, from) })
			}
		}
	})
	t.Cleanup(func() { _ = pc.Close(); wg.Wait() })
	return pc.LocalAddr().String()
}

// replyTo is the answer 10.0.0.1 to a question, changed.
func replyTo(t *testing.T, q *dns.Msg, change func(*dns.Msg)) []byte {
	t.Helper()
	m := new(dns.Msg).SetReply(q)
	m.Answer = append(m.Answer, &dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60}, A: net.IPv4(10, 0, 0, 1)})
	m.Compress = true
	if change != nil {
		change(m)
	}
	b, err := m.Pack()
	if err != nil {
		t.Error(err)
	}
	return b
}

// Many questions share a socket, and each gets its own answer, whatever else comes.
func TestSharedSockets(t *testing.T) {
	t.Parallel()
	const many = 100
	forged := func(m *dns.Msg) { m.Answer[0].(*dns.A).A = net.IPv4(6, 6, 6, 6) }
	for name, tc := range map[string]struct {
		serve   func(t *testing.T) func(q *dns.Msg, send func([]byte))
		names   int
		timeout time.Duration
		want    Outcome
		check   func(l Lookup) string
	}{
		"in any order, and twice": {serve: func(t *testing.T) func(*dns.Msg, func([]byte)) {
			var held []func()
			return func(q *dns.Msg, send func([]byte)) {
				if held = append(held, func() { send(replyTo(t, q, nil)) }); len(held) < many {
					return
				}
				for i := range held {
					held[len(held)-1-i]()
					held[len(held)-1-i]()
				}
			}
		}},
		"wrong ids and questions before the answers": {names: 20, serve: func(t *testing.T) func(*dns.Msg, func([]byte)) {
			return func(q *dns.Msg, send func([]byte)) {
				send(replyTo(t, q, func(m *dns.Msg) { m.Id++; forged(m) }))
				send(replyTo(t, q, func(m *dns.Msg) { m.Question[0].Name = "other.example."; forged(m) }))
				send(replyTo(t, q, func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeMX; forged(m) }))
				send(replyTo(t, q, func(m *dns.Msg) { m.Response = false; forged(m) }))
				send([]byte("nonsense"))
				send([]byte("x"))
				if strings.HasPrefix(q.Question[0].Name, "n000.") { // more of these fill the socket's buffer
					send(bytes.Repeat([]byte("long nonsense "), 300))
					send(replyTo(t, q, func(m *dns.Msg) { m.Question[0].Name, m.Answer = "other.example.", slices.Repeat(m.Answer, 200) }))
				}
				send(replyTo(t, q, nil))
			}
		}},
		"nothing but forgeries": {names: 20, timeout: time.Second, want: BadAnswer, serve: func(t *testing.T) func(*dns.Msg, func([]byte)) {
			return func(q *dns.Msg, send func([]byte)) {
				send(replyTo(t, q, func(m *dns.Msg) { m.Question[0].Name = "other.example."; forged(m) }))
			}
		}},
		"nothing but nonsense": {names: 20, timeout: time.Second, want: BadAnswer, serve: func(*testing.T) func(*dns.Msg, func([]byte)) {
			return func(_ *dns.Msg, send func([]byte)) { send([]byte("nonsense, all of it")) }
		}},
		"a flood": {want: OK, serve: func(t *testing.T) func(*dns.Msg, func([]byte)) {
			floods := 0
			return func(q *dns.Msg, send func([]byte)) {
				for floods++; floods == 1; floods++ {
					for range 2 * maxUnasked {
						send([]byte("nonsense, all of it"))
					}
				}
				send(replyTo(t, q, nil))
			}
		}, timeout: 500 * time.Millisecond},
		"the first two are lost": {names: 20, timeout: time.Second, serve: func(t *testing.T) func(*dns.Msg, func([]byte)) {
			seen := map[string]int{}
			return func(q *dns.Msg, send func([]byte)) {
				key := q.Question[0].String()
				if seen[key]++; seen[key] == dnsAttempts {
					send(replyTo(t, q, nil))
				}
			}
		}, check: func(l Lookup) string {
			if l.Attempts != dnsAttempts {
				return fmt.Sprint(l.Attempts, " attempts")
			}
			return ""
		}},
		// The answer to the first question comes while the second one waits: it is none to that one, nor strange.
		"late answers": {names: 20, timeout: time.Second, want: TimedOut, serve: func(t *testing.T) func(*dns.Msg, func([]byte)) {
			first := map[string]func(){}
			return func(q *dns.Msg, send func([]byte)) {
				name := q.Question[0].String()
				if first[name] == nil {
					first[name] = func() { send(replyTo(t, q, forged)) }
					return
				}
				first[name]()
			}
		}},
		"silence": {names: 20, timeout: 300 * time.Millisecond, want: TimedOut, serve: func(*testing.T) func(*dns.Msg, func([]byte)) {
			return func(*dns.Msg, func([]byte)) {}
		}, check: func(l Lookup) string {
			if l.Attempts != dnsAttempts || l.Duration < 900*time.Millisecond || !strings.Contains(l.Detail, "timeout") {
				return fmt.Sprintf("%d attempts in %s: %s", l.Attempts, l.Duration, l.Detail)
			}
			return ""
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.names == 0 {
				tc.names = many
			}
			if tc.timeout == 0 {
				tc.timeout = 30 * time.Second
			}
			if tc.want == "" {
				tc.want = OK
			}
			link, src, known := fleetOf(rawServer(t, tc.serve(t)), tc.names, tc.timeout)
			o := Observe(t.Context(), link, src, Options{Known: known, Engine: testEngine(t)})
			asked := 0
			for _, l := range o.DNS.Zonal.Value {
				if l.Type != "A" {
					continue
				}
				asked++
				if l.Outcome != tc.want || l.Outcome == OK && fmt.Sprint(l.Addrs) != "[10.0.0.1]" {
					t.Errorf("%s: %s %v (%s)", l.Name, l.Outcome, l.Addrs, l.Detail)
				}
				if tc.check != nil {
					if wrong := tc.check(l); wrong != "" {
						t.Errorf("%s: %s", l.Name, wrong)
					}
				}
			}
			if asked != tc.names || len(o.Panics) > 0 {
				t.Errorf("%d questions, %v", asked, o.Panics)
			}
		})
	}
}

// What the server's name answers over UDP leads on to TCP, or to a question without EDNS.
func TestSharedSocketsLeadOn(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]dns.HandlerFunc{
		"truncated": func(w dns.ResponseWriter, q *dns.Msg) {
			m := new(dns.Msg).SetReply(q)
			if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
				m.Truncated = true
				_ = w.WriteMsg(m)
				return
			}
			answers(t, 0, q.Question[0].Name+" 60 IN A 10.0.0.1")(w, q)
		},
		"longer than was asked for": func(w dns.ResponseWriter, q *dns.Msg) {
			answers(t, 0, slices.Repeat([]string{q.Question[0].Name + " 60 IN A 10.0.0.1"}, 200)...)(w, q)
		},
		"without EDNS": func(w dns.ResponseWriter, q *dns.Msg) {
			if q.IsEdns0() != nil {
				_ = w.WriteMsg(new(dns.Msg).SetRcodeFormatError(q))
				return
			}
			answers(t, 0, q.Question[0].Name+" 60 IN A 10.0.0.1")(w, q)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			link, src, known := fleetOf(nameServer(t, h), 5, 30*time.Second)
			o := Observe(t.Context(), link, src, Options{Known: known, Engine: testEngine(t)})
			for _, l := range o.DNS.Zonal.Value {
				if l.Type == "A" && (l.Outcome != OK || len(l.Addrs) != 1 || name == "truncated" && l.Transport != "tcp") {
					t.Errorf("%+v", l)
				}
			}
		})
	}
}

// A round that ends leaves no question behind, and an engine that is closed none of its goroutines (TestMain looks).
func TestFastRoundEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var asked atomic.Int64
	server := rawServer(t, func(*dns.Msg, func([]byte)) {
		if asked.Add(1) == 50 {
			cancel()
		}
	})
	link, src, known := fleetOf(server, 100, 30*time.Second)
	e := NewEngine(0)
	began := time.Now()
	o := Observe(ctx, link, src, Options{Known: known, Engine: e})
	if !o.Interrupted || time.Since(began) > 10*time.Second {
		t.Errorf("interrupted %v after %s", o.Interrupted, time.Since(began))
	}
	for _, l := range o.DNS.Zonal.Value {
		if l.Type == "A" && l.Outcome != NotAsked {
			t.Errorf("%+v", l)
		}
	}
	e.Close()
	o = Observe(t.Context(), link, src, Options{Known: known, Engine: e})
	if !o.Interrupted || o.DNS.Zonal.Value[0].Outcome != NotAsked {
		t.Errorf("after the engine was closed: %+v", o.DNS.Zonal.Value[0])
	}
}

// However many ask, no more lie in a server's buffer than it has room for, and nobody waits for ever.
func TestQuestionsInFlight(t *testing.T) {
	t.Parallel()
	var most, now atomic.Int64
	var held []func()
	var mu sync.Mutex
	server := rawServer(t, func(q *dns.Msg, send func([]byte)) {
		mu.Lock()
		defer mu.Unlock()
		most.Store(max(most.Load(), now.Add(1)))
		if held = append(held, func() { send(replyTo(t, q, nil)) }); len(held) == dnsInFlight {
			for _, answer := range held {
				now.Add(-1)
				answer()
			}
			held = nil
		}
	})
	e := testEngine(t)
	began := time.Now()
	var rounds sync.WaitGroup
	for range 8 {
		rounds.Go(func() {
			link, src, known := fleetOf(server, dnsInFlight/2, 30*time.Second)
			src.Vantages[0].Vantage = sameNetwork{server}
			o := Observe(t.Context(), link, src, Options{Known: known, Engine: e})
			for _, l := range o.DNS.Zonal.Value {
				if l.Outcome != OK && l.Type == "A" {
					t.Errorf("%+v", l)
				}
			}
		})
	}
	rounds.Wait()
	if most.Load() > dnsInFlight && time.Since(began) < dnsQueued {
		t.Errorf("%d questions at once", most.Load())
	}
}

// sameNetwork leads to one server, whatever is dialled; two of the same are the same vantage.
type sameNetwork struct{ server string }

func (s sameNetwork) Resolvers() []netip.AddrPort { return nil }

func (s sameNetwork) DialContext(ctx context.Context, network, _ string) (net.Conn, error) {
	if network == "tcp" {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: context.DeadlineExceeded}
	}
	return new(net.Dialer).DialContext(ctx, network, s.server)
}

// Questions are packed as miekg/dns packs them.
func TestPackQuestion(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"x.example", "x.example.", "VPCE-0a_b.vpce-svc-1.us-east-1.vpce.amazonaws.com", ".", "a b.example", `a\.b.example`, strings.Repeat("a.", 126) + "b", strings.Repeat("a", 64) + ".example", "a..b", "münchen.example"} {
		for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
			q := question{name: name, qtype: qtype, recurse: true}
			m := new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype)
			m.Id = 0
			m.SetEdns0(ednsSize, false)
			want, bad := m.Pack()
			got, err := packQuestion(q)
			if !bytes.Equal(got, want) || (err == nil) != (bad == nil) {
				t.Errorf("%s:\n got %x (%v)\nwant %x (%v)", name, got, err, want, bad)
			}
		}
	}
}

// What the short way is sure of, the long way reads alike.
func FuzzPlainAnswer(f *testing.F) {
	q := question{name: "x.example", qtype: dns.TypeA}
	packed, err := packQuestion(q)
	if err != nil {
		f.Fatal(err)
	}
	asked := new(dns.Msg)
	if err := asked.Unpack(packed); err != nil {
		f.Fatal(err)
	}
	for n := range 4 {
		m := new(dns.Msg).SetReply(asked)
		m.Compress = true
		for i := range n {
			m.Answer = append(m.Answer, &dns.A{Hdr: dns.RR_Header{Name: "x.example.", Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60 - uint32(i)}, A: net.IPv4(10, 0, byte(i/2), 9)})
		}
		m.SetEdns0(1232, n%2 == 0)
		wire, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		if _, sure := parsePlain(wire, packed, nil); sure != (n > 0) {
			f.Errorf("%d addresses: sure %v", n, sure)
		}
		f.Add(wire)
		f.Add(wire[:len(wire)-dnsOPT])
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		p, sure := parsePlain(wire, packed, nil)
		if !sure {
			return
		}
		asked := asked.Copy()
		asked.Id = uint16(wire[0])<<8 | uint16(wire[1])
		m, err := parseAnswer(wire, asked)
		if err != nil {
			t.Fatalf("%x: %v", wire, err)
		}
		var short, long Lookup
		short.Wire, short.Auth, short.RCode, short.Outcome, short.Addrs, short.TTL = wire, p.auth, noError, OK, p.addrs, p.ttl
		digest(&long, answer{m, wire, "udp"}, q)
		if !reflect.DeepEqual(short, long) {
			t.Errorf("%x:\nshort %+v\n long %+v", wire, short, long)
		}
	})
}
