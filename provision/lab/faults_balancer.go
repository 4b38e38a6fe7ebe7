package lab

import (
	"fmt"
	"slices"
)

// BalancerState puts a load balancer (by its ARN) into a state that no API call can: failed,
// active_impaired or provisioning, with the reason that goes with it. active undoes it.
func (l *Lab) BalancerState(arn, state, reason string) error {
	if !slices.Contains([]string{"provisioning", "active", "active_impaired", "failed"}, state) {
		return fmt.Errorf("load balancers have no state %q", state)
	}
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	lb := l.world.loadBalancers[arn]
	if lb == nil {
		return fmt.Errorf("the lab has no load balancer %s", arn)
	}
	lb.state, lb.reason = state, reason
	l.world.changed()
	return nil
}

// ServiceState puts an endpoint service into a state that no API call can: Pending or Failed. Available
// undoes it. Nobody sees or can use such a service anew; that connections which it has go on is UNSOURCED.
func (l *Lab) ServiceState(serviceID, state string) error {
	if !slices.Contains([]string{"Pending", serviceAvailable, "Failed"}, state) {
		return fmt.Errorf("endpoint services have no state %q that can be set", state)
	}
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	s := l.world.services[serviceID]
	if s == nil {
		return fmt.Errorf("the lab has no endpoint service %s", serviceID)
	}
	s.state = state
	l.world.changed()
	return nil
}
