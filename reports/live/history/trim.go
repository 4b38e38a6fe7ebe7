package history

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"
)

// How it is kept within bounds.
const (
	trimLinks = 100                    // links of one transaction
	trimTime  = 100 * time.Millisecond // of each trimEvery, but when the size is short
	rollAfter = 24 * time.Hour         // good runs that are older become one an hour
	rollInto  = time.Hour
	rollBack  = 48 * time.Hour // how far back runs are looked for that are not rolled yet
	vacuum    = 2048           // free pages that are given back at once, so many
	leastKept = time.Minute
)

// trim lets old runs go, of as many links as there is time for, then keeps the size.
func (h *History) trim(ctx context.Context) error {
	h.writing.Lock()
	defer h.writing.Unlock()
	began := time.Now()
	for time.Since(began) < trimTime {
		_, more, err := h.sweep(ctx)
		if err != nil {
			return err
		}
		if !more {
			if err := h.forget(ctx); err != nil {
				return err
			}
			break
		}
	}
	used, err := h.used(ctx)
	if err != nil {
		return err
	}
	if used > h.o.Size/10*9 {
		return h.shrink(ctx)
	}
	if used < h.o.Size/4*3 {
		h.horizon = min(h.o.Age, h.horizon+h.horizon/10)
	}
	return h.giveBack(ctx)
}

// shrink lets go of the oldest until there is room again. The caller holds h.writing.
func (h *History) shrink(ctx context.Context) error {
	for {
		used, err := h.used(ctx)
		if err != nil {
			return err
		}
		if used <= h.o.Size/5*4 {
			return h.giveBack(ctx)
		}
		if h.horizon <= leastKept {
			return errors.New("what is kept for a minute is larger than its bound")
		}
		oldest := h.horizon
		h.cursor = 0
		var reaches time.Duration
		for more := true; more; {
			var age time.Duration
			if age, more, err = h.sweep(ctx); err != nil {
				return err
			}
			reaches = max(reaches, age)
		}
		if err := h.forget(ctx); err != nil {
			return err
		}
		if reaches > 0 {
			oldest = min(oldest, reaches)
		}
		h.horizon = max(oldest/5*4, leastKept)
	}
}

// used is what the file holds in bytes, without what is free in it.
func (h *History) used(ctx context.Context) (int64, error) {
	var pages, free int64
	err := h.db.QueryRowContext(ctx, "PRAGMA page_count").Scan(&pages)
	if err == nil {
		err = h.db.QueryRowContext(ctx, "PRAGMA freelist_count").Scan(&free)
	}
	return (pages - free) * pageSize, err
}

// giveBack makes the file smaller by what is free in it.
func (h *History) giveBack(ctx context.Context) error {
	for {
		var free int64
		if err := h.db.QueryRowContext(ctx, "PRAGMA freelist_count").Scan(&free); err != nil || free < vacuum/8 {
			return err
		}
		rows, err := h.db.QueryContext(ctx, "PRAGMA incremental_vacuum(2048)") // of vacuum
		if err != nil {
			return err
		}
		for rows.Next() { // each row is a page
			continue
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
		if _, err := h.db.ExecContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)"); err != nil {
			return err
		}
	}
}

// sweep trims the next links. age is how old the oldest good run of them is, and more is false after the last link.
func (h *History) sweep(ctx context.Context) (age time.Duration, more bool, err error) {
	var links []int64
	rows, err := h.db.QueryContext(ctx, "SELECT id FROM links WHERE id > ? ORDER BY id LIMIT ?", h.cursor, trimLinks)
	if err == nil {
		links, err = scanAll[int64](rows)
	}
	if err != nil {
		return 0, false, err
	}
	now := h.o.Now()
	err = h.transact(ctx, func(w *writer) error {
		for _, link := range links {
			for t, kept := range map[table]time.Duration{goodTable: h.horizon, toldTable: Longer * h.horizon} {
				if _, err := w.exec("DELETE FROM "+string(t)+" WHERE link = ? AND until < ?", link, now.Add(-kept).UnixMicro()); err != nil {
					return err
				}
				var until sql.NullInt64
				if err := w.tx.QueryRowContext(ctx, "SELECT min(until) FROM "+string(t)+" WHERE link = ?", link).Scan(&until); err != nil {
					return err
				}
				if until.Valid {
					reaches := now.Sub(time.UnixMicro(until.Int64))
					if t == toldTable {
						reaches /= Longer
					}
					age = max(age, reaches)
				}
			}
			if err := w.roll(link, now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, false, err
	}
	if len(links) < trimLinks {
		h.cursor = 0
		return age, false, nil
	}
	h.cursor = links[len(links)-1]
	return age, true, nil
}

// roll makes one run an hour of good runs that say the same and have no other between them.
func (w *writer) roll(link int64, now time.Time) error {
	end := now.Add(-rollAfter).Truncate(rollInto)
	from := end.Add(-rollBack)
	if done := w.h.rolled[link]; !done.Before(end) {
		return nil
	} else if done.After(from) {
		from = done
	}
	runs, err := w.runs(goodTable, link, from, end)
	if err != nil {
		return err
	}
	others, err := w.runs(toldTable, link, from, end)
	if err != nil {
		return err
	}
	for i := 0; i < len(runs); {
		first := runs[i]
		n := i + 1
		for ; n < len(runs) && first.joins(runs[n], others); n++ {
			next := runs[n]
			first.Latency = merge(first.Latency, first.Rounds, next.Latency, next.Rounds)
			first.Rounds += next.Rounds
			first.Until = next.Until
		}
		if n > i+1 {
			for _, r := range runs[i:n] {
				if _, err := w.exec("DELETE FROM good WHERE link = ? AND until = ? AND began = ?", link, r.Until.UnixMicro(), r.Began.UnixMicro()); err != nil {
					return err
				}
			}
			if err := w.run(goodTable, &first); err != nil {
				return err
			}
		}
		i = n
	}
	before, had := w.h.rolled[link]
	w.h.rolled[link] = end
	w.fresh = append(w.fresh, func() {
		if had {
			w.h.rolled[link] = before
		} else {
			delete(w.h.rolled, link)
		}
	})
	return nil
}

// joins says whether a later run may be one with r.
func (r *Run) joins(next Run, others []Run) bool {
	return next.Until.Truncate(rollInto).Equal(r.Until.Truncate(rollInto)) && next.Bundle == "" && r.Bundle == "" &&
		saying(next.Outcome, next.Maintenance, next.Causes) == saying(r.Outcome, r.Maintenance, r.Causes) &&
		!slices.ContainsFunc(others, func(o Run) bool { return o.Until.After(r.Until) && o.Until.Before(next.Until) })
}

// runs reads the runs of a link that ended between two times, the oldest first.
func (w *writer) runs(t table, link int64, from, end time.Time) ([]Run, error) {
	zones, err := zoneNames(w.ctx, w.tx)
	if err != nil {
		return nil, err
	}
	var name string
	if err := w.tx.QueryRowContext(w.ctx, "SELECT name FROM links WHERE id = ?", link).Scan(&name); err != nil {
		return nil, err
	}
	rows, err := w.tx.QueryContext(w.ctx, "SELECT "+readColumns+" FROM "+string(t)+" WHERE link = ? AND until > ? AND until <= ? ORDER BY until", link, from.UnixMicro(), end.UnixMicro())
	if err != nil {
		return nil, err
	}
	return scanRuns(rows, name, zones)
}

// forget lets go of incidents that ended long ago, and of links of which nothing is kept.
func (h *History) forget(ctx context.Context) error {
	before := h.o.Now().Add(-Longer * h.horizon).UnixMicro()
	var gone []string
	err := h.transact(ctx, func(w *writer) error {
		for _, q := range []string{
			"DELETE FROM incidents WHERE ended > 0 AND ended < ?",
			"DELETE FROM changes WHERE at < ?",
			"DELETE FROM affected WHERE opened < ? AND NOT EXISTS (SELECT 1 FROM incidents i WHERE i.key = affected.key AND i.opened = affected.opened)",
		} {
			if _, err := w.exec(q, before); err != nil {
				return err
			}
		}
		const empty = ` FROM links WHERE NOT EXISTS (SELECT 1 FROM good WHERE link = links.id) AND NOT EXISTS (SELECT 1 FROM told WHERE link = links.id)
			AND NOT EXISTS (SELECT 1 FROM affected WHERE link = links.id)`
		rows, err := w.tx.QueryContext(ctx, "SELECT name"+empty)
		if err != nil {
			return err
		}
		if gone, err = scanAll[string](rows); err != nil || len(gone) == 0 {
			return err
		}
		_, err = w.exec("DELETE" + empty)
		return err
	})
	if err != nil {
		return err
	}
	for _, name := range gone {
		delete(h.rolled, h.ids[name])
		delete(h.ids, name)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, name := range gone {
		if t := h.links[name]; t != nil && t.run == nil {
			delete(h.links, name)
		}
	}
	return nil
}
