package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/linkassay/linkassay/reports"
)

var errTooLarge = errors.New("it is larger than linkassay writes")

func readAll(r io.Reader, most int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("%w: over %d bytes", errTooLarge, most)
	}
	return b, err
}

// ProblemKind says what is wrong with a ledger.
type ProblemKind string

// What can be wrong with a ledger.
const (
	Missing   ProblemKind = "missing"   // an entry was removed
	Changed   ProblemKind = "changed"   // an entry's bytes are not those that the next one, or a known head, is of
	Reordered ProblemKind = "reordered" // an entry stands under another's number
	Foreign   ProblemKind = "foreign"   // something that linkassay did not write
	Newer     ProblemKind = "newer"     // a newer linkassay wrote it: nothing is known of it
)

// Problem is one thing that is wrong.
type Problem struct {
	Kind ProblemKind `json:"kind"`
	Seq  uint64      `json:"seq,omitempty"` // of the entry, 0 when it is of none
	Text string      `json:"text"`
}

func (p Problem) String() string { return string(p.Kind) + ": " + p.Text }

// Result is what verifying came to.
type Result struct {
	Genesis  Genesis
	Entries  uint64 // that are there
	Head     Head   // the newest entry that is there
	First    time.Time
	Last     time.Time // when the oldest and the newest run ended
	Problems []Problem // none: all is proved up to Proved
	// Proved is how far a known head proves that nothing was removed, reordered or changed; 0 without one. Entries
	// up to the newest hang together all the same, but newer ones may have been cut off and all of them written anew.
	Proved uint64
	Gaps   []reports.Gap
}

// maxProblems bounds what is said of a ledger that has nothing right in it.
const maxProblems = 100

// VerifyOptions are what is known of the ledger from elsewhere.
type VerifyOptions struct {
	Heads []Head        // known heads; each must be in the ledger
	Every time.Duration // the schedule that runs were on; zero is what they say themselves
	Now   time.Time     // how long the newest runs are ago; zero asks nothing of that
	Each  func(*Entry)  // gets each entry that can be read, in order; nil does nothing
}

// Verify proves, as far as known heads go, that no entry was removed, reordered or changed. What is wrong is in the
// result; an error means that the ledger could not be read.
func (l *Ledger) Verify(ctx context.Context, opts VerifyOptions) (*Result, error) {
	v := &verifying{result: &Result{Genesis: l.genesis, Head: Head{Hash: l.first}}, prev: l.first, heads: opts.Heads, found: make([]bool, len(opts.Heads))}
	v.head(0, l.first)
	gaps := reports.NewGaps(opts.Every, time.Duration(l.genesis.Every))
	for o, err := range l.objects(ctx, 0) {
		if err != nil {
			return nil, fmt.Errorf("read the ledger %s: %w", l.place, err)
		}
		if e := v.object(o); e != nil {
			gaps.Add(e.Record)
			if opts.Each != nil {
				opts.Each(e)
			}
		}
	}
	v.end()
	v.result.Gaps = gaps.End(opts.Now)
	return v.result, nil
}

// verifying goes along the chain.
type verifying struct {
	result *Result
	next   uint64 // the number that comes next, from 1
	prev   string // hash of what stands before it; "" after something that is missing
	heads  []Head
	found  []bool
}

func (v *verifying) problem(kind ProblemKind, seq uint64, format string, args ...any) {
	if len(v.result.Problems) < maxProblems {
		v.result.Problems = append(v.result.Problems, Problem{kind, seq, fmt.Sprintf(format, args...)})
	}
}

// head notes which known heads an entry is.
func (v *verifying) head(seq uint64, hash string) {
	for i, h := range v.heads {
		switch {
		case h.Hash == hash && (h.Seq == 0 || h.Seq == seq):
			v.found[i] = true
			v.result.Proved = max(v.result.Proved, seq)
		case h.Hash == hash:
			v.problem(Reordered, seq, "entry %d is known as entry %d", seq, h.Seq)
			v.found[i] = true
		case h.Seq == seq && seq > 0:
			v.problem(Changed, seq, "entry %d is not the one that the known head is of: its hash is %s, not %s", seq, hash, h.Hash)
			v.found[i] = true
		}
	}
}

// object looks at the next object of the listing, and returns its entry when it is one.
func (v *verifying) object(o object) *Entry {
	if o.seq == 0 {
		v.problem(Foreign, 0, "%q: linkassay writes no such object", o.name)
		return nil
	}
	if o.seq > v.next+1 {
		if o.seq == v.next+2 {
			v.problem(Missing, v.next+1, "entry %d was removed: entry %d is there", v.next+1, o.seq)
		} else {
			v.problem(Missing, v.next+1, "entries %d to %d were removed: entry %d is there", v.next+1, o.seq-1, o.seq)
		}
		v.prev = ""
	}
	v.next = o.seq
	before := v.prev
	v.prev = o.hash
	v.result.Entries++
	v.result.Head = Head{o.seq, o.hash}
	v.head(o.seq, o.hash)
	switch {
	case errors.Is(o.err, ErrNewer):
		v.problem(Newer, o.seq, "entry %d: %v", o.seq, o.err)
		return nil
	case o.err != nil:
		v.problem(Changed, o.seq, "entry %d: %v", o.seq, o.err)
		return nil
	}
	e := o.entry
	switch {
	case e.Seq != o.seq:
		v.problem(Reordered, o.seq, "%s holds entry %d", o.name, e.Seq)
	case before != "" && e.Prev != before && o.seq == 1:
		v.problem(Changed, o.seq, "%s was changed, or entry 1 is another ledger's: entry 1 holds the hash %s, and it has %s", GenesisName, e.Prev, before)
	case before != "" && e.Prev != before:
		v.problem(Changed, o.seq-1, "entry %d was changed: entry %d holds its hash as %s, and it has %s", o.seq-1, o.seq, e.Prev, before)
	}
	if v.result.First.IsZero() {
		v.result.First = e.Record.Finished
	}
	v.result.Last = e.Record.Finished
	return e
}

func (v *verifying) end() {
	for i, h := range v.heads {
		switch {
		case v.found[i]:
		case h.Seq > v.result.Head.Seq:
			v.problem(Missing, h.Seq, "entries %d to %d were removed: the known head is entry %d, and the newest here is %d", v.result.Head.Seq+1, h.Seq, h.Seq, v.result.Head.Seq)
		default:
			v.problem(Missing, h.Seq, "no entry has the known head's hash %s: it was removed or changed", h.Hash)
		}
	}
	if len(v.result.Problems) > 0 {
		v.result.Proved = 0
	}
}

// object is one object as it was read.
type object struct {
	name  string
	seq   uint64 // 0 when it is no entry
	hash  string
	entry *Entry
	err   error // why it is no entry
}

// readAhead is how many entries are read at once: S3 takes tens of milliseconds for each.
const readAhead = 16

// objects reads every object of the entries, in order, from entry first on.
func (l *Ledger) objects(ctx context.Context, first uint64) iter.Seq2[object, error] {
	return func(yield func(object, error) bool) {
		names, err := l.names(ctx, first)
		if err != nil {
			yield(object{}, err)
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		type read struct {
			object
			err error
		}
		ahead := make(chan chan read, readAhead)
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer close(ahead)
			for _, name := range names {
				c := make(chan read, 1)
				select {
				case ahead <- c:
				case <-ctx.Done():
					return
				}
				go func() {
					o, err := l.object(ctx, name)
					c <- read{o, err}
				}()
			}
		}()
		defer func() {
			cancel()
			for c := range ahead {
				<-c // each reader is waited for
			}
			<-done
		}()
		for c := range ahead {
			r := <-c
			if !yield(r.object, r.err) || r.err != nil {
				return
			}
		}
	}
}

// names lists the objects below entries/ in order.
func (l *Ledger) names(ctx context.Context, first uint64) ([]string, error) {
	opts := &blob.ListOptions{Prefix: l.store.prefix + entriesDir}
	if first > 1 {
		opts.BeforeList = after(l.store.prefix + entryName(first-1))
	}
	var names []string
	list := l.store.bucket.List(opts)
	for {
		o, err := list.Next(ctx)
		if errors.Is(err, io.EOF) {
			slices.Sort(names)
			return names, nil
		}
		if err != nil {
			return nil, err
		}
		name := o.Key[len(l.store.prefix):]
		if seq, ok := seqOf(name); !ok || seq >= first {
			names = append(names, name)
		}
	}
}

func (l *Ledger) object(ctx context.Context, name string) (object, error) {
	o := object{name: name}
	var ok bool
	if o.seq, ok = seqOf(name); !ok {
		return o, nil
	}
	b, err := l.store.read(ctx, name, maxEntry)
	switch {
	case errors.Is(err, errTooLarge):
		o.err = err
		return o, nil
	case gcerrors.Code(err) == gcerrors.NotFound:
		return o, fmt.Errorf("%s went away while the ledger was being read: %w", name, err)
	case err != nil:
		return o, fmt.Errorf("read %s: %w", name, err)
	}
	o.hash = hashOf(b)
	o.entry, o.err = DecodeEntry(b)
	return o, nil
}

// Entries reads the entries in order from entry first on; 0 and 1 are all. It proves nothing, and ends at the first thing that
// is wrong: Verify tells what.
func (l *Ledger) Entries(ctx context.Context, first uint64) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		for o, err := range l.objects(ctx, first) {
			if err == nil && o.seq == 0 {
				continue
			}
			if err == nil {
				err = o.err
			}
			if err == nil && o.entry.Seq != o.seq {
				err = fmt.Errorf("%s holds entry %d", o.name, o.entry.Seq)
			}
			if err != nil {
				yield(nil, fmt.Errorf("read the ledger %s: %s: %w", l.place, o.name, err))
				return
			}
			if !yield(o.entry, nil) {
				return
			}
		}
	}
}
