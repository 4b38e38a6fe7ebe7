package lab

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/linkassay/linkassay/provision"
)

// permissionFaults: who may see and use the service.
func permissionFaults() []Fault {
	return []Fault{
		{
			Name: "not-allowed", Text: "the provider allows no principal of the consumer, so that it has no endpoint",
			Excludes: []string{"endpoint", "permission"}, set: (*breaker).notAllowed,
		},
		{
			Name: "other-role-allowed", Text: "the provider allows another role of the consumer's account than the one that asks",
			Excludes: []string{"permission"},
			set: func(b *breaker, ctx context.Context) error {
				return b.permit(ctx, []string{"arn:aws:iam::" + b.link.Consumer.Account + ":role/deploy"}, []string{b.link.ConsumerPrincipal()})
			},
		},
		{
			Name: "principal-with-path", Text: "the link file wants to allow a role by an ARN with a path",
			Excludes: []string{"permission"},
			File: func(link *provision.Link) {
				allow(link, link.ConsumerPrincipal(), "arn:aws:iam::"+link.Consumer.Account+":role/team/deploy")
			},
		},
		{
			Name: "permission-not-effective", Text: "the consumer is allowed again, and AWS does not know it everywhere yet",
			Excludes: []string{"permission"}, set: (*breaker).permissionNotEffective,
		},
		{
			Name: "permission-removed-later", Text: "the provider takes the consumer's permission away from under its endpoint",
			Excludes: []string{"permission"},
			set: func(b *breaker, ctx context.Context) error {
				return b.permit(ctx, nil, []string{b.link.ConsumerPrincipal()})
			},
		},
		{
			Name: "extra-principal", Text: "an account that the link file does not name is allowed too",
			Excludes: []string{"permission"},
			set: func(b *breaker, ctx context.Context) error {
				return b.permit(ctx, []string{"arn:aws:iam::444444444444:root"}, nil)
			},
		},
		{
			Name: "open-to-everybody", Text: "the provider allows * and asks for no acceptance",
			// Any change of its configuration tells the service its load balancer's zones too.
			Excludes: []string{"permission", "service-config"}, set: (*breaker).openToEverybody,
		},
	}
}

// allow makes the link file say who is allowed.
func allow(link *provision.Link, principals ...string) {
	build := provision.ProviderBuild{}
	if link.Provider.Build != nil {
		build = *link.Provider.Build
	}
	build.AllowedPrincipals = principals
	link.Provider.Build = &build
}

func (b *breaker) permit(ctx context.Context, add, remove []string) error {
	_, err := b.sides.Provider.EC2.ModifyVpcEndpointServicePermissions(ctx, &ec2.ModifyVpcEndpointServicePermissionsInput{
		ServiceId: &b.link.Provider.ServiceID, AddAllowedPrincipals: add, RemoveAllowedPrincipals: remove,
	})
	return err
}

func (b *breaker) notAllowed(ctx context.Context) error {
	if err := b.deleteEndpoint(ctx); err != nil {
		return err
	}
	return b.permit(ctx, nil, []string{b.link.ConsumerPrincipal()})
}

func (b *breaker) permissionNotEffective(ctx context.Context) error {
	if err := b.permit(ctx, nil, []string{b.link.ConsumerPrincipal()}); err != nil {
		return err
	}
	b.lab.slowly(func(t *Timing) { t.Permission = time.Hour })
	return b.permit(ctx, []string{b.link.ConsumerPrincipal()}, nil)
}

// slowly changes how long AWS takes for what is done from now on.
func (l *Lab) slowly(change func(t *Timing)) {
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	change(&l.world.timing)
}

func (b *breaker) openToEverybody(ctx context.Context) error {
	if err := b.permit(ctx, []string{"*"}, nil); err != nil {
		return err
	}
	_, err := b.sides.Provider.EC2.ModifyVpcEndpointServiceConfiguration(ctx, &ec2.ModifyVpcEndpointServiceConfigurationInput{
		ServiceId: &b.link.Provider.ServiceID, AcceptanceRequired: aws.Bool(false),
	})
	return err
}

// The account beside the link's two.
const (
	otherAccount = "333333333333"
	otherProfile = "other"
)

// withOther gives the lab a third account.
func withOther(o *Options) {
	if len(o.Accounts) == 0 {
		o.Accounts = DefaultAccounts()
	}
	o.Accounts = append(o.Accounts[:len(o.Accounts):len(o.Accounts)], Account{Profile: otherProfile, ID: otherAccount})
}

// connectOther connects an endpoint of the third account to the service and returns its id.
func (b *breaker) connectOther(ctx context.Context) (string, error) {
	c, err := b.lab.Open(ctx, provision.Party{Account: otherAccount}, b.link.Region)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := b.permit(ctx, []string{"arn:aws:iam::" + otherAccount + ":root"}, nil); err != nil {
		return "", err
	}
	vpc, err := c.EC2.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.3.0.0/16")})
	if err != nil {
		return "", err
	}
	var seen *ec2.DescribeVpcEndpointServicesOutput
	if err := b.until(ctx, "the third account sees the service", func() (bool, error) {
		seen, err = c.EC2.DescribeVpcEndpointServices(ctx, &ec2.DescribeVpcEndpointServicesInput{ServiceNames: []string{b.link.Provider.ServiceName}})
		return err == nil, nil
	}); err != nil {
		return "", err
	}
	subnet, err := c.EC2.CreateSubnet(ctx, &ec2.CreateSubnetInput{
		VpcId: vpc.Vpc.VpcId, CidrBlock: aws.String("10.3.0.0/24"), AvailabilityZone: &seen.ServiceDetails[0].AvailabilityZones[0],
	})
	if err != nil {
		return "", err
	}
	made, err := c.EC2.CreateVpcEndpoint(ctx, &ec2.CreateVpcEndpointInput{
		VpcEndpointType: ec2types.VpcEndpointTypeInterface, VpcId: vpc.Vpc.VpcId, ServiceName: &b.link.Provider.ServiceName,
		SubnetIds: []string{*subnet.Subnet.SubnetId}, PrivateDnsEnabled: aws.Bool(false),
	})
	if err != nil {
		return "", err
	}
	id := *made.VpcEndpoint.VpcEndpointId
	return id, b.until(ctx, "the provider sees the third account's connection", func() (bool, error) {
		state, err := b.connectionState(ctx, id)
		return state != "", err
	})
}

// connectionState is a connection's state as the provider sees it; "" when it does not.
func (b *breaker) connectionState(ctx context.Context, endpoint string) (string, error) {
	out, err := b.sides.Provider.EC2.DescribeVpcEndpointConnections(ctx, &ec2.DescribeVpcEndpointConnectionsInput{
		Filters: []ec2types.Filter{{Name: aws.String("vpc-endpoint-id"), Values: []string{endpoint}}},
	})
	if err != nil || len(out.VpcEndpointConnections) == 0 {
		return "", err
	}
	return string(out.VpcEndpointConnections[0].VpcEndpointState), nil
}
