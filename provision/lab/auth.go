package lab

import (
	"crypto/subtle"
	"net/http"
	"slices"
	"time"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// authenticate finds out who signed the request. Errors are a *wire.AuthError. A key may do nothing
// in any other account; what it may do in its own, permitted says.
func (s *server) authenticate(r *http.Request, body []byte, a wire.Authorization, now time.Time) (*accessKey, error) {
	at, err := wire.SignedAt(r, a, now)
	if err != nil {
		return nil, err
	}
	s.world.mu.RLock()
	key := s.world.keys[a.AccessKeyID] // a key never changes
	s.world.mu.RUnlock()
	token := r.Header.Get("X-Amz-Security-Token")
	if key == nil || subtle.ConstantTimeCompare([]byte(key.token), []byte(token)) != 1 {
		return nil, &wire.AuthError{Reason: wire.UnknownKey, Message: "The security token included in the request is invalid."}
	}
	if err := s.verifier.Verify(r.Context(), r, body, a, key.secret, at); err != nil {
		return nil, err
	}
	if !key.expires.IsZero() && now.After(key.expires) {
		return nil, &wire.AuthError{Reason: wire.ExpiredSession, Message: "The security token included in the request is expired"}
	}
	return key, nil
}

// scoped refuses a signature for a Region that the lab does not have. STS and Route 53 answer
// everywhere.
func scoped(service wire.Service, region string) error {
	switch service.Name {
	case "sts", "route53":
		return nil
	}
	if slices.ContainsFunc(regions(), func(r regionInfo) bool { return r.name == region }) {
		return nil
	}
	return &wire.AuthError{Reason: wire.BadSignature, Message: "Credential should be scoped to a valid region."}
}
