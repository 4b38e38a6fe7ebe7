package lab

import (
	"sync"
	"time"
)

// Request is one API request as the lab got and answered it.
type Request struct {
	Time      time.Time
	Duration  time.Duration
	Service   string // ec2, elasticloadbalancing, route53, sts
	Action    string // DescribeVpcs; "" when the request was refused before that was known
	Region    string
	Account   string // the caller's; "" when it was not authenticated
	ARN       string // of the caller
	Write     bool   // an operation that changes something
	Status    int    // HTTP status
	Code      string // error code; "" on success
	RequestID string
}

// maxRequests bounds the request log.
const maxRequests = 100_000

// requestLog keeps the last requests.
type requestLog struct {
	mu   sync.Mutex
	ring []Request
	next int // where the oldest one is, once the ring is full
}

func (l *requestLog) add(r Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ring) < maxRequests {
		l.ring = append(l.ring, r)
		return
	}
	l.ring[l.next] = r
	l.next = (l.next + 1) % maxRequests
}

func (l *requestLog) all() []Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]Request, 0, len(l.ring))
	return append(append(out, l.ring[l.next:]...), l.ring[:l.next]...)
}

func (l *requestLog) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ring, l.next = nil, 0
}
