package main

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
)

// The shape of the fleet on loopback.
const (
	fleetVPCs     = 20
	fleetServices = 5
)

// member is a link of the fleet with what is known of it and where it is observed from.
type member struct {
	link  provision.Link
	known *probes.Observation
	src   probes.Sources
}

// recorded is a healthy link's Observation, as the suites are tested with.
func recorded() ([]byte, error) {
	for _, dir := range []string{".", ".."} {
		b, err := os.ReadFile(filepath.Join(dir, "suites", "testdata", "healthy.json"))
		if err == nil {
			return b, nil
		}
	}
	return nil, fmt.Errorf("read suites/testdata/healthy.json: not found; run the bench in the repository's folder")
}

// makeFleet makes links of the recorded one, with names and addresses of their own on loopback, and one port with HTTP. What is one
// VPC's or one service's is shared by its links, as it is where calls are; each has its own endpoint, interfaces, lookups and large requests.
func makeFleet(n int, p ports) ([]member, error) {
	text, err := recorded()
	if err != nil {
		return nil, err
	}
	v, err := probes.NewLocal()
	if err != nil {
		return nil, err
	}
	resolver := fmt.Sprintf("127.0.0.1:%d", p.DNS)
	// A service lists its connections, and a VPC its endpoints.
	var connections [fleetServices][]probes.Connection
	var endpoints [fleetVPCs][]probes.EndpointSummary
	var one probes.Observation
	if err := json.Unmarshal(text, &one); err != nil {
		return nil, err
	}
	for i := range n {
		c, e := one.Provider.Connections.Value[0], one.Consumer.Endpoints.Value[0]
		c.EndpointID, e.ID, e.ServiceName = endpointOf(i), endpointOf(i), fmt.Sprint(e.ServiceName, i)
		connections[i%fleetServices] = append(connections[i%fleetServices], c)
		endpoints[i%fleetVPCs] = append(endpoints[i%fleetVPCs], e)
	}
	templates := make([]*probes.Observation, min(n, fleetVPCs*fleetServices))
	for i := range templates {
		o := new(probes.Observation)
		if err := json.Unmarshal(onPort(text, p.HTTP), o); err != nil {
			return nil, err
		}
		o.Started = time.Now().UTC()
		o.Finished = o.Started
		o.Link.Ports = []provision.Port{{Port: p.HTTP, HTTP: &provision.HTTP{Path: "/"}}}
		o.Link.Vantages = []provision.Vantage{{Name: "subnet-a", From: "local", Zone: "apse1-az1", Resolver: resolver}}
		o.Reach = probes.Reach{Large: o.Reach.Large, Idle: o.Reach.Idle}
		o.Path.Clients.Value = o.Path.Clients.Value[:1]
		o.Provider.Connections.Value, o.Consumer.Endpoints.Value = connections[i%fleetServices], endpoints[i%fleetVPCs]
		templates[i] = o
	}
	fleet := make([]member, n)
	for i := range fleet {
		o := *templates[i%len(templates)]
		known := own(&o, i, p.HTTP)
		fleet[i] = member{link: known.Link, known: known, src: probes.Sources{Vantages: []probes.Placed{{Spec: known.Link.Vantages[0], Vantage: v}}}}
	}
	return fleet, nil
}

// onPort moves the recorded link from port 80 to another.
func onPort(text []byte, port uint16) []byte {
	to := fmt.Sprint(port)
	return []byte(strings.NewReplacer(`"port": 80,`, `"port": `+to+",", "\"port\": 80\n", `"port": `+to+"\n",
		`"fromPort": 80,`, `"fromPort": `+to+",", `"toPort": 80,`, `"toPort": `+to+",", `"toPort": 80`+"\n", `"toPort": `+to+"\n", `:80"`, ":"+to+`"`).Replace(string(text)))
}

// own gives a link what is its own.
func own(o *probes.Observation, i int, port uint16) *probes.Observation {
	const recordedID = "vpce-06da68c605432752f"
	id := endpointOf(i)
	rename := func(s string) string { return strings.ReplaceAll(s, recordedID, id) }
	o.Link.Name = fmt.Sprintf("link-%05d", i)
	o.Link.PrivateDNSName = privateNameOf(i)
	o.Link.Consumer.EndpointID = id
	service, seen := *o.Provider.Service, *o.Consumer.Service
	service.Value.PrivateDNSName = o.Link.PrivateDNSName
	seen.Value.PrivateDNSName = o.Link.PrivateDNSName
	o.Provider.Service, o.Consumer.Service = &service, &seen
	was := map[netip.Addr]netip.Addr{}

	interfaces := *o.Consumer.Interfaces
	interfaces.Value = nil
	for zone, n := range o.Consumer.Interfaces.Value {
		was[n.IPs[0]] = addressOf(i, zone)
		n.IPs = []netip.Addr{addressOf(i, zone)}
		interfaces.Value = append(interfaces.Value, n)
	}
	o.Consumer.Interfaces = &interfaces

	ep := *o.Consumer.Endpoint
	ep.Value.ID, ep.Value.RegionalName = id, rename(ep.Value.RegionalName)
	ep.Value.ZonalNames = nil
	for _, name := range o.Consumer.Endpoint.Value.ZonalNames {
		ep.Value.ZonalNames = append(ep.Value.ZonalNames, rename(name))
	}
	ep.Value.OtherNames = []string{o.Link.PrivateDNSName}
	o.Consumer.Endpoint = &ep

	lookups := func(it *probes.Item[[]probes.Lookup], name func(string) string) *probes.Item[[]probes.Lookup] {
		c := *it
		c.Value = nil
		for _, l := range it.Value {
			if l.Type != "A" {
				continue
			}
			l.Name = name(l.Name)
			var addrs []netip.Addr
			for _, a := range l.Addrs {
				addrs = append(addrs, was[a])
			}
			l.Addrs = addrs
			none := l
			none.Type, none.Outcome, none.Addrs = "AAAA", probes.NoData, nil
			c.Value = append(c.Value, l, none)
		}
		return &c
	}
	o.DNS.Private = lookups(o.DNS.Private, func(string) string { return o.Link.PrivateDNSName })
	o.DNS.Regional, o.DNS.Zonal = lookups(o.DNS.Regional, rename), lookups(o.DNS.Zonal, rename)

	large := *o.Reach.Large
	large.Value = nil
	for _, e := range o.Reach.Large.Value {
		if a, ok := was[e.Addr.Addr()]; ok {
			e.Addr = netip.AddrPortFrom(a, port)
			large.Value = append(large.Value, e)
		}
	}
	o.Reach.Large = &large
	return o
}
