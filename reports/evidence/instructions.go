package evidence

import (
	"cmp"
	_ "embed"
	"fmt"
	"io"
	"regexp"
	"strings"
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
		Signed, Throwaway, Stamped     bool
		Key, Namespace, AllowedSigners string
	}{o.Key != nil, o.Throwaway, o.Timestamp != "", "", Namespace, shellWord(cmp.Or(o.AllowedSigners, "../allowed_signers"))}
	if d.Signed {
		d.Key = ssh.FingerprintSHA256(o.Key.PublicKey())
	}
	return t.Execute(w, d)
}

// shellWord quotes a path for a shell where it needs it.
func shellWord(s string) string {
	if regexp.MustCompile(`^[A-Za-z0-9._/+,:@-]+$`).MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
