package suites

import (
	"slices"
	"strings"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
)

// scopeChecks: what else there is on the service, its load balancer and the endpoint's VPC, that would be
// in the way of apply and destroy.
func scopeChecks() []Check {
	return []Check{
		usableCheck(),
		quotaCheck(),
		otherConnectionsCheck(),
		deadConnectionsCheck(),
	}
}

func balancerFreeCheck() Check {
	return check("connection.load-balancer-free", "no other service has the load balancer",
		revision(1), severity(Critical), side(ProviderSide),
		after("connection.provider-account"), needs("provider.services"), wants("provider.service"),
		rows("PL-NLB-003", "PL-NLB-009"),
		asserts("no endpoint service of the provider's account but the link's own is on a load balancer of the service, or on the one that apply names after the link"),
		why("a load balancer belongs to one endpoint service: another one on it can't be created (LBs are already associated with another VPC Endpoint Service Configuration), and the load balancer can't be deleted before its service (ResourceInUse)"),
		source("PrivateLink guide, Create a service powered by AWS PrivateLink; ELB API reference, DeleteLoadBalancer, ResourceInUse"),
		fix(func(o *probes.Observation) Fix {
			ids := othersOnBalancer(o)
			if len(ids) == 0 {
				ids = []string{"SERVICE_ID"}
			}
			return Fix{
				Text:     "delete the other service, or use it for the link",
				Command:  command(o.Link, ProviderSide, append([]string{"ec2", "delete-vpc-endpoint-service-configurations", "--service-ids"}, ids...)...),
				LinkFile: "provider.serviceId: " + ids[0],
			}
		}),
		body(func(c *C, o *probes.Observation) {
			all, _ := value(o.Provider.Services)
			c.Fact("services", "%d in the account", len(all))
			others := othersOnBalancer(o)
			for _, s := range all {
				if slices.Contains(others, s.ID) {
					c.Wrong(s.ID, "is %s on %s", s.State, list(s.LoadBalancerARNs))
				}
			}
		}),
	)
}

// othersOnBalancer are the services of the account on the link's load balancers, without the link's own.
func othersOnBalancer(o *probes.Observation) []string {
	own := maybe(o.Provider.Service)
	var ids []string
	for _, s := range maybe(o.Provider.Services) {
		if s.ID == or(own.ID, o.Link.Provider.ServiceID) || same(s.State, "Deleting") || same(s.State, "Deleted") {
			continue
		}
		if slices.ContainsFunc(s.LoadBalancerARNs, func(arn string) bool {
			ours := o.Link.Provider.Build != nil && strings.Contains(arn, ":loadbalancer/net/"+provision.BalancerName(o.Link.Name)+"/")
			return ours || slices.Contains(own.LoadBalancerARNs, arn)
		}) {
			ids = append(ids, s.ID)
		}
	}
	return sorted(ids)
}

func usableCheck() Check {
	return check("connection.service-usable", "the service takes new endpoints",
		revision(1), severity(Warning), side(ProviderSide),
		after("connection.service-visible", "connection.endpoint-exists"), needs("consumer.dryRuns"), rows("PL-SVC-004"),
		asserts("ec2:CreateVpcEndpoint with DryRun=true is not answered with Unavailable (HTTP 503)"),
		why("for some minutes after a service was made, CreateVpcEndpoint answers 503 although the service is Available"),
		source("observed at AWS: aws-sdk-go-v2 issues 2254 and 2870; EC2 API reference, error code Unavailable"),
		fix(func(o *probes.Observation) Fix {
			return Fix{
				Text: "wait some minutes and try again; apply does so by itself",
				Command: command(o.Link, ConsumerSide, "ec2", "create-vpc-endpoint", "--dry-run", "--vpc-endpoint-type", "Interface",
					"--vpc-id", vpcIDOf(o), "--service-name", serviceNameOf(o)),
			}
		}),
		body(func(c *C, o *probes.Observation) {
			d, ok := createDryRun(o)
			if !ok {
				c.Skip("there is nothing to try it on")
			}
			if d.Code == "Unavailable" || d.Code == "ServiceUnavailable" {
				c.Wrong(d.Operation, "%s: %s", d.Code, d.Message)
			} else {
				c.Fact(d.Operation, "%s", d.Code)
			}
		}),
	)
}

// createDryRun is what AWS said to another endpoint like the link's.
func createDryRun(o *probes.Observation) (probes.DryRun, bool) {
	all, _ := value(o.Consumer.DryRuns)
	i := slices.IndexFunc(all, func(d probes.DryRun) bool { return d.Operation == "ec2:CreateVpcEndpoint" })
	if i < 0 {
		return probes.DryRun{}, false
	}
	return all[i], true
}

// endpointQuota is AWS's default for interface and Gateway Load Balancer endpoints in a VPC.
const endpointQuota = 50

func quotaCheck() Check {
	return check("quota.endpoints-per-vpc", "the VPC has room for another endpoint",
		revision(1), severity(Warning), side(ConsumerSide),
		after("connection.endpoint-exists"), needs("consumer.endpoints"), wants("consumer.dryRuns"), rows("PL-EP-009"),
		asserts("ec2:CreateVpcEndpoint with DryRun=true is not answered with VpcEndpointLimitExceeded; where it could not be tried, the VPC has fewer than 50 Interface and GatewayLoadBalancer endpoints"),
		why("at the quota an endpoint can't be made anew, as after a rejection or a change of the service"),
		source("PrivateLink guide, quotas: L-29B6F2EB, 50, adjustable; EC2 API reference, error code VpcEndpointLimitExceeded"),
		fix(func(o *probes.Observation) Fix {
			return Fix{
				Text: "delete endpoints that nobody needs, or ask for more",
				Command: command(o.Link, ConsumerSide, "service-quotas", "request-service-quota-increase",
					"--service-code", "vpc", "--quota-code", "L-29B6F2EB", "--desired-value", "100"),
			}
		}),
		body(func(c *C, o *probes.Observation) {
			all, _ := value(o.Consumer.Endpoints)
			n := 0
			for _, e := range all {
				if same(e.Type, "Interface") || same(e.Type, "GatewayLoadBalancer") {
					n++
				}
			}
			d, tried := createDryRun(o)
			switch {
			case tried && d.Code == "VpcEndpointLimitExceeded":
				c.Wrong("endpoints", "%d in the VPC: %s", n, or(d.Message, d.Code))
			case tried && d.Code == probes.DryRunAllowed:
				c.Fact("endpoints", "%d in the VPC; AWS would make another one", n)
			case n >= endpointQuota:
				c.Wrong("endpoints", "%d in the VPC, where the quota is %d unless it was raised", n, endpointQuota)
			default:
				c.Fact("endpoints", "%d in the VPC", n)
			}
		}),
	)
}

// otherConnections are the service's connections beside the link's own, in one of the states.
func otherConnections(o *probes.Observation, states ...string) []probes.Connection {
	all := maybe(o.Provider.Connections)
	mine := endpointIDs(connectionsOf(o.Link, "", all))
	return slices.DeleteFunc(slices.Clone(all), func(conn probes.Connection) bool {
		return slices.Contains(mine, conn.EndpointID) || !slices.Contains(states, strings.ToLower(conn.State))
	})
}

func endpointIDs(all []probes.Connection) []string {
	var ids []string
	for _, conn := range all {
		ids = append(ids, conn.EndpointID)
	}
	if len(ids) == 0 {
		return []string{"ENDPOINT_ID"}
	}
	return sorted(ids)
}

func otherConnectionsCheck() Check {
	states := []string{"pendingacceptance", "pending", "available"}
	return check("scope.service-has-no-other-connections", "no other endpoint is connected to the service",
		revision(1), severity(Advice), side(ProviderSide),
		after("connection.service-exists"), because("exposure.connections-still-allowed", "connection.principal-allowed", "dns.no-conflicting-endpoint"),
		needs("provider.connections"), wants("consumer.endpoint"), rows("PL-SVC-006"),
		asserts("where the link file builds the service: it has no connection beside the link's own that is pendingAcceptance, pending or available"),
		why("neither the service nor its load balancers can be removed while others are connected (ExistingVpcEndpointConnections), so destroy would stop"),
		source("EC2 API reference, DeleteVpcEndpointServiceConfigurations; error code ExistingVpcEndpointConnections"),
		fix(func(o *probes.Observation) Fix {
			return Fix{
				Text: "list those links too, or reject their connections before the service is removed",
				Command: command(o.Link, ProviderSide, append([]string{
					"ec2", "reject-vpc-endpoint-connections",
					"--service-id", serviceIDOf(o), "--vpc-endpoint-ids",
				}, endpointIDs(otherConnections(o, states...))...)...),
				LinkFile: "links: one for each endpoint that belongs there",
			}
		}),
		body(func(c *C, o *probes.Observation) {
			if o.Link.Provider.Build == nil {
				c.Skip("the link file does not build the service")
			}
			c.Fact("connections", "%d in all", len(maybe(o.Provider.Connections)))
			for _, conn := range otherConnections(o, states...) {
				c.Wrong(conn.EndpointID, "of account %s is %s", conn.EndpointOwner, conn.State)
			}
		}),
	)
}

func deadConnectionsCheck() Check {
	states := []string{"rejected", "failed", "expired", "deleting"}
	return check("scope.service-has-no-dead-connections", "no dead connection is left on the service",
		revision(1), severity(Advice), side(ProviderSide),
		after("connection.service-exists"), needs("provider.connections"), wants("consumer.endpoint"), rows("PL-SVC-007"),
		asserts("the service has no connection beside the link's own that is rejected, failed, expired or deleting"),
		why("they are still there until their owners delete the endpoints, and for a while the service can't be deleted"),
		source("openshift/hypershift, connection states at teardown; EC2 API reference, DeleteVpcEndpointServiceConfigurations"),
		fix(func(o *probes.Observation) Fix {
			return Fix{
				Text: "let the accounts that own them delete the endpoints: " + list(endpointIDs(otherConnections(o, states...))),
				Command: command(o.Link, ProviderSide, "ec2", "describe-vpc-endpoint-connections",
					"--filters", "Name=service-id,Values="+serviceIDOf(o)),
			}
		}),
		body(func(c *C, o *probes.Observation) {
			c.Fact("connections", "%d in all", len(maybe(o.Provider.Connections)))
			for _, conn := range otherConnections(o, states...) {
				c.Wrong(conn.EndpointID, "of account %s is %s", conn.EndpointOwner, conn.State)
			}
		}),
	)
}
