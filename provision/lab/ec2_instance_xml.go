package lab

import (
	"strings"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

type reservationXML struct {
	ID        string                     `xml:"reservationId"`
	Owner     string                     `xml:"ownerId"`
	Groups    *wire.Set[groupIdentifier] `xml:"groupSet"`
	Instances *wire.Set[instanceXML]     `xml:"instancesSet"`
}

type instanceXML struct {
	ID             string                       `xml:"instanceId"`
	Image          string                       `xml:"imageId"`
	State          stateXML                     `xml:"instanceState"`
	Hostname       string                       `xml:"privateDnsName"`
	PublicHostname string                       `xml:"dnsName"`
	Reason         string                       `xml:"reason"`
	StateReason    *stateReasonXML              `xml:"stateReason"`
	Index          int                          `xml:"amiLaunchIndex"`
	ProductCodes   *wire.Set[struct{}]          `xml:"productCodes"`
	Type           string                       `xml:"instanceType"`
	Launched       string                       `xml:"launchTime"`
	Placement      placementXML                 `xml:"placement"`
	Monitoring     string                       `xml:"monitoring>state"`
	Subnet         string                       `xml:"subnetId,omitempty"`
	VPC            string                       `xml:"vpcId,omitempty"`
	Address        string                       `xml:"privateIpAddress,omitempty"`
	SourceCheck    bool                         `xml:"sourceDestCheck"`
	Groups         *wire.Set[groupIdentifier]   `xml:"groupSet"`
	Architecture   string                       `xml:"architecture"`
	RootType       string                       `xml:"rootDeviceType"`
	RootName       string                       `xml:"rootDeviceName"`
	Devices        *wire.Set[struct{}]          `xml:"blockDeviceMapping"`
	Virtualization string                       `xml:"virtualizationType"`
	ClientToken    string                       `xml:"clientToken"`
	Tags           *wire.Set[tagItem]           `xml:"tagSet"`
	Hypervisor     string                       `xml:"hypervisor"`
	Interfaces     *wire.Set[instanceInterface] `xml:"networkInterfaceSet"`
	EBSOptimized   bool                         `xml:"ebsOptimized"`
}

type stateReasonXML struct {
	Code    string `xml:"code"`
	Message string `xml:"message"`
}

type placementXML struct {
	Zone    string `xml:"availabilityZone"`
	ZoneID  string `xml:"availabilityZoneId"`
	Group   string `xml:"groupName"`
	Tenancy string `xml:"tenancy"`
}

type instanceInterface struct {
	ID          string                     `xml:"networkInterfaceId"`
	Subnet      string                     `xml:"subnetId"`
	VPC         string                     `xml:"vpcId"`
	Description string                     `xml:"description"`
	Owner       string                     `xml:"ownerId"`
	Status      string                     `xml:"status"`
	MAC         string                     `xml:"macAddress"`
	Address     string                     `xml:"privateIpAddress"`
	Hostname    string                     `xml:"privateDnsName,omitempty"`
	SourceCheck bool                       `xml:"sourceDestCheck"`
	Groups      *wire.Set[groupIdentifier] `xml:"groupSet"`
	Attachment  instanceAttachment         `xml:"attachment"`
	Addresses   *wire.Set[privateAddress]  `xml:"privateIpAddressesSet"`
	Kind        string                     `xml:"interfaceType"`
}

// instanceAttachment is an interface's attachment as the instance shows it: without the instance.
type instanceAttachment struct {
	ID     string `xml:"attachmentId"`
	Index  int    `xml:"deviceIndex"`
	Status string `xml:"status"`
	Time   string `xml:"attachTime"`
	Delete bool   `xml:"deleteOnTermination"`
}

func showInstance(c *call, i *instance) instanceXML {
	zoneName, zoneID := c.zoneOf(i.subnet)
	b := c.booked[i.id]
	x := instanceXML{
		ID: i.id, Image: i.imageID, State: instanceState(i.state), Index: b.index, Type: i.instanceType,
		Launched: timestamp(i.created), Monitoring: "disabled", SourceCheck: true, Architecture: "x86_64",
		Placement: placementXML{Zone: zoneName, ZoneID: zoneID, Tenancy: "default"}, ProductCodes: wire.SetOf[struct{}](nil),
		Groups: c.groupNames(nil), RootType: "ebs", RootName: "/dev/xvda", Devices: wire.SetOf[struct{}](nil),
		Virtualization: "hvm", ClientToken: i.clientToken, Tags: tagSet(i.tags), Hypervisor: "xen",
		Interfaces: wire.SetOf[instanceInterface](nil),
	}
	if b.reason != "" {
		x.StateReason = &stateReasonXML{b.reason, b.reason + ": " + map[bool]string{
			true: "User initiated shutdown", false: "Internal error on launch",
		}[strings.HasPrefix(b.reason, "Client.")]}
		x.Reason = "User initiated (" + i.created.UTC().Format("2006-01-02 15:04:05 GMT") + ")"
	}
	n := c.interfaces[i.eni]
	if n == nil {
		return x // terminated: the network has forgotten it
	}
	eni := showInterface(c, n)
	x.Subnet, x.VPC, x.Address, x.Hostname, x.Groups = i.subnet, i.vpc, eni.Address, eni.Hostname, eni.Groups
	x.Interfaces.Items = []instanceInterface{{
		ID: n.id, Subnet: n.subnet, VPC: n.vpc, Description: n.description, Owner: n.account, Status: n.status,
		MAC: n.mac, Address: eni.Address, Hostname: eni.Hostname, SourceCheck: true, Groups: eni.Groups,
		Attachment: instanceAttachment{eni.Attachment.ID, 0, "attached", eni.Attachment.Time, true},
		Addresses:  eni.Addresses, Kind: n.kind,
	}}
	return x
}

// showReservation gives what one RunInstances made.
func showReservation(c *call, id string) reservationXML {
	r := reservationXML{ID: id, Owner: c.account, Groups: c.groupNames(nil), Instances: wire.SetOf[instanceXML](nil)}
	for _, i := range mine(c, c.instances) {
		if c.booked[i.id].reservation == id {
			r.Instances.Items = append(r.Instances.Items, showInstance(c, i))
		}
	}
	return r
}

func describeInstances(c *call) (any, error) {
	if len(c.params.List("InstanceId")) > 0 && c.params.Has("MaxResults") {
		return nil, wire.Errorf(400, "InvalidParameterCombination",
			"The parameter instancesSet cannot be used with the parameter maxResults")
	}
	set, next, err := listing[*instance, instanceXML]{
		ids: "InstanceId", all: c.instances, find: c.instance,
		filters: []string{
			"architecture", "availability-zone", "availability-zone-id", "client-token", "dns-name", "hypervisor",
			"image-id", "instance-id", "instance-state-code", "instance-state-name", "instance-type", "instance.group-id",
			"instance.group-name", "ip-address", "launch-time", "network-interface.addresses.private-ip-address",
			"network-interface.group-id", "network-interface.network-interface-id", "network-interface.private-dns-name",
			"network-interface.subnet-id", "network-interface.vpc-id", "owner-id", "private-dns-name", "private-ip-address",
			"reservation-id", "subnet-id", "tenancy", "virtualization-type", "vpc-id",
		},
		values: func(i *instance, name string) []string { return instanceFilter(c, i, name) },
		show:   func(i *instance) instanceXML { return showInstance(c, i) },
	}.run(c)
	if err != nil {
		return nil, err
	}
	var out []reservationXML
	place := map[string]int{}
	for _, x := range set.Items {
		id := c.booked[x.ID].reservation
		at, ok := place[id]
		if !ok {
			at = len(out)
			place[id] = at
			out = append(out, reservationXML{ID: id, Owner: c.account, Groups: c.groupNames(nil), Instances: wire.SetOf[instanceXML](nil)})
		}
		out[at].Instances.Items = append(out[at].Instances.Items, x)
	}
	return struct {
		Items *wire.Set[reservationXML] `xml:"reservationSet"`
		Next  string                    `xml:"nextToken,omitempty"`
	}{wire.SetOf(out), next}, nil
}

func instanceFilter(c *call, i *instance, name string) []string {
	if n := c.interfaces[i.eni]; n != nil {
		switch name {
		case "instance.group-id", "network-interface.group-id":
			return n.groups
		case "instance.group-name":
			return interfaceFilter(c, n, "group-name")
		case "network-interface.addresses.private-ip-address", "private-ip-address":
			return one(n.addr.String())
		case "network-interface.network-interface-id":
			return one(n.id)
		case "network-interface.private-dns-name", "private-dns-name":
			return interfaceFilter(c, n, "private-dns-name")
		case "network-interface.subnet-id", "subnet-id":
			return one(i.subnet)
		case "network-interface.vpc-id", "vpc-id":
			return one(i.vpc)
		}
	}
	zoneName, zoneID := c.zoneOf(i.subnet)
	switch name {
	case "architecture":
		return one("x86_64")
	case "availability-zone":
		return one(zoneName)
	case "availability-zone-id":
		return one(zoneID)
	case "client-token":
		return one(i.clientToken)
	case "hypervisor":
		return one("xen")
	case "image-id":
		return one(i.imageID)
	case "instance-id":
		return one(i.id)
	case "instance-state-code":
		return one(itoa(instanceState(i.state).Code))
	case "instance-state-name":
		return one(i.state)
	case "instance-type":
		return one(i.instanceType)
	case "launch-time":
		return one(timestamp(i.created))
	case "owner-id":
		return one(i.account)
	case "reservation-id":
		return one(c.booked[i.id].reservation)
	case "tenancy":
		return one("default")
	case "virtualization-type":
		return one("hvm")
	}
	return nil
}
