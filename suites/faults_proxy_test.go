package suites

import (
	"strings"
	"testing"

	"github.com/linkassay/linkassay/probes"
)

// proxyFaults are proxy protocol headers where none are read, and the other way round.
func proxyFaults() []fault {
	yes, no := true, false
	return []fault{
		{"proxy-protocol-off", func(o *probes.Observation) {
			o.Link.Ports[1].ProxyProtocol = &yes
		}, "proxy.as-expected", ProviderSide, []string{"reachability.http-private-name"}},
		{"proxy-protocol-on-unwanted", func(o *probes.Observation) {
			o.Link.Ports[1].ProxyProtocol = &no
			o.Provider.TargetGroups.Value[1].ProxyProtocol = true
			notUnderstood(o)
		}, "proxy.as-expected", ProviderSide, []string{"reachability.tcp-interfaces"}},
		{"proxy-header-fails-health-checks", func(o *probes.Observation) {
			g := &o.Provider.TargetGroups.Value[0]
			g.ProxyProtocol, g.HealthProtocol = true, "HTTP"
			setTargets(o, "tg/http", "unhealthy", "Target.ResponseCodeMismatch", "Health checks failed with these codes: [400]")
		}, "proxy.health-checks-parsed", ProviderSide, []string{"connection.targets-checked"}},
		{"proxy-header-not-understood", func(o *probes.Observation) {
			o.Provider.TargetGroups.Value[1].ProxyProtocol = true
			notUnderstood(o)
		}, "proxy.connections-parsed", ProviderSide, []string{"connection.healthy-target", "reachability.tcp-interfaces"}},
		{"proxy-header-a-bad-request", func(o *probes.Observation) {
			o.Provider.TargetGroups.Value[0].ProxyProtocol = true
			for i := range o.Reach.HTTP.Value {
				if x := &o.Reach.HTTP.Value[i]; x.Addr.Port() == 80 {
					x.Status = 400
				}
			}
		}, "proxy.connections-parsed", ProviderSide, []string{"connection.healthy-target"}},
		{"consumer-not-told", func(o *probes.Observation) {
			o.Link.Ports[0].HTTP.EndpointID = "endpoint (.*)"
		}, "proxy.endpoint-id-arrives", ProviderSide, []string{"reachability.http-interfaces"}},
	}
}

// notUnderstood lets the targets on port 443 take the header for a handshake.
func notUnderstood(o *probes.Observation) {
	for i := range o.Reach.TLS.Value {
		h := &o.Reach.TLS.Value[i]
		h.Outcome, h.Chain = probes.Closed, nil
	}
	for i := range o.Reach.HTTP.Value {
		if x := &o.Reach.HTTP.Value[i]; x.Addr.Port() == 443 {
			x.Outcome, x.Status, x.BodyMatched = probes.Closed, 0, nil
		}
	}
}

// Where the proxy protocol is on and read, nothing fails; a certificate that is not trusted is no
// header that is not understood.
func TestProxyProtocolThatIsRead(t *testing.T) {
	t.Parallel()
	o := healthy()
	yes := true
	for i := range o.Link.Ports {
		o.Link.Ports[i].ProxyProtocol = &yes
		o.Link.Ports[i].HTTP.EndpointID = "endpoint (.*)"
		o.Provider.TargetGroups.Value[i].ProxyProtocol = true
		o.Provider.TargetGroups.Value[i].HealthProtocol = "HTTP"
	}
	for i := range o.Reach.HTTP.Value {
		o.Reach.HTTP.Value[i].EndpointID = endpointID
	}
	verdicts := Judge(o, Catalogue(), nil)
	if failed := byStatus(verdicts, Failed); len(failed) > 0 {
		t.Errorf("failed: %v", failed)
	}
	for _, v := range verdicts {
		if v.Area == "proxy" && v.Status != Passed {
			t.Errorf("%s is %s: %s", v.Check, v.Status, v.Reason)
		}
	}
	for i := range o.Reach.TLS.Value {
		o.Reach.TLS.Value[i].Outcome, o.Reach.TLS.Value[i].VerifyError = probes.TLSFailed, "x509: unknown authority"
	}
	if got := byStatus(Judge(o, Catalogue(), nil), Failed); len(got) != 1 || got[0] != "reachability.tls-certificate" {
		t.Errorf("failed: %v", got)
	}
}

func TestProxyFixes(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"proxy-protocol-off":               "--target-group-arn tg/https --attributes Key=proxy_protocol_v2.enabled,Value=true ",
		"proxy-protocol-on-unwanted":       "--target-group-arn tg/https --attributes Key=proxy_protocol_v2.enabled,Value=false ",
		"proxy-header-fails-health-checks": "--target-group-arn tg/http --attributes Key=proxy_protocol_v2.enabled,Value=false ",
		"proxy-header-not-understood":      "--target-group-arn tg/https --attributes Key=proxy_protocol_v2.enabled,Value=false ",
		"consumer-not-told":                "--target-group-arn tg/http --attributes Key=proxy_protocol_v2.enabled,Value=true ",
	} {
		for _, f := range proxyFaults() {
			if f.name != name {
				continue
			}
			o := healthy()
			f.make(o)
			if got := onlyRoot(t, o); !strings.Contains(got.Fix.Command+" ", want) {
				t.Errorf("%s: %s\nwant it to have %s", name, got.Fix.Command, want)
			}
		}
	}
}
