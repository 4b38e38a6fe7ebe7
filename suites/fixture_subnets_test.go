package suites

import (
	"slices"
	"testing"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
)

// namedSubnets makes the link file name the endpoint's own subnets.
func namedSubnets(o *probes.Observation) {
	e, _ := value(o.Consumer.Endpoint)
	subnets, _ := value(o.Consumer.Subnets)
	o.Link.Consumer.Build = &provision.ConsumerBuild{VPCID: e.VPCID, SubnetIDs: e.SubnetIDs}
	o.Consumer.BuildSubnets = item(append([]probes.Subnet{}, subnets...))
}

// subnetFaults are in the subnets that the link file names.
func subnetFaults() []fault {
	return []fault{
		{
			"zone-of-named-subnet-not-offered", func(o *probes.Observation) {
				o.Consumer.BuildSubnets.Value = append(o.Consumer.BuildSubnets.Value, probes.Subnet{ID: "subnet-99", VPCID: "vpc-0aa", ZoneID: "apse1-az9", FreeIPs: 4})
			},
			"connection.subnets-in-service-zones", ConsumerSide,
			[]string{"connection.subnets-in-different-zones", "connection.endpoint-exists", "connection.accepted"},
		},
		{"named-subnets-in-one-zone", func(o *probes.Observation) {
			o.Consumer.BuildSubnets.Value = append(o.Consumer.BuildSubnets.Value, probes.Subnet{ID: "subnet-99", VPCID: "vpc-0aa", ZoneID: zones[0], FreeIPs: 4})
		}, "connection.subnets-in-different-zones", ConsumerSide, []string{"connection.subnets-in-service-zones", "connection.endpoint-exists"}},
		{"named-subnet-full", func(o *probes.Observation) {
			o.Consumer.BuildSubnets.Value = append(slices.Clone(o.Consumer.BuildSubnets.Value[1:]), probes.Subnet{ID: "subnet-99", VPCID: "vpc-0aa", ZoneID: zones[0]})
		}, "connection.subnets-have-addresses", ConsumerSide, []string{"connection.subnets-in-different-zones", "connection.endpoint-exists"}},
		{
			"endpoint-in-one-zone", func(o *probes.Observation) { o.Consumer.Subnets.Value = o.Consumer.Subnets.Value[:1] },
			"resilience.endpoint-in-two-zones", ConsumerSide,
			[]string{"connection.interface-in-each-subnet", "reachability.http-private-name"},
		},
	}
}

func TestSubnetsOfTheLinkFile(t *testing.T) {
	t.Parallel()
	other := probes.Subnet{ID: "subnet-99", VPCID: "vpc-0aa", CIDR: "10.0.99.0/28", ZoneID: "apse1-az9", FreeIPs: 4}
	for name, tc := range map[string]struct {
		make func(o *probes.Observation)
		root string
		fact string // name of one that must be there
	}{
		"unoffered zone": {func(o *probes.Observation) {
			o.Consumer.BuildSubnets.Value = append(o.Consumer.BuildSubnets.Value, other)
		}, "connection.subnets-in-service-zones", "subnet-99"},
		"no common zone": {func(o *probes.Observation) { o.Consumer.BuildSubnets.Value = []probes.Subnet{other} }, "connection.subnets-in-service-zones", "common zones"},
		"same zone": {func(o *probes.Observation) {
			twin := other
			twin.ZoneID = zones[0]
			o.Consumer.BuildSubnets.Value = append(o.Consumer.BuildSubnets.Value, twin)
		}, "connection.subnets-in-different-zones", "subnet-99"},
		"full": {func(o *probes.Observation) {
			full := other
			full.ZoneID, full.FreeIPs = zones[0], 0
			o.Consumer.BuildSubnets.Value = append(o.Consumer.BuildSubnets.Value[1:], full)
		}, "connection.subnets-have-addresses", "subnet-99"},
		"one zone": {func(o *probes.Observation) {
			o.Consumer.Subnets.Value = o.Consumer.Subnets.Value[:1]
		}, "resilience.endpoint-in-two-zones", "endpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := healthy()
			tc.make(o)
			for _, v := range Judge(o, Catalogue(), nil) {
				if v.Check != tc.root {
					if v.Status == Failed {
						t.Errorf("%s failed too: %s", v.Check, v.Reason)
					}
					continue
				}
				found := false
				for _, f := range v.Facts {
					found = found || f.Name == tc.fact
				}
				if v.Status != Failed || !found || v.Fix == nil || v.Fix.Command == "" {
					t.Errorf("%+v", v)
				}
			}
		})
	}
}

// A full subnet that the endpoint is in already needs no address, and a link that asks for one zone
// gets no warning for it.
func TestSubnetsThatAreFine(t *testing.T) {
	t.Parallel()
	o := healthy()
	o.Consumer.BuildSubnets.Value[0].FreeIPs = 0
	o.Consumer.Subnets.Value = o.Consumer.Subnets.Value[:1]
	o.Link.Consumer.Build.SubnetIDs = o.Link.Consumer.Build.SubnetIDs[:1]
	for _, v := range Judge(o, Catalogue(), nil) {
		switch v.Check {
		case "connection.subnets-have-addresses":
			if v.Status != Passed {
				t.Errorf("%+v", v)
			}
		case "resilience.endpoint-in-two-zones":
			if v.Status != Skipped {
				t.Errorf("%+v", v)
			}
		}
	}
}
