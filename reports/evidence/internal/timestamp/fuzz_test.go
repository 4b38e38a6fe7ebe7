package timestamp_test

import (
	"bytes"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"

	"github.com/linkassay/linkassay/reports/evidence/internal/timestamp"
)

func seeds(f *testing.F) {
	files, err := filepath.Glob("testdata/*.tst")
	if err != nil || len(files) == 0 {
		f.Fatalf("no tokens in testdata: %v", err)
	}
	for _, file := range files {
		token, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(token)
	}
}

func FuzzParse(f *testing.F) {
	seeds(f)
	none := x509.NewCertPool()
	f.Fuzz(func(t *testing.T, token []byte) {
		if stamp, err := timestamp.Verify(token, message, none); err == nil || stamp != nil {
			t.Fatal("a token verifies with no root at all")
		}
		if timestamp.Parse(token) == nil && timestamp.Parse(append(bytes.Clone(token), 0)) == nil {
			t.Fatal("a token with a byte more is read")
		}
	})
}

func FuzzParseAnswer(f *testing.F) {
	seeds(f)
	f.Add([]byte{0x30, 5, 0x30, 3, 2, 1, 2})
	f.Fuzz(func(t *testing.T, der []byte) {
		granted := append([]byte{0x30, 3, 2, 1, 0}, der...)
		for _, answer := range [][]byte{der, granted} {
			if token, err := timestamp.ParseAnswer(answer); err == nil && !bytes.Contains(answer, token) {
				t.Fatal("the token is not of the answer")
			}
		}
	})
}
