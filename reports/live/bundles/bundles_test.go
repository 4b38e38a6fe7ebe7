package bundles

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/reports"
	"github.com/linkassay/linkassay/reports/evidence"
	"github.com/linkassay/linkassay/suites"
	"github.com/linkassay/linkassay/suites/canary"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// clock is a wall clock that stands until it is moved.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// recorded makes a round of an Observation that package suites keeps.
func recorded(t *testing.T, name, link string, at time.Time) canary.Round {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "suites", "testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var o probes.Observation
	if err := json.Unmarshal(b, &o); err != nil {
		t.Fatal(err)
	}
	o.Link.Name = link
	if o.Reach.TLS != nil { // recordings have certificates beside them
		for _, h := range o.Reach.TLS.Value {
			for i := range h.Chain {
				h.Chain[i].DER = []byte("a certificate")
			}
		}
	}
	outcome := canary.Good
	if suites.Summarize(suites.Judge(&o, suites.Catalogue(), nil), "").RequiredFailed > 0 {
		outcome = canary.Bad
	}
	return canary.Round{Link: link, Started: at, Finished: at.Add(time.Second), Outcome: outcome, Observation: &o}
}

func opened(key string) []canary.Change {
	return []canary.Change{{Kind: canary.Opened, At: noon, Incident: canary.Incident{Key: key}}}
}

func begun() reports.Report {
	return reports.Report{Tool: "linkassay", Version: "test", Profile: suites.Acceptance, Catalogue: suites.Digest(suites.Catalogue())}
}

func folder(t *testing.T, dir string, o Options) *Bundles {
	t.Helper()
	if dir == "" {
		dir = filepath.Join(t.TempDir(), "bundles")
	}
	o.Report = begun()
	if o.Problem == nil {
		o.Problem = func(err error) { t.Errorf("problem: %v", err) }
	}
	b, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return b
}

// written waits for a bundle.
func written(t *testing.T, b *Bundles, name string) {
	t.Helper()
	b.mu.Lock()
	pending := b.pending[name]
	b.mu.Unlock()
	if pending != nil {
		<-pending
	}
	if !b.Has(name) {
		t.Fatalf("there is no bundle %q", name)
	}
}

// What opened an incident, and what came to something else, is a bundle that replays; nothing else is.
func TestABundleIsEvidence(t *testing.T) {
	t.Parallel()
	c := &clock{at: noon}
	b := folder(t, "", Options{Now: c.now})
	bad, good := recorded(t, "listener-missing", "orders", noon), recorded(t, "healthy", "orders", noon.Add(10*time.Minute))
	first := b.Keep(bad, opened("k"))
	if first != "20261127T120000.000Z-bad-orders" {
		t.Fatalf("%q", first)
	}
	written(t, b, first)
	again := bad
	again.Started = noon.Add(time.Minute)
	if name := b.Keep(again, nil); name != "" {
		t.Errorf("a round that says the same is kept as %s", name)
	}
	c.move(10 * time.Minute)
	second := b.Keep(good, nil)
	written(t, b, second)
	if name := b.Keep(recorded(t, "healthy", "other", noon), nil); name != "" {
		t.Errorf("the first round of a link is kept as %s", name)
	}
	for name, code := range map[string]int{first: 1, second: 0} {
		result, err := evidence.VerifyDir(filepath.Join(b.dir, name), evidence.Options{Version: "test"})
		if err == nil {
			err = result.Err()
		}
		if err != nil || result.Replay.Checks == 0 {
			t.Errorf("%s: %v %+v", name, err, result)
		}
		text, err := os.ReadFile(filepath.Join(b.dir, name, reports.RunFile))
		if err != nil {
			t.Fatal(err)
		}
		report, err := reports.Decode(text)
		if err != nil || report.ExitCode != code || report.Links[0].Observation.Link.Name != "orders" || report.Profile != suites.Acceptance {
			t.Errorf("%v %+v", err, report.ExitReasons)
		}
	}
}

// A fleet that fails at once does not fill the disk, and every incident has its bundle.
func TestBundlesOfAFleetAreBounded(t *testing.T) {
	t.Parallel()
	c := &clock{at: noon}
	b := folder(t, "", Options{Now: c.now, Problem: func(error) {}})
	b.end() // nothing is written, which would take long
	good, bad := recorded(t, "healthy", "", noon), recorded(t, "listener-missing", "", noon)
	tell := func(r canary.Round, link string, changes []canary.Change) bool {
		r.Link, r.Started = link, c.now()
		return b.Keep(r, changes) != ""
	}
	named := 0
	for i := range 500 {
		tell(good, fmt.Sprintf("link-%d", i), nil)
	}
	for i := range 500 {
		if tell(bad, fmt.Sprintf("link-%d", i), nil) {
			named++
		}
	}
	if named == 0 || named > manyChanges {
		t.Errorf("%d bundles of 500 links that fail at once", named)
	}
	if !tell(bad, "link-499", opened("k")) {
		t.Error("the incident has none")
	}
	c.move(changeEvery)
	b.Seed(map[string]canary.Outcome{"seeded": canary.Good})
	if !tell(bad, "seeded", nil) {
		t.Error("a link that came to something else while nobody looked has none, after a while")
	}
	if tell(good, "seeded", nil) {
		t.Error("a link that changes all the time has one each time")
	}
	c.move(linkEvery)
	if !tell(bad, "seeded", nil) {
		t.Error("and none later")
	}
}

// The oldest go first, and failures are kept four times as long.
func TestBundlesAreTidiedUp(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	day := 24 * time.Hour
	var all []string
	for n := range 200 {
		at := noon.Add(-time.Duration(n) * day)
		for _, outcome := range []canary.Outcome{canary.Good, canary.Bad} {
			name := newName(canary.Round{Link: "orders", Started: at, Outcome: outcome})
			all = append(all, name)
			if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name, "run.json"), make([]byte, 1000), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, other := range []string{"mine", halfMade + all[0], halfGone + all[1]} {
		if err := os.Mkdir(filepath.Join(dir, other), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	c := &clock{at: noon.Add(time.Hour)}
	oldest := all[len(all)-1]
	for _, step := range []struct {
		o         Options
		open      string // the bundle of an incident
		good, bad int
	}{
		{Options{Age: 30 * day}, oldest, 30, 121},
		{Options{Age: 30 * day, Count: 100}, oldest, 20, 80},
		{Options{Age: 30 * day, Size: 50_000}, oldest, 10, 40},
		{Options{Age: 30 * day}, "", 10, 39},
	} {
		step.o.Now = c.now
		b := folder(t, dir, step.o)
		b.Hold(func() []canary.Incident { return []canary.Incident{{Bundle: step.open}, {}} })
		b.tidy()
		if held := b.Has(oldest); held != (step.open == oldest) {
			t.Errorf("%+v, with an open incident's bundle %q: %s is there: %v", step.o, step.open, oldest, held)
		}
		good, bad := 0, 0
		for name := range b.kept {
			if !b.Has(name) {
				t.Errorf("%s is gone", name)
			}
			if strings.Contains(name, "-good-") {
				good++
			} else {
				bad++
			}
		}
		if good != step.good || bad != step.bad {
			t.Errorf("%+v: %d good ones and %d others, expected %d and %d", step.o, good, bad, step.good, step.bad)
		}
		if _, err := Open(dir, Options{}); !errors.Is(err, ErrTaken) {
			t.Errorf("a second canary: %v", err)
		}
		if err := b.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != good+bad+2 { // .lock, and what is somebody else's
			t.Errorf("%d entries, %v", len(entries), err)
		}
	}
}

// A bundle that can't be written is told, and alerts do not name it; rounds go on.
func TestAlertsNameWhatIsThere(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var problems []string
	b := folder(t, "", Options{Problem: func(err error) { mu.Lock(); defer mu.Unlock(); problems = append(problems, err.Error()) }})
	b.patience = time.Minute
	sink := &told{}
	before := b.Before(sink)
	name := b.Keep(recorded(t, "listener-missing", "orders", noon), opened("k"))
	change := opened("k")[0]
	change.Incident.Bundle = name
	if err := before.Change(change); err != nil {
		t.Fatal(err)
	}
	if !b.Has(name) {
		t.Error("it was told before it was there")
	}
	// A file stands where the next bundle should be.
	next := recorded(t, "listener-missing", "orders", noon.Add(time.Hour))
	if err := os.WriteFile(filepath.Join(b.dir, halfMade+newName(next)), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	change.Incident.Bundle = b.Keep(next, opened("k"))
	if err := before.Change(change); err != nil || change.Incident.Bundle == "" {
		t.Fatal(err, change)
	}
	if want := []string{name, ""}; !slices.Equal(sink.bundles, want) {
		t.Errorf("%q, expected %q", sink.bundles, want)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(problems) != 1 || !strings.Contains(problems[0], "evidence of orders: bundle ") {
		t.Errorf("%q", problems)
	}
}

type told struct{ bundles []string }

func (s *told) Round(canary.Round) error { return nil }

func (s *told) Change(c canary.Change) error {
	s.bundles = append(s.bundles, c.Incident.Bundle)
	return nil
}

func TestBundlesAreServedReadOnly(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "bundles")
	b := folder(t, dir, Options{})
	r := recorded(t, "listener-missing", "orders", noon)
	r.Observation.Reach.HTTP.Value[0].Detail = "<script>alert(1)</script>"
	name := b.Keep(r, opened("k"))
	written(t, b, name)
	secret := filepath.Join(filepath.Dir(dir), "secret.txt")
	for path, text := range map[string]string{secret: "s3cr3t", filepath.Join(dir, "plain.txt"): "s3cr3t", filepath.Join(dir, name, ".hidden"): "s3cr3t"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(secret, filepath.Join(dir, name, "link.txt")); err != nil {
		t.Fatal(err)
	}
	get := func(path string) *http.Response {
		w := httptest.NewRecorder()
		req := httptest.NewRequest(http.MethodGet, "/", nil)
		req.URL.Path = path
		http.StripPrefix("/bundles", b).ServeHTTP(w, req)
		return w.Result()
	}
	types := map[string]string{}
	for _, file := range b.Files(name) {
		resp := get("/bundles/" + name + "/" + file)
		if resp.StatusCode != http.StatusOK || resp.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(resp.Header.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%s: %s %v", file, resp.Status, resp.Header)
		}
		types[file] = resp.Header.Get("Content-Type")
		if file != "report.html" && strings.Contains(types[file], "html") {
			t.Errorf("%s is %s", file, types[file])
		}
	}
	if types["report.html"] != "text/html; charset=utf-8" || types["run.json"] != "application/json" || types["junit.xml"] != "text/plain; charset=utf-8" || types["SHA256SUMS"] == "" {
		t.Errorf("%v", types)
	}
	for _, path := range []string{
		"/bundles/", "/bundles/" + name, "/bundles/" + name + "/", "/bundles/" + name + "/none.json", "/bundles/" + name + "/.hidden", "/bundles/" + name + "/link.txt",
		"/bundles/plain.txt", "/bundles/../secret.txt", "/bundles/" + name + "/../../secret.txt", "/bundles/" + name + "/../plain.txt", "/bundles/./plain.txt",
		"/bundles/" + name + "/..", "/bundles/.lock", "/bundles/" + name + "/report.html/x", "/bundles/" + name + "/report.html\x00", "/bundles/" + secret,
	} {
		if resp := get(path); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%q: %s", path, resp.Status)
		}
	}
}

// A bundle that somebody else has removed, or that can't be removed, keeps no other one.
func TestTidyingGoesOnWithoutABundle(t *testing.T) {
	t.Parallel()
	dir, day := t.TempDir(), 24*time.Hour
	var all []string
	for n := range 10 {
		name := newName(canary.Round{Link: "orders", Started: noon.Add(-time.Duration(n) * day), Outcome: canary.Good})
		all = append(all, name)
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name, "run.json"), make([]byte, 1000), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := &clock{at: noon}
	b := folder(t, dir, Options{Count: 5, Now: c.now})
	b.tidy() // five are left
	oldest := all[4]
	if err := os.RemoveAll(filepath.Join(dir, oldest)); err != nil {
		t.Fatal(err)
	}
	b.o.Count = 2
	b.tidy()
	if len(b.kept) != 2 || !b.Has(all[0]) || !b.Has(all[1]) {
		t.Errorf("%d are left", len(b.kept))
	}
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}
