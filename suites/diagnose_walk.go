package suites

import (
	"net/netip"
	"slices"

	"github.com/linkassay/linkassay/probes"
)

// flowWalk is the walk of one flow from one vantage.
type flowWalk struct {
	to        Flow
	link      *probes.Observation // all of the link
	vantage   string
	catalogue []Check
	whole     judgedFlow // this vantage and port
	answer    answer
	foreign   []netip.Addr // of the answer: not the endpoint's
}

// zoneWalk is the way through one zone.
type zoneWalk struct {
	zone    string
	outcome Outcome
	endsAt  int // hop, or none
	states  [hopCount]HopState
	checks  [hopCount][]string
	facts   [hopCount][]Fact
	roots   []Verdict
	beside  []Verdict
	seen    measured
}

// byName says whether the flow goes by a name.
func (f flowWalk) byName() bool { return f.to.Kind != probes.TargetInterface }

// misnamed says whether the name is wrong for this flow. Of the zonal names only the flow's own matters.
func (f flowWalk) misnamed(v Verdict) bool {
	if hopOf(v.Check) != hopName {
		return false
	}
	return f.to.Kind != probes.TargetZonal || !f.answer.resolved() || len(f.foreign) > 0 || !f.zonalRight()
}

// zonalRight says whether a zonal name leads to the interface of its own zone alone.
func (f flowWalk) zonalRight() bool {
	for _, n := range maybe(f.link.Consumer.Interfaces) {
		if inZone(f.to.Host, n.ZoneName) {
			return len(f.answer.foreign(n.IPs)) == 0
		}
	}
	return true
}

// through walks through one zone.
func (f flowWalk) through(zone string) zoneWalk {
	w := zoneWalk{zone: zone, endsAt: none}
	port := f.to.port(f.link.Link)
	way, last := f.whole, slices.Concat(lastOn(port, f.to.Kind), lastOnName(f.to.Kind))
	if zone != "" {
		way = judgedView(throughZone(f.whole.o, zone, f.to.addr()), f.catalogue)
		last = lastOn(port, probes.TargetInterface)
	}
	rests := slices.DeleteFunc(way.closure(last...), func(v Verdict) bool { return zone != "" && hopOf(v.Check) == hopName })
	names := f.whole.closure(lastOnName(f.to.Kind)...)
	w.seen = f.measure(way.o, zone)

	var fails []Verdict
	add := func(v Verdict, ends bool) {
		switch {
		case v.Status != Failed || v.CouldNotAsk:
		case ends:
			fails = append(fails, v)
		default:
			w.beside = append(w.beside, v)
		}
	}
	for _, v := range names {
		if zone == "" || hopOf(v.Check) == hopName {
			add(v, f.misnamed(v) || zone == "" && hopOf(v.Check) != hopName)
		}
	}
	for _, v := range rests {
		if !slices.ContainsFunc(fails, func(x Verdict) bool { return x.Check == v.Check }) {
			add(v, !w.seen.well)
		}
	}
	if zone != "" && f.byName() {
		for _, id := range lastOn(port, f.to.Kind) { // what works by address and not by name
			if v := f.whole.of(id); !slices.Contains(last, id) {
				add(v, !w.seen.well)
			}
		}
	}
	for _, v := range fails {
		if at := hopOf(v.Check); w.endsAt == none || at < w.endsAt {
			w.endsAt = at
		}
	}
	for _, v := range fails {
		if hopOf(v.Check) == w.endsAt {
			w.roots = append(w.roots, f.mended(way.o, v))
		} else {
			w.beside = append(w.beside, v)
		}
	}
	f.settle(&w, way, slices.Concat(names, rests), last)
	return w
}

// mended gives a failed check its fix. That of a missing listener may move another one, which a further port of the
// link may need: it is made with all ports in view.
func (f flowWalk) mended(o *probes.Observation, v Verdict) Verdict {
	const listener = "connection.listener-on-each-port"
	if v.Check != listener {
		return v
	}
	for _, x := range Judge(f.to.withAllPorts(o, f.link.Link), f.catalogue, only(listener)) {
		if x.Check == listener && x.Fix != nil {
			v.Fix = x.Fix
		}
	}
	return v
}

func only(id string) Selection { return func(_ string, c Check) bool { return c.ID == id } }

// settle says of each hop what state it is in, and what became of the flow.
func (f flowWalk) settle(w *zoneWalk, way judgedFlow, rests []Verdict, last []string) {
	for i := range w.states {
		var here []Verdict
		for _, v := range rests {
			if hopOf(v.Check) == i && !slices.Contains(w.checks[i], v.Check) && !(i == hopName && !f.byName()) {
				here = append(here, v)
				w.checks[i] = append(w.checks[i], v.Check)
			}
		}
		w.states[i] = stateAt(here)
		w.facts[i] = f.facts(i, way.o, w)
		if (i == hopRoute || i == hopBalancerGroup) && w.states[i] == HopNotAsked && len(w.facts[i]) > 0 {
			w.states[i] = HopOK // it is known that there is nothing to pass
		}
		if (w.states[i] == HopNotAsked || w.states[i] == HopUntold) && len(w.facts[i]) == 0 && len(here) > 0 {
			w.facts[i] = []Fact{{Value: unsaid(here)}}
		}
	}
	w.states[hopVantage] = w.seen.vantage
	if f.byName() && !f.misnamedAtAll(rests) && f.answer.resolved() && w.states[hopName] == HopFollows {
		w.states[hopName] = HopOK // what fails there is about other names
	}
	f.settleMeasured(w)
	if w.endsAt != none {
		w.outcome = FlowEnds
		for i := w.endsAt; i < hopCount; i++ {
			switch {
			case i == w.endsAt:
				w.states[i] = HopEnds
				if i < hopTCP {
					w.facts[i] = []Fact{{Value: w.roots[0].Reason}}
				}
			case i < hopTCP:
				w.states[i], w.facts[i] = HopNotReached, nil
			}
		}
		return
	}
	if w.seen.well && (!f.byName() || f.answer.resolved() || w.zone == "") {
		w.outcome = FlowWorks
		for i := range w.states {
			if w.states[i] == HopFollows {
				w.states[i] = HopOK // something else is the matter with it: it is told beside
			}
		}
		if w.states[hopName] != HopUntold {
			return
		}
	}
	w.outcome = FlowUntold
	if w.endsAt = slices.Index(w.states[:], HopUntold); w.endsAt == none {
		w.endsAt = hopTCP // it was not dialled
	}
	for _, v := range slices.Concat(rests, way.verdicts) {
		if v.Status == Failed && v.CouldNotAsk && !slices.ContainsFunc(w.roots, func(r Verdict) bool { return r.Check == v.Check }) {
			w.roots = append(w.roots, v)
		}
	}
}

func (f flowWalk) misnamedAtAll(rests []Verdict) bool {
	return slices.ContainsFunc(rests, func(v Verdict) bool { return v.Status == Failed && f.misnamed(v) })
}

// settleMeasured sets the states of what was measured, which is told whatever comes before it.
func (f flowWalk) settleMeasured(w *zoneWalk) {
	for i, l := range []layer{w.seen.tcp, w.seen.tls, w.seen.http} {
		at := hopTCP + i
		switch {
		case !l.wanted:
			w.states[at] = HopNotAsked
		case l.unasked == l.all && l.all > 0:
			w.states[at] = HopUntold
		case l.all == 0 && w.endsAt != none && w.endsAt < at:
			w.states[at] = HopNotReached
		case l.all == 0 && f.vantage == "":
			w.states[at] = HopNotAsked
		case l.all == 0:
			w.states[at] = HopUntold
		case l.well == l.all:
			w.states[at] = HopOK
		case w.endsAt != none && w.endsAt < at:
			w.states[at] = HopFollows
		default:
			w.states[at] = HopUntold
		}
	}
}

// stateAt is the state of a hop from the verdicts of its checks, where the flow does not end at it.
func stateAt(verdicts []Verdict) HopState {
	state := HopNotAsked
	for _, v := range verdicts {
		switch {
		case v.Status == Untold, v.Status == Failed && v.CouldNotAsk, v.Status == Blocked && untoldBlock(v):
			return HopUntold
		case v.Status == Blocked, v.Status == Failed:
			state = HopFollows
		case v.Status == Passed && state == HopNotAsked:
			state = HopOK
		}
	}
	return state
}

// unsaid is why the checks of a hop say nothing.
func unsaid(verdicts []Verdict) string {
	for _, v := range verdicts {
		if v.Status == Untold || v.Status == Blocked || v.Status == Failed {
			return v.Reason
		}
	}
	return verdicts[0].Reason
}

// untoldBlock says whether a check is blocked by one that says that a side could not be asked.
func untoldBlock(v Verdict) bool {
	c, ok := Find(identityChecks(), v.BlockedBy)
	return ok && len(c.Explains) > 0
}

// merge makes one walk of the ways through the zones.
func (f flowWalk) merge(ways []zoneWalk) Walk {
	w := Walk{Vantages: []string{}, Measured: measuredLine(ways)}
	if f.vantage != "" {
		w.Vantages = append(w.Vantages, f.vantage)
	}
	ended := none
	untold := false
	for _, z := range ways {
		switch z.outcome {
		case FlowWorks:
			w.Works = appendZone(w.Works, z.zone)
		case FlowEnds:
			w.Ends = appendZone(w.Ends, z.zone)
			if ended == none || z.endsAt < ended {
				ended = z.endsAt
			}
		default:
			untold = true
		}
		w.Roots, w.Beside = addVerdicts(w.Roots, z.roots), addVerdicts(w.Beside, z.beside)
	}
	for i, v := range w.Roots {
		// With all its zones in view a check tells all of its facts.
		if all := f.whole.of(v.Check); len(w.Ends) > 1 && all.Status == Failed {
			w.Roots[i].Facts, w.Roots[i].Reason = all.Facts, all.Reason
		}
	}
	w.Beside = slices.DeleteFunc(w.Beside, func(v Verdict) bool {
		return slices.ContainsFunc(w.Roots, func(r Verdict) bool { return r.Check == v.Check })
	})
	kinds := hopKinds()
	switch {
	case ended != none && len(w.Works) > 0:
		w.Outcome, w.EndsAt = FlowInPart, kinds[ended].name
	case ended != none:
		w.Outcome, w.EndsAt = FlowEnds, kinds[ended].name
	case untold:
		w.Outcome = FlowUntold
		for _, z := range ways {
			if z.outcome == FlowUntold && z.endsAt != none {
				w.EndsAt = kinds[z.endsAt].name
				break
			}
		}
	default:
		w.Outcome = FlowWorks
	}
	for i := range hopCount {
		w.Hops = append(w.Hops, mergeHop(kinds[i].name, i, ways)...)
	}
	return w
}

func appendZone(zones []string, z string) []string { return append(zones, or(z, "the endpoint")) }

func addVerdicts(all, more []Verdict) []Verdict {
	for _, v := range more {
		if !slices.ContainsFunc(all, func(x Verdict) bool { return x.Check == v.Check }) {
			all = append(all, v)
		}
	}
	return all
}

// mergeHop makes a Hop for each state that the zones are in at one hop. What is the same in all zones is said once, and
// without a name.
func mergeHop(name string, at int, ways []zoneWalk) []Hop {
	var states []HopState
	for _, z := range ways {
		if !slices.Contains(states, z.states[at]) {
			states = append(states, z.states[at])
		}
	}
	var out []Hop
	for _, s := range states {
		in := slices.DeleteFunc(slices.Clone(ways), func(z zoneWalk) bool { return z.states[at] != s })
		h := Hop{Name: name, State: s, Checks: in[0].checks[at]}
		everywhere := func(f Fact) bool {
			return !slices.ContainsFunc(in, func(z zoneWalk) bool { return !slices.Contains(z.facts[at], f) })
		}
		for i, z := range in {
			if len(states) > 1 {
				h.Zones = append(h.Zones, z.zone)
			}
			for _, f := range z.facts[at] {
				switch {
				case everywhere(f) && i > 0:
				case everywhere(f):
					h.Facts = append(h.Facts, Fact{plain(f.Name), plain(f.Value)})
				default:
					h.Facts = append(h.Facts, Fact{plain(or(f.Name, z.zone)), plain(f.Value)})
				}
			}
		}
		out = append(out, h)
	}
	return out
}
