package sshsig_test

import (
	"bytes"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

func TestOtherFormsRefused(t *testing.T) {
	t.Parallel()
	s := newEd25519(t)
	sig := string(sign(t, s))
	lines := strings.Split(strings.TrimSuffix(sig, "\n"), "\n")
	body := strings.Join(lines[1:len(lines)-1], "")
	for name, changed := range map[string]string{
		"CRLF":                  strings.ReplaceAll(sig, "\n", "\r\n"),
		"one CRLF":              strings.Replace(sig, "\n", "\r\n", 2),
		"no last line feed":     strings.TrimSuffix(sig, "\n"),
		"a line feed more":      sig + "\n",
		"an empty line inside":  strings.Replace(sig, "\n", "\n\n", 2),
		"trailing space":        strings.Replace(sig, "\n-----END", " \n-----END", 1),
		"text before":           "hello\n" + sig,
		"text after":            sig + "hello\n",
		"twice":                 sig + sig,
		"76 columns":            rewrap(body, 76),
		"one line":              rewrap(body, len(body)),
		"no padding":            strings.ReplaceAll(sig, "=", ""),
		"a byte order mark":     "\ufeff" + sig,
		"empty":                 "",
		"begin and end alone":   lines[0] + "\n" + lines[len(lines)-1] + "\n",
		"larger than any":       rewrap(strings.Repeat("A", 20<<10), 70),
		"the begin line alone":  lines[0] + "\n",
		"PEM of something else": strings.ReplaceAll(sig, "SSH SIGNATURE", "SSH SIGNATURES"),
	} {
		if err := check([]byte(changed), s.PublicKey()); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func rewrap(body string, columns int) string {
	var b strings.Builder
	b.WriteString("-----BEGIN SSH SIGNATURE-----\n")
	for len(body) > columns {
		b.WriteString(body[:columns] + "\n")
		body = body[columns:]
	}
	b.WriteString(body + "\n-----END SSH SIGNATURE-----\n")
	return b.String()
}

// parts are a signature's fields, to build ones that Sign never makes.
type parts struct {
	Version   uint32
	PublicKey []byte
	Namespace string
	Reserved  []byte
	Hash      string
	Signature []byte
}

func taken(t *testing.T, armoured []byte) parts {
	t.Helper()
	block, _ := pem.Decode(armoured)
	if block == nil {
		t.Fatal("no armour")
	}
	var p parts
	if err := ssh.Unmarshal(block.Bytes[6:], &p); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p parts) armoured(trailing ...byte) []byte {
	blob := slices.Concat([]byte("SSHSIG"), ssh.Marshal(p), trailing)
	return []byte(rewrap(base64.StdEncoding.EncodeToString(blob), 70))
}

func TestOtherContentsRefused(t *testing.T) {
	t.Parallel()
	ed, ec := newEd25519(t), newECDSA(t, elliptic.P256())
	edParts, ecParts := taken(t, sign(t, ed)), taken(t, sign(t, ec))
	if err := check(edParts.armoured(), ed.PublicKey()); err != nil {
		t.Fatalf("put together again: %v", err)
	}
	for name, c := range map[string]struct {
		of     parts
		change func(p *parts) []byte
		want   string
	}{
		"version 2":       {edParts, func(p *parts) []byte { p.Version = 2; return nil }, "version 2"},
		"reserved":        {edParts, func(p *parts) []byte { p.Reserved = []byte("x"); return nil }, "reserved"},
		"hash md5":        {edParts, func(p *parts) []byte { p.Hash = "md5"; return nil }, "hash"},
		"hash escape":     {edParts, func(p *parts) []byte { p.Hash = "\x1b[2J"; return nil }, `\x1b[2J`},
		"hash exchanged":  {edParts, func(p *parts) []byte { p.Hash = "sha256"; return nil }, "does not verify"},
		"no namespace":    {edParts, func(p *parts) []byte { p.Namespace = ""; return nil }, "namespace is empty"},
		"long namespace":  {edParts, func(p *parts) []byte { p.Namespace = strings.Repeat("x", 256); return nil }, "namespace has 256"},
		"trailing":        {edParts, func(*parts) []byte { return []byte{0} }, "decode it"},
		"trailing in key": {edParts, func(p *parts) []byte { p.PublicKey = append(p.PublicKey, 0); return nil }, "public key"},
		"trailing in sig": {edParts, func(p *parts) []byte { p.Signature = append(p.Signature, 0); return nil }, "1 bytes after"},
		"key of another":  {edParts, func(p *parts) []byte { p.PublicKey = ecParts.PublicKey; return nil }, "algorithm"},
		"no key":          {edParts, func(p *parts) []byte { p.PublicKey = nil; return nil }, "public key"},
		"no signature":    {edParts, func(p *parts) []byte { p.Signature = nil; return nil }, "decode what the key made"},
		"short signature": {edParts, func(p *parts) []byte { p.Signature = reform(t, p, func(b []byte) []byte { return b[:63] }); return nil }, "63 bytes"},
		"padded number":   {ecParts, func(p *parts) []byte { p.Signature = reform(t, p, padR); return nil }, "shortest form"},
		"trailing in pair": {ecParts, func(p *parts) []byte {
			p.Signature = reform(t, p, func(b []byte) []byte { return append(b, 0) })
			return nil
		}, "ECDSA"},
	} {
		p := c.of
		p.PublicKey, p.Signature = bytes.Clone(p.PublicKey), bytes.Clone(p.Signature)
		trailing := c.change(&p)
		key := ed.PublicKey()
		if c.of.Namespace == ecParts.Namespace && bytes.Equal(c.of.PublicKey, ecParts.PublicKey) {
			key = ec.PublicKey()
		}
		err := check(p.armoured(trailing...), key)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func reform(t *testing.T, p *parts, change func([]byte) []byte) []byte {
	t.Helper()
	var s ssh.Signature
	if err := ssh.Unmarshal(p.Signature, &s); err != nil {
		t.Fatal(err)
	}
	s.Blob = change(s.Blob)
	return ssh.Marshal(s)
}

// padR puts a zero byte before the first number, which reads as the same number.
func padR(blob []byte) []byte {
	var n struct{ R, S *big.Int }
	if err := ssh.Unmarshal(blob, &n); err != nil {
		panic(err)
	}
	r := append([]byte{0, 0}, n.R.Bytes()...)
	return ssh.Marshal(struct {
		R []byte
		S *big.Int
	}{r, n.S})
}
