package suites

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/linkassay/linkassay/probes"
)

// exposureChecks: nobody gets at the service but those who are meant to.
func exposureChecks() []Check {
	return []Check{
		publicCheck(),
		pathCheck(),
		extraPrincipalsCheck(),
		outlivingCheck(),
		policyCheck(),
	}
}

func publicCheck() Check {
	return check("exposure.not-open-to-everybody", "the service is not open to every AWS account",
		revision(1), severity(Warning), side(ProviderSide),
		after("connection.service-exists"), needs("provider.service", "provider.permissions"), rows("PL-SVC-008"),
		asserts("the allowed principals do not hold * while AcceptanceRequired is false"),
		why("anybody's endpoint is connected at once, and reaches what listens behind the load balancer"),
		source("PrivateLink guide, Configure an endpoint service: * and no acceptance make the service public"),
		fix(func(o *probes.Observation) Fix {
			return Fix{
				Text: "ask for acceptance, and allow only those accounts that use the service",
				Command: command(o.Link, ProviderSide, "ec2", "modify-vpc-endpoint-service-permissions",
					"--service-id", serviceIDOf(o), "--remove-allowed-principals", "*"),
				LinkFile: "provider.build.allowedPrincipals and acceptanceRequired: as they should be",
			}
		}),
		body(func(c *C, o *probes.Observation) {
			s, _ := value(o.Provider.Service)
			allowed, _ := value(o.Provider.Permissions)
			all := slices.ContainsFunc(allowed, func(p probes.Principal) bool { return p.ARN == "*" })
			c.Fact("acceptance required", "%t", s.AcceptanceRequired)
			if all && !s.AcceptanceRequired {
				c.Wrong("allowed", "* without acceptance: every AWS account is connected that asks")
			} else {
				c.Fact("allowed", "%d principals, * among them: %t", len(allowed), all)
			}
		}),
	)
}

func pathCheck() Check {
	return check("identity.principals-without-path", "no allowed principal's ARN has a path",
		revision(1), severity(Warning), side(ProviderSide),
		after("connection.service-exists"), needs("provider.permissions"), rows("PL-PERM-003"),
		asserts("neither the allowed principals nor provider.build.allowedPrincipals of the link file hold a role or user with a path, such as role/team/NAME"),
		why("AWS does not support paths there: such a principal is refused, or covers nobody"),
		source("EC2 API reference, ModifyVpcEndpointServicePermissions: principal ARNs with path components aren't supported"),
		fix(func(o *probes.Observation) Fix {
			var without []string
			for _, p := range principalsOf(o) {
				if short, has := withoutPath(p); has {
					without = append(without, short)
				}
			}
			if len(without) == 0 {
				without = []string{"PRINCIPAL_ARN"}
			}
			return Fix{
				Text: "name the role or user without its path",
				Command: command(o.Link, ProviderSide, append([]string{
					"ec2", "modify-vpc-endpoint-service-permissions",
					"--service-id", serviceIDOf(o), "--add-allowed-principals",
				}, sorted(without)...)...),
				LinkFile: "provider.build.allowedPrincipals: " + list(sorted(without)),
			}
		}),
		body(func(c *C, o *probes.Observation) {
			for _, p := range principalsOf(o) {
				if short, has := withoutPath(p); has {
					c.Wrong(p, "has a path; AWS takes %s", short)
				} else {
					c.Fact(p, "no path")
				}
			}
		}),
	)
}

// principalsOf are the principals that are allowed and those that the link file wants to be.
func principalsOf(o *probes.Observation) []string {
	var all []string
	for _, p := range maybe(o.Provider.Permissions) {
		all = append(all, p.ARN)
	}
	if b := o.Link.Provider.Build; b != nil {
		all = append(all, b.AllowedPrincipals...)
	}
	return sorted(all)
}

// withoutPath takes the path out of a role's or user's ARN, if there is one.
func withoutPath(arn string) (string, bool) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 || parts[2] != "iam" {
		return arn, false
	}
	words := strings.Split(parts[5], "/")
	if len(words) < 3 || words[0] != "role" && words[0] != "user" {
		return arn, false
	}
	parts[5] = words[0] + "/" + words[len(words)-1]
	return strings.Join(parts, ":"), true
}

func extraPrincipalsCheck() Check {
	return check("exposure.principals-as-declared", "nobody else is allowed than the link file says",
		revision(1), severity(Advice), side(ProviderSide),
		after("connection.service-exists"),
		because("connection.principal-allowed", "exposure.not-open-to-everybody", "identity.principals-without-path"),
		needs("provider.permissions"), wants("consumer.identity"), rows("PL-PERM-006"),
		asserts("where provider.build says what apply allows: the allowed principals are those of allowedPrincipals, the consumer account's root and the consumer's own role or user, and no other; * is judged by exposure.not-open-to-everybody"),
		why("a principal that was left over can still connect, and nobody remembers it"),
		source("PrivateLink guide, Configure an endpoint service, manage permissions"),
		fix(func(o *probes.Observation) Fix {
			extra := extraPrincipals(o)
			if len(extra) == 0 {
				extra = []string{"PRINCIPAL_ARN"}
			}
			return Fix{
				Text: "remove them, or name them in the link file",
				Command: command(o.Link, ProviderSide, append([]string{
					"ec2", "modify-vpc-endpoint-service-permissions",
					"--service-id", serviceIDOf(o), "--remove-allowed-principals",
				}, extra...)...),
				LinkFile: "provider.build.allowedPrincipals: with " + list(extra),
			}
		}),
		body(func(c *C, o *probes.Observation) {
			if o.Link.Provider.Build == nil {
				c.Skip("the link file has no provider.build that would say who is allowed")
			}
			allowed, _ := value(o.Provider.Permissions)
			c.Fact("allowed", "%d principals", len(allowed))
			for _, p := range extraPrincipals(o) {
				c.Wrong(p, "is allowed and not in the link file")
			}
		}),
	)
}

func extraPrincipals(o *probes.Observation) []string {
	caller := maybe(o.Consumer.Identity).ARN
	wanted := []string{"*", o.Link.ConsumerPrincipal(), caller, roleOf(caller)}
	if b := o.Link.Provider.Build; b != nil {
		wanted = append(wanted, b.AllowedPrincipals...)
	}
	var extra []string
	for _, p := range maybe(o.Provider.Permissions) {
		if !slices.ContainsFunc(wanted, func(w string) bool { return samePrincipal(w, p.ARN) }) {
			extra = append(extra, p.ARN)
		}
	}
	return sorted(extra)
}

func outlivingCheck() Check {
	return check("exposure.connections-still-allowed", "every connection's account is still allowed",
		revision(1), severity(Warning), side(ProviderSide),
		after("connection.service-exists"), needs("provider.connections", "provider.permissions"), rows("PL-PERM-005"),
		asserts("each other connection of the service that is available belongs to an account of which a principal is allowed"),
		why("a permission that is removed leaves existing connections alone: they go on working until they are rejected"),
		source("PrivateLink guide, Configure an endpoint service, manage permissions"),
		fix(func(o *probes.Observation) Fix {
			ids := sorted(outliving(o, maybe(o.Provider.Connections), maybe(o.Provider.Permissions)))
			if len(ids) == 0 {
				ids = []string{"ENDPOINT_ID"}
			}
			return Fix{
				Text: "reject the connections, or allow their accounts again",
				Command: command(o.Link, ProviderSide, append([]string{
					"ec2", "reject-vpc-endpoint-connections",
					"--service-id", serviceIDOf(o), "--vpc-endpoint-ids",
				}, ids...)...),
			}
		}),
		body(func(c *C, o *probes.Observation) {
			all, _ := value(o.Provider.Connections)
			allowed, _ := value(o.Provider.Permissions)
			c.Fact("connections", "%d, %d principals", len(all), len(allowed))
			left := outliving(o, all, allowed)
			for _, conn := range all {
				if slices.Contains(left, conn.EndpointID) {
					c.Wrong(conn.EndpointID, "is %s; its account %s is no longer allowed", conn.State, conn.EndpointOwner)
				}
			}
		}),
	)
}

// outliving are the available connections of other accounts that nothing allows any more. The link's own
// is judged by connection.principal-allowed.
func outliving(o *probes.Observation, all []probes.Connection, allowed []probes.Principal) []string {
	var ids []string
	for _, conn := range all {
		if conn.EndpointOwner == o.Link.Consumer.Account || conn.EndpointOwner == o.Link.Provider.Account || !same(conn.State, "available") {
			continue
		}
		if !slices.ContainsFunc(allowed, func(p probes.Principal) bool {
			// Organizational units and services cover accounts that their ARNs don't name.
			return p.ARN == "*" || p.ARN == conn.EndpointOwner || accountOf(p.ARN) == conn.EndpointOwner ||
				p.Type == "OrganizationUnit" || p.Type == "Service"
		}) {
			ids = append(ids, conn.EndpointID)
		}
	}
	return ids
}

func policyCheck() Check {
	return check("connection.endpoint-policy-open", "the endpoint's policy lets everything through",
		revision(1), severity(Warning), side(ConsumerSide),
		after("connection.endpoint-exists"), needs("consumer.endpoint"), rows("PL-NET-009"),
		asserts("PolicyDocument, where the endpoint has one, allows every action on every resource to everybody, and denies nothing"),
		why("a service that looks at the policy refuses callers that the network lets through"),
		source("PrivateLink guide, endpoint policies; EC2 API reference, VpcEndpoint.PolicyDocument"),
		fix(func(o *probes.Observation) Fix {
			return Fix{
				Text:    "reset the policy, or widen it to what callers need",
				Command: command(o.Link, ConsumerSide, "ec2", "modify-vpc-endpoint", "--vpc-endpoint-id", endpointIDOf(o), "--reset-policy"),
			}
		}),
		body(func(c *C, o *probes.Observation) {
			e, _ := value(o.Consumer.Endpoint)
			if e.Policy == "" {
				c.Skip("the endpoint has no policy")
			}
			if isFullAccess(e.Policy) {
				c.Fact("policy", "full access")
			} else {
				c.Wrong("policy", "%s", e.Policy)
			}
		}),
	)
}

// isFullAccess says whether an endpoint policy allows everything: one statement that allows all to all
// without a condition, and none that denies.
func isFullAccess(document string) bool {
	var doc struct{ Statement json.RawMessage }
	if json.Unmarshal([]byte(document), &doc) != nil {
		return false
	}
	var statements []map[string]any
	if json.Unmarshal(doc.Statement, &statements) != nil {
		var one map[string]any
		if json.Unmarshal(doc.Statement, &one) != nil {
			return false
		}
		statements = []map[string]any{one}
	}
	full := false
	for _, s := range statements {
		if s["Effect"] != "Allow" {
			return false
		}
		_, conditional := s["Condition"]
		full = full || !conditional && isStar(s["Action"]) && isStar(s["Resource"]) && isStar(s["Principal"])
	}
	return full
}

// isStar says whether a policy element is "*", a list with it, or the principal {"AWS":"*"}.
func isStar(v any) bool {
	switch v := v.(type) {
	case string:
		return v == "*"
	case []any:
		return slices.ContainsFunc(v, isStar)
	case map[string]any:
		return isStar(v["AWS"])
	}
	return false
}
