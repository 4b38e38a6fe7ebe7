// Package history keeps the canary's rounds, incidents and state in one file, a SQLite database, that survives a kill and
// a full disk and stays within bounds. It is a Sink and a Store of package canary.
//
// Good rounds of a link that say the same are kept as one run each five minutes, with the least, median and greatest answer
// by zone and phase, and after a day as one each hour. What failed, could not be told or changed is kept as it was, and for
// longer. Rounds are gathered in memory and written once a second: who tells them never waits for a disk.
package history

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// The defaults and least values of Options, and how much longer failures are kept than what was good.
const (
	DefaultAge  = 30 * 24 * time.Hour
	DefaultSize = 1 << 30
	LeastAge    = time.Hour
	LeastSize   = 4 << 20
	Longer      = 4
)

// Options bound a history.
type Options struct {
	// Age is how long good rounds are kept; others are kept Longer times as long. Default DefaultAge.
	Age time.Duration
	// Size bounds the file in bytes, without up to 8 MiB of its write-ahead log; the oldest goes first, good rounds
	// before others. Default DefaultSize.
	Size int64
	// Now is the wall clock; default time.Now.
	Now func() time.Time
	// Problem gets what can't be written; nil: nobody looks. It may be called concurrently.
	Problem func(error)
}

// The errors of Open that tell why a file was refused.
var (
	ErrForeign = errors.New("not a history of linkassay")
	ErrNewer   = errors.New("written by a newer linkassay")
	ErrTaken   = errors.New("another canary has it open")
	ErrCorrupt = errors.New("damaged")
)

// History is an open file. Its methods may be called concurrently.
type History struct {
	path string
	o    Options
	lock *os.File
	db   *sql.DB // one connection, which writes
	read *sql.DB

	wake chan chan error // asks for a write at once
	stop chan struct{}
	done chan struct{}

	mu      sync.Mutex
	links   map[string]*tape
	last    map[string]Run   // as it was opened, until somebody asks
	open    map[string]int64 // incidents that are open: when they were opened, by key
	waiting []entry
	heavy   int // bytes that wait, about
	lost    int // entries that there was no room for, not told yet
	closed  bool

	writing sync.Mutex // one writer
	ids     map[string]int64
	zones   map[string]int64
	rolled  map[int64]time.Time // up to when a link's good runs are one an hour
	horizon time.Duration       // how long good rounds are kept at present: less than Age when the size is short
	cursor  int64               // the link that was trimmed last
}

// How it is written.
const (
	writeEvery = time.Second
	trimEvery  = 10 * time.Second
	backoff    = 30 * time.Second // the longest between tries that fail
	closeTime  = 10 * time.Second
	closeHang  = time.Second // a disk that takes nothing for so long hangs
	maxWaiting = 64 << 20    // bytes that wait for a disk, about
)

// Open opens the file, or makes it. One that is damaged, newer or something else is refused, and left as it is.
func Open(ctx context.Context, path string, o Options) (*History, error) {
	if o.Age == 0 {
		o.Age = DefaultAge
	}
	if o.Size == 0 {
		o.Size = DefaultSize
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Problem == nil {
		o.Problem = func(error) {}
	}
	if o.Age < LeastAge || o.Size < LeastSize {
		return nil, fmt.Errorf("open the history %s: kept for %s and %d bytes, expected at least %s and %d bytes", path, o.Age, o.Size, LeastAge, int64(LeastSize))
	}
	h := &History{
		path: path, o: o, horizon: o.Age, wake: make(chan chan error), stop: make(chan struct{}), done: make(chan struct{}),
		links: map[string]*tape{}, open: map[string]int64{}, ids: map[string]int64{}, zones: map[string]int64{},
		rolled: map[int64]time.Time{}, last: map[string]Run{},
	}
	if err := h.openFile(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open the history %s: %w", path, err), h.release())
	}
	go h.run()
	return h, nil
}

// release closes what is open.
func (h *History) release() error {
	var errs []error
	for _, db := range []*sql.DB{h.read, h.db} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if h.lock != nil {
		errs = append(errs, h.lock.Close()) // the kernel gives the lock up with the file
	}
	return errors.Join(errs...)
}

// Close writes what waits and closes the file. On a disk that hangs it does not wait for long.
func (h *History) Close() error {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil
	}
	h.closed = true
	for link, t := range h.links {
		h.put(t.end(link))
	}
	h.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	if err := h.finish(ctx); err != nil {
		return fmt.Errorf("close the history %s: %w; %d rounds and changes may not be in it", h.path, err, h.waits())
	}
	return nil
}

// finish writes what waits, as long as the disk takes it.
func (h *History) finish(ctx context.Context) error {
	ended := make(chan error, 1)
	go func() {
		close(h.stop)
		<-h.done
		err := h.flush(ctx)
		if err == nil {
			_, err = h.db.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
		}
		ended <- errors.Join(err, h.release())
	}()
	tick := time.NewTicker(closeHang)
	defer tick.Stop()
	for before := -1; ; {
		select {
		case err := <-ended:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			now := h.waits()
			if now == before && now > 0 {
				return fmt.Errorf("the disk took nothing for %s", closeHang)
			}
			before = now
		}
	}
}

// Sync writes all rounds and changes that were told, but for runs of equal rounds that still go on, and returns when they are on the disk.
func (h *History) Sync(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case h.wake <- answer:
	case <-h.done:
		return fmt.Errorf("write to the history %s: it is closed", h.path)
	case <-ctx.Done():
		return ctx.Err()
	}
	return <-answer
}

// run writes and trims until the history is closed.
func (h *History) run() {
	defer close(h.done)
	write, trim := time.NewTicker(writeEvery), time.NewTicker(trimEvery)
	defer write.Stop()
	defer trim.Stop()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // a write may take long on a slow disk: the end does not wait for it
		select {
		case <-h.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	var pause time.Duration
	var again time.Time
	for {
		var answer chan error
		select {
		case <-h.stop:
			return
		case answer = <-h.wake:
		case <-write.C:
			if time.Now().Before(again) {
				continue
			}
		case <-trim.C:
			h.endOld()
			if err := h.trim(ctx); err != nil && ctx.Err() == nil {
				h.o.Problem(fmt.Errorf("trim the history %s: %w", h.path, err))
			}
			continue
		}
		err := h.flush(ctx)
		if err == nil {
			pause, again = 0, time.Time{}
		} else {
			pause = min(max(2*pause, writeEvery), backoff)
			again = time.Now().Add(pause)
			if ctx.Err() == nil {
				h.o.Problem(err)
			}
		}
		if answer != nil {
			answer <- err
		}
	}
}
