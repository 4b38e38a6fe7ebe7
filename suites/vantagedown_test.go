package suites

import (
	"slices"
	"strings"
	"testing"

	"github.com/linkassay/linkassay/probes"
)

// throughNothing makes everything that was tried through the vantage fail at the vantage itself.
func throughNothing(o *probes.Observation, vantage string) {
	const detail = "the vantage socks5://127.0.0.1:1080 is unreachable: dial tcp 127.0.0.1:1080: connect: connection refused"
	for _, it := range []*probes.Item[[]probes.Lookup]{o.DNS.Private, o.DNS.Regional, o.DNS.Zonal} {
		setDNS(it, func(l probes.Lookup) probes.Lookup {
			if l.Vantage == vantage {
				l = failedLookup(l.Vantage, l.Name, probes.NoVia)
				l.Detail = detail
			}
			return l
		})
	}
	for i := range o.Reach.TCP.Value {
		if a := &o.Reach.TCP.Value[i]; a.Vantage == vantage {
			a.Tries = []probes.Try{{Outcome: probes.NoVia, Detail: detail}}
		}
	}
	o.Reach.TLS.Value = slices.DeleteFunc(o.Reach.TLS.Value, func(h probes.Handshake) bool { return h.Vantage == vantage })
	o.Reach.HTTP.Value = slices.DeleteFunc(o.Reach.HTTP.Value, func(x probes.Exchange) bool { return x.Vantage == vantage })
}

// A proxy that is down is told once, however many checks miss what goes through it.
func TestVantageThatIsDownIsOneReason(t *testing.T) {
	t.Parallel()
	o := healthy()
	for i := range o.Link.Vantages {
		o.Link.Vantages[i].From = "socks5://user:secret@127.0.0.1:1080"
	}
	throughNothing(o, inside)
	reasons := map[string][]string{}
	for _, v := range Judge(o, Catalogue(), nil) {
		if v.Status == Failed {
			t.Errorf("%s failed: %s", v.Check, v.Reason)
		}
		if v.Status == Untold {
			reasons[v.Reason] = append(reasons[v.Reason], v.Check)
		}
	}
	const want = "vantage unreachable: inside (socks5://127.0.0.1:1080): connection refused; is what it goes through running, such as ssh -D?"
	if len(reasons) != 1 || len(reasons[strings.Replace(want, "inside", inside, 1)]) < 5 {
		t.Errorf("reasons %v, want only %q", reasons, want)
	}
}

// What is unknown for another reason too is not put down to the vantage.
func TestOfDown(t *testing.T) {
	t.Parallel()
	down := map[string]string{"a": "connection refused", "a-b": "timeout"}
	for _, x := range []struct{ unknown, want string }{
		{"a", "a"}, {"a|a: port 80", "a"}, {"a-b private", "a-b"}, {"a|a-b", "a a-b"}, {"a|c", ""}, {"ab", ""}, {"c", ""},
	} {
		if got := strings.Join(ofDown(strings.Split(x.unknown, "|"), down), " "); got != x.want {
			t.Errorf("%s: %q, want %q", x.unknown, got, x.want)
		}
	}
}
