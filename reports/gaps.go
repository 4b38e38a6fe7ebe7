package reports

import (
	"cmp"
	"slices"
	"time"

	"github.com/linkassay/linkassay/provision"
)

// Gap is a time in which runs of a link were due and there was none.
type Gap struct {
	Link   string             `json:"link"`
	From   time.Time          `json:"from"`        // the run before it
	To     time.Time          `json:"to,omitzero"` // the run after it; zero when there is none yet
	Every  provision.Duration `json:"every"`       // the schedule
	Missed int                `json:"missed"`      // runs that were due in between
}

// Gaps finds gaps in declared schedules, for each link by itself: one ledger may hold runs of several link files.
type Gaps struct {
	every, fallback time.Duration
	last            map[string]lastRun
	found           []Gap
}

type lastRun struct {
	at    time.Time
	every time.Duration
}

// NewGaps takes the schedule that all runs were on, zero for what each run declares, and the one of runs that
// declare none; where that is zero too there are no gaps.
func NewGaps(every, fallback time.Duration) *Gaps {
	return &Gaps{every: every, fallback: fallback, last: map[string]lastRun{}}
}

// Add takes the next run.
func (g *Gaps) Add(r Record) {
	every := cmp.Or(g.every, time.Duration(r.Every), g.fallback)
	for _, l := range r.Links {
		last, ok := g.last[l.Name]
		if ok {
			g.between(l.Name, last, l.Observed, true)
		}
		if !ok || l.Observed.After(last.at) {
			g.last[l.Name] = lastRun{l.Observed, every}
		}
	}
}

// late says whether the next run came so late that one was left out: one that starts a little late, or takes long,
// is none.
func late(d, every time.Duration) bool { return d > 2*every }

func (g *Gaps) between(link string, last lastRun, next time.Time, ended bool) {
	if d := next.Sub(last.at); last.every > 0 && late(d, last.every) {
		gap := Gap{Link: link, From: last.at, Every: provision.Duration(last.every), Missed: int((d - 1) / last.every)}
		if ended {
			gap.To = next
		}
		g.found = append(g.found, gap)
	}
}

// End returns the gaps in order. Runs that have been due since the last one of a link are one too, unless now is zero.
func (g *Gaps) End(now time.Time) []Gap {
	all := slices.Clone(g.found)
	if !now.IsZero() {
		open := &Gaps{}
		for link, last := range g.last {
			open.between(link, last, now, false)
		}
		all = append(all, open.found...)
	}
	slices.SortFunc(all, func(a, b Gap) int { return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.Link, b.Link)) })
	return all
}
