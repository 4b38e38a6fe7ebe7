package canary

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/linkassay/linkassay/suites"
)

// Incident is one cause that was confirmed on at least one link.
type Incident struct {
	Key      string          `json:"key"`
	Cause    Cause           `json:"cause"`
	Title    string          `json:"title"`
	Severity suites.Severity `json:"severity"`
	Reason   string          `json:"reason,omitempty"` // of the newest failure, as are facts and fix
	Facts    []suites.Fact   `json:"facts,omitempty"`
	Fix      *suites.Fix     `json:"fix,omitempty"`
	Since    time.Time       `json:"since"`           // the first failure of any link
	Opened   time.Time       `json:"opened"`          // when it was confirmed, the first time if it came back
	Ended    time.Time       `json:"ended,omitzero"`  // zero while it is open
	Why      string          `json:"why,omitempty"`   // it ended
	Flaps    int             `json:"flaps,omitempty"` // how often it ended and came back
	// Bundle names the evidence bundle of the round that opened it last; see Options.Keep.
	Bundle string `json:"bundle,omitempty"`
	// Runbook is the address of what to do about the cause; who tells it sets it.
	Runbook string `json:"runbook,omitempty"`
	// Links are those that have it, by name: of an incident that has ended, all that had it since it was opened last.
	Links []Affected `json:"links"`
	// Left are those that had it since it was opened last, and do not any more, while others still do.
	Left []Affected `json:"left,omitempty"`
	// Told is how many links people were told of.
	Told int `json:"told,omitempty"`
	// Settling means that people know of its beginning, and nobody knows yet how far it goes.
	Settling bool `json:"settling,omitempty"`
}

// Affected is a link of an incident.
type Affected struct {
	Link  string    `json:"link"`
	Since time.Time `json:"since"` // its first failure
}

// Open says whether the incident has not ended.
func (i *Incident) Open() bool { return i.Ended.IsZero() }

// Flapping says that it came back so often that its ends mean little; it then takes longer to end.
func (i *Incident) Flapping() bool { return i.Flaps >= flapping }

// ChangeKind is what happened to an incident.
type ChangeKind string

// The changes. People are told of opened, spread, flapping and cleared; the others are for the record.
const (
	Opened    ChangeKind = "opened"
	Spread    ChangeKind = "spread"    // it has more links than its beginning told, and no more join; or twice as many as people were told
	Links     ChangeKind = "links"     // it has other links than were told last, which is told every few seconds at most
	WentFlaps ChangeKind = "flapping"  // it came back again and again; from now on its end takes longer
	Cleared   ChangeKind = "cleared"   // no link has it any more
	Recovered ChangeKind = "recovered" // some rounds failed, too few for an incident, and it is over
)

// Change is a change of an incident. The Incident is a copy.
type Change struct {
	Kind     ChangeKind `json:"kind"`
	At       time.Time  `json:"at"`
	Incident Incident   `json:"incident"`
}

// Alerts says whether a person should be told.
func (c Change) Alerts() bool {
	return c.Kind == Opened || c.Kind == Spread || c.Kind == WentFlaps || c.Kind == Cleared
}

// How incidents flap. A cause that comes back within the window is the same incident.
const (
	flapWindow = 30 * time.Minute
	flapping   = 2  // so many returns
	maxCalm    = 10 // a flapping incident needs up to so many times the good rounds to end
)

// CauseState is what a link's last rounds say of one cause.
type CauseState struct {
	Cause   Cause     `json:"cause"`
	Results []bool    `json:"results"` // newest last, at most the alarm's Of; true is a failure
	Good    int       `json:"good"`    // good rounds in a row
	Since   time.Time `json:"since"`   // the first failure of this bout
	Alarmed bool      `json:"alarmed"`
	// Incident is the key of the incident that it is part of, where that is not the cause's own: the VPC's or the
	// endpoint's, see Root.Alone.
	Incident string `json:"incident,omitempty"`
	// Hidden means that another cause of the link stood before it in the last round, so that it was not judged.
	Hidden bool `json:"hidden,omitempty"`
}

// incident is the key of the incident that the cause, of this key, is part of.
func (c *CauseState) incident(key string) string { return cmp.Or(c.Incident, key) }

func (c *CauseState) failures() int {
	n := 0
	for _, failed := range c.Results {
		if failed {
			n++
		}
	}
	return n
}

func (c *CauseState) push(failed bool, of int) {
	c.Results = append(c.Results, failed)
	if n := len(c.Results) - of; n > 0 {
		c.Results = slices.Delete(c.Results, 0, n)
	}
}

// clone is a copy that shares nothing that changes.
func (i *Incident) clone() Incident {
	c := *i
	c.Links, c.Left = slices.Clone(i.Links), slices.Clone(i.Left)
	return c
}

func sortedValues[V any](m map[string]V) []V {
	out := make([]V, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[k])
	}
	return out
}
