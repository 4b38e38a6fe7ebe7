package suites

import (
	"slices"
	"strings"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
)

// The hops, by their place on the way.
const (
	hopVantage = iota
	hopName
	hopRoute
	hopClientGroup
	hopInterface
	hopEndpointGroup
	hopEndpoint
	hopService
	hopNode
	hopBalancerGroup
	hopListener
	hopTargetGroup
	hopHealth
	hopTarget
	hopTCP
	hopTLS
	hopHTTP
	hopCount
)

// hopKind is a hop with the checks that decide it. An id that ends in a dot is an area.
type hopKind struct {
	name   string
	checks []string
}

func hopKinds() [hopCount]hopKind {
	return [hopCount]hopKind{
		hopVantage:     {"vantage", nil},
		hopName:        {"name resolution", []string{"dns.", "verification.", "family.dns-record-type", "family.names-complete"}},
		hopRoute:       {"route, client's ACL", []string{"network.route-to-vantage", "network.client-acl"}},
		hopClientGroup: {"client's group", []string{"network.client-security-group"}},
		hopInterface:   {"interface", []string{"connection.interface-in-each-subnet", "family.endpoint-type"}},
		hopEndpointGroup: {"endpoint's group, ACL", []string{
			"connection.endpoint-security-group", "network.endpoint-acl", "family.security-group",
		}},
		hopEndpoint: {"endpoint", []string{
			"connection.endpoint-exists", "connection.endpoint-service", "connection.endpoint-available", "connection.endpoint-zones",
			"connection.accepted", "connection.sides-agree", "connection.endpoint-policy-open", "connection.subnets-in-service-zones",
			"connection.subnets-in-different-zones", "connection.subnets-have-addresses", "connection.consumer-account", "identity.consumer-", "quota.",
		}},
		hopService: {"service", []string{
			"connection.service-", "connection.principal-allowed", "connection.provider-account", "connection.load-balancer-free",
			"family.service-types", "region.", "identity.", "exposure.",
		}},
		hopNode: {"load balancer's node", []string{
			"connection.load-balancer-active", "connection.load-balancers-alike", "connection.load-balancer-in-endpoint-zones", "family.load-balancers",
		}},
		hopBalancerGroup: {"load balancer's group", []string{"connection.load-balancer-security-group", "network.load-balancer-egress"}},
		hopListener:      {"listener", []string{"connection.listener-on-each-port"}},
		hopTargetGroup:   {"target group", []string{"connection.targets-registered", "connection.targets-in-use", "proxy.as-expected"}},
		hopHealth: {"healthy targets", []string{
			"connection.targets-checked", "connection.health-check-code", "proxy.health-checks-parsed", "network.target-health-checks",
			"connection.healthy-target", "connection.healthy-target-in-endpoint-zones",
		}},
		hopTarget: {"target's group, ACL", []string{"network.target-security-group", "network.target-acl"}},
		hopTCP:    {"TCP connect", []string{"reachability.tcp-"}},
		hopTLS:    {"TLS", []string{"reachability.tls-"}},
		hopHTTP:   {"HTTP", []string{"reachability.http-", "reachability.large-requests", "proxy.connections-parsed", "proxy.endpoint-id-arrives"}},
	}
}

// hopOf is the hop that a check decides: that which names it, else that of the longest beginning of its id.
func hopOf(id string) int {
	at, longest := none, 0
	for i, h := range hopKinds() {
		for _, c := range h.checks {
			open := strings.HasSuffix(c, ".") || strings.HasSuffix(c, "-")
			if (c == id || open && strings.HasPrefix(id, c)) && len(c) > longest {
				at, longest = i, len(c)
			}
		}
	}
	return at
}

// lastOn are the checks that say in the end whether connections to a kind of target are answered as the link file
// wants on a port.
func lastOn(p provision.Port, kind probes.TargetKind) []string {
	suffix := map[probes.TargetKind]string{
		probes.TargetInterface: "interfaces", probes.TargetPrivate: "private-name", probes.TargetRegional: "aws-names", probes.TargetZonal: "aws-names",
	}[kind]
	last := []string{"reachability.tcp-" + suffix}
	if p.TLS != nil {
		last = append(last, "reachability.tls-certificate")
	}
	if p.HTTP != nil {
		last = append(last, "reachability.http-"+suffix)
	}
	return last
}

// lastOnName are the checks that say in the end whether a kind of name leads to the endpoint.
func lastOnName(kind probes.TargetKind) []string {
	switch kind {
	case probes.TargetPrivate:
		return []string{"dns.private-name-matches-endpoint", "dns.private-name-matches-regional"}
	case probes.TargetRegional:
		return []string{"dns.regional-name-resolves"}
	case probes.TargetZonal:
		return []string{"dns.zonal-names-match"}
	}
	return nil
}

// judgedFlow is an Observation with the verdicts of all checks on it.
type judgedFlow struct {
	o        *probes.Observation
	verdicts []Verdict
	index    map[string]int
	after    map[string][]string
}

func judgedView(o *probes.Observation, catalogue []Check) judgedFlow {
	j := judgedFlow{o: o, verdicts: Judge(o, catalogue, nil), index: map[string]int{}, after: map[string][]string{}}
	for i, v := range j.verdicts {
		j.index[v.Check] = i
	}
	for _, c := range catalogue {
		j.after[c.ID] = slices.Concat(c.After, c.Because)
	}
	return j
}

func (j judgedFlow) of(id string) Verdict {
	if i, ok := j.index[id]; ok {
		return j.verdicts[i]
	}
	return Verdict{Check: id, Status: Untold, Reason: "there is no such check"}
}

// closure are the verdicts of checks and of all that they rest on, in the catalogue's order.
func (j judgedFlow) closure(ids ...string) []Verdict {
	seen := map[string]bool{}
	var walk func(ids []string)
	walk = func(ids []string) {
		for _, id := range ids {
			if !seen[id] {
				seen[id] = true
				walk(j.after[id])
			}
		}
	}
	walk(ids)
	var out []Verdict
	for _, v := range j.verdicts {
		if seen[v.Check] {
			out = append(out, v)
		}
	}
	return out
}
