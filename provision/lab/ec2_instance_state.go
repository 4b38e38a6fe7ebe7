package lab

import (
	"time"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// minShown is the least time that a terminated instance stays in the lists, so that a waiter that
// asks rarely sees it.
const minShown = time.Second

type stateXML struct {
	Code int    `xml:"code"`
	Name string `xml:"name"`
}

// instanceState gives a state its number.
func instanceState(name string) stateXML {
	codes := map[string]int{"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
	return stateXML{codes[name], name}
}

type stateChangeXML struct {
	ID       string   `xml:"instanceId"`
	Current  stateXML `xml:"currentState"`
	Previous stateXML `xml:"previousState"`
}

// changeStates checks all named instances and then changes each.
func changeStates(c *call, check func(i *instance) error, apply func(i *instance)) (any, error) {
	ids := c.params.List("InstanceId")
	if len(ids) == 0 {
		return nil, wire.Errorf(400, "MissingParameter", "The request must contain the parameter InstanceId")
	}
	var chosen []*instance
	for _, id := range ids {
		i, err := c.instance(id)
		if err != nil {
			return nil, err
		}
		if err := check(i); err != nil {
			return nil, err
		}
		chosen = append(chosen, i)
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	var out []stateChangeXML
	for _, i := range chosen {
		before := i.state
		apply(i)
		out = append(out, stateChangeXML{i.id, instanceState(i.state), instanceState(before)})
	}
	return struct {
		Items *wire.Set[stateChangeXML] `xml:"instancesSet"`
	}{wire.SetOf(out)}, nil
}

func terminateInstances(c *call) (any, error) {
	return changeStates(c, func(*instance) error { return nil }, func(i *instance) {
		c.terminate(i, "Client.UserInitiatedShutdown")
	})
}

func stopInstances(c *call) (any, error) {
	return changeStates(c, func(i *instance) error {
		if i.state == "shutting-down" || i.state == "terminated" {
			return wire.Errorf(400, "IncorrectInstanceState",
				"This instance '%s' is not in a state from which it can be stopped.", i.id)
		}
		return nil
	}, func(i *instance) {
		if i.state == "stopped" || i.state == "stopping" {
			return
		}
		if c.plane != nil {
			c.plane.halt(i)
		}
		i.state = "stopping"
		b := c.booked[i.id]
		b.reason = "Client.UserInitiatedShutdown"
		c.booked[i.id] = b
		w := c.world
		w.after(w.timing.Instance, "instance "+i.id+" is stopped", func() {
			if i.state == "stopping" {
				i.state = "stopped"
			}
		})
	})
}

func startInstances(c *call) (any, error) {
	return changeStates(c, func(i *instance) error {
		switch i.state {
		case "stopping", "shutting-down", "terminated":
			return wire.Errorf(400, "IncorrectInstanceState",
				"The instance '%s' is not in a state from which it can be started.", i.id)
		}
		return nil
	}, func(i *instance) {
		if i.state != "stopped" {
			return
		}
		i.state = "pending"
		b := c.booked[i.id]
		b.reason = ""
		c.booked[i.id] = b
		c.bootLater(i)
	})
}

type instanceStatusXML struct {
	ID       string    `xml:"instanceId"`
	Zone     string    `xml:"availabilityZone"`
	ZoneID   string    `xml:"availabilityZoneId"`
	State    stateXML  `xml:"instanceState"`
	System   statusXML `xml:"systemStatus"`
	Instance statusXML `xml:"instanceStatus"`
}

type statusXML struct {
	Status  string                     `xml:"status"`
	Details *wire.Set[statusDetailXML] `xml:"details"`
}

type statusDetailXML struct {
	Name   string `xml:"name"`
	Status string `xml:"status"`
}

func describeInstanceStatus(c *call) (any, error) {
	everything, err := c.params.Bool("IncludeAllInstances", false)
	if err != nil {
		return nil, err
	}
	all := c.instances
	if !everything {
		all = map[string]*instance{}
		for id, i := range c.instances {
			if i.state == "running" {
				all[id] = i
			}
		}
	}
	status := func(i *instance) statusXML {
		if i.state != "running" {
			return statusXML{Status: "not-applicable"}
		}
		return statusXML{"ok", wire.SetOf([]statusDetailXML{{"reachability", "passed"}})}
	}
	l := listing[*instance, instanceStatusXML]{
		ids: "InstanceId", all: all, find: c.instance,
		filters: []string{
			"availability-zone", "availability-zone-id", "instance-state-code", "instance-state-name",
			"instance-status.status", "instance-status.reachability", "system-status.status", "system-status.reachability",
		},
		values: func(i *instance, name string) []string {
			zoneName, zoneID := c.zoneOf(i.subnet)
			switch name {
			case "availability-zone":
				return one(zoneName)
			case "availability-zone-id":
				return one(zoneID)
			case "instance-state-code":
				return one(itoa(instanceState(i.state).Code))
			case "instance-state-name":
				return one(i.state)
			case "instance-status.status", "system-status.status":
				return one(status(i).Status)
			}
			if i.state == "running" {
				return one("passed") // reachability
			}
			return nil
		},
		show: func(i *instance) instanceStatusXML {
			zoneName, zoneID := c.zoneOf(i.subnet)
			return instanceStatusXML{i.id, zoneName, zoneID, instanceState(i.state), status(i), status(i)}
		},
	}
	set, next, err := l.run(c)
	if err != nil {
		return nil, err
	}
	if !everything { // instances that were named but don't run are left out, not refused
		kept := set.Items[:0]
		for _, x := range set.Items {
			if x.State.Name == "running" {
				kept = append(kept, x)
			}
		}
		set.Items = kept
	}
	return struct {
		Items *wire.Set[instanceStatusXML] `xml:"instanceStatusSet"`
		Next  string                       `xml:"nextToken,omitempty"`
	}{set, next}, nil
}
