package evidence

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// store is where a bundle is written: a directory, or in a test one that fails.
type store interface {
	create(name string) (storedFile, error) // under a temporary name
	rename(from, to string) error
	remove(name string) error
	sync() error // what was renamed and removed
	files() fs.FS
	path(name string) string // for errors
}

type storedFile interface {
	io.WriteCloser
	Name() string // in the store
	Sync() error
}

// osDir is a directory on disk.
type osDir string

func openDir(dir string) (osDir, error) {
	return osDir(dir), os.MkdirAll(dir, 0o755)
}

func (d osDir) create(name string) (storedFile, error) {
	f, err := os.CreateTemp(string(d), "."+name+".*")
	if err != nil {
		return nil, err
	}
	if err := f.Chmod(0o644); err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	return namedFile{f}, nil
}

type namedFile struct{ *os.File }

func (f namedFile) Name() string { return filepath.Base(f.File.Name()) }

func (d osDir) rename(from, to string) error { return os.Rename(d.path(from), d.path(to)) }
func (d osDir) remove(name string) error     { return os.Remove(d.path(name)) }
func (d osDir) files() fs.FS                 { return os.DirFS(string(d)) }
func (d osDir) path(name string) string      { return filepath.Join(string(d), name) }

func (d osDir) sync() error {
	f, err := os.Open(string(d))
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// except hides one file.
func except(fsys fs.FS, name string) fs.FS { return hiding{fsys, name} }

type hiding struct {
	fs.FS
	name string
}

func (h hiding) Open(name string) (fs.File, error) {
	if name == h.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return h.FS.Open(name)
}

// ReadDir lists the directory without it.
func (h hiding) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(h.FS, name)
	kept := entries[:0]
	for _, e := range entries {
		if e.Name() != h.name {
			kept = append(kept, e)
		}
	}
	return kept, err
}
