package live

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// The series that Metrics tells beside its histogram.
const (
	seriesSuccess = iota
	seriesUntold
	seriesMaintenance
	seriesInterval
	seriesControlAge
	seriesLastRound
	seriesLastSuccess
	seriesCertificate
	seriesVerified
	seriesSkipped
	seriesBlocked
	seriesWatched
	seriesPhase
	seriesFailing
	seriesAffected
	seriesIncidents
	seriesRounds // counters from here
	seriesBad
	seriesUnknown
	seriesInterrupted
	seriesCalls
	seriesAlerts
	seriesCount
)

// seriesTexts are their names, without the prefix, and what they tell. But for incidents, API calls and affected links each has the label link.
func seriesTexts() [seriesCount][2]string {
	return [seriesCount][2]string{
		seriesSuccess:     {"link_success", "Whether the last round that could be told found the link working (1) or not (0)."},
		seriesUntold:      {"link_untold", "Whether the last round could not tell (1)."},
		seriesMaintenance: {"link_maintenance", "Whether the last round was in a maintenance window (1)."},
		seriesInterval:    {"link_interval_seconds", "Time from one round of the link to the next, as configured."},
		seriesControlAge:  {"link_control_age_seconds", "Age of the control plane that the last round was judged with."},
		seriesWatched:     {"link_watched_since_timestamp_seconds", "Since when this canary watches the link."},
		seriesLastRound:   {"link_last_round_timestamp_seconds", "When the last round ended that was not interrupted, whatever it came to."},
		seriesLastSuccess: {"link_last_success_timestamp_seconds", "When the last good round ended."},
		seriesCertificate: {"link_certificate_expiry_timestamp_seconds", "When the first certificate of a chain that the link showed expires."},
		seriesVerified:    {"link_domain_verified", "Whether the private DNS name's domain is verified (1); absent while nobody knows."},
		seriesSkipped:     {"link_checks_skipped", "Checks that do not apply, or what they need was left out."},
		seriesBlocked:     {"link_checks_blocked", "Checks that another failure stands before."},
		seriesPhase:       {"link_phase_duration_seconds", "The slowest answer of the last round, by phase."},
		seriesFailing:     {"check_failed", "Checks that fail of their own in the last round (1), by whose side it is to fix."},
		seriesAffected:    {"incident_links", "Links of open incidents."},
		seriesIncidents:   {"incidents", "Open incidents."},
		seriesRounds:      {"link_rounds_total", "Rounds of the link."},
		seriesBad:         {"link_rounds_failed_total", "Rounds in which a required check failed."},
		seriesUnknown:     {"link_rounds_untold_total", "Rounds that could not tell."},
		seriesInterrupted: {"link_rounds_interrupted_total", "Rounds that were cut short."},
		seriesCalls:       {"api_calls_total", "Requests to AWS APIs, retries included."},
		seriesAlerts:      {"incident_changes_total", "What people were told: incidents that were opened, spread, flapped or were cleared."},
	}
}

// Gather makes all series. It is not left to a registry: what that makes and checks of each value again and again would be
// most of what a fleet's metrics cost.
func (m *Metrics) Gather() ([]*dto.MetricFamily, error) {
	families, err := m.registry.Gather()
	families = append(families, m.told()...)
	slices.SortFunc(families, func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) })
	return families, err
}

// sheet is where values are written down. There are many of them at once: each takes only the memory of its kind.
type sheet struct {
	families [seriesCount]*dto.MetricFamily
	gauges   []gauge // room for values to come
	counters []counter
}

type gauge struct {
	metric dto.Metric
	gauge  dto.Gauge
	value  float64
}

type counter struct {
	metric  dto.Metric
	counter dto.Counter
	value   float64
}

// newSheet makes a sheet for so many links.
func newSheet(links int) *sheet {
	s := &sheet{}
	for i, text := range seriesTexts() {
		kind := dto.MetricType_GAUGE
		if i >= seriesRounds {
			kind = dto.MetricType_COUNTER
		}
		name := "linkassay_" + text[0]
		s.families[i] = &dto.MetricFamily{Name: &name, Help: &text[1], Type: &kind, Metric: make([]*dto.Metric, 0, links)}
	}
	return s
}

// tell writes a value down. Labels are sorted by name, and not changed by anybody.
func (s *sheet) tell(series int, value float64, labels []*dto.LabelPair) {
	const room = 256
	var m *dto.Metric
	if series >= seriesRounds {
		if len(s.counters) == 0 {
			s.counters = make([]counter, room)
		}
		c := &s.counters[0]
		s.counters = s.counters[1:]
		c.value, c.counter.Value = value, &c.value
		m, c.metric.Counter = &c.metric, &c.counter
	} else {
		if len(s.gauges) == 0 {
			s.gauges = make([]gauge, room)
		}
		g := &s.gauges[0]
		s.gauges = s.gauges[1:]
		g.value, g.gauge.Value = value, &g.value
		m, g.metric.Gauge = &g.metric, &g.gauge
	}
	m.Label = labels
	s.families[series].Metric = append(s.families[series].Metric, m)
}

// told makes series of what was written down, each family by its labels.
func (m *Metrics) told() []*dto.MetricFamily {
	m.mu.Lock()
	all := make([]figures, 0, len(m.links))
	for _, f := range m.links {
		all = append(all, *f)
	}
	calls, alerts, incidents := m.calls, m.alerts, len(m.open)
	affected := map[failing]int{}
	for _, i := range m.open {
		affected[failing{i.Cause.Check, string(i.Cause.Side)}] += len(i.Links)
	}
	m.mu.Unlock()
	slices.SortFunc(all, func(a, b figures) int { return strings.Compare(a.labels[0].GetValue(), b.labels[0].GetValue()) })

	s := newSheet(len(all))
	s.tell(seriesCalls, float64(calls), nil)
	s.tell(seriesAlerts, float64(alerts), nil)
	s.tell(seriesIncidents, float64(incidents), nil)
	for of, links := range affected {
		s.tell(seriesAffected, float64(links), labelsOf("check", of.check, "side", of.side))
	}
	for i := range all {
		all[i].tell(s)
	}
	for _, series := range []int{seriesAffected, seriesFailing} {
		slices.SortFunc(s.families[series].Metric, byLabels)
	}
	return slices.DeleteFunc(s.families[:], func(f *dto.MetricFamily) bool { return len(f.Metric) == 0 })
}

// tell writes down what is told of a link.
func (f *figures) tell(s *sheet) {
	link := f.labels
	s.tell(seriesRounds, float64(f.rounds), link) // 0 is a value too
	s.tell(seriesBad, float64(f.bad), link)
	s.tell(seriesUnknown, float64(f.unknown), link)
	s.tell(seriesInterrupted, float64(f.interrupted), link)
	s.tell(seriesWatched, seconds(f.watched), link)
	if !f.lastRound.IsZero() {
		s.tell(seriesLastRound, seconds(f.lastRound), link)
	}
	s.tell(seriesMaintenance, number(f.maintenance), link)
	if f.interval > 0 {
		s.tell(seriesInterval, f.interval.Seconds(), link)
	}
	if f.success != nil {
		s.tell(seriesSuccess, number(*f.success), link)
	}
	if !f.lastSuccess.IsZero() {
		s.tell(seriesLastSuccess, seconds(f.lastSuccess), link)
	}
	if !f.told {
		return
	}
	s.tell(seriesUntold, number(f.untold), link)
	s.tell(seriesControlAge, f.controlAge.Seconds(), link)
	s.tell(seriesSkipped, float64(f.skipped), link)
	s.tell(seriesBlocked, float64(f.blocked), link)
	if !f.certificate.IsZero() {
		s.tell(seriesCertificate, seconds(f.certificate), link)
	}
	if f.verified != nil {
		s.tell(seriesVerified, number(*f.verified), link)
	}
	for i, d := range f.slowest {
		if d > 0 {
			s.tell(seriesPhase, d.Seconds(), f.phases[i])
		}
	}
	seen := map[failing]bool{} // a check may fail on several things
	for _, of := range f.failing {
		if !seen[of] {
			seen[of] = true
			s.tell(seriesFailing, 1, labelsOf("link", link[0].GetValue(), "check", of.check, "side", of.side))
		}
	}
}

// labelsOf makes labels of names and values in turn.
func labelsOf(pairs ...string) []*dto.LabelPair {
	var all []*dto.LabelPair
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, &dto.LabelPair{Name: &pairs[i], Value: &pairs[i+1]})
	}
	slices.SortFunc(all, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) })
	return all
}

// byLabels compares values of one series by their labels' values.
func byLabels(a, b *dto.Metric) int {
	for i := range min(len(a.Label), len(b.Label)) {
		if d := strings.Compare(a.Label[i].GetValue(), b.Label[i].GetValue()); d != 0 {
			return d
		}
	}
	return cmp.Compare(len(a.Label), len(b.Label))
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

var _ prometheus.Gatherer = (*Metrics)(nil)
