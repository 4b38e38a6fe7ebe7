package timestamp_test

import (
	"bytes"
	"crypto/x509"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/linkassay/linkassay/reports/evidence/internal/timestamp"
)

func stamped(t *testing.T, c *timestamp.Client) ([]byte, *timestamp.Stamp) {
	t.Helper()
	token, stamp, err := c.Stamp(t.Context(), message)
	if err != nil {
		t.Fatal(err)
	}
	return token, stamp
}

// Tokens of openssl verify here, and what is kept of them verifies with openssl ts -verify, by the command
// that VERIFY.md has.
func TestAgainstOpenSSL(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]options{
		"rsa":                   {},
		"ecdsa":                 {ec: true},
		"sha512":                {digest: "sha512"},
		"ecdsa sha384":          {ec: true, digest: "sha384"},
		"signingCertificate v1": {essAlg: "sha1"},
		"v2 with sha512":        {essAlg: "sha512"},
		"with the root":         {withRoot: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAuthority(t, o)
			token, stamp := stamped(t, a.serve(t, nil))
			if d := time.Since(stamp.Time).Abs(); d > time.Minute {
				t.Errorf("stamped at %s", stamp.Time)
			}
			if stamp.Accuracy != 1500100*time.Microsecond || stamp.Policy != "1.2.3.4.1" || stamp.Authority != "CN=stamps" || stamp.Serial.Sign() <= 0 {
				t.Errorf("it says %+v", stamp)
			}
			if _, err := timestamp.Verify(token, message, a.roots()); err != nil {
				t.Error(err)
			}
			if bytes.Contains(token, a.root.Raw) || !bytes.Contains(token, a.between.Raw) {
				t.Error("the token should carry the chain without the root")
			}
			a.write(t, "SHA256SUMS.sig", message)
			a.write(t, "SHA256SUMS.tst", token)
			verify := []string{"ts", "-verify", "-data", "SHA256SUMS.sig", "-in", "SHA256SUMS.tst", "-token_in", "-CAfile", "root.pem"}
			if _, err := a.run(t.Context(), verify...); err != nil {
				t.Error(err)
			}
			// For later, when the authority's certificate has ended.
			if _, err := a.run(t.Context(), append(verify, "-attime", strconv.FormatInt(stamp.Time.Unix(), 10))...); err != nil {
				t.Error(err)
			}
			a.write(t, "SHA256SUMS.sig", append([]byte("x"), message...))
			if _, err := a.run(t.Context(), verify...); err == nil {
				t.Error("openssl verifies other content")
			}
		})
	}
}

// Every change of a byte and every truncation is refused.
func TestChangedByteRefused(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]options{"rsa": {}, "ecdsa": {ec: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAuthority(t, o)
			token, _ := stamped(t, a.serve(t, nil))
			roots := a.roots()
			for i := range token {
				if _, err := timestamp.Verify(token[:i], message, roots); err == nil {
					t.Fatalf("the first %d of %d bytes verify", i, len(token))
				}
				changed := bytes.Clone(token)
				for bit := range 8 {
					changed[i] = token[i] ^ 1<<bit
					if _, err := timestamp.Verify(changed, message, roots); err == nil {
						t.Fatalf("byte %d of %d verifies as %#x, it was %#x", i, len(token), changed[i], token[i])
					}
				}
			}
			for _, more := range [][]byte{{0}, token} {
				if _, err := timestamp.Verify(append(bytes.Clone(token), more...), message, roots); err == nil {
					t.Error("trailing bytes are accepted")
				}
			}
		})
	}
}

func TestVerifyRefused(t *testing.T) {
	t.Parallel()
	a, b := newAuthority(t, options{}), newAuthority(t, options{})
	token, _ := stamped(t, a.serve(t, nil))
	foreign, err := timestamp.WithCertificate(token, b.between.Raw)
	if err != nil {
		t.Fatal(err)
	}
	// The same certificates in the other order.
	first, second := a.leaf.Raw, a.between.Raw
	if !bytes.Contains(token, slices.Concat(first, second)) {
		first, second = second, first
	}
	swapped := bytes.Replace(token, slices.Concat(first, second), slices.Concat(second, first), 1)
	if bytes.Equal(token, swapped) {
		t.Fatal("the certificates are not side by side")
	}
	for name, c := range map[string]struct {
		token, message []byte
		roots          *x509.CertPool
		want           string
		readable       bool
	}{
		"other content":  {token, []byte("other"), a.roots(), "other content", true},
		"other root":     {token, message, b.roots(), "root that is trusted", true},
		"no root":        {token, message, x509.NewCertPool(), "root that is trusted", true},
		"foreign":        {foreign, message, a.roots(), "do not belong to its chain", true},
		"swapped":        {swapped, message, a.roots(), "canonical", false},
		"empty":          {nil, message, a.roots(), "cut off", false},
		"not DER":        {[]byte("hello"), message, a.roots(), "cut off", false},
		"too large":      {make([]byte, 100<<10), message, a.roots(), "more than", false},
		"another object": {a.root.Raw, message, a.roots(), "cut off", false},
	} {
		_, err := timestamp.Verify(c.token, c.message, c.roots)
		if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, timestamp.ErrToken) != c.readable {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

// The authority's certificate must be good at the time of the stamp.
func TestCertificateOutOfDate(t *testing.T) {
	t.Parallel()
	for want, o := range map[string]options{
		"expired":       {change: func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }},
		"not yet valid": {change: func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }},
	} {
		a := newAuthority(t, o)
		if _, _, err := a.serve(t, nil).Stamp(t.Context(), message); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
