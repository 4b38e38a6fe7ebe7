package probes

import (
	"net/netip"
	"time"
)

// Silence is a connection over which nothing was said for a time, and what came of it. How long nothing was said is
// what was seen, from the last byte of either end on.
type Silence struct {
	Vantage string         `json:"vantage"`
	Target  Target         `json:"target"`
	Addr    netip.AddrPort `json:"addr"`
	Wanted  time.Duration  `json:"wanted"` // nanoseconds for which nothing was to be said
	Silent  time.Duration  `json:"silent"` // nanoseconds for which nothing was; 0 where there was no connection
	// Ended says that the other end, or who poses as it, ended the connection before anything was sent.
	Ended bool `json:"ended,omitempty"`
	// Try is what came of the connection: OK where what was sent after the silence was answered, the HTTP request of
	// the port or, where it speaks none, the end of the connection.
	Try
}
