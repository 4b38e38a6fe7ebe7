package lab_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/lab"
)

// The walk-through crosses two accounts. Each write of it, when the link is built and when it is removed, has to
// be signed by the side that owns what is written: a step that took the other side's credentials could still
// pass in a lab, and would fail between companies.
func TestEveryWriteIsSignedByTheRightAccount(t *testing.T) {
	t.Parallel()
	const provider, consumer = "111111111111", "222222222222"
	both := []string{provider, consumer}
	build := map[string][]string{
		"ec2 CreateVpc": both, "ec2 CreateSubnet": both, "ec2 CreateSecurityGroup": both,
		"ec2 AuthorizeSecurityGroupIngress": both,

		"ec2 RunInstances":                                  {provider},
		"elasticloadbalancing CreateLoadBalancer":           {provider},
		"elasticloadbalancing CreateTargetGroup":            {provider},
		"elasticloadbalancing RegisterTargets":              {provider},
		"elasticloadbalancing CreateListener":               {provider},
		"ec2 CreateVpcEndpointServiceConfiguration":         {provider},
		"ec2 ModifyVpcEndpointServiceConfiguration":         {provider},
		"ec2 ModifyVpcEndpointServicePermissions":           {provider},
		"ec2 AcceptVpcEndpointConnections":                  {provider},
		"ec2 StartVpcEndpointServicePrivateDnsVerification": {provider},
		"ec2 CreateTags":                                    {provider}, // the service's note of its TXT record
		"route53 ChangeResourceRecordSets":                  {provider},

		"ec2 ModifyVpcAttribute": {consumer}, // private DNS needs host names
		"ec2 CreateVpcEndpoint":  {consumer},
		"ec2 ModifyVpcEndpoint":  {consumer},
	}
	remove := map[string][]string{
		"ec2 DeleteVpc": both, "ec2 DeleteSubnet": both, "ec2 DeleteSecurityGroup": both,

		"ec2 DeleteVpcEndpoints": {consumer},

		"route53 ChangeResourceRecordSets":           {provider},
		"ec2 DeleteTags":                             {provider},
		"ec2 DeleteVpcEndpointServiceConfigurations": {provider},
		"elasticloadbalancing DeleteListener":        {provider},
		"elasticloadbalancing DeleteLoadBalancer":    {provider},
		"elasticloadbalancing DeleteTargetGroup":     {provider},
		"ec2 TerminateInstances":                     {provider},
	}

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	l := start(t, lab.Options{})
	link := l.Link()
	sides, err := provision.Open(ctx, &link, l.Open)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sides.Close)

	if _, err := provision.Apply(ctx, &link, sides, provision.Options{Timeout: time.Minute}); err != nil {
		t.Fatal(err)
	}
	wantSigners(t, "apply", l.Requests(), build)
	l.ResetRequests()
	left, err := provision.Destroy(ctx, &link, sides, provision.Options{Timeout: time.Minute})
	if err != nil || len(left) > 0 {
		t.Fatalf("destroy: %v, left over: %s", err, left)
	}
	wantSigners(t, "destroy", l.Requests(), remove)
}

// wantSigners compares who signed the writes in the log with who had to.
func wantSigners(t *testing.T, what string, log []lab.Request, want map[string][]string) {
	t.Helper()
	got := map[string][]string{}
	for _, r := range log {
		if !r.Write {
			continue
		}
		op := r.Service + " " + r.Action
		if !slices.Contains(got[op], r.Account) {
			got[op] = append(got[op], r.Account)
		}
		region := "ap-southeast-1"
		if r.Service == "route53" {
			region = "us-east-1" // it is global
		}
		if r.Region != region || !strings.Contains(r.ARN, ":"+r.Account+":") {
			t.Errorf("%s: %s of account %s is signed by %q for %s", what, op, r.Account, r.ARN, r.Region)
		}
	}
	for _, op := range slices.Sorted(maps.Keys(got)) {
		slices.Sort(got[op])
		if !slices.Equal(got[op], want[op]) {
			t.Errorf("%s: %s is signed by %v, want %v", what, op, got[op], want[op])
		}
	}
	for _, op := range slices.Sorted(maps.Keys(want)) {
		if got[op] == nil {
			t.Errorf("%s: nobody did %s", what, op)
		}
	}
}
