package canary

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/suites"
)

// world answers looks from recorded Observations: what is true of the control plane and of the path can be changed.
type world struct {
	t *testing.T

	mu      sync.Mutex
	control string // the recording that a look with the control plane sees
	data    string // the recording of which names and connections are; "" is the same
	api     bool   // the API does not answer
	takes   time.Duration
	looks   map[string]int  // by link, all looks
	reads   map[string]int  // by link, looks with the control plane
	busy    map[string]bool // links that are looked at now
	most    int             // links at once
	overlap atomic.Bool
	cache   map[string]*probes.Observation
}

func newWorld(t *testing.T) *world {
	return &world{
		t: t, control: "healthy", takes: 300 * time.Millisecond, looks: map[string]int{}, reads: map[string]int{}, busy: map[string]bool{},
		cache: map[string]*probes.Observation{},
	}
}

func (w *world) set(control, data string, api bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.control, w.data, w.api = control, data, api
}

func (w *world) looked(link string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.looks[link]
}

func (w *world) readOf(link string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.reads[link]
}

func (w *world) mostAtOnce() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.most
}

func (w *world) read(name string) *probes.Observation {
	if w.cache[name] == nil {
		w.cache[name] = recorded(w.t, name, "")
	}
	o := *w.cache[name]
	return &o
}

func (w *world) look(ctx context.Context, link provision.Link, known *probes.Observation) (*probes.Observation, int64) {
	w.mu.Lock()
	if w.busy[link.Name] {
		w.overlap.Store(true)
	}
	w.busy[link.Name] = true
	w.most = max(w.most, len(w.busy))
	w.looks[link.Name]++
	started, takes := time.Now().UTC(), w.takes
	var o *probes.Observation
	if known == nil {
		w.reads[link.Name]++
		o = w.read(w.control)
		if w.api {
			broken := &probes.Failure{Class: probes.FailNetwork, Operation: "ec2:DescribeVpcEndpoints", Message: "connection refused"}
			service, endpoint, health := *o.Provider.Service, *o.Consumer.Endpoint, *o.Provider.TargetHealth
			service.Error, endpoint.Error, health.Error = broken, broken, broken
			o.Provider.Service, o.Consumer.Endpoint, o.Provider.TargetHealth = &service, &endpoint, &health
		}
	} else {
		o = w.read("healthy")
		o.Provider, o.Consumer, o.Path, o.DNS.TXT, o.DNS.Public = known.Provider, known.Consumer, known.Path, known.DNS.TXT, known.DNS.Public
		o.Known = known.Started
	}
	if w.data != "" {
		d := w.read(w.data)
		o.Reach, o.DNS.Private, o.DNS.Regional, o.DNS.Zonal = d.Reach, d.DNS.Private, d.DNS.Regional, d.DNS.Zonal
	}
	w.mu.Unlock()
	keep := o.Link
	o.Link = link
	o.Link.PrivateDNSName, o.Link.Ports, o.Link.Vantages, o.Link.Provider, o.Link.Consumer = keep.PrivateDNSName, keep.Ports, keep.Vantages, keep.Provider, keep.Consumer
	o.Link.Region = keep.Region
	select {
	case <-ctx.Done():
		o.Interrupted = true
	case <-time.After(takes):
	}
	o.Started, o.Finished = started, time.Now().UTC()
	w.mu.Lock()
	delete(w.busy, link.Name)
	w.mu.Unlock()
	return o, 7
}

func fleet(n int, settings provision.Canary) (links []provision.Link) {
	for i := range n {
		links = append(links, provision.Link{Name: fmt.Sprintf("link-%03d", i), Canary: settings})
	}
	return links
}

// run starts a canary in the test's bubble, and returns how to stop it.
func run(t *testing.T, o Options, links []provision.Link) (c *Canary, stop func() time.Duration) {
	t.Helper()
	o.Catalogue = suites.Catalogue()
	if o.Problem == nil {
		o.Problem = func(err error) { t.Errorf("problem: %v", err) }
	}
	c = New(o)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	mine := slices.Clone(links) // the test may change its own
	go func() { ended <- c.Run(ctx, mine) }()
	return c, func() time.Duration {
		before := time.Now()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		return time.Since(before)
	}
}

func every(interval, control time.Duration) provision.Canary {
	return provision.Canary{
		Interval: provision.Duration(interval), ControlInterval: provision.Duration(control),
		Alarm: provision.Alarm{Failures: 2, Of: 3}, Clear: 2,
	}
}
