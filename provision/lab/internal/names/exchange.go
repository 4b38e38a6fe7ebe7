package names

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// exchange asks one server over UDP, and over TCP where the answer does not fit.
func (i *Internet) exchange(ctx context.Context, server netip.Addr, name string, qtype uint16) (*dns.Msg, error) {
	query := new(dns.Msg).SetQuestion(name, qtype)
	query.RecursionDesired = false
	query.SetEdns0(recursionBytes, false)
	m, err := i.send(ctx, "udp", server, query)
	if err == nil && m.Truncated {
		m, err = i.send(ctx, "tcp", server, query)
	}
	return m, err
}

func (i *Internet) send(ctx context.Context, proto string, server netip.Addr, query *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	c, err := i.net.Dialer(recursionAddr).DialContext(ctx, proto, netip.AddrPortFrom(server, dnsPort).String())
	if err != nil {
		return nil, err
	}
	defer c.Close()
	// The context's end, by time or by cancelling, ends the wait for the answer.
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	conn := &dns.Conn{Conn: c, UDPSize: recursionBytes}
	if err := conn.WriteMsg(query); err != nil {
		return nil, err
	}
	for {
		m, err := conn.ReadMsg()
		if err != nil {
			return nil, err
		}
		if m.Id == query.Id && m.Response && len(m.Question) == 1 &&
			canonical(m.Question[0].Name) == canonical(query.Question[0].Name) && m.Question[0].Qtype == query.Question[0].Qtype {
			return m, nil
		}
		// Not the answer to this question: keep waiting for it.
	}
}

// referral is a server's word that others serve the name.
type referral struct {
	zone    string
	servers []authority
	ttl     uint32
}

var errLame = errors.New("does not serve the zone it was asked about")

// read takes from an answer what its server may speak about: records of the name itself, with
// authority, or a delegation that leads further down towards it.
func read(m *dns.Msg, zone, name string, qtype uint16) (hop, *referral, error) {
	if m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
		return hop{}, nil, fmt.Errorf("answered %s", dns.RcodeToString[m.Rcode])
	}
	if down := readReferral(m, zone, name); down != nil && m.Rcode == dns.RcodeSuccess && len(m.Answer) == 0 {
		return hop{}, down, nil
	}
	if !m.Authoritative {
		return hop{}, nil, errLame
	}
	h := hop{rcode: dns.RcodeSuccess}
	for _, rr := range m.Answer {
		if canonical(rr.Header().Name) != name {
			continue
		}
		if t := rr.Header().Rrtype; t == qtype || qtype == dns.TypeANY {
			h.records = append(h.records, rr)
		}
	}
	if len(h.records) > 0 {
		return h, nil, nil
	}
	for _, rr := range m.Answer {
		if c, ok := rr.(*dns.CNAME); ok && canonical(c.Hdr.Name) == name {
			// What else the answer holds about the target is asked for again, of those who serve it.
			return hop{records: []dns.RR{c}, next: canonical(c.Target)}, nil, nil
		}
	}
	h.rcode = m.Rcode
	for _, rr := range m.Ns {
		if soa, ok := rr.(*dns.SOA); ok && dns.IsSubDomain(canonical(soa.Hdr.Name), name) {
			h.soa = []dns.RR{soa}
			break
		}
	}
	return h, nil, nil
}

func readReferral(m *dns.Msg, zone, name string) *referral {
	r := &referral{ttl: math.MaxUint32}
	for _, rr := range m.Ns {
		ns, ok := rr.(*dns.NS)
		if !ok {
			continue
		}
		owner := canonical(ns.Hdr.Name)
		if owner == zone || !dns.IsSubDomain(zone, owner) || !dns.IsSubDomain(owner, name) || r.zone != "" && r.zone != owner {
			continue
		}
		r.zone, r.ttl = owner, min(r.ttl, ns.Hdr.Ttl)
		s := authority{name: canonical(ns.Ns)}
		if dns.IsSubDomain(zone, s.name) { // others' names are not this server's to speak for
			s.addrs = addressesIn(m.Extra, s.name)
		}
		r.servers = append(r.servers, s)
	}
	if r.zone == "" {
		return nil
	}
	return r
}
