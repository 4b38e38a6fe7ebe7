package history

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/linkassay/linkassay/suites/canary"
)

// sweepAll trims as often as it takes to come to all links.
func sweepAll(t *testing.T, h *History) {
	t.Helper()
	for range 3 {
		if err := h.trim(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFailuresAreKeptLonger(t *testing.T) {
	t.Parallel()
	c := &clock{at: noon}
	h := open(t, "", Options{Now: c.now, Age: 10 * 24 * time.Hour})
	day := 24 * time.Hour
	i := incident(noon, "orders")
	tell(t, h, canary.Change{Kind: canary.Opened, At: noon, Incident: i})
	for n := range 60 {
		now := noon.Add(time.Duration(n) * day)
		tell(t, h, at("orders", canary.Good, now.Add(time.Hour)), at("orders", canary.Bad, now.Add(2*time.Hour)), at("orders", canary.Good, now.Add(3*time.Hour)), at("orders", canary.Good, now.Add(4*time.Hour)))
	}
	i.Ended = noon.Add(time.Hour)
	tell(t, h, canary.Change{Kind: canary.Cleared, At: i.Ended, Incident: i})
	tell(t, h, at("gone", canary.Good, noon), at("gone", canary.Good, noon.Add(time.Hour)), at("orders", canary.Good, noon.Add(60*day)))
	synced(t, h)
	c.set(noon.Add(60 * day))
	sweepAll(t, h)
	oldest := map[canary.Outcome]time.Duration{}
	for _, r := range runsOf(t, h, "orders") {
		oldest[r.Outcome] = max(oldest[r.Outcome], c.now().Sub(r.Until))
	}
	// A good round that is a change is told, and kept as long as what failed.
	if bad := oldest[canary.Bad]; bad < 39*day || bad > 40*day {
		t.Errorf("the oldest failure is %s old, expected 40 days", bad)
	}
	var plain time.Duration
	for _, r := range runsOf(t, h, "orders") {
		if r.Outcome == canary.Good && r.Until.Hour() == 16 {
			plain = max(plain, c.now().Sub(r.Until))
		}
	}
	if plain < 9*day || plain > 10*day {
		t.Errorf("the oldest good round that changed nothing is %s old, expected 10 days", plain)
	}
	if past, err := h.Incidents(t.Context(), "", time.Time{}, 10); err != nil || len(past) != 0 {
		t.Errorf("an incident that ended 60 days ago is kept: %v %v", past, err)
	}
	h.writing.Lock()
	defer h.writing.Unlock()
	if _, there := h.ids["gone"]; there {
		t.Error("a link of which nothing is kept any more is kept")
	}
}

func TestGoodRunsAreRolledUpAfterADay(t *testing.T) {
	t.Parallel()
	c := &clock{at: noon}
	h := open(t, "", Options{Now: c.now})
	for n := range 3 * 360 { // three hours, each ten seconds
		now := noon.Add(time.Duration(n) * 10 * time.Second)
		if n == 540 { // in the middle of the second hour
			tell(t, h, at("orders", canary.Bad, now))
			continue
		}
		tell(t, h, at("orders", canary.Good, now))
	}
	synced(t, h)
	before := len(runsOf(t, h, "orders"))
	c.set(noon.Add(rollAfter + 3*time.Hour + time.Minute))
	sweepAll(t, h)
	runs := runsOf(t, h, "orders")
	rounds := 0
	for i, r := range runs {
		rounds += r.Rounds
		if i > 0 && r.Until.After(runs[i-1].Began) {
			t.Errorf("a run ends at %s, the next begins at %s", r.Until, runs[i-1].Began)
		}
		if r.Outcome == canary.Good && len(r.Latency) == 0 {
			t.Errorf("%+v", r)
		}
	}
	// One for each of the first and third hour, two for the second; what changed, and the run that goes on over the end of the third.
	if rounds != 3*360 || before < 36 || len(runs) > 9 {
		t.Errorf("%d runs of %d rounds, after %d: %v", len(runs), rounds, before, words(runs))
	}
	sweepAll(t, h)
	if again := runsOf(t, h, "orders"); len(again) != len(runs) {
		t.Errorf("%d runs, then %d", len(runs), len(again))
	}
}

// The file stays within its bound whatever comes, and shrinks when less is kept; what failed outlasts what was good.
func TestTheSizeIsBounded(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history.db")
	c := &clock{at: noon}
	o := Options{Now: c.now, Size: LeastSize}
	h := open(t, path, o)
	size := func() (all int64) {
		for _, name := range []string{path, path + "-wal"} {
			if info, err := os.Stat(name); err == nil {
				all += info.Size()
			}
		}
		return all
	}
	var most int64
	const links, step = 200, 5 * time.Minute
	for n := range 240 { // 48,000 rounds that are five minutes apart
		now := noon.Add(time.Duration(n) * step)
		c.set(now)
		for l := range links {
			outcome := canary.Good
			if l == 7 && n%20 == 3 {
				outcome = canary.Bad
			}
			tell(t, h, at(fmt.Sprintf("link-%03d", l), outcome, now))
		}
		if n%20 == 19 {
			synced(t, h)
			if err := h.trim(context.Background()); err != nil {
				t.Fatal(err)
			}
			most = max(most, size())
		}
	}
	if most > o.Size+8<<20 {
		t.Errorf("the file and its log came to %d bytes, the bound is %d", most, o.Size)
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() > o.Size || info.Size() < o.Size/4 {
		t.Errorf("the file has %d bytes (%v), the bound is %d", info.Size(), err, o.Size)
	}
	var good, bad time.Duration
	for _, r := range runsOf(t, h, "link-007") {
		switch age := c.now().Sub(r.Until); r.Outcome {
		case canary.Good:
			good = max(good, age)
		case canary.Bad:
			bad = max(bad, age)
		}
	}
	var plain time.Duration
	for _, r := range runsOf(t, h, "link-008") {
		plain = max(plain, c.now().Sub(r.Until))
	}
	if plain < 10*time.Minute || plain > 19*time.Hour || bad < min(3*plain, 19*time.Hour) { // of 20 hours
		t.Errorf("failures reach back %s, good rounds %s", bad, plain)
	}
	if runs := runsOf(t, h, "link-199"); len(runs) == 0 || c.now().Sub(runs[0].Until) > step {
		t.Error("the newest is not there")
	}

	c.set(c.now().Add(365 * 24 * time.Hour))
	sweepAll(t, h)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() > 2<<20 {
		t.Errorf("a year later the file has %d bytes (%v): it did not shrink", info.Size(), err)
	}
}
