package main_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"

	"github.com/linkassay/linkassay/provision/awsapi"
)

// clients are SDK clients of one of the lab's accounts, by its profile.
func (l *runningLab) clients(t *testing.T, profile string) *awsapi.Clients {
	t.Helper()
	read := func(name, pattern string) string {
		data, err := os.ReadFile(filepath.Join(l.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		m := regexp.MustCompile(pattern).FindSubmatch(data)
		if m == nil {
			t.Fatalf("no %s in %s:\n%s", pattern, name, data)
		}
		return string(m[1])
	}
	url := read("aws.config", `endpoint_url = (\S+)`)
	id := read("aws.credentials", `\[`+profile+`\]\naws_access_key_id = (\S+)`)
	secret := read("aws.credentials", `\[`+profile+`\]\naws_access_key_id = \S+\naws_secret_access_key = (\S+)`)
	c, err := awsapi.Open(t.Context(), awsapi.Access{Region: "ap-southeast-1"}, awsapi.WithStatic(url, id, secret))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// must gives an API call's answer.
func must[In, Out, Opt any](t *testing.T, call func(context.Context, *In, ...func(*Opt)) (*Out, error), in *In) *Out {
	t.Helper()
	out, err := call(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// inventory lists, as JSON, all that both accounts hold. A terminated instance does not count: AWS
// lists it for a while.
func (l *runningLab) inventory(t *testing.T) string {
	t.Helper()
	all := map[string]any{}
	for _, profile := range []string{"provider", "consumer"} {
		c := l.clients(t, profile)
		var running []ec2types.Instance
		for _, r := range must(t, c.EC2.DescribeInstances, &ec2.DescribeInstancesInput{}).Reservations {
			running = append(running, slices.DeleteFunc(r.Instances, func(i ec2types.Instance) bool {
				return i.State.Name == ec2types.InstanceStateNameTerminated
			})...)
		}
		zones := must(t, c.Route53.ListHostedZones, &route53.ListHostedZonesInput{}).HostedZones
		var records []any
		for _, z := range zones {
			records = append(records, must(t, c.Route53.ListResourceRecordSets, &route53.ListResourceRecordSetsInput{HostedZoneId: z.Id}).ResourceRecordSets)
		}
		all[profile] = []any{
			running, zones, records,
			must(t, c.EC2.DescribeVpcs, &ec2.DescribeVpcsInput{}).Vpcs,
			must(t, c.EC2.DescribeSubnets, &ec2.DescribeSubnetsInput{}).Subnets,
			must(t, c.EC2.DescribeSecurityGroups, &ec2.DescribeSecurityGroupsInput{}).SecurityGroups,
			must(t, c.EC2.DescribeNetworkInterfaces, &ec2.DescribeNetworkInterfacesInput{}).NetworkInterfaces,
			must(t, c.EC2.DescribeRouteTables, &ec2.DescribeRouteTablesInput{}).RouteTables,
			must(t, c.EC2.DescribeNetworkAcls, &ec2.DescribeNetworkAclsInput{}).NetworkAcls,
			must(t, c.EC2.DescribeInternetGateways, &ec2.DescribeInternetGatewaysInput{}).InternetGateways,
			must(t, c.EC2.DescribeDhcpOptions, &ec2.DescribeDhcpOptionsInput{}).DhcpOptions,
			must(t, c.EC2.DescribeVpcEndpoints, &ec2.DescribeVpcEndpointsInput{}).VpcEndpoints,
			must(t, c.EC2.DescribeVpcEndpointConnections, &ec2.DescribeVpcEndpointConnectionsInput{}).VpcEndpointConnections,
			must(t, c.EC2.DescribeVpcEndpointServiceConfigurations, &ec2.DescribeVpcEndpointServiceConfigurationsInput{}).ServiceConfigurations,
			must(t, c.EC2.DescribeVpcEndpointServices, &ec2.DescribeVpcEndpointServicesInput{}).ServiceNames,
			must(t, c.ELB.DescribeLoadBalancers, &elb.DescribeLoadBalancersInput{}).LoadBalancers,
			must(t, c.ELB.DescribeTargetGroups, &elb.DescribeTargetGroupsInput{}).TargetGroups,
		}
	}
	b, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestApplyInterruptedAndDestroyWithSomethingInTheWay is the life of a link: apply is interrupted
// and run again; destroy finds a listener of somebody else's, leaves what it stands on, and
// removes that too when the listener is gone.
func TestApplyInterruptedAndDestroyWithSomethingInTheWay(t *testing.T) {
	t.Parallel()
	lab := startLab(t)
	link := filepath.Join(lab.dir, "link.yaml")
	before := lab.inventory(t)

	b := lab.start(t, binary, "apply", "-v", "-f", link)
	b.until(t, `load balancer`)
	b.signal(t, syscall.SIGINT, 130)
	holds(t, "stderr", b.stderr.String(), "interrupted; run apply again to go on, or destroy")
	if lab.inventory(t) == before {
		t.Error("apply was interrupted before it had built anything: the test proves nothing")
	}
	stdout, _ := lab.wants(t, 0, "apply", "-f", link)
	holds(t, "stdout", stdout, "charts-api: service com.amazonaws.vpce.", ", endpoint vpce-")
	lab.wants(t, 0, "verify", "-f", link)

	provider := lab.clients(t, "provider")
	balancers := must(t, provider.ELB.DescribeLoadBalancers, &elb.DescribeLoadBalancersInput{}).LoadBalancers
	groups := must(t, provider.ELB.DescribeTargetGroups, &elb.DescribeTargetGroupsInput{}).TargetGroups
	if len(balancers) != 1 {
		t.Fatalf("%d load balancers, want the one that was built", len(balancers))
	}
	theirs := must(t, provider.ELB.CreateListener, &elb.CreateListenerInput{
		LoadBalancerArn: balancers[0].LoadBalancerArn, Port: aws.Int32(8080), Protocol: elbtypes.ProtocolEnumTcp,
		DefaultActions: []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: groups[0].TargetGroupArn}},
	})

	// A link that cannot be asked, in the same file, counts too, and keeps nothing from being destroyed.
	both := lab.linkFile(t, "links:\n", "links:\n"+anotherLink("stranger", role("111111111111", "wrong")))
	stdout, stderr := lab.wants(t, 4, "destroy", "-f", both)
	holds(t, "stdout", stdout, "charts-api: left over: provider load balancer "+*balancers[0].LoadBalancerArn)
	holds(t, "stderr", stderr, "left over", "link stranger", "exit code 4 (of 3, 4)")
	if got := must(t, provider.ELB.DescribeLoadBalancers, &elb.DescribeLoadBalancersInput{}).LoadBalancers; len(got) != 1 {
		t.Error("the load balancer with somebody else's listener was deleted")
	}
	must(t, provider.ELB.DescribeListeners, &elb.DescribeListenersInput{ListenerArns: []string{*theirs.Listeners[0].ListenerArn}})

	must(t, provider.ELB.DeleteListener, &elb.DeleteListenerInput{ListenerArn: theirs.Listeners[0].ListenerArn})
	if stdout, _ := lab.wants(t, 0, "destroy", "-f", link); strings.Contains(stdout, "left over") {
		t.Errorf("destroy after the listener was deleted:\n%s", stdout)
	}
	if after := lab.inventory(t); after != before {
		t.Errorf("before apply:\n%s\nafter destroy:\n%s", before, after)
	}
}

func TestDestroyInterrupted(t *testing.T) {
	t.Parallel()
	lab := startLab(t, "--provisioned")
	link := filepath.Join(lab.dir, "link.yaml")
	b := lab.start(t, binary, "destroy", "-v", "-f", link)
	b.until(t, `endpoint`)
	b.signal(t, syscall.SIGTERM, 130)
	holds(t, "stderr", b.stderr.String(), "interrupted; run destroy again to go on")
	lab.wants(t, 0, "destroy", "-f", link)
	lab.wants(t, 1, "verify", "-f", link)
}

// TestWaitForAcceptance begins while nobody has accepted the endpoint, and accepts it meanwhile.
func TestWaitForAcceptance(t *testing.T) {
	t.Parallel()
	lab := startLab(t, "--provisioned", "--fault", "never-accepted")
	link, out := filepath.Join(lab.dir, "link.yaml"), filepath.Join(t.TempDir(), "out")
	consumer, provider := lab.clients(t, "consumer"), lab.clients(t, "provider")
	b := lab.start(t, binary, "verify", "-v", "-f", link, "--wait", "1m", "--out", out,
		"--label-filter", "connection.accepted || connection.endpoint-available")
	b.until(t, `waiting .*endpoint\.state is pendingAcceptance`)
	endpoints := must(t, consumer.EC2.DescribeVpcEndpoints, &ec2.DescribeVpcEndpointsInput{}).VpcEndpoints
	services := must(t, provider.EC2.DescribeVpcEndpointServiceConfigurations, &ec2.DescribeVpcEndpointServiceConfigurationsInput{}).ServiceConfigurations
	must(t, provider.EC2.AcceptVpcEndpointConnections, &ec2.AcceptVpcEndpointConnectionsInput{
		ServiceId: services[0].ServiceId, VpcEndpointIds: []string{*endpoints[0].VpcEndpointId},
	})
	<-b.ended
	b.exits(t, 0)
	var states []string
	for _, round := range readRun(t, out).Links[0].Rounds {
		for _, s := range round.Observation.Timeline {
			if s.What == "consumer.endpoint.state" {
				states = append(states, s.State)
			}
		}
	}
	if len(states) < 2 || states[0] != "pendingAcceptance" || states[len(states)-1] != "available" {
		t.Errorf("the endpoint went through %q", states)
	}

	// When the time is over the link is judged as it is.
	must(t, provider.EC2.RejectVpcEndpointConnections, &ec2.RejectVpcEndpointConnectionsInput{
		ServiceId: services[0].ServiceId, VpcEndpointIds: []string{*endpoints[0].VpcEndpointId},
	})
	lab.wants(t, 1, "verify", "-f", link, "--wait", "1s")
}

// TestFailOn breaks what only warns: a zone of the service, in which this consumer is not, loses
// its targets.
func TestFailOn(t *testing.T) {
	t.Parallel()
	lab := startLab(t, "--provisioned")
	link := filepath.Join(lab.dir, "link.yaml")
	consumer, provider := lab.clients(t, "consumer"), lab.clients(t, "provider")
	endpoint := must(t, consumer.EC2.DescribeVpcEndpoints, &ec2.DescribeVpcEndpointsInput{}).VpcEndpoints[0]
	subnets := must(t, consumer.EC2.DescribeSubnets, &ec2.DescribeSubnetsInput{SubnetIds: endpoint.SubnetIds}).Subnets
	must(t, consumer.EC2.ModifyVpcEndpoint, &ec2.ModifyVpcEndpointInput{
		VpcEndpointId: endpoint.VpcEndpointId, RemoveSubnetIds: []string{*subnets[0].SubnetId},
	})
	var gone []elbtypes.TargetDescription
	theirs := must(t, provider.EC2.DescribeSubnets, &ec2.DescribeSubnetsInput{}).Subnets
	for _, r := range must(t, provider.EC2.DescribeInstances, &ec2.DescribeInstancesInput{}).Reservations {
		for _, i := range r.Instances {
			if slices.ContainsFunc(theirs, func(s ec2types.Subnet) bool {
				return *s.SubnetId == *i.SubnetId && *s.AvailabilityZoneId == *subnets[0].AvailabilityZoneId
			}) {
				gone = append(gone, elbtypes.TargetDescription{Id: i.InstanceId})
			}
		}
	}
	for _, g := range must(t, provider.ELB.DescribeTargetGroups, &elb.DescribeTargetGroupsInput{}).TargetGroups {
		must(t, provider.ELB.DeregisterTargets, &elb.DeregisterTargetsInput{TargetGroupArn: g.TargetGroupArn, Targets: gone})
	}
	const check = "connection.healthy-target-in-each-zone"
	stdout, _ := lab.wants(t, 0, "verify", "-f", link, "--wait", "10s")
	holds(t, "stdout", stdout, check)
	for _, failOn := range []string{"warning", "advice"} {
		_, stderr := lab.wants(t, 1, "verify", "-f", link, "--fail-on", failOn)
		holds(t, "stderr", stderr, "failed: charts-api "+check)
	}
}
