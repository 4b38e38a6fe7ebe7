// Command bench measures linkassay on this machine and writes every figure with its goal to bench/results.json. Figures
// are medians; what has a peer is measured beside it in the same run, as a ratio, since machines drift.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// measurement is one thing to measure.
type measurement struct {
	name, what string
	measure    func(ctx context.Context, b *book) error
}

// settings are what the flags say.
type settings struct {
	binary string        // the built linkassay; "" leaves out what needs it
	runs   int           // of each measurement
	span   time.Duration // how long each rate is measured
}

func measurements(s settings) []measurement {
	return []measurement{
		{"lab", "the lab's start and stop", func(ctx context.Context, b *book) error { return labStart(ctx, b, s) }},
		{"demo", "the demo as a whole process", func(ctx context.Context, b *book) error { return demo(ctx, b, s) }},
		{"verify", "one verify run: its longest chain and what comes on top", func(ctx context.Context, b *book) error { return verify(ctx, b, s) }},
		{"tree", "the Ginkgo tree, its run and all reports of a large fleet", func(ctx context.Context, b *book) error { return tree(ctx, b, s) }},
		{"steady", "10,000 HTTP targets every 10 s, beside Prometheus and blackbox_exporter", func(ctx context.Context, b *book) error { return steady(ctx, b, s) }},
		{"judge", "checks judged on a recorded observation, on one processor", judging},
		{"probes-cpu", "CPU of a probe in a fast round, beside its peers", func(ctx context.Context, b *book) error { return probesCPU(ctx, b, s) }},
		{"fleet-round", "fast rounds of a fleet with 3 zones a link, against servers on loopback", func(ctx context.Context, b *book) error { return fleetRound(ctx, b, s) }},
		{"fleet-round-lab", "fast rounds of a fleet through the lab", func(ctx context.Context, b *book) error { return fleetLab(ctx, b, s) }},
		{"fleet-api", "AWS API requests of 10,000 links in 20 VPCs to 5 services, data plane left out", fleetAPI},
		{"history", "the canary's history of a fleet of 10,000 links that is looked at each ten seconds", func(ctx context.Context, b *book) error { return historyKept(ctx, b, s) }},
		{"lab-rates", "probes a second through the lab, both ends in this process", func(ctx context.Context, b *book) error { return labRates(ctx, b, s) }},
	}
}

func main() {
	var s settings
	flag.StringVar(&s.binary, "binary", "", "the built linkassay, for timing whole processes")
	flag.IntVar(&s.runs, "runs", 5, "runs of each measurement")
	flag.DurationVar(&s.span, "span", 2*time.Second, "how long each rate is measured")
	only := flag.String("only", "", "names of the measurements to run, with commas; all if empty")
	out := flag.String("out", "", "write the figures to this file as JSON; with -only, those of other measurements in it stay")
	child := flag.String("child", "", "do a part that needs a process of its own")
	docs := flag.String("docs", "", "put the figures of -out into performance.md in this folder, and measure nothing")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if part, ok := children()[*child]; ok {
		if err := part(ctx, flag.Args()); err != nil {
			fmt.Fprintf(os.Stderr, "bench -child %s: %v\n", *child, err)
			os.Exit(1)
		}
		return
	}
	if *docs != "" {
		b := newBook(io.Discard)
		if err := errors.Join(b.read(*out), writeDocs(*docs, b.results)); err != nil {
			fmt.Fprintln(os.Stderr, "bench -docs:", err)
			os.Exit(1)
		}
		return
	}
	if err := run(ctx, s, *only, *out); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run makes the measurements. One that fails does not keep the others from being made.
func run(ctx context.Context, s settings, only, out string) error {
	all := measurements(s)
	chosen := all
	if only != "" {
		chosen = nil
		for name := range strings.SplitSeq(only, ",") {
			i := slices.IndexFunc(all, func(m measurement) bool { return m.name == name })
			if i < 0 {
				var names []string
				for _, m := range all {
					names = append(names, m.name)
				}
				return fmt.Errorf("-only %q: expected some of %s", name, strings.Join(names, ", "))
			}
			chosen = append(chosen, all[i])
		}
	}
	b := newBook(os.Stdout)
	if out != "" && only != "" {
		if err := b.read(out); err != nil {
			return err
		}
	}
	fmt.Printf("%s %s/%s, %d processors\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0))
	var errs []error
	for _, m := range chosen {
		b.begin(m)
		if err := m.measure(ctx, b); err != nil {
			fmt.Printf("  failed: %v\n", err)
			errs = append(errs, fmt.Errorf("%s: %w", m.name, err))
		}
		if out != "" { // what was measured is kept, whatever comes
			if err := b.write(out); err != nil {
				return errors.Join(append(errs, err)...)
			}
		}
		if ctx.Err() != nil {
			return errors.Join(append(errs, ctx.Err())...)
		}
	}
	if missed := b.missed(); len(missed) > 0 {
		errs = append(errs, fmt.Errorf("goals missed: %s", strings.Join(missed, ", ")))
	}
	return errors.Join(errs...)
}
