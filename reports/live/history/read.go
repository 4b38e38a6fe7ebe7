package history

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/linkassay/linkassay/suites/canary"
)

// queries is a database or a transaction.
type queries interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

const readColumns = "until, began, rounds, outcome, reason, maintenance, causes, bundle, latency, roots"

// recall reads what must be known before anything is written.
func (h *History) recall(ctx context.Context) error {
	for query, into := range map[string]map[string]int64{"SELECT name, id FROM links": h.ids, "SELECT name, id FROM zones": h.zones, "SELECT key, opened FROM incidents WHERE ended = 0": h.open} {
		rows, err := h.db.QueryContext(ctx, query)
		if err != nil {
			return err
		}
		for rows.Next() {
			var name string
			var id int64
			if err := rows.Scan(&name, &id); err != nil {
				return errors.Join(err, rows.Close())
			}
			into[name] = id
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
	}
	zones, err := zoneNames(ctx, h.db)
	if err != nil {
		return err
	}
	for name, id := range h.ids {
		last, err := latest(ctx, h.db, name, id, zones)
		if err != nil {
			return err
		}
		if last.Rounds == 0 {
			continue
		}
		h.last[name] = last
		t := &tape{same: whole + 1}
		if last.Outcome != canary.Interrupted {
			t.says = saying(last.Outcome, last.Maintenance, last.Causes)
		}
		h.links[name] = t
	}
	return nil
}

// latest is a link's newest run, zero when there is none. What was found stands with the first of those that say the same.
func latest(ctx context.Context, db queries, name string, id int64, zones map[int64]string) (last Run, err error) {
	one := func(t table, where string, args ...any) (Run, error) {
		rows, err := db.QueryContext(ctx, "SELECT "+readColumns+" FROM "+string(t)+" WHERE link = ?"+where+" ORDER BY until DESC LIMIT 1", append([]any{id}, args...)...)
		if err != nil {
			return Run{}, err
		}
		runs, err := scanRuns(rows, name, zones)
		if err != nil || len(runs) == 0 {
			return Run{}, err
		}
		return runs[0], nil
	}
	for _, t := range []table{goodTable, toldTable} {
		r, err := one(t, "")
		if err != nil {
			return last, err
		}
		if r.Until.After(last.Until) {
			last = r
		}
	}
	if last.Roots == nil && len(last.Causes) > 0 {
		first, err := one(toldTable, " AND causes = ? AND roots IS NOT NULL", encodeCauses(last.Causes))
		if err != nil {
			return last, err
		}
		last.Roots = first.Roots
	}
	return last, nil
}

// Last returns the newest run of each link as it was when the file was opened. It is for one caller, once.
func (h *History) Last() map[string]Run {
	h.mu.Lock()
	defer h.mu.Unlock()
	last := h.last
	h.last = nil
	return last
}

// Runs returns the runs of a link that ended since then, the newest first, at most so many; those too that still go on
// or wait to be written.
func (h *History) Runs(ctx context.Context, link string, since time.Time, most int) ([]Run, error) {
	all, err := h.written(ctx, link, since, most)
	if err != nil {
		return nil, fmt.Errorf("read the history %s: %w", h.path, damaged(err))
	}
	h.mu.Lock()
	for _, e := range h.waiting {
		if e.run != nil && e.link == link {
			all = append(all, *e.run)
		}
	}
	if t := h.links[link]; t != nil && t.run != nil {
		all = append(all, t.run.finished())
	}
	h.mu.Unlock()
	slices.SortStableFunc(all, func(a, b Run) int { return cmp.Or(b.Until.Compare(a.Until), b.Began.Compare(a.Began)) })
	all = slices.CompactFunc(all, func(a, b Run) bool {
		return a.Until.UnixMicro() == b.Until.UnixMicro() && a.Began.UnixMicro() == b.Began.UnixMicro()
	}) // it was written meanwhile
	return all[:min(len(all), most)], nil
}

func (h *History) written(ctx context.Context, link string, since time.Time, most int) ([]Run, error) {
	var id int64
	err := h.read.QueryRowContext(ctx, "SELECT id FROM links WHERE name = ?", link).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	zones, err := zoneNames(ctx, h.read)
	if err != nil {
		return nil, err
	}
	var all []Run
	for _, t := range []table{goodTable, toldTable} {
		rows, err := h.read.QueryContext(ctx, "SELECT "+readColumns+" FROM "+string(t)+" WHERE link = ? AND until >= ? ORDER BY until DESC LIMIT ?", id, since.UnixMicro(), most)
		if err != nil {
			return nil, err
		}
		runs, err := scanRuns(rows, link, zones)
		if err != nil {
			return nil, err
		}
		all = append(all, runs...)
	}
	return all, nil
}

// Past is an incident as it is kept.
type Past struct {
	canary.Incident
	Most int // links that it had at once, as it was told
}

// Incidents returns incidents that were open since then, those that began last first, at most so many: of one link, or with "" of all.
func (h *History) Incidents(ctx context.Context, link string, since time.Time, most int) ([]Past, error) {
	query, args := "SELECT i.most, i.incident FROM incidents i", []any{}
	if link != "" {
		query += " JOIN affected a ON a.key = i.key AND a.opened = i.opened JOIN links l ON l.id = a.link AND l.name = ?"
		args = append(args, link)
	}
	query += " WHERE i.ended = 0 OR i.ended >= ? ORDER BY i.opened DESC, i.key LIMIT ?"
	rows, err := h.read.QueryContext(ctx, query, append(args, since.UnixMicro(), most)...)
	if err != nil {
		return nil, fmt.Errorf("read the history %s: %w", h.path, damaged(err))
	}
	defer rows.Close()
	var all []Past
	for rows.Next() {
		var p Past
		var b []byte
		if err := rows.Scan(&p.Most, &b); err != nil {
			return nil, fmt.Errorf("read the history %s: %w", h.path, damaged(err))
		}
		if json.Unmarshal(b, &p.Incident) == nil { // one that can't be read hides no other
			all = append(all, p)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the history %s: %w", h.path, damaged(err))
	}
	return all, nil
}

func zoneNames(ctx context.Context, db queries) (map[int64]string, error) {
	rows, err := db.QueryContext(ctx, "SELECT id, name FROM zones")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	names := map[int64]string{}
	for rows.Next() {
		var id int64
		var name string
		if err := rows.Scan(&id, &name); err != nil {
			return nil, err
		}
		names[id] = name
	}
	return names, rows.Err()
}

// scanRuns reads runs and closes the rows. A run of which a part can't be read is told without it.
func scanRuns(rows *sql.Rows, link string, zones map[int64]string) ([]Run, error) {
	defer rows.Close()
	var all []Run
	for rows.Next() {
		r := Run{Link: link}
		var until, began int64
		var causes string
		var latency, roots []byte
		if err := rows.Scan(&until, &began, &r.Rounds, &r.Outcome, &r.Reason, &r.Maintenance, &causes, &r.Bundle, &latency, &roots); err != nil {
			return nil, err
		}
		r.Until, r.Began, r.Causes = time.UnixMicro(until).UTC(), time.UnixMicro(began).UTC(), decodeCauses(causes)
		var err error
		if r.Latency, err = decodeSpreads(latency, func(id int64) string { return zones[id] }); err != nil {
			r.Latency = nil
		}
		if len(roots) > 0 && json.Unmarshal(roots, &r.Roots) != nil {
			r.Roots = nil
		}
		all = append(all, r)
	}
	return all, rows.Err()
}

func scanAll[T any](rows *sql.Rows) ([]T, error) {
	defer rows.Close()
	var all []T
	for rows.Next() {
		var v T
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}
