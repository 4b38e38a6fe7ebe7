package timestamp_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/linkassay/linkassay/reports/evidence/internal/timestamp"
)

// What an authority may add or write otherwise with nobody having signed it, for a token in an answer.
func unsignedChanges(t *testing.T) map[string]func(token []byte) []byte {
	attribute := build(t, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.Tag(1).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 2, 3})
				b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { b.AddASN1NULL() })
			})
		})
	})
	rsaEncryption := []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1}
	return map[string]func([]byte) []byte{
		"an unsigned attribute": func(token []byte) []byte { return appendInside(t, token, 4, attribute) },
		"another name of the algorithm": func(token []byte) []byte {
			token = bytes.Clone(token)
			token[bytes.LastIndex(token, rsaEncryption)+8] = 11 // sha256WithRSAEncryption
			return token
		},
	}
}

func build(t *testing.T, f func(b *cryptobyte.Builder)) []byte {
	t.Helper()
	b := cryptobyte.NewBuilder(nil)
	f(b)
	der, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// appendInside appends to the last element, so many levels down, and makes the lengths around it right.
func appendInside(t *testing.T, der []byte, levels int, more []byte) []byte {
	t.Helper()
	var content, last cryptobyte.String
	var tag cbasn1.Tag
	input := cryptobyte.String(der)
	if !input.ReadAnyASN1(&content, &tag) {
		t.Fatal("not DER")
	}
	inside := append(bytes.Clone(content), more...)
	if levels > 0 {
		for rest := content; !rest.Empty(); {
			if !rest.ReadAnyASN1Element(&last, new(cbasn1.Tag)) {
				t.Fatal("not DER")
			}
		}
		inside = append(bytes.Clone(content[:len(content)-len(last)]), appendInside(t, last, levels-1, more)...)
	}
	return build(t, func(b *cryptobyte.Builder) {
		b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes(inside) })
	})
}

// It is left out, or brought to one form, when the token comes in, and refused in a token that is kept.
func TestUnsignedPartsRefused(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, options{})
	kept, _ := stamped(t, a.serve(t, nil))
	for name, change := range unsignedChanges(t) {
		if _, err := timestamp.Verify(change(kept), message, a.roots()); err == nil {
			t.Errorf("%s: verifies", name)
		}
		client := a.serveChanged(t, nil, func(answer []byte) []byte {
			granted := []byte{0x30, 3, 2, 1, 0}
			token, err := timestamp.ParseAnswer(answer)
			if err != nil {
				t.Error(err)
			}
			return build(t, func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddBytes(granted)
					b.AddBytes(change(token))
				})
			})
		})
		token, _, err := client.Stamp(t.Context(), message)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := timestamp.Verify(token, message, a.roots()); err != nil {
			t.Errorf("%s: what was kept: %v", name, err)
		}
	}
}

// A certificate with the same name, number and key as the one that signed is another one, if the signed
// attributes don't name it.
func TestOtherCertificateOfTheKeyRefused(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]options{"v1": {essAlg: "sha1"}, "v2": {}} {
		a := newAuthority(t, o)
		token, _ := stamped(t, a.serve(t, nil))
		longer := *a.leaf
		longer.NotAfter = longer.NotAfter.Add(time.Second)
		longer.ExtraExtensions = longer.Extensions
		der, err := x509.CreateCertificate(rand.Reader, &longer, a.between, a.leaf.PublicKey, a.betweenKey)
		if err != nil {
			t.Fatal(err)
		}
		other, err := timestamp.Recertified(token, a.leaf.Raw, der)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := timestamp.Verify(other, message, a.roots()); err == nil || !strings.Contains(err.Error(), "name another certificate") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestForStampsOnly(t *testing.T) {
	t.Parallel()
	stamping := asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 8}
	signing := asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 3}
	own := asn1.ObjectIdentifier{1, 2, 3, 4}
	for name, c := range map[string]struct {
		critical bool
		usage    x509.KeyUsage
		oids     []asn1.ObjectIdentifier
		want     string
	}{
		"good":             {true, x509.KeyUsageDigitalSignature, []asn1.ObjectIdentifier{stamping}, ""},
		"no key usage":     {true, 0, []asn1.ObjectIdentifier{stamping}, ""},
		"not critical":     {false, x509.KeyUsageDigitalSignature, []asn1.ObjectIdentifier{stamping}, "not critical"},
		"code signing too": {true, x509.KeyUsageDigitalSignature, []asn1.ObjectIdentifier{stamping, signing}, "alone"},
		"one of its own":   {true, x509.KeyUsageDigitalSignature, []asn1.ObjectIdentifier{stamping, own}, "alone"},
		"something else":   {true, x509.KeyUsageDigitalSignature, []asn1.ObjectIdentifier{signing}, "alone"},
		"no signatures":    {true, x509.KeyUsageKeyEncipherment, []asn1.ObjectIdentifier{stamping}, "not for signatures"},
	} {
		template := ca(name)
		template.IsCA, template.KeyUsage = false, c.usage
		template.ExtraExtensions = append(template.ExtraExtensions, usage(t, c.critical, c.oids...))
		made, _ := issue(t, template, nil, nil, false)
		err := timestamp.ForStampsOnly(made)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}
