package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/linkassay/linkassay/probes"
)

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
	for _, v := range reaching {
		h.Lines = append(h.Lines, clean(v))
	}
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
