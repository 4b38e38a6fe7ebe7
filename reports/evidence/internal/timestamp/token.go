package timestamp

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// maxCertificates bounds what a token carries.
const maxCertificates = 8

// The object identifiers of RFC 5652 and RFC 3161.
func oidSignedData() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2} }

func oidTSTInfo() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}
}

// token is a CMS SignedData (RFC 5652, section 5) with one signer over a TSTInfo, and nothing else that its
// encoder would write. What readers of tokens may ignore (certificates of others, revocation lists,
// unsigned attributes) is read over by parse and not written by encode.
type token struct {
	content      []byte // TSTInfo, as signed
	info         info
	certificates [][]byte // DER

	signerVersion int64
	sid           []byte // DER: which certificate signed
	digest        algorithm
	attributes    []byte // signed ones, DER without the outer tag
	signature     algorithm
	value         []byte // of the signature
}

// algorithm is an AlgorithmIdentifier whose parameters are NULL or absent.
type algorithm struct {
	oid  asn1.ObjectIdentifier
	null bool
}

var errTruncated = errors.New("it is cut off, or not DER")

// parse reads the form of a token.
func parse(der []byte) (*token, error) {
	if len(der) > MaxToken {
		return nil, fmt.Errorf("it has more than %d bytes", MaxToken)
	}
	t := new(token)
	var outer, explicit, signed, algorithms, encap, octets, signers cryptobyte.String
	var oid asn1.ObjectIdentifier
	input := cryptobyte.String(der)
	if !input.ReadASN1(&outer, cbasn1.SEQUENCE) || !input.Empty() || !outer.ReadASN1ObjectIdentifier(&oid) {
		return nil, errTruncated
	}
	if !oid.Equal(oidSignedData()) {
		return nil, fmt.Errorf("it holds %s, not signed data", oid)
	}
	var version int64
	if !outer.ReadASN1(&explicit, tagged(0)) || !outer.Empty() ||
		!explicit.ReadASN1(&signed, cbasn1.SEQUENCE) || !explicit.Empty() ||
		!signed.ReadASN1Integer(&version) || !signed.ReadASN1(&algorithms, cbasn1.SET) ||
		!signed.ReadASN1(&encap, cbasn1.SEQUENCE) || !encap.ReadASN1ObjectIdentifier(&oid) {
		return nil, errTruncated
	}
	if version != 3 || !oid.Equal(oidTSTInfo()) {
		return nil, fmt.Errorf("it is signed data of version %d over %s, not version 3 over a TSTInfo", version, oid)
	}
	if !encap.ReadASN1(&explicit, tagged(0)) || !encap.Empty() ||
		!explicit.ReadASN1(&octets, cbasn1.OCTET_STRING) || !explicit.Empty() {
		return nil, errTruncated
	}
	t.content = octets
	var err error
	if t.info, err = parseInfo(octets); err != nil {
		return nil, err
	}
	if err := t.readCertificates(&signed); err != nil {
		return nil, err
	}
	if !signed.SkipOptionalASN1(tagged(1)) || !signed.ReadASN1(&signers, cbasn1.SET) || !signed.Empty() {
		return nil, errTruncated
	}
	return t, t.readSigner(signers)
}

func tagged(tag uint8) cbasn1.Tag { return cbasn1.Tag(tag).ContextSpecific().Constructed() }

func (t *token) readCertificates(s *cryptobyte.String) error {
	var all cryptobyte.String
	if !s.ReadOptionalASN1(&all, nil, tagged(0)) {
		return errTruncated
	}
	for !all.Empty() {
		var one cryptobyte.String
		if !all.ReadASN1Element(&one, cbasn1.SEQUENCE) {
			return errors.New("it carries something else than X.509 certificates")
		}
		if len(t.certificates) == maxCertificates {
			return fmt.Errorf("it carries more than %d certificates", maxCertificates)
		}
		t.certificates = append(t.certificates, one)
	}
	return nil
}

// readSigner reads a SignerInfo.
func (t *token) readSigner(signers cryptobyte.String) error {
	var s, sid, value cryptobyte.String
	if !signers.ReadASN1(&s, cbasn1.SEQUENCE) {
		return errTruncated
	}
	if !signers.Empty() {
		return errors.New("it has several signers")
	}
	var tag cbasn1.Tag
	if !s.ReadASN1Integer(&t.signerVersion) || !s.ReadAnyASN1Element(&sid, &tag) {
		return errTruncated
	}
	t.sid = sid
	var err error
	if t.digest, err = readAlgorithm(&s); err != nil {
		return err
	}
	var attributes cryptobyte.String
	if !s.ReadASN1(&attributes, tagged(0)) {
		return errors.New("it has no signed attributes")
	}
	t.attributes = attributes
	if t.signature, err = readAlgorithm(&s); err != nil {
		return err
	}
	if !s.ReadASN1(&value, cbasn1.OCTET_STRING) || !s.SkipOptionalASN1(tagged(1)) || !s.Empty() {
		return errTruncated
	}
	t.value = value
	return nil
}

func readAlgorithm(s *cryptobyte.String) (a algorithm, err error) {
	var seq, null cryptobyte.String
	if !s.ReadASN1(&seq, cbasn1.SEQUENCE) || !seq.ReadASN1ObjectIdentifier(&a.oid) ||
		!seq.ReadOptionalASN1(&null, &a.null, cbasn1.NULL) {
		return a, errTruncated
	}
	if !null.Empty() || !seq.Empty() {
		return a, fmt.Errorf("the algorithm %s has parameters", a.oid)
	}
	return a, nil
}

// encode writes the canonical form.
func (t *token) encode() []byte {
	certificates := slices.Clone(t.certificates)
	slices.SortFunc(certificates, bytes.Compare)
	certificates = slices.CompactFunc(certificates, bytes.Equal)
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidSignedData())
		b.AddASN1(tagged(0), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1Int64(3)
				b.AddASN1(cbasn1.SET, t.digest.encode)
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(oidTSTInfo())
					b.AddASN1(tagged(0), func(b *cryptobyte.Builder) { b.AddASN1OctetString(t.content) })
				})
				if len(certificates) > 0 {
					b.AddASN1(tagged(0), func(b *cryptobyte.Builder) {
						for _, c := range certificates {
							b.AddBytes(c)
						}
					})
				}
				b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { b.AddASN1(cbasn1.SEQUENCE, t.encodeSigner) })
			})
		})
	})
	der, err := b.Bytes()
	if err != nil {
		return nil // equal to no token
	}
	return der
}

func (t *token) encodeSigner(b *cryptobyte.Builder) {
	b.AddASN1Int64(t.signerVersion)
	b.AddBytes(t.sid)
	t.digest.encode(b)
	b.AddASN1(tagged(0), func(b *cryptobyte.Builder) { b.AddBytes(t.attributes) })
	t.signature.encode(b)
	b.AddASN1OctetString(t.value)
}

func (a algorithm) encode(b *cryptobyte.Builder) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(a.oid)
		if a.null {
			b.AddASN1NULL()
		}
	})
}
