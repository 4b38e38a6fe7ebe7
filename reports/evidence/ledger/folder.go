package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"
)

// folder is a gocloud.dev/blob driver that keeps objects as files and never replaces or removes one.
//
// gocloud.dev's own (fileblob, 0.47.0) will not do for a ledger. Its IfNotExist looks whether the file is there and then
// renames over it, under a lock that each writer has for itself: of two writers both may succeed, and the first
// one's entry is gone. And it syncs neither the file nor its directory, so an acknowledged run is lost with the power.
//
// Here an object is written under a temporary name, synced, and linked to its own name, which fails when there
// is one already, on POSIX file systems and on NFS; then the directory is synced, and only then is it acknowledged. What dies
// on the way leaves a temporary file, which is no object, and which sweep removes.
type folder struct {
	root *os.Root
	// step is called before each step that changes the disk, nil in earnest. Its error is what the step comes to.
	step func(what string) error
}

// tempPrefix begins the names of files that are being written.
const tempPrefix = ".writing-"

// staleAfter is the age at which a temporary file is nobody's: writing one takes no minute.
const staleAfter = time.Hour

var errAppendOnly = errors.New("a ledger's folder only ever gets new objects")

func openFolder(dir string, create bool) (*folder, error) {
	if create {
		if err := makeDir(dir); err != nil {
			return nil, err
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &folder{root: root}, nil
}

// makeDir makes a directory, and those above it, to stay.
func makeDir(dir string) error {
	err := os.Mkdir(dir, 0o755)
	above := filepath.Dir(dir)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil // OpenRoot says so if it is something else
	case errors.Is(err, fs.ErrNotExist) && above != dir:
		if err := makeDir(above); err != nil {
			return err
		}
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	case err != nil:
		return err
	}
	d, err := os.Open(above)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (f *folder) before(what string) error {
	if f.step == nil {
		return nil
	}
	return f.step(what)
}

// open opens a regular file. Whoever prepared the folder may have put a pipe or a device there: opening must not
// block, and nothing else is read. Root keeps symbolic links inside the folder.
func (f *folder) open(key string) (*os.File, fs.FileInfo, error) {
	file, err := f.root.OpenFile(key, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", key)
	}
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	return file, info, nil
}

// create writes an object that must not be there yet.
func (f *folder) create(key string, content []byte) (err error) {
	dir := path.Dir(key)
	if dir != "." {
		if err := f.before("mkdir"); err != nil {
			return err
		}
		if err := f.root.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		// Also when it was there: whoever made it may have been ended before this.
		if err := f.sync("."); err != nil {
			return err
		}
	}
	temp := path.Join(dir, tempPrefix+newID())
	if err := f.before("create"); err != nil {
		return err
	}
	file, err := f.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	if err := f.fill(file, content); err != nil {
		return errors.Join(err, f.remove(temp))
	}
	if err := f.before("link"); err != nil {
		return errors.Join(err, f.remove(temp))
	}
	if err := f.root.Link(temp, key); err != nil {
		return errors.Join(fmt.Errorf("link %s to its name: %w", temp, err), f.remove(temp))
	}
	// The object is there for other writers to see, and not yet acknowledged.
	if err := f.sync(dir); err != nil {
		return err
	}
	_ = f.remove(temp) // a second name of the object; sweep removes it if this didn't
	return nil
}

// fill writes in two halves, so that a test can end between them.
func (f *folder) fill(file *os.File, content []byte) error {
	err := func() error {
		half := len(content) / 2
		for _, part := range [][]byte{content[:half], content[half:]} {
			if err := f.before("write"); err != nil {
				return err
			}
			if _, err := file.Write(part); err != nil {
				return err
			}
		}
		if err := f.before("sync"); err != nil {
			return err
		}
		return file.Sync()
	}()
	return errors.Join(err, file.Close())
}

func (f *folder) remove(temp string) error {
	if err := f.before("remove"); err != nil {
		return err
	}
	return f.root.Remove(temp)
}

func (f *folder) sync(dir string) error {
	if err := f.before("sync directory"); err != nil {
		return err
	}
	d, err := f.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// sweep removes the temporary files that writers left behind which were ended.
func (f *folder) sweep(now time.Time) error {
	var errs []error
	for _, dir := range []string{".", strings.TrimSuffix(entriesDir, "/")} {
		names, err := f.names(dir)
		if err != nil {
			return err
		}
		for _, name := range names {
			name = path.Join(dir, name)
			if !strings.HasPrefix(path.Base(name), tempPrefix) {
				continue
			}
			info, err := f.root.Lstat(name)
			if err == nil && now.Sub(info.ModTime()) > staleAfter {
				err = f.root.Remove(name)
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) { // another sweep was first
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// names lists a directory, none when it isn't there.
func (f *folder) names(dir string) ([]string, error) {
	d, err := f.root.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	names, err := d.Readdirnames(-1)
	slices.Sort(names)
	return names, errors.Join(err, d.Close())
}

// The rest is gocloud.dev/blob's driver.Bucket.

// ErrorCode sorts errors as gocloud.dev does.
func (f *folder) ErrorCode(err error) gcerrors.ErrorCode {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return gcerrors.NotFound
	case errors.Is(err, fs.ErrExist):
		return gcerrors.FailedPrecondition
	case errors.Is(err, fs.ErrPermission):
		return gcerrors.PermissionDenied
	case errors.Is(err, errAppendOnly):
		return gcerrors.Unimplemented
	}
	return gcerrors.Unknown
}

// As converts to nothing.
func (f *folder) As(any) bool { return false }

// ErrorAs converts to nothing.
func (f *folder) ErrorAs(error, any) bool { return false }

// Attributes tells the size of an object.
func (f *folder) Attributes(_ context.Context, key string) (*driver.Attributes, error) {
	info, err := f.root.Stat(key)
	if err != nil {
		return nil, err
	}
	return &driver.Attributes{ContentType: contentType, ModTime: info.ModTime(), Size: info.Size()}, nil
}

// ListPaged lists all objects below a directory, in one page.
func (f *folder) ListPaged(_ context.Context, opts *driver.ListOptions) (*driver.ListPage, error) {
	if opts.BeforeList != nil {
		if err := opts.BeforeList(f.As); err != nil {
			return nil, err
		}
	}
	dir := "."
	if i := strings.LastIndexByte(opts.Prefix, '/'); i >= 0 {
		dir = opts.Prefix[:i]
	}
	names, err := f.names(dir)
	if err != nil {
		return nil, err
	}
	page := &driver.ListPage{}
	for _, name := range names {
		if name = path.Join(dir, name); strings.HasPrefix(name, opts.Prefix) && !strings.HasPrefix(path.Base(name), tempPrefix) {
			page.Objects = append(page.Objects, &driver.ListObject{Key: name})
		}
	}
	return page, nil
}

// NewRangeReader reads an object.
func (f *folder) NewRangeReader(_ context.Context, key string, offset, length int64, opts *driver.ReaderOptions) (driver.Reader, error) {
	file, info, err := f.open(key)
	if err != nil {
		return nil, err
	}
	if length < 0 {
		length = max(info.Size()-offset, 0)
	}
	if opts.BeforeRead != nil {
		if err := opts.BeforeRead(f.As); err != nil {
			return nil, errors.Join(err, file.Close())
		}
	}
	return &folderReader{
		SectionReader: io.NewSectionReader(file, offset, length), file: file,
		attrs: driver.ReaderAttributes{ContentType: contentType, ModTime: info.ModTime(), Size: info.Size()},
	}, nil
}

type folderReader struct {
	*io.SectionReader
	file  *os.File
	attrs driver.ReaderAttributes
}

func (r *folderReader) Close() error                         { return r.file.Close() }
func (r *folderReader) Attributes() *driver.ReaderAttributes { return &r.attrs }
func (r *folderReader) As(any) bool                          { return false }

// NewTypedWriter writes a new object; nothing is there before Close.
func (f *folder) NewTypedWriter(ctx context.Context, key, _ string, opts *driver.WriterOptions) (driver.Writer, error) {
	if !opts.IfNotExist {
		return nil, errAppendOnly
	}
	if opts.BeforeWrite != nil {
		if err := opts.BeforeWrite(f.As); err != nil {
			return nil, err
		}
	}
	return &folderWriter{ctx: ctx, folder: f, key: key}, nil
}

type folderWriter struct {
	ctx     context.Context //nolint:containedctx // the interface gives it here, and asks for it in Close
	folder  *folder
	key     string
	content []byte
}

func (w *folderWriter) Write(p []byte) (int, error) {
	w.content = append(w.content, p...)
	return len(p), nil
}

func (w *folderWriter) Close() error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	return w.folder.create(w.key, w.content)
}

// Copy is refused.
func (f *folder) Copy(context.Context, string, string, *driver.CopyOptions) error {
	return errAppendOnly
}

// Delete is refused.
func (f *folder) Delete(context.Context, string, *driver.DeleteOptions) error { return errAppendOnly }

// SignedURL is refused.
func (f *folder) SignedURL(context.Context, string, *driver.SignedURLOptions) (string, error) {
	return "", errAppendOnly
}

// Close gives the folder back.
func (f *folder) Close() error { return f.root.Close() }
