package reports

import (
	"fmt"
	"strings"
	"testing"

	"github.com/linkassay/linkassay/suites"
)

// broken is a report of a link with these failed checks, each with the fix that it would have and many facts.
func broken(t *testing.T, failed ...suites.Check) *Report {
	t.Helper()
	r := report(t, "healthy")
	l := &r.Links[0]
	for _, c := range failed {
		fix := c.ExampleFix()
		v := suites.Verdict{
			Link: "orders", Check: c.ID, Title: c.Title, Area: c.Area, Severity: c.Severity, Status: suites.Failed, Side: c.Side, Fix: &fix,
			Reason: "what was seen is not what was expected, in so many words that they need a line or two of the terminal to be told",
		}
		for i := range 12 {
			v.Facts = append(v.Facts, suites.Fact{Name: fmt.Sprintf("fact %d", i), Value: "a value that was seen"})
		}
		l.Verdicts = append(l.Verdicts, v)
	}
	return r
}

// Two causes with what to do about them stand on the first screen, whichever they are; all of each is told below.
func TestTwoCausesFitOnAScreen(t *testing.T) {
	t.Parallel()
	catalogue := suites.Catalogue()
	for i, a := range catalogue {
		b := catalogue[(i+7)%len(catalogue)]
		for _, width := range []int{80, 100, 160} {
			text := printed(t, broken(t, a, b), TableFormat, PrintOptions{Width: width})
			lines := strings.Split(text, "\n")
			screen, below := strings.Join(lines[:screenLines], "\n"), strings.Join(lines[screenLines:], "\n")
			if strings.Count(screen, "\nCAUSE  ") < 2 || strings.Count(screen, "\n  FIX  ") < 2 {
				t.Errorf("%s and %s, width %d, the first screen:\n%s", a.ID, b.ID, width, screen)
			}
			for _, c := range []suites.Check{a, b} {
				if c.ExampleFix().Command != "" && !strings.Contains(text, strings.Fields(c.ExampleFix().Command)[2]) {
					t.Errorf("%s: the command is nowhere", c.ID)
				}
			}
			if !strings.Contains(below, "fact 7") || !strings.Contains(below, "more in run.json") {
				t.Errorf("%s and %s: the facts are not told below", a.ID, b.ID)
			}
		}
	}
}

// One cause that fits is told once.
func TestOneCauseIsToldOnce(t *testing.T) {
	t.Parallel()
	text := printed(t, report(t, "security-group-closed"), TableFormat, PrintOptions{})
	if strings.Contains(text, "IN FULL") || strings.Count(text, "CAUSE  ") != 1 {
		t.Error(text)
	}
}

// Of many causes two are told on the first screen, others are named, and all are told below.
func TestManyCauses(t *testing.T) {
	t.Parallel()
	var failed []suites.Check
	for _, c := range suites.Catalogue() {
		if c.Severity == suites.Critical && len(failed) < 9 {
			failed = append(failed, c)
		}
	}
	text := printed(t, broken(t, failed...), TableFormat, PrintOptions{})
	screen := strings.Join(strings.Split(text, "\n")[:screenLines], "\n")
	if strings.Count(screen, "\nCAUSE  ") != rootsInFull+rootsNamed || !strings.Contains(screen, "and 3 more, below") {
		t.Errorf("the first screen:\n%s", screen)
	}
	for _, c := range failed {
		if !strings.Contains(text, "IN FULL\nCAUSE  "+c.ID) {
			t.Errorf("%s is not told in full", c.ID)
		}
	}
}

func known(r *Report, check string, a suites.Accepted) {
	for i, v := range r.Links[0].Verdicts {
		if v.Check == check {
			r.Links[0].Verdicts[i].Accepted = &a
		}
	}
	r.ExitCode, r.ExitReasons = 0, nil
}

// An accepted finding is shown everywhere, with its reason and its day, and fails nothing.
func TestAcceptedFindingIsShown(t *testing.T) {
	t.Parallel()
	r := report(t, "security-group-closed")
	known(r, "connection.endpoint-security-group", suites.Accepted{Reason: "moves | next week", Expires: "2026-12-31"})
	text := printed(t, r, TableFormat, PrintOptions{})
	for _, want := range []string{
		"WORKS, but for what is accepted: 1 accepted", "KNOWN  connection.endpoint-security-group", "accepted until 2026-12-31: moves | next week",
		"aws ec2 authorize-security-group-ingress", "\naccepted  connection.endpoint-security-group",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the table lacks %q:\n%s", want, text)
		}
	}
	if text = printed(t, r, MarkdownFormat, PrintOptions{}); !strings.Contains(text, `**Accepted until 2026-12-31: moves \| next week.**`) {
		t.Error(text)
	}
	if text = printed(t, r, JSONFormat, PrintOptions{}); !strings.Contains(text, `"expires": "2026-12-31"`) || !strings.Contains(text, `"requiredFailed": 0`) {
		t.Error("run.json lacks the acceptance")
	}
	f := parse(t, junit(t, r))
	if f.Failures != 0 || f.Errors != 0 {
		t.Errorf("%d failures, %d errors", f.Failures, f.Errors)
	}
	for _, c := range f.Suites[0].Cases {
		if strings.HasPrefix(c.Name, "connection.endpoint-security-group: ") &&
			(c.Failure != nil || !strings.HasPrefix(c.Out, "accepted until 2026-12-31: moves | next week\n") || !strings.Contains(c.Out, "authorize-security-group-ingress")) {
			t.Errorf("%+v", c)
		}
	}
}

// When its day is over it fails again, and says that it was accepted.
func TestExpiredAcceptance(t *testing.T) {
	t.Parallel()
	r := report(t, "security-group-closed")
	known(r, "connection.endpoint-security-group", suites.Accepted{Reason: "moves next week", Expires: "2026-08-31", Expired: true})
	text := printed(t, r, TableFormat, PrintOptions{})
	if !strings.Contains(text, "BROKEN") || !strings.Contains(text, "CAUSE  connection.") || !strings.Contains(text, "was accepted until 2026-08-31: moves next week") {
		t.Error(text)
	}
	if f := parse(t, junit(t, r)); f.Failures != 1 {
		t.Errorf("%d failures", f.Failures)
	}
}

// A check that failed in one round and passed later is shown as flaky, and every round is in run.json.
func TestFlakes(t *testing.T) {
	t.Parallel()
	r := report(t, "healthy")
	bad := report(t, "security-group-closed").Links[0]
	l := &r.Links[0]
	l.Rounds = []suites.Round{
		{Number: 1, Roots: suites.Roots(bad.Verdicts), Observation: bad.Observation},
		{Number: 2, Good: true, Observation: recording(t, "healthy")},
		{Number: 3, Good: true, Observation: l.Observation},
	}
	text := junit(t, r)
	xmllint(t, text)
	f := parse(t, text)
	found := false
	for _, c := range f.Suites[0].Cases {
		if strings.HasPrefix(c.Name, "connection.endpoint-security-group: ") {
			found = c.Failure == nil && strings.HasPrefix(c.Out, "flaky: failed in round 1 of 3: port 80: no rule admits it")
		}
	}
	if !found || !strings.Contains(text, `<property name="rounds" value="3"/>`) ||
		!strings.Contains(text, `<property name="flaky" value="connection.endpoint-security-group failed in round 1 of 3: `) {
		t.Error(text)
	}
	if table := printed(t, r, TableFormat, PrintOptions{Width: 160}); !strings.Contains(table, "the last of 3 rounds") || !strings.Contains(table, "flaky: failed in round 1 of 3") {
		t.Error(table)
	}
	json := printed(t, r, JSONFormat, PrintOptions{})
	if strings.Count(json, `"round": `) != 3 || strings.Count(json, `"observation": {`) != 3 { // that of the last round stands once
		t.Errorf("%d rounds, %d observations", strings.Count(json, `"round": `), strings.Count(json, `"observation": {`))
	}
}
