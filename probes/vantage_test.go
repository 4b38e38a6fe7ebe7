package probes_test

import (
	"context"
	"net"
	"net/netip"

	"github.com/linkassay/linkassay/probes"
)

// standard has only standard-library types in its methods, as the lab's subnets do: a package
// need not import probes to have vantages.
type standard struct{ net.Dialer }

func (s *standard) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return s.Dialer.DialContext(ctx, network, address)
}

func (s *standard) Resolvers() []netip.AddrPort { return nil }

var _ probes.Vantage = (*standard)(nil)
