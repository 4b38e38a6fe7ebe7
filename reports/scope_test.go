package reports

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
)

// twoLinks share a service and a VPC, in which there is more than the links.
func twoLinks() *Report {
	connections := []probes.Connection{
		{EndpointID: "vpce-1", EndpointOwner: "222222222222", State: "available"},
		{EndpointID: "vpce-2", EndpointOwner: "222222222222", State: "available"},
		{EndpointID: "vpce-3", EndpointOwner: "333333333333", State: "rejected"},
		{EndpointID: "vpce-4", EndpointOwner: "222222222222", State: "pendingAcceptance"},
	}
	endpoints := []probes.EndpointSummary{
		{ID: "vpce-1", State: "available", ServiceName: "com.amazonaws.vpce.r.vpce-svc-1"},
		{ID: "vpce-4", State: "pendingAcceptance", ServiceName: "com.amazonaws.vpce.r.vpce-svc-1"},
		{ID: "vpce-5", State: "available", ServiceName: "com.amazonaws.vpce.r.vpce-svc-9"},
		{ID: "vpce-6", State: "available", ServiceName: "com.amazonaws.r.s3"},
		{ID: "vpce-7", State: "deleted", ServiceName: "com.amazonaws.vpce.r.vpce-svc-9"},
	}
	r := &Report{}
	for i := range 2 {
		o := &probes.Observation{Link: provision.Link{Name: fmt.Sprintf("link-%d", i+1), Consumer: provision.Consumer{Party: provision.Party{Account: "222222222222"}, EndpointID: fmt.Sprintf("vpce-%d", i+1)}}}
		o.Provider.Service = &probes.Item[probes.Service]{Value: probes.Service{ID: "vpce-svc-1"}}
		o.Provider.Connections = &probes.Item[[]probes.Connection]{Value: connections}
		o.Consumer.Endpoint = &probes.Item[probes.Endpoint]{Value: probes.Endpoint{ID: o.Link.Consumer.EndpointID, VPCID: "vpc-1"}}
		o.Consumer.Endpoints = &probes.Item[[]probes.EndpointSummary]{Value: endpoints}
		r.Links = append(r.Links, LinkReport{Observation: o})
	}
	return r
}

func TestNotInScope(t *testing.T) {
	t.Parallel()
	r := twoLinks()
	var got []string
	for _, x := range r.NotInScope() {
		got = append(got, x.words())
	}
	want := []string{
		"vpce-3 of account 333333333333: rejected, to vpce-svc-1 (beside link link-1)",
		"vpce-4 of account 222222222222 in vpc-1: pendingAcceptance, to vpce-svc-1 (beside link link-1)",
		"vpce-5 of account 222222222222 in vpc-1: available, to com.amazonaws.vpce.r.vpce-svc-9 (beside link link-1)",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("not in scope:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, format := range []string{"table", "markdown", "json"} {
		var b bytes.Buffer
		if err := Print(&b, r, format, PrintOptions{}); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"vpce-3", "vpce-4", "vpce-5"} {
			if !strings.Contains(b.String(), id) {
				t.Errorf("%s does not list %s:\n%s", format, id, b.String())
			}
		}
		if format != "json" && strings.Contains(b.String(), "vpce-6") {
			t.Errorf("%s lists an endpoint to AWS's own service", format)
		}
	}
}

// Where the consumer can't be asked, its account's connections are the link's.
func TestNotInScopeOfOneSide(t *testing.T) {
	t.Parallel()
	r := twoLinks()
	r.Links = r.Links[:1]
	o := r.Links[0].Observation
	o.Link.Consumer.EndpointID, o.Consumer.Endpoint, o.Consumer.Endpoints = "", nil, nil
	if all := r.NotInScope(); len(all) != 1 || all[0].EndpointID != "vpce-3" {
		t.Errorf("%+v", all)
	}
	r.Links = []LinkReport{{}}
	if all := r.NotInScope(); len(all) != 0 {
		t.Errorf("%+v", all)
	}
}
