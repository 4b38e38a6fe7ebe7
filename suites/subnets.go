package suites

import (
	"slices"
	"strings"

	"github.com/linkassay/linkassay/probes"
)

// subnetChecks: the endpoint can be made in the subnets that the link file names for it, and stands in
// more than one zone.
func subnetChecks() []Check {
	return []Check{
		check("connection.subnets-in-service-zones", "its named subnets are in zones of the service",
			revision(1), severity(Critical), side(ConsumerSide),
			after("connection.consumer-account"), needs("consumer.buildSubnets"), needsOne("provider.service", "consumer.service"),
			rows("PL-AZ-001", "PL-AZ-004"),
			asserts("the zone ids of consumer.build.subnetIds are among those of the service (AvailabilityZoneIds); ids, since zone names differ between accounts"),
			why("one subnet in another zone fails the whole CreateVpcEndpoint with InvalidParameter"),
			source("PrivateLink guide, Share your services; EC2 API reference, CreateVpcEndpoint"),
			fix(func(o *probes.Observation) Fix {
				return Fix{
					Text: "name subnets in zones that the service offers, or let the provider enable the zone",
					Command: command(o.Link, ConsumerSide, "ec2", "describe-subnets", "--filters", "Name=vpc-id,Values="+buildVPCOf(o),
						"Name=availability-zone-id,Values="+strings.Join(zonesOffered(o), ",")),
					LinkFile: "consumer.build.subnetIds: subnets in " + list(zonesOffered(o)),
				}
			}),
			body(func(c *C, o *probes.Observation) {
				subnets, _ := value(o.Consumer.BuildSubnets)
				skipAcrossRegions(c, o)
				offered := zonesOffered(o)
				if len(offered) == 0 {
					c.Skip("the service's zones are not known")
				}
				c.Fact("service", "%s", list(offered))
				common := false
				for _, s := range subnets {
					common = common || slices.Contains(offered, s.ZoneID)
				}
				if !common {
					c.Fact("common zones", "none")
				}
				for _, s := range subnets {
					if slices.Contains(offered, s.ZoneID) {
						c.Fact(s.ID, "%s", s.ZoneID)
					} else {
						c.Wrong(s.ID, "is in %s, where the service is not", or(s.ZoneID, s.ZoneName))
					}
				}
			}),
		),
		check("connection.subnets-in-different-zones", "its named subnets are in a zone of their own each",
			revision(1), severity(Critical), side(ConsumerSide),
			after("connection.consumer-account"), needs("consumer.buildSubnets"),
			rows("PL-AZ-003"),
			asserts("no two of consumer.build.subnetIds have the same zone id (ec2:DescribeSubnets)"),
			why("an endpoint takes one subnet a zone; a second one fails the whole CreateVpcEndpoint with DuplicateSubnetsInSameZone"),
			source("EC2 API reference, error code DuplicateSubnetsInSameZone"),
			fix(func(o *probes.Observation) Fix {
				return Fix{
					Text:     "name one subnet a zone; to replace one of an endpoint, remove it first, then add the other",
					Command:  command(o.Link, ConsumerSide, "ec2", "describe-subnets", "--filters", "Name=subnet-id,Values="+strings.Join(buildSubnetIDsOf(o), ",")),
					LinkFile: "consumer.build.subnetIds: one subnet a zone",
				}
			}),
			body(func(c *C, o *probes.Observation) {
				subnets, _ := value(o.Consumer.BuildSubnets)
				first := map[string]string{}
				for _, s := range subnets {
					if other := first[s.ZoneID]; other != "" {
						c.Wrong(s.ID, "is in %s, as %s is", s.ZoneID, other)
						continue
					}
					first[s.ZoneID] = s.ID
					c.Fact(s.ID, "%s", s.ZoneID)
				}
			}),
		),
		check("connection.subnets-have-addresses", "its named subnets have a free address each",
			revision(1), severity(Critical), side(ConsumerSide),
			after("connection.consumer-account"), needs("consumer.buildSubnets"), wants("consumer.endpoint"),
			rows("PL-EP-010"),
			asserts("AvailableIpAddressCount is not 0 in each of consumer.build.subnetIds where the endpoint has no interface yet (ec2:DescribeSubnets)"),
			why("the endpoint's interface takes an address of the subnet; in a full one it can't be made"),
			source("EC2 API reference, Subnet.AvailableIpAddressCount; error code InsufficientFreeAddressesInSubnet"),
			fix(func(o *probes.Observation) Fix {
				return Fix{
					Text:     "free an address in the subnet, or name another one in the same zone",
					Command:  command(o.Link, ConsumerSide, "ec2", "describe-network-interfaces", "--filters", "Name=subnet-id,Values="+fullSubnetOf(o)),
					LinkFile: "consumer.build.subnetIds: a subnet with a free address",
				}
			}),
			body(func(c *C, o *probes.Observation) {
				subnets, _ := value(o.Consumer.BuildSubnets)
				e, _ := value(o.Consumer.Endpoint)
				for _, s := range subnets {
					switch {
					case slices.Contains(e.SubnetIDs, s.ID):
						c.Fact(s.ID, "the endpoint is in it")
					case s.FreeIPs == 0:
						c.Wrong(s.ID, "has no free address in %s", s.CIDR)
					default:
						c.Fact(s.ID, "%d addresses are free", s.FreeIPs)
					}
				}
			}),
		),
		check("resilience.endpoint-in-two-zones", "the endpoint is in at least two zones",
			revision(1), severity(Warning), side(ConsumerSide),
			after("connection.endpoint-service"), needs("consumer.subnets"), needsOne("provider.service", "consumer.service"),
			rows("PL-AZ-005"),
			asserts("the endpoint's subnets are in two zone ids or more, where the service offers two or more and the link file does not ask for one"),
			why("when the endpoint's only zone fails, every client of the VPC loses the service, though the service itself goes on"),
			source("PrivateLink guide, Create an interface endpoint: choose subnets in two or more zones"),
			fix(func(o *probes.Observation) Fix {
				return Fix{
					Text: "add a subnet in another zone of the service",
					Command: command(o.Link, ConsumerSide, "ec2", "modify-vpc-endpoint", "--vpc-endpoint-id", endpointIDOf(o),
						"--add-subnet-ids", "SUBNET_ID"),
					LinkFile: "consumer.build.zones or subnetIds: two zones or more of " + list(zonesOffered(o)),
				}
			}),
			body(func(c *C, o *probes.Observation) {
				subnets, _ := value(o.Consumer.Subnets)
				offered := zonesOffered(o)
				if len(offered) < 2 {
					c.Skip("the service offers one zone only")
				}
				if b := o.Link.Consumer.Build; b != nil && (len(b.Zones) == 1 || len(b.SubnetIDs) == 1) {
					c.Skip("the link file asks for one zone")
				}
				var zones []string
				for _, s := range subnets {
					zones = append(zones, s.ZoneID)
				}
				zones = sorted(zones)
				c.Fact("service", "%s", list(offered))
				if len(zones) < 2 {
					c.Wrong("endpoint", "is in %s only", list(zones))
					return
				}
				c.Fact("endpoint", "%s", list(zones))
			}),
		),
	}
}

// zonesOffered are the zone ids of the service, as its owner or else the consumer sees them.
func zonesOffered(o *probes.Observation) []string {
	own, provider := value(o.Provider.Service)
	seen, consumer := value(o.Consumer.Service)
	switch {
	case provider && own.Found && len(own.ZoneIDs) > 0:
		return sorted(own.ZoneIDs)
	case consumer && seen.Visible:
		return sorted(seen.ZoneIDs)
	}
	return nil
}

func buildSubnetIDsOf(o *probes.Observation) []string {
	if b := o.Link.Consumer.Build; b != nil {
		return b.SubnetIDs
	}
	return nil
}

func buildVPCOf(o *probes.Observation) string {
	for _, s := range maybe(o.Consumer.BuildSubnets) {
		return s.VPCID
	}
	return vpcIDOf(o)
}

// fullSubnetOf is the first named subnet without a free address.
func fullSubnetOf(o *probes.Observation) string {
	for _, s := range maybe(o.Consumer.BuildSubnets) {
		if s.FreeIPs == 0 {
			return s.ID
		}
	}
	return "SUBNET_ID"
}
