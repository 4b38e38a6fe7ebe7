package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"github.com/linkassay/linkassay/provision/lab/internal/socks"
)

const (
	// Internet is the Zone of the SOCKS listener that leads into the lab's internet.
	Internet = "internet"
	// providerProfile is the profile of the account that needs no vantages.
	providerProfile = "provider"
	// maxSOCKS bounds the listeners for further subnets: each is a socket of this host.
	maxSOCKS = 256
	// resolverTimeout is how long one question waits for its answer.
	resolverTimeout = 2 * time.Second
)

// SOCKSListener is a SOCKS5 server on loopback (RFC 1928, CONNECT, names resolved by the network
// that it leads into).
type SOCKSListener struct {
	Account  string // "" for the internet
	Zone     string // zone id, or Internet
	SubnetID string // the subnet that connections leave from; "" while the account has none in the zone
	Addr     string // host:port on this host
}

// SOCKS lists the lab's SOCKS5 listeners: one for each zone of each account that is not the
// provider's, one for every further subnet of these, and one into the internet.
func (l *Lab) SOCKS() []SOCKSListener {
	l.plane.settle()
	return l.plane.socks.list()
}

// socksListeners opens and closes the lab's SOCKS5 servers.
type socksListeners struct {
	plane *plane

	mu     sync.Mutex // may be taken with world.mu held, not the other way round
	ready  bool
	closed bool
	open   []*socksEntry
}

// socksEntry is one listener. Connections leave from its subnet.
type socksEntry struct {
	plane         *plane
	account, zone string
	zones         bool // of a zone: stays when its subnet goes
	addr          string
	server        *socks.Server
	internet      *Vantage // of the internet's entry
	subnetMu      sync.Mutex
	subnet        string
}

func newSOCKSListeners(p *plane) *socksListeners { return &socksListeners{plane: p} }

// listen opens the listeners that the lab has from its start: the accounts must exist. world.mu
// is held.
func (s *socksListeners) listen() error {
	w := s.plane.world
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ready || s.closed || len(w.accounts) == 0 {
		return nil
	}
	s.ready = true
	for _, id := range s.consumers() {
		for _, z := range w.zonesOf(id, w.region) {
			if err := s.add(&socksEntry{account: id, zone: z.id, zones: true}); err != nil {
				return err
			}
		}
	}
	return s.add(&socksEntry{zone: Internet, zones: true, internet: s.plane.internetVantage()})
}

// consumers lists the accounts that get vantages, in the order of Options.
func (s *socksListeners) consumers() []string {
	w := s.plane.world
	var out []string
	for id, a := range w.accounts {
		if a.name != providerProfile {
			out = append(out, id)
		}
	}
	slices.SortFunc(out, func(a, b string) int { return w.order[a] - w.order[b] })
	return out
}

func (s *socksListeners) add(e *socksEntry) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("open a SOCKS listener for zone %s of account %s: %w", e.zone, e.account, err)
	}
	e.plane, e.addr = s.plane, l.Addr().String()
	e.server = socks.Serve(s.plane.ctx, l, e.dial, e.resolve, s.plane.log)
	s.open = append(s.open, e)
	return nil
}

// follow binds listeners to subnets. world.mu is held.
func (s *socksListeners) follow() {
	if err := s.listen(); err != nil {
		s.plane.log.Error("SOCKS", "error", err)
	}
	w := s.plane.world
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	bound := map[string]bool{}
	s.open = slices.DeleteFunc(s.open, func(e *socksEntry) bool {
		id := e.subnetID()
		if id == "" {
			return false
		}
		if w.subnets[id] != nil {
			bound[id] = true
			return false
		}
		e.bind("")
		if !e.zones {
			// Not here: connections in progress may be waiting for the world's lock.
			s.plane.wg.Go(func() { _ = e.server.Close() })
		}
		return !e.zones
	})
	free := slices.ContainsFunc(s.open, func(e *socksEntry) bool { return e.zones && e.account != "" && e.subnetID() == "" })
	if !free && len(s.open) >= maxSOCKS {
		return
	}
	var fresh []*subnet
	consumers := s.consumers()
	for id, sn := range w.subnets {
		if !bound[id] && slices.Contains(consumers, sn.account) && sn.region == w.region {
			fresh = append(fresh, sn)
		}
	}
	byAge(fresh)
	for _, sn := range fresh {
		i := slices.IndexFunc(s.open, func(e *socksEntry) bool {
			return e.zones && e.account == sn.account && e.zone == sn.zoneID && e.subnetID() == ""
		})
		switch {
		case i >= 0:
			s.open[i].bind(sn.id)
		case len(s.open) >= maxSOCKS: // a later one may have a zone's listener
		default:
			e := &socksEntry{account: sn.account, zone: sn.zoneID, subnet: sn.id}
			if err := s.add(e); err != nil {
				s.plane.log.Error("SOCKS", "error", err)
				return
			}
		}
	}
}

func (s *socksListeners) list() []SOCKSListener {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]SOCKSListener, 0, len(s.open))
	for _, e := range s.open {
		out = append(out, SOCKSListener{Account: e.account, Zone: e.zone, SubnetID: e.subnetID(), Addr: e.addr})
	}
	return out
}

// close stops all servers and waits for them. It is called without world.mu.
func (s *socksListeners) close() {
	s.mu.Lock()
	open := s.open
	s.open, s.closed = nil, true
	s.mu.Unlock()
	for _, e := range open {
		_ = e.server.Close() // always nil
	}
}

func (e *socksEntry) subnetID() string {
	e.subnetMu.Lock()
	defer e.subnetMu.Unlock()
	return e.subnet
}

func (e *socksEntry) bind(subnet string) {
	e.subnetMu.Lock()
	defer e.subnetMu.Unlock()
	e.subnet = subnet
}

// vantage is where connections leave from now.
func (e *socksEntry) vantage() (*Vantage, error) {
	e.plane.settle()
	if e.internet != nil {
		return e.internet, nil
	}
	id := e.subnetID()
	if id == "" {
		return nil, fmt.Errorf("account %s has no subnet in zone %s: %w", e.account, e.zone, syscall.ENETUNREACH)
	}
	e.plane.world.mu.Lock()
	defer e.plane.world.mu.Unlock()
	v, err := e.plane.vantage(id)
	if err != nil {
		return nil, errors.Join(err, syscall.ENETUNREACH)
	}
	return v, nil
}

func (e *socksEntry) dial(ctx context.Context, network, address string) (net.Conn, error) {
	v, err := e.vantage()
	if err != nil {
		return nil, err
	}
	return v.DialContext(ctx, network, address)
}

// resolve asks the network's own resolver for the name's IPv4 addresses.
func (e *socksEntry) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	v, err := e.vantage()
	if err != nil {
		return nil, err
	}
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(host), dns.TypeA)
	m.SetEdns0(1232, false)
	for _, network := range []string{"udp", "tcp"} {
		r, err := exchange(ctx, v, network, m)
		if err != nil {
			return nil, fmt.Errorf("resolve %s: %w", printable(host, 255), err)
		}
		if r.Truncated && network == "udp" {
			continue
		}
		var out []netip.Addr
		for _, rr := range r.Answer {
			if a, ok := rr.(*dns.A); ok {
				if addr, ok := netip.AddrFromSlice(a.A.To4()); ok {
					out = append(out, addr)
				}
			}
		}
		if len(out) > 0 {
			return out, nil
		}
		break
	}
	return nil, &net.DNSError{Err: "no such host", Name: printable(host, 255), IsNotFound: true}
}

// exchange asks the vantage's resolver one question, again after a lost packet.
func exchange(ctx context.Context, v *Vantage, network string, m *dns.Msg) (*dns.Msg, error) {
	var lost error
	for range 3 {
		c, err := v.DialContext(ctx, network, v.Resolvers()[0].String())
		if err != nil {
			return nil, err
		}
		client := dns.Client{Net: network, Timeout: resolverTimeout, UDPSize: 1232}
		r, _, err := client.ExchangeWithConnContext(ctx, m, &dns.Conn{Conn: c, UDPSize: 1232})
		_ = c.Close() // one question, one connection
		if err == nil {
			return r, nil
		}
		if lost = err; ctx.Err() != nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
	}
	return nil, lost
}
