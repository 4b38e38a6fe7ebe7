package lab

import (
	"time"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// call is one authenticated API request on its way through an operation. The operation runs with
// world.mu held for writing.
type call struct {
	*world
	service string // ec2, elasticloadbalancing, route53, sts
	action  string
	region  string // from the credential scope; us-east-1 for Route 53
	caller  *accessKey
	account string       // caller's account id
	params  *wire.Params // ec2 and query protocols
	now     time.Time
	id      string // request id
}

// operation is one API operation of the ec2 or query protocols. It returns a structure whose
// exported fields, by their xml tags, are the children of the response element (ec2: of
// <OpResponse> beside requestId; query: of <OpResult>); nil for none. An error is a *wire.Error.
type operation struct {
	// mutates marks operations that change something: DryRun and ClientToken apply to them, and
	// the request log shows them as writes.
	mutates bool
	run     func(c *call) (any, error)
}
