package provision

import (
	"context"
	"errors"
	"net/netip"

	"github.com/linkassay/linkassay/provision/awsapi"
)

// Apply builds what the link file asks for on both sides, in the order that PrivateLink needs, and
// returns the link with the ids of its service and endpoint filled in, as far as it got. What
// exists already (found by its tags) is used and completed, so that Apply can be interrupted and run
// again. With access none on one side only the other is done.
func Apply(ctx context.Context, l *Link, s Sides, o Options) (Link, error) {
	b := &builder{runner: newRunner(l.Name, "apply", o), link: *l, sides: s}
	if err := b.checkSides(); err != nil {
		return b.link, err
	}
	for _, step := range applySteps(l) {
		err := b.do(ctx, step.Step, func(ctx context.Context) error { return step.run(b, ctx) })
		if errors.Is(err, errEnough) {
			break
		}
		if err != nil {
			return b.link, err
		}
	}
	return b.link, nil
}

// errEnough ends Apply without an error: what is next is another company's turn.
var errEnough = errors.New("the other side has to act first")

// builder carries one Apply through its steps: what it found or made so far.
type builder struct {
	runner
	link  Link
	sides Sides

	provider, consumer        network
	instances                 []string                     // launched targets, in the order of provider.subnets
	balancerARN               string                       // of the load balancer
	groupARNs                 map[uint16]string            // target groups by listener port
	oursService, oursEndpoint bool                         // false: existing things, whose changes are recorded
	serviceZones              []string                     // zone ids that the service offers the consumer
	verification              struct{ name, value string } // the TXT record's label and value
	unplaced                  string                       // the TXT record that could not be placed, in words
	endpointVPC               string                       // VPC of the endpoint
}

// network is what one side's build stands on.
type network struct {
	vpc     string
	blocks  []netip.Prefix // the VPC's CIDR blocks
	subnets []placedSubnet // by zone id
	group   string         // the security group that was built
}

// placedSubnet is a subnet and the id of its zone.
type placedSubnet struct{ id, zone string }

func (n network) subnetIDs() []string {
	var ids []string
	for _, s := range n.subnets {
		ids = append(ids, s.id)
	}
	return ids
}

func (b *builder) checkSides() error {
	var errs []error
	if b.link.Provider.Access != AccessNone && b.sides.Provider == nil {
		errs = append(errs, errors.New("link "+b.link.Name+": no AWS clients for the provider side"))
	}
	if b.link.Consumer.Access != AccessNone && b.sides.Consumer == nil {
		errs = append(errs, errors.New("link "+b.link.Name+": no AWS clients for the consumer side"))
	}
	return errors.Join(errs...)
}

func (b *builder) providerIdentity(ctx context.Context) error {
	return checkIdentity(ctx, b.sides.Provider, b.link.Provider.Account)
}

func (b *builder) consumerIdentity(ctx context.Context) error {
	return checkIdentity(ctx, b.sides.Consumer, b.link.Consumer.Account)
}

// clients gives one side's clients.
func (b *builder) clients(side string) *awsapi.Clients {
	if side == SideProvider {
		return b.sides.Provider
	}
	return b.sides.Consumer
}
