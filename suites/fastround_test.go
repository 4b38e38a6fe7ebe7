package suites_test

import (
	"context"
	"flag"
	"slices"
	"testing"
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision/lab"
	"github.com/linkassay/linkassay/suites"
)

var everyFast = flag.Bool("fast-rounds", false, "judge fast rounds with every fault of the data plane, not some of them")

// fastFaults break what a fast round measures. Those of AAAA records and of large requests are not among them: it takes these
// over. The first ones are what make test runs.
func fastFaults() []string {
	some := []string{"", "private-name-misspelt", "targets-answer-500", "certificate-expired", "target-port-refuses"}
	if !*everyFast {
		return some
	}
	return append(some, "security-group-closed", "zone-down", "private-name-removed", "private-dns-not-enabled", "private-zone-shadowing", "conflicting-endpoint", "dhcp-custom-dns",
		"resolver-on-premises", "closed-vantage-connects", "vantage-outside", "endpoint-acl-denies", "client-group-closed",
		"targets-never-answer", "targets-answer-500-to-aws-names", "targets-answer-500-to-stranger", "targets-speak-plain", "certificate-for-other-name",
		"tls-by-aws-name", "node-half-open", "no-healthy-target", "instances-stopped", "endpoint-deleted", "load-balancer-failed", "interface-lost",
		"proxy-header-not-understood", "private-name-elsewhere-for-stranger", "listener-on-other-port", "targets-deregistered")
}

// A link that breaks after its control plane was read is judged alike by a fast round and by one that measures all.
func TestFastRoundsAreJudgedAlike(t *testing.T) {
	t.Parallel()
	for _, name := range fastFaults() {
		t.Run(or(name, "healthy"), func(t *testing.T) {
			t.Parallel()
			var prepare func(*lab.Options)
			for _, f := range lab.Faults() {
				if f.Name == name {
					prepare = f.Prepare
				}
			}
			l := startLink(t, calm(name != ""), prepare)
			known := l.observe(t, nil)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if name != "" {
				if err := l.lab.Inject(ctx, name, l.link); err != nil {
					t.Fatal(err)
				}
			}
			engine := probes.NewEngine(0)
			defer engine.Close()
			roots := func(e *probes.Engine) []string {
				o, err := observeLab(ctx, l.lab, nil, func(o *probes.Options) { o.Known, o.Engine = known, e })
				if err != nil {
					t.Fatal(err)
				}
				if o.Interrupted || len(o.Panics) > 0 {
					t.Fatalf("interrupted %v, panics %v", o.Interrupted, o.Panics)
				}
				var ids []string
				for _, v := range suites.Roots(suites.Judge(o, suites.Catalogue(), nil)) {
					ids = append(ids, v.Check)
				}
				slices.Sort(ids)
				return ids
			}
			full, fast := roots(nil), roots(engine)
			if !slices.Equal(full, fast) {
				t.Errorf("roots of a fast round: %v, of another: %v", fast, full)
			}
			if again := roots(engine); !slices.Equal(again, fast) {
				t.Errorf("roots of the second fast round: %v, of the first: %v", again, fast)
			}
			if (name == "") != (len(full) == 0) {
				t.Errorf("roots: %v", full)
			}
			t.Log(full)
		})
	}
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
