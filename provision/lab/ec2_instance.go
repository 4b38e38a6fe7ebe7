package lab

import (
	"encoding/base64"
	"net/netip"
	"regexp"
	"strings"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// booking is what EC2 keeps of an instance beside what the data plane needs.
type booking struct {
	reservation string
	index       int    // among the instances of one RunInstances
	reason      string // of the last state change that a user or AWS made
}

// terminatedShown is how much longer than a transition a terminated instance stays in the lists;
// AWS shows it for about an hour.
const terminatedShown = 20

var instanceTypes = regexp.MustCompile(`^[a-z][a-z0-9-]*\.[a-z0-9-]+$`)

// launch is what RunInstances was asked for.
type launch struct {
	subnet       *subnet
	groups       []string
	addr         netip.Addr
	image        string
	instanceType string
	userData     string
	count        int
	tags         tags
	eniTags      tags
	clientToken  string
}

func runInstances(c *call) (any, error) {
	if id, hit, err := clientTokenHit(c); err != nil {
		return nil, err
	} else if hit {
		if !c.lives(id) {
			return nil, wire.Errorf(400, "IdempotentInstanceTerminated",
				"The request to launch an instance uses the same client token as a previous request for which the instance has been terminated.")
		}
		return showReservation(c, id), nil
	}
	l, err := launchFrom(c)
	if err != nil {
		return nil, err
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	reservation := c.newID("r")
	for n := range l.count {
		i := &instance{
			owned: owned{id: c.newID("i"), account: c.account, region: c.region, created: c.stamp(), tags: tags{}},
			vpc:   l.subnet.vpc, subnet: l.subnet.id, imageID: l.image, instanceType: l.instanceType,
			userData: l.userData, state: "pending", clientToken: l.clientToken,
		}
		for k, v := range l.tags {
			i.tags[k] = v
		}
		eni, err := c.newInterface(l.subnet, "interface", "", i.id, l.groups, l.addr)
		if err != nil {
			for id, b := range c.booked { // all or none; the addresses were checked, so it's the data plane
				if b.reservation == reservation {
					c.removeInterface(c.interfaces[c.instances[id].eni])
					delete(c.instances, id)
					delete(c.booked, id)
				}
			}
			return nil, err
		}
		for k, v := range l.eniTags {
			eni.tags[k] = v
		}
		i.eni = eni.id
		c.instances[i.id] = i
		c.booked[i.id] = booking{reservation: reservation, index: n}
		c.bootLater(i)
	}
	clientTokenKeep(c, reservation)
	return showReservation(c, reservation), nil
}

// lives says whether an instance of the reservation is there and not terminated.
func (w *world) lives(reservation string) bool {
	for id, b := range w.booked {
		if b.reservation == reservation && w.instances[id].state != "terminated" {
			return true
		}
	}
	return false
}

// bootLater makes a pending instance run when its time has come, with real servers behind it.
func (w *world) bootLater(i *instance) {
	w.after(w.timing.Instance, "instance "+i.id+" runs", func() {
		if i.state != "pending" {
			return
		}
		i.state = "running"
		if w.plane == nil {
			return
		}
		if err := w.plane.boot(i); err != nil {
			w.log.Error("boot instance", "instance", i.id, "error", err)
			w.terminate(i, "Server.InternalError")
		}
	})
}

// launchFrom reads and checks a RunInstances request.
func launchFrom(c *call) (*launch, error) {
	l := &launch{instanceType: c.params.String("InstanceType"), clientToken: c.params.String("ClientToken")}
	for _, key := range []string{"MinCount", "MaxCount"} {
		if _, err := c.required(key); err != nil {
			return nil, err
		}
	}
	least, err := c.params.Int("MinCount", 1)
	if err != nil {
		return nil, err
	}
	if l.count, err = c.params.Int("MaxCount", 1); err != nil {
		return nil, err
	}
	if least < 1 || l.count < least || l.count > 100 {
		return nil, wire.Errorf(400, "InvalidParameterValue",
			"Invalid value '%d' for maxCount: it must be at least minCount (%d), and minCount at least 1 and maxCount at most 100", l.count, least)
	}
	if l.image, err = imageFrom(c); err != nil {
		return nil, err
	}
	if l.instanceType == "" {
		l.instanceType = "t3.micro"
	}
	if len(l.instanceType) > 64 || !instanceTypes.MatchString(l.instanceType) {
		return nil, wire.Errorf(400, "InvalidParameterValue", "Invalid value '%.64s' for InstanceType.", l.instanceType)
	}
	if l.userData, err = userDataFrom(c); err != nil {
		return nil, err
	}
	if err := l.place(c); err != nil {
		return nil, err
	}
	others := []string{"volume", "network-interface", "spot-instances-request", "elastic-gpu"}
	if l.tags, err = tagsOf(c, "instance", others); err != nil {
		return nil, err
	}
	l.eniTags, err = tagsOf(c, "network-interface", append(others, "instance"))
	return l, err
}

// place reads where the instances go: at the top level of the request, or in NetworkInterface.1.
func (l *launch) place(c *call) error {
	subnetID, groups, address := c.params.String("SubnetId"), c.params.List("SecurityGroupId"), c.params.String("PrivateIpAddress")
	if p := "NetworkInterface.1."; c.params.Has(p+"DeviceIndex") || c.params.Has(p+"SubnetId") {
		switch {
		case subnetID != "":
			return wire.Errorf(400, "InvalidParameterCombination",
				"Network interfaces and an instance-level subnet ID may not be specified on the same request")
		case len(groups) > 0:
			return wire.Errorf(400, "InvalidParameterCombination",
				"Network interfaces and an instance-level security groups may not be specified on the same request")
		case address != "":
			return wire.Errorf(400, "InvalidParameterCombination",
				"Network interfaces and an instance-level private IP address may not be specified on the same request")
		case c.params.Has("NetworkInterface.2.DeviceIndex"):
			return wire.Errorf(400, "UnsupportedOperation", "An instance of the lab has one network interface")
		}
		subnetID, groups = c.params.String(p+"SubnetId"), c.params.List(p+"SecurityGroupId")
		address = c.params.String(p + "PrivateIpAddress")
	}
	if subnetID == "" {
		return wire.Errorf(400, "MissingInput", "No subnets found for the default VPC. Please specify a subnet.")
	}
	var err error
	if l.subnet, err = c.subnetByID(subnetID); err != nil {
		return err
	}
	if l.groups, err = c.groupsIn(groups, l.subnet); err != nil {
		return err
	}
	if address != "" {
		a, err := netip.ParseAddr(address)
		if err != nil || !a.Is4() {
			return wire.Errorf(400, "InvalidParameterValue", "invalid value for parameter address: %.64s", address)
		}
		if l.count > 1 {
			return wire.Errorf(400, "InvalidParameterCombination",
				"A private IP address may not be specified when launching more than one instance")
		}
		got, err := c.allocate(l.subnet, a) // only to check it
		if err != nil {
			return err
		}
		delete(l.subnet.used, got)
		l.addr = a
	}
	if free := freeAddresses(l.subnet); free < l.count {
		least, _ := c.params.Int("MinCount", 1) // parsed before
		if free < least {
			return wire.Errorf(400, "InsufficientFreeAddressesInSubnet",
				"There are not enough free addresses in subnet '%s' to satisfy the requested number of instances.", l.subnet.id)
		}
		l.count = free
	}
	return nil
}

// userDataFrom decodes the user data; AWS takes 16 KiB of it.
func userDataFrom(c *call) (string, error) {
	data, err := base64.StdEncoding.DecodeString(strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' {
			return -1
		}
		return r
	}, c.params.String("UserData")))
	if err != nil {
		return "", wire.Errorf(400, "InvalidParameterValue", "Invalid BASE64 encoding of user data")
	}
	if len(data) > 16<<10 {
		return "", wire.Errorf(400, "InvalidParameterValue", "User data is limited to 16384 bytes")
	}
	return string(data), nil
}

// terminate stops the instance for good: it is gone from the network when it is terminated, and
// from the lists some time later.
func (w *world) terminate(i *instance, reason string) {
	if i.state == "shutting-down" || i.state == "terminated" {
		return
	}
	if w.plane != nil {
		w.plane.halt(i)
	}
	i.state = "shutting-down"
	b := w.booked[i.id]
	b.reason = reason
	w.booked[i.id] = b
	w.after(w.timing.Instance, "instance "+i.id+" is terminated", func() {
		i.state = "terminated"
		w.removeInterface(w.interfaces[i.eni])
		w.after(max(w.timing.Instance*terminatedShown, minShown), "instance "+i.id+" is forgotten", func() {
			delete(w.instances, i.id)
			delete(w.booked, i.id)
		})
	})
}
