package lab

import (
	"context"
	"fmt"
	"time"

	"github.com/linkassay/linkassay/provision"
)

// identityFaults: whose credentials are used, and what they may do. AWS's IAM is not among the lab's APIs:
// policies are set as IAM would, in the model.
func identityFaults() []Fault {
	denying := func(profile string, statements string) func(*breaker, context.Context) error {
		return func(b *breaker, _ context.Context) error { return b.lab.deny(profile, statements) }
	}
	deny := func(actions string) string { return `{"Effect":"Deny","Action":` + actions + `,"Resource":"*"}` }
	return []Fault{
		{
			Name: "provider-role-not-assumable", Text: "the link file's role of the provider asks for an external id that it does not give",
			Excludes: []string{everything},
			File:     func(link *provision.Link) { link.Provider.Role = labRole(link.Provider.Account, "") },
		},
		{
			Name: "consumer-role-not-assumable", Text: "the link file's role of the consumer asks for an external id that it does not give",
			Excludes: []string{everything},
			File:     func(link *provision.Link) { link.Consumer.Role = labRole(link.Consumer.Account, "") },
		},
		{
			Name: "provider-credentials-foreign", Text: "the provider side's role belongs to the consumer's account",
			Excludes: []string{everything},
			File: func(link *provision.Link) {
				link.Provider.Role = labRole(link.Consumer.Account, labExternalID)
			},
		},
		{
			Name: "consumer-credentials-foreign", Text: "the consumer side's role belongs to the provider's account",
			Excludes: []string{everything},
			File: func(link *provision.Link) {
				link.Consumer.Role = labRole(link.Provider.Account, labExternalID)
			},
		},
		{
			Name: "clock-off", Text: "the host's clock is 20 minutes behind the API's", Excludes: []string{everything},
			set: func(b *breaker, _ context.Context) error { b.lab.Skew(20 * time.Minute); return nil },
		},
		{
			Name: "provider-throttled", Text: "the provider account's calls are throttled", Excludes: []string{everything},
			set: func(b *breaker, _ context.Context) error { b.throttle(b.link.Provider.Account); return nil },
		},
		{
			Name: "consumer-throttled", Text: "the consumer account's calls are throttled", Excludes: []string{everything},
			set: func(b *breaker, _ context.Context) error { b.throttle(b.link.Consumer.Account); return nil },
		},
		{
			Name: "provider-may-not-read", Text: "the provider side's identity may not read listeners and targets",
			Excludes: []string{everything},
			set:      denying("provider", deny(`["elasticloadbalancing:DescribeListeners","elasticloadbalancing:DescribeTarget*"]`)),
		},
		{
			Name: "consumer-may-not-read", Text: "the consumer side's identity may not describe endpoints",
			Excludes: []string{everything},
			set:      denying("consumer", deny(`"ec2:DescribeVpcEndpoints"`)),
		},
		{
			Name: "provider-may-not-accept", Text: "the provider side's identity may not accept connections",
			Excludes: []string{"provider-policy", "connections", "endpoint"}, set: denying("provider", deny(`"ec2:AcceptVpcEndpointConnections"`)),
		},
		{
			Name: "service-name-denied", Text: "a policy of the consumer denies endpoints to services of the provider's account",
			Excludes: []string{"consumer-policy", "endpoint", "private-name"},
			set: func(b *breaker, _ context.Context) error {
				return b.lab.deny("consumer", `{"Effect":"Deny","Action":"ec2:CreateVpcEndpoint","Resource":"*","Condition":{"StringEquals":{"ec2:VpceServiceOwner":"`+b.link.Provider.Account+`"}}}`)
			},
		},
		{
			Name: "tags-denied", Text: "the consumer side's identity may make endpoints, but no tags (ec2:CreateTags)",
			Excludes: []string{"consumer-policy", "endpoint", "private-name"}, set: denying("consumer", deny(`"ec2:CreateTags"`)),
		},
		{
			Name: "zone-association-denied", Text: "the consumer side's identity lacks route53:AssociateVPCWithHostedZone, which private DNS needs",
			Excludes: []string{"consumer-policy", "endpoint", "private-name"}, set: denying("consumer", deny(`"route53:AssociateVPCWithHostedZone"`)),
		},
	}
}

// labRole is the role that each default account has.
func labRole(account, externalID string) *provision.Role {
	return &provision.Role{ARN: "arn:aws:iam::" + account + ":role/" + labRoleName, ExternalID: externalID}
}

// throttle refuses an account's calls, and lets the link file name what would else have to be found by them,
// within a time as short as the proof needs.
func (b *breaker) throttle(account string) {
	b.lab.believe(func(link *provision.Link) {
		link.Provider.ServiceID, link.Provider.ServiceName = b.link.Provider.ServiceID, b.link.Provider.ServiceName
		link.Consumer.EndpointID = b.link.Consumer.EndpointID
		link.Timeouts.API = provision.Duration(4 * time.Second)
	})
	b.lab.Throttle(account, true)
}

// deny gives an account's user a policy that allows everything but what the statement denies.
func (l *Lab) deny(profile, statement string) error {
	for i, name := range []string{"provider", "consumer"} {
		if profile == name { // the walk-through's accounts may have other profiles
			profile = l.opts.Accounts[i].Profile
			break
		}
	}
	return l.SetPolicies(profile, fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},%s]}`, statement))
}
