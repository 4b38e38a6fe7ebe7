package reports

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ErrNotEmpty says that the directory for reports holds something already.
var ErrNotEmpty = errors.New("the directory is not empty")

// CheckDir says, before a run, whether Write will be able to write there: dir must be absent or
// empty, because reports of two runs must not be mixed up. It tries the directory, or the one that it
// would be made in, with a temporary entry: permissions do not tell of read-only file systems.
func CheckDir(dir string) error {
	wrap := func(err error) error { return fmt.Errorf("reports directory %s: %w", dir, err) }
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		above, err := existing(dir)
		if err == nil {
			err = tryDir(above)
		}
		if err != nil {
			return wrap(fmt.Errorf("it cannot be made: %w", err))
		}
		return nil
	case err != nil:
		return wrap(withoutPath(err))
	case len(entries) > 0:
		return wrap(fmt.Errorf("%w: it holds %s; name one that does not exist yet", ErrNotEmpty, clean(entries[0].Name())))
	}
	if err := tryDir(dir); err != nil {
		return wrap(fmt.Errorf("it cannot be written to: %w", err))
	}
	return nil
}

// existing is the nearest directory above dir that exists.
func existing(dir string) (string, error) {
	for {
		info, err := os.Stat(dir)
		switch {
		case err == nil && !info.IsDir():
			return "", fmt.Errorf("%s is not a directory", dir)
		case err == nil || !errors.Is(err, fs.ErrNotExist):
			return dir, err
		}
		if _, err := os.Lstat(dir); err == nil {
			return "", fmt.Errorf("%s is a symbolic link to something that does not exist", dir)
		}
		dir = filepath.Dir(dir)
	}
}

func tryDir(dir string) error {
	name, err := os.MkdirTemp(dir, ".linkassay-*")
	if err != nil {
		return withoutPath(err)
	}
	return os.Remove(name)
}

// withoutPath drops the path of an error about one, where the message has it already.
func withoutPath(err error) error {
	if inner, ok := errors.AsType[*fs.PathError](err); ok {
		return inner.Err
	}
	return err
}

// file is one of the files that Write makes.
type file struct {
	name  string
	write func(w io.Writer) error
}

// Write writes run.json, junit.xml, report.md, report.html and controls.csv into dir, which it makes if need be. Each goes to a
// temporary name, is synced and renamed, all of them only after all were written: a full disk leaves
// nothing half-written behind. The error names the file.
func Write(dir string, r *Report) error {
	return writeFiles(dir, []file{
		{"run.json", func(w io.Writer) error { return writeJSON(w, r) }},
		{"junit.xml", func(w io.Writer) error { return writeJUnit(w, r) }},
		{"report.md", func(w io.Writer) error { return writeMarkdown(w, r) }},
		{"report.html", func(w io.Writer) error { return WriteHTML(w, r) }},
		{ControlsFile, func(w io.Writer) error { return writeControls(w, r) }},
	})
}

func writeFiles(dir string, files []file) (err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the reports directory: %w", err)
	}
	temps := make([]string, len(files))
	defer func() {
		for _, t := range temps {
			if t != "" {
				err = errors.Join(err, os.Remove(t))
			}
		}
	}()
	for i, f := range files {
		if temps[i], err = writeTemp(dir, f); err != nil {
			return fmt.Errorf("write %s: %w", filepath.Join(dir, f.name), err)
		}
	}
	for i, f := range files {
		if err := os.Rename(temps[i], filepath.Join(dir, f.name)); err != nil {
			return fmt.Errorf("write %s: %w", filepath.Join(dir, f.name), err)
		}
		temps[i] = ""
	}
	if err := syncDir(dir); err != nil {
		return fmt.Errorf("sync the reports directory %s: %w", dir, err)
	}
	return nil
}

// writeTemp writes a file under a temporary name and returns that name, also with an error when there
// is something to remove.
func writeTemp(dir string, f file) (string, error) {
	t, err := os.CreateTemp(dir, "."+f.name+".*")
	if err != nil {
		return "", err
	}
	err = f.write(t)
	if err == nil {
		err = t.Chmod(0o644)
	}
	if err == nil {
		err = t.Sync()
	}
	return t.Name(), errors.Join(err, t.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func writeJSON(w io.Writer, r *Report) error {
	b, err := encodeJSON(r)
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

// The formats of Print.
const (
	TableFormat    = "table"
	MarkdownFormat = "markdown"
	JSONFormat     = "json"
	ASFFFormat     = "asff" // findings for AWS Security Hub
)

// Formats lists the formats of Print, the default first.
func Formats() []string { return []string{TableFormat, MarkdownFormat, JSONFormat, ASFFFormat} }

// PrintOptions say how a report is printed as a table.
type PrintOptions struct {
	Width int  // columns, such as the terminal's; 0 means 100
	Color bool // colour the status cells
	Full  bool // of a diagnosis: all that is known of each hop, however long
}

// Print writes the report to w, such as stdout, in one of Formats. A
// closed pipe is an error that is syscall.EPIPE.
func Print(w io.Writer, r *Report, format string, opts PrintOptions) error {
	var err error
	switch format {
	case TableFormat, "":
		err = writeTable(w, r, opts)
	case MarkdownFormat:
		err = writeMarkdown(w, r)
	case JSONFormat:
		err = writeJSON(w, r)
	case ASFFFormat:
		err = writeASFF(w, r)
	default:
		return fmt.Errorf("unknown format %q: expected one of %s", format, strings.Join(Formats(), ", "))
	}
	if err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	return nil
}

// The width of a page where nothing says otherwise, and the bounds of what is readable.
const (
	defaultWidth = 100
	leastWidth   = 60
	mostWidth    = 160
)

func (o PrintOptions) width() int {
	if o.Width == 0 {
		return defaultWidth
	}
	return min(max(o.Width, leastWidth), mostWidth)
}
