package bundles

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"
)

// kept is a bundle that is there.
type kept struct {
	at    time.Time
	good  bool
	bytes int64
	held  bool // by an incident that is open
}

// age is how old a bundle counts: one of a round that was not good counts as younger, and one that is held as the youngest.
func (k *kept) age(now time.Time) time.Duration {
	age := now.Sub(k.at)
	if k.held {
		return -1 << 62
	}
	if !k.good {
		age /= Longer
	}
	return age
}

// tidy removes the oldest bundles until the folder is within its bounds.
func (b *Bundles) tidy() {
	b.tidying.Lock()
	defer b.tidying.Unlock()
	now := b.o.Now()
	for _, k := range b.kept {
		k.held = false
	}
	if b.open != nil {
		for _, i := range b.open() {
			if k := b.kept[i.Bundle]; k != nil {
				k.held = true
			}
		}
	}
	names := slices.SortedFunc(maps.Keys(b.kept), func(x, y string) int {
		return cmp.Or(cmp.Compare(b.kept[y].age(now), b.kept[x].age(now)), cmp.Compare(x, y)) // the oldest first
	})
	var size int64
	for _, k := range b.kept {
		size += k.bytes
	}
	for i, name := range names {
		k := b.kept[name]
		if k.age(now) <= b.o.Age && size <= b.o.Size && len(names)-i <= b.o.Count {
			return
		}
		if err := b.remove(name); err != nil {
			b.o.Problem(fmt.Errorf("remove the old bundle %s: %w", name, err))
			continue // others may go
		}
		size -= k.bytes
		delete(b.kept, name)
	}
}

// remove removes a bundle: at once as seen by others, who must not find half of it. One that somebody else has removed is gone too.
func (b *Bundles) remove(name string) error {
	err := b.root.Rename(name, halfGone+name)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, b.root.RemoveAll(halfGone+name))
}
