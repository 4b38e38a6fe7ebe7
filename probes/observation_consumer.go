package probes

import (
	"net/netip"
	"time"
)

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
	// VPCs and Records are how many VPCs see the zone, and how many record sets it has (GetHostedZone). They are asked of
	// the account's own zones that may hide the private DNS name; 0 is not known.
	VPCs    int   `json:"vpcs,omitempty"`
	Records int64 `json:"records,omitempty"`
}
