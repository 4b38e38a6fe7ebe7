package probes

// Outcome is the class of what happened to one attempt. It is never a bare bool: a negative
// expectation must not pass for the wrong reason.
type Outcome string

// The outcome classes.
const (
	OK          Outcome = "ok"
	TimedOut    Outcome = "timed out"
	Refused     Outcome = "refused"
	Reset       Outcome = "reset"
	Unreachable Outcome = "unreachable" // no route, host or network unreachable
	NXDomain    Outcome = "NXDOMAIN"
	NoData      Outcome = "no data" // NOERROR with an empty answer
	ServFail    Outcome = "SERVFAIL"
	DNSRefused  Outcome = "REFUSED"
	BadAnswer   Outcome = "bad answer"          // not a DNS, TLS or HTTP message, or one that breaks the rules
	TLSFailed   Outcome = "TLS failed"          // the handshake was answered, with an alert or nonsense
	Closed      Outcome = "closed"              // the peer closed without an answer
	NotAsked    Outcome = "not asked"           // interrupted before it was asked
	NoVia       Outcome = "vantage unreachable" // the vantage itself failed: could not ask
	Failed      Outcome = "failed"              // anything else; see the detail
)
