package names

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/linkassay/linkassay/provision/lab/internal/network"
)

func TestDelegationWalk(t *testing.T) {
	t.Parallel()
	i := newInternet(t)
	_, ns := publish(t, i, "chartsinvestor.com", "www.chartsinvestor.com. 60 IN A 192.0.2.7")

	// By hand, as dig +trace: root, com, the zone's own servers.
	r := ask(t, i.Dialer(), "udp", netip.MustParseAddr("198.41.0.4"), "www.chartsinvestor.com", dns.TypeA, 0)
	if r.Authoritative || len(r.Answer) != 0 || !strings.Contains(brief(r.Ns), "com. NS a.gtld-servers.net.") ||
		!strings.Contains(brief(r.Extra), "a.gtld-servers.net. A 192.5.6.30") {
		t.Errorf("root: %v", r)
	}
	r = ask(t, i.Dialer(), "udp", netip.MustParseAddr("192.5.6.30"), "www.chartsinvestor.com", dns.TypeA, 0)
	var delegated []string
	for _, rr := range r.Ns {
		delegated = append(delegated, strings.TrimSuffix(rr.(*dns.NS).Ns, "."))
	}
	if !slices.Equal(delegated, ns) || r.Authoritative {
		t.Errorf("com: %v, want a referral to %v", r, ns)
	}
	for _, s := range ns {
		m, err := i.Recurse(within(t, patience), dns.Question{Name: s + ".", Qtype: dns.TypeA, Qclass: dns.ClassINET})
		if err != nil || len(m.Answer) != 1 {
			t.Fatalf("address of %s: %v, %v", s, m, err)
		}
		addr, _ := netip.AddrFromSlice(m.Answer[0].(*dns.A).A)
		if known, ok := i.NameServerAddr(s); !ok || known != addr {
			t.Errorf("%s resolves to %s but is at %s", s, addr, known)
		}
		r = ask(t, i.Dialer(), "tcp", addr, "www.chartsinvestor.com", dns.TypeA, 0)
		if !r.Authoritative || r.RecursionAvailable || brief(r.Answer) != "www.chartsinvestor.com. A 192.0.2.7" {
			t.Errorf("%s: %v", s, r)
		}
		// It serves nothing else.
		if r = ask(t, i.Dialer(), "udp", addr, "example.com", dns.TypeA, 0); r.Rcode != dns.RcodeRefused {
			t.Errorf("%s about a foreign zone: %v", s, r)
		}
	}
	// And as a resolver.
	m, err := i.Recurse(within(t, patience), dns.Question{Name: "WWW.chartsinvestor.com.", Qtype: dns.TypeA, Qclass: dns.ClassINET})
	if err != nil || brief(m.Answer) != "www.chartsinvestor.com. A 192.0.2.7" || m.Question[0].Name != "WWW.chartsinvestor.com." {
		t.Errorf("recursion: %v, %v", m, err)
	}
}

func TestNameServersAreFreshAndLookLikeRoute53s(t *testing.T) {
	t.Parallel()
	i := newInternet(t)
	seen := map[string]bool{}
	addrs := map[netip.Addr]bool{}
	for range 20 {
		set := i.NameServers(4)
		for k, s := range set {
			var number, zone int
			if _, err := fmt.Sscanf(s, "ns-%d.awsdns-%d.", &number, &zone); err != nil || number%2048/512 != k {
				t.Errorf("%s: %v", s, err)
			}
			a, ok := i.NameServerAddr(s)
			if seen[s] || !ok || addrs[a] || a != netip.AddrFrom4([4]byte{205, 251, byte(192 + number/256), byte(number)}) {
				t.Errorf("%s at %s, seen before: %v", s, a, seen[s])
			}
			seen[s], addrs[a] = true, true
		}
	}
	if got := len(i.NameServers(2)); got != 2 {
		t.Errorf("asked for 2, got %d", got)
	}
}

func TestRecurse(t *testing.T) {
	t.Parallel()
	i := newInternet(t)
	publish(t, i, "example.com",
		"www.example.com. 60 IN CNAME web.example.org.",
		"loop.example.com. 60 IN CNAME loop.example.org.",
		"*.wild.example.com. 60 IN A 192.0.2.3",
		"big.example.com. 60 IN TXT \""+strings.Repeat("x", 250)+"\" \""+strings.Repeat("y", 250)+"\" \""+strings.Repeat("z", 250)+"\" \""+
			strings.Repeat("u", 250)+"\" \""+strings.Repeat("v", 250)+"\" \""+strings.Repeat("w", 250)+"\"",
		"v6.example.com. 60 IN AAAA 2001:db8::1",
	)
	publish(t, i, "example.org",
		"web.example.org. 60 IN CNAME web2.example.org.",
		"web2.example.org. 60 IN A 192.0.2.2",
		"loop.example.org. 60 IN CNAME loop.example.com.",
	)
	publish(t, i, "example.co.uk", "www.example.co.uk. 60 IN A 192.0.2.4")
	publish(t, i, "example.cloud", "www.example.cloud. 60 IN A 192.0.2.5") // a domain the lab had not got
	for _, tt := range []struct {
		name   string
		qtype  uint16
		rcode  int
		answer string
		fails  string
	}{
		{name: "www.example.com.", qtype: dns.TypeA, answer: "www.example.com. CNAME web.example.org.; web.example.org. CNAME web2.example.org.; web2.example.org. A 192.0.2.2"},
		{name: "www.example.com.", qtype: dns.TypeCNAME, answer: "www.example.com. CNAME web.example.org."},
		{name: "www.example.com.", qtype: dns.TypeAAAA, answer: "www.example.com. CNAME web.example.org.; web.example.org. CNAME web2.example.org."},
		{name: "loop.example.com.", qtype: dns.TypeA, fails: "leads round"},
		{name: "any.wild.example.com.", qtype: dns.TypeA, answer: "any.wild.example.com. A 192.0.2.3"},
		{name: "nothing.example.com.", qtype: dns.TypeA, rcode: dns.RcodeNameError},
		{name: "v6.example.com.", qtype: dns.TypeA},
		{name: "v6.example.com.", qtype: dns.TypeAAAA, answer: "v6.example.com. AAAA 2001:db8::1"},
		{name: "www.example.co.uk.", qtype: dns.TypeA, answer: "www.example.co.uk. A 192.0.2.4"},
		{name: "www.example.cloud.", qtype: dns.TypeA, answer: "www.example.cloud. A 192.0.2.5"},
		{name: "unregistered.net.", qtype: dns.TypeA, rcode: dns.RcodeNameError},
		{name: "no.such.tld.", qtype: dns.TypeA, rcode: dns.RcodeNameError},
		{name: "a.root-servers.net.", qtype: dns.TypeA, answer: "a.root-servers.net. A 198.41.0.4"},
		{name: "bad..name.", qtype: dns.TypeA, fails: "not a domain name"},
	} {
		for _, pass := range []string{"fresh", "cached"} {
			t.Run(tt.name+" "+dns.TypeToString[tt.qtype]+" "+pass, func(t *testing.T) {
				m, err := i.Recurse(within(t, patience), dns.Question{Name: tt.name, Qtype: tt.qtype, Qclass: dns.ClassINET})
				if tt.fails != "" {
					if err == nil || !strings.Contains(err.Error(), tt.fails) {
						t.Errorf("%v, want an error with %q", err, tt.fails)
					}
					return
				}
				if err != nil || m.Rcode != tt.rcode || brief(m.Answer) != tt.answer {
					t.Errorf("%v\n%v", err, m)
				}
			})
		}
	}
	// A long answer comes whole, because the resolver goes on to TCP.
	m, err := i.Recurse(within(t, patience), dns.Question{Name: "big.example.com.", Qtype: dns.TypeTXT, Qclass: dns.ClassINET})
	if err != nil || len(m.Answer) != 1 || len(strings.Join(m.Answer[0].(*dns.TXT).Txt, "")) != 1500 || m.Truncated {
		t.Errorf("long TXT: %v\n%v", err, m)
	}
}

func TestTruncation(t *testing.T) {
	t.Parallel()
	i := newInternet(t)
	var records []string
	for k := range 60 {
		records = append(records, fmt.Sprintf("many.example.com. 60 IN A 192.0.2.%d", k))
	}
	_, ns := publish(t, i, "example.com", records...)
	addr, _ := i.NameServerAddr(ns[0])
	for _, tt := range []struct {
		proto     string
		edns      uint16
		truncated bool
		size      int
	}{
		{"udp", 0, true, 512},
		{"udp", 700, true, 700},
		{"udp", 1232, false, 1232},
		{"tcp", 0, false, 65535},
	} {
		m := ask(t, i.Dialer(), tt.proto, addr, "many.example.com", dns.TypeA, tt.edns)
		m.Compress = true // as it was sent
		if m.Truncated != tt.truncated || m.Len() > tt.size || tt.truncated == (len(m.Answer) == 60) {
			t.Errorf("%s, EDNS %d: truncated %v, %d answers, %d bytes", tt.proto, tt.edns, m.Truncated, len(m.Answer), m.Len())
		}
		if (m.IsEdns0() != nil) != (tt.edns > 0) {
			t.Errorf("%s, EDNS %d: OPT record %v", tt.proto, tt.edns, m.IsEdns0())
		}
	}
}

func TestBadQueries(t *testing.T) {
	t.Parallel()
	i := newInternet(t)
	_, ns := publish(t, i, "example.com")
	addr, _ := i.NameServerAddr(ns[0])
	c, err := i.Dialer().DialContext(within(t, patience), "udp", netip.AddrPortFrom(addr, 53).String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	for _, tt := range []struct {
		name   string
		change func(m *dns.Msg)
		rcode  int
	}{
		{"class", func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }, dns.RcodeRefused},
		{"EDNS version", func(m *dns.Msg) { m.SetEdns0(1232, false); m.IsEdns0().SetVersion(1) }, dns.RcodeBadVers},
		{"no question", func(m *dns.Msg) { m.Question = nil }, dns.RcodeFormatError},
	} {
		m := new(dns.Msg).SetQuestion("example.com.", dns.TypeA)
		tt.change(m)
		conn := &dns.Conn{Conn: c}
		_, _ = c.Write([]byte("\x00\x01garbage that is no DNS message")) // must not disturb anything
		if err := conn.WriteMsg(m); err != nil {
			t.Fatal(err)
		}
		for {
			r, err := conn.ReadMsg()
			if err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			if r.Id == m.Id {
				if r.Rcode != tt.rcode {
					t.Errorf("%s: %s", tt.name, dns.RcodeToString[r.Rcode])
				}
				break
			}
		}
	}
}

func TestServersAreTriedInTurn(t *testing.T) {
	t.Parallel()
	i := newInternet(t)
	_, ns := publish(t, i, "example.com", "www.example.com. 60 IN A 192.0.2.7")
	dead := map[netip.Addr]bool{}
	for _, s := range ns[:2] {
		a, _ := i.NameServerAddr(s)
		dead[a] = true
	}
	var asked atomic.Int32
	i.Net().SetPolicy(func(p network.Packet) (network.Verdict, time.Duration) {
		if dead[p.Dst] {
			asked.Add(1)
			return network.Drop, 0
		}
		return network.Pass, 0
	})
	m, err := i.Recurse(within(t, patience), dns.Question{Name: "www.example.com.", Qtype: dns.TypeA, Qclass: dns.ClassINET})
	if err != nil || len(m.Answer) != 1 || asked.Load() != 2 {
		t.Errorf("%v, %v; %d packets to dead servers", m, err, asked.Load())
	}
	// None left: an error that says who did not answer, within the caller's time.
	i.Net().SetPolicy(func(p network.Packet) (network.Verdict, time.Duration) {
		if p.Dst.As4()[0] == 205 {
			return network.Drop, 0
		}
		return network.Pass, 0
	})
	i.FlushCache()
	_, err = i.Recurse(within(t, 700*time.Millisecond), dns.Question{Name: "www.example.com.", Qtype: dns.TypeA, Qclass: dns.ClassINET})
	if !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("all servers dead: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	begin := time.Now()
	stop := context.AfterFunc(within(t, 50*time.Millisecond), cancel)
	defer stop()
	if _, err = i.Recurse(ctx, dns.Question{Name: "www.example.com.", Qtype: dns.TypeA, Qclass: dns.ClassINET}); err == nil || time.Since(begin) > patience/2 {
		t.Errorf("cancelled: %v after %v", err, time.Since(begin))
	}
}

func TestCache(t *testing.T) {
	t.Parallel()
	i := newInternet(t)
	z, _ := publish(t, i, "example.com", "long.example.com. 600 IN A 192.0.2.1", "short.example.com. 1 IN A 192.0.2.1", "never.example.com. 0 IN A 192.0.2.1")
	var packets atomic.Int64
	i.Net().SetPolicy(func(network.Packet) (network.Verdict, time.Duration) {
		packets.Add(1)
		return network.Pass, 0
	})
	resolve := func(name string) (string, int64) {
		t.Helper()
		before := packets.Load()
		m, err := i.Recurse(within(t, patience), dns.Question{Name: name + ".example.com.", Qtype: dns.TypeA, Qclass: dns.ClassINET})
		if err != nil {
			t.Fatal(err)
		}
		return brief(m.Answer), packets.Load() - before
	}
	eventually := func(name, want string) {
		t.Helper()
		for end := time.Now().Add(patience); ; {
			got, _ := resolve(name)
			if got == want {
				return
			}
			if time.Now().After(end) {
				t.Errorf("%s stays %q", name, got)
				return
			}
		}
	}
	for _, name := range []string{"long", "short", "never", "missing"} {
		if _, sent := resolve(name); sent == 0 {
			t.Errorf("%s: no packet for the first question", name)
		}
		put(t, z, name+".example.com. 600 IN A 192.0.2.2")
	}
	if got, sent := resolve("long"); sent != 0 || got != "long.example.com. A 192.0.2.1" {
		t.Errorf("long-lived: %s with %d packets", got, sent)
	}
	if got, _ := resolve("never"); got != "never.example.com. A 192.0.2.2" {
		t.Errorf("TTL 0 was kept: %s", got)
	}
	eventually("short", "short.example.com. A 192.0.2.2")
	eventually("missing", "missing.example.com. A 192.0.2.2")
	i.FlushCache()
	if got, _ := resolve("long"); got != "long.example.com. A 192.0.2.2" {
		t.Errorf("after the flush: %s", got)
	}
}

func TestCacheTakesTTLOff(t *testing.T) {
	t.Parallel()
	c := newCache()
	now := time.Now()
	c.keepHop("a.", dns.TypeA, hop{records: []dns.RR{rr(t, "a. 60 IN A 192.0.2.1")}}, now)
	h, ok := c.hop("a.", dns.TypeA, now.Add(25*time.Second))
	if !ok || h.records[0].Header().Ttl != 35 {
		t.Errorf("%v %v", h, ok)
	}
	if _, ok := c.hop("a.", dns.TypeA, now.Add(60*time.Second)); ok {
		t.Error("expired and still there")
	}
	for k := range maxCached + 10 {
		c.keepHop(fmt.Sprintf("n%d.", k), dns.TypeA, h, now)
	}
	if len(c.hops) > maxCached {
		t.Errorf("%d entries", len(c.hops))
	}
}

func TestLookupTXT(t *testing.T) {
	t.Parallel()
	i := newInternet(t)
	z, ns := publish(t, i, "example.com", `_abc.example.com. 1800 IN TXT "vpce:one" "two"`, `_abc.example.com. 1800 IN TXT "other"`)
	lookup := func(owner string) ([]string, int) {
		t.Helper()
		texts, rcode, err := i.LookupTXT(within(t, patience), owner)
		if err != nil {
			t.Fatal(err)
		}
		return texts, rcode
	}
	if got, rcode := lookup("_abc.example.com"); rcode != dns.RcodeSuccess || !slices.Equal(got, []string{"vpce:onetwo", "other"}) {
		t.Errorf("%q, %d", got, rcode)
	}
	// Whatever the TTL, the next look sees the change.
	z.Delete("_abc.example.com", dns.TypeTXT)
	if got, rcode := lookup("_abc.example.com"); rcode != dns.RcodeNameError || got != nil {
		t.Errorf("after the deletion: %q, %d", got, rcode)
	}
	put(t, z, `_abc.example.com. 1800 IN TXT "vpce:new"`)
	if got, _ := lookup("_abc.example.com"); !slices.Equal(got, []string{"vpce:new"}) {
		t.Errorf("%q", got)
	}
	// One server that lies is asked first; all the others tell the truth.
	i.Override(ns[0], "_abc.example.com", dns.TypeTXT, []dns.RR{rr(t, `x. 5 IN TXT "lie"`)})
	if got, _ := lookup("_abc.example.com"); !slices.Equal(got, []string{"lie"}) {
		t.Errorf("with a lying server: %q", got)
	}
	for k, s := range ns {
		a, _ := i.NameServerAddr(s)
		want := map[bool]string{true: "lie", false: "vpce:new"}[k == 0]
		if m := ask(t, i.Dialer(), "udp", a, "_abc.example.com", dns.TypeTXT, 0); m.Answer[0].(*dns.TXT).Txt[0] != want {
			t.Errorf("%s: %v", s, m)
		}
	}
	i.ClearOverride(ns[0], "_abc.example.com", dns.TypeTXT)
	// All servers deny it.
	i.Override("", "_abc.example.com", dns.TypeTXT, nil)
	if got, rcode := lookup("_abc.example.com"); rcode != dns.RcodeSuccess || got != nil {
		t.Errorf("denied everywhere: %q, %d", got, rcode)
	}
	i.ClearOverride("", "_abc.example.com", dns.TypeTXT)
	if got, _ := lookup("_abc.example.com"); !slices.Equal(got, []string{"vpce:new"}) {
		t.Errorf("in the end: %q", got)
	}
}

func TestPublishAndWithdraw(t *testing.T) {
	t.Parallel()
	i := newInternet(t)
	rcode := func(name string) (int, string) {
		t.Helper()
		i.FlushCache()
		m, err := i.Recurse(within(t, patience), dns.Question{Name: name, Qtype: dns.TypeA, Qclass: dns.ClassINET})
		if err != nil {
			t.Fatal(err)
		}
		return m.Rcode, brief(m.Answer)
	}
	parentZone, _ := publish(t, i, "example.com")
	child, childNS := publish(t, i, "intra.example.com", "api.intra.example.com. 60 IN A 192.0.2.1")
	if got, _ := rcode("api.intra.example.com."); got != dns.RcodeNameError {
		t.Errorf("a child without NS records in its parent answers %s", dns.RcodeToString[got])
	}
	parentZone.Set("intra.example.com", dns.TypeNS, nsRecords("intra.example.com.", childNS))
	if _, got := rcode("api.intra.example.com."); got != "api.intra.example.com. A 192.0.2.1" {
		t.Errorf("with NS records: %s", got)
	}
	i.Withdraw(child)
	i.Withdraw(child)
	if _, err := i.Recurse(within(t, patience), dns.Question{Name: "api.intra.example.com.", Qtype: dns.TypeAAAA, Qclass: dns.ClassINET}); err == nil || !strings.Contains(err.Error(), "REFUSED") {
		t.Errorf("a lame delegation: %v", err)
	}
	i.Withdraw(parentZone)
	if got, _ := rcode("example.com."); got != dns.RcodeNameError {
		t.Errorf("withdrawn: %s", dns.RcodeToString[got])
	}
	// Two zones of one name: the first has the delegation, then the other.
	first, firstNS := publish(t, i, "twice.net", "twice.net. 60 IN A 192.0.2.1")
	publish(t, i, "twice.net", "twice.net. 60 IN A 192.0.2.2")
	if _, got := rcode("twice.net."); got != "twice.net. A 192.0.2.1" {
		t.Errorf("first of two: %s", got)
	}
	if err := i.Publish(NewZone("twice.net", nil), firstNS); err == nil {
		t.Error("two zones of one name on one server")
	}
	i.Withdraw(first)
	if _, got := rcode("twice.net."); got != "twice.net. A 192.0.2.2" {
		t.Errorf("second of two: %s", got)
	}
	for name, err := range map[string]error{
		"unknown server":   i.Publish(NewZone("x.com", nil), []string{"ns.nowhere.com"}),
		"no server":        i.Publish(NewZone("x.com", nil), nil),
		"the root":         i.Publish(NewZone(".", nil), firstNS),
		"a registry":       i.Publish(NewZone("co.uk", nil), firstNS),
		"top-level domain": i.Publish(NewZone("brandnew", nil), firstNS),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Questions go on while zones come and go; then the internet closes under them.
func TestInternetUnderLoad(t *testing.T) {
	i, err := NewInternet(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	z, ns := publish(t, i, "example.com", "www.example.com. 0 IN A 192.0.2.7")
	other := NewZone("example.net", nil, ns...)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var wg sync.WaitGroup
	var ok atomic.Int64
	enough := make(chan struct{})
	for range 8 {
		wg.Go(func() {
			for ctx.Err() == nil {
				m, err := i.Recurse(ctx, dns.Question{Name: "www.example.com.", Qtype: dns.TypeA, Qclass: dns.ClassINET})
				if err != nil {
					if ctx.Err() == nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, os.ErrDeadlineExceeded) {
						t.Errorf("%v", err)
					}
					return
				}
				if len(m.Answer) == 1 && ok.Add(1) == 500 {
					close(enough)
				}
				_, _, _ = i.LookupTXT(ctx, "www.example.net")
			}
		})
	}
	wg.Go(func() {
		for k := 0; ctx.Err() == nil; k++ {
			put(t, z, fmt.Sprintf("n%d.example.com. 1 IN A 192.0.2.1", k%50))
			i.Override(ns[k%4], "www.example.com", dns.TypeA, []dns.RR{rr(t, "x. 0 IN A 192.0.2.8")})
			i.ClearOverride(ns[k%4], "www.example.com", dns.TypeA)
			if err := i.Publish(other, ns); err != nil {
				if !errors.Is(err, errClosed) {
					t.Error(err)
				}
				return
			}
			i.Withdraw(other)
			z.Delete(fmt.Sprintf("n%d.example.com.", k%50), dns.TypeA)
			select {
			case <-ctx.Done():
			case <-time.After(time.Millisecond):
			}
		}
	})
	select {
	case <-enough:
	case <-time.After(patience):
		t.Errorf("only %d answers", ok.Load())
	}
	cancelled := time.AfterFunc(0, cancel)
	defer cancelled.Stop()
	i.Close()
	wg.Wait()
	if got := i.NameServers(4); len(got) != 0 {
		t.Errorf("name servers after Close: %v", got)
	}
}
