package lab

import (
	"fmt"
	"time"
)

// EndpointState is what AWS alone can make of an endpoint.
type EndpointState struct {
	State   string    // failed, expired, partial, pending, deleting; lower camel case, as EC2 writes it
	Created time.Time // zero leaves it
	Code    string    // LastError.Code
	Message string    // LastError.Message
}

// SetEndpoint puts an endpoint into a state that no API call leads to, where it stays until it is
// deleted.
func (l *Lab) SetEndpoint(id string, s EndpointState) error {
	return l.changeEndpoint(id, func(e *endpoint) {
		e.state, e.stuck = s.State, true
		e.generation++
		e.lastErrCode, e.lastErrMessage = s.Code, s.Message
		if !s.Created.IsZero() {
			e.created = s.Created
		}
	})
}

// HideConnection makes the provider's API leave the endpoint's connection out, as it does for a while
// after it was made, or list it again.
func (l *Lab) HideConnection(endpointID string, hidden bool) error {
	return l.changeEndpoint(endpointID, func(e *endpoint) { e.hidden = hidden })
}

// LoseInterface takes the endpoint's interface in a subnet off the network: the API goes on listing it,
// but not as in use.
func (l *Lab) LoseInterface(endpointID, subnetID string) error {
	found := false
	err := l.changeEndpoint(endpointID, func(e *endpoint) {
		for i, id := range e.subnets {
			n := l.world.interfaces[e.enis[i]]
			if id != subnetID || n == nil {
				continue
			}
			found = true
			n.status = "available"
			l.world.plane.detach(n)
		}
	})
	if err == nil && !found {
		err = fmt.Errorf("endpoint %s has no interface in subnet %s", endpointID, subnetID)
	}
	return err
}

func (l *Lab) changeEndpoint(id string, change func(*endpoint)) error {
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	e := l.world.endpoints[id]
	if e == nil {
		return fmt.Errorf("the lab has no endpoint %s", id)
	}
	change(e)
	l.world.changed()
	return nil
}
