package suites

import (
	"slices"

	"github.com/linkassay/linkassay/probes"
)

// HopState is how far a flow gets at one hop.
type HopState string

// The states of a hop.
const (
	HopOK         HopState = "ok"
	HopEnds       HopState = "ends here"
	HopFollows    HopState = "follows" // it fails because of the hop at which the flow ends
	HopNotReached HopState = "not reached"
	HopUntold     HopState = "could not tell"
	HopNotAsked   HopState = "not asked" // left out by the link file, or nothing to ask for this flow
)

// Outcome is what became of a flow.
type Outcome string

// The outcomes. A flow to a name that stands for several zones works in part where it ends in some of them.
const (
	FlowWorks  Outcome = "works"
	FlowInPart Outcome = "works in part"
	FlowEnds   Outcome = "ends"
	FlowUntold Outcome = "could not tell"
)

// Hop is one step of the way. A step that differs between zones has a Hop for each state.
type Hop struct {
	Name   string   `json:"name"`
	State  HopState `json:"state"`
	Zones  []string `json:"zones,omitempty"`  // zone ids, where only some of them are in this state
	Checks []string `json:"checks,omitempty"` // ids of the checks that decide the state
	Facts  []Fact   `json:"facts,omitempty"`  // named by zone where they differ between zones
}

// Walk is the way of a flow from one vantage, or from several that it looks the same from.
type Walk struct {
	Vantages []string `json:"vantages"` // empty where the link file has none
	Outcome  Outcome  `json:"outcome"`
	EndsAt   string   `json:"endsAt,omitempty"` // the hop, the first where zones differ; with FlowUntold, where it could not be told
	Works    []string `json:"worksThrough,omitempty"`
	Ends     []string `json:"endsIn,omitempty"` // zone ids
	Measured string   `json:"measured"`         // what the connects did, in a line
	Hops     []Hop    `json:"hops"`
	// Roots are the failed checks at which the flow ends, with their fixes; where it could not be told, the
	// failed checks that say why it could not be asked.
	Roots []Verdict `json:"roots,omitempty"`
	// Beside are further critical checks that fail for this vantage and port: later on the way, or not on it.
	Beside []Verdict `json:"beside,omitempty"`
}

// Diagnosis is where one flow ends.
type Diagnosis struct {
	Link  string `json:"link"`
	To    Flow   `json:"to"`
	Walks []Walk `json:"walks"`
}

// Outcome is the worst of the walks' outcomes: one that ends counts before one that could not be told.
func (d Diagnosis) Outcome() Outcome {
	for _, o := range []Outcome{FlowEnds, FlowInPart, FlowUntold} {
		if slices.ContainsFunc(d.Walks, func(w Walk) bool { return w.Outcome == o }) {
			return o
		}
	}
	return FlowWorks
}

// Diagnose walks the way of a flow from each vantage that should reach the link, hop by hop. Where it ends is decided
// by the checks, which judge what was observed of this flow alone: of the vantage, the port, and each zone for itself.
// It is pure: the same Observation gives the same Diagnosis.
func Diagnose(o *probes.Observation, to Flow) Diagnosis {
	d := Diagnosis{Link: o.Link.Name, To: to}
	vantages := reachVantages(o.Link)
	if len(vantages) == 0 {
		vantages = []string{""}
	}
	for _, v := range vantages {
		w := walkFrom(complete(o), to, v)
		i := slices.IndexFunc(d.Walks, func(other Walk) bool { return other.alike(w) })
		if i < 0 {
			d.Walks = append(d.Walks, w)
			continue
		}
		d.Walks[i].Vantages = append(d.Walks[i].Vantages, v)
		d.Walks[i].Hops[0].Facts = append(d.Walks[i].Hops[0].Facts, w.Hops[0].Facts...)
	}
	return d
}

// alike says whether two vantages have the same way: the same states, for the same reasons.
func (w Walk) alike(x Walk) bool {
	sameHop := func(a, b Hop) bool { return a.Name == b.Name && a.State == b.State && slices.Equal(a.Zones, b.Zones) }
	sameCheck := func(a, b Verdict) bool { return a.Check == b.Check }
	return w.Outcome == x.Outcome && slices.EqualFunc(w.Hops, x.Hops, sameHop) &&
		slices.EqualFunc(w.Roots, x.Roots, sameCheck) && slices.EqualFunc(w.Beside, x.Beside, sameCheck)
}

// walkFrom walks from one vantage through each zone that the flow may take.
func walkFrom(o *probes.Observation, to Flow, vantage string) Walk {
	catalogue := Catalogue()
	whole := to.narrowed(o, vantage)
	f := flowWalk{
		to: to, link: o, vantage: vantage, catalogue: catalogue, whole: judgedView(whole, catalogue),
		answer: to.answer(whole, vantage),
	}
	own := interfaceIPs(maybe(o.Consumer.Interfaces))
	if len(own) > 0 {
		f.foreign = f.answer.foreign(own)
	}
	var ways []zoneWalk
	for _, zone := range to.zones(o, f.answer) {
		ways = append(ways, f.through(zone))
	}
	return f.merge(ways)
}

// answer is what the vantage's resolver says of the flow's name.
func (f Flow) answer(o *probes.Observation, vantage string) answer {
	var lookups []probes.Lookup
	switch f.Kind {
	case probes.TargetPrivate:
		lookups = maybe(o.DNS.Private)
	case probes.TargetRegional:
		lookups = maybe(o.DNS.Regional)
	case probes.TargetZonal:
		lookups = maybe(o.DNS.Zonal)
	default:
		return answer{}
	}
	for _, a := range answersAt(lookups, []string{vantage}) {
		if sameName(a.name, f.Host) {
			return a
		}
	}
	return answer{vantage: vantage, name: f.Host, outcome: probes.NotAsked}
}

// zones are the ids of the zones that the flow may take, those of the endpoint where a name stands for all. It is one
// without an id where the endpoint's interfaces are not known.
func (f Flow) zones(o *probes.Observation, a answer) []string {
	var all []string
	for _, n := range maybe(o.Consumer.Interfaces) {
		switch f.Kind {
		case probes.TargetInterface:
			if !slices.Contains(n.IPs, f.addr()) {
				continue
			}
		case probes.TargetZonal:
			if n.ZoneName != "" && !inZone(f.Host, n.ZoneName) {
				continue // if the name leads there, that is the name's fault
			}
		}
		all = append(all, n.ZoneID)
	}
	if f.Kind == probes.TargetPrivate || f.Kind == probes.TargetRegional {
		for _, s := range maybe(o.Consumer.Subnets) {
			all = append(all, s.ZoneID)
		}
	}
	all = slices.DeleteFunc(sorted(all), func(z string) bool { return z == "" })
	if len(all) == 0 {
		return []string{""}
	}
	return all
}
