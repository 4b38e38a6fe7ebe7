package provision

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/linkassay/linkassay/provision/awsapi"
)

func (b *builder) providerVPC(ctx context.Context) error {
	build := b.link.Provider.Build
	return b.vpc(ctx, SideProvider, &b.provider, build.VPCID, build.CIDR, partProviderVPC)
}

func (b *builder) consumerVPC(ctx context.Context) error {
	build := b.link.Consumer.Build
	if err := b.vpc(ctx, SideConsumer, &b.consumer, build.VPCID, build.CIDR, partConsumerVPC); err != nil {
		return err
	}
	if build.VPCID != "" {
		return nil // an existing VPC is changed only when private DNS needs it
	}
	return b.enableVPCNames(ctx, b.consumer.vpc, false)
}

// vpc uses the existing VPC, or finds or creates the side's own.
func (b *builder) vpc(ctx context.Context, side string, n *network, existing, cidr, part string) error {
	c := b.clients(side)
	if existing != "" {
		v, err := describeVPC(ctx, c, existing)
		if err != nil {
			return err
		}
		n.vpc, n.blocks = existing, blocksOf(v)
		return nil
	}
	found, err := awsapi.All(ctx, ec2.NewDescribeVpcsPaginator(c.EC2, &ec2.DescribeVpcsInput{Filters: marked(b.link.Name, part)}),
		func(o *ec2.DescribeVpcsOutput) []ec2types.Vpc { return o.Vpcs })
	if err != nil {
		return attempted(err, "look for the link's VPC")
	}
	if len(found) > 0 {
		slices.SortFunc(found, func(a, b ec2types.Vpc) int { return cmp.Compare(aws.ToString(a.VpcId), aws.ToString(b.VpcId)) })
		n.vpc = aws.ToString(found[0].VpcId)
	} else {
		out, err := c.EC2.CreateVpc(ctx, &ec2.CreateVpcInput{
			CidrBlock:         aws.String(either(cidr, defaultCIDR.String())),
			TagSpecifications: ec2Tags(ec2types.ResourceTypeVpc, marks(&b.link, part)),
		})
		if err != nil {
			return attempted(err, "create a VPC with %s", either(cidr, defaultCIDR.String()))
		}
		n.vpc = aws.ToString(out.Vpc.VpcId)
		b.say("created %s", n.vpc)
	}
	return b.wait(ctx, "VPC "+n.vpc, 0, func(ctx context.Context) (string, bool, error) {
		v, err := describeVPC(ctx, c, n.vpc)
		if err != nil {
			return "not known yet", false, unless(notYet, err)
		}
		n.blocks = blocksOf(v)
		return string(v.State), v.State == ec2types.VpcStateAvailable, nil
	})
}

// unless gives the error back unless it is one that passes.
func unless(passes func(error) bool, err error) error {
	if err != nil && passes(err) {
		return nil
	}
	return err
}

func describeVPC(ctx context.Context, c *awsapi.Clients, id string) (ec2types.Vpc, error) {
	out, err := c.EC2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{VpcIds: []string{id}})
	if err != nil {
		return ec2types.Vpc{}, attempted(err, "read the VPC %s", id)
	}
	if len(out.Vpcs) != 1 {
		return ec2types.Vpc{}, fmt.Errorf("read the VPC %s: AWS returned %d VPCs", id, len(out.Vpcs))
	}
	return out.Vpcs[0], nil
}

func blocksOf(v ec2types.Vpc) []netip.Prefix {
	var out []netip.Prefix
	add := func(s *string) {
		if p, err := netip.ParsePrefix(aws.ToString(s)); err == nil && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	add(v.CidrBlock)
	for _, a := range v.CidrBlockAssociationSet {
		if a.CidrBlockState == nil || a.CidrBlockState.State == ec2types.VpcCidrBlockStateCodeAssociated {
			add(a.CidrBlock)
		}
	}
	return out
}

func (b *builder) providerSubnets(ctx context.Context) error {
	build := b.link.Provider.Build
	if len(build.SubnetIDs) > 0 {
		return b.useSubnets(ctx, SideProvider, &b.provider, build.SubnetIDs)
	}
	zones := build.Zones
	if len(zones) == 0 {
		var err error
		if zones, err = firstZones(ctx, b.sides.Provider, b.link.ProviderRegion(), 3); err != nil {
			return err
		}
	}
	return b.subnets(ctx, SideProvider, &b.provider, zones, partProviderSubnet)
}

func (b *builder) consumerSubnets(ctx context.Context) error {
	build := b.link.Consumer.Build
	if len(build.SubnetIDs) > 0 {
		if err := b.useSubnets(ctx, SideConsumer, &b.consumer, build.SubnetIDs); err != nil {
			return err
		}
		return b.checkOffered(b.consumer.subnets)
	}
	zones := build.Zones
	if len(zones) == 0 && b.link.CrossRegion() {
		var err error
		if zones, err = firstZones(ctx, b.sides.Consumer, b.link.Region, 3); err != nil {
			return err
		}
	}
	if len(zones) == 0 {
		zones = b.serviceZones
	}
	var wanted []placedSubnet
	for _, z := range zones {
		wanted = append(wanted, placedSubnet{zone: z})
	}
	if err := b.checkOffered(wanted); err != nil {
		return err
	}
	return b.subnets(ctx, SideConsumer, &b.consumer, zones, partConsumerSubnet)
}

// checkOffered refuses zones that the service does not have, which AWS would refuse one by one.
// Zones of two Regions have nothing to do with each other.
func (b *builder) checkOffered(wanted []placedSubnet) error {
	for _, s := range wanted {
		if b.link.CrossRegion() {
			break
		}
		if !slices.Contains(b.serviceZones, s.zone) {
			return fmt.Errorf("the service is not in zone %s%s: it offers %s", s.zone, ofSubnet(s.id), strings.Join(b.serviceZones, ", "))
		}
	}
	if len(wanted) == 0 {
		return errors.New("the service offers this account no zone")
	}
	return nil
}

func ofSubnet(id string) string {
	if id == "" {
		return ""
	}
	return " of subnet " + id
}

// firstZones are the ids of the Region's first availability zones.
func firstZones(ctx context.Context, c *awsapi.Clients, region string, n int) ([]string, error) {
	out, err := c.EC2.DescribeAvailabilityZones(ctx, &ec2.DescribeAvailabilityZonesInput{})
	if err != nil {
		return nil, attempted(err, "list the zones of %s", region)
	}
	var ids []string
	for _, z := range out.AvailabilityZones {
		// Local and Wavelength zones have no endpoint services.
		if kind := aws.ToString(z.ZoneType); kind != "" && kind != "availability-zone" {
			continue
		}
		if z.State == ec2types.AvailabilityZoneStateAvailable {
			ids = append(ids, aws.ToString(z.ZoneId))
		}
	}
	slices.Sort(ids)
	if len(ids) == 0 {
		return nil, fmt.Errorf("list the zones of %s: none is available", region)
	}
	return ids[:min(n, len(ids))], nil
}

// useSubnets takes the existing subnets that the link file names.
func (b *builder) useSubnets(ctx context.Context, side string, n *network, ids []string) error {
	out, err := b.clients(side).EC2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{SubnetIds: ids})
	if err != nil {
		return attempted(err, "read the subnets %s", strings.Join(ids, ", "))
	}
	zones := map[string]string{}
	for _, s := range out.Subnets {
		id, zone := aws.ToString(s.SubnetId), aws.ToString(s.AvailabilityZoneId)
		if vpc := aws.ToString(s.VpcId); vpc != n.vpc {
			return fmt.Errorf("subnet %s is in the VPC %s, the link file says %s", id, vpc, n.vpc)
		}
		if other, double := zones[zone]; double {
			return fmt.Errorf("subnets %s and %s are both in zone %s, expected one a zone", other, id, zone)
		}
		zones[zone] = id
		n.subnets = append(n.subnets, placedSubnet{id, zone})
	}
	slices.SortFunc(n.subnets, func(a, b placedSubnet) int { return cmp.Compare(a.zone, b.zone) })
	return nil
}

// subnets finds or creates a subnet in each zone.
func (b *builder) subnets(ctx context.Context, side string, n *network, zones []string, part string) error {
	c := b.clients(side)
	all, err := subnetsOf(ctx, c, filter("vpc-id", n.vpc))
	if err != nil {
		return err
	}
	var taken []netip.Prefix
	have := map[string]string{} // part → id
	for _, s := range all {
		if p, err := netip.ParsePrefix(aws.ToString(s.CidrBlock)); err == nil {
			taken = append(taken, p)
		}
		if isOurs(s.Tags, b.link.Name) {
			have[tagOf(s.Tags, tagPart)] = aws.ToString(s.SubnetId)
		}
	}
	for _, zone := range slices.Sorted(slices.Values(zones)) {
		id := have[part+zone]
		if id == "" {
			block, ok := freeBlock(n.blocks, taken)
			if !ok {
				return fmt.Errorf("no room for a subnet in zone %s: the VPC %s is full", zone, n.vpc)
			}
			if id, err = b.createSubnet(ctx, c, n.vpc, zone, block, part+zone); err != nil {
				return err
			}
			taken = append(taken, block)
			b.say("created %s with %s in %s", id, block, zone)
		}
		n.subnets = append(n.subnets, placedSubnet{id, zone})
	}
	return b.wait(ctx, "subnets", 0, func(ctx context.Context) (string, bool, error) {
		out, err := c.EC2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{SubnetIds: n.subnetIDs()})
		if err != nil {
			return "not known yet", false, unless(notYet, attempted(err, "read the new subnets"))
		}
		for _, s := range out.Subnets {
			if s.State != ec2types.SubnetStateAvailable {
				return aws.ToString(s.SubnetId) + " is " + string(s.State), false, nil
			}
		}
		return "available", true, nil
	})
}

func (b *builder) createSubnet(ctx context.Context, c *awsapi.Clients, vpc, zone string, block netip.Prefix, part string) (string, error) {
	var id string
	err := b.try(ctx, "the VPC "+vpc, consistencyWait, notYet, func(ctx context.Context) error {
		out, err := c.EC2.CreateSubnet(ctx, &ec2.CreateSubnetInput{
			VpcId: aws.String(vpc), AvailabilityZoneId: aws.String(zone), CidrBlock: aws.String(block.String()),
			TagSpecifications: ec2Tags(ec2types.ResourceTypeSubnet, marks(&b.link, part)),
		})
		if err == nil {
			id = aws.ToString(out.Subnet.SubnetId)
		}
		return attempted(err, "create a subnet with %s in zone %s of %s", block, zone, vpc)
	})
	return id, err
}

func subnetsOf(ctx context.Context, c *awsapi.Clients, filters ...ec2types.Filter) ([]ec2types.Subnet, error) {
	all, err := awsapi.All(ctx, ec2.NewDescribeSubnetsPaginator(c.EC2, &ec2.DescribeSubnetsInput{Filters: filters}),
		func(o *ec2.DescribeSubnetsOutput) []ec2types.Subnet { return o.Subnets })
	return all, attempted(err, "list subnets")
}

// freeBlock finds room for a subnet in the VPC's blocks.
func freeBlock(blocks, taken []netip.Prefix) (netip.Prefix, bool) {
	for _, block := range blocks {
		if !block.Addr().Is4() {
			continue
		}
		at, bits := block.Masked().Addr(), subnetBits(block)
		for range subnetCount(block) {
			p := netip.PrefixFrom(at, bits)
			if !slices.ContainsFunc(taken, p.Overlaps) {
				return p, true
			}
			at = after(p)
		}
	}
	return netip.Prefix{}, false
}

// after is the first address behind an IPv4 block.
func after(p netip.Prefix) netip.Addr {
	a := p.Masked().Addr().As4()
	n := uint32(a[0])<<24 | uint32(a[1])<<16 | uint32(a[2])<<8 | uint32(a[3])
	n += 1 << (32 - p.Bits())
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

// enableVPCNames switches the VPC's DNS attributes on, which private DNS needs. AWS takes one
// attribute a call, and host names only after DNS support. On an existing VPC a change is recorded
// first.
func (b *builder) enableVPCNames(ctx context.Context, vpc string, existing bool) error {
	c := b.sides.Consumer
	for _, a := range vpcAttributes() {
		on, err := a.read(ctx, c, vpc)
		if err != nil {
			return err
		}
		if on {
			continue
		}
		if existing {
			v, err := describeVPC(ctx, c, vpc)
			if err != nil {
				return err
			}
			if err := record(ctx, c, vpc, v.Tags, changeKey(b.link.Name, a.change), switchedOn); err != nil {
				return err
			}
		}
		if err := b.try(ctx, "the VPC "+vpc, consistencyWait, notYet, func(ctx context.Context) error { return a.write(ctx, c, vpc, true) }); err != nil {
			return err
		}
	}
	return nil
}

// vpcAttribute is a DNS attribute of a VPC.
type vpcAttribute struct {
	name   ec2types.VpcAttributeName
	change string
}

func vpcAttributes() []vpcAttribute {
	return []vpcAttribute{
		{ec2types.VpcAttributeNameEnableDnsSupport, changeDNSSupport},
		{ec2types.VpcAttributeNameEnableDnsHostnames, changeDNSHostnames},
	}
}

func (a vpcAttribute) read(ctx context.Context, c *awsapi.Clients, vpc string) (bool, error) {
	out, err := c.EC2.DescribeVpcAttribute(ctx, &ec2.DescribeVpcAttributeInput{VpcId: aws.String(vpc), Attribute: a.name})
	if err != nil {
		return false, attempted(err, "read %s of %s", a.name, vpc)
	}
	v := out.EnableDnsSupport
	if a.name == ec2types.VpcAttributeNameEnableDnsHostnames {
		v = out.EnableDnsHostnames
	}
	return v != nil && aws.ToBool(v.Value), nil
}

func (a vpcAttribute) write(ctx context.Context, c *awsapi.Clients, vpc string, on bool) error {
	in := &ec2.ModifyVpcAttributeInput{VpcId: aws.String(vpc)}
	v := &ec2types.AttributeBooleanValue{Value: aws.Bool(on)}
	if a.name == ec2types.VpcAttributeNameEnableDnsHostnames {
		in.EnableDnsHostnames = v
	} else {
		in.EnableDnsSupport = v
	}
	_, err := c.EC2.ModifyVpcAttribute(ctx, in)
	return attempted(err, "set %s of %s to %t", a.name, vpc, on)
}

// within says whether an address lies in one of the blocks.
func within(blocks []netip.Prefix, address string) bool {
	a, err := netip.ParseAddr(address)
	return err == nil && slices.ContainsFunc(blocks, func(p netip.Prefix) bool { return p.Contains(a) })
}
