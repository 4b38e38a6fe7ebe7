package canary

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// pacer begins rounds when they are due. One goroutine waits for the whole fleet and hands those that are due to workers: a
// goroutine for each link would keep a stack for it while there is nothing to do.
type pacer struct {
	c    *Canary
	wake chan struct{}
	idle chan struct{} // workers that wait for more to do

	mu    sync.Mutex
	due   dues
	ready []*watcher // whose time has come, in that order; they wait for a slot
}

// phase is what a watcher does.
type phase int

const (
	waiting phase = iota // for its time, or for a slot
	held                 // until its link's last round of before has ended
	looking
	ended
)

// idleWorkers is how many workers wait at most.
const idleWorkers = 64

func newPacer(c *Canary) *pacer {
	return &pacer{c: c, wake: make(chan struct{}, 1), idle: make(chan struct{}, idleWorkers)}
}

// begin has a watcher make rounds until it is told to end. Where it takes the place of another one that is in a round, that
// comes to its end before: a link's rounds never overlap.
func (p *pacer) begin(w, before *watcher) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if before != nil && before.holder != nil {
		before = before.holder
	}
	if before != nil && before.phase == looking {
		w.phase, w.holder, before.next = held, before, w
		return
	}
	p.enter(w)
}

func (p *pacer) enter(w *watcher) {
	w.holder, w.phase = nil, waiting
	w.due = w.first()
	p.push(w)
}

func (p *pacer) push(w *watcher) {
	heap.Push(&p.due, w)
	if p.due[0] == w {
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
}

// end tells a watcher to end. It makes no further round; one that it is in is interrupted.
func (p *pacer) end(w *watcher) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.phase == looking {
		w.cancel()
		return
	}
	w.phase = ended // it is left out when its turn comes
}

// over says whether a watcher was told to end and makes no round any more, nor does who is before it.
func (p *pacer) over(w *watcher) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return w.phase == ended && (w.holder == nil || w.holder.phase == ended)
}

// pace begins rounds until the context ends.
func (p *pacer) pace(ctx context.Context) {
	turns := make(chan turn)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		next, slots := p.look()
		timer.Reset(next)
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		case <-timer.C:
		case slots <- struct{}{}:
			w, round := p.take(ctx)
			if w == nil {
				<-p.c.slots
				continue
			}
			select {
			case turns <- turn{w, round}:
			default:
				p.c.all.Go(func() { p.work(ctx, turn{w, round}, turns) })
			}
		}
	}
}

// look finds those that are due, and says in what time there are more, and for what slots there is a watcher now.
func (p *pacer) look() (next time.Duration, slots chan<- struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.c.elapsed()
	for len(p.due) > 0 && p.due[0].due <= now {
		w := heap.Pop(&p.due).(*watcher)
		switch {
		case w.phase == ended:
		case w.times.tooLate(w.due, now):
			w.due = w.times.after(now)
			heap.Push(&p.due, w)
		default:
			p.ready = append(p.ready, w)
		}
	}
	next = time.Hour
	if len(p.due) > 0 {
		next = p.due[0].due - now
	}
	if len(p.ready) > 0 {
		slots = p.c.slots
	}
	return next, slots
}

// turn is a watcher that has a slot, and the context of its round.
type turn struct {
	*watcher
	ctx context.Context
}

// take returns the first that is ready; nil if it was told to end since.
func (p *pacer) take(ctx context.Context) (*watcher, context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.ready[0]
	p.ready[0] = nil
	if p.ready = p.ready[1:]; len(p.ready) == 0 {
		p.ready = nil
	}
	if w.phase == ended {
		return nil, nil
	}
	w.phase = looking
	ctx, w.cancel = context.WithCancel(ctx)
	return w, ctx
}

// work makes rounds of watchers that have a slot, until there are too many workers or the context ends.
func (p *pacer) work(ctx context.Context, t turn, turns <-chan turn) {
	h := newHand()
	defer h.leave()
	for t.watcher != nil {
		t.turn(t.ctx, h)
		p.ends(t)
		t = p.more(ctx, turns)
	}
}

func (p *pacer) more(ctx context.Context, turns <-chan turn) turn {
	select {
	case p.idle <- struct{}{}:
		defer func() { <-p.idle }()
	default:
		return turn{}
	}
	select {
	case t := <-turns:
		return t
	case <-ctx.Done():
		return turn{}
	}
}

// ends is for a watcher whose round has ended.
func (p *pacer) ends(t turn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := t.watcher
	over := t.ctx.Err() != nil // it was told to end, or all were
	w.cancel()
	w.cancel = nil
	if !over {
		w.phase = waiting
		p.push(w)
		return
	}
	w.phase = ended
	w.known, w.roots, w.judged = nil, nil, lastJudged{} // it may be kept until the link files change again
	if next := w.next; next != nil && next.phase == held {
		p.enter(next)
	}
	w.next = nil
}

// dues are watchers in the order in which they are due, as a heap.
type dues []*watcher

func (d dues) Len() int           { return len(d) }
func (d dues) Less(i, j int) bool { return d[i].due < d[j].due }
func (d dues) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }
func (d *dues) Push(x any)        { *d = append(*d, x.(*watcher)) }
func (d *dues) Pop() any {
	old := *d
	n := len(old) - 1
	w := old[n]
	old[n] = nil
	*d = old[:n]
	return w
}
