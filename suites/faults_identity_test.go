package suites

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
)

// cannotAsk makes every item of a side that AWS answers an error, and what rests on it.
func cannotAsk(o *probes.Observation, s Side, f probes.Failure) {
	for _, item := range probes.ItemNames() {
		if sideOf(item) != s || strings.HasSuffix(item, ".api") || item == "dns.public" {
			continue
		}
		fail(o, item, f)
	}
}

func fail(o *probes.Observation, item string, f probes.Failure) {
	strike(o, item, "error")
	// The failure is the item's own, shared with nothing.
	m, _ := o.Meta(item)
	*m.Error = f
}

// identityFaults are those of identity, permission, exposure, quotas and scope.
func identityFaults() []fault {
	credentials := probes.Failure{Class: probes.FailCredentials, Operation: "sts:GetCallerIdentity", Code: "ExpiredToken", Message: "The security token included in the request is expired"}
	throttled := probes.Failure{Class: probes.FailThrottled, Operation: "ec2:DescribeVpcEndpoints", Code: "RequestLimitExceeded", Message: "Request limit exceeded.", Attempts: 8}
	denied := func(operation string) probes.Failure {
		return probes.Failure{Class: probes.FailDenied, Operation: operation, Code: "UnauthorizedOperation", Message: "You are not authorized to perform this operation."}
	}
	refuse := func(all []probes.DryRun, operation, action string) {
		for i := range all {
			if all[i].Operation == operation {
				all[i].Code, all[i].Message = probes.DryRunDenied, "You are not authorized to perform this operation. User: arn:aws:iam::2:user/x is not authorized to perform: "+action+" with an explicit deny"
			}
		}
	}
	return []fault{
		{"provider-credentials-expired", func(o *probes.Observation) { cannotAsk(o, ProviderSide, credentials) }, "identity.provider-credentials", ProviderSide, []string{"connection.consumer-account", "reachability.tcp-interfaces"}},
		{"consumer-role-not-assumable", func(o *probes.Observation) {
			o.Link.Consumer.Role = &provision.Role{ARN: "arn:aws:iam::222222222222:role/team/Reader"}
			cannotAsk(o, ConsumerSide, credentials)
		}, "identity.consumer-credentials", ConsumerSide, []string{"connection.healthy-target"}},
		{"clock-off", func(o *probes.Observation) {
			for _, s := range []Side{ProviderSide, ConsumerSide} {
				cannotAsk(o, s, credentials)
			}
			o.Provider.API.Value.ClockOffset, o.Consumer.API.Value.ClockOffset = 20*time.Minute, 20*time.Minute
		}, "identity.clock-right", Network, nil},
		{"provider-throttled", func(o *probes.Observation) { fail(o, "provider.permissions", throttled) }, "identity.provider-api-not-throttled", ProviderSide, []string{"connection.healthy-target"}},
		{"consumer-throttled", func(o *probes.Observation) { cannotAsk(o, ConsumerSide, throttled) }, "identity.consumer-api-not-throttled", ConsumerSide, []string{"connection.principal-allowed"}},
		{"provider-may-not-read-targets", func(o *probes.Observation) {
			fail(o, "provider.targetHealth", denied("elasticloadbalancing:DescribeTargetHealth"))
			fail(o, "provider.targetGroups", denied("elasticloadbalancing:DescribeTargetGroups"))
		}, "identity.provider-may-read", ProviderSide, []string{"connection.listener-on-each-port", "reachability.tcp-interfaces"}},
		{"consumer-may-not-read", func(o *probes.Observation) {
			for _, item := range []string{"identity", "zones", "service", "endpoint", "interfaces", "subnets", "vpc", "securityGroups", "hostedZones"} {
				fail(o, "consumer."+item, denied("ec2:Describe"+item))
			}
		}, "identity.consumer-may-read", ConsumerSide, nil},
		{"provider-may-not-accept", func(o *probes.Observation) {
			refuse(o.Provider.DryRuns.Value, "ec2:AcceptVpcEndpointConnections", "ec2:AcceptVpcEndpointConnections")
		}, "identity.provider-may-apply", ProviderSide, []string{"connection.accepted"}},
		{"consumer-may-not-tag", func(o *probes.Observation) {
			refuse(o.Consumer.DryRuns.Value, "ec2:CreateVpcEndpoint", "ec2:CreateTags")
		}, "identity.consumer-may-connect", ConsumerSide, []string{"connection.accepted"}},
		{"consumer-may-not-associate-zones", func(o *probes.Observation) {
			refuse(o.Consumer.DryRuns.Value, "ec2:ModifyVpcEndpoint", "route53:AssociateVPCWithHostedZone")
		}, "identity.consumer-may-enable-private-dns", ConsumerSide, []string{"dns.private-dns-enabled"}},
		{"principal-with-path", func(o *probes.Observation) {
			o.Link.Provider.Build.AllowedPrincipals = append(o.Link.Provider.Build.AllowedPrincipals, "arn:aws:iam::222222222222:role/team/deploy")
		}, "identity.principals-without-path", ProviderSide, []string{"connection.principal-allowed"}},
		{"open-to-everybody", func(o *probes.Observation) {
			o.Provider.Permissions.Value = append(o.Provider.Permissions.Value, probes.Principal{Type: "All", ARN: "*"})
			o.Provider.Service.Value.AcceptanceRequired = false
		}, "exposure.not-open-to-everybody", ProviderSide, []string{"connection.principal-allowed"}},
		{"extra-principal", func(o *probes.Observation) {
			o.Provider.Permissions.Value = append(o.Provider.Permissions.Value, probes.Principal{Type: "Role", ARN: "arn:aws:iam::444444444444:role/left-over"})
		}, "exposure.principals-as-declared", ProviderSide, []string{"exposure.not-open-to-everybody"}},
		{"connection-outlives-permission", func(o *probes.Observation) {
			connectToo(o, "444444444444", "available")
		}, "exposure.connections-still-allowed", ProviderSide, []string{"connection.sides-agree"}},
		{"other-connection", func(o *probes.Observation) {
			connectToo(o, "333333333333", "pendingAcceptance")
		}, "scope.service-has-no-other-connections", ProviderSide, []string{"exposure.connections-still-allowed", "connection.accepted"}},
		{"dead-connection", func(o *probes.Observation) {
			connectToo(o, "333333333333", "rejected")
		}, "scope.service-has-no-dead-connections", ProviderSide, []string{"scope.service-has-no-other-connections"}},
		{"load-balancer-taken", func(o *probes.Observation) {
			o.Provider.Services.Value[1].LoadBalancerARNs = []string{lbARN}
		}, "connection.load-balancer-free", ProviderSide, nil},
		{"service-not-usable-yet", func(o *probes.Observation) {
			o.Consumer.DryRuns.Value[0].Code = "Unavailable"
		}, "connection.service-usable", ProviderSide, []string{"identity.consumer-may-connect"}},
		{"endpoint-quota-reached", func(o *probes.Observation) {
			o.Consumer.DryRuns.Value[0].Code = "VpcEndpointLimitExceeded"
		}, "quota.endpoints-per-vpc", ConsumerSide, []string{"connection.service-usable"}},
		{"endpoint-quota-reached-by-count", func(o *probes.Observation) {
			absent(&o.Consumer.DryRuns, probes.NotConfigured)
			for i := range endpointQuota {
				o.Consumer.Endpoints.Value = append(o.Consumer.Endpoints.Value, probes.EndpointSummary{ID: fmt.Sprint("vpce-", i), Type: "Interface"})
			}
		}, "quota.endpoints-per-vpc", ConsumerSide, nil},
		{"endpoint-policy-narrow", func(o *probes.Observation) {
			o.Consumer.Endpoint.Value.Policy = `{"Statement":{"Action":"*","Effect":"Allow","Principal":{"AWS":"222222222222"},"Resource":"*"}}`
		}, "connection.endpoint-policy-open", ConsumerSide, nil},
	}
}

// connectToo adds another account's connection.
func connectToo(o *probes.Observation, owner, state string) {
	o.Provider.Connections.Value = append(o.Provider.Connections.Value, probes.Connection{EndpointID: "vpce-0bbbbbbbbbbbbbbbb", EndpointOwner: owner, State: state, Created: start})
}

func TestPolicyIsFullAccess(t *testing.T) {
	t.Parallel()
	for document, want := range map[string]bool{
		`{"Statement":[{"Action":"*","Effect":"Allow","Principal":"*","Resource":"*"}]}`:                                      true,
		`{"Version":"2008-10-17","Statement":{"Action":["*"],"Effect":"Allow","Principal":{"AWS":"*"},"Resource":["*"]}}`:     true,
		`{"Statement":[{"Action":"*","Effect":"Allow","Principal":"*","Resource":"*","Condition":{"Bool":{"a":"true"}}}]}`:    false,
		`{"Statement":[{"Action":"*","Effect":"Allow","Principal":"*","Resource":"*"},{"Effect":"Deny","Action":"s3:Put*"}]}`: false,
		`{"Statement":[{"Action":"s3:Get*","Effect":"Allow","Principal":"*","Resource":"*"}]}`:                                false,
		`{"Statement":[]}`: false, `{`: false, `[]`: false,
	} {
		if isFullAccess(document) != want {
			t.Errorf("%s: want %t", document, want)
		}
	}
}

// What could not be told because of a denied call is put down to that, and counts as could not tell.
func TestCouldNotAskIsUntold(t *testing.T) {
	t.Parallel()
	for _, f := range identityFaults()[:7] {
		o := healthy()
		f.make(o)
		verdicts := Judge(o, Catalogue(), nil)
		if s := Summarize(verdicts, ""); s.RequiredFailed > 0 || s.RequiredUntold != 1 || s.Untold > 0 {
			t.Errorf("%s: %+v", f.name, s)
		}
	}
}
