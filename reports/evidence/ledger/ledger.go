// Package ledger keeps runs in an append-only log that proves its own completeness: an object per run, each holding
// the hash of the one before it, created only where there is none, so that two writers cannot fork it.
//
// Entry n is the object entries/<n in ten digits>.json, one line of JSON in one form. Its field prev is the SHA-256
// of the bytes of entry n-1, which sha256sum tells too; entry 1 holds that of ledger.json. Number and hash of the newest entry
// are the head. Whoever knows a head can prove of every earlier entry that it was neither removed, reordered nor changed;
// of later ones nobody can.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/reports"
)

// Ledger is an open ledger. It is safe for concurrent use.
type Ledger struct {
	place   string
	store   *store
	genesis Genesis
	first   string // hash of the genesis
	pause   func(context.Context, time.Duration) error
}

// What Open and Append tell apart.
var (
	ErrNoLedger = errors.New("there is no ledger")
	ErrBroken   = errors.New("the ledger is broken")
	ErrBusy     = errors.New("other writers were always first")
)

// Options are for a ledger that is to be written to.
type Options struct {
	Tool  string        // name and version of the program, for the genesis
	Every time.Duration // the schedule to declare in the genesis; zero is none
	Now   time.Time     // of the genesis; zero is the time now
}

// Open opens a ledger to read it. ErrNoLedger says that there is none.
func Open(ctx context.Context, p Place) (*Ledger, error) {
	s, err := openStore(ctx, p, false)
	if err != nil {
		return nil, fmt.Errorf("open the ledger %s: %w", p, absent(err))
	}
	return newLedger(ctx, p.String(), s, nil)
}

// OpenOrCreate opens a ledger to append to it, and makes it when there is none. In a folder it removes what writers left
// behind that were ended more than an hour ago.
func OpenOrCreate(ctx context.Context, p Place, opts Options) (*Ledger, error) {
	s, err := openStore(ctx, p, true)
	if err != nil {
		return nil, fmt.Errorf("open the ledger %s: %w", p, err)
	}
	if s.sweep != nil {
		if err := s.sweep(time.Now()); err != nil {
			return nil, errors.Join(fmt.Errorf("open the ledger %s: remove what an ended writer left: %w", p, err), s.Close())
		}
	}
	return newLedger(ctx, p.String(), s, &opts)
}

// newLedger takes over the store. It makes a ledger that is not there when it gets options.
func newLedger(ctx context.Context, place string, s *store, opts *Options) (*Ledger, error) {
	l := &Ledger{place: place, store: s, pause: pause}
	b, err := s.read(ctx, GenesisName, maxGenesis)
	if opts != nil && gcerrors.Code(err) == gcerrors.NotFound {
		b, err = l.create(ctx, *opts)
	}
	if err == nil {
		if err = decode(b, GenesisFormat, &l.genesis); err != nil {
			err = fmt.Errorf("%s: %w", GenesisName, err)
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the ledger %s: %w", place, absent(err)), s.Close())
	}
	l.first = hashOf(b)
	return l, nil
}

func absent(err error) error {
	if gcerrors.Code(err) == gcerrors.NotFound {
		return fmt.Errorf("%w (%w)", ErrNoLedger, err)
	}
	return err
}

// create writes the genesis, and returns the one that is there in the end.
func (l *Ledger) create(ctx context.Context, opts Options) ([]byte, error) {
	if opts.Now.IsZero() {
		opts.Now = time.Now()
	}
	// A folder of entries without a genesis has lost it: a new one would disown them.
	if seq, err := l.beyond(ctx, 0); err != nil || seq > 0 {
		if err == nil {
			err = fmt.Errorf("%w: it has entries, but %s is missing", ErrBroken, GenesisName)
		}
		return nil, err
	}
	b, err := encode(Genesis{
		Format: GenesisFormat, ID: newID(), Created: opts.Now.UTC().Truncate(time.Millisecond), Tool: opts.Tool, Every: provision.Duration(opts.Every),
	})
	if err != nil {
		return nil, err
	}
	if _, err := l.put(ctx, GenesisName, b); err != nil {
		return nil, err
	}
	return l.store.read(ctx, GenesisName, maxGenesis)
}

// Close gives the storage back.
func (l *Ledger) Close() error { return l.store.Close() }

// Genesis is the ledger's first object.
func (l *Ledger) Genesis() Genesis { return l.genesis }

// String is where the ledger is.
func (l *Ledger) String() string { return l.place }

// put creates an object; it is false when there is one already that says something else.
func (l *Ledger) put(ctx context.Context, name string, b []byte) (bool, error) {
	err := l.store.bucket.WriteAll(ctx, l.store.prefix+name, b, &blob.WriterOptions{
		ContentType: contentType, IfNotExist: true, BeforeWrite: l.store.writing,
	})
	switch {
	case err == nil:
		return true, nil
	case gcerrors.Code(err) != gcerrors.FailedPrecondition && !conflicts(err):
		return false, err
	}
	// S3's client repeats a write whose answer was lost: the object that is in the way may be ours.
	there, err := l.store.read(ctx, name, int64(len(b)))
	if err != nil && !errors.Is(err, errTooLarge) && gcerrors.Code(err) != gcerrors.NotFound {
		return false, err
	}
	return err == nil && string(there) == string(b), nil
}

// attempts is how often Append tries to be first.
const attempts = 30

// Append adds a run, and returns the new head once it is there to stay. ErrBusy says that other writers were first
// each time; ErrBroken that what is there is no ledger that could be added to. After any other error the run may or
// may not be in the ledger.
func (l *Ledger) Append(ctx context.Context, r reports.Record) (Head, error) {
	wrap := func(err error) (Head, error) {
		return Head{}, fmt.Errorf("append to the ledger %s: %w", l.place, err)
	}
	e := Entry{Format: EntryFormat, ID: newID(), Record: r}
	var from uint64
	for n := range attempts {
		head, err := l.head(ctx, from)
		if err != nil {
			return wrap(err)
		}
		from = head.Seq
		e.Seq, e.Prev = head.Seq+1, head.Hash
		b, err := encode(e)
		if err != nil {
			return wrap(fmt.Errorf("encode the entry: %w", err))
		}
		if len(b) > maxEntry {
			return wrap(fmt.Errorf("the run takes %d bytes, and an entry holds %d at most: verify fewer links at once (--link)", len(b), maxEntry))
		}
		if created, err := l.put(ctx, entryName(e.Seq), b); err != nil {
			return wrap(fmt.Errorf("write %s: %w", entryName(e.Seq), err))
		} else if created {
			return Head{Seq: e.Seq, Hash: hashOf(b)}, nil
		}
		// Another writer was first. Full jitter, growing to a second.
		if err := l.pause(ctx, rand.N(min(time.Second, 10*time.Millisecond<<min(n, 7)))); err != nil {
			return wrap(err)
		}
	}
	return wrap(fmt.Errorf("%w, %d times in a row", ErrBusy, attempts))
}

// Head is the newest entry, or the genesis of an empty ledger.
func (l *Ledger) Head(ctx context.Context) (Head, error) {
	h, err := l.head(ctx, 0)
	if err != nil {
		return Head{}, fmt.Errorf("find the head of the ledger %s: %w", l.place, err)
	}
	return h, nil
}

// head finds the newest entry, knowing that entry from is there (0: nothing is known). It asks for entries twice as far each time,
// then halves: a ledger of a million entries costs forty short questions, where listing it would cost a thousand.
func (l *Ledger) head(ctx context.Context, from uint64) (Head, error) {
	there := func(seq uint64) (bool, error) { return l.store.bucket.Exists(ctx, l.store.prefix+entryName(seq)) }
	low, step := from, uint64(1)
	for {
		ok, err := there(low + step)
		if err != nil {
			return Head{}, err
		}
		if !ok {
			break
		}
		low, step = low+step, step*2
	}
	for high := low + step; high-low > 1; {
		middle := low + (high-low)/2
		ok, err := there(middle)
		if err != nil {
			return Head{}, err
		}
		if ok {
			low = middle
		} else {
			high = middle
		}
	}
	// The search believes that there are no holes. To append into one would end the proof of what lies beyond.
	switch beyond, err := l.beyond(ctx, low); {
	case err != nil:
		return Head{}, err
	case beyond > low+1:
		return Head{}, fmt.Errorf("%w: entry %d is missing, and there is entry %d (linkassay evidence verify tells more)", ErrBroken, low+1, beyond)
	case beyond == low+1: // appended just now
		return l.head(ctx, beyond)
	}
	if low == 0 {
		return Head{Hash: l.first}, nil
	}
	b, err := l.store.read(ctx, entryName(low), maxEntry)
	if err != nil {
		return Head{}, fmt.Errorf("read %s: %w", entryName(low), err)
	}
	if e, err := DecodeEntry(b); err != nil {
		return Head{}, fmt.Errorf("read %s: %w", entryName(low), err)
	} else if e.Seq != low {
		return Head{}, fmt.Errorf("%w: %s says that it is entry %d", ErrBroken, entryName(low), e.Seq)
	}
	return Head{Seq: low, Hash: hashOf(b)}, nil
}

// beyond is the first entry after seq that the storage lists, 0 when there is none.
func (l *Ledger) beyond(ctx context.Context, seq uint64) (uint64, error) {
	list := l.store.bucket.List(&blob.ListOptions{
		Prefix: l.store.prefix + entriesDir, BeforeList: after(l.store.prefix + entryName(seq)),
	})
	for {
		o, err := list.Next(ctx)
		if errors.Is(err, io.EOF) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		if n, ok := seqOf(o.Key[len(l.store.prefix):]); ok && n > seq {
			return n, nil
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
