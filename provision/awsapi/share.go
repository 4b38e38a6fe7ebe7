package awsapi

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/aws/smithy-go/middleware"
)

// Sharing says how reads are shared among all who ask the same clients.
type Sharing struct {
	// PageSize is how many items are asked for at once where AWS serves pages, and how many ids where it takes lists of
	// them: 5 to 1,000, which is the default.
	PageSize int
	// Now is the clock; default time.Now.
	Now func() time.Time
}

// Floor is the age that an answer may always have: who asks for the present at nearly the same time shares.
const Floor = 2 * time.Second

// WithSharing makes clients whose reads are shared: a question that was answered already is not asked again as long as
// the answer is young enough for who asks (NotOlder), what is asked at the same time is asked once, and what AWS serves
// in pages is read as a whole. Writes, dry runs and everything that linkassay does not read are requests as ever.
// Answers are shared too: nobody may change them.
func WithSharing(s Sharing) Option { return func(o *options) { o.sharing = &s } }

// YoungEnough says whether what was read at that time is as young as the context wants answers to be. It is for others
// that share what they read beside clients; Answered is to be told what they answer then.
func YoungEnough(ctx context.Context, read time.Time) bool {
	n, ok := ctx.Value(ageKey{}).(need)
	return ok && !read.Before(n.since)
}

// Answered notes in the context's trace that something was answered with what was read at that time.
func Answered(ctx context.Context, read time.Time) {
	traceOf(ctx).answered(read, freshness{often: read})
}

type ageKey struct{}

// need is how young answers must be.
type need struct {
	since, rarely time.Time
	age           [2]time.Duration // what that is
	fresh         bool             // the present, as of the time of asking
}

// NotOlder returns a context whose shared reads are answered with what was read at most so long before now. Rarely is for
// what hardly changes and AWS serves one at a time: whose credentials these are, zones, attributes of VPCs and load
// balancers, hosted zones, where instances stand. 0 asks for the present, and so do contexts without.
func NotOlder(ctx context.Context, now time.Time, often, rarely time.Duration) context.Context {
	now = now.Round(0) // the wall clock: the monotonic one stands still while the machine is suspended
	return context.WithValue(ctx, ageKey{}, need{
		since: now.Add(-max(often, Floor)), rarely: now.Add(-max(rarely, Floor)), age: [2]time.Duration{often, rarely}, fresh: often <= 0,
	})
}

// throughKey marks the requests of a store itself.
type throughKey struct{}

// store keeps answers.
type store struct {
	c    *Clients
	now  func() time.Time
	page int
	ctx  context.Context // of what was begun and somebody may still want
	stop context.CancelFunc
	wg   sync.WaitGroup

	tables tables

	mu     sync.Mutex
	closed bool
	cells  map[string]*cell
	swept  int           // cells that were left when they were swept last
	often  time.Duration // the greatest age that was good enough for anybody, …
	rarely time.Duration // … and of what hardly changes
}

// cell is one question: what came of it, and the request that is on its way.
type cell struct {
	last   *answer // nil: there is none that may be kept
	flight *flight
	derive sync.Mutex
	made   *derived
}

type flight struct {
	began time.Time
	done  chan struct{}
	got   *answer // once done
}

// answer is what a question came to. It is never changed.
type answer struct {
	began, ended time.Time
	seen         time.Time // when it was last known to hold; zero: when it began
	value        any
	err          error
	attempts     int // requests that left for it
}

func newStore(c *Clients, o Sharing) *store {
	s := &store{c: c, now: o.Now, page: o.PageSize, cells: map[string]*cell{}}
	if s.now == nil {
		s.now = time.Now
	}
	if s.page == 0 {
		s.page = 1000
	}
	s.page = min(max(s.page, 5), 1000)
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.tables = newTables(s)
	return s
}

// close ends what is on its way and waits for it. Who asks then gets requests of his own.
func (s *store) close() {
	s.mu.Lock()
	s.closed = true
	s.cells = map[string]*cell{}
	s.mu.Unlock()
	s.stop()
	s.wg.Wait()
}

// instrument puts the store before everything else that an operation does.
func (s *store) instrument(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("linkassay.Share",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
			middleware.InitializeOutput, middleware.Metadata, error,
		) {
			if ctx.Value(throughKey{}) != nil || s.isClosed() {
				return next.HandleInitialize(ctx, in)
			}
			r, ok := s.reading(in.Parameters)
			if !ok {
				return next.HandleInitialize(ctx, in)
			}
			parameters := copied(in.Parameters)
			a := r.ask(ctx, s.needOf(ctx), func(ctx context.Context) (any, error) {
				out, _, err := next.HandleInitialize(ctx, middleware.InitializeInput{Parameters: parameters})
				return out.Result, err
			})
			if a.err != nil {
				traceOf(ctx).failed(a.attempts)
			}
			traceOf(ctx).answered(a.began, r.freshness(a))
			if a.err != nil {
				return middleware.InitializeOutput{}, middleware.Metadata{}, a.err
			}
			return middleware.InitializeOutput{Result: copied(a.value)}, middleware.Metadata{}, nil
		}), middleware.Before)
}

func (s *store) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

func (s *store) needOf(ctx context.Context) need {
	n, ok := ctx.Value(ageKey{}).(need)
	if !ok {
		now := s.now().Round(0)
		n = need{since: now.Add(-Floor), rarely: now.Add(-Floor), fresh: true}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.often, s.rarely = max(s.often, n.age[0]), max(s.rarely, n.age[1])
	return n
}

// good says whether an answer is young enough. What took long may be older: to read it again at once would take as long.
func (a *answer) good(since, now time.Time) bool {
	return a != nil && !a.began.Before(since.Add(-2*a.ended.Sub(a.began))) && !a.began.After(now)
}

// ask answers a question from the store or asks it, once for all who want to know at the same time.
func (s *store) ask(ctx context.Context, key string, since time.Time, read func(context.Context) (any, error)) *answer {
	for {
		s.mu.Lock()
		now := s.now().Round(0)
		c := s.cellOf(key)
		if c.last.good(since, now) {
			defer s.mu.Unlock()
			return c.last
		}
		f := c.flight
		mine := f == nil || !f.began.Before(since) // what comes is what is wanted
		if f == nil {
			if s.closed {
				s.mu.Unlock()
				return &answer{began: now, ended: now, err: context.Canceled}
			}
			f = &flight{began: now, done: make(chan struct{})}
			c.flight = f
			s.wg.Go(func() { s.fly(ctx, c, f, read) })
		}
		s.mu.Unlock()
		select {
		case <-f.done:
			if mine {
				return f.got
			}
		case <-ctx.Done():
			return s.gaveUp(ctx)
		}
	}
}

// gaveUp is the answer for who could not wait for it any longer.
func (s *store) gaveUp(ctx context.Context) *answer {
	now := s.now().Round(0)
	return &answer{began: now, ended: now, err: fmt.Errorf("wait for an answer that other links want too: %w", ctx.Err())}
}

// usual is since when an answer must have been read for who takes the oldest ones.
func (s *store) usual(rare bool) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	age := s.often
	if rare {
		age = s.rarely
	}
	return s.now().Round(0).Add(-age)
}

// lastOf is what a question came to last, or nil.
func (s *store) lastOf(key string) *answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.cells[key]; c != nil {
		return c.last
	}
	return nil
}

// fly makes a request that outlives who asked first: others wait for it too.
func (s *store) fly(asker context.Context, c *cell, f *flight, read func(context.Context) (any, error)) {
	ctx, cancel := context.WithCancel(context.WithValue(context.WithoutCancel(asker), throughKey{}, true))
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	own := &Trace{around: traceOf(asker).outermost(), flight: true}
	a := &answer{began: f.began}
	a.value, a.err = guarded(context.WithValue(ctx, traceKey{}, own), read)
	a.ended, a.attempts = s.now().Round(0), own.Attempts()
	s.mu.Lock()
	if f.got, c.flight = a, nil; a.err == nil || isAnswer(a.err) {
		c.last = a
	}
	s.mu.Unlock()
	close(f.done)
}

// guarded makes a panic an error: it would end the process, and not the look of one link.
func guarded(ctx context.Context, read func(context.Context) (any, error)) (v any, err error) {
	defer func() {
		if x := recover(); x != nil {
			v, err = nil, fmt.Errorf("reading the answer panicked: %v", x)
		}
	}()
	return read(ctx)
}

// isAnswer says whether an error is what AWS has to say: that there is no such thing, or that it must not be asked. All
// others may be different the next time, and are not kept.
func isAnswer(err error) bool {
	class, code, _ := Classify(err)
	return class == ClassDenied || class == ClassAPI &&
		(strings.HasSuffix(code, "NotFound") || strings.HasSuffix(code, ".Malformed") || code == "InvalidServiceName" || code == "NoSuchHostedZone")
}

// isMalformed says whether AWS does not take a question in the form in which it was asked.
func isMalformed(err error) bool {
	class, code, _ := Classify(err)
	return class == ClassAPI && (strings.HasPrefix(code, "Invalid") || code == "UnsupportedOperation" || code == "ValidationError")
}

// cellOf is the cell of a question. s.mu is held.
func (s *store) cellOf(key string) *cell {
	c := s.cells[key]
	if c == nil {
		s.sweep()
		c = &cell{}
		s.cells[key] = c
	}
	return c
}

// sweep forgets what is too old for everybody, now and then. s.mu is held.
func (s *store) sweep() {
	if len(s.cells) < 2*s.swept+1024 {
		return
	}
	before := s.now().Round(0).Add(-s.rarely - time.Minute)
	for key, c := range s.cells {
		if c.flight == nil && (c.last == nil || c.last.began.Before(before)) && (c.made == nil || c.made.read.Before(before)) {
			delete(s.cells, key)
		}
	}
	s.swept = len(s.cells)
}

// keyOf is a question in words: the operation's input, and what else tells it from others.
func keyOf(in any, more ...string) string {
	b, err := json.Marshal(in)
	if err != nil {
		panic(fmt.Sprintf("write down %T: %v", in, err)) // they are structures of texts and numbers
	}
	return strings.Join(append(more, reflect.TypeOf(in).Elem().Name(), string(b)), " ")
}

// copied is a shallow copy of what p points to: the SDK writes into the structures that it is given and gives.
func copied(p any) any {
	v := reflect.ValueOf(p)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return p
	}
	c := reflect.New(v.Type().Elem())
	c.Elem().Set(v.Elem())
	return c.Interface()
}

// holds is when the answer was last known to hold.
func (a *answer) holds() time.Time {
	if a.seen.IsZero() {
		return a.began
	}
	return a.seen
}
