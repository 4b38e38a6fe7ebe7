package canary

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// pulse notices when this process, its machine or its clock stood still or jumped: what was measured across that says
// nothing of a link.
type pulse struct {
	now func() time.Time // the wall clock

	mu         sync.Mutex
	missed     int    // how often something was noticed
	last       string // and what it was
	wall, mono time.Time
	busy       int       // how often it was late by more than busyLate
	ticked     time.Time // when it was taken by its own clock last
}

// How the pulse is taken. A machine that is merely busy is late by less; but what waits so long to run as busyLate, takes answers
// for late that were there.
const (
	pulseEvery = time.Second
	pulseLate  = 5 * time.Second
	busyLate   = 500 * time.Millisecond
)

// watch takes the pulse until the context ends.
func (p *pulse) watch(ctx context.Context) {
	tick := time.NewTicker(pulseEvery)
	defer tick.Stop()
	for {
		p.tick(time.Now())
		p.beat(time.Now(), p.now())
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// tick is the pulse's own clock.
func (p *pulse) tick(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.late(now) {
		p.busy++
	}
	p.ticked = now
}

func (p *pulse) late(now time.Time) bool {
	return !p.ticked.IsZero() && now.Sub(p.ticked) > pulseEvery+busyLate
}

// strained says how often this process had to wait for a processor, the present included.
func (p *pulse) strained() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.late(time.Now()) {
		return p.busy + 1
	}
	return p.busy
}

// beat compares both clocks with those of the beat before. mono has a monotonic reading.
func (p *pulse) beat(mono, wall time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	wall = wall.Round(0)
	if !p.mono.IsZero() {
		went, showed := mono.Sub(p.mono), wall.Sub(p.wall)
		switch {
		case went > pulseEvery+pulseLate:
			p.missed++
			p.last = fmt.Sprintf("the process stood still for %s", went.Round(time.Second))
		case showed-went > pulseLate, went-showed > pulseLate:
			p.missed++
			p.last = fmt.Sprintf("the clock jumped by %s, or the machine slept", (showed - went).Round(time.Second))
		}
	}
	p.wall, p.mono = wall, mono
}

// since takes the pulse, and says what was noticed since there had been missed so many; "" is nothing.
func (p *pulse) since(missed int) (int, string) {
	p.beat(time.Now(), p.now())
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.missed == missed {
		return missed, ""
	}
	return p.missed, p.last
}
