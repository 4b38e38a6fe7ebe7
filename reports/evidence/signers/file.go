package signers

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"golang.org/x/crypto/ssh"
)

// maxKeyFile bounds a key file in bytes: an RSA key of 16,384 bits has about 13,000.
const maxKeyFile = 64 << 10

func openFile(ctx context.Context, path string, o Options) (*Key, error) {
	text, err := readKeyFile(path, true)
	if err != nil {
		return nil, err
	}
	defer clear(text)
	private, err := ssh.ParseRawPrivateKey(text)
	if _, ok := errors.AsType[*ssh.PassphraseMissingError](err); ok {
		private, err = decrypt(ctx, path, text, o)
	}
	if err != nil {
		return nil, explain(text, err)
	}
	k, err := keyOf(private)
	if err != nil {
		return nil, explain(text, err)
	}
	return k, nil
}

// keyOf makes a Key of a private key in memory.
func keyOf(private crypto.PrivateKey) (*Key, error) {
	s, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return nil, err
	}
	sign := func(_ context.Context, data []byte) (*ssh.Signature, error) { return s.Sign(rand.Reader, data) }
	if s.PublicKey().Type() == ssh.KeyAlgoRSA {
		several, ok := s.(ssh.AlgorithmSigner)
		if !ok {
			return nil, errors.New("the RSA key can't sign with SHA-512")
		}
		sign = func(_ context.Context, data []byte) (*ssh.Signature, error) {
			return several.SignWithAlgorithm(rand.Reader, data, ssh.KeyAlgoRSASHA512)
		}
	}
	return &Key{public: s.PublicKey(), sign: sign}, nil
}

func decrypt(ctx context.Context, path string, text []byte, o Options) (crypto.PrivateKey, error) {
	passphrase := []byte(o.getenv(PassphraseVariable))
	if len(passphrase) == 0 {
		if o.Passphrase == nil {
			return nil, fmt.Errorf("it has a passphrase and nobody can be asked for it: set %s, or use ssh-agent", PassphraseVariable)
		}
		var err error
		if passphrase, err = o.Passphrase(ctx, path); err != nil {
			return nil, fmt.Errorf("ask for its passphrase: %w", err)
		}
	}
	defer clear(passphrase)
	private, err := ssh.ParseRawPrivateKeyWithPassphrase(text, passphrase)
	if errors.Is(err, x509.IncorrectPasswordError) {
		return nil, errors.New("the passphrase is wrong")
	}
	return private, err
}

// explain says what a file is that has no private key to be read.
func explain(text []byte, err error) error {
	s := strings.TrimSpace(string(text))
	switch {
	case strings.HasPrefix(s, "-----BEGIN ENCRYPTED PRIVATE KEY-----"):
		return fmt.Errorf("an encrypted key in PKCS #8 can't be read (%w): convert it with ssh-keygen -p -f FILE", err)
	case strings.HasPrefix(s, "ssh-"), strings.HasPrefix(s, "ecdsa-"), strings.HasPrefix(s, "sk-"),
		strings.HasPrefix(s, "-----BEGIN PUBLIC KEY-----"):
		return errors.New("it is a public key: name the private key file, or agent:FILE if the private key is in ssh-agent")
	case strings.Contains(err.Error(), "no key found"):
		return errors.New("it is not a private key file: expected the format of ssh-keygen, or PEM")
	case strings.HasPrefix(s, "-----BEGIN OPENSSH PRIVATE KEY-----") && strings.Contains(err.Error(), "unhandled key type"):
		return fmt.Errorf("%w: a security key signs through ssh-agent, agent:FILE.pub", err)
	}
	return err
}

// readKeyFile reads a bounded regular file. A private one must not be readable by others, as ssh has it.
func readKeyFile(path string, private bool) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait for its other end
		return nil, errors.New("it is not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, withoutPath(err)
	}
	if private && exposed(info) {
		return nil, fmt.Errorf("others may read it (mode %04o): chmod 600 it, and consider whether it has been read", info.Mode().Perm())
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, withoutPath(err)
	}
	if len(text) > maxKeyFile {
		return nil, fmt.Errorf("it has more than %d bytes: not a key file", maxKeyFile)
	}
	return text, nil
}

// exposed says whether a file of this user is open to others. Those of another owner, such as a mounted
// secret's, are his to decide on.
func exposed(info fs.FileInfo) bool {
	if s, ok := info.Sys().(*syscall.Stat_t); ok && int(s.Uid) != os.Getuid() {
		return false
	}
	return info.Mode().Perm()&0o077 != 0
}

// withoutPath drops the path of an error about one, where the message has it already.
func withoutPath(err error) error {
	if inner, ok := errors.AsType[*fs.PathError](err); ok {
		return inner.Err
	}
	return err
}
