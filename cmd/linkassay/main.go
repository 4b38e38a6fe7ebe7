// Command linkassay verifies AWS PrivateLink connections between accounts, and keeps the proof.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"syscall"
)

// version is set by the Makefile through -ldflags.
var version = "devel"

func main() {
	os.Exit(run(os.Args[1:]))
}

// run executes one command line and returns the exit code. The first SIGINT or SIGTERM ends the
// command's context: what was observed is still written. A second one ends the process at once.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	// A write to a closed pipe, or past the file size limit, is an error to return: clean-up still runs.
	signal.Ignore(syscall.SIGPIPE, syscall.SIGXFSZ)

	own := &cobraOut{to: os.Stdout}
	root := newRoot(streams{in: os.Stdin, out: os.Stdout, err: os.Stderr}, own)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if own.err != nil {
		err = printError(own.err)
	}
	code, reasons := exitCode(err)
	for _, r := range reasons {
		fmt.Fprintln(os.Stderr, signed(r))
	}
	return code
}

// cobraOut is where help, version and completions go: cobra does not tell, or not as what it is, when they can't be written.
type cobraOut struct {
	to  io.Writer
	err error // the first
}

func (o *cobraOut) Write(b []byte) (int, error) {
	n, err := o.to.Write(b)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

// signed puts the program's name before a message, but leaves one that begins with a place in a file
// as it is: editors and CI jump to FILE:LINE:COL at the start of a line.
func signed(message string) string {
	if regexp.MustCompile(`^[^\s:]+:\d+:\d+: `).MatchString(message) {
		return message
	}
	return "linkassay: " + message
}
