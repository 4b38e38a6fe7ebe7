package evidence

import (
	"fmt"
	"strings"
	"time"

	"github.com/linkassay/linkassay/reports"
	"github.com/linkassay/linkassay/suites"
)

// ResultFormat names the layout of a Result as JSON.
const ResultFormat = "linkassay.verification/v1"

// Result is what came of verifying a bundle.
type Result struct {
	Format   string `json:"format"`
	Dir      string `json:"dir,omitempty"`
	Verified bool   `json:"verified"`
	// Problems say why it was refused; Notes are what its reader must know all the same.
	Problems []string `json:"problems,omitempty"`
	Notes    []string `json:"notes,omitempty"`
	Files    int      `json:"files,omitempty"` // plain files in it
	Run      *Run     `json:"run,omitempty"`   // nil when it was refused before run.json was read
	Replay   *Replay  `json:"replay,omitempty"`
	// Pages are the files that are, to the byte, what this build makes of run.json.
	Pages []string `json:"pages,omitempty"`
	// Signature is nil when it was refused before that was looked at.
	Signature *Signature `json:"signature,omitempty"`
	// Timestamp is nil when there is none, or when it was refused before that was looked at.
	Timestamp *Timestamp `json:"timestamp,omitempty"`
}

// Run says which run a bundle is of.
type Run struct {
	Tool      string         `json:"tool"`
	Version   string         `json:"version"`
	Build     reports.Build  `json:"build,omitzero"`
	Started   time.Time      `json:"started"`
	Finished  time.Time      `json:"finished"`
	Profile   suites.Profile `json:"profile,omitempty"`
	Selection string         `json:"selection,omitempty"`
	Links     []string       `json:"links"`
	ExitCode  int            `json:"exitCode"`
	Summary   suites.Summary `json:"summary"`
}

// Replay says what came of judging the recorded observations again.
type Replay struct {
	Checks int `json:"checks"` // verdicts that were compared
	Rounds int `json:"rounds,omitempty"`
	// Revised are the checks whose revision has risen since, with both.
	Revised []Revised `json:"revised,omitempty"`
	// Retired are checks that are asked no more, New those that were not asked yet; as LINK/CHECK.
	Retired []string `json:"retired,omitempty"`
	New     []string `json:"new,omitempty"`
}

// Revised is a check whose recorded verdict is of another revision than this build's.
type Revised struct {
	Link     string        `json:"link"`
	Check    string        `json:"check"`
	Recorded int           `json:"recorded"` // revision
	Now      int           `json:"now"`      // revision
	Was      suites.Status `json:"was"`
	Is       suites.Status `json:"is"`
}

// Err is nil when the bundle was verified, and else ErrRefused with what is wrong.
func (r *Result) Err() error {
	if r.Verified {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrRefused, strings.Join(r.Problems, "; "))
}

func describe(of *reports.Report) *Run {
	r := &Run{
		Tool: of.Tool, Version: of.Version, Build: of.Build, Started: of.Started, Finished: of.Finished,
		Profile: of.Profile, Selection: of.Selection, Links: []string{}, ExitCode: of.ExitCode, Summary: of.Summary(),
	}
	for _, l := range of.Links {
		r.Links = append(r.Links, l.Observation.Link.Name)
	}
	return r
}
