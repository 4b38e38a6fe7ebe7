package wire

// Reason is why a request was not authenticated.
type Reason int

// The reasons.
const (
	MissingToken   Reason = iota + 1 // not signed
	Incomplete                       // the signature cannot be read
	UnknownKey                       // no such access key, or its session token is wrong
	BadSignature                     // signed with another secret, or changed afterwards
	ExpiredSession                   // a session that is over
	Skewed                           // signed too long ago or in the future
)

// AuthError says why a request was not authenticated. Services have different codes for the same
// reason; see Service.AuthFailure.
type AuthError struct {
	Reason  Reason
	Message string
}

func (e *AuthError) Error() string { return e.Message }

func incomplete(message string) *AuthError { return &AuthError{Reason: Incomplete, Message: message} }

// AuthFailure is the service's error for a request that was not authenticated. EC2 tells little
// about the reason; the others tell it.
func (s Service) AuthFailure(e *AuthError) *Error {
	if s.Protocol == EC2 {
		switch e.Reason {
		case MissingToken:
			return Errorf(400, "MissingAuthenticationToken", "Request must contain either a valid (registered) AWS access key ID or X.509 certificate.")
		case Incomplete:
			return Errorf(400, "IncompleteSignature", "%s", e.Message)
		case ExpiredSession, Skewed:
			return Errorf(400, "RequestExpired", "Request has expired.")
		default:
			return Errorf(401, "AuthFailure", "AWS was not able to validate the provided access credentials")
		}
	}
	switch e.Reason {
	case MissingToken:
		return Errorf(403, "MissingAuthenticationToken", "Request is missing Authentication Token")
	case Incomplete:
		return Errorf(403, "IncompleteSignature", "%s", e.Message)
	case ExpiredSession:
		return Errorf(403, "ExpiredToken", "The security token included in the request is expired")
	case UnknownKey:
		return Errorf(403, "InvalidClientTokenId", "The security token included in the request is invalid.")
	default:
		return Errorf(403, "SignatureDoesNotMatch", "%s", e.Message)
	}
}
