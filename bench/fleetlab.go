package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/linkassay/linkassay/bench/labfleet"
	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision/awsapi"
	"github.com/linkassay/linkassay/provision/lab"
)

// The fleet in the lab: 200 VPCs, each with an endpoint to each of 50 services, which is a VPC's quota.
const (
	labLinks    = 10_000
	labServices = 50
)

// fleetLab measures fast rounds through the lab, with both ends of every connection in this process. Each link has an endpoint of its own,
// with an interface in each of three zones.
func fleetLab(ctx context.Context, b *book, s settings) error {
	r, err := labRounds(ctx, labLinks, labServices, min(s.runs, 3))
	if err != nil {
		return err
	}
	note := fmt.Sprintf("%d probes, %d links by as many endpoints from %d VPCs to %d services, both ends in the process", r.Probes, r.Links, r.vpcs, labServices)
	b.note(note, "a round", "s", atMost(25), r.Rounds...)
	b.note("all judged", "the first round", "s", goal{}, r.First)
	b.add("CPU of a probe, both ends", "µs", goal{}, over(r.CPU, float64(r.Probes)/1e6)...)
	b.add("building the fleet", "s", goal{}, r.built.Seconds())
	return nil
}

// labFigures are what rounds through the lab took.
type labFigures struct {
	fleetFigures
	vpcs  int
	built time.Duration
}

func labRounds(ctx context.Context, links, services, rounds int) (r labFigures, err error) {
	timing := lab.Brisk()
	timing.HealthScale = 10
	began := time.Now()
	f, err := labfleet.Build(ctx, labfleet.Shape{Links: links, Services: services, Zones: loopbackZones, Seed: 1, Timing: timing})
	if f != nil {
		defer func() { err = errors.Join(err, f.Close()) }()
	}
	if err != nil {
		return r, err
	}
	r.vpcs, r.built = len(f.VPCs), time.Since(began)
	fleet, err := known(ctx, f)
	if err != nil {
		return r, err
	}
	r.fleetFigures, err = fleetRounds(ctx, fleet, rounds)
	return r, err
}

// known observes each link with its control plane, as a canary does at first.
func known(ctx context.Context, f *labfleet.Fleet) ([]member, error) {
	clients, err := f.Share(ctx)
	for _, c := range clients {
		if c != nil {
			defer c.Close()
		}
	}
	if err != nil {
		return nil, err
	}
	public := probes.NewPublic()
	ctx = awsapi.NotOlder(ctx, time.Now(), time.Hour, time.Hour)
	fleet := make([]member, len(f.Links))
	slots := make(chan struct{}, sideBySide)
	var all sync.WaitGroup
	for i, link := range f.Links {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			src := probes.Sources{Provider: clients[0], Consumer: clients[1], Vantages: f.From[link.Name], PublicDNS: f.Lab.Internet()}
			o := probes.Observe(ctx, link, src, probes.Options{ReadFile: f.Lab.ReadFile, Public: public})
			fleet[i] = member{link: o.Link, known: o, src: probes.Sources{Vantages: src.Vantages}}
		})
	}
	all.Wait()
	return fleet, ctx.Err()
}
