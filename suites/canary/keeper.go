package canary

import (
	"context"
	"fmt"
	"time"
)

// keeper stands between the canary and its store, so that a disk that hangs holds nobody up: one save at a time, and who waits
// for it waits as long as his context does.
type keeper struct {
	store Store         // nil: nothing is kept
	busy  chan struct{} // holds one while a save is under way
}

func newKeeper(s Store) *keeper { return &keeper{store: s, busy: make(chan struct{}, 1)} }

// save keeps what state returns. When the context ends before it is kept, it may still be, later.
func (k *keeper) save(ctx context.Context, state func() *State) error {
	if k.store == nil {
		return nil
	}
	began := time.Now()
	late := func() error {
		return fmt.Errorf("the canary's state was not kept within %s: %w", time.Since(began).Round(time.Millisecond), ctx.Err())
	}
	select {
	case k.busy <- struct{}{}:
	case <-ctx.Done():
		return late()
	}
	done := make(chan error, 1)
	go func() {
		defer func() { <-k.busy }()
		done <- k.store.Save(ctx, state())
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return late()
	}
}
