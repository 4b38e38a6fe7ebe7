package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/linkassay/linkassay/suites/canary"
)

// bout is one fault that came and went.
type bout struct {
	fault
	set, opened, all, undone, cleared time.Time
	key                               string
	listed                            int // of its links
	shared                            map[string]bool
}

// slack is what a round that waits for what is dark, a health check and a busy machine may take beside the rounds that are counted.
const slack = 30 * time.Second

// openWithin, allWithin and clearWithin are how soon an incident must be open, list all links, and be cleared. Where the control plane
// has to be read anew for that, it is read five times as often as else while something fails.
func (s *soak) openWithin() time.Duration { return alarmAfter*s.interval + slack }
func (s *soak) allWithin() time.Duration  { return (alarmAfter+1)*s.interval + slack }
func (s *soak) clearWithin() time.Duration {
	return max(s.control/5, s.interval) + (clearAfter+1)*s.interval + slack
}

// usual is how long a fault and its end take, mostly.
func (s *soak) usual() time.Duration { return (alarmAfter+clearAfter+2)*s.interval + s.control/5 }

// run lets faults come and go, so many at a time, and then the API throttle.
func (s *soak) run(ctx context.Context, r *rand.Rand) {
	if !s.until(2*s.interval+2*time.Minute, func() bool { return s.heard.good() == len(s.f.Links) }) {
		s.wrong(fmt.Errorf("%d of %d links are good before anything is broken: %v", s.heard.good(), len(s.f.Links), s.heard.why()))
		return
	}
	s.began = time.Now()
	used := cpuTime()
	s.before = s.rest(ctx, "before")
	var beside sync.WaitGroup
	sampling, stop := context.WithCancel(ctx)
	beside.Go(func() { s.sample(sampling) })
	beside.Go(func() { s.feel(sampling) })
	kinds := s.f.kinds()
	next := turns(r, kinds)
	var choosing sync.Mutex
	var slots sync.WaitGroup
	for slot := range s.side {
		slots.Go(func() {
			s.pause(ctx, time.Duration(slot)*s.interval/2)
			for first := true; first || time.Since(s.began)+s.usual()+5*s.interval < s.length; first = false { // the rest is for the throttling
				choosing.Lock()
				f, ok := choose(r, kinds, next(), s.slots)
				hold := time.Duration(r.Float64() * float64(s.interval))
				if s.slots[f.on] = true; len(s.slots) > len(s.f.Services)+len(s.f.VPCs)-2*s.side {
					clear(s.slots) // all had their turn; what comes back within half an hour is told as the same
				}
				choosing.Unlock()
				if ok {
					s.bout(ctx, f, hold)
				}
				s.pause(ctx, s.interval/4)
			}
		})
	}
	slots.Wait()
	stop()
	beside.Wait()
	s.throttled(ctx)
	s.cpu = cpuTime() - used
	s.behind = s.rest(ctx, "after")
}

// rest samples what the process takes while nothing is broken, for an interval, and then writes the heap's
// profile under the name of when it was: what grew is found by comparing two.
func (s *soak) rest(ctx context.Context, when string) (all []sample) {
	for end := time.Now().Add(s.interval); time.Now().Before(end); s.pause(ctx, time.Second) {
		s.forget()
		debug.FreeOSMemory() // what the runtime holds back of a peak long ago says nothing of what is used
		all = append(all, take(s.began))
	}
	if s.heap != "" {
		if err := profile(filepath.Join(s.heap, when+".pprof")); err != nil {
			s.wrong(err)
		}
	}
	return all
}

func profile(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("the heap's profile: %w", err)
	}
	return errors.Join(pprof.Lookup("heap").WriteTo(f, 0), f.Close())
}

// throttled lets the API refuse everything: nothing may be told.
func (s *soak) throttled(ctx context.Context) {
	before, account := time.Now(), s.f.Lab.Link().Consumer.Account
	s.f.Lab.Throttle(account, true)
	s.pause(ctx, 2*s.interval)
	s.f.Lab.Throttle(account, false)
	s.pause(ctx, 2*s.interval)
	s.silent(before, "while the API throttled")
}

// silent says what was told, which nothing should have been.
func (s *soak) silent(since time.Time, when string) {
	for _, c := range s.heard.since(since) {
		if c.Alerts() {
			s.wrong(fmt.Errorf("%s: %s %s", when, c.Kind, c.Incident.Key))
		}
	}
}

// bout breaks something, waits for what must be told, mends it, and waits for the end.
func (s *soak) bout(ctx context.Context, f fault, hold time.Duration) {
	b := &bout{fault: f, shared: map[string]bool{}}
	s.begin(b)
	defer s.finish(b)
	if b.set = time.Now(); s.failed(f.set(ctx), b) {
		return
	}
	if len(f.links) == 0 {
		s.pause(ctx, s.allWithin())
		b.undone = time.Now()
		s.failed(f.undo(ctx), b)
		return
	}
	opened := s.until(s.openWithin()-time.Since(b.set), func() bool { return s.incident(b) != nil })
	if opened {
		b.opened = time.Now()
		if s.until(s.allWithin()-time.Since(b.set), func() bool { return s.missing(b) == 0 }) {
			b.all = time.Now()
		}
	}
	if i := s.incident(b); i == nil {
		s.wrong(fmt.Errorf("%s: no incident within %s; open are %s", f, s.openWithin(), keysOf(s.heard.incidents())))
	} else if n := s.missing(b); n > 0 {
		s.wrong(fmt.Errorf("%s: %d of its %d links are not listed within %s", f, n, len(f.links), s.allWithin()))
	}
	s.pause(ctx, hold)
	s.failed(f.undo(ctx), b)
	b.undone = time.Now()
	if s.until(s.clearWithin(), func() bool { return s.incident(b) == nil }) {
		b.cleared = time.Now()
	} else {
		i := s.incident(b)
		s.wrong(fmt.Errorf("%s: %s is still open with %d links %s after it was mended", f, i.Key, len(i.Links), s.clearWithin()))
		s.until(2*s.clearWithin(), func() bool { return s.incident(b) == nil })
	}
}

func (s *soak) failed(err error, b *bout) bool {
	if err != nil {
		s.wrong(fmt.Errorf("%s: %w", b.fault, err))
	}
	return err != nil
}

// incident is the bout's, as it is now; nil when there is none. It keeps what it saw.
func (s *soak) incident(b *bout) *canary.Incident {
	for _, i := range s.heard.incidents() {
		if !slices.Contains(b.keys, i.Key) {
			continue
		}
		s.mu.Lock()
		b.key = i.Key
		n := 0
		for _, a := range i.Links {
			if slices.Contains(b.links, a.Link) {
				n++
			}
		}
		b.listed = max(b.listed, n)
		s.mu.Unlock()
		return &i
	}
	return nil
}

// missing is how many of the bout's links are not listed, but for those that another fault takes down too.
func (s *soak) missing(b *bout) (n int) {
	i := s.incident(b)
	if i == nil {
		return len(b.links)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, link := range b.links {
		if !b.shared[link] && !slices.ContainsFunc(i.Links, func(a canary.Affected) bool { return a.Link == link }) {
			n++
		}
	}
	return n
}

// begin notes which links a fault shares with those that are there.
func (s *soak) begin(b *bout) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, other := range s.done {
		if other.set.IsZero() || !other.cleared.IsZero() {
			continue
		}
		for _, link := range b.links {
			if slices.Contains(other.links, link) {
				b.shared[link], other.shared[link] = true, true
			}
		}
	}
	s.done = append(s.done, b)
}

func (s *soak) finish(b *bout) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.cleared.IsZero() && len(b.links) == 0 {
		b.cleared = b.undone
	}
	fmt.Println(b.line(s.began))
}

func after(from, to time.Time) string {
	if from.IsZero() || to.IsZero() {
		return "-"
	}
	return fmt.Sprintf("%.0fs", to.Sub(from).Seconds())
}

func (b *bout) line(began time.Time) string {
	check, _, _ := strings.Cut(b.key, "/")
	return fmt.Sprintf("%-22s set %5s  opened +%-4s all +%-4s mended +%-4s cleared +%-4s links %3d of %-3d %s",
		b.kind, after(began, b.set), after(b.set, b.opened), after(b.set, b.all), after(b.set, b.undone), after(b.undone, b.cleared), b.listed, len(b.links), check)
}

func (s *soak) sample(ctx context.Context) {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		s.forget()
		s.samples = append(s.samples, take(s.began))
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// forget empties the lab's list of the requests that it was sent, of which it keeps 100,000: that it fills is not what is looked for.
func (s *soak) forget() {
	s.calls += len(s.f.Lab.Requests())
	s.f.Lab.ResetRequests()
}

// feel notes by how much the process was late at most when it wanted to run: what it measured then says little.
func (s *soak) feel(ctx context.Context) {
	const beat = 100 * time.Millisecond
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for last := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s.late, last = max(s.late, time.Since(last)-beat), time.Now()
	}
}

func (s *soak) pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// until waits at most so long for something to be.
func (s *soak) until(d time.Duration, is func() bool) bool {
	for end := time.Now().Add(d); ; time.Sleep(200 * time.Millisecond) {
		if is() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

func keysOf(open []canary.Incident) string {
	var keys []string
	for _, i := range open {
		keys = append(keys, fmt.Sprintf("%s (%d)", i.Key, len(i.Links)))
	}
	return strings.Join(keys, ", ")
}

// report says what the run came to.
func (s *soak) report() error {
	faults, invented := 0, 0
	for _, b := range s.done {
		if len(b.links) > 0 {
			faults++
		}
	}
	allowed := map[string]int{}
	for _, b := range s.done {
		if b.key != "" {
			allowed[b.key]++
		}
	}
	for _, c := range s.heard.since(time.Time{}) {
		if c.Kind != canary.Opened && c.Kind != canary.WentFlaps {
			continue
		}
		if allowed[c.Incident.Key]--; allowed[c.Incident.Key] < 0 {
			invented++
			s.wrong(fmt.Errorf("invented: %s %s at %s, %d links: %s", c.Kind, c.Incident.Key, after(s.began, c.At), len(c.Incident.Links), c.Incident.Reason))
		}
	}
	fmt.Printf("\n%d faults, %d quiet ones; %d incidents invented\n", faults, len(s.done)-faults, invented)
	fmt.Printf("%d rounds: %v; could not tell: %v; %d API requests\n", s.heard.rounds, s.heard.outcomes, s.heard.why(), s.calls)
	if len(s.samples) > 0 {
		span := s.samples[len(s.samples)-1].at
		fmt.Printf("%.2f cores for canary and lab in one process, over %s; late by %s at most\n", s.cpu.Seconds()/span.Seconds(), span.Round(time.Second), s.late.Round(time.Millisecond))
		for _, w := range flat("at rest, before and after", s.before, s.behind) {
			s.wrong(errors.New(w))
		}
		if third := len(s.samples) / 3; span > 10*time.Minute {
			for _, w := range flat("first and last third", s.samples[:third], s.samples[len(s.samples)-third:]) {
				s.wrong(errors.New(w))
			}
		}
	}
	if faults == 0 {
		s.wrong(errors.New("nothing was broken"))
	}
	if n := len(s.problems); n > 0 {
		return fmt.Errorf("%d things were wrong, the first: %s", n, s.problems[0])
	}
	fmt.Println("all as it should be")
	return nil
}
