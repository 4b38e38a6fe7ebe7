package canary

import (
	"maps"
	"slices"
	"time"
)

// peers are the links of each service, by service id and link name, and what their last rounds said: a failure that only the path shows
// is the service's when most of its endpoints have it, and the endpoint's own when most others are well.
type peers map[string]map[string]peer

// peer is what the last round of a link said that could be told.
type peer struct {
	endpoint string
	began    time.Time
	failing  []string // keys of its required causes
}

// gatherIn is how far apart failures of one thing are confirmed on its links at most: intervals differ.
const gatherIn = 10 * time.Minute

// note takes a round in. In a maintenance window a link is no witness.
func (p peers) note(r Round) {
	if r.Observation == nil || r.Maintenance != "" || r.Outcome != Good && r.Outcome != Bad {
		return
	}
	service, endpoint := idOf(r.Observation, Service), idOf(r.Observation, Endpoint)
	if service == "" || endpoint == "" {
		return
	}
	if p[service] == nil {
		p[service] = map[string]peer{}
	}
	now := peer{endpoint: endpoint, began: r.Started}
	for _, root := range r.Roots {
		if root.Required {
			now.failing = append(now.failing, root.Key)
		}
	}
	p[service][r.Link] = now
}

// alone says whether a link's failure, which began at since, is its endpoint's own: of the other endpoints of the service that were looked at
// since, no fewer are well than have it, this one included.
func (p peers) alone(r Round, root Root, since time.Time) bool {
	if root.Alone.Kind == "" || root.Cause.Kind != Service {
		return false
	}
	if since.After(r.Started) {
		since = time.Time{} // the clock was set back
	}
	has := map[string]bool{} // by endpoint
	for link, x := range p[root.Cause.ID] {
		if link != r.Link && x.endpoint != root.Alone.ID && !x.began.Before(since) {
			has[x.endpoint] = has[x.endpoint] || slices.Contains(x.failing, root.Key)
		}
	}
	failing := 1
	for _, f := range has {
		if f {
			failing++
		}
	}
	well := len(has) + 1 - failing
	return well > 0 && well >= failing
}

// keep forgets all links but these.
func (p peers) keep(links map[string]bool) {
	for service, of := range p {
		maps.DeleteFunc(of, func(link string, _ peer) bool { return !links[link] })
		if len(of) == 0 {
			delete(p, service)
		}
	}
}

// Note tells the board what rounds say of each other's services, before any of them is applied.
func (b *Board) Note(rounds []Round) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range rounds {
		b.peers.note(r)
	}
}

// gather takes links into an incident whose failures of the same were put down to their own endpoints lately: before it was seen that
// most have it. Their incidents end.
func (b *Board) gather(i *Incident, key string, at time.Time) (ended []Change) {
	for _, link := range slices.Sorted(maps.Keys(b.peers[i.Cause.ID])) {
		c := b.cells[link][key]
		if c == nil || !c.Alarmed || c.Incident == "" || c.Good > 0 || i.Since.Sub(c.Since) > gatherIn {
			continue
		}
		ended = append(ended, b.clear(link, c.Incident, "explained by "+i.Key, at)...)
		c.Incident = ""
		i.join(Affected{link, c.Since})
		if c.Since.Before(i.Since) {
			i.Since = c.Since
		}
	}
	return ended
}
