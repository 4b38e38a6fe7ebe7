package canary

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/suites"
)

func TestEachLinkHasItsOwnPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, sink := newWorld(t), &heard{}
		_, stop := run(t, Options{Look: w.look, Sinks: []Sink{sink}, Concurrency: 4}, fleet(20, every(10*time.Second, time.Minute)))
		time.Sleep(10 * time.Minute)
		stop()
		var starts []time.Duration
		for _, l := range fleet(20, provision.Canary{}) {
			rounds := sink.of(l.Name)
			if n := len(rounds); n < 58 || n > 61 {
				t.Errorf("%s: %d rounds in 10 minutes, expected 60", l.Name, n)
			}
			if n := w.readOf(l.Name); n < 10 || n > 12 {
				t.Errorf("%s: the control plane was read %d times in 10 minutes, expected 11 at most", l.Name, n)
			}
			starts = append(starts, time.Duration(rounds[5].Started.Unix()%10))
			aged := 0
			for _, r := range rounds[:len(rounds)-1] {
				if r.raw != nil {
					t.Fatal("a sink that keeps the round keeps what it was judged by")
				}
				if r.Outcome != Good || r.Took <= 0 {
					t.Fatalf("%s: %+v", l.Name, r)
				}
				if r.ControlAge > 0 {
					aged++
				}
			}
			if aged < 40 {
				t.Errorf("%s: %d rounds took the control plane over", l.Name, aged)
			}
		}
		slices.Sort(starts)
		if len(slices.Compact(starts)) < 6 {
			t.Errorf("20 links begin in few of 10 seconds: %v", starts)
		}
		if w.overlap.Load() || w.mostAtOnce() > 4 {
			t.Errorf("overlap %v, %d at once, expected 4 at most", w.overlap.Load(), w.mostAtOnce())
		}
		if len(sink.changes) != 0 {
			t.Errorf("%+v", sink.changes)
		}
	})
}

func TestASlowRoundDelaysItsOwnLinkAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, sink := newWorld(t), &heard{}
		w.takes = 25 * time.Second // longer than the interval
		_, stop := run(t, Options{Look: w.look, Sinks: []Sink{sink}}, fleet(3, every(10*time.Second, time.Hour)))
		time.Sleep(5 * time.Minute)
		stop()
		if n := len(sink.of("link-000")); w.overlap.Load() || n < 8 || n > 12 {
			t.Errorf("overlap %v, %d rounds in 5 minutes, expected 10", w.overlap.Load(), n)
		}
	})
}

func TestAFaultIsOneIncidentAndItsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, sink := newWorld(t), &heard{}
		c, stop := run(t, Options{Look: w.look, Sinks: []Sink{sink}}, fleet(10, every(10*time.Second, 5*time.Minute)))
		time.Sleep(2 * time.Minute)
		// The path breaks; that no target is healthy only the control plane knows, which is not due.
		w.set("no-healthy-target", "no-healthy-target", false)
		began := time.Now()
		time.Sleep(time.Minute)
		synctest.Wait()
		open := c.Incidents()
		if len(open) != 1 || open[0].Cause.Check != "connection.healthy-target" || len(open[0].Links) != 10 {
			t.Fatalf("open: %+v", open)
		}
		if late := open[0].Opened.Sub(began); late > 25*time.Second {
			t.Errorf("it took %s, expected 2 rounds", late)
		}
		w.set("healthy", "", false)
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if open := c.Incidents(); len(open) != 0 {
			t.Errorf("still open: %+v", open)
		}
		stop()
		kinds := sink.kinds()
		if kinds[0] != Opened || kinds[len(kinds)-1] != Cleared || slices.Contains(kinds[1:], Opened) {
			t.Errorf("changes %q", kinds)
		}
	})
}

func TestAnAPIOutageIsNoIncident(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, sink := newWorld(t), &heard{}
		c, stop := run(t, Options{Look: w.look, Sinks: []Sink{sink}}, fleet(3, every(10*time.Second, time.Minute)))
		time.Sleep(3 * time.Minute)
		w.set("healthy", "", true)
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		if len(sink.changes) != 0 {
			t.Errorf("%+v", sink.changes)
		}
		untold, good := 0, 0
		for _, r := range sink.of("link-000")[20:] {
			switch r.Outcome {
			case Untold:
				untold++
			case Good:
				good++
			default:
				t.Errorf("%+v", r)
			}
		}
		if untold == 0 {
			t.Error("no round says that the API does not answer")
		}
		w.set("healthy", "", false)
		time.Sleep(3 * time.Minute)
		w.set("healthy", "", true)
		time.Sleep(90 * time.Second)
		// A path that breaks meanwhile is found, judged with the control plane of before.
		w.set("healthy", "no-healthy-target", true)
		time.Sleep(50 * time.Second)
		synctest.Wait()
		if open := c.Incidents(); len(open) == 0 {
			t.Error("nothing was found while the API did not answer")
		}
		stop()
	})
}

func TestAStopIsQuickAndInterrupts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, sink := newWorld(t), &heard{}
		w.takes = time.Hour
		store := &memory{}
		_, stop := run(t, Options{Look: w.look, Sinks: []Sink{sink}, Store: store}, fleet(5, every(10*time.Second, time.Minute)))
		time.Sleep(time.Minute)
		if took := stop(); took > time.Second {
			t.Errorf("stopping took %s", took)
		}
		if len(sink.rounds) != 5 || len(sink.changes) != 0 {
			t.Fatalf("%d rounds, %+v", len(sink.rounds), sink.changes)
		}
		for _, r := range sink.rounds {
			if r.Outcome != Interrupted || len(r.Roots) != 0 || r.Reason == "" {
				t.Errorf("%+v", r)
			}
		}
		if store.state == nil {
			t.Error("the state was not kept")
		}
	})
}

func TestALookThatDoesNotEndIsLeftBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sink, release := &heard{}, make(chan struct{})
		deaf := func(context.Context, provision.Link, *probes.Observation) (*probes.Observation, int64) {
			<-release
			return recorded(t, "healthy", "link-000"), 0
		}
		_, stop := run(t, Options{Look: deaf, Sinks: []Sink{sink}}, fleet(1, every(10*time.Second, time.Minute)))
		time.Sleep(time.Minute)
		if took := stop(); took > time.Second || len(sink.rounds) != 1 || sink.rounds[0].Outcome != Interrupted {
			t.Errorf("took %s; %+v", took, sink.rounds)
		}
		close(release)
	})
}

// memory is a Store.
type memory struct {
	mu    sync.Mutex
	state *State
	fails bool
}

func (m *memory) Load(context.Context) (*State, error) { return m.state, nil }

func (m *memory) Save(_ context.Context, s *State) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fails {
		return errors.New("no space left on device")
	}
	m.state = s
	return nil
}

func TestARestartGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, store, first, second := newWorld(t), &memory{}, &heard{}, &heard{}
		w.set("txt-missing", "", false)
		links := fleet(3, every(10*time.Second, time.Minute))
		_, stop := run(t, Options{Look: w.look, Sinks: []Sink{first}, Store: store}, links)
		time.Sleep(2 * time.Minute)
		stop()
		c, stop := run(t, Options{Look: w.look, Sinks: []Sink{second}, Store: store}, links)
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(c.Incidents()) != 1 || len(second.changes) != 0 {
			t.Errorf("%d incidents, changes %q: an incident that goes on is not told again", len(c.Incidents()), second.kinds())
		}
		w.set("healthy", "", false)
		time.Sleep(3 * time.Minute)
		stop()
		if kinds := second.kinds(); !slices.Equal(kinds, []ChangeKind{Cleared}) {
			t.Errorf("%q", kinds)
		}
	})
}

func TestOnceKeepsCountOverInvocations(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, store := newWorld(t), &memory{}
		slow := &heard{slow: func() { time.Sleep(5 * time.Second) }}
		links := fleet(3, every(10*time.Second, time.Minute))
		var open []int
		for _, control := range []string{"healthy", "txt-missing", "txt-missing", "healthy", "healthy"} {
			w.set(control, "", false)
			c := New(Options{Look: w.look, Catalogue: suites.Catalogue(), Store: store, Sinks: []Sink{slow}})
			rounds, err := c.Once(t.Context(), links)
			if err != nil || len(rounds) != 3 || rounds[2].Link != "link-002" {
				t.Fatalf("%v, %+v", err, rounds)
			}
			open = append(open, len(c.Incidents()))
			time.Sleep(time.Minute)
		}
		if len(slow.rounds) != 15 || !slices.Equal(slow.kinds(), []ChangeKind{Opened, Cleared}) {
			t.Errorf("told %d rounds and %q", len(slow.rounds), slow.kinds())
		}
		if !slices.Equal(open, []int{0, 0, 1, 1, 0}) {
			t.Errorf("open incidents: %v", open)
		}
	})
}

func TestReload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, sink := newWorld(t), &heard{}
		w.set("txt-missing", "", false)
		links := fleet(3, every(10*time.Second, time.Hour))
		c, stop := run(t, Options{Look: w.look, Sinks: []Sink{sink}}, links)
		time.Sleep(5 * time.Minute)
		before := w.looked("link-001")
		links[2].Canary.Interval = provision.Duration(time.Second)
		links = append(links[1:], provision.Link{Name: "new", Canary: links[0].Canary})
		c.Update(links)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		gone := len(sink.of("link-000"))
		time.Sleep(time.Minute)
		if n := len(sink.of("link-000")); n != gone {
			t.Error("a link that is not in the file any more is still watched")
		}
		if n := w.looked("link-001") - before; n < 30 || n > 37 {
			t.Errorf("link-001, which is as it was: %d looks in 6 minutes", n)
		}
		if n := len(sink.of("link-002")); n < 300 {
			t.Errorf("link-002, each second now: %d rounds", n)
		}
		if len(sink.of("new")) < 30 || w.overlap.Load() {
			t.Errorf("new: %d rounds; overlap %v", len(sink.of("new")), w.overlap.Load())
		}
		if open := c.Incidents(); len(open) != 1 || slices.ContainsFunc(open[0].Links, func(a Affected) bool { return a.Link == "link-000" }) {
			t.Errorf("%+v", open)
		}
		stop()
	})
}

// slowStore takes its time to load.
type slowStore struct {
	memory
	takes time.Duration
}

func (s *slowStore) Load(ctx context.Context) (*State, error) {
	time.Sleep(s.takes)
	return s.memory.Load(ctx)
}

func TestAReloadWhileTheStoreIsReadIsNotLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, sink := newWorld(t), &heard{}
		links := fleet(3, every(10*time.Second, time.Hour))
		c, stop := run(t, Options{Look: w.look, Sinks: []Sink{sink}, Store: &slowStore{takes: 20 * time.Second}}, links[:2])
		time.Sleep(10 * time.Second)
		c.Update(links[1:])
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		stop()
		if w.looked("link-000") != 0 || w.looked("link-001") == 0 || w.looked("link-002") == 0 {
			t.Errorf("looked at: %d, %d, %d", w.looked("link-000"), w.looked("link-001"), w.looked("link-002"))
		}
	})
}

// Links that are taken out are not held on to, however often they have other names.
func TestLinksThatAreGoneAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		links := fleet(40, every(10*time.Second, time.Hour))
		c, stop := run(t, Options{Look: w.look}, links[:2])
		for n := range 38 {
			time.Sleep(15 * time.Second)
			c.Update(links[n+1 : n+3])
		}
		time.Sleep(15 * time.Second)
		c.Update(links[38:])
		c.mu.Lock()
		if n := len(c.watchers); n > 3 {
			t.Errorf("%d watchers of 2 links", n)
		}
		c.mu.Unlock()
		stop()
	})
}

func TestAWindowOfTheLinkFileIsOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, sink := newWorld(t), &heard{}
		w.set("no-healthy-target", "no-healthy-target", false)
		links := fleet(2, every(10*time.Second, time.Minute))
		links[0].Canary.Maintenance = []provision.Maintenance{{Reason: "patching", Start: time.Now().UTC().Format(time.RFC3339), Duration: provision.Duration(10 * time.Minute)}}
		c, stop := run(t, Options{Look: w.look, Sinks: []Sink{sink}}, links)
		time.Sleep(9 * time.Minute)
		synctest.Wait()
		if open := linksOf(c.Incidents()); len(open) != 1 || len(slices.Concat(slices.Collect(maps.Values(open))...)) != 1 {
			t.Errorf("in the window: %v", open)
		}
		for _, r := range sink.of("link-000") {
			if r.Maintenance != "patching" || r.Outcome != Bad {
				t.Fatalf("%+v", r)
			}
		}
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if open := c.Incidents(); len(open) != 1 || len(open[0].Links) != 2 {
			t.Errorf("after it: %v", linksOf(open))
		}
		stop()
	})
}

// What a remote end sends back may hold a secret of the link file: what is told has the words of judging without it, of what the link file
// accepts too, and what a round comes to does not depend on that.
func TestWhatIsToldIsJudgedWithoutSecrets(t *testing.T) {
	t.Parallel()
	const secret = "hunter2-hunter2"
	var failing []string
	for _, accepted := range []bool{false, true} {
		words := !accepted
		synctest.Test(t, func(t *testing.T) {
			sink, o := &heard{}, recorded(t, "healthy", "link-000")
			for i := range o.Reach.HTTP.Value {
				o.Reach.HTTP.Value[i].Outcome, o.Reach.HTTP.Value[i].Detail, o.Reach.HTTP.Value[i].Status = probes.Failed, "malformed HTTP status code "+secret, 0
			}
			if accepted {
				for _, check := range failing {
					o.Link.Accept = append(o.Link.Accept, provision.Acceptance{Check: check, Reason: "known", Expires: "2099-01-01"})
				}
			}
			clean := func(o *probes.Observation) *probes.Observation {
				c := *o
				exchanges := slices.Clone(o.Reach.HTTP.Value)
				for i := range exchanges {
					exchanges[i].Detail = strings.ReplaceAll(exchanges[i].Detail, secret, "(hidden)")
				}
				c.Reach.HTTP = &probes.Item[[]probes.Exchange]{Started: o.Reach.HTTP.Started, Value: exchanges}
				if words {
					return &c
				}
				c.Reach.HTTP = &probes.Item[[]probes.Exchange]{Error: &probes.Failure{Class: probes.FailDenied}} // it comes to something else
				return &c
			}
			look := func(_ context.Context, _ provision.Link, known *probes.Observation) (*probes.Observation, int64) {
				mine := *o
				mine.Started, mine.Finished = time.Now(), time.Now()
				if known != nil {
					mine.Known = known.Started
				}
				return &mine, 0
			}
			_, stop := run(t, Options{Look: look, Clean: clean, Sinks: []Sink{sink}}, fleet(1, every(10*time.Second, 10*time.Minute)))
			time.Sleep(5 * time.Minute)
			synctest.Wait()
			stop()
			changes, err := json.Marshal(sink.changes)
			if err != nil {
				t.Fatal(err)
			}
			texts := string(changes)
			for _, r := range sink.of("link-000") {
				if r.Outcome == Interrupted {
					continue
				}
				if want := map[bool]Outcome{false: Bad, true: Good}[accepted]; r.Outcome != want || len(r.Roots) == 0 {
					t.Errorf("%s, expected %s; %d roots", r.Outcome, want, len(r.Roots))
				}
				texts += fmt.Sprintf("%+v %+v\n", r.Roots, r.Judged())
				for _, root := range r.Roots {
					failing = append(failing, root.Cause.Check)
				}
			}
			if words != strings.Contains(texts, "(hidden)") {
				t.Errorf("accepted %v: the words that are left: %v", accepted, !words)
			}
			if strings.Contains(texts, secret) {
				i := strings.Index(texts, secret)
				t.Errorf("accepted %v: told %s", accepted, texts[max(0, i-300):i+20])
			}
		})
		slices.Sort(failing)
		failing = slices.Compact(failing)
	}
}

func TestASlowSinkHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, sink := newWorld(t), &heard{}
		slow := &heard{slow: func() { time.Sleep(20 * time.Minute) }}
		store := &memory{fails: true}
		var problems atomic.Int64
		c := New(Options{
			Look: w.look, Catalogue: suites.Catalogue(), Sinks: []Sink{slow, sink}, Store: store, Problem: func(error) { problems.Add(1) },
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- c.Run(ctx, fleet(2, every(10*time.Second, time.Minute))) }()
		time.Sleep(10 * time.Minute)
		if n := len(sink.of("link-000")); n < 58 {
			t.Errorf("%d rounds beside a slow sink", n)
		}
		before := time.Now()
		cancel()
		err := <-ended
		if took := time.Since(before); took > time.Second || err == nil || problems.Load() == 0 {
			t.Errorf("took %s, %v, %d problems: a full disk must be told", took, err, problems.Load())
		}
		time.Sleep(100 * time.Hour) // the slow one ends too
	})
}

// Links that wait for their time cost no goroutine each. Not beside other tests: all goroutines are counted.
func TestAFleetAtRestHasFewGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const links = 1000
		w := newWorld(t)
		_, stop := run(t, Options{Look: w.look}, fleet(links, every(10*time.Minute, time.Hour)))
		time.Sleep(time.Minute) // all were looked at
		synctest.Wait()
		if n := runtime.NumGoroutine(); n > links/4 {
			t.Errorf("%d goroutines for %d links at rest", n, links)
		}
		if n := w.looked("link-999"); n != 1 {
			t.Errorf("link-999 was looked at %d times", n)
		}
		stop()
	})
}
