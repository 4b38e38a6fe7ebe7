package reports

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/linkassay/linkassay/suites"
)

// Change is something that is another from one run to the next: of a link's configuration, of the checks, or of the tool.
type Change struct {
	At   time.Time `json:"at"`             // of the first run with the new one
	Link string    `json:"link,omitempty"` // "" when it is of no link
	What string    `json:"what"`
	From string    `json:"from,omitempty"` // "" is none, as for To
	To   string    `json:"to,omitempty"`
}

// changes compares each run with the one before it.
type changes struct {
	version string
	configs map[string]ConfigRecord
	// revisions are of checks, whichever link they were seen on.
	revisions map[string]int
	found     []Change
}

func newChanges() changes {
	return changes{configs: map[string]ConfigRecord{}, revisions: map[string]int{}}
}

func (c *changes) add(r Record) {
	if c.version != "" && c.version != r.Version {
		c.found = append(c.found, Change{At: r.Finished, What: "version of " + r.Tool, From: c.version, To: r.Version})
	}
	c.version = r.Version
	for _, l := range r.Links {
		c.config(l)
		for _, id := range slices.Sorted(maps.Keys(l.Checks)) {
			revision := l.Checks[id].Revision
			if old, ok := c.revisions[id]; ok && old != revision {
				c.found = append(c.found, Change{At: l.Observed, What: "revision of " + id, From: fmt.Sprint(old), To: fmt.Sprint(revision)})
			}
			c.revisions[id] = revision
		}
	}
}

// foundOut are the values that a run asks for: where it couldn't, they have not changed.
func foundOut(value string) bool { return value == "service" || value == "endpoint" }

func (c *changes) config(l LinkRecord) {
	old, ok := c.configs[l.Name]
	values := maps.Clone(l.Config.Values)
	if values == nil {
		values = map[string]string{}
	}
	if ok {
		keys := map[string]bool{}
		for _, m := range []map[string]string{old.Values, values} {
			for k := range m {
				keys[k] = true
			}
		}
		shown := false
		for _, k := range slices.Sorted(maps.Keys(keys)) {
			from, to := old.Values[k], values[k]
			switch {
			case from == to:
			case foundOut(k) && to == "":
				values[k] = from // what it is compared with next
			case foundOut(k) && from == "":
			default:
				shown = shown || !foundOut(k)
				c.found = append(c.found, Change{At: l.Observed, Link: l.Name, What: k, From: from, To: to})
			}
		}
		if old.Digest != l.Config.Digest && !shown {
			c.found = append(c.found, Change{
				At: l.Observed, Link: l.Name, What: "something that is not shown here (digest of the configuration)",
				From: old.Digest, To: l.Config.Digest,
			})
		}
	}
	c.configs[l.Name] = ConfigRecord{Digest: l.Config.Digest, Values: values}
}

// PeriodControl is a control that checks provide evidence for, and how much of it the period's runs gave.
type PeriodControl struct {
	suites.Control
	Checks   int `json:"checks"`   // that are mapped to it
	Assessed int `json:"assessed"` // of these, that passed or failed in some run of the period
	// Runs of all these checks on all links.
	Passed int `json:"passed"`
	Failed int `json:"failed"`
	Untold int `json:"couldNotTell"`
}

// addControls adds a row for each control, those that nothing was assessed of included.
func (r *PeriodReport) addControls() error {
	m, err := suites.Controls()
	if err != nil {
		return err
	}
	r.ControlsVersion = m.Version
	byCheck := map[string]Tally{}
	for _, l := range r.Links {
		for _, c := range l.Checks {
			t := byCheck[c.Check]
			t.Runs.Up += c.Runs.Up
			t.Runs.Down += c.Runs.Down
			t.Runs.Untold += c.Runs.Untold
			byCheck[c.Check] = t
		}
	}
	index := map[suites.Control]int{}
	for _, c := range suites.Catalogue() {
		for _, control := range m.Of(c) {
			i, ok := index[control]
			if !ok {
				i = len(r.Controls)
				index[control] = i
				r.Controls = append(r.Controls, PeriodControl{Control: control})
			}
			row, t := &r.Controls[i], byCheck[c.ID]
			row.Checks++
			if t.Runs.Up+t.Runs.Down > 0 {
				row.Assessed++
			}
			row.Passed += t.Runs.Up
			row.Failed += t.Runs.Down
			row.Untold += t.Runs.Untold
		}
	}
	order := map[string]int{"nist": 0, "pci": 1, "soc2": 2, "iso": 3, "fsbp": 4}
	slices.SortStableFunc(r.Controls, func(a, b PeriodControl) int { return order[a.Framework] - order[b.Framework] })
	return nil
}
