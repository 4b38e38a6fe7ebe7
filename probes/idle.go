package probes

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/linkassay/linkassay/provision"
)

// idleMargin is how far from the idle timeout connections are silent at most, before it and after it: clocks and
// timers on the way are not that far apart. A short idle timeout has less.
const idleMargin = 10 * time.Second

// silences are how long connections are silent: a little less than the link's idle timeout, and a little more.
func (r *run) silences() []time.Duration {
	idle := r.link.Timeouts.Idle.Or(provision.DefaultIdleTimeout)
	margin := min(idleMargin, idle/7)
	return []time.Duration{idle - margin, idle + margin}
}

// keepSilent holds connections from a vantage open to one of the addresses that the link has there: what forgets
// silent connections does so for all of them alike.
func (w *way) keepSilent(p place, name string) {
	t, addr, ok := w.oneAddress(p, name)
	if !ok {
		return
	}
	for _, sp := range w.reach.ports {
		if sp.mute {
			continue
		}
		for _, wanted := range w.run.silences() {
			key := reachKey{p.name, t, netip.AddrPortFrom(addr, sp.Port.Port)}
			w.reach.idle.start(func() { w.reach.silence(p, key, sp, wanted) })
		}
	}
}

// oneAddress is that of the interface in the vantage's zone, or of the first; where no interface is known, the
// smallest that the private name has at the vantage.
func (w *way) oneAddress(p place, name string) (Target, netip.Addr, bool) {
	interfaces, _ := w.consumer.interfaces.value()
	with := slices.DeleteFunc(slices.Clone(interfaces), func(i Interface) bool { return len(i.IPs) == 0 })
	slices.SortStableFunc(with, func(a, b Interface) int {
		return cmp.Or(cmp.Compare(elsewhere(a, p), elsewhere(b, p)), cmp.Compare(a.ZoneID, b.ZoneID))
	})
	if len(with) > 0 {
		return Target{Kind: TargetInterface, Name: with[0].ID, ZoneID: with[0].ZoneID}, with[0].IPs[0], true
	}
	w.privateDone.Wait()
	var all []netip.Addr
	for _, l := range w.private.sofar() {
		if l.Vantage == p.name {
			all = append(all, l.Addrs...)
		}
	}
	if len(all) == 0 {
		return Target{}, netip.Addr{}, false
	}
	return Target{Kind: TargetPrivate, Name: name}, slices.MinFunc(all, netip.Addr.Compare), true
}

func elsewhere(i Interface, p place) int {
	if i.ZoneID == p.zone {
		return 0
	}
	return 1
}

// silence opens a connection, says nothing for so long, and then sees whether it is still there. While it is
// silent it holds none of the slots for connections.
func (x *reach) silence(p place, key reachKey, sp speech, wanted time.Duration) {
	r := x.run
	s := Silence{Vantage: p.name, Target: key.target, Addr: key.addr, Wanted: wanted, Try: Try{Started: r.now()}}
	defer func() {
		s.Duration = r.now().Sub(s.Started)
		x.idle.add(s, s.Started, s.Duration)
	}()
	if !acquire(r.ctx, r.dialSlots) {
		s.Outcome, s.Detail = NotAsked, "the run was interrupted"
		return
	}
	s.Started = r.now()
	conn, outcome, detail := x.open(p, key, sp)
	<-r.dialSlots
	if conn == nil {
		s.Outcome, s.Detail = outcome, detail
		return
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(r.ctx, func() { _ = conn.Close() })()

	silent, err := sayNothing(conn, wanted)
	s.Silent = silent
	if err != nil {
		s.Ended = true
		s.Outcome, s.Detail = classify(r.ctx, err)
		return
	}
	if sp.ask == nil {
		s.Outcome, s.Detail = classify(r.ctx, endOf(conn, r.limit.http))
		return
	}
	host := x.hostOf(key.target, key.addr)
	e := Exchange{Addr: key.addr, URL: sp.ask.to(host, key.addr.Port(), sp.trust != nil).url, Try: Try{Started: r.now()}}
	r.exchange(newDesk(), conn, sp.ask, host, &e)
	s.Outcome, s.Detail = e.Outcome, e.Detail
}

// errTalks is of a peer that goes on talking by itself.
var errTalks = errors.New("the other end was never silent for so long")

// sayNothing waits until neither end has said anything for so long, and tells how long that was. An error is the
// other end's end of the connection, or that it talks and talks.
func sayNothing(conn net.Conn, wanted time.Duration) (time.Duration, error) {
	defer func() { _ = conn.SetReadDeadline(time.Time{}) }()
	buf := make([]byte, 512)
	last := time.Now()
	most := last.Add(2 * wanted)
	for {
		if err := conn.SetReadDeadline(last.Add(wanted)); err != nil {
			return time.Since(last), err
		}
		n, err := conn.Read(buf)
		silent := time.Since(last)
		var timeout net.Error
		switch {
		case n > 0: // a greeting, or a session ticket
			if last = time.Now(); last.After(most) {
				return 0, errTalks
			}
		case errors.As(err, &timeout) && timeout.Timeout() && silent >= wanted:
			return silent, nil
		case err != nil:
			return silent, err
		}
	}
}

// errNoHalfClose is of vantages behind a proxy: one direction can't be ended alone there, and where it could, a reset
// from beyond the proxy would look like an answer to the end.
var errNoHalfClose = &VantageError{Vantage: "behind a proxy", Err: errors.New("a port without http can't be asked there whether it still knows a connection")}

// endOf ends our direction, which says nothing in any protocol, and waits for the other end's bytes or its own end.
func endOf(conn net.Conn, limit time.Duration) error {
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok {
		return errNoHalfClose
	}
	if err := half.CloseWrite(); err != nil {
		return err
	}
	if err := conn.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	_, err := conn.Read(make([]byte, 1))
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
