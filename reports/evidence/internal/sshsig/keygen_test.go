package sshsig_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/linkassay/linkassay/reports/evidence/internal/sshsig"
)

// keygen runs the real ssh-keygen.
func keygen(t *testing.T, stdin []byte, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath("ssh-keygen")
	if err != nil {
		t.Skip("ssh-keygen is not installed: signatures are not compared with OpenSSH's")
	}
	c := exec.CommandContext(t.Context(), path, args...)
	c.Stdin = bytes.NewReader(stdin)
	c.Env = append(os.Environ(), "TZ=UTC")
	out, err := c.CombinedOutput()
	return string(out), err
}

func must(t *testing.T, stdin []byte, args ...string) string {
	t.Helper()
	out, err := keygen(t, stdin, args...)
	if err != nil {
		t.Fatalf("ssh-keygen %q: %v\n%s", args, err, out)
	}
	return out
}

func write(t *testing.T, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Both directions, for each kind of key: what ssh-keygen signs verifies here, what is signed here
// verifies there, and what differs is refused by both.
func TestAgainstSSHKeygen(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string][]string{
		"ed25519":    {"-t", "ed25519"},
		"ecdsa p256": {"-t", "ecdsa", "-b", "256"},
		"ecdsa p384": {"-t", "ecdsa", "-b", "384"},
		"ecdsa p521": {"-t", "ecdsa", "-b", "521"},
		"rsa":        {"-t", "rsa", "-b", "2048"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file := filepath.Join(dir, "key")
			must(t, nil, append([]string{"-q", "-N", "", "-f", file}, kind...)...)
			private, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s, err := ssh.ParsePrivateKey(private)
			if err != nil {
				t.Fatal(err)
			}
			theirs := write(t, dir, "SHA256SUMS", message)
			must(t, nil, "-Y", "sign", "-q", "-f", file, "-n", sshsig.Namespace, theirs)
			armoured, err := os.ReadFile(theirs + ".sig")
			if err != nil {
				t.Fatal(err)
			}
			if err := check(armoured, s.PublicKey()); err != nil {
				t.Errorf("a signature of ssh-keygen: %v", err)
			}
			verifyThere(t, dir, s)
		})
	}
}

// verifyThere runs the commands that VERIFY.md has, on good and on changed input.
func verifyThere(t *testing.T, dir string, s ssh.Signer) {
	t.Helper()
	sig := sign(t, s)
	ours := write(t, dir, "ours.sig", sig)
	list := write(t, dir, "allowed_signers", []byte(
		`ci@example.com namespaces="linkassay-evidence" `+string(ssh.MarshalAuthorizedKey(s.PublicKey()))))
	verify := []string{"-Y", "verify", "-f", list, "-I", "ci@example.com", "-n", sshsig.Namespace, "-s", ours}
	out := must(t, message, verify...)
	if !strings.Contains(out, `Good "linkassay-evidence" signature for ci@example.com`) {
		t.Errorf("ssh-keygen -Y verify says %q", out)
	}
	must(t, message, "-Y", "check-novalidate", "-n", sshsig.Namespace, "-s", ours)
	if out := must(t, nil, "-Y", "find-principals", "-f", list, "-s", ours); out != "ci@example.com\n" {
		t.Errorf("ssh-keygen -Y find-principals says %q", out)
	}
	if out, err := keygen(t, append([]byte("x"), message...), verify...); err == nil {
		t.Errorf("ssh-keygen verifies other content: %s", out)
	}
	verify[7] = "file"
	if out, err := keygen(t, message, verify...); err == nil {
		t.Errorf("ssh-keygen verifies another namespace: %s", out)
	}
}

// The armour is byte for byte what ssh-keygen writes for every length of the last line. Ed25519 signs
// the same message to the same bytes.
func TestArmourAsSSHKeygenWritesIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "key")
	must(t, nil, "-q", "-N", "", "-t", "ed25519", "-f", file)
	private, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.ParsePrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	widths := map[int]bool{}
	for n := 1; n <= 55; n += 3 {
		ns := strings.Repeat("n", n)
		ours, err := sshsig.Sign(s, ns, message)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(ours), "\n")
		widths[len(lines[len(lines)-3])] = true
		data := write(t, dir, fmt.Sprint("data", n), message)
		must(t, nil, "-Y", "sign", "-q", "-f", file, "-n", ns, data)
		theirs, err := os.ReadFile(data + ".sig")
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(ours, theirs) {
			t.Errorf("namespace of %d bytes: here\n%s\nssh-keygen\n%s", n, ours, theirs)
		}
	}
	if !widths[70] {
		t.Errorf("no signature had a full last line: %v", widths)
	}
}

// ssh-keygen takes forms that are refused here.
func TestStricterThanSSHKeygen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newEd25519(t)
	sig := string(sign(t, s))
	lines := strings.Split(strings.TrimSuffix(sig, "\n"), "\n")
	for name, laxer := range map[string]string{
		"text after":     sig + "text\n",
		"another width":  rewrap(strings.Join(lines[1:len(lines)-1], ""), 64),
		"blank lines":    strings.Replace(sig, "\n-----END", "\n\n-----END", 1),
		"trailing space": strings.Replace(sig, "\n-----END", " \n-----END", 1),
	} {
		file := write(t, dir, "laxer.sig", []byte(laxer))
		if out, err := keygen(t, message, "-Y", "check-novalidate", "-n", sshsig.Namespace, "-s", file); err != nil {
			t.Errorf("%s: ssh-keygen is as strict by now: %v\n%s", name, err, out)
		}
		if err := check([]byte(laxer), s.PublicKey()); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// The list of allowed signers lets in whom ssh-keygen lets in.
func TestAllowedAsSSHKeygenSays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newEd25519(t)
	K := authorized(s.PublicKey())
	sig := write(t, dir, "sig", sign(t, s))
	for i, line := range []string{
		"ci@example.com " + K,
		"ci@example.com " + K + " comment",
		"*@example.com " + K,
		"*@example.com,!ci@* " + K,
		"dev@example.com " + K,
		"c?@example.com,dev " + K,
		`"ci@example.com,with space" ` + K,
		`ci@example.com namespaces="linkassay-evidence" ` + K,
		`ci@example.com namespaces="linkassay-*,file" ` + K,
		`ci@example.com namespaces="file" ` + K,
		`ci@example.com NAMESPACES="file,!linkassay-evidence,*" ` + K,
		`ci@example.com valid-after="20200101" ` + K,
		`ci@example.com valid-after="20200101Z",namespaces="*" ` + K,
		`ci@example.com valid-before="202001010000" ` + K,
		`ci@example.com valid-before="20990101000000Z",valid-after="20980101" ` + K,
		`ci@example.com namespaces="file" ` + K + "\nci@example.com " + K,
		`ci@example.com valid-before="20200101" ` + K + "\n*@example.com " + K,
		"ci@example.com " + authorized(newEd25519(t).PublicKey()),
	} {
		file := write(t, dir, fmt.Sprint("list", i), []byte("# list\n\n"+line+"\n"))
		out, there := keygen(t, message, "-Y", "verify", "-f", file, "-I", "ci@example.com", "-n", sshsig.Namespace, "-s", sig)
		list, err := sshsig.ParseAllowedSigners([]byte("# list\n\n"+line+"\n"), time.UTC)
		if err == nil {
			_, err = list.Allows("ci@example.com", s.PublicKey(), sshsig.Namespace, time.Now())
		}
		if (err == nil) != (there == nil) {
			t.Errorf("%s: here %v, ssh-keygen %v: %s", line, err, there, out)
		}
	}
}
