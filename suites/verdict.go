// Package suites holds the checks and judges Observations with them.
package suites

import "time"

// Status is what became of one check on one link.
type Status string

// The statuses.
const (
	Passed  Status = "passed"
	Failed  Status = "failed"
	Blocked Status = "blocked"        // a check that it comes after failed: not a failure of its own
	Skipped Status = "skipped"        // does not apply, or what it needs was left out on purpose
	Untold  Status = "could not tell" // what it needs could not be asked
)

// Severity says how much a failed check weighs.
type Severity string

// The severities. Only critical ones fail a run by default.
const (
	Critical Severity = "critical"
	Warning  Severity = "warning"
	Advice   Severity = "advice"
)

// Side says whose a finding is to fix.
type Side string

// The sides.
const (
	ProviderSide Side = "provider"
	ConsumerSide Side = "consumer"
	Network      Side = "network" // neither account: the vantage, the resolver, the way between
)

// Verdict is what one check says of one link, with the facts that decided it. Two verdicts are the
// same when status, facts and blocker are; message text is not part of it.
type Verdict struct {
	Link      string   `json:"link"`
	Check     string   `json:"check"` // id, area.what-holds
	Title     string   `json:"title"`
	Area      string   `json:"area"`
	Severity  Severity `json:"severity"`
	Revision  int      `json:"revision"`
	Status    Status   `json:"status"`
	Reason    string   `json:"reason,omitempty"`    // one line: why it failed, was skipped, or could not be told
	BlockedBy string   `json:"blockedBy,omitempty"` // id of the root check that failed (or could not be told)
	Facts     []Fact   `json:"facts,omitempty"`
	Side      Side     `json:"side,omitempty"` // set when it failed
	Fix       *Fix     `json:"fix,omitempty"`  // set when it failed
	// Accepted is set when it failed and the link file says that it may.
	Accepted *Accepted `json:"accepted,omitempty"`
	// CouldNotAsk marks a failure that says nothing of the link: the side could not be asked. For the
	// exit code it counts as could not tell.
	CouldNotAsk bool `json:"couldNotAsk,omitempty"`
	// Duration is the time that the items it needs took to observe, not to judge.
	Duration time.Duration `json:"duration"`
}

// Fact is one value that a verdict rests on.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Fix says what to do about a failure.
type Fix struct {
	Text     string `json:"text"`
	Apply    string `json:"apply,omitempty"`    // linkassay command that mends it too, where the link file builds what is broken
	Command  string `json:"command,omitempty"`  // AWS CLI command with real ids
	LinkFile string `json:"linkFile,omitempty"` // the change in the link file, when that is what is wrong
}
