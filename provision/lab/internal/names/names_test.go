package names

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"github.com/linkassay/linkassay/provision/lab/internal/network"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen; it is never reached when all is well.
const patience = 20 * time.Second

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func newInternet(t testing.TB) *Internet {
	t.Helper()
	i, err := NewInternet(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.Close)
	return i
}

// rr parses one record.
func rr(t testing.TB, s string) dns.RR {
	t.Helper()
	r, err := dns.NewRR(s)
	if err != nil || r == nil {
		t.Fatalf("record %q: %v", s, err)
	}
	return r
}

// put sets records, given one per string, in the zone.
func put(t testing.TB, z *Zone, records ...string) {
	t.Helper()
	type key struct {
		owner string
		t     uint16
	}
	sets := map[key][]dns.RR{}
	for _, s := range records {
		r := rr(t, s)
		k := key{r.Header().Name, r.Header().Rrtype}
		sets[k] = append(sets[k], r)
	}
	for k, set := range sets {
		z.Set(k.owner, k.t, set)
	}
}

// publish makes a zone with records and publishes it on a delegation set of its own.
func publish(t testing.TB, i *Internet, origin string, records ...string) (*Zone, []string) {
	t.Helper()
	ns := i.NameServers(4)
	if len(ns) != 4 {
		t.Fatalf("name servers: %v", ns)
	}
	z := NewZone(origin, nil, ns...)
	put(t, z, records...)
	if err := i.Publish(z, ns); err != nil {
		t.Fatal(err)
	}
	return z, ns
}

// ask sends one question over the network, as a client would.
func ask(t testing.TB, d *network.Dialer, proto string, server netip.Addr, name string, qtype uint16, edns uint16) *dns.Msg {
	t.Helper()
	m := new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype)
	if edns > 0 {
		m.SetEdns0(edns, false)
	}
	ctx := within(t, patience)
	c, err := d.DialContext(ctx, proto, netip.AddrPortFrom(server, 53).String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	client := &dns.Client{Timeout: patience, UDPSize: 65535}
	r, _, err := client.ExchangeWithConnContext(ctx, m, &dns.Conn{Conn: c, UDPSize: 65535})
	if err != nil {
		t.Fatalf("ask %s over %s for %s: %v", server, proto, name, err)
	}
	return r
}

// brief is an answer section on one line: "name TYPE data; …".
func brief(rrs []dns.RR) string {
	var parts []string
	for _, r := range rrs {
		h := r.Header()
		parts = append(parts, h.Name+" "+dns.TypeToString[h.Rrtype]+" "+strings.TrimPrefix(r.String(), h.String()))
	}
	return strings.Join(parts, "; ")
}
