package canary

import (
	"maps"
	"slices"
	"sort"
	"time"
)

// peers are links by what they share. A failure that only the path shows is the service's when most of its endpoints have it, the
// VPC's when most endpoints in it have it, to whatever services, and else the endpoint's own.
type peers struct {
	links map[string]peer           // by name
	by    map[Cause]map[string]bool // links by service, and by VPC; Check and Side are empty
}

// peer is what the last round of a link said that could be told.
type peer struct {
	service, vpc, endpoint string
	began                  time.Time
	failing                map[string]time.Time // required checks that only the path shows, and when the first round began that found them so
}

// A group that begins to fail is known by so many of it, most of them, though others were looked at before and were well.
const (
	suddenLeast = 3
	suddenMost  = 2 // times as many as are well
)

// gatherIn is how far apart failures of one thing are confirmed on its links at most: intervals differ.
const gatherIn = 10 * time.Minute

func newPeers() peers { return peers{map[string]peer{}, map[Cause]map[string]bool{}} }

// note takes a round in. In a maintenance window a link is no witness.
func (p peers) note(r Round) {
	if r.Observation == nil || r.Maintenance != "" || r.Outcome != Good && r.Outcome != Bad {
		return
	}
	now := peer{service: idOf(r.Observation, Service), vpc: idOf(r.Observation, VPC), endpoint: idOf(r.Observation, Endpoint), began: r.Started}
	if now.endpoint == "" {
		return
	}
	was, ok := p.links[r.Link]
	for _, root := range r.Roots {
		if !root.Required || root.Alone.Kind == "" {
			continue
		}
		if now.failing == nil {
			now.failing = map[string]time.Time{}
		}
		since, before := was.failing[root.Cause.Check]
		if !before || since.After(r.Started) {
			since = r.Started
		}
		now.failing[root.Cause.Check] = since
	}
	if ok && (was.service != now.service || was.vpc != now.vpc) {
		p.forget(r.Link)
	}
	p.links[r.Link] = now
	for _, group := range []Cause{{Kind: Service, ID: now.service}, {Kind: VPC, ID: now.vpc}} {
		if group.ID == "" {
			continue
		}
		if p.by[group] == nil {
			p.by[group] = map[string]bool{}
		}
		p.by[group][r.Link] = true
	}
}

// whose is the cause of a failure of a link that began at since: the service's, the VPC's or the endpoint's own.
func (p peers) whose(r Round, root Root, since time.Time) Cause {
	if root.Alone.Kind == "" {
		return root.Cause
	}
	if since.After(r.Started) {
		since = time.Time{} // the clock was set back
	}
	ofService := p.witnesses(Cause{Kind: root.Cause.Kind, ID: root.Cause.ID}, root, since)
	if failing, well := ofService.count(); well == 0 || failing+1 > well {
		return root.Cause
	}
	vpc := root.Alone
	vpc.Kind, vpc.ID = VPC, p.links[r.Link].vpc
	var ofVPC witnesses
	if vpc.ID != "" {
		ofVPC = p.witnesses(Cause{Kind: VPC, ID: vpc.ID}, root, since)
	}
	if failing, well := ofVPC.count(); failing > 0 && failing+1 > well {
		return vpc
	}
	switch service, all := ofService.sudden(), ofVPC.sudden(); {
	case all > 0 && all >= service:
		return vpc
	case service > 0:
		return root.Cause
	}
	return root.Alone
}

// witness is what was found last at another endpoint of a service or of a VPC.
type witness struct {
	began time.Time // of the round
	since time.Time // when it began to fail; zero: it is well
}

// witnesses are sorted, the one first that was looked at last.
type witnesses []witness

// witnesses are the other endpoints of a service or a VPC that were looked at since.
func (p peers) witnesses(group Cause, root Root, since time.Time) witnesses {
	by := map[string]witness{}
	for link := range p.by[group] {
		x := p.links[link]
		if x.endpoint == root.Alone.ID || x.began.Before(since) {
			continue
		}
		w, now := by[x.endpoint], witness{x.began, x.failing[root.Cause.Check]}
		if w.began.After(now.began) {
			now.began = w.began
		}
		if now.since.IsZero() || !w.since.IsZero() && w.since.Before(now.since) {
			now.since = w.since // one of its links fails
		}
		by[x.endpoint] = now
	}
	return slices.SortedFunc(maps.Values(by), func(a, b witness) int { return b.began.Compare(a.began) })
}

// count says how many fail, and how many are well.
func (all witnesses) count() (failing, well int) {
	for _, w := range all {
		if !w.since.IsZero() {
			failing++
		}
	}
	return failing, len(all) - failing
}

// sudden says how many fail where nearly all do that were looked at since one of them began to: those that were well before are no
// witnesses of what came then. Neither are those that failed before. Else it is 0.
func (all witnesses) sudden() (most int) {
	var began []time.Time           // of failures, the last one first
	well := make([]int, len(all)+1) // how many of the first n are well
	for n, w := range all {
		well[n+1] = well[n]
		if w.since.IsZero() {
			well[n+1]++
		} else {
			began = append(began, w.since)
		}
	}
	slices.SortFunc(began, func(a, b time.Time) int { return b.Compare(a) })
	for failing, since := range began {
		n := sort.Search(len(all), func(i int) bool { return all[i].began.Before(since) })
		if failing+1 >= suddenLeast && failing+1 > suddenMost*well[n] {
			most = max(most, failing+1)
		}
	}
	return most
}

// keep forgets all links but these.
func (p peers) keep(links map[string]bool) {
	for link := range p.links {
		if !links[link] {
			p.forget(link)
		}
	}
}

func (p peers) forget(link string) {
	x := p.links[link]
	delete(p.links, link)
	for _, group := range []Cause{{Kind: Service, ID: x.service}, {Kind: VPC, ID: x.vpc}} {
		if delete(p.by[group], link); len(p.by[group]) == 0 {
			delete(p.by, group)
		}
	}
}

// Note tells the board what rounds say of each other's services and VPCs, before any of them is applied.
func (b *Board) Note(rounds []Round) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range rounds {
		b.peers.note(r)
	}
}

// gather takes links into a service's or a VPC's incident whose failures of the same were put down to less of it lately: before it
// was seen that most have it. Their incidents end.
func (b *Board) gather(i *Incident, at time.Time) (ended []Change) {
	for _, link := range slices.Sorted(maps.Keys(b.peers.by[Cause{Kind: i.Cause.Kind, ID: i.Cause.ID}])) {
		for key, c := range b.cells[link] {
			if !c.Alarmed || c.Cause.Check != i.Cause.Check || c.Incident == "" || c.Incident == i.Key || c.Good > 0 || i.Since.Sub(c.Since) > gatherIn {
				continue
			}
			ended = append(ended, b.clear(link, c.Incident, "explained by "+i.Key, at)...)
			if c.Incident = i.Key; key == i.Key {
				c.Incident = ""
			}
			i.join(Affected{link, c.Since})
			if c.Since.Before(i.Since) {
				i.Since = c.Since
			}
		}
	}
	return ended
}
