package lab_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"github.com/linkassay/linkassay/provision/lab"
)

// ask puts a question to a vantage's resolver.
func (v *live) ask(from *lab.Vantage, network, name string, kind uint16) *dns.Msg {
	v.t.Helper()
	m, err := v.query(from, network, name, kind)
	v.must("ask for "+name, err)
	return m
}

func (v *live) query(from *lab.Vantage, network, name string, kind uint16) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(v.ctx, 5*time.Second)
	defer cancel()
	c, err := from.DialContext(ctx, network, from.Resolvers()[0].String())
	if err != nil {
		return nil, err
	}
	defer c.Close()
	m := new(dns.Msg).SetQuestion(dns.Fqdn(name), kind)
	out, _, err := (&dns.Client{Net: network, Timeout: 2 * time.Second}).ExchangeWithConnContext(ctx, m, &dns.Conn{Conn: c})
	return out, err
}

// addresses are the A records of a name, sorted.
func (v *live) addresses(from *lab.Vantage, name string) []netip.Addr {
	v.t.Helper()
	var out []netip.Addr
	for _, rr := range v.ask(from, "udp", name, dns.TypeA).Answer {
		if a, ok := rr.(*dns.A); ok {
			out = append(out, netip.AddrFrom4([4]byte(a.A.To4())))
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return out
}

// connect says how a TCP connection ends: "open", "refused", "silence" or the error.
func (v *live) connect(from *lab.Vantage, to netip.Addr, port int) string {
	v.t.Helper()
	patience := livePatience
	ctx, cancel := context.WithTimeout(v.ctx, patience)
	defer cancel()
	return liveOutcome(ctx, from, to, port)
}

// connectBriefly is connect for a connection that is expected to get no answer.
func (v *live) connectBriefly(from *lab.Vantage, to netip.Addr, port int) string {
	ctx, cancel := context.WithTimeout(v.ctx, liveSilence)
	defer cancel()
	return liveOutcome(ctx, from, to, port)
}

func liveOutcome(ctx context.Context, from *lab.Vantage, to netip.Addr, port int) string {
	c, err := from.DialContext(ctx, "tcp", netip.AddrPortFrom(to, uint16(port)).String())
	var timeout net.Error
	switch {
	case err == nil:
		c.Close()
		return "open"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "silence"
	default:
		return err.Error()
	}
}

// get fetches http or https from an address under a name, and returns the body's lines by key.
func (v *live) get(from *lab.Vantage, scheme, name string, to netip.Addr) (map[string]string, error) {
	port := map[string]uint16{"http": 80, "https": 443}[scheme]
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(v.lab.CA()) {
		v.t.Fatal("the lab's CA is not PEM")
	}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return from.DialContext(ctx, "tcp", netip.AddrPortFrom(to, port).String())
		},
		TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: name}, DisableKeepAlives: true,
	}
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(v.ctx, livePatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+name+"/", nil)
	if err != nil {
		return nil, err
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(string(body), "linkassay target\n") {
		return nil, fmt.Errorf("status %d, body %q", resp.StatusCode, body)
	}
	out := map[string]string{}
	for _, line := range strings.Split(string(body), "\n")[1:] {
		key, value, _ := strings.Cut(line, " ")
		out[key] = value
	}
	return out, nil
}

// mustGet is get that must work.
func (v *live) mustGet(from *lab.Vantage, scheme, name string, to netip.Addr) map[string]string {
	v.t.Helper()
	out, err := v.get(from, scheme, name, to)
	v.must("get "+scheme+" "+name+" at "+to.String(), err)
	return out
}
