package probes

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// errBadAnswer marks a message that is not an answer to the question.
var errBadAnswer = errors.New("not an answer to the question")

// parseAnswer reads a message and checks that it answers what was asked.
func parseAnswer(wire []byte, asked *dns.Msg) (*dns.Msg, error) {
	m := new(dns.Msg)
	if err := m.Unpack(wire); err != nil {
		return nil, fmt.Errorf("%w: %d bytes that are no DNS message: %w", errBadAnswer, len(wire), err)
	}
	q := asked.Question[0]
	switch {
	case !m.Response:
		return nil, fmt.Errorf("%w: a question came back", errBadAnswer)
	case m.Id != asked.Id:
		return nil, fmt.Errorf("%w: the id differs", errBadAnswer)
	case len(m.Question) == 0 && m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError:
		return m, nil // some servers leave the question out of an error
	case len(m.Question) != 1 || m.Question[0].Qtype != q.Qtype || m.Question[0].Qclass != q.Qclass ||
		dns.CanonicalName(m.Question[0].Name) != dns.CanonicalName(q.Name):
		return nil, fmt.Errorf("%w: it repeats another question", errBadAnswer)
	}
	return m, nil
}

// digest reads an answer into l. Only records that the question leads to, along its CNAMEs, count.
func digest(l *Lookup, a answer, q question) {
	m := a.msg
	l.Wire, l.Auth = a.wire, m.Authoritative
	l.RCode = dns.RcodeToString[m.Rcode]
	if l.RCode == "" {
		l.RCode = fmt.Sprintf("RCODE%d", m.Rcode)
	}
	owner := dns.CanonicalName(q.name)
	ttl, counted := uint32(0), false
	count := func(rr dns.RR) {
		if t := rr.Header().Ttl; !counted || t < ttl {
			ttl, counted = t, true
		}
	}
	seen := map[string]bool{owner: true}
	for q.qtype != dns.TypeCNAME {
		next := cnameAt(m.Answer, owner)
		if next == nil {
			break
		}
		count(next)
		owner = dns.CanonicalName(next.Target)
		l.Chain = append(l.Chain, clean(bare(owner), maxName))
		if seen[owner] || len(l.Chain) > maxChain {
			l.Outcome, l.Detail = BadAnswer, "the CNAMEs of the answer go in a circle or on for too long"
			return
		}
		seen[owner] = true
	}
	for _, rr := range m.Answer {
		if dns.CanonicalName(rr.Header().Name) == owner && rr.Header().Rrtype == q.qtype && rr.Header().Class == dns.ClassINET {
			if l.add(rr) {
				count(rr)
			}
		}
	}
	l.TTL = ttl
	slices.SortFunc(l.Addrs, netip.Addr.Compare)
	l.Addrs = slices.Compact(l.Addrs)
	slices.Sort(l.Texts)
	slices.Sort(l.Hosts)
	l.Outcome = rcodeOutcome(m.Rcode)
	if l.Outcome == OK && len(l.Addrs)+len(l.Texts)+len(l.Hosts) == 0 {
		l.Outcome = NoData
	}
	if l.Outcome == NoData || l.Outcome == NXDomain {
		l.Negative = negativeIn(m)
	}
	if l.Outcome == Failed {
		l.Detail = "the server answered " + l.RCode
	}
}

// negativeIn reads the SOA record of an answer without records (RFC 2308, section 3).
func negativeIn(m *dns.Msg) *Negative {
	for _, rr := range m.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			return &Negative{Zone: clean(bare(dns.CanonicalName(soa.Hdr.Name)), maxName), TTL: min(soa.Hdr.Ttl, soa.Minttl)}
		}
	}
	return nil
}

func rcodeOutcome(rcode int) Outcome {
	switch rcode {
	case dns.RcodeSuccess:
		return OK
	case dns.RcodeNameError:
		return NXDomain
	case dns.RcodeServerFailure:
		return ServFail
	case dns.RcodeRefused:
		return DNSRefused
	}
	return Failed
}

func cnameAt(rrs []dns.RR, owner string) *dns.CNAME {
	for _, rr := range rrs {
		if c, ok := rr.(*dns.CNAME); ok && dns.CanonicalName(c.Hdr.Name) == owner {
			return c
		}
	}
	return nil
}

// add keeps what a record says; it says false for a record that holds nothing to keep.
func (l *Lookup) add(rr dns.RR) bool {
	if len(l.Addrs)+len(l.Texts)+len(l.Hosts) >= maxAnswerItems {
		return false
	}
	switch rr := rr.(type) {
	case *dns.A:
		if a, ok := netip.AddrFromSlice(rr.A.To4()); ok {
			l.Addrs = append(l.Addrs, a)
			return true
		}
	case *dns.AAAA:
		if a, ok := netip.AddrFromSlice(rr.AAAA); ok {
			l.Addrs = append(l.Addrs, a)
			return true
		}
	case *dns.TXT:
		l.Texts = append(l.Texts, clean(rawText(rr.Txt), maxText))
		return true
	case *dns.NS:
		l.Hosts = append(l.Hosts, clean(bare(dns.CanonicalName(rr.Ns)), maxName))
		return true
	case *dns.CNAME:
		l.Hosts = append(l.Hosts, clean(bare(dns.CanonicalName(rr.Target)), maxName))
		return true
	}
	return false
}

// rawText joins the strings of a TXT record and undoes the escapes (\DDD and \X) in which
// miekg/dns keeps them.
func rawText(parts []string) string {
	s := strings.Join(parts, "")
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\' || i+1 == len(s):
			b.WriteByte(s[i])
		case i+3 < len(s) && isDigit(s[i+1]) && isDigit(s[i+2]) && isDigit(s[i+3]):
			b.WriteByte((s[i+1]-'0')*100 + (s[i+2]-'0')*10 + (s[i+3] - '0'))
			i += 3
		default:
			i++
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// bare takes the trailing dot off a name.
func bare(name string) string {
	if name == "." {
		return name
	}
	return strings.TrimSuffix(name, ".")
}

// ProbeName is the name that is looked up and connected to for a private DNS name. A wildcard
// such as *.example.com stands for every name below it, so probe.example.com is asked.
func ProbeName(privateDNSName string) string {
	if rest, ok := strings.CutPrefix(privateDNSName, "*."); ok {
		return "probe." + rest
	}
	return privateDNSName
}
