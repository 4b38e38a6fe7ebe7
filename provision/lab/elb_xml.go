package lab

import (
	"cmp"
	"slices"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

type loadBalancerList struct {
	Items *wire.Members[loadBalancerXML] `xml:"LoadBalancers"`
	Next  string                         `xml:"NextMarker,omitempty"`
}

type loadBalancerXML struct {
	ARN     string                    `xml:"LoadBalancerArn"`
	DNS     string                    `xml:"DNSName,omitempty"`
	Zone    string                    `xml:"CanonicalHostedZoneId,omitempty"`
	Created string                    `xml:"CreatedTime"`
	Name    string                    `xml:"LoadBalancerName"`
	Scheme  string                    `xml:"Scheme,omitempty"`
	VPC     string                    `xml:"VpcId"`
	State   elbStateXML               `xml:"State"`
	Type    string                    `xml:"Type"`
	Zones   *wire.Members[elbZoneXML] `xml:"AvailabilityZones"`
	Groups  *wire.Members[string]     `xml:"SecurityGroups"`
	IPType  string                    `xml:"IpAddressType"`
	Enforce string                    `xml:"EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic,omitempty"`
}

type elbStateXML struct {
	Code   string `xml:"Code"`
	Reason string `xml:"Reason,omitempty"`
}

type elbZoneXML struct {
	Name      string                       `xml:"ZoneName"`
	Subnet    string                       `xml:"SubnetId"`
	Addresses *wire.Members[elbAddressXML] `xml:"LoadBalancerAddresses"`
}

type elbAddressXML struct {
	Private string `xml:"PrivateIPv4Address,omitempty"`
}

func showLoadBalancer(c *call, lb *loadBalancer) loadBalancerXML {
	x := loadBalancerXML{
		ARN: lb.id, DNS: lb.dnsName, Created: timestamp(lb.created), Name: lb.name,
		Scheme: lb.scheme, VPC: lb.vpc, State: elbStateXML{lb.state, lb.reason}, Type: lb.kind,
		Zones: showNodes(c, lb), IPType: lb.ipAddressType,
	}
	if lb.kind == "network" {
		x.Zone = elbZoneID(lb.region)
	}
	if len(lb.groups) > 0 {
		x.Groups, x.Enforce = wire.MembersOf(lb.groups), lb.enforce
	}
	return x
}

// showNodes lists the zones by name. Addresses are shown only when they were asked for.
func showNodes(c *call, lb *loadBalancer) *wire.Members[elbZoneXML] {
	var out []elbZoneXML
	for _, n := range lb.nodes {
		z := elbZoneXML{c.zoneName(lb.account, lb.region, n.zoneID), n.subnet, wire.MembersOf[elbAddressXML](nil)}
		if i := c.interfaces[n.eni]; i != nil && c.fixed[n.eni] {
			z.Addresses.Items = []elbAddressXML{{i.addr.String()}}
		}
		out = append(out, z)
	}
	slices.SortFunc(out, func(a, b elbZoneXML) int { return cmp.Compare(a.Name, b.Name) })
	return wire.MembersOf(out)
}

// elbZoneID is the hosted zone of the network load balancers' names in a Region (AWS General
// Reference, "Elastic Load Balancing endpoints").
func elbZoneID(region string) string {
	return map[string]string{
		"ap-northeast-1": "Z31USIVHYNEOWT", "ap-south-1": "ZVDDRBQ08TROA", "ap-southeast-1": "ZKVM4W9LS7TM",
		"ap-southeast-2": "ZCT6FZBF4DROD", "ca-central-1": "Z2EPGBW3API2WT", "eu-central-1": "Z3F0SRJ5LGBH90",
		"eu-north-1": "Z1UDT6IFJ4EJM", "eu-west-1": "Z2IFOLAFXWLO4F", "eu-west-2": "ZD4D7Y8KGAS4G",
		"eu-west-3": "Z1CMS0P5QUZ6D5", "sa-east-1": "ZTK26PT1VY4CU", "us-east-1": "Z26RNL4JYFTOTI",
		"us-east-2": "ZLMOA37VPKANP", "us-west-1": "Z24FKFUX50B4VW", "us-west-2": "Z18D5FSROUN65G",
	}[region]
}

type attributeXML struct {
	Key   string `xml:"Key"`
	Value string `xml:"Value"`
}

type attributeList struct {
	Items *wire.Members[attributeXML] `xml:"Attributes"`
}

// showAttributes lists attributes by key.
func showAttributes(m map[string]string) attributeList {
	var out []attributeXML
	for k, v := range m {
		out = append(out, attributeXML{k, v})
	}
	slices.SortFunc(out, func(a, b attributeXML) int { return cmp.Compare(a.Key, b.Key) })
	return attributeList{wire.MembersOf(out)}
}
