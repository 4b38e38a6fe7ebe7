package lab_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"

	"github.com/linkassay/linkassay/provision/awsapi"
	"github.com/linkassay/linkassay/provision/lab"
)

// What clients answer from lists that they have read is what the API answers, errors included.
func TestSharedAnswersAreTheAPIs(t *testing.T) {
	t.Parallel()
	l, err := lab.Start(t.Context(), lab.Options{ControlPlane: true, Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	links, err := l.ProvisionFleet(t.Context(), lab.Fleet{Endpoints: 12, VPCs: 3, Services: 2})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"provider", "consumer"} {
		id, secret, _ := l.Credentials(p)
		open := func(opts ...awsapi.Option) *awsapi.Clients {
			c, err := awsapi.Open(t.Context(), awsapi.Access{Region: links[0].Region}, append(opts, awsapi.WithStatic(l.URL(), id, secret))...)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			return c
		}
		plain, shared := open(), open(awsapi.WithSharing(awsapi.Sharing{PageSize: 5}))
		a := gather(t, plain)
		for i, ask := range questions(a, links[0].Provider.ServiceID) {
			want, got := told(t.Context(), ask, plain), told(awsapi.NotOlder(t.Context(), time.Now(), time.Minute, time.Minute), ask, shared)
			if got != want {
				t.Errorf("%s, question %d: the store says\n%s\nthe API\n%s", p, i, got, want)
			}
		}
		if n := shared.Calls(); n > plain.Calls() {
			t.Errorf("%s: %d requests of shared clients, %d of others", p, n, plain.Calls())
		}
	}
}

// ids are some of what an account has.
type ids struct{ vpcs, subnets, groups, endpoints, instances, balancers, targetGroups, interfaces []string }

func gather(t *testing.T, c *awsapi.Clients) (a ids) {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	vpcs, err := c.EC2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
	must(err)
	for _, v := range vpcs.Vpcs {
		a.vpcs = append(a.vpcs, *v.VpcId)
	}
	subnets, err := c.EC2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{})
	must(err)
	for _, s := range subnets.Subnets {
		a.subnets = append(a.subnets, *s.SubnetId)
	}
	groups, err := c.EC2.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{})
	must(err)
	for _, g := range groups.SecurityGroups {
		a.groups = append(a.groups, *g.GroupId)
	}
	endpoints, err := c.EC2.DescribeVpcEndpoints(ctx, &ec2.DescribeVpcEndpointsInput{})
	must(err)
	for _, e := range endpoints.VpcEndpoints {
		a.endpoints = append(a.endpoints, *e.VpcEndpointId)
		a.interfaces = append(a.interfaces, e.NetworkInterfaceIds...)
	}
	instances, err := c.EC2.DescribeInstances(ctx, &ec2.DescribeInstancesInput{})
	must(err)
	for _, r := range instances.Reservations {
		for _, i := range r.Instances {
			a.instances = append(a.instances, *i.InstanceId)
		}
	}
	balancers, err := c.ELB.DescribeLoadBalancers(ctx, &elb.DescribeLoadBalancersInput{})
	must(err)
	for _, b := range balancers.LoadBalancers {
		a.balancers = append(a.balancers, *b.LoadBalancerArn)
	}
	tgs, err := c.ELB.DescribeTargetGroups(ctx, &elb.DescribeTargetGroupsInput{})
	must(err)
	for _, g := range tgs.TargetGroups {
		a.targetGroups = append(a.targetGroups, *g.TargetGroupArn)
	}
	return a
}

type ask func(ctx context.Context, c *awsapi.Clients) (any, error)

func questions(a ids, service string) []ask {
	by := func(name string, values ...string) types.Filter {
		return types.Filter{Name: aws.String(name), Values: values}
	}
	var all []ask
	for _, in := range []*ec2.DescribeVpcEndpointsInput{
		{},
		{VpcEndpointIds: some(a.endpoints, 1)},
		{VpcEndpointIds: some(a.endpoints, 3)},
		{VpcEndpointIds: []string{"vpce-0123456789abcdef0"}},
		{VpcEndpointIds: []string{"nonsense"}},
		{Filters: []types.Filter{by("vpc-id", some(a.vpcs, 1)...)}},
		{Filters: []types.Filter{by("vpc-id", some(a.vpcs, 2)...), by("vpc-endpoint-id", some(a.endpoints, 4)...)}},
		{Filters: []types.Filter{by("vpc-id", "vpc-*")}},
		{Filters: []types.Filter{by("tag:linkassay:link", "none")}},
		{Filters: []types.Filter{by("colour", "red")}},
		{Filters: []types.Filter{by("vpc-id")}},
		{Filters: []types.Filter{by("vpc-endpoint-state", "available")}},
		{MaxResults: aws.Int32(5)},
		{VpcEndpointIds: some(a.endpoints, 1), DryRun: aws.Bool(true)},
		{VpcEndpointIds: some(a.endpoints, 2), Filters: []types.Filter{by("vpc-id", some(a.vpcs, 1)...)}},
	} {
		all = append(all, func(ctx context.Context, c *awsapi.Clients) (any, error) { return c.EC2.DescribeVpcEndpoints(ctx, in) })
	}
	for _, in := range []*ec2.DescribeSubnetsInput{
		{SubnetIds: some(a.subnets, 3)}, {Filters: []types.Filter{by("vpc-id", a.vpcs...)}}, {SubnetIds: []string{"subnet-0123456789abcdef0"}}, {Filters: []types.Filter{by("tag:Name", "x")}},
	} {
		all = append(all, func(ctx context.Context, c *awsapi.Clients) (any, error) { return c.EC2.DescribeSubnets(ctx, in) })
	}
	for _, in := range []*ec2.DescribeSecurityGroupsInput{
		{GroupIds: some(a.groups, 2)}, {Filters: []types.Filter{by("vpc-id", some(a.vpcs, 1)...)}}, {GroupIds: []string{"sg-0123456789abcdef0"}}, {GroupNames: []string{"default"}},
	} {
		all = append(all, func(ctx context.Context, c *awsapi.Clients) (any, error) {
			return c.EC2.DescribeSecurityGroups(ctx, in)
		})
	}
	for _, in := range []*ec2.DescribeNetworkInterfacesInput{
		{NetworkInterfaceIds: some(a.interfaces, 3)},
		{NetworkInterfaceIds: some(a.interfaces, 1)},
		{NetworkInterfaceIds: []string{"eni-0123456789abcdef0"}},
		{Filters: []types.Filter{by("attachment.instance-id", append(some(a.instances, 2), "i-0123456789abcdef0")...)}},
		{Filters: []types.Filter{by("description", names(a.balancers)...)}},
		{Filters: []types.Filter{by("description", "ELB net/*")}},
		{Filters: []types.Filter{by("addresses.private-ip-address", "10.0.0.4"), by("vpc-id", a.vpcs...)}},
	} {
		all = append(all, func(ctx context.Context, c *awsapi.Clients) (any, error) {
			return c.EC2.DescribeNetworkInterfaces(ctx, in)
		})
	}
	vpc := []types.Filter{by("vpc-id", some(a.vpcs, 1)...)}
	all = append(all,
		func(ctx context.Context, c *awsapi.Clients) (any, error) {
			return c.EC2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{VpcIds: some(a.vpcs, 1)})
		},
		func(ctx context.Context, c *awsapi.Clients) (any, error) {
			return c.EC2.DescribeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{Filters: vpc})
		},
		func(ctx context.Context, c *awsapi.Clients) (any, error) {
			return c.EC2.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{Filters: vpc})
		},
		func(ctx context.Context, c *awsapi.Clients) (any, error) {
			return c.EC2.DescribeInstances(ctx, &ec2.DescribeInstancesInput{InstanceIds: some(a.instances, 2)})
		},
		func(ctx context.Context, c *awsapi.Clients) (any, error) {
			return c.EC2.DescribeVpcEndpointServiceConfigurations(ctx, &ec2.DescribeVpcEndpointServiceConfigurationsInput{})
		},
		func(ctx context.Context, c *awsapi.Clients) (any, error) {
			return c.EC2.DescribeVpcEndpointServiceConfigurations(ctx, &ec2.DescribeVpcEndpointServiceConfigurationsInput{ServiceIds: []string{service}})
		},
		func(ctx context.Context, c *awsapi.Clients) (any, error) {
			return c.EC2.DescribeVpcEndpointServices(ctx, &ec2.DescribeVpcEndpointServicesInput{ServiceNames: []string{"com.amazonaws.vpce.ap-southeast-1." + service}})
		},
		func(ctx context.Context, c *awsapi.Clients) (any, error) {
			return c.EC2.DescribeVpcEndpointServices(ctx, &ec2.DescribeVpcEndpointServicesInput{ServiceNames: []string{"com.amazonaws.vpce.ap-southeast-1.vpce-svc-0123456789abcdef0"}})
		},
		func(ctx context.Context, c *awsapi.Clients) (any, error) {
			return c.EC2.DescribeVpcEndpointConnections(ctx, &ec2.DescribeVpcEndpointConnectionsInput{Filters: []types.Filter{by("service-id", service)}})
		},
		func(ctx context.Context, c *awsapi.Clients) (any, error) {
			return c.EC2.DescribeVpcEndpointServicePermissions(ctx, &ec2.DescribeVpcEndpointServicePermissionsInput{ServiceId: &service})
		},
		func(ctx context.Context, c *awsapi.Clients) (any, error) {
			return c.ELB.DescribeLoadBalancers(ctx, &elb.DescribeLoadBalancersInput{LoadBalancerArns: some(a.balancers, 2)})
		},
		func(ctx context.Context, c *awsapi.Clients) (any, error) {
			return c.ELB.DescribeTargetGroups(ctx, &elb.DescribeTargetGroupsInput{TargetGroupArns: some(a.targetGroups, 1)})
		},
		func(ctx context.Context, c *awsapi.Clients) (any, error) {
			return c.ELB.DescribeTargetGroups(ctx, &elb.DescribeTargetGroupsInput{PageSize: aws.Int32(400)})
		},
	)
	return all
}

// some are the first n, oldest first, as the lab lists them.
func some(all []string, n int) []string { return all[:min(n, len(all)):min(n, len(all))] }

// names are how the interfaces of load balancers are described.
func names(arns []string) []string {
	all := []string{"ELB net/none/0123456789abcdef"}
	for _, arn := range arns {
		all = append(all, "ELB "+arn[len("arn:aws:elasticloadbalancing:ap-southeast-1:111111111111:loadbalancer/"):])
	}
	return all
}

// told is an answer as text.
func told(ctx context.Context, ask ask, c *awsapi.Clients) string {
	out, err := ask(ctx, c)
	if err != nil {
		class, code, message := awsapi.Classify(err)
		return fmt.Sprint(class, " ", code, " ", message)
	}
	text, err := json.MarshalIndent(out, "", " ")
	if err != nil {
		return err.Error()
	}
	var plain map[string]any
	if err := json.Unmarshal(text, &plain); err != nil {
		return err.Error()
	}
	delete(plain, "ResultMetadata")
	delete(plain, "NextToken")
	delete(plain, "NextMarker")
	text, _ = json.MarshalIndent(plain, "", " ")
	return string(text)
}
