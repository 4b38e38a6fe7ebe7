package probes

import (
	"net/netip"
	"sync"
	"time"

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

	*fastRoom

	open    int // on their way
	private int // of them questions for the private name, where vantages wait for its addresses
	waiting []place

	wants []want
	dials map[dialKey]*dial

	dialled []netip.Addr // from the beginning; not changed afterwards, anybody may read it

	mu     sync.Mutex
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
		now: r.now, fastRoom: r.o.Engine.room(), dials: map[dialKey]*dial{}, wake: make(chan struct{}, 1),
	}
	f.begin()
	f.wait()
	f.record()
	if !f.unsure {
		f.engine.giveBack(f.fastRoom)
	}
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
	f.expect(len(w.places) * (2 + len(ep.ZonalNames)))
	for i := range w.places {
		p := w.places[i]
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
			f.lookup(&w.places[i], w.private, private, f.known.DNS.Private)
			f.flush()
			continue
		}
		if name != "" {
			f.lookup(&w.places[i], w.private, private, f.known.DNS.Private)
		}
		if missing != nil {
			f.flush()
			continue
		}
		if ep.RegionalName != "" {
			f.lookup(&w.places[i], w.regional, Target{Kind: TargetRegional, Name: ep.RegionalName}, f.known.DNS.Regional)
		}
		for _, name := range ep.ZonalNames {
			_, zone := endpointName(ep.ID, name)
			f.lookup(&w.places[i], w.zonal, Target{Kind: TargetZonal, Name: name, ZoneID: zoneID(zones, zone)}, f.known.DNS.Zonal)
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
func (f *fastRound) take() []landing {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.urgent || len(f.landed) >= f.open {
		f.batch, f.landed, f.urgent = f.landed, f.batch[:0], false
		return f.batch
	}
	f.await = f.open
	return nil
}

// wait goes on with whatever comes back, until nothing is on its way any more. When the run ends, questions are given up;
// connections give up by themselves.
func (f *fastRound) wait() {
	stop := f.run.ctx.Done()
	for {
		batch := f.take()
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
			stop, f.unsure = nil, true
			for _, q := range f.flying {
				if q.flies && q.asked.socket.giveUp(&q.asked) {
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

// connect dials every address that a name has.
func (f *fastRound) connect(p place, t Target, addrs []netip.Addr) {
	for _, a := range addrs {
		f.add(p, t, a)
	}
}
