package names

import (
	"fmt"
	"net/netip"

	"github.com/miekg/dns"
)

const (
	setsPerRound = 512 // delegation sets whose servers are numbered below 2,048, as Route 53's are
	hostingSets  = 3072
)

// hostingSuffixes are where Route 53's name servers live, in the order of their numbers.
var hostingSuffixes = [...]string{"com.", "net.", "org.", "co.uk."}

// hosting keeps count of the name servers that were given out.
type hosting struct {
	next  int              // sets given out
	zones map[string]*Zone // awsdns-NN.com. and so on
}

// NameServers makes a fresh delegation set of n name servers, named and numbered as Route 53's
// and each on the address that Route 53's server of that name has. The names have no final dot.
// They resolve like any other name, through zones that their parents delegate.
func (i *Internet) NameServers(n int) []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	var names []string
	for k := range n {
		set, block := i.hosting.next+k/len(hostingSuffixes), k%len(hostingSuffixes)
		name, err := i.hostingServer(set%hostingSets, block)
		if err != nil {
			i.log.Error("cannot make a name server for a hosted zone", "error", err)
			continue
		}
		names = append(names, name[:len(name)-1])
	}
	i.hosting.next += (n + len(hostingSuffixes) - 1) / len(hostingSuffixes)
	return names
}

// hostingServer gives the server of one set and block. The multipliers scatter the numbers, so
// that the servers of a set don't look alike.
func (i *Internet) hostingServer(set, block int) (string, error) {
	round := set / setsPerRound
	k := (set%setsPerRound*73 + block*131 + 17) % setsPerRound
	number := round*setsPerRound*len(hostingSuffixes) + block*setsPerRound + k
	origin := fmt.Sprintf("awsdns-%02d.%s", round*setsPerRound/8+k/8, hostingSuffixes[block])
	name := fmt.Sprintf("ns-%d.%s", number, origin)
	if i.hosts[name] != nil {
		return name, nil // the sets have come round again
	}
	z, err := i.hostingZone(origin, block)
	if err != nil {
		return "", err
	}
	addr := netip.AddrFrom4([4]byte{205, 251, byte(192 + number>>8), byte(number)})
	if _, err := i.addServer(host{name, addr}); err != nil {
		return "", err
	}
	z.Set(name, dns.TypeA, addressRecords(name, rootTTL, addr))
	return name, nil
}

// hostingZone is the zone that the name servers' own names are in. All those of a suffix are on
// one server, apart from the hosted zones', so that a fault in one of those stays there.
func (i *Internet) hostingZone(origin string, block int) (*Zone, error) {
	if z := i.hosting.zones[origin]; z != nil {
		return z, nil
	}
	h := host{"g-ns-1." + origin, netip.AddrFrom4([4]byte{205, 251, 255, byte(block + 1)})}
	primary := host{"g-ns-1.awsdns-00." + hostingSuffixes[block], h.addr}
	s := i.hosts[primary.name]
	if s == nil {
		var err error
		if s, err = i.addServer(primary); err != nil {
			return nil, err
		}
	}
	i.hosts[h.name] = s
	z := NewZone(origin, nil, h.name)
	z.Set(h.name, dns.TypeA, addressRecords(h.name, rootTTL, h.addr))
	s.serve(z)
	p := &publication{zone: z, servers: []string{h.name}}
	i.published[origin] = []*publication{p}
	i.delegate(p)
	i.hosting.zones[origin] = z
	return z, nil
}
