package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/smithy-go"

	"github.com/linkassay/linkassay/provision"
)

// Fault is one way to break the walk-through's link.
type Fault struct {
	Name string
	Text string
	// Excludes are subjects, such as "endpoint" or "txt", that the fault needs for itself: two faults
	// that name the same subject can't be set together.
	Excludes []string
	// Prepare changes the lab's options, and through Options.Link the link that is built, for faults
	// that need others than the walk-through's; nil changes nothing.
	Prepare func(o *Options)
	// File changes the link file that the broken link is verified with, for faults that are a
	// difference between what an owner believes and what is there; nil changes nothing.
	File func(link *provision.Link)
	// Slow says that only an observation with --slow shows it.
	Slow bool

	set func(b *breaker, ctx context.Context) error // nil: Prepare and File are all of it
}

// Faults lists the ways to break a link, in the order in which a link comes to life. A fault that an
// operator could cause is set through the AWS API, the others in the network.
func Faults() []Fault {
	return slices.Concat(
		identityFaults(),
		permissionFaults(),
		serviceFaults(),
		scopeFaults(),
		balancerFaults(),
		subnetFaults(),
		targetFaults(),
		providerZoneFaults(),
		proxyFaults(),
		endpointFaults(),
		groupFaults(),
		pathFaults(),
		txtFaults(),
		txtPlaceFaults(),
		privateNameFaults(),
		resolverFaults(),
		familyFaults(),
		regionFaults(),
		networkFaults(),
		servingFaults(),
	)
}

// change adds a change of the link that is built.
func (o *Options) change(f func(*provision.Link)) {
	before := o.Link
	o.Link = func(l *provision.Link) {
		if before != nil {
			before(l)
		}
		f(l)
	}
}

// FindFault returns the fault with this name.
func FindFault(name string) (Fault, bool) {
	for _, f := range Faults() {
		if f.Name == name {
			return f, true
		}
	}
	return Fault{}, false
}

// everything is the subject of a fault that goes with no other: it blinds a side, so that another one could
// neither be set nor be seen.
const everything = "*"

// Together says whether two faults can be set on one link.
func (f Fault) Together(other Fault) bool {
	if slices.Contains(f.Excludes, everything) || slices.Contains(other.Excludes, everything) {
		return false
	}
	return f.Name != other.Name && !slices.ContainsFunc(f.Excludes, func(s string) bool { return slices.Contains(other.Excludes, s) })
}

// Inject breaks a provisioned link in the named way and returns when the fault shows in the
// control plane. The lab must have been started with what the fault prepares.
func (l *Lab) Inject(ctx context.Context, name string, link provision.Link) error {
	f, ok := FindFault(name)
	if !ok {
		return fmt.Errorf("inject %s: no such fault", name)
	}
	l.believe(f.File)
	if f.set == nil {
		return nil
	}
	sides, err := provision.Open(ctx, &link, l.Open)
	if err != nil {
		return err
	}
	if err := f.set(&breaker{lab: l, link: link, sides: sides}, ctx); err != nil {
		return fmt.Errorf("inject %s into link %s: %w", name, link.Name, err)
	}
	return nil
}

// breaker breaks one link.
type breaker struct {
	lab   *Lab
	link  provision.Link
	sides provision.Sides
}

// isCode says whether an error is AWS's with this code.
func isCode(err error, code string) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == code
}

// until polls with a small pause until done says so. It is for states that the lab's AWS reaches
// in its own time.
func (b *breaker) until(ctx context.Context, what string, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := done()
		if err != nil || ok {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until %s: %w", what, ctx.Err())
		case <-tick.C:
		}
	}
}
