package reports

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/linkassay/linkassay/suites"
)

// writeJUnit writes the report as the JUnit XML that Jenkins, GitLab, Azure DevOps and GitHub actions
// all read; reports/testdata/junit.xsd states its rules. A failure is what makes the exit code 1: a
// failed check that is not required passes and tells in system-out. "Could not tell" is an error.
func writeJUnit(w io.Writer, r *Report) error {
	x := &xmlWriter{w: bufio.NewWriterSize(w, 64<<10)}
	x.raw(xml.Header)
	cases := make([][]testcase, len(r.Links))
	var all tally
	for i, l := range r.Links {
		cases[i] = casesOf(r, l)
		all.add(count(cases[i]))
	}
	// A run that ended badly before any verdict could say so must not look green, and one that was
	// interrupted says so beside its failures.
	broken := r.ExitCode == 130 || r.ExitCode != 0 && all.failures+all.errors == 0
	if broken {
		all.tests, all.errors = all.tests+1, all.errors+1
	}
	x.open("testsuites", "name", "linkassay", "tests", all.tests, "failures", all.failures, "errors", all.errors,
		"skipped", all.skipped, "time", seconds(r.Finished.Sub(r.Started)))
	for i, l := range r.Links {
		suite(x, r, l, cases[i])
	}
	if broken {
		runFailure(x, r)
	}
	x.close("testsuites")
	return x.flush()
}

type tally struct{ tests, failures, errors, skipped int }

func (t *tally) add(u tally) {
	t.tests, t.failures, t.errors, t.skipped = t.tests+u.tests, t.failures+u.failures, t.errors+u.errors, t.skipped+u.skipped
}

// testcase is a verdict with what JUnit makes of it.
type testcase struct {
	suites.Verdict
	element string // failure, error, skipped, or none when it passed
	message string
	out     string // system-out of one that passed
}

func casesOf(r *Report, l LinkReport) []testcase {
	out := make([]testcase, 0, len(l.Verdicts))
	flakes := l.flakes()
	for _, v := range l.Verdicts {
		c := testcase{Verdict: v, message: v.Reason}
		required := suites.Required(v, r.FailOn)
		switch {
		case v.Status == suites.Failed && required && v.CouldNotAsk:
			c.element = "error"
		case v.Status == suites.Failed && required:
			c.element = "failure"
		case v.Status == suites.Untold && required:
			c.element = "error"
		case v.Status == suites.Untold:
			c.element, c.message = "skipped", "could not tell: "+v.Reason
		case v.Status == suites.Blocked:
			c.element, c.message = "skipped", "blocked by "+v.BlockedBy
		case v.Status == suites.Skipped:
			c.element = "skipped"
		case v.Stands():
			c.out = clean(acceptance(v)) + "\n" + details(v)
		case v.Status == suites.Failed:
			c.out = string(v.Severity) + " failed, which does not fail the run:\n" + details(v)
		case flakes[v.Check] != "":
			c.out = "flaky: " + clean(flakes[v.Check])
		}
		if c.message == "" {
			c.message = string(v.Status)
		}
		out = append(out, c)
	}
	return out
}

func count(cases []testcase) tally {
	t := tally{tests: len(cases)}
	for _, c := range cases {
		switch c.element {
		case "failure":
			t.failures++
		case "error":
			t.errors++
		case "skipped":
			t.skipped++
		}
	}
	return t
}

func suite(x *xmlWriter, r *Report, l LinkReport, cases []testcase) {
	t := count(cases)
	o := l.Observation
	x.open("testsuite", "name", o.Link.Name, "tests", t.tests, "failures", t.failures, "errors", t.errors, "skipped", t.skipped,
		"time", seconds(o.Finished.Sub(o.Started)), "timestamp", o.Started.UTC().Format("2006-01-02T15:04:05"))
	x.open("properties")
	for _, p := range [][2]string{
		{"tool", strings.TrimSpace(r.Tool + " " + r.Version)},
		{"region", o.Link.Region},
		{"provider", o.Link.Provider.Account},
		{"consumer", o.Link.Consumer.Account},
		{"privateDNSName", o.Link.PrivateDNSName},
		{"profile", string(r.Profile)},
		{"rounds", map[bool]string{true: strconv.Itoa(len(l.Rounds))}[len(l.Rounds) > 0]},
		{"interrupted", map[bool]string{true: "true"}[o.Interrupted]},
	} {
		if p[1] != "" {
			x.empty("property", "name", p[0], "value", p[1])
		}
	}
	flakes := l.flakes()
	for _, check := range slices.Sorted(maps.Keys(flakes)) {
		x.empty("property", "name", "flaky", "value", check+" "+flakes[check])
	}
	x.close("properties")
	for _, c := range cases {
		x.open("testcase", "classname", "linkassay."+className(o.Link.Name)+"."+className(c.Area), "name", c.Check+": "+c.Title, "time", seconds(c.Duration))
		switch c.element {
		case "failure", "error":
			x.element(c.element, details(c.Verdict), "message", c.message, "type", string(c.Severity))
		case "skipped":
			// GitLab reads the body, others the attribute.
			x.element("skipped", clean(c.message), "message", c.message)
		default:
			if c.out != "" {
				x.element("system-out", c.out)
			}
		}
		x.close("testcase")
	}
	x.close("testsuite")
}

// className is a name as one part of a dotted class name.
func className(s string) string {
	if s == "" {
		return "_"
	}
	return strings.ReplaceAll(s, ".", "_")
}

// runFailure is the suite of a run that failed as a whole.
func runFailure(x *xmlWriter, r *Report) {
	why := r.ExitReasons
	if len(why) == 0 {
		why = []string{fmt.Sprintf("exit code %d", r.ExitCode)}
	}
	x.open("testsuite", "name", "linkassay", "tests", 1, "failures", 0, "errors", 1, "skipped", 0,
		"time", seconds(r.Finished.Sub(r.Started)), "timestamp", r.Started.UTC().Format("2006-01-02T15:04:05"))
	x.open("testcase", "classname", "linkassay.run.run", "name", "run: the run came to an end", "time", seconds(r.Finished.Sub(r.Started)))
	lines := make([]string, len(why))
	for i, s := range why {
		lines[i] = clean(s)
	}
	x.element("error", strings.Join(lines, "\n"), "message", why[0], "type", fmt.Sprintf("exit %d", r.ExitCode))
	x.close("testcase")
	x.close("testsuite")
}

// details are the facts and the fix of a verdict, a line each.
func details(v suites.Verdict) string {
	var b strings.Builder
	b.WriteString(clean(v.Reason))
	for _, f := range v.Facts {
		fmt.Fprintf(&b, "\n%s: %s", clean(f.Name), clean(f.Value))
	}
	if v.Fix != nil {
		if v.Fix.Apply != "" {
			fmt.Fprintf(&b, "\nfix: %s", clean(v.Fix.Apply))
		}
		fmt.Fprintf(&b, "\nfix (%s): %s", sideName(v.Side), clean(v.Fix.Text))
		if v.Fix.Command != "" {
			b.WriteString("\n" + clean(v.Fix.Command))
		}
		if v.Fix.LinkFile != "" {
			b.WriteString("\nin the link file: " + clean(v.Fix.LinkFile))
		}
	}
	return b.String()
}

// sideName says whose a finding is.
func sideName(s suites.Side) string {
	switch s {
	case suites.Network:
		return "network, neither account's alone"
	case "":
		return "side not known"
	}
	return string(s) + " side"
}

// seconds writes a duration as JUnit readers want it.
func seconds(d time.Duration) string { return strconv.FormatFloat(max(d, 0).Seconds(), 'f', 3, 64) }

// xmlWriter streams elements, two spaces deep each, and keeps the first error.
type xmlWriter struct {
	w     *bufio.Writer
	depth int
	err   error
}

func (x *xmlWriter) raw(s string) {
	if x.err == nil {
		_, x.err = x.w.WriteString(s)
	}
}

func (x *xmlWriter) escaped(s string) {
	if printable(s) && !strings.ContainsAny(s, `"'&<>`) {
		x.raw(s)
	} else if x.err == nil {
		x.err = xml.EscapeText(x.w, []byte(s))
	}
}

func (x *xmlWriter) indent() { x.raw(strings.Repeat("  ", x.depth)) }

// start writes a tag without its end. Attributes come in pairs of name and value.
func (x *xmlWriter) start(name string, attributes []any) {
	x.indent()
	x.raw("<" + name)
	for i := 0; i+1 < len(attributes); i += 2 {
		value, ok := attributes[i+1].(string)
		if !ok {
			value = fmt.Sprint(attributes[i+1])
		}
		x.raw(" ")
		x.raw(attributes[i].(string))
		x.raw(`="`)
		x.escaped(clean(value))
		x.raw(`"`)
	}
}

func (x *xmlWriter) open(name string, attributes ...any) {
	x.start(name, attributes)
	x.raw(">\n")
	x.depth++
}

func (x *xmlWriter) close(name string) {
	x.depth--
	x.indent()
	x.raw("</" + name + ">\n")
}

func (x *xmlWriter) empty(name string, attributes ...any) {
	x.start(name, attributes)
	x.raw("/>\n")
}

// element writes one with a text, whose lines were cleaned already.
func (x *xmlWriter) element(name, text string, attributes ...any) {
	x.start(name, attributes)
	x.raw(">")
	x.escaped(text)
	x.raw("</" + name + ">\n")
}

func (x *xmlWriter) flush() error {
	if x.err == nil {
		x.err = x.w.Flush()
	}
	return x.err
}
