package probes

import (
	"context"
	"net"
	"net/netip"
	"reflect"
	"runtime"
	"sync"
	"time"
	"weak"

	"github.com/linkassay/linkassay/provision"
)

// Engine makes fast rounds: Observations with Options.Known that measure a fleet's names and connections again and again. What rounds of
// all links have in common lives in it: sockets to DNS servers, workers with their buffers, certificates and requests as they
// were read and written once. Its bounds hold over all rounds that it makes side by side.
type Engine struct {
	jobs chan job
	quit chan struct{}
	wg   sync.WaitGroup

	mu      sync.Mutex
	done    bool
	limit   int // workers
	workers int
	idle    int
	servers map[serverKey]*dnsServer
	sockets map[*dnsSocket]bool
	rooms   sync.Pool // of *fastRoom
	plans   map[weak.Pointer[Observation]]*speeches
	trusts  map[provision.TLS]readTrust
}

// The bounds of an engine.
const (
	maxWorkers  = 4096 // connections at once; each waits at most for its timeouts
	idleWorkers = 64   // that wait for more to do
	trustFor    = time.Minute
	sparedFiles = 128 // for what else the process has open
)

// job is something that a worker does.
type job interface{ do(d *desk) }

// readTrust is a port's trust and when its files were read.
type readTrust struct {
	trust *trust
	at    time.Time
}

// NewEngine makes an engine that holds at most so many connections at once; 0 means 4096, or what the limit on open files
// allows. It is to be closed.
func NewEngine(connections int) *Engine {
	if connections < 1 {
		connections = maxWorkers
	}
	if files := openFiles(); files > 0 {
		connections = max(min(connections, files-sparedFiles), 1)
	}
	return &Engine{
		jobs: make(chan job), quit: make(chan struct{}), limit: connections,
		servers: map[serverKey]*dnsServer{}, sockets: map[*dnsSocket]bool{},
		plans: map[weak.Pointer[Observation]]*speeches{}, trusts: map[provision.TLS]readTrust{},
	}
}

// Close closes the sockets and waits for the workers. Rounds are to be ended before it, by their contexts; what is under way
// all the same ends as if it had been interrupted, as does what comes later.
func (e *Engine) Close() {
	e.mu.Lock()
	if !e.done {
		e.done = true
		close(e.quit)
	}
	for c := range e.sockets {
		_ = c.conn.Close() // its reader fails what is open
	}
	e.mu.Unlock()
	e.wg.Wait()
}

// ended is false for no engine.
func (e *Engine) ended() bool {
	if e == nil {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.done
}

// start has a worker do the job, and waits while all are busy and there may be no more. It is false when the context or the
// engine ended before.
func (e *Engine) start(ctx context.Context, j job) bool {
	select {
	case e.jobs <- j:
		return true
	default:
	}
	e.mu.Lock()
	switch {
	case e.done:
		e.mu.Unlock()
		return false
	case e.workers < e.limit:
		e.workers++
		e.wg.Add(1)
		e.mu.Unlock()
		go e.work(j)
		return true
	}
	e.mu.Unlock()
	select {
	case e.jobs <- j:
		return true
	case <-ctx.Done():
	case <-e.quit:
	}
	return false
}

// work does jobs until there are too many workers for them.
func (e *Engine) work(j job) {
	defer e.wg.Done()
	d := newDesk()
	for j != nil {
		j.do(d)
		j = e.more()
	}
}

func (e *Engine) more() job {
	select {
	case j := <-e.jobs:
		return j
	default:
	}
	e.mu.Lock()
	if e.done || e.idle >= idleWorkers {
		e.workers--
		e.mu.Unlock()
		return nil
	}
	e.idle++
	e.mu.Unlock()
	var j job
	select {
	case j = <-e.jobs:
	case <-e.quit:
	}
	e.mu.Lock()
	e.idle--
	if j == nil {
		e.workers--
	}
	e.mu.Unlock()
	return j
}

// server is a DNS server as a vantage sees it; nil where the vantage can't be told from others.
func (e *Engine) server(v Vantage, addr netip.AddrPort, timeout time.Duration) *dnsServer {
	network := networkOf(v)
	if network == nil {
		return nil
	}
	key := serverKey{network, addr}
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.servers[key]
	if s == nil {
		s = &dnsServer{engine: e, key: key, slots: make(chan struct{}, dnsInFlight), dial: func(ctx context.Context) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			return v.DialContext(ctx, "udp", key.addr.String())
		}}
		e.servers[key] = s
	}
	return s
}

// networkOf is what vantages of one network have in common: all local ones are this host.
func networkOf(v Vantage) any {
	if _, ok := v.(*local); ok {
		return "local"
	}
	if !reflect.TypeOf(v).Comparable() {
		return nil
	}
	return v
}

// forget is for a server that has no socket open any more.
func (e *Engine) forget(s *dnsServer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.servers[s.key] == s {
		delete(e.servers, s.key)
	}
}

// listen starts a socket's reader; false if the engine is closed.
func (e *Engine) listen(c *dnsSocket) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.done {
		return false
	}
	e.sockets[c] = true
	e.wg.Go(func() {
		c.read()
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.sockets, c)
	})
	return true
}

// plan is what the ports of a link need, read once for each Observation that is known of it. It is forgotten with that.
func (e *Engine) plan(r *run, known *Observation) *speeches {
	key := weak.Make(known)
	e.mu.Lock()
	said := e.plans[key]
	e.mu.Unlock()
	if said.of(r.link.Ports) {
		return said
	}
	said = prepare(r.link.Ports, func(t provision.TLS) (*trust, error) { return e.trust(r, t) })
	if said.noTLS != nil || said.noHTTP != nil {
		return said // a file may be there the next time
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.plans[key] == nil {
		e.plans[key] = said
		runtime.AddCleanup(known, e.unplan, key)
	}
	return said
}

func (e *Engine) unplan(key weak.Pointer[Observation]) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.plans, key)
}

// trust reads certificates and keys. Links that name the same files share what is in them for a minute.
func (e *Engine) trust(r *run, t provision.TLS) (*trust, error) {
	e.mu.Lock()
	had, ok := e.trusts[t]
	e.mu.Unlock()
	if now := time.Now(); !ok || now.Sub(had.at) > trustFor {
		fresh, err := r.loadTrust(t)
		if err != nil {
			return nil, err
		}
		had = readTrust{fresh, now}
		e.mu.Lock()
		defer e.mu.Unlock()
		for other, read := range e.trusts {
			if now.Sub(read.at) > trustFor {
				delete(e.trusts, other)
			}
		}
		e.trusts[t] = had
	}
	return had.trust, nil
}
