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

// without says why there is nothing to show of an item.
func without[T any](it *probes.Item[T]) (hop, bool) {
	switch {
	case it == nil:
		return hop{Tone: unsure, Word: "not asked"}, true
	case it.Absent == probes.NoSubject:
		return hop{Tone: dull, Word: "does not exist"}, true
	case it.Absent != "":
		h := hop{Lines: []string{clean(string(it.Absent))}, Tone: unsure, Word: "not asked"}
		if it.Absent == probes.NoProviderAccess || it.Absent == probes.NoConsumerAccess {
			h.Lines[0] = "no access to it"
		}
		return h, true
	case it.Error != nil:
		return hop{Lines: []string{clean(string(it.Error.Class)), clean(it.Error.Operation)}, Tone: unsure, Word: "could not be told"}, true
	}
	return hop{}, false
}

// consumerHop is the consumer's network, and whether the link's name leads anywhere from there.
func consumerHop(o *probes.Observation) hop {
	h := hop{Title: "account " + clean(o.Link.Consumer.Account)}
	if vpc := itemValue(o.Consumer.Endpoint).VPCID; vpc != "" {
		h.Lines = append(h.Lines, clean(vpc))
	}
	var reaching []string
	for _, v := range o.Link.Vantages {
		if v.Expect != "timeout" {
			reaching = append(reaching, v.Name)
		}
	}
	h.Lines = append(h.Lines, plural(len(reaching), "vantage", "vantages"))
	lookups, name := itemValue(o.DNS.Private), "name"
	if o.Link.PrivateDNSName == "" {
		lookups, name = itemValue(o.DNS.Regional), "regional name"
	}
	asked, wrong, ok := 0, "", 0
	for _, l := range lookups {
		if l.Type != "A" || !slices.Contains(reaching, l.Vantage) {
			continue
		}
		asked++
		if l.Outcome == probes.OK && len(l.Addrs) > 0 {
			ok++
		} else {
			wrong = clean(string(l.Outcome))
		}
	}
	switch {
	case asked == 0:
		h.Tone, h.Word = unsure, "name not asked"
	case ok == asked:
		h.Tone, h.Word = good, name+" resolves"
	case ok > 0:
		h.Tone, h.Word = warn, fmt.Sprintf("%s: %s from %d of %d", name, wrong, asked-ok, asked)
	default:
		h.Tone, h.Word = bad, name+": "+wrong
	}
	return h
}

// interfaceHop is the endpoint's interface in a zone, and how its ports answered there.
func interfaceHop(o *probes.Observation, rows []matrixRow, zone string) hop {
	h, none := without(o.Consumer.Interfaces)
	if !none {
		for _, n := range itemValue(o.Consumer.Interfaces) {
			if clean(cmp.Or(n.ZoneID, n.ZoneName)) != zone {
				continue
			}
			h.Lines = append(h.Lines, clean(n.ID))
			for _, ip := range n.IPs {
				h.Lines = append(h.Lines, ip.String())
			}
			if n.Status != "in-use" {
				h.Tone, h.Word = bad, clean("interface "+n.Status)
			}
		}
		if len(h.Lines) == 0 {
			h.Tone, h.Word = dull, "no interface"
		}
	}
	h.Title = zoneTitle(zone)
	if h.Tone != "" && h.Tone != unsure {
		return h
	}
	if t, word, more := portsIn(o, rows, zone); word != "" {
		h.Tone, h.Word, h.More = t, word, more
	} else if h.Tone == "" {
		h.Tone, h.Word = unsure, "not tried"
	}
	return h
}

func zoneTitle(zone string) string {
	if zone == "" {
		return "zone not known"
	}
	return zone
}

// portsIn sums up how the ports of the interfaces in a zone answered to the vantages that expect an answer: in
// a few words, and what else there is to say.
func portsIn(o *probes.Observation, rows []matrixRow, zone string) (t tone, word, more string) {
	type group struct{ ports, said string }
	var wrong []group
	var answering []string
	for i, port := range o.Link.Ports {
		fine, all, said := 0, 0, ""
		for _, r := range rows {
			if r.closed || r.zone != zone || r.cells[i] == "" || r.cells[i] == string(probes.NotAsked) {
				continue
			}
			all++
			if r.fine[i] {
				fine++
			} else {
				said = r.cells[i]
			}
		}
		number := fmt.Sprint(port.Port)
		if fine > 0 && fine < all {
			said = fmt.Sprintf("%d of %d %s", all-fine, all, said)
		}
		k := slices.IndexFunc(wrong, func(g group) bool { return g.said == said })
		switch {
		case all == 0:
		case fine == all:
			answering = append(answering, number)
		case k >= 0:
			wrong[k].ports += ", " + number
		default:
			wrong = append(wrong, group{number, said})
		}
	}
	if len(answering) > 0 {
		word = "answers on " + strings.Join(answering, ", ")
	}
	if len(wrong) == 0 {
		return good, word, ""
	}
	more = word
	for _, g := range wrong[1:] {
		more = strings.TrimPrefix(more+"; "+g.ports+": "+g.said, "; ")
	}
	return bad, wrong[0].ports + ": " + wrong[0].said, more
}

// serviceHop is the service, and the state of the connection to it.
func serviceHop(o *probes.Observation) hop {
	h, none := without(o.Provider.Service)
	seen := itemValue(o.Consumer.Service)
	s := itemValue(o.Provider.Service)
	if id := clean(cmp.Or(s.ID, o.Link.Provider.ServiceID, seen.ID)); id != "" {
		h.Title = id
	} else {
		h.Title = clean(cmp.Or(o.Link.Provider.ServiceName, "service not known"))
	}
	connection := itemValue(o.Consumer.Endpoint).State
	if connection == "" {
		for _, c := range itemValue(o.Provider.Connections) {
			if c.EndpointID == o.Link.Consumer.EndpointID {
				connection = c.State
			}
		}
	}
	switch {
	case !none && !s.Found:
		h.Tone, h.Word = bad, "does not exist"
		return h
	case !none:
		h.Lines = append(h.Lines, clean("service "+s.State))
	case seen.Visible:
		h.Lines = append(h.Lines, "seen by the consumer")
	}
	if s.Verification != nil {
		h.Lines = append(h.Lines, clean("name "+s.Verification.State))
	}
	switch {
	case connection == "":
		h.Tone, h.Word = unsure, "connection not known"
		if itemValue(o.Consumer.Endpoint).Code != "" {
			h.Tone, h.Word = bad, "no endpoint"
		}
	case strings.EqualFold(connection, "available"):
		h.Tone, h.Word = good, "connection available"
	default:
		h.Tone, h.Word = bad, clean("connection "+connection)
	}
	if !none && !strings.EqualFold(s.State, "available") {
		h.Tone = bad
	}
	return h
}

// nodeHop is the load balancer in a zone, and whether it listens on the link's ports.
func nodeHop(o *probes.Observation, zone string) hop {
	h, none := without(o.Provider.LoadBalancers)
	h.Title = zoneTitle(zone)
	if none {
		return h
	}
	var here []probes.LoadBalancer
	for _, lb := range itemValue(o.Provider.LoadBalancers) {
		if slices.ContainsFunc(lb.Zones, func(z probes.LoadBalancerZone) bool { return clean(cmp.Or(z.ZoneID, z.ZoneName)) == zone }) {
			here = append(here, lb)
		}
	}
	if len(here) == 0 {
		h.Tone, h.Word = dull, "no node"
		return h
	}
	h.Tone, h.Word = good, "listening"
	for _, lb := range here {
		h.Lines = append(h.Lines, clean(lb.Name))
		for _, n := range itemValue(o.Path.Nodes) {
			if n.LoadBalancerARN == lb.ARN && clean(cmp.Or(n.ZoneID, n.ZoneName)) == zone {
				for _, ip := range n.IPs {
					h.Lines = append(h.Lines, ip.String())
				}
			}
		}
		if !strings.EqualFold(lb.State, "active") {
			h.Tone, h.Word = bad, clean("load balancer "+lb.State)
			return h
		}
	}
	if _, none := without(o.Provider.Listeners); none {
		h.Tone, h.Word = unsure, "listeners not known"
		return h
	}
	var missing []string
	for _, port := range o.Link.Ports {
		if !slices.ContainsFunc(itemValue(o.Provider.Listeners), func(l probes.Listener) bool { return l.Port == port.Port }) {
			missing = append(missing, fmt.Sprint(port.Port))
		}
	}
	if len(missing) > 0 {
		h.Tone, h.Word = bad, "no listener on "+strings.Join(missing, ", ")
	}
	return h
}

// targetHop is the targets in a zone and how many of their registrations are healthy.
func targetHop(o *probes.Observation, zone string) hop {
	h, none := without(o.Provider.TargetHealth)
	h.Title = zoneTitle(zone)
	if none {
		return h
	}
	healthy, all, state := 0, 0, ""
	for _, t := range itemValue(o.Provider.TargetHealth) {
		if clean(cmp.Or(t.ZoneID, t.ZoneName)) != zone {
			continue
		}
		all++
		if t.State == "healthy" {
			healthy++
		} else {
			state = clean(t.State)
		}
		if id := clean(t.TargetID); !slices.Contains(h.Lines, id) {
			h.Lines = append(h.Lines, id)
		}
	}
	switch {
	case all == 0:
		h.Tone, h.Word = dull, "no target"
	case healthy == all:
		h.Tone, h.Word = good, fmt.Sprintf("%d of %d healthy", healthy, all)
	case healthy == 0:
		h.Tone, h.Word = bad, fmt.Sprintf("%d of %d %s", all, all, state)
	default:
		h.Tone, h.Word = warn, fmt.Sprintf("%d of %d healthy", healthy, all)
	}
	return h
}
