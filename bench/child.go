package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// children are the parts that run as processes of their own: what may run once in a process, whose memory is measured,
// or who serves what others probe.
func children() map[string]func(ctx context.Context, args []string) error {
	return map[string]func(ctx context.Context, args []string) error{
		"tree":    treeChild,
		"servers": serveLoopback,
		"fleet":   fleetChild,
	}
}

// childCommand is this program in the part of a child.
func childCommand(ctx context.Context, name string, args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, append([]string{"-child", name}, args...)...)
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	return cmd, nil
}

// usage is what a process took.
type usage struct {
	CPU  time.Duration
	Peak int64 // bytes resident at most
}

// runChild runs a child to its end, decodes the JSON that it prints, and says what it took.
func runChild(ctx context.Context, out any, name string, args ...string) (usage, error) {
	cmd, err := childCommand(ctx, name, args...)
	if err != nil {
		return usage{}, err
	}
	text, err := cmd.Output()
	if err != nil {
		return usage{}, fmt.Errorf("child %s: %w", name, err)
	}
	if err := json.Unmarshal(text, out); err != nil {
		return usage{}, fmt.Errorf("child %s: what it printed: %w", name, err)
	}
	return usageOf(cmd.ProcessState), nil
}

// usageOf is what a process took that has ended.
func usageOf(p *os.ProcessState) usage {
	u := usage{CPU: p.UserTime() + p.SystemTime()}
	if r, ok := p.SysUsage().(*syscall.Rusage); ok {
		u.Peak = r.Maxrss << 10 // Linux counts in KiB
	}
	return u
}
