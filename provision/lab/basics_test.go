package lab_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/smithy-go"

	"github.com/linkassay/linkassay/provision/lab"
)

// basics is one account of a lab, through the SDK, without retries.
type basics struct {
	*testing.T
	ctx  context.Context
	ec2  *ec2.Client
	elb  *elb.Client
	lab  *lab.Lab
	opts lab.Options
}

const basicRegion = "ap-southeast-1"

func newBasics(t *testing.T, set func(*lab.Options)) *basics {
	t.Helper()
	opts := lab.Options{Timing: lab.Brisk(), Seed: 7}
	if set != nil {
		set(&opts)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	l, err := lab.Start(ctx, opts)
	if err != nil {
		t.Fatalf("start the lab: %v", err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close the lab: %v", err)
		}
	})
	b := &basics{T: t, ctx: ctx, lab: l, opts: opts}
	return b.as("provider", basicRegion)
}

// as is the same lab as another account or in another Region.
func (b *basics) as(profile, region string) *basics {
	b.Helper()
	id, secret, ok := b.lab.Credentials(profile)
	if !ok {
		b.Fatalf("the lab has no profile %s", profile)
	}
	cfg := aws.Config{
		Region: region, Credentials: credentials.NewStaticCredentialsProvider(id, secret, ""),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} }, BaseEndpoint: aws.String(b.lab.URL()),
		HTTPClient: &plHTTP{},
	}
	other := *b
	other.ec2, other.elb = ec2.NewFromConfig(cfg), elb.NewFromConfig(cfg)
	return &other
}

// ok gives the answer of a call that must succeed: ok(b)(client.Call(…)).
func ok[T any](b *basics) func(T, error) T {
	b.Helper()
	return func(v T, err error) T {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
		return v
	}
}

// refused checks the code and, when not empty, the text of a call that must fail.
func refused[T any](b *basics, code, text string) func(T, error) {
	b.Helper()
	return func(_ T, err error) {
		b.Helper()
		var api smithy.APIError
		if !errors.As(err, &api) {
			b.Errorf("got %v, want %s", err, code)
			return
		}
		if api.ErrorCode() != code || text != "" && api.ErrorMessage() != text {
			b.Errorf("got %s: %q, want %s: %q", api.ErrorCode(), api.ErrorMessage(), code, text)
		}
	}
}

func equal[T comparable](b *basics, what string, got, want T) {
	b.Helper()
	if got != want {
		b.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// until waits for a condition.
func (b *basics) until(what string, cond func() bool) {
	b.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			b.Fatalf("waited too long: %s", what)
		}
	}
}

func (b *basics) vpc(cidr string) string {
	b.Helper()
	return *ok[*ec2.CreateVpcOutput](b)(b.ec2.CreateVpc(b.ctx, &ec2.CreateVpcInput{CidrBlock: &cidr})).Vpc.VpcId
}

func (b *basics) subnet(vpc, cidr, zoneID string) string {
	b.Helper()
	return *ok[*ec2.CreateSubnetOutput](b)(b.ec2.CreateSubnet(b.ctx, &ec2.CreateSubnetInput{
		VpcId: &vpc, CidrBlock: &cidr, AvailabilityZoneId: &zoneID,
	})).Subnet.SubnetId
}

func (b *basics) group(vpc, name string) string {
	b.Helper()
	return *ok[*ec2.CreateSecurityGroupOutput](b)(b.ec2.CreateSecurityGroup(b.ctx, &ec2.CreateSecurityGroupInput{
		VpcId: &vpc, GroupName: &name, Description: aws.String("of a test"),
	})).GroupId
}

func (b *basics) image() string {
	b.Helper()
	images := ok[*ec2.DescribeImagesOutput](b)(b.ec2.DescribeImages(b.ctx, &ec2.DescribeImagesInput{Owners: []string{"amazon"}})).Images
	if len(images) != 1 {
		b.Fatalf("got %d images, want the lab's", len(images))
	}
	return *images[0].ImageId
}

// run starts instances and waits until they run.
func (b *basics) run(subnet string, n int32) []ec2types.Instance {
	b.Helper()
	out := ok[*ec2.RunInstancesOutput](b)(b.ec2.RunInstances(b.ctx, &ec2.RunInstancesInput{
		ImageId: aws.String(b.image()), MinCount: &n, MaxCount: &n, SubnetId: &subnet, InstanceType: "t3.micro",
	}))
	for _, i := range out.Instances {
		b.reach(*i.InstanceId, ec2types.InstanceStateNameRunning)
	}
	return out.Instances
}

func (b *basics) instance(id string) ec2types.Instance {
	b.Helper()
	out := ok[*ec2.DescribeInstancesOutput](b)(b.ec2.DescribeInstances(b.ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{id}}))
	return out.Reservations[0].Instances[0]
}

func (b *basics) reach(id string, state ec2types.InstanceStateName) {
	b.Helper()
	b.until("instance "+id+" is "+string(state), func() bool { return b.instance(id).State.Name == state })
}

func (b *basics) balancer(name string, subnets ...string) elbtypes.LoadBalancer {
	b.Helper()
	return ok[*elb.CreateLoadBalancerOutput](b)(b.elb.CreateLoadBalancer(b.ctx, &elb.CreateLoadBalancerInput{
		Name: &name, Type: elbtypes.LoadBalancerTypeEnumNetwork, Scheme: elbtypes.LoadBalancerSchemeEnumInternal, Subnets: subnets,
	})).LoadBalancers[0]
}

func (b *basics) targetGroup(name, vpc string, kind elbtypes.TargetTypeEnum) elbtypes.TargetGroup {
	b.Helper()
	return ok[*elb.CreateTargetGroupOutput](b)(b.elb.CreateTargetGroup(b.ctx, &elb.CreateTargetGroupInput{
		Name: &name, VpcId: &vpc, Protocol: elbtypes.ProtocolEnumTcp, Port: aws.Int32(80), TargetType: kind,
	})).TargetGroups[0]
}

func forward(group string) []elbtypes.Action {
	return []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: &group}}
}

func (b *basics) listener(lb, group string, port int32) elbtypes.Listener {
	b.Helper()
	return ok[*elb.CreateListenerOutput](b)(b.elb.CreateListener(b.ctx, &elb.CreateListenerInput{
		LoadBalancerArn: &lb, Port: &port, Protocol: elbtypes.ProtocolEnumTcp, DefaultActions: forward(group),
	})).Listeners[0]
}

func filterBy(name string, values ...string) []ec2types.Filter {
	return []ec2types.Filter{{Name: &name, Values: values}}
}

func zoneID(n int) string { return fmt.Sprintf("apse1-az%d", n) }
