package lab

import (
	"container/heap"
	"context"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	healthWorkers = 64                   // checks under way at once, for the whole lab
	healthPause   = 2 * time.Millisecond // at most one check per pause: many targets are checked less often
	healthWait    = time.Second          // a scaled timeout is no shorter: a busy machine is not a dead target
	healthFirst   = 8                    // checks of a new target come this many times as fast while they succeed
	healthWarm    = 5 * time.Millisecond // no interval is shorter
)

// healthWatch runs the real health checks of all targets: one scheduler for the lab, and a bounded
// number of checks at a time.
type healthWatch struct {
	plane *plane
	slots chan struct{}
	wake  chan struct{}

	checkers map[*target]*healthChecker // guarded by world.mu

	mu  sync.Mutex // guards the fields below; may be taken with world.mu held, not the other way round
	due probeHeap
	n   int // probes that have not stopped
}

// healthChecker runs the real health checks of one target; the data plane owns it.
type healthChecker struct {
	target *target
	spec   checkSpec
	probes []*nodeProbe
}

// checkSpec is what a check does. Equal specs are the same check.
type checkSpec struct {
	to                 netip.AddrPort
	protocol           string
	path, matcher      string
	proxy              bool
	interval, timeout  time.Duration
	healthy, unhealthy int
}

// nodeProbe checks one target from one load balancer node. Between being taken from the heap and
// put back only its check touches it.
type nodeProbe struct {
	checker *healthChecker
	network *vpcNetwork
	node    netip.Addr
	zoneID  string
	own     bool // the node is in the target's zone
	stopped atomic.Bool

	at        time.Time // next check
	good, bad int       // in a row
	found     finding   // what is told to the world, guarded by world.mu
	settled   bool      // found is something
}

// finding is the result of checks from one node.
type finding struct {
	healthy        bool
	reason, detail string
}

// carries says whether the load balancer works.
func (lb *loadBalancer) carries() bool { return lb.state == "active" || lb.state == "active_impaired" }

// inUse says whether the load balancer has traffic for the target: a running instance, in a zone
// that it is enabled in.
func (p *plane) inUse(lb *loadBalancer, t *target) bool {
	if i := p.world.instances[t.id]; i != nil && i.state != "running" {
		return false
	}
	if p.world.isBalancerAddress(lb.vpc, t.id) {
		return false
	}
	zone := p.targetZone(t)
	return zone == "" || slices.ContainsFunc(lb.nodes, func(n *loadBalancerNode) bool { return n.zoneID == zone })
}

func newHealthWatch(p *plane) *healthWatch {
	return &healthWatch{
		plane: p, slots: make(chan struct{}, healthWorkers), wake: make(chan struct{}, 1),
		checkers: map[*target]*healthChecker{},
	}
}

// follow makes the checks those that the world's target groups ask for. world.mu is held.
func (h *healthWatch) follow() {
	w := h.plane.world
	users := map[string][]*loadBalancer{} // by target group
	for _, l := range w.listeners {
		if lb := w.loadBalancers[l.loadBalancer]; lb != nil && !slices.Contains(users[l.targetGroup], lb) {
			users[l.targetGroup] = append(users[l.targetGroup], lb)
		}
	}
	kept := make(map[*target]*healthChecker, len(h.checkers))
	for arn, g := range w.targetGroups {
		for _, t := range g.targets {
			spec, probes, ok := h.wanted(g, t, users[arn])
			if !ok {
				continue
			}
			kept[t] = h.checker(t, spec, probes)
		}
	}
	for t, c := range h.checkers {
		if kept[t] != c {
			c.stop()
			if t.check == c {
				t.check = nil
			}
		}
	}
	h.checkers = kept
}

// wanted says how a target is to be checked. One that is not checked is where it was when it was
// registered; why it gets no traffic (unused) is for the control plane to say, at once.
func (h *healthWatch) wanted(g *targetGroup, t *target, users []*loadBalancer) (checkSpec, []*nodeProbe, bool) {
	p := h.plane
	if t.state == "draining" {
		return checkSpec{}, nil, false
	}
	addr, ok := p.targetAddr(t)
	zone, port := p.targetZone(t), t.port
	if n, ok := portNumber(g.health.port); ok {
		port = n
	}
	spec := checkSpec{
		to: netip.AddrPortFrom(addr, uint16(port)), protocol: g.health.protocol, path: g.health.path,
		matcher: g.health.matcher, proxy: g.attributes["proxy_protocol_v2.enabled"] == "true",
		interval: max(h.scaled(g.health.interval), healthWarm), timeout: max(h.scaled(g.health.timeout), healthWait),
		healthy: max(g.health.healthy, 1), unhealthy: max(g.health.unhealthy, 1),
	}
	var probes []*nodeProbe
	for _, lb := range users {
		n := p.networks[lb.vpc]
		if !ok || n == nil || !lb.carries() || !p.inUse(lb, t) {
			continue
		}
		cross := crossZone(lb, g)
		for _, node := range lb.nodes {
			own := zone == "" || zone == node.zoneID
			if i := p.world.interfaces[node.eni]; i != nil && (own || cross) { // nodes check what they would forward to
				probes = append(probes, &nodeProbe{network: n, node: i.addr, zoneID: node.zoneID, own: own})
			}
		}
	}
	if len(probes) == 0 {
		t.state, t.reason, t.detail = "initial", "Elb.RegistrationInProgress", "Target registration is in progress"
		return checkSpec{}, nil, false
	}
	slices.SortFunc(probes, func(a, b *nodeProbe) int { return a.node.Compare(b.node) })
	return spec, probes, true
}

// scaled divides one of AWS's times by the lab's scale.
func (h *healthWatch) scaled(d time.Duration) time.Duration {
	if s := h.plane.world.timing.HealthScale; s > 0 {
		return time.Duration(float64(d) / s)
	}
	return d
}

// checker keeps the target's checker if it does what is wanted, and else makes one that goes on
// with what the old one found.
func (h *healthWatch) checker(t *target, spec checkSpec, probes []*nodeProbe) *healthChecker {
	old := h.checkers[t]
	if old != nil && old.spec == spec && slices.EqualFunc(old.probes, probes, sameProbe) {
		t.tell(old) // the control plane may have registered it anew
		return old
	}
	c := &healthChecker{target: t, spec: spec, probes: probes}
	now := time.Now()
	for _, n := range probes {
		n.checker, n.at = c, now
		if old == nil {
			continue
		}
		for _, o := range old.probes {
			if sameProbe(n, o) && old.spec.to == spec.to {
				n.found, n.settled = o.found, o.settled
			}
		}
	}
	t.check = c
	t.tell(c)
	h.mu.Lock()
	for _, n := range probes {
		heap.Push(&h.due, n)
		h.n++
	}
	h.mu.Unlock()
	select {
	case h.wake <- struct{}{}:
	default: // it has been told
	}
	return c
}

func sameProbe(a, b *nodeProbe) bool {
	return a.network == b.network && a.node == b.node && a.own == b.own
}

func (c *healthChecker) stop() {
	for _, n := range c.probes {
		n.stopped.Store(true)
	}
}

// tell makes the target's state of what its nodes found: healthy when a node finds it so, unhealthy
// when all say so, as the node of its own zone puts it. world.mu is held.
func (t *target) tell(c *healthChecker) {
	var worst *nodeProbe
	for _, n := range c.probes {
		switch {
		case n.settled && n.found.healthy:
			t.state, t.reason, t.detail = "healthy", "", ""
			return
		case n.settled && (worst == nil || n.own):
			worst = n
		}
	}
	if worst == nil || slices.ContainsFunc(c.probes, func(n *nodeProbe) bool { return !n.settled }) {
		t.state, t.reason, t.detail = "initial", "Elb.InitialHealthChecking", "Initial health checks in progress"
		return
	}
	t.state, t.reason, t.detail = "unhealthy", worst.found.reason, worst.found.detail
}

// loop runs due checks until the plane closes.
func (h *healthWatch) loop() {
	var running sync.WaitGroup
	defer running.Wait()
	ctx := h.plane.ctx
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		n, wait := h.next(time.Now())
		if n == nil {
			timer.Reset(wait)
			select {
			case <-ctx.Done():
				return
			case <-h.wake:
			case <-timer.C:
			}
			continue
		}
		select {
		case <-ctx.Done():
			return
		case h.slots <- struct{}{}:
		}
		running.Go(func() {
			defer func() { <-h.slots }()
			f := n.check(ctx)
			if ctx.Err() != nil {
				return
			}
			h.judge(n, f)
			h.again(n)
		})
	}
}

// next takes the first due probe, or says how long until there may be one.
func (h *healthWatch) next(now time.Time) (*nodeProbe, time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.due) > 0 {
		n := h.due[0]
		if n.stopped.Load() {
			heap.Pop(&h.due)
			h.n--
			continue
		}
		if wait := n.at.Sub(now); wait > 0 {
			return nil, wait
		}
		return heap.Pop(&h.due).(*nodeProbe), 0
	}
	return nil, time.Hour
}

// judge counts one result and tells the world when that changes what the node finds.
func (h *healthWatch) judge(n *nodeProbe, f finding) {
	if f.healthy {
		n.good, n.bad = n.good+1, 0
	} else {
		n.good, n.bad = 0, n.bad+1
	}
	// Only this check and follow, which copies, write found: reading it here needs no lock.
	if n.settled && n.found == f ||
		f.healthy && n.good < n.checker.spec.healthy ||
		!f.healthy && n.bad < n.checker.spec.unhealthy {
		return
	}
	w := h.plane.world
	w.mu.Lock()
	defer w.mu.Unlock()
	if n.stopped.Load() {
		return
	}
	n.found, n.settled = f, true
	t := n.checker.target
	if t.check != n.checker || t.state == "draining" {
		return
	}
	before := t.state
	t.tell(n.checker)
	if t.state != before {
		h.plane.log.Info("target health", "target", t.id, "port", t.port, "was", before, "is", t.state, "reason", t.reason)
		w.changed()
	}
}

// again plans the probe's next check.
func (h *healthWatch) again(n *nodeProbe) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n.stopped.Load() {
		h.n--
		return
	}
	pause := max(n.checker.spec.interval, time.Duration(h.n)*healthPause)
	if !n.settled && n.bad == 0 {
		pause = max(pause/healthFirst, healthWarm)
	}
	n.at = time.Now().Add(pause)
	heap.Push(&h.due, n)
	select {
	case h.wake <- struct{}{}:
	default: // it has been told
	}
}

type probeHeap []*nodeProbe

func (h probeHeap) Len() int           { return len(h) }
func (h probeHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h probeHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *probeHeap) Push(x any)        { *h = append(*h, x.(*nodeProbe)) }
func (h *probeHeap) Pop() any {
	old := *h
	n := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return n
}

// check runs one check from the node to the target over the network.
func (n *nodeProbe) check(ctx context.Context) finding {
	ctx, cancel := context.WithTimeout(ctx, n.checker.spec.timeout)
	defer cancel()
	return n.checker.spec.run(ctx, n.network, n.node)
}
