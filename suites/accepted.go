package suites

import "github.com/linkassay/linkassay/probes"

// Accepted is what the link file says of a finding that is known. While it holds the finding does not
// count for the exit code; it is shown all the same.
type Accepted struct {
	Reason  string `json:"reason"`
	Expires string `json:"expires"`           // the last day, such as 2026-12-31
	Expired bool   `json:"expired,omitempty"` // by the Observation's clock: the finding counts again
}

// acceptedOf says whether the link file of the Observation accepts a failure of this check.
func acceptedOf(o *probes.Observation, check string) *Accepted {
	a, ok := o.Link.FindAcceptance(check)
	if !ok {
		return nil
	}
	return &Accepted{Reason: plain(a.Reason), Expires: a.Expires, Expired: !a.Holds(o.Started)}
}

// Stands says whether the verdict is a failure that is accepted at the time.
func (v Verdict) Stands() bool {
	return v.Status == Failed && v.Accepted != nil && !v.Accepted.Expired
}
