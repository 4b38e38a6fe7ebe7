package canary

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/suites"
)

// Board turns rounds into incidents. It is safe for concurrent use, and has no clock but that of its callers.
type Board struct {
	mu        sync.Mutex
	cells     map[string]map[string]*CauseState // by link, then by cause key
	incidents map[string]*Incident              // by key; ended ones as long as they may come back
	telling   map[string]*telling               // of incidents whose links change, by key
	looked    time.Time                         // when it was looked at last what is due to be told
	last      map[string]time.Time              // when a link's last round ended
	good      map[string]time.Time              // when its last good one did
	watched   map[string]bool                   // links that are watched; nil: whatever comes
	peers     peers
}

// NewBoard returns a board that knows of nothing.
func NewBoard() *Board {
	return &Board{cells: map[string]map[string]*CauseState{}, incidents: map[string]*Incident{}, telling: map[string]*telling{}, last: map[string]time.Time{}, good: map[string]time.Time{}, peers: newPeers()}
}

// Apply takes a round in, and returns what it changed; Due tells later of the links that it brought to incidents that were told
// already. The settings are those of the round's link, with defaults.
func (b *Board) Apply(r Round, settings provision.Canary) []Change {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.watched != nil && !b.watched[r.Link] {
		return nil // it came to its end when the link was watched no more
	}
	b.last[r.Link] = r.Finished
	if r.Outcome == Good {
		b.good[r.Link] = r.Finished
	}
	b.forgetEnded(r.Finished)
	if r.Outcome == Interrupted {
		return nil
	}
	b.peers.note(r)
	roots := map[string]Root{}
	for _, root := range r.Roots {
		if root.Required {
			roots[root.Key] = root
		}
	}
	cells := b.cells[r.Link]
	if len(cells) == 0 && len(roots) == 0 {
		return nil
	}
	status := map[string]suites.Verdict{}
	judged := r.Judged
	if r.raw != nil {
		judged = r.raw // it has no need of words
	}
	if judged != nil {
		for _, v := range judged() {
			status[v.Check] = v
		}
	}
	for key, root := range roots {
		if cells[key] == nil && r.Maintenance == "" {
			if cells == nil {
				cells = map[string]*CauseState{}
				b.cells[r.Link] = cells
			}
			cells[key] = &CauseState{Cause: root.Cause, Since: r.Started}
		}
	}
	var changes []Change
	// Causes that fail come first: one that explains another must be open before the other may end.
	keys := slices.Sorted(maps.Keys(cells))
	for _, failing := range []bool{true, false} {
		for _, key := range keys {
			if root, ok := roots[key]; ok == failing {
				changes = append(changes, b.step(r, key, cells[key], root, status, settings)...)
			}
		}
	}
	if len(cells) == 0 {
		delete(b.cells, r.Link)
	}
	return changes
}

// step takes what a round says of one cause in.
func (b *Board) step(r Round, key string, c *CauseState, root Root, status map[string]suites.Verdict, settings provision.Canary) []Change {
	v, judged := status[c.Cause.Check]
	c.Hidden = false
	switch {
	case root.Key != "":
		if r.Maintenance != "" {
			return nil // watched, and not held against it
		}
		c.Good = 0
		c.push(true, settings.Alarm.Of)
		if !c.Alarmed && c.failures() < settings.Alarm.Failures {
			return nil
		}
		return b.alarm(r, key, c, root, time.Duration(settings.Interval))
	case !judged || v.Status == suites.Untold || v.CouldNotAsk:
		return nil // nobody knows
	case v.Status == suites.Blocked:
		// It was not judged. If what stands before it is an incident of this link, that is the one to follow.
		c.Hidden = true
		if !c.Alarmed || b.openFor(r.Link, v.BlockedBy) == "" {
			return nil
		}
	}
	c.Good++
	c.push(false, settings.Alarm.Of)
	if c.Alarmed {
		if c.Good < b.calm(c.incident(key), settings.Clear) {
			return nil
		}
		why := fmt.Sprintf("%d good rounds in a row", c.Good)
		if c.Hidden {
			why = "explained by " + b.openFor(r.Link, v.BlockedBy)
		} else if v.Stands() {
			why = "the link file accepts it"
		}
		delete(b.cells[r.Link], key)
		return b.clear(r.Link, c.incident(key), why, r.Finished)
	}
	if c.failures() > 0 {
		return nil
	}
	delete(b.cells[r.Link], key)
	i := Incident{
		Key: key, Cause: c.Cause, Title: v.Title, Severity: v.Severity, Since: c.Since, Ended: r.Finished,
		Why: "too few rounds failed for an incident", Links: []Affected{{r.Link, c.Since}},
	}
	return []Change{{Kind: Recovered, At: r.Finished, Incident: i}}
}

// alarm confirms a cause on a link.
func (b *Board) alarm(r Round, key string, c *CauseState, root Root, interval time.Duration) []Change {
	var cause Cause
	if was := b.incidents[c.incident(key)]; c.Alarmed && was != nil {
		cause = was.Cause // until it is good it stays where it joined, whatever its peers do
	} else if cause = b.peers.whose(r, root, c.Since); cause != root.Cause {
		c.Incident = cause.Key()
	}
	c.Alarmed = true
	key = c.incident(key)
	i := b.incidents[key]
	kind := ChangeKind("")
	switch {
	case i == nil:
		i = &Incident{Key: key, Since: c.Since, Opened: r.Finished}
		b.incidents[key], kind = i, Opened
	case !i.Open(): // it came back
		i.Flaps++
		i.Ended, i.Why, i.Links, i.Bundle, i.Told = time.Time{}, "", nil, "", 0
		kind = Opened // its end was told, so this must be
		if i.Flapping() {
			kind = WentFlaps
		}
	}
	i.Cause, i.Title, i.Severity = cause, root.Title, root.Severity
	i.Reason, i.Facts, i.Fix = root.Reason, root.Facts, root.Fix
	if i.join(Affected{r.Link, c.Since}) {
		b.moved(key, interval, r.Finished)
		if c.Since.Before(i.Since) {
			i.Since = c.Since
		}
	}
	if kind == "" {
		return nil
	}
	var ended []Change
	if root.Alone.Kind != "" {
		ended = b.gather(i, r.Finished)
	}
	b.told(i, r.Finished, true)
	return append([]Change{{Kind: kind, At: r.Finished, Incident: i.clone()}}, ended...)
}

// shownBy notes the evidence bundle of the round that opened incidents, in them and in the changes.
func (b *Board) shownBy(changes []Change, bundle string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for n := range changes {
		c := &changes[n]
		if c.Kind != Opened && c.Kind != WentFlaps {
			continue
		}
		c.Incident.Bundle = bundle
		if i := b.incidents[c.Incident.Key]; i != nil {
			i.Bundle = bundle
		}
	}
}

// clear ends a cause on a link, and the incident when it was the last.
func (b *Board) clear(link, key, why string, at time.Time) []Change {
	i := b.incidents[key]
	if i == nil || !i.Open() {
		return nil
	}
	if there, last := i.leave(link); !last {
		if there {
			b.moved(key, 0, at)
		}
		return nil
	}
	i.Ended, i.Why = at, why
	return []Change{{Kind: Cleared, At: at, Incident: i.clone()}}
}

// calm is how many good rounds end a cause: more, the more often it came back.
func (b *Board) calm(key string, rounds int) int {
	if i := b.incidents[key]; i != nil && i.Flapping() {
		return rounds * min(1+i.Flaps, maxCalm)
	}
	return rounds
}

// openFor returns the key of the open incident of a check that the link has, or "".
func (b *Board) openFor(link, check string) string {
	for key, c := range b.cells[link] {
		if c.Alarmed && c.Cause.Check == check {
			return c.incident(key)
		}
	}
	return ""
}

// forgetEnded forgets incidents that ended too long ago to come back.
func (b *Board) forgetEnded(now time.Time) {
	for key, i := range b.incidents {
		if !i.Open() && now.Sub(i.Ended) > flapWindow {
			delete(b.incidents, key)
			delete(b.telling, key)
		}
	}
}

// Keep forgets all links but these, which are watched now. Incidents that only others had end, and so do those that a state says
// are open though none of their links has the cause: they could never end.
func (b *Board) Keep(links []string, at time.Time) []Change {
	b.mu.Lock()
	defer b.mu.Unlock()
	watched := make(map[string]bool, len(links))
	for _, link := range links {
		watched[link] = true
	}
	var changes []Change
	for _, link := range slices.Sorted(maps.Keys(b.cells)) {
		if watched[link] {
			continue
		}
		for _, key := range slices.Sorted(maps.Keys(b.cells[link])) {
			changes = append(changes, b.clear(link, b.cells[link][key].incident(key), "the link is not watched any more", at)...)
		}
		delete(b.cells, link)
	}
	for _, i := range sortedValues(b.incidents) {
		for _, a := range slices.Clone(i.Links) {
			if i.Open() && !b.has(a.Link, i.Key) {
				changes = append(changes, b.clear(a.Link, i.Key, "none of its links is known to have it", at)...)
			}
		}
	}
	b.watched = watched
	b.peers.keep(watched)
	for _, times := range []map[string]time.Time{b.last, b.good} {
		maps.DeleteFunc(times, func(link string, _ time.Time) bool { return !watched[link] })
	}
	return changes
}

// has says whether a link is in an incident by one of its causes.
func (b *Board) has(link, incident string) bool {
	for key, c := range b.cells[link] {
		if c.Alarmed && c.incident(key) == incident {
			return true
		}
	}
	return false
}

// Incidents returns copies of all open incidents, by key.
func (b *Board) Incidents() []Incident {
	b.mu.Lock()
	defer b.mu.Unlock()
	var open []Incident
	for _, i := range sortedValues(b.incidents) {
		if i.Open() {
			open = append(open, i.clone())
		}
	}
	return open
}

// lastRounds says when the last round of each link ended.
func (b *Board) lastRounds() map[string]time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.last)
}
