// Package reports writes what a run came to: for a person at a terminal, for a pull request, and for
// the machines that read JUnit and JSON.
package reports

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/suites"
)

// Format names the layout of run.json. It changes when a reader of the old one would misread it.
const Format = "linkassay.run/v1"

// Report is all that one run saw and concluded.
type Report struct {
	Tool     string       `json:"tool"` // linkassay
	Version  string       `json:"version"`
	Started  time.Time    `json:"started"`
	Finished time.Time    `json:"finished"`
	Links    []LinkReport `json:"links"`
	// FailOn is the least severity that decides the exit code; empty means critical.
	FailOn suites.Severity `json:"failOn,omitempty"`
	// Profile is the set of checks that was asked; empty means acceptance, all of them.
	Profile suites.Profile `json:"profile,omitempty"`
	// ExitCode is the process's, and ExitReasons says why it is not 0, every reason there was.
	ExitCode    int      `json:"exitCode"`
	ExitReasons []string `json:"exitReasons,omitempty"`
	Notes       []string `json:"notes,omitempty"`
}

// LinkReport is one link: what was observed, and the verdicts on it.
type LinkReport struct {
	Observation *probes.Observation `json:"observation"`
	Verdicts    []suites.Verdict    `json:"verdicts"`
	// Rounds are the looks that the link was given until it settled; the last is the Observation. There are
	// none where it was looked at once.
	Rounds []suites.Round `json:"rounds,omitempty"`
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

// hiddenHeader stands in run.json for the value of a request header of the link file: it may be a
// token, and no verdict rests on it.
const hiddenHeader = "(not recorded)"

// encodeJSON writes run.json: the format's name, a summary, and the report.
func encodeJSON(r *Report) ([]byte, error) {
	type plain Report
	shown := *r
	shown.Links = make([]LinkReport, len(r.Links))
	for i, l := range r.Links {
		shown.Links[i] = LinkReport{withoutSecrets(l.Observation), l.Verdicts, slices.Clone(l.Rounds)}
		for k := range shown.Links[i].Rounds {
			round := &shown.Links[i].Rounds[k]
			if round.Observation == l.Observation {
				round.Observation = nil // it stands above
			}
			round.Observation = withoutSecrets(round.Observation)
		}
	}
	b, err := json.MarshalIndent(struct {
		Format  string         `json:"format"`
		Summary suites.Summary `json:"summary"`
		// NotInScope is what the run came across and is in none of its links.
		NotInScope []Outside `json:"notInScope,omitempty"`
		plain
	}{Format, r.Summary(), r.NotInScope(), plain(shown)}, "", " ")
	if err != nil {
		return nil, fmt.Errorf("encode the report as JSON: %w", err)
	}
	return append(escapeInvisible(b), '\n'), nil
}

// withoutSecrets copies the parts of an Observation that hold request headers and hides their values.
func withoutSecrets(o *probes.Observation) *probes.Observation {
	if o == nil {
		return nil
	}
	view := *o
	view.Link.Ports = slices.Clone(o.Link.Ports)
	for i, p := range view.Link.Ports {
		if p.HTTP == nil || len(p.HTTP.Headers) == 0 {
			continue
		}
		h := *p.HTTP
		h.Headers = make(map[string]string, len(p.HTTP.Headers))
		for name := range maps.Keys(p.HTTP.Headers) {
			h.Headers[name] = hiddenHeader
		}
		view.Link.Ports[i] = provision.Port{Port: p.Port, TargetPort: p.TargetPort, TLS: p.TLS, HTTP: &h}
	}
	return &view
}

// escapeInvisible writes control and format characters, which encoding/json leaves as they are, as
// \u escapes: the values stay what they were, and printing the file can't reorder a terminal's text.
func escapeInvisible(b []byte) []byte {
	if !bytes.ContainsFunc(b, invisible) {
		return b
	}
	out := make([]byte, 0, len(b)+64)
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if invisible(r) {
			if r > 0xffff {
				r -= 0x10000
				out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
			} else {
				out = fmt.Appendf(out, `\u%04x`, r)
			}
		} else {
			out = append(out, b[:n]...)
		}
		b = b[n:]
	}
	return out
}

func invisible(r rune) bool {
	return r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r))
}
