package lab

import (
	"net/netip"
	"sync"
	"time"
)

// world is everything that the lab's AWS knows. The control plane changes it, the data plane and
// the name servers read it: there is no second copy of the truth.
//
// Every field of every resource is guarded by mu. API operations run with mu held for writing
// (reads too: an operation is short). Timed transitions run through world.after, with mu held.
// After a change that packets or names could notice, the code that made it calls changed.
type world struct {
	engine // clock, ids and settings

	mu sync.RWMutex

	accounts map[string]*account // by account id
	keys     map[string]*accessKey

	vpcs          map[string]*vpc
	subnets       map[string]*subnet
	groups        map[string]*securityGroup
	acls          map[string]*networkACL
	interfaces    map[string]*networkInterface
	instances     map[string]*instance
	gateways      map[string]*internetGateway // CreateInternetGateway: for teardown tests of real VPCs only
	loadBalancers map[string]*loadBalancer    // by ARN
	targetGroups  map[string]*targetGroup     // by ARN
	listeners     map[string]*listener        // by ARN
	services      map[string]*endpointService // by vpce-svc- id
	endpoints     map[string]*endpoint        // by vpce- id
	hostedZones   map[string]*hostedZone      // by Z… id
	changes       map[string]*change          // by C… id
	clientTokens  map[string]clientToken      // by account + operation + token
}

// account is one AWS account.
type account struct {
	id     string
	name   string            // the profile name that the lab writes for it
	zones  map[string][]zone // by Region: this account's own names for the zone ids
	roles  map[string]*role  // by role name (path stripped)
	domain string            // public zone that exists from the start; empty: none
	user   *grants           // of its user
}

// zone is an availability zone as one account names it.
type zone struct {
	name string // ap-southeast-1a: differs between accounts
	id   string // apse1-az1: the same in all accounts
}

// role can be assumed through STS.
type role struct {
	name       string
	path       string // "/" or "/team/"
	externalID string // required when not empty
	trusts     []string
	grants     *grants
}

// accessKey is a credential: a user's own key or a session's.
type accessKey struct {
	id, secret, token string
	account           string
	arn               string // arn:aws:iam::…:user/lab or arn:aws:sts::…:assumed-role/Role/session
	userID            string
	expires           time.Time // zero: never
	grants            *grants   // the user's or the role's
}

// tags keeps a resource's tags; order is by key when written.
type tags map[string]string

// owned is what every resource has.
type owned struct {
	id      string
	account string
	region  string
	created time.Time
	tags    tags
}

type vpc struct {
	owned
	cidr         netip.Prefix
	cidr6        blockIPv6
	dnsSupport   bool
	dnsHostnames bool
	isDefault    bool
	state        string // pending, available
	net          *vpcNetwork
}

type subnet struct {
	owned
	vpc    string
	cidr   netip.Prefix
	cidr6  blockIPv6
	zoneID string
	used   map[netip.Addr]string // address -> network interface id ("" = reserved by the lab)

	acl            string // its network ACL's id
	aclAssociation string // aclassoc-…: another one after each ReplaceNetworkAclAssociation
}

type securityGroup struct {
	owned
	vpc         string
	name        string
	description string
	ingress     []groupRule
	egress      []groupRule
	isDefault   bool
}

// groupRule is one rule: one protocol, port range and peer.
type groupRule struct {
	id          string // sgr-…
	protocol    string // tcp, udp, icmp, -1
	from, to    int    // -1 for all
	cidr        netip.Prefix
	group       string // peer security group, or ""
	description string
	tags        tags
}

type networkInterface struct {
	owned
	vpc         string
	subnet      string
	addr        netip.Addr
	addr6       netip.Addr // the zero value: it has none
	groups      []string
	description string
	kind        string // interface, vpc_endpoint, network_load_balancer
	managed     bool   // requester-managed
	requesterID string
	status      string // in-use, available
	owner       string // the endpoint id, load balancer ARN or instance id that it belongs to
	mac         string
}

type instance struct {
	owned
	vpc, subnet  string
	eni          string
	imageID      string
	instanceType string
	userData     string
	state        string // pending, running, shutting-down, terminated
	clientToken  string
	host         *host // its real servers; nil once terminated
}

type internetGateway struct {
	owned
	vpc string
}

type loadBalancer struct {
	owned           // id is the ARN
	name            string
	dnsName         string
	scheme          string // internal, internet-facing
	kind            string // network, gateway
	vpc             string
	state           string // provisioning, active, active_impaired, failed
	reason          string
	nodes           []*loadBalancerNode
	groups          []string // security groups; only when given at creation
	enforce         string   // on, off: EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic
	attributes      map[string]string
	ipAddressType   string
	hadGroupsAtMake bool
}

// loadBalancerNode is the load balancer's presence in one zone.
type loadBalancerNode struct {
	zoneID string
	subnet string
	eni    string
}

type targetGroup struct {
	owned      // id is the ARN
	name       string
	protocol   string
	port       int
	vpc        string
	targetType string // instance, ip, alb
	health     healthCheck
	attributes map[string]string
	targets    []*target
}

type healthCheck struct {
	enabled            bool
	protocol           string // TCP, HTTP, HTTPS
	port               string // traffic-port or a number
	path               string
	matcher            string // 200-399
	interval, timeout  time.Duration
	healthy, unhealthy int
}

// target is one registered target. Its state is what real health checks found.
type target struct {
	id     string // instance id or IP
	port   int
	zoneID string // "" = all
	state  string // initial, healthy, unhealthy, unused, draining
	reason string
	detail string
	check  *healthChecker // owned by the data plane
}

type listener struct {
	owned        // id is the ARN
	loadBalancer string
	port         int
	protocol     string
	targetGroup  string // the single forward action's target group
	attributes   map[string]string
}

type endpointService struct {
	owned
	name               string
	state              string // Pending, Available, Deleting, Failed
	acceptanceRequired bool
	loadBalancers      []string // ARNs
	gateway            bool     // they are Gateway Load Balancers
	zoneIDs            []string // fixed when the load balancers were given or Modify was called
	ipTypes            []string
	privateName        string
	verification       verification
	permissions        []permission
	usableFrom         time.Time // until then CreateVpcEndpoint answers 503 Unavailable
	supportedRegions   []string
}

type verification struct {
	state string // pendingVerification, verified, failed; "" = no private name
	name  string // label
	value string
}

type permission struct {
	id        string // vpce-svc-perm-…
	principal string
	kind      string // All, Account, User, Role, …
	tags      tags
	from      time.Time // effective from (eventual consistency)
}

type endpoint struct {
	owned
	connectionID   string
	serviceName    string
	serviceID      string
	vpc            string
	state          string // pendingAcceptance, pending, available, deleting, rejected, failed, expired
	subnets        []string
	groups         []string
	enis           []string // parallel to subnets
	suffix         string   // the eight characters of its DNS names
	privateDNS     bool
	privateZone    string // id of the hidden hosted zone while privateDNS is on
	ipAddressType  string
	recordIPType   string
	visibleFrom    time.Time // until then Describe answers InvalidVpcEndpointId.NotFound
	connectedFrom  time.Time // until then the provider's list of connections lacks it
	policy         string
	generation     int  // counts modifications, so that a late transition does not undo a newer one
	nameless       bool // AWS does not show its regional and zonal names
	lastErrCode    string
	lastErrMessage string
	gateway        bool // a gateway endpoint: no interfaces, no names
	stuck          bool // Lab.SetEndpoint: in a state that it does not leave by itself
	hidden         bool // Lab.HideConnection: the provider's API does not list it
}

type hostedZone struct {
	owned
	name        string // fully qualified, lower case, with the trailing dot
	reference   string // CallerReference
	comment     string
	private     bool
	vpcs        []zoneVPC
	nameServers []string // delegation set of a public zone
	records     map[recordKey]*recordSet
	published   map[recordKey]*recordSet // what the name servers have: records, as of the last change that is INSYNC
}

type zoneVPC struct{ id, region string }

type recordKey struct {
	name string // fully qualified, lower case, with the trailing dot
	kind string // A, TXT, …
}

type recordSet struct {
	recordKey
	ttl    uint32
	values []string // as the API has them: TXT values quoted
	alias  *aliasTarget
}

type aliasTarget struct {
	zoneID, name string
	evaluate     bool
}

type change struct {
	id        string
	status    string // PENDING, INSYNC
	submitted time.Time
	comment   string
}

// clientToken remembers an idempotent create.
type clientToken struct {
	fingerprint string // of the parameters
	result      string // id of what was made
}
