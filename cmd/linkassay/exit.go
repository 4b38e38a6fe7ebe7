package main

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"
	"syscall"

	"github.com/linkassay/linkassay/suites"
)

// The exit codes. When several hold, the first of exitOrder wins and all are named.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitUntold      = 3
	exitLeftOver    = 4
	exitInterrupted = 130
)

// exitOrder ranks exit codes, the most important first.
func exitOrder() []int {
	return []int{exitInterrupted, exitUsage, exitFailed, exitLeftOver, exitUntold}
}

// exitError carries an exit code and why.
type exitError struct {
	code int
	err  error
	// quiet means that the reason stands in the command's own output already.
	quiet bool
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// usageError says that the command line or the link file is wrong.
func usageError(format string, args ...any) error {
	return &exitError{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// withCode wraps err so that it leads to the exit code.
func withCode(code int, err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code: code, err: err}
}

// errOutputClosed says that the reader of standard output has seen enough (| head): no failure.
var errOutputClosed = errors.New("standard output was closed")

// printError is for what could not be printed on standard output.
func printError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EPIPE):
		return errOutputClosed
	}
	return withCode(exitUntold, fmt.Errorf("print to standard output: %w", err))
}

// exitCode finds the exit code of a command's error and the lines to print about it. An error
// without a code is a wrong command line: cobra's own errors are the only ones that come bare.
func exitCode(err error) (int, []string) {
	if err == nil {
		return exitOK, nil
	}
	codes := map[int]bool{}
	var lines []string
	var walk func(error)
	walk = func(err error) {
		if j, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range j.Unwrap() {
				walk(e)
			}
			return
		}
		var e *exitError
		if errors.Is(err, errOutputClosed) {
			return
		}
		if errors.As(err, &e) {
			codes[e.code] = true
			if e.quiet {
				return
			}
		} else if errors.Is(err, context.Canceled) {
			codes[exitInterrupted] = true
		} else {
			codes[exitUsage] = true
		}
		lines = append(lines, strings.TrimRight(err.Error(), "\n"))
	}
	walk(err)
	for _, c := range exitOrder() {
		if codes[c] {
			if len(codes) > 1 {
				lines = append(lines, fmt.Sprintf("exit code %d (of %s)", c, joinCodes(codes)))
			}
			return c, lines
		}
	}
	return exitOK, nil
}

func joinCodes(codes map[int]bool) string {
	var all []int
	for c := range codes {
		all = append(all, c)
	}
	sort.Ints(all)
	var s []string
	for _, c := range all {
		s = append(s, fmt.Sprint(c))
	}
	return strings.Join(s, ", ")
}

// verdictErrors turns verdicts into the exit codes that they lead to. Required is critical, plus
// what failOn adds.
func verdictErrors(verdicts []suites.Verdict, failOn suites.Severity) error {
	var failed, untold []string
	for _, v := range verdicts {
		if !suites.Required(v, failOn) {
			continue
		}
		switch {
		case v.Status == suites.Failed && !v.CouldNotAsk:
			failed = append(failed, v.Link+" "+v.Check)
		case v.Status == suites.Untold, v.CouldNotAsk:
			untold = append(untold, v.Link+" "+v.Check)
		}
	}
	var errs []error
	if len(failed) > 0 {
		errs = append(errs, &exitError{code: exitFailed, err: fmt.Errorf("failed: %s", abbreviate(failed))})
	}
	if len(untold) > 0 {
		errs = append(errs, &exitError{code: exitUntold, err: fmt.Errorf("could not tell: %s", abbreviate(untold))})
	}
	return errors.Join(errs...)
}

// abbreviate lists at most five things.
func abbreviate(s []string) string {
	const most = 5
	if len(s) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(s[:most], ", "), len(s)-most)
	}
	return strings.Join(s, ", ")
}
