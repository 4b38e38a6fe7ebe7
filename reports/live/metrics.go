package live

import (
	"bytes"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/suites"
	"github.com/linkassay/linkassay/suites/canary"
)

// Metrics are what the canary finds, for Prometheus. Labels are link, check, side and phase alone: no address, id or
// text, so that their number is bounded by the link file and the catalogue.
type Metrics struct {
	registry *prometheus.Registry

	success, untold, maintenance, interval, controlAge *prometheus.GaugeVec
	lastRound, lastSuccess, certificate, verified      *prometheus.GaugeVec
	skipped, blocked, phase, failing, affected         *prometheus.GaugeVec
	rounds, bad, unknown, interrupted                  *prometheus.CounterVec
	duration                                           *prometheus.HistogramVec
	calls, alerts                                      prometheus.Counter
	incidents                                          prometheus.Gauge

	mu      sync.Mutex
	open    map[string]canary.Incident // by key
	watched map[string]bool            // nil: whatever comes
}

// The phases of a round that are timed.
const (
	phaseDNS  = "dns"
	phaseTCP  = "tcp"
	phaseTLS  = "tls"
	phaseHTTP = "http"
)

// NewMetrics makes metrics in a registry of their own.
func NewMetrics() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), open: map[string]canary.Incident{}}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "linkassay", Name: name, Help: help}, labels)
		m.registry.MustRegister(v)
		return v
	}
	counter := func(name, help string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "linkassay", Name: name, Help: help}, []string{"link"})
		m.registry.MustRegister(v)
		return v
	}
	m.success = gauge("link_success", "Whether the last round that could be told found the link working (1) or not (0).", "link")
	m.untold = gauge("link_untold", "Whether the last round could not tell (1).", "link")
	m.maintenance = gauge("link_maintenance", "Whether the last round was in a maintenance window (1).", "link")
	m.interval = gauge("link_interval_seconds", "Time from one round of the link to the next, as configured.", "link")
	m.controlAge = gauge("link_control_age_seconds", "Age of the control plane that the last round was judged with.", "link")
	m.lastRound = gauge("link_last_round_timestamp_seconds", "When the last round ended, whatever it came to.", "link")
	m.lastSuccess = gauge("link_last_success_timestamp_seconds", "When the last good round ended.", "link")
	m.certificate = gauge("link_certificate_expiry_timestamp_seconds", "When the first certificate of a chain that the link showed expires.", "link")
	m.verified = gauge("link_domain_verified", "Whether the private DNS name's domain is verified (1); absent while nobody knows.", "link")
	m.skipped = gauge("link_checks_skipped", "Checks that do not apply, or what they need was left out.", "link")
	m.blocked = gauge("link_checks_blocked", "Checks that another failure stands before.", "link")
	m.phase = gauge("link_phase_duration_seconds", "The slowest answer of the last round, by phase.", "link", "phase")
	m.failing = gauge("check_failed", "Checks that fail of their own in the last round (1), by whose side it is to fix.", "link", "check", "side")
	m.affected = gauge("incident_links", "Links of open incidents.", "check", "side")
	m.rounds = counter("link_rounds_total", "Rounds of the link.")
	m.bad = counter("link_rounds_failed_total", "Rounds in which a required check failed.")
	m.unknown = counter("link_rounds_untold_total", "Rounds that could not tell.")
	m.interrupted = counter("link_rounds_interrupted_total", "Rounds that were cut short.")
	m.duration = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: "linkassay", Name: "probe_duration_seconds", Help: "How long answers took, by phase, of all links.",
		Buckets:                     []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160, NativeHistogramMinResetDuration: time.Hour,
	}, []string{"phase"})
	m.calls = prometheus.NewCounter(prometheus.CounterOpts{Namespace: "linkassay", Name: "api_calls_total", Help: "Requests to AWS APIs, retries included."})
	m.alerts = prometheus.NewCounter(prometheus.CounterOpts{Namespace: "linkassay", Name: "incident_changes_total", Help: "Incidents that were opened, flapped or were cleared."})
	m.incidents = prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "linkassay", Name: "incidents", Help: "Open incidents."})
	m.registry.MustRegister(m.duration, m.calls, m.alerts, m.incidents, collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler serves the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry, MaxRequestsInFlight: 8, Timeout: 20 * time.Second})
}

// Gatherer gives the metrics to who wants to look at them.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.registry }

// WriteTextfile replaces a file with the metrics, in the form that node_exporter's textfile collector reads.
func (m *Metrics) WriteTextfile(path string) error {
	families, err := m.registry.Gather()
	if err != nil {
		return err
	}
	var b bytes.Buffer
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "process_") {
			continue // node_exporter has its own
		}
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			return err
		}
	}
	return replace(path, b.Bytes(), 0o644)
}

// Restore takes over what is open from before this process.
func (m *Metrics) Restore(open []canary.Incident) {
	for _, i := range open {
		m.take(i)
	}
}

// Watch says which links are watched now: the series of others end, and rounds of theirs that come late are not taken in.
// A series that stays would be told as stale.
func (m *Metrics) Watch(links []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.watched
	m.watched = make(map[string]bool, len(links))
	for _, l := range links {
		m.watched[l] = true
	}
	for l := range before {
		if !m.watched[l] {
			m.forget(l)
		}
	}
}

func (m *Metrics) forget(link string) {
	labels := prometheus.Labels{"link": link}
	for _, v := range []*prometheus.GaugeVec{
		m.success, m.untold, m.maintenance, m.interval, m.controlAge, m.lastRound, m.lastSuccess, m.certificate, m.verified,
		m.skipped, m.blocked, m.phase, m.failing,
	} {
		v.DeletePartialMatch(labels)
	}
	for _, v := range []*prometheus.CounterVec{m.rounds, m.bad, m.unknown, m.interrupted} {
		v.DeletePartialMatch(labels)
	}
}

// Round takes a round in.
func (m *Metrics) Round(r canary.Round) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	link := r.Link
	if m.watched != nil && !m.watched[link] {
		return nil
	}
	m.rounds.WithLabelValues(link).Inc()
	bad, unknown, interrupted := m.bad.WithLabelValues(link), m.unknown.WithLabelValues(link), m.interrupted.WithLabelValues(link) // 0 is a value too
	m.lastRound.WithLabelValues(link).Set(seconds(r.Finished))
	m.maintenance.WithLabelValues(link).Set(number(r.Maintenance != ""))
	m.calls.Add(float64(r.Calls))
	if r.Observation != nil {
		m.interval.WithLabelValues(link).Set(time.Duration(r.Observation.Link.Canary.WithDefaults().Interval).Seconds())
	}
	switch r.Outcome {
	case canary.Interrupted:
		interrupted.Inc()
		return nil
	case canary.Untold:
		unknown.Inc()
	case canary.Bad:
		bad.Inc()
		m.success.WithLabelValues(link).Set(0)
	case canary.Good:
		m.success.WithLabelValues(link).Set(1)
		m.lastSuccess.WithLabelValues(link).Set(seconds(r.Finished))
	}
	m.untold.WithLabelValues(link).Set(number(r.Outcome == canary.Untold))
	m.controlAge.WithLabelValues(link).Set(r.ControlAge.Seconds())
	count := map[suites.Status]int{}
	for _, v := range r.Verdicts {
		count[v.Status]++
	}
	m.skipped.WithLabelValues(link).Set(float64(count[suites.Skipped]))
	m.blocked.WithLabelValues(link).Set(float64(count[suites.Blocked]))
	m.failing.DeletePartialMatch(prometheus.Labels{"link": link})
	for _, root := range r.Roots {
		m.failing.WithLabelValues(link, root.Cause.Check, string(root.Cause.Side)).Set(1)
	}
	if r.Observation != nil {
		m.observed(link, r.Observation)
	}
	return nil
}

// observed takes in what was measured.
func (m *Metrics) observed(link string, o *probes.Observation) {
	slowest := map[string]time.Duration{}
	answer := func(phase string, d time.Duration, outcome probes.Outcome) {
		if outcome == probes.OK {
			slowest[phase] = max(slowest[phase], d)
			m.duration.WithLabelValues(phase).Observe(d.Seconds())
		}
	}
	for _, it := range []*probes.Item[[]probes.Lookup]{o.DNS.Private, o.DNS.Regional, o.DNS.Zonal} {
		for _, l := range valueOf(it) {
			answer(phaseDNS, l.Duration, l.Outcome)
		}
	}
	for _, a := range valueOf(o.Reach.TCP) {
		for _, t := range a.Tries {
			answer(phaseTCP, t.Duration, t.Outcome)
		}
	}
	var expiry time.Time
	for _, h := range valueOf(o.Reach.TLS) {
		answer(phaseTLS, h.Duration, h.Outcome)
		for _, c := range h.Chain {
			if expiry.IsZero() || c.NotAfter.Before(expiry) {
				expiry = c.NotAfter
			}
		}
	}
	for _, e := range valueOf(o.Reach.HTTP) {
		answer(phaseHTTP, e.Duration, e.Outcome)
	}
	m.phase.DeletePartialMatch(prometheus.Labels{"link": link})
	for phase, d := range slowest {
		m.phase.WithLabelValues(link, phase).Set(d.Seconds())
	}
	if !expiry.IsZero() {
		m.certificate.WithLabelValues(link).Set(seconds(expiry))
	}
	state := valueOf(o.Consumer.Service).VerificationState
	if v := valueOf(o.Provider.Service).Verification; v != nil {
		state = v.State
	}
	if state != "" {
		m.verified.WithLabelValues(link).Set(number(strings.EqualFold(state, "verified")))
	}
}

// Change takes a change in.
func (m *Metrics) Change(c canary.Change) error {
	if c.Alerts() {
		m.alerts.Inc()
	}
	if c.Kind != canary.Recovered {
		m.take(c.Incident)
	}
	return nil
}

func (m *Metrics) take(i canary.Incident) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i.Open() {
		m.open[i.Key] = i
	} else {
		delete(m.open, i.Key)
	}
	m.incidents.Set(float64(len(m.open)))
	m.affected.Reset()
	for _, i := range m.open {
		m.affected.WithLabelValues(i.Cause.Check, string(i.Cause.Side)).Add(float64(len(i.Links)))
	}
}

func valueOf[T any](it *probes.Item[T]) T {
	if it == nil {
		var zero T
		return zero
	}
	return it.Value
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
