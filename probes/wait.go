package probes

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// How the control plane is polled while --wait lasts.
const (
	firstPause = 250 * time.Millisecond
	lastPause  = 10 * time.Second
	// notFoundGrace is how long "no such thing" is put down to eventual consistency: AWS answers it
	// right after a create (privatelink: InvalidVpcEndpointId.NotFound after CreateVpcEndpoint).
	notFoundGrace = 10 * time.Second
)

// state is one control-plane state: what it is of, and whether it can still change by itself.
type state struct {
	what, value string
	final       bool
}

// await polls the control plane of both sides until every state is final, or until the time is up,
// and returns the states as they changed.
func (r *run) await(provider, consumer side) []StateChange {
	began := r.o.Now()
	deadline := began.Add(r.o.Wait)
	var timeline []StateChange
	known := map[string]string{}
	for pause := firstPause; ; pause = min(pause*8/5, lastPause) {
		states := r.pollStates(provider, consumer, r.o.Now().Sub(began) < notFoundGrace)
		at := r.now()
		var open []string
		changed := false
		for _, s := range states {
			if known[s.what] != s.value {
				known[s.what], changed = s.value, true
				timeline = append(timeline, StateChange{At: at, What: s.what, State: s.value})
			}
			if !s.final {
				open = append(open, s.what+" is "+s.value)
			}
		}
		if len(open) == 0 || r.ctx.Err() != nil {
			return timeline
		}
		left := deadline.Sub(r.o.Now())
		if left <= 0 {
			r.progress("gave up waiting after %s: %s", r.o.Wait, brief(open))
			return timeline
		}
		if changed {
			r.progress("waiting (at most %s more): %s", left.Round(time.Second), brief(open))
		}
		timer := time.NewTimer(min(pause, left))
		select {
		case <-timer.C:
		case <-r.ctx.Done():
			timer.Stop()
			return timeline
		}
	}
}

func brief(open []string) string {
	if len(open) > 4 {
		return strings.Join(open[:4], ", ") + fmt.Sprintf(" and %d more", len(open)-4)
	}
	return strings.Join(open, ", ")
}

// pollStates asks both sides once. What can't be asked is left out, for the observation itself to
// report.
func (r *run) pollStates(provider, consumer side, fresh bool) []state {
	var ofProvider, ofConsumer []state
	s := &span{run: r}
	var g group
	g.start(func() { ofProvider = r.providerStates(provider, s, fresh) })
	g.start(func() { ofConsumer = r.endpointState(consumer, s, fresh) })
	g.wait()
	all := slices.Concat(ofConsumer, ofProvider)
	slices.SortStableFunc(all, func(a, b state) int { return cmp.Compare(a.what, b.what) })
	return all
}

func (r *run) endpointState(sd side, s *span, fresh bool) []state {
	const what = "consumer.endpoint.state"
	ep, err := r.endpoint(sd, s, r.link.Consumer.EndpointID)
	switch {
	case err != nil:
		return unanswered(what, err)
	case ep.Code == notFoundByTag:
		return nil
	case !ep.Found:
		return []state{{what, "not found", !fresh}}
	}
	return []state{{what, ep.State, finalEndpoint(ep.State)}}
}

func (r *run) providerStates(sd side, s *span, fresh bool) []state {
	svc, err := r.service(sd, s, serviceID(r.link.Provider.ServiceID, r.link.Provider.ServiceName))
	switch {
	case err != nil:
		return unanswered("provider.service.state", err)
	case svc.Code == notFoundByTag:
		return nil
	case !svc.Found:
		return []state{{"provider.service.state", "not found", !fresh}}
	}
	all := []state{{"provider.service.state", svc.State, !is(svc.State, "Pending", "Deleting")}}
	if svc.Verification != nil {
		all = append(all, state{"provider.service.verification", svc.Verification.State, is(svc.Verification.State, "verified", "failed")})
	}
	listeners, err := r.listeners(sd, s, svc.LoadBalancerARNs)
	if err != nil {
		return append(all, unanswered("provider.listeners", err)...)
	}
	health, err := r.targetHealth(sd, s, groupsBehind(listeners))
	if err != nil {
		return append(all, unanswered("provider.targetHealth", err)...)
	}
	for _, h := range health {
		group := h.TargetGroupARN
		if parts := strings.Split(group, "/"); len(parts) == 3 {
			group = parts[1]
		}
		what := fmt.Sprintf("provider.target %s:%d in %s", h.TargetID, h.Port, group)
		all = append(all, state{what, h.State, !is(h.State, "initial")})
	}
	return all
}

// unanswered is the state of what could not be asked. Only what may pass by itself is waited for.
func unanswered(what string, err error) []state {
	f, ok := err.(failed)
	if !ok {
		return nil
	}
	passing := f.f.Class == FailThrottled || f.f.Class == FailNetwork
	return []state{{what, "unknown (" + string(f.f.Class) + ")", !passing}}
}

// finalEndpoint says whether an endpoint's state only changes when somebody does something other
// than what is being waited for. Interface endpoints have lower camel case on the wire, others
// have not.
func finalEndpoint(s string) bool { return !is(s, "pendingAcceptance", "pending", "deleting") }

func is(s string, any ...string) bool {
	return slices.ContainsFunc(any, func(a string) bool { return strings.EqualFold(a, s) })
}
