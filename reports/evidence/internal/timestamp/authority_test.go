package timestamp_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/linkassay/linkassay/reports/evidence/internal/timestamp"
)

var message = []byte("-----BEGIN SSH SIGNATURE-----\nof the test\n")

// authority is a time stamping authority: a root, a certificate between, and openssl ts -reply.
type authority struct {
	dir     string
	openssl string
	root    *x509.Certificate
	rootKey crypto.Signer
	between *x509.Certificate
	leaf    *x509.Certificate

	betweenKey crypto.Signer

	mu       sync.Mutex // openssl counts serial numbers in a file
	requests [][]byte
}

// options of an authority. The zero value is a good one with an RSA key.
type options struct {
	ec       bool
	change   func(*x509.Certificate) // of the certificate that stamps
	digest   string                  // of what is signed; sha256
	essAlg   string                  // sha1 = signingCertificate of version 1
	withRoot bool                    // the token carries the root too
}

func newAuthority(t *testing.T, o options) *authority {
	t.Helper()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed: there is no time stamping authority to test with")
	}
	a := &authority{dir: t.TempDir(), openssl: openssl}
	a.root, a.rootKey = issue(t, ca("root"), nil, nil, false)
	between, betweenKey := issue(t, ca("between"), a.root, a.rootKey, false)
	a.between, a.betweenKey = between, betweenKey
	leaf := &x509.Certificate{
		Subject: pkix.Name{CommonName: "stamps"}, KeyUsage: x509.KeyUsageDigitalSignature,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	leaf.ExtraExtensions = []pkix.Extension{usage(t, true, asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 8})}
	if o.change != nil {
		o.change(leaf)
	}
	cert, key := issue(t, leaf, between, betweenKey, !o.ec)
	a.leaf = cert
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	a.write(t, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	a.write(t, "leaf.pem", encoded(cert))
	chain := encoded(between)
	if o.withRoot {
		chain = append(chain, encoded(a.root)...)
	}
	a.write(t, "chain.pem", chain)
	a.write(t, "root.pem", encoded(a.root))
	a.write(t, "serial", []byte("01\n"))
	if o.digest == "" {
		o.digest = "sha256"
	}
	if o.essAlg == "" {
		o.essAlg = "sha256"
	}
	a.write(t, "tsa.cnf", fmt.Appendf(nil, `[tsa]
serial = %s
default_policy = 1.2.3.4.1
other_policies = 1.2.3.4.5
digests = sha256, sha512
signer_digest = %s
accuracy = secs:1, millisecs:500, microsecs:100
ordering = yes
tsa_name = yes
ess_cert_id_alg = %s
`, filepath.Join(a.dir, "serial"), o.digest, o.essAlg))
	return a
}

func usage(t *testing.T, critical bool, oids ...asn1.ObjectIdentifier) pkix.Extension {
	t.Helper()
	der, err := asn1.Marshal(oids)
	if err != nil {
		t.Fatal(err)
	}
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: critical, Value: der}
}

func ca(name string) *x509.Certificate {
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
}

func issue(t *testing.T, c, by *x509.Certificate, byKey crypto.Signer, useRSA bool) (*x509.Certificate, crypto.Signer) {
	t.Helper()
	var key crypto.Signer
	var err error
	if useRSA {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	} else {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	if by == nil {
		by, byKey = c, key
	}
	if c.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62)); err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, by, key.Public(), byKey)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return made, key
}

func encoded(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(a.path(name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (a *authority) roots() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.root)
	return p
}

func (a *authority) run(ctx context.Context, args ...string) ([]byte, error) {
	c := exec.CommandContext(ctx, a.openssl, args...)
	c.Dir = a.dir
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		err = fmt.Errorf("openssl %q: %w: %s", args, err, stderr.String())
	}
	return out, err
}

// reply answers a request as the authority, in a process of openssl.
func (a *authority) reply(ctx context.Context, query []byte, more ...string) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requests = append(a.requests, query)
	if err := os.WriteFile(a.path("query"), query, 0o600); err != nil {
		return nil, err
	}
	return a.run(ctx, append([]string{
		"ts", "-reply", "-config", "tsa.cnf", "-section", "tsa", "-queryfile", "query",
		"-inkey", "key.pem", "-signer", "leaf.pem", "-chain", "chain.pem",
	}, more...)...)
}

// serve answers over HTTP on loopback; instead, if not nil, replaces the request that openssl gets.
func (a *authority) serve(t *testing.T, instead func(query []byte) []byte) *timestamp.Client {
	t.Helper()
	return a.serveChanged(t, instead, nil)
}

// serveChanged is serve with another answer than openssl's, unless change is nil.
func (a *authority) serveChanged(t *testing.T, instead, change func([]byte) []byte) *timestamp.Client {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query, err := io.ReadAll(r.Body)
		if err == nil && r.Header.Get("Content-Type") != "application/timestamp-query" {
			err = fmt.Errorf("content type %q", r.Header.Get("Content-Type"))
		}
		if instead != nil {
			query = instead(query)
		}
		var answer []byte
		if err == nil {
			answer, err = a.reply(r.Context(), query)
		}
		if err == nil && change != nil {
			answer = change(answer)
		}
		if err != nil {
			t.Error(err)
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/timestamp-reply")
		w.Write(answer)
	}))
	t.Cleanup(s.Close)
	return &timestamp.Client{URL: s.URL, Roots: a.roots(), HTTP: s.Client()}
}

// query makes another request with openssl.
func (a *authority) query(t *testing.T, args ...string) []byte {
	t.Helper()
	a.write(t, "data", message)
	out, err := a.run(t.Context(), append([]string{"ts", "-query", "-cert"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
