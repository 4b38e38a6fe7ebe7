package suites

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
)

// expirySoon is how long before its end a certificate is worth a warning.
const expirySoon = 14 * 24 * time.Hour

// tlsChecks: ports that speak TLS do so with a certificate that clients will accept.
func tlsChecks() []Check {
	return []Check{
		check("reachability.tls-handshake", "TLS handshakes complete on every interface",
			revision(1), severity(Critical), side(ProviderSide),
			after("reachability.tcp-interfaces", "proxy.connections-parsed"),
			because("reachability.tcp-private-name", "reachability.large-requests"), needs("reach.tls"),
			asserts("on each port with tls a handshake with the private DNS name (or tls.serverName) as SNI completes through each interface"),
			why("a target that speaks no TLS, or that takes the proxy protocol header for it, is of no use to clients"),
			source("RFC 8446; NLB guide, target group attributes, proxy protocol"),
			fix(func(o *probes.Observation) Fix {
				var port uint16
				for _, h := range maybe(o.Reach.TLS) {
					if h.Outcome != probes.OK && !couldNotAsk(h.Outcome) {
						port = h.Addr.Port()
						break
					}
				}
				return Fix{
					Text:     "let the targets speak TLS on the port; if proxy protocol v2 is on, they must expect its header",
					Command:  command(o.Link, ProviderSide, "elbv2", "describe-target-group-attributes", "--target-group-arn", targetGroupOn(o, port)),
					LinkFile: "ports[].tls: leave it out for a port that speaks no TLS",
				}
			}),
			body(func(c *C, o *probes.Observation) {
				forEachHandshake(c, o, func(where string, h probes.Handshake) {
					// A chain that is not trusted is the certificate's matter: the handshake was answered.
					if h.Outcome == probes.OK || h.Outcome == probes.TLSFailed && h.VerifyError != "" {
						return
					}
					c.Wrong(h.Vantage, "%s %s%s", where, h.Outcome, inParentheses(h.Detail))
				})
			}),
		),
		check("reachability.tls-server-name", "TLS is asked for by a name one can certify",
			revision(1), severity(Critical), side(ConsumerSide),
			after("reachability.tcp-interfaces"), needs("reach.tls"),
			asserts("no handshake asks for a name under vpce.amazonaws.com"),
			why("those names are AWS's: nobody else gets a certificate for them, so clients that use TLS need the private DNS name, or another that leads to the endpoint"),
			source("PrivateLink guide, Manage DNS names; RFC 6125"),
			rows("PL-TLS-002"),
			fix(func(o *probes.Observation) Fix {
				return Fix{
					Text:     "let clients use the private DNS name " + or(o.Link.PrivateDNSName, "(the service has none: give it one)"),
					LinkFile: "ports[].tls.serverName: the name in the certificate; left out, it is the private DNS name",
				}
			}),
			body(func(c *C, o *probes.Observation) {
				seen := map[string]bool{}
				forEachHandshake(c, o, func(_ string, h probes.Handshake) {
					name := portName(h.Addr.Port()) + " " + h.ServerName
					if seen[name] {
						return
					}
					seen[name] = true
					if strings.Contains("."+strings.ToLower(h.ServerName)+".", ".vpce.amazonaws.com.") {
						c.Wrong(portName(h.Addr.Port()), "TLS is asked for as %s", h.ServerName)
					} else {
						c.Fact(portName(h.Addr.Port()), "TLS is asked for as %s", h.ServerName)
					}
				})
			}),
		),
		check("reachability.tls-certificate", "the certificate is trusted, for this name",
			revision(1), severity(Critical), side(ProviderSide),
			after("reachability.tls-handshake", "reachability.tls-server-name"), needs("reach.tls"),
			rows("PL-TLS-001"),
			asserts("the chain leads to the CA of the link file or the system's roots, is within its dates, and its names cover the private DNS name (or tls.serverName)"),
			why("clients refuse the connection otherwise; the certificate must be for the private name, since nobody can have one for vpce.amazonaws.com"),
			source("RFC 5280, RFC 6125; PrivateLink guide, Manage DNS names"),
			fix(func(o *probes.Observation) Fix {
				return Fix{
					Text:     "install a certificate for " + or(o.Link.PrivateDNSName, "the name that clients use") + " on the targets or the TLS listener",
					LinkFile: "ports[].tls.ca: the private CA's PEM file; ports[].tls.serverName: the name in the certificate",
				}
			}),
			body(func(c *C, o *probes.Observation) {
				seen := map[string]bool{}
				forEachHandshake(c, o, func(where string, h probes.Handshake) {
					if h.VerifyError != "" {
						c.Wrong(h.Vantage, "%s %s: %s", where, h.ServerName, h.VerifyError)
					}
					if len(h.Chain) == 0 {
						if h.VerifyError == "" {
							c.Unknown(h.Vantage, "%s no certificate was seen", where)
						}
						return
					}
					if leaf := h.Chain[0]; !seen[leaf.SHA256] {
						seen[leaf.SHA256] = true
						c.Fact("certificate", "%s for %s, issued by %s, until %s", subjectOf(leaf), list(leaf.DNSNames), leaf.Issuer, leaf.NotAfter.UTC().Format(time.RFC3339))
					}
				})
			}),
		),
		check("reachability.tls-certificate-lasts", "the certificate lasts another 14 days",
			revision(1), severity(Warning), side(ProviderSide),
			after("reachability.tls-certificate"), needs("reach.tls"),
			asserts("no certificate of the chains ends within 14 days of the observation"),
			why("an expired certificate stops every client at the same moment"),
			source("RFC 5280, validity"),
			fix(func(o *probes.Observation) Fix {
				return Fix{Text: "renew the certificate on the targets or the TLS listener"}
			}),
			body(func(c *C, o *probes.Observation) {
				seen := map[string]bool{}
				forEachHandshake(c, o, func(_ string, h probes.Handshake) {
					for _, cert := range h.Chain {
						if seen[cert.SHA256] {
							continue
						}
						seen[cert.SHA256] = true
						end := cert.NotAfter.UTC().Format(time.RFC3339)
						if cert.NotAfter.Sub(o.Started) < expirySoon {
							c.Wrong(subjectOf(cert), "expires on %s", end)
						} else {
							c.Fact(subjectOf(cert), "until %s", end)
						}
					}
				})
			}),
		),
	}
}

// subjectOf names a certificate. Many of today's have no subject, only names.
func subjectOf(cert probes.Certificate) string { return or(cert.Subject, "no subject") }

// forEachHandshake calls f with each handshake that was answered, from the vantages that should
// reach the link. Handshakes with interfaces tell all where there are any: names only lead to them.
func forEachHandshake(c *C, o *probes.Observation, f func(where string, h probes.Handshake)) {
	vantages := reachVantages(o.Link)
	if len(vantages) == 0 {
		c.Skip("no vantage is expected to reach the link")
	}
	all, _ := value(o.Reach.TLS)
	kind := func(h probes.Handshake) bool { return true }
	if slices.ContainsFunc(all, func(h probes.Handshake) bool { return h.Target.Kind == probes.TargetInterface }) {
		kind = func(h probes.Handshake) bool { return h.Target.Kind == probes.TargetInterface }
	}
	for _, vantage := range vantages {
		for _, p := range portsWith(o.Link, func(p provision.Port) bool { return p.TLS != nil }) {
			n := 0
			for _, h := range all {
				if h.Vantage != vantage || h.Addr.Port() != p.Port || !kind(h) {
					continue
				}
				n++
				where := whereTo(h.Target, h.Addr.String())
				if couldNotAsk(h.Outcome) {
					c.Unknown(vantage, "%s %s", where, or(string(h.Outcome), "not asked"))
					continue
				}
				f(where, h)
			}
			if n == 0 {
				c.Unknown(vantage, "port %d was not asked for TLS", p.Port)
			} else {
				c.Fact(vantage, "port %d: %d handshakes", p.Port, n)
			}
		}
	}
}

func portsWith(l provision.Link, has func(provision.Port) bool) []provision.Port {
	var out []provision.Port
	for _, p := range l.Ports {
		if has(p) {
			out = append(out, p)
		}
	}
	return out
}

func portName(p uint16) string { return "port " + strconv.Itoa(int(p)) }
