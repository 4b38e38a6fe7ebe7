// Command linkassay verifies AWS PrivateLink connections between accounts, and keeps the proof.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
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
	signal.Ignore(syscall.SIGPIPE) // a write to a closed pipe is an error to return, so that clean-up still runs

	root := newRoot(streams{in: os.Stdin, out: os.Stdout, err: os.Stderr})
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	code, reasons := exitCode(err)
	for _, r := range reasons {
		fmt.Fprintln(os.Stderr, "linkassay: "+r)
	}
	return code
}
