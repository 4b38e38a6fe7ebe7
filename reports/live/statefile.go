package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/linkassay/linkassay/suites/canary"
)

// maxState bounds a state in bytes: 10,000 links that all fail take about 30 MB.
const maxState = 256 << 20

// ErrStateTaken says that another canary has the state: two that keep it would each undo what the other counted.
var ErrStateTaken = errors.New("another canary has this state")

// StateFile keeps the canary's state in a file, which is replaced as a whole: whoever is killed while saving leaves the one
// before. It is one canary's at a time, by a lock on FILE.lock that the kernel gives up with the process.
type StateFile struct {
	path string
	lock *os.File
}

// OpenStateFile takes the file, which need not be there yet, until Close. It is ErrStateTaken when another process has it.
func OpenStateFile(path string) (*StateFile, error) {
	// A file of its own: the state's is replaced, and a lock stays with what was replaced.
	lock, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("take the canary's state %s: %w", path, err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = fmt.Errorf("%w, which still runs: wait for its end, or give this one a state of its own", ErrStateTaken)
		}
		return nil, errors.Join(fmt.Errorf("take the canary's state %s: %w", path, err), lock.Close())
	}
	if err := sweep(path); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return &StateFile{path, lock}, nil
}

// sweep removes what a canary left that was killed while it saved. The caller has the state for itself.
func sweep(path string) error {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil // who may not list the folder may still keep a state in it
	}
	for _, e := range entries {
		digits, ours := strings.CutPrefix(e.Name(), temporary(path))
		if ours && digits != "" && strings.Trim(digits, "0123456789") == "" {
			if err := os.Remove(filepath.Join(filepath.Dir(path), e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("remove what a canary left half written: %w", err)
			}
		}
	}
	return nil
}

// temporary is how the names of files begin that replace makes; digits follow.
func temporary(path string) string { return "." + filepath.Base(path) + "." }

// Close lets others have the file. The lock's file stays, or two could hold two of it.
func (f *StateFile) Close() error { return f.lock.Close() }

// Load reads the file; nil when there is none.
func (f *StateFile) Load(context.Context) (*canary.State, error) {
	r, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the canary's state: %w", err)
	}
	defer r.Close()
	s, err := readState(r)
	if err != nil {
		return nil, fmt.Errorf("read the canary's state %s: %w; move it away to begin anew", f.path, err)
	}
	return s, nil
}

// readState reads a state, which may be anybody's file.
func readState(r io.Reader) (*canary.State, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxState+1))
	if err == nil && len(b) > maxState {
		err = fmt.Errorf("larger than %d bytes", maxState)
	}
	var s canary.State
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	return &s, err
}

// Save replaces the file.
func (f *StateFile) Save(_ context.Context, s *canary.State) error {
	b, err := json.Marshal(s)
	if err == nil {
		err = replace(f.path, append(b, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("keep the canary's state in %s: %w", f.path, err)
	}
	return nil
}

// replace writes a file under another name, syncs it, and renames it.
func replace(path string, b []byte, mode fs.FileMode) (err error) {
	t, err := os.CreateTemp(filepath.Dir(path), temporary(path)+"*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(t.Name()))
		}
	}()
	if _, err = t.Write(b); err == nil {
		err = t.Chmod(mode)
	}
	if err == nil {
		err = t.Sync()
	}
	if err = errors.Join(err, t.Close()); err != nil {
		return err
	}
	return os.Rename(t.Name(), path)
}
