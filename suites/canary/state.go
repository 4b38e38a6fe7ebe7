package canary

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// StateFormat names the layout of a State. It changes when a reader of the old one would misread it.
const StateFormat = "linkassay.canary-state/v1"

// State is what a Board knows, for a Store to keep over restarts.
type State struct {
	Format    string               `json:"format"`
	Saved     time.Time            `json:"saved"`
	Links     map[string]LinkState `json:"links"`
	Incidents []Incident           `json:"incidents"`
}

// LinkState is what is remembered of a link.
type LinkState struct {
	LastRound time.Time             `json:"lastRound"`
	LastGood  time.Time             `json:"lastGood,omitzero"`
	Causes    map[string]CauseState `json:"causes,omitempty"` // by key
}

// Store keeps a State. Load returns nil when there is none yet.
type Store interface {
	Load(ctx context.Context) (*State, error)
	Save(ctx context.Context, s *State) error
}

// State returns a copy of all that the board knows.
func (b *Board) State(now time.Time) *State {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &State{Format: StateFormat, Saved: now.UTC(), Links: map[string]LinkState{}, Incidents: []Incident{}}
	for link, at := range b.last {
		l := LinkState{LastRound: at, LastGood: b.good[link]}
		for key, c := range b.cells[link] {
			if l.Causes == nil {
				l.Causes = map[string]CauseState{}
			}
			kept := *c
			kept.Results = slices.Clone(c.Results)
			l.Causes[key] = kept
		}
		s.Links[link] = l
	}
	for _, i := range sortedValues(b.incidents) {
		s.Incidents = append(s.Incidents, i.clone())
	}
	return s
}

// Restore makes the board know what the State says, and nothing else; Keep then ends what has no link any more. A State that
// contradicts itself is refused.
func (b *Board) Restore(s *State) error {
	if s.Format != StateFormat {
		return fmt.Errorf("canary state: format %.80q, expected %s", s.Format, StateFormat)
	}
	fresh := NewBoard()
	for i := range s.Incidents {
		incident := s.Incidents[i].clone()
		if incident.Key == "" || len(incident.Links) == 0 {
			return fmt.Errorf("canary state: incident number %d has no key or no links", i+1)
		}
		if incident.Told == 0 {
			incident.Told = incident.had() // it was kept by a version that did not count
		}
		fresh.incidents[incident.Key] = &incident
		if incident.Open() && incident.Settling {
			fresh.telling[incident.Key] = &telling{wait: settleUsual, grew: s.Saved, people: s.Saved, record: s.Saved}
		}
	}
	for link, l := range s.Links {
		fresh.last[link] = l.LastRound
		if !l.LastGood.IsZero() {
			fresh.good[link] = l.LastGood
		}
		for key, c := range l.Causes {
			if i := fresh.incidents[c.incident(key)]; c.Alarmed && (i == nil || !i.Open()) {
				return fmt.Errorf("canary state: link %.80q alarms of %.200q, which is no open incident", link, key)
			}
			if fresh.cells[link] == nil {
				fresh.cells[link] = map[string]*CauseState{}
			}
			kept := c
			kept.Results = slices.Clone(c.Results)
			fresh.cells[link][key] = &kept
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cells, b.incidents, b.telling, b.last, b.good, b.peers = fresh.cells, fresh.incidents, fresh.telling, fresh.last, fresh.good, fresh.peers
	return nil
}
