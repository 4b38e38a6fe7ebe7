package live

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/suites"
	"github.com/linkassay/linkassay/suites/canary"
)

// One load balancer that is broken for 300 consumers: metrics, pages and alerts all name the 300.
func TestOneIncidentNamesAllItsLinksEverywhere(t *testing.T) {
	t.Parallel()
	const size = 300
	var all []string
	for n := range size {
		all = append(all, fmt.Sprintf("consumer-%03d", n))
	}
	out := filepath.Join(t.TempDir(), "alerts")
	script := filepath.Join(t.TempDir(), "take")
	if err := os.WriteFile(script, []byte("#!/bin/sh\ncat >> '"+out+"'\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	m, s, board, at := NewMetrics(), status(), canary.NewBoard(), noon
	m.Watch(watched(all...))
	s.Watch(watched(all...))
	sinks := []canary.Sink{m, s, NewCommand(t.Context(), script)}
	cause := canary.Cause{Check: "connection.healthy-target", Side: suites.ProviderSide, Kind: canary.LoadBalancer, ID: "arn:lb"}
	root := canary.Root{
		Key: cause.Key(), Required: true, Cause: cause, Title: "each port has a healthy target", Severity: suites.Critical, Reason: "no target is healthy",
		Facts: []suites.Fact{{Name: "tcp/443", Value: "0 of 3 healthy"}}, Fix: &suites.Fix{Text: "look at the targets", Command: "aws elbv2 describe-target-health"},
	}
	settings := provision.Canary{}.WithDefaults()
	apply := func(outcome canary.Outcome, from, to int) {
		for n := from; n < to; n++ {
			at = at.Add(100 * time.Millisecond)
			r := canary.Round{Link: all[n], Started: at, Finished: at, Outcome: outcome}
			r.Judged = func() []suites.Verdict { return []suites.Verdict{{Check: cause.Check, Status: suites.Passed}} }
			if outcome == canary.Bad {
				r.Roots = []canary.Root{root}
			}
			for _, c := range append(board.Apply(r, settings), board.Due(at)...) {
				for _, sink := range sinks {
					tell(t, sink, c)
				}
			}
		}
	}
	for range 6 { // rounds of 30 s
		apply(canary.Bad, 0, size)
	}
	_, page := fetch(t, s, "/")
	_, own := fetch(t, s, "/links/consumer-299")
	wantLines(t, scrape(t, m), `linkassay_incidents 1`, `linkassay_incident_links{check="connection.healthy-target",side="provider"} 300`)
	wantIn(t, page, "300 links")
	wantIn(t, own, "connection.healthy-target", "look at the targets")

	for range settings.Clear {
		apply(canary.Good, 0, size/3)
	}
	apply(canary.Bad, size/3, size) // and time goes on
	wantLines(t, scrape(t, m), `linkassay_incident_links{check="connection.healthy-target",side="provider"} 200`)
	_, page = fetch(t, s, "/")
	wantIn(t, page, "200 links")
	for range settings.Clear {
		apply(canary.Good, size/3, size)
	}
	wantLines(t, scrape(t, m), `linkassay_incidents 0`)

	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for line := range strings.Lines(string(b)) {
		var a Alert
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatal(err)
		}
		told = append(told, fmt.Sprint(a.Kind, " ", len(a.Links)))
		if a.Cause.Side != suites.ProviderSide || a.Reason != root.Reason || !slices.Equal(a.Facts, root.Facts) || a.Fix == nil || *a.Fix != *root.Fix || a.Title != root.Title {
			t.Errorf("%s", line)
		}
	}
	if !slices.Equal(told, []string{"opened 1", "spread 300", "cleared 300"}) {
		t.Errorf("told %q", told)
	}
}
