package probes

import (
	"maps"
	"net"
	"strings"
)

// largeBytes is how much a large request's header carries: more than a packet of the largest that an endpoint
// takes (8,500 bytes; PrivateLink guide, considerations), so that full packets are on their way.
const largeBytes = 9000

// paddingHeader holds what makes a request large. Servers that mind answer 4xx, which is an answer.
const paddingHeader = "X-Linkassay-Padding"

// large asks once more over a connection of its own, with a request of several full packets. Where they vanish
// without a word, small requests are answered and large ones hang.
func (x *reach) large(p place, key reachKey, sp speech) {
	r := x.run
	host := x.hostOf(key.target, key.addr)
	e := Exchange{
		Vantage: p.name, Target: key.target, Addr: key.addr, Method: sp.ask.method,
		URL: sp.ask.to(host, key.addr.Port(), sp.trust != nil).url, Try: Try{Started: r.now()},
	}
	defer func() { x.bulk.add(e, e.Started, e.Duration) }()
	if !acquire(r.ctx, r.dialSlots) {
		e.Outcome, e.Detail = NotAsked, "the run was interrupted"
		return
	}
	defer func() { <-r.dialSlots }()
	e.Started = r.now()
	peer, outcome, detail := x.open(p, key, sp)
	if peer == nil {
		e.Outcome, e.Detail = outcome, detail
		e.Duration = r.now().Sub(e.Started)
		return
	}
	defer func() { _ = peer.Close() }()
	ask := &request{spec: sp.ask.spec, method: sp.ask.method, target: sp.ask.target, echo: sp.ask.echo}
	ask.spec.Headers = maps.Clone(ask.spec.Headers)
	if ask.spec.Headers == nil {
		ask.spec.Headers = map[string]string{}
	}
	ask.spec.Headers[paddingHeader] = strings.Repeat("0", largeBytes)
	r.exchange(newDesk(), peer, ask, host, &e)
}

// open connects to an address and, where the port speaks TLS, takes that up. Where it comes to no connection that may
// be spoken over, it is nil, and the outcome says why.
func (x *reach) open(p place, key reachKey, sp speech) (net.Conn, Outcome, string) {
	r := x.run
	conn, err := r.dial(p, key.addr)
	if err != nil {
		outcome, detail := classify(r.ctx, err)
		return nil, outcome, detail
	}
	if sp.trust == nil {
		return conn, OK, ""
	}
	h := Handshake{ServerName: sp.serverName(x.hostOf(key.target, key.addr))}
	s := r.handshake(conn, sp.trust, &h, sp.ask != nil)
	if h.Outcome == OK && h.VerifyError == "" {
		return s.conn, OK, ""
	}
	_ = conn.Close()
	outcome := h.Outcome
	if outcome == OK {
		outcome = TLSFailed
	}
	return nil, outcome, h.untrusted()
}

// bulky is the port that large requests are sent to: the first that speaks HTTP, without TLS if there is one.
func bulky(ports []speech) uint16 {
	var found uint16
	for _, sp := range ports {
		switch {
		case sp.ask == nil || sp.mute:
		case sp.trust == nil:
			return sp.Port.Port
		case found == 0:
			found = sp.Port.Port
		}
	}
	return found
}
