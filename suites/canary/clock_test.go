package canary

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
)

func TestTheFleetSpreadsAfterASleep(t *testing.T) {
	t.Parallel()
	table, first := newTimetable("orders", 10*time.Second, time.Minute, 0)
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
		if kinds := sink.kinds(); len(c.Incidents()) != 1 || kinds[0] != Opened || len(kinds) > 2 {
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
