package main

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"math"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/suites"
)

// sideBySide is how many rounds are under way at once.
const sideBySide = 128

// fleetSizes are how many links a round has.
func fleetSizes() []int { return []int{100, 300, 1000, 3000, 10_000} }

// fleetFigures are what a child measured of a fleet of one size.
type fleetFigures struct {
	Links    int
	Probes   int       // of a round
	First    float64   // seconds of the first round, all of it judged
	Rounds   []float64 // seconds of those after it
	CPU      []float64 // seconds, of this process, of each of those
	Judged   int       // of the last round, that were not as the round before
	FirstCPU float64
}

// fleetRound measures fast rounds of fleets against loopback servers, each size in a process of its own.
func fleetRound(ctx context.Context, b *book, s settings) error {
	return withServers(ctx, func(p ports) error {
		var xs, ys []float64
		for _, n := range fleetSizes() {
			var f fleetFigures
			u, err := runChild(ctx, &f, "fleet", strconv.Itoa(n), strconv.Itoa(int(p.DNS)), strconv.Itoa(int(p.HTTP)), strconv.Itoa(s.runs))
			if err != nil {
				return err
			}
			round, memory := goal{}, goal{}
			if n == 10_000 {
				round, memory = atMost(12), atMost(600)
			}
			name := fmt.Sprintf("%d links: ", n)
			b.note(fmt.Sprintf("%d probes; %d links judged, the others were as before", f.Probes, f.Judged), name+"a round", "s", round, f.Rounds...)
			b.note("all judged, as after each reading of the control plane", name+"the first round", "s", goal{}, f.First)
			b.add(name+"CPU of the first round", "s", goal{}, f.FirstCPU)
			b.add(name+"CPU of a round and link", "ms", goal{}, over(f.CPU, float64(n)/1000)...)
			b.note("servers are another process", name+"memory, at most", "MB", memory, float64(u.Peak)/1e6)
			xs, ys = append(xs, math.Log(float64(n))), append(ys, math.Log(middle(f.CPU)))
		}
		b.note("of CPU by links, fitted from 100 to 10,000; 1 is linear", "exponent", "", atMost(1.05), slope(xs, ys))
		return nil
	})
}

// fleetChild makes the rounds of one fleet.
func fleetChild(ctx context.Context, args []string) error {
	var n [4]int
	for i := range n {
		if i >= len(args) {
			return fmt.Errorf("expected LINKS DNSPORT HTTPPORT ROUNDS")
		}
		var err error
		if n[i], err = strconv.Atoi(args[i]); err != nil {
			return err
		}
	}
	fleet, err := makeFleet(n[0], ports{uint16(n[1]), uint16(n[2])})
	if err != nil {
		return err
	}
	f, err := fleetRounds(ctx, fleet, n[3])
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(f)
}

// fleetRounds makes rounds of a fleet, each followed at once by the next, judged as the canary judges.
func fleetRounds(ctx context.Context, fleet []member, rounds int) (fleetFigures, error) {
	selection, err := suites.ProfileFilter(string(suites.Canary), "")
	if err != nil {
		return fleetFigures{}, err
	}
	chosen, err := suites.Select(selection)
	if err != nil {
		return fleetFigures{}, err
	}
	j := &judge{compiled: suites.Compile(suites.Catalogue()), seed: maphash.MakeSeed(), last: make([]uint64, len(fleet))}
	j.choice = j.compiled.Choose("", chosen)
	engine := probes.NewEngine(0)
	defer engine.Close()
	f := fleetFigures{Links: len(fleet)}
	// Small fleets make more rounds, so that each figure is of a second or so.
	repeat := max(1, 2000/len(fleet))
	for r := range 1 + rounds {
		count := repeat
		if r == 0 {
			count = 1
		}
		var measured atomic.Int64
		j.judged.Store(0)
		began, before := time.Now(), ownCPU()
		for range count {
			if err := fleetOnce(ctx, fleet, engine, j, &measured); err != nil {
				return f, err
			}
		}
		took, cpu := time.Since(began).Seconds()/float64(count), (ownCPU()-before).Seconds()/float64(count)
		f.Probes, f.Judged = int(measured.Load())/count, int(j.judged.Load())/count
		if r == 0 {
			f.First, f.FirstCPU = took, cpu
			continue
		}
		f.Rounds, f.CPU = append(f.Rounds, took), append(f.CPU, cpu)
	}
	return f, nil
}

// judge judges what is not as it was, as the canary does.
type judge struct {
	compiled *suites.Compiled
	choice   suites.Choice
	seed     maphash.Seed
	last     []uint64
	judged   atomic.Int64
}

func (j *judge) look(i int, o *probes.Observation) error {
	likeness, ok := o.Likeness(j.seed)
	if ok && j.last[i] == likeness {
		return nil
	}
	j.judged.Add(1)
	for _, v := range j.compiled.Judge(o, j.choice) {
		if v.Status == suites.Failed || v.Status == suites.Untold {
			return fmt.Errorf("%s: %s %s: %s", o.Link.Name, v.Check, v.Status, v.Reason)
		}
	}
	j.last[i] = likeness
	return nil
}

// fleetOnce makes one round of each link.
func fleetOnce(ctx context.Context, fleet []member, engine *probes.Engine, j *judge, measured *atomic.Int64) error {
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for range min(sideBySide, len(fleet)) {
		wg.Go(func() {
			for failed.Load() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(fleet) {
					return
				}
				m := &fleet[i]
				o := probes.Observe(ctx, m.link, m.src, probes.Options{Known: m.known, Engine: engine})
				measured.Add(int64(probesOf(o)))
				if err := j.look(i, o); err != nil {
					failed.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return ctx.Err()
}

// probesOf is how many questions and connections a round made: what several names lead to was dialled once.
func probesOf(o *probes.Observation) int {
	n := 0
	for _, it := range []*probes.Item[[]probes.Lookup]{o.DNS.Private, o.DNS.Regional, o.DNS.Zonal} {
		for _, l := range it.Value {
			if !l.Started.Before(o.Started) {
				n += l.Attempts
			}
		}
	}
	for _, a := range o.Reach.TCP.Value {
		if a.Target.Kind == probes.TargetInterface {
			n += len(a.Tries)
		}
	}
	for _, e := range o.Reach.HTTP.Value {
		if e.Target.Kind == probes.TargetInterface {
			n++
		}
	}
	return n
}

// ownCPU is what this process has used.
func ownCPU() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func over(values []float64, by float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = v / by
	}
	return out
}

// slope is that of the line through the points that fits best.
func slope(xs, ys []float64) float64 {
	var mx, my float64
	for i := range xs {
		mx, my = mx+xs[i]/float64(len(xs)), my+ys[i]/float64(len(xs))
	}
	var up, down float64
	for i := range xs {
		up, down = up+(xs[i]-mx)*(ys[i]-my), down+(xs[i]-mx)*(xs[i]-mx)
	}
	return up / down
}

// middle is the median.
func middle(values []float64) float64 {
	s := slices.Clone(values)
	slices.Sort(s)
	return s[len(s)/2]
}
