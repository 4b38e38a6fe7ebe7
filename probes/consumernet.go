package probes

import (
	"cmp"
	"context"
	"net/netip"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	r53types "github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/miekg/dns"

	"github.com/linkassay/linkassay/provision/awsapi"
)

func (r *run) interfaces(sd side, s *span, ids []string, zones *promise[[]Zone]) ([]Interface, error) {
	if len(ids) == 0 {
		return []Interface{}, nil
	}
	raw, err := orNone(call(r, s, "ec2:DescribeNetworkInterfaces", func(ctx context.Context) ([]ec2types.NetworkInterface, error) {
		return awsapi.All(ctx, ec2.NewDescribeNetworkInterfacesPaginator(sd.EC2, &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: ids}),
			func(o *ec2.DescribeNetworkInterfacesOutput) []ec2types.NetworkInterface { return o.NetworkInterfaces })
	}))
	if err != nil {
		return nil, err
	}
	all := []Interface{}
	for _, n := range raw {
		all = append(all, interfaceOf(n, zones))
	}
	slices.SortFunc(all, func(a, b Interface) int { return cmp.Compare(a.ID, b.ID) })
	return all, nil
}

func interfaceOf(n ec2types.NetworkInterface, zones *promise[[]Zone]) Interface {
	i := Interface{
		ID: aws.ToString(n.NetworkInterfaceId), SubnetID: aws.ToString(n.SubnetId), VPCID: aws.ToString(n.VpcId),
		ZoneName: aws.ToString(n.AvailabilityZone), ZoneID: aws.ToString(n.AvailabilityZoneId),
		Status: string(n.Status), IPs: addressesOf(n),
	}
	if i.ZoneID == "" {
		names, _ := zones.value()
		i.ZoneID = zoneID(names, i.ZoneName)
	}
	for _, g := range n.Groups {
		i.GroupIDs = append(i.GroupIDs, aws.ToString(g.GroupId))
	}
	slices.Sort(i.GroupIDs)
	return i
}

func addressesOf(n ec2types.NetworkInterface) []netip.Addr {
	given := []string{aws.ToString(n.PrivateIpAddress)}
	for _, a := range n.PrivateIpAddresses {
		given = append(given, aws.ToString(a.PrivateIpAddress))
	}
	for _, a := range n.Ipv6Addresses {
		given = append(given, aws.ToString(a.Ipv6Address))
	}
	var ips []netip.Addr
	for _, g := range given {
		if ip, err := netip.ParseAddr(g); err == nil {
			ips = append(ips, ip)
		}
	}
	slices.SortFunc(ips, netip.Addr.Compare)
	return slices.Compact(ips)
}

func (r *run) subnets(sd side, s *span, ids []string) ([]Subnet, error) {
	if len(ids) == 0 {
		return []Subnet{}, nil
	}
	raw, err := orNone(call(r, s, "ec2:DescribeSubnets", func(ctx context.Context) ([]ec2types.Subnet, error) {
		return awsapi.All(ctx, ec2.NewDescribeSubnetsPaginator(sd.EC2, &ec2.DescribeSubnetsInput{SubnetIds: ids}),
			func(o *ec2.DescribeSubnetsOutput) []ec2types.Subnet { return o.Subnets })
	}))
	if err != nil {
		return nil, err
	}
	all := []Subnet{}
	for _, n := range raw {
		var v6 string
		for _, a := range n.Ipv6CidrBlockAssociationSet {
			if a.Ipv6CidrBlockState != nil && a.Ipv6CidrBlockState.State == ec2types.SubnetCidrBlockStateCodeAssociated {
				v6 = aws.ToString(a.Ipv6CidrBlock)
			}
		}
		all = append(all, Subnet{
			ID: aws.ToString(n.SubnetId), VPCID: aws.ToString(n.VpcId), CIDR: aws.ToString(n.CidrBlock), IPv6CIDR: v6,
			ZoneName: aws.ToString(n.AvailabilityZone), ZoneID: aws.ToString(n.AvailabilityZoneId),
			FreeIPs: aws.ToInt32(n.AvailableIpAddressCount),
		})
	}
	slices.SortFunc(all, func(a, b Subnet) int { return cmp.Compare(a.ID, b.ID) })
	return all, nil
}

func (r *run) vpc(sd side, s *span, id string) (VPC, error) {
	if id == "" {
		return VPC{}, absent{NoSubject}
	}
	var (
		g                  group
		raw                *ec2.DescribeVpcsOutput
		support, hostnames bool
		errs               [3]error
	)
	g.start(func() {
		raw, errs[0] = call(r, s, "ec2:DescribeVpcs", func(ctx context.Context) (*ec2.DescribeVpcsOutput, error) {
			return sd.EC2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{VpcIds: []string{id}})
		})
	})
	attribute := func(name ec2types.VpcAttributeName, into *bool, err *error) func() {
		return func() {
			var out *ec2.DescribeVpcAttributeOutput
			out, *err = call(r, s, "ec2:DescribeVpcAttribute", func(ctx context.Context) (*ec2.DescribeVpcAttributeOutput, error) {
				return sd.EC2.DescribeVpcAttribute(ctx, &ec2.DescribeVpcAttributeInput{VpcId: &id, Attribute: name})
			})
			if *err != nil {
				return
			}
			for _, v := range []*ec2types.AttributeBooleanValue{out.EnableDnsSupport, out.EnableDnsHostnames} {
				if v != nil {
					*into = aws.ToBool(v.Value)
				}
			}
		}
	}
	g.start(attribute(ec2types.VpcAttributeNameEnableDnsSupport, &support, &errs[1]))
	g.start(attribute(ec2types.VpcAttributeNameEnableDnsHostnames, &hostnames, &errs[2]))
	g.wait()
	for _, err := range errs {
		if isNotFound(err) {
			return VPC{}, absent{NoSubject}
		}
		if err != nil {
			return VPC{}, err
		}
	}
	if len(raw.Vpcs) == 0 {
		return VPC{}, absent{NoSubject}
	}
	v := VPC{ID: id, DNSSupport: support, DNSHostnames: hostnames, DHCPOptions: aws.ToString(raw.Vpcs[0].DhcpOptionsId), CIDRs: cidrsOf(raw.Vpcs[0])}
	for _, a := range raw.Vpcs[0].Ipv6CidrBlockAssociationSet {
		if a.Ipv6CidrBlockState != nil && a.Ipv6CidrBlockState.State == ec2types.VpcCidrBlockStateCodeAssociated {
			v.IPv6CIDRs = append(v.IPv6CIDRs, aws.ToString(a.Ipv6CidrBlock))
		}
	}
	return v, nil
}

// cidrsOf lists a VPC's blocks, the primary one first: its base+2 is the resolver.
func cidrsOf(v ec2types.Vpc) []string {
	cidrs := []string{aws.ToString(v.CidrBlock)}
	for _, a := range v.CidrBlockAssociationSet {
		if c := aws.ToString(a.CidrBlock); !slices.Contains(cidrs, c) {
			cidrs = append(cidrs, c)
		}
	}
	return slices.DeleteFunc(cidrs, func(c string) bool { return c == "" })
}

// countHiding asks how many VPCs and records the consumer's own zones have that may hide the private DNS name: the last VPC
// can't be taken off a zone. Only the fix needs it, so that an identity that may not ask loses nothing else.
func (r *run) countHiding(sd side, s *span, zones []HostedZone) {
	const most = 8 // a name has few domains above it
	domain := verificationDomain(r.link.PrivateDNSName)
	asked := 0
	for i := range zones {
		z := &zones[i]
		foreign := z.OwningService != "" || z.OwnerAccount != "" && z.OwnerAccount != r.link.Consumer.Account
		if r.link.PrivateDNSName == "" || foreign || asked == most || !dns.IsSubDomain(dns.CanonicalName(z.Name), domain) {
			continue
		}
		asked++
		out, err := call(r, s, "route53:GetHostedZone", func(ctx context.Context) (*route53.GetHostedZoneOutput, error) {
			return sd.Route53.GetHostedZone(ctx, &route53.GetHostedZoneInput{Id: &z.ID})
		})
		if err != nil || out.HostedZone == nil {
			continue
		}
		z.VPCs, z.Records = len(out.VPCs), aws.ToInt64(out.HostedZone.ResourceRecordSetCount)
	}
}

func (r *run) hostedZones(sd side, s *span, vpc string) ([]HostedZone, error) {
	if vpc == "" {
		return nil, absent{NoSubject}
	}
	raw, err := call(r, s, "route53:ListHostedZonesByVPC", func(ctx context.Context) ([]r53types.HostedZoneSummary, error) {
		var all []r53types.HostedZoneSummary
		in := &route53.ListHostedZonesByVPCInput{VPCId: &vpc, VPCRegion: r53types.VPCRegion(r.link.Region)}
		for range 1000 { // no paginator in the SDK; a token for ever must not hang us
			out, err := sd.Route53.ListHostedZonesByVPC(ctx, in)
			if err != nil {
				return nil, err
			}
			all = append(all, out.HostedZoneSummaries...)
			if in.NextToken = out.NextToken; aws.ToString(in.NextToken) == "" {
				break
			}
		}
		return all, nil
	})
	if err != nil {
		return nil, err
	}
	zones := []HostedZone{}
	for _, z := range raw {
		h := HostedZone{ID: aws.ToString(z.HostedZoneId), Name: clean(bare(aws.ToString(z.Name)), maxName)}
		if z.Owner != nil {
			h.OwnerAccount, h.OwningService = aws.ToString(z.Owner.OwningAccount), clean(aws.ToString(z.Owner.OwningService), maxName)
		}
		zones = append(zones, h)
	}
	r.countHiding(sd, s, zones)
	slices.SortFunc(zones, func(a, b HostedZone) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return zones, nil
}
