package suites

import (
	"slices"
	"testing"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
)

// A zone is dark when nothing comes through in either direction, and only then.
func TestDarkZoneIsToldFromADeadInterface(t *testing.T) {
	t.Parallel()
	into := func(a probes.Attempt) bool { return a.Vantage == inside && a.Addr.Addr() == address(1) }
	outOf := func(a probes.Attempt) bool { return a.Vantage == insideToo }
	for _, test := range []struct {
		name string
		lost func(a probes.Attempt) bool
		want Status
		root string
	}{
		{"nothing is lost", func(probes.Attempt) bool { return false }, Passed, ""},
		{"both ways", func(a probes.Attempt) bool { return into(a) || outOf(a) }, Failed, "network.zones-carry-packets"},
		{"only into it", into, Passed, "reachability.tcp-interfaces"},
		{"only out of it", outOf, Passed, "reachability.tcp-interfaces"},
		{"everywhere", func(probes.Attempt) bool { return true }, Passed, "reachability.tcp-interfaces"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := healthy()
			anotherVantage(o)
			lose(o, test.lost)
			verdicts := Judge(o, Catalogue(), nil)
			got := find(t, verdicts, "network.zones-carry-packets")
			if got.Status != test.want || len(got.Facts) != len(zones) {
				t.Errorf("%s %s with facts %v, want %s with a fact for each zone", got.Status, got.Reason, got.Facts, test.want)
			}
			for _, id := range []string{"network.zones-carry-packets", "reachability.tcp-interfaces"} {
				if v := find(t, verdicts, id); (v.Status == Failed) != (id == test.root) {
					t.Errorf("%s is %s %s", id, v.Status, v.Reason)
				}
			}
		})
	}
}

// insideToo is a vantage in the second zone.
const insideToo = "subnet-b"

// anotherVantage adds a vantage in the second zone that sees all that the one in the first zone sees.
func anotherVantage(o *probes.Observation) {
	o.Link.Vantages = append(o.Link.Vantages, provision.Vantage{Name: insideToo, From: "socks5://127.0.0.1:1082", Zone: zones[1]})
	for _, it := range []*probes.Item[[]probes.Lookup]{o.DNS.Private, o.DNS.Regional, o.DNS.Zonal} {
		it.Value = too(it.Value, func(l *probes.Lookup) *string { return &l.Vantage })
	}
	r := &o.Reach
	r.TCP.Value = too(r.TCP.Value, func(a *probes.Attempt) *string { a.Tries = slices.Clone(a.Tries); return &a.Vantage })
	r.TLS.Value = too(r.TLS.Value, func(h *probes.Handshake) *string { return &h.Vantage })
	r.HTTP.Value = too(r.HTTP.Value, func(x *probes.Exchange) *string { return &x.Vantage })
	r.Large.Value = too(r.Large.Value, func(x *probes.Exchange) *string { return &x.Vantage })
	o.Path.Clients.Value = too(o.Path.Clients.Value, func(c *probes.Client) *string { c.SubnetID = "subnet-11"; return &c.Vantage })
}

// too adds what the vantage in the second zone saw, which is what the first one did.
func too[T any](seen []T, vantage func(*T) *string) []T {
	for _, s := range slices.Clone(seen) {
		if v := vantage(&s); *v == inside {
			*v = insideToo
			seen = append(seen, s)
		}
	}
	return seen
}

// lose lets connections time out.
func lose(o *probes.Observation, lost func(a probes.Attempt) bool) {
	for i, a := range o.Reach.TCP.Value {
		if a.Vantage != outside && lost(a) {
			o.Reach.TCP.Value[i].Tries[0].Outcome = probes.TimedOut
		}
	}
	for i, h := range o.Reach.TLS.Value {
		if lost(probes.Attempt{Vantage: h.Vantage, Target: h.Target, Addr: h.Addr}) {
			o.Reach.TLS.Value[i].Outcome, o.Reach.TLS.Value[i].Chain = probes.TimedOut, nil
		}
	}
	for _, it := range []*probes.Item[[]probes.Exchange]{o.Reach.HTTP, o.Reach.Large} {
		for i, x := range it.Value {
			if lost(probes.Attempt{Vantage: x.Vantage, Target: x.Target, Addr: x.Addr}) {
				it.Value[i].Outcome, it.Value[i].Status, it.Value[i].BodyMatched = probes.TimedOut, 0, nil
			}
		}
	}
}

// zoneFaults are what goes wrong with a whole zone.
func zoneFaults() []fault {
	return []fault{{"zone-dark", func(o *probes.Observation) {
		anotherVantage(o)
		lose(o, func(a probes.Attempt) bool { return a.Vantage == insideToo || a.Addr.Addr() == address(1) })
		unhealthy(o, "Target.Timeout", zones[1])
	}, "network.zones-carry-packets", Network, []string{"network.endpoint-acl", "dns.regional-name-resolves"}}}
}

func find(t *testing.T, verdicts []Verdict, id string) Verdict {
	t.Helper()
	i := slices.IndexFunc(verdicts, func(v Verdict) bool { return v.Check == id })
	if i < 0 {
		t.Fatalf("no verdict of %s", id)
	}
	return verdicts[i]
}
