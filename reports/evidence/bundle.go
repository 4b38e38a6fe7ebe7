// Package evidence keeps what a run saw and concluded so that somebody who was not there can check it: in a bundle,
// a directory of plain files under one list of digests, which may be signed. A bundle replays: the checks judge the
// recorded Observation again, and must say the same.
package evidence

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/linkassay/linkassay/reports"
)

// The files of a bundle beside those of reports.Files.
const (
	IncompleteFile   = "INCOMPLETE"     // there until all else is written
	StatementFile    = "statement.json" // in-toto Statement
	InstructionsFile = "VERIFY.md"
	SumsFile         = "SHA256SUMS" // of all the others, as sha256sum -c reads it
	SignatureFile    = "SHA256SUMS.sig"
	StampFile        = "SHA256SUMS.tsr"
)

const incompleteText = `This bundle is incomplete: the program that wrote it did not come to its end, or is still at it.
What is here proves nothing. linkassay evidence verify refuses it.
`

// Bundle is a bundle that is being written.
type Bundle struct{ store store }

// Create begins a bundle in dir, which it makes if need be. Until Seal has come to its end the bundle holds a file
// INCOMPLETE, and is refused.
func Create(dir string) (*Bundle, error) {
	s, err := openDir(dir)
	if err != nil {
		return nil, fmt.Errorf("make the bundle: %w", err)
	}
	return begin(s)
}

func begin(s store) (*Bundle, error) {
	b := &Bundle{s}
	return b, b.mark()
}

func (b *Bundle) mark() error {
	return b.put(IncompleteFile, func(w io.Writer) error { _, err := io.WriteString(w, incompleteText); return err })
}

// Observe writes what was observed, reads it back, and puts what it read into the report: that is to be judged. The
// report's observations were through reports.Keep.
func (b *Bundle) Observe(r *reports.Report) error {
	plain, err := reports.Encode(r)
	if err != nil {
		return err
	}
	if err := b.put(reports.RunFile, func(w io.Writer) error { _, err := w.Write(plain); return err }); err != nil {
		return err
	}
	plain, err = readBounded(b.store.files(), reports.RunFile, maxRun)
	if err != nil {
		return fmt.Errorf("read %s again: %w", b.store.path(reports.RunFile), err)
	}
	again, err := reports.Decode(plain)
	if err != nil {
		return fmt.Errorf("read %s again: %w", b.store.path(reports.RunFile), err)
	}
	for i := range again.Links {
		again.Links[i].Raw.Add(r.Links[i].Raw)
	}
	r.Links = again.Links
	return nil
}

// SealOptions say how a bundle is sealed. The zero value leaves it unsigned: it then proves integrity against
// accident only.
type SealOptions struct {
	// Key signs SHA256SUMS; nil: nobody does.
	Key Key
	// Throwaway says that the key is kept nowhere.
	Throwaway bool
	// Timestamp is the URL of the RFC 3161 authority that stamps the signature, or without one SHA256SUMS; "": none does.
	Timestamp string
	// TimestampRoots are what the authority's certificate must lead to; nil: the system's.
	TimestampRoots *x509.CertPool
	// AllowedSigners is where VERIFY.md says that the list of allowed signers is; default ../allowed_signers.
	AllowedSigners string
}

// Key is a key that seals; package signers opens them.
type Key interface {
	PublicKey() ssh.PublicKey
	// Seal signs for Namespace and returns an armoured SSH signature.
	Seal(ctx context.Context, message []byte) ([]byte, error)
}

// Seal writes all files of the bundle, verifies it as anybody else would, and takes the mark of incompleteness away last.
// It may be called again when the report has changed. The error names the file.
func (b *Bundle) Seal(ctx context.Context, r *reports.Report, o SealOptions) error {
	if err := b.mark(); err != nil { // again, when it was sealed before
		return err
	}
	for _, name := range []string{SumsFile, SignatureFile, StampFile} {
		if err := b.store.remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove the old %s: %w", b.store.path(name), err)
		}
	}
	var sums []sum
	add := func(name string, write func(io.Writer) error) error {
		s, err := b.digested(name, write)
		sums = append(sums, s)
		return err
	}
	kept, err := reread(r)
	if err != nil {
		return fmt.Errorf("make the files of the bundle: %w", err)
	}
	files := reports.Files(kept)
	written, errs := make([]sum, len(files)), make([]error, len(files))
	var side sync.WaitGroup // each is made of the report for itself
	for i, f := range files {
		side.Go(func() { written[i], errs[i] = b.digested(f.Name, f.Write) })
	}
	side.Wait()
	for _, err := range errs {
		if err != nil {
			return err // the others have the same reason, mostly: the disk is full
		}
	}
	sums = append(sums, written...)
	statement, err := encodeStatement(kept, sums)
	if err != nil {
		return err
	}
	if err := add(StatementFile, func(w io.Writer) error { _, err := w.Write(statement); return err }); err != nil {
		return err
	}
	if err := add(InstructionsFile, func(w io.Writer) error { return writeInstructions(w, o) }); err != nil {
		return err
	}
	list := encodeSums(sums)
	if err := b.put(SumsFile, func(w io.Writer) error { _, err := w.Write(list); return err }); err != nil {
		return err
	}
	sealed := list
	if o.Key != nil {
		signature, err := o.Key.Seal(ctx, list)
		if err != nil {
			return fmt.Errorf("seal the bundle: %w", err)
		}
		if err := b.put(SignatureFile, func(w io.Writer) error { _, err := w.Write(signature); return err }); err != nil {
			return err
		}
		sealed = signature
	}
	if o.Timestamp != "" {
		token, err := stamp(ctx, o, sealed)
		if err != nil {
			return err
		}
		if err := b.put(StampFile, func(w io.Writer) error { _, err := w.Write(token); return err }); err != nil {
			return err
		}
	}
	result, err := verify(except(b.store.files(), IncompleteFile), Options{TimestampRoots: o.TimestampRoots, Version: r.Version, Build: r.Build})
	if err == nil {
		err = result.Err()
	}
	if err != nil {
		return fmt.Errorf("verify the new bundle: %w", err)
	}
	if err := b.store.remove(IncompleteFile); err != nil {
		return fmt.Errorf("remove %s: %w", b.store.path(IncompleteFile), err)
	}
	if err := b.store.sync(); err != nil {
		return fmt.Errorf("sync the bundle %s: %w", b.store.path(""), err)
	}
	return nil
}

// digested writes a whole file, and returns its digest.
func (b *Bundle) digested(name string, write func(io.Writer) error) (sum, error) {
	s, h := sum{name: name}, sha256.New()
	if err := b.put(name, func(w io.Writer) error { return write(io.MultiWriter(w, h)) }); err != nil {
		return s, err
	}
	h.Sum(s.digest[:0])
	return s, nil
}

// put writes a whole file: under a temporary name, synced, renamed.
func (b *Bundle) put(name string, write func(io.Writer) error) error {
	wrap := func(err error) error { return fmt.Errorf("write %s: %w", b.store.path(name), err) }
	f, err := b.store.create(name)
	if err != nil {
		return wrap(err)
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = b.store.rename(f.Name(), name)
	}
	if err != nil {
		return wrap(errors.Join(err, b.store.remove(f.Name())))
	}
	if err := b.store.sync(); err != nil {
		return wrap(err)
	}
	return nil
}

// readBounded reads a file of at most limit bytes.
func readBounded(fsys fs.FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var b bytes.Buffer
	if info, err := f.Stat(); err == nil && info.Size() <= limit {
		b.Grow(int(info.Size()) + bytes.MinRead)
	}
	if _, err := b.ReadFrom(io.LimitReader(f, limit+1)); err != nil {
		return nil, err
	}
	if int64(b.Len()) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, limit)
	}
	return b.Bytes(), nil
}
