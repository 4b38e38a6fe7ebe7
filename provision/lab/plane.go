package lab

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/linkassay/linkassay/provision/lab/internal/names"
	"github.com/linkassay/linkassay/provision/lab/internal/network"
)

// plane is the data plane: it turns the world into packets and names. Methods that take resources
// are called with world.mu held for writing unless they say otherwise, return quickly, and never
// call back into the control plane synchronously. Without a plane (nil) a world is a control plane
// alone.
//
// Packets never take the world's lock: they are judged and forwarded by what follow compiled from
// the world. follow does not run for every change. A change only counts up; who sends the first
// packet after it (settle), or the plane's own loop a moment later, compiles all changes at once.
// So what an API call changed is true for every connection opened after the call returned, and ten
// thousand calls in a row cost a few compilations.
type plane struct {
	world    *world
	log      *slog.Logger
	bare     bool // VPCs have no networks
	ca       *authority
	internet *names.Internet
	public   *names.Resolver // the internet's own recursive resolver

	ctx    context.Context // of everything that the plane runs; ends at close
	cancel context.CancelFunc
	wg     sync.WaitGroup
	wake   chan struct{}

	version atomic.Uint64 // counted up by changed
	applied atomic.Uint64 // what follow compiled last

	renamed   atomic.Uint64                   // changes of public names
	zonesDown atomic.Pointer[map[string]bool] // nil: all are up
	halfOpen  atomic.Pointer[string]          // a zone id
	seed      maphash.Seed                    // of fingerprints
	flows     chan struct{}                   // a slot for each forwarded connection
	buffers   sync.Pool                       // *[]byte for splicing

	// guarded by world.mu
	closed    bool
	due       time.Time // when follow has something to do even if nothing changed; zero: never
	networks  map[string]*vpcNetwork
	hosts     map[string]*host
	groups    map[string]*groupCell
	borders   map[string]*border // by subnet id
	balancers map[string]*balancerCell
	services  map[string]*serviceCell
	accepted  map[string]bool // endpoints that were available once
	vantages  map[string]*Vantage
	verifying map[string]*verifyRun // by service id
	health    *healthWatch
	published *publisher
	socks     *socksListeners
}

// newPlane starts the internet and the plane's own loops. It makes itself the world's plane.
func newPlane(w *world, log *slog.Logger, bare bool) (*plane, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	ca, err := newAuthority()
	if err != nil {
		return nil, err
	}
	internet, err := names.NewInternet(log)
	if err != nil {
		return nil, fmt.Errorf("start the lab's internet: %w", err)
	}
	p := &plane{
		world: w, log: log, bare: bare, ca: ca, internet: internet, wake: make(chan struct{}, 1),
		seed: maphash.MakeSeed(), flows: make(chan struct{}, maxFlows),
		networks: map[string]*vpcNetwork{}, hosts: map[string]*host{}, groups: map[string]*groupCell{}, borders: map[string]*border{},
		balancers: map[string]*balancerCell{}, services: map[string]*serviceCell{},
		accepted: map[string]bool{}, vantages: map[string]*Vantage{},
		verifying: map[string]*verifyRun{},
	}
	p.buffers.New = func() any { b := make([]byte, spliceBuffer); return &b }
	p.ctx, p.cancel = context.WithCancel(context.Background())
	if p.public, err = names.NewResolver(internet.Net(), []netip.Addr{publicResolver()}, p.recurse); err != nil {
		p.cancel()
		internet.Close()
		return nil, fmt.Errorf("start the public resolver %s: %w", publicResolver(), err)
	}
	p.health = newHealthWatch(p)
	p.published = newPublisher(p)
	p.socks = newSOCKSListeners(p)
	w.mu.Lock()
	w.plane = p
	w.changed() // what the world holds already
	w.mu.Unlock()
	p.wg.Go(p.loop)
	p.wg.Go(p.health.loop)
	if every := w.timing.Reverification; every > 0 {
		p.wg.Go(func() { p.reverify(every) })
	}
	return p, nil
}

// close stops everything that the plane runs and waits for it. It is called without world.mu.
func (p *plane) close() {
	p.cancel()
	p.socks.close()
	p.world.mu.Lock()
	p.closed = true
	hosts, nets := p.hosts, make([]*network.Net, 0, len(p.networks)+1)
	resolvers := []*names.Resolver{p.public}
	for _, n := range p.networks {
		nets = append(nets, n.net)
		resolvers = append(resolvers, n.resolver)
		for _, r := range n.custom {
			resolvers = append(resolvers, r)
		}
	}
	p.hosts, p.networks = map[string]*host{}, map[string]*vpcNetwork{}
	p.world.mu.Unlock()

	p.wg.Wait()
	for _, h := range hosts {
		h.stop()
	}
	for _, r := range resolvers {
		r.Close()
	}
	// Flows join networks: all of them end at once.
	network.CloseAll(nets...)
	p.internet.Close()
}

// changed makes packets, names and health checks follow the world. Everything that an operation
// changed (rules, states, listeners, targets, attributes, records, private DNS) is noticed. It only
// counts, so it may be called for changes that do not concern the data plane. w.mu is held.
func (w *world) changed() {
	if w.plane == nil {
		return
	}
	w.plane.version.Add(1)
	w.plane.stir()
}

// stir lets the loop look, without waiting for it.
func (p *plane) stir() {
	select {
	case p.wake <- struct{}{}:
	default: // it has been told
	}
}

// settle brings the data plane up to date with the world. Whoever is about to send a first packet
// calls it, without world.mu.
func (p *plane) settle() {
	if p.version.Load() == p.applied.Load() {
		return
	}
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	p.follow()
}

// follow compiles the world into what packets and names are made from. world.mu is held.
func (p *plane) follow() {
	if p.closed {
		return
	}
	// Read first: what counts up from here on is compiled the next time.
	version := p.version.Load()
	p.due = time.Time{}
	if p.bare {
		p.published.follow()
		p.applied.Store(version)
		return
	}
	p.followVantages()
	p.followGroups()
	p.followBorders()
	p.health.follow()
	p.followBalancers()
	p.followServices()
	p.followInterfaces()
	p.published.follow()
	p.followDNSServers()
	p.socks.follow()
	p.applied.Store(version)
}

// loop settles what nobody's packets settled: health checks and name servers follow without them.
func (p *plane) loop() {
	const shortest = 2 * time.Millisecond
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	rest := shortest
	for {
		select {
		case <-p.ctx.Done():
			return
		case <-p.wake:
		case <-timer.C:
			p.version.Add(1) // the time has come for something that is due
		}
		// A burst of API calls is compiled once, and compiling takes at most a fifth of the time.
		timer.Reset(rest)
		select {
		case <-p.ctx.Done():
			return
		case <-timer.C:
		}
		began := time.Now()
		p.settle()
		rest = max(shortest, 4*time.Since(began))
		p.world.mu.RLock()
		due := p.due
		p.world.mu.RUnlock()
		wait := time.Hour
		if !due.IsZero() {
			wait = max(time.Until(due), 0)
		}
		timer.Reset(wait)
	}
}

// dueAt asks for follow to run at the time even if nothing changes until then. world.mu is held.
func (p *plane) dueAt(at time.Time) {
	if p.due.IsZero() || at.Before(p.due) {
		p.due = at
		p.stir() // settle may have been called by a sender: the loop sets its timer
	}
}

// openVPC starts the VPC's network: its stack, and the resolver at base+2 and 169.254.169.253.
func (p *plane) openVPC(v *vpc) error {
	if p == nil || p.bare || v.net != nil {
		return nil
	}
	if p.closed {
		return errClosed
	}
	n, err := openNetwork(p, v)
	if err != nil {
		return fmt.Errorf("start the network of %s (%s): %w", v.id, v.cidr, err)
	}
	v.net = n
	p.networks[v.id] = n
	return nil
}

// closeVPC stops the VPC's network and everything in it.
func (p *plane) closeVPC(v *vpc) {
	if p == nil || v.net == nil || p.networks[v.id] != v.net {
		return
	}
	n := v.net
	v.net = nil
	delete(p.networks, v.id)
	for _, h := range p.hosts {
		if h.network == n {
			h.stop()
		}
	}
	for id, t := range p.vantages {
		if t.network == n {
			delete(p.vantages, id)
		}
	}
	n.close()
}

// attach gives the interface's address to its VPC's network. What answers there follows from the
// interface's kind and owner: an endpoint's interfaces lead to the service's load balancer, an
// instance's to its host.
func (p *plane) attach(i *networkInterface) error {
	if p == nil || p.bare {
		return nil
	}
	v := p.world.vpcs[i.vpc]
	if v == nil || v.net == nil {
		return fmt.Errorf("attach %s: VPC %s has no network", i.addr, i.vpc)
	}
	zoneID := ""
	if s := p.world.subnets[i.subnet]; s != nil {
		zoneID = s.zoneID
	}
	a, err := v.net.attach(i.addr, zoneID, i.id, p.borderOf(i.subnet))
	if err != nil {
		return err
	}
	p.lead(i.kind, a, i.addr)
	return nil
}

// lead gives connections to one of an attachment's addresses their way.
func (p *plane) lead(kind string, a *attachment, addr netip.Addr) {
	switch kind {
	case "vpc_endpoint":
		a.network.net.Handle(addr, func(ctx context.Context, f *network.Flow) { p.throughEndpoint(ctx, a, f) })
	case "network_load_balancer":
		a.network.net.Handle(addr, func(ctx context.Context, f *network.Flow) { p.throughNode(ctx, a, f) })
	}
}

// attachIPv6 gives the interface's IPv6 address to its VPC's network, to answer like the other one.
func (p *plane) attachIPv6(i *networkInterface) error {
	a, err := p.attached(i)
	if err != nil {
		return err
	}
	if err := a.network.attachIPv6(a, i.addr6); err != nil {
		return err
	}
	p.lead(i.kind, a, i.addr6)
	return nil
}

// detachIPv6 takes the interface's IPv6 address away.
func (p *plane) detachIPv6(i *networkInterface) {
	if a, err := p.attached(i); err == nil {
		a.network.detachIPv6(a)
	}
}

func (p *plane) attached(i *networkInterface) (*attachment, error) {
	if v := p.world.vpcs[i.vpc]; v != nil && v.net != nil {
		if a := v.net.at(i.addr); a != nil && a.eni == i.id {
			return a, nil
		}
	}
	return nil, fmt.Errorf("interface %s is not in the network of %s", i.id, i.vpc)
}

// detach takes the interface's address away; its open flows die.
func (p *plane) detach(i *networkInterface) {
	if p == nil {
		return
	}
	if v := p.world.vpcs[i.vpc]; v != nil && v.net != nil {
		v.net.detach(i.addr)
	}
}

var errClosed = errors.New("the lab is closed")

// publicResolver is the address of the internet's recursive resolver, a well-known one.
func publicResolver() netip.Addr { return netip.AddrFrom4([4]byte{9, 9, 9, 9}) }
