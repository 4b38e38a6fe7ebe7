package history

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/linkassay/linkassay/suites/canary"
)

// maxState bounds a state in bytes: 10,000 links that all fail take about 30 MB.
const maxState = 256 << 20

// Load returns the canary's state; nil when there is none yet.
func (h *History) Load(ctx context.Context) (*canary.State, error) {
	var packed []byte
	err := h.read.QueryRowContext(ctx, "SELECT body FROM state").Scan(&packed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	var s canary.State
	if err == nil {
		err = unpack(packed, &s)
	}
	if err != nil {
		return nil, fmt.Errorf("read the canary's state from the history %s: %w", h.path, damaged(err))
	}
	return &s, nil
}

// Save replaces the state, and returns when it is on the disk.
func (h *History) Save(ctx context.Context, s *canary.State) error {
	packed, err := pack(s)
	if err == nil {
		h.writing.Lock()
		defer h.writing.Unlock()
		err = h.transact(ctx, func(w *writer) error {
			_, err := w.exec("INSERT OR REPLACE INTO state (id, saved, body) VALUES (1,?,?)", s.Saved.UnixMicro(), packed)
			return err
		})
		if full(err) && h.shrink(ctx) == nil {
			err = h.transact(ctx, func(w *writer) error {
				_, err := w.exec("INSERT OR REPLACE INTO state (id, saved, body) VALUES (1,?,?)", s.Saved.UnixMicro(), packed)
				return err
			})
		}
	}
	if err != nil {
		return fmt.Errorf("keep the canary's state in the history %s: %w", h.path, err)
	}
	return nil
}

func pack(v any) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err == nil {
		err = json.NewEncoder(z).Encode(v)
	}
	if err == nil {
		err = z.Close()
	}
	return b.Bytes(), err
}

func unpack(packed []byte, v any) error {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return err
	}
	b, err := io.ReadAll(io.LimitReader(z, maxState+1))
	if err == nil && len(b) > maxState {
		err = fmt.Errorf("larger than %d bytes", maxState)
	}
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	return err
}

// Restored says which incidents are open, as the canary's state has them. Others that the history has as open ended while nobody looked.
func (h *History) Restored(open []canary.Incident) {
	h.mu.Lock()
	defer h.mu.Unlock()
	known := map[string]bool{}
	for _, i := range open {
		known[i.Key] = true
		h.open[i.Key] = i.Opened.UnixMicro()
	}
	now := h.o.Now().UTC()
	for key, opened := range h.open {
		if !known[key] {
			delete(h.open, key)
			h.put(entry{lapsed: &lapse{mark{key, opened}, now}, size: 200})
		}
	}
}

// lapse is the end of an incident that nobody saw.
type lapse struct {
	mark
	at time.Time
}

// lapse ends an incident that is still open.
func (w *writer) lapse(l *lapse) error {
	var b []byte
	err := w.tx.QueryRowContext(w.ctx, "SELECT incident FROM incidents WHERE key = ? AND opened = ? AND ended = 0", l.key, l.opened).Scan(&b)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	var i canary.Incident
	if json.Unmarshal(b, &i) == nil { // else it ends all the same, and what can't be read stays as it is
		i.Ended, i.Why = l.at, "the canary's state does not know it any more"
		b, err = json.Marshal(i)
	}
	if err == nil {
		_, err = w.exec("UPDATE incidents SET ended = ?, incident = ? WHERE key = ? AND opened = ?", l.at.UnixMicro(), b, l.key, l.opened)
	}
	return err
}
