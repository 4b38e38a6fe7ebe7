package provision_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	r53types "github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/awsapi"
	"github.com/linkassay/linkassay/provision/lab"
)

// world is a lab with both accounts opened, and the walk-through's link to build in it.
type world struct {
	*lab.Lab
	link  provision.Link
	sides provision.Sides
}

// quick is a lab that takes as long as it must to show every state.
func quick() lab.Timing {
	return lab.Timing{
		LoadBalancer: 20 * time.Millisecond, VPC: time.Millisecond, Endpoint: 20 * time.Millisecond,
		Deleting: 20 * time.Millisecond, Instance: 10 * time.Millisecond, Verification: 10 * time.Millisecond,
		Change: 10 * time.Millisecond, Permission: 5 * time.Millisecond, PrivateZone: 5 * time.Millisecond, HealthScale: 1000,
	}
}

func newWorld(t *testing.T, timing lab.Timing) *world {
	t.Helper()
	l, err := lab.Start(t.Context(), lab.Options{Timing: timing})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{Lab: l, link: l.Link()}
	w.sides = w.open(t, w.link)
	return w
}

func (w *world) open(t *testing.T, l provision.Link) provision.Sides {
	t.Helper()
	s, err := provision.Open(t.Context(), &l, w.Lab.Open)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func options(t *testing.T) provision.Options {
	return provision.Options{Timeout: time.Minute, Progress: func(e provision.Event) {
		t.Logf("%-8s %-18s %6dms %s %v", e.Side, e.Step, e.Elapsed.Milliseconds(), e.Message, e.Err)
	}}
}

func (w *world) apply(t *testing.T, l provision.Link) provision.Link {
	t.Helper()
	s := w.open(t, l)
	out, err := provision.Apply(t.Context(), &l, s, options(t))
	if err != nil {
		t.Fatalf("apply: %v", err)
	}
	return out
}

func (w *world) destroy(t *testing.T, l provision.Link) provision.Leftovers {
	t.Helper()
	left, err := provision.Destroy(t.Context(), &l, w.open(t, l), options(t))
	if err != nil {
		t.Fatalf("destroy: %v", err)
	}
	return left
}

// inventory lists everything in both accounts that Describe shows, and its tags.
func (w *world) inventory(t *testing.T) []string {
	t.Helper()
	var out []string
	ctx := t.Context()
	fail := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	for _, side := range []struct {
		name string
		c    *awsapi.Clients
	}{{"provider", w.sides.Provider}, {"consumer", w.sides.Consumer}} {
		add := func(kind, id string, tags []ec2types.Tag, more ...any) {
			var s []string
			for _, t := range tags {
				s = append(s, aws.ToString(t.Key)+"="+aws.ToString(t.Value))
			}
			slices.Sort(s)
			out = append(out, strings.TrimSpace(fmt.Sprintln(append([]any{side.name, kind, id, s}, more...)...)))
		}
		c := side.c
		vpcs, err := c.EC2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
		fail(err)
		for _, v := range vpcs.Vpcs {
			add("vpc", *v.VpcId, v.Tags)
		}
		subnets, err := c.EC2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{})
		fail(err)
		for _, s := range subnets.Subnets {
			add("subnet", *s.SubnetId, s.Tags, *s.AvailabilityZoneId)
		}
		groups, err := c.EC2.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{})
		fail(err)
		for _, g := range groups.SecurityGroups {
			add("group", *g.GroupId, g.Tags, len(g.IpPermissions))
		}
		instances, err := c.EC2.DescribeInstances(ctx, &ec2.DescribeInstancesInput{})
		fail(err)
		for _, r := range instances.Reservations {
			for _, i := range r.Instances {
				if i.State.Name != ec2types.InstanceStateNameTerminated {
					add("instance", *i.InstanceId, i.Tags)
				}
			}
		}
		interfaces, err := c.EC2.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{})
		fail(err)
		for _, n := range interfaces.NetworkInterfaces {
			add("interface", *n.NetworkInterfaceId, nil)
		}
		services, err := c.EC2.DescribeVpcEndpointServiceConfigurations(ctx, &ec2.DescribeVpcEndpointServiceConfigurationsInput{})
		fail(err)
		for _, s := range services.ServiceConfigurations {
			add("service", *s.ServiceId, s.Tags, aws.ToString(s.PrivateDnsName), w.principals(t, *s.ServiceId))
		}
		endpoints, err := c.EC2.DescribeVpcEndpoints(ctx, &ec2.DescribeVpcEndpointsInput{})
		fail(err)
		for _, e := range endpoints.VpcEndpoints {
			add("endpoint", *e.VpcEndpointId, e.Tags, aws.ToBool(e.PrivateDnsEnabled))
		}
		balancers, err := c.ELB.DescribeLoadBalancers(ctx, &elb.DescribeLoadBalancersInput{})
		fail(err)
		for _, b := range balancers.LoadBalancers {
			add("balancer", *b.LoadBalancerName, nil)
			listeners, err := c.ELB.DescribeListeners(ctx, &elb.DescribeListenersInput{LoadBalancerArn: b.LoadBalancerArn})
			fail(err)
			for _, l := range listeners.Listeners {
				add("listener", *b.LoadBalancerName, nil, *l.Port)
			}
		}
		targets, err := c.ELB.DescribeTargetGroups(ctx, &elb.DescribeTargetGroupsInput{})
		fail(err)
		for _, g := range targets.TargetGroups {
			add("targets", *g.TargetGroupName, nil)
		}
		zones, err := c.Route53.ListHostedZones(ctx, &route53.ListHostedZonesInput{})
		fail(err)
		for _, z := range zones.HostedZones {
			sets, err := c.Route53.ListResourceRecordSets(ctx, &route53.ListResourceRecordSetsInput{HostedZoneId: z.Id})
			fail(err)
			for _, s := range sets.ResourceRecordSets {
				var values []string
				for _, r := range s.ResourceRecords {
					values = append(values, *r.Value)
				}
				add("record", *s.Name, nil, s.Type, values)
			}
		}
	}
	slices.Sort(out)
	return out
}

func (w *world) principals(t *testing.T, service string) []string {
	t.Helper()
	out, err := w.sides.Provider.EC2.DescribeVpcEndpointServicePermissions(t.Context(),
		&ec2.DescribeVpcEndpointServicePermissionsInput{ServiceId: aws.String(service)})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, p := range out.AllowedPrincipals {
		all = append(all, *p.Principal)
	}
	slices.Sort(all)
	return all
}

func same(t *testing.T, when string, got, want []string) {
	t.Helper()
	for _, g := range got {
		if !slices.Contains(want, g) {
			t.Errorf("%s there is too much: %s", when, g)
		}
	}
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("%s there is missing: %s", when, w)
		}
	}
}

func (w *world) endpoint(t *testing.T, id string) ec2types.VpcEndpoint {
	t.Helper()
	out, err := w.sides.Consumer.EC2.DescribeVpcEndpoints(t.Context(), &ec2.DescribeVpcEndpointsInput{VpcEndpointIds: []string{id}})
	if err != nil || len(out.VpcEndpoints) != 1 {
		t.Fatalf("endpoint %s: %v", id, err)
	}
	return out.VpcEndpoints[0]
}

func (w *world) service(t *testing.T, id string) ec2types.ServiceConfiguration {
	t.Helper()
	out, err := w.sides.Provider.EC2.DescribeVpcEndpointServiceConfigurations(t.Context(),
		&ec2.DescribeVpcEndpointServiceConfigurationsInput{ServiceIds: []string{id}})
	if err != nil || len(out.ServiceConfigurations) != 1 {
		t.Fatalf("service %s: %v", id, err)
	}
	return out.ServiceConfigurations[0]
}

// txt returns the service's TXT record set, by its full name without the trailing dot.
func (w *world) txt(t *testing.T, name string) (zone string, set *r53types.ResourceRecordSet) {
	t.Helper()
	zones, err := w.sides.Provider.Route53.ListHostedZones(t.Context(), &route53.ListHostedZonesInput{})
	if err != nil || len(zones.HostedZones) == 0 {
		t.Fatal(err)
	}
	zone = *zones.HostedZones[0].Id
	sets, err := w.sides.Provider.Route53.ListResourceRecordSets(t.Context(), &route53.ListResourceRecordSetsInput{HostedZoneId: aws.String(zone)})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sets.ResourceRecordSets {
		if strings.TrimSuffix(*s.Name, ".") == name && s.Type == r53types.RRTypeTxt {
			return zone, &s
		}
	}
	return zone, nil
}

func (w *world) verified(t *testing.T, l provision.Link) {
	t.Helper()
	s, e := w.service(t, l.Provider.ServiceID), w.endpoint(t, l.Consumer.EndpointID)
	if s.PrivateDnsNameConfiguration == nil || s.PrivateDnsNameConfiguration.State != ec2types.DnsNameStateVerified {
		t.Errorf("service %s is not verified: %+v", l.Provider.ServiceID, s.PrivateDnsNameConfiguration)
	}
	if !strings.EqualFold(string(e.State), "available") || !aws.ToBool(e.PrivateDnsEnabled) {
		t.Errorf("endpoint %s is %s, private DNS %t", l.Consumer.EndpointID, e.State, aws.ToBool(e.PrivateDnsEnabled))
	}
}

// stopAfter cancels once n events have been seen.
func stopAfter(n int, cancel context.CancelFunc) func(provision.Event) {
	return func(provision.Event) {
		if n--; n == 0 {
			cancel()
		}
	}
}
