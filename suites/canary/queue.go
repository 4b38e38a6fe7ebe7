package canary

import (
	"fmt"
	"sync"
)

// queue stands between the rounds and a sink, so that a slow one holds nobody up.
type queue struct {
	sink    Sink
	problem func(error)
	done    chan struct{} // closed when all was told after end
	wake    chan struct{}

	mu      sync.Mutex
	waiting []func(Sink) error
	links   map[string]*Change // those of kind Links that wait, by incident: newer ones take their places
	telling int                // of those that were taken out to be told
	dropped int
	ended   bool
}

// So much waits for a sink: of rounds, whose Observations take about 75 kB each, and of changes, which are worth more.
const (
	maxRounds  = 2048
	maxChanges = 65536
)

func newQueue(s Sink, problem func(error)) *queue {
	q := &queue{sink: s, problem: problem, links: map[string]*Change{}, done: make(chan struct{}), wake: make(chan struct{}, 1)}
	go q.run()
	return q
}

// add never waits: what there is no room for is dropped, and told as a problem.
func (q *queue) add(tell func(Sink) error, change bool) (added bool) {
	q.mu.Lock()
	most := maxRounds
	if change {
		most = maxChanges
	}
	if q.ended || len(q.waiting)+q.telling >= most {
		q.dropped++
	} else {
		q.waiting = append(q.waiting, tell)
		added = true
	}
	q.mu.Unlock()
	q.signal()
	return added
}

// change adds a change. Of an incident's links a slow sink gets the newest: lists of thousands do not wait by the hundred.
func (q *queue) change(c Change) {
	key := c.Incident.Key
	q.mu.Lock()
	waits := q.links[key]
	if c.Kind == Links && waits != nil {
		*waits = c
		q.mu.Unlock()
		return
	}
	delete(q.links, key) // what comes after this one must not be told before it
	if c.Kind == Links {
		q.links[key] = &c
	}
	q.mu.Unlock()
	taken := func() Change {
		q.mu.Lock()
		defer q.mu.Unlock()
		if q.links[key] == &c {
			delete(q.links, key)
		}
		return c
	}
	if !q.add(func(s Sink) error { return s.Change(taken()) }, true) {
		taken()
	}
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *queue) end() {
	q.mu.Lock()
	q.ended = true
	q.mu.Unlock()
	q.signal()
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) + q.telling
}

func (q *queue) run() {
	defer close(q.done)
	for range q.wake {
		for {
			q.mu.Lock()
			waiting, dropped, ended := q.waiting, q.dropped, q.ended
			q.waiting, q.telling, q.dropped = nil, len(waiting), 0
			q.mu.Unlock()
			if dropped > 0 {
				q.problem(fmt.Errorf("%T is too slow: %d rounds or changes were not told", q.sink, dropped))
			}
			for i, tell := range waiting {
				if err := q.told(tell); err != nil {
					q.problem(err)
				}
				waiting[i] = nil // what was told is not held on to
				q.mu.Lock()
				q.telling--
				q.mu.Unlock()
			}
			if len(waiting) == 0 {
				if ended {
					return
				}
				break
			}
		}
	}
}

func (q *queue) told(tell func(Sink) error) (err error) {
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("%T: panic: %v", q.sink, x)
		}
	}()
	return tell(q.sink)
}
