package suites_test

import (
	"context"
	"testing"
	"time"

	"github.com/linkassay/linkassay/provision/lab"
	"github.com/linkassay/linkassay/suites"
)

// A link of another IP family or Region than the walk-through's is healthy all the same.
func TestFamilyVariantsFailNothing(t *testing.T) {
	t.Parallel()
	for _, want := range []struct {
		variant string
		passed  []string
	}{
		{"dualstack", []string{"family.service-types", "family.load-balancers", "family.endpoint-type", "family.names-complete", "family.security-group"}},
		{"cross-region", []string{"reachability.http-private-name", "dns.zonal-names-match"}},
	} {
		t.Run(want.variant, func(t *testing.T) {
			t.Parallel()
			v, ok := lab.FindVariant(want.variant)
			if !ok {
				t.Fatal("the lab has no such variant")
			}
			l := startLink(t, v.Prepare)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if v.Set != nil {
				if err := v.Set(ctx, l.lab, l.link); err != nil {
					t.Fatal(err)
				}
			}
			verdicts := suites.Judge(l.observe(t, nil), suites.Catalogue(), nil)
			for _, s := range with(verdicts, suites.Failed, suites.Untold, suites.Blocked) {
				t.Error(s)
			}
			status := map[string]suites.Status{}
			for _, v := range verdicts {
				status[v.Check] = v.Status
			}
			for _, id := range want.passed {
				if status[id] != suites.Passed {
					t.Errorf("%s: %s, want passed", id, status[id])
				}
			}
		})
	}
}
