package canary

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/awsapi"
	"github.com/linkassay/linkassay/suites"
)

// watcher looks at one link again and again.
type watcher struct {
	c        *Canary
	link     *provision.Link // not changed by anybody
	settings provision.Canary
	gone     bool      // it was told to end; of the canary's mutex
	last     time.Time // when the last round before a restart ended; zero: nobody knows, or it does not matter

	// Of the pacer's mutex, but for due: that belongs to who makes the round while there is one.
	phase        phase
	cancel       context.CancelFunc // of the round that it is in
	due          time.Duration      // when the next round begins
	holder, next *watcher           // of the same link: who is in a round still, and who goes on afterwards

	times   timetable
	known   *probes.Observation // the control plane as it was read last; nil before
	knownAt time.Time           // by the wall clock: the monotonic one stands still while a machine sleeps
	missed  int                 // how often the machine had stood still or the clock had jumped when the control plane was read last
	slept   bool                // it did, and the control plane could not be read since
	readAt  time.Time           // when the control plane was read last, all of it, by the wall clock
	lost    bool                // it could not be since
	roots   []Root              // of the last round that was told
	bad     int                 // bad rounds in a row
	choice  suites.Choice
	judged  lastJudged
}

// lastJudged is the last round that was judged, for those that measure the same again.
type lastJudged struct {
	known    *probes.Observation // the control plane that was taken over
	likeness uint64
	round    Round // without what it rests on
}

// How the control plane is read out of turn, and how long it is used when it can't be read any more.
const (
	hurry     = 5 // times as often while a required check fails
	stillGood = 3 // intervals
)

// How old answers of the APIs may be that other links have got already, in parts of the interval in which the control plane
// is read, and what hardly changes, in such intervals.
const (
	shareOften  = 2
	shareRarely = 6
)

func newWatcher(c *Canary, l *provision.Link) *watcher {
	return &watcher{
		c: c, link: l, settings: l.Canary.WithDefaults(), readAt: c.o.Now().UTC(), choice: c.catalogue.Choose(l.Name, c.o.Selection),
	}
}

// first is when the first round is due.
func (w *watcher) first() time.Duration {
	var due time.Duration
	w.times, due = newTimetable(w.link.Name, time.Duration(w.settings.Interval), time.Duration(w.settings.ControlInterval), w.c.elapsed(),
		w.c.wall, w.last.Sub(w.c.wall), !w.last.IsZero())
	return due
}

// turn makes a round in the slot that the watcher has.
func (w *watcher) turn(ctx context.Context, h *hand) {
	r := w.round(ctx, h)
	<-w.c.slots
	w.c.publish(r, w.settings)
	w.due = w.times.after(max(w.due, w.c.elapsed()))
}

// wait takes a slot. A round with an outcome says that the context ended before there was one.
func (w *watcher) wait(ctx context.Context) Round {
	select {
	case w.c.slots <- struct{}{}:
		return Round{}
	case <-ctx.Done():
		now := w.c.o.Now().UTC()
		return Round{Link: w.link.Name, Started: now, Finished: now, Outcome: Interrupted, Reason: errStopped.Error()}
	}
}

// round looks at the link. Where the control plane is not due it takes over what is known of it; but what begins to
// fail then is looked at again with the control plane of now: a cause is not told from what may have changed since.
func (w *watcher) round(ctx context.Context, h *hand) Round {
	began, wall := w.c.elapsed(), w.c.o.Now().UTC()
	missed, _ := w.c.pulse.since(0)
	strained := w.c.pulse.strained()
	var r Round
	var calls int64
	fresh := w.known == nil || w.times.controlDue(began) && len(w.c.reads) < cap(w.c.reads)
	if fresh {
		w.times.readControl(began, w.known == nil)
	} else {
		r = w.look(ctx, h, w.known)
		calls += r.Calls
		// What makes an incident was read as often as it is counted: one answer of an API is one failure.
		fresh = r.Outcome == Bad && (!known(r.Roots, w.roots) || w.bad < w.settings.Alarm.Failures)
		// Nobody knows how old it is by now what was read before the machine slept.
		fresh = fresh || missed != w.missed && len(w.c.reads) < cap(w.c.reads)
	}
	if fresh && ctx.Err() == nil {
		w.slept = w.slept || missed != w.missed
		w.missed = missed
		now := w.look(w.sharing(ctx, r.Outcome == Bad), h, nil)
		calls += now.Calls
		if now.Outcome == Bad && !known(now.Roots, w.roots) && taken(now.Observation) && ctx.Err() == nil {
			now = w.look(w.sharing(ctx, true), h, nil)
			calls += now.Calls
		}
		usable := w.known != nil && !w.known.ControlFailed() && wall.Sub(w.knownAt).Abs() < stillGood*time.Duration(w.settings.ControlInterval)
		if w.lost = now.Observation == nil || now.Observation.ControlFailed(); !w.lost {
			w.readAt, w.slept = wall.Add(-now.ControlAge), false
		} else if w.slept {
			w.times.nextControl = min(w.times.nextControl, began+w.times.control/hurry)
		}
		if w.lost && usable {
			// The API can't be asked: the path is judged by what was known of it.
			if r.Outcome == "" {
				r = w.look(ctx, h, w.known)
			}
			if r.Outcome != Bad {
				r = now
			}
		} else {
			r = now
			if now.Outcome != Interrupted && now.Observation != nil {
				w.known, w.knownAt = now.Observation, wall.Add(-now.ControlAge)
			}
		}
	}
	if _, why := w.c.pulse.since(missed); why != "" {
		r.Outcome, r.Reason, r.Roots = Interrupted, why, nil
	}
	if r.Outcome == Bad && !known(r.Roots, w.roots) && w.c.pulse.strained() > strained {
		r.Outcome, r.Reason, r.Roots = Interrupted, errStrained.Error(), nil
	}
	r.Link, r.Started, r.Finished, r.Calls = w.link.Name, wall, w.c.o.Now().UTC(), calls
	r.Took = w.c.elapsed() - began
	if w.lost {
		r.ControlAge = max(0, wall.Sub(w.readAt)) // a read that failed is no newer than the one before
	}
	if m, ok := w.settings.InMaintenance(r.Started); ok {
		r.Maintenance = m.Reason
	}
	switch r.Outcome {
	case Bad:
		w.roots, w.bad = r.Roots, w.bad+1
		w.times.nextControl = min(w.times.nextControl, began+w.times.control/hurry)
	case Good:
		w.roots, w.bad = nil, 0
	}
	return r
}

// sharing says how old what other links have read may be for this one. A new cause is told from the present. While a
// check fails, the APIs are read more often, and nothing is taken for what hardly changes.
func (w *watcher) sharing(ctx context.Context, present bool) context.Context {
	control := time.Duration(w.settings.ControlInterval)
	often, rarely := control/shareOften, control*shareRarely
	switch {
	case present:
		often, rarely = 0, 0
	case w.roots != nil:
		often = control / hurry / shareOften
		rarely = often
	}
	return awsapi.NotOlder(ctx, w.c.o.Now(), often, rarely)
}

// taken says whether something was taken over from what other links read before the round.
func taken(o *probes.Observation) bool {
	return o != nil && o.OldestRead().Before(o.Started.Add(-awsapi.Floor))
}

// known says whether all required causes were there before.
func known(now, before []Root) bool {
	keys := map[string]bool{}
	for _, r := range before {
		keys[r.Key] = r.Required
	}
	for _, r := range now {
		if r.Required && !keys[r.Key] {
			return false
		}
	}
	return true
}

// look observes and judges once. It does not outlast the end of the context by more than the grace of a stop.
func (w *watcher) look(ctx context.Context, h *hand, known *probes.Observation) Round {
	done := make(chan Round, 1)
	h.work <- func() { done <- w.guarded(ctx, known) }
	select {
	case r := <-done:
		return r
	case <-ctx.Done():
	}
	late := time.NewTimer(stopGrace)
	defer late.Stop()
	select {
	case r := <-done:
		r.Outcome, r.Reason, r.Roots = Interrupted, errStopped.Error(), nil
		return r
	case <-late.C:
		h.leave()
		h.renew()
		return Round{Outcome: Interrupted, Reason: errStopped.Error()}
	}
}

// guarded makes a panic a round that could not be told: one link's must not end the watch over all others.
func (w *watcher) guarded(ctx context.Context, known *probes.Observation) (r Round) {
	defer func() {
		if x := recover(); x != nil {
			w.c.o.Problem(fmt.Errorf("round of %s: panic: %v\n%s", w.link.Name, x, debug.Stack()))
			r = Round{Outcome: Untold, Reason: strings.ToValidUTF8(fmt.Sprintf("the round panicked: %.200v", x), "?")}
		}
	}()
	link := *w.link
	if known != nil {
		link = known.Link // with the ids that were found
	} else {
		select {
		case w.c.reads <- struct{}{}:
			defer func() { <-w.c.reads }()
		case <-ctx.Done():
			return Round{Outcome: Interrupted, Reason: errStopped.Error()}
		}
	}
	o, calls := w.c.o.Look(ctx, link, known)
	r = w.judge(o, known)
	r.Calls = calls
	return r
}

// judge judges an Observation, unless its control plane is the one of the round before and it measured the same: most
// rounds do, and judging would be most of their cost. What depends on the time of day (certificates that run out) is
// judged again when the control plane was read, and no less often than that is due.
func (w *watcher) judge(o, known *probes.Observation) Round {
	likeness, comparable := o.Likeness(w.c.seed)
	if last := &w.judged; comparable && known != nil && last.known == known && last.likeness == likeness &&
		o.Started.Sub(last.round.Started) < time.Duration(w.settings.ControlInterval) {
		r := last.round
		r.Started, r.Finished, r.ControlAge, r.Observation = o.Started, o.Finished, o.ControlAge(), o
		raw := func() []suites.Verdict { return w.c.catalogue.Judge(o, w.choice) }
		r.raw, r.Judged = raw, func() []suites.Verdict { return w.c.told(o, raw(), w.choice) }
		return r
	}
	r := w.c.judge(o, w.choice)
	w.judged = lastJudged{}
	if comparable && known != nil && (r.Outcome == Good || r.Outcome == Bad) {
		w.judged = lastJudged{known, likeness, r}
		w.judged.round.Observation, w.judged.round.Judged, w.judged.round.raw = nil, nil, nil
	}
	return r
}

// judge judges what was observed, and tells it without secrets.
func (c *Canary) judge(o *probes.Observation, choice suites.Choice) Round {
	r := c.judged(o, choice)
	if c.o.Clean == nil || len(r.Roots) == 0 && r.Reason == "" {
		return r
	}
	verdicts := c.told(o, r.Judged(), choice)
	r.Judged = func() []suites.Verdict { return verdicts }
	by := map[string]suites.Verdict{}
	for _, v := range verdicts {
		by[v.Check] = v
	}
	for i := range r.Roots {
		v := by[r.Roots[i].Cause.Check]
		r.Roots[i].Reason, r.Roots[i].Facts, r.Roots[i].Fix = v.Reason, v.Facts, v.Fix
	}
	if r.Outcome == Untold && r.Reason != nothingVerified {
		r.Reason = whyUntold(verdicts, c.o.FailOn)
	}
	return r
}

// told gives verdicts the words that they have without the secrets that a remote end sent back: those of judging what is left then,
// and none where that comes to something else, as where a secret is part of what is compared.
func (c *Canary) told(o *probes.Observation, verdicts []suites.Verdict, choice suites.Choice) []suites.Verdict {
	if c.o.Clean == nil {
		return verdicts
	}
	c.judging <- struct{}{}
	defer func() { <-c.judging }()
	clean := c.o.Clean(o)
	if clean == nil {
		return verdicts
	}
	by := map[string]suites.Verdict{}
	for _, v := range c.catalogue.Judge(clean, choice) {
		by[v.Check] = v
	}
	all := slices.Clone(verdicts)
	for i := range all {
		v, ok := by[all[i].Check]
		if !ok || v.Status != all[i].Status {
			v = suites.Verdict{}
		}
		all[i].Reason, all[i].Facts, all[i].Fix = v.Reason, v.Facts, v.Fix
	}
	return all
}

// judged judges with as many others side by side as there are processors: more of them would only take memory.
func (c *Canary) judged(o *probes.Observation, choice suites.Choice) Round {
	c.judging <- struct{}{}
	defer func() { <-c.judging }()
	return judge(o, c.catalogue, choice, c.o.FailOn)
}
