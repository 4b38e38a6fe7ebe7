package reports

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/linkassay/linkassay/suites"
)

// writeMarkdown writes the report for a pull request or a ticket.
func writeMarkdown(w io.Writer, r *Report) error {
	b := bufio.NewWriter(w)
	p := func(format string, args ...any) { fmt.Fprintf(b, format, args...) } // b keeps its first error
	p("# linkassay report\n\n%s, %s to %s UTC.\n", md(strings.TrimSpace(r.Tool+" "+r.Version)),
		r.Started.UTC().Format("2006-01-02 15:04:05"), r.Finished.UTC().Format("15:04:05"))
	for _, reason := range r.ExitReasons {
		p("\n- exit %d: %s", r.ExitCode, md(reason))
	}
	for _, n := range r.Notes {
		p("\n- note: %s", md(n))
	}
	if len(r.ExitReasons)+len(r.Notes) > 0 {
		p("\n")
	}
	for _, l := range r.Links {
		markdownLink(p, r, l)
	}
	markdownNotInScope(p, r)
	return b.Flush()
}

func markdownLink(p func(string, ...any), r *Report, l LinkReport) {
	link := l.Observation.Link
	s := l.summary(r.FailOn)
	p("\n## %s: %s\n\n", md(link.Name), md(outcome(s)))
	p("Region %s, provider %s, consumer %s", md(link.Region), md(link.Provider.Account), md(link.Consumer.Account))
	if link.PrivateDNSName != "" {
		p(", %s", code(link.PrivateDNSName))
	}
	p(". %s", counts(s))
	if n := len(l.Rounds); n > 1 {
		p(", in the last of %d rounds", n)
	}
	p(".\n")
	for _, v := range suites.Roots(l.Verdicts) {
		p("\n### Cause: %s\n\n%s, %s. Does not hold: %s.\n\n", md(v.Check), v.Severity, sideName(v.Side), md(v.Title))
		if a := acceptance(v); a != "" {
			p("**%s%s.**\n\n", strings.ToUpper(a[:1]), md(strings.TrimSuffix(a[1:], ".")))
		}
		if reasonTells(v) {
			p("%s.\n\n", md(strings.TrimSuffix(v.Reason, ".")))
		}
		for _, f := range v.Facts {
			p("- %s: %s\n", md(f.Name), md(f.Value))
		}
		if v.Fix == nil {
			continue
		}
		if v.Fix.Apply != "" {
			p("\nFix: `%s`, or by hand:\n", clean(v.Fix.Apply))
		}
		p("\nFix: %s.\n", md(strings.TrimSuffix(v.Fix.Text, ".")))
		if v.Fix.Command != "" {
			command := strings.Join(wrapCommand(clean(v.Fix.Command), 100), "\n")
			p("\n%[1]ssh\n%[2]s\n%[1]s\n", fence(command), command)
		}
		if v.Fix.LinkFile != "" {
			p("\nIn the link file, %s.\n", md(v.Fix.LinkFile))
		}
	}
	p("\n### Checks\n\n| status | check | what |\n|---|---|---|\n")
	flakes := l.flakes()
	for _, v := range l.Verdicts {
		p("| %s | %s | %s |\n", statusWord(v, r.FailOn), md(v.Check), md(said(v, flakes)))
	}
	markdownMatrix(p, matrixOf(l.Observation))
	if groups := byReason(suites.NotVerified(l.Verdicts)); len(groups) > 0 {
		p("\n### Not verified\n\n")
		for _, g := range groups {
			p("- %s: %s\n", md(g.reason), md(strings.Join(g.checks, ", ")))
		}
	}
}

func markdownMatrix(p func(string, ...any), m matrix) {
	if len(m.rows) == 0 {
		return
	}
	p("\n### From each vantage\n\n| from | to | zone | address |")
	for _, port := range m.ports {
		p(" port %d |", port)
	}
	p("\n|---|---|---|---|%s\n", strings.Repeat("---|", len(m.ports)))
	for _, row := range m.rows {
		p("| %s | %s | %s | %s |", md(row.from), md(row.name), md(row.zone), md(row.address))
		for _, c := range row.cells {
			p(" %s |", md(c))
		}
		p("\n")
	}
	for _, n := range m.names {
		p("\n%s: %s\n", n.kind, code(n.name))
	}
}

// md escapes a text for Markdown: as part of a line or of a table's cell it must not become markup,
// a link or HTML, nor end the cell.
func md(s string) string {
	s = clean(s)
	if !strings.ContainsAny(s, "\\`*_[]#|~!<>&@") {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch r {
		case '\\', '`', '*', '_', '[', ']', '#', '|', '~', '!':
			b.WriteByte('\\')
			b.WriteRune(r)
		case '<':
			b.WriteString("&lt;")
		case '>':
			b.WriteString("&gt;")
		case '&':
			b.WriteString("&amp;")
		case '@':
			b.WriteString("&#64;") // no mention of a person
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// code writes a text as a code span, with more backticks than it holds.
func code(s string) string {
	s = clean(s)
	ticks := strings.Repeat("`", longestRun(s)+1)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " "
	}
	return ticks + s + ticks
}

// fence is a code block's fence, longer than any run of backticks in it.
func fence(s string) string { return strings.Repeat("`", max(longestRun(s)+1, 3)) }

func longestRun(s string) int {
	longest, run := 0, 0
	for _, r := range s {
		if r == '`' {
			run++
		} else {
			run = 0
		}
		longest = max(longest, run)
	}
	return longest
}
