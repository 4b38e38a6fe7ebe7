package lab_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/linkassay/linkassay/provision/lab"
)

func TestVpcLife(t *testing.T) {
	t.Parallel()
	b := newBasics(t, nil)
	created := ok[*ec2.CreateVpcOutput](b)(b.ec2.CreateVpc(b.ctx, &ec2.CreateVpcInput{
		CidrBlock: aws.String("10.0.0.7/16"), TagSpecifications: []ec2types.TagSpecification{{
			ResourceType: ec2types.ResourceTypeVpc, Tags: []ec2types.Tag{{Key: aws.String("Name"), Value: aws.String("p")}},
		}},
	})).Vpc
	equal(b, "state at creation", created.State, ec2types.VpcStatePending)
	equal(b, "canonical CIDR", *created.CidrBlock, "10.0.0.0/16")
	equal(b, "owner", *created.OwnerId, "111111111111")
	id := *created.VpcId
	b.until("the VPC is available", func() bool {
		out := ok[*ec2.DescribeVpcsOutput](b)(b.ec2.DescribeVpcs(b.ctx, &ec2.DescribeVpcsInput{Filters: filterBy("tag:Name", "p")}))
		return len(out.Vpcs) == 1 && out.Vpcs[0].State == ec2types.VpcStateAvailable
	})
	if other := b.as("consumer", basicRegion); len(ok[*ec2.DescribeVpcsOutput](other)(other.ec2.DescribeVpcs(b.ctx, nil)).Vpcs) != 0 {
		t.Error("the consumer sees the provider's VPC")
	}
	if other := b.as("provider", "us-east-1"); len(ok[*ec2.DescribeVpcsOutput](other)(other.ec2.DescribeVpcs(b.ctx, nil)).Vpcs) != 0 {
		t.Error("the VPC is in two Regions")
	}

	groups := ok[*ec2.DescribeSecurityGroupsOutput](b)(b.ec2.DescribeSecurityGroups(b.ctx, &ec2.DescribeSecurityGroupsInput{Filters: filterBy("vpc-id", id)})).SecurityGroups
	if len(groups) != 1 || *groups[0].GroupName != "default" || *groups[0].IpPermissions[0].UserIdGroupPairs[0].GroupId != *groups[0].GroupId {
		t.Errorf("default group: %+v", groups)
	}
	acls := ok[*ec2.DescribeNetworkAclsOutput](b)(b.ec2.DescribeNetworkAcls(b.ctx, &ec2.DescribeNetworkAclsInput{Filters: filterBy("vpc-id", id)})).NetworkAcls
	if len(acls) != 1 || !*acls[0].IsDefault || len(acls[0].Entries) != 4 {
		t.Errorf("default network ACL: %+v", acls)
	}
	routes := ok[*ec2.DescribeRouteTablesOutput](b)(b.ec2.DescribeRouteTables(b.ctx, &ec2.DescribeRouteTablesInput{Filters: filterBy("association.main", "true")})).RouteTables
	if len(routes) != 1 || *routes[0].Routes[0].GatewayId != "local" || *routes[0].Routes[0].DestinationCidrBlock != "10.0.0.0/16" {
		t.Errorf("main route table: %+v", routes)
	}
	dhcp := ok[*ec2.DescribeDhcpOptionsOutput](b)(b.ec2.DescribeDhcpOptions(b.ctx, &ec2.DescribeDhcpOptionsInput{DhcpOptionsIds: []string{*created.DhcpOptionsId}})).DhcpOptions
	if len(dhcp) != 1 || *dhcp[0].DhcpConfigurations[1].Values[0].Value != "AmazonProvidedDNS" {
		t.Errorf("DHCP options: %+v", dhcp)
	}

	subnet := b.subnet(id, "10.0.1.0/24", zoneID(1))
	refused[*ec2.DeleteVpcOutput](b, "DependencyViolation", "The vpc '"+id+"' has dependencies and cannot be deleted.")(
		b.ec2.DeleteVpc(b.ctx, &ec2.DeleteVpcInput{VpcId: &id}))
	ok[*ec2.DeleteSubnetOutput](b)(b.ec2.DeleteSubnet(b.ctx, &ec2.DeleteSubnetInput{SubnetId: &subnet}))
	ok[*ec2.DeleteVpcOutput](b)(b.ec2.DeleteVpc(b.ctx, &ec2.DeleteVpcInput{VpcId: &id}))
	refused[*ec2.DeleteVpcOutput](b, "InvalidVpcID.NotFound", "The vpc ID '"+id+"' does not exist")(
		b.ec2.DeleteVpc(b.ctx, &ec2.DeleteVpcInput{VpcId: &id}))
}

func TestVpcRefusals(t *testing.T) {
	t.Parallel()
	b := newBasics(t, nil)
	for cidr, code := range map[string]string{
		"10.0.0.0/8": "InvalidVpc.Range", "10.0.0.0/29": "InvalidVpc.Range", "ten": "InvalidParameterValue", "fd00::/64": "InvalidParameterValue",
	} {
		refused[*ec2.CreateVpcOutput](b, code, "")(b.ec2.CreateVpc(b.ctx, &ec2.CreateVpcInput{CidrBlock: &cidr}))
	}
	refused[*ec2.CreateVpcOutput](b, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.")(
		b.ec2.CreateVpc(b.ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16"), DryRun: aws.Bool(true)}))
	refused[*ec2.CreateVpcOutput](b, "InvalidParameterValue", "'subnet' is not a valid taggable resource type for this operation.")(
		b.ec2.CreateVpc(b.ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16"), TagSpecifications: []ec2types.TagSpecification{{
			ResourceType: ec2types.ResourceTypeSubnet, Tags: []ec2types.Tag{{Key: aws.String("k")}},
		}}}))
	refused[*ec2.DescribeVpcsOutput](b, "InvalidVpcID.Malformed", "")(b.ec2.DescribeVpcs(b.ctx, &ec2.DescribeVpcsInput{VpcIds: []string{"subnet-1"}}))
	refused[*ec2.DescribeVpcsOutput](b, "InvalidParameterValue", "The filter 'nonsense' is invalid")(
		b.ec2.DescribeVpcs(b.ctx, &ec2.DescribeVpcsInput{Filters: filterBy("nonsense", "x")}))
	if out := ok[*ec2.DescribeVpcsOutput](b)(b.ec2.DescribeVpcs(b.ctx, nil)); len(out.Vpcs) != 0 {
		t.Errorf("refused requests made %d VPCs", len(out.Vpcs))
	}
}

func TestVpcAttributes(t *testing.T) {
	t.Parallel()
	b := newBasics(t, nil)
	id := b.vpc("10.0.0.0/16")
	set := func(in ec2.ModifyVpcAttributeInput) (*ec2.ModifyVpcAttributeOutput, error) {
		in.VpcId = &id
		return b.ec2.ModifyVpcAttribute(b.ctx, &in)
	}
	value := func(on bool) *ec2types.AttributeBooleanValue { return &ec2types.AttributeBooleanValue{Value: &on} }
	get := func(a ec2types.VpcAttributeName) *ec2.DescribeVpcAttributeOutput {
		return ok[*ec2.DescribeVpcAttributeOutput](b)(b.ec2.DescribeVpcAttribute(b.ctx, &ec2.DescribeVpcAttributeInput{VpcId: &id, Attribute: a}))
	}
	equal(b, "DNS support at first", *get("enableDnsSupport").EnableDnsSupport.Value, true)
	equal(b, "DNS hostnames at first", *get("enableDnsHostnames").EnableDnsHostnames.Value, false)
	refused[*ec2.ModifyVpcAttributeOutput](b, "InvalidParameterCombination", "")(
		set(ec2.ModifyVpcAttributeInput{EnableDnsSupport: value(true), EnableDnsHostnames: value(true)}))
	ok[*ec2.ModifyVpcAttributeOutput](b)(set(ec2.ModifyVpcAttributeInput{EnableDnsSupport: value(false)}))
	refused[*ec2.ModifyVpcAttributeOutput](b, "InvalidParameterValue", "")(set(ec2.ModifyVpcAttributeInput{EnableDnsHostnames: value(true)}))
	ok[*ec2.ModifyVpcAttributeOutput](b)(set(ec2.ModifyVpcAttributeInput{EnableDnsSupport: value(true)}))
	ok[*ec2.ModifyVpcAttributeOutput](b)(set(ec2.ModifyVpcAttributeInput{EnableDnsHostnames: value(true)}))
	equal(b, "DNS hostnames", *get("enableDnsHostnames").EnableDnsHostnames.Value, true)
}

func TestSubnets(t *testing.T) {
	t.Parallel()
	b := newBasics(t, nil)
	id := b.vpc("10.0.0.0/16")
	first := b.subnet(id, "10.0.1.0/24", zoneID(2))
	got := ok[*ec2.DescribeSubnetsOutput](b)(b.ec2.DescribeSubnets(b.ctx, &ec2.DescribeSubnetsInput{SubnetIds: []string{first}})).Subnets[0]
	equal(b, "zone id", *got.AvailabilityZoneId, zoneID(2))
	equal(b, "free addresses", *got.AvailableIpAddressCount, 251)
	equal(b, "ARN", *got.SubnetArn, "arn:aws:ec2:ap-southeast-1:111111111111:subnet/"+first)

	create := func(cidr string, zone *string) (*ec2.CreateSubnetOutput, error) {
		return b.ec2.CreateSubnet(b.ctx, &ec2.CreateSubnetInput{VpcId: &id, CidrBlock: &cidr, AvailabilityZone: zone})
	}
	refused[*ec2.CreateSubnetOutput](b, "InvalidSubnet.Conflict", "The CIDR '10.0.1.128/25' conflicts with another subnet")(create("10.0.1.128/25", nil))
	refused[*ec2.CreateSubnetOutput](b, "InvalidSubnet.Range", "The CIDR '10.1.0.0/24' is invalid.")(create("10.1.0.0/24", nil))
	refused[*ec2.CreateSubnetOutput](b, "InvalidParameterValue",
		"Value (ap-southeast-1x) for parameter availabilityZone is invalid. Subnets can currently only be created in the following availability zones: ap-southeast-1a, ap-southeast-1b, ap-southeast-1c.")(
		create("10.0.2.0/24", aws.String("ap-southeast-1x")))
	named := ok[*ec2.CreateSubnetOutput](b)(create("10.0.2.0/24", got.AvailabilityZone)).Subnet
	equal(b, "the zone of a name", *named.AvailabilityZoneId, zoneID(2))

	ok[*ec2.ModifySubnetAttributeOutput](b)(b.ec2.ModifySubnetAttribute(b.ctx, &ec2.ModifySubnetAttributeInput{
		SubnetId: &first, MapPublicIpOnLaunch: &ec2types.AttributeBooleanValue{Value: aws.Bool(true)},
	}))
	out := ok[*ec2.DescribeSubnetsOutput](b)(b.ec2.DescribeSubnets(b.ctx, &ec2.DescribeSubnetsInput{Filters: filterBy("map-public-ip-on-launch", "true")}))
	if len(out.Subnets) != 1 || *out.Subnets[0].SubnetId != first {
		t.Errorf("subnets that map public addresses: %d", len(out.Subnets))
	}

	n := b.run(first, 1)[0]
	refused[*ec2.DeleteSubnetOutput](b, "DependencyViolation", "The subnet '"+first+"' has dependencies and cannot be deleted.")(
		b.ec2.DeleteSubnet(b.ctx, &ec2.DeleteSubnetInput{SubnetId: &first}))
	equal(b, "free addresses with an instance", *ok[*ec2.DescribeSubnetsOutput](b)(b.ec2.DescribeSubnets(b.ctx, &ec2.DescribeSubnetsInput{SubnetIds: []string{first}})).Subnets[0].AvailableIpAddressCount, 250)
	ok[*ec2.TerminateInstancesOutput](b)(b.ec2.TerminateInstances(b.ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{*n.InstanceId}}))
	b.reach(*n.InstanceId, ec2types.InstanceStateNameTerminated)
	ok[*ec2.DeleteSubnetOutput](b)(b.ec2.DeleteSubnet(b.ctx, &ec2.DeleteSubnetInput{SubnetId: &first}))
}

func TestZonesDifferBetweenAccounts(t *testing.T) {
	t.Parallel()
	b := newBasics(t, nil)
	for _, region := range []string{"ap-southeast-1", "ap-northeast-1", "us-east-1", "us-west-2", "eu-west-1"} {
		names := func(profile string) map[string]string {
			side := b.as(profile, region)
			out := map[string]string{}
			for _, z := range ok[*ec2.DescribeAvailabilityZonesOutput](side)(side.ec2.DescribeAvailabilityZones(b.ctx, nil)).AvailabilityZones {
				out[*z.ZoneId] = *z.ZoneName
			}
			return out
		}
		p, c := names("provider"), names("consumer")
		if len(p) != 3 || len(c) != 3 {
			t.Errorf("%s: %d and %d zones, want 3", region, len(p), len(c))
		}
		for id := range p {
			if c[id] == "" || p[id] == c[id] {
				t.Errorf("%s: provider calls %s %q, consumer %q: want different names of one zone", region, id, p[id], c[id])
			}
		}
	}
	one := ok[*ec2.DescribeAvailabilityZonesOutput](b)(b.ec2.DescribeAvailabilityZones(b.ctx, &ec2.DescribeAvailabilityZonesInput{Filters: filterBy("zone-id", zoneID(3))}))
	if len(one.AvailabilityZones) != 1 || *one.AvailabilityZones[0].ZoneId != zoneID(3) {
		t.Errorf("zones by id: %+v", one.AvailabilityZones)
	}
	refused[*ec2.DescribeAvailabilityZonesOutput](b, "InvalidParameterValue", "Invalid availability zone: [use1-az1]")(
		b.ec2.DescribeAvailabilityZones(b.ctx, &ec2.DescribeAvailabilityZonesInput{ZoneIds: []string{"use1-az1"}}))
	if out := ok[*ec2.DescribeRegionsOutput](b)(b.ec2.DescribeRegions(b.ctx, &ec2.DescribeRegionsInput{RegionNames: []string{"us-west-2"}})); len(out.Regions) != 1 {
		t.Errorf("Regions by name: %+v", out.Regions)
	}
}

// The same seed makes the same ids and zone names: a failure can be looked at again.
func TestSeedRepeats(t *testing.T) {
	t.Parallel()
	var vpcs, subnets [2]string
	for i := range 2 {
		b := newBasics(t, func(o *lab.Options) { o.Seed = 42 })
		vpcs[i] = b.vpc("10.0.0.0/16")
		subnets[i] = b.subnet(vpcs[i], "10.0.0.0/24", zoneID(1))
	}
	if vpcs[0] != vpcs[1] || subnets[0] != subnets[1] {
		t.Errorf("ids differ: %v %v", vpcs, subnets)
	}
}

func TestInternetGateways(t *testing.T) {
	t.Parallel()
	b := newBasics(t, nil)
	v := b.vpc("10.0.0.0/16")
	g := *ok[*ec2.CreateInternetGatewayOutput](b)(b.ec2.CreateInternetGateway(b.ctx, nil)).InternetGateway.InternetGatewayId
	detach := func() (*ec2.DetachInternetGatewayOutput, error) {
		return b.ec2.DetachInternetGateway(b.ctx, &ec2.DetachInternetGatewayInput{InternetGatewayId: &g, VpcId: &v})
	}
	attach := func() (*ec2.AttachInternetGatewayOutput, error) {
		return b.ec2.AttachInternetGateway(b.ctx, &ec2.AttachInternetGatewayInput{InternetGatewayId: &g, VpcId: &v})
	}
	refused[*ec2.DetachInternetGatewayOutput](b, "Gateway.NotAttached", "")(detach())
	ok[*ec2.AttachInternetGatewayOutput](b)(attach())
	refused[*ec2.AttachInternetGatewayOutput](b, "Resource.AlreadyAssociated", "")(attach())
	refused[*ec2.DeleteVpcOutput](b, "DependencyViolation", "")(b.ec2.DeleteVpc(b.ctx, &ec2.DeleteVpcInput{VpcId: &v}))
	refused[*ec2.DeleteInternetGatewayOutput](b, "DependencyViolation", "")(b.ec2.DeleteInternetGateway(b.ctx, &ec2.DeleteInternetGatewayInput{InternetGatewayId: &g}))
	out := ok[*ec2.DescribeInternetGatewaysOutput](b)(b.ec2.DescribeInternetGateways(b.ctx, &ec2.DescribeInternetGatewaysInput{Filters: filterBy("attachment.vpc-id", v)}))
	if len(out.InternetGateways) != 1 || *out.InternetGateways[0].Attachments[0].VpcId != v {
		t.Errorf("gateways of the VPC: %+v", out.InternetGateways)
	}
	ok[*ec2.DetachInternetGatewayOutput](b)(detach())
	ok[*ec2.DeleteInternetGatewayOutput](b)(b.ec2.DeleteInternetGateway(b.ctx, &ec2.DeleteInternetGatewayInput{InternetGatewayId: &g}))
	refused[*ec2.AttachInternetGatewayOutput](b, "InvalidInternetGatewayID.NotFound", "")(attach())
}
