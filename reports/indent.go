package reports

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode"
	"unicode/utf8"
)

// appendIndented appends compact JSON with line breaks, as json.MarshalIndent has them. The text came from encoding/json: there is no space
// between its values. It takes a fraction of the time, and no second copy of the text.
func appendIndented(out, b []byte, prefix, indent string) []byte {
	line := append([]byte{'\n'}, prefix...) // what begins a line at the present depth
	for len(b) > 0 {
		switch c := b[0]; c {
		case '"':
			end := 1 + stringEnd(b[1:])
			out, b = append(out, b[:end]...), b[end:]
			continue
		case '{', '[':
			if len(b) > 1 && b[1] == c+2 { // '}' and ']' come two after
				out, b = append(out, b[:2]...), b[2:]
				continue
			}
			line = append(line, indent...)
			out = append(append(out, c), line...)
		case '}', ']':
			line = line[:max(len(line)-len(indent), 0)]
			out = append(append(out, line...), c)
		case ',':
			out = append(append(out, c), line...)
		case ':':
			out = append(out, ": "...)
		default:
			out = append(out, c)
		}
		b = b[1:]
	}
	return out
}

// stringEnd is where the text goes on after the quote that ends the string that b begins in.
func stringEnd(b []byte) int {
	for at := 0; ; {
		i := bytes.IndexByte(b[at:], '"')
		if i < 0 {
			return len(b)
		}
		at += i + 1
		slashes := 0
		for k := at - 2; k >= 0 && b[k] == '\\'; k-- {
			slashes++
		}
		if slashes%2 == 0 {
			return at
		}
	}
}

// escapeInvisible writes control and format characters, which encoding/json leaves as they are, as
// \u escapes: the values stay what they were, and printing the file can't reorder a terminal's text.
func escapeInvisible(b []byte) []byte {
	var out []byte
	done := 0
	for i := suspect(b); i < len(b); i += suspect(b[i:]) {
		r, n := utf8.DecodeRune(b[i:])
		if invisible(r) {
			if out == nil {
				out = make([]byte, 0, len(b)+64)
			}
			out = append(out, b[done:i]...)
			if r > 0xffff {
				r -= 0x10000
				out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
			} else {
				out = fmt.Appendf(out, `\u%04x`, r)
			}
			done = i + n
		}
		i += n
	}
	if done == 0 {
		return b
	}
	return append(out, b[done:]...)
}

// suspect is where the first byte is that may begin such a character, or len(b): most texts are printable ASCII.
func suspect(b []byte) int {
	i := 0
	for ; i+8 <= len(b); i += 8 {
		if m := unprintable(binary.LittleEndian.Uint64(b[i:])); m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
	}
	for ; i < len(b); i++ {
		if c := b[i]; c >= 0x7f || c < ' ' && c != '\n' {
			return i
		}
	}
	return i
}

// unprintable sets the high bit of each of x's eight bytes that is neither printable ASCII nor a line break. No sum below carries into
// the next byte.
func unprintable(x uint64) uint64 {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	low := x &^ high
	below := ^((low | high) - ones*' ')
	noBreak := (low ^ ones*'\n') + ones*0x7f
	del := low + ones
	return (x | del | below&noBreak) & high
}

func invisible(r rune) bool {
	if r < utf8.RuneSelf {
		return r != '\n' && (r < ' ' || r == 0x7f)
	}
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
}
