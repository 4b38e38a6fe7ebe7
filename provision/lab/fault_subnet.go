package lab

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/linkassay/linkassay/provision"
)

// subnetFaults: the subnets that the link file names for the endpoint.
func subnetFaults() []Fault {
	twoZones := func(o *Options) {
		zones := regionZoneIDs(o.Region)
		o.change(func(l *provision.Link) { l.Provider.Build.Zones = zones[:2] })
	}
	return []Fault{
		{
			Name: "subnet-in-unoffered-zone", Text: "the link file names a subnet for the endpoint in a zone that the service does not have",
			Excludes: []string{"build-subnets", "zone", "endpoint", "service"}, Prepare: twoZones, set: (*breaker).subnetInUnofferedZone,
		},
		{
			Name: "no-common-zone", Text: "the link file's subnets and the service have no zone in common, and there is no endpoint",
			Excludes: []string{"build-subnets", "zone", "endpoint"}, Prepare: twoZones, set: (*breaker).noCommonZone,
		},
		{
			Name: "two-subnets-in-one-zone", Text: "the link file names two subnets for the endpoint in the same zone",
			Excludes: []string{"build-subnets", "zones"}, set: (*breaker).twoSubnetsInOneZone,
		},
		{
			Name: "subnet-full", Text: "a subnet that the link file names for the endpoint has no free address",
			Excludes: []string{"build-subnets"}, set: (*breaker).subnetFull,
		},
		{
			Name: "endpoint-in-one-zone", Text: "the endpoint has been taken out of all zones but one",
			Excludes: []string{"endpoint", "zone"}, set: (*breaker).endpointInOneZone,
		},
	}
}

// anotherSubnet makes a subnet beside the endpoint's, marked as they are, in the zone that zone picks by the first of
// those, and returns it with the endpoint and that first one.
func (b *breaker) anotherSubnet(ctx context.Context, bits int, zone func(first ec2types.Subnet) string) (id string, e *ec2types.VpcEndpoint, first ec2types.Subnet, err error) {
	if e, err = b.endpoint(ctx); err != nil {
		return "", nil, first, err
	}
	out, err := b.sides.Consumer.EC2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{SubnetIds: e.SubnetIds})
	if err != nil {
		return "", nil, first, fmt.Errorf("describe the endpoint's subnets: %w", err)
	}
	first = out.Subnets[0]
	id, err = b.addSubnet(ctx, first, zone(first), bits)
	return id, e, first, err
}

// sameZone and thirdZone are the zones of other subnets: that of the endpoint's first, and one that a service in two
// zones does not have.
func sameZone(first ec2types.Subnet) string { return aws.ToString(first.AvailabilityZoneId) }

func (b *breaker) thirdZone(ec2types.Subnet) string { return regionZoneIDs(b.link.Region)[2] }

// addSubnet makes another subnet in the consumer's VPC, marked as the endpoint's are, with the last
// block of that size in the VPC.
func (b *breaker) addSubnet(ctx context.Context, like ec2types.Subnet, zoneID string, bits int) (string, error) {
	vpcs, err := b.sides.Consumer.EC2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{VpcIds: []string{*like.VpcId}})
	if err != nil {
		return "", err
	}
	block, err := netip.ParsePrefix(aws.ToString(vpcs.Vpcs[0].CidrBlock))
	if err != nil {
		return "", err
	}
	out, err := b.sides.Consumer.EC2.CreateSubnet(ctx, &ec2.CreateSubnetInput{
		VpcId: like.VpcId, AvailabilityZoneId: &zoneID, CidrBlock: aws.String(netip.PrefixFrom(lastAddr(block), bits).Masked().String()),
		TagSpecifications: []ec2types.TagSpecification{{ResourceType: ec2types.ResourceTypeSubnet, Tags: like.Tags}},
	})
	if err != nil {
		return "", err
	}
	return *out.Subnet.SubnetId, nil
}

// name makes the link file name these subnets for the endpoint.
func (b *breaker) name(vpc string, subnets ...string) {
	b.lab.believe(func(l *provision.Link) {
		l.Consumer.Build = &provision.ConsumerBuild{VPCID: vpc, SubnetIDs: subnets}
	})
}

func (b *breaker) subnetInUnofferedZone(ctx context.Context) error {
	id, e, _, err := b.anotherSubnet(ctx, 24, b.thirdZone)
	if err == nil {
		b.name(*e.VpcId, append(e.SubnetIds, id)...)
	}
	return err
}

func (b *breaker) noCommonZone(ctx context.Context) error {
	id, e, _, err := b.anotherSubnet(ctx, 24, b.thirdZone)
	if err != nil {
		return err
	}
	b.name(*e.VpcId, id)
	return b.deleteEndpoint(ctx)
}

func (b *breaker) twoSubnetsInOneZone(ctx context.Context) error {
	id, e, _, err := b.anotherSubnet(ctx, 24, sameZone)
	if err == nil {
		b.name(*e.VpcId, append(e.SubnetIds, id)...)
	}
	return err
}

// subnetFull names a subnet of the smallest size and fills it with instances.
func (b *breaker) subnetFull(ctx context.Context) error {
	id, e, first, err := b.anotherSubnet(ctx, 28, sameZone)
	if err != nil {
		return err
	}
	for {
		out, err := b.sides.Consumer.EC2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{SubnetIds: []string{id}})
		if err != nil {
			return err
		}
		free := aws.ToInt32(out.Subnets[0].AvailableIpAddressCount)
		if free == 0 {
			break
		}
		if _, err := b.sides.Consumer.EC2.RunInstances(ctx, &ec2.RunInstancesInput{
			SubnetId: &id, MinCount: &free, MaxCount: &free, ImageId: aws.String("resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"),
			InstanceType:      ec2types.InstanceTypeT4gNano,
			TagSpecifications: []ec2types.TagSpecification{{ResourceType: ec2types.ResourceTypeInstance, Tags: first.Tags}},
		}); err != nil {
			return err
		}
	}
	others := e.SubnetIds[1:]
	b.name(*e.VpcId, append(others, id)...)
	return nil
}

func (b *breaker) endpointInOneZone(ctx context.Context) error {
	e, err := b.endpoint(ctx)
	if err != nil {
		return err
	}
	if _, err := b.sides.Consumer.EC2.ModifyVpcEndpoint(ctx, &ec2.ModifyVpcEndpointInput{
		VpcEndpointId: e.VpcEndpointId, RemoveSubnetIds: e.SubnetIds[1:],
	}); err != nil {
		return err
	}
	return b.untilAvailable(ctx)
}

// untilAvailable waits until the endpoint is available again after a change.
func (b *breaker) untilAvailable(ctx context.Context) error {
	return b.until(ctx, "the endpoint is available again", func() (bool, error) {
		e, err := b.endpoint(ctx)
		return err == nil && e.State == "available", err
	})
}
