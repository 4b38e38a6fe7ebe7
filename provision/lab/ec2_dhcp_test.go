package lab_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/miekg/dns"
)

func dhcpServers(values ...string) *ec2.CreateDhcpOptionsInput {
	return &ec2.CreateDhcpOptionsInput{DhcpConfigurations: []ec2types.NewDhcpConfiguration{{Key: aws.String("domain-name-servers"), Values: values}}}
}

// A VPC's clients ask the servers of its DHCP options; others than the VPC's own don't know its private
// names.
func TestDHCPOptions(t *testing.T) {
	t.Parallel()
	v := newLive(t, liveOptions{})
	from := v.vantage(v.zones[0])
	v.enablePrivateDNS(plPrivateName)
	v.until("the private name answers", func() bool { return len(v.addresses(from, plPrivateName)) == 3 })
	c := v.consumer.EC2

	made, err := c.CreateDhcpOptions(v.ctx, dhcpServers("10.0.0.77", "192.0.2.53"))
	v.must("create", err)
	id := made.DhcpOptions.DhcpOptionsId
	if cfg := made.DhcpOptions.DhcpConfigurations; len(cfg) != 1 || len(cfg[0].Values) != 2 || *cfg[0].Values[1].Value != "192.0.2.53" {
		t.Errorf("made %+v", cfg)
	}
	_, err = c.AssociateDhcpOptions(v.ctx, &ec2.AssociateDhcpOptionsInput{DhcpOptionsId: id, VpcId: &v.frontVPC})
	v.must("associate", err)
	vpcs, err := c.DescribeVpcs(v.ctx, &ec2.DescribeVpcsInput{VpcIds: []string{v.frontVPC}})
	v.must("describe", err)
	if *vpcs.Vpcs[0].DhcpOptionsId != *id {
		t.Errorf("the VPC has %s, want %s", *vpcs.Vpcs[0].DhcpOptionsId, *id)
	}
	if got := from.Resolvers(); !slices.Equal(got, []netip.AddrPort{netip.MustParseAddrPort("10.0.0.77:53"), netip.MustParseAddrPort("192.0.2.53:53")}) {
		t.Fatalf("resolvers %v", got)
	}
	if m := v.ask(from, "udp", plPrivateName, dns.TypeA); len(m.Answer) > 0 {
		t.Errorf("the custom server answers %s %v", dns.RcodeToString[m.Rcode], m.Answer)
	}
	if got := v.addresses(from, v.regional()); len(got) != 3 {
		t.Errorf("public names: %v", got)
	}

	_, err = c.DeleteDhcpOptions(v.ctx, &ec2.DeleteDhcpOptionsInput{DhcpOptionsId: id})
	wantCode(t, err, "DependencyViolation", "has dependencies")
	amazon, err := c.CreateDhcpOptions(v.ctx, dhcpServers("AmazonProvidedDNS"))
	v.must("create", err)
	_, err = c.AssociateDhcpOptions(v.ctx, &ec2.AssociateDhcpOptionsInput{DhcpOptionsId: amazon.DhcpOptions.DhcpOptionsId, VpcId: &v.frontVPC})
	v.must("associate", err)
	if got := v.addresses(from, plPrivateName); len(got) != 3 {
		t.Errorf("back at the VPC's resolver: %v", got)
	}
	_, err = c.DeleteDhcpOptions(v.ctx, &ec2.DeleteDhcpOptionsInput{DhcpOptionsId: id})
	v.must("delete", err)

	_, err = c.AssociateDhcpOptions(v.ctx, &ec2.AssociateDhcpOptionsInput{DhcpOptionsId: id, VpcId: &v.frontVPC})
	wantCode(t, err, "InvalidDhcpOptionID.NotFound", "does not exist")
	_, err = c.CreateDhcpOptions(v.ctx, dhcpServers("ns.example.com"))
	wantCode(t, err, "InvalidParameterValue", "not a valid IP address")
	_, err = c.CreateDhcpOptions(v.ctx, &ec2.CreateDhcpOptionsInput{DhcpConfigurations: []ec2types.NewDhcpConfiguration{{Key: aws.String("dns"), Values: []string{"x"}}}})
	wantCode(t, err, "InvalidParameterValue", "Unknown DHCP option")
}

func TestResolverFaults(t *testing.T) {
	t.Parallel()
	v := newLive(t, liveOptions{})
	from := v.vantage(v.zones[0])
	name := v.regional()
	v.must("deny", v.lab.ResolverDenies(v.frontVPC, name, "example.com", 77))
	if m := v.ask(from, "udp", name, dns.TypeA); m.Rcode != dns.RcodeNameError || len(m.Ns) != 1 || m.Ns[0].Header().Ttl != 77 {
		t.Errorf("denied: %v", m)
	}
	v.must("tell the truth", v.lab.ResolverAnswers(v.frontVPC, name, nil))
	v.must("strip", v.lab.ResolverStrips(v.frontVPC, true))
	if got := v.addresses(from, name); len(got) != 0 {
		t.Errorf("stripped: %v", got)
	}
	v.must("strip no more", v.lab.ResolverStrips(v.frontVPC, false))
	if got := v.addresses(from, name); len(got) != 3 {
		t.Errorf("honest: %v", got)
	}
}
