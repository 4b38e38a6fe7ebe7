package canary

import (
	"maps"
	"slices"
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
	failing                []string // required checks that only the path shows
}

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
	for _, root := range r.Roots {
		if root.Required && root.Alone.Kind != "" {
			now.failing = append(now.failing, root.Cause.Check)
		}
	}
	if was, ok := p.links[r.Link]; ok && (was.service != now.service || was.vpc != now.vpc) {
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
	failing, well := p.count(Cause{Kind: root.Cause.Kind, ID: root.Cause.ID}, root, since)
	if well == 0 || failing > well {
		return root.Cause
	}
	vpc := root.Alone
	vpc.Kind, vpc.ID = VPC, p.links[r.Link].vpc
	if failing, well := p.count(Cause{Kind: VPC, ID: vpc.ID}, root, since); vpc.ID != "" && failing > 1 && failing > well {
		return vpc
	}
	return root.Alone
}

// count says how many endpoints of a service or a VPC have the failure, this one included, and how many are well, of those that were
// looked at since.
func (p peers) count(group Cause, root Root, since time.Time) (failing, well int) {
	has := map[string]bool{}
	for link := range p.by[group] {
		if x := p.links[link]; !x.began.Before(since) {
			has[x.endpoint] = has[x.endpoint] || slices.Contains(x.failing, root.Cause.Check)
		}
	}
	has[root.Alone.ID] = true
	for _, f := range has {
		if f {
			failing++
		}
	}
	return failing, len(has) - failing
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
