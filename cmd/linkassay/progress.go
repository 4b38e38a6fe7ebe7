package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/mattn/go-isatty"

	"github.com/linkassay/linkassay/provision"
)

// isTerminal says whether w is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// progress prints a line per step as it happens. It is safe for concurrent use.
type progress struct {
	mu    sync.Mutex
	w     io.Writer
	start time.Time
	on    bool
}

// newProgress prints to stderr when that is a terminal or when asked to be verbose.
func (a *app) newProgress() *progress {
	return &progress{w: a.err, start: time.Now(), on: a.verbose || isTerminal(a.err)}
}

func (p *progress) line(format string, args ...any) {
	if !p.on {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.w, "%6.1fs  %s\n", time.Since(p.start).Seconds(), fmt.Sprintf(format, args...))
}

// event prints a provisioning step as it begins, what it waits for, and how it failed.
func (p *progress) event(e provision.Event) {
	switch {
	case e.Err != nil:
		p.line("%-8s  %s: FAILED: %v", e.Side, e.Step, e.Err)
	case e.Done:
	default:
		p.line("%-8s  %s", e.Side, e.Message)
	}
}
