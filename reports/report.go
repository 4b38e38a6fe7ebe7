// Package reports writes what a run came to: for a person at a terminal, for a pull request, and for
// the machines that read JUnit and JSON.
package reports

import (
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/suites"
)

// Format names the layout of run.json. It changes when a reader of the old one would misread it.
const Format = "linkassay.run/v1"

// Report is all that one run saw and concluded.
type Report struct {
	Tool     string       `json:"tool"` // linkassay
	Version  string       `json:"version"`
	Build    Build        `json:"build,omitzero"`
	Started  time.Time    `json:"started"`
	Finished time.Time    `json:"finished"`
	Links    []LinkReport `json:"links"`
	// FailOn is the least severity that decides the exit code; empty means critical.
	FailOn suites.Severity `json:"failOn,omitempty"`
	// Profile is the set of checks that was asked; empty means acceptance, all of them.
	Profile suites.Profile `json:"profile,omitempty"`
	// Catalogue is the digest of the checks and their revisions that judged; see suites.Digest.
	Catalogue string `json:"catalogue,omitempty"`
	// Selection is the label filter that picked among the profile's checks; empty means all of them.
	Selection string `json:"selection,omitempty"`
	// ExitCode is the process's, and ExitReasons says why it is not 0, every reason there was.
	ExitCode    int      `json:"exitCode"`
	ExitReasons []string `json:"exitReasons,omitempty"`
	Notes       []string `json:"notes,omitempty"`
}

// Build says which build of the tool it was.
type Build struct {
	Revision string `json:"revision,omitempty"` // of its source
	Time     string `json:"time,omitempty"`     // of that revision
	Modified bool   `json:"modified,omitempty"` // the source was changed after it
	Go       string `json:"go,omitempty"`       // version of the compiler
	OS       string `json:"os,omitempty"`
	Arch     string `json:"arch,omitempty"`
}

// LinkReport is one link: what was observed, and the verdicts on it.
type LinkReport struct {
	Observation *probes.Observation `json:"observation"`
	Verdicts    []suites.Verdict    `json:"verdicts"`
	// Rounds are the looks that the link was given until it settled; the last is the Observation. There are
	// none where it was looked at once.
	Rounds []suites.Round `json:"rounds,omitempty"`
	// Raw is what stands beside run.json, not in it. Keep makes it; nil means that the observations were not
	// through Keep yet.
	Raw *Raw `json:"-"`
}

// flakes says of each check that passes now and failed in an earlier round when and why.
func (l LinkReport) flakes() map[string]string { return suites.Flakes(l.Rounds, l.Verdicts) }

// summary counts the verdicts of the link.
func (l LinkReport) summary(failOn suites.Severity) suites.Summary {
	return suites.Summarize(l.Verdicts, failOn)
}

// Summary counts the verdicts of all links.
func (r *Report) Summary() suites.Summary {
	var s suites.Summary
	for _, l := range r.Links {
		s = s.Add(l.summary(r.FailOn))
	}
	return s
}
