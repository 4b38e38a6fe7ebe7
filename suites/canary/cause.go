package canary

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/suites"
)

// Cause is what is broken: a check, and the one thing that it fails on. Links that share the thing share the cause.
type Cause struct {
	Check string      `json:"check"`
	Side  suites.Side `json:"side"`
	// Kind and ID name the thing: load balancer, service, endpoint, security group, VPC, account, vantage, name or link.
	Kind Kind   `json:"kind"`
	ID   string `json:"id"`
}

// Kind is a kind of thing that can be broken.
type Kind string

// The kinds.
const (
	LoadBalancer Kind = "load-balancer"  // its ARN
	Service      Kind = "service"        // its id
	Endpoint     Kind = "endpoint"       // its id
	Group        Kind = "security-group" // the only one of an endpoint, its id
	VPC          Kind = "vpc"            // the consumer's, its id
	Account      Kind = "account"        // the consumer's, its id, and the service's id
	Host         Kind = "host"           // where the canary runs, by the consumer's account and the resolver that the link file names
	Vantage      Kind = "vantage"        // its name and resolver in the link file
	Name         Kind = "name"           // a private DNS name
	Link         Kind = "link"           // nothing more is known than the link's name
)

// maxKey bounds a key in bytes: alerting systems take 255.
const maxKey = 200

// Key names the cause, the same for every canary that finds it: CHECK/KIND/ID. Long ones end in a digest.
func (c Cause) Key() string {
	key := c.Check + "/" + string(c.Kind) + "/" + c.ID
	if len(key) <= maxKey {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	const digest = 16
	return strings.ToValidUTF8(key[:maxKey-2*digest-1], "") + "~" + hex.EncodeToString(sum[:digest])
}

// CauseOf finds the thing that a failed check is about. Whose the failure is decides, then what the check asks
// about. It takes only what both sides of a link and every canary know alike: ids, never addresses or texts.
func CauseOf(o *probes.Observation, v suites.Verdict) Cause {
	return causeBy(o, v, kindsOf(v))
}

// aloneOf finds what the failure is about where other consumers of the service are well at the same time: what this one
// has for itself. It is false where the failure says by itself whose it is.
func aloneOf(o *probes.Observation, v suites.Verdict) (Cause, bool) {
	if kinds := kindsOf(v); v.Side != suites.Network || kinds[0] != Service {
		return Cause{}, false
	}
	c := causeBy(o, v, []Kind{Endpoint})
	return c, c.Kind == Endpoint
}

func causeBy(o *probes.Observation, v suites.Verdict, kinds []Kind) Cause {
	c := Cause{Check: v.Check, Side: v.Side}
	for _, kind := range kinds {
		if id := idOf(o, kind); id != "" {
			c.Kind, c.ID = kind, id
			return c
		}
	}
	c.Kind, c.ID = Link, o.Link.Name
	return c
}

// kindsOf are the kinds of things that the failure of a check can be told by, the best first.
func kindsOf(v suites.Verdict) []Kind {
	switch {
	case v.Check == "connection.principal-allowed":
		return []Kind{Account} // the provider's to mend, for all links of this consumer
	case slices.Contains([]string{"connection.accepted", "connection.sides-agree", "connection.service-visible"}, v.Check):
		return []Kind{Endpoint, Service} // the provider's to mend, for this consumer alone
	case strings.HasPrefix(v.Check, "verification."):
		return []Kind{Service}
	case v.Check == "dns.resolver-answers":
		return []Kind{Host, VPC, Vantage, Endpoint}
	case v.Check == "connection.endpoint-security-group":
		return []Kind{Group, Endpoint, VPC}
	case v.Side == suites.ConsumerSide && strings.HasPrefix(v.Check, "network."):
		return []Kind{VPC, Endpoint} // routes, network ACLs and clients' groups, which its endpoints share
	case v.Check == "dns.vpc-attributes" || v.Check == "dns.no-shadowing-zone":
		return []Kind{VPC, Endpoint}
	case strings.HasPrefix(v.Check, "dns.") || v.Check == "reachability.closed-vantages":
		return []Kind{Endpoint, Name}
	case v.Side == suites.ConsumerSide:
		return []Kind{Endpoint, VPC}
	}
	switch area, _, _ := strings.Cut(v.Check, "."); area {
	case "connection", "network", "resilience", "proxy", "family":
		if v.Side == suites.ProviderSide {
			return []Kind{LoadBalancer, Service, Endpoint, Name}
		}
	}
	// What does not answer behind many endpoints of a service is most likely what they share; and its id is known to
	// consumers that can't ask the provider's side. Where others of them are well, see aloneOf.
	return []Kind{Service, Endpoint, Name}
}

func idOf(o *probes.Observation, kind Kind) string {
	switch kind {
	case LoadBalancer:
		if lbs := valueOf(o.Provider.Service).LoadBalancerARNs; len(lbs) > 0 {
			return slices.Min(lbs)
		}
	case Service:
		name := cmp.Or(o.Link.Provider.ServiceName, valueOf(o.Provider.Service).Name, valueOf(o.Consumer.Endpoint).ServiceName)
		return cmp.Or(o.Link.Provider.ServiceID, valueOf(o.Provider.Service).ID, name[strings.LastIndex(name, ".")+1:])
	case Account:
		return o.Link.Consumer.Account + "@" + idOf(o, Service)
	case Endpoint:
		return cmp.Or(o.Link.Consumer.EndpointID, valueOf(o.Consumer.Endpoint).ID)
	case VPC:
		return cmp.Or(valueOf(o.Consumer.Endpoint).VPCID, valueOf(o.Consumer.VPC).ID)
	case Group:
		if groups := valueOf(o.Consumer.Endpoint).SecurityGroupIDs; len(groups) == 1 {
			return groups[0]
		}
	case Host:
		if v := deafVantage(o); v.From == "local" {
			return o.Link.Consumer.Account + "@" + cmp.Or(v.Resolver, "its-resolver")
		}
	case Vantage:
		if v := deafVantage(o); v.Name != "" {
			return v.Name + "@" + v.Resolver
		}
	case Name:
		return strings.ToLower(strings.TrimSuffix(o.Link.PrivateDNSName, "."))
	case Link:
		return o.Link.Name
	}
	return ""
}

// deafVantage is the first vantage of the link whose resolver answered nothing but errors, or the first.
func deafVantage(o *probes.Observation) (v provision.Vantage) {
	for _, x := range o.Link.Vantages {
		if suites.Deaf(o, x.Name) {
			return x
		}
	}
	if len(o.Link.Vantages) > 0 {
		v = o.Link.Vantages[0]
	}
	return v
}

func valueOf[T any](it *probes.Item[T]) T {
	if it == nil {
		var zero T
		return zero
	}
	return it.Value
}
