package probes

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"github.com/linkassay/linkassay/provision"
)

// nameServer serves h over UDP and TCP on one loopback port.
func nameServer(t *testing.T, h dns.HandlerFunc) string {
	t.Helper()
	for range 20 {
		pc, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", pc.LocalAddr().String())
		if err != nil {
			_ = pc.Close()
			continue
		}
		var wg, up sync.WaitGroup
		var servers []*dns.Server
		for _, s := range []*dns.Server{{PacketConn: pc, Handler: h}, {Listener: l, Handler: h}} {
			up.Add(1)
			s.NotifyStartedFunc = up.Done
			servers = append(servers, s)
			wg.Go(func() { _ = s.ActivateAndServe() })
		}
		up.Wait()
		t.Cleanup(func() {
			for _, s := range servers {
				_ = s.Shutdown()
			}
			wg.Wait()
		})
		return pc.LocalAddr().String()
	}
	t.Fatal("no port that is free for UDP and TCP")
	return ""
}

func rr(t testing.TB, s string) dns.RR {
	t.Helper()
	r, err := dns.NewRR(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// answers replies to every question with these records and code.
func answers(t *testing.T, rcode int, records ...string) dns.HandlerFunc {
	return func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetRcode(q, rcode)
		for _, s := range records {
			m.Answer = append(m.Answer, rr(t, s))
		}
		_ = w.WriteMsg(m)
	}
}

func askAt(t *testing.T, timeouts provision.Timeouts, v *mapped, qtype uint16, name string) Lookup {
	t.Helper()
	c := &dnsClient{run: testRun(t, provision.Link{Timeouts: timeouts}), vantage: v, name: "v1"}
	return c.ask(t.Context(), question{
		name: name, qtype: qtype, server: netip.MustParseAddrPort("10.0.0.2:53"), recurse: true, attempts: dnsAttempts,
	})
}

func TestLookupOutcomes(t *testing.T) {
	t.Parallel()
	tooMany := make([]string, 0, 40)
	for i := range 40 {
		tooMany = append(tooMany, fmt.Sprintf("big.example. 60 IN A 10.9.0.%d", i+1))
	}
	for name, tc := range map[string]struct {
		server dns.HandlerFunc
		qtype  uint16
		want   Outcome
		check  func(l Lookup) string

		unanswered bool // it waits for its timeout
	}{
		"CNAME chain and the whole set": {
			server: answers(t, 0, "x.example. 60 IN CNAME y.example.", "y.example. 30 IN A 10.0.0.8",
				"y.example. 30 IN A 10.0.0.7", "other.example. 1 IN A 10.0.0.66"),
			want: OK,
			check: func(l Lookup) string {
				got := fmt.Sprintf("%v %v %d %s %s %d", l.Chain, l.Addrs, l.TTL, l.RCode, l.Transport, l.Attempts)
				return strings.TrimPrefix(got, "[y.example] [10.0.0.7 10.0.0.8] 30 NOERROR udp 1")
			},
		},
		"AAAA":     {server: answers(t, 0, "x.example. 60 IN AAAA fd00::1"), qtype: dns.TypeAAAA, want: OK},
		"NXDOMAIN": {server: answers(t, dns.RcodeNameError), want: NXDomain},
		"no data":  {server: answers(t, 0), want: NoData},
		"CNAME to nothing": {
			server: answers(t, dns.RcodeNameError, "x.example. 5 IN CNAME gone.example."), want: NXDomain,
			check: func(l Lookup) string { return strings.TrimPrefix(strings.Join(l.Chain, " "), "gone.example") },
		},
		"SERVFAIL": {
			server: answers(t, dns.RcodeServerFailure), want: ServFail,
			check: func(l Lookup) string {
				if l.Attempts != 1 {
					return "an answer was asked for again"
				}
				return ""
			},
		},
		"REFUSED":    {server: answers(t, dns.RcodeRefused), want: DNSRefused},
		"CNAME loop": {server: answers(t, 0, "x.example. 5 IN CNAME y.example.", "y.example. 5 IN CNAME x.example."), want: BadAnswer},
		"silent": {
			server: func(dns.ResponseWriter, *dns.Msg) {}, want: TimedOut,
			check: func(l Lookup) string {
				if l.Attempts != dnsAttempts {
					return fmt.Sprint(l.Attempts, " attempts")
				}
				return ""
			},
		},
		"truncated over UDP": {
			server: func(w dns.ResponseWriter, q *dns.Msg) {
				m := new(dns.Msg).SetReply(q)
				if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
					m.Truncated = true
				} else {
					for _, s := range tooMany {
						m.Answer = append(m.Answer, rr(t, strings.Replace(s, "big", "x", 1)))
					}
				}
				_ = w.WriteMsg(m)
			},
			want: OK,
			check: func(l Lookup) string {
				if l.Transport != "tcp" || len(l.Addrs) != 40 {
					return fmt.Sprint(l.Transport, len(l.Addrs))
				}
				return ""
			},
		},
		"forged before the answer": {
			server: func(w dns.ResponseWriter, q *dns.Msg) {
				forged := new(dns.Msg).SetReply(q)
				forged.Id++
				forged.Answer = append(forged.Answer, rr(t, "x.example. 60 IN A 6.6.6.6"))
				_ = w.WriteMsg(forged)
				_, _ = w.Write([]byte("nonsense"))
				answers(t, 0, "x.example. 60 IN A 10.0.0.1")(w, q)
			},
			want: OK,
			check: func(l Lookup) string {
				return strings.TrimPrefix(fmt.Sprint(l.Addrs), "[10.0.0.1]")
			},
		},
		"nothing but forgeries": {
			server: func(w dns.ResponseWriter, q *dns.Msg) {
				m := new(dns.Msg).SetReply(q)
				m.Question[0].Name = "other.example."
				_ = w.WriteMsg(m)
			},
			want:       BadAnswer,
			unanswered: true,
		},
		"no EDNS": {
			server: func(w dns.ResponseWriter, q *dns.Msg) {
				if q.IsEdns0() != nil {
					_ = w.WriteMsg(new(dns.Msg).SetRcodeFormatError(q))
					return
				}
				answers(t, 0, "x.example. 60 IN A 10.0.0.1")(w, q)
			},
			want: OK,
		},
		"TXT as it is, but safe": {
			server: answers(t, 0, `x.example. 60 IN TXT "vpce:" "ab\"c\\d"`, `x.example. 60 IN TXT "\027[31m"`), qtype: dns.TypeTXT, want: OK,
			check: func(l Lookup) string {
				if !slices.Equal(l.Texts, []string{`\x1b[31m`, `vpce:ab"c\d`}) {
					return fmt.Sprintf("%q", l.Texts)
				}
				return ""
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.qtype == 0 {
				tc.qtype = dns.TypeA
			}
			v := &mapped{to: map[string]string{"10.0.0.2:53": nameServer(t, tc.server)}}
			timeouts := timeoutsFor(tc.want)
			if tc.unanswered {
				timeouts = short()
			}
			l := askAt(t, timeouts, v, tc.qtype, "x.example")
			if l.Outcome != tc.want {
				t.Fatalf("got %q (%s), want %q", l.Outcome, l.Detail, tc.want)
			}
			if tc.check != nil {
				if wrong := tc.check(l); wrong != "" {
					t.Error(wrong)
				}
			}
		})
	}
}

func TestLookupTransports(t *testing.T) {
	t.Parallel()
	server := nameServer(t, answers(t, 0, "x.example. 60 IN A 10.0.0.1"))
	t.Run("TCP alone where the vantage has no UDP", func(t *testing.T) {
		t.Parallel()
		v := &mapped{to: map[string]string{"10.0.0.2:53": server}, tcpOnly: true}
		if l := askAt(t, patient(), v, dns.TypeA, "x.example"); l.Outcome != OK || l.Transport != "tcp" || l.Attempts != 1 {
			t.Errorf("%+v", l)
		}
	})
	for name, tc := range map[string]struct {
		over func(c net.Conn)
		want Outcome
	}{
		"reset":    {reset, Reset},
		"garbage":  {func(c net.Conn) { _, _ = c.Write([]byte("\x00\x04ABCD")); hold(c) }, BadAnswer},
		"half":     {func(c net.Conn) { _, _ = c.Write(binary.BigEndian.AppendUint16(nil, 500)) }, Closed},
		"silence":  {hold, TimedOut},
		"farewell": {func(net.Conn) {}, Closed},
	} {
		t.Run("TCP "+name, func(t *testing.T) {
			t.Parallel()
			v := &mapped{to: map[string]string{"10.0.0.2:53": listen(t, func(c net.Conn) {
				_, _ = c.Read(make([]byte, 512))
				tc.over(c)
			})}, tcpOnly: true}
			l := askAt(t, timeoutsFor(tc.want), v, dns.TypeA, "x.example")
			if l.Outcome != tc.want || l.Attempts != dnsAttempts {
				t.Errorf("got %q (%s) after %d, want %q", l.Outcome, l.Detail, l.Attempts, tc.want)
			}
		})
	}
	t.Run("no way out of the vantage", func(t *testing.T) {
		t.Parallel()
		proxy, err := NewSOCKS5(closedPort(t))
		if err != nil {
			t.Fatal(err)
		}
		c := &dnsClient{run: testRun(t, provision.Link{}), vantage: proxy, name: "v1"}
		l := c.ask(t.Context(), question{name: "x.example", qtype: dns.TypeA, server: netip.MustParseAddrPort("10.0.0.2:53"), attempts: 3})
		if l.Outcome != NoVia || l.Attempts != 1 {
			t.Errorf("%+v", l)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	asked := new(dns.Msg).SetQuestion("x.example.", dns.TypeA)
	seed := func(records ...string) {
		m := new(dns.Msg).SetReply(asked)
		for _, s := range records {
			m.Answer = append(m.Answer, rr(f, s))
		}
		wire, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	seed("x.example. 60 IN CNAME y.example.", "y.example. 30 IN A 10.0.0.8")
	seed("x.example. 60 IN CNAME x.example.")
	seed(`x.example. 60 IN TXT "\027[2J"`)
	f.Add([]byte("\xc0\x0c"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		m, err := parseAnswer(wire, asked)
		if err != nil {
			m = new(dns.Msg)
			if m.Unpack(wire) != nil {
				return
			}
		}
		for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeTXT, dns.TypeNS, dns.TypeCNAME} {
			l := Lookup{}
			digest(&l, answer{m, wire, "udp"}, question{name: "x.example", qtype: qtype})
			if l.Outcome == "" || len(l.Chain) > maxChain+1 || len(l.Addrs)+len(l.Texts)+len(l.Hosts) > maxAnswerItems {
				t.Errorf("%+v", l)
			}
			for _, s := range slices.Concat(l.Chain, l.Texts, l.Hosts, []string{l.RCode, l.Detail}) {
				if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
					t.Errorf("control characters in %q", s)
				}
			}
		}
		if ref, ok := referral(m, ".", "x.example."); ok && len(ref.Servers) > maxServers {
			t.Errorf("%d servers", len(ref.Servers))
		}
	})
}
