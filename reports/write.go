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

// Files are the files that a report is written into. They may be written side by side, in any order, and not all of them.
func Files(r *Report) []File {
	run := &runFile{r: r}
	return []File{
		{RunFile, run.write},
		{"dns.txt", func(w io.Writer) error { return writeMessages(w, r) }},
		{"certificates.pem", func(w io.Writer) error { return writeCertificates(w, r) }},
		{"junit.xml", func(w io.Writer) error { return writeJUnit(w, r) }},
		{"report.md", func(w io.Writer) error { return writeMarkdown(w, r) }},
		{"report.html", func(w io.Writer) error { return writePage(w, r, run.digest) }},
		{ControlsFile, func(w io.Writer) error { return writeControls(w, r) }},
	}
}

// runFile writes run.json, and tells its digest to the page.
type runFile struct {
	r  *Report
	mu sync.Mutex
	// written is closed when the file that is being written is done with; nil where none was begun.
	written chan struct{}
	sum     string // empty where nothing was written whole yet
}

func (f *runFile) write(w io.Writer) error {
	written := make(chan struct{})
	defer close(written)
	f.mu.Lock()
	f.written = written
	f.mu.Unlock()
	_, err := f.digested(w)
	return err
}

func (f *runFile) digested(w io.Writer) (string, error) {
	h := sha256.New()
	if err := encode(io.MultiWriter(w, h), f.r); err != nil {
		return "", err
	}
	sum := hex.EncodeToString(h.Sum(nil))
	f.mu.Lock()
	f.sum = sum
	f.mu.Unlock()
	return sum, nil
}

// digest is the SHA-256 of run.json, in hex: of the one that is written, or where there is none, of what it would be.
func (f *runFile) digest() (string, error) {
	f.mu.Lock()
	written := f.written
	f.mu.Unlock()
	if written != nil {
		<-written
	}
	f.mu.Lock()
	sum := f.sum
	f.mu.Unlock()
	if sum != "" {
		return sum, nil
	}
	return f.digested(io.Discard)
}

// writeJSON writes all of run.json, or none of it.
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
