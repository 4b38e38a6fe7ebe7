// Package probes measures a link: the control plane of both sides, DNS, TCP, TLS and HTTP, from
// each vantage. It collects one Observation, raw and without opinion; package suites judges it.
package probes

import (
	"time"

	"github.com/linkassay/linkassay/provision"
)

// Format names the layout of a recorded Observation. It changes when a recorded one could no
// longer be read the same way.
const Format = "linkassay.observation/v1"

// Observation is all that was seen of one link. It is complete in itself: checks read nothing else,
// not even a clock. Once returned by Observe it is never changed.
type Observation struct {
	Format   string         `json:"format"`
	Link     provision.Link `json:"link"`
	Started  time.Time      `json:"started"`
	Finished time.Time      `json:"finished"`
	// Known is when the control plane (both sides, the path, and public DNS) was read, where it was taken over from an
	// earlier Observation, or when the oldest answer was known to hold that was shared with other links, apart from what
	// hardly changes (awsapi.NotOlder); zero where all was observed together. Each item has its own time in any case.
	Known time.Time `json:"known,omitzero"`
	// Interrupted says that the run was cut short; items that were not reached are absent.
	Interrupted bool `json:"interrupted,omitempty"`
	// Panics lists probes that panicked, with the recovered text; their items carry an error.
	Panics []string `json:"panics,omitempty"`

	Provider Provider `json:"provider"`
	Consumer Consumer `json:"consumer"`
	DNS      DNS      `json:"dns"`
	Path     Path     `json:"path,omitzero"`
	Reach    Reach    `json:"reach"`
	// Timeline are the control-plane states as they changed while --wait polled.
	Timeline []StateChange `json:"timeline,omitempty"`
}

// Item is one thing that was asked and what came of it. Exactly one of three holds: Absent says why
// it was not asked, Error says why there is no answer, or Value is the answer. A "no such thing"
// from AWS or DNS is an answer, not an error.
type Item[T any] struct {
	Started  time.Time     `json:"started,omitzero"`
	Duration time.Duration `json:"duration,omitempty"` // nanoseconds
	Absent   Absence       `json:"absent,omitempty"`
	Error    *Failure      `json:"error,omitempty"`
	Value    T             `json:"value,omitzero"`
}

// Absence says why an item was not asked.
type Absence string

// Why an item was not asked.
const (
	NoProviderAccess Absence = "no access to the provider side"
	NoConsumerAccess Absence = "no access to the consumer side"
	NoVantage        Absence = "no vantage"
	NoPrivateDNSName Absence = "the link has no private DNS name"
	NotConfigured    Absence = "not configured in the link file"
	OnlySlow         Absence = "observed on request (--slow)"
	NotReached       Absence = "the run was interrupted before it was asked"
	// NoSubject: what it depends on does not exist (no endpoint, so no interfaces).
	NoSubject Absence = "what it belongs to does not exist"
)

// Failure is a question that got no answer. Class tells credentials from throttling from network.
type Failure struct {
	Class     FailureClass `json:"class"`
	Operation string       `json:"operation"`          // such as "ec2:DescribeVpcEndpoints"
	Code      string       `json:"code,omitempty"`     // AWS error code
	Message   string       `json:"message"`            // what came back, sanitised and bounded
	Attempts  int          `json:"attempts,omitempty"` // calls made, retries included
}

// FailureClass groups failures by what to do about them.
type FailureClass string

// The failure classes.
const (
	FailCredentials FailureClass = "credentials" // none, wrong or expired; role not assumable; clock
	FailDenied      FailureClass = "denied"      // IAM says no
	FailThrottled   FailureClass = "throttled"
	FailAPI         FailureClass = "api"     // another AWS error
	FailNetwork     FailureClass = "network" // the API or the resolver is out of reach
	FailVantage     FailureClass = "vantage" // the vantage itself is out of reach
	FailInternal    FailureClass = "internal"
)

// Provider is what the provider account says. Items are nil only in a restricted view (Only).
type Provider struct {
	Identity       *Item[Identity]        `json:"identity"`       // provider.identity
	Zones          *Item[[]Zone]          `json:"zones"`          // provider.zones
	Service        *Item[Service]         `json:"service"`        // provider.service
	Permissions    *Item[[]Principal]     `json:"permissions"`    // provider.permissions
	Connections    *Item[[]Connection]    `json:"connections"`    // provider.connections: all of this service
	LoadBalancers  *Item[[]LoadBalancer]  `json:"loadBalancers"`  // provider.loadBalancers: those of the service
	Listeners      *Item[[]Listener]      `json:"listeners"`      // provider.listeners: of those load balancers
	TargetGroups   *Item[[]TargetGroup]   `json:"targetGroups"`   // provider.targetGroups: behind those listeners; where a port has none, spare ones that fit it too
	TargetHealth   *Item[[]TargetHealth]  `json:"targetHealth"`   // provider.targetHealth: of those target groups
	SecurityGroups *Item[[]SecurityGroup] `json:"securityGroups"` // provider.securityGroups: of the load balancers
	HostedZones    *Item[[]ProviderZone]  `json:"hostedZones"`    // provider.hostedZones: public and private, around the private DNS name
	Services       *Item[[]OtherService]  `json:"services"`       // provider.services: all of the account in the Region

	API     *Item[API]      `json:"api"`     // provider.api
	DryRuns *Item[[]DryRun] `json:"dryRuns"` // provider.dryRuns: where the link file has build
}

// Consumer is what the consumer account says.
type Consumer struct {
	Identity       *Item[Identity]        `json:"identity"`       // consumer.identity
	Zones          *Item[[]Zone]          `json:"zones"`          // consumer.zones
	Service        *Item[ServiceDetail]   `json:"service"`        // consumer.service: the service as the consumer sees it
	Endpoint       *Item[Endpoint]        `json:"endpoint"`       // consumer.endpoint
	Interfaces     *Item[[]Interface]     `json:"interfaces"`     // consumer.interfaces: those of the endpoint
	Subnets        *Item[[]Subnet]        `json:"subnets"`        // consumer.subnets: those of the endpoint
	BuildSubnets   *Item[[]Subnet]        `json:"buildSubnets"`   // consumer.buildSubnets: those that the link file names for the endpoint
	VPC            *Item[VPC]             `json:"vpc"`            // consumer.vpc
	SecurityGroups *Item[[]SecurityGroup] `json:"securityGroups"` // consumer.securityGroups: those of the endpoint
	HostedZones    *Item[[]HostedZone]    `json:"hostedZones"`    // consumer.hostedZones: private zones seen by the VPC

	API         *Item[API]               `json:"api"`         // consumer.api
	Endpoints   *Item[[]EndpointSummary] `json:"endpoints"`   // consumer.endpoints: all of the endpoint's VPC
	DryRuns     *Item[[]DryRun]          `json:"dryRuns"`     // consumer.dryRuns: where the link file has build
	DHCPOptions *Item[DHCPOptions]       `json:"dhcpOptions"` // consumer.dhcpOptions: those of the VPC
}

// DNS is what resolvers answered. Lookups are ordered by vantage, name and type.
type DNS struct {
	Private  *Item[[]Lookup] `json:"private"`  // dns.private: the private DNS name, A and AAAA, each vantage
	Regional *Item[[]Lookup] `json:"regional"` // dns.regional: the regional name
	Zonal    *Item[[]Lookup] `json:"zonal"`    // dns.zonal: each zonal name
	TXT      *Item[TXT]      `json:"txt"`      // dns.txt: the verification record at the authoritative servers
	Public   *Item[[]Lookup] `json:"public"`   // dns.public: the private DNS name in public DNS, A and AAAA, from the root down
}

// Path is what packets meet on their way, beside the endpoint and the load balancer themselves.
type Path struct {
	Clients      *Item[[]Client]        `json:"clients,omitempty"`      // path.clients: where the vantages stand
	ClientGroups *Item[[]SecurityGroup] `json:"clientGroups,omitempty"` // path.clientGroups: of the vantages' interfaces, as far as they are known
	ConsumerACLs *Item[[]NetworkACL]    `json:"consumerAcls,omitempty"` // path.consumerAcls: of the endpoint's VPC
	Routes       *Item[[]RouteTable]    `json:"routes,omitempty"`       // path.routes: of the endpoint's VPC
	Nodes        *Item[[]NodeNIC]       `json:"nodes,omitempty"`        // path.nodes: the load balancers' interfaces
	Targets      *Item[[]TargetNIC]     `json:"targets,omitempty"`      // path.targets: the registered targets' interfaces
	TargetGroups *Item[[]SecurityGroup] `json:"targetGroups,omitempty"` // path.targetGroups: the security groups of those interfaces
	ProviderACLs *Item[[]NetworkACL]    `json:"providerAcls,omitempty"` // path.providerAcls: of the load balancers' VPCs
}

// Reach is what happened to connections. Attempts are ordered by vantage, target and port.
type Reach struct {
	TCP   *Item[[]Attempt]   `json:"tcp"`             // reach.tcp
	TLS   *Item[[]Handshake] `json:"tls"`             // reach.tls
	HTTP  *Item[[]Exchange]  `json:"http"`            // reach.http
	Large *Item[[]Exchange]  `json:"large,omitempty"` // reach.large: requests of several full packets, to each interface on one port
	Idle  *Item[[]Silence]   `json:"idle,omitempty"`  // reach.idle: connections that were silent for a time, to one interface on each port; with --slow
}

// StateChange is one control-plane state at the time it was first seen.
type StateChange struct {
	At    time.Time `json:"at"`
	What  string    `json:"what"` // such as "consumer.endpoint.state"
	State string    `json:"state"`
}
