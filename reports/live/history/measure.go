package history

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/linkassay/linkassay/probes"
)

// The phases of a round that take time.
const (
	PhaseDNS   = "dns"
	PhaseTCP   = "tcp"
	PhaseTLS   = "tls"
	PhaseHTTP  = "http"
	PhaseRound = "round" // all of it
)

// phases are numbered in the file by their place here: it is added to at the end alone.
var phases = [...]string{PhaseRound, PhaseDNS, PhaseTCP, PhaseTLS, PhaseHTTP}

// Slowest is the slowest good answer of a round from one zone in one phase. Zone is an id such as use1-az1, or "" for
// what is of no zone.
type Slowest struct {
	Zone, Phase string
	Took        time.Duration
}

// Measure returns the slowest answers of an Observation, by zone and phase.
func Measure(o *probes.Observation) []Slowest {
	all := make([]Slowest, 0, 12)
	add := func(zone, phase string, took time.Duration, outcome probes.Outcome) {
		if outcome != probes.OK {
			return
		}
		for i := range all {
			if all[i].Phase == phase && all[i].Zone == zone {
				all[i].Took = max(all[i].Took, took)
				return
			}
		}
		all = append(all, Slowest{zone, phase, took})
	}
	for _, it := range []*probes.Item[[]probes.Lookup]{o.DNS.Private, o.DNS.Regional, o.DNS.Zonal} {
		if it != nil {
			for i := range it.Value {
				add("", PhaseDNS, it.Value[i].Duration, it.Value[i].Outcome)
			}
		}
	}
	if it := o.Reach.TCP; it != nil {
		for i := range it.Value {
			for _, t := range it.Value[i].Tries {
				add(it.Value[i].Target.ZoneID, PhaseTCP, t.Duration, t.Outcome)
			}
		}
	}
	if it := o.Reach.TLS; it != nil {
		for i := range it.Value {
			add(it.Value[i].Target.ZoneID, PhaseTLS, it.Value[i].Duration, it.Value[i].Outcome)
		}
	}
	if it := o.Reach.HTTP; it != nil {
		for i := range it.Value {
			add(it.Value[i].Target.ZoneID, PhaseHTTP, it.Value[i].Duration, it.Value[i].Outcome)
		}
	}
	slices.SortFunc(all, func(a, b Slowest) int {
		return cmp.Or(cmp.Compare(a.Zone, b.Zone), cmp.Compare(slices.Index(phases[:], a.Phase), slices.Index(phases[:], b.Phase)))
	})
	return all
}

// Spread is the least, the median and the greatest of the slowest answers of the rounds of a run.
type Spread struct {
	Zone, Phase      string
	Min, Median, Max time.Duration
}

// gauge gathers the answers of one zone and phase, in microseconds.
type gauge struct {
	zone, phase string
	values      []uint32
}

// maxValues bounds the answers that a median is taken of.
const maxValues = 512

func gather(all []gauge, s Slowest) []gauge {
	v := uint32(min(max(s.Took.Microseconds(), 0), 1<<32-1))
	for i := range all {
		if g := &all[i]; g.phase == s.Phase && g.zone == s.Zone {
			if len(g.values) < maxValues {
				g.values = append(g.values, v)
			}
			return all
		}
	}
	return append(all, gauge{s.Zone, s.Phase, []uint32{v}})
}

func spreads(all []gauge) []Spread {
	out := make([]Spread, 0, len(all))
	for _, g := range all {
		v := slices.Clone(g.values)
		slices.Sort(v)
		out = append(out, Spread{g.zone, g.phase, micro(v[0]), micro(v[len(v)/2]), micro(v[len(v)-1])})
	}
	return out
}

func micro(v uint32) time.Duration { return time.Duration(v) * time.Microsecond }

// merge puts the spreads of two runs together. The mean of both medians, weighted by rounds, stands for the median.
func merge(a []Spread, m int, b []Spread, n int) []Spread {
	out := slices.Clone(a)
	for _, s := range b {
		i := slices.IndexFunc(out, func(x Spread) bool { return x.Zone == s.Zone && x.Phase == s.Phase })
		if i < 0 {
			out = append(out, s)
			continue
		}
		x := &out[i]
		x.Min, x.Max = min(x.Min, s.Min), max(x.Max, s.Max)
		x.Median = (x.Median*time.Duration(m) + s.Median*time.Duration(n)) / time.Duration(m+n)
	}
	return out
}

// encodeSpreads writes for each spread: zone, phase, least, and what median and greatest are more, in microseconds.
func encodeSpreads(all []Spread, zone func(string) (int64, error)) ([]byte, error) {
	b := make([]byte, 0, 8*len(all))
	for _, s := range all {
		id := int64(0)
		if s.Zone != "" {
			var err error
			if id, err = zone(s.Zone); err != nil {
				return nil, err
			}
		}
		b = binary.AppendUvarint(b, uint64(id))
		b = append(b, byte(max(slices.Index(phases[:], s.Phase), 0)))
		b = binary.AppendUvarint(b, uint64(s.Min.Microseconds()))
		b = binary.AppendUvarint(b, uint64(max((s.Median-s.Min).Microseconds(), 0)))
		b = binary.AppendUvarint(b, uint64(max((s.Max-s.Median).Microseconds(), 0)))
	}
	return b, nil
}

var errSpreads = errors.New("latencies that can't be read")

// decodeSpreads reads what encodeSpreads wrote.
func decodeSpreads(b []byte, zone func(int64) string) ([]Spread, error) {
	var all []Spread
	next := func() (v int64, ok bool) {
		u, n := binary.Uvarint(b)
		if n <= 0 || u > 1<<40 {
			return 0, false
		}
		b = b[n:]
		return int64(u), true
	}
	for len(b) > 0 {
		id, ok := next()
		if !ok || len(b) == 0 || int(b[0]) >= len(phases) {
			return nil, errSpreads
		}
		s := Spread{Phase: phases[b[0]]}
		b = b[1:]
		if id != 0 {
			s.Zone = zone(id)
		}
		low, ok1 := next()
		mid, ok2 := next()
		high, ok3 := next()
		if !ok1 || !ok2 || !ok3 {
			return nil, errSpreads
		}
		s.Min = time.Duration(low) * time.Microsecond
		s.Median = s.Min + time.Duration(mid)*time.Microsecond
		s.Max = s.Median + time.Duration(high)*time.Microsecond
		all = append(all, s)
	}
	return all, nil
}
