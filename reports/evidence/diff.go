package evidence

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/linkassay/linkassay/reports"
	"github.com/linkassay/linkassay/suites"
)

// DiffFormat names the layout of a Diff as JSON.
const DiffFormat = "linkassay.diff/v1"

// Diff is what changed between two runs.
type Diff struct {
	Format  string   `json:"format"`
	Same    bool     `json:"same"`
	A       Run      `json:"a"`
	B       Run      `json:"b"`
	Changes []Change `json:"changes"`
}

// Change is one difference. Was and Is are empty where there was or is nothing.
type Change struct {
	Link string     `json:"link,omitempty"` // empty: of the run as a whole
	Kind ChangeKind `json:"kind"`
	What string     `json:"what"` // such as a check's id, a fact's CHECK: NAME, or the path of a field
	Was  string     `json:"was,omitempty"`
	Is   string     `json:"is,omitempty"`
}

// ChangeKind is what kind of thing changed.
type ChangeKind string

// The kinds, in the order in which they are told.
const (
	LinkChange          ChangeKind = "link"    // a link is in one of the runs alone
	VerdictChange       ChangeKind = "verdict" // status, blocker or revision
	FactChange          ChangeKind = "fact"
	ConfigurationChange ChangeKind = "configuration" // of the link
	IdentityChange      ChangeKind = "identity"
	SelectionChange     ChangeKind = "selection" // which checks were asked, and what fails the run
	ToolChange          ChangeKind = "tool"
)

func (k ChangeKind) rank() int {
	return slices.Index([]ChangeKind{LinkChange, VerdictChange, FactChange, ConfigurationChange, IdentityChange, SelectionChange, ToolChange}, k)
}

// DiffDirs compares the bundles in two directories. Both are verified first; one that is refused is an error.
func DiffDirs(a, b string) (*Diff, error) {
	var runs [2]*reports.Report
	for i, dir := range []string{a, b} {
		root, err := os.OpenRoot(dir)
		if err != nil {
			return nil, fmt.Errorf("open the bundle: %w: %w", ErrUnreadable, err)
		}
		runs[i], err = open(root.FS())
		if err := errors.Join(err, root.Close()); err != nil {
			return nil, fmt.Errorf("read the bundle %s: %w", dir, err)
		}
	}
	return DiffRuns(runs[0], runs[1])
}

// open verifies a bundle and returns the run that it is of.
func open(fsys fs.FS) (*reports.Report, error) {
	result, err := Verify(fsys, Options{})
	if err == nil {
		err = result.Err()
	}
	if err != nil {
		return nil, err
	}
	b, err := readBounded(fsys, reports.RunFile, maxRun)
	if err != nil {
		return nil, err
	}
	return reports.Decode(b)
}

// DiffRuns compares two runs. Times, durations and what was observed without a verdict that rests on it are no
// changes.
func DiffRuns(a, b *reports.Report) (*Diff, error) {
	d := &Diff{Format: DiffFormat, A: *describe(a), B: *describe(b), Changes: []Change{}}
	for _, x := range []struct {
		kind          ChangeKind
		what, was, is string
	}{
		{ToolChange, "version", a.Version, b.Version},
		{ToolChange, "build", buildWords(a.Build), buildWords(b.Build)},
		{ToolChange, "catalogue", a.Catalogue, b.Catalogue},
		{SelectionChange, "profile", string(cmp.Or(a.Profile, suites.Acceptance)), string(cmp.Or(b.Profile, suites.Acceptance))},
		{SelectionChange, "label filter", a.Selection, b.Selection},
		{SelectionChange, "fail on", string(cmp.Or(a.FailOn, suites.Critical)), string(cmp.Or(b.FailOn, suites.Critical))},
	} {
		d.add("", x.kind, x.what, x.was, x.is)
	}
	d.identities(a, b)
	was, is := linksOf(a), linksOf(b)
	for _, name := range either(was, is) {
		x, before := was[name]
		y, after := is[name]
		if !before || !after {
			d.add(name, LinkChange, "link", there(before), there(after))
			continue
		}
		d.verdicts(name, x, y)
		if err := d.configuration(name, x, y); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(d.Changes, func(x, y Change) int {
		return cmp.Or(cmp.Compare(x.Link, y.Link), cmp.Compare(x.Kind.rank(), y.Kind.rank()))
	})
	d.Same = len(d.Changes) == 0
	return d, nil
}

func (d *Diff) add(link string, kind ChangeKind, what, was, is string) {
	if was != is {
		d.Changes = append(d.Changes, Change{link, kind, what, was, is})
	}
}

func there(yes bool) string {
	if yes {
		return "there"
	}
	return ""
}

func buildWords(b reports.Build) string {
	s := strings.TrimSpace(b.Revision + " " + b.Go + " " + b.OS + "/" + b.Arch)
	if b.Modified {
		s += " modified"
	}
	return s
}

func linksOf(r *reports.Report) map[string]reports.LinkReport {
	all := map[string]reports.LinkReport{}
	for _, l := range r.Links {
		all[l.Observation.Link.Name] = l
	}
	return all
}

// either lists the keys of both, sorted.
func either[V any](a, b map[string]V) []string {
	all := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(all)
	return slices.Compact(all)
}

func (d *Diff) identities(a, b *reports.Report) {
	key := func(i reports.Identity) [2]string { return [2]string{i.Link, i.Side} }
	was, is := map[[2]string]string{}, map[[2]string]string{}
	var order [][2]string
	for _, x := range []struct {
		of   *reports.Report
		into map[[2]string]string
	}{{a, was}, {b, is}} {
		for _, i := range x.of.Identities() {
			x.into[key(i)] = i.ARN
			order = append(order, key(i))
		}
	}
	slices.SortFunc(order, func(x, y [2]string) int { return cmp.Or(cmp.Compare(x[0], y[0]), cmp.Compare(x[1], y[1])) })
	for _, k := range slices.Compact(order) {
		d.add(k[0], IdentityChange, k[1], was[k], is[k])
	}
}

func (d *Diff) verdicts(link string, a, b reports.LinkReport) {
	byCheck := func(l reports.LinkReport) map[string]suites.Verdict {
		all := map[string]suites.Verdict{}
		for _, v := range l.Verdicts {
			all[v.Check] = v
		}
		return all
	}
	was, is := byCheck(a), byCheck(b)
	for _, check := range either(was, is) {
		x, y := was[check], is[check]
		d.add(link, VerdictChange, check, verdictWords(x), verdictWords(y))
		before, after := factsOf(x), factsOf(y)
		for _, name := range either(before, after) {
			d.add(link, FactChange, check+": "+name, strings.Join(before[name], ", "), strings.Join(after[name], ", "))
		}
		if x.Check != "" && y.Check != "" && x.Revision != y.Revision {
			d.add(link, VerdictChange, check+": revision", fmt.Sprint(x.Revision), fmt.Sprint(y.Revision))
		}
	}
}

func verdictWords(v suites.Verdict) string {
	if v.BlockedBy != "" {
		return string(v.Status) + " by " + v.BlockedBy
	}
	return string(v.Status)
}

func factsOf(v suites.Verdict) map[string][]string {
	all := map[string][]string{}
	for _, f := range v.Facts {
		all[f.Name] = append(all[f.Name], f.Value)
	}
	return all
}

// configuration compares the link as the link file has it, field by field.
func (d *Diff) configuration(link string, a, b reports.LinkReport) error {
	var flat [2]map[string]string
	for i, l := range []reports.LinkReport{a, b} {
		encoded, err := json.Marshal(l.Observation.Link)
		if err != nil {
			return fmt.Errorf("encode link %s: %w", link, err)
		}
		var v any
		if err := json.Unmarshal(encoded, &v); err != nil {
			return fmt.Errorf("encode link %s: %w", link, err)
		}
		flat[i] = map[string]string{}
		flatten(v, "", flat[i])
	}
	for _, path := range either(flat[0], flat[1]) {
		d.add(link, ConfigurationChange, path, flat[0][path], flat[1][path])
	}
	return nil
}

// flatten writes every leaf of a JSON value under its path.
func flatten(v any, at string, into map[string]string) {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			flatten(x, strings.TrimPrefix(at+"."+k, "."), into)
		}
	case []any:
		for i, x := range v {
			flatten(x, fmt.Sprintf("%s[%d]", at, i), into)
		}
	default:
		into[at] = fmt.Sprint(v)
	}
}
