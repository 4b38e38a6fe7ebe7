package probes

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// consumerItems are the consumer's items in the making.
type consumerItems struct {
	identity       *promise[Identity]
	zones          *promise[[]Zone]
	service        *promise[ServiceDetail]
	endpoint       *promise[Endpoint]
	interfaces     *promise[[]Interface]
	subnets        *promise[[]Subnet]
	buildSubnets   *promise[[]Subnet]
	vpc            *promise[VPC]
	securityGroups *promise[[]SecurityGroup]
	hostedZones    *promise[[]HostedZone]
	endpoints      *promise[[]EndpointSummary]
	dryRuns        *promise[[]DryRun]
	dhcpOptions    *promise[DHCPOptions]
}

// askConsumer starts all questions to the consumer's account.
func (r *run) askConsumer(sd side, serviceName string) *consumerItems {
	c := &consumerItems{}
	c.identity = ask(r, "consumer.identity", func(s *span) (Identity, error) { return r.identity(sd, s) })
	c.zones = ask(r, "consumer.zones", func(s *span) ([]Zone, error) { return r.zones(sd, s) })
	c.endpoint = ask(r, "consumer.endpoint", func(s *span) (Endpoint, error) { return r.endpoint(sd, s, r.link.Consumer.EndpointID) })
	c.service = ask(r, "consumer.service", func(s *span) (ServiceDetail, error) {
		name := serviceName
		if name == "" && sd.stop == nil {
			// The link names no service, but the endpoint knows what it connects to.
			ep, err := c.endpoint.value()
			if err != nil {
				return ServiceDetail{}, err
			}
			name = ep.ServiceName
		}
		return r.serviceDetail(sd, s, name)
	})
	c.interfaces = ask(r, "consumer.interfaces", func(s *span) ([]Interface, error) {
		ep, err := c.found()
		if err != nil {
			return nil, err
		}
		return r.interfaces(sd, s, ep.InterfaceIDs, c.zones)
	})
	c.subnets = ask(r, "consumer.subnets", func(s *span) ([]Subnet, error) {
		ep, err := c.found()
		if err != nil {
			return nil, err
		}
		return r.subnets(sd, s, ep.SubnetIDs)
	})
	c.buildSubnets = ask(r, "consumer.buildSubnets", func(s *span) ([]Subnet, error) {
		build := r.link.Consumer.Build
		switch {
		case sd.stop != nil:
			return nil, sd.stop
		case build == nil || len(build.SubnetIDs) == 0:
			return nil, absent{NotConfigured}
		}
		return r.subnets(sd, s, build.SubnetIDs)
	})
	c.vpc = ask(r, "consumer.vpc", func(s *span) (VPC, error) {
		ep, err := c.found()
		if err != nil {
			return VPC{}, err
		}
		return r.vpc(sd, s, ep.VPCID)
	})
	c.securityGroups = ask(r, "consumer.securityGroups", func(s *span) ([]SecurityGroup, error) {
		ep, err := c.found()
		if err != nil {
			return nil, err
		}
		return r.securityGroups(sd, s, ep.SecurityGroupIDs)
	})
	c.hostedZones = ask(r, "consumer.hostedZones", func(s *span) ([]HostedZone, error) {
		ep, err := c.found()
		if err != nil {
			return nil, err
		}
		return r.hostedZones(sd, s, ep.VPCID)
	})
	c.endpoints = ask(r, "consumer.endpoints", func(s *span) ([]EndpointSummary, error) {
		ep, err := c.found()
		if err != nil {
			return nil, err
		}
		return r.endpointsIn(sd, s, ep.VPCID)
	})
	c.dryRuns = ask(r, "consumer.dryRuns", func(s *span) ([]DryRun, error) {
		if r.link.Consumer.Build == nil && sd.stop == nil {
			return nil, absent{NotConfigured}
		}
		ep, err := c.found()
		if err != nil {
			return nil, err
		}
		return r.consumerDryRuns(sd, s, ep)
	})
	c.dhcpOptions = ask(r, "consumer.dhcpOptions", func(s *span) (DHCPOptions, error) { return r.dhcpOptions(sd, s, c.vpc) })
	return c
}

// found waits for the endpoint; it is an error when there is none.
func (c *consumerItems) found() (Endpoint, error) {
	ep, err := c.endpoint.value()
	if err == nil && !ep.Found {
		err = absent{NoSubject}
	}
	return ep, err
}

// collect reads the items after the run's goroutines have ended.
func (c *consumerItems) collect() Consumer {
	return Consumer{
		Identity: c.identity.item, Zones: c.zones.item, Service: c.service.item, Endpoint: c.endpoint.item,
		Interfaces: c.interfaces.item, Subnets: c.subnets.item, BuildSubnets: c.buildSubnets.item, VPC: c.vpc.item, SecurityGroups: c.securityGroups.item,
		HostedZones: c.hostedZones.item, Endpoints: c.endpoints.item, DryRuns: c.dryRuns.item, DHCPOptions: c.dhcpOptions.item,
	}
}

func (r *run) serviceDetail(sd side, s *span, name string) (ServiceDetail, error) {
	if sd.stop != nil {
		return ServiceDetail{}, sd.stop
	}
	if name == "" {
		return ServiceDetail{Code: notFoundByTag}, nil
	}
	var regions []string // without them AWS looks in the consumer's own
	if r.link.CrossRegion() {
		regions = []string{r.link.ProviderRegion()}
	}
	out, err := call(r, s, "ec2:DescribeVpcEndpointServices", func(ctx context.Context) (*ec2.DescribeVpcEndpointServicesOutput, error) {
		return sd.EC2.DescribeVpcEndpointServices(ctx, &ec2.DescribeVpcEndpointServicesInput{ServiceNames: []string{name}, ServiceRegions: regions})
	})
	if codeOf(err) == "InvalidServiceName" {
		return ServiceDetail{Name: name, Code: codeOf(err), Message: err.(failed).f.Message}, nil
	}
	if err != nil {
		return ServiceDetail{}, err
	}
	for _, d := range out.ServiceDetails {
		if aws.ToString(d.ServiceName) == name {
			return serviceDetailOf(d), nil
		}
	}
	return ServiceDetail{Name: name, Code: "InvalidServiceName", Message: "the answer does not list the service"}, nil
}

func serviceDetailOf(d ec2types.ServiceDetail) ServiceDetail {
	v := ServiceDetail{
		Visible: true, Name: aws.ToString(d.ServiceName), ID: aws.ToString(d.ServiceId), Owner: aws.ToString(d.Owner),
		Region: aws.ToString(d.ServiceRegion), ZoneIDs: texts(d.AvailabilityZoneIds), ZoneNames: texts(d.AvailabilityZones),
		AcceptanceRequired: aws.ToBool(d.AcceptanceRequired), PrivateDNSName: clean(aws.ToString(d.PrivateDnsName), maxName),
		VerificationState: string(d.PrivateDnsNameVerificationState), IPAddressTypes: texts(d.SupportedIpAddressTypes),
	}
	if len(d.ServiceType) > 0 {
		v.Type = string(d.ServiceType[0].ServiceType)
	}
	return v
}

func (r *run) endpoint(sd side, s *span, id string) (Endpoint, error) {
	if sd.stop != nil {
		return Endpoint{}, sd.stop
	}
	if id == "" { // without an id AWS would list every endpoint of the account
		return Endpoint{Code: notFoundByTag}, nil
	}
	out, err := call(r, s, "ec2:DescribeVpcEndpoints", func(ctx context.Context) (*ec2.DescribeVpcEndpointsOutput, error) {
		return sd.EC2.DescribeVpcEndpoints(ctx, &ec2.DescribeVpcEndpointsInput{VpcEndpointIds: []string{id}})
	})
	if isNotFound(err) {
		return Endpoint{ID: id, Code: codeOf(err)}, nil
	}
	if err != nil {
		return Endpoint{}, err
	}
	for _, e := range out.VpcEndpoints {
		if aws.ToString(e.VpcEndpointId) == id {
			return endpointOf(e), nil
		}
	}
	return Endpoint{ID: id, Code: "InvalidVpcEndpointId.NotFound"}, nil
}

func endpointOf(e ec2types.VpcEndpoint) Endpoint {
	ep := Endpoint{
		Found: true, ID: aws.ToString(e.VpcEndpointId), Type: string(e.VpcEndpointType), VPCID: aws.ToString(e.VpcId),
		ServiceName: aws.ToString(e.ServiceName), State: string(e.State), FailureReason: clean(aws.ToString(e.FailureReason), maxDetail),
		PrivateDNSEnabled: aws.ToBool(e.PrivateDnsEnabled), IPAddressType: string(e.IpAddressType),
		Policy:    policyText(aws.ToString(e.PolicyDocument)),
		SubnetIDs: texts(e.SubnetIds), InterfaceIDs: texts(e.NetworkInterfaceIds), Created: aws.ToTime(e.CreationTimestamp).UTC(),
	}
	ep.ServiceRegion = aws.ToString(e.ServiceRegion)
	if e.DnsOptions != nil {
		ep.DNSRecordIPType = string(e.DnsOptions.DnsRecordIpType)
	}
	if e.LastError != nil {
		ep.LastErrorCode = clean(aws.ToString(e.LastError.Code), maxName)
		ep.LastErrorMessage = clean(aws.ToString(e.LastError.Message), maxDetail)
	}
	for _, g := range e.Groups {
		ep.SecurityGroupIDs = append(ep.SecurityGroupIDs, aws.ToString(g.GroupId))
	}
	slices.Sort(ep.SecurityGroupIDs)
	for _, d := range e.DnsEntries {
		name := clean(bare(aws.ToString(d.DnsName)), maxName)
		switch kind, _ := endpointName(ep.ID, name); {
		case kind == TargetRegional && ep.RegionalName == "":
			ep.RegionalName = name
		case kind == TargetZonal:
			ep.ZonalNames = append(ep.ZonalNames, name)
		default:
			ep.OtherNames = append(ep.OtherNames, name)
		}
	}
	slices.Sort(ep.ZonalNames)
	return ep
}

// policyText is a policy document in one line.
func policyText(s string) string {
	var b bytes.Buffer
	if json.Compact(&b, []byte(s)) == nil {
		s = b.String()
	}
	return clean(s, maxPolicy)
}

// maxPolicy is AWS's own bound of an endpoint policy, in characters.
const maxPolicy = 20_480

// endpointName tells by its pattern what a DNS name of an endpoint is. AWS assigns
// ENDPOINT-SUFFIX.SERVICE.REGION.vpce.amazonaws.com for the Region and
// ENDPOINT-SUFFIX-ZONENAME.SERVICE.… for a zone of the consumer's account; anything else is the
// private DNS name. The second result is the zone's name.
func endpointName(id, name string) (TargetKind, string) {
	label, rest, _ := strings.Cut(name, ".")
	if !strings.HasPrefix(rest, "vpce-svc-") || !strings.Contains(rest, ".vpce.amazonaws.com.") && !strings.HasSuffix(rest, ".vpce.amazonaws.com") {
		return TargetPrivate, ""
	}
	tail, ok := strings.CutPrefix(label, id)
	if ok {
		tail, ok = strings.CutPrefix(tail, "-")
	}
	if !ok {
		return TargetPrivate, ""
	}
	suffix, zone, zonal := strings.Cut(tail, "-")
	switch {
	case suffix == "":
		return TargetPrivate, ""
	case zonal:
		return TargetZonal, zone
	}
	return TargetRegional, ""
}
