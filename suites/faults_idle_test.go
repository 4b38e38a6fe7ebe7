package suites

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/linkassay/linkassay/probes"
)

func idleFaults() []fault {
	passed := []string{"reachability.tcp-interfaces", "reachability.http-interfaces"}
	return []fault{
		{"silent-connection-reset", func(o *probes.Observation) { forgotten(o, nil) }, "reachability.idle-connections", Network, passed},
		{"silent-connection-swallows", func(o *probes.Observation) {
			forgotten(o, func(s *probes.Silence) { s.Outcome = probes.TimedOut })
		}, "reachability.idle-connections", Network, passed},
		{"silent-connection-ended-by-reset", func(o *probes.Observation) {
			forgotten(o, func(s *probes.Silence) { s.Ended, s.Silent = true, 120*time.Second })
		}, "reachability.idle-connections", Network, passed},
		{"listener-forgets-early", func(o *probes.Observation) {
			forgotten(o, nil)
			o.Provider.Listeners.Value[1].IdleTimeoutSeconds = 60
		}, "reachability.idle-connections", ProviderSide, passed},
		{"listener-forgets-later-than-believed", func(o *probes.Observation) {
			forgotten(o, nil)
			o.Provider.Listeners.Value[1].IdleTimeoutSeconds = 600
		}, "reachability.idle-connections", Network, passed},
	}
}

// What a connection's silence does not decide is no failure, and no pass either where nothing was decided.
func TestSilencesThatDecideNothing(t *testing.T) {
	t.Parallel()
	each := func(o *probes.Observation, change func(s *probes.Silence)) {
		for i := range o.Reach.Idle.Value {
			change(&o.Reach.Idle.Value[i])
		}
	}
	for name, tc := range map[string]struct {
		make   func(o *probes.Observation)
		want   Status
		reason string
		fact   string
	}{
		"healthy": {func(*probes.Observation) {}, Passed, "", "reset after 6m0s of silence"},
		"the path keeps it for longer": {func(o *probes.Observation) {
			each(o, func(s *probes.Silence) { s.Outcome = probes.OK })
		}, Passed, "", "still there after 6m0s of silence"},
		"not HTTP, and yet an answer": {func(o *probes.Observation) {
			forgotten(o, func(s *probes.Silence) { s.Outcome = probes.BadAnswer })
		}, Passed, "", "still there after 5m40s of silence"},
		"one port's target closes": {func(o *probes.Observation) {
			forgotten(o, func(s *probes.Silence) { s.Outcome, s.Ended, s.Silent = probes.Closed, true, 75*time.Second })
		}, Passed, "", "the target closed it after 1m15s"},
		"all targets close": {func(o *probes.Observation) {
			each(o, func(s *probes.Silence) { s.Outcome, s.Ended, s.Silent = probes.Closed, true, 5*time.Second })
		}, Skipped, "the targets close silent connections", ""},
		"a port that says nothing": {func(o *probes.Observation) {
			o.Link.Ports[1].HTTP = nil
			forgotten(o, func(s *probes.Silence) { s.Outcome = probes.TimedOut })
		}, Untold, "timed out", ""},
		"the host slept": {func(o *probes.Observation) {
			forgotten(o, func(s *probes.Silence) { s.Silent = time.Hour })
		}, Untold, "reset after 1h0m0s", ""},
		"no connection": {func(o *probes.Observation) {
			forgotten(o, func(s *probes.Silence) { s.Outcome, s.Silent = probes.Refused, 0 })
		}, Untold, "refused", ""},
		"a vantage that is out of reach": {func(o *probes.Observation) {
			forgotten(o, func(s *probes.Silence) { s.Outcome = probes.NoVia })
		}, Untold, "vantage unreachable", ""},
		"a port that was left out": {func(o *probes.Observation) {
			o.Reach.Idle.Value = o.Reach.Idle.Value[:2]
		}, Untold, "no connection to port 443", ""},
		"without --slow": {func(o *probes.Observation) { absent(&o.Reach.Idle, probes.OnlySlow) }, Skipped, "--slow", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := healthy()
			tc.make(o)
			verdicts := Judge(o, Catalogue(), nil)
			v := verdicts[slices.IndexFunc(verdicts, func(v Verdict) bool { return v.Check == "reachability.idle-connections" })]
			if v.Status != tc.want || !strings.Contains(v.Reason, tc.reason) {
				t.Errorf("%s: %s, want %s: %s", v.Status, v.Reason, tc.want, tc.reason)
			}
			if tc.fact != "" && !slices.ContainsFunc(v.Facts, func(f Fact) bool { return f.Value == tc.fact }) {
				t.Errorf("no fact %q among %v", tc.fact, v.Facts)
			}
		})
	}
}

// A link file may believe in another idle timeout than AWS's default.
func TestIdleTimeoutIsTheLinkFiles(t *testing.T) {
	t.Parallel()
	o := healthy()
	if err := o.Link.Timeouts.Idle.UnmarshalText([]byte("400s")); err != nil {
		t.Fatal(err)
	}
	// The connections that were silent for 360 s are now among those that must last.
	if got := byStatus(Judge(o, Catalogue(), nil), Failed); !slices.Equal(got, []string{"reachability.idle-connections"}) {
		t.Errorf("failed: %v", got)
	}
}
