package suites_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/linkassay/linkassay/suites"
)

// make docs writes what is generated: docs/catalogue.md, and the list of ids, to which it only ever adds.
var updateDocs = flag.Bool("update-docs", false, "write docs/catalogue.md and testdata/ids.txt anew")

// A generated file that nobody generated again is wrong.
func TestCatalogueDocument(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "docs", "catalogue.md")
	want := catalogueDocument(t)
	if *updateDocs {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("docs/catalogue.md is out of date (%v): make docs", err)
	}
}

// Ids are stable for ever: each that was ever released is a check's, or is retired and nobody's.
func TestIDsAreForEver(t *testing.T) {
	t.Parallel()
	path := filepath.Join("testdata", "ids.txt")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	released := strings.Fields(string(b))
	retired, err := suites.Retired()
	if err != nil {
		t.Fatal(err)
	}
	catalogue := suites.Catalogue()
	for _, id := range released {
		_, ok := suites.Find(catalogue, id)
		gone := slices.ContainsFunc(retired, func(r suites.RetiredCheck) bool { return r.ID == id })
		if !ok && !gone {
			t.Errorf("check %s is gone: give it back, or put it into retired.yaml", id)
		}
	}
	for _, r := range retired {
		if r.Since == "" || r.Why == "" || !slices.Contains(released, r.ID) {
			t.Errorf("retired.yaml: %s must be one of ids.txt, and say since when and why", r.ID)
		}
	}
	if *updateDocs {
		for _, c := range catalogue {
			released = append(released, c.ID)
		}
		slices.Sort(released)
		released = slices.Compact(released)
		if err := os.WriteFile(path, []byte(strings.Join(released, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range catalogue {
		if !slices.Contains(released, c.ID) {
			t.Errorf("%s is not in testdata/ids.txt: make docs", c.ID)
		}
	}
}

// catalogueDocument is docs/catalogue.md.
func catalogueDocument(t *testing.T) string {
	t.Helper()
	catalogue, want := suites.Catalogue(), expectations(t)
	rows, err := suites.Rows()
	if err != nil {
		t.Fatal(err)
	}
	controls, err := suites.Controls()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	p("# The checks\n\nWritten by `make docs` from the checks themselves. `linkassay explain CHECK` says the same of one. What a check rests on, and\n"+
		"how checks block each other, is in the design: one failure has one cause. Controls: a passed check *provides evidence for* them\n"+
		"(mapping version %d, `suites/controls.yaml`).\n\n", controls.Version)
	byArea := map[string][]suites.Check{}
	var areas []string
	for _, c := range catalogue {
		if byArea[c.Area] == nil {
			areas = append(areas, c.Area)
		}
		byArea[c.Area] = append(byArea[c.Area], c)
	}
	shows := map[string][]string{}  // rows by check
	faults := map[string][]string{} // faults by row
	roots := map[string][]string{}  // checks by row
	for _, c := range catalogue {
		for _, id := range c.Rows {
			shows[c.ID], roots[id] = append(shows[c.ID], id), append(roots[id], c.ID)
		}
	}
	for _, e := range want {
		for _, id := range e.Rows {
			shows[e.Root], faults[id], roots[id] = append(shows[e.Root], id), append(faults[id], e.Fault), append(roots[id], e.Root)
		}
	}
	p("%d checks in %d areas: ", len(catalogue), len(areas))
	for i, a := range areas {
		if i > 0 {
			p(", ")
		}
		p("[%s](#%s) (%d)", a, a, len(byArea[a]))
	}
	p(".\n")
	for _, a := range areas {
		p("\n## %s\n", a)
		for _, c := range byArea[a] {
			checkSection(p, c, distinct(shows[c.ID]), controls)
		}
	}
	p("\n## The known failure modes\n\nWhich check finds each by which fault of the lab ([fault-matrix.md](fault-matrix.md)), or why no run can.\n\n")
	shown := 0
	for _, r := range rows {
		if len(faults[r.ID]) > 0 {
			shown++
		}
	}
	p("%d of %d are shown by a fault.\n\n| row | symptom | check | fault, or why not |\n|---|---|---|---|\n", shown, len(rows))
	for _, r := range rows {
		how := strings.Join(distinct(faults[r.ID]), ", ")
		if how == "" {
			how = r.Why
		}
		if how == "" {
			how = "not yet"
		}
		p("| %s | %s | %s | %s |\n", r.ID, cell(r.Symptom), strings.Join(distinct(roots[r.ID]), ", "), cell(how))
	}
	return b.String()
}

func checkSection(p func(string, ...any), c suites.Check, rows []string, controls *suites.ControlMap) {
	var profiles []string
	for _, q := range suites.Profiles() {
		if c.In(q) {
			profiles = append(profiles, string(q))
		}
	}
	p("\n### %s\n\n%s. %s, %s side; profiles %s.\n\n", c.ID, strings.ToUpper(c.Title[:1])+c.Title[1:], c.Severity, c.Side, strings.Join(profiles, ", "))
	p("- asserts: %s\n- why: %s\n", text(c.Asserts), text(c.Why))
	f := c.ExampleFix()
	p("- fix: %s\n", text(f.Text))
	if f.Command != "" {
		p("  `%s`\n", f.Command)
	}
	if f.LinkFile != "" {
		p("  in the link file, %s\n", text(f.LinkFile))
	}
	p("- source: %s\n", text(c.Source))
	if len(c.After) > 0 {
		p("- blocked by: %s\n", strings.Join(c.After, ", "))
	}
	if len(c.Because) > 0 {
		p("- put down to: %s\n", strings.Join(c.Because, ", "))
	}
	if len(rows) > 0 {
		p("- rows: %s\n", strings.Join(rows, ", "))
	}
	var named []string
	framework := ""
	for _, control := range controls.Of(c) {
		if control.Framework != framework {
			framework = control.Framework
			named = append(named, control.Name+" "+control.ID)
			continue
		}
		named[len(named)-1] += ", " + control.ID
	}
	p("- provides evidence for: %s\n", strings.Join(named, "; "))
}

// text and cell keep words that stand for placeholders or patterns from becoming markup.
func text(s string) string {
	return strings.NewReplacer("<", "&lt;", ">", "&gt;", "*", `\*`, "_", `\_`).Replace(s)
}

func cell(s string) string { return strings.ReplaceAll(text(s), "|", `\|`) }

func distinct(values []string) []string {
	out := slices.Clone(values)
	slices.Sort(out)
	return slices.Compact(out)
}
