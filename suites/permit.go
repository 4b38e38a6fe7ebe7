package suites

import (
	"regexp"
	"slices"

	"github.com/linkassay/linkassay/probes"
)

// permitChecks: the identities may do what apply does. AWS is asked with DryRun=true, which changes
// nothing, and only where the link file has something to build.
func permitChecks() []Check {
	return []Check{
		permit("identity.provider-may-apply", "the provider's identity may apply the link", ProviderSide,
			[]string{"ec2:CreateVpcEndpointServiceConfiguration", "ec2:ModifyVpcEndpointServicePermissions", "ec2:AcceptVpcEndpointConnections"},
			after("connection.service-exists"), rows("PL-CRED-002"),
			why("apply would stop half way in the provider's account; the link that is there goes on working"),
			source("EC2 API reference, error codes DryRunOperation and UnauthorizedOperation")),
		permit("identity.consumer-may-connect", "the consumer's identity may make the endpoint", ConsumerSide,
			[]string{"ec2:CreateVpcEndpoint"},
			after("connection.endpoint-exists"), rows("PL-CRED-002", "PL-CRED-003", "PL-CRED-005", "PL-CR-001"),
			why("policies may allow endpoints to some services only (ec2:VpceServiceName, ec2:VpceServiceOwner, ec2:VpceServicePrivateDnsName), and tags (ec2:CreateTags) and other Regions (vpce:AllowMultiRegion) need permissions of their own"),
			source("Service Authorization Reference, Amazon EC2, CreateVpcEndpoint, its condition keys and dependent actions; PrivateLink guide, cross-Region access")),
		permit("identity.consumer-may-enable-private-dns", "the consumer side may switch private DNS on", ConsumerSide,
			[]string{"ec2:ModifyVpcEndpoint"},
			after("connection.endpoint-exists"), because("identity.consumer-may-connect"), rows("PL-CRED-003"),
			why("private DNS associates a hosted zone with the VPC: it needs route53:AssociateVPCWithHostedZone beside ec2:ModifyVpcEndpoint"),
			source("Service Authorization Reference, Amazon EC2, CreateVpcEndpoint, dependent actions")),
	}
}

// permit declares a check that none of the operations is refused by IAM.
func permit(id, title string, s Side, operations []string, options ...option) Check {
	mine := func(all []probes.DryRun) []probes.DryRun {
		return slices.DeleteFunc(slices.Clone(all), func(d probes.DryRun) bool { return !slices.Contains(operations, d.Operation) })
	}
	return check(id, title, append([]option{
		revision(1), severity(Warning), side(s), needs(string(s) + ".dryRuns"), wants(string(s) + ".identity"),
		asserts("with DryRun=true AWS refuses none of " + list(operations) + " as UnauthorizedOperation"),
		fix(func(o *probes.Observation) Fix {
			var lacking []string
			for _, d := range mine(maybe(dryRunsOf(o, s))) {
				if d.Code == probes.DryRunDenied {
					lacking = append(lacking, or(deniedAction(d.Message), d.Operation))
				}
			}
			if len(lacking) == 0 {
				lacking = slices.Clone(operations)
			}
			return grant(o, s, "Apply", lacking)
		}),
		body(func(c *C, o *probes.Observation) {
			all, _ := value(dryRunsOf(o, s))
			if who, known := value(identityOf(o, s)); known {
				c.Fact("caller", "%s", who.ARN)
			}
			found := mine(all)
			if len(found) == 0 {
				c.Skip("there is nothing to try it on")
			}
			for _, d := range found {
				switch d.Code {
				case probes.DryRunDenied:
					c.Wrong(d.Operation, "refused, to %s: %s", d.For, d.Message)
				case probes.DryRunAllowed:
					c.Fact(d.Operation, "allowed, to %s", d.For)
				default: // AWS looks at permissions first
					c.Fact(d.Operation, "not refused; AWS answered %s", d.Code)
				}
			}
		}),
	}, options...)...)
}

// deniedAction finds the action that AWS says is lacking: with dependent actions it is another one than
// the operation that was tried.
func deniedAction(message string) string {
	m := regexp.MustCompile(`not authorized to perform: ([a-z0-9-]+:[A-Za-z0-9*]+)`).FindStringSubmatch(message)
	if m == nil {
		return ""
	}
	return m[1]
}
