package evidence

import (
	_ "embed"
	"fmt"
	"io"
	"text/template"

	"golang.org/x/crypto/ssh"
)

//go:embed instructions.md.tmpl
var instructions string

// writeInstructions writes VERIFY.md.
func writeInstructions(w io.Writer, o SealOptions) error {
	t, err := template.New(InstructionsFile).Parse(instructions)
	if err != nil {
		return fmt.Errorf("read the template: %w", err)
	}
	d := struct {
		Signed, Throwaway bool
		Key, Namespace    string
	}{o.Signer != nil, o.Throwaway, "", Namespace}
	if d.Signed {
		d.Key = ssh.FingerprintSHA256(o.Signer.PublicKey())
	}
	return t.Execute(w, d)
}
