package suites

import (
	"slices"
	"strings"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
)

// connectionsOf finds the link's connection among those of the service: by endpoint id, or, when that is not
// known, among those of the consumer account. An account may have more than one endpoint to a service: what
// somebody tried and left behind must not pass for the link. The best state tells them apart, and the newest of
// those that are in it is the link's, unless they wait for acceptance: accepting the wrong one lets a stranger in,
// so all of them are given, and nothing tells which is meant.
func connectionsOf(l provision.Link, endpointID string, all []probes.Connection) []probes.Connection {
	if id := or(endpointID, l.Consumer.EndpointID); id != "" {
		at := slices.IndexFunc(all, func(conn probes.Connection) bool { return conn.EndpointID == id })
		if at < 0 {
			return nil
		}
		return all[at : at+1]
	}
	var best []probes.Connection
	for _, conn := range all {
		if conn.EndpointOwner != l.Consumer.Account {
			continue
		}
		if len(best) == 0 || progress(conn) > progress(best[0]) {
			best = nil
		} else if progress(conn) < progress(best[0]) {
			continue
		}
		best = append(best, conn)
	}
	if len(best) < 2 || progress(best[0]) == waiting {
		return best
	}
	newest := slices.MaxFunc(best, func(a, b probes.Connection) int { return a.Created.Compare(b.Created) })
	return []probes.Connection{newest}
}

// How far a connection has come: dead is rejected, failed, expired, deleting or deleted.
const (
	dead = iota
	waiting
	settling
	working
)

func progress(conn probes.Connection) int {
	switch strings.ToLower(conn.State) {
	case "available":
		return working
	case "pending", "partial":
		return settling
	case "pendingacceptance":
		return waiting
	}
	return dead
}

func endpointsIn(connections []probes.Connection) string {
	var ids []string
	for _, conn := range connections {
		ids = append(ids, conn.EndpointID)
	}
	return list(sorted(ids))
}
