package canary

import (
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/suites"
)

// recorded reads one of the Observations that package suites keeps, and makes it another link's, of another endpoint and
// the same service.
func recorded(t *testing.T, name, link string) *probes.Observation {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var o probes.Observation
	if err := json.Unmarshal(b, &o); err != nil {
		t.Fatal(err)
	}
	o.Link.Name = link
	return &o
}

var start = time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)

// story applies rounds to a board, a minute apart, and keeps what changed.
type story struct {
	t        *testing.T
	board    *Board
	settings provision.Canary
	at       time.Time
	changes  []Change
}

func newStory(t *testing.T) *story {
	return &story{t: t, board: NewBoard(), at: start, settings: provision.Canary{
		Alarm: provision.Alarm{Failures: 3, Of: 5}, Clear: 2,
	}.WithDefaults()}
}

// round judges a recorded Observation at the story's time.
func (s *story) round(name, link string) Round {
	s.t.Helper()
	r := judged(recorded(s.t, name, link))
	r.Started, r.Finished = s.at, s.at.Add(time.Second)
	return r
}

// judged judges all checks.
func judged(o *probes.Observation) Round {
	catalogue := suites.Compile(suites.Catalogue())
	return judge(o, catalogue, catalogue.Choose(o.Link.Name, nil), "")
}

// see applies the rounds, each a minute after the other, and returns the kinds of what changed.
func (s *story) see(link string, names ...string) (kinds []ChangeKind) {
	s.t.Helper()
	for _, name := range names {
		for _, c := range s.apply(s.round(name, link)) {
			kinds = append(kinds, c.Kind)
		}
		s.at = s.at.Add(time.Minute)
	}
	return kinds
}

func (s *story) apply(r Round) []Change {
	changes := append(s.board.Apply(r, s.settings), s.board.Due(r.Finished)...)
	s.changes = append(s.changes, changes...)
	return changes
}

// heard is a Sink that remembers.
type heard struct {
	mu      sync.Mutex
	rounds  []Round
	changes []Change
	slow    func()
}

func (h *heard) Round(r Round) error {
	if h.slow != nil {
		h.slow()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rounds = append(h.rounds, r)
	return nil
}

func (h *heard) Change(c Change) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.changes = append(h.changes, c)
	return nil
}

func (h *heard) of(link string) (rounds []Round) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.rounds {
		if r.Link == link {
			rounds = append(rounds, r)
		}
	}
	return rounds
}

func (h *heard) kinds() (kinds []ChangeKind) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.changes {
		kinds = append(kinds, c.Kind)
	}
	return kinds
}
