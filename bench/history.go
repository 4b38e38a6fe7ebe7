package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/reports/live/history"
	"github.com/linkassay/linkassay/suites/canary"
)

// historyKept measures what the canary's history costs of a fleet of 10,000 links with three zones that is looked at each
// ten seconds: ten minutes of good rounds, then two in which a third of it fails, told as fast as they are taken in and written.
func historyKept(ctx context.Context, b *book, s settings) error {
	var goodCores, badCores, bytes []float64
	for range min(s.runs, 3) {
		k, err := keepFleet(ctx)
		if err != nil {
			return err
		}
		goodCores, badCores, bytes = append(goodCores, k.good), append(badCores, k.bad), append(bytes, k.bytes)
	}
	b.add("10,000 links, good", "cores", atMost(0.02), goodCores...)
	b.add("10,000 links, a third begins to fail", "cores", atMost(0.05), badCores...)
	b.note("of 12 minutes, in two of which a third fails", "file", "B/link", goal{}, bytes...)
	return nil
}

// keptFleet is what keeping a fleet's rounds took: cores, and bytes in the file by link.
type keptFleet struct{ good, bad, bytes float64 }

func keepFleet(ctx context.Context) (k keptFleet, err error) {
	const (
		links   = 10_000
		every   = 10 * time.Second
		good    = 60 // rounds of each link
		failing = 12
	)
	dir, err := os.MkdirTemp("", "linkassay-bench")
	if err != nil {
		return k, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "history.db")
	problems := make(chan error, 1)
	h, err := history.Open(ctx, path, history.Options{Problem: func(err error) {
		select {
		case problems <- err:
		default:
		}
	}})
	if err != nil {
		return k, err
	}
	o, at := threeZones(), time.Now().Add(-time.Hour)
	roots := []canary.Root{{Key: "connection.healthy-target/load-balancer/a", Required: true, Reason: "no target is healthy"}}
	tell := func(rounds int, third canary.Outcome) (cores float64, err error) {
		before := ownCPU()
		for range rounds {
			for i := range links {
				r := canary.Round{
					Link: fmt.Sprintf("link-%05d", i), Started: at, Finished: at.Add(200 * time.Millisecond), Took: 200 * time.Millisecond,
					Outcome: canary.Good, Observation: o,
				}
				if i%3 == 0 && third == canary.Bad {
					r.Outcome, r.Roots = third, roots
				}
				if err := h.Round(r); err != nil {
					return 0, err
				}
			}
			at = at.Add(every)
		}
		err = errors.Join(h.Sync(ctx), ctx.Err())
		return (ownCPU() - before).Seconds() / (time.Duration(rounds) * every).Seconds(), err
	}
	if k.good, err = tell(good, canary.Good); err == nil {
		k.bad, err = tell(failing, canary.Bad)
	}
	if err = errors.Join(err, h.Close()); err != nil {
		return k, err
	}
	select {
	case err := <-problems:
		return k, err
	default:
	}
	info, err := os.Stat(path)
	if err == nil {
		k.bytes = float64(info.Size()) / links
	}
	return k, err
}

// threeZones is an Observation of three zones: names, connections and HTTP.
func threeZones() *probes.Observation {
	ok := func(d time.Duration) probes.Try { return probes.Try{Duration: d, Outcome: probes.OK} }
	var tcp []probes.Attempt
	var http []probes.Exchange
	var lookups []probes.Lookup
	for i, zone := range []string{"use1-az1", "use1-az2", "use1-az4"} {
		t := probes.Target{Kind: probes.TargetInterface, ZoneID: zone}
		tcp = append(tcp, probes.Attempt{Target: t, Tries: []probes.Try{ok(time.Duration(i+1) * time.Millisecond)}})
		http = append(http, probes.Exchange{Target: t, Try: ok(time.Duration(i+7) * time.Millisecond)})
		lookups = append(lookups, probes.Lookup{Outcome: probes.OK, Duration: time.Millisecond})
	}
	return &probes.Observation{
		DNS:   probes.DNS{Private: &probes.Item[[]probes.Lookup]{Value: lookups}, Zonal: &probes.Item[[]probes.Lookup]{Value: lookups}},
		Reach: probes.Reach{TCP: &probes.Item[[]probes.Attempt]{Value: tcp}, HTTP: &probes.Item[[]probes.Exchange]{Value: http}},
	}
}
