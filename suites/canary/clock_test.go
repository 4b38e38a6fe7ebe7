package canary

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
)

func TestTheFleetSpreadsAfterASleep(t *testing.T) {
	t.Parallel()
	table, first := newTimetable("orders", 10*time.Second, time.Minute, 0, start, 0, false)
	if first < 0 || first > 10*time.Second {
		t.Errorf("first %s", first)
	}
	due := table.after(first)
	if !table.tooLate(due, due+time.Hour) || table.tooLate(due, due+time.Second) {
		t.Error("a round that was missed by an hour is left out, one that is a second late is not")
	}
	if next := table.after(due + time.Hour); next <= due+time.Hour || next > due+time.Hour+10*time.Second || (next-due)%(10*time.Second) != 0 {
		t.Errorf("due %s, next after an hour %s", due, next)
	}
	if table.after(due) != due+10*time.Second {
		t.Error("the time itself is not later")
	}
}

// After a restart links have the slots that they had, and one whose last round is not an interval ago waits for its next.
func TestARestartKeepsTheSchedule(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, store, links := newWorld(t), &memory{}, fleet(20, every(10*time.Minute, time.Hour))
		watch := func(store Store, d time.Duration) map[string][]Round {
			sink := &heard{}
			_, stop := run(t, Options{Look: w.look, Sinks: []Sink{sink}, Store: store}, links)
			time.Sleep(d)
			stop()
			rounds := map[string][]Round{}
			for _, l := range links {
				rounds[l.Name] = sink.of(l.Name)
			}
			return rounds
		}
		slot := func(r Round) time.Duration { return time.Duration(r.Started.UnixNano()) % (10 * time.Minute) }
		began := time.Now()
		first := watch(store, 25*time.Minute)
		time.Sleep(3 * time.Minute)
		again := time.Now()
		second := watch(store, 25*time.Minute)
		resumed := 0
		for _, l := range links {
			before, after := first[l.Name], second[l.Name]
			last := before[len(before)-1]
			if len(before) < 3 || len(after) < 2 || before[0].Started.Sub(began) > settleIn {
				t.Fatalf("%s: %d rounds, then %d, the first after %s", l.Name, len(before), len(after), before[0].Started.Sub(began))
			}
			if again.Sub(last.Finished) >= 10*time.Minute { // its slot was in the break: it is looked at soon
				if after[0].Started.Sub(again) > settleIn {
					t.Errorf("%s: the first round is %s after the restart", l.Name, after[0].Started.Sub(again))
				}
				continue
			}
			resumed++
			for _, r := range append(before[1:], after...) {
				if slot(r) != slot(last) {
					t.Errorf("%s: a round at %s, another at %s", l.Name, slot(r), slot(last))
				}
			}
			if gap := after[0].Started.Sub(last.Started); gap != 10*time.Minute {
				t.Errorf("%s: the first round after the restart is %s after the last one before", l.Name, gap)
			}
			if after[0].ControlAge != 0 {
				t.Errorf("%s: the control plane of before the restart is not known any more, its age is %s", l.Name, after[0].ControlAge)
			}
		}
		if resumed < 10 {
			t.Errorf("%d of 20 links went on where they were", resumed)
		}
		// Who was away for longer looks soon, and so does who kept nothing.
		time.Sleep(2 * time.Hour)
		for name, s := range map[string]Store{"a long break": store, "no state": nil} {
			now := time.Now()
			third := watch(s, time.Minute)
			for _, l := range links {
				if r := third[l.Name]; len(r) == 0 || r[0].Started.Sub(now) > settleIn {
					t.Errorf("%s: %s is not looked at within %s", name, l.Name, settleIn)
				}
			}
		}
	})
}

// The control plane of a fleet that begins together is read at times of the links' own, the same after each restart.
func TestControlPlanesAreReadAtTheirTimes(t *testing.T) {
	t.Parallel()
	const interval, control = 10 * time.Second, 5 * time.Minute
	reads := map[string][]time.Duration{}
	for _, began := range []time.Time{start, start.Add(37*time.Minute + 3*time.Second)} {
		quarter := map[time.Duration]int{}
		for i := range 400 {
			name := fleet(i+1, every(interval, control))[i].Name
			table, due := newTimetable(name, interval, control, 0, began, 0, false)
			var at []time.Duration
			for n := 0; len(at) < 4; n++ {
				if table.controlDue(due) {
					table.readControl(due, n == 0)
					at = append(at, due)
				}
				due = table.after(due)
			}
			quarter[at[1]/(control/4)]++
			for k := 1; k < len(at); k++ {
				if gap := at[k] - at[k-1]; gap > control+interval || k > 1 && gap < control-interval {
					t.Errorf("%s: read at %v", name, at)
				}
			}
			reads[name] = append(reads[name], time.Duration(began.Add(at[3]).UnixNano())%control)
		}
		for q, n := range quarter {
			if n > 160 {
				t.Errorf("%d of 400 links read again in the quarter %d of the interval", n, q)
			}
		}
	}
	for name, at := range reads {
		if at[0] != at[1] {
			t.Errorf("%s: read at %s, after a restart at %s", name, at[0], at[1])
		}
	}
}

func TestWhatAStandstillMeasuredSaysNothing(t *testing.T) {
	t.Parallel()
	mono, wall := time.Now(), time.Now().Round(0)
	p := &pulse{now: func() time.Time { return wall }}
	for _, tt := range []struct {
		name       string
		mono, wall time.Duration
		missed     bool
	}{
		{"a second", time.Second, time.Second, false},
		{"a busy machine", 4 * time.Second, 4 * time.Second, false},
		{"the process was stopped", time.Minute, time.Minute, true},
		{"the machine slept", time.Second, time.Hour, true},
		{"the clock was set back", time.Second, -time.Hour, true},
		{"the clock slews", time.Second, 1500 * time.Millisecond, false},
	} {
		p.beat(mono, wall)
		before := p.missed
		mono, wall = mono.Add(tt.mono), wall.Add(tt.wall)
		p.beat(mono, wall)
		if (p.missed > before) != tt.missed {
			t.Errorf("%s: noticed %d times (%s)", tt.name, p.missed-before, p.last)
		}
	}
}

func TestAClockThatJumpsMakesNoIncident(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, sink := newWorld(t), &heard{}
		w.takes = 2 * time.Second
		w.set("no-healthy-target", "", false)
		var ahead atomic.Int64
		now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		_, stop := run(t, Options{Look: w.look, Sinks: []Sink{sink}, Now: now}, fleet(1, every(10*time.Second, time.Minute)))
		for range 400 { // it jumps by an hour each second
			time.Sleep(time.Second)
			ahead.Add(int64(time.Hour))
		}
		stop()
		rounds := sink.of("link-000")
		if len(rounds) < 35 || len(rounds) > 42 || len(sink.changes) != 0 {
			t.Errorf("%d rounds in 400 s, changes %+v", len(rounds), sink.changes)
		}
		for _, r := range rounds {
			if r.Outcome != Interrupted || r.Took > time.Minute {
				t.Fatalf("%+v", r)
			}
		}
	})
}

// What was read of the control plane before the machine slept is read again at once: nobody may judge by it as if it were of now.
func TestTheControlPlaneIsReadAgainAfterASleep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, sink := newWorld(t), &heard{}
		var ahead atomic.Int64
		now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		_, stop := run(t, Options{Look: w.look, Sinks: []Sink{sink}, Now: now}, fleet(1, every(10*time.Second, time.Hour)))
		time.Sleep(5 * time.Minute)
		before := w.readOf("link-000")
		ahead.Add(int64(8 * time.Hour)) // the monotonic clock stood still meanwhile
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if n := w.readOf("link-000") - before; n != 1 {
			t.Errorf("read %d times after the sleep, expected once", n)
		}
		stop()
	})
}

// Where the network is not there yet after a sleep, nothing is judged by what was known before it, however good that was.
func TestWhatWasKnownBeforeASleepIsOld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, sink := newWorld(t), &heard{}
		var ahead atomic.Int64
		now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		_, stop := run(t, Options{Look: w.look, Sinks: []Sink{sink}, Now: now}, fleet(1, every(10*time.Second, time.Hour)))
		time.Sleep(5 * time.Minute)
		w.set("healthy", "", true) // the API does not answer
		ahead.Add(int64(8 * time.Hour))
		woke := now()
		time.Sleep(time.Minute)
		w.set("healthy", "", false)
		time.Sleep(15 * time.Minute)
		synctest.Wait()
		stop()
		untold, good := 0, 0
		for _, r := range sink.of("link-000") {
			switch {
			case r.Started.Before(woke):
			case r.Outcome == Untold && r.ControlAge > 8*time.Hour:
				untold++
			case r.Outcome == Good && untold > 0 && r.ControlAge > time.Hour:
				t.Errorf("good, with a control plane %s old", r.ControlAge)
			case r.Outcome == Good:
				good++
			}
		}
		if untold == 0 || good == 0 || len(sink.changes) != 0 {
			t.Errorf("%d could not tell, %d good, changes %q", untold, good, sink.kinds())
		}
	})
}

// A canary that has to wait for a processor takes answers for late that were there: what it finds new then is no failure, and what it
// knew goes on.
func TestABusyHostFindsNothingNew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, sink := newWorld(t), &heard{}
		var c *Canary
		var busy atomic.Bool
		look := func(ctx context.Context, l provision.Link, known *probes.Observation) (*probes.Observation, int64) {
			o, n := w.look(ctx, l, known)
			if now := time.Now(); busy.Load() {
				c.pulse.tick(now.Add(2 * time.Second))
				c.pulse.tick(now)
			}
			return o, n
		}
		c, stop := run(t, Options{Look: look, Sinks: []Sink{sink}}, fleet(2, every(10*time.Second, time.Minute)))
		time.Sleep(time.Minute)
		busy.Store(true)
		w.set("no-healthy-target", "", false)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		rounds := sink.of("link-000")
		if last := rounds[len(rounds)-1]; last.Outcome != Interrupted || last.Reason != errStrained.Error() || len(sink.changes) != 0 {
			t.Errorf("%s %q, %q", last.Outcome, last.Reason, sink.kinds())
		}
		busy.Store(false)
		time.Sleep(time.Minute)
		busy.Store(true)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if kinds := sink.kinds(); len(c.Incidents()) != 1 || kinds[0] != Opened || slices.Contains(kinds[1:], Opened) || slices.Contains(kinds, Cleared) {
			t.Errorf("%q", kinds)
		}
		stop()
	})
}

func TestThePulseFeelsAWait(t *testing.T) {
	t.Parallel()
	p, at := &pulse{}, time.Now()
	for i, tt := range []struct {
		after time.Duration
		busy  int
	}{{0, 0}, {time.Second, 0}, {1400 * time.Millisecond, 0}, {600 * time.Millisecond, 0}, {1600 * time.Millisecond, 1}, {time.Second, 1}, {3 * time.Second, 2}} {
		at = at.Add(tt.after)
		if p.tick(at); p.busy != tt.busy {
			t.Errorf("tick %d: felt %d waits, expected %d", i+1, p.busy, tt.busy)
		}
	}
}
