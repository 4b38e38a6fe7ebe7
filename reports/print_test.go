package reports

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/olekukonko/tablewriter/pkg/twwidth"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/suites"
)

var updateGolden = flag.Bool("update-golden", false, "write the expected tables anew")

func printed(t *testing.T, r *Report, format string, opts PrintOptions) string {
	t.Helper()
	var b bytes.Buffer
	if err := Print(&b, r, format, opts); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTablesAreAsExpected(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"healthy", "security-group-closed", "one-zone-down", "txt-of-an-older-service", "consumer-only"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := report(t, name)
			for ext, format := range map[string]string{".txt": TableFormat, ".md": MarkdownFormat} {
				got := printed(t, r, format, PrintOptions{})
				path := filepath.Join("testdata", name+ext)
				if *updateGolden {
					if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if got != string(want) {
					t.Errorf("%s differs (-update-golden writes it anew):\n%s", path, got)
				}
			}
		})
	}
}

func TestTableFitsItsWidth(t *testing.T) {
	t.Parallel()
	for _, width := range []int{60, 80, 100, 140} {
		for _, name := range []string{"healthy", "security-group-closed", "txt-missing", "provider-only", "listener-missing"} {
			for _, line := range strings.Split(printed(t, report(t, name), TableFormat, PrintOptions{Width: width}), "\n") {
				// An argument of a command and the matrix's cells are never broken.
				if w := twwidth.Width(line); w > width && !strings.Contains(line, "--") && !strings.Contains(line, "  10.0.") && !strings.HasPrefix(line, "FROM") {
					t.Errorf("%s at %d: %d columns: %s", name, width, w, line)
				}
				if strings.TrimRight(line, " ") != line {
					t.Errorf("%s at %d: trailing spaces: %q", name, width, line)
				}
			}
		}
	}
}

func TestColourOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	r := report(t, "security-group-closed")
	if s := printed(t, r, TableFormat, PrintOptions{}); strings.Contains(s, "\x1b") {
		t.Error("colour was not asked for")
	}
	coloured := printed(t, r, TableFormat, PrintOptions{Color: true})
	if !strings.Contains(coloured, "\x1b[31;1mFAILED\x1b[0m") {
		t.Error("the status is not coloured")
	}
	plain := coloured
	for _, code := range []string{"32", "31;1", "2", "35;1", "33", "0"} {
		plain = strings.ReplaceAll(plain, "\x1b["+code+"m", "")
	}
	if plain != printed(t, r, TableFormat, PrintOptions{}) {
		t.Error("colour changes more than colour")
	}
}

func TestHostileTextIsHarmlessEverywhere(t *testing.T) {
	t.Parallel()
	r := hostile()
	o := r.Links[0].Observation
	o.Link.Ports = []provision.Port{{Port: 80, HTTP: &provision.HTTP{}}}
	o.Link.Vantages = []provision.Vantage{{Name: evil}}
	o.DNS.Private = &probes.Item[[]probes.Lookup]{Value: []probes.Lookup{{Vantage: evil, Type: "A", Outcome: probes.Outcome(evil)}}}
	for _, format := range []string{TableFormat, MarkdownFormat, JSONFormat} {
		got := printed(t, r, format, PrintOptions{})
		if strings.ContainsAny(got, "\x1b\x07\u202e\u2066\x00\u009b\r\x0b") || !utf8.ValidString(got) {
			t.Errorf("%s is not sanitised:\n%q", format, got)
		}
	}
	table := printed(t, r, TableFormat, PrintOptions{})
	if !strings.Contains(table, "CAUSE  a.failed") {
		t.Errorf("the cause is lost:\n%s", table)
	}
	markdown := printed(t, r, MarkdownFormat, PrintOptions{})
	for line := range strings.Lines(markdown) {
		cells := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|")
		if strings.HasPrefix(line, "|") && cells != 4 && cells != 6 {
			t.Errorf("a row of %d bars: %s", cells, line)
		}
		// Markup is harmless inside a code span, whose fence here has two backticks, and a code block.
		if outside := strings.Split(line, "``"); strings.Contains(outside[0], "<script>") && !strings.HasPrefix(line, "aws ") {
			t.Errorf("markup: %s", line)
		}
	}
}

func TestJSONKeepsValuesAndHidesHeaders(t *testing.T) {
	t.Parallel()
	r := hostile()
	o := r.Links[0].Observation
	o.Link.Ports = []provision.Port{{Port: 80, HTTP: &provision.HTTP{Headers: map[string]string{"Authorization": "Bearer sesame"}}}}
	o.Link.Provider.Role = &provision.Role{ARN: "arn:aws:iam::111111111111:role/r", ExternalID: "sesame"}
	text := printed(t, r, JSONFormat, PrintOptions{})
	if strings.Contains(text, "sesame") {
		t.Error("a secret of the link file is in run.json")
	}
	if o.Link.Ports[0].HTTP.Headers["Authorization"] != "Bearer sesame" {
		t.Error("the report's own observation was changed")
	}
	var back struct {
		Format  string
		Summary suites.Summary
		Report
	}
	if err := json.Unmarshal([]byte(text), &back); err != nil {
		t.Fatal(err)
	}
	want := strings.ToValidUTF8(evil, "\uFFFD")
	if back.Format != Format || back.Links[0].Verdicts[0].Reason != want || back.Summary != r.Summary() {
		t.Errorf("%q, %q, %+v", back.Format, back.Links[0].Verdicts[0].Reason, back.Summary)
	}
	// Keys have their own casing, as declared, and the format comes first.
	if !strings.HasPrefix(text, "{\n \"format\": \"linkassay.run/v1\",") {
		t.Errorf("%.80s", text)
	}
}

func TestRunJSONReplaysToTheSameVerdicts(t *testing.T) {
	t.Parallel()
	recordings, err := filepath.Glob(filepath.Join("..", "suites", "testdata", "*.verdicts.json"))
	if err != nil || len(recordings) < 10 {
		t.Fatal(len(recordings), err)
	}
	var names []string
	for _, path := range recordings {
		names = append(names, strings.TrimSuffix(filepath.Base(path), ".verdicts.json"))
	}
	r := report(t)
	for _, name := range names {
		o := recording(t, name)
		r.Links = append(r.Links, LinkReport{Observation: o, Verdicts: suites.Judge(o, suites.Catalogue(), nil)})
	}
	var back Report
	if err := json.Unmarshal([]byte(printed(t, r, JSONFormat, PrintOptions{})), &back); err != nil {
		t.Fatal(err)
	}
	for i, l := range back.Links {
		again := suites.Judge(l.Observation, suites.Catalogue(), nil)
		if !reflect.DeepEqual(again, r.Links[i].Verdicts) || !reflect.DeepEqual(l.Verdicts, r.Links[i].Verdicts) {
			t.Errorf("%s: judged again, or read back, the verdicts are others", names[i])
		}
	}
}

func TestHugeReports(t *testing.T) {
	t.Parallel()
	r := report(t, "security-group-closed")
	r.Links[0].Verdicts[0].Reason = strings.Repeat("wide世界", 100_000)
	r.Links[0].Verdicts[0].Status = suites.Failed
	for range 2000 {
		r.Links = append(r.Links, r.Links[0])
	}
	r.Links = r.Links[:200]
	for _, format := range []string{TableFormat, MarkdownFormat} {
		if n := len(printed(t, r, format, PrintOptions{})); n > 200*40_000 {
			t.Errorf("%s has %d bytes", format, n)
		}
	}
	if n := len(junit(t, r)); n > 200*40_000 {
		t.Errorf("JUnit has %d bytes", n)
	}
}

func TestUnknownFormat(t *testing.T) {
	t.Parallel()
	err := Print(io.Discard, report(t), "yaml", PrintOptions{})
	if err == nil || !strings.Contains(err.Error(), "expected one of table, markdown, json, asff, oscal") {
		t.Error(err)
	}
}

// full is a writer whose disk is full after some bytes, or whose reader has gone.
type full struct {
	left int
	err  error
}

func (f *full) Write(b []byte) (int, error) {
	if f.left -= len(b); f.left < 0 {
		return 0, f.err
	}
	return len(b), nil
}

func TestPrintReturnsWriteErrors(t *testing.T) {
	t.Parallel()
	for _, format := range []string{TableFormat, MarkdownFormat, JSONFormat} {
		if err := Print(&full{err: syscall.EPIPE}, report(t, "healthy"), format, PrintOptions{}); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("%s: %v", format, err)
		}
	}
	if err := writeJUnit(&full{left: 5000, err: syscall.ENOSPC}, report(t, "healthy")); !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
}

func TestWrap(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		in    string
		width int
		want  []string
	}{
		{"", 10, []string{""}},
		{"one two three", 8, []string{"one two", "three"}},
		{"vpce-06da68c605432752f", 10, []string{"vpce-06da6", "8c60543275", "2f"}},
		{"a vpce-06da68c605432752f", 10, []string{"a", "vpce-06da6", "8c60543275", "2f"}},
		{"世界世界世界", 8, []string{"世界世界", "世界"}},
	} {
		if got := wrap(x.in, x.width); strings.Join(got, "\n") != strings.Join(x.want, "\n") {
			t.Errorf("%q at %d: %q, want %q", x.in, x.width, got, x.want)
		}
	}
}

func TestWrapCommandKeepsItPasteable(t *testing.T) {
	t.Parallel()
	command := `aws route53 change --id Z --batch '{"a b":" --not-an-option","it'\''s":1}' --region r`
	lines := wrapCommand(command, 40)
	if len(lines) < 3 {
		t.Errorf("%q", lines)
	}
	joined := strings.ReplaceAll(strings.Join(lines, "\n"), " \\\n  ", " ")
	if joined != command {
		t.Errorf("%s\nwant %s", joined, command)
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{evil, "", "plain", strings.Repeat("\x1b[", 3000), "\xed\xa0\x80", "a\u200db"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := clean(s)
		if strings.ContainsFunc(got, invisible) || strings.ContainsAny(got, "\n\r\t\uFFFE\uFFFF") || !utf8.ValidString(got) || len(got) > 4*maxCell {
			t.Errorf("%q: %q", s, got)
		}
		for _, line := range wrap(got, 20) {
			if twwidth.Width(line) > 20 {
				t.Errorf("%q: a line of %d columns: %q", s, twwidth.Width(line), line)
			}
		}
	})
}
