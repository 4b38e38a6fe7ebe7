package probes

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/linkassay/linkassay/provision"
)

// reach connects to addresses as they become known.
type reach struct {
	run   *run
	tcp   *gathering[Attempt]
	tls   *gathering[Handshake]
	http  *gathering[Exchange]
	bulk  *gathering[Exchange]
	idle  *gathering[Silence]
	ports []speech
	own   struct {
		tcp        gathering[Attempt]
		tls        gathering[Handshake]
		http, bulk gathering[Exchange]
		idle       gathering[Silence]
	}

	mu   sync.Mutex
	seen map[reachKey]bool
}

// reachKey is one thing to connect to. The same address is dialled once for each target that it
// serves, since what is proven is that the target works.
type reachKey struct {
	vantage string
	target  Target
	addr    netip.AddrPort
}

func newReach(r *run, said *speeches) *reach {
	x := &reach{run: r, seen: map[reachKey]bool{}, ports: said.ports}
	x.tcp, x.tls, x.http = x.own.tcp.of(r, "reach.tcp"), x.own.tls.of(r, "reach.tls"), x.own.http.of(r, "reach.http")
	x.bulk, x.idle = x.own.bulk.of(r, "reach.large"), x.own.idle.of(r, "reach.idle")
	if said.noTLS != nil {
		x.tls.fail(said.noTLS)
	}
	if said.noHTTP != nil {
		x.http.fail(said.noHTTP)
	}
	return x
}

// add connects from a vantage to every port of an address, unless that was done already.
func (x *reach) add(p place, t Target, addr netip.Addr) {
	for _, sp := range x.ports {
		key := reachKey{p.name, t, netip.AddrPortFrom(addr, sp.Port.Port)}
		x.mu.Lock()
		known := x.seen[key]
		x.seen[key] = true
		x.mu.Unlock()
		if known {
			continue
		}
		x.tcp.start(func() { x.connect(p, key) })
		if p.expect == provision.ExpectTimeout || sp.silent() {
			continue
		}
		if t.Kind == TargetInterface && sp.Port.Port == bulky(x.ports) {
			x.bulk.start(func() { x.large(p, key, sp) })
		}
		if sp.trust != nil {
			x.tls.start(func() { x.talk(p, key, sp) })
		} else {
			x.http.start(func() { x.talk(p, key, sp) })
		}
	}
}

// connect makes the TCP connects of one attempt, one after the other; but when the first times out,
// the others go side by side, since waiting in turn would prove no more.
func (x *reach) connect(p place, key reachKey) {
	tries := x.run.o.Tries
	if p.expect == provision.ExpectTimeout {
		tries = 1
	}
	a := Attempt{Vantage: p.name, Target: key.target, Addr: key.addr}
	for len(a.Tries) < tries {
		t := x.once(p, key.addr)
		a.Tries = append(a.Tries, t)
		if t.Outcome == NoVia || t.Outcome == NotAsked {
			break // more of the same proves nothing
		}
		if t.Outcome == TimedOut && len(a.Tries) == 1 {
			a.Tries = append(a.Tries, x.sideBySide(p, key.addr, tries-1)...)
		}
	}
	var end time.Time
	for _, t := range a.Tries {
		if at := t.Started.Add(t.Duration); at.After(end) {
			end = at
		}
	}
	x.tcp.add(a, a.Tries[0].Started, end.Sub(a.Tries[0].Started))
}

// sideBySide makes n connects at once, in the order of their start.
func (x *reach) sideBySide(p place, addr netip.AddrPort, n int) []Try {
	tries := make([]Try, n)
	var done sync.WaitGroup
	done.Add(n)
	for i := range tries {
		x.tcp.start(func() {
			defer done.Done()
			tries[i] = x.once(p, addr)
		})
	}
	done.Wait()
	slices.SortFunc(tries, func(a, b Try) int { return a.Started.Compare(b.Started) })
	return tries
}

func (x *reach) once(p place, addr netip.AddrPort) Try {
	r := x.run
	if !acquire(r.ctx, r.dialSlots) {
		return Try{Started: r.now(), Outcome: NotAsked, Detail: "the run was interrupted"}
	}
	defer func() { <-r.dialSlots }()
	return r.connect(p, addr)
}

// connect connects once and says nothing.
func (r *run) connect(p place, addr netip.AddrPort) Try {
	t, conn := r.open(p, addr)
	if conn != nil {
		_ = conn.Close()
	}
	return t
}

// open connects once. The connection is nil unless the outcome is OK.
func (r *run) open(p place, addr netip.AddrPort) (Try, net.Conn) {
	t := Try{Started: r.now()}
	conn, err := r.dial(p, addr)
	t.Duration = r.now().Sub(t.Started)
	t.Outcome, t.Detail = classify(r.ctx, err)
	if err != nil {
		return t, nil
	}
	return t, conn
}

// directDialer is a vantage that needs no text of an address.
type directDialer interface {
	dialTCP(ctx context.Context, addr netip.AddrPort) (net.Conn, error)
}

// dial connects within the link's connect timeout.
func (r *run) dial(p place, addr netip.AddrPort) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(r.ctx, r.limit.connect)
	defer cancel()
	if d, ok := p.vantage.(directDialer); ok {
		return d.dialTCP(ctx, addr)
	}
	return p.vantage.DialContext(ctx, "tcp", addr.String())
}

func portText(port uint16) string { return strconv.Itoa(int(port)) }
