package suites_test

import (
	"context"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/lab"
	"github.com/linkassay/linkassay/suites"
)

// make faults and make healthy set these flags; make test runs the short forms.
var (
	matrixFile  = flag.String("fault-matrix", "", "run the whole fault matrix and write it to this file")
	matrixSeed  = flag.Uint64("seed", 1, "changes ids, zones, addresses and order in the fault matrix and the healthy runs")
	onePair     = flag.String("fault-pair", "", "only this pair of faults, as in 'zone-down + txt-missing'")
	matrixPairs = flag.Int("fault-pairs", 300, "number of pairs in the fault matrix")
	healthyFor  = flag.Int("healthy-runs", 10, "number of seeded healthy runs")
)

// How much is run, and how many labs stand side by side: they wait most of the time.
const (
	fewPairs = 40
	atOnce   = 24
)

// Each fault is made through the lab's API or in its network, and leads to one root.
func TestFaultsAreToldApart(t *testing.T) {
	t.Parallel()
	want := expectations(t)
	for _, x := range singles(0) {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			report(t, x.check(t.Context(), want))
		})
	}
}

// Two faults lead to both roots, less one that comes after the other, and never to a third.
func TestPairsOfFaults(t *testing.T) {
	t.Parallel()
	if *matrixFile != "" {
		t.Skip("they are part of the whole matrix")
	}
	want := expectations(t)
	n := fewPairs
	if *onePair != "" {
		n = math.MaxInt
	}
	for _, x := range pairs(*matrixSeed, n) {
		if *onePair != "" && x.name != *onePair {
			continue
		}
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			report(t, x.check(t.Context(), want))
		})
	}
}

// A healthy link of any shape fails nothing.
func TestHealthyShapes(t *testing.T) {
	t.Parallel()
	for _, x := range shapes(0) {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			report(t, x.check(t.Context(), nil))
		})
	}
}

func report(t *testing.T, r result) {
	t.Helper()
	for _, s := range r.wrong {
		t.Error(s)
	}
	if len(r.wrong) > 0 {
		for _, s := range with(r.verdicts, suites.Failed, suites.Untold, suites.Blocked) {
			t.Log(s)
		}
	}
}

// TestHealthyRuns is make healthy: sizes, order, latency, addresses and ids differ, and nothing fails.
func TestHealthyRuns(t *testing.T) {
	t.Parallel()
	var trials []trial
	for i := range *healthyFor {
		seed := *matrixSeed*1_000_003 + uint64(i)
		trials = append(trials, trial{name: fmt.Sprintf("seed %d", seed), seed: seed, prepare: anyShape(seed), after: anyLatency(seed)})
	}
	began := time.Now()
	wrong := 0
	all(t.Context(), trials, atOnce, nil, func(r result) {
		if len(r.wrong) > 0 {
			wrong++
			t.Errorf("%s: %s", r.name, strings.Join(r.wrong, "; "))
		}
	})
	t.Logf("%d healthy runs, %d with a failure, in %s", len(trials), wrong, time.Since(began).Round(time.Second))
}

// TestFaultMatrix is make faults: every fault, pairs of them, and the healthy shapes, in any order.
func TestFaultMatrix(t *testing.T) {
	t.Parallel()
	if *matrixFile == "" {
		t.Skip("runs with make faults; TestFaultsAreToldApart, TestPairsOfFaults and TestHealthyShapes are its short form")
	}
	want := expectations(t)
	seed := *matrixSeed
	trials := slices.Concat(singles(seed), pairs(seed, *matrixPairs), shapes(seed))
	rand.New(rand.NewPCG(seed, 3)).Shuffle(len(trials), func(i, k int) { trials[i], trials[k] = trials[k], trials[i] })
	results := map[string]result{}
	began := time.Now()
	all(t.Context(), trials, atOnce, want, func(r result) {
		results[r.name] = r
		if len(r.wrong) > 0 {
			t.Errorf("%s (%s): %s", r.name, r.took.Round(time.Millisecond), strings.Join(r.wrong, "; "))
		}
	})
	t.Logf("%d trials with seed %d in %s", len(trials), seed, time.Since(began).Round(time.Second))
	if err := os.WriteFile(*matrixFile, []byte(matrixDocument(want, results)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// singles are the trials of one fault each.
func singles(seed uint64) []trial {
	var out []trial
	for i, f := range lab.Faults() {
		x := trial{name: f.Name, faults: []lab.Fault{f}}
		if seed != 0 {
			x.seed = seed*7919 + uint64(i)
		}
		out = append(out, x)
	}
	return out
}

// pairs draws so many pairs of faults that can be set together, or all there are.
func pairs(seed uint64, n int) []trial {
	faults := lab.Faults()
	var out []trial
	for i, f := range faults {
		for _, g := range faults[i+1:] {
			if f.Together(g) {
				out = append(out, trial{name: f.Name + " + " + g.Name, faults: []lab.Fault{f, g}})
			}
		}
	}
	r := rand.New(rand.NewPCG(seed, 2))
	r.Shuffle(len(out), func(i, k int) { out[i], out[k] = out[k], out[i] })
	out = out[:min(n, len(out))]
	for i := range out {
		out[i].seed = r.Uint64() | 1
	}
	return out
}

// shapes are the healthy links of other shapes.
func shapes(seed uint64) []trial {
	yes, no := true, false
	link := func(change func(*provision.Link)) func(*lab.Options) {
		return func(o *lab.Options) { o.Link = change }
	}
	zones := func(ids ...string) func(*lab.Options) {
		return link(func(l *provision.Link) { l.Provider.Build.Zones, l.Consumer.Build.Zones = ids, ids })
	}
	all := []trial{
		{name: "one zone", prepare: zones("apse1-az2")},
		{name: "three zones", prepare: zones("apse1-az3", "apse1-az1", "apse1-az2")},
		{name: "auto-accept", prepare: link(func(l *provision.Link) { l.Provider.Build.AcceptanceRequired = &no })},
		{name: "acceptance required", prepare: link(func(l *provision.Link) { l.Provider.Build.AcceptanceRequired = &yes })},
		{name: "no private DNS", prepare: link(unnamed)},
		{name: "NLB with security groups", after: guardBalancer},
		{name: "proxy protocol on", prepare: link(func(l *provision.Link) { l.Provider.Build.ProxyProtocol = true })},
		{name: "cross-zone load balancing", prepare: link(func(l *provision.Link) { l.Provider.Build.CrossZone = true })},
		{name: "TXT at the parent domain", after: moveTXT(parentDomain)},
		{name: "TXT at the domain itself", after: moveTXT(domainItself)},
		{name: "wildcard private name", prepare: wildcard, file: oneName},
		{name: "one TCP port", prepare: link(func(l *provision.Link) { l.Ports = []provision.Port{{Port: 443}} })},
	}
	for _, v := range lab.Variants() {
		x := trial{name: v.Name, prepare: v.Prepare}
		if v.Set != nil {
			x.after = func(ctx context.Context, l labLink) error { return v.Set(ctx, l.lab, l.link) }
		}
		all = append(all, x)
	}
	for i := range all {
		if seed != 0 {
			all[i].seed = seed*104729 + uint64(i)
		}
	}
	return all
}

// unnamed is a link without a private DNS name: the name that its certificates are for is told.
func unnamed(l *provision.Link) {
	l.PrivateDNSName = ""
	for i := range l.Ports {
		if l.Ports[i].TLS != nil {
			l.Ports[i].TLS.ServerName = lab.PrivateDNSName
		}
	}
}

// anyShape draws the size of a healthy link.
func anyShape(seed uint64) func(*lab.Options) {
	return func(o *lab.Options) {
		r := rand.New(rand.NewPCG(seed, 4))
		zones := []string{"apse1-az1", "apse1-az2", "apse1-az3"}
		r.Shuffle(len(zones), func(i, k int) { zones[i], zones[k] = zones[k], zones[i] })
		zones = zones[:1+r.IntN(len(zones))]
		acceptance, crossZone, proxy, named := r.IntN(2) == 0, r.IntN(2) == 0, r.IntN(4) == 0, r.IntN(4) > 0
		keep := r.IntN(3) // 0 and 1: one of the ports; 2: both
		o.Link = func(l *provision.Link) {
			l.Provider.Build.Zones, l.Consumer.Build.Zones = zones, zones
			l.Provider.Build.AcceptanceRequired, l.Provider.Build.CrossZone, l.Provider.Build.ProxyProtocol = &acceptance, crossZone, proxy
			if keep < len(l.Ports) {
				l.Ports = l.Ports[keep : keep+1]
			}
			if !named {
				unnamed(l)
			}
		}
	}
}

// matrixDocument is docs/fault-matrix.md.
func matrixDocument(want map[string]expected, results map[string]result) string {
	var b strings.Builder
	outcome := func(r result) string {
		if len(r.wrong) > 0 {
			return "**wrong**: " + strings.ReplaceAll(strings.Join(r.wrong, "; "), "|", `\|`)
		}
		return "told"
	}
	right := func(trials []trial) (n int) {
		for _, x := range trials {
			if len(results[x.name].wrong) == 0 {
				n++
			}
		}
		return n
	}
	one, two, healthy := singles(1), pairs(*matrixSeed, *matrixPairs), shapes(1)
	fmt.Fprintf(&b, "# The fault matrix\n\nWritten by `make faults`. Each fault breaks a link of its own in the lab; what it must lead to was written by\n"+
		"hand before (`suites/testdata/roots.yaml`). Its root is the one failed check of the run, and everything else passes or is\nblocked by it.\n\n")
	fmt.Fprintf(&b, "- %d of %d faults told, with one root and the right side\n- %d of %d pairs of faults told: both roots, less one that comes after the other, never a third\n"+
		"- %d of %d healthy shapes without a failure\n\n", right(one), len(one), right(two), len(two), right(healthy), len(healthy))
	b.WriteString("| fault | how it is made | rows | root | side | result |\n|---|---|---|---|---|---|\n")
	for _, x := range one {
		e := want[x.name]
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", x.name, x.faults[0].Text, strings.Join(e.Rows, " "), e.Root, e.Side, outcome(results[x.name]))
	}
	b.WriteString("\n| healthy shape | result |\n|---|---|\n")
	for _, x := range healthy {
		s := "nothing fails"
		if r := results[x.name]; len(r.wrong) > 0 {
			s = outcome(r)
		}
		fmt.Fprintf(&b, "| %s | %s |\n", x.name, s)
	}
	fmt.Fprintf(&b, "\n## Pairs (seed %d)\n\n", *matrixSeed)
	b.WriteString("| pair | roots | result |\n|---|---|---|\n")
	for _, x := range two {
		var roots []string
		for _, v := range suites.Roots(results[x.name].verdicts) {
			roots = append(roots, v.Check)
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", x.name, strings.Join(roots, ", "), outcome(results[x.name]))
	}
	return b.String()
}
