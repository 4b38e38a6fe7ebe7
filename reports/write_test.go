package reports

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
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

func TestFiles(t *testing.T) {
	t.Parallel()
	r := report(t, "healthy")
	r.Selection, r.Catalogue = "dns || tls", strings.Repeat("5e", 32)
	var got []string
	digest := ""
	for _, f := range Files(r) {
		got = append(got, f.Name)
		var b bytes.Buffer
		if err := f.Write(&b); err != nil || b.Len() == 0 {
			t.Errorf("%s: %d bytes, %v", f.Name, b.Len(), err)
		}
		if f.Name == RunFile && b.String() != printed(t, r, JSONFormat, PrintOptions{}) {
			t.Error("run.json differs from what is printed")
		}
		switch f.Name {
		case RunFile:
			digest = fmt.Sprintf("%x", sha256.Sum256(b.Bytes()))
		case "report.html": // it tells what it was made of, and by which checks
			for _, want := range []string{digest, r.Catalogue, "dns || tls"} {
				if !strings.Contains(b.String(), want) {
					t.Errorf("the page does not say %q", want)
				}
			}
		}
	}
	if want := []string{"run.json", "dns.txt", "certificates.pem", "junit.xml", "report.md", "report.html", ControlsFile}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// What would make writing fail is found before the run.
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
}
