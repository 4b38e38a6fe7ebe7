package evidence

import (
	"io"
	"text/template"
)

// writeInstructions writes VERIFY.md.
func writeInstructions(w io.Writer, o SealOptions) error {
	return template.Must(template.New(InstructionsFile).Parse(instructions)).Execute(w, o)
}

const instructions = "# How to verify this bundle\n" + `
Run these commands in this directory. They change nothing, and need no network and no AWS account.

**This bundle is not signed.** Its digests prove integrity against accident only: whoever can change a file can
write new digests too.

Every file is as it was written (` + "`sha256sum`" + ` does not see files that were added):

` + "```sh\nsha256sum -c SHA256SUMS\n```" + `

All of this, no file added, and the checks judge the recorded observation again and must say the same:

` + "```sh\nlinkassay evidence verify .\n```\n"
