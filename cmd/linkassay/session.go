package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/awsapi"
)

// opener gets into a side's account.
type opener func(ctx context.Context, p provision.Party, region string) (*awsapi.Clients, error)

// openSides opens both sides of a link. A side that cannot be opened is an error for its own
// checks only, so both errors are kept apart.
func openSides(ctx context.Context, l *provision.Link, open opener) (s provision.Sides, provider, consumer error) {
	if l.Provider.Access != provision.AccessNone {
		s.Provider, provider = open(ctx, l.Provider.Party, l.Region)
	}
	if l.Consumer.Access != provision.AccessNone {
		s.Consumer, consumer = open(ctx, l.Consumer.Party, l.Region)
	}
	return s, provider, consumer
}

// mustOpenSides opens both sides for a command that cannot do anything with only one.
func mustOpenSides(ctx context.Context, l *provision.Link, open opener) (provision.Sides, error) {
	s, p, c := openSides(ctx, l, open)
	if err := errors.Join(p, c); err != nil {
		return s, withCode(exitUntold, fmt.Errorf("link %s: %w", l.Name, err))
	}
	return s, nil
}

// place makes the vantages that the link file names.
func place(l *provision.Link) ([]probes.Placed, probes.Vantage, error) {
	var placed []probes.Placed
	for _, spec := range l.Vantages {
		v, err := probes.ParseVantage(spec.From)
		if err != nil {
			return nil, nil, withCode(exitUsage, fmt.Errorf("link %s: vantage %s: %w", l.Name, spec.Name, err))
		}
		placed = append(placed, probes.Placed{Spec: spec, Vantage: v})
	}
	from := l.PublicDNS.From
	if from == "" {
		from = "local"
	}
	public, err := probes.ParseVantage(from)
	if err != nil {
		return nil, nil, withCode(exitUsage, fmt.Errorf("link %s: publicDNS: %w", l.Name, err))
	}
	return placed, public, nil
}

// sources opens everything that observing a link needs. What cannot be opened is recorded in the
// sources, so that the checks that need it say could not tell.
func sources(ctx context.Context, l provision.Link, open opener) (provision.Link, probes.Sources, error) {
	sides, perr, cerr := openSides(ctx, &l, open)
	placed, public, err := place(&l)
	if err != nil {
		return l, probes.Sources{}, err
	}
	l, perr, cerr = discover(ctx, l, sides, perr, cerr)
	return l, probes.Sources{
		Provider: sides.Provider, Consumer: sides.Consumer, ProviderErr: perr, ConsumerErr: cerr,
		Vantages: placed, PublicDNS: public,
	}, nil
}

// discover finds the link's service and endpoint. A side that cannot be asked for them is one that
// could not be opened: its checks could not be told, rather than fail for want of an id.
func discover(ctx context.Context, l provision.Link, sides provision.Sides, perr, cerr error) (provision.Link, error, error) {
	found, err := provision.Discover(ctx, &l, sides)
	var failed *provision.DiscoveryError
	if errors.As(err, &failed) {
		perr, cerr = cmp.Or(perr, failed.Provider), cmp.Or(cerr, failed.Consumer)
	}
	return found, perr, cerr
}

// readFile reads the certificate files that a link file names.
func readFile(name string) ([]byte, error) { return os.ReadFile(name) }
