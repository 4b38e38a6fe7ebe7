package history

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/linkassay/linkassay/suites/canary"
)

// childOf is set where the test binary is a child of a test: the file that it is to write to.
const childOf = "LINKASSAY_TEST_HISTORY"

// TestChildWrites is the child of the tests below: it writes until it is killed, and says what is on the disk.
func TestChildWrites(t *testing.T) {
	path := os.Getenv(childOf)
	if path == "" {
		t.Skip("only as a child of another test")
	}
	h, err := Open(t.Context(), path, Options{})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	last := h.Last()
	first := 0
	for name := range last {
		var n int
		if _, err := fmt.Sscanf(name, "link-%d", &n); err == nil {
			first = max(first, n+1)
		}
	}
	for n := first; ; n++ {
		name := fmt.Sprintf("link-%d", n)
		now := noon.Add(time.Duration(n) * time.Second)
		for k := range 40 {
			tell(t, h, at(fmt.Sprintf("other-%d", k), canary.Good, now))
		}
		tell(t, h, at(name, canary.Bad, now), canary.Change{Kind: canary.Opened, At: now, Incident: incident(now, name)})
		if n%7 == 3 {
			err = h.trim(context.Background())
		}
		state := canary.NewBoard().State(now)
		if err = errors.Join(err, h.Sync(context.Background()), h.Save(context.Background(), state)); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		fmt.Println("kept", n)
	}
}

// A process that is killed at any time leaves a sound file, with all that it said was kept.
func TestKilledAtAnyTime(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short has no time for it")
	}
	path := filepath.Join(t.TempDir(), "history.db")
	kept := -1
	for round := range 12 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChildWrites$")
		cmd.Env = append(os.Environ(), childOf+"="+path)
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		// The first are killed while they open or make the file, others in the middle of what they write next.
		kill := func(within time.Duration) {
			time.AfterFunc(time.Duration(rand.Int64N(int64(within))), func() { _ = cmd.Process.Kill() })
		}
		lasts := 1 + rand.IntN(5)
		if round < 4 {
			kill(40 * time.Millisecond)
		}
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if after, ok := strings.CutPrefix(lines.Text(), "kept "); ok {
				_, _ = fmt.Sscanf(after, "%d", &kept)
				if lasts--; lasts == 0 {
					kill(15 * time.Millisecond)
				}
			} else if strings.HasPrefix(lines.Text(), "error ") {
				t.Errorf("the child: %s", lines.Text())
			}
		}
		_ = cmd.Wait()
	}
	h, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	var said string
	if err := h.db.QueryRow("PRAGMA integrity_check").Scan(&said); err != nil || said != "ok" {
		t.Errorf("%q %v", said, err)
	}
	for n := 0; n <= kept; n++ {
		name := fmt.Sprintf("link-%d", n)
		past, err := h.Incidents(t.Context(), name, time.Time{}, 10)
		if runs := runsOf(t, h, name); err != nil || len(runs) != 1 || runs[0].Outcome != canary.Bad || len(past) == 0 {
			t.Fatalf("%s was kept, and is lost: %v %v %v", name, runs, past, err)
		}
	}
	if s, err := h.Load(t.Context()); err != nil || kept >= 0 && s.Saved.Before(noon.Add(time.Duration(kept)*time.Second)) {
		t.Errorf("%+v %v, expected the state of number %d", s, err, kept)
	}
	if kept < 7 {
		t.Errorf("%d rounds were kept by eight children that wait for it", kept+1)
	}
	t.Logf("%d rounds were kept over 12 kills", kept+1)
}

// fullDisk makes a place that has no room left, and then some.
type fullDisk struct {
	dir         string
	fill, clear func() error
}

// TestChildRunsFull is the child of TestFullDisk.
func TestChildRunsFull(t *testing.T) {
	kind := os.Getenv(childOf)
	if kind == "" {
		t.Skip("only as a child of another test")
	}
	d := fullDisk{dir: t.TempDir()}
	switch kind {
	case "limit": // no file may grow beyond its bound
		signal.Ignore(syscall.SIGXFSZ)
		limit := func(n uint64) error {
			var l syscall.Rlimit
			err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &l)
			l.Cur = min(n, l.Max)
			return errors.Join(err, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &l))
		}
		d.fill = func() error { return limit(96 << 10) }
		d.clear = func() error { return limit(1 << 40) }
	case "tmpfs": // in a mount namespace of its own
		if err := mount(d.dir); err != nil {
			fmt.Println("not permitted", err)
			os.Exit(0)
		}
		filler := filepath.Join(d.dir, "filler")
		d.fill = func() error {
			f, err := os.Create(filler)
			for err == nil {
				_, err = f.Write(make([]byte, 4096))
			}
			if errors.Is(err, syscall.ENOSPC) {
				err = nil
			}
			return errors.Join(err, f.Close())
		}
		d.clear = func() error { return os.Remove(filler) }
	}
	path := filepath.Join(d.dir, "history.db")
	var told []error
	h, err := Open(t.Context(), path, Options{Problem: func(err error) { told = append(told, err) }})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	more := func() {
		for range 2000 {
			tell(t, h, at(fmt.Sprintf("link-%d", n), canary.Bad, noon))
			n++
		}
	}
	for range 10 {
		tell(t, h, at(fmt.Sprintf("link-%d", n), canary.Bad, noon))
		n++
	}
	synced(t, h)
	if err := d.fill(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	more() // rounds do not wait
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("2,000 rounds took %s", took)
	}
	if err := h.Sync(t.Context()); err == nil || !strings.Contains(err.Error(), "2000 rounds and changes wait, 0 are lost") {
		t.Errorf("on a full disk: %v", err)
	}
	if err := h.Save(t.Context(), canary.NewBoard().State(noon)); err == nil && kind == "tmpfs" {
		t.Log("there was room for a state")
	}
	h.mu.Lock()
	heavy := h.heavy
	h.heavy = maxWaiting // a long time has passed
	h.mu.Unlock()
	tell(t, h, at("lost", canary.Bad, noon))
	h.mu.Lock()
	h.heavy = heavy
	h.mu.Unlock()
	if runs := runsOf(t, h, "link-3"); len(runs) != 1 {
		t.Errorf("what was written can't be read: %v", words(runs))
	}
	if err := d.clear(); err != nil {
		t.Fatal(err)
	}
	synced(t, h)
	if len(told) == 0 || !strings.Contains(told[len(told)-1].Error(), "1 rounds or changes that there was no room for") {
		t.Errorf("what was lost is not told: %v", told)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	var said string
	var links int
	err = errors.Join(db.QueryRow("PRAGMA integrity_check").Scan(&said), db.QueryRow("SELECT count(*) FROM told").Scan(&links), db.Close())
	if err != nil || said != "ok" || links != n {
		t.Errorf("%q, %d links, expected %d (%v)", said, links, n, err)
	}
	if kind == "tmpfs" {
		_ = unmount(d.dir)
	}
	if !t.Failed() {
		fmt.Println("as expected")
	}
}

// A full disk stops nobody: rounds wait or are counted as lost, the file stays sound, and writing goes on when there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	for kind, attr := range fullDisks() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChildRunsFull$", "-test.v")
			cmd.Env = append(os.Environ(), childOf+"="+kind)
			cmd.SysProcAttr = attr
			out, err := cmd.CombinedOutput()
			text := string(out)
			switch {
			case strings.Contains(text, "not permitted"), errors.Is(err, syscall.EPERM), errors.Is(err, syscall.ENOSYS):
				t.Skipf("this system does not permit it: %v %s", err, text)
			case err != nil || !strings.Contains(text, "as expected"):
				t.Errorf("%v\n%s", err, text)
			}
		})
	}
}
