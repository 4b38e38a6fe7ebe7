package provision_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	r53types "github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/linkassay/linkassay/provision"
)

func TestAForeignTXTValueSurvivesDestroy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	built := w.apply(t, w.link)
	s := w.service(t, built.Provider.ServiceID)
	name := aws.ToString(s.PrivateDnsNameConfiguration.Name) + "." + w.link.PrivateDNSName
	zone, set := w.txt(t, name)
	if set == nil || len(set.ResourceRecords) != 1 || *set.ResourceRecords[0].Value != `"`+aws.ToString(s.PrivateDnsNameConfiguration.Value)+`"` {
		t.Fatalf("TXT record %s: %+v", name, set)
	}
	set.ResourceRecords = append(set.ResourceRecords, r53types.ResourceRecord{Value: aws.String(`"somebody else's"`)})
	_, err := w.sides.Provider.Route53.ChangeResourceRecordSets(t.Context(), &route53.ChangeResourceRecordSetsInput{
		HostedZoneId: aws.String(zone),
		ChangeBatch:  &r53types.ChangeBatch{Changes: []r53types.Change{{Action: r53types.ChangeActionUpsert, ResourceRecordSet: set}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if left := w.destroy(t, w.link); len(left) > 0 {
		t.Errorf("left over:\n%s", left)
	}
	_, set = w.txt(t, name)
	if set == nil || len(set.ResourceRecords) != 1 || *set.ResourceRecords[0].Value != `"somebody else's"` {
		t.Errorf("after destroy: %+v", set)
	}
}

func TestAForeignTXTValueSurvivesApply(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	built := w.apply(t, w.link)
	s := w.service(t, built.Provider.ServiceID)
	name := aws.ToString(s.PrivateDnsNameConfiguration.Name) + "." + w.link.PrivateDNSName
	zone, set := w.txt(t, name)
	changed := *set
	changed.ResourceRecords = []r53types.ResourceRecord{{Value: aws.String(`"somebody else's"`)}}
	changed.TTL = aws.Int64(77)
	_, err := w.sides.Provider.Route53.ChangeResourceRecordSets(t.Context(), &route53.ChangeResourceRecordSetsInput{
		HostedZoneId: aws.String(zone),
		ChangeBatch:  &r53types.ChangeBatch{Changes: []r53types.Change{{Action: r53types.ChangeActionUpsert, ResourceRecordSet: &changed}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.apply(t, w.link)
	_, set = w.txt(t, name)
	if set == nil || len(set.ResourceRecords) != 2 || aws.ToInt64(set.TTL) != 77 {
		t.Errorf("after apply: %+v", set)
	}
}

func TestAHandAddedListenerSurvivesDestroy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	before := w.inventory(t)
	w.apply(t, w.link)
	groups, err := w.sides.Provider.ELB.DescribeTargetGroups(t.Context(), &elb.DescribeTargetGroupsInput{Names: []string{"linkassay-charts-api-80"}})
	if err != nil {
		t.Fatal(err)
	}
	balancers, err := w.sides.Provider.ELB.DescribeLoadBalancers(t.Context(), &elb.DescribeLoadBalancersInput{Names: []string{"linkassay-charts-api"}})
	if err != nil {
		t.Fatal(err)
	}
	made, err := w.sides.Provider.ELB.CreateListener(t.Context(), &elb.CreateListenerInput{
		LoadBalancerArn: balancers.LoadBalancers[0].LoadBalancerArn, Port: aws.Int32(8080), Protocol: elbtypes.ProtocolEnumTcp,
		DefaultActions: []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: groups.TargetGroups[0].TargetGroupArn}},
	})
	if err != nil {
		t.Fatal(err)
	}
	left := w.destroy(t, w.link)
	kinds := map[string]int{}
	for _, l := range left {
		kinds[l.Kind]++
		if l.Side != provision.SideProvider || l.Why == "" {
			t.Errorf("left over %+v", l)
		}
	}
	// What the listener needs stays with it: its target group and targets, and what the load balancer and they stand on.
	for kind, want := range map[string]int{"load balancer": 1, "target group": 1, "instance": 3, "security group": 1, "subnet": 3, "VPC": 1} {
		if kinds[kind] != want {
			t.Errorf("%d of %s left over, expected %d:\n%s", kinds[kind], kind, want, left)
		}
	}
	if !strings.Contains(left.String(), "it has listeners that linkassay did not make: port 8080") {
		t.Errorf("the reason is missing:\n%s", left)
	}
	now := w.inventory(t)
	if !slices.Contains(now, "provider listener linkassay-charts-api [] 8080") || slices.Contains(now, "provider listener linkassay-charts-api [] 80") {
		t.Errorf("listeners:\n%s", strings.Join(now, "\n"))
	}
	for _, line := range now {
		if strings.HasPrefix(line, "consumer") && !slices.Contains(before, line) {
			t.Errorf("the consumer side still has %s", line)
		}
	}

	// Once the listener is gone, destroy goes on.
	if _, err := w.sides.Provider.ELB.DeleteListener(t.Context(), &elb.DeleteListenerInput{ListenerArn: made.Listeners[0].ListenerArn}); err != nil {
		t.Fatal(err)
	}
	if left := w.destroy(t, w.link); len(left) > 0 {
		t.Errorf("left over:\n%s", left)
	}
	same(t, "after destroy", w.inventory(t), before)
}

// A second link to an existing service: only what is needed is changed, and only that is undone.
func TestAnExtraPrincipalOnAnExistingServiceSurvivesDestroy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	base := w.link
	base.Name, base.PrivateDNSName = "base", ""
	base.Consumer = provision.Consumer{Party: provision.Party{Access: provision.AccessNone, Account: base.Consumer.Account}}
	base.Provider.Build = &provision.ProviderBuild{AllowedPrincipals: []string{"arn:aws:iam::333333333333:root"}}
	service := w.apply(t, base).Provider.ServiceID
	before := w.inventory(t)

	l := w.link
	l.Provider.Build, l.Provider.ServiceID = nil, service
	built := w.apply(t, l)
	w.verified(t, built)
	if got := w.principals(t, service); !slices.Contains(got, "arn:aws:iam::222222222222:root") {
		t.Errorf("principals %v", got)
	}
	_, err := w.sides.Provider.EC2.ModifyVpcEndpointServicePermissions(t.Context(), &ec2.ModifyVpcEndpointServicePermissionsInput{
		ServiceId: aws.String(service), AddAllowedPrincipals: []string{"arn:aws:iam::444444444444:root"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if left := w.destroy(t, l); len(left) > 0 {
		t.Errorf("left over:\n%s", left)
	}
	if got := w.principals(t, service); !slices.Equal(got, []string{"arn:aws:iam::333333333333:root", "arn:aws:iam::444444444444:root"}) {
		t.Errorf("principals after destroy: %v", got)
	}
	_, err = w.sides.Provider.EC2.ModifyVpcEndpointServicePermissions(t.Context(), &ec2.ModifyVpcEndpointServicePermissionsInput{
		ServiceId: aws.String(service), RemoveAllowedPrincipals: []string{"arn:aws:iam::444444444444:root"},
	})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "after destroy", w.inventory(t), before)
}

func TestAChangedValueIsNotRestored(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	base := w.link
	base.Name, base.PrivateDNSName = "base", ""
	base.Consumer = provision.Consumer{Party: provision.Party{Access: provision.AccessNone, Account: base.Consumer.Account}}
	service := w.apply(t, base).Provider.ServiceID
	l := w.link
	l.Provider.Build, l.Provider.ServiceID = nil, service
	w.apply(t, l)
	// Somebody gives the service another name in the meantime.
	if _, err := w.sides.Provider.EC2.ModifyVpcEndpointServiceConfiguration(t.Context(), &ec2.ModifyVpcEndpointServiceConfigurationInput{
		ServiceId: aws.String(service), PrivateDnsName: aws.String("other.chartsinvestor.com"),
	}); err != nil {
		t.Fatal(err)
	}
	w.destroy(t, l)
	s := w.service(t, service)
	if aws.ToString(s.PrivateDnsName) != "other.chartsinvestor.com" {
		t.Errorf("private DNS name %q", aws.ToString(s.PrivateDnsName))
	}
	for _, tag := range s.Tags {
		if strings.HasPrefix(*tag.Key, "linkassay:"+l.Name+":") {
			t.Errorf("the tag %s is left", *tag.Key)
		}
	}
}

// An existing consumer VPC gets the DNS attributes that private DNS needs, and gets them back off.
func TestAnExistingVPCIsRestored(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	vpc, subnet := existingNetwork(t, w)
	before := w.inventory(t)
	l := w.link
	l.Consumer.Build = &provision.ConsumerBuild{VPCID: vpc, SubnetIDs: []string{subnet}}
	built := w.apply(t, l)
	w.verified(t, built)
	if !attribute(t, w, vpc) {
		t.Error("host names are off")
	}
	if left := w.destroy(t, l); len(left) > 0 {
		t.Errorf("left over:\n%s", left)
	}
	if attribute(t, w, vpc) {
		t.Error("host names are still on")
	}
	same(t, "after destroy", w.inventory(t), before)
	w.verified(t, w.apply(t, l)) // the same ground again: the old client token must not be in the way
}

// An existing endpoint only gets private DNS, which is taken back.
func TestAnExistingEndpointIsRestored(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	base := w.link
	base.Name, base.PrivateDNSName = "base", ""
	first := w.apply(t, base)
	before := w.inventory(t)

	l := w.link
	l.Provider.Build, l.Provider.ServiceID = nil, first.Provider.ServiceID
	l.Consumer.Build, l.Consumer.EndpointID = nil, first.Consumer.EndpointID
	w.verified(t, w.apply(t, l))
	if left := w.destroy(t, l); len(left) > 0 {
		t.Errorf("left over:\n%s", left)
	}
	same(t, "after destroy", w.inventory(t), before)
}

// Somebody's endpoint on a service that linkassay built: deleting the service would cut it off.
func TestAServiceThatOthersUseSurvivesDestroy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	before := w.inventory(t)
	built := w.apply(t, w.link)
	vpc, subnet := existingNetwork(t, w)
	out, err := w.sides.Consumer.EC2.CreateVpcEndpoint(t.Context(), &ec2.CreateVpcEndpointInput{
		VpcEndpointType: ec2types.VpcEndpointTypeInterface, ServiceName: aws.String(built.Provider.ServiceName),
		VpcId: aws.String(vpc), SubnetIds: []string{subnet}, PrivateDnsEnabled: aws.Bool(false),
	})
	if err != nil {
		t.Fatal(err)
	}
	theirs := *out.VpcEndpoint.VpcEndpointId
	left := w.destroy(t, w.link)
	if !strings.Contains(left.String(), "endpoints that linkassay did not build are connected: "+theirs) {
		t.Errorf("left over:\n%s", left)
	}
	if s := w.service(t, built.Provider.ServiceID); aws.ToString(s.PrivateDnsName) != w.link.PrivateDNSName || s.PrivateDnsNameConfiguration.State != ec2types.DnsNameStateVerified {
		t.Errorf("the service lost its name: %+v", s.PrivateDnsNameConfiguration)
	}
	name := aws.ToString(w.service(t, built.Provider.ServiceID).PrivateDnsNameConfiguration.Name) + "." + w.link.PrivateDNSName
	if _, set := w.txt(t, name); set == nil {
		t.Error("the TXT record is gone")
	}
	w.endpoint(t, theirs)
	if _, err := w.sides.Consumer.EC2.DeleteVpcEndpoints(t.Context(), &ec2.DeleteVpcEndpointsInput{VpcEndpointIds: []string{theirs}}); err != nil {
		t.Fatal(err)
	}
	// What is left can still be removed once it is alone. The connection takes a moment to go.
	for range 20 {
		if left = w.destroy(t, w.link); len(left) == 0 {
			break
		}
	}
	if len(left) > 0 {
		t.Errorf("left over:\n%s", left)
	}
	for _, line := range w.inventory(t) {
		if strings.HasPrefix(line, "provider") && !slices.Contains(before, line) {
			t.Errorf("still there: %s", line)
		}
	}
}

// Something of somebody's in a subnet that linkassay built keeps the subnet and its VPC.
func TestAForeignInstanceKeepsItsSubnet(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.apply(t, w.link)
	var subnet string
	for _, s := range w.Subnets(w.link.Provider.Account) {
		subnet = s.ID
	}
	run, err := w.sides.Provider.EC2.RunInstances(t.Context(), &ec2.RunInstancesInput{
		ImageId: aws.String("resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"), InstanceType: ec2types.InstanceTypeT3Nano, SubnetId: aws.String(subnet),
		MinCount: aws.Int32(1), MaxCount: aws.Int32(1),
	})
	if err != nil {
		t.Fatal(err)
	}
	left := w.destroy(t, w.link)
	if len(left) != 2 || left[0].Kind != "subnet" || left[0].ID != subnet || left[1].Kind != "VPC" ||
		!strings.Contains(left[0].Why, "things that linkassay did not make are in it: eni-") {
		t.Errorf("left over:\n%s", left)
	}
	if _, err := w.sides.Provider.EC2.TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: []string{*run.Instances[0].InstanceId}}); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if left = w.destroy(t, w.link); len(left) == 0 {
			return
		}
	}
	t.Errorf("left over:\n%s", left)
}

func existingNetwork(t *testing.T, w *world) (vpc, subnet string) {
	t.Helper()
	c := w.sides.Consumer.EC2
	v, err := c.CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String("10.9.0.0/16")})
	if err != nil {
		t.Fatal(err)
	}
	vpc = *v.Vpc.VpcId
	s, err := c.CreateSubnet(t.Context(), &ec2.CreateSubnetInput{
		VpcId: aws.String(vpc), CidrBlock: aws.String("10.9.1.0/24"), AvailabilityZoneId: aws.String("apse1-az2"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return vpc, *s.Subnet.SubnetId
}

func attribute(t *testing.T, w *world, vpc string) bool {
	t.Helper()
	out, err := w.sides.Consumer.EC2.DescribeVpcAttribute(t.Context(), &ec2.DescribeVpcAttributeInput{
		VpcId: aws.String(vpc), Attribute: ec2types.VpcAttributeNameEnableDnsHostnames,
	})
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToBool(out.EnableDnsHostnames.Value)
}

// A security group that somebody else made in the VPC that was built keeps that VPC, and nothing else of the link.
func TestAForeignSecurityGroupKeepsItsVPC(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.apply(t, w.link)
	vpcs, err := w.sides.Consumer.EC2.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
	if err != nil || len(vpcs.Vpcs) != 1 {
		t.Fatalf("%+v, %v", vpcs, err)
	}
	vpc := *vpcs.Vpcs[0].VpcId
	group, err := w.sides.Consumer.EC2.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{
		GroupName: aws.String("theirs"), Description: aws.String("theirs"), VpcId: aws.String(vpc),
	})
	if err != nil {
		t.Fatal(err)
	}
	left := w.destroy(t, w.link)
	if len(left) != 1 || left[0].Kind != "VPC" || left[0].ID != vpc || !strings.Contains(left[0].Why, *group.GroupId) {
		t.Errorf("left over:\n%s", left)
	}
	if _, err := w.sides.Consumer.EC2.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{GroupIds: []string{*group.GroupId}}); err != nil {
		t.Errorf("the foreign group: %v", err)
	}
	if _, err := w.sides.Consumer.EC2.DeleteSecurityGroup(t.Context(), &ec2.DeleteSecurityGroupInput{GroupId: group.GroupId}); err != nil {
		t.Fatal(err)
	}
	if left := w.destroy(t, w.link); len(left) > 0 {
		t.Errorf("left over:\n%s", left)
	}
}
