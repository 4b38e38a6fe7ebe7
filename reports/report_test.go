package reports

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/suites"
)

// report makes a report of links recorded for package suites.
func report(t *testing.T, names ...string) *Report {
	t.Helper()
	r := &Report{
		Tool: "linkassay", Version: "0.1.0",
		Started: time.Date(2026, 9, 1, 8, 30, 0, 0, time.UTC), Finished: time.Date(2026, 9, 1, 8, 30, 1, 250e6, time.UTC),
	}
	for _, name := range names {
		o := recording(t, name)
		r.Links = append(r.Links, LinkReport{Observation: o, Verdicts: verdicts(t, name, o)})
	}
	if r.Summary().RequiredFailed > 0 {
		r.ExitCode, r.ExitReasons = 1, []string{"a required check failed"}
	}
	return r
}

// recording is an Observation that is recorded for package suites.
func recording(t testing.TB, name string) *probes.Observation {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "suites", "testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var o probes.Observation
	if err := json.Unmarshal(b, &o); err != nil {
		t.Fatal(err)
	}
	return &o
}

// verdicts are those that were given on a recording once: what a report looks like does not change with
// every check that is added.
func verdicts(t *testing.T, name string, o *probes.Observation) []suites.Verdict {
	t.Helper()
	path := filepath.Join("testdata", name+".verdicts.json")
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && *updateGolden {
		recorded := func(_ string, c suites.Check) bool {
			return !slices.ContainsFunc(slices.Concat(c.Needs, c.NeedsOne), func(item string) bool { _, ok := o.Meta(item); return !ok })
		}
		b, err = json.MarshalIndent(suites.Judge(o, suites.Catalogue(), recorded), "", " ")
		if err == nil {
			err = os.WriteFile(path, append(b, '\n'), 0o644)
		}
	}
	var all []suites.Verdict
	if err == nil {
		err = json.Unmarshal(b, &all)
	}
	if err != nil {
		t.Fatalf("%v (-update-golden records what there is not yet)", err)
	}
	return all
}
