package timestamp

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// parseAnswer reads a TimeStampResp (RFC 3161, section 2.4.2) and returns its token.
func parseAnswer(der []byte) ([]byte, error) {
	var s, status, token cryptobyte.String
	var code int64
	input := cryptobyte.String(der)
	if !input.ReadASN1(&s, cbasn1.SEQUENCE) || !input.Empty() || !s.ReadASN1(&status, cbasn1.SEQUENCE) ||
		!status.ReadASN1Integer(&code) {
		return nil, errors.New("the answer is not a time stamp response in DER")
	}
	if code != 0 && code != 1 { // granted, granted with modifications
		return nil, refusal(code, status)
	}
	if !s.ReadASN1Element(&token, cbasn1.SEQUENCE) || !s.Empty() {
		return nil, errors.New("the answer grants a time stamp and has none")
	}
	return token, nil
}

func refusal(code int64, status cryptobyte.String) error {
	name, ok := map[int64]string{2: "rejection", 3: "waiting", 4: "revocation warning", 5: "revocation notification"}[code]
	if !ok {
		name = fmt.Sprintf("status %d", code)
	}
	return fmt.Errorf("refused: %s%s", name, reasons(status))
}

// reasons reads what the authority says about its refusal, as far as it can be read.
func reasons(status cryptobyte.String) string {
	var texts cryptobyte.String
	var said []string
	if !status.ReadOptionalASN1(&texts, nil, cbasn1.SEQUENCE) {
		return ""
	}
	for len(said) < 3 && !texts.Empty() {
		var text cryptobyte.String
		if !texts.ReadASN1(&text, cbasn1.UTF8String) {
			break
		}
		said = append(said, fmt.Sprintf("%+.200q", string(text)))
	}
	var bits asn1.BitString
	if status.PeekASN1Tag(cbasn1.BIT_STRING) && status.ReadASN1BitString(&bits) {
		for _, f := range []struct {
			bit  int
			name string
		}{
			{0, "it does not know the algorithm"},
			{2, "it does not permit the request"},
			{5, "it can't read the request"},
			{14, "its time source is not available"},
			{15, "it does not stamp under the policy asked for"},
			{16, "it does not know an extension asked for"},
			{17, "it can't add what was asked for"},
			{25, "it has a failure of its own"},
		} {
			if bits.At(f.bit) == 1 {
				said = append(said, f.name)
			}
		}
	}
	if len(said) == 0 {
		return ""
	}
	return ": " + strings.Join(said, ", ")
}

// normalise leaves out of a token what nobody signed. The rest must verify before and, as the caller sees
// to, after it.
func normalise(raw []byte, roots *x509.CertPool) ([]byte, error) {
	t, err := parse(raw)
	if err != nil {
		return nil, fmt.Errorf("read the time stamp: %w", err)
	}
	if _, leaf, err := t.signer(); err == nil {
		t.renameRSA(leaf)
	}
	_, chain, err := t.verify(roots)
	if err != nil && !errors.Is(err, errUnused) {
		return nil, fmt.Errorf("%w: %w", ErrToken, err)
	}
	if len(chain) > 1 {
		chain = chain[:len(chain)-1] // who verifies has the root
	}
	t.certificates = nil
	for _, c := range chain {
		t.certificates = append(t.certificates, c.Raw)
	}
	return t.encode(), nil
}

// renameRSA gives an RSA signature that is named together with its digest, or without the parameter that
// belongs to it, the plain name.
func (t *token) renameRSA(leaf *x509.Certificate) {
	if _, ok := leaf.PublicKey.(*rsa.PublicKey); !ok {
		return
	}
	hash, err := t.hash()
	if err != nil {
		return
	}
	want, err := signatureAlgorithm(leaf.PublicKey, hash)
	if err != nil {
		return
	}
	// rsaEncryption, sha256With…, sha384With…, sha512WithRSAEncryption
	with := map[string]int{"SHA-256": 11, "SHA-384": 12, "SHA-512": 13}[hash.String()]
	named := append(slices.Clone(want.oid[:len(want.oid)-1]), with)
	if t.signature.oid.Equal(want.oid) || t.signature.oid.Equal(named) {
		t.signature = want
	}
}
