package lab

import (
	"context"
	"slices"
	"strings"
	"time"
)

const (
	// verificationAttempts is how many lookups without a match make a verification failed. AWS's own
	// number and pace are not published (UNSOURCED); the pause between them is Timing.Verification.
	verificationAttempts = 3
	verificationPause    = 20 * time.Millisecond // at least
	verificationLookup   = 2 * time.Second       // for one name
)

// verifyRun is a verification under way. Its fields are guarded by world.mu.
type verifyRun struct {
	name     string // the private DNS name
	v        verification
	attempts int
	stop     context.CancelFunc
}

// verifyLater looks the service's TXT record up in the lab's internet after the configured delay
// and sets its verification state. Called by Start…Verification and by the poller. A verification
// under way goes on, with all its attempts before it.
func (p *plane) verifyLater(s *endpointService) {
	if p == nil || p.closed || s.privateName == "" || s.verification.value == "" {
		return
	}
	if r := p.verifying[s.id]; r != nil {
		if r.of(s) {
			r.attempts = 0
			return
		}
		r.stop()
	}
	ctx, stop := context.WithCancel(p.ctx)
	r := &verifyRun{name: s.privateName, v: s.verification, stop: stop}
	p.verifying[s.id] = r
	id := s.id
	p.wg.Go(func() {
		defer stop()
		p.verify(ctx, id, r)
	})
}

// of says whether the run is about what the service is to prove now.
func (r *verifyRun) of(s *endpointService) bool {
	return s != nil && s.privateName == r.name && s.verification.name == r.v.name && s.verification.value == r.v.value
}

// verify looks until the record is there, the attempts are used up, or the service has another
// name or value by now.
func (p *plane) verify(ctx context.Context, id string, r *verifyRun) {
	wait := p.world.timing.Verification
	for {
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		found := ctx.Err() == nil && p.lookupVerification(ctx, r.name, r.v)
		if p.verified(ctx, id, r, found) {
			return
		}
		wait = max(p.world.timing.Verification, verificationPause)
	}
}

// verified notes the result of one look, and says whether it was the last.
func (p *plane) verified(ctx context.Context, id string, r *verifyRun, found bool) bool {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	s := p.world.services[id]
	over := ctx.Err() != nil || !r.of(s)
	if !over {
		r.attempts++
		state := verificationPending
		switch {
		case found:
			state = verificationVerified
		case r.attempts >= verificationAttempts:
			state = verificationFailed
		}
		if s.verification.state != state {
			p.log.Info("domain verification", "service", id, "name", r.name, "was", s.verification.state, "is", state)
			s.verification.state = state
			p.world.changed()
		}
		over = state != verificationPending
	}
	if over && p.verifying[id] == r {
		delete(p.verifying, id)
	}
	return over
}

// lookupVerification asks the lab's internet for each place that the record may be at, from the root
// down to the name servers themselves.
func (p *plane) lookupVerification(ctx context.Context, name string, v verification) bool {
	p.settle()
	for _, owner := range verificationOwners(name, v.name) {
		limit, cancel := context.WithTimeout(ctx, verificationLookup)
		values, _, err := p.internet.LookupTXT(limit, owner)
		cancel()
		if err != nil {
			p.log.Debug("domain verification lookup", "name", owner, "error", err)
		}
		if slices.Contains(values, v.value) {
			return true
		}
	}
	return false
}

// verificationOwners lists where the TXT record of a private DNS name may be, nearest first: at
// the label below the name or below one of its parents, or at one of these itself, down to two
// labels. How far up AWS looks is not published (inferred from its documentation).
func verificationOwners(privateName, label string) []string {
	domain := strings.TrimSuffix(strings.TrimPrefix(privateName, "*."), ".")
	var out []string
	for strings.Contains(domain, ".") {
		out = append(out, label+"."+domain, domain)
		_, domain, _ = strings.Cut(domain, ".")
	}
	return out
}

// reverify looks at every service with a private name again and again: AWS polls by itself, and a
// verified name whose record is gone does not stay verified.
func (p *plane) reverify(every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-p.ctx.Done():
			return
		case <-tick.C:
		}
		p.world.mu.Lock()
		for _, s := range p.world.services {
			if p.verifying[s.id] == nil {
				p.verifyLater(s)
			}
		}
		p.world.mu.Unlock()
	}
}
