package canary

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"reflect"
	"runtime"
	"sync"
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/suites"
)

// Looker observes a link, and says how many AWS API requests that took. With a known Observation it measures names and
// connections alone, and asks no API. It never writes to AWS.
type Looker func(ctx context.Context, link provision.Link, known *probes.Observation) (*probes.Observation, int64)

// Sink is told of rounds and changes, one at a time, in the order in which they came about. It may be slow: it is
// then told less. An error is passed on to Options.Problem.
type Sink interface {
	Round(r Round) error
	Change(c Change) error
}

// Options say how links are watched.
type Options struct {
	Look      Looker
	Catalogue []suites.Check   // what judges; suites.Catalogue()
	Selection suites.Selection // nil: all checks
	FailOn    suites.Severity  // see suites.Summarize
	Sinks     []Sink
	Store     Store // nil: nothing is kept
	// Restored gets the incidents that were open before and what was known of links, once, when the store was read; nil: nobody
	// asks.
	Restored func(open []Incident, links map[string]LinkState)
	// Keep names the evidence bundle that a round is kept in, "" for none; the changes are those that the round made. It is
	// called in the rounds' way, concurrently, and must not wait. nil: no round is kept.
	Keep func(r Round, changes []Change) string
	// Clean returns a copy of an Observation without secrets that a remote end sent back, or nil where there are none to look for.
	// What is told of causes has the reasons, facts and fixes of judging that: they go far. What the round comes to does not
	// depend on it. It must not change the Observation. nil: nothing is secret.
	Clean func(o *probes.Observation) *probes.Observation
	// Concurrency bounds the rounds side by side; default 1024: of a fleet a part may be waiting for what never answers.
	Concurrency int
	// Now is the wall clock, for time stamps and maintenance windows; schedules follow the monotonic one. Default time.Now.
	Now func() time.Time
	// Problem gets what goes wrong beside the links: sinks and the store. It may be called concurrently; nil: nobody looks.
	Problem func(error)
}

// The bounds of a canary.
const (
	defaultConcurrency = 1024
	controlReads       = 128                    // rounds side by side that read the control plane: each has a hundred questions
	stopGrace          = 400 * time.Millisecond // what a stop waits for rounds in flight, and then for sinks and the store
	onceGrace          = 45 * time.Second       // what Once waits for sinks, and then for the store: nobody tells it later
	saveEvery          = 10 * time.Second
	saveTime           = 5 * time.Second
)

// Canary watches links.
type Canary struct {
	o         Options
	catalogue *suites.Compiled
	seed      maphash.Seed
	board     *Board
	pulse     *pulse
	keep      *keeper
	slots     chan struct{}        // rounds side by side
	reads     chan struct{}        // of which so many read the control plane
	judging   chan struct{}        // and so many are judged
	began     time.Time            // with a monotonic reading
	wall      time.Time            // the wall clock then
	resumed   map[string]time.Time // when the last rounds ended before a restart; nil after the start
	out       []*queue
	order     sync.Mutex // changes are told in the order in which they come about

	mu       sync.Mutex
	watchers map[string]*watcher // by link; nil while it does not run
	running  context.Context     // nil while it does not run
	pending  []provision.Link    // what was to be watched before it ran; nil: nothing was said
	pacer    *pacer              // of the run
	all      sync.WaitGroup
}

// New makes a canary that does not run yet.
func New(o Options) *Canary {
	if o.Concurrency < 1 {
		o.Concurrency = defaultConcurrency
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Problem == nil {
		o.Problem = func(error) {}
	}
	return &Canary{
		o: o, catalogue: suites.Compile(o.Catalogue), seed: maphash.MakeSeed(), board: NewBoard(), pulse: &pulse{now: o.Now}, keep: newKeeper(o.Store),
		slots: make(chan struct{}, o.Concurrency), reads: make(chan struct{}, min(o.Concurrency, controlReads)), judging: make(chan struct{}, runtime.GOMAXPROCS(0)), began: time.Now(), wall: o.Now(),
		watchers: map[string]*watcher{},
	}
}

// Incidents returns the open incidents, by key.
func (c *Canary) Incidents() []Incident { return c.board.Incidents() }

func (c *Canary) elapsed() time.Duration { return time.Since(c.began) }

// Run watches the links until the context ends, which is its normal end: it returns nil then, within about a second.
// Rounds in flight are recorded as interrupted. The links are not to be changed afterwards.
func (c *Canary) Run(ctx context.Context, links []provision.Link) error {
	gone, err := c.restore(ctx, links)
	if err != nil {
		return err
	}
	c.open(gone)
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var beside sync.WaitGroup
	beside.Go(func() { c.pulse.watch(background) })
	beside.Go(func() { c.saveNowAndThen(background) })
	beside.Go(func() { c.tellWhatIsDue(background) })

	c.mu.Lock()
	c.running, c.pacer = ctx, newPacer(c)
	c.all.Go(func() { c.pacer.pace(ctx) })
	if c.pending != nil {
		links = c.pending // they were changed while the store was read
	}
	c.update(links)
	c.resumed = nil // who is changed later is looked at soon
	c.mu.Unlock()
	<-ctx.Done()

	c.mu.Lock()
	c.running = nil // nobody is added any more
	c.mu.Unlock()
	c.all.Wait() // each gives up by itself
	stop()
	beside.Wait()
	kept := make(chan error, 1)
	go func() { kept <- c.save(context.WithoutCancel(ctx), stopGrace) }() // beside the sinks: a second is all there is
	c.close(stopGrace)
	return <-kept
}

// Once looks at each link once, control plane and all, and returns the rounds in the links' order.
func (c *Canary) Once(ctx context.Context, links []provision.Link) ([]Round, error) {
	gone, err := c.restore(ctx, links)
	if err != nil {
		return nil, err
	}
	c.open(gone)
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var beside, looks sync.WaitGroup
	beside.Go(func() { c.pulse.watch(background) })
	rounds := make([]Round, len(links))
	for i := range links {
		looks.Go(func() {
			w := newWatcher(c, &links[i])
			if rounds[i] = w.wait(ctx); rounds[i].Outcome == "" {
				h := newHand()
				defer h.leave()
				rounds[i] = w.round(ctx, h)
				<-c.slots
			}
		})
	}
	looks.Wait()
	stop()
	beside.Wait()
	c.board.Note(rounds) // what the others of a service do counts for the first of them too
	var changes []Change
	for i, r := range rounds { // in order, so that runs of the same are the same
		changes = append(changes, c.takeIn(r, links[i].Canary.WithDefaults())...)
	}
	for _, change := range c.board.complete(changes, c.o.Now().UTC()) {
		c.tell(change)
	}
	wait := onceGrace
	if ctx.Err() != nil {
		wait = stopGrace
	}
	c.close(wait)
	return rounds, c.save(context.WithoutCancel(ctx), wait)
}

// Update watches these links from now on, and no others. Those that are as they were go on undisturbed. They are not to be
// changed afterwards. Before Run it says what Run watches instead of its own.
func (c *Canary) Update(links []provision.Link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running == nil {
		c.pending = links
		return
	}
	c.update(links)
}

func (c *Canary) update(links []provision.Link) {
	names := make([]string, 0, len(links))
	wanted := make(map[string]*provision.Link, len(links))
	for i := range links {
		names = append(names, links[i].Name)
		wanted[links[i].Name] = &links[i]
	}
	for name, w := range c.watchers {
		if l, ok := wanted[name]; w.gone || !ok || !reflect.DeepEqual(l, w.link) {
			c.pacer.end(w)
			w.gone = true
			if c.pacer.over(w) {
				delete(c.watchers, name)
			} // else it stays here: if the link comes back, its last round may not have ended
		} else {
			delete(wanted, name)
		}
	}
	c.order.Lock()
	for _, change := range c.board.Keep(names, c.o.Now().UTC()) {
		c.tell(change)
	}
	c.order.Unlock()
	for _, name := range names {
		l, ok := wanted[name]
		if !ok {
			continue
		}
		delete(wanted, name)
		before := c.watchers[name]
		w := newWatcher(c, l)
		w.last = c.resumed[name]
		c.watchers[name] = w
		c.pacer.begin(w, before)
	}
}

// publish takes a round in and tells everybody.
func (c *Canary) publish(r Round, settings provision.Canary) {
	c.order.Lock()
	defer c.order.Unlock()
	for _, change := range append(c.takeIn(r, settings), c.board.Due(c.o.Now().UTC())...) {
		c.tell(change)
	}
}

// takeIn takes a round in, tells everybody of it, and returns what it changed.
func (c *Canary) takeIn(r Round, settings provision.Canary) []Change {
	changes := c.board.Apply(r, settings)
	r.raw = nil // it holds the observation, and sinks keep rounds for long
	if c.o.Keep != nil {
		if r.Bundle = c.o.Keep(r, changes); r.Bundle != "" {
			c.board.shownBy(changes, r.Bundle)
		}
	}
	for _, q := range c.out {
		q.add(func(s Sink) error { return s.Round(r) }, false)
	}
	return changes
}

func (c *Canary) tell(change Change) {
	for _, q := range c.out {
		q.change(change)
	}
}

// tellWhatIsDue tells of links that joined or left incidents when no round comes that could.
func (c *Canary) tellWhatIsDue(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		c.order.Lock()
		for _, change := range c.board.Due(c.o.Now().UTC()) {
			c.tell(change)
		}
		c.order.Unlock()
	}
}

// open begins to tell, first what changed while nobody looked.
func (c *Canary) open(gone []Change) {
	c.out = nil
	for _, s := range c.o.Sinks {
		c.out = append(c.out, newQueue(s, c.o.Problem))
	}
	for _, change := range gone {
		c.tell(change)
	}
}

// close ends the telling, and waits at most so long until all was told.
func (c *Canary) close(wait time.Duration) {
	late := time.NewTimer(wait)
	defer late.Stop()
	for _, q := range c.out {
		q.end()
	}
	for _, q := range c.out {
		select {
		case <-q.done:
		case <-late.C:
			c.o.Problem(fmt.Errorf("stop: %d rounds and changes were not told in time", q.len()))
			return
		}
	}
}

// restore reads the store, and returns the ends of incidents whose links are not watched any more.
func (c *Canary) restore(ctx context.Context, links []provision.Link) ([]Change, error) {
	if c.o.Store == nil {
		return nil, nil
	}
	s, err := c.o.Store.Load(ctx)
	if err == nil && s != nil {
		err = c.board.Restore(s)
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, l := range links {
		names = append(names, l.Name)
	}
	gone := c.board.Keep(names, c.o.Now().UTC())
	c.resumed = c.board.lastRounds()
	if c.o.Restored != nil {
		c.o.Restored(c.board.Incidents(), c.board.State(c.o.Now()).Links)
	}
	return gone, nil
}

func (c *Canary) saveNowAndThen(ctx context.Context) {
	if c.o.Store == nil {
		return
	}
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := c.save(ctx, saveTime); err != nil && ctx.Err() == nil {
				c.o.Problem(err)
			}
		}
	}
}

func (c *Canary) save(ctx context.Context, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	return c.keep.save(ctx, func() *State { return c.board.State(c.o.Now()) })
}

// errStopped is why a round was interrupted that the end of the canary cut short.
var errStopped = errors.New("the canary was stopped")

// errStrained is why a round was interrupted that found something new while this process waited for a processor.
var errStrained = fmt.Errorf("this host is too busy to measure: the canary had to wait more than %s to run", busyLate)
