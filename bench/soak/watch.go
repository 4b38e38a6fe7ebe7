package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/linkassay/linkassay/reports/live"
	"github.com/linkassay/linkassay/suites/canary"
)

// told is what the canary tells, as a sink.
type told struct {
	mu       sync.Mutex
	changes  []canary.Change
	outcomes map[canary.Outcome]int
	last     map[string]canary.Outcome // by link
	reasons  map[string]int            // why rounds could not be told, by check
	rounds   int
	open     map[string]canary.Incident // by key
}

func newTold() *told {
	return &told{outcomes: map[canary.Outcome]int{}, last: map[string]canary.Outcome{}, reasons: map[string]int{}, open: map[string]canary.Incident{}}
}

func (t *told) Round(r canary.Round) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rounds++
	t.outcomes[r.Outcome]++
	t.last[r.Link] = r.Outcome
	if r.Outcome == canary.Untold || r.Outcome == canary.Interrupted {
		check, _, _ := strings.Cut(r.Reason, ": ")
		t.reasons[check]++
	}
	return nil
}

func (t *told) Change(c canary.Change) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case c.Kind == canary.Recovered:
	case c.Incident.Open():
		t.open[c.Incident.Key] = c.Incident
	default:
		delete(t.open, c.Incident.Key)
	}
	if c.Kind != canary.Links { // of which only the newest counts
		t.changes = append(t.changes, c)
	}
	return nil
}

// incidents are those that are open, with their links, as whoever hears of changes knows them: pages, metrics, and people.
func (t *told) incidents() []canary.Incident {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Collect(maps.Values(t.open))
}

// good is how many links were good in their last round.
func (t *told) good() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, o := range t.last {
		if o == canary.Good {
			n++
		}
	}
	return n
}

// why is how many rounds could not be told, by what.
func (t *told) why() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.reasons)
}

// since are the changes that were told from a moment on.
func (t *told) since(at time.Time) []canary.Change {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(t.changes), func(c canary.Change) bool { return c.At.Before(at) })
}

// sample is what the process takes at one moment.
type sample struct {
	at         time.Duration
	rss, heap  uint64 // bytes
	goroutines int
}

func take(began time.Time) sample {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s := sample{at: time.Since(began), heap: m.HeapAlloc, goroutines: runtime.NumGoroutine()}
	if b, err := os.ReadFile("/proc/self/statm"); err == nil {
		if f := strings.Fields(string(b)); len(f) > 1 {
			pages, _ := strconv.ParseUint(f[1], 10, 64)
			s.rss = pages * uint64(os.Getpagesize())
		}
	}
	return s
}

// read reads the metrics and two pages as a monitoring system and a browser do, until the context ends.
func (s *soak) read(ctx context.Context, metrics *live.Metrics, pages *live.Status) {
	tick := time.NewTicker(15 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for path, h := range map[string]http.Handler{"/metrics": metrics.Handler(), "/": pages, "/incidents": pages} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil))
			if w.Code != http.StatusOK && ctx.Err() == nil {
				s.wrong(fmt.Errorf("GET %s: %d %.200s", path, w.Code, w.Body))
			}
		}
	}
}

func middle(all []sample, of func(sample) float64) float64 {
	var v []float64
	for _, s := range all {
		v = append(v, of(s))
	}
	slices.Sort(v)
	return v[len(v)/2]
}

// flat says what grew: by more than a fifth and by more than some.
func flat(when string, before, after []sample) (wrong []string) {
	for _, m := range []struct {
		name string
		of   func(sample) float64
		some float64
		unit string
	}{
		{"RSS", func(s sample) float64 { return float64(s.rss) / (1 << 20) }, 30, "MB"},
		{"heap", func(s sample) float64 { return float64(s.heap) / (1 << 20) }, 30, "MB"},
		{"goroutines", func(s sample) float64 { return float64(s.goroutines) }, 200, ""},
	} {
		first, last := middle(before, m.of), middle(after, m.of)
		fmt.Printf("%-12s %s: %.0f and %.0f %s\n", m.name, when, first, last, m.unit)
		if last > first*1.2 && last > first+m.some {
			wrong = append(wrong, fmt.Sprintf("%s grew from %.0f to %.0f %s (%s)", m.name, first, last, m.unit, when))
		}
	}
	return wrong
}
