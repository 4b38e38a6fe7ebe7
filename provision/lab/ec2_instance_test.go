package lab_test

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"

	"github.com/linkassay/linkassay/provision/lab"
)

// apiText is an API error as "Code: message"; "" for none.
func apiText(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode() + ": " + api.ErrorMessage()
	}
	return ""
}

func TestInstanceLife(t *testing.T) {
	t.Parallel()
	b := newBasics(t, nil)
	v := b.vpc("10.0.0.0/16")
	s, g := b.subnet(v, "10.0.1.0/24", zoneID(1)), b.group(v, "targets")
	in := &ec2.RunInstancesInput{
		ImageId: aws.String("resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"), InstanceType: "t3.nano",
		MinCount: aws.Int32(1), MaxCount: aws.Int32(1), ClientToken: aws.String("once"),
		UserData: aws.String(base64.StdEncoding.EncodeToString([]byte("#!/bin/sh\n"))),
		NetworkInterfaces: []ec2types.InstanceNetworkInterfaceSpecification{{
			DeviceIndex: aws.Int32(0), SubnetId: &s, Groups: []string{g}, PrivateIpAddress: aws.String("10.0.1.50"),
		}},
		TagSpecifications: []ec2types.TagSpecification{{
			ResourceType: ec2types.ResourceTypeInstance, Tags: []ec2types.Tag{{Key: aws.String("role"), Value: aws.String("target")}},
		}},
	}
	made := ok[*ec2.RunInstancesOutput](b)(b.ec2.RunInstances(b.ctx, in))
	id := *made.Instances[0].InstanceId
	equal(b, "state at first", made.Instances[0].State.Name, ec2types.InstanceStateNamePending)
	equal(b, "address", *made.Instances[0].PrivateIpAddress, "10.0.1.50")
	equal(b, "the repeated request's instance", *ok[*ec2.RunInstancesOutput](b)(b.ec2.RunInstances(b.ctx, in)).Instances[0].InstanceId, id)
	other := *in
	other.InstanceType = "t3.micro"
	refused[*ec2.RunInstancesOutput](b, "IdempotentParameterMismatch", "")(b.ec2.RunInstances(b.ctx, &other))
	b.reach(id, ec2types.InstanceStateNameRunning)

	got := b.instance(id)
	equal(b, "image", *got.ImageId, b.image())
	equal(b, "group", *got.SecurityGroups[0].GroupId, g)
	enis := ok[*ec2.DescribeNetworkInterfacesOutput](b)(b.ec2.DescribeNetworkInterfaces(b.ctx, &ec2.DescribeNetworkInterfacesInput{
		Filters: append(filterBy("group-id", g), filterBy("addresses.private-ip-address", "10.0.1.5?")...),
	})).NetworkInterfaces
	if len(enis) != 1 || *enis[0].Attachment.InstanceId != id || enis[0].InterfaceType != ec2types.NetworkInterfaceTypeInterface {
		t.Fatalf("interfaces: %+v", enis)
	}
	status := ok[*ec2.DescribeInstanceStatusOutput](b)(b.ec2.DescribeInstanceStatus(b.ctx, &ec2.DescribeInstanceStatusInput{InstanceIds: []string{id}})).InstanceStatuses
	if len(status) != 1 || status[0].InstanceStatus.Status != ec2types.SummaryStatusOk {
		t.Errorf("status: %+v", status)
	}

	stop := func() (*ec2.StopInstancesOutput, error) {
		return b.ec2.StopInstances(b.ctx, &ec2.StopInstancesInput{InstanceIds: []string{id}})
	}
	start := func() (*ec2.StartInstancesOutput, error) {
		return b.ec2.StartInstances(b.ctx, &ec2.StartInstancesInput{InstanceIds: []string{id}})
	}
	change := ok[*ec2.StopInstancesOutput](b)(stop()).StoppingInstances[0]
	equal(b, "stopping from", change.PreviousState.Name, ec2types.InstanceStateNameRunning)
	b.reach(id, ec2types.InstanceStateNameStopped)
	status = ok[*ec2.DescribeInstanceStatusOutput](b)(b.ec2.DescribeInstanceStatus(b.ctx, &ec2.DescribeInstanceStatusInput{InstanceIds: []string{id}})).InstanceStatuses
	equal(b, "statuses of a stopped instance", len(status), 0)
	ok[*ec2.StartInstancesOutput](b)(start())
	b.reach(id, ec2types.InstanceStateNameRunning)

	ok[*ec2.TerminateInstancesOutput](b)(b.ec2.TerminateInstances(b.ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{id}}))
	b.reach(id, ec2types.InstanceStateNameTerminated)
	refused[*ec2.StartInstancesOutput](b, "IncorrectInstanceState", "The instance '"+id+"' is not in a state from which it can be started.")(start())
	refused[*ec2.StopInstancesOutput](b, "IncorrectInstanceState", "")(stop())
	refused[*ec2.RunInstancesOutput](b, "IdempotentInstanceTerminated", "")(b.ec2.RunInstances(b.ctx, in))
	if out := ok[*ec2.DescribeNetworkInterfacesOutput](b)(b.ec2.DescribeNetworkInterfaces(b.ctx, nil)); len(out.NetworkInterfaces) != 0 {
		t.Errorf("a terminated instance kept %d interfaces", len(out.NetworkInterfaces))
	}
	ok[*ec2.DeleteSecurityGroupOutput](b)(b.ec2.DeleteSecurityGroup(b.ctx, &ec2.DeleteSecurityGroupInput{GroupId: &g}))
	b.until("the instance is forgotten", func() bool {
		_, err := b.ec2.DescribeInstances(b.ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
		return strings.HasPrefix(apiText(err), "InvalidInstanceID.NotFound")
	})
	refused[*ec2.RunInstancesOutput](b, "IdempotentInstanceTerminated", "")(b.ec2.RunInstances(b.ctx, in))
}

func TestRunInstancesRefusals(t *testing.T) {
	t.Parallel()
	b := newBasics(t, nil)
	v, w := b.vpc("10.0.0.0/16"), b.vpc("10.1.0.0/16")
	s, foreign := b.subnet(v, "10.0.1.0/28", zoneID(1)), b.group(w, "other")
	for _, tc := range []struct {
		want string
		set  func(*ec2.RunInstancesInput)
	}{
		{"InvalidAMIID.NotFound: The image id '[ami-0123456789abcdef0]' does not exist", func(in *ec2.RunInstancesInput) { in.ImageId = aws.String("ami-0123456789abcdef0") }},
		{"InvalidAMIID.Malformed: Invalid id: \"linux\" (expecting \"ami-...\")", func(in *ec2.RunInstancesInput) { in.ImageId = aws.String("linux") }},
		{"InvalidSubnetID.NotFound: The subnet ID 'subnet-0' does not exist", func(in *ec2.RunInstancesInput) { in.SubnetId = aws.String("subnet-0") }},
		{"InvalidParameter: Security group " + foreign + " and subnet " + s + " belong to different networks.", func(in *ec2.RunInstancesInput) { in.SecurityGroupIds = []string{foreign} }},
		{"InvalidParameterValue: Address 10.0.1.2 is in subnet's reserved address range", func(in *ec2.RunInstancesInput) { in.PrivateIpAddress = aws.String("10.0.1.2") }},
		{"InvalidParameterValue: Address does not fall within the subnet's address range", func(in *ec2.RunInstancesInput) { in.PrivateIpAddress = aws.String("10.0.2.9") }},
		{"InvalidParameterValue: Invalid BASE64 encoding of user data", func(in *ec2.RunInstancesInput) { in.UserData = aws.String("?") }},
		{"InsufficientFreeAddressesInSubnet: There are not enough free addresses in subnet '" + s + "' to satisfy the requested number of instances.", func(in *ec2.RunInstancesInput) { in.MinCount, in.MaxCount = aws.Int32(12), aws.Int32(12) }},
		{"DryRunOperation: Request would have succeeded, but DryRun flag is set.", func(in *ec2.RunInstancesInput) { in.DryRun = aws.Bool(true) }},
	} {
		in := &ec2.RunInstancesInput{ImageId: aws.String(b.image()), MinCount: aws.Int32(1), MaxCount: aws.Int32(1), SubnetId: &s, InstanceType: "t3.micro"}
		tc.set(in)
		_, err := b.ec2.RunInstances(b.ctx, in)
		if got := apiText(err); got != tc.want {
			t.Errorf("got  %q\nwant %q", got, tc.want)
		}
	}
	if out := ok[*ec2.DescribeInstancesOutput](b)(b.ec2.DescribeInstances(b.ctx, nil)); len(out.Reservations) != 0 {
		t.Error("refused requests made instances")
	}
	if all := b.run(s, 11); len(all) != 11 {
		t.Fatalf("got %d instances", len(all))
	}
	_, err := b.ec2.RunInstances(b.ctx, &ec2.RunInstancesInput{ImageId: aws.String(b.image()), MinCount: aws.Int32(1), MaxCount: aws.Int32(1), SubnetId: &s})
	if !strings.HasPrefix(apiText(err), "InsufficientFreeAddressesInSubnet: ") {
		t.Errorf("a full subnet: %v", err)
	}
}

func TestPagesAndOrder(t *testing.T) {
	t.Parallel()
	b := newBasics(t, nil)
	v := b.vpc("10.0.0.0/16")
	s := b.subnet(v, "10.0.1.0/24", zoneID(1))
	var want []string
	for _, i := range b.run(s, 12) {
		want = append(want, *i.NetworkInterfaces[0].NetworkInterfaceId)
	}
	var got []string
	p := ec2.NewDescribeNetworkInterfacesPaginator(b.ec2, &ec2.DescribeNetworkInterfacesInput{MaxResults: aws.Int32(5)})
	pages := 0
	for ; p.HasMorePages(); pages++ {
		for _, n := range ok[*ec2.DescribeNetworkInterfacesOutput](b)(p.NextPage(b.ctx)).NetworkInterfaces {
			got = append(got, *n.NetworkInterfaceId)
		}
	}
	if pages != 3 || !slices.Equal(got, want) {
		t.Errorf("%d pages: %v\nwant 3: %v", pages, got, want)
	}
	refused[*ec2.DescribeNetworkInterfacesOutput](b, "InvalidPaginationToken", "")(
		b.ec2.DescribeNetworkInterfaces(b.ctx, &ec2.DescribeNetworkInterfacesInput{MaxResults: aws.Int32(5), NextToken: aws.String("bogus")}))
	first := ok[*ec2.DescribeNetworkInterfacesOutput](b)(b.ec2.DescribeNetworkInterfaces(b.ctx, &ec2.DescribeNetworkInterfacesInput{MaxResults: aws.Int32(5)}))
	refused[*ec2.DescribeSubnetsOutput](b, "InvalidPaginationToken", "")(
		b.ec2.DescribeSubnets(b.ctx, &ec2.DescribeSubnetsInput{NextToken: first.NextToken}))
	refused[*ec2.DescribeNetworkInterfacesOutput](b, "InvalidParameterValue", "")(
		b.ec2.DescribeNetworkInterfaces(b.ctx, &ec2.DescribeNetworkInterfacesInput{MaxResults: aws.Int32(4)}))
	refused[*ec2.DescribeInstancesOutput](b, "InvalidParameterCombination", "The parameter instancesSet cannot be used with the parameter maxResults")(
		b.ec2.DescribeInstances(b.ctx, &ec2.DescribeInstancesInput{MaxResults: aws.Int32(5), InstanceIds: []string{"i-0"}}))
}

func TestTags(t *testing.T) {
	t.Parallel()
	b := newBasics(t, func(o *lab.Options) { o.Timing.Instance = time.Millisecond })
	v := b.vpc("10.0.0.0/16")
	s := b.subnet(v, "10.0.1.0/24", zoneID(1))
	i := b.run(s, 1)[0]
	tag := func(k, value string) ec2types.Tag { return ec2types.Tag{Key: &k, Value: &value} }
	create := func(ids []string, tags ...ec2types.Tag) (*ec2.CreateTagsOutput, error) {
		return b.ec2.CreateTags(b.ctx, &ec2.CreateTagsInput{Resources: ids, Tags: tags})
	}
	ok[*ec2.CreateTagsOutput](b)(create([]string{v, s, *i.InstanceId, *i.NetworkInterfaces[0].NetworkInterfaceId}, tag("link", "demo"), tag("Name", "a")))
	out := ok[*ec2.DescribeTagsOutput](b)(b.ec2.DescribeTags(b.ctx, &ec2.DescribeTagsInput{Filters: filterBy("key", "link")})).Tags
	equal(b, "tagged resources", len(out), 4)
	if vpcs := ok[*ec2.DescribeVpcsOutput](b)(b.ec2.DescribeVpcs(b.ctx, &ec2.DescribeVpcsInput{Filters: filterBy("tag-key", "link")})).Vpcs; len(vpcs) != 1 || len(vpcs[0].Tags) != 2 {
		t.Errorf("VPCs by tag: %+v", vpcs)
	}
	refused[*ec2.CreateTagsOutput](b, "InvalidVpcID.NotFound", "")(create([]string{"vpc-0"}, tag("a", "b")))
	refused[*ec2.CreateTagsOutput](b, "InvalidVpcEndpointId.NotFound", "")(create([]string{"vpce-0"}, tag("a", "b")))
	refused[*ec2.CreateTagsOutput](b, "InvalidID", "The ID 'nonsense' is not valid")(create([]string{"nonsense"}, tag("a", "b")))
	refused[*ec2.CreateTagsOutput](b, "InvalidParameterValue", "")(create([]string{v}, tag("aws:x", "b")))
	many := make([]ec2types.Tag, 49)
	for n := range many {
		many[n] = tag("k"+string(rune('A'+n)), "")
	}
	refused[*ec2.CreateTagsOutput](b, "TagLimitExceeded", "")(create([]string{v}, many...))

	drop := func(tags ...ec2types.Tag) {
		t.Helper()
		ok[*ec2.DeleteTagsOutput](b)(b.ec2.DeleteTags(b.ctx, &ec2.DeleteTagsInput{Resources: []string{v}, Tags: tags}))
	}
	left := func() int {
		return len(ok[*ec2.DescribeTagsOutput](b)(b.ec2.DescribeTags(b.ctx, &ec2.DescribeTagsInput{Filters: filterBy("resource-id", v)})).Tags)
	}
	drop(tag("link", "another value"))
	equal(b, "tags after deleting another value", left(), 2)
	drop(tag("link", "demo"))
	equal(b, "tags after deleting one", left(), 1)
	drop()
	equal(b, "tags after deleting all", left(), 0)
}
