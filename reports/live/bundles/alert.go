package bundles

import "github.com/linkassay/linkassay/suites/canary"

// Before returns a sink that tells changes to another one when their bundles are written: who is told of an incident finds
// what he is told of. The name of a bundle that could not be written, or is gone, is left out.
func (b *Bundles) Before(s canary.Sink) canary.Sink { return &after{s, b} }

type after struct {
	canary.Sink
	bundles *Bundles
}

// Change waits for the bundle, but not for long.
func (a *after) Change(c canary.Change) error {
	if name := c.Incident.Bundle; name != "" && c.Alerts() && !a.bundles.wait(name) {
		c.Incident.Bundle = ""
	}
	return a.Sink.Change(c)
}
