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
	host := x.hostOf(key)
	e := Exchange{
		Vantage: p.name, Target: key.target, Addr: key.addr, Method: sp.ask.method,
		URL: sp.ask.urlOf(host, key.addr.Port(), sp.trust != nil), Try: Try{Started: r.now()},
	}
	defer func() { x.bulk.add(e, e.Started, e.Duration) }()
	if !acquire(r.ctx, r.dialSlots) {
		e.Outcome, e.Detail = NotAsked, "the run was interrupted"
		return
	}
	defer func() { <-r.dialSlots }()
	e.Started = r.now()
	conn, err := r.dial(p, key.addr)
	if err != nil {
		e.Outcome, e.Detail = classify(r.ctx, err)
		e.Duration = r.now().Sub(e.Started)
		return
	}
	peer := net.Conn(conn)
	defer func() { _ = peer.Close() }()
	if sp.trust != nil {
		h := Handshake{ServerName: x.serverName(sp, host)}
		s := r.handshake(conn, sp.trust, &h, true)
		peer = s.conn
		if h.Outcome != OK || h.VerifyError != "" {
			e.Outcome, e.Detail = h.Outcome, h.untrusted()
			e.Duration = r.now().Sub(e.Started)
			return
		}
	}
	ask := *sp.ask
	ask.body = nil
	ask.spec.Headers = maps.Clone(ask.spec.Headers)
	if ask.spec.Headers == nil {
		ask.spec.Headers = map[string]string{}
	}
	ask.spec.Headers[paddingHeader] = strings.Repeat("0", largeBytes)
	r.exchange(peer, &ask, host, &e)
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
