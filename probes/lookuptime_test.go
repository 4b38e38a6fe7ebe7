package probes

import (
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"

	"github.com/linkassay/linkassay/provision"
)

// A lookup takes as long as its unanswered questions and its answer took, and the item that holds it
// spans it.
func TestLookupTakesTime(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	v := &mapped{to: map[string]string{"10.0.0.2:53": nameServer(t, func(w dns.ResponseWriter, q *dns.Msg) {
		if asked.Add(1) > 1 { // the first question is left to time out
			answers(t, 0, "x.example. 60 IN A 10.0.0.1")(w, q)
		}
	})}}
	r := testRun(t, provision.Link{Timeouts: short()})
	c := &dnsClient{run: r, vantage: v, name: "v1"}
	l := c.ask(t.Context(), question{
		name: "x.example", qtype: dns.TypeA, server: netip.MustParseAddrPort("10.0.0.2:53"), recurse: true, attempts: dnsAttempts,
	})
	if l.Outcome != OK && l.Outcome != TimedOut { // a busy machine may let all of them time out
		t.Fatalf("%+v", l)
	}
	if l.Attempts < 2 || l.Duration < r.limit.dns {
		t.Errorf("%d attempts took %s, want at least the %s of the one that timed out", l.Attempts, l.Duration, r.limit.dns)
	}
	g := newGathering[Lookup](r, "dns.private")
	g.add(l, l.Started, l.Duration)
	item := g.item(nil, func(Lookup) (string, bool) { return "", false }, func(Lookup, Lookup) int { return 0 })
	if item.Duration != l.Duration {
		t.Errorf("the item spans %s, want %s", item.Duration, l.Duration)
	}
}
