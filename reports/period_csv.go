package reports

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"time"
)

// csvCell makes a text harmless in a spreadsheet: one that begins as a formula does gets an apostrophe before it, which
// spreadsheets take for "this is text".
func csvCell(s string) string {
	raw := strings.TrimLeft(s, " ")
	first := strings.TrimLeft(clean(s), " \uFFFD")
	for _, begin := range []string{raw, first} {
		if begin != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", []rune(begin)[0]) {
			return "'" + clean(s)
		}
	}
	return clean(s)
}

func writeCSV(w io.Writer, header []string, rows [][]string) error {
	c := csv.NewWriter(w)
	if err := c.Write(header); err != nil {
		return err
	}
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, s := range row {
			cells[i] = csvCell(s)
		}
		if err := c.Write(cells); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

// csvFiles are the report for spreadsheets: a table a file, times in RFC 3339, lengths in seconds, shares from 0 to 1, and
// empty where nothing is known.
func (p *PeriodReport) csvFiles() []File {
	table := func(name string, header []string, rows func() [][]string) File {
		return File{name, func(w io.Writer) error { return writeCSV(w, header, rows()) }}
	}
	return []File{
		table("availability.csv", []string{
			"link", "check", "severity", "availability", "up_s", "down_s", "could_not_tell_s", "not_observed_s",
			"runs_up", "runs_down", "runs_could_not_tell", "share_of_runs", "coverage", "incidents", "flaps",
		}, p.availabilityRows),
		table("incidents.csv", []string{
			"link", "last_good_before", "start", "last_failed", "end", "duration_s", "least_s", "most_s", "failed_runs", "gap", "check", "side", "cause", "facts", "fix",
		}, p.incidentRows),
		table("gaps.csv", []string{"link", "from", "to", "every_s", "runs_missed"}, func() (rows [][]string) {
			for _, g := range p.Gaps {
				rows = append(rows, []string{g.Link, rfc(g.From), rfc(g.To), inSeconds(time.Duration(g.Every)), strconv.Itoa(g.Missed)})
			}
			return rows
		}),
		table("changes.csv", []string{"at", "link", "what", "from", "to"}, func() (rows [][]string) {
			for _, c := range p.Changes {
				rows = append(rows, []string{rfc(c.At), c.Link, c.What, c.From, c.To})
			}
			return rows
		}),
		table("controls.csv", []string{"framework", "control", "title", "checks", "checks_assessed", "assessed", "runs_passed", "runs_failed", "runs_could_not_tell", "mapping_version"}, p.controlRows),
	}
}

// availabilityRows has a row for each link, whose check is empty, and one for each of its checks.
func (p *PeriodReport) availabilityRows() (rows [][]string) {
	row := func(link, check, severity string, t Tally, incidents, flaps string) []string {
		return []string{
			link, check, severity, fraction(t.Availability()), inSeconds(t.Time.Up), inSeconds(t.Time.Down), inSeconds(t.Time.Untold), inSeconds(t.Time.Unknown),
			strconv.Itoa(t.Runs.Up), strconv.Itoa(t.Runs.Down), strconv.Itoa(t.Runs.Untold), fraction(t.Share()), fraction(t.Coverage(), true), incidents, flaps,
		}
	}
	for _, l := range p.Links {
		rows = append(rows, row(l.Name, "", "", l.Tally, strconv.Itoa(l.Incidents), strconv.Itoa(l.Flaps)))
		for _, c := range l.Checks {
			rows = append(rows, row(l.Name, c.Check, string(c.Severity), c.Tally, "", ""))
		}
	}
	return rows
}

// incidentRows has a row for each root of each incident.
func (p *PeriodReport) incidentRows() (rows [][]string) {
	for _, i := range p.Incidents {
		least, most, known := i.Bounds()
		longest := ""
		if known {
			longest = inSeconds(most)
		}
		roots := i.Roots
		if len(roots) == 0 {
			roots = []RootRecord{{}}
		}
		for _, r := range roots {
			var facts []string
			for _, f := range r.Facts {
				facts = append(facts, f.Name+": "+f.Value)
			}
			rows = append(rows, []string{
				i.Link, rfc(i.Before), rfc(i.Start), rfc(i.LastDown), rfc(i.End), inSeconds(i.Duration(p.To)), inSeconds(least), longest, strconv.Itoa(i.Runs),
				strconv.FormatBool(i.Gap), r.Check, string(r.Side), r.Title, strings.Join(facts, "; "), r.Fix,
			})
		}
	}
	return rows
}

func (p *PeriodReport) controlRows() (rows [][]string) {
	for _, c := range p.Controls {
		assessed := "assessed"
		if c.Assessed == 0 {
			assessed = "not assessed"
		}
		rows = append(rows, []string{
			c.Name, c.ID, c.Title, strconv.Itoa(c.Checks), strconv.Itoa(c.Assessed), assessed,
			strconv.Itoa(c.Passed), strconv.Itoa(c.Failed), strconv.Itoa(c.Untold), strconv.Itoa(p.ControlsVersion),
		})
	}
	return rows
}

func inSeconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }

func fraction(v float64, known bool) string {
	if !known {
		return ""
	}
	return strconv.FormatFloat(v, 'f', 6, 64)
}

func rfc(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
