package probes

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/linkassay/linkassay/provision"
)

// fastRound measures names and connections with an engine. What it knows belongs to the goroutine of the round; what is
// on its way comes back to it through landed.
type fastRound struct {
	way    *way
	run    *run
	engine *Engine
	known  *Observation
	now    func() time.Time

	asking  []*fastQuestion // that are to be sent
	sending []*asked

	open    int // on their way
	private int // of them questions for the private name, where vantages wait for its addresses
	waiting []place
	flying  map[*fastQuestion]bool

	wants []want
	dials map[dialKey]*dial

	dialled []netip.Addr // from the beginning; not changed afterwards, anybody may read it

	mu     sync.Mutex
	landed []landing
	urgent bool // one of them leads on to something else
	await  int  // the round sleeps until so many have landed; 0 while it does not
	wake   chan struct{}
}

// landing is something that has come back; it is called by the round's own goroutine.
type landing interface{ land(f *fastRound) }

// want is one thing to connect to, as reachKey has it, and the connections that show how that went.
type want struct {
	key        reachKey
	tcp, spoke *dial
}

// askFast measures, and returns when all has come back.
func (r *run) askFast(c *consumerItems, known *Observation) *way {
	f := &fastRound{
		way: r.newWay(c, r.o.Engine.plan(r, known)), run: r, engine: r.o.Engine, known: known,
		now: r.now, flying: map[*fastQuestion]bool{}, dials: map[dialKey]*dial{}, wake: make(chan struct{}, 1),
	}
	f.begin()
	f.wait()
	f.record()
	return f.way
}

// begin starts all that can be started now.
func (f *fastRound) begin() {
	w := f.way
	name := ProbeName(f.run.link.PrivateDNSName)
	interfaces, err := w.consumer.interfaces.value()
	known := err == nil && len(interfaces) > 0
	others := false
	for _, p := range w.places {
		others = others || p.expect != provision.ExpectTimeout
	}
	ep, missing := w.consumer.found()
	zones, _ := w.consumer.zones.value()
	w.private.expect(2 * len(w.places))
	w.regional.expect(2 * len(w.places))
	w.zonal.expect(2 * len(w.places) * len(ep.ZonalNames))
	for _, i := range interfaces {
		f.dialled = append(f.dialled, i.IPs...)
	}
	for _, p := range w.places {
		closed := p.expect == provision.ExpectTimeout
		for _, i := range interfaces {
			for _, ip := range i.IPs {
				f.add(p, Target{Kind: TargetInterface, Name: i.ID, ZoneID: i.ZoneID}, ip)
			}
		}
		private := Target{Kind: TargetPrivate, Name: name}
		switch {
		case closed && (known || name == ""):
			continue
		case closed && others:
			f.waiting = append(f.waiting, p)
			continue
		case closed:
			f.lookup(p, w.private, private, f.known.DNS.Private)
			f.flush()
			continue
		}
		if name != "" {
			f.lookup(p, w.private, private, f.known.DNS.Private)
		}
		if missing != nil {
			f.flush()
			continue
		}
		if ep.RegionalName != "" {
			f.lookup(p, w.regional, Target{Kind: TargetRegional, Name: ep.RegionalName}, f.known.DNS.Regional)
		}
		for _, name := range ep.ZonalNames {
			_, zone := endpointName(ep.ID, name)
			f.lookup(p, w.zonal, Target{Kind: TargetZonal, Name: name, ZoneID: zoneID(zones, zone)}, f.known.DNS.Zonal)
		}
		f.flush()
	}
}

// come takes what has come back. Anybody may call it. The round is not woken for what can wait until all is there.
func (f *fastRound) come(l landing, urgent bool) {
	f.mu.Lock()
	f.landed = append(f.landed, l)
	f.urgent = f.urgent || urgent
	wake := f.await > 0 && (f.urgent || len(f.landed) >= f.await)
	if wake {
		f.await = 0
	}
	f.mu.Unlock()
	if wake {
		f.wake <- struct{}{} // it has room: whoever wakes is the only one to
	}
}

// take returns what has landed, if there is reason to look at it; else it says that the round sleeps now.
func (f *fastRound) take(batch []landing) []landing {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.urgent || len(f.landed) >= f.open {
		batch, f.landed, f.urgent = f.landed, batch[:0], false
		return batch
	}
	f.await = f.open
	return batch[:0]
}

// wait goes on with whatever comes back, until nothing is on its way any more. When the run ends, questions are given up;
// connections give up by themselves.
func (f *fastRound) wait() {
	stop := f.run.ctx.Done()
	batch := make([]landing, 0, f.open)
	for {
		batch = f.take(batch)
		for _, l := range batch {
			f.open--
			l.land(f)
		}
		f.flush()
		if f.private == 0 && len(f.waiting) > 0 {
			f.closed()
			continue
		}
		if f.open == 0 {
			return
		}
		if len(batch) > 0 {
			continue
		}
		select {
		case <-f.wake:
		case <-stop:
			stop = nil
			for q := range f.flying {
				if q.asked.socket.giveUp(&q.asked) {
					q.asked.err = f.run.ctx.Err()
					f.come(q, false)
				}
			}
			<-f.wake
		}
	}
}

// closed dials the private name's addresses from vantages that must not reach them, where no interface is known.
func (f *fastRound) closed() {
	for _, p := range f.waiting {
		for _, l := range f.way.private.sofar() {
			f.connect(p, Target{Kind: TargetPrivate, Name: ProbeName(f.run.link.PrivateDNSName)}, l.Addrs)
		}
	}
	f.waiting = nil
}

// lookup asks a name for A records. Its AAAA records change no more often than the control plane: an answer with
// addresses or without any is taken over, if there are A records still; anything else is asked for again.
func (f *fastRound) lookup(p place, g *gathering[Lookup], t Target, before *Item[[]Lookup]) {
	resolvers := p.resolvers()
	known := answeredBefore(before, p.name, t.Name)
	f.ask(p, g, t, resolvers, dns.TypeA, known)
	if known == nil {
		f.ask(p, g, t, resolvers, dns.TypeAAAA, nil)
	}
}

func answeredBefore(before *Item[[]Lookup], vantage, name string) *Lookup {
	if before == nil {
		return nil
	}
	for i := range before.Value {
		l := &before.Value[i]
		if l.Vantage == vantage && l.Type == "AAAA" && l.Name == clean(bare(name), maxName) && (l.Outcome == OK || l.Outcome == NoData) {
			return l
		}
	}
	return nil
}

// connect dials every address that a name has.
func (f *fastRound) connect(p place, t Target, addrs []netip.Addr) {
	for _, a := range addrs {
		f.add(p, t, a)
	}
}

// fastQuestion is a name and type that is asked at a vantage's resolvers.
type fastQuestion struct {
	asked     asked
	round     *fastRound
	place     place
	gathering *gathering[Lookup]
	target    Target
	resolvers []netip.AddrPort
	before    *Lookup // of AAAA records, with one for A records; nil if they are asked for too

	lookup *Lookup // what came of it, where that took more than one question
}

func (f *fastRound) ask(p place, g *gathering[Lookup], t Target, resolvers []netip.AddrPort, qtype uint16, before *Lookup) {
	q := &fastQuestion{round: f, place: p, gathering: g, target: t, resolvers: resolvers, before: before}
	q.asked = asked{
		question: question{name: t.Name, qtype: qtype, server: resolvers[0], recurse: true, attempts: dnsAttempts},
		timeout:  f.run.limit.dns, now: f.now, to: q,
	}
	f.open++
	if g == f.way.private {
		f.private++
	}
	f.asking = append(f.asking, q)
}

// flush sends what is to be asked, all that goes to one server at once.
func (f *fastRound) flush() {
	for len(f.asking) > 0 {
		first := f.asking[0]
		s := f.engine.server(first.place.vantage, first.resolvers[0], f.run.limit.dns)
		if s == nil {
			f.asking = f.asking[1:]
			first.slowly(nil)
			continue
		}
		f.sending = f.sending[:0]
		n := 0
		for _, q := range f.asking {
			if q.place.name != first.place.name || q.resolvers[0] != first.resolvers[0] {
				break
			}
			n++
			packed, err := packQuestion(q.asked.question)
			if err != nil {
				q.asked.err = err
				q.slowly(&q.asked)
				continue
			}
			q.asked.packed = packed
			f.flying[q] = true
			f.sending = append(f.sending, &q.asked)
		}
		sent, err := s.send(f.run.ctx, f.sending)
		for _, a := range f.sending[sent:] {
			q := a.to.(*fastQuestion)
			delete(f.flying, q)
			a.err = err
			q.slowly(a)
		}
		f.asking = f.asking[n:]
	}
	f.asking = f.asking[:0]
}

// hear is called by the socket's reader.
func (q *fastQuestion) hear(a *asked) {
	urgent := a.err != nil || a.msg != nil
	for _, addr := range a.plain.addrs {
		urgent = urgent || !slices.Contains(q.round.dialled, addr)
	}
	q.round.come(q, urgent)
}

// land records an answer. Where there is none, or one that leads on to another question, the long way goes on from there.
func (q *fastQuestion) land(f *fastRound) {
	delete(f.flying, q)
	var l Lookup
	switch a := &q.asked; {
	case q.lookup != nil:
		l = *q.lookup
	case a.err == nil && a.wire != nil && a.msg == nil:
		l = q.heard()
		l.Wire, l.Auth, l.RCode, l.Outcome, l.Addrs, l.TTL = a.wire, a.plain.auth, noError, OK, a.plain.addrs, a.plain.ttl
	case a.err == nil && a.wire != nil && !a.leadsOn():
		l = *q.digested()
	default:
		if q.before != nil { // both at once, since one may take its time
			q.before = nil
			f.ask(q.place, q.gathering, q.target, q.resolvers, dns.TypeAAAA, nil)
		}
		f.open++
		q.slowly(a)
		return
	}
	q.gathering.add(l, l.Started, l.Duration)
	f.connect(q.place, q.target, l.Addrs)
	switch {
	case q.before == nil:
	case l.Outcome == OK:
		q.gathering.keep(*q.before)
		f.connect(q.place, q.target, q.before.Addrs)
	default:
		f.ask(q.place, q.gathering, q.target, q.resolvers, dns.TypeAAAA, nil)
	}
	if q.gathering == f.way.private {
		f.private--
	}
}

// heard is a lookup that the first question answered.
func (q *fastQuestion) heard() Lookup {
	a := &q.asked
	return Lookup{
		Vantage: q.place.name, Name: clean(bare(q.target.Name), maxName), Type: dns.TypeToString[a.question.qtype],
		Server: a.question.server, Transport: "udp", Started: a.started, Duration: a.ended.Sub(a.started), Attempts: 1,
	}
}

func (q *fastQuestion) digested() *Lookup {
	l := q.heard()
	digest(&l, answer{q.asked.msg, q.asked.wire, "udp"}, q.asked.question)
	return &l
}

// slowly asks, or goes on asking, as other rounds do.
func (q *fastQuestion) slowly(first *asked) {
	f := q.round
	if !f.engine.start(f.run.ctx, &slowQuestion{q, first}) {
		q.lookup = &Lookup{
			Vantage: q.place.name, Name: clean(bare(q.target.Name), maxName), Type: dns.TypeToString[q.asked.question.qtype], Server: q.resolvers[0],
			Started: f.run.now(), Outcome: NotAsked, Detail: "the run was interrupted",
		}
		f.come(q, true)
	}
}

// slowQuestion is the rest of a question, as a job.
type slowQuestion struct {
	*fastQuestion
	first *asked
}

func (q *slowQuestion) do(*desk) {
	f := q.round
	defer f.come(q.fastQuestion, true)
	defer func() {
		if x := recover(); x != nil {
			q.gathering.fail(f.run.panicked(q.gathering.name, x))
			q.lookup = &Lookup{Vantage: q.place.name, Name: clean(bare(q.target.Name), maxName), Server: q.resolvers[0], Outcome: Failed}
		}
	}()
	p := q.place
	p.dns = &dnsClient{run: f.run, vantage: p.vantage, name: p.name, engine: f.engine, first: q.first}
	l := f.way.resolve(p, q.resolvers, q.target.Name, q.asked.question.qtype)
	q.lookup = &l
}
