package lab_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/smithy-go"
	"github.com/miekg/dns"

	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/lab"
)

// link is what was built, for variants and faults.
func (v *live) link() provision.Link {
	return provision.Link{
		Name: "live", Region: liveRegion,
		Provider: provision.Provider{Party: provision.Party{Account: "111111111111"}, ServiceID: *v.service.ServiceId},
		Consumer: provision.Consumer{Party: provision.Party{Account: "222222222222"}, EndpointID: *v.endpoint.VpcEndpointId},
		Ports:    []provision.Port{{Port: 80}, {Port: 443}},
	}
}

func (v *live) reshape(variant string) {
	v.t.Helper()
	s, ok := lab.FindVariant(variant)
	if !ok {
		v.t.Fatalf("the lab has no variant %s", variant)
	}
	v.must("make the link "+variant, s.Set(v.ctx, v.lab, v.link()))
}

// interfacesIPv6 are the IPv6 addresses of the endpoint's interfaces by zone id.
func (v *live) interfacesIPv6() map[string]netip.Addr {
	v.t.Helper()
	out, err := v.consumer.EC2.DescribeNetworkInterfaces(v.ctx, &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: v.endpoint.NetworkInterfaceIds})
	v.must("describe interfaces", err)
	found := map[string]netip.Addr{}
	for _, i := range out.NetworkInterfaces {
		for _, a := range i.Ipv6Addresses {
			found[*i.AvailabilityZoneId] = netip.MustParseAddr(*a.Ipv6Address)
		}
	}
	return found
}

// addressesIPv6 are the AAAA records of a name, sorted.
func (v *live) addressesIPv6(from *lab.Vantage, name string) []netip.Addr {
	v.t.Helper()
	var out []netip.Addr
	for _, rr := range v.ask(from, "udp", name, dns.TypeAAAA).Answer {
		if a, ok := rr.(*dns.AAAA); ok {
			addr, _ := netip.AddrFromSlice(a.AAAA)
			out = append(out, addr)
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return out
}

func (v *live) modifyEndpoint(in ec2.ModifyVpcEndpointInput) {
	v.t.Helper()
	in.VpcEndpointId = v.endpoint.VpcEndpointId
	_, err := v.consumer.EC2.ModifyVpcEndpoint(v.ctx, &in)
	v.must("modify the endpoint", err)
	v.untilState("available")
}

func TestDualstackLink(t *testing.T) {
	t.Parallel()
	v := newLive(t, liveOptions{})
	z := v.zones[0]
	from := v.vantage(z)
	if _, err := from.DialContext(v.ctx, "tcp", "[2600:1f00::1]:80"); !errors.Is(err, syscall.ENETUNREACH) {
		t.Errorf("IPv6 from a subnet without: %v, want unreachable", err)
	}
	v.enablePrivateDNS(plPrivateName)
	v.reshape("dualstack")
	v.groupAttribute(80, "proxy_protocol_v2.enabled", "true")

	at, nodes := v.interfacesIPv6(), v.nodes()
	if len(at) != 3 {
		t.Fatalf("interfaces with IPv6: %v", at)
	}
	var all []netip.Addr
	for zone, addr := range at {
		all = append(all, addr)
		for _, scheme := range []string{"http", "https"} {
			got := v.mustGet(v.vantage(zone), scheme, plPrivateName, addr)
			if remote := netip.MustParseAddrPort(got["remote"]).Addr(); got["zone"] != zone || remote != nodes[zone] {
				t.Errorf("%s in %s: answered in %s, to %s", scheme, zone, got["zone"], remote)
			}
			if scheme == "http" {
				if src := netip.MustParseAddrPort(got["proxy-source"]).Addr(); !src.Is6() || got["proxy-endpoint"] != *v.endpoint.VpcEndpointId {
					t.Errorf("proxy protocol header: %v", got)
				}
			}
		}
		if got := v.connect(v.vantage(zone), v.interfaces()[zone], 80); got != "open" {
			t.Errorf("IPv4 in %s: %s", zone, got)
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	for _, name := range []string{v.regional(), plPrivateName} {
		if got := v.addressesIPv6(from, name); !slices.Equal(got, all) {
			t.Errorf("AAAA of %s: %v, want %v", name, got, all)
		}
		if got := v.addresses(from, name); len(got) != 3 {
			t.Errorf("A of %s: %v", name, got)
		}
	}
	for _, e := range v.endpoint.DnsEntries[1:4] {
		if got := v.addressesIPv6(v.lab.Internet(), *e.DnsName); len(got) != 1 {
			t.Errorf("zonal name %s: %v", *e.DnsName, got)
		}
	}
	lb, err := v.provider.ELB.DescribeLoadBalancers(v.ctx, &elb.DescribeLoadBalancersInput{LoadBalancerArns: []string{v.nlb}})
	v.must("describe the load balancer", err)
	if got := v.addressesIPv6(v.lab.Internet(), *lb.LoadBalancers[0].DNSName); len(got) != 3 || lb.LoadBalancers[0].IpAddressType != elbtypes.IpAddressTypeDualstack {
		t.Errorf("the load balancer is %s, AAAA %v", lb.LoadBalancers[0].IpAddressType, got)
	}

	t.Run("records", func(t *testing.T) {
		for _, c := range []struct {
			kind                       ec2types.DnsRecordIpType
			v4, v6, private4, private6 int
		}{
			{ec2types.DnsRecordIpTypeIpv4, 3, 0, 3, 0},
			{ec2types.DnsRecordIpTypeIpv6, 0, 3, 0, 3},
			{ec2types.DnsRecordIpTypeServiceDefined, 3, 3, 3, 0},
			{ec2types.DnsRecordIpTypeDualstack, 3, 3, 3, 3},
		} {
			v.modifyEndpoint(ec2.ModifyVpcEndpointInput{DnsOptions: &ec2types.DnsOptionsSpecification{DnsRecordIpType: c.kind}})
			got := [4]int{
				len(v.addresses(from, v.regional())), len(v.addressesIPv6(from, v.regional())),
				len(v.addresses(from, plPrivateName)), len(v.addressesIPv6(from, plPrivateName)),
			}
			if want := [4]int{c.v4, c.v6, c.private4, c.private6}; got != want {
				t.Errorf("%s: %v records, want %v", c.kind, got, want)
			}
		}
	})
	t.Run("security group", func(t *testing.T) {
		rules, err := v.consumer.EC2.DescribeSecurityGroups(v.ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{v.endGroup}})
		v.must("describe the group", err)
		for _, p := range rules.SecurityGroups[0].IpPermissions {
			if len(p.Ipv6Ranges) > 0 {
				p.IpRanges = nil
				_, err := v.consumer.EC2.RevokeSecurityGroupIngress(v.ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: &v.endGroup, IpPermissions: []ec2types.IpPermission{p}})
				v.must("revoke", err)
			}
		}
		if got := v.connectBriefly(from, at[z], 80); got != "silence" {
			t.Errorf("IPv6: %s, want silence", got)
		}
		if got := v.connect(from, v.interfaces()[z], 80); got != "open" {
			t.Errorf("IPv4: %s, want open", got)
		}
		_, err = v.consumer.EC2.AuthorizeSecurityGroupIngress(v.ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &v.endGroup, IpPermissions: []ec2types.IpPermission{{
			IpProtocol: aws.String("tcp"), FromPort: aws.Int32(80), ToPort: aws.Int32(80), Ipv6Ranges: []ec2types.Ipv6Range{{CidrIpv6: aws.String("::/0")}},
		}}})
		v.must("admit IPv6", err)
		if got := v.connect(from, at[z], 80); got != "open" {
			t.Errorf("IPv6 admitted: %s, want open", got)
		}
	})
	t.Run("back to IPv4", func(t *testing.T) {
		set := func(kind elbtypes.IpAddressType) {
			_, err := v.provider.ELB.SetIpAddressType(v.ctx, &elb.SetIpAddressTypeInput{LoadBalancerArn: &v.nlb, IpAddressType: kind})
			v.must("set the load balancer's type", err)
		}
		set(elbtypes.IpAddressTypeIpv4)
		if got := v.connectBriefly(from, at[z], 80); got != "silence" {
			t.Errorf("IPv6 to an IPv4 load balancer: %s, want silence", got)
		}
		set(elbtypes.IpAddressTypeDualstack)
		if got := v.connect(from, at[z], 80); got != "open" {
			t.Errorf("IPv6 to a dualstack load balancer: %s, want open", got)
		}
		v.modifyEndpoint(ec2.ModifyVpcEndpointInput{IpAddressType: ec2types.IpAddressTypeIpv4})
		if got := v.interfacesIPv6(); len(got) != 0 {
			t.Errorf("interfaces with IPv6: %v", got)
		}
		if got := v.addressesIPv6(from, v.regional()); len(got) != 0 {
			t.Errorf("AAAA: %v", got)
		}
		if got := v.connect(from, v.interfaces()[z], 80); got != "open" {
			t.Errorf("IPv4: %s, want open", got)
		}
	})
}

func TestIPv6Blocks(t *testing.T) {
	t.Parallel()
	b := newBasics(t, nil)
	made := ok[*ec2.CreateVpcOutput](b)(b.ec2.CreateVpc(b.ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16"), AmazonProvidedIpv6CidrBlock: aws.Bool(true)})).Vpc
	block := made.Ipv6CidrBlockAssociationSet[0]
	prefix := netip.MustParsePrefix(*block.Ipv6CidrBlock)
	equal(b, "bits of the VPC's block", prefix.Bits(), 56)
	first := netip.PrefixFrom(prefix.Addr(), 64).String()
	subnet := func(cidr, cidr6 string) (*ec2.CreateSubnetOutput, error) {
		in := &ec2.CreateSubnetInput{VpcId: made.VpcId, CidrBlock: &cidr, AvailabilityZoneId: aws.String(zoneID(1))}
		if cidr6 != "" {
			in.Ipv6CidrBlock = &cidr6
		}
		return b.ec2.CreateSubnet(b.ctx, in)
	}
	refused[*ec2.CreateSubnetOutput](b, "InvalidParameterValue", "")(subnet("10.0.1.0/24", "10.0.0.0/24"))
	refused[*ec2.CreateSubnetOutput](b, "InvalidSubnet.Range", "")(subnet("10.0.1.0/24", prefix.String()))
	refused[*ec2.CreateSubnetOutput](b, "InvalidSubnet.Range", "")(subnet("10.0.1.0/24", "2600:1::/64"))
	s := ok[*ec2.CreateSubnetOutput](b)(subnet("10.0.1.0/24", first)).Subnet
	equal(b, "subnet's block", *s.Ipv6CidrBlockAssociationSet[0].Ipv6CidrBlock, first)
	refused[*ec2.CreateSubnetOutput](b, "InvalidSubnet.Conflict", "")(subnet("10.0.2.0/24", first))
	plain := ok[*ec2.CreateSubnetOutput](b)(subnet("10.0.2.0/24", "")).Subnet
	found := ok[*ec2.DescribeSubnetsOutput](b)(b.ec2.DescribeSubnets(b.ctx, &ec2.DescribeSubnetsInput{Filters: []ec2types.Filter{
		{Name: aws.String("ipv6-cidr-block-association.ipv6-cidr-block"), Values: []string{first}},
	}})).Subnets
	if len(found) != 1 || *found[0].SubnetId != *s.SubnetId {
		t.Errorf("by IPv6 block: %+v", found)
	}

	refused[*ec2.AssociateVpcCidrBlockOutput](b, "CidrLimitExceeded", "")(b.ec2.AssociateVpcCidrBlock(b.ctx, &ec2.AssociateVpcCidrBlockInput{VpcId: made.VpcId, AmazonProvidedIpv6CidrBlock: aws.Bool(true)}))
	refused[*ec2.DisassociateVpcCidrBlockOutput](b, "InvalidCidrBlock.InUse", "")(b.ec2.DisassociateVpcCidrBlock(b.ctx, &ec2.DisassociateVpcCidrBlockInput{AssociationId: block.AssociationId}))
	refused[*ec2.AssociateSubnetCidrBlockOutput](b, "InvalidSubnet.Conflict", "")(b.ec2.AssociateSubnetCidrBlock(b.ctx, &ec2.AssociateSubnetCidrBlockInput{SubnetId: plain.SubnetId, Ipv6CidrBlock: &first}))

	// A load balancer needs a block in each of its subnets, and keeps it there.
	lb := b.balancer("both", *s.SubnetId)
	set := func(t elbtypes.IpAddressType) (*elb.SetIpAddressTypeOutput, error) {
		return b.elb.SetIpAddressType(b.ctx, &elb.SetIpAddressTypeInput{LoadBalancerArn: lb.LoadBalancerArn, IpAddressType: t})
	}
	equal(b, "type", ok[*elb.SetIpAddressTypeOutput](b)(set(elbtypes.IpAddressTypeDualstack)).IpAddressType, elbtypes.IpAddressTypeDualstack)
	id := s.Ipv6CidrBlockAssociationSet[0].AssociationId
	refused[*ec2.DisassociateSubnetCidrBlockOutput](b, "InvalidCidrBlock.InUse", "")(b.ec2.DisassociateSubnetCidrBlock(b.ctx, &ec2.DisassociateSubnetCidrBlockInput{AssociationId: id}))
	ok[*elb.SetIpAddressTypeOutput](b)(set(elbtypes.IpAddressTypeIpv4))
	ok[*ec2.DisassociateSubnetCidrBlockOutput](b)(b.ec2.DisassociateSubnetCidrBlock(b.ctx, &ec2.DisassociateSubnetCidrBlockInput{AssociationId: id}))
	refused[*elb.SetIpAddressTypeOutput](b, "InvalidConfigurationRequest", "")(set(elbtypes.IpAddressTypeDualstack))
	ok[*ec2.DisassociateVpcCidrBlockOutput](b)(b.ec2.DisassociateVpcCidrBlock(b.ctx, &ec2.DisassociateVpcCidrBlockInput{AssociationId: block.AssociationId}))
	refused[*ec2.DisassociateVpcCidrBlockOutput](b, "InvalidVpcCidrBlockAssociationID.NotFound", "")(b.ec2.DisassociateVpcCidrBlock(b.ctx, &ec2.DisassociateVpcCidrBlockInput{AssociationId: block.AssociationId}))
	again := ok[*ec2.AssociateVpcCidrBlockOutput](b)(b.ec2.AssociateVpcCidrBlock(b.ctx, &ec2.AssociateVpcCidrBlockInput{VpcId: made.VpcId, AmazonProvidedIpv6CidrBlock: aws.Bool(true)}))
	if *again.Ipv6CidrBlockAssociation.AssociationId == *block.AssociationId {
		t.Error("a new association has the old id")
	}
}

func TestDualstackEndpointRefused(t *testing.T) {
	t.Parallel()
	v := newLive(t, liveOptions{})
	v.reshape("dualstack")
	refuse := func(what, text string, in ec2.ModifyVpcEndpointInput) {
		t.Helper()
		in.VpcEndpointId = v.endpoint.VpcEndpointId
		_, err := v.consumer.EC2.ModifyVpcEndpoint(v.ctx, &in)
		var api smithy.APIError
		if !errors.As(err, &api) || api.ErrorCode() != "InvalidParameter" || !strings.Contains(api.ErrorMessage(), text) {
			t.Errorf("%s: got %v, want InvalidParameter with %q", what, err, text)
		}
	}
	refuse("IPv6 alone", "IPv6-only", ec2.ModifyVpcEndpointInput{IpAddressType: ec2types.IpAddressTypeIpv6})
	_, err := v.provider.EC2.ModifyVpcEndpointServiceConfiguration(v.ctx, &ec2.ModifyVpcEndpointServiceConfigurationInput{
		ServiceId: v.service.ServiceId, RemoveSupportedIpAddressTypes: []string{"ipv6"},
	})
	v.must("support IPv4 only", err)
	v.modifyEndpoint(ec2.ModifyVpcEndpointInput{RemoveSubnetIds: []string{v.front[v.zones[0]]}}) // another matter
	refuse("no longer supported", "does not support", ec2.ModifyVpcEndpointInput{IpAddressType: ec2types.IpAddressTypeDualstack})
	v.modifyEndpoint(ec2.ModifyVpcEndpointInput{IpAddressType: ec2types.IpAddressTypeIpv4})
	refuse("records of another type", "not compatible", ec2.ModifyVpcEndpointInput{DnsOptions: &ec2types.DnsOptionsSpecification{DnsRecordIpType: ec2types.DnsRecordIpTypeDualstack}})
}
