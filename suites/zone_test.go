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
	const second = "subnet-b" // a vantage in the second zone
	into := func(a probes.Attempt) bool { return a.Vantage == inside && a.Addr.Addr() == address(1) }
	outOf := func(a probes.Attempt) bool { return a.Vantage == second }
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
			o.Link.Vantages = append(o.Link.Vantages, provision.Vantage{Name: second, From: "socks5://127.0.0.1:1082", Zone: zones[1]})
			for _, a := range slices.Clone(o.Reach.TCP.Value) {
				if a.Vantage == inside {
					a.Vantage, a.Tries = second, slices.Clone(a.Tries)
					o.Reach.TCP.Value = append(o.Reach.TCP.Value, a)
				}
			}
			for i, a := range o.Reach.TCP.Value {
				if a.Vantage != outside && test.lost(a) {
					o.Reach.TCP.Value[i].Tries[0].Outcome = probes.TimedOut
				}
			}
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

func find(t *testing.T, verdicts []Verdict, id string) Verdict {
	t.Helper()
	i := slices.IndexFunc(verdicts, func(v Verdict) bool { return v.Check == id })
	if i < 0 {
		t.Fatalf("no verdict of %s", id)
	}
	return verdicts[i]
}
