package reports

import (
	"bytes"
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/suites"
)

// evil is what a remote end may send: terminal escapes, line breaks, bidirectional overrides, markup,
// characters that XML forbids, and bytes that are no UTF-8.
const evil = "\x1b[31mred\x1b]0;title\x07 | `code` <script>]]>&\"'\r\n\u202egnp\u2066\x00\x0b\uFFFE\xff \u009b2J end"

func hostile() *Report {
	o := &probes.Observation{Started: time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)}
	o.Link.Name, o.Link.Region, o.Link.PrivateDNSName = "evil.link"+evil, evil, evil
	o.Panics = []string{evil}
	v := func(check string, s suites.Status, sev suites.Severity) suites.Verdict {
		return suites.Verdict{
			Link: o.Link.Name, Check: check, Title: evil, Area: "area.x", Severity: sev, Status: s, Reason: evil, BlockedBy: evil,
			Facts: []suites.Fact{{Name: evil, Value: evil}}, Side: suites.Network, Duration: -time.Second,
			Fix: &suites.Fix{Text: evil, Command: "aws " + evil, LinkFile: evil},
		}
	}
	return &Report{
		Tool: "linkassay", Version: evil, ExitCode: 1, ExitReasons: []string{evil}, Notes: []string{evil},
		Links: []LinkReport{{Observation: o, Verdicts: []suites.Verdict{
			v("a.failed", suites.Failed, suites.Critical), v("a.warning", suites.Failed, suites.Warning), v("a.blocked", suites.Blocked, suites.Critical),
			v("a.skipped", suites.Skipped, suites.Critical), v("a.untold", suites.Untold, suites.Critical), v("a.advice", suites.Untold, suites.Advice),
			v("a.passed", suites.Passed, suites.Critical),
			{Check: "a.bare", Status: suites.Skipped},
			{Check: "a.bare-failed", Status: suites.Failed, Severity: suites.Critical},
		}}},
	}
}

func junit(t *testing.T, r *Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := writeJUnit(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestJUnitIsValid(t *testing.T) {
	t.Parallel()
	empty := report(t)
	crashed := report(t)
	crashed.ExitCode, crashed.ExitReasons = 3, []string{"start the lab: no address left"}
	interrupted := report(t, "healthy")
	interrupted.ExitCode = 130
	all := map[string]*Report{
		"one link": report(t, "healthy"), "no link": empty, "crashed": crashed, "interrupted": interrupted, "hostile": hostile(),
	}
	two := report(t, "security-group-closed", "txt-missing")
	two.Links[1].Observation.Link.Name = "pay"
	all["two links"] = two
	for name, r := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := junit(t, r)
			xmllint(t, text)
			// Whatever was sent, every text is there, whole and harmless.
			d := xml.NewDecoder(strings.NewReader(text))
			for {
				if _, err := d.Token(); err != nil {
					if err.Error() != "EOF" {
						t.Error(err)
					}
					break
				}
			}
			if strings.ContainsAny(text, "\x1b\x07\u202e\u2066\x00\u009b\r") {
				t.Errorf("not sanitised:\n%s", text)
			}
		})
	}
}

func xmllint(t *testing.T, text string) {
	t.Helper()
	lint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Skip("xmllint is not installed (Debian: libxml2-utils): the schema is not checked")
	}
	path := filepath.Join(t.TempDir(), "junit.xml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), lint, "--noout", "--nonet", "--schema", filepath.Join("testdata", "junit.xsd"), path).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s\n%s", err, out, text)
	}
}

// The schema itself must refuse what the rules forbid, or the gate proves nothing.
func TestSchemaRefuses(t *testing.T) {
	t.Parallel()
	lint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Skip("xmllint is not installed (Debian: libxml2-utils)")
	}
	good := junit(t, report(t, "security-group-closed"))
	for name, change := range map[string][2]string{
		"nine digits":             {`time="0.700"`, `time="0.700000000"`},
		"a timestamp with a zone": {`timestamp="2026-09-01T08:30:00"`, `timestamp="2026-09-01T08:30:00Z"`},
		"a status attribute":      {`<testcase `, `<testcase status="passed" `},
		"a class without link":    {`classname="linkassay.orders.dns"`, `classname="linkassay"`},
		"twice the same case":     {`name="dns.names-assigned: AWS has given the endpoint its names"`, `name="dns.vpc-attributes: the VPC has DNS support and host names on"`},
		"a skip without a why":    {`<skipped message="`, `<skipped other="`},
	} {
		text := strings.Replace(good, change[0], change[1], 1)
		if text == good {
			t.Errorf("%s: nothing was changed", name)
		}
		path := filepath.Join(t.TempDir(), "junit.xml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := exec.CommandContext(t.Context(), lint, "--noout", "--schema", filepath.Join("testdata", "junit.xsd"), path).Run(); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

type junitFile struct {
	Tests    int `xml:"tests,attr"`
	Failures int `xml:"failures,attr"`
	Errors   int `xml:"errors,attr"`
	Skipped  int `xml:"skipped,attr"`
	Suites   []struct {
		Name  string `xml:"name,attr"`
		Cases []struct {
			Class   string `xml:"classname,attr"`
			Name    string `xml:"name,attr"`
			Failure *struct {
				Message string `xml:"message,attr"`
				Body    string `xml:",chardata"`
			} `xml:"failure"`
			Error   *struct{} `xml:"error"`
			Skipped *struct {
				Body string `xml:",chardata"`
			} `xml:"skipped"`
			Out string `xml:"system-out"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

func parse(t *testing.T, text string) junitFile {
	t.Helper()
	var f junitFile
	if err := xml.Unmarshal([]byte(text), &f); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestJUnitTellsWhatFailsTheRun(t *testing.T) {
	t.Parallel()
	r := report(t, "security-group-closed")
	f := parse(t, junit(t, r))
	s := r.Summary()
	if f.Tests != s.Total() || f.Failures != 1 || f.Errors != 0 || f.Skipped != s.Blocked+s.Skipped {
		t.Errorf("%d tests, %d failures, %d errors, %d skipped; summary %+v", f.Tests, f.Failures, f.Errors, f.Skipped, s)
	}
	for _, c := range f.Suites[0].Cases {
		switch {
		case c.Failure != nil:
			if !strings.HasPrefix(c.Name, "connection.endpoint-security-group: ") || c.Class != "linkassay.orders.connection" ||
				c.Failure.Message != "port 80: no rule admits it (and 1 more)" || !strings.Contains(c.Failure.Body, "aws ec2 authorize-security-group-ingress") {
				t.Errorf("%+v", c)
			}
		case strings.HasPrefix(c.Name, "reachability.tcp-interfaces"):
			if c.Skipped == nil || c.Skipped.Body != "blocked by connection.endpoint-security-group" {
				t.Errorf("%+v", c)
			}
		}
	}
}

func TestJUnitSeverities(t *testing.T) {
	t.Parallel()
	r := hostile()
	f := parse(t, junit(t, r))
	if f.Failures != 2 || f.Errors != 1 {
		t.Errorf("%d failures, %d errors", f.Failures, f.Errors)
	}
	for _, c := range f.Suites[0].Cases {
		if strings.HasPrefix(c.Name, "a.warning") && (c.Failure != nil || !strings.HasPrefix(c.Out, "warning failed, which does not fail the run:")) {
			t.Errorf("%+v", c)
		}
		if strings.HasPrefix(c.Name, "a.advice") && c.Skipped == nil {
			t.Errorf("%+v", c)
		}
	}
	r.FailOn = suites.Warning
	if f := parse(t, junit(t, r)); f.Failures != 3 {
		t.Errorf("with --fail-on warning %d failures", f.Failures)
	}
}

// A run that failed before any verdict must not leave a green report.
func TestJUnitTellsOfABrokenRun(t *testing.T) {
	t.Parallel()
	r := report(t, "healthy")
	r.ExitCode, r.ExitReasons = 4, []string{"left over: vpc-0aa"}
	f := parse(t, junit(t, r))
	if f.Errors != 1 || f.Suites[len(f.Suites)-1].Cases[0].Error == nil {
		t.Errorf("%+v", f)
	}
}

// A run that was cut short says so, whatever became of its checks.
func TestJUnitSaysInterrupted(t *testing.T) {
	t.Parallel()
	for _, interrupted := range []bool{true, false} {
		r := report(t, "healthy")
		o := *r.Links[0].Observation
		o.Interrupted = interrupted
		r.Links[0].Observation = &o
		var b bytes.Buffer
		if err := writeJUnit(&b, r); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(b.String(), `<property name="interrupted" value="true"`); got != interrupted {
			t.Errorf("interrupted %t, said %t", interrupted, got)
		}
	}
}
