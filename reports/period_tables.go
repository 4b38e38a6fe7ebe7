package reports

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// periodTable is one part of a period report, for whichever format. Its cells are as they came: each format cleans and
// escapes them.
type periodTable struct {
	id, title string
	empty     string // what is said where there are no rows
	note      string // what is said below them
	header    []string
	rows      [][]string
	folded    bool // long, and seldom of interest
}

func (p *PeriodReport) tables() []periodTable {
	return []periodTable{p.linksTable(), p.incidentsTable(), p.gapsTable(), p.changesTable(), p.checksTable(), p.controlsTable()}
}

func (p *PeriodReport) linksTable() periodTable {
	t := periodTable{
		id: "links", title: "Availability", empty: "No run of any link is in the ledger before the end of the period.",
		header: []string{"link", "available", "down", "could not tell", "not observed", "runs (up, down, untold)", "share of runs", "incidents", "flaps", "last"},
	}
	for _, l := range p.Links {
		t.rows = append(t.rows, []string{
			l.Name, percent(l.Availability()), length(l.Time.Down), length(l.Time.Untold), length(l.Time.Unknown), runs(l.Tally), percent(l.Share()),
			strconv.Itoa(l.Incidents), strconv.Itoa(l.Flaps), string(l.Last),
		})
	}
	return t
}

func (p *PeriodReport) incidentsTable() periodTable {
	t := periodTable{
		id: "incidents", title: "Incidents", empty: "None was seen.",
		header: []string{"link", "from", "to", "lasted", "at least, at most", "failed runs", "root cause"},
	}
	for _, i := range p.Incidents {
		to, lasted := stamp(i.End), length(i.Duration(p.To))
		if i.End.IsZero() {
			to, lasted = "(it lasts)", "over "+lasted
		}
		least, most, known := i.Bounds()
		bounds := length(least) + ", " + length(most)
		if !known {
			bounds = length(least) + ", not known"
		}
		var causes []string
		for _, r := range i.Roots {
			causes = append(causes, r.Check)
		}
		failed := strconv.Itoa(i.Runs)
		if i.Gap {
			failed += " (with a gap)"
		}
		t.rows = append(t.rows, []string{i.Link, stamp(i.Start), to, lasted, bounds, failed, strings.Join(causes, ", ")})
	}
	return t
}

func (p *PeriodReport) gapsTable() periodTable {
	t := periodTable{
		id: "gaps", title: "Gaps in the declared schedule", empty: "None.",
		header: []string{"link", "from", "to", "due every", "runs missed"},
	}
	for _, g := range p.Gaps {
		to := "(end of the period)"
		if !g.To.IsZero() {
			to = stamp(g.To)
		}
		t.rows = append(t.rows, []string{g.Link, stamp(g.From), to, length(time.Duration(g.Every)), strconv.Itoa(g.Missed)})
	}
	return t
}

func (p *PeriodReport) changesTable() periodTable {
	t := periodTable{
		id: "changes", title: "Changes of configuration, checks and tool", empty: "None was seen.",
		header: []string{"first seen", "link", "what", "from", "to"},
	}
	for _, c := range p.Changes {
		t.rows = append(t.rows, []string{stamp(c.At), orNone(c.Link), c.What, orNone(c.From), orNone(c.To)})
	}
	return t
}

// failedTable is the checksTable without what could only not be told, as most checks below a cause.
func (p *PeriodReport) failedTable() periodTable {
	t, all := p.checksTable(), 0
	t.title, t.empty = "Checks that failed in some run", "None failed."
	rows := t.rows
	t.rows = nil
	for _, row := range rows {
		if down := strings.Split(row[len(row)-1], ", ")[1]; down != "0" {
			t.rows = append(t.rows, row)
		} else {
			all++
		}
	}
	if all > 0 {
		t.note = fmt.Sprintf("%s more could not be told in some run: --out writes them", plural(all, "check", "checks"))
	}
	return t
}

// checksTable leaves out what was up in every run: availability.csv has all.
func (p *PeriodReport) checksTable() periodTable {
	t := periodTable{
		id: "checks", title: "Checks that were not up in every run", empty: "Every check that applied passed in every run.",
		header: []string{"link", "check", "severity", "available", "down", "could not tell", "not observed", "runs (up, down, untold)"},
	}
	for _, l := range p.Links {
		for _, c := range l.Checks {
			if c.Runs.Down+c.Runs.Untold > 0 {
				t.rows = append(t.rows, []string{
					l.Name, c.Check, string(c.Severity), percent(c.Availability()), length(c.Time.Down), length(c.Time.Untold), length(c.Time.Unknown), runs(c.Tally),
				})
			}
		}
	}
	return t
}

func (p *PeriodReport) controlsTable() periodTable {
	t := periodTable{
		id: "controls", title: fmt.Sprintf("Controls that this is evidence for (mapping version %d)", p.ControlsVersion), folded: true,
		header: []string{"framework", "control", "title", "checks assessed", "passed", "failed", "could not tell"},
	}
	for _, c := range p.Controls {
		assessed := fmt.Sprintf("%d of %d", c.Assessed, c.Checks)
		if c.Assessed == 0 {
			assessed = "not assessed"
		}
		t.rows = append(t.rows, []string{c.Name, c.ID, c.Title, assessed, strconv.Itoa(c.Passed), strconv.Itoa(c.Failed), strconv.Itoa(c.Untold)})
	}
	return t
}

// percent never rounds up: what was down for a second was not up all the time.
func percent(v float64, known bool) string {
	if !known {
		return "not known"
	}
	if v == 1 {
		return "100 %"
	}
	return strconv.FormatFloat(math.Floor(v*100_000)/1000, 'f', 3, 64) + " %"
}

func length(d time.Duration) string { return d.Round(time.Second).String() }

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

func runs(t Tally) string { return fmt.Sprintf("%d, %d, %d", t.Runs.Up, t.Runs.Down, t.Runs.Untold) }

func orNone(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

// summary is the report in a line.
func (p *PeriodReport) summary() string {
	return fmt.Sprintf("%s, %s, %s, %s in the schedule, %s",
		plural(len(p.Links), "link", "links"), plural(p.Runs, "run", "runs"), plural(len(p.Incidents), "incident", "incidents"),
		plural(len(p.Gaps), "gap", "gaps"), plural(len(p.Changes), "change", "changes"))
}

// sourceLines say where the runs are from and what is proved of that.
func (p *PeriodReport) sourceLines() []string {
	lines := []string{fmt.Sprintf("Ledger %s: %s, head %s", p.Source.Place, plural(int(p.Source.Entries), "entry", "entries"), p.Source.Head)}
	if len(p.Source.Problems) == 0 {
		return append(lines, "Proof: "+p.Source.Proof)
	}
	lines = append(lines, "THE LEDGER DOES NOT VERIFY: nothing below is proved, and runs may be missing")
	for _, s := range p.Source.Problems {
		lines = append(lines, "because "+s)
	}
	return lines
}
