package probes

import (
	"reflect"
	"testing"

	"github.com/linkassay/linkassay/provision"
)

// With a control plane that is known nobody asks an API or public DNS; names and connections are measured as ever.
func TestObserveWithAKnownControlPlane(t *testing.T) {
	t.Parallel()
	_, provider := account(t, providerAccount())
	_, consumer := account(t, consumerAccount())
	v := consumerVPC(t)
	link := testLink()
	link.Vantages = []provision.Vantage{{Name: "zone-a", From: "local"}}
	src := Sources{Provider: provider, Consumer: consumer, Vantages: []Placed{{link.Vantages[0], v}}}
	first := Observe(t.Context(), link, src, Options{})
	dialed := v.count("10.1.1.10:80")

	src.Provider, src.Consumer = nil, nil
	second := Observe(t.Context(), link, src, Options{Known: first})
	third := Observe(t.Context(), link, src, Options{Known: second})
	for _, o := range []*Observation{second, third} {
		if !reflect.DeepEqual(o.Provider, first.Provider) || !reflect.DeepEqual(o.Consumer, first.Consumer) {
			t.Error("the control plane is not the one that was known")
		}
		if !o.Known.Equal(first.Started) || o.ControlAge() <= 0 || first.ControlAge() != 0 {
			t.Errorf("known since %v, age %v; it was read at %v", o.Known, o.ControlAge(), first.Started)
		}
		if got, want := len(o.Reach.TCP.Value), len(first.Reach.TCP.Value); got != want || want == 0 {
			t.Errorf("%d attempts, expected %d", got, want)
		}
		if !o.Reach.TCP.Started.After(first.Finished) || len(o.DNS.Private.Value) == 0 || !o.DNS.Private.Started.After(first.Finished) {
			t.Error("names and connections were not measured again")
		}
		for _, name := range ItemNames() {
			was, _ := first.Meta(name)
			if m, ok := o.Meta(name); !ok || m.Absent != was.Absent || m.Error != nil {
				t.Errorf("%s: absent %q, error %+v; before: %q", name, m.Absent, m.Error, was.Absent)
			}
		}
	}
	if v.count("10.1.1.10:80") < 2*dialed {
		t.Errorf("dialled %d times, %d before", v.count("10.1.1.10:80"), dialed)
	}
	if first.ControlFailed() {
		t.Error("every question had an answer")
	}
}

// What could not be asked stays what it was: names are looked up all the same, and nothing is made up.
func TestKnownFailuresStayFailures(t *testing.T) {
	t.Parallel()
	link := testLink()
	link.Vantages = []provision.Vantage{{Name: "zone-a", From: "local"}}
	src := Sources{Vantages: []Placed{{link.Vantages[0], consumerVPC(t)}}}
	link.Vantages[0].Resolver = "10.1.0.2"
	src.Vantages[0].Spec.Resolver = "10.1.0.2"
	first := Observe(t.Context(), link, src, Options{}) // no credentials
	o := Observe(t.Context(), link, src, Options{Known: first})
	if !o.ControlFailed() || o.Consumer.Endpoint.Error == nil || o.Consumer.Endpoint.Error.Class != FailCredentials {
		t.Errorf("the endpoint: %+v", o.Consumer.Endpoint)
	}
	if len(o.DNS.Private.Value) != 2 || len(o.Reach.TCP.Value) == 0 {
		t.Errorf("the private name: %+v, %d attempts", o.DNS.Private, len(o.Reach.TCP.Value))
	}
	if o := Observe(t.Context(), link, src, Options{Known: &Observation{}}); o.Consumer.VPC == nil || o.Consumer.VPC.Absent != NotReached {
		t.Errorf("an empty observation: %+v", o.Consumer.VPC)
	}
}
