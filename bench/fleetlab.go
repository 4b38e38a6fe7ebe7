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

// The fleet in the lab: 25 VPCs, each with an endpoint to each of 40 services; a VPC may have 50. Ten links share an endpoint: to build
// ten thousand takes longer than all that is measured, and what a probe costs does not depend on whose interface it goes to.
const (
	labLinks     = 10_000
	labEndpoints = 1000
	labServices  = 40
)

// fleetLab measures fast rounds through the lab, with both ends of every connection in this process, to endpoints with an interface in each
// of three zones.
func fleetLab(ctx context.Context, b *book, s settings) error {
	r, err := labRounds(ctx, labLinks, labEndpoints, labServices, min(s.runs, 3))
	if err != nil {
		return err
	}
	note := fmt.Sprintf("%d probes, %d links by %d endpoints from %d VPCs to %d services, both ends in the process", r.Probes, r.Links, labEndpoints, r.vpcs, labServices)
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

func labRounds(ctx context.Context, links, endpoints, services, rounds int) (r labFigures, err error) {
	timing := lab.Brisk()
	timing.HealthScale = 10
	began := time.Now()
	f, err := labfleet.Build(ctx, labfleet.Shape{Links: endpoints, Services: services, Zones: loopbackZones, Seed: 1, Timing: timing})
	if f != nil {
		defer func() { err = errors.Join(err, f.Close()) }()
	}
	if err != nil {
		return r, err
	}
	r.vpcs, r.built = len(f.VPCs), time.Since(began)
	each, err := known(ctx, f)
	if err != nil {
		return r, err
	}
	fleet := make([]member, links)
	for i := range fleet {
		m := each[i%len(each)]
		own := *m.known
		own.Link.Name = fmt.Sprintf("link-%05d", i)
		fleet[i] = member{link: own.Link, known: &own, src: m.src}
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
