package evidence

import (
	"bytes"
	"testing"
	"testing/fstest"
)

// Whatever SHA256SUMS holds, what is accepted is written back as it was read, and names files here and nowhere else.
func FuzzParseSums(f *testing.F) {
	f.Add(encodeSums([]sum{{name: "run.json"}, {name: "statement.json"}}))
	f.Add([]byte("\\" + string(encodeSums([]sum{{name: "a"}}))))
	f.Add([]byte("../../etc/passwd"))
	f.Fuzz(func(t *testing.T, b []byte) {
		sums, err := parseSums(b)
		if err != nil {
			return
		}
		if !bytes.Equal(encodeSums(sums), b) {
			t.Errorf("%q is accepted, and is written otherwise", b)
		}
		seen := map[string]bool{}
		for _, s := range sums {
			if seen[s.name] || bytes.ContainsAny([]byte(s.name), "/\\\x00\n ") || s.name[0] == '.' {
				t.Errorf("%q lists %q", b, s.name)
			}
			seen[s.name] = true
		}
	})
}

// A run.json under digests that fit is refused or verified, and never ends the program.
func FuzzVerifyRun(f *testing.F) {
	files := forge(f, runOf(f, "identity", "provider-only"))
	f.Add(files["run.json"].Data)
	f.Add([]byte(`{"format":"linkassay.run/v1","links":[{"observation":{"format":"x"},"rounds":[{}]},null]}`))
	f.Add([]byte(`{"format":"linkassay.run/v1","links":[{"observation":{"provider":{"service":{"value":{"found":true}}},"dns":{"txt":{"value":{"asked":[{}]}}}}}],"profile":"audit"}`))
	f.Fuzz(func(_ *testing.T, b []byte) {
		other := fstest.MapFS{}
		for name, file := range files {
			other[name] = file
		}
		other["run.json"] = &fstest.MapFile{Data: b, Mode: 0o644}
		_, _ = Verify(resummed(other), Options{})
	})
}
