package provision

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/linkassay/linkassay/provision/awsapi"
)

// visibleWait bounds how long a permission may take until the consumer sees the service. AWS does
// not say how long it takes.
const visibleWait = 3 * time.Minute

// seeService waits until the consumer account sees the service, and notes the zones it offers. AWS
// answers InvalidServiceName, "does not exist", to whom it is not allowed.
func (b *builder) seeService(ctx context.Context) error {
	name, c := b.link.serviceName(), b.sides.Consumer
	if name == "" {
		return errors.New("the service is not known: the link file names none and the provider side builds none")
	}
	most := visibleWait
	if b.link.Provider.Access == AccessNone {
		most = 10 * time.Second // nobody here has just allowed it
	}
	var detail ec2types.ServiceDetail
	err := b.try(ctx, "the service", most, anyOf("InvalidServiceName", "Unavailable"), func(ctx context.Context) error {
		out, err := c.EC2.DescribeVpcEndpointServices(ctx, &ec2.DescribeVpcEndpointServicesInput{
			ServiceNames: []string{name}, ServiceRegions: b.link.serviceRegions(),
		})
		if err != nil {
			return attempted(err, "find the service %s as account %s (not allowed, wrong Region or deleted look alike)", name, b.link.Consumer.Account)
		}
		if len(out.ServiceDetails) != 1 {
			return fmt.Errorf("find the service %s: AWS returned %d services", name, len(out.ServiceDetails))
		}
		detail = out.ServiceDetails[0]
		return nil
	})
	if err != nil {
		return err
	}
	b.serviceZones = slices.Clone(detail.AvailabilityZoneIds)
	if len(b.serviceZones) == 0 {
		if b.serviceZones, err = zoneIDs(ctx, c, detail.AvailabilityZones); err != nil {
			return err
		}
	}
	slices.Sort(b.serviceZones)
	return nil
}

// serviceRegion is what the consumer's calls must say of a service of another Region; nil for one of
// its own.
func (l *Link) serviceRegion() *string {
	if l.CrossRegion() {
		return aws.String(l.ProviderRegion())
	}
	return nil
}

func (l *Link) serviceRegions() []string {
	if r := l.serviceRegion(); r != nil {
		return []string{*r}
	}
	return nil
}

// zoneIDs translates the account's own zone names.
func zoneIDs(ctx context.Context, c *awsapi.Clients, names []string) ([]string, error) {
	out, err := c.EC2.DescribeAvailabilityZones(ctx, &ec2.DescribeAvailabilityZonesInput{})
	if err != nil {
		return nil, attempted(err, "list zones")
	}
	var ids []string
	for _, z := range out.AvailabilityZones {
		if slices.Contains(names, aws.ToString(z.ZoneName)) {
			ids = append(ids, aws.ToString(z.ZoneId))
		}
	}
	return ids, nil
}

// endpoint finds or creates the interface endpoint. Private DNS stays off: AWS allows it only after
// acceptance and verification. One that was rejected, failed or expired does not heal: it is
// replaced.
func (b *builder) endpoint(ctx context.Context) error {
	c := b.sides.Consumer
	all, err := endpointsOf(ctx, c, marked(b.link.Name, partEndpoint)...)
	if err != nil {
		return err
	}
	for _, e := range all {
		id := aws.ToString(e.VpcEndpointId)
		switch {
		case isState(string(e.State), ec2types.StateDeleting, ec2types.StateDeleted):
		case isState(string(e.State), deadStates()...), b.link.serviceName() != aws.ToString(e.ServiceName):
			b.say("removing %s, which is %s and belongs to %s", id, e.State, aws.ToString(e.ServiceName))
			if err := deleteEndpoint(ctx, &b.runner, c, id); err != nil {
				return err
			}
		default:
			b.isEndpoint(e, true)
			return b.completeSubnets(ctx, e)
		}
	}
	groups := b.link.Consumer.Build.SecurityGroupIDs
	if len(groups) == 0 {
		groups = []string{b.consumer.group}
	}
	var made *ec2types.VpcEndpoint
	on := b.consumer.vpc + " " + b.link.serviceName() + " " + strings.Join(b.consumer.subnetIDs(), " ")
	err = b.create(ctx, partEndpoint, on, func(ctx context.Context, token string) error {
		out, err := c.EC2.CreateVpcEndpoint(ctx, &ec2.CreateVpcEndpointInput{
			ClientToken: aws.String(token), VpcEndpointType: ec2types.VpcEndpointTypeInterface,
			ServiceName: aws.String(b.link.serviceName()), ServiceRegion: b.link.serviceRegion(), VpcId: aws.String(b.consumer.vpc),
			SubnetIds: b.consumer.subnetIDs(), SecurityGroupIds: groups, PrivateDnsEnabled: aws.Bool(false),
			TagSpecifications: ec2Tags(ec2types.ResourceTypeVpcEndpoint, marks(&b.link, partEndpoint)),
		})
		if err != nil {
			return attempted(err, "create the endpoint to %s in %s", b.link.serviceName(), b.consumer.vpc)
		}
		made = out.VpcEndpoint
		if made == nil {
			return errors.New("create the endpoint: AWS did not return it")
		}
		if isState(string(made.State), deadStates()...) {
			return errOldToken
		}
		return nil
	})
	if err != nil {
		return err
	}
	b.isEndpoint(*made, true)
	b.say("created %s", b.link.Consumer.EndpointID)
	return b.wait(ctx, "the endpoint", 0, func(ctx context.Context) (string, bool, error) {
		e, err := describeEndpoint(ctx, c, b.link.Consumer.EndpointID)
		return "not known yet", err == nil && e.VpcEndpointId != nil, unless(notYet, err)
	})
}

// completeSubnets puts the endpoint back into the subnets that it has lost. Those that it has beyond are not apply's.
func (b *builder) completeSubnets(ctx context.Context, e ec2types.VpcEndpoint) error {
	c, id := b.sides.Consumer, aws.ToString(e.VpcEndpointId)
	var lost []string
	for _, s := range b.consumer.subnetIDs() {
		if !slices.Contains(e.SubnetIds, s) {
			lost = append(lost, s)
		}
	}
	if len(lost) == 0 || aws.ToString(e.VpcId) != b.consumer.vpc {
		return nil
	}
	_, err := c.EC2.ModifyVpcEndpoint(ctx, &ec2.ModifyVpcEndpointInput{VpcEndpointId: aws.String(id), AddSubnetIds: lost})
	if err != nil {
		return attempted(err, "put the endpoint %s into %s again", id, strings.Join(lost, ", "))
	}
	b.say("put %s into %s again", id, strings.Join(lost, ", "))
	return b.wait(ctx, "the endpoint's interfaces", 0, func(ctx context.Context) (string, bool, error) {
		now, err := describeEndpoint(ctx, c, id)
		if err != nil {
			return "not known yet", false, unless(notYet, err)
		}
		has := len(now.NetworkInterfaceIds) >= len(now.SubnetIds)
		for _, s := range lost {
			has = has && slices.Contains(now.SubnetIds, s)
		}
		return fmt.Sprintf("%d of %d", len(now.NetworkInterfaceIds), len(now.SubnetIds)), has, nil
	})
}

// useEndpoint reads the existing endpoint that the link file names.
func (b *builder) useEndpoint(ctx context.Context) error {
	e, err := describeEndpoint(ctx, b.sides.Consumer, b.link.Consumer.EndpointID)
	if err != nil {
		return err
	}
	if name := b.link.serviceName(); name != "" && name != aws.ToString(e.ServiceName) {
		return fmt.Errorf("the endpoint %s belongs to the service %s, the link is to %s",
			b.link.Consumer.EndpointID, aws.ToString(e.ServiceName), name)
	}
	b.isEndpoint(e, isOurs(e.Tags, b.link.Name))
	if b.link.Provider.ServiceName == "" {
		b.link.Provider.ServiceName = aws.ToString(e.ServiceName)
		b.link.Provider.ServiceID = serviceIDOf(b.link.Provider.ServiceName)
	}
	return nil
}

func (b *builder) isEndpoint(e ec2types.VpcEndpoint, ours bool) {
	b.link.Consumer.EndpointID = aws.ToString(e.VpcEndpointId)
	b.endpointVPC = aws.ToString(e.VpcId)
	b.oursEndpoint = ours
}

// connected waits until the endpoint is available. When it waits for another company's acceptance there is
// nothing more to do here now.
func (b *builder) connected(ctx context.Context) error {
	id := b.link.Consumer.EndpointID
	return b.wait(ctx, "the endpoint "+id, 0, func(ctx context.Context) (string, bool, error) {
		e, err := describeEndpoint(ctx, b.sides.Consumer, id)
		if err != nil {
			return "not known yet", false, unless(notYet, err)
		}
		state := string(e.State)
		switch {
		case isState(state, ec2types.StateAvailable):
			return state, true, nil
		case isState(state, deadStates()...):
			return "", false, fmt.Errorf("the endpoint %s is %s%s", id, state, lastError(e))
		case isState(state, ec2types.StatePendingAcceptance) && b.link.Provider.Access == AccessNone:
			b.say("%s waits for the provider's acceptance; run apply again after it", id)
			return "", false, errEnough
		}
		return state, false, nil
	})
}

func lastError(e ec2types.VpcEndpoint) string {
	if e.LastError == nil {
		return ""
	}
	return printable(fmt.Sprintf(": %s: %s", aws.ToString(e.LastError.Code), aws.ToString(e.LastError.Message)))
}

// enablePrivateDNS switches private DNS on for the endpoint.
func (b *builder) enablePrivateDNS(ctx context.Context) error {
	c, id := b.sides.Consumer, b.link.Consumer.EndpointID
	e, err := describeEndpoint(ctx, c, id)
	if err != nil {
		return err
	}
	if !aws.ToBool(e.PrivateDnsEnabled) {
		if b.endpointVPC != "" {
			if err := b.enableVPCNames(ctx, b.endpointVPC, !b.builtVPC()); err != nil {
				return err
			}
		}
		if !b.oursEndpoint {
			if err := record(ctx, c, id, e.Tags, changeKey(b.link.Name, changePrivateDNS), switchedOn); err != nil {
				return err
			}
		}
		most := privateDNSWait
		if b.link.Provider.Access == AccessNone {
			most = 10 * time.Second // nobody here has just verified the name
		}
		err := b.try(ctx, "private DNS", most, privateDNSPasses, func(ctx context.Context) error {
			return setPrivateDNS(ctx, c, id, true)
		})
		if m := awsapi.Message(err); b.link.Provider.Access == AccessNone && (strings.Contains(m, notVerified) || strings.Contains(m, notNamed)) {
			b.say("the provider has not set and verified the private DNS name yet; run apply again after it")
			return errEnough
		}
		if err != nil {
			return err
		}
	}
	return waitPrivateDNS(ctx, &b.runner, c, id, true)
}

// builtVPC says whether the endpoint stands in a VPC that was built for the link.
func (b *builder) builtVPC() bool { return b.consumer.vpc != "" && b.link.Consumer.Build.VPCID == "" }

// privateDNSWait bounds the conflicts that pass by themselves; AWS speaks of a few minutes.
const privateDNSWait = 5 * time.Minute

// How AWS says why private DNS cannot be enabled.
const (
	notVerified = "has not verified the private DNS name"
	notNamed    = "does not provide a private DNS name"
)

// privateDNSPasses knows the refusals that pass: the zone of a deleted endpoint that is still being
// detached, and a verification or acceptance that has not come through to the consumer's side yet. AWS
// tells them apart by text alone.
func privateDNSPasses(err error) bool {
	if !awsapi.IsCode(err, "InvalidParameter") {
		return awsapi.IsCode(err, "IncorrectState", "Unavailable", "ServiceUnavailable")
	}
	m := awsapi.Message(err)
	return strings.Contains(m, "conflicting DNS domain") || strings.Contains(m, notVerified) ||
		strings.Contains(m, "can only be enabled after the endpoint connection is accepted") ||
		strings.Contains(m, "requires both enableDnsSupport and enableDnsHostnames")
}

func setPrivateDNS(ctx context.Context, c *awsapi.Clients, id string, on bool) error {
	_, err := c.EC2.ModifyVpcEndpoint(ctx, &ec2.ModifyVpcEndpointInput{VpcEndpointId: aws.String(id), PrivateDnsEnabled: aws.Bool(on)})
	return attempted(err, "set private DNS of %s to %t", id, on)
}

func waitPrivateDNS(ctx context.Context, r *runner, c *awsapi.Clients, id string, on bool) error {
	return r.wait(ctx, "the endpoint "+id, 0, func(ctx context.Context) (string, bool, error) {
		e, err := describeEndpoint(ctx, c, id)
		if err != nil {
			return "", false, err
		}
		state := string(e.State)
		if isState(state, deadStates()...) {
			return "", false, fmt.Errorf("the endpoint %s is %s%s", id, state, lastError(e))
		}
		return fmt.Sprintf("%s, private DNS %t", state, aws.ToBool(e.PrivateDnsEnabled)),
			isState(state, ec2types.StateAvailable) && aws.ToBool(e.PrivateDnsEnabled) == on, nil
	})
}

func endpointsOf(ctx context.Context, c *awsapi.Clients, filters ...ec2types.Filter) ([]ec2types.VpcEndpoint, error) {
	all, err := awsapi.All(ctx, ec2.NewDescribeVpcEndpointsPaginator(c.EC2, &ec2.DescribeVpcEndpointsInput{Filters: filters}),
		func(o *ec2.DescribeVpcEndpointsOutput) []ec2types.VpcEndpoint { return o.VpcEndpoints })
	return all, attempted(err, "list endpoints")
}

func describeEndpoint(ctx context.Context, c *awsapi.Clients, id string) (ec2types.VpcEndpoint, error) {
	if id == "" { // AWS would return all of them
		return ec2types.VpcEndpoint{}, errors.New("the link's endpoint is not known")
	}
	out, err := c.EC2.DescribeVpcEndpoints(ctx, &ec2.DescribeVpcEndpointsInput{VpcEndpointIds: []string{id}})
	if err != nil {
		return ec2types.VpcEndpoint{}, attempted(err, "read the endpoint %s", id)
	}
	if len(out.VpcEndpoints) != 1 {
		return ec2types.VpcEndpoint{}, fmt.Errorf("read the endpoint %s: AWS returned %d endpoints", id, len(out.VpcEndpoints))
	}
	return out.VpcEndpoints[0], nil
}

// deleteEndpoint deletes an endpoint and waits until it is gone.
func deleteEndpoint(ctx context.Context, r *runner, c *awsapi.Clients, id string) error {
	out, err := c.EC2.DeleteVpcEndpoints(ctx, &ec2.DeleteVpcEndpointsInput{VpcEndpointIds: []string{id}})
	if err != nil {
		return attempted(err, "delete the endpoint %s", id)
	}
	if err := unsuccessful(out.Unsuccessful, "delete the endpoint", "InvalidVpcEndpoint.NotFound", "InvalidVpcEndpointId.NotFound"); err != nil {
		return err
	}
	return r.wait(ctx, "the deletion of "+id, 0, func(ctx context.Context) (string, bool, error) {
		e, err := describeEndpoint(ctx, c, id)
		if err != nil {
			return "", awsapi.IsCode(err, "InvalidVpcEndpointId.NotFound", "InvalidVpcEndpoint.NotFound"), unless(notYet, err)
		}
		return string(e.State), isState(string(e.State), ec2types.StateDeleted), nil
	})
}
