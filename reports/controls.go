package reports

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/linkassay/linkassay/suites"
)

// ControlsFile is the name of the controls' table.
const ControlsFile = "controls.csv"

// What a row says of a control: a check is evidence, and never the whole of a control.
const (
	evidenceFor     = "provides evidence for"
	evidenceAgainst = "provides evidence against"
	noEvidence      = "provides no evidence for"
	notAssessed     = "not assessed"
)

// byteOrderMark begins the file: without it Excel, which most auditors open it with, takes UTF-8 for the code page of
// its country. Go, Python (utf-8-sig) and LibreOffice are told by docs/controls.md or find out.
const byteOrderMark = "\uFEFF"

// controlsHeader names the columns of controls.csv.
func controlsHeader() []string {
	return []string{
		"framework", "framework name", "control id", "control title", "what the check does for the control",
		"link", "check id", "check title", "severity", "status", "verdict", "reason", "side",
		"observed at (UTC)", "accepted until", "mapping version",
	}
}

// writeControls writes a row for every link, every control of the mapping and every check that is mapped to it, also
// for those that were not assessed: RFC 4180, in UTF-8, by framework, control, link and check.
func writeControls(w io.Writer, r *Report) error {
	m, err := suites.Controls()
	if err != nil {
		return err
	}
	b := bufio.NewWriterSize(w, 64<<10)
	end := "," + record(fmt.Sprint(m.Version)) + "\r\n"
	b.WriteString(byteOrderMark + record(controlsHeader()...) + "\r\n")
	links := make([]controlCells, len(r.Links))
	catalogue := suites.Catalogue()
	place := make(map[string]int, len(catalogue))
	for k, c := range catalogue {
		place[c.ID] = k
	}
	for i, l := range r.Links {
		links[i] = controlCellsOf(r, l, catalogue)
	}
	var checks []int
	for _, control := range m.Coverage(catalogue) {
		head := record(control.Framework, control.Name, control.Cited, control.Title) + ","
		row := func(cells []byte) { // an error stays with b until it is flushed
			b.WriteString(head)
			b.Write(cells)
			b.WriteString(end)
		}
		checks = checks[:0]
		for _, c := range control.Checks {
			checks = append(checks, place[c.ID])
		}
		for _, l := range links {
			for _, k := range checks {
				row(l.of[k])
			}
			if len(checks) == 0 {
				row(l.none)
			}
		}
	}
	return b.Flush()
}

// controlCells are the cells of one link between the control's and the mapping's. They are the same for each control that
// a check is mapped to.
type controlCells struct {
	of   [][]byte // by the check's place in the catalogue
	none []byte   // where there is no check
}

func controlCellsOf(r *Report, l LinkReport, catalogue []suites.Check) controlCells {
	name, observed := "", ""
	if l.Observation != nil {
		name = l.Observation.Link.Name
		observed = l.Observation.Started.UTC().Format(time.RFC3339)
	}
	verdicts := make(map[string]int, len(l.Verdicts))
	for i, v := range l.Verdicts {
		verdicts[v.Check] = i
	}
	cells := controlCells{of: make([][]byte, len(catalogue))}
	cells.none = appendRecord(nil, noEvidence, name, "", "", "", notAssessed, "no check", "linkassay has no check for this control", "", observed, "")
	unasked := notSelected(r)
	ends := make([]int, len(catalogue))
	all := make([]byte, 0, 256*len(catalogue))
	for k, c := range catalogue {
		v := suites.Verdict{Title: c.Title, Severity: c.Severity, Status: "not selected", Reason: unasked}
		if i, judged := verdicts[c.ID]; judged {
			v = l.Verdicts[i]
		}
		a := assess(v)
		all = appendRecord(all, a.does, name, c.ID, v.Title, string(v.Severity), a.status, string(v.Status), a.reason, string(v.Side), observed, a.until)
		ends[k] = len(all)
	}
	for k, begin := 0, 0; k < len(ends); k++ {
		cells.of[k], begin = all[begin:ends[k]], ends[k]
	}
	return cells
}

// notSelected says why a check was not asked.
func notSelected(r *Report) string {
	var asked []string
	if r.Profile != "" && r.Profile != suites.Acceptance {
		asked = append(asked, "of the profile "+string(r.Profile))
	}
	if r.Selection != "" {
		asked = append(asked, "that match "+r.Selection)
	}
	if len(asked) == 0 {
		return "not selected: the run asked for other checks"
	}
	return "not selected: the run asked for checks " + strings.Join(asked, " and ")
}

// assessment is what a verdict comes to for an auditor: only what passed or failed was assessed.
type assessment struct{ status, does, reason, until string }

func assess(v suites.Verdict) assessment {
	a := assessment{reason: v.Reason}
	switch {
	case v.Status == suites.Passed:
		a.status, a.does = string(v.Status), evidenceFor
	case v.Status == suites.Failed && !v.CouldNotAsk:
		a.status, a.does = string(v.Status), evidenceAgainst
	default:
		a.status, a.does = notAssessed, noEvidence
	}
	if v.Accepted != nil {
		a.until = v.Accepted.Expires
		a.reason = acceptance(v) + "; " + v.Reason
	}
	return a
}

// record encodes the cells of a row, or a part of one, as RFC 4180 has it.
func record(cells ...string) string { return string(appendRecord(nil, cells...)) }

func appendRecord(b []byte, cells ...string) []byte {
	for i, c := range cells {
		if i > 0 {
			b = append(b, ',')
		}
		if bare(c) {
			b = append(b, c...)
			continue
		}
		c = inert(c)
		if strings.ContainsAny(c, `",;`) || strings.TrimSpace(c) != c {
			c = `"` + strings.ReplaceAll(c, `"`, `""`) + `"`
		}
		b = append(b, c...)
	}
	return b
}

// bare says whether a cell may stand as it is, as most may: printable ASCII that begins with a letter or a digit, so that no sign in it
// begins a formula, and that needs no quotes.
func bare(s string) bool {
	if s == "" {
		return true
	}
	c := s[0]
	begins := c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
	return begins && len(s) <= maxCell && s[len(s)-1] != ' ' && printable(s) && !strings.ContainsAny(s, `",;`)
}

// formulaSigns begin a formula, in full width where East Asian settings are.
const formulaSigns = "=+-@\uFF1D\uFF0B\uFF0D\uFF20"

// inert makes one line of a text that no spreadsheet takes for a formula: an apostrophe stands before a sign that would
// begin one. It may hide behind spaces and quotes, be a full-width one, or come after a separator, since spreadsheets
// of many countries split at semicolons and then take quotes inside a cell as they are.
func inert(s string) string {
	s = clean(s)
	if !strings.ContainsAny(s, formulaSigns) {
		return s
	}
	var b strings.Builder
	begins := true
	for _, r := range s {
		switch {
		case strings.ContainsRune(formulaSigns, r):
			if begins {
				b.WriteByte('\'')
			}
			begins = false
		case r == ';', r == ',':
			begins = true
		case unicode.IsSpace(r), unicode.Is(unicode.Quotation_Mark, r), r == '`', r == unicode.ReplacementChar:
		default:
			begins = false
		}
		b.WriteRune(r)
	}
	return b.String()
}
