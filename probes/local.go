package probes

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"

	"github.com/miekg/dns"
)

// resolvConf is where this host's resolvers are named.
const resolvConf = "/etc/resolv.conf"

// ParseVantage opens the vantage that a link file names: "local" (or nothing), or
// "socks5://HOST:PORT".
func ParseVantage(from string) (Vantage, error) {
	if from == "" || from == "local" {
		return NewLocal()
	}
	if hostport, ok := strings.CutPrefix(from, "socks5://"); ok {
		return NewSOCKS5(hostport)
	}
	return nil, fmt.Errorf("vantage %q: expected local or socks5://HOST:PORT", clean(from, maxName))
}

// NewLocal returns this host as a vantage, with the resolvers of /etc/resolv.conf. A host without
// that file has no known resolvers.
func NewLocal() (Vantage, error) {
	resolvers, err := hostResolvers(resolvConf)
	if err != nil {
		return nil, fmt.Errorf("vantage local: %w", err)
	}
	// Probes that say nothing for a time must be silent: the system's keep-alives would keep an idle connection known.
	return &local{dialer: net.Dialer{KeepAlive: -1}, resolvers: resolvers}, nil
}

func hostResolvers(path string) ([]netip.AddrPort, error) {
	conf, err := dns.ClientConfigFromFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read this host's resolvers from %s: %w", path, err)
	}
	port, err := strconv.ParseUint(conf.Port, 10, 16)
	if err != nil {
		port = 53
	}
	var found []netip.AddrPort
	for _, s := range conf.Servers {
		if a, err := netip.ParseAddr(s); err == nil {
			found = append(found, netip.AddrPortFrom(a, uint16(port)))
		}
	}
	return found, nil
}

// local is this host's network.
type local struct {
	dialer    net.Dialer
	resolvers []netip.AddrPort
}

// DialContext connects from this host.
func (l *local) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if _, err := netip.ParseAddrPort(address); err != nil {
		return nil, fmt.Errorf("vantage local: dial %s: %w", clean(address, maxName), err)
	}
	conn, err := l.dialer.DialContext(ctx, network, address)
	return conn, l.own(err)
}

// own tells a failure of this host from one of the link's.
func (l *local) own(err error) error {
	if isErrno(err, syscall.EMFILE, syscall.ENFILE) {
		return &VantageError{Vantage: "local", Err: fmt.Errorf("%w: raise the limit on open files (ulimit -n, or LimitNOFILE= of the service), or lower --concurrency", err)}
	}
	return err
}

// Resolvers are this host's.
func (l *local) Resolvers() []netip.AddrPort { return l.resolvers }
