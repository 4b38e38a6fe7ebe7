package main

import (
	"context"
	"fmt"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/lab"
)

// labLinks is how many links a round through the lab has.
const labLinks = 10_000

// fleetLab measures fast rounds through the lab, with both ends of every connection in this process. The links share one
// endpoint with an interface in each of three zones: what a probe costs does not depend on whose interface it goes to.
func fleetLab(ctx context.Context, b *book, s settings) error {
	return withLink(ctx, func(l *lab.Lab, link provision.Link, src probes.Sources) error {
		link.Vantages, src.Vantages, link.Ports = link.Vantages[:1], src.Vantages[:1], link.Ports[:1]
		known := probes.Observe(ctx, link, src, probes.Options{ReadFile: l.ReadFile})
		fleet := make([]member, labLinks)
		for i := range fleet {
			own := *known
			own.Link.Name = fmt.Sprintf("link-%05d", i)
			fleet[i] = member{link: own.Link, known: &own, src: src}
		}
		f, err := fleetRounds(ctx, fleet, min(s.runs, 3))
		if err != nil {
			return err
		}
		note := fmt.Sprintf("%d probes, %d links that share an endpoint, both ends in the process", f.Probes, f.Links)
		b.note(note, "a round", "s", atMost(25), f.Rounds...)
		b.note("all judged", "the first round", "s", goal{}, f.First)
		b.add("CPU of a probe, both ends", "µs", goal{}, over(f.CPU, float64(f.Probes)/1e6)...)
		return nil
	})
}
