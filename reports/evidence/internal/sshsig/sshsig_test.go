package sshsig_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/linkassay/linkassay/reports/evidence/internal/sshsig"
)

var message = []byte("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08  run.json\n")

func signer(t testing.TB, private crypto.PrivateKey, err error) ssh.Signer {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newEd25519(t testing.TB) ssh.Signer {
	_, k, err := ed25519.GenerateKey(rand.Reader)
	return signer(t, k, err)
}

func newECDSA(t testing.TB, c elliptic.Curve) ssh.Signer {
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	return signer(t, k, err)
}

func newRSA(t testing.TB, bits int) ssh.Signer {
	k, err := rsa.GenerateKey(rand.Reader, bits)
	return signer(t, k, err)
}

func signers(t testing.TB) map[string]ssh.Signer {
	return map[string]ssh.Signer{
		"ed25519":    newEd25519(t),
		"ecdsa p256": newECDSA(t, elliptic.P256()),
		"ecdsa p384": newECDSA(t, elliptic.P384()),
		"rsa":        newRSA(t, 2048),
	}
}

func sign(t testing.TB, s ssh.Signer) []byte {
	t.Helper()
	sig, err := sshsig.Sign(s, sshsig.Namespace, message)
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

// check is what a reader of a bundle does.
func check(armoured []byte, key ssh.PublicKey) error {
	s, err := sshsig.Parse(armoured)
	if err != nil {
		return err
	}
	if !bytes.Equal(s.PublicKey.Marshal(), key.Marshal()) {
		return errors.New("another key")
	}
	return s.Verify(sshsig.Namespace, message)
}

func TestSignedVerifies(t *testing.T) {
	t.Parallel()
	for name, s := range signers(t) {
		sig := sign(t, s)
		if err := check(sig, s.PublicKey()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		parsed, err := sshsig.Parse(sig)
		if err != nil {
			t.Fatal(err)
		}
		if parsed.Namespace != "linkassay-evidence" || parsed.Hash != "sha512" {
			t.Errorf("%s: namespace %q and hash %q", name, parsed.Namespace, parsed.Hash)
		}
		for what, err := range map[string]error{
			"another namespace": parsed.Verify("file", message),
			"other content":     parsed.Verify(sshsig.Namespace, append([]byte("x"), message...)),
			"no content":        parsed.Verify(sshsig.Namespace, nil),
		} {
			if !errors.Is(err, sshsig.ErrSignature) {
				t.Errorf("%s, %s: got %v", name, what, err)
			}
		}
	}
}

// Every change of one byte and every truncation of a signature is refused.
func TestChangedByteRefused(t *testing.T) {
	t.Parallel()
	for name, s := range signers(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sig := sign(t, s)
			for i := range sig {
				if err := check(sig[:i], s.PublicKey()); err == nil {
					t.Fatalf("the first %d of %d bytes verify", i, len(sig))
				}
				for _, to := range alternatives(sig[i]) {
					changed := bytes.Clone(sig)
					changed[i] = to
					if err := check(changed, s.PublicKey()); err == nil {
						t.Fatalf("byte %d verifies as %q, it was %q", i, to, sig[i])
					}
				}
			}
		})
	}
}

// alternatives of a byte: each with one bit turned, and other letters of base64, which reach further.
func alternatives(b byte) []byte {
	out := []byte{'A', '/', '=', '\n', '\r', ' '}
	for bit := range 8 {
		out = append(out, b^1<<bit)
	}
	return slices.DeleteFunc(out, func(c byte) bool { return c == b })
}

func TestWeakKeysRefused(t *testing.T) {
	t.Parallel()
	small, cert := newRSA(t, 1024), certificate(t)
	for want, s := range map[string]ssh.Signer{"1024 bits": small, "certificates": cert} {
		if _, err := sshsig.Sign(s, sshsig.Namespace, message); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("sign: got %v, want %q", err, want)
		}
	}
	for want, blob := range map[string][]byte{
		"1024 bits":    small.PublicKey().Marshal(),
		"certificates": cert.PublicKey().Marshal(),
		"DSA":          dsaKey(),
	} {
		p := taken(t, sign(t, newEd25519(t)))
		p.PublicKey = blob
		if _, err := sshsig.Parse(p.armoured()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("parse: got %v, want %q", err, want)
		}
		key, err := ssh.ParsePublicKey(blob)
		if err != nil {
			t.Fatal(err)
		}
		line := "a@example.com " + authorized(key)
		if _, err := sshsig.ParseAllowedSigners([]byte(line), time.UTC); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("allowed signers: got %v, want %q", err, want)
		}
	}
}

// dsaKey has the sizes of a DSA key; whether its numbers make one does not matter.
func dsaKey() []byte {
	bits := func(n uint) *big.Int { return new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), n), big.NewInt(1)) }
	return ssh.Marshal(struct {
		Type       string
		P, Q, G, Y *big.Int
	}{"ssh-dss", bits(1024), bits(160), big.NewInt(2), big.NewInt(4)})
}

func certificate(t *testing.T) ssh.Signer {
	t.Helper()
	key, ca := newEd25519(t), newEd25519(t)
	c := &ssh.Certificate{Key: key.PublicKey(), CertType: ssh.UserCert, ValidBefore: ssh.CertTimeInfinity}
	if err := c.SignCert(rand.Reader, ca); err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewCertSigner(c, key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// RSA signs with SHA-512, may sign with SHA-256, never with SHA-1.
func TestRSAAlgorithms(t *testing.T) {
	t.Parallel()
	s := newRSA(t, 2048)
	digest := sha512.Sum512(message)
	data := slices.Concat([]byte("SSHSIG"), ssh.Marshal(struct{ N, R, H, D string }{sshsig.Namespace, "", "sha512", string(digest[:])}))
	for algorithm, good := range map[string]bool{"rsa-sha2-512": true, "rsa-sha2-256": true, "ssh-rsa": false} {
		sig, err := s.(ssh.AlgorithmSigner).SignWithAlgorithm(rand.Reader, data, algorithm)
		if err != nil {
			t.Fatal(err)
		}
		p := parts{1, s.PublicKey().Marshal(), sshsig.Namespace, nil, "sha512", ssh.Marshal(sig)}
		if err := check(p.armoured(), s.PublicKey()); (err == nil) != good {
			t.Errorf("%s: got %v", algorithm, err)
		}
	}
}

// lyingSigner stands for an agent or a service that answers with something else than its signature.
type lyingSigner struct {
	ssh.Signer
	answer func() (*ssh.Signature, error)
}

func (l lyingSigner) Sign(io.Reader, []byte) (*ssh.Signature, error) { return l.answer() }

func TestSignerMayLie(t *testing.T) {
	t.Parallel()
	ed, other := newEd25519(t), newEd25519(t)
	broken := errors.New("broken")
	for name, answer := range map[string]func() (*ssh.Signature, error){
		"another key's": func() (*ssh.Signature, error) { return other.Sign(rand.Reader, message) },
		"of other data": func() (*ssh.Signature, error) { return ed.Sign(rand.Reader, message) },
		"nothing":       func() (*ssh.Signature, error) { return nil, nil },
		"empty":         func() (*ssh.Signature, error) { return &ssh.Signature{}, nil },
		"an error":      func() (*ssh.Signature, error) { return nil, broken },
		"much": func() (*ssh.Signature, error) {
			return &ssh.Signature{Format: "ssh-ed25519", Blob: make([]byte, 1<<20)}, nil
		},
		"trailing answer": func() (*ssh.Signature, error) {
			return &ssh.Signature{Format: "ssh-ed25519", Blob: make([]byte, 64), Rest: []byte("x")}, nil
		},
	} {
		sig, err := sshsig.Sign(lyingSigner{ed, answer}, sshsig.Namespace, message)
		if err == nil || sig != nil {
			t.Errorf("%s: signed", name)
			continue
		}
		if !strings.Contains(err.Error(), ssh.FingerprintSHA256(ed.PublicKey())) {
			t.Errorf("%s: the error does not name the key: %v", name, err)
		}
		if name == "an error" && !errors.Is(err, broken) {
			t.Errorf("the signer's error is lost: %v", err)
		}
	}
	// An RSA signer that cannot be asked for SHA-2 would sign with SHA-1.
	if _, err := sshsig.Sign(lyingSigner{Signer: newRSA(t, 2048)}, sshsig.Namespace, message); err == nil {
		t.Error("an RSA signer without a choice of algorithm signed")
	}
	for _, ns := range []string{"", strings.Repeat("x", 256)} {
		if _, err := sshsig.Sign(ed, ns, message); err == nil {
			t.Errorf("the namespace %q is taken", ns)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range signers(f) {
		f.Add(sign(f, s))
	}
	f.Add([]byte("-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n"))
	f.Fuzz(func(t *testing.T, armoured []byte) {
		s, err := sshsig.Parse(armoured)
		if err != nil {
			return
		}
		if s.PublicKey == nil || s.Namespace == "" || s.Hash == "" {
			t.Fatalf("accepted without %+v", s)
		}
		_ = s.Verify(s.Namespace, message)
		// Accepted is canonical: it is what the decoded parts wrap to.
		block, rest := pem.Decode(armoured)
		if block == nil || len(rest) > 0 {
			t.Fatal("accepted what is no armour")
		}
		if again := rewrap(base64.StdEncoding.EncodeToString(block.Bytes), 70); again != string(armoured) {
			t.Fatalf("accepted %q, which would be written %q", armoured, again)
		}
	})
}

func ExampleAllowedSigners_Allows() {
	_, private, _ := ed25519.GenerateKey(rand.Reader)
	s, _ := ssh.NewSignerFromKey(private)
	line := `ci@example.com namespaces="linkassay-evidence" ` + string(ssh.MarshalAuthorizedKey(s.PublicKey()))
	list, _ := sshsig.ParseAllowedSigners([]byte(line), time.UTC)
	armoured, _ := sshsig.Sign(s, sshsig.Namespace, []byte("SHA256SUMS"))
	sig, _ := sshsig.Parse(armoured)
	who, err := list.Allows("", sig.PublicKey, sig.Namespace, time.Now())
	fmt.Println(who, err)
	// Output: [ci@example.com] <nil>
}
