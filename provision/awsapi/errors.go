package awsapi

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// The classes of errors, by what to do about them.
const (
	ClassCredentials = "credentials" // none, wrong or expired; role not assumable; clock
	ClassDenied      = "denied"      // IAM says no
	ClassThrottled   = "throttled"
	ClassAPI         = "api"     // another AWS error
	ClassNetwork     = "network" // the API is out of reach
)

// maxMessage bounds error messages that come from the other side.
const maxMessage = 500

// Classify tells what kind of failure an SDK error is: its class, the AWS error code where there is
// one, and a message that is safe to print (bounded, no control characters). A nil error has the
// class "".
func Classify(err error) (class, code, message string) {
	if err == nil {
		return "", "", ""
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		code = clean(api.ErrorCode(), 100)
		message = clean(withoutRequest(api.ErrorMessage()), maxMessage)
		if message == "" {
			message = code
		}
		return classOfCode(err, code), code, message
	}
	message = clean(reason(err), maxMessage)
	switch {
	case outOfReach(err):
		return ClassNetwork, "", message
	case isCredentials(err):
		return ClassCredentials, "", message
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return ClassNetwork, "", message
	}
	return ClassAPI, "", message
}

// IsCode says whether err is an AWS API error with one of the codes.
func IsCode(err error, codes ...string) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && slices.Contains(codes, api.ErrorCode())
}

// Message returns the AWS error message of err, or "".
func Message(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return clean(withoutRequest(api.ErrorMessage()), maxMessage)
	}
	return ""
}

// withoutRequest cuts what a SignatureDoesNotMatch repeats of the request: the session token is among its headers.
func withoutRequest(message string) string {
	for _, repeated := range []string{"The Canonical String for this request", "The String-to-Sign should have been"} {
		message, _, _ = strings.Cut(message, repeated)
	}
	return message
}

func classOfCode(err error, code string) string {
	if _, throttle := retry.DefaultThrottleErrorCodes[code]; throttle {
		return ClassThrottled
	}
	switch code {
	case "AuthFailure", "InvalidClientTokenId", "SignatureDoesNotMatch", "IncompleteSignature",
		"MissingAuthenticationToken", "MissingAuthenticationTokenException", "ExpiredToken",
		"ExpiredTokenException", "RequestExpired", "UnrecognizedClientException",
		"InvalidAccessKeyId", "InvalidSignatureException", "RequestTimeTooSkewed":
		return ClassCredentials
	case "UnauthorizedOperation", "AccessDenied", "AccessDeniedException",
		"NotAuthorizedException", "UnauthorizedException", "AuthorizationError":
		// A refused AssumeRole means that there are no credentials, whatever was asked.
		if inOperation(err, "STS", "AssumeRole", "AssumeRoleWithWebIdentity") {
			return ClassCredentials
		}
		return ClassDenied
	}
	return ClassAPI
}

// outOfReach says whether a request could not be sent or got no answer. A metadata service that is
// not there is no network failure: it means that there are no credentials.
func outOfReach(err error) bool {
	if inOperation(err, "ec2imds") {
		return false
	}
	if _, ok := errors.AsType[*smithyhttp.RequestSendError](err); ok {
		return true
	}
	_, ok := errors.AsType[net.Error](err)
	return ok && !isCredentials(err)
}

func isCredentials(err error) bool {
	if _, ok := errors.AsType[*v4.SigningError](err); ok {
		return true
	}
	if _, ok := errors.AsType[config.SharedConfigProfileNotExistError](err); ok {
		return true
	}
	if _, ok := errors.AsType[config.SharedConfigLoadError](err); ok {
		return true
	}
	if _, ok := errors.AsType[config.SharedConfigAssumeRoleError](err); ok {
		return true
	}
	// The SDK has no type for "no provider has credentials".
	return strings.Contains(err.Error(), "get identity:") ||
		strings.Contains(err.Error(), "failed to refresh cached credentials")
}

// inOperation says whether err comes from an operation of the service, at any depth: fetching
// credentials is an operation inside an operation.
func inOperation(err error, service string, operations ...string) bool {
	for err != nil {
		if op, ok := err.(*smithy.OperationError); ok && op.ServiceID == service &&
			(len(operations) == 0 || slices.Contains(operations, op.OperationName)) {
			return true
		}
		if several, ok := err.(interface{ Unwrap() []error }); ok {
			return slices.ContainsFunc(several.Unwrap(), func(err error) bool { return inOperation(err, service, operations...) })
		}
		err = errors.Unwrap(err)
	}
	return false
}

// clean makes text from the other side safe to print: one line, no control characters, bounded.
func clean(s string, limit int) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n >= limit {
			b.WriteString("…")
			break
		}
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			r = ' '
		case r == utf8.RuneError, !unicode.IsPrint(r):
			continue
		}
		b.WriteRune(r)
		n++
	}
	return strings.TrimSpace(b.String())
}
