package reports

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/linkassay/linkassay/suites"
)

// anchors name the places of one link's section that others lead to.
type anchors struct {
	link   string
	checks map[string]string // by check id; the first where a recording has one twice
}

// newAnchors gives every link and check an anchor that is the same from run to run, so that a bookmark or a
// ticket still leads there; where a recording's names would not do, a number.
func newAnchors(r *Report) []anchors {
	link, check := regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`), regexp.MustCompile(`^[a-z]+\.[a-z0-9-]{1,80}$`)
	used := map[string]bool{}
	all := make([]anchors, len(r.Links))
	for i, l := range r.Links {
		name := l.Observation.Link.Name
		if !link.MatchString(name) || used[name] {
			name = fmt.Sprintf("_%d", i+1)
		}
		used[name] = true
		all[i] = anchors{"link-" + name, make(map[string]string, len(l.Verdicts))}
		for k, v := range l.Verdicts {
			if _, twice := all[i].checks[v.Check]; twice {
				continue
			}
			id := v.Check
			if !check.MatchString(id) {
				id = fmt.Sprintf("_%d", k+1)
			}
			all[i].checks[v.Check] = all[i].link + "." + id
		}
	}
	return all
}

// cause is the anchor of a check's entry among the causes.
func (a anchors) cause(check string) string {
	return strings.Replace(a.checks[check], a.link+".", a.link+".cause.", 1)
}

// indexOf lists the links, what is broken first, else in the report's order.
func indexOf(r *Report, at []anchors) []indexRow {
	rank := map[tone]int{bad: 0, unsure: 1, warn: 2, good: 3}
	rows := make([]indexRow, 0, len(r.Links))
	for i, l := range r.Links {
		s := l.summary(r.FailOn)
		row := indexRow{
			Anchor: at[i].link, Name: clean(l.Observation.Link.Name), Region: clean(l.Observation.Link.Region),
			Tone: outcomeTone(s), Outcome: outcome(s), Counts: counts(s), order: i,
		}
		if roots := suites.Roots(l.Verdicts); len(roots) > 0 {
			row.Cause = clean(roots[0].Check)
			if len(roots) > 1 {
				row.Cause += fmt.Sprintf(" and %d more", len(roots)-1)
			}
		}
		rows = append(rows, row)
	}
	slices.SortStableFunc(rows, func(a, b indexRow) int { return cmp.Compare(rank[a.Tone], rank[b.Tone]) })
	return rows
}

// fleetOutcome sums up several links in a few words.
func fleetOutcome(rows []indexRow) (string, tone) {
	n := map[tone]int{}
	for _, r := range rows {
		n[r.Tone]++
	}
	var parts []string
	worst := good
	for _, x := range []struct {
		tone tone
		word string
	}{{good, "working"}, {warn, "working with warnings"}, {unsure, "could not be told"}, {bad, "broken"}} {
		if n[x.tone] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[x.tone], x.word))
			worst = x.tone
		}
	}
	if len(parts) == 0 {
		return "nothing was verified", unsure
	}
	slices.Reverse(parts)
	return strings.Join(parts, ", "), worst
}
