package probes

import "time"

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
	// IdleTimeoutSeconds is tcp.idle_timeout.seconds; asked only across Regions and with --slow.
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
