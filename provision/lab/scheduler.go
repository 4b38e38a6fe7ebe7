package lab

import (
	"container/heap"
	"sync"
	"time"
)

// scheduler runs functions at their time, one after the other, in one goroutine that its owner
// waits for.
type scheduler struct {
	mu   sync.Mutex
	due  timerHeap
	seq  uint64
	wake chan struct{} // an earlier timer may have come
}

func newScheduler() *scheduler { return &scheduler{wake: make(chan struct{}, 1)} }

// add plans f; it never blocks on what is running.
func (s *scheduler) add(at time.Time, f func()) {
	s.mu.Lock()
	s.seq++
	heap.Push(&s.due, timer{at: at, seq: s.seq, f: f})
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default: // a wake-up is already on its way
	}
}

// loop hands each function to run when it is due, until stop is closed.
func (s *scheduler) loop(stop <-chan struct{}, run func(f func())) {
	t := time.NewTimer(0)
	defer t.Stop()
	for {
		f, wait := s.next(time.Now())
		if f != nil {
			select {
			case <-stop:
				return
			default:
			}
			run(f)
			continue
		}
		t.Reset(wait)
		select {
		case <-stop:
			return
		case <-s.wake:
		case <-t.C:
		}
	}
}

// next takes the first function that is due, or says how long until there may be one.
func (s *scheduler) next(now time.Time) (func(), time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.due) == 0 {
		return nil, time.Hour // add wakes the loop
	}
	if d := s.due[0].at.Sub(now); d > 0 {
		return nil, d
	}
	return heap.Pop(&s.due).(timer).f, 0
}

type timer struct {
	at  time.Time
	seq uint64 // equal times run in the order they were planned
	f   func()
}

type timerHeap []timer

func (h timerHeap) Len() int { return len(h) }
func (h timerHeap) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].seq < h[j].seq
	}
	return h[i].at.Before(h[j].at)
}
func (h timerHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *timerHeap) Push(x any)   { *h = append(*h, x.(timer)) }
func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = timer{}
	*h = old[:len(old)-1]
	return t
}
