package history

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/linkassay/linkassay/suites/canary"
)

// What is good becomes one run each five minutes; what is not is kept as it was, until it says the same again and again.
func TestRoundsThatSayTheSameAreOneRun(t *testing.T) {
	t.Parallel()
	c := &clock{at: noon}
	h := open(t, "", Options{Now: c.now})
	now := noon
	step := func(outcome canary.Outcome, n int) {
		for range n {
			now = now.Add(10 * time.Second)
			tell(t, h, at("orders", outcome, now))
		}
	}
	step(canary.Good, 5)
	step(canary.Bad, 10)
	step(canary.Good, 4)
	tell(t, h, at("orders", canary.Interrupted, now.Add(time.Second)))
	now = now.Add(2 * time.Second)
	step(canary.Good, 3)
	step(canary.Untold, 1)
	synced(t, h)
	runs := runsOf(t, h, "orders")
	var shape []string
	total := 0
	for _, w := range words(runs) {
		var n int
		var what string
		if _, err := fmt.Sscanf(w, "%d %s", &n, &what); err != nil {
			t.Fatal(err)
		}
		if total += n; len(shape) == 0 || shape[len(shape)-1] != what {
			shape = append(shape, what)
		}
	}
	if want := "good bad good interrupted good could"; strings.Join(shape, " ") != want || total != 24 {
		t.Errorf("%v of %d rounds, expected %s", words(runs), total, want)
	}
	bad := slices.DeleteFunc(slices.Clone(runs), func(r Run) bool { return r.Outcome != canary.Bad })
	if n := len(bad); n < whole+1 || n > whole+2 { // a slot may end between
		t.Errorf("%d runs of 10 bad rounds: %v", n, words(bad))
	}
	first := bad[len(bad)-1]
	if first.Rounds != 1 || len(first.Roots) != 1 || first.Roots[0].Facts[0].Value != "0 of 3" || first.Causes[0].Check() != "connection.healthy-target" || !first.Causes[0].Required {
		t.Errorf("%+v", first)
	}
	if bad[0].Roots != nil || len(bad[0].Causes) != 1 {
		t.Errorf("what was found is kept with each that says the same: %+v", bad[0])
	}
	if runs[0].Reason != "throttled" {
		t.Errorf("%+v", runs[0])
	}
}

func TestLatenciesByZoneAndPhase(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history.db")
	h := open(t, path, Options{})
	began := time.UnixMicro(slotOf("orders", noon)*slot.Microseconds() + slot.Microseconds()).UTC()
	for slotOf("orders", began) == slotOf("orders", began.Add(-time.Second)) { // the beginning of a slot
		began = began.Add(time.Second)
	}
	for i, took := range []time.Duration{40, 10, 20} {
		r := at("orders", canary.Good, began.Add(time.Duration(i+1)*time.Second))
		r.Observation = observed(took * time.Millisecond)
		tell(t, h, r)
	}
	check := func(h *History) {
		t.Helper()
		runs := runsOf(t, h, "orders")
		if len(runs) != 1 || runs[0].Rounds != 3 {
			t.Fatalf("%v", words(runs))
		}
		ms := time.Millisecond
		for _, want := range []Spread{
			{"use1-az1", PhaseTCP, 5 * ms, 10 * ms, 20 * ms},
			{"use1-az2", PhaseTCP, 2 * ms, 4 * ms, 8 * ms},
			{"use1-az2", PhaseHTTP, 20 * ms, 40 * ms, 80 * ms},
			{"", PhaseDNS, ms, 2 * ms, 4 * ms},
			{"", PhaseRound, time.Second, time.Second, time.Second},
		} {
			if !slices.Contains(runs[0].Latency, want) {
				t.Errorf("no %v in %v", want, runs[0].Latency)
			}
		}
	}
	check(h) // as it goes on
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	check(open(t, path, Options{}))
}

func TestRestartGoesOn(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history.db")
	h := open(t, path, Options{})
	if s, err := h.Load(t.Context()); s != nil || err != nil {
		t.Errorf("a new file: %v %v", s, err)
	}
	i := incident(noon, "orders", "billing")
	bad := at("orders", canary.Bad, noon)
	bad.Bundle = "20261127T120000Z-bad-orders"
	tell(t, h, at("billing", canary.Good, noon), bad, at("orders", canary.Bad, noon.Add(time.Minute)), canary.Change{Kind: canary.Opened, At: noon, Incident: i})
	for n := range 60 { // it goes on for long
		tell(t, h, at("billing2", canary.Bad, noon.Add(time.Duration(n)*5*time.Minute)))
	}
	tell(t, h, at("late", canary.Bad, noon.Add(time.Minute))) // it joins, and no change tells
	state := canary.NewBoard().State(noon)
	state.Incidents = []canary.Incident{i}
	if err := h.Save(t.Context(), state); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	tell(t, h, bad) // too late, and no harm

	h = open(t, path, Options{})
	again, err := h.Load(t.Context())
	if err != nil || len(again.Incidents) != 1 || again.Incidents[0].Key != i.Key || again.Format != canary.StateFormat {
		t.Errorf("%+v %v", again, err)
	}
	last := h.Last()
	if last["billing"].Outcome != canary.Good || last["orders"].Outcome != canary.Bad || len(last["orders"].Roots) != 1 || !last["orders"].Until.Equal(noon.Add(time.Minute)) {
		t.Errorf("%+v", last)
	}
	if l := last["billing2"]; len(l.Roots) != 1 || l.Roots[0].Facts[0].Value != "0 of 3" {
		t.Errorf("what was found first is not known of a failure that lasts: %+v", l)
	}
	h.Restored(again.Incidents)
	for link, want := range map[string]int{"orders": 1, "billing": 1, "late": 1, "other": 0, "": 1} {
		past, err := h.Incidents(t.Context(), link, noon, 10)
		if err != nil || len(past) != want {
			t.Errorf("%q has %d incidents, expected %d (%v)", link, len(past), want, err)
		}
	}
	// The first round is no change of outcome if the last one before said the same.
	tell(t, h, at("billing", canary.Good, noon.Add(2*time.Minute)), at("billing", canary.Good, noon.Add(2*time.Minute+time.Second)))
	tell(t, h, at("orders", canary.Good, noon.Add(2*time.Minute)))
	i.Ended, i.Why, i.Links = noon.Add(3*time.Minute), "2 good rounds in a row", i.Links[:1]
	tell(t, h, canary.Change{Kind: canary.Cleared, At: i.Ended, Incident: i})
	synced(t, h)
	if runs := runsOf(t, h, "orders"); runs[len(runs)-1].Bundle != bad.Bundle || strings.Join(words(runs), ", ") != "1 bad, 1 bad, 1 good" {
		t.Errorf("%v", runs)
	}
	past, err := h.Incidents(t.Context(), "billing", noon, 10)
	if err != nil || len(past) != 1 || past[0].Open() || past[0].Most != 2 || past[0].Why != i.Why {
		t.Errorf("%+v %v", past, err)
	}
	if past, err := h.Incidents(t.Context(), "", i.Ended.Add(time.Second), 10); err != nil || len(past) != 0 {
		t.Errorf("it ended before: %+v %v", past, err)
	}
}

// An incident that the state does not know any more ended while nobody looked.
func TestIncidentsThatNobodyKnowsEnd(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history.db")
	h := open(t, path, Options{})
	tell(t, h, canary.Change{Kind: canary.Opened, At: noon, Incident: incident(noon, "orders")})
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	h = open(t, path, Options{})
	h.Restored(nil)
	synced(t, h)
	past, err := h.Incidents(t.Context(), "", noon, 10)
	if err != nil || len(past) != 1 || past[0].Open() || past[0].Why == "" {
		t.Errorf("%+v %v", past, err)
	}
}

func FuzzSpreads(f *testing.F) {
	zone := func(string) (int64, error) { return 7, nil }
	b, err := encodeSpreads([]Spread{{"z", PhaseTCP, 1000, 2000, 3000}, {"", PhaseRound, 0, 0, 0}}, zone)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{})
	f.Add([]byte{0x80})
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := decodeSpreads(b, func(int64) string { return "z" })
		if err != nil {
			return
		}
		for _, s := range all {
			if s.Min < 0 || s.Median < s.Min || s.Max < s.Median {
				t.Errorf("%+v", s)
			}
		}
		again, err := encodeSpreads(all, zone)
		if err != nil {
			t.Fatal(err)
		}
		if same, err := decodeSpreads(again, func(int64) string { return "z" }); err != nil || !slices.Equal(same, all) {
			t.Errorf("%v %v, expected %v", same, err, all)
		}
	})
}

// What can't be read of an incident keeps nobody from writing what comes after it.
func TestAnIncidentThatCanNotBeReadEndsToo(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history.db")
	h := open(t, path, Options{})
	tell(t, h, canary.Change{Kind: canary.Opened, At: noon, Incident: incident(noon, "orders")})
	synced(t, h)
	if err := h.transact(t.Context(), func(w *writer) error {
		_, err := w.exec("UPDATE incidents SET incident = x'00ff'")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	h = open(t, path, Options{})
	h.Restored(nil)
	tell(t, h, at("orders", canary.Good, noon.Add(time.Minute)), at("orders", canary.Bad, noon.Add(2*time.Minute)))
	synced(t, h)
	if runs := runsOf(t, h, "orders"); strings.Join(words(runs), ", ") != "1 good, 1 bad" {
		t.Errorf("%v", words(runs))
	}
	tell(t, h, canary.Change{Kind: canary.Opened, At: noon.Add(time.Hour), Incident: incident(noon.Add(time.Hour), "orders")})
	synced(t, h)
	if past, err := h.Incidents(t.Context(), "", noon, 10); err != nil || len(past) != 1 {
		t.Errorf("%+v %v", past, err)
	}
	var open int
	if err := h.read.QueryRowContext(t.Context(), "SELECT count(*) FROM incidents WHERE ended = 0").Scan(&open); err != nil || open != 1 {
		t.Errorf("%d are open: %v", open, err)
	}
}

// Of an incident whose links change, the newest number and links are kept, and one line of what happened.
func TestLinksOfAnIncidentAreKept(t *testing.T) {
	t.Parallel()
	h := open(t, filepath.Join(t.TempDir(), "history.db"), Options{})
	i := incident(noon, "orders")
	tell(t, h, canary.Change{Kind: canary.Opened, At: noon, Incident: i})
	i.Links = append([]canary.Affected{{Link: "billing", Since: noon}}, i.Links...)
	tell(t, h, canary.Change{Kind: canary.Links, At: noon.Add(5 * time.Second), Incident: i})
	synced(t, h)
	past, err := h.Incidents(t.Context(), "billing", noon, 10)
	if err != nil || len(past) != 1 || past[0].Most != 2 || len(past[0].Links) != 2 {
		t.Errorf("%+v %v", past, err)
	}
}
