package probes

import (
	"cmp"
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/linkassay/linkassay/provision/awsapi"
)

// apiItem is what the side's clients have seen by now. A side that could not be found out about has
// clients all the same, and how they failed is what is looked for here.
func (r *run) apiItem(sd side) *Item[API] {
	var item Item[API]
	s := &span{run: r}
	done := s.begin()
	switch {
	case sd.asked != nil:
		item = settle(apiOf(r.ctx, sd.asked), nil)
	case sd.stop != nil:
		item = settle(API{}, sd.stop)
	}
	done()
	item.Started, item.Duration = s.read()
	return &item
}

func apiOf(ctx context.Context, c *awsapi.Clients) API {
	offset, known := c.ClockOffset()
	used := c.Used(ctx)
	return API{Requests: used.Requests, Throttled: used.Throttled, ClockKnown: known, ClockOffset: offset}
}

// dryRun sends one request of apply's with DryRun=true and takes AWS's refusal or promise for the answer.
func dryRun[T any](r *run, s *span, operation, what string, send func(context.Context, ...func(*ec2.Options)) (T, error)) (DryRun, error) {
	_, err := call(r, s, operation, func(ctx context.Context) (T, error) {
		// A service that was made a moment ago answers Unavailable for minutes: that is an answer here.
		return send(ctx, func(o *ec2.Options) { o.RetryMaxAttempts = dryRunAttempts })
	})
	f, ok := err.(failed)
	switch {
	case err == nil:
		return DryRun{operation, what, "none", "AWS answered as if it were not a dry run"}, nil
	case !ok:
		return DryRun{}, err
	case f.f.Class == FailAPI && f.f.Code != "", f.f.Class == FailDenied:
		return DryRun{operation, what, f.f.Code, f.f.Message}, nil
	}
	return DryRun{}, err
}

const dryRunAttempts = 2

// tryAll runs dry runs side by side.
func tryAll(runs []func() (DryRun, error)) ([]DryRun, error) {
	return each(runs, func(f func() (DryRun, error)) (DryRun, error) { return f() })
}

// providerDryRuns tries what apply calls in the provider's account for a service that exists.
func (r *run) providerDryRuns(sd side, s *span, svc Service) ([]DryRun, error) {
	dry := aws.Bool(true)
	runs := []func() (DryRun, error){
		func() (DryRun, error) {
			return dryRun(r, s, "ec2:CreateVpcEndpointServiceConfiguration", "make the service", func(ctx context.Context, o ...func(*ec2.Options)) (*ec2.CreateVpcEndpointServiceConfigurationOutput, error) {
				return sd.EC2.CreateVpcEndpointServiceConfiguration(ctx, &ec2.CreateVpcEndpointServiceConfigurationInput{DryRun: dry, NetworkLoadBalancerArns: svc.LoadBalancerARNs}, o...)
			})
		},
		func() (DryRun, error) {
			return dryRun(r, s, "ec2:ModifyVpcEndpointServicePermissions", "allow the consumer", func(ctx context.Context, o ...func(*ec2.Options)) (*ec2.ModifyVpcEndpointServicePermissionsOutput, error) {
				return sd.EC2.ModifyVpcEndpointServicePermissions(ctx, &ec2.ModifyVpcEndpointServicePermissionsInput{DryRun: dry, ServiceId: &svc.ID, AddAllowedPrincipals: []string{r.link.ConsumerPrincipal()}}, o...)
			})
		},
	}
	if id := r.link.Consumer.EndpointID; id != "" {
		runs = append(runs, func() (DryRun, error) {
			return dryRun(r, s, "ec2:AcceptVpcEndpointConnections", "accept the connection", func(ctx context.Context, o ...func(*ec2.Options)) (*ec2.AcceptVpcEndpointConnectionsOutput, error) {
				return sd.EC2.AcceptVpcEndpointConnections(ctx, &ec2.AcceptVpcEndpointConnectionsInput{DryRun: dry, ServiceId: &svc.ID, VpcEndpointIds: []string{id}}, o...)
			})
		})
	}
	return tryAll(runs)
}

// consumerDryRuns tries what apply calls in the consumer's account for an endpoint like the one that is there.
func (r *run) consumerDryRuns(sd side, s *span, ep Endpoint) ([]DryRun, error) {
	dry := aws.Bool(true)
	var elsewhere *string // across Regions it takes one permission more
	if r.link.CrossRegion() {
		elsewhere = aws.String(r.link.ProviderRegion())
	}
	runs := []func() (DryRun, error){
		func() (DryRun, error) {
			return dryRun(r, s, "ec2:CreateVpcEndpoint", "make the endpoint", func(ctx context.Context, o ...func(*ec2.Options)) (*ec2.CreateVpcEndpointOutput, error) {
				return sd.EC2.CreateVpcEndpoint(ctx, &ec2.CreateVpcEndpointInput{
					DryRun: dry, VpcEndpointType: ec2types.VpcEndpointTypeInterface, ServiceName: &ep.ServiceName, VpcId: &ep.VPCID,
					SubnetIds: ep.SubnetIDs, SecurityGroupIds: ep.SecurityGroupIDs, PrivateDnsEnabled: aws.Bool(false), ServiceRegion: elsewhere,
					TagSpecifications: []ec2types.TagSpecification{{
						ResourceType: ec2types.ResourceTypeVpcEndpoint, Tags: []ec2types.Tag{{Key: aws.String("linkassay:link"), Value: &r.link.Name}},
					}},
				}, o...)
			})
		},
	}
	if r.link.PrivateDNSName != "" {
		runs = append(runs, func() (DryRun, error) {
			return dryRun(r, s, "ec2:ModifyVpcEndpoint", "switch private DNS on", func(ctx context.Context, o ...func(*ec2.Options)) (*ec2.ModifyVpcEndpointOutput, error) {
				return sd.EC2.ModifyVpcEndpoint(ctx, &ec2.ModifyVpcEndpointInput{DryRun: dry, VpcEndpointId: &ep.ID, PrivateDnsEnabled: aws.Bool(true)}, o...)
			})
		})
	}
	return tryAll(runs)
}

// endpointsIn lists all endpoints of a VPC.
func (r *run) endpointsIn(sd side, s *span, vpc string) ([]EndpointSummary, error) {
	return derived(r, s, sd, "ec2:DescribeVpcEndpoints", vpc, func(ctx context.Context) ([]ec2types.VpcEndpoint, error) {
		return awsapi.All(ctx, ec2.NewDescribeVpcEndpointsPaginator(sd.EC2,
			&ec2.DescribeVpcEndpointsInput{Filters: []ec2types.Filter{{Name: aws.String("vpc-id"), Values: []string{vpc}}}}),
			func(o *ec2.DescribeVpcEndpointsOutput) []ec2types.VpcEndpoint { return o.VpcEndpoints })
	}, endpointSummaries)
}

func endpointSummaries(all []ec2types.VpcEndpoint) []EndpointSummary {
	endpoints := []EndpointSummary{}
	for _, e := range all {
		endpoints = append(endpoints, EndpointSummary{
			ID: aws.ToString(e.VpcEndpointId), Type: string(e.VpcEndpointType), State: string(e.State),
			ServiceName: clean(aws.ToString(e.ServiceName), maxName), Created: aws.ToTime(e.CreationTimestamp).UTC(),
		})
	}
	slices.SortFunc(endpoints, func(a, b EndpointSummary) int { return cmp.Compare(a.ID, b.ID) })
	return endpoints
}
