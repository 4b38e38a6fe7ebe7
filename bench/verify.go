package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/lab"
	"github.com/linkassay/linkassay/reports"
	"github.com/linkassay/linkassay/suites"
)

// verify measures one run of the lab's healthy link: observed, judged and told.
func verify(ctx context.Context, b *book, s settings) error {
	return withLink(ctx, func(l *lab.Lab, link provision.Link, src probes.Sources) error {
		var walls, over, tells []time.Duration
		for range s.runs {
			t := time.Now()
			o := probes.Observe(ctx, link, src, probes.Options{ReadFile: l.ReadFile})
			observed := time.Now()
			verdicts := suites.Judge(o, suites.Catalogue(), nil)
			report := &reports.Report{Tool: "linkassay", Started: t, Finished: time.Now(), Links: []reports.LinkReport{{Observation: o, Verdicts: verdicts}}}
			if err := reports.Print(io.Discard, report, "table", reports.PrintOptions{}); err != nil {
				return err
			}
			wall := time.Since(t)
			walls, over, tells = append(walls, wall), append(over, wall-longestChain(o)), append(tells, time.Since(observed))
			for _, v := range verdicts {
				if v.Status == suites.Failed || v.Status == suites.Untold {
					return fmt.Errorf("the healthy link is not: %s %s: %s", v.Check, v.Status, v.Reason)
				}
			}
		}
		b.note(fmt.Sprintf("%d vantages", len(src.Vantages)), "wall", "ms", atMost(1000), milliseconds(walls)...)
		b.add("beyond the longest chain", "ms", atMost(20), milliseconds(over)...)
		b.add("judging and table", "ms", goal{}, milliseconds(tells)...)
		return nil
	})
}

// longestChain walks back from the item that ended last: before it comes the item that ended last
// before it began, and so on. The sum of their durations is what no concurrency could save.
func longestChain(o *probes.Observation) time.Duration {
	type span struct{ from, to time.Time }
	var spans []span
	for _, name := range probes.ItemNames() {
		if m, ok := o.Meta(name); ok && !m.Started.IsZero() {
			spans = append(spans, span{m.Started, m.Started.Add(m.Duration)})
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return b.to.Compare(a.to) })
	var sum time.Duration
	before := time.Now()
	for _, s := range spans {
		if !s.to.After(before) {
			sum += s.to.Sub(s.from)
			before = s.from
		}
	}
	return sum
}
