package probes

import (
	"slices"
	"sync"
	"time"
)

// gathering is an item whose value is a list that many goroutines add to, in no particular order.
type gathering[T any] struct {
	run  *run
	name string
	span span

	mu   sync.Mutex
	list []T
	err  error
}

func newGathering[T any](r *run, name string) *gathering[T] { return new(gathering[T]).of(r, name) }

// of makes the zero value one of a run's.
func (g *gathering[T]) of(r *run, name string) *gathering[T] {
	g.run, g.name, g.span.run = r, name, r
	return g
}

// start runs f in a goroutine that the run waits for. A panic becomes the item's error.
func (g *gathering[T]) start(f func()) {
	g.run.wg.Go(func() {
		defer func() {
			if x := recover(); x != nil {
				g.fail(g.run.panicked(g.name, x))
			}
		}()
		f()
	})
}

func (g *gathering[T]) fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err == nil {
		g.err = err
	}
}

// add keeps one result.
func (g *gathering[T]) add(v T, started time.Time, took time.Duration) {
	g.span.coverAll(started, started.Add(took))
	g.mu.Lock()
	defer g.mu.Unlock()
	g.list = append(g.list, v)
}

// expect makes room for so many results.
func (g *gathering[T]) expect(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.list = slices.Grow(g.list, n)
}

// keep takes over a result of an earlier time.
func (g *gathering[T]) keep(v T) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.list = append(g.list, v)
}

// sofar is a copy of what was added until now.
func (g *gathering[T]) sofar() []T {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.list)
}

// item closes the gathering. why says what it means that nothing was gathered; noVia tells results
// that never left the vantage, and when all are such, the item is an error.
func (g *gathering[T]) item(why error, noVia func(T) (string, bool), order func(a, b T) int) *Item[[]T] {
	g.mu.Lock()
	defer g.mu.Unlock()
	err := g.err
	if err == nil && len(g.list) == 0 {
		if err = why; g.run.ctx.Err() != nil {
			err = absent{NotReached}
		}
	}
	slices.SortStableFunc(g.list, order) // first, so that the same failures give the same error
	if err == nil {
		err = g.allNoVia(noVia)
	}
	item := settle(g.list, err)
	item.Started, item.Duration = g.span.read()
	return &item
}

func (g *gathering[T]) allNoVia(noVia func(T) (string, bool)) error {
	var detail string
	for _, v := range g.list {
		d, ok := noVia(v)
		if !ok {
			return nil
		}
		detail = d
	}
	return failure(FailVantage, g.name, "%s", detail)
}
