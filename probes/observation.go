// Package probes measures a link: the control plane of both sides, DNS, TCP, TLS and HTTP, from
// each vantage. It collects one Observation, raw and without opinion; package suites judges it.
package probes

import (
	"net/netip"
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
}

// StateChange is one control-plane state at the time it was first seen.
type StateChange struct {
	At    time.Time `json:"at"`
	What  string    `json:"what"` // such as "consumer.endpoint.state"
	State string    `json:"state"`
}

// Identity is who the credentials belong to (sts:GetCallerIdentity, without its UserId).
type Identity struct {
	Account string `json:"account"`
	ARN     string `json:"arn"`
}

// Zone maps an account's zone name to the zone id, which is the same in all accounts.
type Zone struct {
	Name  string `json:"name"`
	ID    string `json:"id"`
	State string `json:"state"`
}

// Service is the endpoint service as its owner sees it (DescribeVpcEndpointServiceConfigurations).
type Service struct {
	Found              bool            `json:"found"` // false: AWS says that there is no such service
	Code               string          `json:"code,omitempty"`
	ID                 string          `json:"id,omitempty"`
	Name               string          `json:"name,omitempty"`
	Type               string          `json:"type,omitempty"`
	State              string          `json:"state,omitempty"`
	ZoneIDs            []string        `json:"zoneIds,omitempty"`
	ZoneNames          []string        `json:"zoneNames,omitempty"`
	AcceptanceRequired bool            `json:"acceptanceRequired"`
	LoadBalancerARNs   []string        `json:"loadBalancerArns,omitempty"`
	IPAddressTypes     []string        `json:"ipAddressTypes,omitempty"`
	BaseDNSNames       []string        `json:"baseDnsNames,omitempty"`
	Regions            []OfferedRegion `json:"regions,omitempty"` // where endpoints may use it, its own included
	PrivateDNSName     string          `json:"privateDnsName,omitempty"`
	Verification       *Verification   `json:"verification,omitempty"`
	Tags               []Tag           `json:"tags,omitempty"`
}

// OfferedRegion is a Region in which endpoints may use a service (SupportedRegions).
type OfferedRegion struct {
	Region string `json:"region"`
	State  string `json:"state"` // Available, or on its way
}

// Verification is the state of the domain ownership check (PrivateDnsNameConfiguration).
type Verification struct {
	State string `json:"state"` // pendingVerification, verified, failed
	Type  string `json:"type"`  // TXT
	Name  string `json:"name"`  // the label only, such as _6e86v84tqgqubxbwii1m
	Value string `json:"value"` // such as vpce:l6p0ERxlTt45jevFwOCp
}

// Tag is a resource tag.
type Tag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Principal is one allowed principal (DescribeVpcEndpointServicePermissions).
type Principal struct {
	Type string `json:"type"`
	ARN  string `json:"arn"`
}

// Connection is an endpoint as the provider sees it (DescribeVpcEndpointConnections).
type Connection struct {
	EndpointID    string    `json:"endpointId"`
	EndpointOwner string    `json:"endpointOwner"`
	State         string    `json:"state"` // as on the wire; compare without regard to case
	Created       time.Time `json:"created,omitzero"`
	IPAddressType string    `json:"ipAddressType,omitempty"`
	ConnectionID  string    `json:"connectionId,omitempty"`
}

// LoadBalancer is a Network Load Balancer with its attributes.
type LoadBalancer struct {
	ARN              string             `json:"arn"`
	Name             string             `json:"name"`
	Type             string             `json:"type"`
	Scheme           string             `json:"scheme"`
	State            string             `json:"state"`
	StateReason      string             `json:"stateReason,omitempty"`
	VPCID            string             `json:"vpcId"`
	IPAddressType    string             `json:"ipAddressType"`
	Zones            []LoadBalancerZone `json:"zones"`
	SecurityGroupIDs []string           `json:"securityGroupIds,omitempty"`
	EnforceInbound   string             `json:"enforceInbound,omitempty"` // EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic
	CrossZone        bool               `json:"crossZone"`
}

// LoadBalancerZone is one zone of a load balancer. ZoneID is resolved through DescribeAvailabilityZones.
type LoadBalancerZone struct {
	ZoneName string `json:"zoneName"`
	ZoneID   string `json:"zoneId,omitempty"`
	SubnetID string `json:"subnetId"`
}

// Listener is one listener of a load balancer.
type Listener struct {
	ARN             string   `json:"arn"`
	LoadBalancerARN string   `json:"loadBalancerArn"`
	Port            uint16   `json:"port"`
	Protocol        string   `json:"protocol"`
	TargetGroupARNs []string `json:"targetGroupArns,omitempty"`
	// IdleTimeoutSeconds is tcp.idle_timeout.seconds; asked only across Regions.
	IdleTimeoutSeconds int32 `json:"idleTimeoutSeconds,omitempty"`
}

// TargetGroup is a target group with the attributes that matter here.
type TargetGroup struct {
	ARN                string `json:"arn"`
	Name               string `json:"name"`
	Protocol           string `json:"protocol"`
	Port               uint16 `json:"port"`
	TargetType         string `json:"targetType"`
	VPCID              string `json:"vpcId"`
	HealthProtocol     string `json:"healthProtocol"`
	HealthPort         string `json:"healthPort"`
	HealthPath         string `json:"healthPath,omitempty"`
	Matcher            string `json:"matcher,omitempty"` // accepted HTTP codes
	IntervalSeconds    int32  `json:"intervalSeconds"`
	TimeoutSeconds     int32  `json:"timeoutSeconds,omitempty"`
	HealthyThreshold   int32  `json:"healthyThreshold"`
	UnhealthyThreshold int32  `json:"unhealthyThreshold"`
	ProxyProtocol      bool   `json:"proxyProtocol"`
	DrainSeconds       int32  `json:"drainSeconds,omitempty"` // deregistration_delay.timeout_seconds
	CrossZone          string `json:"crossZone,omitempty"`    // true, false or use_load_balancer_configuration
}

// TargetHealth is one target's health in one target group.
type TargetHealth struct {
	TargetGroupARN string `json:"targetGroupArn"`
	TargetID       string `json:"targetId"`
	Port           uint16 `json:"port"`
	ZoneName       string `json:"zoneName,omitempty"`
	ZoneID         string `json:"zoneId,omitempty"`
	State          string `json:"state"`
	Reason         string `json:"reason,omitempty"`
	Description    string `json:"description,omitempty"`
}

// SecurityGroup is a security group with its rules.
type SecurityGroup struct {
	ID      string              `json:"id"`
	Name    string              `json:"name"`
	VPCID   string              `json:"vpcId"`
	Ingress []SecurityGroupRule `json:"ingress,omitempty"`
	Egress  []SecurityGroupRule `json:"egress,omitempty"`
}

// SecurityGroupRule allows one protocol and port range from or to one source or destination.
type SecurityGroupRule struct {
	Protocol string `json:"protocol"` // tcp, udp, icmp, or -1 for all
	FromPort int32  `json:"fromPort"`
	ToPort   int32  `json:"toPort"`
	CIDR     string `json:"cidr,omitempty"`
	GroupID  string `json:"groupId,omitempty"`
	PrefixID string `json:"prefixListId,omitempty"`
}

// ServiceDetail is the service as the consumer sees it (DescribeVpcEndpointServices).
type ServiceDetail struct {
	Visible            bool     `json:"visible"`        // false: AWS answered InvalidServiceName
	Code               string   `json:"code,omitempty"` // the AWS error code when it is not visible
	Message            string   `json:"message,omitempty"`
	Name               string   `json:"name"`
	ID                 string   `json:"id,omitempty"`
	Owner              string   `json:"owner,omitempty"`
	Type               string   `json:"type,omitempty"`
	Region             string   `json:"region,omitempty"`
	ZoneIDs            []string `json:"zoneIds,omitempty"`
	ZoneNames          []string `json:"zoneNames,omitempty"`
	AcceptanceRequired bool     `json:"acceptanceRequired"`
	PrivateDNSName     string   `json:"privateDnsName,omitempty"`
	VerificationState  string   `json:"verificationState,omitempty"`
	IPAddressTypes     []string `json:"ipAddressTypes,omitempty"`
}

// Endpoint is the interface endpoint as its owner sees it (DescribeVpcEndpoints).
type Endpoint struct {
	Found             bool      `json:"found"` // false: AWS says that there is no such endpoint
	Code              string    `json:"code,omitempty"`
	ID                string    `json:"id,omitempty"`
	Type              string    `json:"type,omitempty"`
	VPCID             string    `json:"vpcId,omitempty"`
	ServiceName       string    `json:"serviceName,omitempty"`
	State             string    `json:"state,omitempty"` // as on the wire; compare without regard to case
	FailureReason     string    `json:"failureReason,omitempty"`
	LastErrorCode     string    `json:"lastErrorCode,omitempty"`
	LastErrorMessage  string    `json:"lastErrorMessage,omitempty"`
	PrivateDNSEnabled bool      `json:"privateDnsEnabled"`
	IPAddressType     string    `json:"ipAddressType,omitempty"`
	DNSRecordIPType   string    `json:"dnsRecordIpType,omitempty"`
	ServiceRegion     string    `json:"serviceRegion,omitempty"`
	SubnetIDs         []string  `json:"subnetIds,omitempty"`
	InterfaceIDs      []string  `json:"interfaceIds,omitempty"`
	SecurityGroupIDs  []string  `json:"securityGroupIds,omitempty"`
	RegionalName      string    `json:"regionalName,omitempty"` // chosen by pattern, not by index
	ZonalNames        []string  `json:"zonalNames,omitempty"`
	OtherNames        []string  `json:"otherNames,omitempty"` // the private DNS name, when enabled
	Policy            string    `json:"policy,omitempty"`     // PolicyDocument
	Created           time.Time `json:"created,omitzero"`
}

// Interface is one network interface of the endpoint.
type Interface struct {
	ID       string       `json:"id"`
	SubnetID string       `json:"subnetId"`
	VPCID    string       `json:"vpcId"`
	ZoneName string       `json:"zoneName"`
	ZoneID   string       `json:"zoneId"`
	Status   string       `json:"status"`
	IPs      []netip.Addr `json:"ips"`
	GroupIDs []string     `json:"groupIds,omitempty"`
}

// Subnet is one subnet of the endpoint.
type Subnet struct {
	ID       string `json:"id"`
	VPCID    string `json:"vpcId"`
	CIDR     string `json:"cidr"`
	IPv6CIDR string `json:"ipv6Cidr,omitempty"`
	ZoneName string `json:"zoneName"`
	ZoneID   string `json:"zoneId"`
	FreeIPs  int32  `json:"freeIps"`
}

// VPC is the consumer's VPC with its DNS attributes.
type VPC struct {
	ID           string   `json:"id"`
	CIDRs        []string `json:"cidrs"`
	IPv6CIDRs    []string `json:"ipv6Cidrs,omitempty"`
	DNSSupport   bool     `json:"dnsSupport"`
	DNSHostnames bool     `json:"dnsHostnames"`
	DHCPOptions  string   `json:"dhcpOptionsId,omitempty"`
}

// HostedZone is a private hosted zone that the consumer's VPC sees (ListHostedZonesByVPC).
type HostedZone struct {
	ID            string `json:"id"`
	Name          string `json:"name"`
	OwnerAccount  string `json:"ownerAccount,omitempty"`
	OwningService string `json:"owningService,omitempty"`
}

// Lookup is one name and type asked at one resolver from one vantage.
type Lookup struct {
	Vantage   string         `json:"vantage"`
	Name      string         `json:"name"` // without the trailing dot
	Type      string         `json:"type"` // A, AAAA, TXT, NS, CNAME
	Server    netip.AddrPort `json:"server"`
	Transport string         `json:"transport,omitempty"` // udp or tcp: what the answer came by
	Started   time.Time      `json:"started"`
	Duration  time.Duration  `json:"duration"`
	Attempts  int            `json:"attempts"`
	Outcome   Outcome        `json:"outcome"`
	Detail    string         `json:"detail,omitempty"` // the error's text, sanitised
	RCode     string         `json:"rcode,omitempty"`  // NOERROR, NXDOMAIN, SERVFAIL, …
	Auth      bool           `json:"authoritative,omitempty"`
	Chain     []string       `json:"chain,omitempty"` // CNAME targets in order, without trailing dots
	Addrs     []netip.Addr   `json:"addrs,omitempty"` // sorted; the whole answer set
	Texts     []string       `json:"texts,omitempty"` // TXT records, each one's strings joined
	Hosts     []string       `json:"hosts,omitempty"` // NS targets
	TTL       uint32         `json:"ttl,omitempty"`   // seconds; the smallest in the answer
	Negative  *Negative      `json:"negative,omitempty"`
	Wire      []byte         `json:"wire,omitempty"` // the answer message as it came
	// WireSHA256 is hex, of the message, in a recording that keeps the message beside it.
	WireSHA256 string `json:"wireSha256,omitempty"`
}

// TXT is the domain verification record looked up where AWS looks: at the authoritative servers,
// found by walking NS from the root.
type TXT struct {
	Domain string        `json:"domain"` // the private DNS name, "*." stripped
	Label  string        `json:"label"`  // the verification label
	Want   string        `json:"want"`   // the value that the service asks for
	Zones  []ServersOf   `json:"zones"`  // delegations walked, root first
	Asked  []TXTQuestion `json:"asked"`  // every owner name tried at every server of the deepest zone
}

// ServersOf is one delegation step of the walk from the root.
type ServersOf struct {
	Zone    string   `json:"zone"`
	Servers []Server `json:"servers"`
}

// Server is one name server.
type Server struct {
	Name string     `json:"name"`
	Addr netip.Addr `json:"addr"`
}

// TXTQuestion is one owner name asked at one authoritative server.
type TXTQuestion struct {
	Owner string `json:"owner"` // such as _label.api.example.com
	Lookup
}

// Attempt is one or more TCP connects to one target and port from one vantage.
type Attempt struct {
	Vantage string         `json:"vantage"`
	Target  Target         `json:"target"`
	Addr    netip.AddrPort `json:"addr"` // the address dialled
	Tries   []Try          `json:"tries"`
}

// Target says through what an address was reached: a name (the address is its answer) or an
// endpoint's interface.
type Target struct {
	Kind   TargetKind `json:"kind"`
	Name   string     `json:"name,omitempty"`   // the DNS name
	ZoneID string     `json:"zoneId,omitempty"` // zone of the interface or zonal name
}

// TargetKind is what kind of target was dialled.
type TargetKind string

// The target kinds.
const (
	TargetPrivate   TargetKind = "private-name"
	TargetRegional  TargetKind = "regional-name"
	TargetZonal     TargetKind = "zonal-name"
	TargetInterface TargetKind = "interface"
)

// Try is one connection attempt.
type Try struct {
	Started  time.Time     `json:"started"`
	Duration time.Duration `json:"duration"`
	Outcome  Outcome       `json:"outcome"`
	Detail   string        `json:"detail,omitempty"`
}

// Handshake is a TLS handshake with one address.
type Handshake struct {
	Vantage    string         `json:"vantage"`
	Target     Target         `json:"target"`
	Addr       netip.AddrPort `json:"addr"`
	ServerName string         `json:"serverName"`
	Try
	Version     string        `json:"version,omitempty"` // TLS 1.3
	Cipher      string        `json:"cipher,omitempty"`
	Chain       []Certificate `json:"chain,omitempty"`
	VerifyError string        `json:"verifyError,omitempty"` // why the chain was not trusted; empty when it was
}

// Certificate is one certificate of a chain, leaf first.
type Certificate struct {
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	DNSNames  []string  `json:"dnsNames,omitempty"`
	NotBefore time.Time `json:"notBefore"`
	NotAfter  time.Time `json:"notAfter"`
	SHA256    string    `json:"sha256"` // hex, of the DER
	DER       []byte    `json:"der,omitempty"`
}

// Exchange is an HTTP request to one address and its answer.
type Exchange struct {
	Vantage string         `json:"vantage"`
	Target  Target         `json:"target"`
	Addr    netip.AddrPort `json:"addr"`
	Method  string         `json:"method"`
	URL     string         `json:"url"`
	Try
	Status      int               `json:"status,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"` // allow-listed response headers
	BodyBytes   int64             `json:"bodyBytes"`         // read, at most the bound
	BodySHA256  string            `json:"bodySha256,omitempty"`
	BodyMatched *bool             `json:"bodyMatched,omitempty"` // nil when the link file expects no body
	EndpointID  string            `json:"endpointId,omitempty"`  // what the target says that it read in the proxy protocol header
}
