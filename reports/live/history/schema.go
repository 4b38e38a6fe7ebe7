package history

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// checkTime bounds the search for damage when a file is opened: nobody is watched until then.
const checkTime = 2 * time.Second

// What the header of a history says. schemaVersion changes when a reader of the old one would misread it.
const (
	applicationID = 0x6c617368 // "lash"
	schemaVersion = 1
	pageSize      = 4096
)

// schema makes a new history. Runs are in the order of links and times, so that a link's are read at once and its old ones
// go at once; those that are kept longer are in a table of their own.
const schema = `
CREATE TABLE links (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE zones (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE good (
  link INTEGER NOT NULL, until INTEGER NOT NULL, began INTEGER NOT NULL, rounds INTEGER NOT NULL, outcome TEXT NOT NULL,
  reason TEXT NOT NULL, maintenance TEXT NOT NULL, causes TEXT NOT NULL, bundle TEXT NOT NULL, latency BLOB NOT NULL, roots BLOB,
  PRIMARY KEY (link, until, began)) WITHOUT ROWID;
CREATE TABLE told (
  link INTEGER NOT NULL, until INTEGER NOT NULL, began INTEGER NOT NULL, rounds INTEGER NOT NULL, outcome TEXT NOT NULL,
  reason TEXT NOT NULL, maintenance TEXT NOT NULL, causes TEXT NOT NULL, bundle TEXT NOT NULL, latency BLOB NOT NULL, roots BLOB,
  PRIMARY KEY (link, until, began)) WITHOUT ROWID;
CREATE TABLE incidents (
  key TEXT NOT NULL, opened INTEGER NOT NULL, ended INTEGER NOT NULL, most INTEGER NOT NULL, incident BLOB NOT NULL,
  PRIMARY KEY (key, opened)) WITHOUT ROWID;
CREATE INDEX incidents_ended ON incidents (ended);
CREATE TABLE changes (at INTEGER NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL, opened INTEGER NOT NULL, links INTEGER NOT NULL);
CREATE INDEX changes_at ON changes (at);
CREATE TABLE affected (
  link INTEGER NOT NULL, opened INTEGER NOT NULL, key TEXT NOT NULL, PRIMARY KEY (link, opened, key)) WITHOUT ROWID;
CREATE TABLE state (id INTEGER PRIMARY KEY CHECK (id = 1), saved INTEGER NOT NULL, body BLOB NOT NULL);
`

// openFile claims the file for this process, looks whether it is a history, and makes it if there is none.
func (h *History) openFile(ctx context.Context) (err error) {
	if h.path, err = filepath.Abs(h.path); err != nil {
		return err
	}
	// First, before anything is put beside a file that is somebody else's.
	if _, err := checkHeader(h.path, 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := h.claim(); err != nil {
		return err
	}
	fresh, err := checkHeader(h.path, os.O_CREATE)
	if err != nil {
		return err
	}
	if h.db, err = connect(h.path, 1, ""); err != nil {
		return err
	}
	if fresh {
		// auto_vacuum must stand before the first table, and journal_mode writes the header.
		err = h.all(ctx, fmt.Sprintf("PRAGMA page_size=%d", pageSize), "PRAGMA auto_vacuum=INCREMENTAL", "PRAGMA journal_mode=WAL",
			"BEGIN IMMEDIATE", schema, fmt.Sprintf("PRAGMA application_id=%d", applicationID), fmt.Sprintf("PRAGMA user_version=%d", schemaVersion), "COMMIT")
	} else {
		err = h.check(ctx)
	}
	if err == nil {
		err = h.all(ctx, "PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "PRAGMA journal_size_limit=4194304", "PRAGMA cache_size=-8192",
			fmt.Sprintf("PRAGMA max_page_count=%d", h.o.Size/pageSize))
	}
	if err != nil {
		return damaged(err)
	}
	if h.read, err = connect(h.path, 2, "&_pragma=query_only(1)&_pragma=cache_size(-4096)"); err != nil {
		return err
	}
	return damaged(h.recall(ctx))
}

// claim keeps other processes out: two canaries would tell the same incidents twice. The claim is on a file beside, as
// SQLite has its own locks on the database.
func (h *History) claim() (err error) {
	h.lock, err = os.OpenFile(h.path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("claim it: %w", err)
	}
	if err := syscall.Flock(int(h.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return fmt.Errorf("%w; stop it, or name another file", ErrTaken)
		}
		return fmt.Errorf("claim it: %w", err)
	}
	return nil
}

// checkHeader looks at the first bytes, before SQLite does anything to the file. With O_CREATE one that is not there is made.
func checkHeader(path string, create int) (fresh bool, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|create, 0o600)
	if err != nil {
		return false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	if !info.Mode().IsRegular() {
		return false, fmt.Errorf("%w: it is no regular file", ErrForeign)
	}
	if info.Size() == 0 {
		// Its log may hold all of it: whoever was killed while he made it left it so.
		_, err := os.Stat(path + "-wal")
		return errors.Is(err, fs.ErrNotExist), nil
	}
	header := make([]byte, 100)
	if _, err := io.ReadFull(f, header); err != nil || !strings.HasPrefix(string(header), "SQLite format 3\x00") {
		return false, fmt.Errorf("%w: it is no SQLite database; move it away, or name another file", ErrForeign)
	}
	return false, nil
}

// connect opens so many connections; SQLite makes them when they are used.
func connect(path string, most int, more string) (*sql.DB, error) {
	u := url.URL{Scheme: "file", Path: path}
	db, err := sql.Open("sqlite", u.String()+"?_pragma=busy_timeout(5000)"+more)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(most)
	db.SetMaxIdleConns(most)
	return db, nil
}

func (h *History) all(ctx context.Context, statements ...string) error {
	for _, s := range statements {
		if _, err := h.db.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// check looks whether the database is a history that this build can read.
func (h *History) check(ctx context.Context) error {
	var id, version, tables int64
	for query, into := range map[string]*int64{
		"PRAGMA application_id": &id, "PRAGMA user_version": &version, "SELECT count(*) FROM sqlite_schema": &tables,
	} {
		if err := h.db.QueryRowContext(ctx, query).Scan(into); err != nil {
			return err
		}
	}
	switch {
	case id == 0 && version == 0 && tables == 0: // whoever made it was killed before it was made
		return h.all(ctx, "PRAGMA auto_vacuum=INCREMENTAL", "VACUUM", "PRAGMA journal_mode=WAL", "BEGIN IMMEDIATE", schema,
			fmt.Sprintf("PRAGMA application_id=%d", applicationID), fmt.Sprintf("PRAGMA user_version=%d", schemaVersion), "COMMIT")
	case id != applicationID:
		return fmt.Errorf("%w: it is another SQLite database; name another file", ErrForeign)
	case version > schemaVersion:
		return fmt.Errorf("%w: its layout is version %d, this one reads up to %d; update linkassay, or name another file", ErrNewer, version, schemaVersion)
	}
	var said string
	bounded, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	switch err := h.db.QueryRowContext(bounded, "PRAGMA quick_check(1)").Scan(&said); {
	case err != nil && bounded.Err() != nil && ctx.Err() == nil:
		return nil // it is large: damage further on is told when it is read
	case err != nil:
		return err
	}
	if said != "ok" {
		return fmt.Errorf("%w: %.200s", ErrCorrupt, said)
	}
	return nil
}

// damaged says what to do about a file that SQLite can't read.
func damaged(err error) error {
	var e *sqlite.Error
	if errors.As(err, &e) {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
			err = fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
	}
	if errors.Is(err, ErrCorrupt) {
		return fmt.Errorf("%w; move it and the files beside it of its name away to begin anew", err)
	}
	return err
}

// noRoom says whether an error is of the disk or the bound, not of what was to be written.
func noRoom(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
			errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, sql.ErrTxDone)
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE:
		return false
	}
	return true
}

// full says whether the bound of the file or the disk was hit.
func full(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_FULL
}
