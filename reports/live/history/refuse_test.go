package history

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/linkassay/linkassay/suites/canary"
)

// Files that are no history, or not one of this build, are refused with what to do, and stay as they are.
func TestWrongFilesAreRefused(t *testing.T) {
	t.Parallel()
	other := func(statements ...string) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			t.Helper()
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			for _, s := range statements {
				if _, err := db.Exec(s); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	ours := func(t *testing.T, path string) {
		t.Helper()
		h, err := Open(t.Context(), path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 2000 {
			tell(t, h, at(fmt.Sprintf("link-%d", i), canary.Bad, noon))
		}
		synced(t, h)
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		make func(t *testing.T, path string)
		want error
		say  string
	}{
		"text":          {func(t *testing.T, path string) { write(t, path, "apiVersion: linkassay/v1\n") }, ErrForeign, "name another file"},
		"long text":     {func(t *testing.T, path string) { write(t, path, strings.Repeat("x", 8192)) }, ErrForeign, "no SQLite database"},
		"another's":     {other("CREATE TABLE people (name TEXT)"), ErrForeign, "another SQLite database"},
		"newer":         {func(t *testing.T, path string) { ours(t, path); other("PRAGMA user_version=2")(t, path) }, ErrNewer, "version 2"},
		"a folder":      {func(t *testing.T, path string) { _ = os.Mkdir(path, 0o700) }, nil, "directory"},
		"pages of dirt": {func(t *testing.T, path string) { ours(t, path); scribble(t, path, 5*pageSize, 40*pageSize) }, ErrCorrupt, "move it"},
		"cut short":     {func(t *testing.T, path string) { ours(t, path); shorten(t, path) }, ErrCorrupt, "move it"},
		"a header only": {func(t *testing.T, path string) { ours(t, path); scribble(t, path, 100, pageSize) }, ErrCorrupt, "move it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "history.db")
			c.make(t, path)
			before, _ := os.ReadFile(path)
			h, err := Open(t.Context(), path, Options{})
			if err == nil {
				_ = h.Close()
				t.Fatal("it was opened")
			}
			if c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.say) || !strings.Contains(err.Error(), path) {
				t.Errorf("%v, expected %v", err, c.want)
			}
			if after, _ := os.ReadFile(path); string(after) != string(before) {
				t.Error("it was changed")
			}
			if _, err := os.Stat(path + ".lock"); strings.HasSuffix(name, "text") && !errors.Is(err, os.ErrNotExist) {
				t.Errorf("something was put beside it: %v", err)
			}
		})
	}
	for _, o := range []Options{{Age: time.Minute}, {Size: 4096}} {
		if _, err := Open(t.Context(), filepath.Join(t.TempDir(), "x"), o); err == nil {
			t.Errorf("%+v: expected an error", o)
		}
	}
}

// A file that was being made when its maker was killed is made now.
func TestHalfMadeFilesAreMade(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(t *testing.T, path string){
		"empty": func(t *testing.T, path string) { write(t, path, "") },
		"header": func(t *testing.T, path string) {
			db, err := sql.Open("sqlite", path)
			if err == nil {
				_, err = db.Exec("PRAGMA journal_mode=WAL; VACUUM")
			}
			if err = errors.Join(err, db.Close()); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "history.db")
			make(t, path)
			h := open(t, path, Options{})
			tell(t, h, at("orders", canary.Bad, noon))
			synced(t, h)
			var mode int
			if err := h.db.QueryRow("PRAGMA auto_vacuum").Scan(&mode); err != nil || mode != 2 {
				t.Errorf("auto_vacuum is %d (%v): the file would never shrink", mode, err)
			}
		})
	}
}

func TestTwoAreKeptApart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history.db")
	h := open(t, path, Options{})
	if _, err := Open(context.Background(), path, Options{}); !errors.Is(err, ErrTaken) {
		t.Errorf("%v, expected that it is taken", err)
	}
	tell(t, h, at("orders", canary.Bad, noon))
	synced(t, h)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	if runs := runsOf(t, open(t, path, Options{}), "orders"); len(runs) != 1 {
		t.Errorf("%v", words(runs))
	}
}

// Names may hold what an URI means something by.
func TestAnyName(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a%20b?mode=memory#x&y ü.db")
	h := open(t, path, Options{})
	tell(t, h, at("orders", canary.Bad, noon))
	synced(t, h)
	if info, err := os.Stat(path); err != nil || info.Size() == 0 {
		t.Errorf("%v %v", info, err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func scribble(t *testing.T, path string, from, to int64) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := from; i < min(to, int64(len(b))); i++ {
		b[i] = 0xa5
	}
	write(t, path, string(b))
}

func shorten(t *testing.T, path string) {
	t.Helper()
	if err := os.Truncate(path, 10*pageSize); err != nil {
		t.Fatal(err)
	}
}
