package lab

import (
	"net/netip"
	"slices"
	"strconv"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// createACLEntry adds a rule under a number that its direction does not have yet.
func createACLEntry(c *call) (any, error) {
	a, e, err := aclEntryFrom(c)
	if err != nil {
		return nil, err
	}
	if a.entry(e) >= 0 {
		return nil, wire.Errorf(400, "NetworkAclEntryAlreadyExists", "The network acl entry identified by %d already exists.", e.number)
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	a.entries = append(a.entries, e)
	sortEntries(a.entries)
	return done{true}, nil
}

// replaceACLEntry puts another rule under the number of one that is there.
func replaceACLEntry(c *call) (any, error) {
	a, e, err := aclEntryFrom(c)
	if err != nil {
		return nil, err
	}
	i := a.entry(e)
	if i < 0 {
		return nil, unknownEntry(e.number)
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	a.entries[i] = e
	return done{true}, nil
}

func deleteACLEntry(c *call) (any, error) {
	a, err := aclFrom(c)
	if err != nil {
		return nil, err
	}
	var e aclEntry
	if e.number, e.egress, err = numberAndDirection(c); err != nil {
		return nil, err
	}
	i := a.entry(e)
	if i < 0 {
		return nil, unknownEntry(e.number)
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	a.entries = slices.Delete(a.entries, i, i+1)
	return done{true}, nil
}

func unknownEntry(number int) error {
	return wire.Errorf(400, "InvalidNetworkAclEntry.NotFound", "The network acl entry identified by %d does not exist.", number)
}

// entry finds the rule with the same number and direction; -1 when there is none.
func (a *networkACL) entry(e aclEntry) int {
	return slices.IndexFunc(a.entries, func(x aclEntry) bool { return x.number == e.number && x.egress == e.egress })
}

func numberAndDirection(c *call) (number int, egress bool, err error) {
	text, err := c.required("RuleNumber")
	if err != nil {
		return 0, false, err
	}
	if _, err := c.required("Egress"); err != nil {
		return 0, false, err
	}
	if egress, err = c.params.Bool("Egress", false); err != nil {
		return 0, false, err
	}
	number, err = strconv.Atoi(text)
	if err != nil || number < 1 || number >= lastACLEntry {
		return 0, false, wire.Errorf(400, "InvalidParameterValue",
			"Value (%.128s) for parameter ruleNumber is invalid. The rule number must be between 1 and 32766.", text)
	}
	return number, egress, nil
}

// aclEntryFrom reads the rule of a CreateNetworkAclEntry or ReplaceNetworkAclEntry request.
func aclEntryFrom(c *call) (*networkACL, aclEntry, error) {
	var e aclEntry
	a, err := aclFrom(c)
	if err != nil {
		return nil, e, err
	}
	if e.number, e.egress, err = numberAndDirection(c); err != nil {
		return nil, e, err
	}
	action, err := c.required("RuleAction")
	if err != nil {
		return nil, e, err
	}
	switch action {
	case "allow":
		e.allow = true
	case "deny":
	default:
		return nil, e, wire.Errorf(400, "InvalidParameterValue", "Value (%.128s) for parameter ruleAction is invalid.", action)
	}
	v4, v6 := c.params.String("CidrBlock"), c.params.String("Ipv6CidrBlock")
	if (v4 == "") == (v6 == "") {
		return nil, e, wire.Errorf(400, "MissingParameter", "Exactly one of cidrBlock and ipv6CidrBlock must be specified")
	}
	if e.cidr, err = netip.ParsePrefix(v4 + v6); err != nil || e.cidr.Addr().Is4() != (v4 != "") {
		return nil, e, wire.Errorf(400, "InvalidParameterValue", "Value (%.128s) for parameter cidrBlock is invalid. This is not a valid CIDR block.", v4+v6)
	}
	e.cidr = e.cidr.Masked()
	return a, e, e.readProtocol(c)
}

// readProtocol reads the protocol, and the ports or ICMP type that go with it.
func (e *aclEntry) readProtocol(c *call) error {
	protocol, err := c.required("Protocol")
	if err != nil {
		return err
	}
	switch protocol {
	case "all":
		protocol = "-1"
	case "tcp":
		protocol = "6"
	case "udp":
		protocol = "17"
	case "icmp":
		protocol = "1"
	}
	if n, err := strconv.Atoi(protocol); err != nil || n < -1 || n > 255 {
		return wire.Errorf(400, "InvalidParameterValue", "Value (%.128s) for parameter protocol is invalid. Unknown protocol.", protocol)
	}
	e.protocol = protocol
	number := func(key string) int {
		if err == nil {
			var n int
			n, err = c.params.Int(key, 0)
			return n
		}
		return 0
	}
	if e.from, e.to = number("PortRange.From"), number("PortRange.To"); err != nil {
		return err
	}
	if e.icmp, e.code = number("Icmp.Type"), number("Icmp.Code"); err != nil {
		return err
	}
	switch {
	case protocol == "6" || protocol == "17":
		if !c.params.Has("PortRange.From") || !c.params.Has("PortRange.To") {
			return wire.Errorf(400, "MissingParameter", "The request must contain the parameter portRange")
		}
		if e.from < 0 || e.to < e.from || e.to > 65535 {
			return wire.Errorf(400, "InvalidParameterValue", "Invalid port range %d-%d", e.from, e.to)
		}
	case protocol == "1" && !c.params.Has("Icmp.Type"):
		return wire.Errorf(400, "MissingParameter", "The request must contain the parameter icmpTypeCode")
	}
	return nil
}
