package history

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/suites"
	"github.com/linkassay/linkassay/suites/canary"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// clock is a wall clock that stands until it is set.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

func item[T any](v T) *probes.Item[T] { return &probes.Item[T]{Started: noon, Value: v} }

// observed answers from two zones.
func observed(took time.Duration) *probes.Observation {
	ok := func(d time.Duration) probes.Try { return probes.Try{Duration: d, Outcome: probes.OK} }
	a, b := probes.Target{ZoneID: "use1-az1"}, probes.Target{ZoneID: "use1-az2"}
	return &probes.Observation{
		DNS: probes.DNS{Private: item([]probes.Lookup{{Outcome: probes.OK, Duration: took / 10}})},
		Reach: probes.Reach{
			TCP: item([]probes.Attempt{
				{Target: a, Tries: []probes.Try{ok(took / 4), ok(took / 2)}},
				{Target: b, Tries: []probes.Try{ok(took / 5), {Duration: time.Hour, Outcome: probes.TimedOut}}},
			}),
			HTTP: item([]probes.Exchange{{Target: a, Try: ok(took)}, {Target: b, Try: ok(2 * took)}}),
		},
	}
}

func at(link string, outcome canary.Outcome, ended time.Time) canary.Round {
	r := canary.Round{Link: link, Started: ended.Add(-time.Second), Finished: ended, Took: time.Second, Outcome: outcome, Observation: observed(20 * time.Millisecond)}
	switch outcome {
	case canary.Bad:
		r.Roots = []canary.Root{{
			Key: "connection.healthy-target/load-balancer/arn:x", Required: true, Title: "a target is healthy",
			Cause:  canary.Cause{Check: "connection.healthy-target", Side: suites.ProviderSide, Kind: canary.LoadBalancer, ID: "arn:x"},
			Reason: "no target is healthy", Facts: []suites.Fact{{Name: "port 443", Value: "0 of 3"}},
		}}
	case canary.Untold:
		r.Reason = "throttled"
	}
	return r
}

func incident(opened time.Time, links ...string) canary.Incident {
	i := canary.Incident{Key: "connection.healthy-target/load-balancer/arn:x", Title: "a target is healthy", Since: opened, Opened: opened}
	for _, l := range links {
		i.Links = append(i.Links, canary.Affected{Link: l, Since: opened})
	}
	return i
}

// open opens a history in a folder of the test; what it complains of fails the test.
func open(t testing.TB, path string, o Options) *History {
	t.Helper()
	if path == "" {
		path = filepath.Join(t.TempDir(), "history.db")
	}
	if o.Problem == nil {
		o.Problem = func(err error) { t.Errorf("problem: %v", err) }
	}
	h, err := Open(context.Background(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return h
}

func tell(t testing.TB, h *History, things ...any) {
	t.Helper()
	for _, x := range things {
		var err error
		switch x := x.(type) {
		case canary.Round:
			err = h.Round(x)
		case canary.Change:
			err = h.Change(x)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func synced(t testing.TB, h *History) {
	t.Helper()
	if err := h.Sync(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func runsOf(t testing.TB, h *History, link string) []Run {
	t.Helper()
	runs, err := h.Runs(context.Background(), link, time.Time{}, 100_000)
	if err != nil {
		t.Fatal(err)
	}
	return runs
}

// words tell runs shortly, the oldest first.
func words(runs []Run) (all []string) {
	for i := len(runs) - 1; i >= 0; i-- {
		all = append(all, fmt.Sprintf("%d %s", runs[i].Rounds, runs[i].Outcome))
	}
	return all
}
