package reports

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

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

// Encode makes run.json. Observations that were not through Keep yet are made what it would keep.
func Encode(r *Report) ([]byte, error) {
	b := &whole{links: len(r.Links)}
	if err := encode(b, r); err != nil {
		return nil, err
	}
	return b.text, nil
}

// whole gathers run.json. Links are much alike: the first tells how long all will be.
type whole struct {
	text  []byte
	links int // that are still to come
}

func (w *whole) Write(p []byte) (int, error) {
	if w.text != nil { // after what stands before the links
		if len(w.text)+len(p) > cap(w.text) {
			w.text = slices.Grow(w.text, (len(p)+len(p)/32)*max(w.links, 1)+1024)
		}
		w.links--
	}
	w.text = append(w.text, p...)
	return len(p), nil
}

// encode writes run.json. Links are encoded each for itself, side by side, and written as they come: a fleet's file is large.
func encode(w io.Writer, r *Report) error {
	around := *r
	around.Links = nil
	frame, err := json.MarshalIndent(run{Format, r.Summary(), r.Identities(), r.NotInScope(), plain(around)}, "", indent)
	if err != nil {
		return fmt.Errorf("encode the report as JSON: %w", err)
	}
	// A line break in a text would be escaped: this is the one key of that name at the top.
	before, after, ok := bytes.Cut(frame, []byte("\n"+indent+`"links": null`))
	if !ok {
		return errors.New("encode the report as JSON: there is no place for its links")
	}
	before = append(slices.Clone(escapeInvisible(before)), "\n"+indent+`"links": `...)
	after = append(slices.Clone(escapeInvisible(after)), '\n')
	switch {
	case r.Links == nil:
		before = append(before, "null"...)
	case len(r.Links) == 0:
		before = append(before, "[]"...)
	default:
		after = slices.Concat([]byte("\n"+indent+"]"), after)
	}
	if _, err := w.Write(before); err != nil {
		return err
	}
	if err := encodeLinks(w, r.Links); err != nil {
		return err
	}
	_, err = w.Write(after)
	return err
}

// indent is one step of run.json.
const indent = " "

// encodeLinks writes the links in order. A few are ahead of what is written, in memory that is used again.
func encodeLinks(w io.Writer, links []LinkReport) error {
	type text struct {
		b   []byte
		err error
	}
	workers := min(runtime.GOMAXPROCS(0), len(links))
	ring := make([]struct{ free, made chan text }, 2*workers)
	for i := range ring {
		ring[i].free, ring[i].made = make(chan text, 1), make(chan text, 1)
		ring[i].free <- text{}
	}
	var next atomic.Int64
	var failed atomic.Bool // nothing more is to be encoded
	var side sync.WaitGroup
	for range workers {
		side.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(links); i = int(next.Add(1)) - 1 {
				slot := ring[i%len(ring)]
				t := <-slot.free
				if !failed.Load() {
					t.b, t.err = encodeLink(append(t.b[:0], "[,"[min(i, 1)]), links[i])
				}
				slot.made <- t
			}
		})
	}
	var err error
	for i := range links {
		slot := ring[i%len(ring)]
		t := <-slot.made
		if err == nil {
			if err = t.err; err == nil {
				_, err = w.Write(t.b)
			}
			failed.Store(err != nil)
		}
		slot.free <- t
	}
	side.Wait()
	return err
}

// encodeLink appends a link as it stands in the list.
func encodeLink(out []byte, l LinkReport) ([]byte, error) {
	l.Rounds = slices.Clone(l.Rounds)
	kept := l.Observation
	if l.Raw == nil {
		var err error
		if kept, _, err = redact(l.Observation); err != nil {
			return out, err
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
				return out, err
			}
		}
	}
	l.Observation = kept
	w := indented{out: append(out, "\n"+indent+indent...), prefix: indent + indent}
	if err := json.NewEncoder(&w).Encode(l); err != nil {
		return out, fmt.Errorf("encode the report as JSON: %w", err)
	}
	return escapeInvisible(w.out), nil
}

// indented takes a text from a json.Encoder, whole, as it writes it.
type indented struct {
	out    []byte
	prefix string
}

func (w *indented) Write(p []byte) (int, error) {
	w.out = appendIndented(w.out, bytes.TrimSuffix(p, []byte{'\n'}), w.prefix, indent)
	return len(p), nil
}
