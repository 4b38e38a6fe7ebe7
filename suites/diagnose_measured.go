package suites

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/linkassay/linkassay/probes"
)

// measured is what connections did, layer by layer.
type measured struct {
	tcp, tls, http layer
	vantage        HopState
	well           bool // all that the link file wants of the port was answered as it wants it
}

// layer sums up one protocol.
type layer struct {
	wanted             bool
	all, well, unasked int
	facts              []Fact
	keys               []string // of the facts
}

// add counts one connection, and says of connections with the same key once what they did.
func (l *layer) add(well bool, outcome probes.Outcome, key, fact string) {
	l.all++
	switch {
	case couldNotAsk(outcome):
		l.unasked++
	case well:
		l.well++
	}
	if !slices.Contains(l.keys, key) {
		l.keys, l.facts = append(l.keys, key), append(l.facts, Fact{Value: fact})
	}
}

// measure gathers what connections did through a zone, by the interface's address and by the flow's name.
func (f flowWalk) measure(way *probes.Observation, zone string) measured {
	port := f.to.port(f.link.Link)
	m := measured{vantage: HopOK}
	m.tcp.wanted, m.tls.wanted, m.http.wanted = true, port.TLS != nil, port.HTTP != nil
	own := interfaceIPs(maybe(way.Consumer.Interfaces))
	mine := func(vantage string, t probes.Target, a netip.AddrPort) bool {
		switch {
		case vantage != f.vantage || a.Port() != f.to.Port:
			return false
		case t.Kind == probes.TargetInterface:
			return zone != "" && slices.Contains(own, a.Addr()) || zone == "" && a.Addr() == f.to.addr()
		}
		return t.Kind == f.to.Kind && sameName(t.Name, f.to.Host) && (zone == "" || slices.Contains(own, a.Addr()))
	}
	for _, a := range maybe(f.whole.o.Reach.TCP) {
		if mine(a.Vantage, a.Target, a.Addr) {
			outcome := outcomeOf(a.Tries)
			what := fmt.Sprintf("%s → %s %s", f.from(), a.Addr, or(string(outcome), "not asked"))
			m.tcp.add(outcome == probes.OK, outcome, what, what+tookOf(outcome, a.Tries))
		}
	}
	for _, h := range maybe(f.whole.o.Reach.TLS) {
		if mine(h.Vantage, h.Target, h.Addr) {
			m.tls.add(h.Outcome == probes.OK && h.VerifyError == "", h.Outcome, tlsFact(h), tlsFact(h))
		}
	}
	for _, x := range maybe(f.whole.o.Reach.HTTP) {
		if port.HTTP != nil && mine(x.Vantage, x.Target, x.Addr) {
			m.http.add(expected(x, port.HTTP), x.Outcome, httpFact(x), httpFact(x))
		}
	}
	if m.http.all == m.http.well {
		for _, x := range maybe(f.whole.o.Reach.Large) {
			if port.HTTP != nil && mine(x.Vantage, x.Target, x.Addr) && x.Outcome == probes.TimedOut {
				m.http.add(false, x.Outcome, "large", "a request of 9,000 bytes "+string(x.Outcome))
			}
		}
	}
	m.well = m.tcp.all > 0
	for _, l := range []layer{m.tcp, m.tls, m.http} {
		m.well = m.well && (!l.wanted || l.all > 0 && l.well == l.all)
	}
	switch {
	case f.vantage == "":
		m.vantage = HopNotAsked
	case m.tcp.all > 0 && m.tcp.unasked == m.tcp.all, m.tcp.all == 0 && couldNotAsk(f.answer.outcome) && f.byName():
		m.vantage = HopUntold
	}
	return m
}

// from is the vantage's end of the 5-tuple, as far as it is known.
func (f flowWalk) from() string {
	for _, c := range maybe(f.link.Path.Clients) {
		if c.Vantage == f.vantage && c.Addr.IsValid() {
			return c.Addr.String()
		}
	}
	return or(f.vantage, "the VPC")
}

// tookOf says how long the first try with the outcome took, and how many there were if none went well.
func tookOf(outcome probes.Outcome, tries []probes.Try) string {
	for _, t := range tries {
		if t.Outcome != outcome {
			continue
		}
		took := ", " + t.Duration.Round(time.Millisecond).String()
		if outcome != probes.OK && len(tries) > 1 {
			took += fmt.Sprintf(", %d tries", len(tries))
		}
		return took
	}
	return ""
}

func tlsFact(h probes.Handshake) string {
	switch {
	case h.VerifyError != "":
		return "not trusted: " + h.VerifyError
	case h.Outcome != probes.OK:
		return string(h.Outcome) + inParentheses(h.Detail)
	}
	return strings.TrimSpace(h.Version + " for " + h.ServerName)
}

func httpFact(x probes.Exchange) string {
	switch {
	case x.Outcome != probes.OK:
		return string(x.Outcome) + inParentheses(x.Detail)
	case x.BodyMatched != nil && !*x.BodyMatched:
		return fmt.Sprintf("%s %s: %d, wrong body", x.Method, x.URL, x.Status)
	}
	return fmt.Sprintf("%s %s: %d", x.Method, x.URL, x.Status)
}

// measuredLine says in a line what the connects did in all zones.
func measuredLine(ways []zoneWalk) string {
	var tcp, tls, http layer
	for _, z := range ways {
		for _, l := range []struct{ sum, of *layer }{{&tcp, &z.seen.tcp}, {&tls, &z.seen.tls}, {&http, &z.seen.http}} {
			l.sum.all, l.sum.well = l.sum.all+l.of.all, l.sum.well+l.of.well
			l.sum.facts = append(l.sum.facts, l.of.facts...)
		}
	}
	if tcp.all == 0 {
		return "nothing was dialled"
	}
	parts := []string{fmt.Sprintf("TCP connected %d of %d times", tcp.well, tcp.all)}
	if tls.all > 0 {
		parts = append(parts, fmt.Sprintf("TLS as expected %d of %d", tls.well, tls.all))
	}
	if http.all > 0 {
		parts = append(parts, fmt.Sprintf("HTTP as expected %d of %d", http.well, http.all))
	}
	return strings.Join(parts, "; ")
}
