package suites

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
)

// value returns what an item holds and whether it was answered. It is for bodies: an item that the
// check did not declare is nil, and the dereference tells that the check is wrong.
func value[T any](it *probes.Item[T]) (T, bool) {
	return it.Value, it.Absent == "" && it.Error == nil
}

// maybe is value for fixes, which read the whole Observation, where an older recording may lack an
// item.
func maybe[T any](it *probes.Item[T]) T {
	if it == nil {
		var zero T
		return zero
	}
	return it.Value
}

// or returns the first string that is not empty.
func or(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// The ids that fixes name. Each falls back to a placeholder in capitals where nobody knows the id.

func serviceIDOf(o *probes.Observation) string {
	id := or(o.Link.Provider.ServiceID, maybe(o.Provider.Service).ID, maybe(o.Consumer.Service).ID)
	if id != "" {
		return id
	}
	// The service id is the last part of the service name.
	if name := serviceNameOf(o); name != "SERVICE_NAME" {
		return name[strings.LastIndex(name, ".")+1:]
	}
	return "SERVICE_ID"
}

func serviceNameOf(o *probes.Observation) string {
	return or(maybe(o.Provider.Service).Name, o.Link.Provider.ServiceName, maybe(o.Consumer.Service).Name,
		maybe(o.Consumer.Endpoint).ServiceName, "SERVICE_NAME")
}

func endpointIDOf(o *probes.Observation) string {
	id := or(maybe(o.Consumer.Endpoint).ID, o.Link.Consumer.EndpointID)
	if id == "" {
		if all := connectionsOf(o.Link, "", maybe(o.Provider.Connections)); len(all) == 1 {
			id = all[0].EndpointID
		}
	}
	return or(id, "ENDPOINT_ID")
}

func vpcIDOf(o *probes.Observation) string {
	return or(maybe(o.Consumer.Endpoint).VPCID, maybe(o.Consumer.VPC).ID, "VPC_ID")
}

func loadBalancerARNOf(o *probes.Observation) string {
	if lbs := maybe(o.Provider.LoadBalancers); len(lbs) > 0 {
		return lbs[0].ARN
	}
	if arns := maybe(o.Provider.Service).LoadBalancerARNs; len(arns) > 0 {
		return arns[0]
	}
	return "LOAD_BALANCER_ARN"
}

// maxArgument bounds one argument of a command in bytes: a change batch is longer than a fact.
const maxArgument = 4096

// command writes an AWS CLI command for a side, ready to paste.
func command(l provision.Link, s Side, args ...string) string {
	party, region := l.Provider.Party, l.ProviderRegion()
	if s == ConsumerSide {
		party, region = l.Consumer.Party, l.Region
	}
	args = append([]string{"aws"}, args...)
	if region != "" {
		args = append(args, "--region", region)
	}
	if party.Profile != "" {
		args = append(args, "--profile", party.Profile)
	}
	for i, a := range args {
		args[i] = shellWord(plainTo(a, maxArgument))
	}
	return strings.Join(args, " ")
}

// shellWord quotes what a shell would not take as one word: names and ids come from files and
// remote ends.
func shellWord(s string) string {
	safe := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=,@%+", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !safe(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// list joins values in their order, at most eight of them.
func list[T any](values []T) string {
	const most = 8
	words := make([]string, 0, most+1)
	for i, v := range values {
		if i == most {
			words = append(words, fmt.Sprintf("and %d more", len(values)-most))
			break
		}
		words = append(words, fmt.Sprint(v))
	}
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}

// same compares names and states without regard to case: AWS writes endpoint states in lower camel
// case for some endpoint types and in Pascal case for others.
func same(a, b string) bool { return strings.EqualFold(a, b) }

func sameName(a, b string) bool {
	return strings.EqualFold(strings.TrimSuffix(a, "."), strings.TrimSuffix(b, "."))
}

// covers says whether the private DNS name of a service covers the name that the link uses: the
// same name, or a wildcard over it.
func covers(service, link string) bool {
	if sameName(service, link) {
		return true
	}
	suffix, wild := strings.CutPrefix(strings.TrimSuffix(service, "."), "*")
	return wild && len(link) > len(suffix) && sameName(link[len(link)-len(suffix):], suffix) && suffix != ""
}

// sorted returns the distinct values in order.
func sorted(values []string) []string {
	out := slices.Clone(values)
	slices.Sort(out)
	return slices.Compact(out)
}

// interfaceIPs are all addresses of the endpoint's interfaces, sorted.
func interfaceIPs(interfaces []probes.Interface) []netip.Addr {
	var out []netip.Addr
	for _, n := range interfaces {
		out = append(out, n.IPs...)
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out)
}

// reachVantages are the names of the vantages that are expected to reach the link.
func reachVantages(l provision.Link) []string { return vantages(l, provision.ExpectReach) }

func vantages(l provision.Link, expect provision.Expect) []string {
	var out []string
	for _, v := range l.Vantages {
		e := v.Expect
		if e == "" {
			e = provision.ExpectReach
		}
		if e == expect {
			out = append(out, v.Name)
		}
	}
	return out
}
