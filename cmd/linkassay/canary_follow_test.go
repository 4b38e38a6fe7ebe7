package main

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// Link files are read again when they changed and then stay as they are, and at once on SIGHUP.
func TestLinkFilesAreFollowed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		write := func(name, text string) {
			t.Helper()
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write("a.yaml", "one")
		f := &follower{path: dir, hangup: make(chan os.Signal, 1)}
		f.read = fingerprint(dir)
		f.last = f.read
		// within says whether they are to be read again within so long.
		within := func(d time.Duration) bool {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			return f.changed(ctx)
		}
		if within(time.Minute) {
			t.Error("nothing changed")
		}
		write("b.yaml", "two")
		if began := time.Now(); !within(time.Minute) || time.Since(began) > 2*reloadEvery {
			t.Errorf("a new file was seen after %s", time.Since(began))
		}
		if within(time.Minute) {
			t.Error("it was read already")
		}
		for _, text := range []string{"h", "ha", "half"} { // somebody copies it
			write("c.yaml", text)
			if within(reloadEvery + time.Second) {
				t.Errorf("it was read when %q of it was there", text)
			}
		}
		if !within(2 * reloadEvery) {
			t.Error("it was not read when all was there")
		}
		if err := os.Remove(filepath.Join(dir, "b.yaml")); err != nil {
			t.Fatal(err)
		}
		f.hangup <- syscall.SIGHUP
		if !within(time.Second) {
			t.Error("SIGHUP was not heard")
		}
		if within(time.Minute) {
			t.Error("what SIGHUP had read was read again")
		}
	})
}
