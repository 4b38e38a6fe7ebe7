package timestamp

import (
	"bytes"
	"crypto/x509"
)

// WithCertificate adds a certificate to a token, where nothing vouches for it.
func WithCertificate(der, certificate []byte) ([]byte, error) {
	t, err := parse(der)
	if err != nil {
		return nil, err
	}
	t.certificates = append(t.certificates, certificate)
	return t.encode(), nil
}

// ParseAnswer is parseAnswer.
func ParseAnswer(der []byte) ([]byte, error) { return parseAnswer(der) }

// ForStampsOnly is forStampsOnly.
func ForStampsOnly(c *x509.Certificate) error { return forStampsOnly(c) }

// Recertified exchanges a certificate of a token.
func Recertified(der, old, with []byte) ([]byte, error) {
	t, err := parse(der)
	if err != nil {
		return nil, err
	}
	for i, c := range t.certificates {
		if bytes.Equal(c, old) {
			t.certificates[i] = with
		}
	}
	return t.encode(), nil
}
