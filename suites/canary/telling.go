package canary

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// telling is what was told of an open incident whose links change, or did lately.
type telling struct {
	wait   time.Duration // how long no link joins until all are thought to have: the longest interval of those that did
	grew   time.Time     // when the last one joined
	people time.Time     // when people were told, or when it began to grow again
	record time.Time     // when anybody was told of the links
	stale  bool          // they are others since
}

// How an incident's links are told while they join and leave.
const (
	recordEvery = 5 * time.Second  // at most
	lookEvery   = time.Second      // for what is due
	setBack     = 5 * time.Second  // a clock that shows so much less was set back
	settleMost  = 3                // intervals until people are told, though links still join
	settleUsual = time.Minute      // after a restart, when nobody knows the links' intervals
	settleLong  = 10 * time.Minute // the longest interval that is waited for
)

// moved notes that a link joined the incident, or left it when wait is zero.
func (b *Board) moved(key string, wait time.Duration, at time.Time) {
	t := b.telling[key]
	if t == nil {
		t = &telling{grew: at, people: at, record: at}
		b.telling[key] = t
	}
	t.stale = true
	if wait > 0 {
		t.wait, t.grew = max(t.wait, min(wait, settleLong)), at
	}
}

// told notes that people are told of the incident as it is now: that it begins, or how far it goes.
func (b *Board) told(i *Incident, at time.Time, begins bool) {
	i.Told, i.Settling = i.had(), begins
	t := b.telling[i.Key]
	if t == nil {
		t = &telling{grew: at}
		b.telling[i.Key] = t
	}
	t.people, t.record, t.stale = at, at, false
}

// Due says what is to be told by now of incidents that links joined or left. People are told once when an incident that began has
// all of its links, and then when it has twice as many; the record gets each change within some seconds.
func (b *Board) Due(now time.Time) (changes []Change) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if back := b.looked.Sub(now); back > -lookEvery && back < setBack {
		return nil // it was looked just now, by a clock that may be slewed
	} else if back > 0 {
		for _, t := range b.telling {
			t.grew, t.people, t.record = now, now, now
		}
	}
	b.looked = now
	for _, key := range slices.Sorted(maps.Keys(b.telling)) {
		i, t := b.incidents[key], b.telling[key]
		if i == nil || !i.Open() {
			delete(b.telling, key)
			continue
		}
		settled := now.Sub(t.grew) >= t.wait || now.Sub(t.people) >= settleMost*t.wait
		switch {
		case settled && i.wider():
			b.told(i, now, false)
			changes = append(changes, Change{Kind: Spread, At: now, Incident: i.clone()})
		case t.stale && now.Sub(t.record) >= recordEvery:
			t.record, t.stale = now, false
			changes = append(changes, Change{Kind: Links, At: now, Incident: i.clone()})
		}
		if settled {
			i.Settling = false
			if !t.stale {
				delete(b.telling, key)
			}
		}
	}
	return changes
}

// wider says whether people should know that the incident has more links than they were told.
func (i *Incident) wider() bool {
	return i.Settling && i.had() > i.Told || i.had() >= 2*i.Told
}

// complete gives changes that came about at one moment the links that their incidents have in the end, and adds what is to be told
// of other incidents' links.
func (b *Board) complete(changes []Change, at time.Time) []Change {
	b.mu.Lock()
	defer b.mu.Unlock()
	for n, c := range changes {
		i := b.incidents[c.Incident.Key]
		if (c.Kind == Opened || c.Kind == WentFlaps) && i != nil && i.Open() {
			b.told(i, at, false)
			changes[n].Incident = i.clone()
		}
	}
	for _, key := range slices.Sorted(maps.Keys(b.telling)) {
		i, t := b.incidents[key], b.telling[key]
		switch {
		case i == nil || !i.Open() || !t.stale:
		case i.wider():
			b.told(i, at, false)
			changes = append(changes, Change{Kind: Spread, At: at, Incident: i.clone()})
		default:
			changes = append(changes, Change{Kind: Links, At: at, Incident: i.clone()})
		}
	}
	clear(b.telling)
	return changes
}

// had is how many links have it, or had since it was opened.
func (i *Incident) had() int { return len(i.Links) + len(i.Left) }

// join adds a link; it is false when the link was there already.
func (i *Incident) join(a Affected) bool {
	at, there := find(i.Links, a.Link)
	if there {
		return false
	}
	i.Links = slices.Insert(i.Links, at, a)
	if at, there = find(i.Left, a.Link); there {
		i.Left = slices.Delete(i.Left, at, at+1)
	}
	return true
}

// leave takes a link out. With the last one the incident has all back that had it, for the record.
func (i *Incident) leave(link string) (there, last bool) {
	at, there := find(i.Links, link)
	if !there {
		return false, false
	}
	a := i.Links[at]
	i.Links = slices.Delete(i.Links, at, at+1)
	at, _ = find(i.Left, link)
	i.Left = slices.Insert(i.Left, at, a)
	if len(i.Links) > 0 {
		return true, false
	}
	i.Links, i.Left = i.Left, nil
	return true, true
}

func find(all []Affected, link string) (int, bool) {
	return slices.BinarySearchFunc(all, link, func(x Affected, name string) int { return cmp.Compare(x.Link, name) })
}
