package reports

import (
	"time"

	"github.com/linkassay/linkassay/probes"
)

// Identity is who asked one side of a link.
type Identity struct {
	Link string `json:"link"`
	Side string `json:"side"` // provider or consumer
	ARN  string `json:"arn,omitempty"`
	// ClockOffset is how far AWS's clock was ahead of this host's, by the Date header of an answer, which has whole
	// seconds; nil where no answer had one.
	ClockOffset *time.Duration `json:"clockOffset,omitempty"` // nanoseconds
}

// Identities lists who asked, by link and side. A side that was not asked, or did not answer, is not among them.
func (r *Report) Identities() []Identity {
	var all []Identity
	add := func(link, side string, who *probes.Item[probes.Identity], api *probes.Item[probes.API]) {
		i := Identity{Link: link, Side: side}
		if who != nil {
			i.ARN = who.Value.ARN
		}
		if api != nil && api.Value.ClockKnown {
			offset := api.Value.ClockOffset
			i.ClockOffset = &offset
		}
		if i.ARN != "" || i.ClockOffset != nil {
			all = append(all, i)
		}
	}
	for _, l := range r.Links {
		if o := l.Observation; o != nil {
			add(o.Link.Name, "provider", o.Provider.Identity, o.Provider.API)
			add(o.Link.Name, "consumer", o.Consumer.Identity, o.Consumer.API)
		}
	}
	return all
}
