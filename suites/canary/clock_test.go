package canary

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
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
