package reports

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestWrite(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "dir")
	if err := CheckDir(dir); err != nil {
		t.Fatal(err)
	}
	r := report(t, "healthy")
	if err := Write(dir, r); err != nil {
		t.Fatal(err)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"controls.csv", "junit.xml", "report.html", "report.md", "run.json"}) {
		t.Errorf("%v", got)
	}
	b, err := os.ReadFile(filepath.Join(dir, "run.json"))
	if err != nil || string(b) != printed(t, r, JSONFormat, PrintOptions{}) {
		t.Errorf("run.json differs from what is printed: %v", err)
	}
	info, err := os.Stat(filepath.Join(dir, "junit.xml"))
	if err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := CheckDir(dir); !errors.Is(err, ErrNotEmpty) || !strings.Contains(err.Error(), dir) {
		t.Errorf("a second run into the same directory: %v", err)
	}
}

// What would make Write fail is found before the run.
func TestCheckDirTriesTheDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	dangling, file, closed := filepath.Join(dir, "dangling"), filepath.Join(dir, "file"), filepath.Join(dir, "closed")
	if err := errors.Join(os.Symlink(filepath.Join(dir, "nowhere"), dangling), os.WriteFile(file, nil, 0o600), os.Mkdir(closed, 0o500)); err != nil {
		t.Fatal(err)
	}
	wrong := map[string]string{
		dangling:                       "is a symbolic link to something that does not exist",
		filepath.Join(dangling, "new"): "is a symbolic link to something that does not exist",
		filepath.Join(file, "new"):     "not a directory",
	}
	if os.Getuid() != 0 { // root writes everywhere
		wrong[closed], wrong[filepath.Join(closed, "new")] = "cannot be written to: permission denied", "cannot be made: permission denied"
	}
	if _, err := os.Stat("/proc/self"); err == nil {
		wrong["/proc/new/dir"] = "cannot be made: "
	}
	for path, want := range wrong {
		if err := CheckDir(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{empty, filepath.Join(dir, "new"), filepath.Join(dir, "new", "dir")} {
		if err := CheckDir(path); err != nil {
			t.Error(err)
		}
	}
	if got := names(t, dir); !slices.Equal(got, []string{"closed", "dangling", "empty", "file"}) || len(names(t, empty)) > 0 {
		t.Errorf("the trial left something behind: %v", got)
	}
}

func TestCheckDirRefusesAFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := CheckDir(path); err == nil {
		t.Error("a file is no directory")
	}
	if err := CheckDir(t.TempDir()); err != nil {
		t.Errorf("an empty directory: %v", err)
	}
	if err := Write(path, report(t)); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("write into a file: %v", err)
	}
}

// A write that fails leaves no file behind, whole or half, and its error says which it was.
func TestFailedWriteLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	err := writeFiles(dir, []file{
		{"run.json", func(w io.Writer) error { _, err := io.WriteString(w, "{}"); return err }},
		{"junit.xml", func(w io.Writer) error {
			if _, err := io.WriteString(w, "<half"); err != nil {
				return err
			}
			return syscall.ENOSPC
		}},
		{"report.md", func(io.Writer) error { t.Error("went on after a failure"); return nil }},
	})
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), filepath.Join(dir, "junit.xml")) {
		t.Error(err)
	}
	if got := names(t, dir); len(got) > 0 {
		t.Errorf("left behind: %v", got)
	}
}

func TestWriteIntoAReadOnlyDirectory(t *testing.T) {
	t.Parallel()
	if os.Getuid() == 0 {
		t.Skip("root writes everywhere")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if err := Write(dir, report(t)); !errors.Is(err, syscall.EACCES) {
		t.Error(err)
	}
}
