//go:build !linux

package history

import (
	"errors"
	"syscall"
)

func fullDisks() map[string]*syscall.SysProcAttr {
	return map[string]*syscall.SysProcAttr{"limit": nil}
}

func mount(string) error { return errors.ErrUnsupported }

func unmount(string) error { return errors.ErrUnsupported }
