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

// service finds or creates the endpoint service.
func (b *builder) service(ctx context.Context) error {
	c := b.sides.Provider
	found, err := ourService(ctx, c, b.link.Name)
	if err != nil {
		return err
	}
	if found == nil {
		acceptance := b.link.Provider.Build.AcceptanceRequired
		err := b.create(ctx, partService, b.balancerARN, func(ctx context.Context, token string) error {
			out, err := c.EC2.CreateVpcEndpointServiceConfiguration(ctx, &ec2.CreateVpcEndpointServiceConfigurationInput{
				ClientToken: aws.String(token), NetworkLoadBalancerArns: []string{b.balancerARN},
				AcceptanceRequired: aws.Bool(acceptance == nil || *acceptance), SupportedRegions: b.link.offeredRegions(),
				TagSpecifications: ec2Tags(ec2types.ResourceTypeVpcEndpointService, marks(&b.link, partService)),
			})
			if err == nil {
				found = out.ServiceConfiguration
				if found != nil && (found.ServiceState == ec2types.ServiceStateDeleted || found.ServiceState == ec2types.ServiceStateDeleting) {
					return errOldToken
				}
			}
			return attempted(err, "create the endpoint service on %s", stem(b.link.Name))
		})
		if err != nil {
			return err
		}
		if found == nil {
			return errors.New("create the endpoint service: AWS did not return it")
		}
		b.say("created %s", aws.ToString(found.ServiceName))
	}
	b.isService(*found, true)
	return b.wait(ctx, "the service", 0, func(ctx context.Context) (string, bool, error) {
		s, err := describeService(ctx, c, b.link.Provider.ServiceID)
		if err != nil {
			return "not known yet", false, unless(notYet, err)
		}
		if s.ServiceState == ec2types.ServiceStateFailed || s.ServiceState == ec2types.ServiceStateDeleting {
			return "", false, fmt.Errorf("the service %s is %s", b.link.Provider.ServiceID, s.ServiceState)
		}
		return string(s.ServiceState), s.ServiceState == ec2types.ServiceStateAvailable, nil
	})
}

// offeredRegions are the Regions beside its own that the service must be offered in.
func (l *Link) offeredRegions() []string {
	if l.CrossRegion() {
		return []string{l.Region}
	}
	return nil
}

// useService reads the existing service that the link file names.
func (b *builder) useService(ctx context.Context) error {
	s, err := describeService(ctx, b.sides.Provider, b.link.serviceID())
	if err != nil {
		return err
	}
	if s.ServiceState != ec2types.ServiceStateAvailable {
		return fmt.Errorf("the service %s is %s, expected Available", aws.ToString(s.ServiceId), s.ServiceState)
	}
	b.isService(s, isOurs(s.Tags, b.link.Name))
	return nil
}

func (b *builder) isService(s ec2types.ServiceConfiguration, ours bool) {
	b.link.Provider.ServiceID, b.link.Provider.ServiceName = aws.ToString(s.ServiceId), aws.ToString(s.ServiceName)
	b.oursService = ours
}

// serviceID is the id of the link's service, "" when it is not known.
func (l *Link) serviceID() string {
	if l.Provider.ServiceID != "" {
		return l.Provider.ServiceID
	}
	return serviceIDOf(l.Provider.ServiceName)
}

// serviceName is the name of the link's service, "" when it is not known.
func (l *Link) serviceName() string {
	if l.Provider.ServiceName == "" && l.Provider.ServiceID != "" {
		return serviceNameOf(l.ProviderRegion(), l.Provider.ServiceID)
	}
	return l.Provider.ServiceName
}

// ourService finds the service that was built for the link, or nil.
func ourService(ctx context.Context, c *awsapi.Clients, link string) (*ec2types.ServiceConfiguration, error) {
	all, err := servicesOf(ctx, c, marked(link, partService)...)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(s ec2types.ServiceConfiguration) bool {
		return s.ServiceState == ec2types.ServiceStateDeleted || s.ServiceState == ec2types.ServiceStateDeleting
	})
	if len(all) == 0 {
		return nil, nil
	}
	return &all[0], nil
}

func servicesOf(ctx context.Context, c *awsapi.Clients, filters ...ec2types.Filter) ([]ec2types.ServiceConfiguration, error) {
	all, err := awsapi.All(ctx, ec2.NewDescribeVpcEndpointServiceConfigurationsPaginator(c.EC2,
		&ec2.DescribeVpcEndpointServiceConfigurationsInput{Filters: filters}),
		func(o *ec2.DescribeVpcEndpointServiceConfigurationsOutput) []ec2types.ServiceConfiguration {
			return o.ServiceConfigurations
		})
	return all, attempted(err, "list endpoint services")
}

func describeService(ctx context.Context, c *awsapi.Clients, id string) (ec2types.ServiceConfiguration, error) {
	out, err := c.EC2.DescribeVpcEndpointServiceConfigurations(ctx, &ec2.DescribeVpcEndpointServiceConfigurationsInput{ServiceIds: []string{id}})
	if err != nil {
		return ec2types.ServiceConfiguration{}, attempted(err, "read the endpoint service %s", id)
	}
	if len(out.ServiceConfigurations) != 1 {
		return ec2types.ServiceConfiguration{}, fmt.Errorf("read the endpoint service %s: AWS returned %d services", id, len(out.ServiceConfigurations))
	}
	return out.ServiceConfigurations[0], nil
}

// permit allows the link's principals to find the service. On an existing service each addition is
// recorded first, so that destroy takes back that one alone.
func (b *builder) permit(ctx context.Context) error {
	c, id := b.sides.Provider, b.link.Provider.ServiceID
	have, err := principalsOf(ctx, c, id)
	if err != nil {
		return err
	}
	s, err := describeService(ctx, c, id)
	if err != nil {
		return err
	}
	if !b.oursService && (slices.Contains(have, "*") || slices.Contains(have, b.link.ConsumerPrincipal())) &&
		(b.link.Provider.Build == nil || len(b.link.Provider.Build.AllowedPrincipals) == 0) {
		return nil
	}
	for _, p := range b.link.principals() {
		if slices.Contains(have, p) {
			continue
		}
		if !b.oursService {
			if err := record(ctx, c, id, s.Tags, principalKey(b.link.Name, p), p); err != nil {
				return err
			}
		}
		err := b.try(ctx, "the service", consistencyWait, notYet, func(ctx context.Context) error {
			_, err := c.EC2.ModifyVpcEndpointServicePermissions(ctx, &ec2.ModifyVpcEndpointServicePermissionsInput{
				ServiceId: aws.String(id), AddAllowedPrincipals: []string{p},
			})
			return attempted(err, "allow %s to find the service %s", p, id)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func principalKey(link, principal string) string {
	return changeKey(link, changePrincipal) + hash(principal)[:8]
}

func principalsOf(ctx context.Context, c *awsapi.Clients, service string) ([]string, error) {
	all, err := awsapi.All(ctx, ec2.NewDescribeVpcEndpointServicePermissionsPaginator(c.EC2,
		&ec2.DescribeVpcEndpointServicePermissionsInput{ServiceId: aws.String(service)}),
		func(o *ec2.DescribeVpcEndpointServicePermissionsOutput) []string {
			var out []string
			for _, p := range o.AllowedPrincipals {
				out = append(out, aws.ToString(p.Principal))
			}
			return out
		})
	return all, attempted(err, "list who may find the service %s", service)
}

// accept accepts the link's connection when it waits for that.
func (b *builder) accept(ctx context.Context) error {
	if b.link.Consumer.EndpointID == "" {
		return b.acceptOnly(ctx)
	}
	c, service, endpoint := b.sides.Provider, b.link.Provider.ServiceID, b.link.Consumer.EndpointID
	most := time.Duration(0)
	if b.link.Consumer.Access == AccessNone {
		most = consistencyWait // nobody here has just created it
	}
	return b.wait(ctx, "the connection of "+endpoint, most, func(ctx context.Context) (string, bool, error) {
		all, err := connectionsOf(ctx, c, service)
		if err != nil {
			return "", false, err
		}
		state := "not seen by the provider yet"
		for _, con := range all {
			if aws.ToString(con.VpcEndpointId) == endpoint {
				state = string(con.VpcEndpointState)
			}
		}
		switch {
		case isState(state, ec2types.StatePendingAcceptance):
			return "being accepted", false, b.acceptOne(ctx, service, endpoint)
		case isState(state, ec2types.StatePending, ec2types.StateAvailable):
			return state, true, nil
		case isState(state, deadStates()...):
			return "", false, fmt.Errorf("the connection of %s to %s is %s", endpoint, service, state)
		}
		return state, false, nil
	})
}

// acceptOnly accepts for a consumer side that cannot be asked: a link has one endpoint, so only a
// single waiting connection of that account can be meant.
func (b *builder) acceptOnly(ctx context.Context) error {
	service := b.link.Provider.ServiceID
	all, err := connectionsOf(ctx, b.sides.Provider, service)
	if err != nil {
		return err
	}
	var waiting []string
	for _, con := range all {
		if aws.ToString(con.VpcEndpointOwner) == b.link.Consumer.Account && isState(string(con.VpcEndpointState), ec2types.StatePendingAcceptance) {
			waiting = append(waiting, aws.ToString(con.VpcEndpointId))
		}
	}
	switch len(waiting) {
	case 0:
		b.say("no connection of account %s waits for acceptance; once there is one, run apply again", b.link.Consumer.Account)
		return nil
	case 1:
		return b.acceptOne(ctx, service, waiting[0])
	}
	b.say("%s wait for acceptance: put the right one into the link file as the consumer's endpointId, and run apply again", strings.Join(waiting, ", "))
	return nil
}

func (b *builder) acceptOne(ctx context.Context, service, endpoint string) error {
	out, err := b.sides.Provider.EC2.AcceptVpcEndpointConnections(ctx, &ec2.AcceptVpcEndpointConnectionsInput{
		ServiceId: aws.String(service), VpcEndpointIds: []string{endpoint},
	})
	if err != nil {
		return attempted(err, "accept the connection of %s", endpoint)
	}
	b.say("accepted %s", endpoint)
	return unsuccessful(out.Unsuccessful, "accept the connection")
}

// unsuccessful turns the errors that AWS reports with status 200 into one.
func unsuccessful(items []ec2types.UnsuccessfulItem, what string, fine ...string) error {
	var errs []error
	for _, u := range items {
		code, message := "", ""
		if u.Error != nil {
			code, message = aws.ToString(u.Error.Code), aws.ToString(u.Error.Message)
		}
		if !slices.Contains(fine, code) {
			errs = append(errs, &itemError{what: what, id: aws.ToString(u.ResourceId), code: code, message: message})
		}
	}
	return errors.Join(errs...)
}

// itemError is one failed item of a call that succeeded.
type itemError struct{ what, id, code, message string }

func (e *itemError) Error() string {
	return printable(fmt.Sprintf("%s of %s: %s: %s", e.what, e.id, e.code, e.message))
}

func connectionsOf(ctx context.Context, c *awsapi.Clients, service string) ([]ec2types.VpcEndpointConnection, error) {
	all, err := awsapi.All(ctx, ec2.NewDescribeVpcEndpointConnectionsPaginator(c.EC2,
		&ec2.DescribeVpcEndpointConnectionsInput{Filters: []ec2types.Filter{filter("service-id", service)}}),
		func(o *ec2.DescribeVpcEndpointConnectionsOutput) []ec2types.VpcEndpointConnection {
			return o.VpcEndpointConnections
		})
	return all, attempted(err, "list the connections of %s", service)
}

// isState compares endpoint states: the API writes them in lower camel case, the model in Pascal case.
func isState(state string, of ...ec2types.State) bool {
	return slices.ContainsFunc(of, func(s ec2types.State) bool { return strings.EqualFold(state, string(s)) })
}

// deadStates are those that an endpoint does not come back from.
func deadStates() []ec2types.State {
	return []ec2types.State{
		ec2types.StateRejected, ec2types.StateFailed, ec2types.StateExpired, ec2types.StateDeleting, ec2types.StateDeleted,
	}
}
