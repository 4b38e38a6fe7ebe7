package lab

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/linkassay/linkassay/provision"
)

// scopeFaults: what else is on the service and its load balancer, quotas, and what AWS does not show yet.
func scopeFaults() []Fault {
	allowOther := func(link *provision.Link) {
		allow(link, link.ConsumerPrincipal(), "arn:aws:iam::"+otherAccount+":root")
	}
	return []Fault{
		{
			Name: "load-balancer-taken", Text: "another endpoint service has the link's load balancer, so that the link's own can't be made",
			Excludes: []string{everything}, set: (*breaker).loadBalancerTaken,
		},
		{
			Name: "service-not-usable-yet", Text: "CreateVpcEndpoint answers 503 although the service is Available",
			Excludes: []string{"endpoint-creation", "endpoint"},
			set: func(b *breaker, _ context.Context) error {
				b.lab.world.mu.Lock()
				defer b.lab.world.mu.Unlock()
				b.lab.world.services[b.link.Provider.ServiceID].usableFrom = time.Now().Add(time.Hour)
				return nil
			},
		},
		{
			Name: "endpoint-quota-reached", Text: "the consumer's VPC may have no more endpoints", Excludes: []string{"endpoint-creation", "endpoint"},
			Prepare: func(o *Options) { o.EndpointsPerVPC = 1 },
		},
		{
			Name: "endpoint-not-shown-yet", Text: "the endpoint's owner does not see it yet, as right after its creation", Excludes: []string{"endpoint"},
			set: func(b *breaker, _ context.Context) error {
				return b.lab.changeEndpoint(b.link.Consumer.EndpointID, func(e *endpoint) { e.visibleFrom = time.Now().Add(time.Hour) })
			},
		},
		{
			Name: "acceptance-unsuccessful", Text: "the provider accepted an endpoint that is gone, and did not read the unsuccessful items of the answer",
			Excludes: []string{"endpoint"}, set: (*breaker).acceptanceUnsuccessful,
		},
		{
			Name: "endpoint-policy-narrow", Text: "the endpoint's policy lets one account through only", Excludes: []string{"endpoint"},
			Prepare: func(o *Options) { o.EndpointPolicies = true },
			set: func(b *breaker, ctx context.Context) error {
				_, err := b.sides.Consumer.EC2.ModifyVpcEndpoint(ctx, &ec2.ModifyVpcEndpointInput{
					VpcEndpointId:  &b.link.Consumer.EndpointID,
					PolicyDocument: aws.String(fmt.Sprintf(`{"Statement":[{"Effect":"Allow","Principal":{"AWS":"%s"},"Action":"*","Resource":"*"}]}`, otherAccount)),
				})
				if err != nil {
					return err
				}
				return b.untilAvailable(ctx)
			},
		},
		{
			Name: "other-connection", Text: "an endpoint that is in no link is connected to the service", Excludes: []string{"permission", "connections", "region"},
			Prepare: withOther, File: allowOther,
			set: func(b *breaker, ctx context.Context) error { _, err := b.connectOther(ctx); return err },
		},
		{
			Name: "dead-connection", Text: "a rejected endpoint of another account is still on the service", Excludes: []string{"permission", "connections", "region"},
			Prepare: withOther, File: allowOther, set: (*breaker).deadConnection,
		},
		{
			Name: "connection-outlives-permission", Text: "another account's endpoint is connected after its permission was taken away", Excludes: []string{"permission", "connections", "region"},
			Prepare: withOther, set: (*breaker).connectionOutlives,
		},
	}
}

func (b *breaker) loadBalancerTaken(ctx context.Context) error {
	c := b.sides.Provider.EC2
	old, err := c.DescribeVpcEndpointServiceConfigurations(ctx, &ec2.DescribeVpcEndpointServiceConfigurationsInput{ServiceIds: []string{b.link.Provider.ServiceID}})
	if err != nil {
		return err
	}
	if err := b.deleteEndpoint(ctx); err != nil {
		return err
	}
	if _, err := c.DeleteVpcEndpointServiceConfigurations(ctx, &ec2.DeleteVpcEndpointServiceConfigurationsInput{ServiceIds: []string{b.link.Provider.ServiceID}}); err != nil {
		return err
	}
	return b.until(ctx, "another service has the load balancer", func() (bool, error) {
		_, err := c.CreateVpcEndpointServiceConfiguration(ctx, &ec2.CreateVpcEndpointServiceConfigurationInput{
			NetworkLoadBalancerArns: old.ServiceConfigurations[0].NetworkLoadBalancerArns,
		})
		return err == nil, nil // until the old service is gone, its load balancer is taken
	})
}

func (b *breaker) acceptanceUnsuccessful(ctx context.Context) error {
	if err := b.neverAccepted(ctx); err != nil {
		return err
	}
	out, err := b.sides.Provider.EC2.AcceptVpcEndpointConnections(ctx, &ec2.AcceptVpcEndpointConnectionsInput{
		ServiceId: &b.link.Provider.ServiceID, VpcEndpointIds: []string{b.link.Consumer.EndpointID}, // the old one
	})
	if err == nil && len(out.Unsuccessful) == 0 {
		err = fmt.Errorf("an endpoint that is gone was accepted")
	}
	return err
}

func (b *breaker) deadConnection(ctx context.Context) error {
	id, err := b.connectOther(ctx)
	if err != nil {
		return err
	}
	_, err = b.sides.Provider.EC2.RejectVpcEndpointConnections(ctx, &ec2.RejectVpcEndpointConnectionsInput{
		ServiceId: &b.link.Provider.ServiceID, VpcEndpointIds: []string{id},
	})
	return err
}

func (b *breaker) connectionOutlives(ctx context.Context) error {
	id, err := b.connectOther(ctx)
	if err != nil {
		return err
	}
	if _, err := b.sides.Provider.EC2.AcceptVpcEndpointConnections(ctx, &ec2.AcceptVpcEndpointConnectionsInput{
		ServiceId: &b.link.Provider.ServiceID, VpcEndpointIds: []string{id},
	}); err != nil {
		return err
	}
	if err := b.until(ctx, "the third account's connection is available", func() (bool, error) {
		state, err := b.connectionState(ctx, id)
		return state == endpointAvailable, err
	}); err != nil {
		return err
	}
	return b.permit(ctx, nil, []string{"arn:aws:iam::" + otherAccount + ":root"})
}

// RemoveStrangers deletes the endpoints of accounts that are on neither side of the link: provision.Destroy leaves a service
// alone that others are connected to, and some faults connect them.
func (l *Lab) RemoveStrangers(ctx context.Context, link provision.Link) error {
	for _, a := range l.opts.Accounts {
		if a.ID == link.Provider.Account || a.ID == link.Consumer.Account {
			continue
		}
		if err := l.removeEndpoints(ctx, a.ID, link.Region); err != nil {
			return fmt.Errorf("remove the endpoints of account %s: %w", a.ID, err)
		}
	}
	return nil
}

func (l *Lab) removeEndpoints(ctx context.Context, account, region string) error {
	c, err := l.Open(ctx, provision.Party{Account: account}, region)
	if err != nil {
		return err
	}
	defer c.Close()
	b := &breaker{lab: l}
	return b.until(ctx, "the endpoints are gone", func() (bool, error) {
		out, err := c.EC2.DescribeVpcEndpoints(ctx, &ec2.DescribeVpcEndpointsInput{})
		if err != nil {
			return false, err
		}
		var ids []string
		left := 0
		for _, e := range out.VpcEndpoints {
			switch strings.ToLower(string(e.State)) {
			case "deleted":
			case "deleting":
				left++
			default:
				ids = append(ids, aws.ToString(e.VpcEndpointId))
			}
		}
		if len(ids) == 0 {
			return left == 0, nil
		}
		_, err = c.EC2.DeleteVpcEndpoints(ctx, &ec2.DeleteVpcEndpointsInput{VpcEndpointIds: ids})
		return false, err
	})
}
