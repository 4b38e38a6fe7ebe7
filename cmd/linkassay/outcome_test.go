package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/linkassay/linkassay/reports/evidence"
)

// start runs the binary in the background with the lab's environment.
func (l *runningLab) start(t *testing.T, name string, args ...string) *background {
	t.Helper()
	b := &background{cmd: exec.Command(name, args...), ended: make(chan struct{})}
	b.cmd.Env = l.env
	b.cmd.Stdout, b.cmd.Stderr = &b.stdout, &b.stderr
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = b.cmd.Wait()
		close(b.ended)
	}()
	t.Cleanup(func() {
		_ = b.cmd.Process.Kill()
		<-b.ended
	})
	return b
}

// background is a command that runs beside the test.
type background struct {
	cmd            *exec.Cmd
	stdout, stderr buffer
	ended          chan struct{}
}

// until waits until stderr matches.
func (b *background) until(t *testing.T, pattern string) {
	t.Helper()
	b.untilPrinted(t, "stderr", &b.stderr, pattern)
}

// untilStdout waits until stdout matches.
func (b *background) untilStdout(t *testing.T, pattern string) {
	t.Helper()
	b.untilPrinted(t, "stdout", &b.stdout, pattern)
}

func (b *background) untilPrinted(t *testing.T, what string, printed *buffer, pattern string) {
	t.Helper()
	re := regexp.MustCompile(pattern)
	deadline, tick := time.After(time.Minute), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for !re.MatchString(printed.String()) {
		select {
		case <-tick.C:
		case <-b.ended:
			t.Fatalf("ended before %s matched %q:\n%s", what, pattern, printed.String())
		case <-deadline:
			t.Fatalf("after a minute %s does not match %q:\n%s", what, pattern, printed.String())
		}
	}
}

// signal sends the signal, and wants the exit code.
func (b *background) signal(t *testing.T, s syscall.Signal, want int) {
	t.Helper()
	if err := b.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
	b.exits(t, want)
}

// exits wants the exit code, within half a minute.
func (b *background) exits(t *testing.T, want int) {
	t.Helper()
	select {
	case <-b.ended:
	case <-time.After(30 * time.Second):
		t.Fatalf("still running after 30 s; stderr:\n%s", b.stderr.String())
	}
	if got := b.cmd.ProcessState.ExitCode(); got != want {
		t.Fatalf("exit code %d, want %d; stdout:\n%s\nstderr:\n%s", got, want, b.stdout.String(), b.stderr.String())
	}
}

// buffer is a bytes.Buffer that is written and read side by side.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// wants runs linkassay to its end and wants the exit code; it returns stdout and stderr.
func (l *runningLab) wants(t *testing.T, code int, args ...string) (string, string) {
	t.Helper()
	b := l.start(t, binary, args...)
	<-b.ended
	b.exits(t, code)
	return b.stdout.String(), b.stderr.String()
}

// linkFile writes the lab's link file, changed by pairs of old and new text, and returns its path.
func (l *runningLab) linkFile(t *testing.T, oldnew ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(l.dir, "link.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for i := 0; i < len(oldnew); i += 2 {
		if !strings.Contains(text, oldnew[i]) {
			t.Fatalf("no %q in\n%s", oldnew[i], text)
		}
		text = strings.ReplaceAll(text, oldnew[i], oldnew[i+1])
	}
	path := filepath.Join(t.TempDir(), "link.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// recorded is what a test reads of run.json.
type recorded struct {
	ExitCode    int
	ExitReasons []string
	Links       []struct {
		Observation struct {
			Interrupted bool
			Link        struct {
				Provider struct{ ServiceID, ServiceName string }
				Consumer struct{ EndpointID string }
			}
			Timeline []struct{ What, State string }
		}
		Verdicts []struct{ Link, Check, Status, BlockedBy, Reason string }
		Rounds   []struct {
			Observation struct {
				Timeline []struct{ What, State string }
			}
		}
	}
}

// verdicts says, a line each, what became of the checks: status and blocker, which runs are compared by.
func (r recorded) verdicts() string {
	var b strings.Builder
	for _, l := range r.Links {
		for _, v := range l.Verdicts {
			fmt.Fprintf(&b, "%s %s: %s %s\n", v.Link, v.Check, v.Status, v.BlockedBy)
		}
	}
	return b.String()
}

// readRun reads DIR/run.json, and wants the bundle around it whole and nothing else beside it.
func readRun(t *testing.T, dir string) recorded {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if slices.Contains(names, evidence.IncompleteFile) {
		t.Errorf("%s is left incomplete: it holds %q", dir, names)
	}
	if result, err := evidence.VerifyDir(dir, evidence.Options{}); err != nil {
		t.Error(err)
	} else if err := result.Err(); err != nil {
		t.Errorf("%s: %v", dir, err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "run.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r recorded
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// holds wants every one of the texts in what was printed or written.
func holds(t *testing.T, what, text string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("%s lacks %q:\n%s", what, w, text)
		}
	}
}

// silentProxy is a SOCKS proxy that accepts and never answers. The channel gets a value with every
// connection.
func silentProxy(t *testing.T) (addr string, accepted <-chan struct{}) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	connections := make(chan struct{}, 1024)
	done := make(chan struct{})
	go func() {
		defer close(done)
		var open []net.Conn
		for {
			c, err := ln.Accept()
			if err != nil {
				break
			}
			open = append(open, c)
			connections <- struct{}{}
		}
		for _, c := range open {
			_ = c.Close()
		}
	}()
	t.Cleanup(func() {
		_ = ln.Close()
		<-done
	})
	return ln.Addr().String(), connections
}
