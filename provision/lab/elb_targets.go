package lab

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// namedTargets reads Targets.member.N: ids and ports. A port that is not given is the group's.
func namedTargets(c *call, g *targetGroup, must bool) ([]*target, error) {
	var out []*target
	err := c.params.Each("Targets.member", func(p string) error {
		t := &target{id: c.params.String(p + ".Id"), port: g.port}
		if t.id == "" {
			return invalid("1 validation error detected: Value null at 'targets.%d.member.id' failed to satisfy constraint: Member must not be null", len(out)+1)
		}
		var err error
		if t.port, err = c.elbInt(p+".Port", g.port, 1, 65535); err != nil {
			return err
		}
		_ = c.params.String(p + ".AvailabilityZone") // follows from the subnet
		out = append(out, t)
		return nil
	})
	if err == nil && must && len(out) == 0 {
		err = invalid("1 validation error detected: Value null at 'targets' failed to satisfy constraint: Member must not be null")
	}
	return out, err
}

func (g *targetGroup) find(t *target) *target {
	for _, have := range g.targets {
		if have.id == t.id && have.port == t.port {
			return have
		}
	}
	return nil
}

func registerTargets(c *call) (any, error) {
	g, err := c.requiredTargetGroup()
	if err != nil {
		return nil, err
	}
	named, err := namedTargets(c, g, true)
	if err != nil {
		return nil, err
	}
	for _, t := range named {
		if err := c.placeTarget(g, t); err != nil {
			return nil, err
		}
	}
	targets := slices.Clone(g.targets) // the data plane may hold the old list
	for _, t := range named {
		have := g.find(t)
		switch {
		case have == nil:
			t.state, t.reason, t.detail = "initial", "Elb.RegistrationInProgress", "Target registration is in progress"
			targets = append(targets, t)
		case have.state == "draining": // comes back
			have.state, have.reason, have.detail = "initial", "Elb.RegistrationInProgress", "Target registration is in progress"
		}
	}
	if len(targets) > maxTargets {
		return nil, wire.Errorf(400, "TooManyTargets", "The maximum number of targets per target group has been reached")
	}
	g.targets = targets
	return nil, nil
}

// placeTarget checks that the target may be registered and finds its zone.
func (c *call) placeTarget(g *targetGroup, t *target) error {
	switch g.targetType {
	case "instance":
		i := c.instances[t.id]
		switch {
		case !strings.HasPrefix(t.id, "i-"), i == nil, !c.owns(i):
			return wire.Errorf(400, "InvalidTarget", "The following targets are not valid instances: '%.64s'", t.id)
		case i.state != "running":
			return wire.Errorf(400, "InvalidTarget", "The following targets are not in a running state and cannot be registered: '%s'", t.id)
		case i.vpc != g.vpc:
			return wire.Errorf(400, "InvalidTarget", "The following targets are not in the target group VPC '%s': '%s'", g.vpc, t.id)
		}
		if s := c.subnets[i.subnet]; s != nil {
			t.zoneID = s.zoneID
		}
	case "ip":
		a, err := netip.ParseAddr(t.id)
		if err != nil || !a.Is4() {
			return invalid("The IP address '%.64s' is not a valid IPv4 address", t.id)
		}
		if v := c.vpcs[g.vpc]; v == nil || !v.cidr.Contains(a) {
			return wire.Errorf(400, "InvalidTarget", "The IP address '%s' is not within the CIDR block of the VPC '%s'", a, g.vpc)
		}
		t.id = a.String()
		for _, s := range c.subnets {
			if s.vpc == g.vpc && s.cidr.Contains(a) {
				t.zoneID = s.zoneID
			}
		}
	default:
		return wire.Errorf(400, "InvalidTarget", "The lab has no application load balancers to register as targets")
	}
	return nil
}

// deregisterTargets drains the targets: open connections go on until the group's delay is over.
func deregisterTargets(c *call) (any, error) {
	g, err := c.requiredTargetGroup()
	if err != nil {
		return nil, err
	}
	named, err := namedTargets(c, g, true)
	if err != nil {
		return nil, err
	}
	var chosen []*target
	err = c.params.Each("Targets.member", func(p string) error {
		t := named[0]
		named = named[1:]
		whole := !c.params.Has(p + ".Port") // without a port: all of the target's registrations
		found := false
		for _, have := range g.targets {
			if have.id == t.id && (whole || have.port == t.port) {
				found = true
				chosen = append(chosen, have)
			}
		}
		if !found {
			return wire.Errorf(400, "InvalidTarget", "The following targets are not registered: '%.64s'", t.id)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(c.loadBalancersOf(g)) == 0 {
		g.drop(chosen)
		return nil, nil
	}
	w := c.world
	for _, t := range chosen {
		if t.state == "draining" {
			continue
		}
		t.state, t.reason, t.detail = "draining", "Target.DeregistrationInProgress", "Target deregistration is in progress"
		w.after(w.drainTime(g), "target "+t.id+" is deregistered", func() {
			if t.state == "draining" {
				g.drop([]*target{t})
			}
		})
	}
	return nil, nil
}

func (g *targetGroup) drop(gone []*target) {
	g.targets = slices.DeleteFunc(slices.Clone(g.targets), func(t *target) bool { return slices.Contains(gone, t) })
}

// drainTime is the group's deregistration delay on the lab's clock for health checks.
func (w *world) drainTime(g *targetGroup) time.Duration {
	seconds, _ := strconv.Atoi(g.attributes["deregistration_delay.timeout_seconds"]) // checked when set
	d := time.Duration(seconds) * time.Second
	if w.timing.HealthScale > 0 {
		d = time.Duration(float64(d) / w.timing.HealthScale)
	}
	return d
}
