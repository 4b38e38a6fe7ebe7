package probes

import (
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/linkassay/linkassay/provision"
)

// dialKey is one thing to dial. Whatever name led to it, the connection is the same; what is said over it differs by the host.
type dialKey struct {
	vantage string
	addr    netip.AddrPort
	speaks  bool
	host    string
}

// dial is a connection of a fast round, or its further tries. What is said to an address is said over the first connection
// that opens: its TCP connect and what follows are one connection, not two as in other rounds.
type dial struct {
	conversation
	round  *fastRound
	speaks bool
	talk   *dial // of one that says nothing: what is said over it; nil for nothing

	tries     []Try // of one that says nothing
	handshake Handshake
	exchange  Exchange
}

// add wants every port of an address dialled from a vantage for a target, unless that was wanted already.
func (f *fastRound) add(p place, t Target, addr netip.Addr) {
	x := f.way.reach
	for i := range x.ports {
		sp := &x.ports[i]
		key := reachKey{p.name, t, netip.AddrPortFrom(addr, sp.Port.Port)}
		if x.seen[key] {
			continue
		}
		x.seen[key] = true
		w := want{key: key}
		if p.expect == provision.ExpectTimeout || sp.silent() {
			w.tcp = f.dial(p, key.addr, sp)
		} else {
			w.tcp, w.spoke = f.talk(p, key.addr, sp, x.hostOf(t, key.addr))
		}
		f.wants = append(f.wants, w)
	}
}

// dial starts a connection over which nothing is said, or finds the one that was started before.
func (f *fastRound) dial(p place, addr netip.AddrPort, sp *speech) *dial {
	d, begun := f.dialOf(dialKey{p.name, addr, false, ""}, p, sp)
	if !begun {
		f.start(d)
	}
	return d
}

// talk starts a connection and what is said over it. Where the address was dialled before, with another host, it is said
// over a connection of its own.
func (f *fastRound) talk(p place, addr netip.AddrPort, sp *speech, host string) (tcp, spoke *dial) {
	tcp, dialled := f.dialOf(dialKey{p.name, addr, false, ""}, p, sp)
	spoke, said := f.dialOf(dialKey{p.name, addr, true, host}, p, sp)
	switch {
	case !dialled:
		tcp.talk = spoke
		f.start(tcp)
	case !said:
		f.start(spoke)
	}
	return tcp, spoke
}

// dialOf finds a connection, or makes one that is not started yet.
func (f *fastRound) dialOf(key dialKey, p place, sp *speech) (d *dial, found bool) {
	if d = f.dials[key]; d != nil {
		return d, true
	}
	d = &dial{conversation: conversation{place: p, addr: key.addr, speech: sp, host: key.host}, round: f, speaks: key.speaks}
	f.dials[key] = d
	if d.speaks {
		d.handshake, d.exchange = d.begin(f.run)
	}
	return d, false
}

func (f *fastRound) start(d *dial) {
	f.open++
	if !f.engine.start(f.run.ctx, d) {
		d.notAsked()
		f.come(d, false)
	}
}

func (d *dial) notAsked() {
	t := Try{Started: d.round.run.now(), Outcome: NotAsked, Detail: "the run was interrupted"}
	d.tries = append(d.tries, t)
	for _, said := range []*dial{d, d.talk} {
		if said != nil {
			said.handshake.Try, said.exchange.Try = t, t
		}
	}
}

// do is the work of one of the engine's workers.
func (d *dial) do(k *desk) {
	f := d.round
	defer func() { f.come(d, d.another()) }()
	defer func() { f.recovered(recover(), &d.tries) }()
	if d.speaks {
		d.hold(f.run, k, &d.handshake, &d.exchange)
		return
	}
	// A try that does not go well is followed by others, one after the other; but when the first times out, those go side
	// by side, since waiting in turn would prove no more.
	for len(d.tries) < d.most() {
		t, conn := f.run.open(d.place, d.addr)
		d.tries = append(d.tries, t)
		d.goOn(k, conn)
		if t.Outcome == OK || t.Outcome == NoVia || t.Outcome == NotAsked || t.Outcome == TimedOut && len(d.tries) == 1 {
			break
		}
	}
}

// goOn says over the connection what is to be said, or, without one, that it could not be.
func (d *dial) goOn(k *desk, conn net.Conn) {
	t, said := d.tries[len(d.tries)-1], d.talk
	switch {
	case said == nil && conn != nil:
		_ = conn.Close()
	case said == nil:
	case conn != nil:
		defer func() { d.round.recovered(recover(), &said.tries) }()
		said.handshake.Try, said.exchange.Try = Try{Started: t.Started}, Try{Started: t.Started}
		said.over(d.round.run, k, conn, &said.handshake, &said.exchange)
	case len(d.tries) == 1: // another try may open one
		said.handshake.Try, said.exchange.Try = t, t
	}
}

func (d *dial) most() int {
	if d.place.expect == provision.ExpectTimeout {
		return 1
	}
	return d.round.run.o.Tries
}

// another says whether further tries follow, side by side.
func (d *dial) another() bool {
	return !d.speaks && len(d.tries) == 1 && d.tries[0].Outcome == TimedOut && d.most() > 1
}

func (d *dial) land(f *fastRound) {
	if !d.another() || f.run.ctx.Err() != nil {
		return
	}
	for len(d.tries) < d.most() {
		d.tries = append(d.tries, Try{})
		again := &furtherTry{dial: d, at: len(d.tries) - 1}
		f.open++
		if !f.engine.start(f.run.ctx, again) {
			again.result = Try{Started: f.run.now(), Outcome: NotAsked, Detail: "the run was interrupted"}
			f.come(again, false)
		}
	}
}

// furtherTry is another connect beside others to the same address.
type furtherTry struct {
	*dial
	at     int
	result Try
}

func (t *furtherTry) do(*desk) {
	f := t.round
	defer f.come(t, false)
	var failed []Try
	defer func() {
		if f.recovered(recover(), &failed); failed != nil {
			t.result = failed[0]
		}
	}()
	t.result = f.run.connect(t.place, t.addr)
}

func (t *furtherTry) land(*fastRound) { t.tries[t.at] = t.result }

// recovered keeps a panic of a worker's job for the Observation.
func (f *fastRound) recovered(x any, tries *[]Try) {
	if x == nil {
		return
	}
	err := f.run.panicked("reach.tcp, reach.tls and reach.http", x)
	f.way.reach.tcp.fail(err)
	f.way.reach.tls.fail(err)
	f.way.reach.http.fail(err)
	*tries = append(*tries, Try{Started: f.run.now(), Outcome: Failed})
}

// record writes down what each target came to. Where several led to one connection, each has it.
func (f *fastRound) record() {
	x := f.way.reach
	x.tcp.expect(len(f.wants))
	if slices.ContainsFunc(x.ports, func(s speech) bool { return s.ask != nil }) {
		x.http.expect(len(f.wants))
	}
	for _, w := range f.wants {
		tries := w.tcp.tries
		slices.SortStableFunc(tries, func(a, b Try) int { return a.Started.Compare(b.Started) })
		first := tries[0].Started
		var end time.Time
		for _, t := range tries {
			if at := t.Started.Add(t.Duration); at.After(end) {
				end = at
			}
		}
		x.tcp.add(Attempt{Vantage: w.key.vantage, Target: w.key.target, Addr: w.key.addr, Tries: tries}, first, end.Sub(first))
		if w.spoke == nil {
			continue
		}
		if w.spoke.speech.trust != nil {
			h := w.spoke.handshake
			h.Target = w.key.target
			x.tls.add(h, h.Started, h.Duration)
		}
		if w.spoke.speech.ask != nil {
			e := w.spoke.exchange
			e.Target = w.key.target
			x.http.add(e, e.Started, e.Duration)
		}
	}
}
