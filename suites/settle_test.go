package suites

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/linkassay/linkassay/probes"
)

// scripted looks at one Observation after the other; the clock moves by a second with each pause.
func scripted(t *testing.T, ctx context.Context, want int, within time.Duration, looks ...func() *probes.Observation) ([]Round, []time.Duration) {
	t.Helper()
	n, now := 0, start
	var pauses []time.Duration
	rounds := Settle(ctx, func(context.Context) *probes.Observation {
		if n >= len(looks) {
			t.Fatalf("look %d, there are %d", n+1, len(looks))
		}
		n++
		return looks[n-1]()
	}, SettleOptions{
		Good: want, Within: within,
		Pause: func(_ context.Context, d time.Duration) { pauses, now = append(pauses, d), now.Add(d) },
		Now:   func() time.Time { return now },
	})
	if n != len(looks) {
		t.Errorf("%d looks, want %d", n, len(looks))
	}
	return rounds, pauses
}

func flaky() *probes.Observation {
	o := healthy()
	o.Consumer.SecurityGroups.Value[0].Ingress = nil
	allTCP(o, probes.TimedOut)
	return o
}

func inState(state string) func() *probes.Observation {
	return func() *probes.Observation {
		o := healthy()
		o.Consumer.Endpoint.Value.State = state
		for i := range o.Provider.Connections.Value {
			o.Provider.Connections.Value[i].State = state
		}
		return o
	}
}

func TestSettle(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	rounds, _ := scripted(t, ctx, 3, time.Minute, healthy, healthy, healthy)
	if !rounds[2].Good || rounds[2].Number != 3 || rounds[0].Observation == nil {
		t.Errorf("%+v", rounds)
	}
	// One failure between begins the row anew; the time that is up does not cut a good row short.
	rounds, pauses := scripted(t, ctx, 2, 3*time.Second, flaky, healthy, flaky, healthy, healthy)
	if rounds[0].Good || rounds[2].Good || !rounds[4].Good {
		t.Errorf("%+v", rounds)
	}
	if want := []time.Duration{1e9, 1e9, 1e9, 1e9}; !reflect.DeepEqual(pauses, want) {
		t.Errorf("pauses %v", pauses)
	}
	flakes := Flakes(rounds, Judge(healthy(), Catalogue(), nil))
	if s := flakes["connection.endpoint-security-group"]; len(flakes) != 1 || !strings.HasPrefix(s, "failed in round 1, 3 of 5: port 80") {
		t.Errorf("%v", flakes)
	}
	if f := Flakes(rounds, Judge(flaky(), Catalogue(), nil)); len(f) > 0 {
		t.Errorf("what fails still is no flake: %v", f)
	}
	// A failure that stays is told when the time is up, after longer and longer pauses.
	_, pauses = scripted(t, ctx, 2, 4*time.Second, flaky, flaky, flaky, flaky)
	if want := []time.Duration{1e9, 1600e6, 2560e6}; !reflect.DeepEqual(pauses, want) {
		t.Errorf("pauses %v", pauses)
	}
}

// What can't leave its state by itself is not waited for.
func TestSettleKnowsTheEnd(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"rejected", "Failed", "expired"} {
		if rounds, _ := scripted(t, t.Context(), 3, time.Hour, inState(state)); rounds[0].Good {
			t.Errorf("%s is good", state)
		}
	}
	scripted(t, t.Context(), 1, time.Hour, inState("pendingAcceptance"), healthy)
}

func TestSettleEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	rounds, _ := scripted(t, ctx, 3, time.Hour, flaky, func() *probes.Observation { cancel(); return flaky() })
	if len(rounds) != 2 {
		t.Errorf("%d rounds", len(rounds))
	}
}
