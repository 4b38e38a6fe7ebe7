package reports

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
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

// Encode writes run.json. Observations that were not through Keep yet are made what it would keep. Links are encoded
// each for itself, side by side: a fleet's file is large.
func Encode(r *Report) ([]byte, error) {
	around := *r
	around.Links = nil
	frame, err := json.MarshalIndent(run{Format, r.Summary(), r.Identities(), r.NotInScope(), plain(around)}, "", indent)
	if err != nil {
		return nil, fmt.Errorf("encode the report as JSON: %w", err)
	}
	// A line break in a text would be escaped: this is the one key of that name at the top.
	before, after, ok := bytes.Cut(frame, []byte("\n"+indent+`"links": null`))
	if !ok {
		return nil, errors.New("encode the report as JSON: there is no place for its links")
	}
	links, err := encodeLinks(r.Links)
	if err != nil {
		return nil, err
	}
	size := len(frame) + 64
	for _, l := range links {
		size += len(l) + 2*len(indent) + 2
	}
	out := make([]byte, 0, size)
	out = append(append(out, escapeInvisible(before)...), "\n"+indent+`"links": `...)
	switch {
	case r.Links == nil:
		out = append(out, "null"...)
	case len(links) == 0:
		out = append(out, "[]"...)
	default:
		for i, l := range links {
			out = append(append(out, "[,"[min(i, 1)]), "\n"+indent+indent...)
			out = append(out, l...)
		}
		out = append(out, "\n"+indent+"]"...)
	}
	return append(append(out, escapeInvisible(after)...), '\n'), nil
}

// indent is one step of run.json.
const indent = " "

func encodeLinks(links []LinkReport) ([][]byte, error) {
	texts, errs := make([][]byte, len(links)), make([]error, len(links))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(links)) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(links)); i = next.Add(1) - 1 {
				texts[i], errs[i] = encodeLink(links[i])
			}
		})
	}
	workers.Wait()
	return texts, errors.Join(errs...)
}

func encodeLink(l LinkReport) ([]byte, error) {
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
	b, err := json.MarshalIndent(l, indent+indent, indent)
	if err != nil {
		return nil, fmt.Errorf("encode the report as JSON: %w", err)
	}
	return escapeInvisible(b), nil
}

// escapeInvisible writes control and format characters, which encoding/json leaves as they are, as
// \u escapes: the values stay what they were, and printing the file can't reorder a terminal's text.
func escapeInvisible(b []byte) []byte {
	if !suspect(b) || !bytes.ContainsFunc(b, invisible) {
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

// suspect says whether b may hold such characters: most texts are printable ASCII.
func suspect(b []byte) bool {
	for _, c := range b {
		if c >= 0x7f || c < ' ' && c != '\n' {
			return true
		}
	}
	return false
}

func invisible(r rune) bool {
	if r < utf8.RuneSelf {
		return r != '\n' && (r < ' ' || r == 0x7f)
	}
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
}
