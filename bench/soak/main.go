// Command soak lets a canary watch a fleet in the lab while things break and are mended, by seed: each fault must become one incident in
// time, with the links that it takes down, and end in time after it was mended; nothing else may be told; memory and goroutines must stay flat.
// It ends with exit code 1 when anything is otherwise.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/reports/live"
	"github.com/linkassay/linkassay/suites"
	"github.com/linkassay/linkassay/suites/canary"
)

func main() {
	links := flag.Int("links", 1000, "links, each with an endpoint of its own")
	length := flag.Duration("for", 3*time.Minute, "how long faults come and go")
	seed := flag.Uint64("seed", 1, "of the lab and the faults")
	interval := flag.Duration("interval", 15*time.Second, "of a link's rounds")
	control := flag.Duration("control", 90*time.Second, "between reads of a link's control plane")
	side := flag.Int("side-by-side", 4, "faults at a time")
	quiet := flag.Bool("quiet", false, "print no line for each fault")
	flag.Parse()
	if err := run(context.Background(), *links, *length, *seed, *interval, *control, *side, *quiet); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

// How a cause becomes an incident and ends, in rounds.
const (
	alarmAfter = 2
	alarmOf    = 3
	clearAfter = 2
)

func run(ctx context.Context, links int, length time.Duration, seed uint64, interval, control time.Duration, side int, quiet bool) (err error) {
	settings := provision.Canary{
		Interval: provision.Duration(interval), ControlInterval: provision.Duration(control),
		Alarm: provision.Alarm{Failures: alarmAfter, Of: alarmOf}, Clear: clearAfter,
	}
	began := time.Now()
	f, err := build(ctx, links, seed, settings)
	if f != nil {
		defer func() { err = errors.Join(err, f.lab.Close()) }()
	}
	if err != nil {
		return fmt.Errorf("build the fleet: %w", err)
	}
	fmt.Printf("%s, %d processors; seed %d; %d links by as many endpoints, from %d VPCs to %d services, built in %s\n",
		runtime.Version(), runtime.GOMAXPROCS(0), seed, len(f.links), len(f.vpcs), len(f.services), time.Since(began).Round(time.Second))
	fmt.Printf("rounds every %s, control plane every %s; alarm after %d of %d, clear after %d\n", interval, control, alarmAfter, alarmOf, clearAfter)

	dir, err := os.MkdirTemp("", "linkassay-soak")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	state, err := live.OpenStateFile(filepath.Join(dir, "state.json"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, state.Close()) }()
	heard, metrics, pages := newTold(), live.NewMetrics(), live.NewStatus(nil)
	var names []string
	for _, l := range f.links {
		names = append(names, l.Name)
	}
	metrics.Watch(names)
	pages.Watch(names)
	s := &soak{f: f, heard: heard, interval: interval, control: control, quiet: quiet}
	c := canary.New(canary.Options{
		Look: f.look, Catalogue: suites.Catalogue(), Concurrency: 256, Store: state,
		Sinks: []canary.Sink{heard, metrics, pages, live.NewLines(io.Discard, false)}, Problem: s.wrong,
	})
	watching, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- c.Run(watching, f.links) }()
	s.open = c.Incidents
	s.run(ctx, rand.New(rand.NewPCG(seed, seed)), length, side)
	stopped := time.Now()
	stop()
	if err := <-ended; err != nil {
		s.wrong(err)
	}
	if took := time.Since(stopped); took > 1500*time.Millisecond {
		s.wrong(fmt.Errorf("the canary took %s to stop", took))
	}
	return s.report()
}

// soak is one run and what it found.
type soak struct {
	f                 *fleet
	heard             *told
	open              func() []canary.Incident
	interval, control time.Duration
	quiet             bool
	samples           []sample
	began             time.Time
	cpu               time.Duration // of the process, while faults came and went

	mu       sync.Mutex
	problems []string
	done     []*bout
	slots    map[string]bool // what is broken now
}

func (s *soak) wrong(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problems = append(s.problems, err.Error())
	fmt.Println("WRONG:", err)
}

// cpuTime is what the process has used so far.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
