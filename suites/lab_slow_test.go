package suites_test

import (
	"slices"
	"testing"
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision/lab"
	"github.com/linkassay/linkassay/suites"
)

// On a healthy link connections last as long as the idle timeout, whatever they speak, and not much longer.
func TestSilentConnectionsOfAHealthyLink(t *testing.T) {
	t.Parallel()
	const idle = 5 * time.Second // a busy machine stalls for seconds
	l := startLink(t, calm(false), func(o *lab.Options) { o.HurryIdle(idle) })
	o, err := observeLab(t.Context(), l.lab, nil, func(o *probes.Options) { o.Slow = true })
	if err != nil {
		t.Fatal(err)
	}
	verdicts := suites.Judge(o, suites.Catalogue(), nil)
	v := verdicts[slices.IndexFunc(verdicts, func(v suites.Verdict) bool { return v.Check == "reachability.idle-connections" })]
	if v.Status != suites.Passed {
		t.Errorf("%s: %s %v", v.Status, v.Reason, v.Facts)
	}
	longer := 0
	for _, s := range o.Reach.Idle.Value {
		if s.Wanted > idle {
			longer++
			if s.Outcome != probes.Reset || s.Ended || s.Silent < s.Wanted {
				t.Errorf("after more than the idle timeout: %+v", s)
			}
		}
	}
	if want := len(o.Link.Vantages) * len(o.Link.Ports); longer != want || len(o.Reach.Idle.Value) != 2*want {
		t.Errorf("%d connections, %d of them silent for longer, want %d", len(o.Reach.Idle.Value), longer, want)
	}
	for _, l := range o.Provider.Listeners.Value {
		if l.IdleTimeoutSeconds != 350 {
			t.Errorf("listener %d: idle timeout %d", l.Port, l.IdleTimeoutSeconds)
		}
	}
}
