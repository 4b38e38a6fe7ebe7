package suites

import (
	"fmt"
	"slices"

	"github.com/linkassay/linkassay/probes"
)

// zoneChecks: what neither account can break.
func zoneChecks() []Check {
	return []Check{
		check("network.zones-carry-packets", "no zone of the endpoint is dark",
			revision(1), severity(Critical), side(Network),
			after("connection.endpoint-available", "connection.interface-in-each-subnet", "connection.endpoint-security-group",
				"network.route-to-vantage", "network.client-security-group", "network.client-acl", "network.endpoint-acl",
				"connection.load-balancer-security-group", "connection.load-balancer-in-endpoint-zones", "connection.load-balancers-alike",
				"connection.listener-on-each-port", "family.load-balancers", "family.security-group"),
			needs("reach.tcp", "consumer.interfaces"), wants("path.clients", "consumer.subnets"),
			asserts("there is no zone into which every connection times out from vantages elsewhere, which do connect to other zones, and out of which every connection from a vantage in it times out too"),
			why("a zone that is down takes clients, interfaces, load balancer nodes and targets with it: each of them looks broken by itself, and none is"),
			source("PrivateLink guide, Share your services; EC2 API reference, DescribeAvailabilityZones"),
			rows("PL-NET-001", "PL-NET-007"),
			fix(func(o *probes.Observation) Fix {
				dark := darkZones(o)
				return Fix{
					Text: "nothing of the link is wrong: see what AWS says of " + or(list(dark), "the zone") + ", and serve clients from the other zones until it is back",
					Command: command(o.Link, ConsumerSide, append([]string{"ec2", "describe-availability-zones", "--zone-ids"},
						or(append(dark, "ZONE_ID")...))...),
				}
			}),
			body(func(c *C, o *probes.Observation) {
				zones := interfaceZones(o)
				switch {
				case len(reachVantages(o.Link)) == 0:
					c.Skip("no vantage is expected to reach the link")
				case len(zones) < 2:
					c.Skip("the endpoint is in one zone: it can't be told from others")
				}
				dark := darkZones(o)
				for _, z := range zones {
					if t := trafficOf(o, z); slices.Contains(dark, z) {
						c.Wrong(z, "%s", t)
					} else {
						c.Fact(z, "%s", t)
					}
				}
			}),
		),
	}
}

// traffic is what became of connections into a zone and out of it.
type traffic struct {
	into, intoLost   int  // from vantages that are not known to be in it, to its interfaces
	outOf, outOfLost int  // from vantages in it, to any interface
	elsewhere        bool // a vantage that is not in it connects to another zone
}

func (t traffic) String() string {
	s := fmt.Sprintf("%d of %d connections into it timed out", t.intoLost, t.into)
	if t.outOf == 0 {
		return s + ", no vantage is in it"
	}
	return s + fmt.Sprintf(", and %d of %d out of it", t.outOfLost, t.outOf)
}

// dark says whether nothing came through either way. Without a vantage in the zone an interface that is silent may as
// well have dead targets.
func (t traffic) dark() bool {
	return t.elsewhere && t.into > 0 && t.intoLost == t.into && t.outOf > 0 && t.outOfLost == t.outOf
}

// darkZones are the ids of the zones in which nothing came through.
func darkZones(o *probes.Observation) []string {
	var dark []string
	for _, z := range interfaceZones(o) {
		if trafficOf(o, z).dark() {
			dark = append(dark, z)
		}
	}
	return dark
}

func trafficOf(o *probes.Observation, zone string) traffic {
	var t traffic
	inside := vantagesIn(o, zone)
	reach := reachVantages(o.Link)
	for _, a := range maybe(o.Reach.TCP) {
		outcome := outcomeOf(a.Tries)
		if a.Target.Kind != probes.TargetInterface || !slices.Contains(reach, a.Vantage) || couldNotAsk(outcome) {
			continue
		}
		lost := 0
		if outcome == probes.TimedOut {
			lost = 1
		}
		switch {
		case slices.Contains(inside, a.Vantage):
			t.outOf, t.outOfLost = t.outOf+1, t.outOfLost+lost
		case a.Target.ZoneID == zone:
			t.into, t.intoLost = t.into+1, t.intoLost+lost
		case outcome == probes.OK:
			t.elsewhere = true
		}
	}
	return t
}

// vantagesIn are the vantages that are known to be in a zone: the link file says so, or they are in the endpoint's
// subnet there.
func vantagesIn(o *probes.Observation, zone string) []string {
	var in []string
	for _, v := range o.Link.Vantages {
		if v.Zone == zone {
			in = append(in, v.Name)
		}
	}
	for _, client := range maybe(o.Path.Clients) {
		for _, s := range maybe(o.Consumer.Subnets) {
			if s.ID == client.SubnetID && s.ZoneID == zone {
				in = append(in, client.Vantage)
			}
		}
	}
	return in
}
