package provision_test

import (
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// ours are the ids of the link's instances that are not terminated.
func (w *world) ours(t *testing.T) []string {
	t.Helper()
	out, err := w.sides.Provider.EC2.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{Filters: []ec2types.Filter{
		{Name: aws.String("tag:linkassay:link"), Values: []string{w.link.Name}},
		{Name: aws.String("instance-state-name"), Values: []string{"pending", "running"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, r := range out.Reservations {
		for _, i := range r.Instances {
			ids = append(ids, *i.InstanceId)
		}
	}
	return ids
}

// gone waits until EC2 no longer lists an instance.
func (w *world) gone(t *testing.T, id string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		out, err := w.sides.Provider.EC2.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{Filters: []ec2types.Filter{
			{Name: aws.String("instance-id"), Values: []string{id}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Reservations) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is still listed", id)
		}
	}
}

// An instance that somebody terminated is replaced, as often as that happens, while EC2 still lists it and when it
// has forgotten it: the client token of its launch leads to what is gone.
func TestApplyReplacesTerminatedInstances(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.apply(t, w.link)
	for _, forgotten := range []bool{true, false, true} {
		before := w.ours(t)
		if _, err := w.sides.Provider.EC2.TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: before[:1]}); err != nil {
			t.Fatal(err)
		}
		if forgotten {
			w.gone(t, before[0])
		}
		w.verified(t, w.apply(t, w.link))
		after := w.ours(t)
		if len(after) != len(before) || slices.Contains(after, before[0]) {
			t.Fatalf("instances %v, then %v", before, after)
		}
		groups, err := w.sides.Provider.ELB.DescribeTargetGroups(t.Context(), &elb.DescribeTargetGroupsInput{})
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range groups.TargetGroups {
			health, err := w.sides.Provider.ELB.DescribeTargetHealth(t.Context(), &elb.DescribeTargetHealthInput{TargetGroupArn: g.TargetGroupArn})
			if err != nil {
				t.Fatal(err)
			}
			for _, h := range health.TargetHealthDescriptions {
				if h.TargetHealth.State != elbtypes.TargetHealthStateEnumDraining && !slices.Contains(after, *h.Target.Id) {
					t.Errorf("%s is still registered: %s %s", *h.Target.Id, h.TargetHealth.State, h.TargetHealth.Reason)
				}
			}
		}
	}
}

// A zone that the endpoint lost is put back.
func TestApplyRestoresTheEndpointsSubnets(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	built := w.apply(t, w.link)
	before := w.endpoint(t, built.Consumer.EndpointID).SubnetIds
	if _, err := w.sides.Consumer.EC2.ModifyVpcEndpoint(t.Context(), &ec2.ModifyVpcEndpointInput{
		VpcEndpointId: aws.String(built.Consumer.EndpointID), RemoveSubnetIds: before[:1],
	}); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); len(w.endpoint(t, built.Consumer.EndpointID).SubnetIds) == len(before); {
		if time.Now().After(deadline) {
			t.Fatal("the endpoint keeps its subnet")
		}
	}
	again := w.apply(t, w.link)
	e := w.endpoint(t, again.Consumer.EndpointID)
	if again.Consumer.EndpointID != built.Consumer.EndpointID || len(e.SubnetIds) != len(before) || len(e.NetworkInterfaceIds) != len(before) {
		t.Errorf("%s is in %v with %v, was in %v", again.Consumer.EndpointID, e.SubnetIds, e.NetworkInterfaceIds, before)
	}
	w.verified(t, again)
}
