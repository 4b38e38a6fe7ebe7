package probes

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"time"
)

// absent and failed are the two ways for a probe to have no value. They travel as errors, so that
// a probe hands on why the one that it depends on has none.
type absent struct{ why Absence }

func (a absent) Error() string { return string(a.why) }

type failed struct{ f Failure }

func (f failed) Error() string { return f.f.Operation + ": " + f.f.Message }

func failure(class FailureClass, operation, format string, args ...any) error {
	return failed{Failure{Class: class, Operation: operation, Message: clean(fmt.Sprintf(format, args...), maxDetail)}}
}

// promise is an item that is being observed.
type promise[T any] struct {
	done chan struct{}
	item *Item[T]
	err  error
}

// ask starts a probe in its own goroutine, which the run waits for. A panic becomes an entry in
// Panics and an error of the item. The probe reports through its span when it began to ask, after
// having waited for others.
func ask[T any](r *run, name string, probe func(s *span) (T, error)) *promise[T] {
	p := &promise[T]{done: make(chan struct{}), item: &Item[T]{}}
	r.wg.Go(func() {
		defer close(p.done)
		s := &span{run: r}
		v, err := guarded(r, name, s, probe)
		if r.ctx.Err() != nil && err != nil {
			if _, isAbsent := err.(absent); !isAbsent {
				err = absent{NotReached}
			}
		}
		if err == nil && s.idle() {
			s.begin()() // answered by what others found: nothing had to be asked
		}
		*p.item, p.err = settle(v, err), err
		p.item.Started, p.item.Duration = s.read()
	})
	return p
}

func guarded[T any](r *run, name string, s *span, probe func(s *span) (T, error)) (v T, err error) {
	defer func() {
		if x := recover(); x != nil {
			var zero T
			v, err = zero, r.panicked(name, x)
		}
	}()
	return probe(s)
}

func settle[T any](v T, err error) Item[T] {
	switch e := err.(type) {
	case nil:
		return Item[T]{Value: v}
	case absent:
		return Item[T]{Absent: e.why}
	case failed:
		return Item[T]{Error: &e.f}
	}
	return Item[T]{Error: &Failure{Class: FailInternal, Message: clean(err.Error(), maxDetail)}}
}

// value waits for the promise. Its error is why what depends on it can't be asked either.
func (p *promise[T]) value() (T, error) {
	<-p.done
	if p.err == nil {
		return p.item.Value, nil
	}
	var f failed
	if errors.As(p.err, &f) {
		if !strings.HasPrefix(f.f.Message, "not asked: ") {
			f.f.Message = clean("not asked: "+f.f.Operation+" failed: "+f.f.Message, maxDetail)
		}
		return p.item.Value, f
	}
	return p.item.Value, p.err
}

// given returns a promise that is kept already.
func given[T any](v T, err error) *promise[T] {
	item := settle(v, err)
	p := &promise[T]{done: make(chan struct{}), item: &item, err: err}
	close(p.done)
	return p
}

// span is when the asking of an item began and ended, without the waiting for others.
type span struct {
	run   *run
	mu    sync.Mutex
	first time.Time
	last  time.Time
}

// begin marks that something of the item is asked now; the returned function marks its end.
func (s *span) begin() func() {
	s.cover(s.run.now())
	return func() { s.cover(s.run.now()) }
}

func (s *span) cover(t time.Time) { s.coverAll(t, t) }

func (s *span) coverAll(from, to time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.first.IsZero() || from.Before(s.first) {
		s.first = from
	}
	if to.After(s.last) {
		s.last = to
	}
}

func (s *span) idle() bool {
	first, _ := s.read()
	return first.IsZero()
}

func (s *span) read() (time.Time, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.first, s.last.Sub(s.first)
}

// panicked keeps a recovered panic for the Observation and returns the item's error.
func (r *run) panicked(name string, x any) error {
	stack := string(debug.Stack())
	if p, ok := x.(relayed); ok {
		x, stack = p.x, p.stack
	}
	text := clean(fmt.Sprint(x), maxDetail)
	r.mu.Lock()
	r.panics = append(r.panics, name+": "+text+where(stack))
	r.mu.Unlock()
	return failure(FailInternal, name, "the probe panicked: %s", text)
}

// where finds the line that panicked in a stack trace.
func where(stack string) string {
	_, after, ok := strings.Cut(stack, "panic(")
	if !ok {
		return ""
	}
	lines := strings.Split(after, "\n")
	if len(lines) < 4 {
		return ""
	}
	place, _, _ := strings.Cut(strings.TrimSpace(lines[3]), " +")
	if i := strings.LastIndex(place, "/"); i >= 0 {
		place = place[i+1:]
	}
	return " (" + clean(place, maxName) + ")"
}

// relayed carries a panic from a helper goroutine to the goroutine of its item.
type relayed struct {
	x     any
	stack string
}

// group runs functions side by side and waits for them. A panic in one is raised again in wait.
type group struct {
	wg    sync.WaitGroup
	mu    sync.Mutex
	panic *relayed
}

func (g *group) start(f func()) {
	g.wg.Go(func() {
		defer func() {
			if x := recover(); x != nil {
				p, ok := x.(relayed)
				if !ok {
					p = relayed{x, string(debug.Stack())}
				}
				g.mu.Lock()
				g.panic = &p
				g.mu.Unlock()
			}
		}()
		f()
	})
}

func (g *group) wait() {
	g.wg.Wait()
	if g.panic != nil {
		panic(*g.panic)
	}
}

// parallel calls f for 0 … n-1, at most limit side by side, and waits.
func parallel(n, limit int, f func(i int)) {
	var g group
	slots := make(chan struct{}, limit)
	for i := range n {
		slots <- struct{}{}
		g.start(func() {
			defer func() { <-slots }()
			f(i)
		})
	}
	g.wait()
}

// each is parallel for calls that return a value or an error; the first error by index wins.
func each[A, B any](in []A, f func(A) (B, error)) ([]B, error) {
	out := make([]B, len(in))
	errs := make([]error, len(in))
	parallel(len(in), apiConcurrency, func(i int) { out[i], errs[i] = f(in[i]) })
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// acquire takes a slot, or gives up when the run ends.
func acquire(ctx context.Context, slots chan struct{}) bool {
	if ctx.Err() != nil {
		return false
	}
	select {
	case slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}
