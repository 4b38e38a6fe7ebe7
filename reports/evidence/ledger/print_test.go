package ledger

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/reports"
)

// A ledger may come from anybody: what stands in it must not reach the terminal as it is.
func TestPrintedLedgersAreHarmless(t *testing.T) {
	t.Parallel()
	const bad = "\x1b]0;title\x07\x1b[31mred\u202e\r\n"
	l := inMemory(t)
	l.genesis.Tool = bad
	for _, minute := range []int{0, 60} {
		r := record(minute, reports.State(bad))
		r.Every = provision.Duration(time.Minute)
		r.Links[0].Name = bad
		r.Links[0].Roots = []reports.RootRecord{{Check: bad, Required: true}}
		if _, err := l.Append(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	result := verified(t, l)
	if len(result.Gaps) != 1 {
		t.Fatalf("gaps %+v", result.Gaps)
	}
	result.Problems = append(result.Problems, Problem{Kind: Foreign, Text: bad})
	var out bytes.Buffer
	if err := result.Print(&out, bad, reports.TableFormat); err != nil {
		t.Fatal(err)
	}
	for e, err := range l.Entries(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		for _, format := range []string{reports.TableFormat, reports.JSONFormat} {
			if err := PrintEntry(&out, e, format); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := result.Print(&out, bad, reports.JSONFormat); err != nil {
		t.Fatal(err)
	}
	if s := out.String(); strings.ContainsAny(s, "\x1b\x07\u202e\r") {
		t.Errorf("%q", s)
	}
	if !strings.Contains(out.String(), "REFUSED") || !strings.Contains(out.String(), "gap") {
		t.Errorf("%s", out.String())
	}
}
