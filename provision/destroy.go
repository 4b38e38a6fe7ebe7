package provision

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/linkassay/linkassay/provision/awsapi"
)

// Leftover is something of the link's that Destroy could not remove or restore.
type Leftover struct {
	Side string `json:"side"`
	Kind string `json:"kind"` // such as "load balancer"
	ID   string `json:"id"`
	Why  string `json:"why"`
}

// String says it in one line.
func (l Leftover) String() string {
	return fmt.Sprintf("%s side: %s %s is left over: %s", l.Side, l.Kind, l.ID, l.Why)
}

// Leftovers are all that Destroy could not remove.
type Leftovers []Leftover

// String says them in one line each.
func (l Leftovers) String() string {
	var s []string
	for _, one := range l {
		s = append(s, one.String())
	}
	return strings.Join(s, "\n")
}

// Destroy removes what Apply built for the link, found by its tags, and undoes the changes that it made to
// existing things where they still are what it made them. It removes nothing else: what others
// put on top of a built thing keeps that thing alive, and it is reported as left over. With access none
// on one side only the other is done. It can be interrupted and run again.
func Destroy(ctx context.Context, l *Link, s Sides, o Options) (Leftovers, error) {
	d := &destroyer{runner: newRunner(l.Name, "destroy", o), link: *l, sides: s, kept: map[string]string{}}
	b := builder{link: *l, sides: s}
	if err := b.checkSides(); err != nil {
		return nil, err
	}
	for _, step := range destroySteps(l) {
		err := d.do(ctx, step.Step, func(ctx context.Context) error { return step.run(d, ctx) })
		if err != nil {
			return d.leftovers, err
		}
	}
	return d.leftovers, nil
}

// DestroyPlan lists what Destroy would do, in order, without asking anybody.
func DestroyPlan(l *Link) []Step {
	var out []Step
	for _, s := range destroySteps(l) {
		out = append(out, s.Step)
	}
	return out
}

func destroySteps(l *Link) []step[*destroyer] {
	var steps []step[*destroyer]
	add := func(side, name string, run func(*destroyer, context.Context) error, format string, args ...any) {
		steps = append(steps, step[*destroyer]{Step{side, name, fmt.Sprintf(format, args...)}, run})
	}
	provider, consumer := l.Provider.Access != AccessNone, l.Consumer.Access != AccessNone
	// Both are checked before anything is removed on either side.
	if provider {
		add(SideProvider, "credentials", (*destroyer).providerIdentity, "check that the credentials belong to account %s", l.Provider.Account)
	}
	if consumer {
		add(SideConsumer, "credentials", (*destroyer).consumerIdentity, "check that the credentials belong to account %s", l.Consumer.Account)
		if l.Consumer.EndpointID != "" {
			add(SideConsumer, "private DNS", (*destroyer).restoreEndpoint, "disable private DNS on %s, if apply enabled it", l.Consumer.EndpointID)
		}
		add(SideConsumer, "endpoint", (*destroyer).endpoints, "delete the endpoint that was built")
	}
	if provider {
		add(SideProvider, "connections", (*destroyer).connections, "reject the link's own connection, if the endpoint stays")
		add(SideProvider, "TXT record", (*destroyer).txt, "take the verification value out of the TXT record, if apply put it there")
		if l.serviceID() != "" {
			add(SideProvider, "service changes", (*destroyer).restoreService, "undo what apply changed on %s: private DNS name and permissions", l.serviceID())
		}
		add(SideProvider, "service", (*destroyer).services, "delete the endpoint service that was built")
		add(SideProvider, "load balancer", (*destroyer).balancers, "delete the listeners and the load balancer that were built")
		add(SideProvider, "target groups", (*destroyer).targetGroups, "delete the target groups that were built")
		add(SideProvider, "instances", (*destroyer).instances, "terminate the instances that were launched")
		add(SideProvider, "network", (*destroyer).providerNetwork, "delete the security group, the subnets and the VPC that were built")
	}
	if consumer {
		add(SideConsumer, "network", (*destroyer).consumerNetwork, "delete the security group, the subnets and the VPC that were built, or restore the existing VPC's DNS attributes")
	}
	return steps
}

// destroyer carries one Destroy through its steps.
type destroyer struct {
	runner
	link      Link
	sides     Sides
	leftovers Leftovers

	// kept are things that must stay, by id, and why: something else needs them.
	kept    map[string]string
	removed []string // endpoints that were deleted, by id
}

// keep notes that something stays.
func (d *destroyer) keep(side, kind, id, why string) {
	d.kept[id] = why
	if slices.ContainsFunc(d.leftovers, func(l Leftover) bool { return l.ID == id }) {
		return
	}
	d.leftovers = append(d.leftovers, Leftover{Side: side, Kind: kind, ID: id, Why: printable(why)})
	d.say("keeping %s %s: %s", kind, id, why)
}

// removal makes one removal's failure a leftover, so that the rest is still tried. What would fail everywhere
// (an interruption, no credentials, no network) ends the run.
func (d *destroyer) removal(ctx context.Context, side, kind, id string, err error) error {
	if err == nil {
		d.say("removed %s %s", kind, id)
		return nil
	}
	if cause := ctx.Err(); cause != nil {
		return cause
	}
	var call *callError
	if errors.As(err, &call) && (call.class == awsapi.ClassCredentials || call.class == awsapi.ClassNetwork) {
		return err
	}
	d.keep(side, kind, id, err.Error())
	return nil
}

func (d *destroyer) providerIdentity(ctx context.Context) error {
	return checkIdentity(ctx, d.sides.Provider, d.link.Provider.Account)
}

func (d *destroyer) consumerIdentity(ctx context.Context) error {
	return checkIdentity(ctx, d.sides.Consumer, d.link.Consumer.Account)
}
