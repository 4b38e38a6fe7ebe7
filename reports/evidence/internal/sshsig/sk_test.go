package sshsig_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"slices"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/linkassay/linkassay/reports/evidence/internal/sshsig"
)

// securityKey signs as a FIDO key does: over the application, flags and a counter as well.
type securityKey struct {
	private ed25519.PrivateKey
	public  ssh.PublicKey
	flags   byte
	more    []byte // after the counter
}

func newSecurityKey(t *testing.T, flags byte, more ...byte) securityKey {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.ParsePublicKey(ssh.Marshal(struct {
		Type        string
		Key         []byte
		Application string
	}{ssh.KeyAlgoSKED25519, public, "ssh:"}))
	if err != nil {
		t.Fatal(err)
	}
	return securityKey{private, key, flags, more}
}

func (k securityKey) PublicKey() ssh.PublicKey { return k.public }

func (k securityKey) Sign(_ io.Reader, data []byte) (*ssh.Signature, error) {
	application, digest := sha256.Sum256([]byte("ssh:")), sha256.Sum256(data)
	extra := binary.BigEndian.AppendUint32([]byte{k.flags}, 7)
	return &ssh.Signature{
		Format: ssh.KeyAlgoSKED25519,
		Blob:   ed25519.Sign(k.private, slices.Concat(application[:], extra, digest[:])),
		Rest:   append(extra, k.more...),
	}, nil
}

// A security key's signature verifies if it was touched.
func TestSecurityKey(t *testing.T) {
	t.Parallel()
	const touched = 1
	s := newSecurityKey(t, touched)
	sig := sign(t, s)
	if err := check(sig, s.PublicKey()); err != nil {
		t.Error(err)
	}
	for i := range sig {
		changed := slices.Clone(sig)
		changed[i] ^= 1
		if err := check(changed, s.PublicKey()); err == nil {
			t.Fatalf("byte %d can be changed", i)
		}
	}
	for name, s := range map[string]securityKey{
		"not touched": newSecurityKey(t, 0),
		"trailing":    newSecurityKey(t, touched, 0),
	} {
		if _, err := sshsig.Sign(s, sshsig.Namespace, message); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
	verifyThere(t, t.TempDir(), s)
}
