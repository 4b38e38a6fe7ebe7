package lab

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/linkassay/linkassay/provision"
)

// officeResolver is a DNS server outside of every VPC.
const officeResolver = "192.168.53.53"

// resolverFaults: the consumer's VPC is asked for the names, and what comes back is not the truth.
func resolverFaults() []Fault {
	resolver := func(name, text string, set func(b *breaker, ctx context.Context, vpc string) error, excludes ...string) Fault {
		return Fault{
			Name: name, Text: text, Excludes: append([]string{"resolver", "private-name", "endpoint"}, excludes...),
			set: func(b *breaker, ctx context.Context) error {
				vpc, err := b.vpcID(ctx)
				if err != nil {
					return err
				}
				return set(b, ctx, vpc)
			},
		}
	}
	return []Fault{
		resolver("resolver-silent", "the VPC's resolver does not answer", func(b *breaker, _ context.Context, vpc string) error {
			return b.lab.ResolverSilent(vpc, true)
		}, "zone"),
		resolver("resolver-nxdomain", "the VPC's resolver says that there is no such name", func(b *breaker, _ context.Context, vpc string) error {
			return b.lab.ResolverDenies(vpc, b.link.PrivateDNSName, "", 0)
		}),
		resolver("resolver-empty", "the VPC's resolver gives the private DNS name no address", func(b *breaker, _ context.Context, vpc string) error {
			return b.lab.ResolverEmpty(vpc, b.link.PrivateDNSName)
		}),
		resolver("resolver-keeps-nxdomain", "the resolver has kept that there is no such name from before private DNS was enabled", func(b *breaker, _ context.Context, vpc string) error {
			domain, err := b.domain()
			if err != nil {
				return err
			}
			return b.lab.ResolverDenies(vpc, b.link.PrivateDNSName, domain, 600)
		}, "domain"), // what the domain itself answers shows that the answer is old
		resolver("resolver-public-address", "the resolver gives the address that the private DNS name has in public DNS", (*breaker).resolverPublicAddress, "txt"),
		resolver("resolver-lies", "the resolver puts a stranger's address among those of the private DNS name", func(b *breaker, ctx context.Context, vpc string) error {
			own, err := b.interfaceAddresses(ctx)
			if err != nil {
				return err
			}
			return b.lab.ResolverAnswers(vpc, b.link.PrivateDNSName, append([]netip.Addr{netip.MustParseAddr("10.99.0.9")}, own...))
		}),
		resolver("private-name-copied", "somebody's copy of the private DNS name has one of the endpoint's addresses only", func(b *breaker, ctx context.Context, vpc string) error {
			own, err := b.interfaceAddresses(ctx)
			if err != nil {
				return err
			}
			return b.lab.ResolverAnswers(vpc, b.link.PrivateDNSName, own[:1])
		}, "zone"),
		resolver("resolver-strips-private", "the resolver takes private addresses out of public names, against DNS rebinding", func(b *breaker, _ context.Context, vpc string) error {
			return b.lab.ResolverStrips(vpc, true)
		}),
		resolver("zonal-name-swapped", "a zonal name leads to another zone's interface", (*breaker).zonalNameSwapped, "zone"),
		{
			Name: "resolver-on-premises", Text: "clients that come in from the office ask its own DNS server, which does not forward to the VPC",
			Excludes: []string{"vantage", "resolver", "private-name", "endpoint"},
			File: func(l *provision.Link) {
				l.Vantages = append(l.Vantages, provision.Vantage{Name: "office", From: FromClient, Resolver: officeResolver})
			},
			set: func(b *breaker, ctx context.Context) error {
				vpc, err := b.vpcID(ctx)
				if err != nil {
					return err
				}
				return b.lab.ResolverBeyond(vpc, netip.MustParseAddr(officeResolver))
			},
		},
		{
			Name: "zone-left-out", Text: "AWS leaves a zone out of the regional name, though its targets are healthy",
			Excludes: []string{"zone", "zones", "endpoint", "resolver", "target"}, set: (*breaker).zoneLeftOut,
		},
	}
}

func (b *breaker) resolverPublicAddress(ctx context.Context, vpc string) error {
	const address = "203.0.113.80"
	if err := b.publicAddress(ctx, address); err != nil {
		return err
	}
	return b.lab.ResolverAnswers(vpc, b.link.PrivateDNSName, []netip.Addr{netip.MustParseAddr(address)})
}

// interfaceAddresses are the IPv4 addresses of the endpoint's interfaces.
func (b *breaker) interfaceAddresses(ctx context.Context) ([]netip.Addr, error) {
	interfaces, err := b.interfaces(ctx)
	var out []netip.Addr
	for _, n := range interfaces {
		if a, err := netip.ParseAddr(aws.ToString(n.PrivateIpAddress)); err == nil {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	if err == nil && len(out) == 0 {
		err = fmt.Errorf("endpoint %s has no interface with an address", b.link.Consumer.EndpointID)
	}
	return out, err
}

func (b *breaker) interfaces(ctx context.Context) ([]ec2types.NetworkInterface, error) {
	e, err := b.endpoint(ctx)
	if err != nil {
		return nil, err
	}
	out, err := b.sides.Consumer.EC2.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: e.NetworkInterfaceIds})
	if err != nil {
		return nil, err
	}
	return out.NetworkInterfaces, nil
}

func (b *breaker) zonalNameSwapped(ctx context.Context, vpc string) error {
	e, err := b.endpoint(ctx)
	if err != nil {
		return err
	}
	interfaces, err := b.interfaces(ctx)
	if err != nil {
		return err
	}
	for _, d := range e.DnsEntries {
		label, _, _ := strings.Cut(aws.ToString(d.DnsName), ".")
		own := slices.IndexFunc(interfaces, func(n ec2types.NetworkInterface) bool {
			return strings.HasSuffix(label, "-"+aws.ToString(n.AvailabilityZone))
		})
		if own < 0 || len(interfaces) < 2 {
			continue
		}
		other := netip.MustParseAddr(*interfaces[(own+1)%len(interfaces)].PrivateIpAddress)
		return b.lab.ResolverAnswers(vpc, *d.DnsName, []netip.Addr{other})
	}
	return fmt.Errorf("endpoint %s has no two zonal names", *e.VpcEndpointId)
}

func (b *breaker) zoneLeftOut(ctx context.Context) error {
	interfaces, err := b.interfaces(ctx)
	if err != nil {
		return err
	}
	subnet := *interfaces[0].SubnetId
	for _, s := range b.lab.Subnets(b.link.Consumer.Account) {
		if s.ID == subnet {
			b.lab.LeaveOutZone(s.ZoneID, true)
			return nil
		}
	}
	return fmt.Errorf("subnet %s is not known", subnet)
}
