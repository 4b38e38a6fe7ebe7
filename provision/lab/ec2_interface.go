package lab

import (
	"net/netip"
	"strings"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

type interfaceXML struct {
	ID          string                     `xml:"networkInterfaceId"`
	Subnet      string                     `xml:"subnetId"`
	VPC         string                     `xml:"vpcId"`
	Zone        string                     `xml:"availabilityZone"`
	ZoneID      string                     `xml:"availabilityZoneId"`
	Description string                     `xml:"description"`
	Owner       string                     `xml:"ownerId"`
	Requester   string                     `xml:"requesterId,omitempty"`
	Managed     bool                       `xml:"requesterManaged"`
	Status      string                     `xml:"status"`
	MAC         string                     `xml:"macAddress"`
	Address     string                     `xml:"privateIpAddress"`
	Hostname    string                     `xml:"privateDnsName,omitempty"`
	SourceCheck bool                       `xml:"sourceDestCheck"`
	Groups      *wire.Set[groupIdentifier] `xml:"groupSet"`
	Attachment  *interfaceAttachmentXML    `xml:"attachment"`
	Addresses   *wire.Set[privateAddress]  `xml:"privateIpAddressesSet"`
	IPv6        *wire.Set[ipv6AddressXML]  `xml:"ipv6AddressesSet"`
	Kind        string                     `xml:"interfaceType"`
	Tags        *wire.Set[tagItem]         `xml:"tagSet"`
}

type groupIdentifier struct {
	ID   string `xml:"groupId"`
	Name string `xml:"groupName"`
}

type privateAddress struct {
	Address  string `xml:"privateIpAddress"`
	Hostname string `xml:"privateDnsName,omitempty"`
	Primary  bool   `xml:"primary"`
}

type interfaceAttachmentXML struct {
	ID       string `xml:"attachmentId"`
	Instance string `xml:"instanceId,omitempty"`
	Owner    string `xml:"instanceOwnerId"`
	Index    int    `xml:"deviceIndex"`
	Status   string `xml:"status"`
	Time     string `xml:"attachTime,omitempty"`
	Delete   bool   `xml:"deleteOnTermination"`
}

// groupNames writes security groups as most resources do: id and name.
func (c *call) groupNames(ids []string) *wire.Set[groupIdentifier] {
	var out []groupIdentifier
	for _, id := range ids {
		x := groupIdentifier{ID: id}
		if g := c.groups[id]; g != nil {
			x.Name = g.name
		}
		out = append(out, x)
	}
	return wire.SetOf(out)
}

// hostname is the private DNS hostname of an address; VPCs without DNS hostnames have none.
func (c *call) hostname(v *vpc, a netip.Addr) string {
	if v == nil || !v.dnsSupport || !v.dnsHostnames {
		return ""
	}
	return "ip-" + strings.ReplaceAll(a.String(), ".", "-") + "." + internalDomain(v.region)
}

// zoneOf gives a subnet's zone as the caller names it, and its id.
func (c *call) zoneOf(subnetID string) (name, id string) {
	s := c.subnets[subnetID]
	if s == nil {
		return "", ""
	}
	return c.zoneName(c.account, s.region, s.zoneID), s.zoneID
}

func showAttachment(n *networkInterface) *interfaceAttachmentXML {
	suffix := strings.TrimPrefix(n.id, "eni-")
	switch n.kind {
	case "vpc_endpoint":
		return &interfaceAttachmentXML{ID: "ela-attach-" + suffix, Owner: "amazon-aws", Index: 1, Status: "attached"}
	case "network_load_balancer", "gateway_load_balancer":
		return &interfaceAttachmentXML{ID: "ela-attach-" + suffix, Owner: "amazon-elb", Index: 1, Status: "attached"}
	}
	if n.owner == "" {
		return nil
	}
	return &interfaceAttachmentXML{
		ID: "eni-attach-" + suffix, Instance: n.owner, Owner: n.account, Status: "attached",
		Time: timestamp(n.created), Delete: true,
	}
}

func showInterface(c *call, n *networkInterface) interfaceXML {
	zoneName, zoneID := c.zoneOf(n.subnet)
	host := c.hostname(c.vpcs[n.vpc], n.addr)
	return interfaceXML{
		ID: n.id, Subnet: n.subnet, VPC: n.vpc, Zone: zoneName, ZoneID: zoneID, Description: n.description,
		Owner: n.account, Requester: n.requesterID, Managed: n.managed, Status: n.status, MAC: n.mac,
		Address: n.addr.String(), Hostname: host, SourceCheck: n.kind != "network_load_balancer",
		Groups: c.groupNames(n.groups), Attachment: showAttachment(n),
		Addresses: wire.SetOf([]privateAddress{{n.addr.String(), host, true}}),
		IPv6:      n.shownIPv6(), Kind: n.kind, Tags: tagSet(n.tags),
	}
}

func describeNetworkInterfaces(c *call) (any, error) {
	set, next, err := listing[*networkInterface, interfaceXML]{
		ids: "NetworkInterfaceId", all: c.interfaces, find: c.networkInterface,
		filters: []string{
			"addresses.primary", "addresses.private-ip-address", "attachment.attachment-id",
			"attachment.delete-on-termination", "attachment.device-index", "attachment.instance-id",
			"attachment.instance-owner-id", "attachment.status", "availability-zone", "availability-zone-id",
			"description", "group-id", "group-name", "interface-type", "mac-address", "network-interface-id",
			"owner-id", "private-dns-name", "private-ip-address", "requester-id", "requester-managed",
			"source-dest-check", "status", "subnet-id", "vpc-id", "addresses.association.public-ip",
			"association.public-ip", "ipv6-addresses.ipv6-address",
		},
		values: func(n *networkInterface, name string) []string { return interfaceFilter(c, n, name) },
		show:   func(n *networkInterface) interfaceXML { return showInterface(c, n) },
	}.run(c)
	return struct {
		Items *wire.Set[interfaceXML] `xml:"networkInterfaceSet"`
		Next  string                  `xml:"nextToken,omitempty"`
	}{set, next}, err
}

func interfaceFilter(c *call, n *networkInterface, name string) []string {
	if strings.HasPrefix(name, "attachment.") {
		a := showAttachment(n)
		if a == nil {
			return nil
		}
		switch name {
		case "attachment.attachment-id":
			return one(a.ID)
		case "attachment.delete-on-termination":
			return one(yes(a.Delete))
		case "attachment.device-index":
			return one(itoa(a.Index))
		case "attachment.instance-id":
			return one(a.Instance)
		case "attachment.instance-owner-id":
			return one(a.Owner)
		case "attachment.status":
			return one(a.Status)
		}
		return nil
	}
	zoneName, zoneID := c.zoneOf(n.subnet)
	switch name {
	case "addresses.primary":
		return one("true")
	case "addresses.private-ip-address", "private-ip-address":
		return one(n.addr.String())
	case "availability-zone":
		return one(zoneName)
	case "availability-zone-id":
		return one(zoneID)
	case "ipv6-addresses.ipv6-address":
		if n.addr6.IsValid() {
			return one(n.addr6.String())
		}
	case "description":
		return []string{n.description}
	case "group-id":
		return n.groups
	case "group-name":
		var out []string
		for _, g := range c.groupNames(n.groups).Items {
			out = append(out, g.Name)
		}
		return out
	case "interface-type":
		return one(n.kind)
	case "mac-address":
		return one(n.mac)
	case "network-interface-id":
		return one(n.id)
	case "owner-id":
		return one(n.account)
	case "private-dns-name":
		return one(c.hostname(c.vpcs[n.vpc], n.addr))
	case "requester-id":
		return one(n.requesterID)
	case "requester-managed":
		return one(yes(n.managed))
	case "source-dest-check":
		return one(yes(n.kind != "network_load_balancer"))
	case "status":
		return one(n.status)
	case "subnet-id":
		return one(n.subnet)
	case "vpc-id":
		return one(n.vpc)
	}
	return nil
}
