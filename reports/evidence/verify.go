package evidence

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/linkassay/linkassay/reports"
)

// ErrRefused says that a bundle is not what it claims to be.
var ErrRefused = errors.New("the bundle is refused")

// ErrUnreadable says that there is nothing to verify or that it could not be read; the bundle may be good.
var ErrUnreadable = errors.New("the bundle could not be read")

// The bounds of what is read of a bundle, in bytes.
const (
	maxRun   = 4 << 30
	maxOther = 1 << 30
	maxSmall = 1 << 20 // SHA256SUMS, its signature and time stamp
	maxFiles = maxSums + 3
)

// Options say what a bundle must come with. The zero value asks for no signature, and checks one that is there
// without knowing whose it is.
type Options struct {
	// AllowedSigners is a list in the format of ssh-keygen(1), ALLOWED SIGNERS; nil: none was given.
	AllowedSigners []byte
	// Principal is who must have signed; "" is whoever the list allows.
	Principal string
	// RequireSignature refuses a bundle that nobody of the list has signed.
	RequireSignature bool
	// TimestampRoots are what the certificate of a time stamp must lead to; nil: the system's.
	TimestampRoots *x509.CertPool
	// Version and Build say which build verifies; "": it is not told, and files that were made of run.json are compared with a
	// note where they differ, as those of any other build.
	Version string
	Build   reports.Build
	// Now is the clock that keys expire by where nothing is stamped; default time.Now.
	Now func() time.Time
}

// VerifyDir verifies the bundle in a directory. See Verify.
func VerifyDir(dir string, o Options) (*Result, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open the bundle: %w: %w", ErrUnreadable, err)
	}
	defer root.Close()
	r, err := Verify(root.FS(), o)
	if err != nil {
		return nil, fmt.Errorf("verify the bundle %s: %w", dir, err)
	}
	r.Dir = dir
	return r, nil
}

// Verify verifies a bundle: that it is complete, that every file is listed and has its digest, that the lists are in
// their canonical form, and that the checks say again what was recorded. What is wrong with the bundle stands in the
// Result; an error means that it could not be found out (ErrUnreadable, reports.ErrNewer).
func Verify(fsys fs.FS, o Options) (*Result, error) { return verify(fsys, o) }

func verify(fsys fs.FS, o Options) (*Result, error) {
	v := &verification{fsys: fsys, o: o, result: &Result{Format: ResultFormat}}
	err := v.run()
	var refused refusal
	switch {
	case errors.As(err, &refused):
		v.result.Problems = append(v.result.Problems, refused...)
	case errors.Is(err, reports.ErrNewer), errors.Is(err, ErrAllowedSigners):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	v.result.Verified = len(v.result.Problems) == 0
	return v.result, nil
}

// refusal is what is wrong with a bundle, a line each.
type refusal []string

func (r refusal) Error() string { return strings.Join(r, "; ") }

func refuse(format string, args ...any) error { return refusal{fmt.Sprintf(format, args...)} }

type verification struct {
	fsys   fs.FS
	o      Options
	result *Result
	sums   []sum
	list   []byte // SHA256SUMS
	// armoured is SHA256SUMS.sig and key what it was made with, once that was checked; nil: there is none.
	armoured []byte
	key      ssh.PublicKey
}

// run goes from the outside in: nothing is read as more than bytes before its digest was checked.
func (v *verification) run() error {
	names, err := v.names()
	if err != nil {
		return err
	}
	if v.list, err = v.small(SumsFile); err != nil {
		return err
	}
	if v.sums, err = parseSums(v.list); err != nil {
		return refusal{err.Error()}
	}
	for _, step := range []func() error{v.signature, v.timestamp, v.signer} {
		if err := step(); err != nil {
			return err
		}
	}
	if err := v.present(names); err != nil {
		return err
	}
	if err := v.digests(); err != nil {
		return err
	}
	v.result.Files = len(names)
	return v.contents()
}

// names lists the bundle's files, which are all plain files.
func (v *verification) names() ([]string, error) {
	entries, err := fs.ReadDir(v.fsys, ".")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	switch {
	case slices.Contains(names, IncompleteFile):
		return nil, refuse("it holds the file %s: whoever wrote it did not come to the end", IncompleteFile)
	case !slices.Contains(names, SumsFile) && !slices.Contains(names, reports.RunFile):
		return nil, fmt.Errorf("it holds neither %s nor %s: that is no bundle", SumsFile, reports.RunFile)
	case len(names) > maxFiles:
		return nil, refuse("it holds %d files, more than %d", len(names), maxFiles)
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			return nil, refuse("%q is no plain file", e.Name())
		}
	}
	return names, nil
}

func (v *verification) small(name string) ([]byte, error) {
	b, err := readBounded(v.fsys, name, maxSmall)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, refuse("%s is missing", name)
	}
	return b, err
}

// present refuses files that are missing and files that nobody vouches for.
func (v *verification) present(names []string) error {
	var wrong refusal
	listed := map[string]bool{SumsFile: true, SignatureFile: true, StampFile: true}
	for _, s := range v.sums {
		listed[s.name] = true
		if !slices.Contains(names, s.name) {
			wrong = append(wrong, fmt.Sprintf("%s is missing", s.name))
		}
	}
	for _, name := range names {
		if !listed[name] {
			wrong = append(wrong, fmt.Sprintf("%q is not listed in %s", name, SumsFile))
		}
	}
	for _, name := range []string{reports.RunFile, StatementFile} {
		if !listed[name] {
			wrong = append(wrong, fmt.Sprintf("%s does not list %s", SumsFile, name))
		}
	}
	if len(wrong) > 0 {
		return wrong
	}
	return nil
}

// digests reads every listed file once.
func (v *verification) digests() error {
	var wrong refusal
	buffer := make([]byte, 64<<10)
	for _, s := range v.sums {
		f, err := v.fsys.Open(s.name)
		if err != nil {
			return err
		}
		h := sha256.New()
		n, err := io.CopyBuffer(h, io.LimitReader(f, maxRun+1), buffer)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		if n > maxRun {
			return refuse("%s is larger than %d bytes", s.name, int64(maxRun))
		}
		if [sha256.Size]byte(h.Sum(nil)) != s.digest {
			wrong = append(wrong, fmt.Sprintf("%s is not the file that %s lists: its digest differs", s.name, SumsFile))
		}
	}
	if len(wrong) > 0 {
		return wrong
	}
	return nil
}

// read returns a listed file, whose digest it checks again: it is another reading.
func (v *verification) read(name string, limit int64) ([]byte, [sha256.Size]byte, error) {
	i := slices.IndexFunc(v.sums, func(s sum) bool { return s.name == name })
	if i < 0 {
		return nil, [sha256.Size]byte{}, refuse("%s does not list %s", SumsFile, name)
	}
	b, err := readBounded(v.fsys, name, limit)
	if err != nil {
		return nil, v.sums[i].digest, err
	}
	if sha256.Sum256(b) != v.sums[i].digest {
		return nil, v.sums[i].digest, refuse("%s changed while it was being verified", name)
	}
	return b, v.sums[i].digest, nil
}

// contents reads the run and judges it again.
func (v *verification) contents() error {
	plain, digest, err := v.read(reports.RunFile, maxRun)
	if err != nil {
		return err
	}
	r, err := reports.Decode(plain)
	if errors.Is(err, reports.ErrNewer) {
		return err
	}
	if err != nil {
		return refusal{err.Error()}
	}
	v.result.Run = describe(r)
	statement, _, err := v.read(StatementFile, maxOther)
	if err != nil {
		return err
	}
	var wrong refusal
	if err := checkStatement(statement, r, digest); err != nil {
		wrong = append(wrong, err.Error())
	}
	raw, err := v.raw(r)
	if err != nil {
		var refused refusal
		if !errors.As(err, &refused) {
			return err
		}
		wrong = append(wrong, refused...)
	}
	replayed, err := newReplayer().replay(r)
	if err != nil {
		return err
	}
	v.result.Replay = &replayed.Replay
	wrong = append(wrong, replayed.problems...)
	v.result.Notes = append(v.result.Notes, replayed.notes...)
	if len(wrong) > 0 {
		return wrong
	}
	return v.pages(r, raw)
}

// raw reads what run.json names by its digest alone.
func (v *verification) raw(r *reports.Report) (*reports.Raw, error) {
	messages, _, err := v.read("dns.txt", maxOther)
	if err != nil {
		return nil, err
	}
	certificates, _, err := v.read("certificates.pem", maxOther)
	if err != nil {
		return nil, err
	}
	raw, err := reports.ReadRaw(messages, certificates)
	if err == nil {
		err = r.CheckRaw(raw)
	}
	if err != nil {
		return nil, refusal{err.Error()}
	}
	return raw, nil
}
