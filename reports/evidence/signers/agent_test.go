package signers_test

import (
	"context"
	"crypto"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/linkassay/linkassay/reports/evidence/signers"
)

func at(socket string) signers.Options {
	return signers.Options{Getenv: func(name string) string {
		if name == "SSH_AUTH_SOCK" {
			return socket
		}
		return ""
	}}
}

// socketDir is short: a socket's path has at most about 100 bytes.
func socketDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "seal")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// startAgent starts a real ssh-agent, which ends with the test.
func startAgent(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("ssh-agent")
	if err != nil {
		t.Skip("ssh-agent is not installed: keys in an agent are tried with a listener of our own only")
	}
	socket := filepath.Join(socketDir(t), "agent")
	c := exec.Command(path, "-D", "-a", socket)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Kill()
		c.Wait()
	})
	waitFor(t, func() error {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			return err
		}
		return conn.Close()
	})
	return socket
}

// waitFor tries until there is no error, for at most a minute.
func waitFor(t *testing.T, try func() error) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal(err)
		}
	}
}

func add(t *testing.T, socket string, k crypto.Signer) {
	t.Helper()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := agent.NewClient(struct{ io.ReadWriter }{conn}).Add(agent.AddedKey{PrivateKey: k, Comment: "of the\x1b[2J test"}); err != nil {
		t.Fatal(err)
	}
}

func TestAgent(t *testing.T) {
	t.Parallel()
	socket := startAgent(t)
	ed, ec, rs := generate(t)
	if _, err := open(t, "agent:"+ssh.FingerprintSHA256(publicOf(t, ed)), at(socket)); err == nil || !strings.Contains(err.Error(), "no keys") {
		t.Errorf("an empty agent: got %v", err)
	}
	for _, k := range []crypto.Signer{ed, ec, rs} {
		add(t, socket, k)
		public := publicOf(t, k)
		file := write(t, ssh.MarshalAuthorizedKey(public), 0o644)
		for _, ref := range []string{"agent:" + ssh.FingerprintSHA256(public), "agent:" + file} {
			key, err := open(t, ref, at(socket))
			if err != nil {
				t.Errorf("%s: %v", ref, err)
				continue
			}
			seals(t, key, public)
		}
	}
	other, _, _ := generate(t)
	wanted := ssh.FingerprintSHA256(publicOf(t, other))
	_, err := open(t, "agent:"+wanted, at(socket))
	if err == nil || !strings.Contains(err.Error(), wanted) || !strings.Contains(err.Error(), ssh.FingerprintSHA256(publicOf(t, ec))) {
		t.Errorf("a key that is not there: got %v, want both it and those that are", err)
	}
	if err != nil && strings.Contains(err.Error(), "\x1b") {
		t.Errorf("a comment reaches the terminal: %q", err)
	}
	for want, ref := range map[string]string{
		"it is a private key": "agent:" + write(t, marshalled(t, ed, ""), 0o600),
		"no such file":        "agent:absent.pub",
		"no key found":        "agent:" + write(t, []byte("hello"), 0o600),
	} {
		if _, err := open(t, ref, at(socket)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestNoAgent(t *testing.T) {
	t.Parallel()
	ed, _, _ := generate(t)
	ref := "agent:" + ssh.FingerprintSHA256(publicOf(t, ed))
	for want, o := range map[string]signers.Options{
		"SSH_AUTH_SOCK is not set": {},
		"reach ssh-agent at":       at(filepath.Join(t.TempDir(), "absent")),
	} {
		if _, err := open(t, ref, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// listen starts an agent that answers each connection as told.
func listen(t *testing.T, answer func(net.Conn)) string {
	t.Helper()
	socket := filepath.Join(socketDir(t), "agent")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			answer(conn)
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return socket
}

func TestHostileAgent(t *testing.T) {
	t.Parallel()
	ed, _, _ := generate(t)
	ref := "agent:" + ssh.FingerprintSHA256(publicOf(t, ed))
	for name, c := range map[string]struct {
		answer func(net.Conn)
		want   string
	}{
		"silent":      {func(c net.Conn) { io.Copy(io.Discard, c) }, "no answer in time"},
		"hangs up":    {func(c net.Conn) { io.ReadFull(c, make([]byte, 5)) }, "ask ssh-agent"},
		"no length":   {func(c net.Conn) { io.ReadFull(c, make([]byte, 5)); c.Write([]byte{0, 0, 0, 0}) }, "ask ssh-agent"},
		"huge length": {func(c net.Conn) { io.ReadFull(c, make([]byte, 5)); c.Write([]byte{255, 255, 255, 255}) }, "too large"},
		"many keys": {func(c net.Conn) {
			io.ReadFull(c, make([]byte, 5))
			c.Write([]byte{0, 0, 0, 5, 12, 0x7f, 0xff, 0xff, 0xff})
		}, "ask ssh-agent"},
	} {
		o := at(listen(t, c.answer))
		o.Timeout = time.Minute
		if name == "silent" {
			o.Timeout = 50 * time.Millisecond
		}
		if _, err := open(t, ref, o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	r, err := signers.ParseRef(ref)
	if err != nil {
		t.Fatal(err)
	}
	o := at(listen(t, func(c net.Conn) { io.ReadFull(c, make([]byte, 5)); cancel(); io.Copy(io.Discard, c) }))
	if _, err := signers.Open(ctx, r, o); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}

// lyingAgent lists one key and signs with another.
type lyingAgent struct {
	agent.Agent
	signs ssh.Signer
}

func (l lyingAgent) Sign(_ ssh.PublicKey, data []byte) (*ssh.Signature, error) {
	return l.signs.Sign(nil, data)
}

func TestAgentSignsWithAnotherKey(t *testing.T) {
	t.Parallel()
	ed, _, _ := generate(t)
	other, _, _ := generate(t)
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: ed}); err != nil {
		t.Fatal(err)
	}
	signs, err := ssh.NewSignerFromKey(other)
	if err != nil {
		t.Fatal(err)
	}
	socket := listen(t, func(c net.Conn) { agent.ServeAgent(lyingAgent{ring, signs}, c) })
	key, err := open(t, "agent:"+ssh.FingerprintSHA256(publicOf(t, ed)), at(socket))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := key.Seal(t.Context(), message); err == nil || !strings.Contains(err.Error(), "not its signature") {
		t.Errorf("got %v", err)
	}
}
