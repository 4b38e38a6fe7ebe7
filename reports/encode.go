package reports

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/linkassay/linkassay/suites"
)

// run is run.json: the format's name, what follows from the report, and the report.
type run struct {
	Format  string         `json:"format"`
	Summary suites.Summary `json:"summary"`
	// Identities say who asked, and how far AWS's clocks were ahead.
	Identities []Identity `json:"identities,omitempty"`
	// NotInScope is what the run came across and is in none of its links.
	NotInScope []Outside `json:"notInScope,omitempty"`
	plain
}

type plain Report

// Encode writes run.json. Observations that were not through Keep yet are made what it would keep.
func Encode(r *Report) ([]byte, error) {
	shown := *r
	shown.Links = make([]LinkReport, len(r.Links))
	for i, l := range r.Links {
		l.Rounds = slices.Clone(l.Rounds)
		kept := l.Observation
		if l.Raw == nil {
			var err error
			if kept, _, err = redact(l.Observation); err != nil {
				return nil, err
			}
		}
		for k := range l.Rounds {
			round := &l.Rounds[k]
			switch {
			case round.Observation == l.Observation:
				round.Observation = nil // it stands above
			case l.Raw == nil:
				var err error
				if round.Observation, _, err = redact(round.Observation); err != nil {
					return nil, err
				}
			}
		}
		l.Observation = kept
		shown.Links[i] = l
	}
	b, err := json.MarshalIndent(run{Format, r.Summary(), r.Identities(), r.NotInScope(), plain(shown)}, "", " ")
	if err != nil {
		return nil, fmt.Errorf("encode the report as JSON: %w", err)
	}
	return append(escapeInvisible(b), '\n'), nil
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
	if r < utf8.RuneSelf {
		return r != '\n' && (r < ' ' || r == 0x7f)
	}
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
}
