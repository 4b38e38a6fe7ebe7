package reports

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
)

// matrixView is the matrix of names, zones and addresses.
type matrixView struct {
	Ports []uint16
	Rows  []matrixRowView
	Names []pair
}

type matrixRowView struct {
	From, Name, Zone, Address string
	Closed                    bool
	Cells                     []stateView
	// Spans say over how many rows the first two cells go; 0 means that they stand above.
	FromSpan, NameSpan int
}

type stateView struct {
	Tone tone
	Word string
}

func newMatrixView(m matrix) matrixView {
	view := matrixView{Ports: m.ports}
	for _, r := range m.rows {
		row := matrixRowView{From: r.from, Name: r.name, Zone: r.zone, Address: r.address, Closed: r.closed}
		for i, c := range r.cells {
			t := bad
			switch {
			case c == "":
				t = dull
			case r.fine[i]:
				t = good
			case c == string(probes.NotAsked):
				t = unsure
			}
			row.Cells = append(row.Cells, stateView{t, c})
		}
		view.Rows = append(view.Rows, row)
	}
	from, name := 0, 0
	for i := range view.Rows {
		if i == 0 || view.Rows[i].From != view.Rows[from].From {
			from, name = i, i
		} else if view.Rows[i].Name != view.Rows[name].Name {
			name = i
		}
		view.Rows[from].FromSpan++
		view.Rows[name].NameSpan++
	}
	for _, n := range m.names {
		view.Names = append(view.Names, pair{n.kind, n.name})
	}
	return view
}

// timelineView is how states changed while they were waited for, and the rounds until the link settled.
type timelineView struct {
	Since  string
	States []stateRow
	Rounds []roundRow
}

// stateRow is one thing and its states in order.
type stateRow struct {
	What  string
	Steps []stateStep
}

type stateStep struct{ State, After string }

type roundRow struct {
	Number        int
	Tone          tone
	Word          string
	Started, Took string
	Roots         []string
}

// maxSteps bounds the states shown of one thing.
const maxSteps = 20

func timelineOf(l LinkReport) timelineView {
	looks := make([]*probes.Observation, 0, len(l.Rounds)+1)
	for _, r := range l.Rounds {
		if r.Observation != nil {
			looks = append(looks, r.Observation)
		}
	}
	if len(looks) == 0 || looks[len(looks)-1] != l.Observation {
		looks = append(looks, l.Observation)
	}
	began := looks[0].Started
	view := timelineView{Since: began.UTC().Format(utc)}
	rows := map[string]int{}
	for _, o := range looks {
		for _, c := range o.Timeline {
			i, ok := rows[c.What]
			if !ok {
				i = len(view.States)
				rows[c.What] = i
				view.States = append(view.States, stateRow{What: clean(c.What)})
			}
			row := &view.States[i]
			state := clean(c.State)
			if n := len(row.Steps); n == maxSteps || n > 0 && row.Steps[n-1].State == state {
				continue
			}
			row.Steps = append(row.Steps, stateStep{state, "+" + took(c.At.Sub(began))})
		}
	}
	for _, r := range l.Rounds {
		row := roundRow{Number: r.Number, Tone: good, Word: "good"}
		if !r.Good {
			row.Tone, row.Word = bad, "not good"
		}
		if o := cmp.Or(r.Observation, &probes.Observation{}); !o.Started.IsZero() {
			row.Started, row.Took = o.Started.UTC().Format(utc), took(o.Finished.Sub(o.Started))
		}
		for _, v := range r.Roots {
			row.Roots = append(row.Roots, clean(v.Check))
		}
		view.Rounds = append(view.Rounds, row)
	}
	return view
}

// latencyRow is how long things took in one zone.
type latencyRow struct {
	Zone                string
	DNS, TCP, TLS, HTTP latency
}

// latency sums up durations.
type latency struct {
	Median, Detail string
	Bar            int // hundredths of the longest median of the table
	median         time.Duration
}

// latencyOf sums up, zone by zone, what worked from the vantages that expect it to; what failed took as long as
// its timeout says.
func latencyOf(o *probes.Observation) []latencyRow {
	const dns, tcp, tls, http = 0, 1, 2, 3
	took := map[string]*[4][]time.Duration{}
	zones := zoneNames(o)
	closed := map[string]bool{}
	for _, v := range o.Link.Vantages {
		closed[v.Name] = v.Expect == provision.ExpectTimeout
	}
	add := func(kind int, vantage, zone string, outcome probes.Outcome, d time.Duration) {
		if closed[vantage] || outcome != probes.OK {
			return
		}
		if took[zone] == nil {
			took[zone] = &[4][]time.Duration{}
		}
		took[zone][kind] = append(took[zone][kind], d)
	}
	zoneOf := func(t probes.Target, a netip.AddrPort) string { return clean(cmp.Or(t.ZoneID, zones[a.Addr()])) }
	for _, l := range itemValue(o.DNS.Private) {
		add(dns, l.Vantage, "", l.Outcome, l.Duration)
	}
	for _, l := range itemValue(o.DNS.Regional) {
		add(dns, l.Vantage, "", l.Outcome, l.Duration)
	}
	for _, l := range itemValue(o.DNS.Zonal) {
		add(dns, l.Vantage, zoneOfName(o, l.Name), l.Outcome, l.Duration)
	}
	for _, a := range itemValue(o.Reach.TCP) {
		for _, t := range a.Tries {
			add(tcp, a.Vantage, zoneOf(a.Target, a.Addr), t.Outcome, t.Duration)
		}
	}
	for _, h := range itemValue(o.Reach.TLS) {
		add(tls, h.Vantage, zoneOf(h.Target, h.Addr), h.Outcome, h.Duration)
	}
	for _, x := range itemValue(o.Reach.HTTP) {
		add(http, x.Vantage, zoneOf(x.Target, x.Addr), x.Outcome, x.Duration)
	}
	var rows []latencyRow
	var longest time.Duration
	for zone, kinds := range took {
		row := latencyRow{Zone: zone}
		for i, to := range []*latency{&row.DNS, &row.TCP, &row.TLS, &row.HTTP} {
			*to = newLatency(kinds[i])
			longest = max(longest, to.median)
		}
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b latencyRow) int { return cmp.Compare(a.Zone, b.Zone) })
	for i := range rows {
		if rows[i].Zone == "" {
			rows[i].Zone = "private, regional name"
		}
		for _, l := range []*latency{&rows[i].DNS, &rows[i].TCP, &rows[i].TLS, &rows[i].HTTP} {
			if longest > 0 && l.Median != "" {
				l.Bar = max(int(100*l.median/longest), 1)
			}
		}
	}
	return rows
}

func newLatency(all []time.Duration) latency {
	if len(all) == 0 {
		return latency{}
	}
	slices.Sort(all)
	m := all[len(all)/2]
	return latency{took(m), fmt.Sprintf("max %s of %d", took(all[len(all)-1]), len(all)), 0, m}
}
