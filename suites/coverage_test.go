package suites_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/linkassay/linkassay/suites"
)

// stillOpen are the checks and rows that no fault shows yet. The lists may only shrink.
type stillOpen struct {
	Checks []string `yaml:"checks"`
	Rows   []string `yaml:"rows"`
}

// leastRows is how many of the known failure modes must be shown by a fault, whatever stands in open.yaml.
const leastRows = 100

// Every check is the root of some fault: one that never was may never fail.
func TestEveryCheckIsTheRootOfAFault(t *testing.T) {
	t.Parallel()
	var open stillOpen
	readYAML(t, "open.yaml", &open)
	roots := map[string]bool{}
	for _, e := range expectations(t) {
		roots[e.Root] = true
	}
	known := map[string]bool{}
	for _, c := range suites.Catalogue() {
		known[c.ID] = true
		if !roots[c.ID] && !slices.Contains(open.Checks, c.ID) {
			t.Errorf("no fault in roots.yaml leads to %s", c.ID)
		}
		if roots[c.ID] && slices.Contains(open.Checks, c.ID) {
			t.Logf("%s is seen as a root: take it out of open.yaml", c.ID)
		}
	}
	for id := range roots {
		if !known[id] {
			t.Errorf("roots.yaml: there is no check %s", id)
		}
	}
}

// Every known failure mode is shown by a fault, or says why no run can find it.
func TestEveryRowIsShownOrSaysWhyNot(t *testing.T) {
	t.Parallel()
	var open stillOpen
	readYAML(t, "open.yaml", &open)
	rows, err := suites.Rows()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 129 {
		t.Errorf("%d rows", len(rows))
	}
	claimed := map[string][]string{}
	for _, e := range expectations(t) {
		for _, id := range e.Rows {
			claimed[id] = append(claimed[id], e.Fault)
		}
	}
	known := map[string]bool{}
	shown := 0
	for _, r := range rows {
		known[r.ID] = true
		allowed := slices.Contains(open.Rows, r.ID)
		switch faults := claimed[r.ID]; {
		case len(faults) > 0 && r.Why != "":
			t.Errorf("%s says why no run can find it, and fault %s shows it", r.ID, faults[0])
		case len(faults) > 0:
			shown++
			if allowed {
				t.Logf("%s is shown by %s: take it out of open.yaml", r.ID, faults[0])
			}
		case r.Why == "" && !allowed:
			t.Errorf("no fault shows %s (%s), and it does not say why", r.ID, r.Symptom)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(claimed)) {
		if !known[id] {
			t.Errorf("roots.yaml: there is no row %s", id)
		}
	}
	for _, c := range suites.Catalogue() {
		for _, id := range c.Rows {
			if !known[id] {
				t.Errorf("%s names row %s, which there is not", c.ID, id)
			}
		}
	}
	t.Logf("%d of %d rows are shown by a fault", shown, len(rows))
	if len(open.Rows) == 0 && shown < leastRows {
		t.Errorf("%d rows are shown, want at least %d", shown, leastRows)
	}
}
