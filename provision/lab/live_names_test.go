package lab_test

import (
	"context"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	r53types "github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/miekg/dns"
	"golang.org/x/net/proxy"

	"github.com/linkassay/linkassay/provision/lab"
)

// chain writes an answer as "name CNAME target, name A address, …".
func chain(m *dns.Msg) []string {
	var out []string
	for _, rr := range m.Answer {
		switch r := rr.(type) {
		case *dns.CNAME:
			out = append(out, r.Hdr.Name+" CNAME "+r.Target)
		case *dns.A:
			out = append(out, r.Hdr.Name+" A")
		default:
			out = append(out, rr.String())
		}
	}
	return out
}

func TestPrivateDNSName(t *testing.T) {
	t.Parallel()
	v := newLive(t, liveOptions{})
	from := v.vantage(v.zones[0])
	if m := v.ask(from, "udp", plPrivateName, dns.TypeA); m.Rcode != dns.RcodeNameError {
		t.Errorf("before: %s, want NXDOMAIN", dns.RcodeToString[m.Rcode])
	}
	v.enablePrivateDNS(plPrivateName)
	v.until("the private name answers", func() bool { return len(v.addresses(from, plPrivateName)) == 3 })
	for _, network := range []string{"udp", "tcp"} {
		m := v.ask(from, network, plPrivateName, dns.TypeA)
		regional := dns.Fqdn(v.regional())
		want := []string{dns.Fqdn(plPrivateName) + " CNAME " + regional, regional + " A", regional + " A", regional + " A"}
		if got := chain(m); !slices.Equal(got, want) {
			t.Errorf("over %s: %v, want %v", network, got, want)
		}
	}
	if got, want := v.addresses(from, plPrivateName), v.addresses(from, v.regional()); !slices.Equal(got, want) {
		t.Errorf("private name %v, regional name %v", got, want)
	}
	// Nobody else knows it.
	if m := v.ask(v.lab.Internet(), "udp", plPrivateName, dns.TypeA); len(m.Answer) > 0 {
		t.Errorf("in the internet: %s %v", dns.RcodeToString[m.Rcode], m.Answer)
	}
	if got := v.addresses(v.lab.Internet(), v.regional()); len(got) != 3 {
		t.Errorf("regional name in the internet: %v", got)
	}
	for _, e := range v.endpoint.DnsEntries[1:4] {
		if got := v.addresses(v.lab.Internet(), *e.DnsName); len(got) != 1 {
			t.Errorf("zonal name %s in the internet: %v", *e.DnsName, got)
		}
	}

	// A private hosted zone of the same name stands before it.
	zone, err := v.consumer.Route53.CreateHostedZone(v.ctx, &route53.CreateHostedZoneInput{
		Name: aws.String(plPrivateName), CallerReference: aws.String("shadow"),
		VPC: &r53types.VPC{VPCId: &v.frontVPC, VPCRegion: liveRegion},
	})
	v.must("create a private zone", err)
	_, err = v.consumer.Route53.ChangeResourceRecordSets(v.ctx, &route53.ChangeResourceRecordSetsInput{
		HostedZoneId: zone.HostedZone.Id, ChangeBatch: &r53types.ChangeBatch{Changes: []r53types.Change{{
			Action: r53types.ChangeActionCreate, ResourceRecordSet: &r53types.ResourceRecordSet{
				Name: aws.String(plPrivateName), Type: r53types.RRTypeA, TTL: aws.Int64(60),
				ResourceRecords: []r53types.ResourceRecord{{Value: aws.String("10.0.255.200")}},
			},
		}}},
	})
	v.must("add a record", err)
	v.until("the private zone shadows the name", func() bool {
		return slices.Equal(v.addresses(from, plPrivateName), []netip.Addr{netip.MustParseAddr("10.0.255.200")})
	})
	// Its other names do not exist, although the internet might know them.
	if m := v.ask(from, "udp", "x."+plPrivateName, dns.TypeA); m.Rcode != dns.RcodeNameError {
		t.Errorf("another name of the private zone: %s", dns.RcodeToString[m.Rcode])
	}

	// Without DNS support the resolver is silent.
	_, err = v.consumer.EC2.ModifyVpcAttribute(v.ctx, &ec2.ModifyVpcAttributeInput{VpcId: &v.frontVPC, EnableDnsSupport: &ec2types.AttributeBooleanValue{Value: aws.Bool(false)}})
	v.must("disable DNS support", err)
	ctx, cancel := context.WithTimeout(v.ctx, liveSilence)
	defer cancel()
	if c, err := from.DialContext(ctx, "tcp", from.Resolvers()[0].String()); err == nil {
		c.Close()
		t.Error("the resolver answers without DNS support")
	}
}

func TestWildcardPrivateName(t *testing.T) {
	t.Parallel()
	v := newLive(t, liveOptions{noHealth: true})
	const name = "*.svc.chartsinvestor.com"
	v.enablePrivateDNS(name)
	from := v.vantage(v.zones[0])
	v.until("names below the wildcard answer", func() bool { return len(v.addresses(from, "a.svc.chartsinvestor.com")) == 3 })
	m := v.ask(from, "udp", "a.svc.chartsinvestor.com", dns.TypeA)
	if got := chain(m); got[0] != "a.svc.chartsinvestor.com. CNAME "+dns.Fqdn(v.regional()) {
		t.Errorf("answer %v", got)
	}
}

func TestVerification(t *testing.T) {
	t.Parallel()
	v := newLive(t, liveOptions{noHealth: true, noAccept: true})
	c := v.privateName(plPrivateName)
	label, value := *c.Name, *c.Value
	v.verify(ec2types.DnsNameStateFailed) // no record

	owner := label + ".chartsinvestor.com" // a parent of the private name
	v.txt(r53types.ChangeActionCreate, owner, strings.ToLower(value))
	v.verify(ec2types.DnsNameStateFailed) // the value's case counts
	v.txt(r53types.ChangeActionUpsert, owner, "other", value)
	v.verify(ec2types.DnsNameStateVerified)

	// What the name servers say counts, not what Route 53 has.
	v.lab.OverrideTXT("", owner, []string{"vpce:AAAAAAAAAAAAAAAAAAAA"})
	v.verify(ec2types.DnsNameStateFailed)
	v.lab.OverrideTXT("", owner, []string{})
	v.verify(ec2types.DnsNameStateFailed)
	v.lab.OverrideTXT("", owner, nil)
	v.verify(ec2types.DnsNameStateVerified)

	// The value at the domain itself does too.
	v.txt(r53types.ChangeActionDelete, owner, "other", value)
	v.verify(ec2types.DnsNameStateFailed)
	v.txt(r53types.ChangeActionCreate, plPrivateName, value)
	v.verify(ec2types.DnsNameStateVerified)
}

func TestReverificationDemotes(t *testing.T) {
	t.Parallel()
	timing := liveTiming()
	timing.Reverification = 20 * 1e6 // 20 ms
	v := startLive(t, lab.Options{Timing: timing})
	v.build(liveOptions{noHealth: true, noAccept: true})
	c := v.privateName(plPrivateName)
	owner := *c.Name + "." + plPrivateName
	v.txt(r53types.ChangeActionCreate, owner, *c.Value)
	is := func(s ec2types.DnsNameState) func() bool { return func() bool { return v.verification().State == s } }
	v.until("AWS verifies by itself", is(ec2types.DnsNameStateVerified))
	v.txt(r53types.ChangeActionDelete, owner, *c.Value)
	v.until("AWS notices that the record is gone", is(ec2types.DnsNameStateFailed))
}

func TestLyingResolver(t *testing.T) {
	t.Parallel()
	v := newLive(t, liveOptions{})
	from := v.vantage(v.zones[0])
	honest := v.addresses(from, v.regional())
	lie := []netip.Addr{netip.MustParseAddr("10.9.9.9")}
	v.must("lie", v.lab.ResolverAnswers(v.frontVPC, v.regional(), lie))
	if got := v.addresses(from, v.regional()); !slices.Equal(got, lie) {
		t.Errorf("lying: %v", got)
	}
	v.must("be empty", v.lab.ResolverEmpty(v.frontVPC, v.regional()))
	if m := v.ask(from, "udp", v.regional(), dns.TypeA); m.Rcode != dns.RcodeSuccess || len(m.Answer) != 0 {
		t.Errorf("empty: %s %v", dns.RcodeToString[m.Rcode], m.Answer)
	}
	v.must("be honest", v.lab.ResolverAnswers(v.frontVPC, v.regional(), nil))
	if got := v.addresses(from, v.regional()); !slices.Equal(got, honest) {
		t.Errorf("honest again: %v, want %v", got, honest)
	}
}

func TestPublicAliasRecord(t *testing.T) {
	t.Parallel()
	v := newLive(t, liveOptions{})
	zones, err := v.provider.Route53.ListHostedZones(v.ctx, &route53.ListHostedZonesInput{})
	v.must("list zones", err)
	entry := v.endpoint.DnsEntries[0]
	out, err := v.provider.Route53.ChangeResourceRecordSets(v.ctx, &route53.ChangeResourceRecordSetsInput{
		HostedZoneId: zones.HostedZones[0].Id, ChangeBatch: &r53types.ChangeBatch{Changes: []r53types.Change{
			{Action: r53types.ChangeActionCreate, ResourceRecordSet: &r53types.ResourceRecordSet{
				Name: aws.String("alias.chartsinvestor.com"), Type: r53types.RRTypeA,
				AliasTarget: &r53types.AliasTarget{DNSName: entry.DnsName, HostedZoneId: entry.HostedZoneId},
			}},
			{Action: r53types.ChangeActionCreate, ResourceRecordSet: &r53types.ResourceRecordSet{
				Name: aws.String("*.wild.chartsinvestor.com"), Type: r53types.RRTypeCname, TTL: aws.Int64(60),
				ResourceRecords: []r53types.ResourceRecord{{Value: aws.String("alias.chartsinvestor.com")}},
			}},
		}},
	})
	v.must("change records", err)
	v.until("the change is in sync", func() bool {
		got, err := v.provider.Route53.GetChange(v.ctx, &route53.GetChangeInput{Id: out.ChangeInfo.Id})
		v.must("get change", err)
		return got.ChangeInfo.Status == r53types.ChangeStatusInsync
	})
	for _, name := range []string{"alias.chartsinvestor.com", "any.wild.chartsinvestor.com"} {
		if got := v.addresses(v.lab.Internet(), name); len(got) != 3 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestSOCKS(t *testing.T) {
	t.Parallel()
	v := startLive(t, lab.Options{})
	find := func(zone string) lab.SOCKSListener {
		for _, s := range v.lab.SOCKS() {
			if s.Zone == zone {
				return s
			}
		}
		t.Fatalf("no SOCKS listener for %s among %v", zone, v.lab.SOCKS())
		return lab.SOCKSListener{}
	}
	if got := len(v.lab.SOCKS()); got != 4 {
		t.Fatalf("%d SOCKS listeners, want one for each of 3 zones and the internet", got)
	}
	z := v.zones[0]
	through := func(zone, address string) (net.Conn, error) {
		d, err := proxy.SOCKS5("tcp", find(zone).Addr, nil, proxy.Direct)
		v.must("SOCKS5", err)
		return d.Dial("tcp", address)
	}
	if _, err := through(z, "10.0.0.1:80"); err == nil || !strings.Contains(err.Error(), "network unreachable") {
		t.Errorf("without a subnet: %v, want network unreachable", err)
	}
	v.build(liveOptions{})
	v.enablePrivateDNS(plPrivateName)
	if got := find(z); got.SubnetID != v.front[z] || got.Account != "222222222222" {
		t.Errorf("listener of %s: %+v", z, got)
	}
	for _, name := range []string{plPrivateName, v.regional()} {
		v.until(name+" answers over SOCKS", func() bool {
			c, err := through(z, name+":80")
			if err != nil {
				return false
			}
			defer c.Close()
			_, err = io.WriteString(c, "GET / HTTP/1.0\r\nHost: x\r\n\r\n")
			v.must("ask", err)
			body, err := io.ReadAll(c)
			return err == nil && strings.Contains(string(body), "linkassay target")
		})
	}
	if c, err := through(lab.Internet, plPrivateName+":80"); err == nil {
		c.Close()
		t.Error("the private name answers in the internet")
	}
	// A further subnet gets a listener of its own.
	s, err := v.consumer.EC2.CreateSubnet(v.ctx, &ec2.CreateSubnetInput{VpcId: &v.frontVPC, CidrBlock: aws.String("10.0.9.0/24"), AvailabilityZoneId: &z})
	v.must("create a subnet", err)
	has := func() bool {
		return slices.ContainsFunc(v.lab.SOCKS(), func(l lab.SOCKSListener) bool { return l.SubnetID == *s.Subnet.SubnetId && l.Zone == z })
	}
	if !has() {
		t.Errorf("no listener for the further subnet: %v", v.lab.SOCKS())
	}
	_, err = v.consumer.EC2.DeleteSubnet(v.ctx, &ec2.DeleteSubnetInput{SubnetId: s.Subnet.SubnetId})
	v.must("delete the subnet", err)
	if has() {
		t.Error("the deleted subnet has a listener")
	}
}
