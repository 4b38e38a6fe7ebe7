package reports

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"testing"
)

// Whatever dns.txt and certificates.pem hold, what is read of it goes by its own digest and is written and read again as it is.
func FuzzReadRaw(f *testing.F) {
	f.Add([]byte(wirePrefix+"AAAA\n;; a note\n"), []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Add([]byte(wirePrefix+"A\n"), []byte("-----BEGIN CERTIFICATE-----\n"))
	f.Add([]byte(wirePrefix+"AAAAAAAAAAAAAAAA\r\n"), []byte("-----BEGIN CERTIFICATE-----\nName: \x1b[2J\n\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, messages, certificates []byte) {
		raw, err := ReadRaw(messages, certificates)
		if err != nil {
			return
		}
		for _, there := range []map[string][]byte{raw.Messages, raw.Certificates} {
			for id, b := range there {
				if id != fmt.Sprintf("%x", sha256.Sum256(b)) {
					t.Errorf("%x goes by %s", b, id)
				}
			}
		}
		r := &Report{Links: []LinkReport{{Raw: raw}}}
		var m, c bytes.Buffer
		if err := writeMessages(&m, r); err != nil {
			t.Fatal(err)
		}
		if err := writeCertificates(&c, r); err != nil {
			t.Fatal(err)
		}
		again, err := ReadRaw(m.Bytes(), c.Bytes())
		if err != nil || len(again.Messages) != len(raw.Messages) || len(again.Certificates) != len(raw.Certificates) {
			t.Errorf("written again it is read as %d messages and %d certificates, %v; it had %d and %d",
				len(again.Messages), len(again.Certificates), err, len(raw.Messages), len(raw.Certificates))
		}
	})
}
