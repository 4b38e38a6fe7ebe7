package suites

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/linkassay/linkassay/probes"
)

// What respected tools get wrong, each with a test of its own here or in cmd/linkassay/peers_test.go.

func statusOf(t *testing.T, o *probes.Observation, check string) Verdict {
	t.Helper()
	for _, v := range Judge(o, Catalogue(), nil) {
		if v.Check == check {
			return v
		}
	}
	t.Fatalf("no verdict of %s", check)
	return Verdict{}
}

// A connection that must not be there fails the run, and nothing but a timeout is a pass: not a refusal, not
// a name that does not resolve, not a vantage that could not be used.
func TestNegativeCheckFailsTheRun(t *testing.T) {
	t.Parallel()
	const check = "reachability.closed-vantages"
	if v := statusOf(t, healthy(), check); v.Status != Passed {
		t.Fatalf("%+v", v)
	}
	for _, outcome := range []probes.Outcome{
		probes.OK, probes.Refused, probes.Reset, probes.Unreachable, probes.NXDomain, probes.Closed, probes.Failed, probes.NoVia, probes.NotAsked,
	} {
		o := healthy()
		for i := range o.Reach.TCP.Value {
			if a := &o.Reach.TCP.Value[i]; a.Vantage == outside {
				a.Tries = []probes.Try{{Outcome: outcome}}
			}
		}
		v := statusOf(t, o, check)
		s := Summarize(Judge(o, Catalogue(), nil), "")
		if v.Status != Failed && v.Status != Untold || s.RequiredFailed+s.RequiredUntold == 0 {
			t.Errorf("%s: %s %s, %+v", outcome, v.Status, v.Reason, s)
		}
		if outcome == probes.OK && v.Status != Failed {
			t.Errorf("what connects is %s", v.Status)
		}
	}
	o := healthy()
	o.Reach.TCP.Value = slices.DeleteFunc(o.Reach.TCP.Value, func(a probes.Attempt) bool { return a.Vantage == outside })
	if v := statusOf(t, o, check); v.Status == Passed {
		t.Error("nothing was tried from there, and it passed")
	}
}

// The consumer is looked for among all principals, in whatever order AWS lists them.
func TestPrincipalsInEitherOrder(t *testing.T) {
	t.Parallel()
	const check = "connection.principal-allowed"
	ours := probes.Principal{Type: "Account", ARN: "arn:aws:iam::222222222222:root"}
	others := []probes.Principal{{Type: "Account", ARN: "arn:aws:iam::333333333333:root"}, {Type: "Role", ARN: "arn:aws:iam::444444444444:role/App"}}
	for at := range len(others) + 1 {
		o := healthy()
		o.Provider.Permissions.Value = slices.Insert(slices.Clone(others), at, ours)
		if v := statusOf(t, o, check); v.Status != Passed {
			t.Errorf("ours as number %d: %s %s", at+1, v.Status, v.Reason)
		}
	}
	for _, principals := range [][]probes.Principal{others, {others[1], others[0]}} {
		o := healthy()
		o.Provider.Permissions.Value = principals
		if v := statusOf(t, o, check); v.Status != Failed {
			t.Errorf("only others: %s", v.Status)
		}
	}
}

// Every address that a name has is compared: a foreign one fails wherever it stands.
func TestEveryAddressIsCompared(t *testing.T) {
	t.Parallel()
	foreign := netip.MustParseAddr("203.0.113.9")
	for at := range 4 {
		o := healthy()
		setDNS(o.DNS.Private, func(l probes.Lookup) probes.Lookup {
			if l.Type == "A" {
				l.Addrs = slices.Insert(slices.Clone(l.Addrs), min(at, len(l.Addrs)), foreign)
			}
			return l
		})
		if v := statusOf(t, o, "dns.private-name-matches-endpoint"); v.Status != Failed {
			t.Errorf("a foreign address as number %d: %s %s", at+1, v.Status, v.Reason)
		}
	}
}

// A required failure is never lost on the way to the exit code, whatever stands around it.
func TestFailureIsNeverLost(t *testing.T) {
	t.Parallel()
	bad := Verdict{Status: Failed, Severity: Critical}
	for _, s := range []Status{Passed, Blocked, Skipped, Untold} {
		for _, verdicts := range [][]Verdict{
			{bad, {Status: s, Severity: Critical}}, {{Status: s, Severity: Critical}, bad}, {{Status: s, Severity: Advice}, bad, {Status: s, Severity: Warning}},
		} {
			if Summarize(verdicts, "").RequiredFailed != 1 {
				t.Errorf("beside %s it is lost", s)
			}
		}
	}
}
