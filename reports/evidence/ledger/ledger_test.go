package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/linkassay/linkassay/reports"
	"github.com/linkassay/linkassay/suites"
)

func start() time.Time { return time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC) }

// record is a run of one link that ended n minutes after start.
func record(n int, state reports.State) reports.Record {
	at := start().Add(time.Duration(n) * time.Minute)
	return reports.Record{
		Kind: reports.KindRun, Tool: "linkassay", Version: "0.1.0", Started: at.Add(-time.Second), Finished: at,
		Links: []reports.LinkRecord{{
			Name: "charts-api", State: state, Observed: at,
			Config: reports.ConfigRecord{Digest: strings.Repeat("ab", 32), Values: map[string]string{"region": "ap-southeast-1"}},
			Checks: map[string]reports.CheckRecord{"dns.private-name-resolves": {Status: suites.Passed, Severity: suites.Critical, Revision: 1}},
		}},
	}
}

func inMemory(t *testing.T) *Ledger {
	t.Helper()
	l, err := newLedger(t.Context(), "memory", &store{bucket: memblob.OpenBucket(nil), prefix: "a/b/"}, &Options{Tool: "linkassay 0.1.0", Now: start()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func inFolder(t *testing.T, dir string) *Ledger {
	t.Helper()
	l, err := OpenOrCreate(t.Context(), Place{Dir: dir}, Options{Tool: "linkassay 0.1.0", Now: start()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// fill appends so many runs and returns all heads, that of the empty ledger first.
func fill(t *testing.T, l *Ledger, runs int) []Head {
	t.Helper()
	h, err := l.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	heads := []Head{h}
	for i := range runs {
		h, err := l.Append(t.Context(), record(i, reports.Up))
		if err != nil {
			t.Fatal(err)
		}
		heads = append(heads, h)
	}
	return heads
}

func verified(t *testing.T, l *Ledger, heads ...Head) *Result {
	t.Helper()
	r, err := l.Verify(t.Context(), VerifyOptions{Heads: heads})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAppendedRunsAreReadAndProved(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T) *Ledger{
		"memory": inMemory,
		"folder": func(t *testing.T) *Ledger { return inFolder(t, filepath.Join(t.TempDir(), "a", "ledger")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := open(t)
			heads := fill(t, l, 20)
			if h, err := l.Head(t.Context()); err != nil || h != heads[20] || h.Seq != 20 {
				t.Fatalf("head %v, %v; want %v", h, err, heads[20])
			}
			r := verified(t, l, heads...)
			if len(r.Problems) > 0 || r.Proved != 20 || r.Entries != 20 || r.Head != heads[20] {
				t.Fatalf("%+v", r)
			}
			if r := verified(t, l); len(r.Problems) > 0 || r.Proved != 0 {
				t.Fatalf("without a head nothing is proved of what may be missing: %+v", r)
			}
			if r := verified(t, l, Head{Hash: heads[7].Hash}); r.Proved != 7 {
				t.Fatalf("a hash alone is found: %+v", r)
			}
			var seqs []uint64
			for e, err := range l.Entries(t.Context(), 12) {
				if err != nil {
					t.Fatal(err)
				}
				seqs = append(seqs, e.Seq)
				if want := record(int(e.Seq)-1, reports.Up); !e.Record.Finished.Equal(want.Finished) || e.Record.Links[0].Name != "charts-api" {
					t.Fatalf("entry %d is %+v", e.Seq, e.Record)
				}
			}
			if !slices.Equal(seqs, []uint64{12, 13, 14, 15, 16, 17, 18, 19, 20}) {
				t.Fatalf("entries %v", seqs)
			}
		})
	}
}

// An auditor needs no linkassay to follow the chain.
func TestHashesAreThoseOfTheFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	heads := fill(t, inFolder(t, dir), 2)
	for i, name := range []string{"ledger.json", "entries/0000000001.json", "entries/0000000002.json"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(b)
		if hex.EncodeToString(sum[:]) != heads[i].Hash {
			t.Errorf("%s: the head's hash is not that of the file", name)
		}
		if i > 0 && !strings.Contains(string(b), `"prev":"`+heads[i-1].Hash+`"`) {
			t.Errorf("%s does not hold the hash of the one before it: %s", name, b)
		}
	}
}

func TestWhatWasDoneToALedgerIsToldByItsKind(t *testing.T) {
	t.Parallel()
	entry := func(dir string, n uint64) string { return filepath.Join(dir, entryName(n)) }
	edit := func(t *testing.T, path string, change func(string) string) {
		t.Helper()
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if changed := change(string(b)); changed == string(b) {
			t.Fatalf("%s: nothing to change", path)
		} else if err := os.WriteFile(path, []byte(changed), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	down := func(s string) string {
		return strings.Replace(s, `"state":"up"`, `"state":"down"`, 1)
	}
	remove := func(t *testing.T, path string) {
		t.Helper()
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name   string
		do     func(t *testing.T, dir string)
		bare   ProblemKind // without a head; "" is none
		headed ProblemKind // with the newest head
		says   string
	}{
		{"nothing", func(*testing.T, string) {}, "", "", ""},
		{"one removed", func(t *testing.T, dir string) { remove(t, entry(dir, 3)) }, Missing, Missing, "entry 3 was removed"},
		{"two removed", func(t *testing.T, dir string) { remove(t, entry(dir, 3)); remove(t, entry(dir, 4)) }, Missing, Missing, "entries 3 to 4 were removed"},
		{"the first removed", func(t *testing.T, dir string) { remove(t, entry(dir, 1)) }, Missing, Missing, "entry 1 was removed"},
		{"the newest removed", func(t *testing.T, dir string) { remove(t, entry(dir, 6)) }, "", Missing, "entries 6 to 6 were removed: the known head is entry 6"},
		{"all removed", func(t *testing.T, dir string) { _ = os.RemoveAll(filepath.Join(dir, "entries")) }, "", Missing, "entries 1 to 6 were removed"},
		{"changed", func(t *testing.T, dir string) { edit(t, entry(dir, 2), down) }, Changed, Changed, "entry 2 was changed: entry 3 holds its hash"},
		{"the newest changed", func(t *testing.T, dir string) { edit(t, entry(dir, 6), down) }, "", Changed, "entry 6 is not the one that the known head is of"},
		{"not as it is written", func(t *testing.T, dir string) {
			edit(t, entry(dir, 2), func(s string) string { return " " + s })
		}, Changed, Changed, "not in the form that linkassay writes"},
		{"a field added", func(t *testing.T, dir string) {
			edit(t, entry(dir, 6), func(s string) string { return strings.Replace(s, `{"format"`, `{"more":1,"format"`, 1) })
		}, Changed, Changed, "not in the form that linkassay writes"},
		{"two changed places", func(t *testing.T, dir string) {
			swap := filepath.Join(dir, "swap")
			for _, m := range [][2]string{{entry(dir, 2), swap}, {entry(dir, 4), entry(dir, 2)}, {swap, entry(dir, 4)}} {
				if err := os.Rename(m[0], m[1]); err != nil {
					t.Fatal(err)
				}
			}
		}, Reordered, Reordered, "entries/0000000002.json holds entry 4"},
		{"another genesis", func(t *testing.T, dir string) {
			edit(t, filepath.Join(dir, GenesisName), func(s string) string { return strings.Replace(s, "0.1.0", "0.1.1", 1) })
		}, Changed, Changed, "ledger.json was changed"},
		{"something foreign", func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "entries", "0000000007.json.bak"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}, Foreign, Foreign, "linkassay writes no such object"},
		{"a newer format", func(t *testing.T, dir string) {
			edit(t, entry(dir, 6), func(s string) string { return strings.Replace(s, "ledger-entry/v1", "ledger-entry/v2", 1) })
		}, Newer, Changed, "newer linkassay"},
		{"huge", func(t *testing.T, dir string) {
			if err := os.Truncate(entry(dir, 6), maxEntry+1); err != nil {
				t.Fatal(err)
			}
		}, Changed, Changed, "larger than linkassay writes"},
		{"all written anew", func(t *testing.T, dir string) {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			fill(t, inFolder(t, dir), 6)
		}, "", Changed, "entry 6 is not the one that the known head is of"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "l")
			heads := fill(t, inFolder(t, dir), 6)
			tt.do(t, dir)
			l, err := Open(t.Context(), Place{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			for _, c := range []struct {
				want  ProblemKind
				heads []Head
			}{{tt.bare, nil}, {tt.headed, heads[6:]}} {
				r := verified(t, l, c.heads...)
				if c.want == "" {
					if len(r.Problems) > 0 {
						t.Errorf("heads %v: %v", c.heads, r.Problems)
					}
					continue
				}
				if !slices.ContainsFunc(r.Problems, func(p Problem) bool { return p.Kind == c.want }) || r.Proved != 0 {
					t.Errorf("heads %v: %v, proved %d; want a problem of kind %s", c.heads, r.Problems, r.Proved, c.want)
				}
				if len(c.heads) > 0 && !strings.Contains(fmt.Sprint(r.Problems), tt.says) {
					t.Errorf("%v does not say %q", r.Problems, tt.says)
				}
			}
		})
	}
}

// An entry that is gone must not be written again: what comes after it would be taken for changed.
func TestNothingIsAppendedIntoAHole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := inFolder(t, dir)
	fill(t, l, 8)
	for _, n := range []uint64{1, 3, 7} {
		name := filepath.Join(dir, entryName(n))
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		if n == 3 { // one that the search does not ask for is not missed by it
			continue
		}
		if _, err := l.Append(t.Context(), record(9, reports.Up)); !errors.Is(err, ErrBroken) {
			t.Errorf("without entry %d: %v", n, err)
		}
		if err := os.WriteFile(name, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(dir, GenesisName)); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenOrCreate(t.Context(), Place{Dir: dir}, Options{}); !errors.Is(err, ErrBroken) {
		t.Errorf("entries without a genesis: %v", err)
	}
}

func TestWritersSideBySideDoNotFork(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	memory := inMemory(t)
	for name, open := range map[string]func(t *testing.T) *Ledger{
		"memory": func(*testing.T) *Ledger { return memory },
		"folder": func(t *testing.T) *Ledger { return inFolder(t, dir) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const writers, each = 6, 8
			var mu sync.Mutex
			var heads []Head
			var wg sync.WaitGroup
			var last *Ledger
			for range writers {
				l := open(t)
				last = l
				wg.Go(func() {
					for i := range each {
						h, err := l.Append(t.Context(), record(i, reports.Up))
						if err != nil {
							t.Errorf("append: %v", err)
							return
						}
						mu.Lock()
						heads = append(heads, h)
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			if r := verified(t, last, heads...); len(r.Problems) > 0 || r.Entries != writers*each || r.Proved != writers*each {
				t.Fatalf("%d heads, %+v", len(heads), r)
			}
		})
	}
}

func TestAppendGivesUpWhenOthersAreAlwaysFirst(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	other := inFolder(t, dir)
	f, err := openFolder(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	f.step = func(what string) error {
		if what != "link" {
			return nil
		}
		_, err := other.Append(t.Context(), record(0, reports.Up))
		return err
	}
	l, err := newLedger(t.Context(), dir, &store{bucket: blob.NewBucket(f)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	waits := 0
	l.pause = func(context.Context, time.Duration) error { waits++; return nil }
	if _, err := l.Append(t.Context(), record(1, reports.Up)); !errors.Is(err, ErrBusy) {
		t.Fatalf("%v", err)
	}
	if waits != attempts {
		t.Errorf("waited %d times, want %d", waits, attempts)
	}
	if r := verified(t, other); len(r.Problems) > 0 || r.Entries != attempts {
		t.Errorf("%+v", r)
	}
}
