package reports

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// jsonTexts are texts with all that indenting and escaping have to tell apart.
func jsonTexts() []string {
	return []string{
		``, `null`, `{}`, `[]`, `{"a":{},"b":[],"c":[{}],"d":[[],[1,2]]}`, `[true,false,null,-1.5e9]`, `"a \" quote"`, `["\\","\\\"","\\\\","{[,:]}\""]`,
		`{"a:b,c":"d { e","":""}`, "{\"a\":\"\u202e\x7f\u00e9\u2028\",\"\U000e0041\":[\"\u00ad\"]}", `{"a`, `"\`, `]]}`, "[\"\x80\xff\x00\",\"\t\"]",
	}
}

func FuzzIndent(f *testing.F) {
	for _, s := range jsonTexts() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		_ = appendIndented(nil, []byte(s), "  ", " ") // must come back whatever it is
		var v any
		if json.Unmarshal([]byte(s), &v) != nil {
			return
		}
		compact, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		want, err := json.MarshalIndent(v, "  ", " ")
		if err != nil {
			t.Fatal(err)
		}
		if got := appendIndented([]byte("x"), compact, "  ", " "); string(got) != "x"+string(want) {
			t.Errorf("%s\n became %s\n    want x%s", compact, got, want)
		}
	})
}

// The same escapes as one character at a time.
func FuzzEscapeInvisible(f *testing.F) {
	for i, s := range jsonTexts() {
		f.Add(strings.Repeat("a \n~", i) + s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var want []byte
		for rest := s; rest != ""; {
			r, n := utf8.DecodeRuneInString(rest)
			switch {
			case invisible(r) && r > 0xffff:
				want = fmt.Appendf(want, `\u%04x\u%04x`, 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
			case invisible(r):
				want = fmt.Appendf(want, `\u%04x`, r)
			default:
				want = append(want, rest[:n]...)
			}
			rest = rest[n:]
		}
		if got := escapeInvisible([]byte(s)); string(got) != string(want) {
			t.Errorf("%q\n became %q\n    want %q", s, got, want)
		}
	})
}

// However many links are encoded side by side, the file is that of encoding/json.
func TestEncodeIsIndentedJSON(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 2, 9, 40} {
		r := fleet(t, n)
		for i := range r.Links {
			r.Links[i].Raw = newRaw() // or it would be kept first
		}
		got, err := Encode(r)
		if err != nil {
			t.Fatal(err)
		}
		want, err := json.MarshalIndent(run{Format, r.Summary(), r.Identities(), r.NotInScope(), plain(*r)}, "", indent)
		if err != nil {
			t.Fatal(err)
		}
		if want = append(slices.Clone(escapeInvisible(want)), '\n'); !bytes.Equal(got, want) {
			t.Errorf("%d links: %d bytes, want %d of encoding/json", n, len(got), len(want))
		}
	}
}

// smallDisk is a writer that takes so many texts.
type smallDisk struct{ left int }

var errSmall = errors.New("the disk is full")

func (b *smallDisk) Write(p []byte) (int, error) {
	if b.left--; b.left < 0 {
		return 0, errSmall
	}
	return len(p), nil
}

func TestEncodeEndsWhereItCannotWrite(t *testing.T) {
	t.Parallel()
	r := fleet(t, 12)
	for left := range len(r.Links) + 2 {
		if err := encode(&smallDisk{left}, r); !errors.Is(err, errSmall) {
			t.Errorf("after %d texts: %v", left, err)
		}
	}
}

// The page tells the digest of run.json, whichever is written first, and where run.json could not be written.
func TestPageTellsTheDigestInAnyOrder(t *testing.T) {
	t.Parallel()
	r := fleet(t, 3)
	files := Files(r)
	run, page := files[0], files[slices.IndexFunc(files, func(f File) bool { return f.Name == "report.html" })]
	var want bytes.Buffer
	for _, f := range []File{run, page} {
		want.Reset()
		if err := f.Write(&want); err != nil {
			t.Fatal(err)
		}
	}
	for name, before := range map[string]func([]File) error{
		"page first": func([]File) error { return nil },
		"run.json fails": func(files []File) error {
			if err := files[0].Write(&smallDisk{2}); !errors.Is(err, errSmall) {
				return fmt.Errorf("run.json: %w", err)
			}
			return nil
		},
	} {
		files := Files(r)
		if err := before(files); err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if err := files[5].Write(&got); err != nil || !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Errorf("%s: another page, %v", name, err)
		}
	}
}
