package suites

import (
	"net/netip"
	"time"

	"github.com/linkassay/linkassay/probes"
)

// silences are the connections of verify --slow on the healthy link: there after 340 s, reset after 360 s.
func silences(o *probes.Observation) {
	var all []probes.Silence
	for _, p := range o.Link.Ports {
		for _, wanted := range []time.Duration{340 * time.Second, 360 * time.Second} {
			s := probes.Silence{
				Vantage: inside, Target: probes.Target{Kind: probes.TargetInterface, Name: "eni-10", ZoneID: zones[0]}, Addr: netip.AddrPortFrom(address(0), p.Port),
				Wanted: wanted, Silent: wanted + 3*time.Millisecond, Try: probes.Try{Started: start, Duration: wanted + time.Second, Outcome: probes.OK},
			}
			if wanted > 350*time.Second {
				s.Outcome = probes.Reset
			}
			all = append(all, s)
		}
	}
	o.Reach.Idle = item(all)
}

// forgotten makes the connection on port 443 that was silent for less than the idle timeout end so.
func forgotten(o *probes.Observation, change func(s *probes.Silence)) {
	for i := range o.Reach.Idle.Value {
		if s := &o.Reach.Idle.Value[i]; s.Addr.Port() == 443 && s.Wanted < 350*time.Second {
			s.Outcome = probes.Reset
			if change != nil {
				change(s)
			}
		}
	}
}
