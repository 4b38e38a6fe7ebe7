package evidence

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// sum is one line of SHA256SUMS.
type sum struct {
	name   string
	digest [sha256.Size]byte
}

// encodeSums writes SHA256SUMS as sha256sum -c reads it: sorted by name, two spaces, a line end after each.
func encodeSums(sums []sum) []byte {
	sums = slices.Clone(sums)
	slices.SortFunc(sums, func(a, b sum) int { return strings.Compare(a.name, b.name) })
	var b bytes.Buffer
	for _, s := range sums {
		fmt.Fprintf(&b, "%x  %s\n", s.digest, s.name)
	}
	return b.Bytes()
}

// maxSums bounds the files of a bundle.
const maxSums = 1000

// parseSums reads SHA256SUMS and refuses whatever encodeSums would have written in another way: sha256sum takes
// comments, spaces, either case, other orders and CRLF.
func parseSums(b []byte) ([]sum, error) {
	var sums []sum
	for line := range strings.Lines(string(b)) {
		if len(sums) == maxSums {
			return nil, fmt.Errorf("%s has more than %d lines", SumsFile, maxSums)
		}
		digest, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		s := sum{name: name}
		if n, err := hex.Decode(s.digest[:], []byte(digest[:min(len(digest), 2*sha256.Size)])); !ok || err != nil || n != sha256.Size {
			return nil, fmt.Errorf("line %d of %s is not a digest, two spaces and a name", len(sums)+1, SumsFile)
		}
		if !nameAllowed(name) {
			return nil, fmt.Errorf("line %d of %s: %q is no name that a bundle may hold", len(sums)+1, SumsFile, name)
		}
		if len(sums) > 0 && sums[len(sums)-1].name == name {
			return nil, fmt.Errorf("%s lists %s twice", SumsFile, name)
		}
		sums = append(sums, s)
	}
	if len(sums) == 0 {
		return nil, errors.New(SumsFile + " is empty")
	}
	if !bytes.Equal(encodeSums(sums), b) {
		return nil, errors.New(SumsFile + " is not in its one canonical form: lines sorted by name, digests in lower case, two spaces, line feeds")
	}
	return sums, nil
}

// nameAllowed says whether a bundle may hold a file of this name under a digest: plain, flat, and none of those
// that hold or vouch for the digests.
func nameAllowed(name string) bool {
	if name == "" || len(name) > 100 || strings.HasPrefix(name, SumsFile) || name == IncompleteFile {
		return false
	}
	for i, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case i > 0 && (c == '.' || c == '_' || c == '-'):
		default:
			return false
		}
	}
	return true
}
