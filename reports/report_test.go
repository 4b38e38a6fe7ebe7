package reports

import (
	"encoding/json"
	"os"
	"path/filepath"
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
		b, err := os.ReadFile(filepath.Join("..", "suites", "testdata", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var o probes.Observation
		if err := json.Unmarshal(b, &o); err != nil {
			t.Fatal(err)
		}
		r.Links = append(r.Links, LinkReport{&o, suites.Judge(&o, suites.Catalogue(), nil)})
	}
	if r.Summary().RequiredFailed > 0 {
		r.ExitCode, r.ExitReasons = 1, []string{"a required check failed"}
	}
	return r
}
