package signers_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/linkassay/linkassay/reports/evidence/internal/sshsig"
	"github.com/linkassay/linkassay/reports/evidence/signers"
)

var message = []byte("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08  run.json\n")

func open(t *testing.T, ref string, o signers.Options) (*signers.Key, error) {
	t.Helper()
	r, err := signers.ParseRef(ref)
	if err != nil {
		t.Fatal(err)
	}
	return signers.Open(t.Context(), r, o)
}

// seals says that a key seals, and that the seal verifies with the public key.
func seals(t *testing.T, k *signers.Key, public ssh.PublicKey) []byte {
	t.Helper()
	armoured, err := k.Seal(t.Context(), message)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := sshsig.Parse(armoured)
	if err != nil {
		t.Fatal(err)
	}
	if err := sig.Verify("linkassay-evidence", message); err != nil {
		t.Error(err)
	}
	if got, want := ssh.FingerprintSHA256(sig.PublicKey), ssh.FingerprintSHA256(public); got != want {
		t.Errorf("sealed with %s, want %s", got, want)
	}
	return armoured
}

func generate(t *testing.T) (ed, ec, rs crypto.Signer) {
	t.Helper()
	_, edKey, err1 := ed25519.GenerateKey(rand.Reader)
	ecKey, err2 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	rsKey, err3 := rsa.GenerateKey(rand.Reader, 2048)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	return edKey, ecKey, rsKey
}

func publicOf(t *testing.T, k crypto.Signer) ssh.PublicKey {
	t.Helper()
	p, err := ssh.NewPublicKey(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func write(t *testing.T, data []byte, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, data, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func marshalled(t *testing.T, k crypto.Signer, passphrase string) []byte {
	t.Helper()
	var block *pem.Block
	var err error
	if passphrase == "" {
		block, err = ssh.MarshalPrivateKey(k, "comment")
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(k, "comment", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(block)
}

func TestKeyFile(t *testing.T) {
	t.Parallel()
	ed, ec, rs := generate(t)
	for name, k := range map[string]crypto.Signer{"ed25519": ed, "ecdsa": ec, "rsa": rs} {
		path := write(t, marshalled(t, k, ""), 0o600)
		key, err := open(t, path, signers.Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		seals(t, key, publicOf(t, k))
		if key.Name() != path {
			t.Errorf("%s: named %q", name, key.Name())
		}
	}
	der, err := x509.MarshalPKCS8PrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	key, err := open(t, write(t, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o400), signers.Options{})
	if err != nil {
		t.Fatalf("PKCS #8: %v", err)
	}
	seals(t, key, publicOf(t, ec))
}

func TestPassphrase(t *testing.T) {
	t.Parallel()
	const secret = "correct horse battery staple"
	ed, _, _ := generate(t)
	path := write(t, marshalled(t, ed, secret), 0o600)
	environment := func(value string) func(string) string {
		return func(name string) string {
			if name == "LINKASSAY_SIGN_PASSPHRASE" {
				return value
			}
			return ""
		}
	}
	asked := 0
	prompt := func(answer string, err error) func(context.Context, string) ([]byte, error) {
		return func(_ context.Context, file string) ([]byte, error) {
			if file != path {
				t.Errorf("asked for the passphrase of %q", file)
			}
			asked++
			return []byte(answer), err
		}
	}
	away := errors.New("no terminal")
	for name, c := range map[string]struct {
		o     signers.Options
		want  string
		asked int
	}{
		"environment":       {signers.Options{Getenv: environment(secret), Passphrase: prompt("", away)}, "", 0},
		"asked":             {signers.Options{Getenv: environment(""), Passphrase: prompt(secret, nil)}, "", 1},
		"nobody to ask":     {signers.Options{}, "LINKASSAY_SIGN_PASSPHRASE", 0},
		"nobody there":      {signers.Options{Passphrase: prompt("", away)}, "no terminal", 1},
		"wrong":             {signers.Options{Passphrase: prompt("wrong-canary", nil)}, "the passphrase is wrong", 1},
		"wrong environment": {signers.Options{Getenv: environment("wrong-canary")}, "the passphrase is wrong", 0},
	} {
		asked = 0
		key, err := open(t, path, c.o)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want == "":
			seals(t, key, publicOf(t, ed))
		case err == nil || !strings.Contains(err.Error(), c.want):
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		case strings.Contains(err.Error(), "canary"):
			t.Errorf("%s: the passphrase is in the error: %v", name, err)
		}
		if asked != c.asked {
			t.Errorf("%s: asked %d times, want %d", name, asked, c.asked)
		}
	}
}

func TestKeyFileRefused(t *testing.T) {
	t.Parallel()
	ed, _, _ := generate(t)
	good := marshalled(t, ed, "")
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, path := range map[string]string{
		"chmod 600":                  write(t, good, 0o640),
		"mode 0604":                  write(t, good, 0o604),
		"no such file":               filepath.Join(t.TempDir(), "absent"),
		"not a regular file":         fifo,
		"it is a public key":         write(t, ssh.MarshalAuthorizedKey(publicOf(t, ed)), 0o600),
		"not a private key file":     write(t, []byte("hello"), 0o600),
		"more than":                  write(t, make([]byte, 100<<10), 0o600),
		"at least 2048":              write(t, marshalled(t, small, ""), 0o600),
		"ssh-keygen -p":              write(t, []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"), 0o600),
		"open the signing key \"/":   write(t, good[:len(good)/2], 0o600),
		`"\x1b[2J": no such file or`: "\x1b[2J",
	} {
		_, err := open(t, path, signers.Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// A key file as ssh-keygen writes it, with and without a passphrase.
func TestKeyFileOfSSHKeygen(t *testing.T) {
	t.Parallel()
	keygen, err := exec.LookPath("ssh-keygen")
	if err != nil {
		t.Skip("ssh-keygen is not installed: its key files are not read")
	}
	for _, passphrase := range []string{"", "five words"} {
		path := filepath.Join(t.TempDir(), "key")
		if out, err := exec.CommandContext(t.Context(), keygen, "-q", "-t", "ed25519", "-N", passphrase, "-f", path).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		text, err := os.ReadFile(path + ".pub")
		if err != nil {
			t.Fatal(err)
		}
		public, _, _, _, err := ssh.ParseAuthorizedKey(text)
		if err != nil {
			t.Fatal(err)
		}
		key, err := open(t, path, signers.Options{Getenv: func(string) string { return passphrase }})
		if err != nil {
			t.Fatal(err)
		}
		seals(t, key, public)
	}
}

func TestThrowaway(t *testing.T) {
	t.Parallel()
	a, err := signers.Throwaway()
	if err != nil {
		t.Fatal(err)
	}
	b, err := signers.Throwaway()
	if err != nil {
		t.Fatal(err)
	}
	seals(t, a, a.PublicKey())
	if ssh.FingerprintSHA256(a.PublicKey()) == ssh.FingerprintSHA256(b.PublicKey()) {
		t.Error("two throwaway keys are the same")
	}
	if _, err := signers.Open(t.Context(), signers.Ref{}, signers.Options{}); err == nil {
		t.Error("the empty reference opens")
	}
}
