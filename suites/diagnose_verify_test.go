package suites

import (
	"slices"
	"testing"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
)

// Every check that a flow may end at has its hop.
func TestEveryCheckOfTheWayHasAHop(t *testing.T) {
	t.Parallel()
	j := judgedView(healthy(), Catalogue())
	port := provision.Port{TLS: &provision.TLS{}, HTTP: &provision.HTTP{}}
	for _, kind := range []probes.TargetKind{probes.TargetInterface, probes.TargetPrivate, probes.TargetRegional, probes.TargetZonal} {
		for _, v := range j.closure(slices.Concat(lastOn(port, kind), lastOnName(kind))...) {
			if hopOf(v.Check) == none {
				t.Errorf("%s has no hop", v.Check)
			}
		}
	}
}

// Whatever is broken, diagnose names no cause that verify does not, and says of no connection that it works where what
// was measured says otherwise.
func TestDiagnoseNeverContradictsVerify(t *testing.T) {
	t.Parallel()
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			o := healthy()
			f.make(o)
			o = complete(o)
			failed := map[string]Verdict{}
			for _, v := range Judge(o, Catalogue(), nil) {
				failed[v.Check] = v
			}
			for i, p := range o.Link.Ports {
				hosts := []string{or(o.Link.PrivateDNSName, regional)}
				if i == 1 {
					hosts = []string{zonal(1)}
				}
				for _, host := range hosts {
					to, err := FlowTo(o, host, p.Port)
					if err != nil {
						continue
					}
					for _, w := range Diagnose(o, to).Walks {
						for _, v := range append(slices.Clone(w.Roots), w.Beside...) {
							if failed[v.Check].Status != Failed && failed[v.Check].Status != Blocked {
								t.Errorf("%s %d: %s fails here, verify says %s\n%s", host, p.Port, v.Check, failed[v.Check].Status, walkText(w))
							}
							if v.Fix == nil {
								t.Errorf("%s has no fix", v.Check)
							}
						}
						ends := slices.ContainsFunc(w.Hops, func(h Hop) bool { return h.State == HopEnds })
						if ends != (w.Outcome == FlowEnds || w.Outcome == FlowInPart) || ends && len(w.Roots) == 0 {
							t.Errorf("%s %d: an end without its cause, or the other way round\n%s", host, p.Port, walkText(w))
						}
						if tcp := hopIn(w, "TCP connect", ""); w.Outcome == FlowWorks && (tcp.State != HopOK || len(w.Hops) != hopCount) {
							t.Errorf("%s %d: works?\n%s", host, p.Port, walkText(w))
						}
					}
				}
			}
		})
	}
}
