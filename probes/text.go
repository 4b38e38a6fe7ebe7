package probes

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The bounds of text that came from the other side.
const (
	maxDetail = 400
	maxName   = 255
	maxHeader = 256
	maxText   = 4096 // one TXT record, its strings joined
)

// clean makes text from the other side safe to print: control characters, invalid UTF-8 and
// invisible runes become visible escapes, and what is longer than limit bytes is cut.
func clean(s string, limit int) string {
	if len(s) <= limit && printable(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		piece := s[i : i+n]
		switch {
		case r == utf8.RuneError && n <= 1, r < utf8.RuneSelf && !unicode.IsPrint(r):
			piece = fmt.Sprintf(`\x%02x`, s[i])
		case !unicode.IsPrint(r):
			piece = fmt.Sprintf(`\u%04x`, r)
		}
		if b.Len()+len(piece) > limit {
			b.WriteString("…")
			break
		}
		b.WriteString(piece)
		i += n
	}
	return b.String()
}

// printable says whether all of s is printable ASCII, as nearly all texts are.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
