package ledger

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/reports"
)

// The formats of the two kinds of objects. They change when a reader of the old ones would misread them.
const (
	GenesisFormat = "linkassay.ledger/v1"
	EntryFormat   = "linkassay.ledger-entry/v1"
)

// Bounds of what is written and read, in bytes. A link with all checks takes about 15 kB.
const (
	maxGenesis = 64 << 10
	maxEntry   = 64 << 20
)

// Genesis is the first object of a ledger, ledger.json: entry 1 holds its hash.
type Genesis struct {
	Format  string    `json:"format"`
	ID      string    `json:"id"` // random, so that no two ledgers have a hash in common
	Created time.Time `json:"created"`
	Tool    string    `json:"tool"`
	// Every is the schedule that was declared when the ledger was made; zero is none.
	Every provision.Duration `json:"every,omitempty"`
}

// Entry is one run in the ledger.
type Entry struct {
	Format string         `json:"format"`
	Seq    uint64         `json:"seq"`  // from 1
	Prev   string         `json:"prev"` // SHA-256, in hex, of the bytes of entry seq-1, or of ledger.json for the first
	ID     string         `json:"id"`   // random: tells a writer its own entry from one that says the same
	Record reports.Record `json:"record"`
}

// Head names an entry and, since each holds the hash of the one before it, all entries up to it.
type Head struct {
	Seq  uint64 // 0 is the genesis, or unknown
	Hash string // SHA-256 of the entry's bytes, in hex
}

// String is how heads are printed and read: SEQ:HASH.
func (h Head) String() string { return strconv.FormatUint(h.Seq, 10) + ":" + h.Hash }

// ErrHead says that a text is no head.
var ErrHead = errors.New("not a ledger head: expected SEQ:HASH as a run prints it, or the HASH alone (64 hex digits)")

// HeadLine begins the line in which a run tells the new head.
const HeadLine = "ledger head "

// ParseHead reads a head as a run prints it, with or without the words before it, or its hash alone; Seq is then 0.
func ParseHead(s string) (Head, error) {
	seq, hash, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(s), HeadLine), ":")
	if !ok {
		seq, hash = "0", seq
	}
	n, err := strconv.ParseUint(seq, 10, 64)
	if err != nil || !isHash(hash) || ok && strconv.FormatUint(n, 10) != seq {
		return Head{}, ErrHead
	}
	return Head{Seq: n, Hash: hash}, nil
}

// ParseHeads reads a file of heads, one a line; empty lines and those that begin with # say nothing.
func ParseHeads(r io.Reader) ([]Head, error) {
	const most = 16 << 20
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, err
	}
	if len(b) > most {
		return nil, fmt.Errorf("more than %d bytes", most)
	}
	var heads []Head
	n := 0
	for line := range strings.Lines(string(b)) {
		n++
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		h, err := ParseHead(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		heads = append(heads, h)
	}
	if len(heads) == 0 {
		return nil, errors.New("no head in it")
	}
	return heads, nil
}

func isHash(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == sha256.Size && strings.ToLower(s) == s
}

func hashOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// encode writes the one form that a value has: JSON on one line, fields in the order of the types, map keys
// sorted, and a line break.
func encode(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return append(b, '\n'), nil
}

// What is wrong with the bytes of an object.
var (
	ErrNewer        = errors.New("written by a newer linkassay, in a format that this one does not know")
	ErrNotCanonical = errors.New("not in the form that linkassay writes: it was changed")
)

// decode reads v and refuses every form but the one that encode writes.
func decode(b []byte, format string, v any) error {
	var head struct {
		Format string `json:"format"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return fmt.Errorf("not JSON: %w", err)
	}
	if head.Format != format {
		if kind, version, ok := strings.Cut(head.Format, "/v"); ok && strings.HasPrefix(format, kind+"/") {
			if n, err := strconv.Atoi(version); err == nil && n > 1 {
				return fmt.Errorf("format %q: %w", head.Format, ErrNewer)
			}
		}
		return fmt.Errorf("format %.100q: expected %s", head.Format, format)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%w (%w)", ErrNotCanonical, err)
	}
	again, err := encode(v)
	if err != nil {
		return fmt.Errorf("%w (%w)", ErrNotCanonical, err)
	}
	if !bytes.Equal(again, b) {
		return ErrNotCanonical
	}
	return nil
}

// DecodeEntry reads an entry's bytes. It refuses every form but the one that is written (ErrNotCanonical), and
// newer formats (ErrNewer).
func DecodeEntry(b []byte) (*Entry, error) {
	if len(b) > maxEntry {
		return nil, fmt.Errorf("larger than %d bytes", maxEntry)
	}
	var e Entry
	if err := decode(b, EntryFormat, &e); err != nil {
		return nil, err
	}
	if e.Seq == 0 || !isHash(e.Prev) || e.ID == "" {
		return nil, fmt.Errorf("%w (seq, prev or id)", ErrNotCanonical)
	}
	return &e, nil
}

// GenesisName is the name of the first object, by which a ledger is known.
const GenesisName = "ledger.json"

const entriesDir = "entries/"

// entryName is the object's name. Ten digits keep the names' order that of the entries for a run each second
// over 300 years.
func entryName(seq uint64) string { return fmt.Sprintf("%s%010d.json", entriesDir, seq) }

// seqOf is the inverse of entryName; it is false for other names.
func seqOf(name string) (uint64, bool) {
	m := entryPattern().FindStringSubmatch(name)
	if m == nil {
		return 0, false
	}
	seq, err := strconv.ParseUint(m[1], 10, 64)
	return seq, err == nil && seq > 0
}

func entryPattern() *regexp.Regexp { return regexp.MustCompile(`^entries/([0-9]{10})\.json$`) }
