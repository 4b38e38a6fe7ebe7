package suites_test

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"testing"
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/awsapi"
	"github.com/linkassay/linkassay/suites"
)

// sharedFaults break one link one after the other, each beside those before it.
var sharedFaults = []string{
	"", "extra-principal", "security-group-closed", "endpoint-acl-denies", "client-acl-denies", "dns-hostnames-off", "dhcp-custom-dns",
	"private-dns-not-enabled", "private-zone-shadowing", "targets-deregistered", "listener-missing", "load-balancer-failed", "interface-lost",
	"permission-removed-later", "rejected", "endpoint-deleted",
}

// Clients that share what they read, and that have read it before each change, see the same as clients that ask for each link.
func TestSharedReadsSeeTheSame(t *testing.T) {
	t.Parallel()
	l := startLink(t)
	var later atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	open := map[string]*awsapi.Clients{}
	for _, p := range []provision.Party{l.link.Provider.Party, l.link.Consumer.Party} {
		id, secret, _ := l.lab.Credentials(p.Profile)
		c, err := awsapi.Open(t.Context(), awsapi.Access{Region: l.link.Region}, awsapi.WithStatic(l.lab.URL(), id, secret),
			awsapi.WithSharing(awsapi.Sharing{PageSize: 5, Now: now}))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		open[p.Account] = c
	}
	shared := func(_ context.Context, p provision.Party, _ string) (*awsapi.Clients, error) {
		return open[p.Account], nil
	}
	for n, fault := range sharedFaults {
		if fault != "" {
			if err := l.lab.Inject(t.Context(), fault, l.link); err != nil {
				t.Fatal(err)
			}
		}
		deadline := time.Now().Add(10 * time.Second)
		for {
			_, plain := observeControl(t.Context(), l, l.lab.Open, time.Now)
			later.Add(int64(time.Minute)) // what was read before is not the present
			ctx := awsapi.NotOlder(t.Context(), now(), 0, 0)
			if n%2 == 1 { // nor is it young enough for who takes old answers
				ctx = awsapi.NotOlder(t.Context(), now(), 30*time.Second, 30*time.Second)
			}
			o, got := observeControl(ctx, l, shared, now)
			if age := o.ControlAge(); age > awsapi.Floor {
				t.Errorf("what was read now is said to be %s old", age)
			}
			if got == plain {
				break
			}
			if time.Now().After(deadline) { // states may have been on their way
				t.Fatalf("after %s, shared reads say\n%s\nand others\n%s", fault, got, plain)
			}
		}
	}
	before := open[l.link.Consumer.Account].Calls() + open[l.link.Provider.Account].Calls()
	later.Add(int64(20 * time.Second))
	ctx := awsapi.NotOlder(t.Context(), now(), time.Minute, time.Minute)
	o, _ := observeControl(ctx, l, shared, now)
	if age, item := o.ControlAge(), o.Started.Sub(o.Provider.Service.Started); age < 20*time.Second || age > time.Minute || item < 20*time.Second {
		t.Errorf("what was read 20 s ago is said to be %s old, and the service %s", age, item)
	}
	if n := open[l.link.Consumer.Account].Calls() + open[l.link.Provider.Account].Calls() - before; n > 5 {
		t.Errorf("%d requests for what was read a moment ago; those are left that no store answers", n)
	}
}

// observeControl is what the control plane says of the link, and its verdicts, as text: without times, and without what
// counts requests.
func observeControl(ctx context.Context, l labLink, open func(context.Context, provision.Party, string) (*awsapi.Clients, error), now func() time.Time) (*probes.Observation, string) {
	link := l.lab.Believed()
	var src probes.Sources
	link = openSides(ctx, link, &src, open)
	o := probes.Observe(ctx, link, src, probes.Options{ReadFile: l.lab.ReadFile, Now: now})
	verdicts := suites.Judge(o, suites.Catalogue(), nil)
	bare := *o
	bare.Provider.API, bare.Consumer.API = nil, nil
	text, err := json.Marshal(bare)
	if err != nil {
		return o, err.Error()
	}
	var plain any
	if err := json.Unmarshal(text, &plain); err != nil {
		return o, err.Error()
	}
	timeless(plain)
	var statuses []any
	for _, v := range verdicts {
		statuses = append(statuses, []any{v.Check, v.Status, v.BlockedBy, v.Facts})
	}
	text, err = json.MarshalIndent([]any{statuses, plain}, "", " ")
	if err != nil {
		return o, err.Error()
	}
	return o, string(text)
}

// timeless takes times and counts out of a document.
func timeless(v any) {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range []string{"started", "finished", "known", "duration", "attempts"} {
			delete(v, key)
		}
		for _, x := range v {
			timeless(x)
		}
	case []any:
		for _, x := range v {
			timeless(x)
		}
	}
}
