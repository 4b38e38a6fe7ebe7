package history

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/linkassay/linkassay/suites/canary"
)

// maxBatch bounds the entries of one transaction: each may change a page of its own, and the log must stay small.
const maxBatch = 1000

// flush writes what waits. What can't be written for want of room waits on; what can't be written at all is dropped, and told.
func (h *History) flush(ctx context.Context) error {
	h.writing.Lock()
	defer h.writing.Unlock()
	for {
		h.mu.Lock()
		batch := h.waiting[:min(len(h.waiting), maxBatch):min(len(h.waiting), maxBatch)]
		lost := h.lost
		h.mu.Unlock()
		if len(batch) == 0 {
			if lost > 0 {
				h.mu.Lock()
				h.lost -= lost
				h.mu.Unlock()
				h.o.Problem(fmt.Errorf("history %s: it is written again; %d rounds or changes that there was no room for are not in it", h.path, lost))
			}
			return nil
		}
		err := h.commit(ctx, batch)
		if full(err) {
			if h.shrink(ctx) == nil { // the bound was hit, not the disk
				err = h.commit(ctx, batch)
			}
		}
		if err != nil && !noRoom(err) {
			err = h.oneByOne(ctx, batch)
		}
		if err != nil {
			return fmt.Errorf("write to the history %s: %w; %d rounds and changes wait, %d are lost; it is tried again", h.path, err, h.waits(), lost)
		}
		h.mu.Lock()
		for _, e := range batch {
			h.heavy -= e.size
		}
		h.waiting = h.waiting[len(batch):]
		if len(h.waiting) == 0 {
			h.waiting = nil
		}
		h.mu.Unlock()
	}
}

// waits is how much waits.
func (h *History) waits() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.waiting)
}

// oneByOne writes what can be written of a batch that has something in it that can't.
func (h *History) oneByOne(ctx context.Context, batch []entry) error {
	for i := range batch {
		err := h.commit(ctx, batch[i:i+1])
		switch {
		case err == nil:
		case noRoom(err):
			return err // those that were written are written again, as the same
		default:
			h.o.Problem(fmt.Errorf("history %s: a round or change of %.100q was left out: %w", h.path, batch[i].link, err))
		}
	}
	return nil
}

// commit writes a batch, all or nothing. Writing the same again changes nothing.
func (h *History) commit(ctx context.Context, batch []entry) error {
	return h.transact(ctx, func(w *writer) error {
		for i := range batch {
			var err error
			switch e := &batch[i]; {
			case e.run != nil:
				err = w.run(e.table, e.run)
			case e.change != nil:
				err = w.change(e.change)
			case e.lapsed != nil:
				err = w.lapse(e.lapsed)
			default:
				err = w.affected(e.link, e.mark)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// writer writes in one transaction.
type writer struct {
	h     *History
	ctx   context.Context
	tx    *sql.Tx
	stmts map[string]*sql.Stmt
	fresh []func() // forgets ids that were made
}

// transact runs do in a transaction. The caller holds h.writing.
func (h *History) transact(ctx context.Context, do func(*writer) error) error {
	tx, err := h.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	w := &writer{h: h, ctx: ctx, tx: tx, stmts: map[string]*sql.Stmt{}}
	if err = do(w); err == nil {
		err = tx.Commit()
	}
	if err == nil {
		return nil
	}
	for _, forget := range w.fresh {
		forget()
	}
	if back := tx.Rollback(); back != nil && !errors.Is(back, sql.ErrTxDone) {
		err = errors.Join(err, back)
	}
	return err
}

func (w *writer) exec(query string, args ...any) (sql.Result, error) {
	s := w.stmts[query]
	if s == nil {
		var err error
		if s, err = w.tx.PrepareContext(w.ctx, query); err != nil {
			return nil, err
		}
		w.stmts[query] = s // closed with the transaction
	}
	return s.ExecContext(w.ctx, args...)
}

// id finds or makes the number of a name.
func (w *writer) id(known map[string]int64, query, name string) (int64, error) {
	if id, ok := known[name]; ok {
		return id, nil
	}
	r, err := w.exec(query, name)
	if err != nil {
		return 0, err
	}
	id, err := r.LastInsertId()
	if err == nil {
		known[name] = id
		w.fresh = append(w.fresh, func() { delete(known, name) })
	}
	return id, err
}

func (w *writer) link(name string) (int64, error) {
	return w.id(w.h.ids, "INSERT INTO links (name) VALUES (?)", name)
}

func (w *writer) zone(name string) (int64, error) {
	return w.id(w.h.zones, "INSERT INTO zones (name) VALUES (?)", cut(name, maxText))
}

const runColumns = " (link, until, began, rounds, outcome, reason, maintenance, causes, bundle, latency, roots) VALUES (?,?,?,?,?,?,?,?,?,?,?)"

func (w *writer) run(to table, r *Run) error {
	link, err := w.link(r.Link)
	if err != nil {
		return err
	}
	latency, err := encodeSpreads(r.Latency, w.zone)
	if err != nil {
		return err
	}
	roots, err := encodeRoots(r.Roots)
	if err != nil {
		return err
	}
	_, err = w.exec("INSERT OR REPLACE INTO "+string(to)+runColumns, link, r.Until.UnixMicro(), r.Began.UnixMicro(), r.Rounds, string(r.Outcome),
		r.Reason, r.Maintenance, encodeCauses(r.Causes), r.Bundle, latency, roots)
	return err
}

// maxLinks bounds the links that stand with an incident; which links had it is kept beside.
const maxLinks = 500

func (w *writer) change(c *canary.Change) error {
	i := c.Incident
	n := len(i.Links) // of one that has ended: all that had it, not at once
	opened := i.Opened.UnixMicro()
	if c.Kind == canary.Recovered {
		opened = 0 // it never was one
	} else {
		for _, a := range i.Links {
			if err := w.affected(a.Link, mark{i.Key, opened}); err != nil {
				return err
			}
		}
		i.Links, i.Left = i.Links[:min(n, maxLinks)], nil
		b, err := json.Marshal(i)
		if err != nil {
			return err
		}
		ended := int64(0)
		if !i.Open() {
			ended = i.Ended.UnixMicro()
		}
		if _, err := w.exec(`INSERT INTO incidents (key, opened, ended, most, incident) VALUES (?,?,?,?,?) ON CONFLICT (key, opened)
			DO UPDATE SET ended = excluded.ended, most = CASE WHEN excluded.ended = 0 THEN max(most, excluded.most) ELSE most END, incident = excluded.incident`, i.Key, opened, ended, n, b); err != nil {
			return err
		}
	}
	if c.Kind == canary.Links {
		return nil // the incident has them
	}
	_, err := w.exec("INSERT INTO changes (at, kind, key, opened, links) VALUES (?,?,?,?,?)", c.At.UnixMicro(), string(c.Kind), i.Key, opened, n)
	return err
}

func (w *writer) affected(link string, m mark) error {
	id, err := w.link(link)
	if err == nil {
		_, err = w.exec("INSERT OR IGNORE INTO affected (link, opened, key) VALUES (?,?,?)", id, m.opened, m.key)
	}
	return err
}
