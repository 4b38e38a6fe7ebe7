package network

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// Stats counts packets by what the link did with them.
type Stats struct {
	Passed   uint64 // delivered at once
	Delayed  uint64 // delivered later
	Dropped  uint64 // by the policy
	Rejected uint64 // by the policy
	Overflow uint64 // lost because too many packets were under way
}

// link is the stack's only interface: a hairpin that hands every outbound packet back to the
// stack as an inbound one, after the policy has judged it.
type link struct {
	mtu     uint32
	hasAddr func(netip.Addr) bool
	policy  atomic.Pointer[Policy]

	mu      sync.RWMutex
	disp    stack.NetworkDispatcher
	queue   *delayQueue // started when first needed
	stopped bool

	passed, delayed, dropped, rejected, overflow atomic.Uint64
}

var _ stack.LinkEndpoint = (*link)(nil)

func newLink(mtu uint32, hasAddr func(netip.Addr) bool) *link {
	return &link{mtu: mtu, hasAddr: hasAddr}
}

func (l *link) setPolicy(p Policy) {
	if p == nil {
		l.policy.Store(nil)
		return
	}
	l.policy.Store(&p)
}

func (l *link) stats() Stats {
	return Stats{
		Passed: l.passed.Load(), Delayed: l.delayed.Load(), Dropped: l.dropped.Load(),
		Rejected: l.rejected.Load(), Overflow: l.overflow.Load(),
	}
}

// stop drops everything from now on and waits for the delivery goroutine. It can't be done in
// Attach(nil) or Wait, which the stack calls with a lock held that a delivery needs.
func (l *link) stop() {
	l.mu.Lock()
	l.disp = nil
	q := l.queue
	l.queue, l.stopped = nil, true
	l.mu.Unlock()
	if q != nil {
		q.stop()
	}
}

func (l *link) dispatcher() stack.NetworkDispatcher {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.disp
}

// WritePackets implements stack.LinkWriter.
func (l *link) WritePackets(pkts stack.PacketBufferList) (int, tcpip.Error) {
	d := l.dispatcher()
	if d == nil {
		return pkts.Len(), nil
	}
	policy := l.policy.Load()
	for _, pkt := range pkts.AsSlice() {
		var delay time.Duration
		p, ok := parse(pkt)
		if ok {
			if !l.hasAddr(p.Src) { // an interface that is gone sends nothing
				continue
			}
			if policy != nil {
				var v Verdict
				if v, delay = (*policy)(p); v != Pass {
					l.refuse(v, pkt, p)
					continue
				}
			}
		}
		np := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: pkt.ToBuffer()})
		// An ICMP error must not come back on the goroutine that is sending: it holds the lock of
		// the TCP socket that the error is for.
		if delay > 0 || ok && p.icmp() {
			l.later(np, pkt.NetworkProtocolNumber, delay)
			continue
		}
		l.passed.Add(1)
		d.DeliverNetworkPacket(pkt.NetworkProtocolNumber, np)
		np.DecRef()
	}
	return pkts.Len(), nil
}

func (l *link) refuse(v Verdict, pkt *stack.PacketBuffer, p Packet) {
	var answer []byte
	switch v {
	case RejectRST:
		answer = resetFor(pkt, p)
	case RejectICMP:
		answer = unreachableFor(pkt, p)
	}
	if answer == nil {
		l.dropped.Add(1)
		return
	}
	l.rejected.Add(1)
	l.later(stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(answer)}), pkt.NetworkProtocolNumber, 0)
}

// later delivers the packet from the queue's goroutine after the delay.
func (l *link) later(pkt *stack.PacketBuffer, proto tcpip.NetworkProtocolNumber, delay time.Duration) {
	l.mu.Lock()
	if l.queue == nil && !l.stopped {
		l.queue = newDelayQueue(l.dispatcher)
	}
	q := l.queue
	l.mu.Unlock()
	if q == nil || !q.push(pkt, proto, delay) {
		l.overflow.Add(1)
		pkt.DecRef()
		return
	}
	l.delayed.Add(1)
}

// Attach implements stack.NetworkLinkEndpoint.
func (l *link) Attach(d stack.NetworkDispatcher) {
	l.mu.Lock()
	l.disp = d
	l.mu.Unlock()
}

// IsAttached implements stack.NetworkLinkEndpoint.
func (l *link) IsAttached() bool { return l.dispatcher() != nil }

// MTU implements stack.NetworkLinkEndpoint.
func (l *link) MTU() uint32 { return l.mtu }

// SetMTU implements stack.NetworkLinkEndpoint; the size is fixed when the network is made.
func (*link) SetMTU(uint32) {}

// MaxHeaderLength implements stack.NetworkLinkEndpoint.
func (*link) MaxHeaderLength() uint16 { return 0 }

// LinkAddress implements stack.NetworkLinkEndpoint.
func (*link) LinkAddress() tcpip.LinkAddress { return "" }

// SetLinkAddress implements stack.NetworkLinkEndpoint.
func (*link) SetLinkAddress(tcpip.LinkAddress) {}

// Wait implements stack.NetworkLinkEndpoint; stop does the waiting.
func (*link) Wait() {}

// ARPHardwareType implements stack.NetworkLinkEndpoint.
func (*link) ARPHardwareType() header.ARPHardwareType { return header.ARPHardwareNone }

// AddHeader implements stack.NetworkLinkEndpoint.
func (*link) AddHeader(*stack.PacketBuffer) {}

// ParseHeader implements stack.NetworkLinkEndpoint.
func (*link) ParseHeader(*stack.PacketBuffer) bool { return true }

// Close implements stack.LinkEndpoint.
func (*link) Close() {}

// SetOnCloseAction implements stack.LinkEndpoint.
func (*link) SetOnCloseAction(func()) {}

// Capabilities implements stack.NetworkLinkEndpoint: packets never leave the process, so nobody
// needs their checksums.
func (*link) Capabilities() stack.LinkEndpointCapabilities {
	return stack.CapabilityRXChecksumOffload | stack.CapabilityTXChecksumOffload
}
