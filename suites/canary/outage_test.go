package canary

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/suites"
)

func TestAResolverThatIsDeafIsOneIncident(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, from, dark string
		kind             Kind
		incidents        int
	}{
		{"of each of three VPCs", "socks5://127.0.0.1:1080", "resolver", VPC, 3},
		{"of the canary's host", "local", "resolver", Host, 1},
		{"of each VPC, answers SERVFAIL", "socks5://127.0.0.1:1080", "SERVFAIL", VPC, 3},
		{"of the host, answers SERVFAIL", "local", "SERVFAIL", Host, 1},
		{"of the host, answers REFUSED", "local", "REFUSED", Host, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, sink := newConsumers(t), &heard{}
				w.vpcs, w.from = 3, tt.from
				c, stop := run(t, Options{Look: w.look, Sinks: []Sink{sink}}, fleet(9, every(10*time.Second, time.Minute)))
				time.Sleep(time.Minute)
				w.set(tt.dark, names(9)...)
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				open := c.Incidents()
				if len(open) != tt.incidents {
					t.Errorf("%v", linksOf(open))
				}
				for _, i := range open {
					if i.Cause.Kind != tt.kind || i.Cause.Check != "dns.resolver-answers" || len(i.Links) != 9/tt.incidents {
						t.Errorf("%s: %d links", i.Key, len(i.Links))
					}
				}
				w.set("", names(9)...)
				time.Sleep(time.Minute)
				synctest.Wait()
				if open := c.Incidents(); len(open) != 0 {
					t.Errorf("still: %v", linksOf(open))
				}
				stop()
			})
		})
	}
}

// What is out of reach beside the path for hours is told as that, and by its age, and is no incident.
func TestWhatCanNotBeAskedIsNoIncident(t *testing.T) {
	t.Parallel()
	for what, why := range map[string]string{
		"api":       "connection.endpoint",                 // nothing of the API's, such as where this host's own resolver is down
		"throttled": "identity.consumer-api-not-throttled", // all day
		"txt":       "verification.",                       // public DNS
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, sink := newConsumers(t), &heard{}
				w.vpcs, w.from = 3, "socks5://127.0.0.1:1080"
				_, stop := run(t, Options{Look: w.look, Sinks: []Sink{sink}}, fleet(2, every(2*time.Minute, 10*time.Minute)))
				time.Sleep(20 * time.Minute)
				w.set(what, names(2)...)
				time.Sleep(6 * time.Hour)
				synctest.Wait()
				rounds := sink.of("link-001")
				untold := 0
				for _, r := range rounds {
					if r.Outcome == Untold {
						untold++
						if !strings.Contains(r.Reason, why) {
							t.Fatalf("%+v", r)
						}
					} else if r.Outcome != Good {
						t.Fatalf("%+v", r)
					}
				}
				last := rounds[len(rounds)-1]
				if what != "txt" && (last.ControlAge < 5*time.Hour+40*time.Minute || last.ControlAge > 6*time.Hour+20*time.Minute) {
					t.Errorf("after six hours the control plane is told to be %s old", last.ControlAge)
				}
				if untold < 30 {
					t.Errorf("%d of %d rounds could not tell", untold, len(rounds))
				}
				w.set("", names(2)...)
				time.Sleep(25 * time.Minute)
				synctest.Wait()
				rounds = sink.of("link-001")
				if last := rounds[len(rounds)-1]; last.Outcome != Good || last.ControlAge > 12*time.Minute {
					t.Errorf("after it: %s, %s old", last.Outcome, last.ControlAge)
				}
				if len(sink.changes) != 0 {
					t.Errorf("%+v", sink.changes)
				}
				stop()
			})
		})
	}
}

// An API that says something wrong for a moment is one failure, however many rounds go by until it is due again.
func TestOneWrongAnswerIsOneFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, sink := newWorld(t), &heard{}
		_, stop := run(t, Options{Look: w.look, Sinks: []Sink{sink}}, fleet(1, every(10*time.Second, 10*time.Minute)))
		time.Sleep(5 * time.Minute)
		w.set("txt-missing", "", false)
		for reads := w.readOf("link-000"); w.readOf("link-000") == reads; {
			time.Sleep(50 * time.Millisecond)
		}
		w.set("healthy", "", false)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if kinds := sink.kinds(); !slices.Equal(kinds, []ChangeKind{Recovered}) {
			t.Errorf("%q", kinds)
		}
		stop()
	})
}

// A host that has lost its resolver can ask neither names nor APIs: one incident, which stays as long as that.
func TestAHostThatIsCutOffIsOneIncident(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, sink := newConsumers(t), &heard{}
		w.from, w.vpcs = "local", 3
		c, stop := run(t, Options{Look: func(ctx context.Context, l provision.Link, known *probes.Observation) (*probes.Observation, int64) {
			o, n := w.look(ctx, l, known)
			if known == nil && o.Reach.HTTP != nil && o.DNS.Private.Value[0].Outcome == probes.TimedOut {
				endpoint := *o.Consumer.Endpoint
				endpoint.Error = w.o["api"].Consumer.Endpoint.Error
				o.Consumer.Endpoint = &endpoint
			}
			return o, n
		}, Sinks: []Sink{sink}}, fleet(4, every(2*time.Minute, 10*time.Minute)))
		time.Sleep(20 * time.Minute)
		w.set("resolver", names(4)...)
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		if open := c.Incidents(); len(open) != 1 || len(open[0].Links) != 4 || open[0].Cause.Kind != Host {
			t.Errorf("%v", linksOf(open))
		}
		w.set("", names(4)...)
		time.Sleep(40 * time.Minute)
		synctest.Wait()
		kinds := sink.kinds()
		if open := c.Incidents(); len(open) != 0 || kinds[0] != Opened || slices.Contains(kinds[1:], Opened) || kinds[len(kinds)-1] != Cleared {
			t.Errorf("%v, %q", linksOf(open), kinds)
		}
		stop()
	})
}

// hanging is a Store whose disk hangs for a while.
type hanging struct {
	memory
	until atomic.Pointer[time.Time]
	saves atomic.Int64
}

func (h *hanging) Save(ctx context.Context, s *State) error {
	h.saves.Add(1)
	if until := h.until.Load(); until != nil {
		time.Sleep(time.Until(*until)) // a system call, which no context ends
	}
	return h.memory.Save(ctx, s)
}

// last is when the last state was saved.
func (h *hanging) last() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.state.Saved
}

func TestADiskThatHangsHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, store, sink := newWorld(t), &hanging{}, &heard{}
		var until atomic.Pointer[time.Time]
		slow := &heard{slow: func() {
			if u := until.Load(); u != nil {
				time.Sleep(time.Until(*u))
			}
		}}
		var late atomic.Int64
		c := New(Options{Look: w.look, Catalogue: suites.Catalogue(), Sinks: []Sink{slow, sink}, Store: store, Problem: func(err error) {
			if strings.Contains(err.Error(), "was not kept within") {
				late.Add(1)
			}
		}})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- c.Run(ctx, fleet(3, every(10*time.Second, 5*time.Minute))) }()
		time.Sleep(time.Minute)
		hang := func(d time.Duration) {
			at := time.Now().Add(d)
			store.until.Store(&at)
			until.Store(&at)
		}
		hang(10 * time.Minute)
		before := store.saves.Load()
		time.Sleep(9 * time.Minute)
		if n := len(sink.of("link-000")); n < 58 || len(slow.of("link-000")) > 8 {
			t.Errorf("%d rounds while the disk hung", n)
		}
		if n := store.saves.Load() - before; n != 1 || late.Load() < 20 {
			t.Errorf("%d saves at once, told %d times", n, late.Load())
		}
		time.Sleep(2 * time.Minute)
		if a, b := len(sink.of("link-001")), len(slow.of("link-001")); a != b || time.Since(store.last()) > 20*time.Second {
			t.Errorf("after it the slow one has %d of %d rounds", b, a)
		}
		hang(10 * time.Minute)
		time.Sleep(30 * time.Second)
		stopped := time.Now()
		cancel()
		err := <-ended
		if took := time.Since(stopped); took > time.Second || err == nil || !strings.Contains(err.Error(), "not kept within") {
			t.Errorf("the end took %s: %v", took, err)
		}
		if len(sink.changes) != 0 {
			t.Errorf("%+v", sink.changes)
		}
		time.Sleep(time.Hour) // what hangs ends too
	})
}

func TestASinkThatHangsHoldsSoMuchAndNoMore(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	var told, problems atomic.Int64
	q := newQueue(&heard{slow: func() { <-release; told.Add(1) }}, func(err error) {
		if strings.Contains(err.Error(), "too slow") {
			problems.Add(1)
		}
	})
	for range 3 * maxRounds {
		q.add(func(s Sink) error { return s.Round(Round{}) }, false)
	}
	q.add(func(s Sink) error { return s.Change(Change{Kind: Opened}) }, true)
	if n := q.len(); n != maxRounds+1 {
		t.Errorf("%d wait, expected %d rounds and the change", n, maxRounds)
	}
	close(release)
	q.end()
	<-q.done
	if told.Load() != maxRounds || problems.Load() == 0 || len(q.sink.(*heard).changes) != 1 {
		t.Errorf("%d rounds told, %d problems", told.Load(), problems.Load())
	}
}

// The machine sleeps for an hour in the middle of rounds, and the wall clock is set a day on and back: what was measured across it says
// nothing, what was known stays, and rounds go on at their pace.
func TestClocksThatJumpMakeAndEndNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, sink := newWorld(t), &heard{}
		w.takes = 4 * time.Second
		var ahead atomic.Int64
		now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		broken := provision.Link{Name: "broken", Canary: every(10*time.Second, time.Minute)}
		c, stop := run(t, Options{Look: func(ctx context.Context, l provision.Link, known *probes.Observation) (*probes.Observation, int64) {
			if l.Name != "broken" {
				return w.look(ctx, l, known)
			}
			o := recorded(t, "txt-missing", l.Name)
			o.Started, o.Finished = now(), now()
			return o, 0
		}, Sinks: []Sink{sink}, Now: now}, append(fleet(8, every(10*time.Second, time.Minute)), broken))
		time.Sleep(time.Minute)
		open := c.Incidents()
		if len(open) != 1 {
			t.Fatalf("%v", linksOf(open))
		}
		for _, jump := range []time.Duration{time.Hour, 24 * time.Hour, -24 * time.Hour, -24 * time.Hour, 24 * time.Hour} {
			// All that is under way now comes back as failed: the network was gone.
			w.set("no-healthy-target", "no-healthy-target", false)
			ahead.Add(int64(jump))
			time.Sleep(10 * time.Millisecond)
			w.set("healthy", "", false)
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			if again := c.Incidents(); len(again) != 1 || !again[0].Since.Equal(open[0].Since) {
				t.Errorf("after %s: %+v", jump, again)
			}
		}
		stop()
		if kinds := sink.kinds(); !slices.Equal(kinds, []ChangeKind{Opened}) {
			t.Errorf("%q", kinds)
		}
		interrupted := 0
		for _, l := range names(8) {
			rounds := sink.of(l)
			if n := len(rounds); n < 60 || n > 68 {
				t.Errorf("%s: %d rounds in 11 minutes", l, n)
			}
			for _, r := range rounds[:len(rounds)-1] {
				if r.Outcome == Interrupted {
					interrupted++
				}
			}
		}
		if interrupted < 5 || interrupted > 5*8 {
			t.Errorf("%d rounds were under way in five jumps", interrupted)
		}
	})
}
