package suites

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/linkassay/linkassay/probes"
)

// Where only the provider can be asked and no endpoint is named, what else the account has connected decides
// nothing about the link.
func TestConnectionAmongSeveral(t *testing.T) {
	t.Parallel()
	conn := func(id, state string, hours int) probes.Connection {
		return probes.Connection{EndpointID: id, EndpointOwner: "222222222222", State: state, Created: start.Add(time.Duration(hours) * time.Hour)}
	}
	stranger := probes.Connection{EndpointID: "vpce-0e", EndpointOwner: "333333333333", State: "available", Created: start.Add(9 * time.Hour)}
	for _, x := range []struct {
		name        string
		connections []probes.Connection
		status      Status
		endpoints   []string
	}{
		{"a newer stray one waits", []probes.Connection{conn("vpce-0a", "available", 1), conn("vpce-0b", "pendingAcceptance", 2)}, Passed, []string{"vpce-0a"}},
		{"a newer stray one was rejected", []probes.Connection{conn("vpce-0a", "Available", 1), conn("vpce-0b", "Rejected", 2)}, Passed, []string{"vpce-0a"}},
		{"two are available", []probes.Connection{conn("vpce-0b", "available", 2), conn("vpce-0a", "available", 1)}, Passed, []string{"vpce-0b"}},
		{"one becomes available", []probes.Connection{conn("vpce-0a", "pending", 1), conn("vpce-0b", "pendingAcceptance", 2)}, Passed, []string{"vpce-0a"}},
		{"one waits, one is left behind", []probes.Connection{conn("vpce-0a", "pendingAcceptance", 1), conn("vpce-0b", "deleted", 2), stranger}, Failed, []string{"vpce-0a"}},
		{"two wait", []probes.Connection{conn("vpce-0b", "pendingAcceptance", 2), conn("vpce-0a", "pendingAcceptance", 1)}, Untold, []string{"vpce-0b", "vpce-0a"}},
		{"two are dead", []probes.Connection{conn("vpce-0a", "rejected", 1), conn("vpce-0b", "failed", 2)}, Failed, []string{"vpce-0b"}},
		{"another account's alone", []probes.Connection{stranger}, Failed, nil},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			o := healthy()
			variants()[slices.IndexFunc(variants(), func(v variant) bool { return v.name == "provider-only" })].make(o)
			o.Provider.Connections.Value = x.connections
			verdicts := Judge(o, Catalogue(), nil)
			v := verdicts[slices.IndexFunc(verdicts, func(v Verdict) bool { return v.Check == "connection.accepted" })]
			if v.Status != x.status {
				t.Errorf("%s: %s, want %s", v.Status, v.Reason, x.status)
			}
			var endpoints []string
			for _, f := range v.Facts {
				if f.Name == "endpoint" {
					endpoints = append(endpoints, f.Value)
				}
			}
			if !slices.Equal(endpoints, x.endpoints) {
				t.Errorf("endpoints %v, want %v", endpoints, x.endpoints)
			}
			if x.status == Untold && !strings.Contains(v.Reason, "vpce-0a, vpce-0b") {
				t.Errorf("the candidates are not named: %s", v.Reason)
			}
			if x.name == "one waits, one is left behind" && !strings.Contains(v.Fix.Command, "--vpc-endpoint-ids vpce-0a") {
				t.Errorf("the fix is for another endpoint: %s", v.Fix.Command)
			}
		})
	}
}
