package main

import (
	"context"
	"sync"
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/awsapi"
	"github.com/linkassay/linkassay/reports"
)

// looker observes the links of a fleet, which share clients, sockets and connections.
type looker struct {
	clients *fleetClients
	public  *probes.Public // what public DNS answered, for all links
	engine  *probes.Engine
	absent  probes.Absences
	ways    sync.Map // link name to way, as of its last look with the control plane
}

// watch forgets the vantages of links that are watched no more.
func (k *looker) watch(links []provision.Link) {
	watched := map[string]bool{}
	for _, l := range links {
		watched[l.Name] = true
	}
	k.ways.Range(func(link, _ any) bool {
		if !watched[link.(string)] {
			k.ways.Delete(link)
		}
		return true
	})
}

// look observes a link as verify does, or its names and connections alone.
func (k *looker) look(ctx context.Context, l provision.Link, known *probes.Observation) (*probes.Observation, int64) {
	o := probes.Options{ReadFile: readFile, Started: time.Now(), Known: known, Public: k.public, Engine: k.engine}
	if known != nil {
		last, ok := k.ways.Load(l.Name)
		if !ok {
			last = placed(&l)
		}
		w := last.(way)
		return probes.Observe(ctx, l, probes.Sources{Vantages: w.vantages, PublicDNS: w.public}, o), 0
	}
	w := placed(&l)
	k.ways.Store(l.Name, w)
	ctx, trace := awsapi.WithTrace(ctx)
	var used loan
	defer used.giveBack(k.clients)
	found, src := sources(ctx, l, w, used.opener(k.clients, &l))
	seen := probes.Observe(ctx, found, src, o)
	seen.Compact(&k.absent)
	return seen, trace.End(func(n int64) { k.clients.late.Add(n) }) + k.clients.late.Swap(0)
}

// clean is what verify judges of an observation: secrets of the link file that a remote end sent back are not in it.
func clean(o *probes.Observation) *probes.Observation {
	if !reports.HasSecrets(&o.Link) {
		return nil
	}
	kept, _, err := reports.Keep(o)
	if err != nil {
		panic(err) // the round could not be told, and nothing of it is
	}
	return kept
}

// placed makes the vantages of a link that was checked when its file was read.
func placed(l *provision.Link) way {
	w, err := place(l)
	if err != nil {
		panic(err)
	}
	return w
}
