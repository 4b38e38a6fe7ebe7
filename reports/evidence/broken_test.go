package evidence

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/linkassay/linkassay/reports"
)

// failing is a store in which from some step on everything fails, as after a kill, or one step does, as on a full disk.
type failing struct {
	store
	steps int
	from  int   // the first step that fails
	err   error // what it fails with
	once  bool  // later steps work again
}

func (f *failing) step() error {
	f.steps++
	if f.steps == f.from || f.steps > f.from && !f.once {
		return f.err
	}
	return nil
}

func (f *failing) create(name string) (storedFile, error) {
	if err := f.step(); err != nil {
		return nil, err
	}
	s, err := f.store.create(name)
	return &failingFile{s, f}, err
}

func (f *failing) rename(from, to string) error {
	if err := f.step(); err != nil {
		return err
	}
	return f.store.rename(from, to)
}

func (f *failing) remove(name string) error {
	if err := f.step(); err != nil {
		return err
	}
	return f.store.remove(name)
}

func (f *failing) sync() error {
	if err := f.step(); err != nil {
		return err
	}
	return f.store.sync()
}

type failingFile struct {
	storedFile
	f *failing
}

// Write writes half of it when it fails.
func (f *failingFile) Write(b []byte) (int, error) {
	if err := f.f.step(); err != nil {
		n, _ := f.storedFile.Write(b[:len(b)/2])
		return n, err
	}
	return f.storedFile.Write(b)
}

func (f *failingFile) Sync() error {
	if err := f.f.step(); err != nil {
		return err
	}
	return f.storedFile.Sync()
}

// writeAll is what a run does with its bundle.
func writeAll(t *testing.T, s store, r *reports.Report, o SealOptions) error {
	t.Helper()
	b, err := begin(s)
	if err != nil {
		return err
	}
	if err := b.Observe(r); err != nil {
		return err
	}
	return b.Seal(t.Context(), r, o)
}

// whole says whether a directory holds a bundle that verifies; anything else must be plainly no whole bundle.
func whole(t *testing.T, dir string, o Options) bool {
	t.Helper()
	result, err := VerifyDir(dir, o)
	if err == nil && result.Verified {
		return true
	}
	names := namesIn(t, dir)
	marked := slices.Contains(names, IncompleteFile)
	nothing := !slices.ContainsFunc(names, func(s string) bool { return !strings.HasPrefix(s, ".") })
	if !marked && !nothing {
		t.Errorf("neither whole nor marked as incomplete: %q, %+v, %v", names, result, err)
	}
	return false
}

// Whatever step of writing fails, once or for ever, what is left is a whole bundle or plainly marked as incomplete.
func TestEveryStepFails(t *testing.T) {
	t.Parallel()
	seal, options := signed(t)
	count := &failing{store: osDir(t.TempDir()), from: -1, once: true}
	if err := writeAll(t, count, runOf(t, "identity", "provider-only"), seal); err != nil {
		t.Fatal(err)
	}
	steps := count.steps
	if steps < 40 {
		t.Fatalf("only %d steps", steps)
	}
	for _, once := range []bool{true, false} {
		for from := 1; from <= steps; from++ {
			dir := t.TempDir()
			f := &failing{store: osDir(dir), from: from, once: once, err: syscall.ENOSPC}
			err := writeAll(t, f, runOf(t, "identity", "provider-only"), seal)
			if err == nil || !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), dir) {
				t.Fatalf("step %d of %d: %v", from, steps, err)
			}
			if whole(t, dir, options) && from != steps {
				t.Errorf("step %d of %d failed, and the bundle is whole", from, steps)
			}
			if left := slices.ContainsFunc(namesIn(t, dir), func(s string) bool { return strings.HasPrefix(s, ".") }); left && once {
				t.Errorf("step %d of %d left a temporary file: %q", from, steps, namesIn(t, dir))
			}
		}
	}
	// Sealing again, as demo does when something is left over, fails as plainly.
	for from := 1; from <= steps; from++ {
		dir := t.TempDir()
		f := &failing{store: osDir(dir), from: -1, once: true, err: syscall.ENOSPC}
		r := runOf(t, "identity", "provider-only")
		if err := writeAll(t, f, r, seal); err != nil {
			t.Fatal(err)
		}
		r.ExitCode, r.ExitReasons = 4, []string{"something is left over"}
		f.from, f.once = f.steps+from, false
		err := (&Bundle{f}).Seal(t.Context(), r, seal)
		if err == nil && f.steps < f.from {
			if verified(t, dir, options).Run.ExitCode != 4 {
				t.Error("sealed again, and it is the old run")
			}
			break
		}
		// Before the mark is back, the old bundle stands as it was, beside at most a temporary file of this one.
		if result, err := VerifyDir(dir, options); err != nil || result.Verified && result.Run.ExitCode != 0 && f.steps < f.from {
			t.Errorf("step %d: %+v, %v", from, result, err)
		}
	}
}

// childDir is the environment variable that makes a test process write bundles until it is killed.
const childDir = "LINKASSAY_TEST_BUNDLE"

// TestKilled kills a process with SIGKILL at each of its writes, and looks at what it leaves.
func TestKilled(t *testing.T) {
	if dir := os.Getenv(childDir); dir != "" {
		killedChild(t, dir)
		return
	}
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Skip("the test binary is not known:", err)
	}
	incomplete := 0
	for step := 1; ; step++ {
		dir := filepath.Join(t.TempDir(), "evidence")
		cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestKilled$")
		cmd.Env = append(os.Environ(), childDir+"="+dir, fmt.Sprintf("LINKASSAY_TEST_STEP=%d", step))
		out, err := cmd.CombinedOutput()
		if err == nil { // it came to its end
			if !whole(t, dir, Options{}) {
				t.Error("not killed, and not whole")
			}
			break
		}
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("step %d: %v\n%s", step, err, out)
		}
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if !whole(t, dir, Options{}) {
			incomplete++
		}
		if step > 500 {
			t.Fatal("it never ends")
		}
	}
	if incomplete < 20 {
		t.Errorf("killed in only %d places", incomplete)
	}
}

func killedChild(t *testing.T, dir string) {
	var at int
	if _, err := fmt.Sscan(os.Getenv("LINKASSAY_TEST_STEP"), &at); err != nil {
		t.Fatal(err)
	}
	d, err := openDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	k := &killer{&failing{store: d, from: -1, once: true}, at}
	if err := writeAll(t, k, runOf(t, "identity", "provider-only"), SealOptions{}); err != nil {
		t.Fatal(err)
	}
}

// killer kills its own process at a step.
type killer struct {
	*failing
	at int
}

func (k *killer) reached() {
	if k.steps+1 == k.at {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

func (k *killer) create(name string) (storedFile, error) {
	k.reached()
	f, err := k.failing.create(name)
	return &killerFile{f, k}, err
}
func (k *killer) rename(from, to string) error { k.reached(); return k.failing.rename(from, to) }
func (k *killer) remove(name string) error     { k.reached(); return k.failing.remove(name) }
func (k *killer) sync() error                  { k.reached(); return k.failing.sync() }

type killerFile struct {
	storedFile
	k *killer
}

func (f *killerFile) Write(b []byte) (int, error) {
	if f.k.steps+1 == f.k.at {
		_, _ = f.storedFile.(*failingFile).storedFile.Write(b[:len(b)/2])
	}
	f.k.reached()
	return f.storedFile.Write(b)
}
func (f *killerFile) Sync() error { f.k.reached(); return f.storedFile.Sync() }

func TestCreateWhereItCannot(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(file); err == nil || !strings.Contains(err.Error(), file) {
		t.Error(err)
	}
	if os.Getuid() == 0 {
		t.Skip("root writes everywhere")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(dir); !errors.Is(err, syscall.EACCES) {
		t.Error(err)
	}
}
