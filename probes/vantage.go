package probes

import (
	"context"
	"net"
	"net/netip"
)

// Vantage is a place that probes leave from: a network to dial and resolvers to ask. Its methods
// have only standard-library types, so that a lab's subnet is one without importing this package.
type Vantage interface {
	// DialContext connects to address (IP:port; never a name) over network "tcp" or "udp".
	// A vantage without UDP returns an error that wraps errors.ErrUnsupported for "udp".
	// Errors are as package net's: refused is syscall.ECONNREFUSED, and a timeout has
	// Timeout() == true. A vantage that is itself out of reach (a proxy that is down)
	// returns an error that wraps ErrVantage's text through a VantageError.
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
	// Resolvers are the DNS servers of the vantage in order of preference, none when the
	// vantage does not know any (then the consumer VPC's base+2 is asked).
	Resolvers() []netip.AddrPort
}
