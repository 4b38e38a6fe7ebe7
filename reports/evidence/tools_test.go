package evidence

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// shell runs the blocks of commands of VERIFY.md that need none but the named tools, as an auditor would paste them.
func shell(t *testing.T, dir string, tools ...string) string {
	t.Helper()
	for _, tool := range append(tools, "bash") {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed: what VERIFY.md says is not tried", tool)
		}
	}
	b, err := os.ReadFile(filepath.Join(dir, InstructionsFile))
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	inside := false
	for line := range strings.Lines(string(b)) {
		switch {
		case strings.HasPrefix(line, "```"):
			inside = !inside
		case inside && !strings.HasPrefix(line, "linkassay "):
			script.WriteString(line)
		}
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script.String())
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "failed: " + err.Error() + "\n" + string(out)
	}
	return string(out)
}

// What VERIFY.md says works with the real ssh-keygen and sha256sum, and notices a change.
func TestInstructions(t *testing.T) {
	t.Parallel()
	seal, options := signed(t)
	seal.AllowedSigners = "../it's allowed_signers"
	dir := bundleOf(t, runOf(t, "", "security-group-closed"), seal)
	if err := os.WriteFile(filepath.Join(dir, seal.AllowedSigners), options.AllowedSigners, 0o600); err != nil {
		t.Fatal(err)
	}
	said := shell(t, dir, "ssh-keygen", "sha256sum")
	for _, want := range []string{`Good "linkassay-evidence" signature for ops@example.com with ED25519 key SHA256:`, "run.json: OK\n", "VERIFY.md: OK\n"} {
		if !strings.Contains(said, want) {
			t.Errorf("no %q in:\n%s", want, said)
		}
	}
	if n := strings.Count(said, ": OK\n"); n != len(namesIn(t, dir))-2 {
		t.Errorf("%d files are OK, of %q", n, namesIn(t, dir))
	}
	if err := os.WriteFile(filepath.Join(dir, "junit.xml"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if said := shell(t, dir); !strings.Contains(said, "failed") || !strings.Contains(said, "junit.xml: FAILED") {
		t.Error(said)
	}
	unsigned := bundleOf(t, runOf(t, "", "healthy"), SealOptions{})
	if said := shell(t, unsigned); !strings.Contains(said, "run.json: OK\n") || strings.Contains(said, "signature") {
		t.Error(said)
	}
}

// jq asks the bundle's JSON what an auditor would ask.
func TestJQ(t *testing.T) {
	t.Parallel()
	jq, err := exec.LookPath("jq")
	if err != nil {
		t.Skip("jq is not installed")
	}
	dir := bundleOf(t, runOf(t, "", "security-group-closed", "healthy"), SealOptions{})
	for query, want := range map[string]string{
		`-r ._type statement.json`:                                                                 "https://in-toto.io/Statement/v1",
		`-r .predicateType statement.json`:                                                         "https://in-toto.io/attestation/test-result/v0.1",
		`-r .predicate.result statement.json`:                                                      "FAILED",
		`-r .predicate.failedTests[] statement.json`:                                               "orders/connection.endpoint-security-group",
		`-r .predicate.configuration[1].name statement.json`:                                       "link orders-healthy",
		`-r .links[0].verdicts[]|select(.status=="failed")|.check run.json`:                        "connection.endpoint-security-group",
		`-r [.links[].observation.dns.private.value[]?|.wireSha256]|map(length)|unique[] run.json`: "64",
	} {
		args := strings.Fields(query)
		out, err := exec.CommandContext(t.Context(), jq, append(args[:len(args)-1], filepath.Join(dir, args[len(args)-1]))...).CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != want {
			t.Errorf("jq %s: %q, want %q; %v", query, got, want, err)
		}
	}
	// The digests of the statement are what anybody can work out.
	for query, digest := range map[string]string{
		`jq -cj '.links[0].observation.link' run.json | sha256sum | cut -c1-64`: `jq -r '.predicate.configuration[0].digest.sha256' statement.json`,
		`sha256sum run.json | cut -c1-64`:                                       `jq -r '.subject[]|select(.name=="run.json")|.digest.sha256' statement.json`,
	} {
		cmd := exec.CommandContext(t.Context(), "bash", "-c", `a=$(`+query+`); b=$(`+digest+`); echo "$a $b"; [ "$a" = "$b" ] && [ ${#a} = 64 ]`)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", query, err, out)
		}
	}
}
