package probes

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"

	"golang.org/x/net/proxy"
)

// NewSOCKS5 returns the network behind a SOCKS5 proxy (RFC 1928, no authentication) as a vantage.
// It has TCP only, and only addresses are sent to the proxy, never names.
//
// A proxy that cannot be reached is told from the target's failure by the proxy's reply. Beware of
// proxies that reply before they have connected, as ssh -D does: through them a TCP connect
// always succeeds, and only TLS and HTTP tell whether somebody is there.
func NewSOCKS5(hostport string) (Vantage, error) {
	host, port, err := net.SplitHostPort(hostport)
	if err == nil && (host == "" || port == "" || strings.Contains(host, "@")) {
		err = errors.New("host and port are needed, and nothing else")
	}
	if err != nil {
		return nil, fmt.Errorf("vantage socks5://%s: expected socks5://HOST:PORT: %w", clean(hostport, maxName), err)
	}
	return &socks{proxy: hostport}, nil
}

type socks struct {
	proxy  string
	dialer net.Dialer
}

// Resolvers are unknown behind a proxy.
func (s *socks) Resolvers() []netip.AddrPort { return nil }

// DialContext asks the proxy for a connection.
func (s *socks) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if network != "tcp" {
		return nil, fmt.Errorf("vantage socks5://%s: %s: %w", s.proxy, network, errors.ErrUnsupported)
	}
	target, err := netip.ParseAddrPort(address)
	if err == nil && target.Addr().Zone() != "" {
		err = errors.New("an address with a zone means nothing behind a proxy")
	}
	if err != nil {
		return nil, fmt.Errorf("vantage socks5://%s: dial %s: %w", s.proxy, clean(address, maxName), err)
	}
	way := &proxyDialer{dialer: &s.dialer}
	d, err := proxy.SOCKS5("tcp", s.proxy, nil, way)
	if err != nil {
		return nil, s.unreachable(err)
	}
	conn, err := d.(proxy.ContextDialer).DialContext(ctx, "tcp", target.String())
	if err == nil {
		return conn, nil
	}
	return nil, s.explain(err, address, way)
}

func (s *socks) unreachable(err error) error {
	return &VantageError{Vantage: "socks5://" + s.proxy, Err: err}
}

// explain tells the proxy's failure from the target's. x/net's SOCKS errors are plain strings, so
// a reply is known by its text ("unknown error " and the reply's name).
func (s *socks) explain(err error, address string, way *proxyDialer) error {
	if reply, ok := replyOf(err); ok {
		if errno, ok := replyErrno[reply]; ok {
			return &net.OpError{Op: "dial", Net: "tcp", Addr: addrText(address), Err: errno}
		}
		switch reply {
		case "TTL expired":
			return &net.OpError{Op: "dial", Net: "tcp", Addr: addrText(address), Err: replyTimeout{}}
		case "connection not allowed by ruleset", "command not supported", "address type not supported":
			return s.unreachable(errors.New("the proxy answered: " + reply))
		}
		// "general SOCKS server failure" and codes that nobody defined say that it did not work,
		// not why.
		return fmt.Errorf("dial %s through socks5://%s: the proxy answered: %s", address, s.proxy, clean(reply, maxName))
	}
	// A timeout after the proxy has greeted is the target's: the proxy is still trying.
	var timeout interface{ Timeout() bool }
	if way.greeted() && errors.As(err, &timeout) && timeout.Timeout() {
		return &net.OpError{Op: "dial", Net: "tcp", Addr: addrText(address), Err: replyTimeout{}}
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	return s.unreachable(err)
}

// replyErrno maps the replies of RFC 1928 that say what happened at the target.
var replyErrno = map[string]syscall.Errno{
	"connection refused":  syscall.ECONNREFUSED, // 5
	"host unreachable":    syscall.EHOSTUNREACH, // 4
	"network unreachable": syscall.ENETUNREACH,  // 3
}

func replyOf(err error) (string, bool) {
	var op *net.OpError
	if !errors.As(err, &op) || op.Err == nil {
		return "", false
	}
	return strings.CutPrefix(op.Err.Error(), "unknown error ")
}

// replyTimeout is a timeout at the target that the proxy reported, or that came while the proxy
// was connecting.
type replyTimeout struct{}

func (replyTimeout) Error() string   { return "timed out behind the proxy" }
func (replyTimeout) Timeout() bool   { return true }
func (replyTimeout) Temporary() bool { return true }

// addrText is an address as it was given.
type addrText string

func (a addrText) Network() string { return "tcp" }
func (a addrText) String() string  { return string(a) }

// proxyDialer connects to the proxy and remembers whether it greeted.
type proxyDialer struct {
	dialer *net.Dialer
	read   atomic.Int64
}

// Dial is there for proxy.Dialer; DialContext is what is called.
func (p *proxyDialer) Dial(network, address string) (net.Conn, error) {
	return p.DialContext(context.Background(), network, address)
}

// DialContext connects to the proxy.
func (p *proxyDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := p.dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &greetedConn{Conn: c, read: &p.read}, nil
}

// greeted says whether the proxy chose a method: two bytes, the second of which is not 0xff
// (x/net would have failed for that, with no timeout).
func (p *proxyDialer) greeted() bool { return p.read.Load() >= 2 }

// greetedConn counts what came from the proxy.
type greetedConn struct {
	net.Conn
	read *atomic.Int64
}

// Read counts.
func (c *greetedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.read.Add(int64(n))
	return n, err
}
