// Package timestamp gets time stamps from a time stamping authority (RFC 3161) and checks them: who said so,
// with a certificate for nothing else, that these bytes existed at that time. A token has one form here
// (DER, no part that nobody signed), so that no byte of it can change unnoticed; openssl ts -verify reads it.
package timestamp

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// MaxToken bounds a token in bytes, and an answer of a time stamping authority. Those of public
// authorities have 3,000 to 8,000.
const MaxToken = 64 << 10

// ErrToken says that a token is well formed and does not prove what it should.
var ErrToken = errors.New("the time stamp does not verify")

// Stamp is what a token that was verified says.
type Stamp struct {
	Time      time.Time     // when the bytes existed, by the authority's clock
	Accuracy  time.Duration // of that clock; zero = not said
	Policy    string        // object identifier of the policy that the authority stamped under
	Serial    *big.Int
	Authority string // subject of the certificate that signed, as it says: quote it where it is printed

	nonce *big.Int // nil = none
}

// Verify checks a token over a message against the roots, as of the token's own time (a certificate that
// ended since was good then). Nil roots are the system's. The certificates in the token must all be part of
// its chain, and the token must be in the one form that Client makes. The error is ErrToken, unless the token can't
// be read at all.
func Verify(der, message []byte, roots *x509.CertPool) (*Stamp, error) {
	t, err := parse(der)
	if err != nil {
		return nil, fmt.Errorf("read the time stamp: %w", err)
	}
	if !bytes.Equal(t.encode(), der) {
		return nil, errors.New("read the time stamp: it is not in canonical form: something in it is in other order, left over or encoded otherwise")
	}
	if err := t.checkImprint(message); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrToken, err)
	}
	leaf, _, err := t.verify(roots)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrToken, err)
	}
	return t.stamp(leaf), nil
}

// Parse reads a token without judging it, and refuses what is not canonical.
func Parse(der []byte) error {
	t, err := parse(der)
	if err == nil && !bytes.Equal(t.encode(), der) {
		err = errors.New("it is not in canonical form")
	}
	if err != nil {
		return fmt.Errorf("read the time stamp: %w", err)
	}
	return nil
}

func (t *token) checkImprint(message []byte) error {
	if sum := sha256.Sum256(message); !bytes.Equal(t.info.imprint, sum[:]) {
		return errors.New("it is over other content")
	}
	return nil
}

func (t *token) stamp(leaf *x509.Certificate) *Stamp {
	return &Stamp{
		Time: t.info.time, Accuracy: t.info.accuracy, Policy: t.info.policy.String(), Serial: t.info.serial,
		Authority: leaf.Subject.String(), nonce: t.info.nonce,
	}
}
