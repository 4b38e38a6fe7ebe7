package lab

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	r53types "github.com/aws/aws-sdk-go-v2/service/route53/types"
)

// txtPlaceFaults: the domain verification record stands where AWS does not look, or in a zone that
// public DNS does not lead to.
func txtPlaceFaults() []Fault {
	txt := func(name, text string, set func(b *breaker, ctx context.Context) error, excludes ...string) Fault {
		return Fault{Name: name, Text: text, Excludes: append([]string{"txt"}, excludes...), set: set}
	}
	return []Fault{
		txt("txt-doubled-name", "the TXT record's name has the domain at its end twice", moved(func(name, zone string) string { return name + zone })),
		txt("txt-below-the-name", "the TXT record stands below the private DNS name instead of at it", moved(func(name, _ string) string {
			label, domain, _ := strings.Cut(name, ".")
			return label + ".www." + domain
		})),
		txt("txt-underscore-dropped", "the DNS host dropped the underscore of the TXT record's name", moved(func(name, _ string) string { return strings.TrimPrefix(name, "_") })),
		txt("txt-cname", "a CNAME stands at the TXT record's name", (*breaker).txtCNAME),
		txt("txt-private-zone", "the TXT record stands in a private hosted zone only", (*breaker).txtPrivateZone),
		txt("zone-not-delegated", "the TXT record stands in a zone of its own that the parent zone does not delegate", (*breaker).zoneNotDelegated),
		txt("zone-delegated-elsewhere", "the TXT record stands in one of two zones of the same name, and the domain's registration names the other's servers", (*breaker).zoneDelegatedElsewhere, "domain"),
		txt("domain-not-delegated", "the domain's registration names no name servers any more", (*breaker).domainNotDelegated, "domain"),
		txt("domain-lame", "the domain's registration names servers that don't have the zone", (*breaker).domainLame, "domain"),
	}
}

// moved puts the record at another name of its zone. Names end in a dot.
func moved(to func(name, zone string) string) func(b *breaker, ctx context.Context) error {
	return func(b *breaker, ctx context.Context) error {
		zone, set, err := b.txtRecord(ctx)
		if err != nil {
			return err
		}
		z, err := b.sides.Provider.Route53.GetHostedZone(ctx, &route53.GetHostedZoneInput{Id: &zone})
		if err != nil {
			return err
		}
		next := *set
		next.Name = aws.String(to(*set.Name, *z.HostedZone.Name))
		if err := b.change(ctx, zone, changed(r53types.ChangeActionDelete, set), changed(r53types.ChangeActionCreate, &next)); err != nil {
			return err
		}
		return b.reverify(ctx)
	}
}

func (b *breaker) txtCNAME(ctx context.Context) error {
	zone, set, err := b.txtRecord(ctx)
	if err != nil {
		return err
	}
	if err := b.change(ctx, zone, changed(r53types.ChangeActionDelete, set),
		changed(r53types.ChangeActionCreate, records(r53types.RRTypeCname, *set.Name, "charts.example.net"))); err != nil {
		return err
	}
	return b.reverify(ctx)
}

// newZone makes a hosted zone of the provider, private in a VPC if one is given, and moves the record
// there.
func (b *breaker) newZone(ctx context.Context, name string, vpc *r53types.VPC) error {
	zone, set, err := b.txtRecord(ctx)
	if err != nil {
		return err
	}
	made, err := b.sides.Provider.Route53.CreateHostedZone(ctx, &route53.CreateHostedZoneInput{
		Name: &name, CallerReference: aws.String("another-" + name + b.link.Provider.ServiceID), VPC: vpc,
	})
	if err != nil {
		return err
	}
	if err := b.change(ctx, *made.HostedZone.Id, changed(r53types.ChangeActionCreate, set)); err != nil {
		return err
	}
	if err := b.change(ctx, zone, changed(r53types.ChangeActionDelete, set)); err != nil {
		return err
	}
	return b.reverify(ctx)
}

func (b *breaker) txtPrivateZone(ctx context.Context) error {
	domain, err := b.domain()
	if err != nil {
		return err
	}
	lbs, err := b.sides.Provider.ELB.DescribeLoadBalancers(ctx, &elb.DescribeLoadBalancersInput{})
	if err != nil {
		return err
	}
	return b.newZone(ctx, domain, &r53types.VPC{VPCId: lbs.LoadBalancers[0].VpcId, VPCRegion: r53types.VPCRegion(b.link.ProviderRegion())})
}

func (b *breaker) zoneNotDelegated(ctx context.Context) error {
	_, below, _ := strings.Cut(strings.TrimPrefix(b.link.PrivateDNSName, "*."), ".")
	return b.newZone(ctx, below, nil)
}

func (b *breaker) zoneDelegatedElsewhere(ctx context.Context) error {
	domain, err := b.domain()
	if err != nil {
		return err
	}
	return b.newZone(ctx, domain, nil)
}

// domain is the provider's public domain.
func (b *breaker) domain() (string, error) {
	for _, a := range b.lab.opts.Accounts {
		if a.ID == b.link.Provider.Account && a.Domain != "" {
			return a.Domain, nil
		}
	}
	return "", fmt.Errorf("account %s has no domain", b.link.Provider.Account)
}

func (b *breaker) domainNotDelegated(ctx context.Context) error {
	domain, err := b.domain()
	if err != nil {
		return err
	}
	b.lab.Delegate(domain, nil)
	return b.reverify(ctx)
}

func (b *breaker) domainLame(ctx context.Context) error {
	domain, err := b.domain()
	if err != nil {
		return err
	}
	b.lab.Delegate(domain, b.lab.plane.delegationSet())
	return b.reverify(ctx)
}
