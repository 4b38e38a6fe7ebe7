package sshsig

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// MinRSABits is the least size of an RSA key.
const MinRSABits = 2048

// skExtra is what a security key adds to its signature: flags and a counter.
const skExtra = 1 + 4

// parseKey reads a public key in wire format that may sign here.
func parseKey(blob []byte) (ssh.PublicKey, error) {
	key, err := ssh.ParsePublicKey(blob)
	if err != nil {
		return nil, fmt.Errorf("its public key: %w", err)
	}
	if err := Supported(key); err != nil {
		return nil, fmt.Errorf("its public key: %w", err)
	}
	if !bytes.Equal(key.Marshal(), blob) {
		return nil, errors.New("its public key is not encoded in the shortest form")
	}
	return key, nil
}

// Supported says whether a key is of a kind and size that may sign here: nil, or why not.
func Supported(key ssh.PublicKey) error {
	switch key.Type() {
	case ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
		ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256:
		return nil
	case ssh.KeyAlgoRSA:
		c, ok := key.(ssh.CryptoPublicKey)
		if !ok {
			return errors.New("an RSA key of unknown size")
		}
		k, ok := c.CryptoPublicKey().(*rsa.PublicKey)
		if !ok {
			return errors.New("an RSA key of unknown size")
		}
		if bits := k.N.BitLen(); bits < MinRSABits {
			return fmt.Errorf("an RSA key of %d bits: at least %d are needed", bits, MinRSABits)
		}
		return nil
	case "ssh-dss":
		return errors.New("DSA keys are too weak: use an Ed25519, ECDSA or RSA key")
	}
	if strings.Contains(key.Type(), "-cert-v01") {
		return fmt.Errorf("%s is a certificate: certificates are not supported, use the plain key", quote(key.Type()))
	}
	return fmt.Errorf("keys of type %s are not supported: use an Ed25519, ECDSA or RSA key", quote(key.Type()))
}

// algorithms are what a key of a type may sign with. RSA with SHA-1 ("ssh-rsa") is not among them.
func algorithms(keyType string) []string {
	if keyType == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	return []string{keyType}
}

// parseSignature reads the signature proper and refuses every encoding but the shortest.
func parseSignature(key ssh.PublicKey, blob []byte) (*ssh.Signature, error) {
	sig := new(ssh.Signature)
	if err := ssh.Unmarshal(blob, sig); err != nil {
		return nil, fmt.Errorf("decode what the key made: %w", err)
	}
	if may := algorithms(key.Type()); !slices.Contains(may, sig.Format) {
		return nil, fmt.Errorf("made with the algorithm %s: a key of type %s signs with %s here",
			quote(sig.Format), key.Type(), strings.Join(may, " or "))
	}
	extra := 0
	switch key.Type() {
	case ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256:
		extra = skExtra
	}
	if len(sig.Rest) != extra {
		return nil, fmt.Errorf("%d bytes after what the key made, expected %d", len(sig.Rest), extra)
	}
	return sig, checkForm(key, sig.Blob)
}

func checkForm(key ssh.PublicKey, blob []byte) error {
	switch key.Type() {
	case ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519:
		if len(blob) != ed25519.SignatureSize {
			return fmt.Errorf("an Ed25519 signature of %d bytes, expected %d", len(blob), ed25519.SignatureSize)
		}
	case ssh.KeyAlgoRSA:
		k := key.(ssh.CryptoPublicKey).CryptoPublicKey().(*rsa.PublicKey) // as Supported has seen
		if len(blob) != k.Size() {
			return fmt.Errorf("an RSA signature of %d bytes, expected %d", len(blob), k.Size())
		}
	default:
		var n struct{ R, S *big.Int }
		if err := ssh.Unmarshal(blob, &n); err != nil {
			return fmt.Errorf("decode the ECDSA signature: %w", err)
		}
		if !bytes.Equal(ssh.Marshal(n), blob) {
			return errors.New("an ECDSA signature that is not encoded in the shortest form")
		}
	}
	return nil
}
