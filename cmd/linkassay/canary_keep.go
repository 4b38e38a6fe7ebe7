package main

import (
	"context"
	"errors"

	"github.com/linkassay/linkassay/reports/live"
	"github.com/linkassay/linkassay/reports/live/bundles"
	"github.com/linkassay/linkassay/reports/live/history"
	"github.com/linkassay/linkassay/suites"
	"github.com/linkassay/linkassay/suites/canary"
)

// canaryMemory is what the canary keeps beside the state: history and evidence, each nil without its flag; and what alerts
// and pages point to.
type canaryMemory struct {
	past     *history.History
	last     map[string]history.Run
	bundles  *bundles.Bundles
	runbooks live.Runbooks
	once     bool
}

// openMemory opens what the flags ask for.
func (a *app) openMemory(ctx context.Context, f *canaryFlags, selection suites.Selection, problem func(error)) (*canaryMemory, error) {
	m := &canaryMemory{once: f.once}
	var err error
	if m.runbooks, err = live.ParseRunbooks(f.bundles.runbooks, suites.Catalogue()); err != nil {
		return nil, usageError("--runbook %w", err)
	}
	if m.past, err = f.history.open(ctx, problem); err != nil {
		return nil, err
	}
	if m.past != nil {
		m.last = m.past.Last()
	}
	if m.bundles, err = f.bundles.open(ctx, a, f, selection, problem); err != nil {
		return nil, errors.Join(err, m.close())
	}
	if m.bundles != nil {
		last := map[string]canary.Outcome{}
		for link, run := range m.last {
			last[link] = run.Outcome
		}
		m.bundles.Seed(last)
	}
	return m, nil
}

// attach makes the canary use it.
func (m *canaryMemory) attach(o *canary.Options, pages *live.Status) {
	restored := o.Restored
	o.Restored = func(open []canary.Incident, links map[string]canary.LinkState) {
		restored(open, links)
		if m.past != nil {
			m.past.Restored(open)
		}
	}
	if m.past != nil {
		o.Sinks = append(o.Sinks, m.past)
		if o.Store == nil {
			o.Store = m.past
		}
		pages.Remember(m.past, m.last)
	}
	if m.bundles != nil {
		o.Keep = m.bundles.Keep
		pages.Show(m.bundles)
	}
	pages.Explain(m.runbooks)
}

// hold keeps the evidence of incidents that are open.
func (m *canaryMemory) hold(c *canary.Canary) {
	if m.bundles != nil {
		m.bundles.Hold(c.Incidents)
	}
}

// alert is a sink for people: what it tells names the runbook, and evidence that is there.
func (m *canaryMemory) alert(s canary.Sink) canary.Sink {
	if m.bundles != nil {
		s = m.bundles.Before(s)
	}
	return m.runbooks.In(s)
}

// close writes what waits and closes all.
func (m *canaryMemory) close() error {
	var errs []error
	if m.bundles != nil {
		wait := bundlesStop
		if m.once {
			wait = bundlesOnce
		}
		errs = append(errs, closeBundles(m.bundles, wait))
	}
	if m.past != nil {
		errs = append(errs, withCode(exitUntold, m.past.Close()))
	}
	return errors.Join(errs...)
}
