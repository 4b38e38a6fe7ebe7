package live

import (
	"context"
	"fmt"
	"time"

	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/reports"
	"github.com/linkassay/linkassay/reports/evidence/ledger"
	"github.com/linkassay/linkassay/suites"
	"github.com/linkassay/linkassay/suites/canary"
)

// How rounds are thinned: those that say the same as the link's round before, and are not bad, are added this often.
const (
	ThinnedTo  = time.Hour
	appendTime = 10 * time.Second
)

// Ledger adds rounds to the evidence ledger: bad ones and those that come to something else than the one before always,
// others once an hour for each link. Interrupted ones observed nothing, and are left out.
type Ledger struct {
	to            *ledger.Ledger
	tool, version string
	failOn        suites.Severity
	profile       suites.Profile
	last          map[string]kept // by link
}

// kept is the last round of a link that was added.
type kept struct {
	outcome canary.Outcome
	at      time.Time
}

// NewLedger adds to l, which stays the caller's to close.
func NewLedger(l *ledger.Ledger, tool, version string, failOn suites.Severity, profile suites.Profile) *Ledger {
	return &Ledger{to: l, tool: tool, version: version, failOn: failOn, profile: profile, last: map[string]kept{}}
}

// Round adds a round, unless it is thinned out.
func (l *Ledger) Round(r canary.Round) error {
	if r.Outcome == canary.Interrupted || r.Observation == nil {
		return nil
	}
	before, seen := l.last[r.Link]
	if seen && r.Outcome == before.outcome && r.Outcome != canary.Bad && r.Finished.Sub(before.at) < ThinnedTo {
		return nil
	}
	report := reports.Report{
		Tool: l.tool, Version: l.version, Started: r.Started, Finished: r.Finished, FailOn: l.failOn, Profile: l.profile,
		Links: []reports.LinkReport{{Observation: r.Observation, Verdicts: r.Judged()}},
	}
	switch r.Outcome {
	case canary.Bad:
		report.ExitCode = 1
	case canary.Untold:
		report.ExitCode = 3
	}
	if r.Maintenance != "" {
		report.ExitReasons = append(report.ExitReasons, "maintenance: "+r.Maintenance)
	}
	if r.Reason != "" {
		report.ExitReasons = append(report.ExitReasons, r.Reason)
	}
	record := reports.NewRecord(&report)
	record.Kind = reports.KindRound
	record.Every = provision.Duration(max(ThinnedTo, time.Duration(r.Observation.Link.Canary.WithDefaults().Interval)))
	ctx, cancel := context.WithTimeout(context.Background(), appendTime)
	defer cancel()
	if _, err := l.to.Append(ctx, record); err != nil {
		return fmt.Errorf("round of %s: %w", r.Link, err)
	}
	l.last[r.Link] = kept{r.Outcome, r.Finished}
	return nil
}

// Change is not added: the rounds that it rests on are.
func (l *Ledger) Change(canary.Change) error { return nil }
