package awsapi

import (
	"context"
	"sync"
	"time"
)

// Trace counts the requests that leave on behalf of one asker, and knows how old the answers are that he got. Traces
// stand within each other: what one sees, those around it see too. It is safe for concurrent use.
type Trace struct {
	around *Trace
	flight bool // of a request that several may wait for: it is not an attempt of those around it

	mu       sync.Mutex
	attempts int
	use      map[*Clients]Use
	asked    int64
	ended    bool
	late     func(n int64) // gets what leaves after the end

	read time.Time // when the oldest answer of a store was asked for
	age  freshness // when such answers were last known to hold
}

// Use is what clients did.
type Use struct {
	Requests  int64 // sent, retries included
	Throttled int64 // answered that there were too many, repetitions included
}

type traceKey struct{}

// WithTrace returns a context that is traced.
func WithTrace(ctx context.Context) (context.Context, *Trace) {
	t := &Trace{around: traceOf(ctx)}
	return context.WithValue(ctx, traceKey{}, t), t
}

// traceOf is the innermost trace of a context, or nil, on which all methods do nothing.
func traceOf(ctx context.Context) *Trace {
	t, _ := ctx.Value(traceKey{}).(*Trace)
	return t
}

// outermost is the trace around all others.
func (t *Trace) outermost() *Trace {
	for t != nil && t.around != nil {
		t = t.around
	}
	return t
}

// Attempts is the number of requests that the answers took, retries included: those that left for this asker, and those
// of others that failed for him too.
func (t *Trace) Attempts() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.attempts
}

// Oldest is when the oldest answer of a store was last known to hold, apart from what hardly changes; zero when there was
// none.
func (t *Trace) Oldest() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.age.often
}

// Read is when the oldest answer of a store was asked for; zero when no answer came from a store.
func (t *Trace) Read() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.read
}

// End stops the counting and returns the number of requests that left on the asker's behalf. What he began and others
// still wait for is told to late.
func (t *Trace) End(late func(n int64)) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended, t.late = true, late
	return t.asked
}

// sent counts a request that leaves now.
func (t *Trace) sent(c *Clients) {
	for shared := false; t != nil; t = t.around {
		t.mu.Lock()
		if !shared {
			t.attempts++
		}
		shared = shared || t.flight
		if t.use == nil {
			t.use = map[*Clients]Use{}
		}
		u := t.use[c]
		u.Requests++
		t.use[c] = u
		late := t.late
		if !t.ended {
			t.asked++
		}
		t.mu.Unlock()
		if late != nil {
			late(1)
		}
	}
}

// refused counts an answer that there were too many.
func (t *Trace) refused(c *Clients) {
	for ; t != nil; t = t.around {
		t.mu.Lock()
		u := t.use[c] // there is one: it was sent
		u.Throttled++
		t.use[c] = u
		t.mu.Unlock()
	}
}

// failed counts the attempts of a request that others made, and that failed for this asker as for them.
func (t *Trace) failed(attempts int) {
	if t != nil {
		t.mu.Lock()
		t.attempts += attempts
		t.mu.Unlock()
	}
}

// answered notes an answer of a store.
func (t *Trace) answered(read time.Time, f freshness) {
	for ; t != nil; t = t.around {
		t.mu.Lock()
		t.read, t.age = oldest(t.read, read), t.age.with(f)
		t.mu.Unlock()
	}
}

// freshness is when the oldest of several answers were last known to hold: of those that are read often, and of those that
// are not. Zero: there are none.
type freshness struct{ often, rarely time.Time }

func (f freshness) with(g freshness) freshness {
	return freshness{oldest(f.often, g.often), oldest(f.rarely, g.rarely)}
}

// oldest is the earlier one; zero times are none.
func oldest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// Used is what the clients did for the asker of the context, if their answers are shared; else all that they did.
func (c *Clients) Used(ctx context.Context) Use {
	t := traceOf(ctx).outermost()
	if c.shared == nil || t == nil {
		return Use{c.Calls(), c.Throttled()}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.use[c]
}
