package probes

import (
	"net/netip"
	"slices"

	"github.com/miekg/dns"
)

// fastQuestion is a name and type that is asked at a vantage's resolvers.
type fastQuestion struct {
	asked     asked
	round     *fastRound
	place     *place
	gathering *gathering[Lookup]
	target    Target
	name      string // as a Lookup has it
	resolvers []netip.AddrPort
	before    *Lookup // of AAAA records, with one for A records; nil if they are asked for too
	likely    int     // addresses in the answer
	flies     bool    // it was sent, and has not landed

	lookup *Lookup // what came of it, where that took more than one question
}

// lookup asks a name for A records. Its AAAA records change no more often than the control plane: an answer with
// addresses or without any is taken over, if there are A records still; anything else is asked for again.
func (f *fastRound) lookup(p *place, g *gathering[Lookup], t Target, before *Item[[]Lookup]) {
	q := fastQuestion{place: p, gathering: g, target: t, name: clean(bare(t.Name), maxName), resolvers: p.resolvers()}
	q.answeredBefore(before)
	none := q.before == nil
	f.ask(q, dns.TypeA)
	if none {
		f.ask(q, dns.TypeAAAA)
	}
}

// answeredBefore looks for what the name's records were.
func (q *fastQuestion) answeredBefore(before *Item[[]Lookup]) {
	if before == nil {
		return
	}
	found := false
	for i := range before.Value {
		if found && q.before != nil {
			return
		}
		l := &before.Value[i]
		if l.Name != q.name || l.Vantage != q.place.name {
			continue
		}
		switch {
		case l.Type == "A":
			q.likely, found = len(l.Addrs), true
		case l.Type == "AAAA" && (l.Outcome == OK || l.Outcome == NoData) && q.before == nil:
			q.before = l
		}
	}
}

// fastRoom is memory of a round that nothing of its Observation is in, so that another round can have it afterwards.
type fastRoom struct {
	questions []fastQuestion // all but those that come on top
	used      int
	asking    []*asked        // that are to be sent; all are of fastQuestions
	flying    []*fastQuestion // some have landed
	landed    []landing       // under the round's mutex
	batch     []landing
	packed    []byte
	unsure    bool // somebody else may look at a question still
}

func (e *Engine) room() *fastRoom {
	if r, ok := e.rooms.Get().(*fastRoom); ok {
		return r
	}
	return &fastRoom{}
}

// giveBack is for a round whose questions have all been answered: a socket forgets a question with its answer.
func (e *Engine) giveBack(r *fastRoom) {
	clear(r.questions[:r.used])
	clear(r.asking[:cap(r.asking)])
	clear(r.flying[:cap(r.flying)])
	clear(r.landed[:cap(r.landed)])
	clear(r.batch[:cap(r.batch)])
	*r = fastRoom{questions: r.questions, asking: r.asking[:0], flying: r.flying[:0], landed: r.landed[:0], batch: r.batch[:0], packed: r.packed[:0]}
	e.rooms.Put(r)
}

// expect makes room for so many questions.
func (f *fastRound) expect(n int) {
	if n <= len(f.questions) {
		return
	}
	f.questions = make([]fastQuestion, n)
	f.asking, f.flying = make([]*asked, 0, n), make([]*fastQuestion, 0, n)
	f.landed, f.batch = make([]landing, 0, n), make([]landing, 0, n)
}

// ask has a question of the given type sent with the next flush.
func (f *fastRound) ask(like fastQuestion, qtype uint16) {
	var q *fastQuestion
	if f.used < len(f.questions) {
		q = &f.questions[f.used]
		f.used++
	} else {
		q = new(fastQuestion)
	}
	*q = like
	q.round, q.flies, q.lookup = f, false, nil
	if qtype != dns.TypeA {
		q.before, q.likely = nil, 0
	}
	q.asked = asked{
		question: question{name: q.target.Name, qtype: qtype, server: q.resolvers[0], recurse: true, attempts: dnsAttempts},
		timeout:  f.run.limit.dns, now: f.now, to: q,
	}
	f.open++
	if q.gathering == f.way.private {
		f.private++
	}
	f.asking = append(f.asking, &q.asked)
}

// flush sends what is to be asked, all that goes to one server at once.
func (f *fastRound) flush() {
	for rest := f.asking; len(rest) > 0; {
		first := rest[0].to.(*fastQuestion)
		n := 1
		for n < len(rest) && rest[n].to.(*fastQuestion).place == first.place && rest[n].question.server == first.asked.question.server {
			n++
		}
		batch := rest[:n]
		rest = rest[n:]
		s := f.engine.server(first.place.vantage, first.asked.question.server, f.run.limit.dns)
		if s == nil {
			for _, a := range batch {
				a.to.(*fastQuestion).slowly(nil)
			}
			continue
		}
		batch = f.pack(batch)
		sent, err := s.send(f.run.ctx, batch)
		for _, a := range batch[sent:] {
			q := a.to.(*fastQuestion)
			q.flies = false
			a.err = err
			q.slowly(a)
		}
	}
	f.asking = f.asking[:0]
}

// pack writes the messages, and makes room for answers as there were before: all in one piece. It returns the questions
// that can be asked.
func (f *fastRound) pack(batch []*asked) []*asked {
	size, answers, addrs := 0, 0, 0
	for _, a := range batch {
		n, likely := maxPacked(a.question), a.to.(*fastQuestion).likely
		size += n
		answers += n + likely*dnsRecord
		addrs += likely
	}
	if cap(f.packed)-len(f.packed) < size {
		f.packed = make([]byte, 0, size)
	}
	wires, found := make([]byte, answers), make([]netip.Addr, addrs)
	good := batch[:0]
	for _, a := range batch {
		q := a.to.(*fastQuestion)
		at := len(f.packed)
		var err error
		if f.packed, err = appendQuestion(f.packed, a.question); err != nil {
			a.err = err
			q.slowly(a)
			continue
		}
		a.packed = f.packed[at:]
		n := min(len(a.packed)+q.likely*dnsRecord, len(wires))
		a.wire, wires = wires[:0:n], wires[n:]
		a.plain.addrs, found = found[:0:q.likely], found[q.likely:]
		q.flies = true
		f.flying = append(f.flying, q)
		good = append(good, a)
	}
	return good
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
	q.flies = false
	var l Lookup
	switch a := &q.asked; {
	case q.lookup != nil:
		l = *q.lookup
	case a.err == nil && len(a.wire) > 0 && a.msg == nil:
		l = q.heard()
		l.Wire, l.Auth, l.RCode, l.Outcome, l.Addrs, l.TTL = a.wire, a.plain.auth, noError, OK, a.plain.addrs, a.plain.ttl
	case a.err == nil && len(a.wire) > 0 && !a.leadsOn():
		l = *q.digested()
	default:
		if q.before != nil { // both at once, since one may take its time
			q.before = nil
			f.ask(*q, dns.TypeAAAA)
		}
		f.open++
		q.slowly(a)
		return
	}
	q.gathering.add(l, l.Started, l.Duration)
	f.connect(*q.place, q.target, l.Addrs)
	switch {
	case q.before == nil:
	case l.Outcome == OK:
		q.gathering.keep(*q.before)
		f.connect(*q.place, q.target, q.before.Addrs)
	default:
		f.ask(*q, dns.TypeAAAA)
	}
	if q.gathering == f.way.private {
		f.private--
	}
}

// heard is a lookup that the first question answered.
func (q *fastQuestion) heard() Lookup {
	a := &q.asked
	return Lookup{
		Vantage: q.place.name, Name: q.name, Type: dns.TypeToString[a.question.qtype],
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
	f.unsure = true
	if !f.engine.start(f.run.ctx, &slowQuestion{q, first}) {
		q.lookup = &Lookup{
			Vantage: q.place.name, Name: q.name, Type: dns.TypeToString[q.asked.question.qtype], Server: q.resolvers[0],
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
			q.lookup = &Lookup{Vantage: q.place.name, Name: q.name, Server: q.resolvers[0], Outcome: Failed}
		}
	}()
	p := *q.place
	p.dns = &dnsClient{run: f.run, vantage: p.vantage, name: p.name, engine: f.engine, first: q.first}
	l := f.way.resolve(p, q.resolvers, q.target.Name, q.asked.question.qtype)
	q.lookup = &l
}
