package awsapi

import (
	"context"
	"errors"
	"net/url"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
)

// lastAttemptKey is the context key of the error of a call's last attempt.
type lastAttemptKey struct{}

type lastAttempt struct{ err error }

// exhaustedError is a call whose time was over while it was being repeated: the reason that it was
// repeated for says more than the clock.
type exhaustedError struct{ reason, clock error }

func (e *exhaustedError) Error() string   { return e.reason.Error() + " (until its time was over)" }
func (e *exhaustedError) Unwrap() []error { return []error{e.reason, e.clock} }

// instrument bounds each call in time and counts the requests that leave.
func (c *Clients) instrument(timeout time.Duration) []func(*middleware.Stack) error {
	bound := middleware.InitializeMiddlewareFunc("linkassay.CallTimeout",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
			middleware.InitializeOutput, middleware.Metadata, error,
		) {
			last := new(lastAttempt)
			bounded, cancel := context.WithTimeout(context.WithValue(ctx, lastAttemptKey{}, last), timeout)
			defer cancel()
			out, meta, err := next.HandleInitialize(bounded, in)
			if err != nil && errors.Is(bounded.Err(), context.DeadlineExceeded) { // the caller's deadline too
				_, said := errors.AsType[smithy.APIError](last.err)
				if _, sent := errors.AsType[*url.Error](last.err); said || sent {
					err = &exhaustedError{reason: last.err, clock: err}
				}
			}
			return out, meta, err
		})
	// After the retry middleware, so that every attempt passes here.
	count := middleware.FinalizeMiddlewareFunc("linkassay.CountAttempts",
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
			middleware.FinalizeOutput, middleware.Metadata, error,
		) {
			c.calls.Add(1)
			trace := traceOf(ctx)
			trace.sent(c)
			out, meta, err := next.HandleFinalize(ctx, in)
			if d, ok := awsmiddleware.GetAttemptSkew(meta); ok {
				c.clock.Store(&d)
			}
			switch class, _, _ := Classify(err); class {
			case ClassThrottled:
				c.throttled.Add(1)
				trace.refused(c)
			case ClassCredentials:
				c.refused.Store(true)
			}
			if last, ok := ctx.Value(lastAttemptKey{}).(*lastAttempt); ok && ctx.Err() == nil {
				last.err = err
			}
			return out, meta, err
		})
	return []func(*middleware.Stack) error{
		func(s *middleware.Stack) error { return s.Initialize.Add(bound, middleware.Before) },
		func(s *middleware.Stack) error { return s.Finalize.Add(count, middleware.After) },
	}
}

// maxPages bounds a listing: a server that hands out tokens for ever must not hang us.
const maxPages = 10_000

// Pager is what the SDK's paginators have in common.
type Pager[Out, Opt any] interface {
	HasMorePages() bool
	NextPage(context.Context, ...func(*Opt)) (*Out, error)
}

// All reads every page and returns the items of all.
func All[Out, Opt, T any](ctx context.Context, p Pager[Out, Opt], items func(*Out) []T) ([]T, error) {
	var all []T
	for n := 0; p.HasMorePages() && n < maxPages; n++ {
		out, err := p.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, items(out)...)
	}
	return all, nil
}
