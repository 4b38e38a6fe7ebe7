package network

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

const (
	nicID tcpip.NICID = 1

	defaultMTU      = 8500 // bytes: what an interface endpoint's path carries
	defaultTimeWait = 200 * time.Millisecond

	tcpBuffer = 256 << 10 // bytes, send and receive each, at the start of a connection

	// maxHandshakes bounds the SYNs that wait for a Flow's handler to decide. A load balancer that
	// waits for silent targets holds many, and above the bound SYNs are lost, which would look like
	// a fault that nobody injected.
	maxHandshakes = 1 << 16
)

// Options describe a network. The zero value gives the defaults.
type Options struct {
	MTU      uint32        // bytes, IP header included; 8500 by default
	TimeWait time.Duration // how long a closed TCP connection is remembered; 200 ms by default
}

// Net is one isolated network of IPv4 and IPv6 addresses.
type Net struct {
	stack *stack.Stack
	link  *link

	ctx    context.Context // ends when Close begins
	cancel context.CancelFunc

	life    sync.Mutex // guards closed, and work.Add against Close's wait
	closed  bool
	work    sync.WaitGroup // dials and handlers in progress
	stopped chan struct{}  // closed when Close has finished

	port atomic.Uint32 // last source port given to a TCP dial

	addrMu sync.Mutex // one AddAddr or DelAddr at a time; never taken by the link

	mu       sync.RWMutex
	addrs    map[netip.Addr]bool
	handlers map[netip.Addr]func(context.Context, *Flow)
}

// New makes a network without addresses.
func New(o Options) (*Net, error) {
	if o.MTU == 0 {
		o.MTU = defaultMTU
	}
	if o.TimeWait == 0 {
		o.TimeWait = defaultTimeWait
	}
	s := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6},
		HandleLocal:        false, // or packets to the network's own addresses would never reach the link
	})
	n := &Net{
		stack:    s,
		stopped:  make(chan struct{}),
		addrs:    map[netip.Addr]bool{},
		handlers: map[netip.Addr]func(context.Context, *Flow){},
	}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	n.link = newLink(o.MTU, n.hasAddr)
	if err := n.configure(o); err != nil {
		n.cancel()
		s.Destroy()
		return nil, fmt.Errorf("network: configure the stack: %w", err)
	}
	return n, nil
}

func (n *Net) configure(o Options) error {
	if e := n.stack.CreateNIC(nicID, n.link); e != nil {
		return errors.New(e.String())
	}
	n.stack.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: nicID}, {Destination: header.IPv6EmptySubnet, NIC: nicID}})
	sack := tcpip.TCPSACKEnabled(true)
	// RACK off: with round trips of microseconds its tail loss probes fire whenever the CPU is busy.
	rack := tcpip.TCPRecovery(0)
	wait := tcpip.TCPTimeWaitTimeoutOption(o.TimeWait)
	rcv := tcpip.TCPReceiveBufferSizeRangeOption{Min: 4 << 10, Default: tcpBuffer, Max: 4 << 20}
	snd := tcpip.TCPSendBufferSizeRangeOption{Min: 4 << 10, Default: tcpBuffer, Max: 4 << 20}
	for _, opt := range []tcpip.SettableTransportProtocolOption{&sack, &rack, &wait, &rcv, &snd} {
		if e := n.stack.SetTransportProtocolOption(tcp.ProtocolNumber, opt); e != nil {
			return fmt.Errorf("TCP option %T: %s", opt, e)
		}
	}
	fwd := tcp.NewForwarder(n.stack, 0, maxHandshakes, n.onSYN)
	n.stack.SetTransportProtocolHandler(tcp.ProtocolNumber, fwd.HandlePacket)
	return nil
}

// AddAddr gives the network the address a. Until then packets to a vanish.
func (n *Net) AddAddr(a netip.Addr) error {
	a = a.Unmap()
	if !a.IsValid() || a.Zone() != "" {
		return fmt.Errorf("network: add address %s: not an address without a zone", a)
	}
	n.addrMu.Lock()
	defer n.addrMu.Unlock()
	if n.hasAddr(a) {
		return fmt.Errorf("network: add address %s: the network has it already", a)
	}
	// A /32 or /128, because with a wider prefix the stack takes x.x.x.255 for a broadcast; never primary,
	// because every socket here binds its own source and choosing one costs time per address.
	e := n.stack.AddProtocolAddress(nicID,
		tcpip.ProtocolAddress{Protocol: protocolOf(a), AddressWithPrefix: toStack(a).WithPrefix()},
		stack.AddressProperties{PEB: stack.NeverPrimaryEndpoint})
	if e != nil {
		return fmt.Errorf("network: add address %s: %s", a, e)
	}
	n.mu.Lock()
	n.addrs[a] = true
	n.mu.Unlock()
	return nil
}

// DelAddr takes the address away, as when an interface is deleted: sockets bound to it fail, and
// their peers hear nothing more.
func (n *Net) DelAddr(a netip.Addr) {
	a = a.Unmap()
	n.addrMu.Lock()
	defer n.addrMu.Unlock()
	if !n.hasAddr(a) {
		return
	}
	n.mu.Lock()
	delete(n.addrs, a) // from here on the link drops what a sends, so the aborts below stay silent
	n.mu.Unlock()
	n.stack.RemoveAddress(nicID, toStack(a))
	for _, e := range n.stack.RegisteredEndpoints() {
		i, ok := e.(interface{ Info() tcpip.EndpointInfo })
		if !ok {
			continue
		}
		if info, ok := i.Info().(*stack.TransportEndpointInfo); ok && info.ID.LocalAddress == toStack(a) {
			e.Abort()
		}
	}
}

// HasAddr tells whether a is an address of the network.
func (n *Net) HasAddr(a netip.Addr) bool { return n.hasAddr(a.Unmap()) }

func (n *Net) hasAddr(a netip.Addr) bool {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.addrs[a]
}

// SetPolicy replaces the policy that judges every packet; nil passes all.
func (n *Net) SetPolicy(p Policy) { n.link.setPolicy(p) }

// Stats returns what the link did with the packets so far.
func (n *Net) Stats() Stats { return n.link.stats() }

// enter registers one piece of work that Close waits for; false once Close has begun.
func (n *Net) enter() bool {
	n.life.Lock()
	defer n.life.Unlock()
	if n.closed {
		return false
	}
	n.work.Add(1)
	return true
}

func (n *Net) closing() bool { return n.ctx.Err() != nil }

// Close refuses new work, aborts every socket and waits for dials and handlers. Networks that are
// joined by flows (a handler in one that dials in the other) must be closed with CloseAll.
func (n *Net) Close() {
	n.life.Lock()
	if n.closed {
		n.life.Unlock()
		<-n.stopped
		return
	}
	n.closed = true
	n.cancel()
	n.life.Unlock()
	defer close(n.stopped)
	idle := make(chan struct{})
	go func() { n.work.Wait(); close(idle) }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	// Again and again: a handshake in progress may register its socket after any single pass, and
	// the stack's own Destroy would then wait for it for ever.
	for done := false; !done; {
		for _, e := range n.stack.RegisteredEndpoints() {
			e.Abort()
		}
		select {
		case <-idle:
			done = true
		case <-tick.C:
		}
	}
	n.link.stop() // before Destroy, which holds a lock that a delivery in progress needs
	n.stack.Destroy()
}

// CloseAll closes several networks at once: the two halves of a flow live in two networks, and
// each half ends only when the other does.
func CloseAll(nets ...*Net) {
	var wg sync.WaitGroup
	for _, n := range nets {
		wg.Go(n.Close)
	}
	wg.Wait()
}

// protocolOf is the protocol of an address that is not mapped.
func protocolOf(a netip.Addr) tcpip.NetworkProtocolNumber {
	if a.Is4() {
		return ipv4.ProtocolNumber
	}
	return ipv6.ProtocolNumber
}

func toStack(a netip.Addr) tcpip.Address { return tcpip.AddrFromSlice(a.Unmap().AsSlice()) }

func toFull(ap netip.AddrPort) tcpip.FullAddress {
	return tcpip.FullAddress{NIC: nicID, Addr: toStack(ap.Addr()), Port: ap.Port()}
}

func fromStack(a tcpip.Address, port uint16) netip.AddrPort {
	x, _ := netip.AddrFromSlice(a.AsSlice())
	return netip.AddrPortFrom(x, port)
}
