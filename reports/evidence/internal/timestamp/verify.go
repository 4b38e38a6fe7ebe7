package timestamp

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

const minRSABits = 2048

// verify checks everything but the imprint. It returns the certificate that signed and a chain from it to a
// root that has every certificate of the token in it.
func (t *token) verify(roots *x509.CertPool) (*x509.Certificate, []*x509.Certificate, error) {
	all, leaf, err := t.signer()
	if err != nil {
		return nil, nil, err
	}
	hash, err := t.hash()
	if err != nil {
		return nil, nil, err
	}
	if err := t.checkAttributes(leaf, hash); err != nil {
		return nil, nil, err
	}
	if err := t.checkSignature(leaf, hash); err != nil {
		return nil, nil, err
	}
	chain, err := t.chain(all, leaf, roots)
	return leaf, chain, err
}

// signer parses the certificates and finds the one that the signer names.
func (t *token) signer() (all []*x509.Certificate, leaf *x509.Certificate, err error) {
	for _, der := range t.certificates {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, nil, fmt.Errorf("a certificate in it: %w", err)
		}
		all = append(all, c)
		if t.names(c) {
			leaf = c
		}
	}
	if leaf == nil {
		return nil, nil, errors.New("it does not carry the certificate that it was signed with")
	}
	return all, leaf, nil
}

// names says whether a certificate is the one that the signer identifier means.
func (t *token) names(c *x509.Certificate) bool {
	b := cryptobyte.NewBuilder(nil)
	switch t.signerVersion {
	case 1: // issuer and serial number
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes(c.RawIssuer)
			b.AddASN1BigInt(c.SerialNumber)
		})
	case 3: // subject key identifier
		b.AddASN1(cbasn1.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(c.SubjectKeyId) })
	default:
		return false
	}
	want, err := b.Bytes()
	return err == nil && bytes.Equal(want, t.sid)
}

func (t *token) hash() (crypto.Hash, error) {
	for n, h := range map[int]crypto.Hash{1: crypto.SHA256, 2: crypto.SHA384, 3: crypto.SHA512} {
		if t.digest.oid.Equal(asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, n}) {
			return h, nil
		}
	}
	return 0, fmt.Errorf("it is signed over a digest of kind %s, expected SHA-256, SHA-384 or SHA-512", t.digest.oid)
}

// signatureAlgorithm is the one name that a key's signatures have here. For RSA some authorities write the
// name that has the digest in it, which says nothing more.
func signatureAlgorithm(key any, hash crypto.Hash) (algorithm, error) {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < minRSABits {
			return algorithm{}, fmt.Errorf("its RSA key has %d bits, at least %d are needed", k.N.BitLen(), minRSABits)
		}
		return algorithm{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}, true}, nil
	case *ecdsa.PublicKey:
		n := map[crypto.Hash]int{crypto.SHA256: 2, crypto.SHA384: 3, crypto.SHA512: 4}[hash]
		return algorithm{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, n}, false}, nil
	}
	return algorithm{}, fmt.Errorf("its key is a %T, expected RSA or ECDSA", key)
}

func (t *token) checkSignature(leaf *x509.Certificate, hash crypto.Hash) error {
	want, err := signatureAlgorithm(leaf.PublicKey, hash)
	if err != nil {
		return err
	}
	if !t.signature.oid.Equal(want.oid) || t.signature.null != want.null {
		return fmt.Errorf("it is signed with the algorithm %s, expected %s", t.signature.oid, want.oid)
	}
	// What is signed is the SET OF attributes; its place in the token has another tag.
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { b.AddBytes(t.attributes) })
	signed, err := b.Bytes()
	if err != nil {
		return err
	}
	h := hash.New()
	h.Write(signed)
	digest := h.Sum(nil)
	good := false
	switch k := leaf.PublicKey.(type) {
	case *rsa.PublicKey:
		good = rsa.VerifyPKCS1v15(k, hash, digest, t.value) == nil
	case *ecdsa.PublicKey:
		good = ecdsa.VerifyASN1(k, digest, t.value)
	}
	if !good {
		return errors.New("its signature is wrong")
	}
	return nil
}

// checkAttributes checks the signed attributes: what is signed, its digest, and with which certificate
// (RFC 3161, section 2.4.2; RFC 5035).
func (t *token) checkAttributes(leaf *x509.Certificate, hash crypto.Hash) error {
	attributes, err := t.readAttributes()
	if err != nil {
		return err
	}
	kind, sum := attributes["1.2.840.113549.1.9.3"], attributes["1.2.840.113549.1.9.4"]
	var oid asn1.ObjectIdentifier
	if !kind.ReadASN1ObjectIdentifier(&oid) || !kind.Empty() || !oid.Equal(oidTSTInfo()) {
		return errors.New("its signed attributes do not say that a TSTInfo is signed")
	}
	h := hash.New()
	h.Write(t.content)
	var digest cryptobyte.String
	if !sum.ReadASN1(&digest, cbasn1.OCTET_STRING) || !sum.Empty() || !bytes.Equal(digest, h.Sum(nil)) {
		return errors.New("its content is not what was signed")
	}
	v1, is1 := attributes["1.2.840.113549.1.9.16.2.12"]
	v2, is2 := attributes["1.2.840.113549.1.9.16.2.47"]
	if !is1 && !is2 {
		return errors.New("its signed attributes do not name the certificate (signingCertificate)")
	}
	if is1 && !namesCertificate(v1, leaf, false) || is2 && !namesCertificate(v2, leaf, true) {
		return errors.New("its signed attributes name another certificate than the one that it carries")
	}
	return nil
}

// readAttributes returns the value of each signed attribute by its type. Each must be there once, with one value.
func (t *token) readAttributes() (map[string]cryptobyte.String, error) {
	out := map[string]cryptobyte.String{}
	rest := cryptobyte.String(t.attributes)
	for !rest.Empty() {
		var a, values, value cryptobyte.String
		var oid asn1.ObjectIdentifier
		var tag cbasn1.Tag
		if !rest.ReadASN1(&a, cbasn1.SEQUENCE) || !a.ReadASN1ObjectIdentifier(&oid) ||
			!a.ReadASN1(&values, cbasn1.SET) || !a.Empty() || !values.ReadAnyASN1Element(&value, &tag) {
			return nil, fmt.Errorf("its signed attributes: %w", errTruncated)
		}
		if _, twice := out[oid.String()]; twice || !values.Empty() {
			return nil, fmt.Errorf("its signed attribute %s is there twice", oid)
		}
		out[oid.String()] = value
	}
	return out, nil
}

// namesCertificate reads a SigningCertificate or, with v2, a SigningCertificateV2, whose first entry must
// be the certificate's hash. Version 1 has SHA-1 by its definition: it says which of the
// certificates is meant, the signature below vouches for it.
func namesCertificate(s cryptobyte.String, c *x509.Certificate, v2 bool) bool {
	var signing, certs, id, hash cryptobyte.String
	if !s.ReadASN1(&signing, cbasn1.SEQUENCE) || !s.Empty() || !signing.ReadASN1(&certs, cbasn1.SEQUENCE) ||
		!certs.ReadASN1(&id, cbasn1.SEQUENCE) {
		return false
	}
	sum := func() []byte { h := sha1.Sum(c.Raw); return h[:] }
	if v2 {
		algorithm := token{digest: algorithm{oid: oidSHA256()}} // the default
		if id.PeekASN1Tag(cbasn1.SEQUENCE) {
			var err error
			if algorithm.digest, err = readAlgorithm(&id); err != nil {
				return false
			}
		}
		h, err := algorithm.hash()
		if err != nil {
			return false
		}
		sum = func() []byte { d := h.New(); d.Write(c.Raw); return d.Sum(nil) }
	}
	return id.ReadASN1(&hash, cbasn1.OCTET_STRING) && bytes.Equal(hash, sum())
}

// chain builds a chain for time stamping, as of the stamp's time, that uses every certificate of the token.
func (t *token) chain(all []*x509.Certificate, leaf *x509.Certificate, roots *x509.CertPool) ([]*x509.Certificate, error) {
	if err := forStampsOnly(leaf); err != nil {
		return nil, err
	}
	between := x509.NewCertPool()
	for _, c := range all {
		if c != leaf {
			between.AddCert(c)
		}
	}
	chains, err := leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: t.info.time,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping},
	})
	if err != nil {
		return nil, fmt.Errorf("its certificate does not lead to a root that is trusted: %w", err)
	}
	for _, chain := range chains {
		if !slices.ContainsFunc(all, func(c *x509.Certificate) bool { return !slices.ContainsFunc(chain, c.Equal) }) {
			return chain, nil
		}
	}
	return chains[0], errUnused
}

var errUnused = errors.New("it carries certificates that do not belong to its chain")

// forStampsOnly checks that a certificate is for time stamps and nothing else, and says so as RFC 3161,
// section 2.3, wants it: in a critical extension.
func forStampsOnly(c *x509.Certificate) error {
	if len(c.ExtKeyUsage) != 1 || c.ExtKeyUsage[0] != x509.ExtKeyUsageTimeStamping || len(c.UnknownExtKeyUsage) > 0 {
		return errors.New("its certificate is not for time stamping alone (extended key usage)")
	}
	if c.KeyUsage != 0 && c.KeyUsage&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) == 0 {
		return errors.New("its certificate is not for signatures (key usage)")
	}
	for _, e := range c.Extensions {
		if e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 37}) && e.Critical {
			return nil
		}
	}
	return errors.New("its certificate's extended key usage is not critical")
}
