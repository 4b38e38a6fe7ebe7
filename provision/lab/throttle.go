package lab

import (
	"math"
	"sync"
	"time"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// throttle is a token bucket for each account and service.
type throttle struct {
	rate, burst float64 // tokens a second, tokens at most; rate 0: no throttling

	mu      sync.Mutex
	buckets map[string]*bucket
	stopped map[string]bool // accounts that get no call through
}

type bucket struct {
	tokens float64
	at     time.Time
}

func newThrottle(t Timing) *throttle {
	burst := float64(t.Burst)
	if burst < 1 {
		burst = max(1, math.Ceil(t.Rate))
	}
	return &throttle{rate: t.Rate, burst: burst, buckets: map[string]*bucket{}, stopped: map[string]bool{}}
}

// stop refuses all calls of an account but STS's, as when others of its organization use up what PrivateLink
// gives it, or serves it again.
func (t *throttle) stop(account string, on bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped[account] = on
}

// allow takes a token of the account's bucket for the service, if there is one.
func (t *throttle) allow(account, service string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped[account] && service != "sts" {
		return false
	}
	if t.rate <= 0 {
		return true
	}
	b := t.buckets[account+"/"+service]
	if b == nil {
		b = &bucket{tokens: t.burst, at: now}
		t.buckets[account+"/"+service] = b
	}
	if d := now.Sub(b.at); d > 0 {
		b.tokens = min(t.burst, b.tokens+d.Seconds()*t.rate)
		b.at = now
	}
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// throttled is how each service says that there were too many calls.
func throttled(s wire.Service) *wire.Error {
	if s.Protocol == wire.EC2 {
		return wire.Errorf(503, "RequestLimitExceeded", "Request limit exceeded.")
	}
	return wire.Errorf(400, "Throttling", "Rate exceeded")
}
