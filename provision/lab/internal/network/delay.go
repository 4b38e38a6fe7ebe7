package network

import (
	"container/heap"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// maxUnderWay bounds the packets that a link holds back; more are lost, as in a router's queue.
const maxUnderWay = 1 << 16

// delayQueue delivers packets when they are due, in the order of sending where they are due at
// the same time. Its goroutine belongs to the link, which stops it.
type delayQueue struct {
	dispatcher func() stack.NetworkDispatcher
	wake       chan struct{}
	quit       chan struct{}
	done       chan struct{}

	mu   sync.Mutex
	heap packetHeap
	seq  uint64
	over bool
}

type delayedPacket struct {
	at    time.Time
	seq   uint64
	pkt   *stack.PacketBuffer
	proto tcpip.NetworkProtocolNumber
}

func newDelayQueue(dispatcher func() stack.NetworkDispatcher) *delayQueue {
	q := &delayQueue{
		dispatcher: dispatcher,
		wake:       make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
	}
	go q.run()
	return q
}

// push takes the packet over unless it returns false.
func (q *delayQueue) push(pkt *stack.PacketBuffer, proto tcpip.NetworkProtocolNumber, delay time.Duration) bool {
	q.mu.Lock()
	if q.over || len(q.heap) >= maxUnderWay {
		q.mu.Unlock()
		return false
	}
	q.seq++
	heap.Push(&q.heap, delayedPacket{time.Now().Add(delay), q.seq, pkt, proto})
	first := q.heap[0].pkt == pkt
	q.mu.Unlock()
	if first {
		select {
		case q.wake <- struct{}{}:
		default:
		}
	}
	return true
}

func (q *delayQueue) run() {
	defer close(q.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		due, next := q.take(time.Now())
		if len(due) > 0 {
			d := q.dispatcher()
			for _, x := range due {
				if d != nil {
					d.DeliverNetworkPacket(x.proto, x.pkt)
				}
				x.pkt.DecRef()
			}
			continue
		}
		timer.Reset(next)
		select {
		case <-q.quit:
			q.drain()
			return
		case <-q.wake:
		case <-timer.C:
		}
	}
}

// take returns the packets that are due and how long it is until the next one.
func (q *delayQueue) take(now time.Time) (due []delayedPacket, next time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.heap) > 0 && !q.heap[0].at.After(now) {
		due = append(due, heap.Pop(&q.heap).(delayedPacket))
	}
	if len(q.heap) > 0 {
		return due, q.heap[0].at.Sub(now)
	}
	return due, time.Hour
}

func (q *delayQueue) drain() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.over = true
	for _, x := range q.heap {
		x.pkt.DecRef()
	}
	q.heap = nil
}

func (q *delayQueue) stop() {
	close(q.quit)
	<-q.done
}

type packetHeap []delayedPacket

func (h packetHeap) Len() int { return len(h) }
func (h packetHeap) Less(i, j int) bool {
	return h[i].at.Before(h[j].at) || h[i].at.Equal(h[j].at) && h[i].seq < h[j].seq
}
func (h packetHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *packetHeap) Push(x any)   { *h = append(*h, x.(delayedPacket)) }
func (h *packetHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	old[len(old)-1] = delayedPacket{}
	*h = old[:len(old)-1]
	return x
}
