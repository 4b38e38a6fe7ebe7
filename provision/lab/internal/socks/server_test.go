package socks

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/proxy"

	"github.com/linkassay/linkassay/provision/lab/internal/network"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen; it is never reached when all is well.
const patience = 10 * time.Second

var (
	proxyAddr  = netip.MustParseAddr("10.0.1.50")
	targetAddr = netip.MustParseAddr("10.0.1.100")
)

// world is a network with a target, and a SOCKS server on the host's loopback that leads into it.
type world struct {
	net    *network.Net
	server *Server
}

// newWorld starts one. The target listens on port 80; serve is what it does with a connection,
// which is closed afterwards.
func newWorld(t testing.TB, serve func(net.Conn), dial Dial) *world {
	t.Helper()
	n, err := network.New(network.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	for _, a := range []netip.Addr{proxyAddr, targetAddr} {
		if err := n.AddAddr(a); err != nil {
			t.Fatal(err)
		}
	}
	l, err := n.Listen(netip.AddrPortFrom(targetAddr, 80))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				serve(c)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		n.Close()
		wg.Wait()
	})
	if dial == nil {
		dial = n.Dialer(proxyAddr).DialContext
	}
	resolve := func(_ context.Context, host string) ([]netip.Addr, error) {
		switch host {
		case "target.example.com":
			return []netip.Addr{targetAddr}, nil
		case "empty.example.com":
			return nil, nil
		case "slow.example.com":
			return nil, &net.DNSError{Err: "i/o timeout", Name: host, IsTimeout: true}
		case "second.example.com":
			return []netip.Addr{netip.MustParseAddr("fd00::1"), targetAddr}, nil
		}
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	out, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{net: n, server: Serve(context.Background(), out, dial, resolve, nil)}
	t.Cleanup(func() { _ = w.server.Close() })
	return w
}

func echo(c net.Conn) { _, _ = io.Copy(c, c) }

// through dials with the client of golang.org/x/net.
func (w *world) through(t testing.TB, address string) (net.Conn, error) {
	t.Helper()
	d, err := proxy.SOCKS5("tcp", w.server.Addr().String(), nil, proxy.Direct)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := d.(proxy.ContextDialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c, nil
}

func TestConnect(t *testing.T) {
	t.Parallel()
	w := newWorld(t, echo, nil)
	for _, address := range []string{"10.0.1.100:80", "target.example.com:80", "second.example.com:80", "[::ffff:10.0.1.100]:80"} {
		c, err := w.through(t, address)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		if _, err := c.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 5)
		if _, err := io.ReadFull(c, b); err != nil || string(b) != "hello" {
			t.Errorf("%s: %q, %v", address, b, err)
		}
	}
}

func TestReplyCodes(t *testing.T) {
	t.Parallel()
	var base *world
	failWith := map[string]error{
		"10.9.0.1:80": &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ENETUNREACH)},
		"10.9.0.2:80": &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)},
		"10.9.0.3:80": &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EACCES)},
		"10.9.0.4:80": &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded},
		"10.9.0.5:80": errors.New("something else"),
		"10.9.0.6:80": &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EAFNOSUPPORT)},
	}
	base = newWorld(t, echo, func(ctx context.Context, network, address string) (net.Conn, error) {
		if err := failWith[address]; err != nil {
			return nil, err
		}
		return base.net.Dialer(proxyAddr).DialContext(ctx, network, address)
	})
	for address, want := range map[string]string{
		"10.0.1.100:81":         "connection refused",
		"10.9.0.1:80":           "network unreachable",
		"10.9.0.2:80":           "host unreachable",
		"10.9.0.3:80":           "connection not allowed by ruleset",
		"10.9.0.4:80":           "TTL expired",
		"10.9.0.5:80":           "general SOCKS server failure",
		"[fd00::1]:80":          "network unreachable",
		"10.9.0.6:80":           "address type not supported",
		"nowhere.example.com:1": "host unreachable",
		"empty.example.com:1":   "host unreachable",
		"slow.example.com:1":    "TTL expired",
	} {
		c, err := base.through(t, address)
		if err == nil {
			c.Close()
			t.Errorf("%s: connected", address)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", address, err, want)
		}
	}
}

func TestHalfClose(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c net.Conn) {
		b, err := io.ReadAll(c) // needs the client's end of data
		if err == nil {
			_, _ = c.Write(bytes.ToUpper(b))
		}
	}, nil)
	// Larger than any buffer on the way.
	sent := bytes.Repeat([]byte("abcdefgh"), 1<<17)
	c := raw(t, w)
	request := append([]byte{5, 1, 0, 5, 1, 0, 1, 10, 0, 1, 100, 0, 80}, sent...) // all at once, not waiting for replies
	go func() {
		_, _ = c.Write(request)
		_ = c.(*net.TCPConn).CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil || len(got) != 2+10+len(sent) || !bytes.Equal(got[12:], bytes.ToUpper(sent)) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestResetIsPassedOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c net.Conn) {
		_, _ = io.ReadFull(c, make([]byte, 1))
		reset(c)
	}, nil)
	c, err := w.through(t, "10.0.1.100:80")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v, want a reset", err)
	}
}

// raw is a plain connection to the server.
func raw(t testing.TB, w *world) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", w.server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

func TestMalformed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, echo, nil)
	refused := func(code byte) string {
		return string([]byte{5, 0, 5, code, 0, 1, 0, 0, 0, 0, 0, 0})
	}
	for name, tt := range map[string]struct{ send, want string }{
		"nothing":               {"", ""},
		"half a greeting":       {"\x05", ""},
		"SOCKS4":                {"\x04\x01\x00\x50\x0a\x00\x01\x64\x00", ""},
		"HTTP":                  {"GET / HTTP/1.1\r\n\r\n", ""},
		"no methods":            {"\x05\x00", "\x05\xff"},
		"password only":         {"\x05\x01\x02", "\x05\xff"},
		"missing methods":       {"\x05\x03\x00", ""},
		"half a request":        {"\x05\x01\x00\x05\x01", "\x05\x00"},
		"request of version 4":  {"\x05\x01\x00\x04\x01\x00\x01\x0a\x00\x01\x64\x00\x50", "\x05\x00"},
		"BIND":                  {"\x05\x01\x00\x05\x02\x00\x01\x0a\x00\x01\x64\x00\x50", refused(7)},
		"UDP ASSOCIATE":         {"\x05\x01\x00\x05\x03\x00\x01\x0a\x00\x01\x64\x00\x50", refused(7)},
		"unknown address type":  {"\x05\x01\x00\x05\x01\x00\x02\x0a\x00\x01\x64\x00\x50", refused(8)},
		"empty name":            {"\x05\x01\x00\x05\x01\x00\x03\x00\x00\x50", refused(1)},
		"name with escapes":     {"\x05\x01\x00\x05\x01\x00\x03\x04a\x1b[m\x00\x50", refused(1)},
		"name shorter than it":  {"\x05\x01\x00\x05\x01\x00\x03\xffabc", "\x05\x00"},
		"unknown name":          {"\x05\x01\x00\x05\x01\x00\x03\x03a.b\x00\x50", refused(4)},
		"refused, with more":    {"\x05\x01\x00\x05\x02\x00\x01\x0a\x00\x01\x64\x00\x50" + strings.Repeat("x", 20000), refused(7)},
		"address as a name":     {"\x05\x01\x00\x05\x01\x00\x03\x0a10.0.1.100\x00\x51", refused(5)},
		"many methods, one ok":  {"\x05\x03\x01\x02\x00\x05\x01\x00\x01\x0a\x00\x01\x64\x00\x51", refused(5)},
		"zone in an IPv6 name":  {"\x05\x01\x00\x05\x01\x00\x03\x09fe80::1%a\x00\x51", refused(4)},
		"greeting, then hangup": {"\x05\x01\x00", "\x05\x00"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := raw(t, w)
			if _, err := io.WriteString(c, tt.send); err != nil {
				t.Fatal(err)
			}
			// A client that is only half there says no more; the refusals must come without its end.
			if len(tt.want) < 3 {
				_ = c.(*net.TCPConn).CloseWrite()
			}
			got, err := io.ReadAll(c)
			if err != nil && !errors.Is(err, syscall.ECONNRESET) || string(got) != tt.want {
				t.Errorf("%q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

// A client that gives up ends the attempt that is made for it.
func TestHangupEndsTheDial(t *testing.T) {
	t.Parallel()
	dialling, ended := make(chan struct{}), make(chan error, 1)
	w := newWorld(t, echo, func(ctx context.Context, _, _ string) (net.Conn, error) {
		close(dialling)
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	})
	c := raw(t, w)
	if _, err := c.Write([]byte{5, 1, 0, 5, 1, 0, 1, 10, 0, 1, 200, 0, 80}); err != nil {
		t.Fatal(err)
	}
	<-dialling
	c.Close()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	case <-time.After(patience):
		t.Error("the dial goes on without its client")
	}
}

func TestCloseEndsEverything(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*Server, context.CancelFunc){
		"Close":   func(s *Server, _ context.CancelFunc) { _ = s.Close() },
		"context": func(_ *Server, cancel context.CancelFunc) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, echo, nil)
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			s := Serve(ctx, l, w.net.Dialer(proxyAddr).DialContext, nil, nil)
			w = &world{net: w.net, server: s}
			talking, err := w.through(t, "10.0.1.100:80")
			if err != nil {
				t.Fatal(err)
			}
			dialling := raw(t, w)
			_, _ = dialling.Write([]byte{5, 1, 0, 5, 1, 0, 1, 10, 0, 1, 200, 0, 80})
			silent := raw(t, w)
			end(s, cancel)
			for _, c := range []net.Conn{talking, dialling, silent} {
				if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error("a connection outlives the server")
				}
			}
			_ = s.Close()
			if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
				c.Close()
				t.Error("it still listens")
			}
		})
	}
}

func TestTooManyClients(t *testing.T) {
	t.Parallel()
	w := newWorld(t, echo, nil)
	first := raw(t, w)
	for range maxConnections - 1 {
		raw(t, w)
	}
	extra := raw(t, w)
	// It is sent away without a word.
	if b, err := io.ReadAll(extra); len(b) != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := first.Write([]byte{5, 1, 0}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(first, make([]byte, 2)); err != nil {
		t.Errorf("an earlier client: %v", err)
	}
	// One goes, one may come.
	first.Close()
	for end := time.Now().Add(patience); ; {
		c, err := w.through(t, "10.0.1.100:80")
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatalf("no room after one has gone: %v", err)
		}
	}
}

func FuzzReadRequest(f *testing.F) {
	for _, s := range []string{
		"\x05\x01\x00\x01\x0a\x00\x01\x64\x00\x50",
		"\x05\x01\x00\x03\x0bexample.com\x01\xbb",
		"\x05\x01\x00\x03\x0a10.0.1.100\x00\x50",
		"\x05\x01\x00\x04\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x50",
		"\x05\x02\x00\x01", "\x04", "", "\x05\x01\x00\x03\x00\x00\x00", "\x05\x01\x00\x09",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = readGreeting(bytes.NewReader(b))
		r := bytes.NewReader(b)
		req, err := readRequest(r)
		if used := len(b) - r.Len(); used > 4+1+255+2 {
			t.Errorf("read %d bytes", used)
		}
		if err != nil {
			if strings.ContainsFunc(err.Error(), func(c rune) bool { return c < ' ' || c == 0x7f }) {
				t.Errorf("control character in %q", err)
			}
			return
		}
		if (req.host != "") == req.addr.IsValid() || len(req.host) > 255 {
			t.Errorf("%+v", req)
		}
		if strings.ContainsFunc(req.String(), func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
			t.Errorf("%q", req)
		}
	})
}
