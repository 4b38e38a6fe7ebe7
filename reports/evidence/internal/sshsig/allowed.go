package sshsig

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/ssh"
)

// Bounds of a list of allowed signers, in bytes.
const (
	maxAllowedSigners = 1 << 20
	maxAllowedLine    = 32 << 10
)

// ErrNotAllowed says that a list of allowed signers does not let a key sign.
var ErrNotAllowed = errors.New("the signer is not allowed")

// AllowedSigners is a list of who may sign, in the file's order.
type AllowedSigners []AllowedSigner

// AllowedSigner is one line of the list.
type AllowedSigner struct {
	Line        int    // in the file, from 1
	Principals  string // pattern list, as written: "*@example.com,!mallory@example.com"
	Key         ssh.PublicKey
	Namespaces  string    // pattern list; "" = any
	ValidAfter  time.Time // zero = no bound; inclusive
	ValidBefore time.Time // zero = no bound; inclusive
}

// ParseAllowedSigners reads a list of allowed signers in the format of ssh-keygen(1), ALLOWED SIGNERS:
// principals, options, key type and key on each line. Times without a Z are of the local zone. What
// ssh-keygen knows and linkassay doesn't (cert-authority), and what neither knows, is an error that names
// the line, and never skipped: a line that is misread must not let anybody in or shut anybody out.
func ParseAllowedSigners(data []byte, local *time.Location) (AllowedSigners, error) {
	if len(data) > maxAllowedSigners {
		return nil, fmt.Errorf("the list of allowed signers has %d bytes, more than %d", len(data), maxAllowedSigners)
	}
	var list AllowedSigners
	n := 0
	for raw := range bytes.Lines(data) {
		n++
		line := strings.TrimRight(string(raw), "\r\n")
		s, ok, err := parseAllowed(line, local)
		if err != nil {
			return nil, fmt.Errorf("line %d of the list of allowed signers: %w", n, err)
		}
		if ok {
			s.Line = n
			list = append(list, s)
		}
	}
	return list, nil
}

// parseAllowed reads one line. It is false for one that says nothing.
func parseAllowed(line string, local *time.Location) (s AllowedSigner, ok bool, err error) {
	if len(line) > maxAllowedLine {
		return s, false, fmt.Errorf("it has %d bytes, more than %d", len(line), maxAllowedLine)
	}
	line = strings.Trim(line, " \t")
	if line == "" || line[0] == '#' {
		return s, false, nil
	}
	if !utf8.ValidString(line) || strings.ContainsFunc(line, unprintable) {
		return s, false, errors.New("it has characters that cannot be printed")
	}
	var rest string
	if s.Principals, rest, err = principals(line); err != nil {
		return s, false, err
	}
	first, _ := field(rest)
	if first == "" {
		return s, false, errors.New("there is no key after the principals: expected principals, options, key type and key")
	}
	if !isKeyType(first) {
		var opts string
		if opts, rest, err = cutOptions(rest); err == nil {
			err = s.options(opts, local)
		}
		if err != nil {
			return s, false, err
		}
	}
	s.Key, err = parseKeyFields(rest)
	return s, err == nil, err
}

func unprintable(r rune) bool { return r != '\t' && !unicode.IsPrint(r) }

// field cuts the first word off.
func field(s string) (word, rest string) {
	if i := strings.IndexAny(s, " \t"); i >= 0 {
		return s[:i], strings.TrimLeft(s[i:], " \t")
	}
	return s, ""
}

// principals cuts the pattern list off, which may be quoted as a whole.
func principals(line string) (list, rest string, err error) {
	if quoted, ok := strings.CutPrefix(line, `"`); ok {
		list, rest, ok = strings.Cut(quoted, `"`)
		if !ok || rest != "" && rest[0] != ' ' && rest[0] != '\t' {
			return "", "", errors.New("the principals have a quote that is not closed")
		}
		rest = strings.TrimLeft(rest, " \t")
	} else {
		list, rest = field(line)
		if strings.Contains(list, `"`) {
			return "", "", errors.New("the principals have a quote inside: quote all of them or none")
		}
	}
	if slices.Contains(strings.Split(list, ","), "") {
		return "", "", fmt.Errorf("the principals %s have an empty pattern", quote(list))
	}
	return list, rest, nil
}

// isKeyType says whether a word is the name of a kind of key, known here or not: options never begin so.
func isKeyType(word string) bool {
	for _, prefix := range []string{"ssh-", "ecdsa-", "sk-", "rsa-", "webauthn-"} {
		if strings.HasPrefix(word, prefix) {
			return true
		}
	}
	return false
}

// parseKeyFields reads a key type, a key and a comment that is left alone.
func parseKeyFields(s string) (ssh.PublicKey, error) {
	name, rest := field(s)
	encoded, _ := field(rest)
	if name == "" || encoded == "" {
		return nil, errors.New("there is no key: expected principals, options, key type and key")
	}
	blob, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return nil, fmt.Errorf("the key is not base64: %w", err)
	}
	key, err := ssh.ParsePublicKey(blob)
	if err != nil {
		return nil, fmt.Errorf("the key: %w", err)
	}
	if key.Type() != name {
		return nil, fmt.Errorf("the key is of type %s, the line says %s", quote(key.Type()), quote(name))
	}
	if err := Supported(key); err != nil {
		return nil, fmt.Errorf("the key: %w", err)
	}
	return key, nil
}

// Allows says who of the list signed: the key must be there for the namespace and valid at the time, which
// should be one that the signature's owner can't choose, such as now or a time stamp's. With a principal it
// returns that one, if the key is his; without one, the patterns of every line that fits, as
// ssh-keygen -Y find-principals does. The error is ErrNotAllowed and says why.
func (list AllowedSigners) Allows(principal string, key ssh.PublicKey, namespace string, at time.Time) ([]string, error) {
	blob := key.Marshal()
	var who, why []string
	known := false
	for _, s := range list {
		if !bytes.Equal(s.Key.Marshal(), blob) {
			continue
		}
		known = true
		if reason := s.refuses(principal, namespace, at); reason != "" {
			why = append(why, fmt.Sprintf("line %d %s", s.Line, reason))
			continue
		}
		if principal != "" {
			return []string{principal}, nil
		}
		for p := range strings.SplitSeq(s.Principals, ",") {
			if !strings.HasPrefix(p, "!") && !slices.Contains(who, p) {
				who = append(who, p)
			}
		}
	}
	if len(who) > 0 {
		return who, nil
	}
	name := fmt.Sprintf("the %s key %s", key.Type(), ssh.FingerprintSHA256(key))
	if !known {
		return nil, fmt.Errorf("%w: %s is not in the list", ErrNotAllowed, name)
	}
	return nil, fmt.Errorf("%w: %s is in the list, but %s", ErrNotAllowed, name, strings.Join(why, "; "))
}

// refuses is why a line that has the key doesn't let it sign, or "".
func (s *AllowedSigner) refuses(principal, namespace string, at time.Time) string {
	switch {
	case principal != "" && !matchList(principal, s.Principals):
		return fmt.Sprintf("is for %s, not %s", quote(s.Principals), quote(principal))
	case s.Namespaces != "" && !matchList(namespace, s.Namespaces):
		return fmt.Sprintf("allows the namespaces %s, not %s", quote(s.Namespaces), quote(namespace))
	case !s.ValidAfter.IsZero() && at.Before(s.ValidAfter):
		return fmt.Sprintf("is valid after %s", s.ValidAfter.UTC().Format(time.RFC3339))
	case !s.ValidBefore.IsZero() && at.After(s.ValidBefore):
		return fmt.Sprintf("was valid before %s", s.ValidBefore.UTC().Format(time.RFC3339))
	}
	return ""
}
