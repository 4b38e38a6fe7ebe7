package history

import (
	"os"
	"syscall"
)

// fullDisks are the ways to be without room, and what a child needs for them.
func fullDisks() map[string]*syscall.SysProcAttr {
	return map[string]*syscall.SysProcAttr{"limit": nil, "tmpfs": {
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}}
}

func mount(dir string) error { return syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=16m") }

func unmount(dir string) error { return syscall.Unmount(dir, 0) }
