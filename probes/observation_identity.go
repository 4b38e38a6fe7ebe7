package probes

import "time"

// API is what the calls to a side's API showed beside their answers, over the life of its clients.
type API struct {
	Requests  int64 `json:"requests"`  // sent, repetitions included
	Throttled int64 `json:"throttled"` // answered that there were too many, repetitions included
	// ClockKnown says that an answer had a Date header; ClockOffset is how far that was ahead of this host's
	// clock. The header has whole seconds.
	ClockKnown  bool          `json:"clockKnown"`
	ClockOffset time.Duration `json:"clockOffset"`
}

// DryRun is what AWS said to a request of apply's that was sent with DryRun=true, which changes nothing.
type DryRun struct {
	Operation string `json:"operation"` // such as "ec2:CreateVpcEndpoint"
	For       string `json:"for"`       // what apply does with it
	// Code is DryRunOperation when the request would have succeeded, UnauthorizedOperation when IAM says no,
	// and another error code when AWS found something else.
	Code    string `json:"code"`
	Message string `json:"message"`
}

// The codes of a DryRun.
const (
	DryRunAllowed = "DryRunOperation"
	DryRunDenied  = "UnauthorizedOperation"
)

// EndpointSummary is one endpoint of the consumer's VPC.
type EndpointSummary struct {
	ID          string    `json:"id"`
	Type        string    `json:"type"`
	State       string    `json:"state"`
	ServiceName string    `json:"serviceName,omitempty"`
	Created     time.Time `json:"created,omitzero"`
}
