package probes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestClassifyRealSockets(t *testing.T) {
	t.Parallel()
	dialRead := func(address string) error {
		c, err := net.Dial("tcp", address)
		if err != nil {
			return err
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(200 * time.Millisecond))
		_, err = io.ReadFull(c, make([]byte, 1))
		return err
	}
	for name, tc := range map[string]struct {
		address string
		want    Outcome
	}{
		"nobody listens": {closedPort(t), Refused},
		"aborted":        {listen(t, reset), Reset},
		"silent":         {listen(t, hold), TimedOut},
		"closed":         {listen(t, func(net.Conn) {}), Closed},
		"answers":        {listen(t, func(c net.Conn) { _, _ = c.Write([]byte("x")); hold(c) }), OK},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, detail := classify(t.Context(), dialRead(tc.address))
			if got != tc.want {
				t.Errorf("got %q (%s), want %q", got, detail, tc.want)
			}
		})
	}
}

// foreign is a vantage's error from a package that does not import this one.
type foreign struct{}

func (foreign) Error() string            { return "the tunnel is down" }
func (foreign) VantageUnreachable() bool { return true }

func TestClassifyErrors(t *testing.T) {
	t.Parallel()
	op := func(e error) error {
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", e)}
	}
	for _, tc := range []struct {
		err  error
		want Outcome
	}{
		{nil, OK},
		{op(syscall.EHOSTUNREACH), Unreachable},
		{op(syscall.ENETUNREACH), Unreachable},
		{op(syscall.ETIMEDOUT), TimedOut},
		{op(syscall.EPIPE), Reset},
		{fmt.Errorf("wrapped: %w", context.DeadlineExceeded), TimedOut},
		{io.ErrUnexpectedEOF, Closed},
		{op(syscall.EPERM), Failed},
		{errors.New("odd"), Failed},
		{&VantageError{"socks5://p", op(syscall.ECONNREFUSED)}, NoVia},
		{fmt.Errorf("dial: %w", &VantageError{"socks5://p", context.DeadlineExceeded}), NoVia},
		{fmt.Errorf("dial: %w", foreign{}), NoVia},
	} {
		if got, _ := classify(t.Context(), tc.err); got != tc.want {
			t.Errorf("classify(%v) = %q, want %q", tc.err, got, tc.want)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if got, _ := classify(ended, op(syscall.ECONNREFUSED)); got != NotAsked {
		t.Errorf("after an interrupt: %q, want %q", got, NotAsked)
	}
}

func TestCleanEscapesWhatATerminalWouldObey(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain ü":           "plain ü",
		"\x1b[31mred":       `\x1b[31mred`,
		"a\nb\x00":          `a\x0ab\x00`,
		"bad \xff utf8":     `bad \xff utf8`,
		"right\u202eto":     `right\u202eto`,
		"zero\u200bwidth":   `zero\u200bwidth`,
		"real \ufffd stays": "real \ufffd stays",
	} {
		if got := clean(in, 100); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
	if got := clean(strings.Repeat("é", 100), 11); got != "ééééé…" {
		t.Errorf("cut: %q", got)
	}
}
