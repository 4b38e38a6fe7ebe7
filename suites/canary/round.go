// Package canary keeps watching a fleet of links: rounds on a schedule, judged by the checks that verify uses, and
// incidents, which begin after X failures of Y rounds and end after N good ones, one for each root cause. It runs
// nothing of Ginkgo, calls nobody itself, and hands what it finds to a Sink.
package canary

import (
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/suites"
)

// Outcome is what one round says of a link.
type Outcome string

// The outcomes. Untold and interrupted ones are neither failures nor successes.
const (
	Good        Outcome = "good"           // no required check failed, and all could be told
	Bad         Outcome = "bad"            // a required check failed
	Untold      Outcome = "could not tell" // a required check could not be told, or nothing was verified
	Interrupted Outcome = "interrupted"    // it was cut short, or the machine slept through it
)

// Round is one look at one link.
type Round struct {
	Link     string        `json:"link"`
	Started  time.Time     `json:"started"`
	Finished time.Time     `json:"finished"`
	Took     time.Duration `json:"took"` // nanoseconds, by the monotonic clock
	Outcome  Outcome       `json:"outcome"`
	// Reason says why it could not be told or was interrupted.
	Reason string `json:"reason,omitempty"`
	// ControlAge is how old the control plane was that it was judged with, in nanoseconds, apart from what hardly changes; 0
	// when it was read in it.
	ControlAge time.Duration `json:"controlAge"`
	// Maintenance is the reason of the window that was open; its failures make no incident.
	Maintenance string `json:"maintenance,omitempty"`
	// Roots are the causes that it found, those that are not required too.
	Roots []Root `json:"roots,omitempty"`
	// Bundle names the evidence bundle that it is kept in; see Options.Keep.
	Bundle string `json:"bundle,omitempty"`

	// Observation is what it rests on, and Judged gives its verdicts; both are nil when the observing did not end. Verdicts
	// are not kept: most rounds are as the one before, and nobody asks. Summary counts them.
	Observation *probes.Observation     `json:"-"`
	Judged      func() []suites.Verdict `json:"-"`
	Summary     suites.Summary          `json:"-"`
	raw         func() []suites.Verdict // what Judged gives before secrets are taken out of its words; nil: the same
	// Calls is how many requests to AWS APIs it took.
	Calls int64 `json:"calls,omitempty"`
}

// Root is a failed check together with the thing that is broken.
type Root struct {
	Key      string `json:"key"` // see Cause.Key
	Required bool   `json:"required"`
	Cause    Cause  `json:"cause"`
	// Alone is the cause where most other endpoints of the service, and those of the VPC, are well meanwhile; zero where that says
	// nothing.
	Alone    Cause           `json:"alone,omitzero"`
	Title    string          `json:"title"`
	Severity suites.Severity `json:"severity"`
	Reason   string          `json:"reason,omitempty"`
	Facts    []suites.Fact   `json:"facts,omitempty"`
	Fix      *suites.Fix     `json:"fix,omitempty"`
}

// judge makes a round of an Observation. It is pure.
func judge(o *probes.Observation, catalogue *suites.Compiled, choice suites.Choice, failOn suites.Severity) Round {
	verdicts := catalogue.Judge(o, choice)
	s := suites.Summarize(verdicts, failOn)
	r := Round{
		Link: o.Link.Name, Started: o.Started, Finished: o.Finished, ControlAge: o.ControlAge(),
		Observation: o, Judged: func() []suites.Verdict { return verdicts }, raw: func() []suites.Verdict { return verdicts }, Summary: s,
	}
	switch {
	case o.Interrupted:
		r.Outcome, r.Reason = Interrupted, "it was ended before everything was observed"
	case s.RequiredFailed > 0:
		r.Outcome = Bad
	case s.RequiredUntold > 0:
		r.Outcome, r.Reason = Untold, whyUntold(verdicts, failOn)
	case s.Passed == 0:
		r.Outcome, r.Reason = Untold, nothingVerified
	default:
		r.Outcome = Good
	}
	for _, v := range suites.Roots(verdicts) {
		cause := CauseOf(o, v)
		alone, _ := aloneOf(o, v)
		r.Roots = append(r.Roots, Root{
			Key: cause.Key(), Required: suites.Required(v, failOn) && !v.CouldNotAsk, Cause: cause, Alone: alone,
			Title: v.Title, Severity: v.Severity, Reason: v.Reason, Facts: v.Facts, Fix: v.Fix,
		})
	}
	return r
}

// nothingVerified is why a round could not be told of which no check could be.
const nothingVerified = "nothing could be verified"

// whyUntold is the reason of the first required check that could not be told.
func whyUntold(verdicts []suites.Verdict, failOn suites.Severity) string {
	for _, v := range verdicts {
		if suites.Required(v, failOn) && (v.Status == suites.Untold || v.CouldNotAsk) {
			return v.Check + ": " + v.Reason
		}
	}
	return ""
}
