package provision

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/linkassay/linkassay/provision/awsapi"
)

// endpoints deletes the endpoints that were built.
func (d *destroyer) endpoints(ctx context.Context) error {
	c := d.sides.Consumer
	all, err := endpointsOf(ctx, c, marked(d.link.Name, partEndpoint)...)
	if err != nil {
		return err
	}
	for _, e := range all {
		id := aws.ToString(e.VpcEndpointId)
		if isState(string(e.State), ec2types.StateDeleted) {
			continue
		}
		err := deleteEndpoint(ctx, &d.runner, c, id)
		if err == nil {
			d.removed = append(d.removed, id)
		}
		if err := d.removal(ctx, SideConsumer, "endpoint", id, err); err != nil {
			return err
		}
	}
	return nil
}

// restoreEndpoint disables private DNS on an existing endpoint, when Apply enabled it.
func (d *destroyer) restoreEndpoint(ctx context.Context) error {
	c, id := d.sides.Consumer, d.link.Consumer.EndpointID
	e, err := describeEndpoint(ctx, c, id)
	if awsapi.IsCode(err, "InvalidVpcEndpointId.NotFound") {
		return nil
	}
	if err != nil {
		return err
	}
	key := changeKey(d.link.Name, changePrivateDNS)
	if isOurs(e.Tags, d.link.Name) {
		return nil // it is deleted, and its VPC is looked after then
	}
	if tagOf(e.Tags, key) == "" {
		return d.restoreVPC(ctx, aws.ToString(e.VpcId))
	}
	if aws.ToBool(e.PrivateDnsEnabled) && !isState(string(e.State), deadStates()...) {
		err := setPrivateDNS(ctx, c, id, false)
		if err == nil {
			err = waitPrivateDNS(ctx, &d.runner, c, id, false)
		}
		if err != nil {
			return d.removal(ctx, SideConsumer, "private DNS of endpoint", id, err)
		}
		d.say("disabled private DNS on %s", id)
	}
	if err := dropTag(ctx, c, id, key); err != nil {
		return err
	}
	return d.restoreVPC(ctx, aws.ToString(e.VpcId))
}

// txt takes the service's own verification value out of the TXT record that Apply put it into. Other values
// stay. It goes before the service, which alone knows the value.
func (d *destroyer) txt(ctx context.Context) error {
	all, err := d.linkServices(ctx)
	if err != nil {
		return err
	}
	for _, s := range all {
		if d.kept[aws.ToString(s.ServiceId)] != "" {
			continue // it stays in use, and AWS looks for the record again and again
		}
		if err := d.txtOf(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (d *destroyer) txtOf(ctx context.Context, s ec2types.ServiceConfiguration) error {
	c, id := d.sides.Provider, aws.ToString(s.ServiceId)
	key := changeKey(d.link.Name, changeTXT)
	zoneID, name, ok := strings.Cut(tagOf(s.Tags, key), " ")
	if !ok {
		return nil
	}
	if s.PrivateDnsNameConfiguration == nil || aws.ToString(s.PrivateDnsNameConfiguration.Value) == "" {
		d.keep(SideProvider, "TXT record", name, "the service "+id+" no longer says which value was its own; look at the record in zone "+zoneID)
		return dropTag(ctx, c, id, key)
	}
	zone := hostedZone{id: zoneID}
	set, err := readTXT(ctx, c, zone, name)
	if awsapi.IsCode(err, "NoSuchHostedZone") {
		return dropTag(ctx, c, id, key)
	}
	var change string
	if err == nil {
		change, err = set.remove(ctx, c, aws.ToString(s.PrivateDnsNameConfiguration.Value))
	}
	if err == nil && change != "" {
		err = waitInSync(ctx, &d.runner, c, change)
	}
	if err != nil {
		return d.removal(ctx, SideProvider, "TXT record", name, err)
	}
	if change == "" {
		d.say("the TXT record %s no longer has the service's value", name)
	} else {
		d.say("took the service's value out of the TXT record %s", name)
	}
	return dropTag(ctx, c, id, key)
}

// linkServices are the services that were built for the link, and the one that its file names.
func (d *destroyer) linkServices(ctx context.Context) ([]ec2types.ServiceConfiguration, error) {
	all, err := d.builtServices(ctx)
	if err != nil {
		return nil, err
	}
	id := d.link.serviceID()
	if id == "" || slices.ContainsFunc(all, func(s ec2types.ServiceConfiguration) bool { return aws.ToString(s.ServiceId) == id }) {
		return all, nil
	}
	named, err := describeService(ctx, d.sides.Provider, id)
	if awsapi.IsCode(err, "InvalidVpcEndpointServiceId.NotFound") {
		return all, nil
	}
	return append(all, named), err
}

// restoreService undoes what Apply changed on an existing service.
func (d *destroyer) restoreService(ctx context.Context) error {
	c, id := d.sides.Provider, d.link.serviceID()
	s, err := describeService(ctx, c, id)
	if awsapi.IsCode(err, "InvalidVpcEndpointServiceId.NotFound") {
		return nil
	}
	if err != nil || isOurs(s.Tags, d.link.Name) {
		return err
	}
	key := changeKey(d.link.Name, changePrivateDNSName)
	if set := tagOf(s.Tags, key); set != "" {
		if aws.ToString(s.PrivateDnsName) == set {
			_, err := c.EC2.ModifyVpcEndpointServiceConfiguration(ctx, &ec2.ModifyVpcEndpointServiceConfigurationInput{
				ServiceId: aws.String(id), RemovePrivateDnsName: aws.Bool(true),
			})
			if err != nil {
				return d.removal(ctx, SideProvider, "private DNS name of service", id, attempted(err, "remove the private DNS name %s", set))
			}
			d.say("removed the private DNS name %s", set)
		}
		if err := dropTag(ctx, c, id, key); err != nil {
			return err
		}
	}
	return d.restorePrincipals(ctx, s)
}

func (d *destroyer) restorePrincipals(ctx context.Context, s ec2types.ServiceConfiguration) error {
	c, id := d.sides.Provider, aws.ToString(s.ServiceId)
	for _, t := range s.Tags {
		key, principal := aws.ToString(t.Key), aws.ToString(t.Value)
		if !strings.HasPrefix(key, changeKey(d.link.Name, changePrincipal)) {
			continue
		}
		have, err := principalsOf(ctx, c, id)
		if err != nil {
			return err
		}
		if slices.Contains(have, principal) {
			_, err := c.EC2.ModifyVpcEndpointServicePermissions(ctx, &ec2.ModifyVpcEndpointServicePermissionsInput{
				ServiceId: aws.String(id), RemoveAllowedPrincipals: []string{principal},
			})
			if err := d.removal(ctx, SideProvider, "permission of service "+id+" for", principal, attempted(err, "remove the permission")); err != nil {
				return err
			}
			if d.kept[principal] != "" {
				continue
			}
		}
		if err := dropTag(ctx, c, id, key); err != nil {
			return err
		}
	}
	return nil
}

// connections rejects the link's own connection where the endpoint is not ours to delete. A service
// that others are connected to stays, with all that it stands on: deleting it would cut them off.
func (d *destroyer) connections(ctx context.Context) error {
	all, err := d.builtServices(ctx)
	if err != nil {
		return err
	}
	for _, s := range all {
		others, err := d.disconnect(ctx, aws.ToString(s.ServiceId))
		switch {
		case err != nil:
			err = d.removal(ctx, SideProvider, "service", aws.ToString(s.ServiceId), err)
			if err != nil {
				return err
			}
		case len(others) > 0:
			d.keep(SideProvider, "service", aws.ToString(s.ServiceId),
				"endpoints that linkassay did not build are connected: "+strings.Join(others, ", "))
		}
	}
	return nil
}

// builtServices are the services that were built for the link.
func (d *destroyer) builtServices(ctx context.Context) ([]ec2types.ServiceConfiguration, error) {
	all, err := servicesOf(ctx, d.sides.Provider, marked(d.link.Name, partService)...)
	return slices.DeleteFunc(all, func(s ec2types.ServiceConfiguration) bool {
		return s.ServiceState == ec2types.ServiceStateDeleted || s.ServiceState == ec2types.ServiceStateDeleting
	}), err
}

// services deletes the services that were built.
func (d *destroyer) services(ctx context.Context) error {
	all, err := d.builtServices(ctx)
	if err != nil {
		return err
	}
	for _, s := range all {
		id := aws.ToString(s.ServiceId)
		if d.kept[id] == "" {
			if err := d.removal(ctx, SideProvider, "service", id, d.deleteService(ctx, id)); err != nil {
				return err
			}
		}
		if d.kept[id] != "" {
			for _, arn := range s.NetworkLoadBalancerArns {
				d.kept[arn] = "the service " + id + " needs it, which is left over"
			}
		}
	}
	return nil
}

// disconnect rejects the link's own connection, where the consumer's endpoint is not ours to delete, and
// returns the live connections of others.
func (d *destroyer) disconnect(ctx context.Context, service string) ([]string, error) {
	c := d.sides.Provider
	all, err := connectionsOf(ctx, c, service)
	if err != nil {
		return nil, err
	}
	var others, reject []string
	for _, con := range all {
		id := aws.ToString(con.VpcEndpointId)
		if !isState(string(con.VpcEndpointState), ec2types.StatePendingAcceptance, ec2types.StatePending, ec2types.StateAvailable) {
			continue
		}
		switch {
		case slices.Contains(d.removed, id):
			// The provider's view follows the consumer's with a delay.
		case id == d.link.Consumer.EndpointID,
			d.link.Consumer.Access == AccessNone && d.link.Consumer.EndpointID == "" && aws.ToString(con.VpcEndpointOwner) == d.link.Consumer.Account:
			reject = append(reject, id)
		default:
			others = append(others, fmt.Sprintf("%s of account %s", id, aws.ToString(con.VpcEndpointOwner)))
		}
	}
	if len(others) > 0 || len(reject) == 0 {
		return others, nil
	}
	out, err := c.EC2.RejectVpcEndpointConnections(ctx, &ec2.RejectVpcEndpointConnectionsInput{
		ServiceId: aws.String(service), VpcEndpointIds: reject,
	})
	if err != nil {
		return nil, attempted(err, "reject the connections of %s", strings.Join(reject, ", "))
	}
	d.say("rejected %s", strings.Join(reject, ", "))
	return nil, unsuccessful(out.Unsuccessful, "reject the connection")
}

// deleteService deletes a service. Connections that are just being closed count as existing for a
// while.
func (d *destroyer) deleteService(ctx context.Context, id string) error {
	c := d.sides.Provider
	return d.wait(ctx, "the deletion of "+id, 0, func(ctx context.Context) (string, bool, error) {
		out, err := c.EC2.DeleteVpcEndpointServiceConfigurations(ctx, &ec2.DeleteVpcEndpointServiceConfigurationsInput{ServiceIds: []string{id}})
		if err != nil {
			return "", false, attempted(err, "delete the service %s", id)
		}
		for _, u := range out.Unsuccessful {
			if u.Error != nil && aws.ToString(u.Error.Code) == "ExistingVpcEndpointConnections" {
				return "still connected", false, nil
			}
		}
		if err := unsuccessful(out.Unsuccessful, "delete the service", "InvalidVpcEndpointService.NotFound", "InvalidVpcEndpointServiceId.NotFound"); err != nil {
			return "", false, err
		}
		s, err := describeService(ctx, c, id)
		if err != nil {
			return "", awsapi.IsCode(err, "InvalidVpcEndpointServiceId.NotFound"), unless(notYet, err)
		}
		return string(s.ServiceState), s.ServiceState == ec2types.ServiceStateDeleted, nil
	})
}
