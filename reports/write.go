package reports

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// ErrNotEmpty says that the directory for reports holds something already.
var ErrNotEmpty = errors.New("the directory is not empty")

// CheckDir says, before a run, whether a bundle can be written there: dir must be absent or
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

// File is one of the files of a report.
type File struct {
	Name  string
	Write func(w io.Writer) error
}

// RunFile is the file that holds the whole report; the others are made of it.
const RunFile = "run.json"

// Files are the files that a report is written into.
func Files(r *Report) []File {
	run := sync.OnceValues(func() ([]byte, error) { return Encode(r) }) // for itself, and for the page that tells its digest
	return []File{
		{RunFile, func(w io.Writer) error {
			b, err := run()
			if err != nil {
				return err
			}
			_, err = w.Write(b)
			return err
		}},
		{"dns.txt", func(w io.Writer) error { return writeMessages(w, r) }},
		{"certificates.pem", func(w io.Writer) error { return writeCertificates(w, r) }},
		{"junit.xml", func(w io.Writer) error { return writeJUnit(w, r) }},
		{"report.md", func(w io.Writer) error { return writeMarkdown(w, r) }},
		{"report.html", func(w io.Writer) error {
			b, err := run()
			if err != nil {
				return err
			}
			digest := sha256.Sum256(b)
			return writePage(w, r, hex.EncodeToString(digest[:]))
		}},
		{ControlsFile, func(w io.Writer) error { return writeControls(w, r) }},
	}
}

func writeJSON(w io.Writer, r *Report) error {
	b, err := Encode(r)
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
	ASFFFormat     = "asff"  // findings for AWS Security Hub
	OSCALFormat    = "oscal" // OSCAL Assessment Results
)

// Formats lists the formats of Print, the default first.
func Formats() []string {
	return []string{TableFormat, MarkdownFormat, JSONFormat, ASFFFormat, OSCALFormat}
}

// PrintOptions say how a report is printed as a table.
type PrintOptions struct {
	Width int  // columns, such as the terminal's; 0 means 100
	Color bool // colour the status cells
	Full  bool // of a diagnosis: all that is known of each hop, however long
	// Bundle is the directory that the run's files are in, for OSCAL to refer to; empty where there is none.
	Bundle string
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
	case OSCALFormat:
		err = writeOSCAL(w, r, opts.Bundle)
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
