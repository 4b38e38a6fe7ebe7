package lab

import (
	"cmp"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// engine is what makes the world go: its clock, its ids, and what AWS keeps beside the resources
// that have a type of their own.
type engine struct {
	seed    uint64
	timing  Timing
	region  string         // where default zones and profiles point
	order   map[string]int // position of each account in Options: decides its zone names
	ids     *idSource
	log     *slog.Logger
	plane   *plane
	clock   *scheduler
	closing chan struct{} // closed when the world stops
	wg      sync.WaitGroup
	stopped sync.Once

	last    time.Time             // the latest stamp given
	parts   map[string]*vpcParts  // by VPC id
	cursors map[string]netip.Addr // by subnet id: the address given last
	mapped  map[string]bool       // by subnet id: MapPublicIpOnLaunch
	booked  map[string]booking    // by instance id
	fixed   map[string]bool       // load balancer interfaces whose address was asked for
	tls     map[string]tlsSetting // by listener ARN

	endpointQuota    int                 // interface endpoints in a VPC
	endpointPolicies bool                // Options.EndpointPolicies
	dhcp             map[string]*dhcpSet // by dopt- id: those that were made
}

// newWorld makes an empty world and starts its clock. The accounts are added by whoever starts
// the lab; close stops it.
func newWorld(opts Options, ids *idSource, log *slog.Logger) *world {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	accounts := opts.Accounts
	if len(accounts) == 0 {
		accounts = DefaultAccounts()
	}
	timing := opts.Timing
	if timing == (Timing{}) {
		timing = Brisk()
	}
	w := &world{
		engine: engine{
			seed: ids.seed, timing: timing, region: cmp.Or(opts.Region, "ap-southeast-1"),
			order: map[string]int{}, ids: ids, log: log, closing: make(chan struct{}),
			parts: map[string]*vpcParts{}, cursors: map[string]netip.Addr{},
			mapped: map[string]bool{}, booked: map[string]booking{},
			endpointQuota: cmp.Or(opts.EndpointsPerVPC, maxEndpointsPerVPC), endpointPolicies: opts.EndpointPolicies,
			fixed: map[string]bool{}, tls: map[string]tlsSetting{}, dhcp: map[string]*dhcpSet{},
		},
		accounts: map[string]*account{}, keys: map[string]*accessKey{},
		vpcs: map[string]*vpc{}, subnets: map[string]*subnet{}, groups: map[string]*securityGroup{}, acls: map[string]*networkACL{},
		interfaces: map[string]*networkInterface{}, instances: map[string]*instance{},
		gateways: map[string]*internetGateway{}, loadBalancers: map[string]*loadBalancer{},
		targetGroups: map[string]*targetGroup{}, listeners: map[string]*listener{},
		services: map[string]*endpointService{}, endpoints: map[string]*endpoint{},
		hostedZones: map[string]*hostedZone{}, changes: map[string]*change{},
		clientTokens: map[string]clientToken{},
	}
	for i, a := range accounts {
		w.order[a.ID] = i
	}
	w.clock = newScheduler()
	w.wg.Go(func() {
		w.clock.loop(w.closing, func(f func()) {
			w.mu.Lock()
			defer w.mu.Unlock()
			defer func() { // a panic costs the transition, not the lab
				if p := recover(); p != nil {
					w.log.Error("panic in a transition", "panic", p, "stack", string(debug.Stack()))
				}
			}()
			select {
			case <-w.closing: // closed while waiting for the lock
			default:
				f()
				w.changed()
			}
		})
	})
	return w
}

// after runs f once d has passed, with w.mu held, and then lets the data plane follow. It returns
// at once, whatever d is; f never runs after close. what says in the log which transition it was.
func (w *world) after(d time.Duration, what string, f func()) {
	w.clock.add(time.Now().Add(d), func() {
		w.log.Debug("transition", "what", what)
		f()
	})
}

// close stops the clock and waits for it. It must not be called with w.mu held.
func (w *world) close() {
	w.stopped.Do(func() { close(w.closing) })
	w.wg.Wait()
}

// stamp is the present as a creation time: each is later than the one before, so that lists sorted
// by it are in the order of creation.
func (w *world) stamp() time.Time {
	now := time.Now()
	if !now.After(w.last) {
		now = w.last.Add(time.Nanosecond)
	}
	w.last = now
	return now
}

func (w *world) newID(prefix string) string { return prefix + "-" + w.ids.hex(17) }
func (w *world) hex(n int) string           { return w.ids.hex(n) }
func (w *world) alnum(n int) string         { return w.ids.alnum(n) }
func (w *world) mixed(n int) string         { return w.ids.mixed(n) }

// arn builds arn:aws:service:region:account:resource.
func (w *world) arn(service, region, account, resource string) string {
	return "arn:aws:" + service + ":" + region + ":" + account + ":" + resource
}

// record lets generic code reach what every resource has.
func (o *owned) record() *owned { return o }

type resource interface{ record() *owned }

// mine lists the caller's resources in the Region of the call, oldest first.
func mine[T resource](c *call, m map[string]T) []T {
	var out []T
	for _, r := range m {
		if o := r.record(); o.account == c.account && o.region == c.region {
			out = append(out, r)
		}
	}
	byAge(out)
	return out
}

// byAge sorts resources by creation; equal times by id, so that the order never varies.
func byAge[T resource](rs []T) {
	slices.SortFunc(rs, func(a, b T) int {
		x, y := a.record(), b.record()
		return cmp.Or(x.created.Compare(y.created), cmp.Compare(x.id, y.id))
	})
}

// timestamp writes a time as the EC2 and ELBv2 APIs do.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// allocate takes want, or the next free address when want is the zero value, from the subnet. AWS
// keeps the first four and the last address. It does not give an address again soon after it was
// freed, and neither does the lab.
func (w *world) allocate(s *subnet, want netip.Addr) (netip.Addr, error) {
	first, last := usable(s.cidr)
	if want.IsValid() {
		switch _, used := s.used[want]; {
		case !s.cidr.Contains(want):
			return netip.Addr{}, wire.Errorf(400, "InvalidParameterValue", "Address does not fall within the subnet's address range")
		case want.Less(first) || last.Less(want):
			return netip.Addr{}, wire.Errorf(400, "InvalidParameterValue", "Address %s is in subnet's reserved address range", want)
		case used:
			return netip.Addr{}, wire.Errorf(400, "InvalidIPAddress.InUse", "Address %s is in use.", want)
		}
		s.used[want] = ""
		return want, nil
	}
	start := first
	if c, ok := w.cursors[s.id]; ok && c.Less(last) {
		start = c.Next()
	}
	for a, wrapped := start, false; ; a = a.Next() {
		if last.Less(a) {
			if a = first; wrapped {
				break
			}
			wrapped = true
		}
		if wrapped && !a.Less(start) {
			break
		}
		if _, used := s.used[a]; !used {
			s.used[a] = ""
			w.cursors[s.id] = a
			return a, nil
		}
	}
	return netip.Addr{}, wire.Errorf(400, "InsufficientFreeAddressesInSubnet",
		"There are not enough free addresses in subnet '%s' to satisfy the requested number of instances.", s.id)
}

// newInterface makes a network interface in the subnet and gives it to the data plane. kind is
// interface, vpc_endpoint or network_load_balancer; owner is what it belongs to; a valid want asks
// for that very address.
func (w *world) newInterface(s *subnet, kind, description, owner string, groups []string, want netip.Addr) (*networkInterface, error) {
	addr, err := w.allocate(s, want)
	if err != nil {
		return nil, err
	}
	n := &networkInterface{
		owned: owned{id: w.newID("eni"), account: s.account, region: s.region, created: w.stamp(), tags: tags{}},
		vpc:   s.vpc, subnet: s.id, addr: addr, groups: slices.Clone(groups),
		description: description, kind: kind, status: "in-use", owner: owner, mac: w.mac(),
	}
	switch kind {
	case "vpc_endpoint":
		n.managed, n.requesterID = true, "727180483921"
	case "network_load_balancer", "gateway_load_balancer":
		n.managed, n.requesterID = true, "amazon-elb"
	}
	s.used[addr] = n.id
	w.interfaces[n.id] = n
	if w.plane != nil {
		if err := w.plane.attach(n); err != nil {
			delete(w.interfaces, n.id)
			delete(s.used, addr)
			return nil, wire.Errorf(500, "InternalError", "attach %s to the network of %s: %s", addr, s.vpc, err)
		}
	}
	return n, nil
}

// mac makes a locally administered hardware address.
func (w *world) mac() string {
	h := w.hex(10)
	out := "02"
	for i := 0; i < len(h); i += 2 {
		out += ":" + h[i:i+2]
	}
	return out
}

// removeInterface takes the interface from the data plane and frees its address.
func (w *world) removeInterface(n *networkInterface) {
	if n == nil || w.interfaces[n.id] != n {
		return
	}
	if w.plane != nil {
		w.plane.detach(n)
	}
	delete(w.interfaces, n.id)
	if s := w.subnets[n.subnet]; s != nil {
		delete(s.used, n.addr)
	}
}

// usable gives the first and the last address of a subnet that a resource may have.
func usable(p netip.Prefix) (first, last netip.Addr) {
	first = p.Masked().Addr()
	for range 4 {
		first = first.Next()
	}
	return first, lastAddr(p).Prev()
}

// lastAddr is a prefix's last address.
func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().As4()
	for bit := p.Bits(); bit < 32; bit++ {
		b[bit/8] |= 1 << (7 - bit%8)
	}
	return netip.AddrFrom4(b)
}

// freeAddresses counts what AvailableIpAddressCount shows.
func freeAddresses(s *subnet) int { return 1<<(32-s.cidr.Bits()) - 5 - len(s.used) }

// itoa keeps struct literals of the wire short.
func itoa(n int) string { return strconv.Itoa(n) }
