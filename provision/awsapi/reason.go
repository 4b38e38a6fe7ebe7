package awsapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go"
)

// reason is the error's text as an operator would put it, without the SDK's preamble about operation, attempts
// and the response that never came.
func reason(err error) string {
	if p, ok := errors.AsType[config.SharedConfigProfileNotExistError](err); ok {
		return fmt.Sprintf("the shared AWS configuration has no profile %s", p.Profile)
	}
	if sent, ok := errors.AsType[*url.Error](err); ok {
		return unanswered(sent)
	}
	var op *smithy.OperationError
	if errors.As(err, &op) && op.Err != nil {
		return op.Err.Error()
	}
	return err.Error()
}

// unanswered says why a request got no answer.
func unanswered(sent *url.Error) string {
	at := sent.URL
	if u, err := url.Parse(sent.URL); err == nil {
		at = u.Scheme + "://" + u.Host // the path says nothing of the reach
	}
	lookup, isLookup := errors.AsType[*net.DNSError](sent.Err)
	op, isOp := errors.AsType[*net.OpError](sent.Err)
	switch {
	case isLookup && lookup.IsNotFound:
		return fmt.Sprintf("the name of %s does not exist", at)
	case isLookup:
		return fmt.Sprintf("the name of %s could not be looked up: %s", at, lookup.Err)
	case isOp && op.Op == "proxyconnect":
		return fmt.Sprintf("the proxy on the way to %s is out of reach: %v", at, op.Err)
	case isOp && op.Op == "dial" && errors.Is(op, syscall.ECONNREFUSED):
		return fmt.Sprintf("nothing answers at %s (connection refused)", at)
	case sent.Timeout(), errors.Is(sent.Err, context.DeadlineExceeded):
		return fmt.Sprintf("no answer from %s in time", at)
	case errors.Is(sent.Err, io.EOF):
		return fmt.Sprintf("%s closed the connection without an answer", at)
	}
	return fmt.Sprintf("no answer from %s: %v", at, sent.Err)
}

// isRefused says whether nothing listens where a request was sent. AWS's own endpoints never refuse: repeating
// it would only keep an operator waiting for what he can mend.
func isRefused(err error) bool {
	sent, ok := errors.AsType[*url.Error](err)
	return ok && errors.Is(sent, syscall.ECONNREFUSED)
}
