package awsapi

import (
	"context"
	"time"
)

// derived is what was made of answers.
type derived struct {
	value any
	read  time.Time
	age   freshness
}

// Derive makes something of shared answers once for all who want the same, which is what the key says, as long as the
// answers are young enough for them. What it returns is shared: nobody may change it. Where nothing is shared, it is made
// for each. Errors are not kept.
func Derive[T any](ctx context.Context, c *Clients, key string, derive func(context.Context) (T, error)) (T, error) {
	s := c.shared
	if s == nil || s.isClosed() {
		return derive(ctx)
	}
	n := s.needOf(ctx)
	s.mu.Lock()
	cell := s.cellOf("derived " + key)
	s.mu.Unlock()
	cell.derive.Lock()
	defer cell.derive.Unlock()
	if m := cell.made; m != nil && !stale(m.age.often, n.since) && !stale(m.age.rarely, n.rarely) {
		if v, ok := m.value.(T); ok {
			traceOf(ctx).answered(m.read, m.age)
			return v, nil
		}
	}
	inner, trace := WithTrace(ctx)
	v, err := derive(inner)
	if err == nil {
		trace.mu.Lock()
		made := &derived{v, trace.read, trace.age}
		trace.mu.Unlock()
		s.mu.Lock()
		cell.made = made
		s.mu.Unlock()
	}
	return v, err
}

func stale(read, since time.Time) bool { return !read.IsZero() && read.Before(since) }
