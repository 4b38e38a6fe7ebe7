package reports

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/linkassay/linkassay/suites"
)

// controlRows are the rows of controls.csv by column; the heading is gone.
func controlRows(t testing.TB, r *Report) []map[string]string {
	t.Helper()
	var b bytes.Buffer
	if err := writeControls(&b, r); err != nil {
		t.Fatal(err)
	}
	text, ok := strings.CutPrefix(b.String(), byteOrderMark)
	if !ok || strings.Contains(text, byteOrderMark) || !utf8.ValidString(text) {
		t.Fatal("it is not UTF-8 with one byte order mark, at its beginning")
	}
	if n := strings.Count(text, "\r\n"); n != strings.Count(text, "\n") || n != strings.Count(text, "\r") || !strings.HasSuffix(text, "\r\n") {
		t.Error("a line does not end with CR LF")
	}
	all, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(all[0], controlsHeader()) {
		t.Errorf("heading %q", all[0])
	}
	var rows []map[string]string
	for _, cells := range all[1:] {
		row := map[string]string{}
		for i, c := range cells {
			row[all[0][i]] = c
		}
		rows = append(rows, row)
	}
	return rows
}

func TestEveryControlAndCheckStandsOncePerLink(t *testing.T) {
	t.Parallel()
	recorded := report(t, "healthy", "security-group-closed", "one-zone-down", "consumer-only")
	m, err := suites.Controls()
	if err != nil {
		t.Fatal(err)
	}
	want := map[[3]string]int{}
	for _, c := range suites.Catalogue() {
		for _, control := range m.Of(c) {
			want[[3]string{control.Framework, control.Cited, c.ID}]++
		}
	}
	for key, f := range m.Frameworks {
		for id := range f.Controls {
			if !slices.ContainsFunc(suites.Catalogue(), func(c suites.Check) bool {
				return slices.ContainsFunc(m.Of(c), func(x suites.Control) bool { return x.Framework == key && x.ID == id })
			}) {
				want[[3]string{key, f.Cite + id, ""}]++
			}
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		// Any links with any part of their verdicts, in any order.
		r := *recorded
		r.Links = rapid.SliceOfN(rapid.SampledFrom(recorded.Links), 0, 3).Draw(rt, "links")
		for i, l := range r.Links {
			o := *l.Observation
			o.Link.Name = strings.Repeat("x", i+1)
			verdicts := rapid.Permutation(l.Verdicts).Draw(rt, "verdicts")
			r.Links[i] = LinkReport{Observation: &o, Verdicts: verdicts[:rapid.IntRange(0, len(verdicts)).Draw(rt, "judged")]}
		}
		got := map[[4]string]int{}
		for _, row := range controlRows(t, &r) {
			got[[4]string{row["link"], row["framework"], row["control id"], row["check id"]}]++
		}
		if len(got) != len(r.Links)*len(want) {
			rt.Errorf("%d rows of %d links, want %d of each", len(got), len(r.Links), len(want))
		}
		for _, l := range r.Links {
			for k, n := range want {
				if got[[4]string{l.Observation.Link.Name, k[0], k[1], k[2]}] != n {
					rt.Errorf("%s %v: %d rows, want %d", l.Observation.Link.Name, k, got[[4]string{l.Observation.Link.Name, k[0], k[1], k[2]}], n)
				}
			}
		}
	})
}

func TestControlsSayWhatWasAssessed(t *testing.T) {
	t.Parallel()
	r := report(t, "security-group-closed")
	r.Profile, r.Selection = suites.Audit, "!dns.no-shadowing-zone"
	verdicts := r.Links[0].Verdicts
	change := func(id string, f func(*suites.Verdict)) {
		i := slices.IndexFunc(verdicts, func(v suites.Verdict) bool { return v.Check == id })
		if i < 0 {
			t.Fatalf("no verdict on %s", id)
		}
		f(&verdicts[i])
	}
	change("connection.accepted", func(v *suites.Verdict) {
		v.Status, v.Reason, v.Side = suites.Failed, "it is pending", suites.ProviderSide
		v.Accepted = &suites.Accepted{Reason: "until we move", Expires: "2026-12-31"}
	})
	change("connection.sides-agree", func(v *suites.Verdict) { v.Status, v.Reason = suites.Untold, "throttled" })
	change("connection.consumer-account", func(v *suites.Verdict) { v.Status, v.CouldNotAsk, v.Reason = suites.Failed, true, "no credentials" })
	r.Links[0].Verdicts = slices.DeleteFunc(verdicts, func(v suites.Verdict) bool { return v.Check == "dns.no-shadowing-zone" })

	for check, want := range map[string]map[string]string{
		"connection.endpoint-exists": {"status": "passed", "verdict": "passed", "reason": "", "what the check does for the control": "provides evidence for", "side": ""},
		"connection.endpoint-security-group": {
			"status": "failed", "verdict": "failed", "what the check does for the control": "provides evidence against", "side": "consumer", "severity": "critical",
			"reason": "port 80: no rule admits it (and 1 more)", "accepted until": "", "observed at (UTC)": r.Links[0].Observation.Started.UTC().Format("2006-01-02T15:04:05Z"),
		},
		"connection.accepted": {
			"status": "failed", "verdict": "failed", "accepted until": "2026-12-31", "reason": "accepted until 2026-12-31: until we move; it is pending",
			"what the check does for the control": "provides evidence against",
		},
		"connection.sides-agree":      {"status": "not assessed", "verdict": "could not tell", "reason": "throttled", "what the check does for the control": "provides no evidence for"},
		"connection.consumer-account": {"status": "not assessed", "verdict": "failed", "reason": "no credentials"},
		"reachability.tls-handshake":  {"status": "not assessed", "verdict": "blocked", "reason": "blocked by connection.endpoint-security-group"},
		"dns.no-shadowing-zone":       {"status": "not assessed", "verdict": "not selected", "reason": "not selected: the run asked for checks of the profile audit and that match !dns.no-shadowing-zone"},
		"":                            {"status": "not assessed", "verdict": "no check", "reason": "linkassay has no check for this control", "link": "orders", "mapping version": "1"},
		"connection.load-balancer-security-group": {"status": "not assessed", "verdict": "skipped", "reason": "no load balancer enforces security groups"},
		"connection.principal-allowed":            {"status": "passed"},
		"resilience.none-such-is-there":           nil,
	} {
		found := 0
		for _, row := range controlRows(t, r) {
			if row["check id"] != check {
				continue
			}
			found++
			if row["framework name"] == "" || row["control title"] == "" {
				t.Errorf("%s: a control without a name: %v", check, row)
			}
			for column, value := range want {
				if column == "link" {
					value = r.Links[0].Observation.Link.Name
				}
				if row[column] != value {
					t.Errorf("%s: %s is %q, want %q", check, column, row[column], value)
				}
			}
		}
		if (found == 0) != (want == nil) {
			t.Errorf("%s: %d rows", check, found)
		}
	}
}

// The table never says that a control is met.
func TestControlsClaimNothing(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := writeControls(&b, report(t, "healthy", "consumer-only")); err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"satisf", "complian", "conform"} {
		if strings.Contains(strings.ToLower(b.String()), word) {
			t.Errorf("it says %q", word)
		}
	}
}

func TestControlIDsAreNoDates(t *testing.T) {
	t.Parallel()
	for _, row := range controlRows(t, report(t, "healthy")) {
		if strings.Trim(row["control id"], "0123456789./-") == "" {
			t.Errorf("%s %s: a spreadsheet takes it for a number or a date", row["framework"], row["control id"])
		}
	}
}

// hostileCells are texts that would do something in a spreadsheet.
func hostileCells() map[string]string {
	return map[string]string{
		`=HYPERLINK("http://evil","x")`:   `'=HYPERLINK("http://evil","x")`,
		"+1+1":                            "'+1+1",
		"-2+3":                            "'-2+3",
		"@SUM(A1)":                        "'@SUM(A1)",
		"\t=1":                            " '=1",
		"\r=1":                            " '=1",
		"  =1":                            "  '=1",
		"\u00a0=1":                        "\u00a0'=1",
		`"=1`:                             `"'=1`,
		`'=1`:                             `''=1`,
		`“=1`:                             `“'=1`,
		"\uff1d1":                         "'\uff1d1",
		"x;=1":                            "x;'=1",
		`x","=1`:                          `x","'=1`,
		"x\n=1":                           "x =1",
		"\u200b=1":                        "\ufffd'=1",
		"\x00=1":                          "\ufffd'=1",
		"\x1b[31m=1":                      "'=1",
		"a-b=c":                           "a-b=c",
		"port 80: no rule admits it":      "port 80: no rule admits it",
		"\xff\xfe=1":                      "\ufffd'=1",
		"\ufeff=1":                        "\ufffd'=1",
		"plain, and \"quoted\"; and more": "plain, and \"quoted\"; and more",
	}
}

func TestNoCellIsAFormula(t *testing.T) {
	t.Parallel()
	for in, want := range hostileCells() {
		if got := inert(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		in := rapid.StringOf(rapid.RuneFrom([]rune("=+-@\t\r\n\"'`;, a\u200b\uff1d\x00\x1b“"))).Draw(rt, "text")
		cell := inert(in)
		for _, part := range strings.FieldsFunc(cell, func(r rune) bool { return r == ';' || r == ',' }) {
			bare := strings.TrimLeft(part, " \"`“\ufffd")
			if bare != "" && strings.ContainsAny(bare[:1], "=+-@") || strings.HasPrefix(bare, "\uff1d") {
				rt.Errorf("%q became %q, where %q begins a formula", in, cell, part)
			}
		}
		if strings.ContainsAny(cell, "\t\r\n\x00\x1b\u200b") {
			rt.Errorf("%q became %q", in, cell)
		}
		again, err := csv.NewReader(strings.NewReader(record("a", in, "b") + "\r\n")).Read()
		if err != nil || !slices.Equal(again, []string{"a", cell, "b"}) {
			rt.Errorf("%q is read as %q: %v", in, again, err)
		}
	})
}

// Other readers than Go's read the same, whatever remote ends put into it.
func TestPythonReadsTheControls(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not on PATH")
	}
	r := report(t, "security-group-closed", "consumer-only")
	i := 0
	for text := range hostileCells() {
		v := &r.Links[0].Verdicts[i%len(r.Links[0].Verdicts)]
		v.Status, v.Reason, v.Title = suites.Failed, text, text
		v.Accepted = &suites.Accepted{Reason: text, Expires: text}
		i++
	}
	r.Links[1].Observation.Link.Name = "=cmd|' /C calc'!A1"
	path := filepath.Join(t.TempDir(), ControlsFile)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(writeControls(f, r), f.Close()); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-c", `
import csv, json, sys
with open(sys.argv[1], encoding="utf-8-sig", newline="") as f:
    json.dump(list(csv.DictReader(f, strict=True)), sys.stdout)`, path)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var got []map[string]string
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	want := controlRows(t, r)
	if len(got) != len(want) {
		t.Fatalf("%d rows, want %d", len(got), len(want))
	}
	for i := range want {
		for column, value := range want[i] {
			if got[i][column] != value {
				t.Fatalf("row %d, %s: %q, want %q", i, column, got[i][column], value)
			}
			if value != "" && strings.ContainsAny(value[:1], "=+-@\t\r") {
				t.Errorf("row %d, %s: %q is a formula", i, column, value)
			}
		}
	}
}

// Cells that need nothing done to them are told apart without looking twice, and come out the same.
func FuzzBareCell(f *testing.F) {
	for _, s := range []string{"", "dns.resolves", " a", "a ", "'-1", "-1", "a-1", "a=1", "a;=1", "a,b", `a"b`, "a\x1b[31m", "aé", strings.Repeat("a", maxCell+1)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !bare(s) {
			return
		}
		if got := inert(s); got != s || strings.ContainsAny(s, `",;`) || strings.TrimSpace(s) != s {
			t.Errorf("%q would be %q", s, got)
		}
	})
}
