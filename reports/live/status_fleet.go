package live

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/linkassay/linkassay/reports"
	"github.com/linkassay/linkassay/suites/canary"
)

// How much is shown.
const (
	shownLinks    = 200 // on one page
	shownAffected = 20  // of an incident
	shownOpen     = 50  // incidents on one page
	unfolded      = 3   // of those
	maxFilter     = 100 // bytes of what is filtered by
	maxKey        = 300 // bytes of a cause
)

// The ways to group links.
const (
	byCause   = "cause"
	byService = "service"
	byAccount = "account"
)

// fleetFilter is what of the fleet is to be shown.
type fleetFilter struct {
	Name, State, Cause, By string
	Page                   int // from 1
}

// fleetQuery reads a filter, which may be anything.
func fleetQuery(q url.Values) fleetFilter {
	bounded := func(key string, most int) string {
		s := q.Get(key)
		return reports.Clean(s[:min(len(s), most)])
	}
	f := fleetFilter{Name: bounded("q", maxFilter), State: q.Get("state"), Cause: bounded("cause", maxKey), By: q.Get("by"), Page: 1}
	if !slices.Contains(states(), f.State) {
		f.State = ""
	}
	if !slices.Contains([]string{byService, byAccount}, f.By) {
		f.By = byCause
	}
	if n, err := strconv.Atoi(q.Get("page")); err == nil && n > 0 && n < 1e6 {
		f.Page = n
	}
	return f
}

// with is the address of the page with another filter.
func (f fleetFilter) with(change func(*fleetFilter)) string {
	f.Page = 1
	change(&f)
	q := url.Values{}
	for key, v := range map[string]string{"q": f.Name, "state": f.State, "cause": f.Cause} {
		if v != "" {
			q.Set(key, v)
		}
	}
	if f.By != byCause {
		q.Set("by", f.By)
	}
	if f.Page > 1 {
		q.Set("page", strconv.Itoa(f.Page))
	}
	if len(q) == 0 {
		return "/"
	}
	return "/?" + q.Encode()
}

// fleetPage is what the page of the fleet shows.
type fleetPage struct {
	Head      Head
	Filter    fleetFilter
	Total     int
	Says      string
	Failing   int
	Counts    []stateCount
	States    []string
	Incidents []incidentRow
	MoreOpen  int // incidents that there is no room for
	Groups    []group
	Matching  int // links
	From, To  int
	Before    string // address of the page before; "" is none
	After     string
	Clear     string // address without filters; "" when there are none
	History   bool
}

// stateCount is how many links are in a state.
type stateCount struct {
	State string
	N     int
	URL   string
	On    bool
}

// group is links that belong together.
type group struct {
	Title  string
	Cause  bool   // the title is one
	Note   string // what they are
	Counts string
	Links  []linkRow

	key     string
	rank    int // of the state that comes first
	failing int
}

// linkRow is a link in the list.
type linkRow struct {
	Name  string
	State string
	Last  canary.Round
	What  string // why, shortly

	service, account string
}

func (s *Status) fleet(f fleetFilter) fleetPage {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	p := fleetPage{Head: Head{Now: now}, Filter: f, Total: len(s.links), States: states(), History: s.past != nil}
	counts := map[string]int{}
	var rows []linkRow
	has := map[string]bool{} // an incident may be of a cause that stands behind those that rounds find
	for _, a := range s.open[f.Cause].Links {
		has[a.Link] = true
	}
	for name, l := range s.links {
		row := linkRow{Name: name, State: l.state(now), Last: l.last, service: l.service, account: l.account}
		counts[row.State]++
		if strings.Contains(name, f.Name) && (f.State == "" || f.State == row.State) && (f.Cause == "" || has[name] || row.has(f.Cause)) {
			rows = append(rows, row)
		}
	}
	for _, state := range states() {
		if n := counts[state]; n > 0 || state == stateFailing {
			p.Counts = append(p.Counts, stateCount{state, n, f.with(func(f *fleetFilter) { f.State = state }), f.State == state})
		}
	}
	p.Head.Title = "linkassay canary"
	if n := counts[stateFailing]; n > 0 {
		p.Head.Title = thousands(n) + " failing · " + p.Head.Title
	}
	p.Failing = counts[stateFailing]
	switch {
	case p.Total == 0:
		p.Says = "No links are watched"
	case p.Failing == 0:
		p.Says = "No link fails"
	case p.Failing == 1:
		p.Says = "1 link of " + thousands(p.Total) + " fails"
	default:
		p.Says = thousands(p.Failing) + " links of " + thousands(p.Total) + " fail"
	}
	if f.Name != "" || f.State != "" || f.Cause != "" {
		p.Clear = (fleetFilter{By: f.By}).with(func(*fleetFilter) {})
	}
	p.page(rows)
	p.Incidents, p.MoreOpen = s.openRows(func(canary.Incident) bool { return true })
	return p
}

// page groups the rows and cuts out those of one page.
func (p *fleetPage) page(rows []linkRow) {
	groups := grouped(rows, p.Filter.By)
	p.Matching = len(rows)
	pages := max((len(rows)+shownLinks-1)/shownLinks, 1)
	n := min(p.Filter.Page, pages)
	first, last := (n-1)*shownLinks, min(n*shownLinks, len(rows))
	p.From, p.To = min(first+1, last), last
	at := 0
	for _, g := range groups {
		from, to := max(first-at, 0), min(last-at, len(g.Links))
		at += len(g.Links)
		if from < to {
			g.Links = g.Links[from:to]
			p.Groups = append(p.Groups, g)
		}
	}
	if n > 1 {
		p.Before = p.Filter.with(func(f *fleetFilter) { f.Page = n - 1 })
	}
	if n < pages {
		p.After = p.Filter.with(func(f *fleetFilter) { f.Page = n + 1 })
	}
}

// grouped puts links that belong together side by side, those that need somebody first.
func grouped(rows []linkRow, by string) []group {
	order := map[string]int{}
	for i, state := range states() {
		order[state] = i
	}
	all := map[string]*group{}
	for _, r := range rows {
		key, g := r.group(by)
		if all[key] == nil {
			g.key, g.rank = key, len(order)
			all[key] = &g
		}
		x := all[key]
		x.rank = min(x.rank, order[r.State])
		if r.State == stateFailing {
			x.failing++
		}
		x.Links = append(x.Links, r)
	}
	var groups []group
	for _, g := range all {
		slices.SortFunc(g.Links, func(a, b linkRow) int {
			return cmp.Or(cmp.Compare(order[a.State], order[b.State]), cmp.Compare(a.Name, b.Name))
		})
		g.Counts = countsOf(g.Links)
		groups = append(groups, *g)
	}
	slices.SortFunc(groups, func(a, b group) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(b.failing, a.failing), cmp.Compare(a.Title, b.Title), cmp.Compare(a.key, b.key))
	})
	return groups
}

func countsOf(rows []linkRow) string {
	n := map[string]int{}
	for _, r := range rows {
		n[r.State]++
	}
	var words []string
	for _, state := range states() {
		if n[state] > 0 {
			words = append(words, thousands(n[state])+" "+state)
		}
	}
	return strings.Join(words, ", ")
}

// group is the group of a link, without links: of what fails, by its first cause; of others, by whose service it is.
func (r *linkRow) group(by string) (key string, g group) {
	switch {
	case by == byAccount:
		return r.account, group{Title: r.account, Note: "consumer account"}
	case by == byService:
		return r.service, group{Title: r.service, Note: "service"}
	}
	for _, root := range r.Last.Roots {
		if root.Required && r.State == stateFailing {
			return root.Key, group{Title: root.Cause.Check, Cause: true, Note: string(root.Cause.Kind) + " " + root.Cause.ID}
		}
	}
	return r.State + "\x00" + r.service, group{Title: r.service, Note: "service"}
}

// has says whether the link's last round found the cause.
func (r *linkRow) has(cause string) bool {
	return slices.ContainsFunc(r.Last.Roots, func(root canary.Root) bool { return root.Key == cause })
}

// Causes are the checks that fail the link.
func (r linkRow) Causes() []string {
	var checks []string
	for _, root := range r.Last.Roots {
		if root.Required {
			checks = append(checks, root.Cause.Check)
		}
	}
	return checks
}
