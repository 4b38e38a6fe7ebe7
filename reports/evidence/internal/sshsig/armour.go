package sshsig

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
)

const (
	begin   = "-----BEGIN SSH SIGNATURE-----\n"
	end     = "-----END SSH SIGNATURE-----\n"
	columns = 70

	// maxArmour bounds a signature in bytes. One of the largest RSA key that OpenSSH makes (16,384 bits)
	// has less than half of it.
	maxArmour = 16 << 10
)

// armour wraps a blob as ssh-keygen does.
func armour(blob []byte) []byte {
	text := base64.StdEncoding.EncodeToString(blob)
	b := bytes.NewBufferString(begin)
	for len(text) > columns {
		b.WriteString(text[:columns])
		b.WriteByte('\n')
		text = text[columns:]
	}
	b.WriteString(text)
	b.WriteByte('\n')
	b.WriteString(end)
	return b.Bytes()
}

// dearmour returns the blob of an armoured signature that armour could have made.
func dearmour(armoured []byte) ([]byte, error) {
	if len(armoured) > maxArmour {
		return nil, fmt.Errorf("it has %d bytes, more than %d", len(armoured), maxArmour)
	}
	body, ok := bytes.CutPrefix(armoured, []byte(begin))
	if !ok {
		return nil, fmt.Errorf("it does not begin with the line %q and a plain line feed", begin[:len(begin)-1])
	}
	if body, ok = bytes.CutSuffix(body, []byte(end)); !ok {
		return nil, fmt.Errorf("it does not end with the line %q and a plain line feed", end[:len(end)-1])
	}
	blob, err := base64.StdEncoding.Strict().DecodeString(string(body))
	if err != nil {
		return nil, fmt.Errorf("between begin and end: %w", err)
	}
	// The decoder skips line breaks wherever they are.
	if !bytes.Equal(armour(blob), armoured) {
		return nil, errors.New("it is not in the form that ssh-keygen writes: lines of 70 characters that end in a plain line feed")
	}
	return blob, nil
}
