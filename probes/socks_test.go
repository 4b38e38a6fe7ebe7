package probes

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// socksServer is a hand-made proxy: it greets, reads one CONNECT, and hands over.
func socksServer(t *testing.T, then func(c net.Conn, request []byte)) string {
	return listen(t, func(c net.Conn) {
		head := make([]byte, 3)
		if _, err := io.ReadFull(c, head); err != nil {
			return
		}
		_, _ = c.Write([]byte{5, 0})
		req := make([]byte, 10) // CONNECT to an IPv4 address
		if _, err := io.ReadFull(c, req); err != nil {
			return
		}
		then(c, req)
	})
}

func reply(code byte) func(net.Conn, []byte) {
	return func(c net.Conn, _ []byte) {
		_, _ = c.Write([]byte{5, code, 0, 1, 0, 0, 0, 0, 0, 0})
		hold(c)
	}
}

func TestSOCKS5RepliesAndProxyFailures(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		proxy string
		want  Outcome
	}{
		"1 general failure":        {socksServer(t, reply(1)), Failed},
		"2 not allowed":            {socksServer(t, reply(2)), NoVia},
		"3 network unreachable":    {socksServer(t, reply(3)), Unreachable},
		"4 host unreachable":       {socksServer(t, reply(4)), Unreachable},
		"5 refused":                {socksServer(t, reply(5)), Refused},
		"6 TTL expired":            {socksServer(t, reply(6)), TimedOut},
		"7 command unsupported":    {socksServer(t, reply(7)), NoVia},
		"8 address unsupported":    {socksServer(t, reply(8)), NoVia},
		"99 nobody defined":        {socksServer(t, reply(99)), Failed},
		"0 connected":              {socksServer(t, reply(0)), OK},
		"no reply to CONNECT":      {socksServer(t, func(c net.Conn, _ []byte) { hold(c) }), TimedOut},
		"closed instead of reply":  {socksServer(t, func(net.Conn, []byte) {}), NoVia},
		"proxy down":               {closedPort(t), NoVia},
		"proxy never greets":       {listen(t, hold), NoVia},
		"proxy resets":             {listen(t, reset), NoVia},
		"proxy speaks HTTP":        {listen(t, func(c net.Conn) { _, _ = c.Write([]byte("HTTP/1.1 400 no\r\n")); hold(c) }), NoVia},
		"proxy wants a password":   {listen(t, func(c net.Conn) { _, _ = c.Write([]byte{5, 0xff}); hold(c) }), NoVia},
		"proxy sends half a reply": {socksServer(t, func(c net.Conn, _ []byte) { _, _ = c.Write([]byte{5, 0}) }), NoVia},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, err := NewSOCKS5(tc.proxy)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			c, err := v.DialContext(ctx, "tcp", "10.0.0.1:80")
			if err == nil {
				defer c.Close()
			}
			if got, detail := classify(t.Context(), err); got != tc.want {
				t.Errorf("got %q (%s), want %q", got, detail, tc.want)
			}
		})
	}
}

func TestSOCKS5SendsAddressesOnlyAndCarriesBytes(t *testing.T) {
	t.Parallel()
	asked := make(chan []byte, 1)
	proxy := socksServer(t, func(c net.Conn, req []byte) {
		asked <- req
		_, _ = c.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
		_, _ = io.Copy(c, c)
	})
	v, err := ParseVantage("socks5://" + proxy)
	if err != nil {
		t.Fatal(err)
	}
	c, err := v.DialContext(t.Context(), "tcp", "10.1.2.3:8080")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, want := string(<-asked), "\x05\x01\x00\x01\x0a\x01\x02\x03\x1f\x90"; got != want {
		t.Errorf("asked %q, want %q", got, want)
	}
	_, _ = c.Write([]byte("ping"))
	echo := make([]byte, 4)
	if _, err := io.ReadFull(c, echo); err != nil || string(echo) != "ping" {
		t.Errorf("echo %q, %v", echo, err)
	}
	if _, err := v.DialContext(t.Context(), "tcp", "example.com:80"); err == nil || isVantage(err) {
		t.Errorf("a name must not be sent: %v", err)
	}
	if _, err := v.DialContext(t.Context(), "udp", "10.1.2.3:53"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("udp: %v", err)
	}
	if len(v.Resolvers()) != 0 {
		t.Error("a proxy knows no resolvers")
	}
}

func TestParseVantage(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"socks4://h:1", "socks5://", "socks5://host", "socks5://user@host:1", "socks5://:1", "lambda:x", "\x1b[0m"} {
		if _, err := ParseVantage(bad); err == nil || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("ParseVantage(%q): %v", bad, err)
		}
	}
	for _, good := range []string{"", "local", "socks5://127.0.0.1:1080", "socks5://[::1]:1080"} {
		if _, err := ParseVantage(good); err != nil {
			t.Errorf("ParseVantage(%q): %v", good, err)
		}
	}
}

func TestHostResolvers(t *testing.T) {
	t.Parallel()
	none, err := hostResolvers(t.TempDir() + "/absent")
	if err != nil || none != nil {
		t.Errorf("no file: %v, %v", none, err)
	}
}
