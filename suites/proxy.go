package suites

import (
	"slices"
	"strings"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
)

// proxyChecks: the proxy protocol header goes to those targets that read it, and to no others.
func proxyChecks() []Check {
	return []Check{
		check("proxy.as-expected", "the proxy protocol is on where targets read it",
			revision(1), severity(Critical), side(ProviderSide),
			after("connection.listener-on-each-port"),
			needs("provider.loadBalancers", "provider.listeners", "provider.targetGroups"),
			asserts("proxy_protocol_v2.enabled of the target groups behind each link port is what ports[].proxyProtocol (or provider.build.proxyProtocol) says"),
			why("through PrivateLink a target sees the load balancer's address: without the header it can't know the consumer; with one that it does not read, it takes the header for data"),
			source("NLB guide, Proxy protocol; ELBv2 API reference, target group attribute proxy_protocol_v2.enabled"),
			rows("PL-TGT-010"),
			fix(func(o *probes.Observation) Fix {
				var arn string
				on := true
				forEachProxy(o, func(p provision.Port, g probes.TargetGroup) {
					if want, said := o.Link.ProxyProtocol(p); said && want != g.ProxyProtocol && arn == "" {
						arn, on = g.ARN, want
					}
				})
				f := proxyFix(o, or(arn, "TARGET_GROUP_ARN"), on)
				f.LinkFile = "ports[].proxyProtocol: whether the targets read the header"
				return f
			}),
			body(func(c *C, o *probes.Observation) {
				judged := false
				forEachProxy(o, func(p provision.Port, g probes.TargetGroup) {
					want, said := o.Link.ProxyProtocol(p)
					switch {
					case !said:
					case want == g.ProxyProtocol:
						judged = true
						c.Fact(portName(p.Port), "%s, as the link file says", onOff(want))
					default:
						judged = true
						c.Wrong(portName(p.Port), "it is %s for target group %s, and the link file says %s", onOff(g.ProxyProtocol), or(g.Name, g.ARN), onOff(want))
					}
				})
				if !judged {
					c.Skip("the link file does not say what the targets read")
				}
			}),
		),
		check("proxy.health-checks-parsed", "targets read the header of health checks",
			revision(1), severity(Critical), side(ProviderSide),
			after("connection.targets-checked"), because("proxy.as-expected"),
			needs("provider.loadBalancers", "provider.listeners", "provider.targetGroups", "provider.targetHealth"),
			asserts("where the proxy protocol is on and health checks speak HTTP, not all targets answer them with status 400"),
			why("health checks carry the header too: a server that does not know it calls it a bad request, and every target turns unhealthy"),
			source("NLB guide, Proxy protocol, health check connections"),
			rows("PL-TGT-008"),
			fix(func(o *probes.Observation) Fix {
				arn := ""
				forEachProxy(o, func(p provision.Port, g probes.TargetGroup) {
					if arn == "" && g.ProxyProtocol && badRequests(o, g.ARN) {
						arn = g.ARN
					}
				})
				return proxyFix(o, or(arn, "TARGET_GROUP_ARN"), false)
			}),
			body(func(c *C, o *probes.Observation) {
				judged := false
				forEachProxy(o, func(p provision.Port, g probes.TargetGroup) {
					if !g.ProxyProtocol || !strings.HasPrefix(g.HealthProtocol, "HTTP") {
						return
					}
					judged = true
					if badRequests(o, g.ARN) {
						c.Wrong(portName(p.Port), "the proxy protocol is on, and the targets answer health checks with 400")
					} else {
						c.Fact(portName(p.Port), "the proxy protocol is on, and health checks are understood")
					}
				})
				if !judged {
					c.Skip("no HTTP health check carries the header")
				}
			}),
		),
		check("proxy.connections-parsed", "targets read the header of connections",
			revision(1), severity(Critical), side(ProviderSide),
			after("reachability.tcp-interfaces"), because("proxy.as-expected"),
			needs("provider.loadBalancers", "provider.listeners", "provider.targetGroups", "consumer.interfaces"), needsOne("reach.tls", "reach.http"),
			asserts("on each port with the proxy protocol on, a TLS handshake or an HTTP request through some interface gets an answer that is neither broken off nor status 400"),
			why("a target that does not know the header takes it for the client's first bytes: TLS fails, HTTP is a bad request, and TCP health checks notice nothing"),
			source("NLB guide, Proxy protocol"),
			rows("PL-TGT-009"),
			fix(func(o *probes.Observation) Fix {
				arn := ""
				forEachProxy(o, func(p provision.Port, g probes.TargetGroup) {
					if well, badly := understood(o, p.Port); arn == "" && g.ProxyProtocol && badly > 0 && well == 0 {
						arn = g.ARN
					}
				})
				return proxyFix(o, or(arn, "TARGET_GROUP_ARN"), false)
			}),
			body(func(c *C, o *probes.Observation) {
				judged := false
				forEachProxy(o, func(p provision.Port, g probes.TargetGroup) {
					well, badly := understood(o, p.Port)
					if !g.ProxyProtocol || well+badly == 0 {
						return
					}
					judged = true
					if well == 0 {
						c.Wrong(portName(p.Port), "the proxy protocol is on, and all of %d conversations broke off or were bad requests", badly)
					} else {
						c.Fact(portName(p.Port), "the proxy protocol is on, and %d of %d conversations went well", well, well+badly)
					}
				})
				if !judged {
					c.Skip("no port that speaks TLS or HTTP has the proxy protocol on")
				}
			}),
		),
		check("proxy.endpoint-id-arrives", "targets are told the consumer's endpoint",
			revision(1), severity(Critical), side(ProviderSide),
			after("reachability.http-interfaces"), because("proxy.as-expected"),
			needs("reach.http", "consumer.interfaces"), wants("consumer.endpoint", "provider.targetGroups", "provider.listeners", "provider.loadBalancers"),
			asserts("on each port with http.endpointId, what a target tells in its answer is the id of the link's endpoint, which the load balancer gives it in the header's type 0xEA"),
			why("it is how a provider tells consumers apart: addresses of different consumers may be the same"),
			source("NLB guide, Proxy protocol, PP2_SUBTYPE_AWS_VPCE_ID"),
			rows("PL-TGT-010"),
			fix(func(o *probes.Observation) Fix {
				f := Fix{Text: "let the targets read type 0xEA, subtype 0x01 of the header, and tell it", LinkFile: "ports[].http.endpointId: leave it out where targets don't tell"}
				forEachProxy(o, func(p provision.Port, g probes.TargetGroup) {
					if p.HTTP != nil && p.HTTP.EndpointID != "" && !g.ProxyProtocol && f.Command == "" {
						f.Text, f.Command = "the load balancer sends no header: turn the proxy protocol on, once the targets read it", proxyFix(o, g.ARN, true).Command
					}
				})
				return f
			}),
			body(judgeEndpointIDs),
		),
	}
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// forEachProxy calls f with each target group behind each link port.
func forEachProxy(o *probes.Observation, f func(p provision.Port, g probes.TargetGroup)) {
	for _, p := range o.Link.Ports {
		for _, lb := range maybe(o.Provider.LoadBalancers) {
			l, _ := listenerOn(maybe(o.Provider.Listeners), lb.ARN, p.Port)
			for _, g := range maybe(o.Provider.TargetGroups) {
				if slices.Contains(l.TargetGroupARNs, g.ARN) {
					f(p, g)
				}
			}
		}
	}
}

func proxyFix(o *probes.Observation, group string, on bool) Fix {
	f := Fix{Text: "turn the proxy protocol on, once the targets read its header"}
	value := "true"
	if !on {
		f.Text, value = "let the targets read the proxy protocol v2 header, or turn it off", "false"
	}
	f.Command = command(o.Link, ProviderSide, "elbv2", "modify-target-group-attributes", "--target-group-arn", group,
		"--attributes", "Key=proxy_protocol_v2.enabled,Value="+value)
	return f
}

// badRequests says that all targets of a group that are checked answer with status 400.
func badRequests(o *probes.Observation, group string) bool {
	bad := 0
	for _, h := range maybe(o.Provider.TargetHealth) {
		switch {
		case h.TargetGroupARN != group || h.State == "draining" || h.State == "unused":
		case mismatched(h) && strings.Contains(h.Description, "400"):
			bad++
		default:
			return false
		}
	}
	return bad > 0
}

// understood counts the conversations through the endpoint's interfaces on a port: those that were
// answered, and those that ended as with a server that can't make sense of what it reads.
func understood(o *probes.Observation, port uint16) (well, badly int) {
	reach := reachVantages(o.Link)
	count := func(vantage string, t probes.Target, on uint16, outcome probes.Outcome, fine bool) {
		switch {
		case on != port || t.Kind != probes.TargetInterface || !slices.Contains(reach, vantage):
		case fine:
			well++
		case slices.Contains([]probes.Outcome{probes.OK, probes.BadAnswer, probes.TLSFailed, probes.Closed, probes.Reset, probes.Failed}, outcome):
			badly++
		}
	}
	for _, h := range maybe(o.Reach.TLS) {
		count(h.Vantage, h.Target, h.Addr.Port(), h.Outcome, h.Outcome == probes.OK || h.VerifyError != "")
	}
	for _, x := range maybe(o.Reach.HTTP) {
		if !strings.HasPrefix(x.URL, "https:") { // over TLS the handshake tells
			count(x.Vantage, x.Target, x.Addr.Port(), x.Outcome, x.Outcome == probes.OK && x.Status != 400)
		}
	}
	return well, badly
}

func judgeEndpointIDs(c *C, o *probes.Observation) {
	asked := portsWith(o.Link, func(p provision.Port) bool { return p.HTTP != nil && p.HTTP.EndpointID != "" })
	if len(asked) == 0 {
		c.Skip("the link file does not say where targets tell the endpoint id")
	}
	e, _ := value(o.Consumer.Endpoint)
	want := or(e.ID, o.Link.Consumer.EndpointID)
	if want == "" {
		c.Skip("the endpoint's id is not known")
	}
	exchanges, _ := value(o.Reach.HTTP)
	for _, vantage := range reachVantages(o.Link) {
		for _, p := range asked {
			told, all := 0, 0
			for _, x := range exchanges {
				if x.Vantage != vantage || x.Addr.Port() != p.Port || x.Target.Kind != probes.TargetInterface {
					continue
				}
				all++
				switch {
				case couldNotAsk(x.Outcome):
					c.Unknown(vantage, "%s %s", whereTo(x.Target, x.Addr.String()), or(string(x.Outcome), "not asked"))
				case x.EndpointID == want:
					told++
				default:
					c.Wrong(vantage, "%s the target tells %s, not %s", whereTo(x.Target, x.Addr.String()), or(x.EndpointID, "no endpoint"), want)
				}
			}
			if all == 0 {
				c.Unknown(vantage, "%s was not asked over HTTP", portName(p.Port))
			} else if told == all {
				c.Fact(vantage, "%s: %d of %d tell %s", portName(p.Port), told, all, want)
			}
		}
	}
}
