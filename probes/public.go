package probes

import (
	"strings"
	"sync"
	"time"

	"github.com/linkassay/linkassay/provision/awsapi"
)

// Public keeps what public DNS said, for links that have a private DNS name in common. It is safe for concurrent use.
type Public struct {
	mu    sync.Mutex
	names map[string]*publicName
	swept int
}

// publicName is one question of many DNS messages.
type publicName struct {
	slot        chan struct{} // who holds it asks, or looks
	value       any           // nil: nobody has asked
	began, done time.Time
}

// NewPublic makes an empty one.
func NewPublic() *Public { return &Public{names: map[string]*publicName{}} }

// keptPublic is how long an answer is kept that nobody asks for any more.
const keptPublic = time.Hour

func (p *Public) name(key string, now time.Time) *publicName {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.names[key]
	if n != nil {
		return n
	}
	if len(p.names) > 2*p.swept+100 {
		for key, n := range p.names {
			select {
			case n.slot <- struct{}{}: // nobody is at it
				if now.Sub(n.done) > keptPublic {
					delete(p.names, key)
				}
				<-n.slot
			default:
			}
		}
		p.swept = len(p.names)
	}
	n = &publicName{slot: make(chan struct{}, 1)}
	p.names[key] = n
	return n
}

// shared answers with what another link was told that asked the same from the same place, or asks. Questions that nobody
// could be asked are not kept.
func shared[T any](r *run, s *span, question []string, ask func() (T, error)) (T, error) {
	if r.o.Public == nil {
		return ask()
	}
	var zero T
	n := r.o.Public.name(r.link.PublicDNS.From+" "+strings.Join(question, " "), r.now())
	select {
	case n.slot <- struct{}{}:
	case <-r.ctx.Done():
		return zero, absent{NotReached}
	}
	defer func() { <-n.slot }()
	// What took long may be older: asking it again, one after the other, would take as long each time.
	if v, ok := n.value.(T); ok && awsapi.YoungEnough(r.ctx, n.began.Add(2*n.done.Sub(n.began))) {
		s.cover(n.began)
		s.cover(n.done)
		awsapi.Answered(r.ctx, n.began)
		return v, nil
	}
	began := r.now()
	v, err := ask()
	if err == nil && r.ctx.Err() == nil {
		n.value, n.began, n.done = v, began, r.now()
	}
	return v, err
}
