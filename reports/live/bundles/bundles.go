// Package bundles keeps rounds of the canary that somebody will ask about as evidence bundles, the same that verify writes:
// those that opened an incident, and those in which a link came to something else than before. A folder holds them, within
// bounds.
package bundles

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/linkassay/linkassay/reports"
	"github.com/linkassay/linkassay/reports/evidence"
	"github.com/linkassay/linkassay/suites"
	"github.com/linkassay/linkassay/suites/canary"
)

// The defaults of Options, and how much longer failures are kept than what was good.
const (
	DefaultAge   = 30 * 24 * time.Hour
	DefaultSize  = 1 << 30
	DefaultCount = 1000
	Longer       = 4
)

// Options bound the folder and say what stands in the bundles.
type Options struct {
	// Age is how long bundles of good rounds are kept; those of others are kept Longer times as long. Default DefaultAge.
	Age time.Duration
	// Size and Count bound the folder, in bytes and bundles; the oldest goes first, with a good round counting as Longer
	// times as old. Defaults DefaultSize and DefaultCount.
	Size  int64
	Count int
	// Report is what each bundle's report begins with: tool, version, build, profile, selection, catalogue.
	Report reports.Report
	// Selection picks the checks, as the canary does and as Report's profile and selection say; nil: all.
	Selection suites.Selection
	Seal      evidence.SealOptions
	Now       func() time.Time // the wall clock; default time.Now
	Problem   func(error)      // gets what can't be written; nil: nobody looks. It may be called concurrently
}

// ErrTaken says that another canary has the folder.
var ErrTaken = errors.New("another canary has it open")

// How much is written.
const (
	maxQueue      = 128              // rounds that wait to be written
	manyIncidents = 100              // bundles of incidents at once, and then
	incidentEvery = 5 * time.Second  // one each so often
	manyChanges   = 30               // bundles of links that came to something else at once, and then
	changeEvery   = 10 * time.Second // one each so often
	linkEvery     = 5 * time.Minute  // of one link
	tidyEvery     = 10 * time.Minute
	waitTime      = 5 * time.Second // what an alert waits for its bundle
)

// Bundles is a folder of bundles. Its methods may be called concurrently.
type Bundles struct {
	dir  string
	root *os.Root
	lock *os.File
	o    Options

	queue chan job
	end   context.CancelFunc
	done  chan struct{}

	mu        sync.Mutex
	links     map[string]lastOf
	pending   map[string]chan struct{} // closed when it is written, or could not be
	incidents bucket
	changes   bucket
	left      int // bundles that were not made, since that was told
	closed    bool
	patience  time.Duration // waitTime

	tidying sync.Mutex
	kept    map[string]*kept // by name
	open    func() []canary.Incident
}

// lastOf is what is remembered of a link.
type lastOf struct {
	outcome canary.Outcome
	kept    time.Time // when a bundle was kept of it because it came to something else
}

type job struct {
	name  string
	round canary.Round
}

// Open makes the folder if need be and takes it for this process. What another left half made is removed.
func Open(dir string, o Options) (*Bundles, error) {
	if o.Age == 0 {
		o.Age = DefaultAge
	}
	if o.Size == 0 {
		o.Size = DefaultSize
	}
	if o.Count == 0 {
		o.Count = DefaultCount
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Problem == nil {
		o.Problem = func(error) {}
	}
	ctx, end := context.WithCancel(context.Background())
	b := &Bundles{
		dir: dir, o: o, queue: make(chan job, maxQueue), end: end, done: make(chan struct{}), links: map[string]lastOf{}, pending: map[string]chan struct{}{},
		incidents: bucket{most: manyIncidents, every: incidentEvery}, changes: bucket{most: manyChanges, every: changeEvery}, kept: map[string]*kept{}, patience: waitTime,
	}
	if err := b.claim(); err != nil {
		end()
		return nil, errors.Join(fmt.Errorf("open the folder of bundles %s: %w", dir, err), b.release())
	}
	go b.run(ctx)
	return b, nil
}

func (b *Bundles) claim() (err error) {
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		return err
	}
	if b.root, err = os.OpenRoot(b.dir); err != nil {
		return err
	}
	if b.lock, err = os.OpenFile(filepath.Join(b.dir, ".lock"), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return err
	}
	if err := syscall.Flock(int(b.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return fmt.Errorf("%w; stop it, or name another folder", ErrTaken)
		}
		return err
	}
	entries, err := os.ReadDir(b.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		for _, half := range []string{halfMade, halfGone} {
			if name, ok := strings.CutPrefix(e.Name(), half); ok && isName(name) {
				if err := b.root.RemoveAll(e.Name()); err != nil {
					return err
				}
			}
		}
		if k, ok := parseName(e.Name()); ok && e.IsDir() {
			k.bytes = b.sizeOf(e.Name())
			b.kept[e.Name()] = k
		}
	}
	return nil
}

// What stands before a name while the bundle is being made or removed.
const (
	halfMade = ".new-"
	halfGone = ".old-"
)

func (b *Bundles) release() error {
	var errs []error
	if b.root != nil {
		errs = append(errs, b.root.Close())
	}
	if b.lock != nil {
		errs = append(errs, b.lock.Close())
	}
	return errors.Join(errs...)
}

// Close ends the writing, at the latest when the context ends.
func (b *Bundles) Close(ctx context.Context) error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	close(b.queue)
	b.mu.Unlock()
	select {
	case <-b.done:
	case <-ctx.Done():
		b.end()
		select {
		case <-b.done:
		case <-time.After(100 * time.Millisecond): // a disk that hangs
			return fmt.Errorf("close the folder of bundles %s: a bundle is still being written; it is removed the next time", b.dir)
		}
	}
	b.end()
	return b.release()
}

// Seed says what links came to last before this process.
func (b *Bundles) Seed(last map[string]canary.Outcome) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for link, outcome := range last {
		if outcome != canary.Interrupted {
			b.links[link] = lastOf{outcome: outcome}
		}
	}
}

// Hold has the bundles of incidents that are open be kept until all others are gone. It is called before the first round.
func (b *Bundles) Hold(open func() []canary.Incident) {
	b.tidying.Lock()
	defer b.tidying.Unlock()
	b.open = open
}

// Keep names the bundle that a round will be kept in, or returns "": see canary.Options. It does not wait for the disk.
// When a fleet fails at once, not each of its links gets one: of an incident, the round that opened it does.
func (b *Bundles) Keep(r canary.Round, changes []canary.Change) string {
	if r.Outcome == canary.Interrupted || r.Observation == nil {
		return ""
	}
	opens := false
	for _, c := range changes {
		opens = opens || c.Kind == canary.Opened || c.Kind == canary.WentFlaps
	}
	now := b.o.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	last, seen := b.links[r.Link]
	other := seen && last.outcome != r.Outcome
	last.outcome = r.Outcome
	defer func() { b.links[r.Link] = last }()
	switch {
	case b.closed, !opens && !other:
		return ""
	case opens:
		if !b.incidents.take(now) {
			b.left++
			return ""
		}
	case now.Sub(last.kept) < linkEvery || !b.changes.take(now):
		return ""
	}
	name := newName(r)
	if _, there := b.pending[name]; there {
		return ""
	}
	select {
	case b.queue <- job{name, r}:
	default:
		b.left++
		return ""
	}
	if !opens {
		last.kept = now
	}
	b.pending[name] = make(chan struct{})
	return name
}

// bucket lets so many through at once, and then one each so often.
type bucket struct {
	most  int
	every time.Duration
	taken int
	since time.Time
}

func (k *bucket) take(now time.Time) bool {
	if back := int(now.Sub(k.since) / k.every); back > 0 {
		k.taken = max(k.taken-back, 0)
		k.since = k.since.Add(time.Duration(back) * k.every)
	}
	if k.taken == 0 {
		k.since = now
	}
	if k.taken >= k.most {
		return false
	}
	k.taken++
	return true
}

// wait waits until a bundle is written, and says whether it is there.
func (b *Bundles) wait(name string) bool {
	b.mu.Lock()
	written := b.pending[name]
	b.mu.Unlock()
	if written != nil {
		late := time.NewTimer(b.patience)
		defer late.Stop()
		select {
		case <-written:
		case <-late.C:
		}
	}
	return b.Has(name)
}

// Has says whether a bundle of that name is there.
func (b *Bundles) Has(name string) bool {
	if !isName(name) {
		return false
	}
	info, err := b.root.Lstat(name)
	return err == nil && info.IsDir()
}

// run writes bundles until there are no more.
func (b *Bundles) run(ctx context.Context) {
	defer close(b.done)
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	for {
		select {
		case j, more := <-b.queue:
			if !more {
				if ctx.Err() == nil {
					b.tidy() // a canary that looks once has no other time for it
				}
				return
			}
			err := ctx.Err()
			if err == nil {
				err = b.write(ctx, j)
			}
			if err != nil {
				b.o.Problem(fmt.Errorf("evidence of %s: bundle %s: %w", j.round.Link, filepath.Join(b.dir, j.name), err))
			}
			b.mu.Lock()
			close(b.pending[j.name])
			delete(b.pending, j.name)
			left := b.left
			b.left = 0
			b.mu.Unlock()
			if left > 0 {
				b.o.Problem(fmt.Errorf("evidence: %d incidents have no bundle: too many were opened at once", left))
			}
			b.tidy()
		case <-tick.C:
			b.tidy()
		}
	}
}
