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
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/suites/canary"
)

// Metrics are what the canary finds, for Prometheus. Labels are link, check, side and phase alone: no address, id or
// text, so that their number is bounded by the link file and the catalogue. A round only writes its figures down; series
// are made of them when somebody asks.
type Metrics struct {
	registry *prometheus.Registry // of the histogram, and of the process
	answers  [phaseCount]prometheus.Observer
	phases   [phaseCount]*dto.LabelPair

	mu      sync.Mutex
	links   map[string]*figures
	watched map[string]bool            // nil: whatever comes
	open    map[string]canary.Incident // by key
	calls   int64
	alerts  int
}

// figures are what is told of a link.
type figures struct {
	rounds, bad, unknown, interrupted int
	lastRound, lastSuccess            time.Time
	watched                           time.Time // since when
	interval, controlAge              time.Duration
	maintenance, untold               bool
	told                              bool  // a round came that was not interrupted
	success, verified                 *bool // nil: nobody knows
	skipped, blocked                  int
	certificate                       time.Time
	slowest                           [phaseCount]time.Duration // 0: no answer
	failing                           []failing

	labels []*dto.LabelPair // the link
	phases [phaseCount][]*dto.LabelPair
}

// failing is a check that fails of its own.
type failing struct{ check, side string }

// The phases of a round that are timed.
const (
	phaseDNS = iota
	phaseTCP
	phaseTLS
	phaseHTTP
	phaseCount
)

// phaseName is what a phase is called.
func phaseName(phase int) string { return [...]string{"dns", "tcp", "tls", "http"}[phase] }

// NewMetrics makes metrics in a registry of their own.
func NewMetrics() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), links: map[string]*figures{}, open: map[string]canary.Incident{}}
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: "linkassay", Name: "probe_duration_seconds", Help: "How long answers took, by phase, of all links.",
		Buckets:                     []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160, NativeHistogramMinResetDuration: time.Hour,
	}, []string{"phase"})
	for i := range m.answers {
		m.phases[i] = labelsOf("phase", phaseName(i))[0]
		m.answers[i] = duration.WithLabelValues(phaseName(i))
	}
	m.registry.MustRegister(duration, collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler serves the metrics. How long it may take is the server's to say: a timeout of the handler would have all of the
// text in memory before it is sent.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m, promhttp.HandlerOpts{Registry: m.registry, MaxRequestsInFlight: 4})
}

// WriteTextfile replaces a file with the metrics, in the form that node_exporter's textfile collector reads.
func (m *Metrics) WriteTextfile(path string) error {
	families, err := m.Gather()
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

// Restore takes over from before this process what is open, and when links were good last.
func (m *Metrics) Restore(open []canary.Incident, links map[string]canary.LinkState) {
	for _, i := range open {
		m.take(i)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for link, l := range links {
		if m.watched == nil || m.watched[link] {
			m.figures(link).lastSuccess = l.LastGood
		}
	}
}

// Watch says which links are watched now: the series of others end, and rounds of theirs that come late are not taken in.
// A series that stays would be told as stale. A link that no round comes of has series too: since when it is watched, and
// how often it should be looked at.
func (m *Metrics) Watch(links []provision.Link) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.watched = make(map[string]bool, len(links))
	for i := range links {
		m.watched[links[i].Name] = true
		m.figures(links[i].Name).interval = time.Duration(links[i].Canary.WithDefaults().Interval)
	}
	for l := range m.links {
		if !m.watched[l] {
			delete(m.links, l)
		}
	}
}

// figures are the link's. The caller holds m.mu.
func (m *Metrics) figures(link string) *figures {
	f := m.links[link]
	if f == nil {
		f = &figures{labels: labelsOf("link", link), watched: time.Now()}
		for i := range f.phases {
			f.phases[i] = []*dto.LabelPair{f.labels[0], m.phases[i]}
		}
		m.links[link] = f
	}
	return f
}

// Round takes a round in.
func (m *Metrics) Round(r canary.Round) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.watched != nil && !m.watched[r.Link] {
		return nil
	}
	f := m.figures(r.Link)
	m.calls += r.Calls
	f.rounds++
	f.maintenance = r.Maintenance != ""
	if r.Observation != nil {
		f.interval = time.Duration(r.Observation.Link.Canary.WithDefaults().Interval)
	}
	good := r.Outcome == canary.Good
	switch r.Outcome {
	case canary.Interrupted:
		f.interrupted++
		return nil
	case canary.Untold:
		f.unknown++
	case canary.Bad:
		f.bad++
		f.success = &good
	case canary.Good:
		f.success, f.lastSuccess = &good, r.Finished
	}
	f.lastRound = r.Finished // interrupted ones measured nothing: where all are, the last one is long ago
	f.told, f.untold, f.controlAge = true, r.Outcome == canary.Untold, r.ControlAge
	f.skipped, f.blocked = r.Summary.Skipped, r.Summary.Blocked
	f.failing = nil
	for _, root := range r.Roots {
		f.failing = append(f.failing, failing{root.Cause.Check, string(root.Cause.Side)})
	}
	if r.Observation != nil {
		m.observed(f, r.Observation)
	}
	return nil
}

// observed takes in what was measured.
func (m *Metrics) observed(f *figures, o *probes.Observation) {
	f.slowest = [phaseCount]time.Duration{}
	answer := func(phase int, t probes.Try) {
		if t.Outcome == probes.OK {
			f.slowest[phase] = max(f.slowest[phase], t.Duration)
			m.answers[phase].Observe(t.Duration.Seconds())
		}
	}
	for _, it := range []*probes.Item[[]probes.Lookup]{o.DNS.Private, o.DNS.Regional, o.DNS.Zonal} {
		for i := range valueOf(it) {
			answer(phaseDNS, probes.Try{Duration: it.Value[i].Duration, Outcome: it.Value[i].Outcome})
		}
	}
	tcp, tls, http := valueOf(o.Reach.TCP), valueOf(o.Reach.TLS), valueOf(o.Reach.HTTP)
	for i := range tcp {
		if counts(i, tcp, func(a *probes.Attempt) probes.Target { return a.Target }) {
			for _, t := range tcp[i].Tries {
				answer(phaseTCP, t)
			}
		}
	}
	var certificate time.Time
	for i := range tls {
		if counts(i, tls, func(h *probes.Handshake) probes.Target { return h.Target }) {
			answer(phaseTLS, tls[i].Try)
		}
		for _, c := range tls[i].Chain {
			if certificate.IsZero() || c.NotAfter.Before(certificate) {
				certificate = c.NotAfter
			}
		}
	}
	if !certificate.IsZero() {
		f.certificate = certificate // the one of before still runs out when none is shown
	}
	for i := range http {
		if counts(i, http, func(e *probes.Exchange) probes.Target { return e.Target }) {
			answer(phaseHTTP, http[i].Try)
		}
	}
	state := valueOf(o.Consumer.Service).VerificationState
	if v := valueOf(o.Provider.Service).Verification; v != nil {
		state = v.State
	}
	if state != "" {
		verified := strings.EqualFold(state, "verified")
		f.verified = &verified
	}
}

// counts says whether a connection is one of its own: where interfaces were dialled, those of names to the same
// addresses may be the same connections. Interfaces come last.
func counts[T any](i int, all []T, target func(*T) probes.Target) bool {
	const own = probes.TargetInterface
	return target(&all[i]).Kind == own || target(&all[len(all)-1]).Kind != own
}

// Change takes a change in.
func (m *Metrics) Change(c canary.Change) error {
	if c.Alerts() {
		m.mu.Lock()
		m.alerts++
		m.mu.Unlock()
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
}

func valueOf[T any](it *probes.Item[T]) T {
	if it == nil {
		var zero T
		return zero
	}
	return it.Value
}
