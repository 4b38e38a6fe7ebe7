package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/linkassay/linkassay/suites"
)

func TestExitCode(t *testing.T) {
	t.Parallel()
	failed := withCode(exitFailed, errors.New("failed: a"))
	untold := withCode(exitUntold, errors.New("could not tell: b"))
	left := withCode(exitLeftOver, errors.New("left over: c"))
	interrupted := withCode(exitInterrupted, errors.New("interrupted"))
	for _, c := range []struct {
		name string
		err  error
		code int
		says []string
	}{
		{"nothing", nil, 0, nil},
		{"bare errors are usage", errors.New("unknown flag"), 2, []string{"unknown flag"}},
		{"cancelled context", fmt.Errorf("apply: %w", context.Canceled), 130, []string{"apply"}},
		{"failed", failed, 1, []string{"failed: a"}},
		{"untold", untold, 3, []string{"could not tell: b"}},
		{"failed before untold", errors.Join(untold, failed), 1, []string{"failed: a", "could not tell: b", "exit code 1 (of 1, 3)"}},
		{"left over before untold", errors.Join(untold, left), 4, []string{"exit code 4 (of 3, 4)"}},
		{"failed before left over", errors.Join(left, failed), 1, []string{"left over: c"}},
		{"usage before failed", errors.Join(failed, usageError("bad")), 2, nil},
		{"interrupted before all", errors.Join(failed, errors.Join(untold, interrupted), usageError("bad")), 130, []string{"of 1, 2, 3, 130"}},
		{"a closed output is no failure", printError(fmt.Errorf("print: %w", syscall.EPIPE)), 0, nil},
		{"a closed output hides none", errors.Join(printError(syscall.EPIPE), failed), 1, []string{"failed: a"}},
		{"a full disk behind the output", printError(syscall.ENOSPC), 3, []string{"standard output"}},
		{"a connection's closed pipe is a failure", withCode(exitUntold, fmt.Errorf("write tcp: %w", syscall.EPIPE)), 3, []string{"write tcp"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			code, lines := exitCode(c.err)
			if code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			for _, s := range c.says {
				if !strings.Contains(strings.Join(lines, "\n"), s) {
					t.Errorf("%q is not said in %q", s, lines)
				}
			}
		})
	}
}

func TestVerdictErrors(t *testing.T) {
	t.Parallel()
	verdict := func(s suites.Status, w suites.Severity) suites.Verdict {
		return suites.Verdict{Link: "l", Check: "a.b", Status: s, Severity: w}
	}
	for _, c := range []struct {
		name     string
		verdicts []suites.Verdict
		failOn   suites.Severity
		code     int
	}{
		{"passed", []suites.Verdict{verdict(suites.Passed, suites.Critical)}, "", 0},
		{"critical failed", []suites.Verdict{verdict(suites.Failed, suites.Critical)}, "", 1},
		{"warning failed", []suites.Verdict{verdict(suites.Failed, suites.Warning)}, "", 0},
		{"warning failed, asked for", []suites.Verdict{verdict(suites.Failed, suites.Warning)}, suites.Warning, 1},
		{"blocked and skipped are not failures", []suites.Verdict{verdict(suites.Blocked, suites.Critical), verdict(suites.Skipped, suites.Critical)}, "", 0},
		{"untold", []suites.Verdict{verdict(suites.Untold, suites.Critical)}, "", 3},
		{"untold advice", []suites.Verdict{verdict(suites.Untold, suites.Advice)}, "", 0},
		{"a side could not be asked", []suites.Verdict{{Status: suites.Failed, Severity: suites.Critical, CouldNotAsk: true}}, "", 3},
		{"failed and untold", []suites.Verdict{verdict(suites.Untold, suites.Critical), verdict(suites.Failed, suites.Critical)}, "", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if code, lines := exitCode(verdictErrors(c.verdicts, c.failOn)); code != c.code {
				t.Errorf("exit code %d (%v), want %d", code, lines, c.code)
			}
		})
	}
}
