package suites

import (
	"slices"
	"strings"

	"github.com/onsi/gomega"

	"github.com/linkassay/linkassay/probes"
)

// serviceChecks: the endpoint service exists, works, and the consumer may use it.
func serviceChecks() []Check {
	return []Check{
		balancerFreeCheck(),
		check("connection.service-exists", "the endpoint service exists",
			revision(2), severity(Critical), side(ProviderSide),
			after("connection.provider-account"), because("connection.load-balancer-free", "region.of-service"), needs("provider.service"),
			asserts("ec2:DescribeVpcEndpointServiceConfigurations returns the service in the provider account and the Region of the link"),
			why("there is nothing to connect to"),
			source("EC2 API reference, DescribeVpcEndpointServiceConfigurations; error code InvalidVpcEndpointServiceId.NotFound"),
			rows("PL-SVC-001"),
			fix(func(o *probes.Observation) Fix {
				return Fix{
					Text:     "create the endpoint service, or name the one meant",
					Command:  command(o.Link, ProviderSide, "ec2", "describe-vpc-endpoint-service-configurations"),
					LinkFile: "provider.serviceId or provider.serviceName: the id or name of an existing service in " + o.Link.ProviderRegion(),
				}
			}),
			body(func(c *C, o *probes.Observation) {
				s, _ := value(o.Provider.Service)
				c.Fact("service", "%s", or(s.ID, o.Link.Provider.ServiceID, o.Link.Provider.ServiceName, "not known"))
				c.Expect(s.Found).To(gomega.BeTrue(), "there is no such endpoint service in account %s, %s%s",
					o.Link.Provider.Account, o.Link.ProviderRegion(), inParentheses(s.Code))
			}),
		),
		check("connection.service-available", "the endpoint service is Available",
			revision(1), severity(Critical), side(ProviderSide),
			after("connection.service-exists"), needs("provider.service"),
			asserts("ServiceState is Available (ec2:DescribeVpcEndpointServiceConfigurations)"),
			why("a service that is Pending, Failed or Deleting takes no connections"),
			source("EC2 API reference, ServiceConfiguration.ServiceState"),
			rows("PL-SVC-002"),
			fix(func(o *probes.Observation) Fix {
				return Fix{
					Text: "wait while it is Pending; create it anew when it is Failed or Deleted",
					Command: command(o.Link, ProviderSide, "ec2", "describe-vpc-endpoint-service-configurations",
						"--service-ids", serviceIDOf(o)),
				}
			}),
			body(func(c *C, o *probes.Observation) {
				s, _ := value(o.Provider.Service)
				c.Fact("state", "%s", s.State)
				c.Expect(same(s.State, "Available")).To(gomega.BeTrue(), "service %s is %s", s.ID, or(s.State, "without a state"))
			}),
		),
		check("connection.service-type", "the service is for interface endpoints",
			revision(1), severity(Critical), side(ProviderSide),
			after("connection.service-exists"), needs("provider.service"),
			asserts("ServiceType is Interface (ec2:DescribeVpcEndpointServiceConfigurations)"),
			why("an interface endpoint cannot use a Gateway Load Balancer's service"),
			source("EC2 API reference, ServiceTypeDetail.ServiceType"),
			rows("PL-SVC-003", "PL-NLB-002"),
			fix(func(o *probes.Observation) Fix {
				return Fix{
					Text: "create a service on a Network Load Balancer",
					Command: command(o.Link, ProviderSide, "ec2", "create-vpc-endpoint-service-configuration",
						"--network-load-balancer-arns", "LOAD_BALANCER_ARN"),
				}
			}),
			body(func(c *C, o *probes.Observation) {
				s, _ := value(o.Provider.Service)
				c.Fact("type", "%s", s.Type)
				c.Expect(s.Type).To(gomega.Equal("Interface"), "service %s is of type %s", s.ID, or(s.Type, "none"))
			}),
		),
		permissionCheck(),
		check("connection.service-visible", "the consumer sees the service",
			revision(1), severity(Critical), side(ProviderSide),
			after("connection.consumer-account", "connection.service-available", "connection.principal-allowed", "region.of-service", "region.service-offered"),
			needs("consumer.service"), rows("PL-PERM-004"),
			asserts("ec2:DescribeVpcEndpointServices with the service's name answers in the consumer account, and names the provider as owner"),
			why("AWS answers InvalidServiceName to accounts that are not allowed, as if there were no such service"),
			source("PrivateLink guide, Configure an endpoint service, manage permissions; error code InvalidServiceName"),
			fix(func(o *probes.Observation) Fix {
				return Fix{
					Text:     "allow the consumer; if it is allowed already, wait some minutes, and compare the service's name and Region",
					Command:  allowCommand(o),
					LinkFile: "provider.serviceName and region: those of the service",
				}
			}),
			body(func(c *C, o *probes.Observation) {
				s, _ := value(o.Consumer.Service)
				c.Fact("service", "%s", or(s.Name, o.Link.Provider.ServiceName))
				if !s.Visible {
					c.Fact("answer", "%s %s", s.Code, s.Message)
				}
				c.Expect(s.Visible).To(gomega.BeTrue(), "account %s does not see the service%s", o.Link.Consumer.Account, inParentheses(s.Code))
				if s.Owner != "" {
					c.Fact("owner", "%s", s.Owner)
					c.Expect(s.Owner).To(gomega.Equal(o.Link.Provider.Account), "the service belongs to account %s, not %s", s.Owner, o.Link.Provider.Account)
				}
			}),
		),
	}
}

func permissionCheck() Check {
	return check("connection.principal-allowed", "the consumer is an allowed principal",
		revision(2), severity(Critical), side(ProviderSide),
		// With the wrong account in the link file, the one to allow would be the wrong one too.
		after("connection.service-exists"), because("connection.consumer-account"),
		needs("provider.permissions"), wants("consumer.identity"), rows("PL-PERM-001", "PL-PERM-002", "PL-PERM-005"),
		asserts("ec2:DescribeVpcEndpointServicePermissions holds *, the consumer account's root, or the caller's own role or user; their order and others beside them don't matter"),
		why("without it the consumer cannot request a connection; one that was accepted before goes on working"),
		source("PrivateLink guide, Configure an endpoint service, manage permissions; EC2 API reference, DescribeVpcEndpointServicePermissions"),
		fix(func(o *probes.Observation) Fix {
			return Fix{Text: "allow the consumer account", Command: allowCommand(o)}
		}),
		body(func(c *C, o *probes.Observation) {
			allowed, _ := value(o.Provider.Permissions)
			caller, known := value(o.Consumer.Identity)
			arns := make([]string, len(allowed))
			for i, p := range allowed {
				arns[i] = p.ARN
			}
			arns = sorted(arns)
			c.Fact("allowed", "%s", list(arns))
			wanted := []string{"*", o.Link.Consumer.Account, o.Link.ConsumerPrincipal()}
			if known {
				wanted = append(wanted, caller.ARN, roleOf(caller.ARN))
				c.Fact("consumer", "%s", caller.ARN)
			}
			var by string
			for _, arn := range arns {
				if slices.ContainsFunc(wanted, func(w string) bool { return w != "" && samePrincipal(w, arn) }) {
					by = arn
				}
			}
			if by == "" && !known && slices.ContainsFunc(arns, func(arn string) bool { return accountOf(arn) == o.Link.Consumer.Account }) {
				// One role of the account is allowed: whether it is the one that asks is not known here.
				c.Untold("only single roles or users of account %s are allowed, and its caller is not known", o.Link.Consumer.Account)
			}
			c.Expect(by).NotTo(gomega.BeEmpty(), "account %s is not among the %d allowed principals", o.Link.Consumer.Account, len(arns))
			c.Fact("by", "%s", by)
		}),
	)
}

func allowCommand(o *probes.Observation) string {
	return command(o.Link, ProviderSide, "ec2", "modify-vpc-endpoint-service-permissions",
		"--service-id", serviceIDOf(o), "--add-allowed-principals", o.Link.ConsumerPrincipal())
}

// roleOf turns the ARN of an assumed role into that of the role: a session acts as its role, and
// the role's path, which principals of a service must not have, is not in it.
func roleOf(arn string) string {
	head, tail, ok := strings.Cut(arn, ":assumed-role/")
	if !ok {
		return ""
	}
	role, _, _ := strings.Cut(tail, "/")
	return strings.Replace(head, ":sts:", ":iam:", 1) + ":role/" + role
}

// samePrincipal compares ARNs without their partition, which the link file does not know.
func samePrincipal(a, b string) bool {
	return a == b || withoutPartition(a) == withoutPartition(b)
}

func withoutPartition(arn string) string {
	parts := strings.SplitN(arn, ":", 3)
	if len(parts) < 3 || parts[0] != "arn" {
		return arn
	}
	return parts[2]
}

func accountOf(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 {
		return ""
	}
	return parts[4]
}

func inParentheses(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}
