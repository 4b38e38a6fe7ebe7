package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBookKeepsMediansAndGoals(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	b := newBook(&out)
	b.begin(measurement{name: "demo", what: "x"})
	b.add("wall", "s", atMost(10), 30, 2.00049, 1)
	b.add("rate", "1/s", atLeast(10), 9)
	b.add("calls", "", exactly(3), 3)
	b.skip("no %s", "peer")
	path := filepath.Join(t.TempDir(), "results.json")
	if err := b.write(path); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(b.missed(), ","); got != "demo rate" {
		t.Errorf("missed: %s", got)
	}
	again := newBook(&out)
	if err := again.read(path); err != nil {
		t.Fatal(err)
	}
	if f := again.Figures[0]; f.Value != 2 || f.Min != 1 || f.Max != 30 || f.Runs != 3 || f.Goal != "<= 10" || !*f.Met {
		t.Errorf("%+v", f)
	}
	again.begin(measurement{name: "demo"}) // measured anew: what was known goes
	if len(again.Figures)+len(again.Skipped) != 0 {
		t.Errorf("%+v %+v", again.Figures, again.Skipped)
	}
	if !strings.Contains(out.String(), "goal >= 10: MISSED") {
		t.Error(out.String())
	}
}

func TestOnlyRefusesUnknownNames(t *testing.T) {
	t.Parallel()
	if err := run(context.Background(), settings{}, "lab,nonsense", ""); err == nil || !strings.Contains(err.Error(), `"nonsense": expected some of lab, demo`) {
		t.Error(err)
	}
}

// The tables and the plot in docs/ are those of bench/results.json.
func TestDocsHaveTheFigures(t *testing.T) {
	t.Parallel()
	b := newBook(io.Discard)
	if err := b.read("results.json"); err != nil || len(b.Figures) == 0 {
		t.Fatalf("%d figures: %v", len(b.Figures), err)
	}
	if missed := b.missed(); len(missed) > 0 {
		t.Errorf("results.json misses goals: %s", strings.Join(missed, ", "))
	}
	text, err := os.ReadFile("../docs/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	again, err := withFigures(text, b.results)
	if err != nil || !bytes.Equal(text, again) {
		t.Errorf("docs/performance.md is out of date: go run ./bench -docs docs -out bench/results.json (%v)", err)
	}
	plot, err := plotRounds(b.results)
	if err != nil {
		t.Fatal(err)
	}
	if drawn, err := os.ReadFile("../docs/" + plotFile); err != nil || !bytes.Equal(plot, drawn) {
		t.Errorf("docs/%s is out of date (%v)", plotFile, err)
	}
}
