package live

import (
	"cmp"
	_ "embed"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/reports"
	"github.com/linkassay/linkassay/suites/canary"
)

// Status is what the canary knows as web pages: the fleet, and each link. They work without script, and write nothing.
type Status struct {
	now func() time.Time

	mu    sync.Mutex
	links map[string]*linkStatus // those that are watched
	open  map[string]canary.Incident
}

// How much is kept and shown.
const (
	historyRounds = 60  // of a link
	shownLinks    = 500 // on one page; a filter finds the others
	shownAffected = 50  // of an incident
	shownOpen     = 100 // incidents on one page
	maxFilter     = 100 // bytes
)

// linkStatus is what is known of one link.
type linkStatus struct {
	last    canary.Round // as it was told last, without what it rests on; zero before
	zones   []zoneLatency
	history []point // newest last
}

// point is one round in a link's history.
type point struct {
	At      time.Time
	Took    time.Duration
	Outcome canary.Outcome
}

// zoneLatency is the slowest answer from one zone in the last round.
type zoneLatency struct {
	Zone      string
	TCP, HTTP time.Duration
}

// NewStatus shows nothing yet. now is the wall clock; nil is time.Now.
func NewStatus(now func() time.Time) *Status {
	if now == nil {
		now = time.Now
	}
	return &Status{now: now, links: map[string]*linkStatus{}, open: map[string]canary.Incident{}}
}

// Watch says which links are watched now.
func (s *Status) Watch(links []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := make(map[string]*linkStatus, len(links))
	for _, l := range links {
		if kept[l] = s.links[l]; kept[l] == nil {
			kept[l] = &linkStatus{}
		}
	}
	s.links = kept
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
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.links[r.Link]
	if l == nil {
		return nil // not watched any more
	}
	l.history = append(l.history, point{r.Finished, r.Took, r.Outcome})
	if n := len(l.history) - historyRounds; n > 0 {
		l.history = slices.Delete(l.history, 0, n)
	}
	if r.Observation != nil && r.Outcome != canary.Interrupted {
		l.zones = latencies(r.Observation)
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

func latencies(o *probes.Observation) []zoneLatency {
	zones := map[string]*zoneLatency{}
	at := func(t probes.Target) *zoneLatency {
		z := cmp.Or(t.ZoneID, "any zone")
		if zones[z] == nil {
			zones[z] = &zoneLatency{Zone: z}
		}
		return zones[z]
	}
	for _, a := range valueOf(o.Reach.TCP) {
		for _, t := range a.Tries {
			if t.Outcome == probes.OK {
				z := at(a.Target)
				z.TCP = max(z.TCP, t.Duration)
			}
		}
	}
	for _, e := range valueOf(o.Reach.HTTP) {
		if e.Outcome == probes.OK {
			z := at(e.Target)
			z.HTTP = max(z.HTTP, e.Duration)
		}
	}
	var all []zoneLatency
	for _, z := range zones {
		all = append(all, *z)
	}
	slices.SortFunc(all, func(a, b zoneLatency) int { return cmp.Compare(a.Zone, b.Zone) })
	return all
}

//go:embed status.html
var statusText string

//go:embed status.css
var statusStyle []byte

// statusPages parses the pages once; they never change.
var statusPages = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("status").Funcs(template.FuncMap{
		"clean": reports.Clean,
		"class": func(state string) string { return "s-" + strings.ReplaceAll(state, " ", "-") },
		"ago":   func(now, t time.Time) string { return now.Sub(t).Round(time.Second).String() },
		"ms":    func(d time.Duration) string { return d.Round(100 * time.Microsecond).String() },
		"utc":   func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") },
		"link":  func(name string) string { return "/links/" + url.PathEscape(name) },
	}).Parse(statusText))
})

// fleetPage is what the page of the fleet shows.
type fleetPage struct {
	Now       time.Time
	Counts    map[string]int
	Filter    string
	State     string
	Incidents []incidentRow
	Links     []linkRow
	More      int // links that there is no room for
	MoreOpen  int // incidents that there is no room for
}

type incidentRow struct {
	canary.Incident
	Shown []canary.Affected
	More  int
}

type linkRow struct {
	Name  string
	State string // failing, could not tell, interrupted, good, or new
	Last  canary.Round
}

// linkPage is what the page of a link shows.
type linkPage struct {
	linkRow
	Now       time.Time
	Zones     []zoneLatency
	History   []point // newest first
	Incidents []canary.Incident
}

// The states in the order in which they are shown: what needs somebody comes first.
func states() []string {
	return []string{"failing", string(canary.Untold), string(canary.Interrupted), "new", string(canary.Good)}
}

func (l *linkStatus) row(name string) linkRow {
	state := string(l.last.Outcome)
	switch l.last.Outcome {
	case "":
		state = "new"
	case canary.Bad:
		state = "failing"
	}
	return linkRow{Name: name, State: state, Last: l.last}
}

// ServeHTTP serves "/", "/links/NAME" and the style sheet.
func (s *Status) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	name, isLink := strings.CutPrefix(r.URL.Path, "/links/")
	switch {
	case r.URL.Path == "/style.css":
		h.Set("Content-Type", "text/css; charset=utf-8")
		_, _ = w.Write(statusStyle)
	case isLink:
		page, ok := s.link(name)
		if !ok {
			http.NotFound(w, r)
			return
		}
		render(w, "link", page)
	case r.URL.Path == "/":
		q := r.URL.Query()
		render(w, "fleet", s.fleet(q.Get("q"), q.Get("state")))
	default:
		http.NotFound(w, r)
	}
}

func render(w http.ResponseWriter, name string, page any) {
	var b strings.Builder
	if err := statusPages().ExecuteTemplate(&b, name, page); err != nil {
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(b.String()))
}

func (s *Status) fleet(filter, state string) fleetPage {
	filter = reports.Clean(filter[:min(len(filter), maxFilter)])
	if !slices.Contains(states(), state) {
		state = ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := fleetPage{Now: s.now(), Counts: map[string]int{}, Filter: filter, State: state}
	for name, l := range s.links {
		row := l.row(name)
		p.Counts[row.State]++
		if strings.Contains(name, filter) && (state == "" || state == row.State) {
			p.Links = append(p.Links, row)
		}
	}
	order := states()
	slices.SortFunc(p.Links, func(a, b linkRow) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.State), slices.Index(order, b.State)), cmp.Compare(a.Name, b.Name))
	})
	if n := len(p.Links) - shownLinks; n > 0 {
		p.Links, p.More = p.Links[:shownLinks], n
	}
	for _, i := range s.open {
		row := incidentRow{Incident: i, Shown: i.Links}
		if n := len(i.Links) - shownAffected; n > 0 {
			row.Shown, row.More = i.Links[:shownAffected], n
		}
		p.Incidents = append(p.Incidents, row)
	}
	slices.SortFunc(p.Incidents, func(a, b incidentRow) int {
		return cmp.Or(cmp.Compare(len(b.Links), len(a.Links)), cmp.Compare(a.Key, b.Key))
	})
	if n := len(p.Incidents) - shownOpen; n > 0 {
		p.Incidents, p.MoreOpen = p.Incidents[:shownOpen], n
	}
	return p
}

func (s *Status) link(name string) (linkPage, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.links[name]
	if l == nil {
		return linkPage{}, false
	}
	p := linkPage{linkRow: l.row(name), Now: s.now(), Zones: slices.Clone(l.zones), History: slices.Clone(l.history)}
	slices.Reverse(p.History)
	for _, i := range s.open {
		if slices.ContainsFunc(i.Links, func(a canary.Affected) bool { return a.Link == name }) {
			p.Incidents = append(p.Incidents, i)
		}
	}
	slices.SortFunc(p.Incidents, func(a, b canary.Incident) int { return cmp.Compare(a.Key, b.Key) })
	return p, true
}
