package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/awsapi"
)

// opener gets into a side's account.
type opener func(ctx context.Context, p provision.Party, region string) (*awsapi.Clients, error)

// way is where a link is observed from.
type way struct {
	vantages []probes.Placed
	public   probes.Vantage // asks public DNS
}

// place makes the vantages that the link file names.
func place(l *provision.Link) (way, error) {
	var w way
	for _, spec := range l.Vantages {
		v, err := probes.ParseVantage(spec.From)
		if err != nil {
			return w, withCode(exitUsage, fmt.Errorf("link %s: vantage %s: %w", l.Name, spec.Name, err))
		}
		w.vantages = append(w.vantages, probes.Placed{Spec: spec, Vantage: v})
	}
	if l.PublicDNS.From == provision.NoPublicDNS {
		return w, nil
	}
	var err error
	if w.public, err = probes.ParseVantage(cmp.Or(l.PublicDNS.From, "local")); err != nil {
		return w, withCode(exitUsage, fmt.Errorf("link %s: publicDNS: %w", l.Name, err))
	}
	return w, nil
}

// sources opens both sides of a link, and finds its service and endpoint. A side that cannot be
// opened or asked is an error of that side alone, kept in the sources: its checks could not be told,
// rather than fail for want of an id. A nil opener takes the credentials that the link file names.
func sources(ctx context.Context, l provision.Link, w way, open opener) (provision.Link, probes.Sources) {
	src := probes.Sources{Vantages: w.vantages, PublicDNS: w.public}
	var ofProvider, ofConsumer provision.Link
	var wg sync.WaitGroup
	wg.Go(func() {
		alone := l
		alone.Consumer.Access = provision.AccessNone
		src.ProviderErr = guard("open the provider side", func() (err error) {
			var s provision.Sides
			ofProvider, s, err = find(ctx, alone, open)
			src.Provider = s.Provider
			return err
		})
	})
	wg.Go(func() {
		alone := l
		alone.Provider.Access = provision.AccessNone
		src.ConsumerErr = guard("open the consumer side", func() (err error) {
			var s provision.Sides
			ofConsumer, s, err = find(ctx, alone, open)
			src.Consumer = s.Consumer
			return err
		})
	})
	wg.Wait()
	l.Provider.ServiceID = cmp.Or(l.Provider.ServiceID, ofProvider.Provider.ServiceID, ofConsumer.Provider.ServiceID)
	l.Provider.ServiceName = cmp.Or(l.Provider.ServiceName, ofProvider.Provider.ServiceName, ofConsumer.Provider.ServiceName)
	l.Consumer.EndpointID = cmp.Or(l.Consumer.EndpointID, ofConsumer.Consumer.EndpointID)
	return l, src
}

// find opens the side of the link that may be asked and finds what is there, within the time of one
// API call.
func find(ctx context.Context, l provision.Link, open opener) (provision.Link, provision.Sides, error) {
	sides, err := provision.Open(ctx, &l, open)
	if err != nil {
		return l, sides, err
	}
	ctx, cancel := context.WithTimeout(ctx, l.Timeouts.API.Or(provision.DefaultAPITimeout))
	defer cancel()
	found, err := provision.Discover(ctx, &l, sides)
	if failed, ok := errors.AsType[*provision.DiscoveryError](err); ok {
		err = cmp.Or(failed.Provider, failed.Consumer) // one side was asked
	}
	return found, sides, err
}

// readFile reads the certificate files that a link file names.
func readFile(name string) ([]byte, error) { return os.ReadFile(name) }
