package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// reloadEvery is how often it is looked whether link files changed.
const reloadEvery = 5 * time.Second

// follower says when the link files are to be read again: on SIGHUP at once, and else when they changed and then did not for a
// while, since files that are copied or checked out are half there meanwhile.
type follower struct {
	path   string
	hangup chan os.Signal
	read   string // fingerprint of what was read last
	last   string // and of what was there when it was looked last
}

// followFleet follows files from before they are read the first time.
func followFleet(path string) *follower {
	f := &follower{path: path, hangup: make(chan os.Signal, 1)}
	signal.Notify(f.hangup, syscall.SIGHUP)
	f.read = fingerprint(path)
	f.last = f.read
	return f
}

func (f *follower) end() { signal.Stop(f.hangup) }

// changed waits until they are to be read again; false says that the context has ended.
func (f *follower) changed(ctx context.Context) bool {
	tick := time.NewTicker(reloadEvery)
	defer tick.Stop()
	for {
		asked := false
		select {
		case <-ctx.Done():
			return false
		case <-f.hangup:
			asked = true
		case <-tick.C:
		}
		if f.look(asked) {
			return true
		}
	}
}

// look says whether they are to be read now.
func (f *follower) look(asked bool) bool {
	now := fingerprint(f.path)
	settled := now == f.last
	f.last = now
	if !asked && (now == f.read || !settled) {
		return false
	}
	f.read = now
	return true
}

// fingerprint changes when a link file does, or one is added or removed. What can't be read has one too.
func fingerprint(path string) string {
	if path == "-" {
		return ""
	}
	h := sha256.New()
	paths, err := fleetFiles(path)
	fmt.Fprintln(h, err)
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			fmt.Fprintln(h, p, err)
			continue
		}
		fmt.Fprintln(h, p, info.Size(), info.ModTime().UnixNano())
	}
	return hex.EncodeToString(h.Sum(nil))
}
