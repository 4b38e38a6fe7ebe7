package probes

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
)

// VantageError says that a vantage itself could not be used, so that nothing was asked: its proxy
// is down, speaks something else, or refuses to ask. It is not an answer of the link's.
//
// A vantage of another package says the same with any error that has VantageUnreachable() == true.
type VantageError struct {
	Vantage string
	Err     error
}

// Error says which vantage failed and why.
func (e *VantageError) Error() string {
	return "the vantage " + e.Vantage + " is unreachable: " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *VantageError) Unwrap() error { return e.Err }

// VantageUnreachable tells a VantageError from a failure of what was asked through the vantage.
func (e *VantageError) VantageUnreachable() bool { return true }

// isVantage says whether err is the vantage's own failure.
func isVantage(err error) bool {
	var v interface{ VantageUnreachable() bool }
	return errors.As(err, &v) && v.VantageUnreachable()
}

// classify turns an error of a connection into an outcome class and a text that is safe to print.
// parent is the context of the run: when it has ended, the error says nothing about the peer.
func classify(parent context.Context, err error) (Outcome, string) {
	if err == nil {
		return OK, ""
	}
	detail := clean(err.Error(), maxDetail)
	// The vantage's own failure comes first: it often wraps a refusal or a timeout of its proxy.
	if isVantage(err) {
		return NoVia, detail
	}
	if parent.Err() != nil || errors.Is(err, errEngineClosed) {
		return NotAsked, "the run was interrupted"
	}
	return outcomeOf(err), detail
}

func outcomeOf(err error) Outcome {
	var timeout interface{ Timeout() bool }
	switch {
	case isErrno(err, syscall.ECONNREFUSED):
		return Refused
	case isErrno(err, syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED):
		return Reset
	case isErrno(err, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.ENETDOWN):
		return Unreachable
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout():
		return TimedOut
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return Closed
	case isTLS(err):
		return TLSFailed
	}
	return Failed
}

func isErrno(err error, errnos ...syscall.Errno) bool {
	for _, e := range errnos {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// isTLS says whether err is an alert (the peer's or our own) or something that is not TLS.
func isTLS(err error) bool {
	var header tls.RecordHeaderError
	if errors.As(err, &header) {
		return true
	}
	// crypto/tls has no exported type for alerts over TCP; its OpError says which side raised it.
	var op *net.OpError
	if errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error") {
		return true
	}
	return strings.HasPrefix(err.Error(), "tls: ")
}
