package main

import (
	"testing"

	"github.com/linkassay/linkassay/provision/lab"
)

// A small fleet with small pages: requests are those of the formula, and do not grow with links.
func TestAPIReadsFollowTheFormula(t *testing.T) {
	t.Parallel()
	for _, shape := range []apiShape{
		{lab.Fleet{Endpoints: 60, VPCs: 4, Services: 3, PrivateNames: true}, 10},
		{lab.Fleet{Endpoints: 90, VPCs: 2, Services: 2, PrivateNames: true}, 1000},
	} {
		r, err := measureAPI(t.Context(), shape)
		if err != nil {
			t.Fatal(err)
		}
		for _, round := range r.rounds {
			t.Logf("%s: %d, %s", round.name, round.calls, round.said)
			if round.calls != round.formula {
				t.Errorf("%+v, %s refresh: %d requests, %s; the lab counted %s", shape, round.name, round.calls, round.said, round.counted())
			}
		}
	}
}
