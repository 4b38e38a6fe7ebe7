package suites

import (
	"slices"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
)

// rebuilt are the checks whose failures apply mends where it built the link, by the sides that it must build.
func rebuilt(id string) []Side {
	switch id {
	case "connection.service-exists", "connection.principal-allowed", "connection.targets-registered",
		"verification.txt-published", "verification.state":
		return []Side{ProviderSide}
	case "connection.endpoint-exists", "dns.private-dns-enabled":
		return []Side{ConsumerSide}
	case "connection.accepted": // it accepts one that waits, and replaces one that was rejected
		return []Side{ProviderSide, ConsumerSide}
	}
	return nil
}

// applyCommand is the linkassay command that mends a failure, or "" when apply does not build what is broken, or
// no link file is known by name.
func applyCommand(o *probes.Observation, id string) string {
	sides := rebuilt(id)
	p, c := o.Link.Provider, o.Link.Consumer
	builds := map[Side]bool{
		ProviderSide: p.Build != nil && p.Access != provision.AccessNone,
		ConsumerSide: c.Build != nil && c.Access != provision.AccessNone,
	}
	if o.Link.File == "" || len(sides) == 0 || slices.ContainsFunc(sides, func(s Side) bool { return !builds[s] }) {
		return ""
	}
	return "linkassay apply -f " + shellWord(plainTo(o.Link.File, maxArgument)) + " --link " + shellWord(o.Link.Name)
}
