package live

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/suites"
	"github.com/linkassay/linkassay/suites/canary"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

func item[T any](v T) *probes.Item[T] { return &probes.Item[T]{Started: noon, Value: v} }

// observed is an Observation with an answer in each phase.
func observed() *probes.Observation {
	try := func(d time.Duration, outcome probes.Outcome) probes.Try {
		return probes.Try{Started: noon, Duration: d, Outcome: outcome}
	}
	return &probes.Observation{
		Format: probes.Format, Started: noon, Finished: noon.Add(time.Second),
		Link:     provision.Link{Name: "orders", Canary: provision.Canary{Interval: provision.Duration(30 * time.Second)}},
		Provider: probes.Provider{Service: item(probes.Service{Verification: &probes.Verification{State: "verified"}})},
		DNS:      probes.DNS{Private: item([]probes.Lookup{{Outcome: probes.OK, Duration: 3 * time.Millisecond}})},
		Reach: probes.Reach{
			TCP: item([]probes.Attempt{{Tries: []probes.Try{try(20*time.Millisecond, probes.OK), try(3*time.Second, probes.TimedOut)}}}),
			TLS: item([]probes.Handshake{{Try: try(40*time.Millisecond, probes.OK), Chain: []probes.Certificate{
				{NotAfter: noon.Add(240 * time.Hour)}, {NotAfter: noon.Add(2400 * time.Hour)},
			}}}),
			HTTP: item([]probes.Exchange{{Try: try(70*time.Millisecond, probes.OK)}, {Try: try(90*time.Millisecond, probes.OK)}}),
		},
	}
}

func round(outcome canary.Outcome) canary.Round {
	r := canary.Round{
		Link: "orders", Started: noon, Finished: noon.Add(time.Second), Took: time.Second, Outcome: outcome, ControlAge: 90 * time.Second, Calls: 40,
		Observation: observed(), Summary: suites.Summary{Passed: 1, Skipped: 1},
		Judged: func() []suites.Verdict { return []suites.Verdict{{Status: suites.Passed}, {Status: suites.Skipped}} },
	}
	if outcome == canary.Bad {
		r.Summary.Blocked = 1
		r.Roots = []canary.Root{{Key: "k", Required: true, Cause: canary.Cause{Check: "connection.healthy-target", Side: suites.ProviderSide}}}
	}
	return r
}

func incident(links ...string) canary.Incident {
	i := canary.Incident{Key: "k", Cause: canary.Cause{Check: "connection.healthy-target", Side: suites.ProviderSide}, Since: noon, Opened: noon}
	for _, l := range links {
		i.Links = append(i.Links, canary.Affected{Link: l, Since: noon})
	}
	return i
}

func tell(t *testing.T, s canary.Sink, things ...any) {
	t.Helper()
	for _, x := range things {
		var err error
		switch x := x.(type) {
		case canary.Round:
			err = s.Round(x)
		case canary.Change:
			err = s.Change(x)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

func wantLines(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if !strings.Contains("\n"+text, "\n"+l+"\n") {
			t.Errorf("no line %q", l)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	m := NewMetrics()
	m.Watch(watched("orders", "billing"))
	late := round(canary.Interrupted) // it measured nothing
	late.Finished = noon.Add(time.Hour)
	tell(t, m, round(canary.Good), round(canary.Bad), late, canary.Change{Kind: canary.Opened, At: noon, Incident: incident("billing", "orders")})
	wantLines(t, scrape(t, m),
		`linkassay_link_success{link="orders"} 0`, `linkassay_link_untold{link="orders"} 0`, `linkassay_link_interval_seconds{link="orders"} 30`,
		`linkassay_link_control_age_seconds{link="orders"} 90`, `linkassay_link_checks_skipped{link="orders"} 1`, `linkassay_link_checks_blocked{link="orders"} 1`,
		`linkassay_link_rounds_total{link="orders"} 3`, `linkassay_link_rounds_failed_total{link="orders"} 1`, `linkassay_link_rounds_interrupted_total{link="orders"} 1`,
		`linkassay_check_failed{check="connection.healthy-target",link="orders",side="provider"} 1`,
		`linkassay_incidents 1`, `linkassay_incident_links{check="connection.healthy-target",side="provider"} 2`,
		`linkassay_link_phase_duration_seconds{link="orders",phase="http"} 0.09`, `linkassay_link_phase_duration_seconds{link="orders",phase="tcp"} 0.02`,
		`linkassay_probe_duration_seconds_count{phase="http"} 4`, `linkassay_probe_duration_seconds_bucket{phase="dns",le="0.005"} 2`,
		`linkassay_link_domain_verified{link="orders"} 1`, `linkassay_api_calls_total 120`,
		`linkassay_link_last_round_timestamp_seconds{link="orders"} `+strconv.FormatFloat(seconds(round(canary.Bad).Finished), 'g', -1, 64),
		`linkassay_link_rounds_total{link="billing"} 0`, `linkassay_link_interval_seconds{link="billing"} 60`,
	)
	if text := scrape(t, m); strings.Contains(text, `last_round_timestamp_seconds{link="billing"}`) {
		t.Error("a link that had no round has a last one")
	}
	ended := incident("orders")
	ended.Ended = noon
	tell(t, m, round(canary.Good), canary.Change{Kind: canary.Cleared, At: noon, Incident: ended})
	text := scrape(t, m)
	wantLines(t, text, `linkassay_link_success{link="orders"} 1`, `linkassay_incidents 0`, `linkassay_incident_changes_total 2`)
	if strings.Contains(text, "check_failed{") || strings.Contains(text, "incident_links{") {
		t.Errorf("a check that fails no more, or an incident that ended, is still there:\n%s", text)
	}
	m.Watch(watched("billing"))
	tell(t, m, round(canary.Good)) // late
	if strings.Contains(scrape(t, m), `link="orders"`) {
		t.Error("a link that is not watched any more has series")
	}
}

func TestMetricsFollowTheConventions(t *testing.T) {
	t.Parallel()
	m := NewMetrics()
	tell(t, m, round(canary.Good), round(canary.Bad), canary.Change{Kind: canary.Opened, At: noon, Incident: incident("orders")})
	problems, err := testutil.GatherAndLint(m)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %+v", err, problems)
	}
	var _ []promlint.Problem = problems
	families, err := m.Gather()
	if err != nil {
		t.Fatal(err)
	}
	native := false
	for _, f := range families {
		for _, s := range f.GetMetric() {
			for _, l := range s.GetLabel() {
				if n := l.GetName(); n != "link" && n != "check" && n != "side" && n != "phase" {
					t.Errorf("%s has the label %s", f.GetName(), n)
				}
			}
			native = native || s.GetHistogram().GetSchema() > 0 && len(s.GetHistogram().GetBucket()) > 0
		}
	}
	if !native {
		t.Error("no histogram is native and classic at once")
	}
}

func TestTextfile(t *testing.T) {
	t.Parallel()
	m := NewMetrics()
	tell(t, m, round(canary.Good))
	dir := t.TempDir()
	path := filepath.Join(dir, "linkassay.prom")
	for range 2 {
		if err := m.WriteTextfile(path); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	wantLines(t, string(b), `linkassay_link_success{link="orders"} 1`)
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 || bytes.Contains(b, []byte("process_")) {
		t.Errorf("%v %v", entries, err)
	}
	if err := m.WriteTextfile(filepath.Join(dir, "none", "x.prom")); err == nil {
		t.Error("a folder that is not there: expected an error")
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool (Debian's prometheus) is not on PATH: the file was not linted")
	}
	cmd := exec.Command(promtool, "check", "metrics")
	cmd.Stdin = bytes.NewReader(b)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}
