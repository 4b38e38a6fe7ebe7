package sshsig

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// cutOptions cuts the options off a line: all up to the first space that is not in quotes.
func cutOptions(s string) (opts, rest string, err error) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s) && s[i+1] == '"':
			i++
		case c == '"':
			quoted = !quoted
		case (c == ' ' || c == '\t') && !quoted:
			return s[:i], strings.TrimLeft(s[i:], " \t"), nil
		}
	}
	if quoted {
		return "", "", errors.New("an option has a quote that is not closed")
	}
	return s, "", nil
}

// options reads NAME or NAME="VALUE", separated by commas. Names may be in any case.
func (s *AllowedSigner) options(opts string, local *time.Location) error {
	seen := map[string]bool{}
	for {
		name, value, rest, err := cutOption(opts)
		if err != nil {
			return err
		}
		if seen[name] {
			return fmt.Errorf("the option %s is there twice", name)
		}
		seen[name] = true
		switch name {
		case "namespaces":
			s.Namespaces = value
		case "valid-after":
			s.ValidAfter, err = parseTime(value, local)
		case "valid-before":
			s.ValidBefore, err = parseTime(value, local)
		}
		if err != nil {
			return fmt.Errorf("the option %s: %w", name, err)
		}
		if rest == "" {
			break
		}
		opts = rest[1:]
	}
	if !s.ValidAfter.IsZero() && !s.ValidBefore.IsZero() && s.ValidBefore.Before(s.ValidAfter) {
		return errors.New("valid-before is earlier than valid-after")
	}
	return nil
}

// cutOption reads one option; rest is empty or begins with the comma before the next.
func cutOption(opts string) (name, value, rest string, err error) {
	stop := strings.IndexAny(opts, `=,"`)
	if stop < 0 {
		stop = len(opts)
	}
	name, rest = strings.ToLower(opts[:stop]), opts[stop:]
	switch name {
	case "namespaces", "valid-after", "valid-before":
	case "cert-authority":
		return "", "", "", errors.New("cert-authority: certificates are not supported, list the signer's plain key instead")
	default:
		return "", "", "", fmt.Errorf("unknown option %s: expected namespaces, valid-after or valid-before", quote(name))
	}
	quoted, ok := strings.CutPrefix(rest, `="`)
	if !ok {
		return "", "", "", fmt.Errorf("the option %s needs a value in quotes: %s=\"…\"", name, name)
	}
	var b strings.Builder
	for i := 0; i < len(quoted); i++ {
		switch c := quoted[i]; {
		case c == '\\' && i+1 < len(quoted) && quoted[i+1] == '"':
			i++
			b.WriteByte('"')
		case c == '"':
			rest = quoted[i+1:]
			if rest != "" && (rest[0] != ',' || rest == ",") {
				return "", "", "", fmt.Errorf("expected a comma and another option after the option %s", name)
			}
			if b.Len() == 0 {
				return "", "", "", fmt.Errorf("the option %s is empty", name)
			}
			return name, b.String(), rest, nil
		default:
			b.WriteByte(c)
		}
	}
	return "", "", "", fmt.Errorf("the value of the option %s has a quote that is not closed", name)
}

// parseTime reads YYYYMMDD[HHMM[SS]][Z].
func parseTime(s string, local *time.Location) (time.Time, error) {
	digits, utc := strings.CutSuffix(s, "Z")
	if utc {
		local = time.UTC
	}
	layout := map[int]string{8: "20060102", 12: "200601021504", 14: "20060102150405"}[len(digits)]
	if layout == "" || strings.ContainsFunc(digits, func(r rune) bool { return r < '0' || r > '9' }) {
		return time.Time{}, fmt.Errorf("the time %s: expected YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, with a Z for UTC", quote(s))
	}
	t, err := time.ParseInLocation(layout, digits, local)
	if err != nil || t.Unix() <= 0 { // ssh-keygen takes 1970 for no bound
		return time.Time{}, fmt.Errorf("the time %s is not in the calendar", quote(s))
	}
	return t, nil
}

// matchList matches a pattern list as ssh_config(5) does: one pattern must match, and none with a "!".
func matchList(s, list string) bool {
	found := false
	for p := range strings.SplitSeq(list, ",") {
		negated, not := strings.CutPrefix(p, "!")
		switch {
		case not && match(s, negated):
			return false
		case !not && match(s, p):
			found = true
		}
	}
	return found
}

// match matches * and ?, in linear space and at most len(s)·len(pattern) steps.
func match(s, pattern string) bool {
	i, j, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case j < len(pattern) && pattern[j] == '*':
			star, mark = j, i
			j++
		case j < len(pattern) && (pattern[j] == '?' || pattern[j] == s[i]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = mark, star+1
		default:
			return false
		}
	}
	return strings.Trim(pattern[j:], "*") == ""
}
