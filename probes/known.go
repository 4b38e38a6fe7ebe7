package probes

import "time"

// kept makes p a promise of an item that an earlier Observation has: what depends on it is asked as if it had
// been asked now. The item itself keeps its own time. What was done is closed.
func kept[T any](p *promise[T], done chan struct{}, it *Item[T]) *promise[T] {
	p.done, p.item = done, it
	switch {
	case it == nil:
		p.item = &Item[T]{Absent: NotReached}
		p.err = absent{NotReached}
	case it.Absent != "":
		p.err = absent{it.Absent}
	case it.Error != nil:
		p.err = failed{*it.Error}
	}
	return p
}

// gatherData measures names and connections, and takes everything else over from what is known.
func (r *run) gatherData(obs, known *Observation) {
	done := make(chan struct{})
	close(done)
	var all struct { // one piece of memory
		zones       promise[[]Zone]
		endpoint    promise[Endpoint]
		interfaces  promise[[]Interface]
		vpc         promise[VPC]
		dhcpOptions promise[DHCPOptions]
		consumerItems
	}
	c := &all.consumerItems
	c.zones, c.endpoint = kept(&all.zones, done, known.Consumer.Zones), kept(&all.endpoint, done, known.Consumer.Endpoint)
	c.interfaces, c.vpc = kept(&all.interfaces, done, known.Consumer.Interfaces), kept(&all.vpc, done, known.Consumer.VPC)
	c.dhcpOptions = kept(&all.dhcpOptions, done, known.Consumer.DHCPOptions)
	var way *way
	if r.o.Engine != nil {
		way = r.askFast(c, known)
	} else {
		way = r.askWay(c)
	}
	r.wg.Wait()
	obs.Provider, obs.Consumer, obs.Path, obs.Known = known.Provider, known.Consumer, known.Path, known.controlTime()
	obs.DNS, obs.Reach = way.collect()
	obs.DNS.TXT, obs.DNS.Public = known.DNS.TXT, known.DNS.Public
	if r.o.Engine != nil && known.Reach.Large != nil {
		obs.Reach.Large = known.Reach.Large
	}
}

// controlTime is when the control plane was read that the Observation holds.
func (o *Observation) controlTime() time.Time {
	if o.Known.IsZero() {
		return o.Started
	}
	return o.Known
}

// ControlAge is how old the control plane's items were when the rest was observed; 0 when all were observed together.
func (o *Observation) ControlAge() time.Duration {
	if o.Known.IsZero() {
		return 0
	}
	return o.Started.Round(0).Sub(o.Known.Round(0)) // by the wall clock: the monotonic one stands still while a machine sleeps
}

// OldestRead is when the oldest item was asked for, apart from names and connections at the vantages; zero when none was.
func (o *Observation) OldestRead() (oldest time.Time) {
	for _, it := range itemTable() {
		if m, ok := it.meta(o); ok && !ofVantages(it.name) && !m.Started.IsZero() && (oldest.IsZero() || m.Started.Before(oldest)) {
			oldest = m.Started
		}
	}
	return oldest
}

// ofVantages says whether an item is what the vantages measure.
func ofVantages(item string) bool {
	switch item {
	case "dns.private", "dns.regional", "dns.zonal", "reach.tcp", "reach.tls", "reach.http", "reach.large", "reach.idle":
		return true
	}
	return false
}

// ControlFailed says whether a question to an AWS API or to public DNS got no answer.
func (o *Observation) ControlFailed() bool {
	for _, it := range itemTable() {
		if m, ok := it.meta(o); ok && !ofVantages(it.name) && (m.Error != nil || m.Absent == NotReached) {
			return true
		}
	}
	return false
}
