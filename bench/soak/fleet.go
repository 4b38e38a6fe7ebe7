package main

import (
	"context"

	"github.com/linkassay/linkassay/bench/labfleet"
	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/awsapi"
	"github.com/linkassay/linkassay/provision/lab"
)

// fleet is what the canary watches.
type fleet struct {
	*labfleet.Fleet
	watching [2]*awsapi.Clients // the canary's, of both sides, which share what they read
	engine   *probes.Engine
}

// build starts a lab and builds a fleet of so many links, at the given pace.
func build(ctx context.Context, links int, seed uint64, settings provision.Canary) (*fleet, error) {
	timing := lab.Brisk()
	timing.HealthScale = 10 // a second between health checks: a tenth of that would be most of the machine's work
	built, err := labfleet.Build(ctx, labfleet.Shape{Links: links, Services: 20, Zones: 2, Seed: seed, Timing: timing, Canary: settings})
	if built == nil {
		return nil, err
	}
	f := &fleet{Fleet: built, engine: probes.NewEngine(0)}
	if err == nil {
		f.watching, err = f.Share(ctx)
	}
	return f, err
}

// look observes a link as the canary does.
func (f *fleet) look(ctx context.Context, l provision.Link, known *probes.Observation) (*probes.Observation, int64) {
	ctx, trace := awsapi.WithTrace(ctx)
	o := probes.Observe(ctx, l, probes.Sources{
		Provider: f.watching[0], Consumer: f.watching[1], Vantages: f.From[l.Name], PublicDNS: f.Lab.Internet(),
	}, probes.Options{ReadFile: f.Lab.ReadFile, Known: known, Engine: f.engine})
	return o, trace.End(func(int64) {})
}

// close ends the canary's clients and the lab.
func (f *fleet) close() error {
	f.engine.Close()
	for _, c := range f.watching {
		if c != nil {
			c.Close()
		}
	}
	return f.Close()
}
