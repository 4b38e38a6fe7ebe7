package suites

import (
	"slices"
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
)

// idleChecks: what happens to connections that say nothing. They are observed on request: it takes minutes.
func idleChecks() []Check {
	return []Check{
		check("reachability.idle-connections", "silent connections last as long as believed",
			revision(1), severity(Warning), side(Network),
			after("reachability.tcp-interfaces"), because("reachability.tls-handshake", "reachability.http-interfaces"),
			needs("reach.idle"), wants("provider.listeners"),
			asserts("with --slow, from each vantage a connection to one interface on each port that says nothing for 10 s less than timeouts.idle (350 s by default) is there afterwards: an HTTP request is answered, or where the port speaks none the end of the connection. What the target itself closes decides nothing; what becomes of one that is silent for 10 s longer is told"),
			why("AWS forgets connections that are silent for 350 s, or for a listener's own tcp.idle_timeout.seconds, and tells nobody: clients that keep connections open longer and send no keepalives find out when they next send"),
			source("AWS Networking Blog, Implementing long-running TCP connections within VPC networking; NLB guide, TCP idle timeout; ELBv2 API reference, ModifyListenerAttributes"),
			rows("PL-NET-004"),
			fix(func(o *probes.Observation) Fix {
				return Fix{
					Text:     "let the clients send TCP keepalives more often than that (sysctl net.ipv4.tcp_keepalive_time, or the client's own setting), or close connections that they do not use",
					Command:  command(o.Link, ProviderSide, "elbv2", "describe-listener-attributes", "--listener-arn", or(listenerARNOn(o, shortLived(o)), "LISTENER_ARN")),
					LinkFile: "timeouts.idle: how long the path really keeps a silent connection",
				}
			}),
			body(judgeSilences),
		),
	}
}

func idleTimeout(o *probes.Observation) time.Duration {
	return o.Link.Timeouts.Idle.Or(provision.DefaultIdleTimeout)
}

// lasted says what became of a connection that was silent.
type lasted int

const (
	unasked  lasted = iota // nobody can tell
	there                  // it was answered
	closed                 // the target ended it, as servers do with clients that ask nothing
	forgot                 // what was sent went nowhere, or was reset
	noAnswer               // the port speaks nothing that must be answered
)

func fateOf(s probes.Silence, speaksHTTP bool) lasted {
	switch {
	case couldNotAsk(s.Outcome) || s.Silent == 0:
		return unasked
	case s.Ended && s.Outcome == probes.Closed:
		return closed
	case s.Outcome == probes.OK || s.Outcome == probes.BadAnswer:
		return there
	case s.Outcome == probes.TimedOut && !speaksHTTP:
		return noAnswer
	}
	return forgot
}

// judgeSilences wants those that were silent for less than the idle timeout to be there still.
func judgeSilences(c *C, o *probes.Observation) {
	all, _ := value(o.Reach.Idle)
	vantages := reachVantages(o.Link)
	if len(vantages) == 0 {
		c.Skip("no vantage is expected to reach the link")
	}
	idle, decided := idleTimeout(o), false
	for _, vantage := range vantages {
		for _, p := range o.Link.Ports {
			tried := false
			for _, s := range all {
				if s.Vantage != vantage || s.Addr.Port() != p.Port {
					continue
				}
				tried = true
				fate, name := fateOf(s, p.HTTP != nil), vantage+" "+portName(p.Port)
				decided = decided || fate != closed
				switch {
				case s.Wanted < idle && fate == forgot && s.Silent < idle:
					c.Wrong(name, "%s after %s of silence", s.Outcome, short(s.Silent))
				case s.Wanted < idle && (fate == unasked || fate == noAnswer || fate == forgot):
					c.Unknown(name, "%s after %s of silence", or(string(s.Outcome), "not asked"), short(s.Silent))
				case fate == closed:
					c.Fact(name, "the target closed it after %s", short(s.Silent))
				case fate == there:
					c.Fact(name, "still there after %s of silence", short(s.Silent))
				default:
					c.Fact(name, "%s after %s of silence", or(string(s.Outcome), "not asked"), short(s.Silent))
				}
			}
			if !tried {
				c.Unknown(vantage, "no connection to %s was kept silent", portName(p.Port))
			}
		}
	}
	if !decided && len(all) > 0 {
		c.Skip("the targets close silent connections themselves, sooner than anything on the way")
	}
	blameListener(c, o)
}

func short(d time.Duration) time.Duration {
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Second)
}

// shortLived is the first port on which a connection was forgotten early; 0 when there is none.
func shortLived(o *probes.Observation) uint16 {
	for _, s := range maybe(o.Reach.Idle) {
		http := slices.ContainsFunc(o.Link.Ports, func(p provision.Port) bool { return p.Port == s.Addr.Port() && p.HTTP != nil })
		if s.Wanted < idleTimeout(o) && fateOf(s, http) == forgot {
			return s.Addr.Port()
		}
	}
	return 0
}

// blameListener says that it is the provider's where the port's listener has an idle timeout below the default.
func blameListener(c *C, o *probes.Observation) {
	listeners, _ := value(o.Provider.Listeners)
	for _, l := range listeners {
		if l.Port != shortLived(o) || !ownTimeout(l) || l.IdleTimeoutSeconds > defaultIdleTimeout {
			continue
		}
		c.Fact("listener on "+portName(l.Port), "tcp.idle_timeout.seconds is %d", l.IdleTimeoutSeconds)
		c.Blame(ProviderSide, func(o *probes.Observation) Fix {
			return Fix{
				Text: "give the listener the default again, or let the clients send keepalives more often than it forgets",
				Command: command(o.Link, ProviderSide, "elbv2", "modify-listener-attributes", "--listener-arn", l.ARN,
					"--attributes", "Key=tcp.idle_timeout.seconds,Value=350"),
				LinkFile: "timeouts.idle: what the listener's idle timeout is meant to be",
			}
		})
		return
	}
}

func listenerARNOn(o *probes.Observation, port uint16) string {
	for _, l := range maybe(o.Provider.Listeners) {
		if l.Port == port || port == 0 {
			return l.ARN
		}
	}
	return ""
}
