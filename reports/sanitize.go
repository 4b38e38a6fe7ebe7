package reports

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxCell bounds a text in bytes. Verdicts are bounded where they are made; a report may also be made
// from a recording that somebody else wrote.
const maxCell = 2000

// clean makes one harmless line of a text that may come from a remote end, for whichever format: no
// terminal escapes, control characters, bidirectional overrides or other invisible characters, no
// line breaks, nothing that XML forbids, valid UTF-8, and bounded.
func clean(s string) string {
	if len(s) <= maxCell && printable(s) {
		return s // as most are
	}
	cut := len(s) > maxCell
	if cut {
		end := maxCell
		for end > 0 && !utf8.RuneStart(s[end]) {
			end--
		}
		s = s[:end]
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	if strings.ContainsRune(s, '\x1b') {
		s = escapeSequence().ReplaceAllString(s, "")
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\r', r == '\t', r == '\u2028', r == '\u2029':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == '\uFFFE', r == '\uFFFF', r >= 0xFDD0 && r <= 0xFDEF:
			return '\uFFFD'
		}
		return r
	}, s)
	if cut {
		s += "…"
	}
	return s
}

// printable says whether s is printable ASCII and nothing else.
func printable(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}

// escapeSequence matches a terminal's control sequences and operating system commands.
func escapeSequence() *regexp.Regexp {
	return regexp.MustCompile("\x1b(\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(\x07|\x1b\\\\)?|[@-_])")
}

// Clean makes one harmless line of a text that may come from a remote end or from a file that anybody may have written.
func Clean(s string) string { return clean(s) }
