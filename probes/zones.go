package probes

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	r53types "github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/miekg/dns"

	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/awsapi"
)

// The bounds of reading the provider's zones: an account may have thousands of zones, and a zone tens of
// thousands of records.
const (
	maxZones       = 12 // zones of which the records are read
	maxZonePages   = 3  // pages of zones, of 100 each, and of one zone's records, of 300 each
	maxZoneRecords = 32 // records kept of one zone
)

// verificationDomain is the domain whose owner a private DNS name's service has to be.
func verificationDomain(name string) string { return dns.CanonicalName(strings.TrimPrefix(name, "*.")) }

// providerZones reads what the provider's Route 53 has around the private DNS name: where the record
// was put when it is not where AWS looks.
func (r *run) providerZones(sd side, s *span, service *promise[Service]) ([]ProviderZone, error) {
	if sd.stop != nil {
		return nil, sd.stop
	}
	name := r.link.PrivateDNSName
	if name == "" {
		svc, err := service.value()
		switch {
		case err != nil:
			return nil, err
		case svc.PrivateDNSName == "":
			return nil, absent{NoPrivateDNSName}
		}
		name = svc.PrivateDNSName
	}
	domain := verificationDomain(name)
	list, err := r.zonesAround(sd, s, domain)
	if err != nil {
		return nil, err
	}
	svc, err := service.value() // the zones' names did not need it, but which records count does
	if err != nil {
		return nil, err
	}
	zones := make([]ProviderZone, len(list))
	errs := make([]error, 2*len(list))
	parallel(2*len(list), apiConcurrency, func(i int) {
		z := &zones[i/2]
		if i%2 == 0 {
			z.NameServers, errs[i] = r.delegationSet(sd, s, list[i/2])
			return
		}
		z.Records, z.Cut, errs[i] = r.zoneRecords(sd, s, aws.ToString(list[i/2].Id), domain, svc.Verification)
	})
	for i, z := range list {
		zones[i].ID = strings.TrimPrefix(aws.ToString(z.Id), "/hostedzone/")
		zones[i].Name = clean(bare(aws.ToString(z.Name)), maxName)
		zones[i].Private = z.Config != nil && z.Config.PrivateZone
	}
	for _, err := range errs {
		if err != nil && codeOf(err) != "NoSuchHostedZone" { // deleted meanwhile
			return nil, err
		}
	}
	return zones, nil
}

// zonesAround lists the zones of the account that share the name's last two labels, those at or above
// the name first, then those below it. Names are listed in the order of their reversed labels, so that
// they stand together.
func (r *run) zonesAround(sd side, s *span, domain string) ([]r53types.HostedZone, error) {
	base := domain
	for dns.CountLabel(base) > 2 {
		base = parent(base)
	}
	zones, err := call(r, s, "route53:ListHostedZonesByName", func(ctx context.Context) ([]r53types.HostedZone, error) {
		var all []r53types.HostedZone
		in := &route53.ListHostedZonesByNameInput{DNSName: aws.String(bare(base))}
		for range maxZonePages {
			out, err := sd.Route53.ListHostedZonesByName(ctx, in)
			if err != nil {
				return nil, err
			}
			for _, z := range out.HostedZones {
				if !dns.IsSubDomain(base, dns.CanonicalName(aws.ToString(z.Name))) {
					return all, nil
				}
				all = append(all, z)
			}
			if !out.IsTruncated {
				break
			}
			in.DNSName, in.HostedZoneId = out.NextDNSName, out.NextHostedZoneId
		}
		return all, nil
	})
	if err != nil {
		return nil, err
	}
	rank := func(z r53types.HostedZone) int {
		switch name := dns.CanonicalName(aws.ToString(z.Name)); {
		case dns.IsSubDomain(name, domain):
			return 0
		case dns.IsSubDomain(domain, name):
			return 1
		}
		return 2
	}
	slices.SortFunc(zones, func(a, b r53types.HostedZone) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(aws.ToString(a.Name), aws.ToString(b.Name)), cmp.Compare(aws.ToString(a.Id), aws.ToString(b.Id)))
	})
	return zones[:min(len(zones), maxZones)], nil
}

func (r *run) delegationSet(sd side, s *span, z r53types.HostedZone) ([]string, error) {
	if z.Config != nil && z.Config.PrivateZone {
		return nil, nil // what stands in its NS records leads nowhere
	}
	out, err := call(r, s, "route53:GetHostedZone", func(ctx context.Context) (*route53.GetHostedZoneOutput, error) {
		return sd.Route53.GetHostedZone(ctx, &route53.GetHostedZoneInput{Id: z.Id})
	})
	if err != nil || out.DelegationSet == nil {
		return nil, err
	}
	var servers []string
	for _, ns := range out.DelegationSet.NameServers {
		servers = append(servers, clean(bare(dns.CanonicalName(ns)), maxName))
	}
	slices.Sort(servers)
	return servers, nil
}

// zoneRecords reads a zone's records, and keeps those that may have to do with the verification: texts
// that look like a value, and whatever has the label.
func (r *run) zoneRecords(sd side, s *span, id, domain string, v *Verification) (kept []ZoneRecord, cut bool, err error) {
	label := ""
	if v != nil {
		label = v.Name
	}
	in := &route53.ListResourceRecordSetsInput{HostedZoneId: &id}
	for range maxZonePages {
		out, err := call(r, s, "route53:ListResourceRecordSets", func(ctx context.Context) (*route53.ListResourceRecordSetsOutput, error) {
			return sd.Route53.ListResourceRecordSets(ctx, in)
		})
		if err != nil {
			return nil, false, err
		}
		for _, set := range out.ResourceRecordSets {
			if rec := recordOf(set); concerns(rec, label, v) {
				kept = append(kept, rec)
			}
		}
		if !out.IsTruncated {
			return kept[:min(len(kept), maxZoneRecords)], len(kept) > maxZoneRecords, nil
		}
		in.StartRecordName, in.StartRecordType, in.StartRecordIdentifier = out.NextRecordName, out.NextRecordType, out.NextRecordIdentifier
	}
	if label == "" {
		return kept, true, nil
	}
	// A large zone: at least the right place is looked at.
	first, err := call(r, s, "route53:ListResourceRecordSets", func(ctx context.Context) (*route53.ListResourceRecordSetsOutput, error) {
		return sd.Route53.ListResourceRecordSets(ctx, &route53.ListResourceRecordSetsInput{
			HostedZoneId: &id, StartRecordName: aws.String(label + "." + domain), MaxItems: aws.Int32(2),
		})
	})
	if err != nil {
		return nil, false, err
	}
	for _, set := range first.ResourceRecordSets {
		rec := recordOf(set)
		known := slices.ContainsFunc(kept, func(k ZoneRecord) bool { return k.Name == rec.Name && k.Type == rec.Type })
		if !known && concerns(rec, label, v) {
			kept = append(kept, rec)
		}
	}
	return kept[:min(len(kept), maxZoneRecords)], true, nil
}

func recordOf(set r53types.ResourceRecordSet) ZoneRecord {
	name := strings.ReplaceAll(bare(aws.ToString(set.Name)), `\052`, "*")
	rec := ZoneRecord{Name: clean(name, maxName), Type: string(set.Type), TTL: aws.ToInt64(set.TTL)}
	for _, v := range set.ResourceRecords[:min(len(set.ResourceRecords), maxAnswerItems)] {
		value := aws.ToString(v.Value)
		rec.Values = append(rec.Values, clean(value, maxText))
		if set.Type == r53types.RRTypeTxt {
			rec.Texts = append(rec.Texts, clean(provision.UnquoteTXT(value), maxText))
		}
	}
	return rec
}

func concerns(rec ZoneRecord, label string, v *Verification) bool {
	if rec.Type != "TXT" && rec.Type != "CNAME" {
		return false
	}
	bareLabel := strings.ToLower(strings.TrimPrefix(label, "_"))
	if bareLabel != "" && strings.Contains(strings.ToLower(rec.Name), bareLabel) {
		return true
	}
	return slices.ContainsFunc(rec.Texts, func(t string) bool {
		low := strings.ToLower(t)
		return strings.Contains(low, "vpce:") ||
			v != nil && v.Value != "" && strings.Contains(low, strings.ToLower(strings.TrimPrefix(v.Value, "vpce:")))
	})
}

// services lists the account's endpoint services in the Region.
func (r *run) services(sd side, s *span) ([]OtherService, error) {
	if sd.stop != nil {
		return nil, sd.stop
	}
	return derived(r, s, sd, "ec2:DescribeVpcEndpointServiceConfigurations", "", func(ctx context.Context) ([]ec2types.ServiceConfiguration, error) {
		return awsapi.All(ctx, ec2.NewDescribeVpcEndpointServiceConfigurationsPaginator(sd.EC2, &ec2.DescribeVpcEndpointServiceConfigurationsInput{}),
			func(o *ec2.DescribeVpcEndpointServiceConfigurationsOutput) []ec2types.ServiceConfiguration {
				return o.ServiceConfigurations
			})
	}, otherServices)
}

func otherServices(raw []ec2types.ServiceConfiguration) []OtherService {
	all := []OtherService{}
	for _, c := range raw {
		svc := serviceOf(c)
		all = append(all, OtherService{svc.ID, svc.PrivateDNSName, svc.Verification, svc.State, svc.LoadBalancerARNs})
	}
	slices.SortFunc(all, func(a, b OtherService) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// dhcpOptions reads what the VPC tells its instances.
func (r *run) dhcpOptions(sd side, s *span, vpc *promise[VPC]) (DHCPOptions, error) {
	v, err := vpc.value()
	switch {
	case err != nil:
		return DHCPOptions{}, err
	case v.DHCPOptions == "" || v.DHCPOptions == "default": // the VPC has none
		return DHCPOptions{ID: v.DHCPOptions}, nil
	}
	out, err := call(r, s, "ec2:DescribeDhcpOptions", func(ctx context.Context) (*ec2.DescribeDhcpOptionsOutput, error) {
		return sd.EC2.DescribeDhcpOptions(ctx, &ec2.DescribeDhcpOptionsInput{DhcpOptionsIds: []string{v.DHCPOptions}})
	})
	if err != nil && !isNotFound(err) {
		return DHCPOptions{}, err
	}
	d := DHCPOptions{ID: v.DHCPOptions}
	if err != nil || len(out.DhcpOptions) == 0 {
		return d, nil
	}
	for _, c := range out.DhcpOptions[0].DhcpConfigurations {
		for _, value := range c.Values {
			switch text := clean(aws.ToString(value.Value), maxName); aws.ToString(c.Key) {
			case "domain-name-servers":
				d.Servers = append(d.Servers, text)
			case "domain-name":
				d.DomainName = text
			}
		}
	}
	return d, nil
}
