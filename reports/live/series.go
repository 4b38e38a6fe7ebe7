package live

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// series describe what Metrics tells beside its histogram.
type series struct {
	success, untold, maintenance, interval, controlAge *prometheus.Desc
	lastRound, lastSuccess, certificate, verified      *prometheus.Desc
	skipped, blocked, phase, failing, affected         *prometheus.Desc
	rounds, bad, unknown, interrupted                  *prometheus.Desc
	calls, alerts, incidents                           *prometheus.Desc

	phaseLabels [phaseCount]*dto.LabelPair
}

func newSeries() *series {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("linkassay_"+name, help, labels, nil)
	}
	s := &series{
		success:     desc("link_success", "Whether the last round that could be told found the link working (1) or not (0).", "link"),
		untold:      desc("link_untold", "Whether the last round could not tell (1).", "link"),
		maintenance: desc("link_maintenance", "Whether the last round was in a maintenance window (1).", "link"),
		interval:    desc("link_interval_seconds", "Time from one round of the link to the next, as configured.", "link"),
		controlAge:  desc("link_control_age_seconds", "Age of the control plane that the last round was judged with.", "link"),
		lastRound:   desc("link_last_round_timestamp_seconds", "When the last round ended, whatever it came to.", "link"),
		lastSuccess: desc("link_last_success_timestamp_seconds", "When the last good round ended.", "link"),
		certificate: desc("link_certificate_expiry_timestamp_seconds", "When the first certificate of a chain that the link showed expires.", "link"),
		verified:    desc("link_domain_verified", "Whether the private DNS name's domain is verified (1); absent while nobody knows.", "link"),
		skipped:     desc("link_checks_skipped", "Checks that do not apply, or what they need was left out.", "link"),
		blocked:     desc("link_checks_blocked", "Checks that another failure stands before.", "link"),
		phase:       desc("link_phase_duration_seconds", "The slowest answer of the last round, by phase.", "link", "phase"),
		failing:     desc("check_failed", "Checks that fail of their own in the last round (1), by whose side it is to fix.", "link", "check", "side"),
		affected:    desc("incident_links", "Links of open incidents.", "check", "side"),
		rounds:      desc("link_rounds_total", "Rounds of the link.", "link"),
		bad:         desc("link_rounds_failed_total", "Rounds in which a required check failed.", "link"),
		unknown:     desc("link_rounds_untold_total", "Rounds that could not tell.", "link"),
		interrupted: desc("link_rounds_interrupted_total", "Rounds that were cut short.", "link"),
		calls:       desc("api_calls_total", "Requests to AWS APIs, retries included."),
		alerts:      desc("incident_changes_total", "Incidents that were opened, flapped or were cleared."),
		incidents:   desc("incidents", "Open incidents."),
	}
	for i := range s.phaseLabels {
		s.phaseLabels[i] = labelsOf("phase", phaseName(i))[0]
	}
	return s
}

// Describe says what Collect makes.
func (m *Metrics) Describe(to chan<- *prometheus.Desc) {
	s := m.series
	for _, d := range []*prometheus.Desc{
		s.success, s.untold, s.maintenance, s.interval, s.controlAge, s.lastRound, s.lastSuccess, s.certificate, s.verified, s.skipped, s.blocked,
		s.phase, s.failing, s.affected, s.rounds, s.bad, s.unknown, s.interrupted, s.calls, s.alerts, s.incidents,
	} {
		to <- d
	}
}

// Collect makes series of what was written down.
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
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

	s := m.series
	tell := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels []*dto.LabelPair) {
		to <- &sample{d, kind, v, labels}
	}
	gauge := func(d *prometheus.Desc, v float64, labels []*dto.LabelPair) {
		tell(d, prometheus.GaugeValue, v, labels)
	}
	tell(s.calls, prometheus.CounterValue, float64(calls), nil)
	tell(s.alerts, prometheus.CounterValue, float64(alerts), nil)
	gauge(s.incidents, float64(incidents), nil)
	for of, links := range affected {
		gauge(s.affected, float64(links), labelsOf("check", of.check, "side", of.side))
	}
	for i := range all {
		f := &all[i]
		link := f.labels
		for _, c := range []struct {
			d *prometheus.Desc
			n int
		}{{s.rounds, f.rounds}, {s.bad, f.bad}, {s.unknown, f.unknown}, {s.interrupted, f.interrupted}} {
			tell(c.d, prometheus.CounterValue, float64(c.n), link) // 0 is a value too
		}
		gauge(s.lastRound, seconds(f.lastRound), link)
		gauge(s.maintenance, number(f.maintenance), link)
		if f.interval > 0 {
			gauge(s.interval, f.interval.Seconds(), link)
		}
		if f.success != nil {
			gauge(s.success, number(*f.success), link)
		}
		if !f.lastSuccess.IsZero() {
			gauge(s.lastSuccess, seconds(f.lastSuccess), link)
		}
		if !f.told {
			continue
		}
		gauge(s.untold, number(f.untold), link)
		gauge(s.controlAge, f.controlAge.Seconds(), link)
		gauge(s.skipped, float64(f.skipped), link)
		gauge(s.blocked, float64(f.blocked), link)
		if !f.certificate.IsZero() {
			gauge(s.certificate, seconds(f.certificate), link)
		}
		if f.verified != nil {
			gauge(s.verified, number(*f.verified), link)
		}
		for i, d := range f.slowest {
			if d > 0 {
				gauge(s.phase, d.Seconds(), f.phases[i])
			}
		}
		seen := map[failing]bool{} // a check may fail on several things
		for _, of := range f.failing {
			if !seen[of] {
				seen[of] = true
				gauge(s.failing, 1, labelsOf("link", link[0].GetValue(), "check", of.check, "side", of.side))
			}
		}
	}
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
