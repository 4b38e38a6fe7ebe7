package probes_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/lab"
)

var _ probes.Vantage = (*lab.Vantage)(nil)

// TestObserveTheLab observes the walk-through's link, in process and through SOCKS.
func TestObserveTheLab(t *testing.T) {
	t.Parallel()
	timing := lab.Brisk()
	timing.HealthScale = 5 // checks far apart: a machine that is busy for a moment makes no target unhealthy
	l, err := lab.Start(t.Context(), lab.Options{Timing: timing})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	link, err := l.Provision(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	sides, err := provision.Open(t.Context(), &link, l.Open)
	if err != nil {
		t.Fatal(err)
	}
	defer sides.Provider.Close()
	defer sides.Consumer.Close()
	src := probes.Sources{Provider: sides.Provider, Consumer: sides.Consumer}

	t.Run("in process", func(t *testing.T) {
		src, link := src, link
		src.PublicDNS = l.Internet()
		for _, s := range l.Subnets(link.Consumer.Account) {
			v, err := l.Vantage(s.ID)
			if err != nil {
				t.Fatal(err)
			}
			spec := provision.Vantage{Name: "in-" + s.ZoneID, From: "lab", Zone: s.ZoneID}
			link.Vantages = append(link.Vantages, spec)
			src.Vantages = append(src.Vantages, probes.Placed{Spec: spec, Vantage: v})
		}
		healthy(t, probes.Observe(t.Context(), link, src, probes.Options{ReadFile: l.ReadFile, Wait: 20 * time.Second}), "udp")
	})
	t.Run("through SOCKS", func(t *testing.T) {
		src, link := src, link
		for _, s := range l.SOCKS() {
			v, err := probes.ParseVantage("socks5://" + s.Addr)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case s.Zone == lab.Internet:
				src.PublicDNS = v
			case s.Account == link.Consumer.Account:
				spec := provision.Vantage{Name: "socks-" + s.Zone, From: "socks5://" + s.Addr, Zone: s.Zone}
				link.Vantages = append(link.Vantages, spec)
				src.Vantages = append(src.Vantages, probes.Placed{Spec: spec, Vantage: v})
			}
		}
		healthy(t, probes.Observe(t.Context(), link, src, probes.Options{ReadFile: l.ReadFile, Wait: 20 * time.Second}), "tcp")
	})
	t.Run("without a listener", func(t *testing.T) {
		o := probes.Observe(t.Context(), link, src, probes.Options{})
		listener := o.Provider.Listeners.Value[0]
		if _, err := sides.Provider.ELB.DeleteListener(t.Context(), &elb.DeleteListenerInput{ListenerArn: &listener.ARN}); err != nil {
			t.Fatal(err)
		}
		o = probes.Observe(t.Context(), link, src, probes.Options{})
		groups := o.Provider.TargetGroups.Value
		if !slices.ContainsFunc(groups, func(g probes.TargetGroup) bool { return g.ARN == listener.TargetGroupARNs[0] }) || len(groups) != 2 {
			t.Errorf("the target group that lost its listener is not among %+v", groups)
		}
	})
}

// healthy checks that a link's observation holds nothing but good news.
func healthy(t *testing.T, o *probes.Observation, transport string) {
	t.Helper()
	t.Logf("took %s", o.Finished.Sub(o.Started))
	for _, name := range probes.ItemNames() {
		m, ok := o.Meta(name)
		if m.Absent == probes.NotConfigured && !strings.HasPrefix(name, "reach.") || m.Absent == probes.OnlySlow {
			continue // the link file, or the run, asks for no such thing
		}
		if !ok || m.Absent != "" || m.Error != nil || m.Started.IsZero() {
			t.Errorf("%s: absent %q, error %+v", name, m.Absent, m.Error)
		} else {
			t.Logf("%-24s +%-12s %s", name, m.Started.Sub(o.Started), m.Duration)
		}
	}
	if t.Failed() || len(o.Panics) > 0 {
		t.Fatalf("%v", o.Panics)
	}
	vantages := len(o.Link.Vantages)
	if vantages != 3 {
		t.Fatalf("%d vantages", vantages)
	}
	if s := o.Consumer.Endpoint.Value.State; s != "available" {
		t.Errorf("endpoint %s", s)
	}
	if v := o.Provider.Service.Value.Verification; v == nil || v.State != "verified" {
		t.Errorf("verification %+v", v)
	}
	for _, h := range o.Provider.TargetHealth.Value {
		if h.State != "healthy" || h.ZoneID == "" {
			t.Errorf("target %+v", h)
		}
	}
	for _, l := range slices.Concat(o.DNS.Private.Value, o.DNS.Regional.Value, o.DNS.Zonal.Value) {
		if want := map[string]probes.Outcome{"A": probes.OK, "AAAA": probes.NoData}[l.Type]; l.Outcome != want || l.Transport != transport {
			t.Errorf("%s %s from %s by %s: %s (%s)", l.Name, l.Type, l.Vantage, l.Transport, l.Outcome, l.Detail)
		}
	}
	txt := o.DNS.TXT.Value
	found := 0
	for _, q := range txt.Asked {
		if q.Owner == txt.Label+"."+txt.Domain && slices.Contains(q.Texts, txt.Want) && q.Auth {
			found++
		}
	}
	if servers := len(txt.Zones[len(txt.Zones)-1].Servers); found != servers || servers == 0 {
		t.Errorf("the TXT record is at %d of %d servers: %+v", found, servers, txt.Zones)
	}
	// Private and regional names have three addresses each, zonal names and interfaces one each.
	if got, want := len(o.Reach.TCP.Value), vantages*(3+3+3+3)*2; got != want {
		t.Errorf("%d attempts, want %d", got, want)
	}
	for _, a := range o.Reach.TCP.Value {
		for _, try := range a.Tries {
			if try.Outcome != probes.OK {
				t.Errorf("TCP %+v %s: %s (%s)", a.Target, a.Addr, try.Outcome, try.Detail)
			}
		}
		if (a.Target.Kind == probes.TargetZonal || a.Target.Kind == probes.TargetInterface) && a.Target.ZoneID == "" {
			t.Errorf("no zone: %+v", a.Target)
		}
	}
	for _, h := range o.Reach.TLS.Value {
		if h.Outcome != probes.OK || h.VerifyError != "" {
			t.Errorf("TLS %s: %s (%s) %s", h.Addr, h.Outcome, h.Detail, h.VerifyError)
		}
	}
	if got, want := len(o.Reach.HTTP.Value), vantages*12*2; got != want {
		t.Errorf("%d exchanges, want %d", got, want)
	}
	for _, e := range o.Reach.HTTP.Value {
		if e.Outcome != probes.OK || e.Status != 200 || e.BodyMatched == nil || !*e.BodyMatched {
			t.Errorf("HTTP %+v %s: %s (%s) %d", e.Target, e.Addr, e.Outcome, e.Detail, e.Status)
		}
	}
}
