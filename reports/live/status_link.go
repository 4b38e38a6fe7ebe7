package live

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/linkassay/linkassay/reports/live/history"
	"github.com/linkassay/linkassay/suites/canary"
)

// How much of a link's history is shown.
const (
	maxRuns     = 50_000 // that are read for the drawings
	shownRuns   = 60     // in the table
	shownBad    = 20     // of those that were not good
	linkPast    = 50     // incidents
	stripCells  = 120
	maxZones    = 6 // in one drawing
	defaultSpan = "1d"
)

// linkPage is what the page of a link shows.
type linkPage struct {
	Head             Head
	Name, State      string
	Service, Account string
	Interval         time.Duration
	Last             canary.Round
	Bundle           string
	Causes           []causeRow
	Open             []incidentRow
	Spans            []choice
	Label            string // of the span
	Strip            *strip
	Rounds           rounds
	Latency          []chart
	Zones            []zoneRow // the last round's
	Runs             []runRow  // newest first
	Bad              []runRow
	Past             []pastRow
	History          bool
	Problem          string
}

// causeRow is a cause of the last round.
type causeRow struct {
	canary.Root
	Runbook string
}

// rounds counts what came of the rounds of a time.
type rounds struct {
	Good, Bad, Untold, Interrupted int
}

// Share is how many of the rounds that could be told were good.
func (r rounds) Share() string {
	if r.Good+r.Bad == 0 {
		return "None"
	}
	share := 100 * float64(r.Good) / float64(r.Good+r.Bad)
	if r.Bad > 0 && share > 99.99 {
		share = 99.99 // never all, where one was not
	}
	return fmt.Sprintf("%.4g %% good", share)
}

func (r *rounds) add(o canary.Outcome, n int) {
	switch o {
	case canary.Good:
		r.Good += n
	case canary.Bad:
		r.Bad += n
	case canary.Interrupted:
		r.Interrupted += n
	default:
		r.Untold += n
	}
}

// runRow is a run in the table.
type runRow struct {
	history.Run
	Bundle string // "" where there is none any more
	Took   time.Duration
}

// Same says that it was one round.
func (r runRow) Same() bool { return r.Rounds == 1 }

// Checks are the checks that failed it.
func (r runRow) Checks() []string {
	var checks []string
	for _, c := range r.Run.Causes {
		if c.Required {
			checks = append(checks, c.Check())
		}
	}
	return checks
}

// zoneRow is the slowest answers of the last round from one zone.
type zoneRow struct {
	Zone                string
	DNS, TCP, TLS, HTTP time.Duration
}

func (s *Status) link(ctx context.Context, name, asked string) (linkPage, bool) {
	now := s.now()
	s.mu.Lock()
	l := s.links[name]
	if l == nil {
		s.mu.Unlock()
		return linkPage{}, false
	}
	state := l.state(now)
	p := linkPage{
		Head: Head{Title: name + ": " + state, Now: now}, Name: name, State: state, Service: l.service, Account: l.account,
		Interval: l.interval, Last: l.last, Bundle: s.bundleOf(l.last.Bundle), Zones: zonesOf(l.slowest), History: s.past != nil,
	}
	for _, r := range l.last.Roots {
		p.Causes = append(p.Causes, causeRow{r, s.runbooks.Of(r.Cause.Check)})
	}
	slices.SortStableFunc(p.Causes, func(a, b causeRow) int { return cmp.Compare(number(b.Required), number(a.Required)) })
	p.Open, _ = s.openRows(func(i canary.Incident) bool {
		return slices.ContainsFunc(i.Links, func(a canary.Affected) bool { return a.Link == name })
	})
	for i := range p.Open { // what it says stands above
		p.Open[i].Unfolded = len(p.Causes) == 0
	}
	past := s.past
	var runs []history.Run
	for _, r := range slices.Backward(l.recent) {
		runs = append(runs, history.Run{
			Link: name, Began: r.ended.Add(-r.took), Until: r.ended, Rounds: 1, Outcome: r.outcome,
			Latency: []history.Spread{{Phase: history.PhaseRound, Min: r.took, Median: r.took, Max: r.took}},
		})
	}
	s.mu.Unlock()
	back := time.Hour
	if past != nil {
		back, p.Spans = chosen(asked, defaultSpan, func(key string) string { return "/links/" + url.PathEscape(name) + "?span=" + key })
		var err error
		if runs, err = past.Runs(ctx, name, now.Add(-back), maxRuns); err != nil {
			p.Problem = err.Error()
		}
		incidents, err := past.Incidents(ctx, name, now.Add(-back), linkPast)
		if err != nil {
			p.Problem = err.Error()
		}
		p.Past = s.pastRows(incidents, now)
	} else if len(runs) > 0 {
		back = max(now.Sub(runs[len(runs)-1].Began), time.Minute)
	}
	p.Label = span(back)
	for _, r := range runs {
		p.Rounds.add(r.Outcome, r.Rounds)
	}
	p.Strip = newStrip(runs, now.Add(-back), now)
	p.Latency = charts(runs, now.Add(-back), now)
	p.tables(s, runs)
	return p, true
}

// tables fills the tables of runs, newest first. In that of what was not good, runs that follow each other and say the same are one.
func (p *linkPage) tables(s *Status, runs []history.Run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var after history.Run // the run that came after
	for i, r := range runs {
		row := runRow{Run: r, Bundle: s.bundleOf(r.Bundle)}
		for _, x := range r.Latency {
			if x.Phase == history.PhaseRound {
				row.Took = x.Median
			}
		}
		if i < shownRuns {
			p.Runs = append(p.Runs, row)
		}
		if r.Outcome != canary.Good {
			if n := len(p.Bad); n > 0 && follows(after, r) && p.Bad[n-1].Bundle == "" && row.Bundle == "" {
				last := &p.Bad[n-1]
				last.Began, last.Rounds = r.Began, last.Rounds+r.Rounds
			} else if n == shownBad {
				break
			} else {
				p.Bad = append(p.Bad, row)
			}
		}
		after = r
	}
}

// follows says whether a run came next after another, and says the same.
func follows(next, r history.Run) bool {
	return next.Outcome == r.Outcome && next.Reason == r.Reason && next.Maintenance == r.Maintenance && slices.Equal(next.Causes, r.Causes)
}

func zonesOf(all []history.Slowest) (rows []zoneRow) {
	at := map[string]int{}
	for _, s := range all {
		i, ok := at[s.Zone]
		if !ok {
			i = len(rows)
			at[s.Zone] = i
			rows = append(rows, zoneRow{Zone: cmp.Or(s.Zone, "any zone")})
		}
		switch s.Phase {
		case history.PhaseDNS:
			rows[i].DNS = s.Took
		case history.PhaseTCP:
			rows[i].TCP = s.Took
		case history.PhaseTLS:
			rows[i].TLS = s.Took
		case history.PhaseHTTP:
			rows[i].HTTP = s.Took
		}
	}
	slices.SortStableFunc(rows, func(a, b zoneRow) int { return cmp.Compare(a.Zone, b.Zone) })
	return rows
}
