package reports

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/pkg/twwidth"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"

	"github.com/linkassay/linkassay/suites"
)

// page writes the report for a terminal: the roots first, each with its facts and its fix, then every
// check, then what each name and interface led to, then what was not verified.
type page struct {
	out    bytes.Buffer
	width  int
	colour bool
}

func writeTable(w io.Writer, r *Report, opts PrintOptions) error {
	p := &page{width: opts.width(), colour: opts.Color}
	for i, l := range r.Links {
		if i > 0 {
			p.line("")
		}
		if err := p.link(r, l); err != nil {
			return fmt.Errorf("render the table of link %s: %w", clean(l.Observation.Link.Name), err)
		}
	}
	p.notInScope(r)
	p.footer(r)
	_, err := w.Write(p.out.Bytes())
	return err
}

func (p *page) line(s string) { p.out.WriteString(strings.TrimRight(s, " ") + "\n") }

// text writes a text with a first and a following indent.
func (p *page) text(first, rest, s string) {
	for i, line := range wrap(clean(s), p.width-max(twwidth.Width(first), twwidth.Width(rest))) {
		if i == 0 {
			p.line(first + line)
		} else {
			p.line(rest + line)
		}
	}
}

func (p *page) link(r *Report, l LinkReport) error {
	began := p.out.Len()
	link := l.Observation.Link
	s := l.summary(r.FailOn)
	title := fmt.Sprintf("%s  %s  provider %s, consumer %s", link.Name, link.Region, link.Provider.Account, link.Consumer.Account)
	p.text("", "  ", title)
	if link.PrivateDNSName != "" {
		p.text("", "  ", link.PrivateDNSName)
	}
	rounds := ""
	if n := len(l.Rounds); n > 1 {
		rounds = fmt.Sprintf(", the last of %d rounds", n)
	}
	p.text("", "  ", fmt.Sprintf("%s: %s, in %s%s", outcome(s), counts(s), l.Observation.Finished.Sub(l.Observation.Started).Round(1e6), rounds))
	p.line("")
	p.roots(l.Verdicts, strings.Count(p.out.String()[began:], "\n"))
	p.untold(l.Verdicts)
	if err := p.checks(r, l); err != nil {
		return err
	}
	if reaches(l.Verdicts) {
		if err := p.matrix(matrixOf(l.Observation)); err != nil {
			return err
		}
	}
	p.notVerified(l.Verdicts)
	for _, s := range l.Observation.Panics {
		p.text("", "  ", "a probe panicked: "+s)
	}
	return nil
}

// reaches says whether a check of connections was selected: else what was dialled is beside the question.
func reaches(verdicts []suites.Verdict) bool {
	return slices.ContainsFunc(verdicts, func(v suites.Verdict) bool {
		return v.Area == "reachability" || v.Area == "network" || v.Area == "proxy"
	})
}

// outcome is the link's state in a word or two.
func outcome(s suites.Summary) string {
	switch {
	case s.RequiredFailed > 0:
		return "BROKEN"
	case s.RequiredUntold > 0:
		return "COULD NOT TELL"
	case s.Failed > s.Accepted:
		return "WORKS, with warnings"
	case s.Accepted > 0:
		return "WORKS, but for what is accepted"
	case s.Passed == 0:
		return "NOTHING VERIFIED"
	}
	return "WORKS"
}

// counts says how many checks there are of each status, leaving out what there is none of.
func counts(s suites.Summary) string {
	var parts []string
	add := func(n int, word string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, word))
		}
	}
	add(s.Failed-s.Accepted, "failed")
	add(s.Accepted, "accepted")
	add(s.Blocked, "blocked")
	add(s.Untold, "could not tell")
	add(s.Passed, "passed")
	add(s.Skipped, "skipped")
	if len(parts) == 0 {
		return "no check"
	}
	return strings.Join(parts, ", ")
}

// reasonTells says whether the reason says more than the facts, of which it may be the first.
func reasonTells(v suites.Verdict) bool {
	return v.Reason != "" && !slices.ContainsFunc(v.Facts, func(f suites.Fact) bool { return strings.HasPrefix(v.Reason, f.Name+": "+f.Value) })
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// checks writes every verdict, a line each as far as it fits.
func (p *page) checks(r *Report, l LinkReport) error {
	verdicts, flakes := l.Verdicts, l.flakes()
	statusWidth, idWidth := len("STATUS"), 0
	for _, v := range verdicts {
		statusWidth = max(statusWidth, len(statusWord(v, r.FailOn)))
		idWidth = max(idWidth, twwidth.Width(clean(v.Check)))
	}
	idWidth = min(idWidth, p.width/2)
	rest := max(p.width-statusWidth-idWidth-4, 16)
	rows := make([][]string, 0, len(verdicts))
	for _, v := range verdicts {
		rows = append(rows, []string{
			p.painted(statusWord(v, r.FailOn), v, r.FailOn),
			strings.Join(wrap(clean(v.Check), idWidth), "\n"),
			strings.Join(shorten(wrap(clean(said(v, flakes)), rest), 2, rest), "\n"),
		})
	}
	return p.table([]string{"STATUS", "CHECK", "WHAT"}, rows)
}

// said is what a row of the checks says: what holds, or why it does not or was not judged.
func said(v suites.Verdict, flakes map[string]string) string {
	switch {
	case flakes[v.Check] != "":
		return "flaky: " + flakes[v.Check]
	case v.Status == suites.Passed:
		return v.Title
	case v.Status == suites.Blocked:
		return "by " + v.BlockedBy
	case v.Stands():
		return acceptance(v) + "; " + v.Reason
	}
	return v.Reason
}

// acceptance says what the link file says of a failure, if it says anything.
func acceptance(v suites.Verdict) string {
	switch {
	case v.Accepted == nil:
		return ""
	case v.Accepted.Expired:
		return "was accepted until " + v.Accepted.Expires + ": " + v.Accepted.Reason
	}
	return "accepted until " + v.Accepted.Expires + ": " + v.Accepted.Reason
}

// shorten keeps the first lines and says that there were more.
func shorten(lines []string, most, width int) []string {
	if len(lines) <= most {
		return lines
	}
	lines = lines[:most]
	last := lines[most-1]
	if twwidth.Width(last)+2 > width {
		last = twwidth.Truncate(last, width-2)
	}
	lines[most-1] = strings.TrimRight(last, " ") + " …"
	return lines
}

// statusWord is the verdict's status; a failure that does not fail the run is told as its severity.
func statusWord(v suites.Verdict, failOn suites.Severity) string {
	switch {
	case v.Status == suites.Failed && suites.Required(v, failOn):
		return "FAILED"
	case v.Stands():
		return "accepted"
	case v.Status == suites.Failed:
		return string(v.Severity)
	case v.Status == suites.Untold:
		return "UNTOLD"
	}
	return string(v.Status)
}

// painted colours a status cell. No other cell is coloured: colours leak over wrapped lines.
func (p *page) painted(word string, v suites.Verdict, failOn suites.Severity) string {
	if !p.colour {
		return word
	}
	colour := map[suites.Status]string{suites.Passed: "32", suites.Failed: "31;1", suites.Blocked: "2", suites.Skipped: "2", suites.Untold: "35;1"}[v.Status]
	if v.Status == suites.Failed && !suites.Required(v, failOn) {
		colour = "33"
	}
	return "\x1b[" + colour + "m" + word + "\x1b[0m"
}

// portsPerTable is how many ports stand side by side; more get a table of their own.
const portsPerTable = 2

func (p *page) matrix(m matrix) error {
	if len(m.rows) == 0 {
		return nil
	}
	p.line("")
	for from := 0; from < len(m.ports); from += portsPerTable {
		to := min(from+portsPerTable, len(m.ports))
		header := []string{"FROM", "TO", "ZONE", "ADDRESS"}
		for _, port := range m.ports[from:to] {
			header = append(header, fmt.Sprintf("PORT %d", port))
		}
		rows := make([][]string, 0, len(m.rows))
		for _, r := range m.rows {
			rows = append(rows, append([]string{strings.Join(wrap(r.from, 24), "\n"), r.name, r.zone, strings.Join(wrap(r.address, 24), "\n")}, r.cells[from:to]...))
		}
		if err := p.table(header, rows); err != nil {
			return err
		}
	}
	for _, n := range m.names {
		if label := n.kind + ": "; twwidth.Width(label+n.name) <= p.width {
			p.line(label + n.name)
		} else { // a name is easier to copy from a line of its own
			p.line(n.kind + ":")
			p.text("  ", "  ", n.name)
		}
	}
	return nil
}

// notVerified lists what the link file left no way to verify, by its reason.
// untold says in full why something could not be told: the table has no room for it.
func (p *page) untold(verdicts []suites.Verdict) {
	const shown = 3 // checks named for one reason
	var all []suites.Verdict
	for _, v := range verdicts {
		if v.Status == suites.Untold {
			all = append(all, v)
		}
	}
	for _, group := range byReason(all) {
		checks := group.checks
		more := ""
		if len(checks) > shown {
			more = fmt.Sprintf(" and %d more", len(checks)-shown)
			checks = checks[:shown]
		}
		p.text("UNTOLD ", "       ", strings.Join(checks, ", ")+more)
		p.text("       ", "       ", group.reason)
		p.line("")
	}
}

func (p *page) notVerified(verdicts []suites.Verdict) {
	for _, group := range byReason(suites.NotVerified(verdicts)) {
		p.line("")
		p.text("", "  ", fmt.Sprintf("NOT VERIFIED (%s): %s", group.reason, strings.Join(group.checks, ", ")))
	}
}

type reasonGroup struct {
	reason string
	checks []string
}

func byReason(verdicts []suites.Verdict) []reasonGroup {
	var groups []reasonGroup
	for _, v := range verdicts {
		i := 0
		for i < len(groups) && groups[i].reason != v.Reason {
			i++
		}
		if i == len(groups) {
			groups = append(groups, reasonGroup{reason: v.Reason})
		}
		groups[i].checks = append(groups[i].checks, v.Check)
	}
	return groups
}

// footer sums up several links, and says why the exit code is what it is.
func (p *page) footer(r *Report) {
	if len(r.Links) > 1 {
		p.line("")
		p.text("", "  ", fmt.Sprintf("%d links: %s", len(r.Links), counts(r.Summary())))
	}
	if len(r.Notes)+len(r.ExitReasons) > 0 {
		p.line("")
	}
	for _, n := range r.Notes {
		p.text("", "  ", "note: "+n)
	}
	for _, reason := range r.ExitReasons {
		p.text("", "  ", fmt.Sprintf("exit %d: %s", r.ExitCode, reason))
	}
}

// table renders rows with tablewriter: no borders, a line under the header, two spaces between
// columns. Cells are wrapped and clean already, so it must neither wrap nor format.
func (p *page) table(header []string, rows [][]string) error {
	var out bytes.Buffer
	config := tablewriter.NewConfigBuilder().
		WithHeaderAutoFormat(tw.Off).WithHeaderAutoWrap(tw.WrapNone).WithHeaderAlignment(tw.AlignLeft).
		WithRowAutoWrap(tw.WrapNone).WithRowAlignment(tw.AlignLeft).
		WithHeaderGlobalPadding(tw.Padding{Right: "  ", Overwrite: true}).
		WithRowGlobalPadding(tw.Padding{Right: "  ", Overwrite: true}).
		WithTrimSpace(tw.Off).
		Build()
	t := tablewriter.NewTable(&out, tablewriter.WithConfig(config), tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{
		Borders: tw.BorderNone,
		Settings: tw.Settings{
			Separators: tw.Separators{BetweenColumns: tw.Off, BetweenRows: tw.Off, ShowHeader: tw.Off, ShowFooter: tw.Off},
			Lines:      tw.LinesNone,
		},
	})))
	t.Header(header)
	for _, row := range rows {
		if len(row) != len(header) {
			return fmt.Errorf("a row has %d cells, not %d", len(row), len(header))
		}
		if err := t.Append(row); err != nil {
			return err
		}
	}
	if err := t.Render(); err != nil {
		return err
	}
	for line := range strings.Lines(out.String()) {
		p.line(strings.TrimRight(line, "\n"))
	}
	return nil
}
