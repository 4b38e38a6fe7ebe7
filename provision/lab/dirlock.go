package lab

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ErrDirTaken says that another lab that still runs has written to the directory.
var ErrDirTaken = errors.New("a running lab uses the directory")

// ClaimDir makes dir if need be and keeps other labs out of it until release is called or the process ends,
// however it ends: a second lab's files would take the place of the first one's.
func ClaimDir(dir string) (release func() error, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the lab's directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("claim the lab's directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder, _ := io.ReadAll(io.LimitReader(f, 20))
		err = fmt.Errorf("claim the lab's directory %s: %w", dir, err)
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = fmt.Errorf("%s: %w (process %s); stop it, or name another directory", dir, ErrDirTaken, strings.TrimSpace(string(holder)))
		}
		return nil, errors.Join(err, f.Close())
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = fmt.Fprintf(f, "%d\n", os.Getpid())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("claim the lab's directory: %w", err), f.Close())
	}
	return f.Close, nil // the kernel gives the lock up with the file; the file stays, or two could hold two of it
}
