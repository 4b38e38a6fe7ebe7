package suites

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/linkassay/linkassay/probes"
)

// go test ./suites -run Golden -update-golden writes new recordings. It refuses to change the
// verdict of a check whose revision did not rise.
var updateGolden = flag.Bool("update-golden", false, "write the recorded observations and verdicts anew")

// golden are the fixtures that are recorded: Observations made by hand, in the form in which a run writes its own,
// and the verdicts that were given on them.
func golden() []string {
	return []string{
		"healthy", "consumer-only", "provider-only", "control-plane-only",
		"not-allowed", "never-accepted", "rejected", "security-group-closed", "no-healthy-target", "listener-missing",
		"txt-missing", "txt-of-an-older-service", "private-dns-not-enabled", "private-zone-shadows", "one-zone-down", "dns-support-off",
	}
}

// recordedVerdict is what must stay the same while the revision does: messages may change.
type recordedVerdict struct {
	Check     string `json:"check"`
	Revision  int    `json:"revision"`
	Status    Status `json:"status"`
	BlockedBy string `json:"blockedBy,omitempty"`
	Facts     []Fact `json:"facts,omitempty"`
}

func recorded(verdicts []Verdict) []recordedVerdict {
	var out []recordedVerdict
	for _, v := range verdicts {
		out = append(out, recordedVerdict{v.Check, v.Revision, v.Status, v.BlockedBy, v.Facts})
	}
	return out
}

func TestGoldenVerdicts(t *testing.T) {
	t.Parallel()
	all := fixtures()
	for _, name := range golden() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			input, output := filepath.Join("testdata", name+".json"), filepath.Join("testdata", name+".verdicts.json")
			if *updateGolden {
				if _, err := os.Stat(input); errors.Is(err, fs.ErrNotExist) {
					write(t, input, all[name])
				}
			}
			var o probes.Observation
			read(t, input, &o)
			if o.Format != probes.Format {
				t.Fatalf("%s has format %q", input, o.Format)
			}
			got := recorded(Judge(&o, Catalogue(), nil))
			var want []recordedVerdict
			if _, err := os.Stat(output); err == nil || !*updateGolden {
				read(t, output, &want)
			}
			stale := compareGolden(t, got, want)
			if *updateGolden && !t.Failed() {
				write(t, output, got)
			} else if stale {
				t.Error("the recording is out of date: go test ./suites -run Golden -update-golden")
			}
		})
	}
}

// compareGolden fails the test for every verdict that changed under the same revision, and says
// whether the recording is out of date for a good reason: a new revision, a new or a retired check.
func compareGolden(t *testing.T, got, want []recordedVerdict) (stale bool) {
	t.Helper()
	for _, g := range got {
		i := slices.IndexFunc(want, func(w recordedVerdict) bool { return w.Check == g.Check })
		switch {
		case i < 0 || want[i].Revision != g.Revision || newer(want, got, g.BlockedBy):
			stale = true
		case !reflect.DeepEqual(g, want[i]):
			t.Errorf("the verdict of %s changed, and its revision is still %d:\n got %+v\nwant %+v", g.Check, g.Revision, g, want[i])
		}
	}
	return stale || len(got) != len(want)
}

// newer says whether what blocks a check now was not there when the verdicts were recorded, or not in its
// present revision: its dependents follow it.
func newer(want, got []recordedVerdict, id string) bool {
	by := func(list []recordedVerdict) int {
		return slices.IndexFunc(list, func(v recordedVerdict) bool { return v.Check == id })
	}
	now, then := by(got), by(want)
	return now >= 0 && (then < 0 || want[then].Revision != got[now].Revision)
}

func read(t *testing.T, path string, into any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func write(t *testing.T, path string, v any) {
	t.Helper()
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
