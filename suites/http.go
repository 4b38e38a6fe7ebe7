package suites

import (
	"slices"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
)

// httpChecks: the service behind the link gives the expected answer, whichever way it is asked.
func httpChecks() []Check {
	wanted := "an HTTP request with the private name as Host gets an accepted status (default 200) and, where the link file says so, a body that matches"
	return []Check{
		check("reachability.http-interfaces", "HTTP answers as expected on every interface",
			revision(2), severity(Critical), side(ProviderSide),
			after("reachability.tcp-interfaces", "proxy.connections-parsed", "reachability.tls-handshake", "reachability.tls-certificate"),
			because("reachability.large-requests"),
			needs("reach.http", "consumer.interfaces"),
			asserts("on each port with http, through each interface, "+wanted),
			why("a connection that is accepted and never answered, or answered by the wrong service, is no service"),
			source("RFC 9110; the link file's ports[].http"),
			fix(fixHTTP),
			body(func(c *C, o *probes.Observation) { judgeExchanges(c, o, probes.TargetInterface) }),
		),
		check("reachability.large-requests", "large requests get an answer",
			revision(1), severity(Critical), side(Network),
			after("reachability.tcp-interfaces"), needs("reach.large", "reach.http", "consumer.interfaces"),
			asserts("through each interface on which a small HTTP request is answered, one with 9,000 bytes of header, more than one full packet, gets an answer too, whichever"),
			why("where a path drops large packets and nobody hears of it, connections and small requests work and everything larger hangs"),
			source("PrivateLink guide, Considerations: MTU of 8500 bytes, packets above it are dropped, no path MTU discovery"),
			rows("PL-NET-005"),
			fix(func(o *probes.Observation) Fix {
				return Fix{
					Text:    "lower the MTU of the clients' interfaces to what the path carries (ip link set dev IFACE mtu 1500), or clamp the MSS on the way",
					Command: command(o.Link, ConsumerSide, "ec2", "describe-network-interfaces", "--network-interface-ids", list(maybe(o.Consumer.Endpoint).InterfaceIDs)),
				}
			}),
			body(judgeLarge),
		),
		check("reachability.http-aws-names", "HTTP answers by regional and zonal names",
			revision(2), severity(Critical), side(ProviderSide),
			after("reachability.http-interfaces", "dns.regional-name-resolves", "dns.zonal-names-match"), needs("reach.http", "consumer.endpoint"),
			asserts("on each port with http, at each address of the regional and zonal names, "+wanted),
			why("clients without private DNS use these names"),
			source("RFC 9110; PrivateLink guide, Share your services, DNS names"),
			fix(fixHTTP),
			body(func(c *C, o *probes.Observation) {
				judgeExchanges(c, o, probes.TargetRegional, probes.TargetZonal)
			}),
		),
		check("reachability.http-private-name", "HTTP answers by the private name",
			revision(1), severity(Critical), side(ProviderSide),
			after("reachability.http-interfaces", "reachability.tcp-private-name"), needs("reach.http"),
			asserts("on each port with http, at each address of the private DNS name, "+wanted),
			why("this is what clients do"),
			source("RFC 9110; PrivateLink guide, Configure an interface endpoint, private DNS"),
			fix(fixHTTP),
			body(func(c *C, o *probes.Observation) {
				skipWithoutName(c, o)
				judgeExchanges(c, o, probes.TargetPrivate)
			}),
		),
	}
}

func fixHTTP(o *probes.Observation) Fix {
	var port uint16
	for _, p := range slices.Backward(portsWith(o.Link, func(p provision.Port) bool { return p.HTTP != nil })) {
		if slices.ContainsFunc(maybe(o.Reach.HTTP), func(x probes.Exchange) bool {
			return x.Addr.Port() == p.Port && !couldNotAsk(x.Outcome) && !expected(x, p.HTTP)
		}) {
			port = p.Port
		}
	}
	return Fix{
		Text:     "look at the service on the targets: the way to it is open",
		Command:  command(o.Link, ProviderSide, "elbv2", "describe-target-health", "--target-group-arn", targetGroupOn(o, port)),
		LinkFile: "ports[].http: path, status and body that the service really answers with",
	}
}

// judgeExchanges wants every exchange with targets of these kinds to be as the link file expects.
func judgeExchanges(c *C, o *probes.Observation, kinds ...probes.TargetKind) {
	vantages := reachVantages(o.Link)
	if len(vantages) == 0 {
		c.Skip("no vantage is expected to reach the link")
	}
	exchanges, _ := value(o.Reach.HTTP)
	for _, vantage := range vantages {
		for _, p := range portsWith(o.Link, func(p provision.Port) bool { return p.HTTP != nil }) {
			well, all := 0, 0
			for _, x := range exchanges {
				if x.Vantage != vantage || x.Addr.Port() != p.Port || !slices.Contains(kinds, x.Target.Kind) {
					continue
				}
				all++
				where := whereTo(x.Target, x.Addr.String())
				switch {
				case couldNotAsk(x.Outcome):
					c.Unknown(vantage, "%s %s", where, or(string(x.Outcome), "not asked"))
				case x.Outcome != probes.OK:
					c.Wrong(vantage, "%s %s%s", where, x.Outcome, inParentheses(x.Detail))
				case !slices.Contains(accepted(p.HTTP), x.Status):
					c.Wrong(vantage, "%s answered %d, not %s", where, x.Status, list(accepted(p.HTTP)))
				case p.HTTP.Body != "" && (x.BodyMatched == nil || !*x.BodyMatched):
					c.Wrong(vantage, "%s answered %d with %d bytes that don't match %q", where, x.Status, x.BodyBytes, p.HTTP.Body)
				default:
					well++
				}
			}
			if all == 0 {
				c.Unknown(vantage, "%s was not asked over HTTP", portName(p.Port))
			} else if well == all {
				c.Fact(vantage, "%s: %d of %d answered as expected", portName(p.Port), well, all)
			}
		}
	}
}

// expected says whether an exchange is as the link file wants it.
func expected(x probes.Exchange, h *provision.HTTP) bool {
	return x.Outcome == probes.OK && slices.Contains(accepted(h), x.Status) &&
		(h.Body == "" || x.BodyMatched != nil && *x.BodyMatched)
}

func accepted(h *provision.HTTP) []int {
	if len(h.Status) == 0 {
		return []int{200}
	}
	return h.Status
}

// judgeLarge wants an answer of any kind to each large request: whoever refuses it got it.
func judgeLarge(c *C, o *probes.Observation) {
	exchanges, _ := value(o.Reach.Large)
	small, _ := value(o.Reach.HTTP)
	vantages := reachVantages(o.Link)
	if len(vantages) == 0 {
		c.Skip("no vantage is expected to reach the link")
	}
	told := false
	for _, vantage := range vantages {
		well, all := 0, 0
		for _, x := range exchanges {
			if x.Vantage != vantage {
				continue
			}
			all++
			if !slices.ContainsFunc(small, func(s probes.Exchange) bool {
				return s.Vantage == vantage && s.Target == x.Target && s.Addr == x.Addr && s.Outcome == probes.OK
			}) {
				continue // nothing is answered there
			}
			told = true
			where := whereTo(x.Target, x.Addr.String())
			switch {
			case couldNotAsk(x.Outcome):
				c.Unknown(vantage, "%s %s", where, or(string(x.Outcome), "not asked"))
			case x.Outcome == probes.TimedOut:
				c.Wrong(vantage, "%s %s%s", where, x.Outcome, inParentheses(x.Detail))
			default:
				well++
			}
		}
		if all == 0 {
			c.Unknown(vantage, "no large request was sent")
		} else if well == all {
			c.Fact(vantage, "%d of %d large requests answered", well, all)
		}
	}
	if !told && len(exchanges) > 0 {
		c.Skip("small requests are not answered either")
	}
}
