package reports

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// writeFiles writes files into dir, which it makes if need be. Each goes to a temporary name, is synced and renamed,
// all of them only after all were written: a full disk leaves nothing half-written behind. The error names the file.
func writeFiles(dir string, files []File) (err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the reports directory: %w", err)
	}
	temps := make([]string, len(files))
	defer func() {
		for _, t := range temps {
			if t != "" {
				err = errors.Join(err, os.Remove(t))
			}
		}
	}()
	for i, f := range files {
		if temps[i], err = writeTemp(dir, f); err != nil {
			return fmt.Errorf("write %s: %w", filepath.Join(dir, f.Name), err)
		}
	}
	for i, f := range files {
		if err := os.Rename(temps[i], filepath.Join(dir, f.Name)); err != nil {
			return fmt.Errorf("write %s: %w", filepath.Join(dir, f.Name), err)
		}
		temps[i] = ""
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync the reports directory %s: %w", dir, err)
	}
	return errors.Join(d.Sync(), d.Close())
}

// writeTemp writes a file under a temporary name and returns that name, also with an error when there
// is something to remove.
func writeTemp(dir string, f File) (string, error) {
	t, err := os.CreateTemp(dir, "."+f.Name+".*")
	if err != nil {
		return "", err
	}
	err = f.Write(t)
	if err == nil {
		err = t.Chmod(0o644)
	}
	if err == nil {
		err = t.Sync()
	}
	return t.Name(), errors.Join(err, t.Close())
}
