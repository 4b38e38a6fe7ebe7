package evidence

import (
	"bytes"
	"flag"
	"io/fs"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/fstest"
)

// changed is a bundle in memory of which one file reads otherwise.
type changed struct {
	fstest.MapFS
	entries []fs.DirEntry
	name    string
	data    []byte
}

func (c *changed) Open(name string) (fs.File, error) {
	data := c.data
	if name != c.name {
		f, ok := c.MapFS[name]
		if !ok {
			return nil, fs.ErrNotExist
		}
		data = f.Data
	}
	return &memFile{Reader: bytes.NewReader(data), size: int64(len(data))}, nil
}

func (c *changed) ReadDir(string) ([]fs.DirEntry, error) { return c.entries, nil }

type memFile struct {
	*bytes.Reader
	fs.FileInfo
	size int64
}

func (f *memFile) Stat() (fs.FileInfo, error) { return f, nil }
func (f *memFile) Size() int64                { return f.size }
func (f *memFile) Close() error               { return nil }

// everyByte is set by make tamper; without it, the larger files are changed at some thousand places only.
var everyByte = flag.Bool("every-byte", false, "change every byte of the larger files of a bundle too")

// fewChanges is how many bytes of one file are changed without -every-byte.
const fewChanges = 1500

// Every single-byte change of every file of a signed bundle is refused, by Verify as anybody calls it.
func TestEveryByteCounts(t *testing.T) {
	t.Parallel()
	seal, options := signed(t)
	files := load(t, bundleOf(t, runOf(t, "verification || identity", "provider-only"), seal))
	if r, err := Verify(files, options); err != nil || !r.Verified {
		t.Fatalf("the bundle itself: %+v, %v", r, err)
	}
	entries, err := files.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	type change struct {
		name string
		at   int
	}
	work := make(chan change, 1024)
	var wg sync.WaitGroup
	tried := make([]int, runtime.GOMAXPROCS(0))
	for i := range tried {
		wg.Go(func() {
			c := &changed{MapFS: files, entries: entries}
			for w := range work {
				c.name, c.data = w.name, bytes.Clone(files[w.name].Data)
				was := c.data[w.at]
				// The lowest bit, and what is another letter case, for files that are read before their digest is known.
				flips := []byte{was ^ 1}
				if len(c.data) < 4096 {
					flips = append(flips, was^0x20, was^0x80, '\n', ' ')
				}
				for _, b := range flips {
					if b == was {
						continue
					}
					c.data[w.at] = b
					tried[i]++
					if r, err := Verify(c, options); err == nil && r.Verified {
						t.Errorf("byte %d of %s: %q became %q, and it is verified", w.at, w.name, was, b)
					} else if err != nil {
						t.Errorf("byte %d of %s: %q became %q: not refused, but %v", w.at, w.name, was, b, err)
					}
				}
			}
		})
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		size := len(files[name].Data)
		step := 1
		if !*everyByte {
			step = max(1, size/fewChanges)
		}
		for at := 0; at < size; at += step {
			work <- change{name, at + min(rand.IntN(step), size-1-at)}
		}
	}
	close(work)
	wg.Wait()
	total := 0
	for _, n := range tried {
		total += n
	}
	t.Logf("%d changes of %d files refused", total, len(files))
}

// A byte more and a byte less are changes too.
func TestEveryLengthCounts(t *testing.T) {
	t.Parallel()
	seal, options := signed(t)
	files := load(t, bundleOf(t, runOf(t, "identity", "provider-only"), seal))
	for name, f := range files {
		for what, data := range map[string][]byte{
			"a byte more": append(bytes.Clone(f.Data), '\n'), "a byte less": f.Data[:len(f.Data)-1], "empty": {}, "twice": append(bytes.Clone(f.Data), f.Data...),
			"a byte before": append([]byte{'\n'}, f.Data...), "CRLF": bytes.ReplaceAll(f.Data, []byte("\n"), []byte("\r\n")),
		} {
			other := maps.Clone(files)
			other[name] = &fstest.MapFile{Data: data, Mode: 0o644}
			if r, err := Verify(other, options); err != nil || r.Verified {
				t.Errorf("%s: %s: %+v, %v", name, what, r, err)
			}
		}
	}
}
