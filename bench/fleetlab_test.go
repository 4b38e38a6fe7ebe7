package main

import "testing"

// A round through the lab asks each link's five names, and connects to its three interfaces over TCP and HTTP; all checks pass.
func TestRoundsThroughTheLab(t *testing.T) {
	t.Parallel()
	r, err := labRounds(t.Context(), 9, 5, 2, 1)
	if err != nil {
		t.Fatal(err)
	}
	if r.Links != 9 || r.vpcs != 3 || r.Probes != 9*11 {
		t.Errorf("%d links from %d VPCs, %d probes; expected 9 from 3 with 99", r.Links, r.vpcs, r.Probes)
	}
	if len(r.Rounds) != 1 || r.Judged != 0 {
		t.Errorf("%d rounds, %d links judged in the last; expected 1 and 0", len(r.Rounds), r.Judged)
	}
}
