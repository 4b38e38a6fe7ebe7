package lab

import (
	"slices"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// States of an interface endpoint as EC2 writes them: lower camel case, although the model's
// enumeration has upper camel case.
const (
	endpointPendingAcceptance = "pendingAcceptance"
	endpointPending           = "pending"
	endpointAvailable         = "available"
	endpointDeleting          = "deleting"
	endpointRejected          = "rejected"
)

// The ways of an endpoint:
//
//	Create ── pendingAcceptance ── Accept ──> pending ── a moment ──> available
//	  └────── (no acceptance required) ────────┘ └──── Modify ────────────┘
//	Reject: pendingAcceptance, pending or available ──> rejected; there is no way back
//	Delete: any ──> deleting ── a moment ──> gone
//
// A request that nobody accepts stays pendingAcceptance: AWS expires it after a time that is
// UNSOURCED, so the lab does not.

// settleEndpoint puts the endpoint into pending, and makes it available a moment later unless something
// newer happened to it.
func (w *world) settleEndpoint(e *endpoint) {
	e.state = endpointPending
	e.generation++
	generation := e.generation
	w.after(w.timing.Endpoint, "endpoint "+e.id+" becomes available", func() {
		if w.endpoints[e.id] == e && e.state == endpointPending && e.generation == generation {
			e.state = endpointAvailable
		}
	})
}

// reject closes the connection for good: the endpoint can only be deleted.
func (e *endpoint) reject() {
	e.state = endpointRejected
	e.generation++
}

// removeEndpoint starts the deletion. Interfaces and hidden hosted zone stay until it is done, so that a
// new endpoint with the same private DNS name conflicts with one that is still going.
func (w *world) removeEndpoint(e *endpoint) {
	if e.state == endpointDeleting && !e.stuck {
		return
	}
	e.state, e.stuck = endpointDeleting, false
	e.generation++
	w.after(w.timing.Deleting, "endpoint "+e.id+" is gone", func() { w.forgetEndpoint(e) })
}

// forgetEndpoint takes the endpoint and its interfaces out of the world.
func (w *world) forgetEndpoint(e *endpoint) {
	for _, id := range e.enis {
		w.removeInterface(w.interfaces[id])
	}
	delete(w.endpoints, e.id)
}

// ownEndpoint finds an endpoint of the caller. Right after it was made it is not yet found.
func (c *call) ownEndpoint(id string) (*endpoint, error) {
	if err := wellFormed(id, "vpce", "InvalidVpcEndpointId.Malformed"); err != nil {
		return nil, err
	}
	e := c.endpoints[id]
	if e == nil || !c.owns(e) || e.visibleFrom.After(c.now) {
		return nil, wire.Errorf(400, "InvalidVpcEndpointId.NotFound", "The Vpc Endpoint Id '%s' does not exist", id)
	}
	return e, nil
}

// privateNameOf is the private DNS name that the endpoint answers for in its VPC; "" for none.
func (w *world) privateNameOf(e *endpoint) string {
	if s := w.services[e.serviceID]; s != nil && e.privateDNS {
		return s.privateName
	}
	return ""
}

// checkPrivateDNS says whether private DNS can be enabled on an endpoint to the service in the VPC.
// self is the endpoint's id, empty for one that is to be made. The order of the checks is UNSOURCED.
func (c *call) checkPrivateDNS(v *vpc, s *endpointService, accepted bool, self string) error {
	refuse := func(format string, args ...any) error { return wire.Errorf(400, "InvalidParameter", format, args...) }
	switch {
	case !v.dnsSupport || !v.dnsHostnames:
		return refuse("Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for %s", v.id)
	case s.privateName == "":
		return refuse("Private DNS can't be enabled because the service %s does not provide a private DNS name.", s.name)
	case s.verification.state != verificationVerified:
		return refuse("Private DNS can't be enabled because the service %s has not verified the private DNS name.", s.name)
	case !accepted:
		return refuse("Private DNS can only be enabled after the endpoint connection is accepted by the owner of %s.", s.name)
	}
	for _, e := range c.endpoints {
		if e.vpc == v.id && e.id != self && c.privateNameOf(e) == s.privateName {
			return refuse("private-dns-enabled cannot be set because there is already a conflicting DNS domain for %s in the VPC %s", s.privateName, v.id)
		}
	}
	return nil
}

// enablePrivateDNS makes the hidden hosted zone of the private DNS name.
func (c *call) enablePrivateDNS(e *endpoint) {
	e.privateDNS, e.privateZone = true, "Z"+c.ids.upper(20)
}

// regionalDNSName is the endpoint's public name for all its zones.
func (e *endpoint) regionalDNSName() string { return e.dnsNameWith("") }

// zonalDNSName is the endpoint's public name for one zone, which it spells as the endpoint's owner
// names that zone.
func (w *world) zonalDNSName(e *endpoint, zoneID string) string {
	return e.dnsNameWith("-" + w.zoneName(e.account, e.region, zoneID))
}

func (e *endpoint) dnsNameWith(zone string) string {
	return e.id + "-" + e.suffix + zone + "." + e.serviceID + "." + e.serviceRegion() + ".vpce.amazonaws.com"
}

// zoneIDsOf are the zone ids of the endpoint's subnets, in their order.
func (w *world) zoneIDsOf(e *endpoint) []string {
	var ids []string
	for _, id := range e.subnets {
		if s := w.subnets[id]; s != nil {
			ids = append(ids, s.zoneID)
		}
	}
	return ids
}

// publicNames are the regional and then the zonal names; none while the endpoint has no subnets.
func (w *world) publicNames(e *endpoint) []dnsEntryItem {
	entries := []dnsEntryItem{}
	if len(e.subnets) == 0 {
		return entries
	}
	zone := endpointZoneID(e.serviceRegion())
	entries = append(entries, dnsEntryItem{Name: e.regionalDNSName(), Zone: zone})
	for _, id := range w.zoneIDsOf(e) {
		entries = append(entries, dnsEntryItem{Name: w.zonalDNSName(e, id), Zone: zone})
	}
	return entries
}

// dnsEntries is DnsEntries in AWS's order: regional, zonal, and last the private name in its hidden
// hosted zone.
func (w *world) dnsEntries(e *endpoint) []dnsEntryItem {
	entries := w.publicNames(e)
	if name := w.privateNameOf(e); name != "" {
		entries = append(entries, dnsEntryItem{Name: name, Zone: e.privateZone})
	}
	return entries
}

// inState says whether the endpoint is in one of the states.
func (e *endpoint) inState(states ...string) bool { return slices.Contains(states, e.state) }
