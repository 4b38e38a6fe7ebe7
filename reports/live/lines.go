// Package live tells what the canary finds while it finds it: JSON lines, Prometheus metrics, the evidence ledger,
// and the file that its state is kept in. Its types are Sinks and Stores of package canary.
package live

import (
	"fmt"
	"io"

	"github.com/linkassay/linkassay/reports"
	"github.com/linkassay/linkassay/suites/canary"
)

// LineFormat names the layout of the lines. It changes when a reader of the old one would misread them.
const LineFormat = "linkassay.canary/v1"

// Lines writes each round and change as one line of JSON.
type Lines struct {
	w io.Writer
	// quiet leaves out rounds that were good.
	quiet bool
}

// NewLines writes to w; quiet leaves out rounds that were good.
func NewLines(w io.Writer, quiet bool) *Lines { return &Lines{w: w, quiet: quiet} }

type line struct {
	Format   string         `json:"format"`
	Type     string         `json:"type"` // round or incident
	Round    *canary.Round  `json:"round,omitempty"`
	Incident *canary.Change `json:"incident,omitempty"`
}

// Round writes a round.
func (l *Lines) Round(r canary.Round) error {
	if l.quiet && r.Outcome == canary.Good {
		return nil
	}
	return l.print(line{Format: LineFormat, Type: "round", Round: &r})
}

// Change writes a change of an incident.
func (l *Lines) Change(c canary.Change) error {
	return l.print(line{Format: LineFormat, Type: "incident", Incident: &c})
}

func (l *Lines) print(v line) error {
	if err := reports.PrintJSON(l.w, v); err != nil {
		return fmt.Errorf("print a line: %w", err)
	}
	return nil
}
