package suites

import "github.com/linkassay/linkassay/probes"

// Summary counts verdicts, and says what they make of a run.
type Summary struct {
	Passed  int `json:"passed"`
	Failed  int `json:"failed"`
	Blocked int `json:"blocked"`
	Skipped int `json:"skipped"`
	Untold  int `json:"untold"`
	// RequiredFailed and RequiredUntold count those that decide the exit code: 1 when a required
	// check failed, 3 when one could not be told.
	RequiredFailed int `json:"requiredFailed"`
	RequiredUntold int `json:"requiredUntold"`
	// Accepted counts the failed ones that the link file accepts: they are never required.
	Accepted int `json:"accepted,omitempty"`
}

// Summarize counts the verdicts. failOn is the least severity that is required: "" or critical
// for critical ones alone, warning adds warnings, advice adds everything.
func Summarize(verdicts []Verdict, failOn Severity) Summary {
	var s Summary
	for _, v := range verdicts {
		switch v.Status {
		case Passed:
			s.Passed++
		case Failed:
			s.Failed++
			if v.Stands() {
				s.Accepted++
			}
			switch {
			case !Required(v, failOn):
			case v.CouldNotAsk:
				s.RequiredUntold++
			default:
				s.RequiredFailed++
			}
		case Blocked:
			// Its root is among the verdicts and at least as severe: it is counted there.
			s.Blocked++
		case Skipped:
			s.Skipped++
		case Untold:
			s.Untold++
			if Required(v, failOn) {
				s.RequiredUntold++
			}
		}
	}
	return s
}

// Add returns the sum of two summaries.
func (s Summary) Add(t Summary) Summary {
	return Summary{
		Passed: s.Passed + t.Passed, Failed: s.Failed + t.Failed, Blocked: s.Blocked + t.Blocked,
		Skipped: s.Skipped + t.Skipped, Untold: s.Untold + t.Untold,
		RequiredFailed: s.RequiredFailed + t.RequiredFailed, RequiredUntold: s.RequiredUntold + t.RequiredUntold,
		Accepted: s.Accepted + t.Accepted,
	}
}

// Total is the number of verdicts counted.
func (s Summary) Total() int { return s.Passed + s.Failed + s.Blocked + s.Skipped + s.Untold }

// Required says whether the verdict's check counts for the exit code: critical ones always, others
// when failOn is their severity or a lesser one. What the link file accepts does not count.
func Required(v Verdict, failOn Severity) bool {
	if v.Stands() {
		return false
	}
	least := rank(failOn)
	if least == 0 {
		least = rank(Critical)
	}
	return rank(v.Severity) >= least
}

// Roots returns the failed verdicts: each is a cause of its own, what follows from it is blocked.
// The most severe ones come first, accepted ones last, else the order is that of the verdicts.
func Roots(verdicts []Verdict) []Verdict {
	var roots, accepted []Verdict
	for _, s := range []Severity{Critical, Warning, Advice} {
		for _, v := range verdicts {
			switch {
			case v.Status != Failed || v.Severity != s:
			case v.Stands():
				accepted = append(accepted, v)
			default:
				roots = append(roots, v)
			}
		}
	}
	return append(roots, accepted...)
}

// NotVerified returns the verdicts that were skipped because the link file gives no access to a
// side or no vantage: what a report must say was not verified. Checks that do not apply to the link
// are not among them.
func NotVerified(verdicts []Verdict) []Verdict {
	var out []Verdict
	for _, v := range verdicts {
		if v.Status == Skipped && leftOut(v.Reason) {
			out = append(out, v)
		}
	}
	return out
}

func leftOut(reason string) bool {
	switch probes.Absence(reason) {
	case probes.NoProviderAccess, probes.NoConsumerAccess, probes.NoVantage:
		return true
	}
	return false
}
