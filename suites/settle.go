package suites

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/linkassay/linkassay/probes"
)

// Observer looks at the same link once more; package suites asks nobody itself.
type Observer func(ctx context.Context) *probes.Observation

// Round is one look at a link while it settles.
type Round struct {
	Number int `json:"round"` // from 1
	// Good says that nothing required failed or could not be told.
	Good bool `json:"good"`
	// Roots are the failed verdicts of the round.
	Roots []Verdict `json:"roots,omitempty"`
	// Observation is all that was seen in it.
	Observation *probes.Observation `json:"observation,omitempty"`
}

// SettleOptions say when a link has settled.
type SettleOptions struct {
	Good      int           // so many good rounds in a row; at least 1
	Within    time.Duration // after this long a round that is not good is the last
	Selection Selection     // nil: all checks
	FailOn    Severity      // see Summarize
	// Progress gets a line after each round that is not the last; nil: nobody looks.
	Progress func(string)
	// Pause waits between rounds, at most until ctx ends; nil: on a timer.
	Pause func(ctx context.Context, d time.Duration)
	// Now is the clock; default time.Now.
	Now func() time.Time
}

// The pauses between rounds: even while they are good, longer and longer while they are not.
const (
	settlePause     = time.Second
	lastSettlePause = 15 * time.Second
)

// Settle looks at a link again and again until enough rounds in a row were good, and returns them all. A
// round that is not good is the last when the time is up, when ctx has ended, or when the link is in a
// state that it can't leave by itself: rejected, failed, expired or deleted.
func Settle(ctx context.Context, look Observer, o SettleOptions) []Round {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Pause == nil {
		o.Pause = pauseOnTimer
	}
	deadline := o.Now().Add(o.Within)
	var rounds []Round
	inARow, pause := 0, settlePause
	for {
		r := Round{Number: len(rounds) + 1, Observation: look(ctx)}
		verdicts := Judge(r.Observation, Catalogue(), o.Selection)
		s := Summarize(verdicts, o.FailOn)
		r.Good, r.Roots = s.RequiredFailed+s.RequiredUntold == 0, Roots(verdicts)
		rounds = append(rounds, r)
		if r.Good {
			inARow, pause = inARow+1, settlePause
		} else {
			inARow = 0
		}
		// A row of good rounds is not cut short by the deadline: it is bounded by itself.
		if inARow >= o.Good || ctx.Err() != nil || !r.Good && (o.Now().After(deadline) || atItsEnd(r.Observation)) {
			return rounds
		}
		if o.Progress != nil {
			o.Progress(roundLine(r, inARow, o.Good, deadline.Sub(o.Now())))
		}
		o.Pause(ctx, pause)
		if !r.Good {
			pause = min(pause*8/5, lastSettlePause)
		}
		if ctx.Err() != nil {
			return rounds
		}
	}
}

func roundLine(r Round, inARow, want int, left time.Duration) string {
	if r.Good {
		return fmt.Sprintf("round %d is good, %d of %d in a row", r.Number, inARow, want)
	}
	why := "something could not be told"
	if len(r.Roots) > 0 {
		why = r.Roots[0].Check + " failed"
	}
	return fmt.Sprintf("round %d is not good: %s; looking again for at most %s", r.Number, why, max(left, 0).Round(time.Second))
}

func pauseOnTimer(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// atItsEnd says whether the endpoint or the service is in a state that it can't leave by itself: waiting
// would be for somebody to build a new one.
func atItsEnd(o *probes.Observation) bool {
	in := func(state string, ends ...string) bool {
		return slices.ContainsFunc(ends, func(s string) bool { return same(s, state) })
	}
	return in(maybe(o.Consumer.Endpoint).State, "rejected", "failed", "expired", "deleted") ||
		in(maybe(o.Provider.Service).State, "Failed", "Deleted")
}

// Flakes says of each check that passes now and failed in an earlier round when that was, and why.
func Flakes(rounds []Round, now []Verdict) map[string]string {
	flakes := map[string]string{}
	for _, v := range now {
		if v.Status != Passed {
			continue
		}
		var in []string
		reason := ""
		for _, r := range rounds {
			if i := slices.IndexFunc(r.Roots, func(x Verdict) bool { return x.Check == v.Check }); i >= 0 {
				in, reason = append(in, fmt.Sprint(r.Number)), r.Roots[i].Reason
			}
		}
		if len(in) > 0 {
			flakes[v.Check] = fmt.Sprintf("failed in round %s of %d: %s", strings.Join(in, ", "), len(rounds), reason)
		}
	}
	return flakes
}
