// Package signers opens the keys that seal evidence: private key files, keys in an ssh-agent and keys in
// AWS KMS. A key in a file leaves it only into this process; the others never leave where they are.
package signers

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/linkassay/linkassay/reports/evidence/internal/sshsig"
)

const (
	// PassphraseVariable is the environment variable that may hold the passphrase of a key file.
	PassphraseVariable = "LINKASSAY_SIGN_PASSPHRASE"

	agentVariable = "SSH_AUTH_SOCK"

	// DefaultTimeout bounds one exchange with an agent or KMS. An agent may wait for its user to confirm
	// or to touch a security key.
	DefaultTimeout = 60 * time.Second
)

// Options are what opening a key may need. What a reference does not need may be left out.
type Options struct {
	// Getenv reads the environment: PassphraseVariable and SSH_AUTH_SOCK. Nil reads nothing.
	Getenv func(name string) string
	// Passphrase asks for the passphrase of a key file, when the environment has none. Nil means that
	// nobody can be asked. The answer is wiped after use.
	Passphrase func(ctx context.Context, file string) ([]byte, error)
	KMS        KMS           // for a reference to KMS
	Timeout    time.Duration // of one exchange; zero means DefaultTimeout
}

func (o Options) getenv(name string) string {
	if o.Getenv == nil {
		return ""
	}
	return o.Getenv(name)
}

func (o Options) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	return context.WithTimeout(ctx, o.Timeout)
}

// Key is a key that can seal. It holds no connection, so it need not be closed.
type Key struct {
	name   string
	public ssh.PublicKey
	sign   func(ctx context.Context, data []byte) (*ssh.Signature, error)
}

// Open finds the key and its public half, and signs nothing yet: a run that could not be sealed at its end
// fails at its beginning. Errors name the reference and what to do.
func Open(ctx context.Context, r Ref, o Options) (*Key, error) {
	var k *Key
	var err error
	switch r.kind {
	case inFile:
		k, err = openFile(ctx, r.value, o)
	case inAgent:
		k, err = openAgent(ctx, r.value, o)
	case inKMS:
		k, err = openKMS(ctx, r.value, o)
	default:
		err = errors.New("the reference is empty")
	}
	if err != nil {
		return nil, fmt.Errorf("open the signing key %s: %w", quote(r.String()), err)
	}
	k.name = r.String()
	if err := sshsig.Supported(k.public); err != nil {
		return nil, fmt.Errorf("open the signing key %s: %w", quote(k.name), err)
	}
	return k, nil
}

// Throwaway makes an Ed25519 key that ends with the process. Its seal shows that a bundle is whole, not who
// made it.
func Throwaway() (*Key, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a throwaway signing key: %w", err)
	}
	k, err := keyOf(private)
	if err != nil {
		return nil, fmt.Errorf("make a throwaway signing key: %w", err)
	}
	k.name = "throwaway key"
	return k, nil
}

// Name is the reference that the key was opened by.
func (k *Key) Name() string { return k.name }

// PublicKey is what verifies the seal. ssh.MarshalAuthorizedKey writes it as a line of an
// allowed signers file has it.
func (k *Key) PublicKey() ssh.PublicKey { return k.public }

// Seal signs for sshsig.Namespace and returns the armoured SSH signature, verified.
func (k *Key) Seal(ctx context.Context, message []byte) ([]byte, error) {
	sig, err := sshsig.Sign(signer{ctx, k}, sshsig.Namespace, message)
	if err != nil {
		return nil, fmt.Errorf("seal with the key %s: %w", quote(k.name), err)
	}
	return sig, nil
}

// signer lends a key to the ssh package for one signature, with that signature's context. What k.sign makes
// for an RSA key is rsa-sha2-512.
type signer struct {
	ctx context.Context
	k   *Key
}

func (s signer) PublicKey() ssh.PublicKey { return s.k.public }

func (s signer) Sign(_ io.Reader, data []byte) (*ssh.Signature, error) { return s.k.sign(s.ctx, data) }

func (s signer) SignWithAlgorithm(_ io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	sig, err := s.k.sign(s.ctx, data)
	if err == nil && sig != nil && sig.Format != algorithm {
		return nil, fmt.Errorf("the answer is made with %s, expected %s", quote(sig.Format), algorithm)
	}
	return sig, err
}
