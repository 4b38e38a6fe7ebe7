package suites

import (
	"slices"
	"strings"
	"time"

	"github.com/onsi/gomega"

	"github.com/linkassay/linkassay/probes"
)

// stuckAfter is how long an endpoint is given to become available: Terraform's provider waits as long.
const stuckAfter = 10 * time.Minute

// endpointChecks: the endpoint exists, belongs to the service, and its connection is accepted on
// both sides.
func endpointChecks() []Check {
	return []Check{
		check("connection.endpoint-exists", "the interface endpoint exists",
			revision(1), severity(Critical), side(ConsumerSide),
			after("connection.consumer-account", "connection.service-exists", "connection.service-type"),
			because("connection.principal-allowed", "connection.service-visible",
				"connection.subnets-in-service-zones", "connection.subnets-in-different-zones", "connection.subnets-have-addresses"),
			needs("consumer.endpoint"), wants("provider.connections"), rows("PL-EP-012"),
			asserts("ec2:DescribeVpcEndpoints returns the link's endpoint in the consumer account"),
			why("there is no way in: no interfaces, no names"),
			source("EC2 API reference, DescribeVpcEndpoints; error code InvalidVpcEndpointId.NotFound"),
			fix(func(o *probes.Observation) Fix {
				return Fix{
					Text: "create the endpoint, or name the one meant",
					Command: command(o.Link, ConsumerSide, "ec2", "create-vpc-endpoint", "--vpc-endpoint-type", "Interface",
						"--vpc-id", vpcIDOf(o), "--service-name", serviceNameOf(o), "--subnet-ids", "SUBNET_ID"),
					LinkFile: "consumer.endpointId: the id of an existing endpoint, or consumer.build for apply",
				}
			}),
			body(func(c *C, o *probes.Observation) {
				e, _ := value(o.Consumer.Endpoint)
				c.Fact("endpoint", "%s", or(e.ID, o.Link.Consumer.EndpointID, "none"))
				if all := connectionsOf(o.Link, e.ID, maybe(o.Provider.Connections)); len(all) == 1 && !e.Found {
					conn := all[0]
					c.Fact("provider", "sees %s as %s", conn.EndpointID, conn.State)
					c.Blame(ConsumerSide, notShownYet(conn.EndpointID))
				}
				c.Expect(e.Found).To(gomega.BeTrue(), "account %s has no such endpoint in %s%s",
					o.Link.Consumer.Account, o.Link.Region, inParentheses(e.Code))
			}),
		),
		check("connection.endpoint-service", "it is an interface endpoint for the service",
			revision(1), severity(Critical), side(ConsumerSide),
			after("connection.endpoint-exists"), needs("consumer.endpoint"), wants("provider.service", "consumer.service"),
			rows("PL-EP-001", "PL-EP-011"),
			asserts("VpcEndpointType is Interface and ServiceName is the service's (ec2:DescribeVpcEndpoints)"),
			why("an endpoint that was made for an older service, or as a gateway, leads elsewhere; neither can be changed afterwards"),
			source("EC2 API reference, VpcEndpoint.VpcEndpointType (default Gateway) and ServiceName"),
			fix(func(o *probes.Observation) Fix {
				return Fix{
					Text: "delete the endpoint and create it for the service",
					Command: command(o.Link, ConsumerSide, "ec2", "create-vpc-endpoint", "--vpc-endpoint-type", "Interface",
						"--vpc-id", vpcIDOf(o), "--service-name", wantedService(o), "--subnet-ids", "SUBNET_ID"),
					LinkFile: "consumer.endpointId: the endpoint of this service",
				}
			}),
			body(func(c *C, o *probes.Observation) {
				e, _ := value(o.Consumer.Endpoint)
				c.Fact("type", "%s", e.Type)
				c.Fact("service", "%s", e.ServiceName)
				c.Expect(same(e.Type, "Interface")).To(gomega.BeTrue(), "endpoint %s is of type %s", e.ID, or(e.Type, "none"))
				if want := wantedService(o); want != "SERVICE_NAME" {
					c.Expect(e.ServiceName).To(gomega.Equal(want), "endpoint %s is for service %s, not %s", e.ID, e.ServiceName, want)
				} else if id := o.Link.Provider.ServiceID; id != "" {
					c.Expect(strings.HasSuffix(e.ServiceName, "."+id)).To(gomega.BeTrue(), "endpoint %s is for service %s, not %s", e.ID, e.ServiceName, id)
				}
			}),
		),
		sidesAgreeCheck(),
		acceptedCheck(),
		check("connection.endpoint-available", "the endpoint is available",
			revision(1), severity(Critical), side(ConsumerSide),
			after("connection.accepted", "connection.endpoint-service"), because("dns.not-switched-early"), needs("consumer.endpoint"),
			rows("PL-EP-007", "PL-EP-008"),
			asserts("State is available (ec2:DescribeVpcEndpoints)"),
			why("an endpoint that is pending or partial does not carry all traffic yet"),
			source("PrivateLink guide, concepts, interface endpoint states"),
			fix(func(o *probes.Observation) Fix {
				e := maybe(o.Consumer.Endpoint)
				switch {
				case same(e.State, "partial"):
					return Fix{Text: "look at its subnets and interfaces: not all of them are up; ask AWS support what is missing", Command: describeEndpointCommand(o)}
				case !e.Created.IsZero() && o.Started.Sub(e.Created) > stuckAfter:
					return Fix{Text: "it has been pending for too long: look at its subnets and interfaces, then delete it and create it anew, or ask AWS support", Command: describeEndpointCommand(o)}
				}
				return Fix{Text: "wait: run with --wait 10m", Command: describeEndpointCommand(o)}
			}),
			body(func(c *C, o *probes.Observation) {
				e, _ := value(o.Consumer.Endpoint)
				c.Fact("state", "%s", e.State)
				if !e.Created.IsZero() && !same(e.State, "available") {
					c.Fact("age", "%s", o.Started.Sub(e.Created).Round(time.Minute))
				}
				c.Expect(same(e.State, "available")).To(gomega.BeTrue(), "endpoint %s is %s%s", e.ID, or(e.State, "without a state"), inParentheses(e.LastErrorMessage))
			}),
		),
		interfacesCheck(),
	}
}

// notShownYet is for an endpoint that its provider sees and its owner does not.
func notShownYet(id string) func(o *probes.Observation) Fix {
	return func(o *probes.Observation) Fix {
		return Fix{
			Text:    "AWS does not show a new endpoint everywhere at once: run again with --wait",
			Command: command(o.Link, ConsumerSide, "ec2", "describe-vpc-endpoints", "--vpc-endpoint-ids", id),
		}
	}
}

// wantedService is the name of the service that the link is about, as far as anybody but the
// endpoint itself knows it.
func wantedService(o *probes.Observation) string {
	own, _ := value(o.Provider.Service)
	seen, _ := value(o.Consumer.Service)
	return or(own.Name, o.Link.Provider.ServiceName, seen.Name, "SERVICE_NAME")
}

func describeEndpointCommand(o *probes.Observation) string {
	return command(o.Link, ConsumerSide, "ec2", "describe-vpc-endpoints", "--vpc-endpoint-ids", endpointIDOf(o))
}

func sidesAgreeCheck() Check {
	return check("connection.sides-agree", "both sides say the same of the connection",
		revision(1), severity(Critical), side(ProviderSide),
		after("connection.endpoint-service"), needs("consumer.endpoint", "provider.connections"),
		rows("PL-EP-003"),
		asserts("the provider lists the endpoint's connection (ec2:DescribeVpcEndpointConnections), owned by the consumer account, in the state that the consumer sees"),
		why("an endpoint that its provider does not see, or sees in another state, is not the link that both believe in"),
		source("EC2 API reference, VpcEndpointConnection.VpcEndpointState and VpcEndpointOwner"),
		fix(func(o *probes.Observation) Fix {
			return Fix{
				Text: "run again with --wait; if it stays, the endpoint belongs to another service or Region",
				Command: command(o.Link, ProviderSide, "ec2", "describe-vpc-endpoint-connections",
					"--filters", "Name=service-id,Values="+serviceIDOf(o)),
			}
		}),
		body(func(c *C, o *probes.Observation) {
			e, _ := value(o.Consumer.Endpoint)
			all, _ := value(o.Provider.Connections)
			c.Fact("consumer", "%s", e.State)
			found := connectionsOf(o.Link, e.ID, all)
			if len(found) == 0 {
				c.Fact("provider", "no connection from %s among %d", e.ID, len(all))
			}
			c.Expect(found).NotTo(gomega.BeEmpty(), "the provider does not see endpoint %s among the service's %d connections", e.ID, len(all))
			conn := found[0]
			c.Fact("provider", "%s", conn.State)
			c.Expect(same(conn.State, e.State)).To(gomega.BeTrue(), "the consumer says %s, the provider %s", e.State, conn.State)
			if conn.EndpointOwner != "" {
				c.Expect(conn.EndpointOwner).To(gomega.Equal(o.Link.Consumer.Account), "the provider says that account %s owns endpoint %s", conn.EndpointOwner, e.ID)
			}
		}),
	)
}

func acceptedCheck() Check {
	return check("connection.accepted", "the connection is accepted",
		revision(2), severity(Critical), side(ProviderSide),
		after("connection.endpoint-service", "connection.sides-agree"), because("connection.principal-allowed"),
		needsOne("consumer.endpoint", "provider.connections"),
		rows("PL-DNS-003", "PL-EP-002", "PL-EP-004", "PL-EP-005", "PL-EP-006", "PL-EP-017", "PL-API-003"),
		asserts("the connection is neither pendingAcceptance nor rejected, failed, expired, deleting or deleted, on the side or sides that can be asked; where only the provider can be asked and the link file names no endpoint, an available connection of the consumer account is the link's before any other"),
		why("until the provider accepts the connection, packets to the endpoint are dropped"),
		source("PrivateLink guide, concepts, interface endpoint states; EC2 API reference, AcceptVpcEndpointConnections"),
		fix(func(o *probes.Observation) Fix {
			return Fix{Text: "look at the endpoint", Command: describeEndpointCommand(o)}
		}),
		body(func(c *C, o *probes.Observation) {
			e, consumer := value(o.Consumer.Endpoint)
			all, provider := value(o.Provider.Connections)
			var state, detail string
			if consumer {
				state, detail = e.State, or(e.LastErrorMessage, e.LastErrorCode, e.FailureReason)
			}
			if provider && state == "" {
				found := connectionsOf(o.Link, e.ID, all)
				c.Expect(found).NotTo(gomega.BeEmpty(), "the provider sees no connection from account %s among %d", o.Link.Consumer.Account, len(all))
				for _, conn := range found {
					c.Fact("endpoint", "%s", conn.EndpointID)
				}
				if len(found) > 1 {
					c.Untold("%d endpoints of account %s wait for acceptance, and the link file does not say which is the link's (consumer.endpointId): %s", len(found), o.Link.Consumer.Account, endpointsIn(found))
				}
				state = found[0].State
			}
			c.Fact("state", "%s", state)
			if detail != "" {
				c.Fact("error", "%s", detail)
			}
			blameState(c, strings.ToLower(state))
			c.Expect(strings.ToLower(state)).To(gomega.BeElementOf("available", "pending", "partial"),
				"the connection is %s%s", or(state, "without a state"), inParentheses(detail))
		}),
	)
}

// blameState tells apart what to do about each state that a connection can be stuck in.
func blameState(c *C, state string) {
	recreate := func(text string) func(o *probes.Observation) Fix {
		return func(o *probes.Observation) Fix {
			return Fix{
				Text:    text + ": delete the endpoint and create it anew",
				Command: command(o.Link, ConsumerSide, "ec2", "delete-vpc-endpoints", "--vpc-endpoint-ids", endpointIDOf(o)),
			}
		}
	}
	switch state {
	case "pendingacceptance":
		c.Blame(ProviderSide, func(o *probes.Observation) Fix {
			return Fix{
				Text: "accept the connection",
				Command: command(o.Link, ProviderSide, "ec2", "accept-vpc-endpoint-connections",
					"--service-id", serviceIDOf(o), "--vpc-endpoint-ids", endpointIDOf(o)),
			}
		})
	case "rejected":
		c.Blame(ProviderSide, recreate("the provider rejected the connection; once both agree"))
	case "expired":
		c.Blame(ConsumerSide, recreate("nobody accepted the request in time"))
	case "failed":
		c.Blame(ConsumerSide, recreate("mend what the error names"))
	case "deleting", "deleted":
		c.Blame(ConsumerSide, func(*probes.Observation) Fix {
			return Fix{
				Text:     "the endpoint is being deleted: create a new one and name it in the link file",
				LinkFile: "consumer.endpointId: the new endpoint's id",
			}
		})
	}
}

func interfacesCheck() Check {
	return check("connection.interface-in-each-subnet", "each of its subnets has one interface in use",
		revision(1), severity(Critical), side(ConsumerSide),
		after("connection.endpoint-available"), needs("consumer.endpoint", "consumer.interfaces"),
		rows("PL-EP-013"),
		asserts("each of SubnetIds has exactly one of NetworkInterfaceIds, with an address and status in-use (ec2:DescribeNetworkInterfaces)"),
		why("the interfaces are the endpoint: a subnet without one has no way into the service"),
		source("EC2 API reference, VpcEndpoint.NetworkInterfaceIds and NetworkInterface.Status"),
		fix(func(o *probes.Observation) Fix {
			return Fix{
				Text: "take the subnet out of the endpoint and add it again",
				Command: command(o.Link, ConsumerSide, "ec2", "modify-vpc-endpoint", "--vpc-endpoint-id", endpointIDOf(o),
					"--remove-subnet-ids", subnetWithoutInterface(o)),
			}
		}),
		body(func(c *C, o *probes.Observation) {
			e, _ := value(o.Consumer.Endpoint)
			interfaces, _ := value(o.Consumer.Interfaces)
			c.Expect(e.SubnetIDs).NotTo(gomega.BeEmpty(), "the endpoint has no subnet")
			bySubnet := map[string][]probes.Interface{}
			for _, n := range interfaces {
				bySubnet[n.SubnetID] = append(bySubnet[n.SubnetID], n)
			}
			for _, subnet := range sorted(e.SubnetIDs) {
				in := bySubnet[subnet]
				switch {
				case len(in) != 1:
					c.Wrong(subnet, "has %d of the endpoint's interfaces", len(in))
				case !same(in[0].Status, "in-use"):
					c.Wrong(subnet, "interface %s is %s", in[0].ID, or(in[0].Status, "without a status"))
				case len(in[0].IPs) == 0:
					c.Wrong(subnet, "interface %s has no address", in[0].ID)
				default:
					c.Fact(subnet, "%s %s %s", in[0].ID, in[0].ZoneID, list(in[0].IPs))
				}
			}
		}),
	)
}

func subnetWithoutInterface(o *probes.Observation) string {
	for _, subnet := range maybe(o.Consumer.Endpoint).SubnetIDs {
		if !slices.ContainsFunc(maybe(o.Consumer.Interfaces), func(n probes.Interface) bool { return n.SubnetID == subnet }) {
			return subnet
		}
	}
	return "SUBNET_ID"
}
