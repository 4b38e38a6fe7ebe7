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

	"github.com/linkassay/linkassay/suites/canary"
)

// maxState bounds a state file in bytes: 10,000 links that all fail take about 30 MB.
const maxState = 256 << 20

// StateFile keeps the canary's state in a file, which is replaced as a whole: whoever is killed while saving leaves the one
// before.
type StateFile struct{ Path string }

// Load reads the file; nil when there is none.
func (f StateFile) Load(context.Context) (*canary.State, error) {
	r, err := os.Open(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the canary's state: %w", err)
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, maxState+1))
	if err == nil && len(b) > maxState {
		err = fmt.Errorf("larger than %d bytes", maxState)
	}
	var s canary.State
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	if err != nil {
		return nil, fmt.Errorf("read the canary's state %s: %w; move it away to begin anew", f.Path, err)
	}
	return &s, nil
}

// Save replaces the file.
func (f StateFile) Save(_ context.Context, s *canary.State) error {
	b, err := json.Marshal(s)
	if err == nil {
		err = replace(f.Path, append(b, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("keep the canary's state in %s: %w", f.Path, err)
	}
	return nil
}

// replace writes a file under another name, syncs it, and renames it.
func replace(path string, b []byte, mode fs.FileMode) (err error) {
	t, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
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
