package canary

import (
	"hash/fnv"
	"time"
)

// settleIn is the time over which first rounds are spread, so that a long interval is not waited for.
const settleIn = 30 * time.Second

// timetable says when a link's rounds are due: on a grid of its interval by the wall clock that is shifted by the link's
// name, so that a fleet is spread evenly, the same way after each restart. All times are elapsed times since the canary began.
type timetable struct {
	interval, control   time.Duration
	phase, controlPhase time.Duration // of the grids
	nextControl         time.Duration // when the control plane is due
}

// newTimetable makes one at now, of a canary that began at that time of the wall clock, and says when the first round is
// due: on the grid, if the last one (as an elapsed time, known from before a restart) is not an interval ago; else soon.
func newTimetable(link string, interval, control, now time.Duration, began time.Time, last time.Duration, known bool) (t timetable, first time.Duration) {
	wall := func(share, interval time.Duration) time.Duration {
		return (share - time.Duration(began.UnixNano())%interval + interval) % interval
	}
	t = timetable{
		interval: interval, control: control, phase: wall(onBeat(share(link, interval), interval), interval),
		controlPhase: wall(share(link+"/control", control), control), nextControl: now,
	}
	if known && last <= now && now-last < interval {
		return t, t.after(now)
	}
	return t, now + onBeat(share(link, min(interval, settleIn)), interval)
}

// onBeat makes the rounds of a fleet begin together ten times a second, not each at a moment of its own: a processor that
// wakes for one probe takes three times as long for it as one that is at work.
func onBeat(d, interval time.Duration) time.Duration {
	return d.Truncate(min(100*time.Millisecond, interval/100))
}

// share is a part of d that depends on the name alone.
func share(name string, d time.Duration) time.Duration {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	// The upper bits of FNV are those that short names spread well.
	return time.Duration(float64(mix(h.Sum64())>>11) / (1 << 53) * float64(d))
}

// mix spreads what names that differ in their last letter alone have alike.
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return x
}

// after is the first time on the grid that is later than now. Rounds that were missed are not made up for.
func (t *timetable) after(now time.Duration) time.Duration {
	return gridAfter(now, t.phase, t.interval)
}

func gridAfter(now, phase, interval time.Duration) time.Duration {
	due := phase + (now-phase)/interval*interval
	for due <= now {
		due += interval
	}
	return due
}

// tooLate says whether a round that was due is left out: the machine slept, and all links at once would be a burst.
func (t *timetable) tooLate(due, now time.Duration) bool {
	return now-due > max(t.interval/2, pulseLate)
}

// controlDue says whether the control plane is due.
func (t *timetable) controlDue(now time.Duration) bool { return now >= t.nextControl }

// readControl says when the control plane is due next that is read now: on a grid too, so that a fleet that began
// together does not stay together, and reads when it did before a restart.
func (t *timetable) readControl(now time.Duration, first bool) {
	if t.control == 0 { // the zero timetable, of one round
		return
	}
	least := now
	if !first {
		least += t.control / 2
	}
	t.nextControl = gridAfter(least, t.controlPhase, t.control)
}
