package live

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/reports/live/history"
	"github.com/linkassay/linkassay/suites/canary"
)

// Status is what the canary knows as web pages: the fleet, each link, incidents of the past, and evidence. They work without
// script, and write nothing.
type Status struct {
	now func() time.Time

	mu       sync.Mutex
	links    map[string]*linkStatus // those that are watched
	open     map[string]canary.Incident
	past     Past
	evidence Evidence
	runbooks Runbooks
}

// Past is what was before: package history has it.
type Past interface {
	Runs(ctx context.Context, link string, since time.Time, most int) ([]history.Run, error)
	Incidents(ctx context.Context, link string, since time.Time, most int) ([]history.Past, error)
}

// Evidence is where evidence bundles are: package bundles has them.
type Evidence interface {
	http.Handler // serves NAME/FILE
	Has(name string) bool
	Files(name string) []string
}

// historyRounds are the rounds of a link that are kept in memory where there is no Past.
const historyRounds = 60

// linkStatus is what is known of one link.
type linkStatus struct {
	service, account string        // of the provider's service, and the consumer's
	interval         time.Duration // from one round to the next
	last             canary.Round  // as it was told last, without what it rests on; zero before
	slowest          []history.Slowest
	recent           []point // newest last
}

// point is one round, small: of a fleet there are many.
type point struct {
	ended   time.Time
	took    time.Duration
	outcome canary.Outcome
}

// NewStatus shows nothing yet. now is the wall clock; nil is time.Now.
func NewStatus(now func() time.Time) *Status {
	if now == nil {
		now = time.Now
	}
	return &Status{now: now, links: map[string]*linkStatus{}, open: map[string]canary.Incident{}}
}

// Watch says which links are watched now.
func (s *Status) Watch(links []provision.Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := make(map[string]*linkStatus, len(links))
	for i := range links {
		link := &links[i]
		l := s.links[link.Name]
		if l == nil {
			l = &linkStatus{}
		}
		l.service, l.account = serviceOf(link), link.Consumer.Account
		l.interval = time.Duration(link.Canary.WithDefaults().Interval)
		kept[link.Name] = l
	}
	s.links = kept
}

// serviceOf names the provider's service as its link file does.
func serviceOf(l *provision.Link) string {
	name := l.Provider.ServiceName
	if i := strings.LastIndex(name, "."); i >= 0 {
		name = name[i+1:] // vpce-svc-…; the rest is the Region's
	}
	for _, s := range []string{l.Provider.ServiceID, name} {
		if s != "" {
			return s
		}
	}
	return "provider " + l.Provider.Account
}

// Remember shows what was before this process too, beginning with the last run of each link. It comes after Watch.
func (s *Status) Remember(past Past, last map[string]history.Run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.past = past
	for name, l := range s.links {
		run, ok := last[name]
		if !ok || l.last.Link != "" {
			continue
		}
		l.last = canary.Round{
			Link: name, Started: run.Began, Finished: run.Until, Outcome: run.Outcome, Reason: run.Reason, Maintenance: run.Maintenance,
			Roots: run.Roots, Bundle: run.Bundle,
		}
		for _, x := range run.Latency {
			if x.Phase == history.PhaseRound {
				l.last.Took = x.Median
			} else {
				l.slowest = append(l.slowest, history.Slowest{Zone: x.Zone, Phase: x.Phase, Took: x.Median})
			}
		}
	}
}

// Show shows evidence.
func (s *Status) Show(e Evidence) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.evidence = e
}

// Explain shows where it stands what to do.
func (s *Status) Explain(r Runbooks) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runbooks = r
}

// Restore takes over what is open from before this process.
func (s *Status) Restore(open []canary.Incident) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range open {
		s.open[i.Key] = i
	}
}

// Round takes a round in.
func (s *Status) Round(r canary.Round) error {
	var slowest []history.Slowest
	if r.Observation != nil && r.Outcome != canary.Interrupted {
		slowest = history.Measure(r.Observation)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.links[r.Link]
	if l == nil {
		return nil // not watched any more
	}
	if s.past == nil {
		l.recent = append(l.recent, point{r.Finished, r.Took, r.Outcome})
		if n := len(l.recent) - historyRounds; n > 0 {
			l.recent = slices.Delete(l.recent, 0, n)
		}
	}
	if slowest != nil {
		l.slowest = slowest
	}
	r.Observation, r.Judged = nil, nil
	l.last = r
	return nil
}

// Change takes a change in.
func (s *Status) Change(c canary.Change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case c.Kind == canary.Recovered:
	case c.Incident.Open():
		s.open[c.Incident.Key] = c.Incident
	default:
		delete(s.open, c.Incident.Key)
	}
	return nil
}

// state is what is made of a link's last round.
func (l *linkStatus) state(now time.Time) string {
	switch o := l.last.Outcome; {
	case o == "":
		return stateNew
	case o == canary.Bad:
		return stateFailing
	case o != canary.Untold && l.interval > 0 && now.Sub(l.last.Finished) > staleAfter*l.interval+time.Minute:
		return stateStale
	default:
		return string(o)
	}
}

// The states of a link, beside those outcomes that are states themselves.
const (
	stateFailing = "failing"
	stateStale   = "stale" // its rounds stopped coming
	stateNew     = "new"   // it has had none
	staleAfter   = 3       // intervals, and a minute
)

// states are in the order in which they are shown: what needs somebody comes first.
func states() []string {
	return []string{stateFailing, string(canary.Untold), stateStale, string(canary.Interrupted), stateNew, string(canary.Good)}
}
