package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/linkassay/linkassay/suites"
)

// areaView is the checks of one area. What passed and what does not apply is folded away.
type areaView struct {
	Name            string
	Open            []checkView // what somebody has to look at
	Passed, Skipped []checkView
}

// checkView is one check. Few fields are set where it passed: a fleet has a hundred thousand of those.
type checkView struct {
	Anchor, Check, Title string
	Tone                 tone
	Word                 string
	Severity             string
	Reason               string
	Blocker, BlockedBy   string // where to, and its id
	Facts                string
	Evidence             string
}

// factsOfCheck is how many facts of a check stand beside it; run.json has all.
const factsOfCheck = 12

func areasOf(r *Report, l LinkReport, at anchors, e *evidence) []areaView {
	var areas []areaView
	place := map[string]int{}
	flakes := l.flakes()
	seen := map[string]bool{}
	for _, v := range l.Verdicts {
		i, ok := place[v.Area]
		if !ok {
			i = len(areas)
			place[v.Area] = i
			areas = append(areas, areaView{Name: clean(v.Area)})
		}
		c := checkView{
			Check: clean(v.Check), Title: clean(v.Title), Tone: statusTone(v, r.FailOn), Word: clean(statusWord(v, r.FailOn)),
			Facts: factLine(v.Facts), Evidence: e.of[v.Check],
		}
		// An anchor is there once, and for what passed only where something leads there.
		if !seen[v.Check] && (v.Status != suites.Passed || e.of != nil) {
			c.Anchor, seen[v.Check] = at.checks[v.Check], true
		}
		if v.Status != suites.Passed {
			c.Severity = clean(string(v.Severity))
		}
		switch flaky := flakes[v.Check]; {
		case flaky != "":
			c.Tone, c.Word, c.Reason = warn, "flaky", clean(flaky)
			areas[i].Open = append(areas[i].Open, c)
		case v.Status == suites.Passed:
			areas[i].Passed = append(areas[i].Passed, c)
		case v.Status == suites.Skipped:
			c.Reason = clean(v.Reason)
			areas[i].Skipped = append(areas[i].Skipped, c)
		case v.Status == suites.Failed:
			c.Blocker, c.Reason = at.cause(v.Check), clean(v.Reason)
			areas[i].Open = append(areas[i].Open, c)
		default:
			if v.BlockedBy != "" {
				c.BlockedBy, c.Blocker = clean(v.BlockedBy), at.checks[v.BlockedBy]
				if k := slices.IndexFunc(l.Verdicts, func(b suites.Verdict) bool { return b.Check == v.BlockedBy }); k >= 0 && l.Verdicts[k].Status == suites.Failed {
					c.Blocker = at.cause(v.BlockedBy)
				}
			} else {
				c.Reason = clean(v.Reason)
			}
			areas[i].Open = append(areas[i].Open, c)
		}
	}
	return areas
}

// wordsView is the checks of one status in words, a line for each area.
type wordsView struct {
	Count int
	Areas []pair
}

// inWords tells what passed and what was skipped without an element for each check.
func inWords(areas []areaView) (passed, skipped wordsView) {
	add := func(w *wordsView, area string, checks []checkView) {
		var b strings.Builder
		for i, c := range checks {
			if i > 0 {
				b.WriteString(" · ")
			}
			_, name, _ := strings.Cut(c.Check, ".")
			b.WriteString(name)
			if more := cmp.Or(c.Reason, c.Facts); more != "" {
				b.WriteString(" (" + more + ")")
			}
		}
		if len(checks) > 0 {
			w.Count += len(checks)
			w.Areas = append(w.Areas, pair{area, b.String()})
		}
	}
	for _, a := range areas {
		add(&passed, a.Name, a.Passed)
		add(&skipped, a.Name, a.Skipped)
	}
	return passed, skipped
}

// factLine tells facts in one line: in a list of a hundred checks a table for each would hide them all.
func factLine(facts []suites.Fact) string {
	if len(facts) == 0 {
		return ""
	}
	var b strings.Builder
	for i, f := range facts {
		if i == factsOfCheck {
			fmt.Fprintf(&b, "; %d more in run.json", len(facts)-i)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(clean(f.Name))
		b.WriteString(": ")
		b.WriteString(clean(f.Value))
	}
	return b.String()
}

// evidence says which controls each check provides evidence for.
type evidence struct {
	version  int
	of       map[string]string // by check id: "NIST 800-53 AC-4, SC-7; …"
	mapped   []mappedCheck     // the same in the catalogue's order
	controls []suites.Control
	checks   map[string][]string // by framework and id of a control: the checks, in the catalogue's order
}

func newEvidence() (*evidence, error) {
	m, err := suites.Controls()
	if err != nil {
		return nil, err
	}
	e := &evidence{version: m.Version, of: map[string]string{}, checks: map[string][]string{}}
	for _, c := range suites.Catalogue() {
		var b strings.Builder
		framework := ""
		for _, control := range m.Of(c) {
			switch {
			case control.Framework == framework:
				b.WriteString(", ")
			case framework != "":
				b.WriteString("; " + shortName(control) + " ")
			default:
				b.WriteString(shortName(control) + " ")
			}
			framework = control.Framework
			b.WriteString(control.ID)
			key := control.Framework + " " + control.ID
			if e.checks[key] == nil {
				e.controls = append(e.controls, control)
			}
			e.checks[key] = append(e.checks[key], c.ID)
		}
		e.of[c.ID] = b.String()
		e.mapped = append(e.mapped, mappedCheck{c.ID, c.Title, b.String()})
	}
	return e, nil
}

// mappedCheck is a check with what it says and its controls.
type mappedCheck struct{ Check, Title, Controls string }

// shortName is a framework's name where it stands beside each check; the version stands in the controls' section.
func shortName(c suites.Control) string {
	switch c.Framework {
	case "nist":
		return "NIST 800-53"
	case "pci":
		return "PCI DSS"
	case "soc2":
		return "SOC 2"
	case "iso":
		return "ISO 27001"
	case "fsbp":
		return "AWS FSBP"
	}
	return c.Name
}

// frameworkView is a framework with those of its controls that a check is evidence for.
type frameworkView struct {
	Name     string
	Controls []controlView
}

type controlView struct {
	ID, Title                        string
	Checks                           []checkLink
	Passed, Failed, Untold, Assessed int
	Tone                             tone
	Word                             string
}

type checkLink struct{ Check, Anchor string }

// frameworks counts over all links what the checks behind each control came to.
func (e *evidence) frameworks(r *Report, at []anchors) []frameworkView {
	byCheck := map[string]suites.Summary{}
	for _, l := range r.Links {
		for _, v := range l.Verdicts {
			byCheck[v.Check] = byCheck[v.Check].Add(suites.Summarize([]suites.Verdict{v}, r.FailOn))
		}
	}
	order := map[string]int{}
	var out []frameworkView
	for _, control := range e.controls {
		i, ok := order[control.Framework]
		if !ok {
			i = len(out)
			order[control.Framework] = i
			out = append(out, frameworkView{Name: control.Name})
		}
		view := controlView{ID: control.ID, Title: control.Title}
		var s suites.Summary
		for _, id := range e.checks[control.Framework+" "+control.ID] {
			x, ran := byCheck[id]
			if !ran {
				continue
			}
			s = s.Add(x)
			to := checkLink{Check: id}
			if len(at) == 1 {
				to.Anchor = at[0].checks[id]
			}
			view.Checks = append(view.Checks, to)
		}
		view.Passed, view.Failed, view.Untold = s.Passed, s.Failed, s.Blocked+s.Untold+s.Skipped
		switch {
		case s.Failed > 0:
			view.Tone, view.Word = bad, "evidence against"
		case s.Passed > 0:
			view.Tone, view.Word = good, "evidence for"
		default:
			view.Tone, view.Word = dull, "not assessed"
		}
		out[i].Controls = append(out[i].Controls, view)
	}
	for _, f := range out {
		slices.SortStableFunc(f.Controls, func(a, b controlView) int { return naturally(a.ID, b.ID) })
	}
	return out
}

// naturally orders ids as a reader would: SC-7(4) before SC-20.
func naturally(a, b string) int {
	for a != "" && b != "" {
		na, ra := leading(a)
		nb, rb := leading(b)
		if na >= 0 && nb >= 0 {
			if na != nb {
				return na - nb
			}
			a, b = ra, rb
			continue
		}
		if a[0] != b[0] {
			return int(a[0]) - int(b[0])
		}
		a, b = a[1:], b[1:]
	}
	return len(a) - len(b)
}

// leading takes a number off the front, -1 where there is none.
func leading(s string) (int, string) {
	n, i := 0, 0
	for i < len(s) && i < 9 && s[i] >= '0' && s[i] <= '9' {
		n, i = n*10+int(s[i]-'0'), i+1
	}
	if i == 0 {
		return -1, s
	}
	return n, s[i:]
}
