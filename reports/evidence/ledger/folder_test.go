package ledger

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gocloud.dev/blob"

	"github.com/linkassay/linkassay/reports"
)

// writerVariable makes the test's own binary a writer to a folder, for TestMain.
const writerVariable = "LINKASSAY_TEST_LEDGER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(writerVariable); dir != "" {
		write(dir)
	}
	os.Exit(m.Run())
}

// write appends until it is ended or its standard input is, and prints each head that was acknowledged.
func write(dir string) {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0) // whoever started it is gone
	}()
	l, err := OpenOrCreate(context.Background(), Place{Dir: dir}, Options{})
	for i := 0; err == nil; i++ {
		var h Head
		if h, err = l.Append(context.Background(), record(i, reports.Up)); err == nil {
			fmt.Println(h)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// writer is a process that appends.
type writer struct {
	cmd   *exec.Cmd
	stdin io.Closer
	lines *bufio.Scanner
}

func startWriter(t *testing.T, dir string) *writer {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), writerVariable+"="+dir)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &writer{cmd, in, bufio.NewScanner(out)}
}

// kill kills the process after it has acknowledged so many entries, wherever it is then, and returns all the heads it acknowledged.
func (w *writer) kill(t *testing.T, after int) []Head {
	t.Helper()
	var heads []Head
	killed := false
	for {
		if len(heads) >= after && !killed {
			killed = true
			if err := w.cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
		if !w.lines.Scan() {
			break
		}
		h, err := ParseHead(w.lines.Text())
		if err != nil {
			break // the last line, torn
		}
		heads = append(heads, h)
	}
	_ = w.cmd.Wait()
	_ = w.stdin.Close()
	if !killed {
		t.Errorf("the writer ended by itself after %d entries", len(heads))
	}
	return heads
}

// Two processes write at once and are killed with SIGKILL, many times: whatever they acknowledged is there, in one chain.
func TestKilledProcessesLoseNoAcknowledgedRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var mu sync.Mutex
	var heads []Head
	for round := range 6 {
		var wg sync.WaitGroup
		for i := range 2 {
			w := startWriter(t, dir)
			wg.Go(func() {
				got := w.kill(t, 1+(round*3+i*2)%7)
				mu.Lock()
				heads = append(heads, got...)
				mu.Unlock()
			})
		}
		wg.Wait()
	}
	l := inFolder(t, dir)
	r := verified(t, l, heads...)
	if len(r.Problems) > 0 || len(heads) == 0 || r.Entries < uint64(len(heads)) {
		t.Fatalf("%d acknowledged heads, %d entries, %v", len(heads), r.Entries, r.Problems)
	}
	if _, err := l.Append(t.Context(), record(0, reports.Up)); err != nil {
		t.Fatalf("append after the kills: %v", err)
	}
}

var errDied = errors.New("died here")

// A writer dies at each step that changes the disk, one after the other.
func TestDyingAtEachStepLosesNoAcknowledgedRun(t *testing.T) {
	t.Parallel()
	for n := 0; ; n++ {
		dir := filepath.Join(t.TempDir(), "ledger")
		heads := fill(t, inFolder(t, dir), 2)
		f, err := openFolder(dir, true)
		if err != nil {
			t.Fatal(err)
		}
		left := n
		var died string
		f.step = func(what string) error {
			if left == 0 {
				if died == "" {
					died = what
				}
				return errDied // and stays dead: it cleans nothing up
			}
			left--
			return nil
		}
		dying, err := newLedger(t.Context(), dir, &store{bucket: blob.NewBucket(f)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		head, err := dying.Append(t.Context(), record(2, reports.Down))
		if err == nil {
			heads = append(heads, head)
		}
		_ = dying.Close()

		l := inFolder(t, dir)
		r := verified(t, l, heads...)
		if len(r.Problems) > 0 {
			t.Fatalf("died at step %d (%s): %v", n, died, r.Problems)
		}
		if _, err := l.Append(t.Context(), record(3, reports.Up)); err != nil {
			t.Fatalf("died at step %d (%s): the next one cannot append: %v", n, died, err)
		}
		if died == "" {
			if n < 8 {
				t.Fatalf("only %d steps: are all of them announced?", n)
			}
			return
		}
		if err != nil && !errors.Is(err, errDied) {
			t.Fatalf("died at step %d (%s): %v", n, died, err)
		}
	}
}

// What is acknowledged is on the disk: the file before it gets its name, the name before it is acknowledged.
func TestStepsAreInAnOrderThatLasts(t *testing.T) {
	t.Parallel()
	f, err := openFolder(t.TempDir(), true)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var steps []string
	f.step = func(what string) error { steps = append(steps, what); return nil }
	if err := f.create("entries/0000000001.json", []byte("{}\n")); err != nil {
		t.Fatal(err)
	}
	want := []string{"mkdir", "sync directory", "create", "write", "write", "sync", "link", "sync directory", "remove"}
	if !slices.Equal(steps, want) {
		t.Errorf("steps %v, want %v", steps, want)
	}
	if err := f.create("entries/0000000001.json", []byte("{}\n")); !errors.Is(err, os.ErrExist) {
		t.Errorf("a second one: %v", err)
	}
	if b, err := os.ReadFile(filepath.Join(f.root.Name(), "entries/0000000001.json")); err != nil || string(b) != "{}\n" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestTornFilesAreNoEntriesAndAreSwept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	heads := fill(t, inFolder(t, dir), 1)
	torn := filepath.Join(dir, "entries", tempPrefix+"old")
	young := filepath.Join(dir, "entries", tempPrefix+"young")
	for _, name := range []string{torn, young} {
		if err := os.WriteFile(name, []byte(`{"format":`), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	old := time.Now().Add(-2 * staleAfter)
	if err := os.Chtimes(torn, old, old); err != nil {
		t.Fatal(err)
	}
	if r := verified(t, inFolder(t, dir), heads...); len(r.Problems) > 0 {
		t.Fatal(r.Problems)
	}
	if _, err := os.Stat(torn); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old one is still there: %v", err)
	}
	if _, err := os.Stat(young); err != nil {
		t.Errorf("the one that may be being written is gone: %v", err)
	}
}

// Whoever hands a ledger over may have put anything in its place.
func TestHostileFoldersNeitherBlockNorLeadOutside(t *testing.T) {
	t.Parallel()
	for name, put := range map[string]func(path string) error{
		"pipe":         func(path string) error { return syscall.Mkfifo(path, 0o644) },
		"directory":    func(path string) error { return os.Mkdir(path, 0o755) },
		"link outside": func(path string) error { return os.Symlink("/etc/passwd", path) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			l := inFolder(t, dir)
			fill(t, l, 1)
			if err := put(filepath.Join(dir, entryName(2))); err != nil {
				t.Fatal(err)
			}
			if r, err := l.Verify(t.Context(), VerifyOptions{}); err == nil || strings.Contains(fmt.Sprint(err, r), "root:") {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}
