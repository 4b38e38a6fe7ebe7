package suites

import (
	"slices"
	"strings"

	"github.com/onsi/gomega"

	"github.com/linkassay/linkassay/probes"
)

// regionChecks: the service is in the Region that the link file says, and, where that is not the
// consumer's, the link may and can cross Regions.
func regionChecks() []Check {
	return []Check{
		check("region.of-service", "the service is in the Region that is asked",
			revision(1), severity(Critical), side(ConsumerSide),
			after("connection.consumer-account"), needsOne("consumer.endpoint", "consumer.service"), rows("PL-REGION-001"),
			asserts("the Region in the service's name (of the endpoint, or of the link file) is the link file's provider.region, or region where that is not given"),
			why("in another Region there is no such service: AWS answers InvalidServiceName, as if a permission were missing"),
			source("PrivateLink guide, Share your services; EC2 API reference, error code InvalidServiceName and CreateVpcEndpoint ServiceRegion"),
			fix(func(o *probes.Observation) Fix {
				name := serviceNameSeen(o)
				return Fix{
					Text: "ask for the service where it is; from another Region with its Region",
					Command: command(o.Link, ConsumerSide, "ec2", "describe-vpc-endpoint-services", "--service-names", or(name, "SERVICE_NAME"),
						"--service-regions", or(regionIn(name), "REGION")),
					LinkFile: "provider.region: " + or(regionIn(name), "the service's"),
				}
			}),
			body(func(c *C, o *probes.Observation) {
				name := serviceNameSeen(o)
				if regionIn(name) == "" {
					c.Skip("the service's name is not known")
				}
				c.Fact("service", "%s", name)
				c.Fact("link file", "%s", o.Link.ProviderRegion())
				c.Expect(regionIn(name)).To(gomega.Equal(o.Link.ProviderRegion()), "the service is in %s, the link file says %s", regionIn(name), o.Link.ProviderRegion())
			}),
		),
		check("region.service-offered", "it is offered in the consumer's Region",
			revision(1), severity(Critical), side(ProviderSide),
			after("connection.service-exists"), needs("provider.service"), rows("PL-EP-014"),
			asserts("where the sides are in different Regions, SupportedRegions of the service has the consumer's Region in state Available"),
			why("elsewhere nobody sees the service, and no new endpoint can be made; one that is there goes on working until it has to be made again"),
			source("PrivateLink guide, Share your services, cross-Region access; EC2 API reference, ServiceConfiguration.SupportedRegions"),
			fix(func(o *probes.Observation) Fix {
				return Fix{
					Text: "offer the service in the consumer's Region; both accounts need vpce:AllowMultiRegion",
					Command: command(o.Link, ProviderSide, "ec2", "modify-vpc-endpoint-service-configuration", "--service-id", serviceIDOf(o),
						"--add-supported-regions", o.Link.Region),
				}
			}),
			body(func(c *C, o *probes.Observation) {
				skipInOneRegion(c, o)
				s, _ := value(o.Provider.Service)
				var offered []string
				for _, r := range s.Regions {
					if same(r.State, "Available") {
						offered = append(offered, r.Region)
						continue
					}
					c.Fact(r.Region, "%s", or(r.State, "without a state"))
				}
				c.Fact("offered in", "%s", list(offered))
				c.Expect(offered).To(gomega.ContainElement(o.Link.Region), "the service is not offered in %s", o.Link.Region)
			}),
		),
		check("region.zones-supported", "its zones may take part across Regions",
			revision(1), severity(Warning), side(ProviderSide),
			after("connection.service-exists", "connection.endpoint-exists"),
			needsOne("provider.service", "consumer.service"), wants("consumer.subnets"), rows("PL-AZ-006"),
			asserts("where the sides are in different Regions, no zone of the service or of the endpoint is one that AWS excludes from cross-Region access ("+strings.Join(excludedZones(), ", ")+")"),
			why("what stands in those zones carries nothing for consumers of other Regions"),
			source("PrivateLink guide, Share your services, cross-Region access"),
			fix(func(o *probes.Observation) Fix {
				return Fix{
					Text:    "count on the other zones only, or put load balancer nodes and subnets there",
					Command: command(o.Link, ProviderSide, "elbv2", "describe-load-balancers", "--load-balancer-arns", loadBalancerARNOf(o), "--query", "LoadBalancers[].AvailabilityZones"),
				}
			}),
			body(func(c *C, o *probes.Observation) {
				skipInOneRegion(c, o)
				subnets, _ := value(o.Consumer.Subnets)
				zones := zonesOffered(o)
				c.Fact("service", "%s", list(zones))
				for _, z := range zones {
					if slices.Contains(excludedZones(), z) {
						c.Wrong("service", "is in %s, which takes no part across Regions", z)
					}
				}
				for _, s := range subnets {
					if slices.Contains(excludedZones(), s.ZoneID) {
						c.Wrong(s.ID, "is in %s, which takes no part across Regions", s.ZoneID)
					}
				}
			}),
		),
		check("region.idle-timeout", "no listener has an idle timeout of its own",
			revision(1), severity(Warning), side(ProviderSide),
			after("connection.service-exists", "connection.load-balancer-active"), needs("provider.listeners"), rows("PL-CR-002"),
			asserts("where the sides are in different Regions, tcp.idle_timeout.seconds of each listener is 350, the default (elbv2:DescribeListenerAttributes)"),
			why("AWS does not support cross-Region access to load balancers with another one"),
			source("PrivateLink guide, Create a service, cross-Region access; ELBv2 API reference, ModifyListenerAttributes"),
			fix(func(o *probes.Observation) Fix {
				arn := "LISTENER_ARN"
				for _, l := range maybe(o.Provider.Listeners) {
					if ownTimeout(l) {
						arn = l.ARN
					}
				}
				return Fix{
					Text: "set the default again",
					Command: command(o.Link, ProviderSide, "elbv2", "modify-listener-attributes", "--listener-arn", arn,
						"--attributes", "Key=tcp.idle_timeout.seconds,Value=350"),
				}
			}),
			body(func(c *C, o *probes.Observation) {
				skipInOneRegion(c, o)
				listeners, _ := value(o.Provider.Listeners)
				for _, l := range listeners {
					if ownTimeout(l) {
						c.Wrong(portName(l.Port), "the idle timeout is %d s", l.IdleTimeoutSeconds)
						continue
					}
					c.Fact(portName(l.Port), "%d s", defaultIdleTimeout)
				}
			}),
		),
	}
}

// defaultIdleTimeout is the idle timeout of load balancers for TCP, in seconds; 0 is not known.
const defaultIdleTimeout = 350

func ownTimeout(l probes.Listener) bool {
	return l.IdleTimeoutSeconds != 0 && l.IdleTimeoutSeconds != defaultIdleTimeout
}

// excludedZones are the zones that take no part across Regions.
func excludedZones() []string {
	return []string{"use1-az3", "usw1-az2", "apne1-az3", "apne2-az2", "apne2-az4"}
}

// serviceNameSeen is the service's name as the endpoint has it, or else as it was asked for.
func serviceNameSeen(o *probes.Observation) string {
	return or(maybe(o.Consumer.Endpoint).ServiceName, o.Link.Provider.ServiceName, maybe(o.Consumer.Service).Name)
}

// regionIn is the Region in an endpoint service's name, com.amazonaws.vpce.REGION.SERVICE; "" in
// another name.
func regionIn(name string) string {
	parts := strings.Split(name, ".")
	if len(parts) != 5 || !strings.HasPrefix(name, "com.amazonaws.vpce.") {
		return ""
	}
	return parts[3]
}

func skipInOneRegion(c *C, o *probes.Observation) {
	if !o.Link.CrossRegion() {
		c.Skip("both sides are in one Region")
	}
}

// skipAcrossRegions is for what compares zones of both sides.
func skipAcrossRegions(c *C, o *probes.Observation) {
	if o.Link.CrossRegion() {
		c.Skip("the sides are in different Regions, whose zones have nothing to do with each other")
	}
}
