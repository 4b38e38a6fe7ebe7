package suites

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
)

func diagnosed(t *testing.T, o *probes.Observation, host string, port uint16) Diagnosis {
	t.Helper()
	to, err := FlowTo(o, host, port)
	if err != nil {
		t.Fatal(err)
	}
	return Diagnose(o, to)
}

// walkText is a walk as a test failure shows it.
func walkText(w Walk) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v %s at %q, works %v, ends %v; %s\n", w.Vantages, w.Outcome, w.EndsAt, w.Works, w.Ends, w.Measured)
	for _, h := range w.Hops {
		fmt.Fprintf(&b, "%-15s %-22s %v", h.State, h.Name, h.Zones)
		for _, f := range h.Facts {
			fmt.Fprintf(&b, " | %s %s", f.Name, f.Value)
		}
		b.WriteByte('\n')
	}
	for _, v := range w.Roots {
		fmt.Fprintf(&b, "root %s: %s; fix %+v\n", v.Check, v.Reason, v.Fix)
	}
	for _, v := range w.Beside {
		fmt.Fprintf(&b, "beside %s: %s\n", v.Check, v.Reason)
	}
	return b.String()
}

func hopIn(w Walk, name, zone string) Hop {
	i := slices.IndexFunc(w.Hops, func(h Hop) bool {
		return h.Name == name && (zone == "" || len(h.Zones) == 0 || slices.Contains(h.Zones, zone))
	})
	if i < 0 {
		return Hop{}
	}
	return w.Hops[i]
}

func checksOf(verdicts []Verdict) []string {
	ids := []string{}
	for _, v := range verdicts {
		ids = append(ids, v.Check)
	}
	return ids
}

func TestDiagnoseHealthy(t *testing.T) {
	t.Parallel()
	o := healthy()
	before := healthy()
	for _, host := range []string{name, strings.ToUpper(name) + ".", regional, zonal(1), address(2).String()} {
		for _, port := range []uint16{80, 443} {
			d := diagnosed(t, o, host, port)
			if d.Outcome() != FlowWorks || len(d.Walks) != 1 || len(d.Walks[0].Roots)+len(d.Walks[0].Beside) != 0 {
				t.Fatalf("%s %d: %s", host, port, walkText(d.Walks[0]))
			}
			for _, h := range d.Walks[0].Hops {
				if h.State == HopOK && len(h.Facts) > 0 {
					continue
				}
				if h.State == HopNotAsked && (h.Name == "TLS" && port == 80 || h.Name == "name resolution" && host == address(2).String()) {
					continue
				}
				t.Errorf("%s %d: %+v\n%s", host, port, h, walkText(d.Walks[0]))
			}
		}
	}
	if !reflect.DeepEqual(o, before) {
		t.Error("the observation was changed")
	}
}

// Each way of ending has its hop, its root and its fix, and verify names the same root.
func TestDiagnoseEnds(t *testing.T) {
	t.Parallel()
	named := map[string]func(*probes.Observation){}
	for _, f := range pathFaults() {
		named[f.name] = f.make
	}
	for _, c := range []struct {
		name   string
		mutate func(o *probes.Observation)
		to     string
		port   uint16
		hop    string
		root   string
		fix    string // part of the command or text
	}{
		{"endpoint group closed", func(o *probes.Observation) {
			o.Consumer.SecurityGroups.Value[0].Ingress = nil
			allTCP(o, probes.TimedOut)
		}, name, 443, "endpoint's group, ACL", "connection.endpoint-security-group", "authorize-security-group-ingress --group-id sg-0e --protocol tcp --port 443"},
		{"client group closed", named["client-group-closed"], name, 80, "client's group", "network.client-security-group", "sg-0c --protocol tcp --port 80"},
		{"client ACL", named["client-acl-denies"], zonal(1), 443, "route, client's ACL", "network.client-acl", "acl-c0"},
		{"endpoint ACL", named["endpoint-acl-denies"], address(2).String(), 443, "endpoint's group, ACL", "network.endpoint-acl", "acl-c1"},
		{"not routed", named["vantage-not-routed"], name, 80, "route, client's ACL", "network.route-to-vantage", "rtb-0"},
		{"name leads elsewhere", func(o *probes.Observation) {
			setDNS(o.DNS.Private, func(l probes.Lookup) probes.Lookup {
				return lookup(l.Vantage, l.Name, "A", []netip.Addr{netip.MustParseAddr("10.9.9.9")})
			})
			reach(o)
		}, name, 80, "name resolution", "dns.private-name-matches-endpoint", ""},
		{"name does not resolve", noPrivateName, name, 80, "name resolution", "dns.private-name-resolves", ""},
		{"domain not verified", func(o *probes.Observation) {
			unverified(o, "failed")
			setTXT(o, withoutTXT)
		}, name, 443, "name resolution", "", ""},
		{"no listener", func(o *probes.Observation) {
			o.Provider.Listeners.Value = o.Provider.Listeners.Value[:1]
			setTCP(o, func(a probes.Attempt) probes.Outcome {
				if a.Addr.Port() == 443 {
					return probes.Refused
				}
				return probes.OK
			})
		}, name, 443, "listener", "connection.listener-on-each-port", "create-listener"},
		{"no healthy target in a zone", func(o *probes.Observation) {
			unhealthy(o, "Target.Timeout", zones[1])
			setTCP(o, func(a probes.Attempt) probes.Outcome {
				if a.Addr.Addr() == address(1) {
					return probes.TimedOut
				}
				return probes.OK
			})
		}, zonal(1), 80, "healthy targets", "connection.healthy-target-in-endpoint-zones", ""},
		{"targets admit clients only", named["target-group-admits-clients-only"], name, 443, "target's group, ACL", "network.target-security-group", "sg-0t"},
		{"pending", func(o *probes.Observation) { state(o, "pendingAcceptance") }, name, 80, "endpoint", "connection.accepted", "accept-vpc-endpoint-connections"},
		{"no explanation", func(o *probes.Observation) { allTCP(o, probes.TimedOut) }, name, 80, "TCP connect", "reachability.tcp-interfaces", ""},
		{"untrusted", func(o *probes.Observation) {
			for i := range o.Reach.TLS.Value {
				h := &o.Reach.TLS.Value[i]
				h.Outcome, h.VerifyError = probes.TLSFailed, "x509: certificate signed by unknown authority"
			}
		}, name, 443, "TLS", "reachability.tls-certificate", ""},
		{"503", func(o *probes.Observation) {
			for i := range o.Reach.HTTP.Value {
				o.Reach.HTTP.Value[i].Status = 503
			}
		}, regional, 80, "HTTP", "reachability.http-interfaces", "describe-target-health"},
		{"large requests hang", named["large-requests-hang"], name, 80, "HTTP", "reachability.large-requests", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := healthy()
			c.mutate(o)
			d := diagnosed(t, o, c.to, c.port)
			w := d.Walks[0]
			if d.Outcome() != FlowEnds && d.Outcome() != FlowInPart || w.EndsAt != c.hop || len(w.Roots) != 1 || c.root != "" && w.Roots[0].Check != c.root {
				t.Fatalf("want %s, %s:\n%s", c.hop, c.root, walkText(w))
			}
			fix := w.Roots[0].Fix
			if fix == nil || !strings.Contains(fix.Text+fix.Command, c.fix) {
				t.Errorf("fix %+v lacks %q", fix, c.fix)
			}
			if roots := checksOf(Roots(Judge(o, Catalogue(), nil))); !slices.Contains(roots, w.Roots[0].Check) {
				t.Errorf("verify names %v, diagnose %s", roots, w.Roots[0].Check)
			}
			past := false
			for _, h := range w.Hops {
				past = past || h.State == HopEnds
				if past && h.Name != c.hop && h.State == HopOK && !slices.Contains([]string{"TCP connect", "TLS", "HTTP"}, h.Name) && len(h.Zones) == 0 {
					t.Errorf("%s is ok behind the end\n%s", h.Name, walkText(w))
				}
			}
			// The other port works where the fault is one port's.
			if c.name == "no listener" {
				if d := diagnosed(t, o, c.to, 80); d.Outcome() != FlowWorks {
					t.Errorf("port 80: %s", walkText(d.Walks[0]))
				}
			}
		})
	}
}

// What ends in one zone works in the others: each zone is judged for itself.
func TestDiagnoseZones(t *testing.T) {
	t.Parallel()
	o := healthy()
	unhealthy(o, "Target.Timeout", zones[1])
	setTCP(o, func(a probes.Attempt) probes.Outcome {
		if a.Addr.Addr() == address(1) {
			return probes.TimedOut
		}
		return probes.OK
	})
	w := diagnosed(t, o, name, 443).Walks[0]
	if w.Outcome != FlowInPart || !slices.Equal(w.Ends, zones[1:2]) || !slices.Equal(w.Works, []string{zones[0], zones[2]}) {
		t.Fatal(walkText(w))
	}
	if h := hopIn(w, "healthy targets", zones[1]); h.State != HopEnds || !slices.Equal(h.Zones, zones[1:2]) {
		t.Error(walkText(w))
	}
	if h := hopIn(w, "TCP connect", zones[1]); h.State != HopFollows || !strings.Contains(h.Facts[0].Value, "10.0.1.200 → 10.0.2.10:443 timed out") {
		t.Error(walkText(w))
	}
	for _, i := range []int{0, 2} {
		w := diagnosed(t, o, zonal(i), 443).Walks[0]
		if w.Outcome != FlowWorks {
			t.Errorf("zone %d: %s", i, walkText(w))
		}
	}
}

// Two faults on one way: the first ends it, the other is told beside.
func TestDiagnoseTwoFaults(t *testing.T) {
	t.Parallel()
	o := healthy()
	o.Consumer.SecurityGroups.Value[0].Ingress = nil
	o.Provider.Listeners.Value = o.Provider.Listeners.Value[:1]
	allTCP(o, probes.TimedOut)
	w := diagnosed(t, o, name, 443).Walks[0]
	if w.EndsAt != "endpoint's group, ACL" || !slices.Equal(checksOf(w.Roots), []string{"connection.endpoint-security-group"}) ||
		!slices.Contains(checksOf(w.Beside), "connection.listener-on-each-port") {
		t.Error(walkText(w))
	}
}

// A connection that is answered shows more than any check: what fails is told beside it.
func TestDiagnoseWorksBesideAFailure(t *testing.T) {
	t.Parallel()
	o := healthy()
	unhealthy(o, "Target.Timeout")
	w := diagnosed(t, o, name, 80).Walks[0]
	if w.Outcome != FlowWorks || len(w.Roots) != 0 || !slices.Contains(checksOf(w.Beside), "connection.healthy-target") {
		t.Error(walkText(w))
	}
}

func TestDiagnoseCouldNotTell(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		mutate func(o *probes.Observation)
		hop    string
	}{
		{"vantage out of reach", func(o *probes.Observation) {
			allTCP(o, probes.NoVia)
			for _, it := range []*probes.Item[[]probes.Lookup]{o.DNS.Private, o.DNS.Regional, o.DNS.Zonal} {
				setDNS(it, func(l probes.Lookup) probes.Lookup { return failedLookup(l.Vantage, l.Name, probes.NoVia) })
			}
		}, "vantage"},
		{"no vantage", func(o *probes.Observation) {
			o.Link.Vantages = nil
			absent(&o.Reach.TCP, probes.NoVantage)
			absent(&o.Reach.TLS, probes.NoVantage)
			absent(&o.Reach.HTTP, probes.NoVantage)
			absent(&o.DNS.Private, probes.NoVantage)
			absent(&o.DNS.Regional, probes.NoVantage)
			absent(&o.DNS.Zonal, probes.NoVantage)
		}, ""},
		{"interrupted", func(o *probes.Observation) {
			absent(&o.Reach.TCP, probes.NotReached)
			absent(&o.Reach.HTTP, probes.NotReached)
		}, "TCP connect"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := healthy()
			c.mutate(o)
			d := diagnosed(t, o, name, 80)
			if w := d.Walks[0]; d.Outcome() != FlowUntold || c.hop != "" && w.EndsAt != c.hop {
				t.Errorf("want %q:\n%s", c.hop, walkText(w))
			}
		})
	}
}

// A port that the link file does not know is walked too: that nobody listens there is where it ends.
func TestDiagnoseAnotherPort(t *testing.T) {
	t.Parallel()
	o := healthy()
	o.Link.Ports = append(o.Link.Ports, provision.Port{Port: 8443})
	o.Consumer.SecurityGroups.Value[0].Ingress[0].ToPort = 9000
	for i := range zones {
		for _, v := range []string{inside, outside} {
			o.Reach.TCP.Value = append(o.Reach.TCP.Value, probes.Attempt{
				Vantage: v, Target: probes.Target{Kind: probes.TargetInterface, ZoneID: zones[i]}, Addr: netip.AddrPortFrom(address(i), 8443),
				Tries: []probes.Try{{Outcome: probes.Refused}},
			})
		}
	}
	w := diagnosed(t, o, name, 8443).Walks[0]
	if w.Outcome != FlowEnds || w.EndsAt != "listener" || !slices.Equal(checksOf(w.Roots), []string{"connection.listener-on-each-port"}) {
		t.Fatal(walkText(w))
	}
	if d := diagnosed(t, o, name, 443); d.Outcome() != FlowWorks {
		t.Error(walkText(d.Walks[0]))
	}
}

// A fix for one port leaves the listeners of the link's other ports alone.
func TestDiagnoseFixKeepsOtherPorts(t *testing.T) {
	t.Parallel()
	o := healthy()
	o.Provider.Listeners.Value = o.Provider.Listeners.Value[:1]
	o.Provider.Listeners.Value[0].TargetGroupARNs = []string{"tg/https"}
	allTCP(o, probes.Refused)
	w := diagnosed(t, o, name, 443).Walks[0]
	if w.EndsAt != "listener" || strings.Contains(w.Roots[0].Fix.Command, "modify-listener") {
		t.Error(walkText(w))
	}
}

func TestDiagnoseGroupsVantages(t *testing.T) {
	t.Parallel()
	o := healthy()
	o.Link.Vantages[1].Expect = ""
	d := diagnosed(t, o, address(0).String(), 80)
	if len(d.Walks) != 2 || d.Outcome() != FlowEnds {
		t.Fatalf("%d walks", len(d.Walks))
	}
	o.Link.Vantages = append(o.Link.Vantages, provision.Vantage{Name: "third"})
	third := slices.Clone(o.Reach.TCP.Value)
	for _, a := range third {
		if a.Vantage == inside {
			a.Vantage = "third"
			o.Reach.TCP.Value = append(o.Reach.TCP.Value, a)
		}
	}
	for _, x := range slices.Clone(o.Reach.HTTP.Value) {
		if x.Vantage == inside {
			x.Vantage = "third"
			o.Reach.HTTP.Value = append(o.Reach.HTTP.Value, x)
		}
	}
	o.Path.Clients.Value = append(o.Path.Clients.Value, probes.Client{Vantage: "third", Addr: netip.MustParseAddr("10.0.1.201"), SubnetID: "subnet-10", InterfaceID: "eni-d", GroupIDs: []string{"sg-0c"}})
	d = diagnosed(t, o, address(0).String(), 80)
	if len(d.Walks) != 2 || !slices.Equal(d.Walks[0].Vantages, []string{inside, "third"}) || len(d.Walks[0].Hops[0].Facts) != 2 {
		for _, w := range d.Walks {
			t.Log(walkText(w))
		}
		t.Error("alike vantages are not together")
	}
}

func TestFlowToUnknownHost(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"example.com", "10.1.2.3", "vpce-0bad" + base, "\x1b[31m"} {
		_, err := FlowTo(healthy(), host, 80)
		if !errors.Is(err, ErrNotOfLink) || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%q: %v", host, err)
		}
	}
	wild := healthy()
	wild.Link.PrivateDNSName = "*.intra.chartsinvestor.com"
	if f, err := FlowTo(wild, name, 80); err != nil || f.Host != "probe.intra.chartsinvestor.com" {
		t.Errorf("%+v, %v", f, err)
	}
	none := healthy()
	none.Consumer.Endpoint.Value = probes.Endpoint{}
	none.Consumer.Interfaces.Value = nil
	for _, host := range []string{regional, "10.1.2.3"} {
		if _, err := FlowTo(none, host, 80); err != nil {
			t.Error(err)
		}
	}
}

// Every check that a flow may end at has its hop.
func TestEveryCheckOfTheWayHasAHop(t *testing.T) {
	t.Parallel()
	j := judgedView(healthy(), Catalogue())
	port := provision.Port{TLS: &provision.TLS{}, HTTP: &provision.HTTP{}}
	for _, kind := range []probes.TargetKind{probes.TargetInterface, probes.TargetPrivate, probes.TargetRegional, probes.TargetZonal} {
		for _, v := range j.closure(slices.Concat(lastOn(port, kind), lastOnName(kind))...) {
			if hopOf(v.Check) == none {
				t.Errorf("%s has no hop", v.Check)
			}
		}
	}
}
