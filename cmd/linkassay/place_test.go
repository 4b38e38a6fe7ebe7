package main

import (
	"testing"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
)

// Where nothing of the internet can be reached, public DNS is not asked, and what rests on it is left out rather than untold.
func TestPublicDNSFromNowhere(t *testing.T) {
	t.Parallel()
	for from, asked := range map[string]bool{"": true, "local": true, provision.NoPublicDNS: false} {
		l := provision.Link{Name: "orders", PrivateDNSName: "api.example.com", PublicDNS: provision.PublicDNS{From: from}}
		l.Provider.Access, l.Consumer.Access = provision.AccessNone, provision.AccessNone
		w, err := place(&l)
		if err != nil || (w.public != nil) != asked {
			t.Errorf("%q: %v %v", from, w.public, err)
		}
		if asked {
			continue // it would leave this host
		}
		o := probes.Observe(t.Context(), l, probes.Sources{PublicDNS: w.public}, probes.Options{})
		if o.DNS.Public.Absent != probes.NoVantage || o.ControlFailed() {
			t.Errorf("%+v", o.DNS.Public)
		}
	}
}
