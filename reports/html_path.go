package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/suites"
)

// linkPath is the way of a packet: from the consumer through an interface in each zone to the service, and on to
// a node and the targets of each zone. It tells what was seen at each hop; what is wrong the verdicts tell.
type linkPath struct {
	Name              string
	Consumer, Service hop
	Zones             []zonePath
	Causes            [columns][]string // labels of the causes that lie at each column
}

// zonePath is the part of the way that a zone has of its own.
type zonePath struct {
	Zone                      string
	Interface, Nodes, Targets hop
}

// hop is one station.
type hop struct {
	Title string
	Lines []string
	Tone  tone
	Word  string // the state
	More  string // what else there is to say, where there is room
}

// The columns of the drawing.
const (
	consumerColumn = iota
	interfaceColumn
	serviceColumn
	nodeColumn
	targetColumn
	columns
)

func columnNames() [columns]string {
	return [columns]string{"Consumer", "Endpoint interface", "Endpoint service", "Load balancer node", "Targets"}
}

func pathOf(o *probes.Observation, rows []matrixRow, roots []suites.Verdict) linkPath {
	p := linkPath{Name: clean(o.Link.Name), Consumer: consumerHop(o), Service: serviceHop(o)}
	for _, zone := range zonesOf(o) {
		p.Zones = append(p.Zones, zonePath{zone, interfaceHop(o, rows, zone), nodeHop(o, zone), targetHop(o, zone)})
	}
	for i, v := range roots {
		label := fmt.Sprintf("cause %d", i+1)
		if v.Stands() {
			label = "known"
		}
		if c := columnOf(v); c >= 0 && !slices.Contains(p.Causes[c], label) {
			p.Causes[c] = append(p.Causes[c], label)
		}
	}
	return p
}

// columnOf says at which hop a check looks: the furthest that it needs to see; -1 is none of them.
func columnOf(v suites.Verdict) int {
	switch v.Area {
	case "identity", "quota", "scope":
		return -1
	case "dns":
		return consumerColumn
	case "verification":
		return serviceColumn
	case "reachability":
		return interfaceColumn
	}
	c, ok := suites.Find(suites.Catalogue(), v.Check)
	if !ok {
		return -1
	}
	column := -1
	for _, item := range slices.Concat(c.Needs, c.NeedsOne) {
		column = max(column, itemColumn(item))
	}
	return column
}

func itemColumn(item string) int {
	side, what, _ := strings.Cut(item, ".")
	switch {
	case item == "consumer.service" || side == "provider" && slices.Contains([]string{"service", "permissions", "connections", "hostedZones", "zones"}, what):
		return serviceColumn
	case item == "consumer.vpc" || item == "consumer.hostedZones" || item == "consumer.dhcpOptions" || side == "dns",
		item == "path.clients" || item == "path.clientGroups" || item == "path.routes":
		return consumerColumn
	case side == "consumer" || item == "path.consumerAcls" || side == "reach":
		return interfaceColumn
	case item == "provider.targetGroups" || item == "provider.targetHealth" || item == "path.targets" || item == "path.targetGroups":
		return targetColumn
	}
	return nodeColumn
}

// zonesOf are all zones that the link touches, by their ids; "" stands for one that is not known.
func zonesOf(o *probes.Observation) []string {
	var zones []string
	add := func(id, name string) {
		if z := clean(cmp.Or(id, name)); !slices.Contains(zones, z) {
			zones = append(zones, z)
		}
	}
	for _, n := range itemValue(o.Consumer.Interfaces) {
		add(n.ZoneID, n.ZoneName)
	}
	for _, lb := range itemValue(o.Provider.LoadBalancers) {
		for _, z := range lb.Zones {
			add(z.ZoneID, z.ZoneName)
		}
	}
	for _, t := range itemValue(o.Provider.TargetHealth) {
		add(t.ZoneID, t.ZoneName)
	}
	if len(zones) == 0 {
		zones = []string{""}
	}
	slices.Sort(zones)
	return zones
}
