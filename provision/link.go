// Package provision holds what a link is, reads link files, and builds and removes both sides of a
// link through the AWS API.
//
// A link is one consumer VPC endpoint connected to one provider endpoint service. The stages to the
// right (probes, suites, reports) take a Link as their input and never change it.
package provision

import (
	"net/netip"
	"time"
)

// APIVersion is the only version of the link file that this build reads.
const APIVersion = "linkassay/v1"

// File is a link file: one or many links.
type File struct {
	APIVersion string `yaml:"apiVersion" json:"apiVersion" jsonschema:"enum=linkassay/v1,description=version of this file's format"`
	Links      []Link `yaml:"links" json:"links" jsonschema:"minItems=1,description=the links to build or to verify"`
	// Canary holds for all links; what a link says itself comes first.
	Canary Canary `yaml:"canary,omitempty" json:"canary,omitzero" jsonschema:"description=how often linkassay canary looks at each link and when it alarms"`

	source *document // for the places of what is found to be wrong later
}

// Link is one consumer VPC endpoint connected to one provider endpoint service, as both owners
// believe it to be.
type Link struct {
	// File is the link file's path as it was given, for commands to repeat; "" when it was none.
	File           string    `yaml:"-" json:"file,omitempty"`
	Name           string    `yaml:"name" json:"name" jsonschema:"pattern=^[a-z0-9]([a-z0-9-]{0\\,38}[a-z0-9])?$,description=unique in the file; names the link in reports and tags what apply builds"`
	Region         string    `yaml:"region" json:"region" jsonschema:"description=the Region of both sides such as ap-southeast-1; of the consumer where provider.region is another"`
	PrivateDNSName string    `yaml:"privateDNSName,omitempty" json:"privateDNSName,omitempty" jsonschema:"description=the name that consumers use; absent when the service has none"`
	Provider       Provider  `yaml:"provider" json:"provider"`
	Consumer       Consumer  `yaml:"consumer" json:"consumer"`
	Ports          []Port    `yaml:"ports" json:"ports" jsonschema:"minItems=1,description=what the service listens on and how each port is probed"`
	Vantages       []Vantage `yaml:"vantages,omitempty" json:"vantages,omitempty" jsonschema:"description=where probes leave from; may be empty (control plane only)"`
	PublicDNS      PublicDNS `yaml:"publicDNS,omitempty" json:"publicDNS,omitzero" jsonschema:"description=where the domain verification TXT record is asked from"`
	Timeouts       Timeouts  `yaml:"timeouts,omitempty" json:"timeouts,omitzero"`
	// Accept are findings that are known and may stand for a while.
	Accept []Acceptance `yaml:"accept,omitempty" json:"accept,omitempty" jsonschema:"description=findings that are known and do not fail a run until they expire"`
	// Canary is the file's with what the link says itself.
	Canary Canary `yaml:"canary,omitempty" json:"canary,omitzero" jsonschema:"description=as for all links; what is said here comes first"`
}

// Access says whether linkassay may call the AWS API of a side.
type Access string

// The two kinds of access.
const (
	AccessAPI  Access = "api"  // the default: the AWS API is called with the side's credentials
	AccessNone Access = "none" // another company's account: nothing is asked there
)

// Party is what both sides have in common: which account it is and how to get into it.
type Party struct {
	Access  Access `yaml:"access,omitempty" json:"access,omitempty" jsonschema:"enum=api,enum=none,description=none: no credentials for this side; checks that need it are skipped"`
	Account string `yaml:"account" json:"account" jsonschema:"pattern=^[0-9]{12}$,description=the 12-digit account id (quoted)"`
	Profile string `yaml:"profile,omitempty" json:"profile,omitempty" jsonschema:"description=profile of the shared AWS configuration; default: the environment's credentials"`
	Role    *Role  `yaml:"role,omitempty" json:"role,omitempty" jsonschema:"description=role to assume with those credentials"`
}

// Role is an IAM role to assume.
type Role struct {
	ARN        string `yaml:"arn" json:"arn" jsonschema:"pattern=^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$"`
	ExternalID string `yaml:"externalId,omitempty" json:"-" jsonschema:"description=external id that the role's trust policy asks for; never written to reports"`
}

// Provider is the side that shares the service.
//
// ServiceID or ServiceName names an existing endpoint service. Without them, apply builds one
// from Build.
type Provider struct {
	Party       `yaml:",inline"`
	Region      string         `yaml:"region,omitempty" json:"region,omitempty" jsonschema:"description=the Region of the service where it is not the consumer's; default: the link's"`
	ServiceID   string         `yaml:"serviceId,omitempty" json:"serviceId,omitempty" jsonschema:"pattern=^vpce-svc-[0-9a-f]{8\\,17}$,description=an existing endpoint service"`
	ServiceName string         `yaml:"serviceName,omitempty" json:"serviceName,omitempty" jsonschema:"description=the existing service's name (com.amazonaws.vpce.REGION.vpce-svc-…); enough for a provider side with access none"`
	HostedZone  string         `yaml:"hostedZone,omitempty" json:"hostedZone,omitempty" jsonschema:"description=id of the public Route 53 hosted zone that gets the TXT record; default: the longest public zone that holds the private DNS name"`
	Build       *ProviderBuild `yaml:"build,omitempty" json:"build,omitempty" jsonschema:"description=what apply builds on this side"`
}

// ProviderBuild says what apply builds on the provider side.
type ProviderBuild struct {
	VPCID              string            `yaml:"vpcId,omitempty" json:"vpcId,omitempty" jsonschema:"pattern=^vpc-[0-9a-f]{8\\,17}$,description=an existing VPC; default: a new one"`
	SubnetIDs          []string          `yaml:"subnetIds,omitempty" json:"subnetIds,omitempty" jsonschema:"description=existing subnets (one a zone) for the load balancer; needs vpcId"`
	CIDR               string            `yaml:"cidr,omitempty" json:"cidr,omitempty" jsonschema:"description=CIDR block of the new VPC; default 10.0.0.0/16"`
	Zones              []string          `yaml:"zones,omitempty" json:"zones,omitempty" jsonschema:"description=zone ids such as apse1-az1 of the new subnets; default: the first three of the Region"`
	AcceptanceRequired *bool             `yaml:"acceptanceRequired,omitempty" json:"acceptanceRequired,omitempty" jsonschema:"description=whether connections wait for the provider's acceptance; default true"`
	CrossZone          bool              `yaml:"crossZone,omitempty" json:"crossZone,omitempty" jsonschema:"description=cross-zone load balancing"`
	ProxyProtocol      bool              `yaml:"proxyProtocol,omitempty" json:"proxyProtocol,omitempty" jsonschema:"description=send the proxy protocol v2 header to targets"`
	AllowedPrincipals  []string          `yaml:"allowedPrincipals,omitempty" json:"allowedPrincipals,omitempty" jsonschema:"description=default: the consumer account's root"`
	Targets            []TargetRef       `yaml:"targets,omitempty" json:"targets,omitempty" jsonschema:"description=existing targets; default: one new instance a zone"`
	Instances          *InstanceBuild    `yaml:"instances,omitempty" json:"instances,omitempty" jsonschema:"description=the instances that apply launches when no targets are named"`
	Tags               map[string]string `yaml:"tags,omitempty" json:"tags,omitempty" jsonschema:"description=extra tags on everything built"`
}

// TargetRef names an existing target: an instance id or an IP address. All targets of a link are
// of one kind.
type TargetRef struct {
	Instance string `yaml:"instance,omitempty" json:"instance,omitempty" jsonschema:"pattern=^i-[0-9a-f]{8\\,17}$"`
	IP       string `yaml:"ip,omitempty" json:"ip,omitempty" jsonschema:"description=IP address of the target"`
}

// InstanceBuild says how target instances are launched.
type InstanceBuild struct {
	ImageID      string `yaml:"imageId,omitempty" json:"imageId,omitempty" jsonschema:"description=AMI; default: the newest Amazon Linux 2023 through its public SSM alias"`
	InstanceType string `yaml:"instanceType,omitempty" json:"instanceType,omitempty" jsonschema:"description=default t4g.nano"`
	UserData     string `yaml:"userData,omitempty" json:"userData,omitempty" jsonschema:"description=cloud-init script; default: one that serves HTTP and HTTPS on the link's ports"`
}

// Consumer is the side that owns the interface endpoint.
type Consumer struct {
	Party      `yaml:",inline"`
	EndpointID string `yaml:"endpointId,omitempty" json:"endpointId,omitempty" jsonschema:"pattern=^vpce-[0-9a-f]{8\\,17}$,description=an existing interface endpoint"`
	// IPAddressType is what the endpoint must be; empty judges only whether all parts fit what it is.
	IPAddressType string         `yaml:"ipAddressType,omitempty" json:"ipAddressType,omitempty" jsonschema:"enum=ipv4,enum=dualstack,enum=ipv6,description=the endpoint's IP address type that clients need; default: whatever it has"`
	Build         *ConsumerBuild `yaml:"build,omitempty" json:"build,omitempty" jsonschema:"description=what apply builds on this side"`
}

// ConsumerBuild says what apply builds on the consumer side.
type ConsumerBuild struct {
	VPCID            string            `yaml:"vpcId,omitempty" json:"vpcId,omitempty" jsonschema:"pattern=^vpc-[0-9a-f]{8\\,17}$,description=an existing VPC; default: a new one"`
	SubnetIDs        []string          `yaml:"subnetIds,omitempty" json:"subnetIds,omitempty" jsonschema:"description=existing subnets (one a zone) for the endpoint; needs vpcId"`
	SecurityGroupIDs []string          `yaml:"securityGroupIds,omitempty" json:"securityGroupIds,omitempty" jsonschema:"description=existing security groups of the endpoint; default: a new one that allows the link's ports from the VPC"`
	CIDR             string            `yaml:"cidr,omitempty" json:"cidr,omitempty" jsonschema:"description=CIDR block of the new VPC; default 10.0.0.0/16"`
	Zones            []string          `yaml:"zones,omitempty" json:"zones,omitempty" jsonschema:"description=zone ids of the new subnets; default: the zones that the service offers"`
	Tags             map[string]string `yaml:"tags,omitempty" json:"tags,omitempty" jsonschema:"description=extra tags on everything built"`
}

// Port is one TCP port of the service and how it is probed. A port without TLS and HTTP is judged
// by TCP alone.
type Port struct {
	Port       uint16 `yaml:"port" json:"port" jsonschema:"minimum=1,maximum=65535"`
	TargetPort uint16 `yaml:"targetPort,omitempty" json:"targetPort,omitempty" jsonschema:"description=port on the targets; default: the same"`
	// ProxyProtocol says whether the targets read the proxy protocol v2 header on this port; nil says nothing.
	ProxyProtocol *bool `yaml:"proxyProtocol,omitempty" json:"proxyProtocol,omitempty" jsonschema:"description=whether the targets read the proxy protocol v2 header on this port; default: what provider.build says or else anything"`
	TLS           *TLS  `yaml:"tls,omitempty" json:"tls,omitempty" jsonschema:"description=the port speaks TLS"`
	HTTP          *HTTP `yaml:"http,omitempty" json:"http,omitempty" jsonschema:"description=the port speaks HTTP (over TLS where tls is given)"`
}

// TLS says how a TLS handshake on a port is judged.
type TLS struct {
	CA         string `yaml:"ca,omitempty" json:"ca,omitempty" jsonschema:"description=PEM file with the private CA; default: the system's roots"`
	ClientCert string `yaml:"clientCert,omitempty" json:"clientCert,omitempty" jsonschema:"description=PEM file with the client certificate"`
	ClientKey  string `yaml:"clientKey,omitempty" json:"clientKey,omitempty" jsonschema:"description=PEM file with the client certificate's key"`
	ServerName string `yaml:"serverName,omitempty" json:"serverName,omitempty" jsonschema:"description=SNI and the name to verify; default: the private DNS name"`
}

// HTTP says what is asked on a port and what is expected back.
type HTTP struct {
	Method  string            `yaml:"method,omitempty" json:"method,omitempty" jsonschema:"description=default GET"`
	Path    string            `yaml:"path,omitempty" json:"path,omitempty" jsonschema:"description=default /"`
	Headers map[string]string `yaml:"headers,omitempty" json:"headers,omitempty"`
	Status  []int             `yaml:"status,omitempty" json:"status,omitempty" jsonschema:"description=accepted status codes; default 200"`
	// EndpointID finds, with its first group, the endpoint id in the body of a target that tells what it
	// read in the proxy protocol header.
	EndpointID string `yaml:"endpointId,omitempty" json:"endpointId,omitempty" jsonschema:"description=regular expression (RE2) whose first group finds in the body the endpoint id that the target read in the proxy protocol header"`
	Body       string `yaml:"body,omitempty" json:"body,omitempty" jsonschema:"description=regular expression (RE2) that the body's first 64 KiB must match"`
}

// Expect is what a vantage expects of the link.
type Expect string

// The expectations of a vantage.
const (
	ExpectReach   Expect = "reach"   // the default: the link answers
	ExpectTimeout Expect = "timeout" // the link must not be reachable: connections time out
)

// Vantage is a place that probes leave from.
type Vantage struct {
	Name     string `yaml:"name" json:"name" jsonschema:"pattern=^[a-z0-9]([a-z0-9-]{0\\,38}[a-z0-9])?$,description=unique in the link"`
	From     string `yaml:"from" json:"from" jsonschema:"description=local or socks5://HOST:PORT"`
	Resolver string `yaml:"resolver,omitempty" json:"resolver,omitempty" jsonschema:"description=IP[:PORT] of the DNS resolver to ask; default: this host's for local; else the consumer VPC's base+2"`
	Zone     string `yaml:"zone,omitempty" json:"zone,omitempty" jsonschema:"description=zone id that this vantage stands in; for reports"`
	Expect   Expect `yaml:"expect,omitempty" json:"expect,omitempty" jsonschema:"enum=reach,enum=timeout,description=default reach"`
}

// PublicDNS says where public DNS is asked from: never through a VPC's resolver, which could shadow
// public names.
type PublicDNS struct {
	From string `yaml:"from,omitempty" json:"from,omitempty" jsonschema:"description=local (default)\\, socks5://HOST:PORT or none"`
}

// NoPublicDNS as PublicDNS.From says that nobody asks public DNS: where linkassay runs nothing of the internet can be reached.
// What rests on it is skipped.
const NoPublicDNS = "none"

// Timeouts bound single probes, but for Idle. Zero means the default.
type Timeouts struct {
	API     Duration `yaml:"api,omitempty" json:"api,omitempty" jsonschema:"description=one AWS API call with its retries; default 30s"`
	DNS     Duration `yaml:"dns,omitempty" json:"dns,omitempty" jsonschema:"description=one DNS question to one server; default 2s"`
	Connect Duration `yaml:"connect,omitempty" json:"connect,omitempty" jsonschema:"description=one TCP connect; default 3s"`
	TLS     Duration `yaml:"tls,omitempty" json:"tls,omitempty" jsonschema:"description=one TLS handshake; default 5s"`
	HTTP    Duration `yaml:"http,omitempty" json:"http,omitempty" jsonschema:"description=one HTTP exchange on an open connection; default 10s"`
	// Idle is the silence that clients count on; it bounds nothing. AWS forgets connections that were silent for 350 s, and
	// a listener's tcp.idle_timeout.seconds may be from 60 to 6000 s (NLB guide, TCP idle timeout).
	Idle Duration `yaml:"idle,omitempty" json:"idle,omitempty" jsonschema:"description=how long the path keeps a connection that says nothing; tried with --slow; default 350s"`
}

// Default timeouts, used where the link file gives none.
const (
	DefaultAPITimeout     = 30 * time.Second
	DefaultDNSTimeout     = 2 * time.Second
	DefaultConnectTimeout = 3 * time.Second
	DefaultTLSTimeout     = 5 * time.Second
	DefaultHTTPTimeout    = 10 * time.Second
	DefaultIdleTimeout    = 350 * time.Second
)

// Duration is a time.Duration that is written as in Go ("3s", "1m30s") in YAML and JSON.
type Duration time.Duration

// Or returns d, or def when d is zero.
func (d Duration) Or(def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return time.Duration(d)
}

// ProxyProtocol says whether the port's targets are to get the proxy protocol v2 header, and whether
// the link file says so at all.
func (l *Link) ProxyProtocol(p Port) (on, said bool) {
	if p.ProxyProtocol != nil {
		return *p.ProxyProtocol, true
	}
	b := l.Provider.Build
	return b != nil && b.ProxyProtocol, b != nil && b.ProxyProtocol
}

// ProviderRegion is the Region of the service.
func (l *Link) ProviderRegion() string {
	if l.Provider.Region != "" {
		return l.Provider.Region
	}
	return l.Region
}

// CrossRegion says whether the two sides are in different Regions.
func (l *Link) CrossRegion() bool { return l.ProviderRegion() != l.Region }

// ConsumerPrincipal is the principal that stands for the whole consumer account.
func (l *Link) ConsumerPrincipal() string {
	return "arn:aws:iam::" + l.Consumer.Account + ":root"
}

// BasePlusTwo returns the address of the Route 53 Resolver in a VPC with this CIDR block: the
// network's base plus two (VPC user guide, "Understanding Amazon DNS").
func BasePlusTwo(cidr netip.Prefix) netip.Addr {
	return cidr.Masked().Addr().Next().Next()
}
