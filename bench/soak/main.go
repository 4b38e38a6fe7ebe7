// Command soak lets a canary watch a fleet in the lab while things break and are mended, by seed: each fault must become one incident in
// time, with the links that it takes down, and end in time after it was mended; nothing else may be told; memory and goroutines must stay flat.
// It ends with exit code 1 when anything is otherwise.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/log"

	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/reports/live"
	"github.com/linkassay/linkassay/reports/live/history"
	"github.com/linkassay/linkassay/suites"
	"github.com/linkassay/linkassay/suites/canary"
)

func main() {
	length := flag.Duration("for", 3*time.Minute, "how long the fleet is watched; 10m and more is at 1,000 links, less at 200 and with shorter intervals")
	seed := flag.Uint64("seed", 1, "of the lab and the faults")
	links := flag.Int("links", 0, "links, each with an endpoint of its own; default by -for")
	interval := flag.Duration("interval", 0, "of a link's rounds; default by -for")
	control := flag.Duration("control", 0, "between reads of a link's control plane; default by -for")
	side := flag.Int("side-by-side", 6, "faults at a time")
	heap := flag.String("heap", "", "folder for profiles of the heap at rest: before.pprof and after.pprof")
	flag.Parse()
	log.SetTarget(&log.GoogleEmitter{Writer: &log.Writer{Next: io.Discard}}) // the network's own warnings, of what is broken on purpose
	debug.SetGCPercent(50)                                                   // as linkassay canary has it
	p := plan{*links, *length, *seed, *interval, *control, *side, *heap}
	if err := p.filled().run(context.Background()); err != nil {
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

// lookAtOnce bounds the rounds side by side: the AWS that they all ask is in this process too.
const lookAtOnce = 64

// plan is what is run.
type plan struct {
	links             int
	length            time.Duration
	seed              uint64
	interval, control time.Duration
	side              int
	heap              string // folder for profiles; none if empty
}

func (p plan) filled() plan {
	links, interval, control := 200, 15*time.Second, 75*time.Second
	if p.length >= 10*time.Minute {
		links, interval, control = 1000, 30*time.Second, 5*time.Minute
	}
	p.links, p.interval, p.control = cmp.Or(p.links, links), cmp.Or(p.interval, interval), cmp.Or(p.control, control)
	return p
}

func (p plan) run(ctx context.Context) (err error) {
	settings := provision.Canary{
		Interval: provision.Duration(p.interval), ControlInterval: provision.Duration(p.control),
		Alarm: provision.Alarm{Failures: alarmAfter, Of: alarmOf}, Clear: clearAfter,
	}
	began := time.Now()
	f, err := build(ctx, p.links, p.seed, settings)
	if f != nil {
		defer func() { err = errors.Join(err, f.close()) }()
	}
	if err != nil {
		return fmt.Errorf("build the fleet: %w", err)
	}
	fmt.Printf("%s, %d processors; seed %d; %d links by as many endpoints, from %d VPCs to %d services, built in %s\n",
		runtime.Version(), runtime.GOMAXPROCS(0), p.seed, len(f.Links), len(f.VPCs), len(f.Services), time.Since(began).Round(time.Second))
	fmt.Printf("rounds every %s, control plane every %s; alarm after %d of %d, clear after %d\n", p.interval, p.control, alarmAfter, alarmOf, clearAfter)
	fmt.Printf("load of the machine: %s\n", load())

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
	metrics.Watch(f.Links)
	pages.Watch(f.Links)
	s := &soak{plan: p, f: f, heard: heard, slots: map[string]bool{}}
	past, err := history.Open(ctx, filepath.Join(dir, "history.db"), history.Options{Problem: s.wrong})
	if err != nil {
		return err
	}
	pages.Remember(past, past.Last())
	c := canary.New(canary.Options{
		Look: f.look, Catalogue: suites.Catalogue(), Concurrency: lookAtOnce, Store: state,
		Sinks: []canary.Sink{heard, metrics, pages, past, live.NewLines(io.Discard, false)}, Problem: s.wrong,
	})
	watching, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- c.Run(watching, f.Links) }()
	var reading sync.WaitGroup
	reading.Go(func() { s.read(watching, metrics, pages) })
	s.run(ctx, rand.New(rand.NewPCG(p.seed, p.seed)))
	if open := c.Incidents(); len(open) > 0 {
		s.wrong(fmt.Errorf("%d incidents are open when all is mended, the first %s", len(open), open[0].Key))
	}
	stopped := time.Now()
	stop()
	err = <-ended
	took := time.Since(stopped)
	reading.Wait()
	if err := errors.Join(err, past.Close()); err != nil {
		s.wrong(err)
	}
	if took > 1500*time.Millisecond {
		s.wrong(fmt.Errorf("the canary took %s to stop", took))
	}
	fmt.Printf("load of the machine at the end: %s\n", load())
	return s.report()
}

// load is the machine's load average: what else runs on it makes rounds late.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(b))[:3], " ")
}

// soak is one run and what it found.
type soak struct {
	plan
	f       *fleet
	heard   *told
	samples []sample
	before  []sample // while nothing was broken yet
	behind  []sample // when all was mended
	began   time.Time
	cpu     time.Duration // of the process, while faults came and went
	late    time.Duration // see feel
	calls   int           // API requests

	mu       sync.Mutex
	problems []string
	done     []*bout
	slots    map[string]bool // what was broken
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
