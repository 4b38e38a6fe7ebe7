package probes

import "net/netip"

// Client is what a vantage's packets come from, as far as that can be known: how its own address looks
// from where it stands, and what of the consumer's VPC has that address.
type Client struct {
	Vantage string `json:"vantage"`
	// Addr is the address that the vantage's packets to the endpoint have; not valid when it cannot be
	// known, as behind a proxy that does not tell. Behind NAT the endpoint sees another one.
	Addr        netip.Addr `json:"addr,omitzero"`
	SubnetID    string     `json:"subnetId,omitempty"` // of the endpoint's VPC
	InterfaceID string     `json:"interfaceId,omitempty"`
	GroupIDs    []string   `json:"groupIds,omitempty"` // of that interface
}

// NodeNIC is a network interface of a load balancer: its node in one zone.
type NodeNIC struct {
	LoadBalancerARN string `json:"loadBalancerArn"`
	Interface
}

// TargetNIC is the network interface of a registered target.
type TargetNIC struct {
	TargetID string `json:"targetId"` // as registered: an instance or an address
	Interface
}

// NetworkACL is a network ACL with the subnets that have it.
type NetworkACL struct {
	ID        string     `json:"id"`
	VPCID     string     `json:"vpcId"`
	Default   bool       `json:"default,omitempty"`
	SubnetIDs []string   `json:"subnetIds,omitempty"`
	Entries   []ACLEntry `json:"entries"` // in the order in which they are evaluated, each direction apart
}

// ACLEntry is one rule of a network ACL.
type ACLEntry struct {
	Number   int32  `json:"number"`
	Egress   bool   `json:"egress,omitempty"`
	Allow    bool   `json:"allow,omitempty"`
	Protocol string `json:"protocol"`           // a protocol number, or -1 for all
	FromPort int32  `json:"fromPort,omitempty"` // of TCP and UDP
	ToPort   int32  `json:"toPort,omitempty"`
	CIDR     string `json:"cidr"`
}

// RouteTable is a route table with the subnets that have it.
type RouteTable struct {
	ID        string   `json:"id"`
	VPCID     string   `json:"vpcId"`
	Main      bool     `json:"main,omitempty"` // of all subnets that have no other
	SubnetIDs []string `json:"subnetIds,omitempty"`
	Routes    []Route  `json:"routes"`
}

// Route is one route. Those to prefix lists have no CIDR.
type Route struct {
	CIDR         string `json:"cidr,omitempty"`
	PrefixListID string `json:"prefixListId,omitempty"`
	Via          string `json:"via,omitempty"` // local, or the id of a gateway, connection or interface
	State        string `json:"state,omitempty"`
}
