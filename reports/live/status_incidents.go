package live

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/linkassay/linkassay/reports/live/history"
	"github.com/linkassay/linkassay/suites/canary"
)

// incidentRow is an open incident.
type incidentRow struct {
	canary.Incident
	Shown   []canary.Affected
	More    int
	URL     string // of all its links
	Runbook string
	Bundle  string // "" where there is none any more

	Unfolded bool
}

// openRows are the open incidents that pick picks, those with most links first. The caller holds s.mu.
func (s *Status) openRows(pick func(canary.Incident) bool) (rows []incidentRow, more int) {
	for _, i := range s.open {
		if !pick(i) {
			continue
		}
		row := incidentRow{
			Incident: i, Shown: i.Links, URL: (fleetFilter{By: byCause}).with(func(f *fleetFilter) { f.Cause = i.Key }),
			Runbook: s.runbooks.Of(i.Cause.Check), Bundle: s.bundleOf(i.Bundle),
		}
		if n := len(i.Links) - shownAffected; n > 0 {
			row.Shown, row.More = i.Links[:shownAffected], n
		}
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b incidentRow) int {
		return cmp.Or(cmp.Compare(len(b.Links), len(a.Links)), cmp.Compare(a.Key, b.Key))
	})
	if more = len(rows) - shownOpen; more > 0 {
		rows = rows[:shownOpen]
	}
	for i := range rows[:min(len(rows), unfolded)] {
		rows[i].Unfolded = true
	}
	return rows, max(more, 0)
}

// bundleOf is a bundle's name if it can be shown. The caller holds s.mu.
func (s *Status) bundleOf(name string) string {
	if name == "" || s.evidence == nil || !s.evidence.Has(name) {
		return ""
	}
	return name
}

// incidentsPage is what the page of all incidents shows.
type incidentsPage struct {
	Head    Head
	Past    []pastRow
	History bool
	Problem string
	Spans   []choice
	More    bool
}

// pastRow is an incident of the past, or one that is open.
type pastRow struct {
	history.Past
	Bundle, Runbook, URL string
	Lasted               time.Duration
}

// shownPast are the incidents of the past on one page.
const shownPast = 200

func (s *Status) incidents(ctx context.Context, asked string) incidentsPage {
	s.mu.Lock()
	past := s.past
	s.mu.Unlock()
	now := s.now()
	back, spans := chosen(asked, "7d", func(key string) string { return "/incidents?since=" + key })
	p := incidentsPage{Head: Head{Title: "Incidents · linkassay canary", Now: now}, History: past != nil, Spans: spans}
	if past == nil {
		return p
	}
	all, err := past.Incidents(ctx, "", now.Add(-back), shownPast+1)
	if err != nil {
		p.Problem = err.Error()
	}
	p.Past, p.More = s.pastRows(all[:min(len(all), shownPast)], now), len(all) > shownPast
	return p
}

func (s *Status) pastRows(all []history.Past, now time.Time) (rows []pastRow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range all {
		end := i.Ended
		if i.Open() {
			end = now
		}
		rows = append(rows, pastRow{
			Past: i, Bundle: s.bundleOf(i.Bundle), Runbook: s.runbooks.Of(i.Cause.Check), Lasted: end.Sub(i.Since),
			URL: (fleetFilter{By: byCause}).with(func(f *fleetFilter) { f.Cause = i.Key }),
		})
	}
	return rows
}

// choice is a lookback as a page offers it.
type choice struct {
	Label, URL string
	On         bool
}

// lookback is a time that can be looked back.
type lookback struct {
	key, label string
	back       time.Duration
}

func lookbacks() []lookback {
	const day = 24 * time.Hour
	return []lookback{
		{"1h", "1 hour", time.Hour}, {"6h", "6 hours", 6 * time.Hour}, {"1d", "1 day", day}, {"7d", "7 days", 7 * day}, {"30d", "30 days", 30 * day}, {"120d", "120 days", 120 * day},
	}
}

// chosen is how far back is asked for, and what else can be.
func chosen(asked, standard string, address func(key string) string) (time.Duration, []choice) {
	all := lookbacks()
	if !slices.ContainsFunc(all, func(c lookback) bool { return c.key == asked }) {
		asked = standard
	}
	var back time.Duration
	var choices []choice
	for _, c := range all {
		if c.key == asked {
			back = c.back
		}
		choices = append(choices, choice{c.label, address(c.key), c.key == asked})
	}
	return back, choices
}
