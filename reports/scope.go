package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Outside is an endpoint that a run came across and that is in none of its links: a connection of a
// link's service, or an endpoint to an endpoint service in a link's VPC. Nothing is said of it but that it is
// there.
type Outside struct {
	EndpointID string `json:"endpointId"`
	Owner      string `json:"owner,omitempty"` // account; as the provider sees it
	State      string `json:"state"`
	Service    string `json:"service,omitempty"` // the service's id or name
	VPC        string `json:"vpc,omitempty"`     // where it was seen in the consumer's VPC
	Link       string `json:"link"`              // the link that it was seen beside
}

// NotInScope lists what is in none of the run's links, in the order of its ids. An endpoint that both owners
// see is listed once.
func (r *Report) NotInScope() []Outside {
	known := map[string]bool{}
	for _, l := range r.Links {
		if o := l.Observation; o != nil {
			known[o.Link.Consumer.EndpointID] = true
			if o.Consumer.Endpoint != nil {
				known[o.Consumer.Endpoint.Value.ID] = true
			}
		}
	}
	found := map[string]Outside{}
	add := func(x Outside) {
		if known[x.EndpointID] || strings.EqualFold(x.State, "deleted") {
			return
		}
		old := found[x.EndpointID]
		x.Owner, x.VPC, x.Link = cmp.Or(old.Owner, x.Owner), cmp.Or(old.VPC, x.VPC), cmp.Or(old.Link, x.Link)
		x.State, x.Service = cmp.Or(old.State, x.State), cmp.Or(old.Service, x.Service)
		found[x.EndpointID] = x
	}
	for _, l := range r.Links {
		o := l.Observation
		if o == nil {
			continue
		}
		if o.Provider.Connections != nil {
			for _, c := range o.Provider.Connections.Value {
				if o.Link.Consumer.EndpointID == "" && c.EndpointOwner == o.Link.Consumer.Account {
					continue // whichever of them is the link's: the consumer can't be asked
				}
				id := o.Link.Provider.ServiceID
				if o.Provider.Service != nil {
					id = cmp.Or(o.Provider.Service.Value.ID, id)
				}
				add(Outside{EndpointID: c.EndpointID, Owner: c.EndpointOwner, State: c.State, Service: id, Link: o.Link.Name})
			}
		}
		if o.Consumer.Endpoints != nil && o.Consumer.Endpoint != nil {
			for _, e := range o.Consumer.Endpoints.Value {
				// Endpoints of AWS's own services are no links and never could be.
				if strings.Contains(e.ServiceName, ".vpce-svc-") {
					add(Outside{EndpointID: e.ID, Owner: o.Link.Consumer.Account, State: e.State, Service: e.ServiceName, VPC: o.Consumer.Endpoint.Value.VPCID, Link: o.Link.Name})
				}
			}
		}
	}
	all := make([]Outside, 0, len(found))
	for _, x := range found {
		all = append(all, x)
	}
	slices.SortFunc(all, func(a, b Outside) int { return cmp.Compare(a.EndpointID, b.EndpointID) })
	return all
}

// words says what is known of it in one line.
func (x Outside) words() string {
	s := x.EndpointID
	if x.Owner != "" {
		s += " of account " + x.Owner
	}
	if x.VPC != "" {
		s += " in " + x.VPC
	}
	return fmt.Sprintf("%s: %s, to %s (beside link %s)", s, cmp.Or(x.State, "state not known"), cmp.Or(x.Service, "an unknown service"), x.Link)
}

// maxOutside bounds how many are printed; run.json has all.
const maxOutside = 8

// notInScope prints what is in none of the links.
func (p *page) notInScope(r *Report) {
	all := r.NotInScope()
	if len(all) == 0 {
		return
	}
	p.line("")
	p.line(fmt.Sprintf("NOT IN SCOPE: %s in no link of this run", plural(len(all), "endpoint", "endpoints")))
	for i, x := range all {
		if i == maxOutside {
			p.line(fmt.Sprintf("  and %d more", len(all)-maxOutside))
			break
		}
		p.text("  ", "    ", x.words())
	}
}

// markdownNotInScope writes what is in none of the links.
func markdownNotInScope(p func(string, ...any), r *Report) {
	all := r.NotInScope()
	if len(all) == 0 {
		return
	}
	p("\n## Not in scope\n\nIn no link of this run:\n\n")
	for _, x := range all {
		p("- %s\n", md(x.words()))
	}
}
