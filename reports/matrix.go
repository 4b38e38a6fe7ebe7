package reports

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
)

// matrix is the link as seen from its vantages: each name and interface, the zone and address that it
// leads to, and how each port there answered.
type matrix struct {
	ports []uint16
	names []namedKind
	rows  []matrixRow
}

// namedKind is a name in full, which would be too long for the rows.
type namedKind struct{ kind, name string }

type matrixRow struct {
	from, name, zone, address string
	cells                     []string // one per port
	fine                      []bool   // each as the vantage expects it
	closed                    bool     // the vantage expects not to get through
}

// matrixOf builds the matrix from what was observed. It is empty for a link without vantages.
func matrixOf(o *probes.Observation) matrix { return matrixFrom(o, matrixRows(o)) }

// matrixRows are the rows of all vantages, each vantage's apart.
func matrixRows(o *probes.Observation) []matrixRow {
	var rows []matrixRow
	zones := zoneNames(o)
	for _, v := range o.Link.Vantages {
		for _, kind := range []probes.TargetKind{probes.TargetPrivate, probes.TargetRegional, probes.TargetZonal, probes.TargetInterface} {
			rows = append(rows, rowsOf(o, v, kind, zones)...)
		}
	}
	return rows
}

func matrixFrom(o *probes.Observation, rows []matrixRow) matrix {
	var m matrix
	for _, p := range o.Link.Ports {
		m.ports = append(m.ports, p.Port)
	}
	if len(rows) > 0 {
		for _, n := range []namedKind{{"private name", o.Link.PrivateDNSName}, {"regional name", itemValue(o.Consumer.Endpoint).RegionalName}} {
			if n.name != "" {
				m.names = append(m.names, namedKind{n.kind, clean(n.name)})
			}
		}
	}
	m.rows = merge(rows, o.Link.Vantages)
	return m
}

// merge puts rows into one where all vantages that expect to reach the link saw the same: many
// vantages on a healthy link are then as short to read as one.
func merge(rows []matrixRow, all []provision.Vantage) []matrixRow {
	var closed []string
	for _, v := range all {
		if v.Expect == provision.ExpectTimeout {
			closed = append(closed, clean(v.Name))
		}
	}
	vantages := len(all) - len(closed)
	if vantages < 2 {
		return rows
	}
	label := fmt.Sprintf("all %d vantages", vantages)
	if len(closed) > 0 {
		label = fmt.Sprintf("all %d (expect reach)", vantages)
	}
	same := func(a, b matrixRow) bool {
		return a.name == b.name && a.zone == b.zone && a.address == b.address && slices.Equal(a.cells, b.cells)
	}
	var out []matrixRow
	for _, r := range rows {
		seen := 0
		for _, b := range rows {
			if same(r, b) && !slices.Contains(closed, b.from) {
				seen++
			}
		}
		if seen == vantages && !slices.Contains(closed, r.from) {
			r.from = label
			if slices.ContainsFunc(out, func(b matrixRow) bool { return same(r, b) && b.from == r.from }) {
				continue
			}
		}
		out = append(out, r)
	}
	return out
}

// itemValue is an item's value, or none where a recording lacks the item.
func itemValue[T any](it *probes.Item[T]) T {
	if it == nil {
		var zero T
		return zero
	}
	return it.Value
}

// zoneNames maps the addresses of the endpoint's interfaces to their zones.
func zoneNames(o *probes.Observation) map[netip.Addr]string {
	zones := map[netip.Addr]string{}
	for _, n := range itemValue(o.Consumer.Interfaces) {
		zone := n.ZoneID
		if zone == "" {
			zone = n.ZoneName
		}
		for _, ip := range n.IPs {
			zones[ip] = zone
		}
	}
	return zones
}

// rowsOf are the rows of one kind of target from one vantage: a row per address that was dialled, and
// one per name that has no address.
func rowsOf(o *probes.Observation, v provision.Vantage, kind probes.TargetKind, zones map[netip.Addr]string) []matrixRow {
	label := strings.ReplaceAll(string(kind), "-", " ")
	var rows []matrixRow
	for _, l := range lookupsOf(o, kind) {
		if l.Vantage == v.Name && l.Type == "A" && len(l.Addrs) == 0 {
			rows = append(rows, matrixRow{
				from: clean(v.Name), name: label, zone: zoneOfName(o, l.Name), address: clean(string(l.Outcome)),
				cells: make([]string, len(o.Link.Ports)), fine: make([]bool, len(o.Link.Ports)), closed: v.Expect == provision.ExpectTimeout,
			})
		}
	}
	rows = slices.CompactFunc(rows, func(a, b matrixRow) bool { return a.zone == b.zone && a.address == b.address })
	type place struct {
		addr netip.Addr
		zone string
	}
	var places []place
	for _, a := range itemValue(o.Reach.TCP) {
		if a.Vantage != v.Name || a.Target.Kind != kind {
			continue
		}
		zone := a.Target.ZoneID
		if zone == "" {
			zone = zones[a.Addr.Addr()]
		}
		if p := (place{a.Addr.Addr(), zone}); !slices.Contains(places, p) {
			places = append(places, p)
		}
	}
	for _, p := range places {
		row := matrixRow{from: clean(v.Name), name: label, zone: clean(p.zone), address: p.addr.String(), closed: v.Expect == provision.ExpectTimeout}
		if row.zone == "" && len(zones) > 0 { // without interfaces nobody can tell whose it is
			row.zone = "not ours"
		}
		for _, port := range o.Link.Ports {
			said, fine := cell(o, v, kind, netip.AddrPortFrom(p.addr, port.Port), port)
			row.cells, row.fine = append(row.cells, said), append(row.fine, fine)
		}
		rows = append(rows, row)
	}
	slices.SortStableFunc(rows, func(a, b matrixRow) int { return strings.Compare(a.zone, b.zone) })
	return rows
}

func lookupsOf(o *probes.Observation, kind probes.TargetKind) []probes.Lookup {
	switch kind {
	case probes.TargetPrivate:
		return itemValue(o.DNS.Private)
	case probes.TargetRegional:
		return itemValue(o.DNS.Regional)
	case probes.TargetZonal:
		return itemValue(o.DNS.Zonal)
	}
	return nil
}

// zoneOfName is the zone that a zonal name is for.
func zoneOfName(o *probes.Observation, name string) string {
	label, _, _ := strings.Cut(name, ".")
	for _, n := range itemValue(o.Consumer.Interfaces) {
		if n.ZoneName != "" && strings.HasSuffix(label, "-"+n.ZoneName) {
			return clean(n.ZoneID)
		}
	}
	return ""
}

// cell says how a port answered, layer by layer as far as it got: "tcp ok, tls ok, http 200", and whether
// that is what the vantage expects.
func cell(o *probes.Observation, v provision.Vantage, kind probes.TargetKind, addr netip.AddrPort, port provision.Port) (said string, fine bool) {
	outcome, failed, tries := connects(o, v, kind, addr)
	if v.Expect == provision.ExpectTimeout || outcome != probes.OK {
		return clean(string(outcome)), v.Expect == provision.ExpectTimeout && outcome == probes.TimedOut
	}
	parts := []string{"tcp ok"}
	fine = failed == 0
	if !fine {
		parts[0] = fmt.Sprintf("tcp %d of %d", tries-failed, tries)
	}
	if port.TLS != nil {
		i := slices.IndexFunc(itemValue(o.Reach.TLS), func(h probes.Handshake) bool {
			return h.Vantage == v.Name && h.Target.Kind == kind && h.Addr == addr
		})
		if i >= 0 {
			h := o.Reach.TLS.Value[i]
			switch {
			case h.VerifyError != "":
				return strings.Join(append(parts, "not trusted"), ", "), false
			case h.Outcome != probes.OK:
				return strings.Join(append(parts, clean(string(h.Outcome))), ", "), false
			}
			parts = append(parts, "tls ok")
		}
	}
	if port.HTTP != nil {
		i := slices.IndexFunc(itemValue(o.Reach.HTTP), func(x probes.Exchange) bool {
			return x.Vantage == v.Name && x.Target.Kind == kind && x.Addr == addr
		})
		if i >= 0 {
			said, answered := answer(o.Reach.HTTP.Value[i], port.HTTP)
			parts, fine = append(parts, said), fine && answered
		}
	}
	return strings.Join(parts, ", "), fine
}

// answer says what came of an HTTP request, and whether it is what the link file asks for.
func answer(x probes.Exchange, want *provision.HTTP) (said string, fine bool) {
	switch {
	case x.Outcome != probes.OK:
		return clean(string(x.Outcome)), false
	case x.BodyMatched != nil && !*x.BodyMatched:
		return fmt.Sprintf("http %d, wrong body", x.Status), false
	case len(want.Status) == 0:
		fine = x.Status == 200
	default:
		fine = slices.Contains(want.Status, x.Status)
	}
	return fmt.Sprintf("http %d", x.Status), fine
}

// connects sums up the attempts on an address: OK when one try went well, else the last outcome.
func connects(o *probes.Observation, v provision.Vantage, kind probes.TargetKind, addr netip.AddrPort) (outcome probes.Outcome, failed, tries int) {
	outcome = probes.NotAsked
	for _, a := range itemValue(o.Reach.TCP) {
		if a.Vantage != v.Name || a.Target.Kind != kind || a.Addr != addr {
			continue
		}
		for _, t := range a.Tries {
			tries++
			if t.Outcome != probes.OK {
				failed++
			}
			if outcome != probes.OK {
				outcome = t.Outcome
			}
		}
	}
	return outcome, failed, tries
}
