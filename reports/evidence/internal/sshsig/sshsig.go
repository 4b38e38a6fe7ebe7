// Package sshsig makes and checks SSH signatures of files, as ssh-keygen -Y sign and -Y verify do
// (PROTOCOL.sshsig of OpenSSH), and reads lists of allowed signers. It is stricter than ssh-keygen: a
// signature has one form, so that no byte of it can change unnoticed.
package sshsig

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"

	"golang.org/x/crypto/ssh"
)

// Namespace is what every seal of an evidence bundle is made for. It is fixed for ever: a signature for
// another purpose is none over evidence, and the other way round.
const Namespace = "linkassay-evidence"

const (
	magic        = "SSHSIG"
	version      = 1
	maxNamespace = 255 // bytes
	sha256Name   = "sha256"
	sha512Name   = "sha512"
)

// ErrSignature says that a signature is well formed and does not fit the message, the namespace or the
// key.
var ErrSignature = errors.New("the signature does not verify")

// Signature is a parsed SSH signature. Verify says whether it is good.
type Signature struct {
	PublicKey ssh.PublicKey // what the signature says it was made with; nothing vouches for it here
	Namespace string        // purpose
	Hash      string        // of the message: sha256 or sha512

	signature *ssh.Signature
}

// wire is the blob inside the armour, after the magic bytes.
type wire struct {
	Version   uint32
	PublicKey []byte
	Namespace string
	Reserved  []byte
	Hash      string
	Signature []byte
}

// Sign signs a message for a namespace and returns the armoured signature, as ssh-keygen -Y sign would
// write it. What the signer answers is verified before it is returned: a key in an agent or a key
// management service may answer anything.
func Sign(signer ssh.Signer, namespace string, message []byte) ([]byte, error) {
	key := signer.PublicKey()
	wrap := func(err error) error {
		return fmt.Errorf("sign with the %s key %s: %w", key.Type(), ssh.FingerprintSHA256(key), err)
	}
	if err := Supported(key); err != nil {
		return nil, wrap(err)
	}
	if err := checkNamespace(namespace); err != nil {
		return nil, wrap(err)
	}
	sig, err := signData(signer, signedData(namespace, sha512Name, message))
	if err != nil {
		return nil, wrap(err)
	}
	armoured := armour(append([]byte(magic), ssh.Marshal(wire{
		Version: version, PublicKey: key.Marshal(), Namespace: namespace, Hash: sha512Name, Signature: ssh.Marshal(sig),
	})...))
	made, err := Parse(armoured)
	if err == nil {
		err = made.Verify(namespace, message)
	}
	if err != nil {
		return nil, wrap(fmt.Errorf("what the signer answered is not its signature: %w", err))
	}
	return armoured, nil
}

// signData asks for the one algorithm that a key of its type signs with here.
func signData(signer ssh.Signer, data []byte) (*ssh.Signature, error) {
	var sig *ssh.Signature
	var err error
	if signer.PublicKey().Type() == ssh.KeyAlgoRSA {
		several, ok := signer.(ssh.AlgorithmSigner)
		if !ok { // what is left is SHA-1
			return nil, fmt.Errorf("the signer cannot be asked for %s", ssh.KeyAlgoRSASHA512)
		}
		sig, err = several.SignWithAlgorithm(rand.Reader, data, ssh.KeyAlgoRSASHA512)
	} else {
		sig, err = signer.Sign(rand.Reader, data)
	}
	if err == nil && sig == nil {
		err = errors.New("the signer answered nothing")
	}
	return sig, err
}

// Parse reads an armoured signature. It refuses every form but the one that Sign and ssh-keygen write:
// other line breaks or widths, text around it, trailing data inside, padded numbers, unknown versions,
// hashes and algorithms, certificates, weak keys.
func Parse(armoured []byte) (*Signature, error) {
	blob, err := dearmour(armoured)
	if err != nil {
		return nil, fmt.Errorf("read the SSH signature: %w", err)
	}
	s, err := parseBlob(blob)
	if err != nil {
		return nil, fmt.Errorf("read the SSH signature: %w", err)
	}
	return s, nil
}

func parseBlob(blob []byte) (*Signature, error) {
	if len(blob) < len(magic) || string(blob[:len(magic)]) != magic {
		return nil, fmt.Errorf("it does not begin with %s", magic)
	}
	var w wire
	if err := ssh.Unmarshal(blob[len(magic):], &w); err != nil {
		return nil, fmt.Errorf("decode it: %w", err)
	}
	switch {
	case w.Version != version:
		return nil, fmt.Errorf("version %d, expected %d", w.Version, version)
	case len(w.Reserved) > 0:
		return nil, errors.New("the reserved field is not empty")
	case w.Hash != sha256Name && w.Hash != sha512Name:
		return nil, fmt.Errorf("hash %s, expected %s or %s", quote(w.Hash), sha256Name, sha512Name)
	}
	if err := checkNamespace(w.Namespace); err != nil {
		return nil, err
	}
	key, err := parseKey(w.PublicKey)
	if err != nil {
		return nil, err
	}
	sig, err := parseSignature(key, w.Signature)
	if err != nil {
		return nil, err
	}
	return &Signature{PublicKey: key, Namespace: w.Namespace, Hash: w.Hash, signature: sig}, nil
}

// Verify says whether the signature is one over the message, for the namespace, by PublicKey. Whether
// that key may sign is for AllowedSigners to say. The error is ErrSignature.
func (s *Signature) Verify(namespace string, message []byte) error {
	if s.Namespace != namespace {
		return fmt.Errorf("%w: it was made for the namespace %s, not %s", ErrSignature, quote(s.Namespace), quote(namespace))
	}
	if err := s.PublicKey.Verify(signedData(s.Namespace, s.Hash, message), s.signature); err != nil {
		return fmt.Errorf("%w with the %s key %s: other content or another key: %w", ErrSignature,
			s.PublicKey.Type(), ssh.FingerprintSHA256(s.PublicKey), err)
	}
	return nil
}

// signedData is what the key signs: the message's digest with what it is for.
func signedData(namespace, hash string, message []byte) []byte {
	var digest []byte
	if hash == sha256Name {
		sum := sha256.Sum256(message)
		digest = sum[:]
	} else {
		sum := sha512.Sum512(message)
		digest = sum[:]
	}
	return append([]byte(magic), ssh.Marshal(struct {
		Namespace, Reserved, Hash string
		Digest                    []byte
	}{Namespace: namespace, Hash: hash, Digest: digest})...)
}

func checkNamespace(namespace string) error {
	switch {
	case namespace == "":
		return errors.New("the namespace is empty")
	case len(namespace) > maxNamespace:
		return fmt.Errorf("the namespace has %d bytes, more than %d", len(namespace), maxNamespace)
	}
	return nil
}

// quote makes text of a file safe to print.
func quote(s string) string {
	const most = 80
	if len(s) > most {
		return fmt.Sprintf("%+q…", s[:most])
	}
	return fmt.Sprintf("%+q", s)
}
