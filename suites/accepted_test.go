package suites

import (
	"testing"
	"time"

	"github.com/linkassay/linkassay/provision"
)

// An accepted finding is found all the same, and counts again when its day is over by the Observation's clock.
func TestAcceptedFindings(t *testing.T) {
	t.Parallel()
	const id = "connection.endpoint-security-group"
	judge := func(expires string, started time.Time) ([]Verdict, Verdict) {
		o := flaky()
		o.Started = started
		o.Link.Accept = []provision.Acceptance{{Check: id, Reason: "a new\nnetwork", Expires: expires}}
		verdicts := Judge(o, Catalogue(), nil)
		for _, v := range verdicts {
			if v.Check == id {
				return verdicts, v
			}
		}
		t.Fatal("no verdict")
		return nil, Verdict{}
	}
	verdicts, v := judge("2026-09-01", start)
	if v.Status != Failed || v.Fix == nil || !v.Stands() || v.Accepted.Reason != "a new network" || Required(v, Advice) {
		t.Errorf("%+v, %+v", v, v.Accepted)
	}
	if s := Summarize(verdicts, Advice); s.Accepted != 1 || s.Failed != 1 || s.RequiredFailed != 0 {
		t.Errorf("%+v", s)
	}
	verdicts, v = judge("2026-09-01", start.Add(24*time.Hour))
	if v.Stands() || v.Accepted == nil || !v.Accepted.Expired || !Required(v, "") {
		t.Errorf("%+v, %+v", v, v.Accepted)
	}
	if s := Summarize(verdicts, ""); s.Accepted != 0 || s.RequiredFailed != 1 {
		t.Errorf("%+v", s)
	}
	// Accepting another finding changes nothing here.
	o := flaky()
	o.Link.Accept = []provision.Acceptance{{Check: "dns.vpc-attributes", Reason: "known", Expires: "2030-01-01"}}
	if s := Summarize(Judge(o, Catalogue(), nil), ""); s.RequiredFailed != 1 || s.Accepted != 0 {
		t.Errorf("%+v", s)
	}
}

func TestAcceptedRootsComeLast(t *testing.T) {
	t.Parallel()
	known := &Accepted{Reason: "known", Expires: "2030-01-01"}
	roots := Roots([]Verdict{
		{Check: "a", Status: Failed, Severity: Critical, Accepted: known},
		{Check: "b", Status: Failed, Severity: Warning},
		{Check: "c", Status: Failed, Severity: Critical},
		{Check: "d", Status: Passed, Severity: Critical},
	})
	if len(roots) != 3 || roots[0].Check != "c" || roots[1].Check != "b" || roots[2].Check != "a" {
		t.Errorf("%+v", roots)
	}
}
