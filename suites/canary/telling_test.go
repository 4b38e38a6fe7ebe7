package canary

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/suites"
)

// linked are the names of an incident's links.
func linked(i Incident) (all []string) {
	for _, a := range i.Links {
		all = append(all, a.Link)
	}
	return all
}

// Who hears of changes alone must know as much as the board: the pages, the metrics, and people.
func TestWhoHearsOfChangesKnowsAllLinks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const size = 300
		w, sink := newWorld(t), &heard{}
		c, stop := run(t, Options{Look: w.look, Sinks: []Sink{sink}, Concurrency: 64}, fleet(size, every(30*time.Second, 5*time.Minute)))
		defer stop()
		time.Sleep(2 * time.Minute)
		w.set("no-healthy-target", "no-healthy-target", false)
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		changes := sink.all()
		kinds := countKinds(changes)
		if kinds[Opened] != 1 || kinds[Spread] != 1 || kinds[Links] < 4 || kinds[Links] > 12 {
			t.Errorf("changes: %v", kinds)
		}
		if last := changes[len(changes)-1].Incident; !reflect.DeepEqual(linked(last), names(size)) {
			t.Errorf("the last change lists %d links, expected %d", len(last.Links), size)
		}
		alerts := slices.DeleteFunc(slices.Clone(changes), func(c Change) bool { return !c.Alerts() })
		if n := len(alerts); n != 2 || len(alerts[0].Incident.Links) != 1 || alerts[1].Kind != Spread || len(alerts[1].Incident.Links) != size {
			t.Errorf("%d alerts; the last one lists %d links", n, len(alerts[n-1].Incident.Links))
		}
		w.set("healthy", "", false)
		var between []int
		for range 20 {
			time.Sleep(5 * time.Second)
			synctest.Wait()
			if open := c.Incidents(); len(open) == 1 {
				between = append(between, len(open[0].Links))
			}
		}
		if len(between) < 3 || between[len(between)-1] >= size {
			t.Errorf("links while they recover: %v", between)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		changes = sink.all()
		end := changes[len(changes)-1]
		if end.Kind != Cleared || !reflect.DeepEqual(linked(end.Incident), names(size)) || len(end.Incident.Left) != 0 {
			t.Errorf("the end: %s lists %d links and %d that left", end.Kind, len(end.Incident.Links), len(end.Incident.Left))
		}
		fewer := slices.ContainsFunc(changes, func(c Change) bool {
			return c.Kind == Links && len(c.Incident.Left) > 0 && len(c.Incident.Links) < size
		})
		if !fewer {
			t.Error("nobody was told that some links are well again")
		}
	})
}

func (h *heard) all() []Change {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.changes)
}

func countKinds(changes []Change) map[ChangeKind]int {
	n := map[ChangeKind]int{}
	for _, c := range changes {
		n[c.Kind]++
	}
	return n
}

func TestPeopleAreToldHowFarItSpreads(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	bad := s.round("no-healthy-target", "orders")
	// fail lets links fail for some minutes, and returns what people were told: kind and links.
	fail := func(links, minutes int) (told []string) {
		for range minutes {
			for i := range links {
				r := bad
				r.Link, r.Started, r.Finished = fmt.Sprintf("link-%03d", i), s.at, s.at.Add(time.Second)
				for _, c := range s.apply(r) {
					if c.Alerts() {
						told = append(told, fmt.Sprint(c.Kind, " ", len(c.Incident.Links)))
					}
				}
			}
			s.at = s.at.Add(time.Minute)
		}
		return told
	}
	for n, step := range []struct {
		links int
		want  []string
	}{
		{5, []string{"opened 1", "spread 5"}},
		{6, nil}, // one more, when all was told, is for the record
		{9, nil},
		{10, []string{"spread 10"}},
		{10, nil},
	} {
		if got := fail(step.links, 10); !slices.Equal(got, step.want) {
			t.Errorf("step %d: told %q, expected %q", n+1, got, step.want)
		}
	}
	if open := s.board.Incidents(); len(open) != 1 || open[0].Told != 10 {
		t.Errorf("%+v", open)
	}
	// What goes on and on is told before it ends.
	s = newStory(t)
	s.settings.Interval = every(5*time.Minute, time.Hour).Interval
	var told []string
	for n := 1; n <= 30; n++ {
		told = append(told, fail(n, 1)...)
	}
	if len(told) < 2 || told[1] != "spread 15" {
		t.Errorf("a link each minute: %q", told)
	}
}

func TestARestartRemembersWhomItTold(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	bad := s.round("no-healthy-target", "orders")
	apply := func() (changes []Change) {
		for i := range 40 {
			r := bad
			r.Link, r.Started, r.Finished = fmt.Sprintf("link-%03d", i), s.at, s.at.Add(time.Second)
			changes = append(changes, s.apply(r)...)
		}
		s.at = s.at.Add(30 * time.Second)
		return changes
	}
	for range 3 {
		apply()
	}
	if kinds := countKinds(s.changes); kinds[Opened] != 1 || kinds[Spread] != 0 {
		t.Fatalf("%v", kinds)
	}
	state := s.board.State(s.at)
	s.board = NewBoard()
	if err := s.board.Restore(state); err != nil {
		t.Fatal(err)
	}
	var kinds map[ChangeKind]int
	for range 5 {
		kinds = countKinds(append(s.changes, apply()...))
	}
	if kinds[Opened] != 1 || kinds[Spread] != 1 {
		t.Errorf("%v, expected to be told of 40 links", kinds)
	}
}

func TestOnceTellsAllLinksAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, store, sink := newWorld(t), &memory{}, &heard{}
		links := fleet(9, every(10*time.Second, time.Minute))
		var told []string
		for range 3 {
			w.set("no-healthy-target", "", false)
			c := New(Options{Look: w.look, Catalogue: suites.Catalogue(), Store: store, Sinks: []Sink{sink}})
			if _, err := c.Once(t.Context(), links); err != nil {
				t.Fatal(err)
			}
			for _, c := range sink.all() {
				told = append(told, fmt.Sprint(c.Kind, " ", len(c.Incident.Links)))
			}
			sink.changes = nil
			time.Sleep(time.Minute)
		}
		if !slices.Equal(told, []string{"opened 9"}) {
			t.Errorf("told %q", told)
		}
		w.set("healthy", "", false)
		for range 2 {
			c := New(Options{Look: w.look, Catalogue: suites.Catalogue(), Store: store, Sinks: []Sink{sink}})
			rounds, err := c.Once(t.Context(), links)
			if err != nil {
				t.Fatal(err)
			}
			if r := rounds[0]; r.Outcome != Good {
				t.Errorf("%+v", r)
			}
			time.Sleep(time.Minute)
		}
		if got := sink.all(); len(got) != 1 || got[0].Kind != Cleared || len(got[0].Incident.Links) != 9 {
			t.Errorf("the end: %+v", got)
		}
	})
}

// One link after the other joins, each between two invocations or restarts: people are told when there are twice as many.
func TestARestartMakesNoSpread(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	bad := s.round("no-healthy-target", "orders")
	var told []string
	for n := range 12 {
		for range 5 {
			for i := range n + 4 {
				r := bad
				r.Link, r.Started, r.Finished = fmt.Sprintf("link-%03d", i), s.at, s.at.Add(time.Second)
				for _, c := range s.apply(r) {
					if c.Alerts() {
						told = append(told, fmt.Sprint(c.Kind, " ", len(c.Incident.Links)))
					}
				}
			}
			s.at = s.at.Add(time.Minute)
		}
		state := s.board.State(s.at)
		s.board = NewBoard()
		if err := s.board.Restore(state); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"opened 1", "spread 4", "spread 8"}; !slices.Equal(told, want) {
		t.Errorf("told %q, expected %q", told, want)
	}
}

// Where rounds are rare, the clock tells what is due.
func TestAFewLinksAreToldInTimeToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, sink := newWorld(t), &heard{}
		settings := every(10*time.Minute, time.Hour)
		settings.Alarm = provision.Alarm{Failures: 1, Of: 1}
		w.set("no-healthy-target", "no-healthy-target", false)
		links := slices.Delete(fleet(3, settings), 1, 2) // the other two begin half a second apart
		_, stop := run(t, Options{Look: w.look, Sinks: []Sink{sink}}, links)
		time.Sleep(time.Minute) // the first rounds are within half of it
		synctest.Wait()
		changes := sink.all()
		if last := changes[len(changes)-1]; len(last.Incident.Links) != 2 || len(sink.of("link-000"))+len(sink.of("link-002")) != 2 {
			t.Errorf("%v, the last of %d links", countKinds(changes), len(last.Incident.Links))
		}
		stop()
	})
}

// A slow sink gets the newest of the lists that wait for it, and all in order.
func TestASlowSinkGetsTheNewestLinks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		sink := &heard{slow: func() { <-gate }}
		q := newQueue(sink, func(err error) { t.Error(err) })
		change := func(kind ChangeKind, key string, n int) {
			q.change(Change{Kind: kind, Incident: Incident{Key: key, Links: make([]Affected, n)}})
		}
		q.add(func(s Sink) error { return s.Round(Round{}) }, false) // which hangs
		change(Opened, "a", 1)
		for n := range 1000 {
			change(Links, "a", n)
			change(Links, "b", n)
		}
		change(Cleared, "a", 999)
		change(Opened, "a", 2)
		change(Links, "a", 3)
		synctest.Wait()
		if n := q.len(); n != 7 {
			t.Errorf("%d wait, expected 7", n)
		}
		close(gate)
		q.end()
		<-q.done
		var got []string
		for _, c := range sink.changes {
			got = append(got, fmt.Sprint(c.Incident.Key, " ", c.Kind, " ", len(c.Incident.Links)))
		}
		if want := []string{"a opened 1", "a links 999", "b links 999", "a cleared 999", "a opened 2", "a links 3"}; !slices.Equal(got, want) {
			t.Errorf("told %q, expected %q", got, want)
		}
		change(Links, "a", 4) // it has ended: dropped, and nothing is held on to
		if len(q.links) != 0 {
			t.Errorf("held: %v", q.links)
		}
	})
}
