package lab

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// amazonDNS in a DHCP options set stands for the VPC's own resolver.
const amazonDNS = "AmazonProvidedDNS"

// maxDHCPServers is how many servers of a kind a DHCP options set may name.
const maxDHCPServers = 4

// dhcpSet is a DHCP options set.
type dhcpSet struct {
	owned
	settings map[string][]string // by key, such as domain-name-servers
}

type dhcpXML struct {
	ID       string                 `xml:"dhcpOptionsId"`
	Owner    string                 `xml:"ownerId"`
	Settings *wire.Set[dhcpSetting] `xml:"dhcpConfigurationSet"`
	Tags     *wire.Set[tagItem]     `xml:"tagSet"`
}

type dhcpSetting struct {
	Key    string               `xml:"key"`
	Values *wire.Set[dhcpValue] `xml:"valueSet"`
}

type dhcpValue struct {
	Value string `xml:"value"`
}

func showDHCP(o *dhcpSet) dhcpXML {
	var settings []dhcpSetting
	for _, key := range dhcpKeys() {
		var values []dhcpValue
		for _, v := range o.settings[key] {
			values = append(values, dhcpValue{v})
		}
		if len(values) > 0 {
			settings = append(settings, dhcpSetting{key, wire.SetOf(values)})
		}
	}
	return dhcpXML{o.id, o.account, wire.SetOf(settings), tagSet(o.tags)}
}

func dhcpKeys() []string {
	return []string{"domain-name", "domain-name-servers", "ntp-servers", "netbios-name-servers", "netbios-node-type", "ipv6-address-preferred-lease-time"}
}

// dhcpSets are the caller's sets: those that were made, and the default one of the Region, which names
// the VPC's resolver and the Region's internal domain.
func (c *call) dhcpSets() map[string]*dhcpSet {
	all := map[string]*dhcpSet{}
	for id, o := range c.dhcp {
		if c.owns(o) {
			all[id] = o
		}
	}
	id := c.dhcpOptions(c.account, c.region)
	all[id] = &dhcpSet{
		owned:    owned{id: id, account: c.account, region: c.region, tags: tags{}},
		settings: map[string][]string{"domain-name": {internalDomain(c.region)}, "domain-name-servers": {amazonDNS}},
	}
	return all
}

func (c *call) dhcpSet(all map[string]*dhcpSet, id string) (*dhcpSet, error) {
	if o := all[id]; o != nil {
		return o, nil
	}
	return nil, wire.Errorf(400, "InvalidDhcpOptionID.NotFound", "The dhcpOption ID '%.128s' does not exist", id)
}

func describeDhcpOptions(c *call) (any, error) {
	all := c.dhcpSets()
	set, next, err := listing[*dhcpSet, dhcpXML]{
		ids: "DhcpOptionsId", all: all, find: func(id string) (*dhcpSet, error) { return c.dhcpSet(all, id) },
		filters: []string{"dhcp-options-id", "key", "value", "owner-id"},
		values: func(o *dhcpSet, name string) []string {
			switch name {
			case "dhcp-options-id":
				return one(o.id)
			case "key":
				return slices.DeleteFunc(dhcpKeys(), func(k string) bool { return o.settings[k] == nil })
			case "value":
				var out []string
				for _, v := range o.settings {
					out = append(out, v...)
				}
				return out
			case "owner-id":
				return one(o.account)
			}
			return nil
		},
		show: showDHCP,
	}.run(c)
	return struct {
		Items *wire.Set[dhcpXML] `xml:"dhcpOptionsSet"`
		Next  string             `xml:"nextToken,omitempty"`
	}{set, next}, err
}

func createDhcpOptions(c *call) (any, error) {
	settings := map[string][]string{}
	err := c.params.Each("DhcpConfiguration", func(prefix string) error {
		key, values := c.params.String(prefix+".Key"), c.params.List(prefix+".Value")
		switch {
		case !slices.Contains(dhcpKeys(), key):
			return wire.Errorf(400, "InvalidParameterValue", "Value (%.128s) for parameter key is invalid. Unknown DHCP option", key)
		case len(values) == 0:
			return wire.Errorf(400, "MissingParameter", "The request must contain the parameter value")
		case len(values) > maxDHCPServers:
			return wire.Errorf(400, "InvalidParameterValue", "Value (%.128s) for parameter value is invalid. At most %d values are allowed", strings.Join(values, ","), maxDHCPServers)
		}
		if key == "domain-name-servers" {
			for _, v := range values {
				if _, err := netip.ParseAddr(v); err != nil && v != amazonDNS {
					return wire.Errorf(400, "InvalidParameterValue", "Value (%.128s) for parameter value is invalid. It is not a valid IP address", v)
				}
			}
		}
		settings[key] = values
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(settings) == 0 {
		return nil, wire.Errorf(400, "MissingParameter", "The request must contain the parameter dhcpConfigurations")
	}
	t, err := tagsFrom(c, "dhcp-options")
	if err != nil {
		return nil, err
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	o := &dhcpSet{owned: owned{id: c.newID("dopt"), account: c.account, region: c.region, created: c.stamp(), tags: t}, settings: settings}
	c.dhcp[o.id] = o
	return struct {
		Options dhcpXML `xml:"dhcpOptions"`
	}{showDHCP(o)}, nil
}

// associateDhcpOptions gives a VPC another set; "default" stands for none at all. Instances of real VPCs take
// it over when they renew their lease, clients in the lab at once.
func associateDhcpOptions(c *call) (any, error) {
	id, err := c.required("DhcpOptionsId")
	if err != nil {
		return nil, err
	}
	vpcID, err := c.required("VpcId")
	if err != nil {
		return nil, err
	}
	v, err := c.vpc(vpcID)
	if err != nil {
		return nil, err
	}
	if id != "default" {
		if _, err := c.dhcpSet(c.dhcpSets(), id); err != nil {
			return nil, err
		}
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	c.parts[v.id].dhcp = id
	return done{true}, nil
}

func deleteDhcpOptions(c *call) (any, error) {
	id, err := c.required("DhcpOptionsId")
	if err != nil {
		return nil, err
	}
	if _, err := c.dhcpSet(c.dhcpSets(), id); err != nil {
		return nil, err
	}
	for _, p := range c.parts {
		if p.dhcp == id {
			return nil, wire.Errorf(400, "DependencyViolation", "The dhcpOptions '%s' has dependencies and cannot be deleted.", id)
		}
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	delete(c.dhcp, id)
	return done{true}, nil
}

// internalDomain is the domain of private hostnames in a Region.
func internalDomain(region string) string {
	if region == "us-east-1" {
		return "ec2.internal"
	}
	return region + ".compute.internal"
}
