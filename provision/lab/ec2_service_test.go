package lab_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/linkassay/linkassay/provision/lab"
)

func TestCreateServiceRefused(t *testing.T) {
	t.Parallel()
	p := newPLWorld(t, nil)
	s := p.makeService(true)
	other := p.makeBalancer("other", p.back...)
	unknown := "arn:aws:elasticloadbalancing:" + plRegion + ":" + plProvider + ":loadbalancer/net/none/0123456789abcdef"
	for _, c := range []struct {
		name       string
		side       *plSide
		in         ec2.CreateVpcEndpointServiceConfigurationInput
		code, text string
	}{
		{"no load balancer", p.provider, ec2.CreateVpcEndpointServiceConfigurationInput{}, "InvalidParameter", "exactly one of network_load_balancer_arn or gateway_load_balancer_arn is a required member"},
		{"unknown load balancer", p.provider, ec2.CreateVpcEndpointServiceConfigurationInput{NetworkLoadBalancerArns: []string{unknown}}, "NetworkLoadBalancerNotFoundException", unknown},
		{"somebody else's load balancer", p.consumer, ec2.CreateVpcEndpointServiceConfigurationInput{NetworkLoadBalancerArns: []string{other}}, "NetworkLoadBalancerNotFoundException", other},
		{"load balancer of another service", p.provider, ec2.CreateVpcEndpointServiceConfigurationInput{NetworkLoadBalancerArns: []string{p.nlb}}, "InvalidParameter", "LBs are already associated with another VPC Endpoint Service Configuration"},
		{"IPv6 on an IPv4 load balancer", p.provider, ec2.CreateVpcEndpointServiceConfigurationInput{NetworkLoadBalancerArns: []string{other}, SupportedIpAddressTypes: []string{"ipv6"}}, "InvalidParameter", "dualstack"},
		{"private name of one label", p.provider, ec2.CreateVpcEndpointServiceConfigurationInput{NetworkLoadBalancerArns: []string{other}, PrivateDnsName: aws.String("api")}, "InvalidParameter", "api"},
		{"private name with a wildcard inside", p.provider, ec2.CreateVpcEndpointServiceConfigurationInput{NetworkLoadBalancerArns: []string{other}, PrivateDnsName: aws.String("a.*.example.com")}, "InvalidParameter", "a.*.example.com"},
		{"good, but only a dry run", p.provider, ec2.CreateVpcEndpointServiceConfigurationInput{NetworkLoadBalancerArns: []string{other}, PrivateDnsName: aws.String("*.example.com"), DryRun: aws.Bool(true)}, "DryRunOperation", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.side.ec2.CreateVpcEndpointServiceConfiguration(p.ctx, &c.in)
			(&plWorld{t: t}).refused(err, c.code, c.text)
		})
	}
	out, err := p.provider.ec2.DescribeVpcEndpointServiceConfigurations(p.ctx, &ec2.DescribeVpcEndpointServiceConfigurationsInput{})
	p.must("list services", err)
	plEq(t, "services", len(out.ServiceConfigurations), 1)
	for id, code := range map[string]string{
		"vpce-svc-0123456789abcdef0": "InvalidVpcEndpointServiceId.NotFound",
		"svc-1":                      "InvalidVpcEndpointServiceIdId.Malformed",
	} {
		_, err := p.provider.ec2.DescribeVpcEndpointServiceConfigurations(p.ctx, &ec2.DescribeVpcEndpointServiceConfigurationsInput{ServiceIds: []string{id}})
		p.refused(err, code, id)
	}
	_, err = p.consumer.ec2.DescribeVpcEndpointServiceConfigurations(p.ctx, &ec2.DescribeVpcEndpointServiceConfigurationsInput{ServiceIds: []string{*s.ServiceId}})
	p.refused(err, "InvalidVpcEndpointServiceId.NotFound", *s.ServiceId)
}

func TestModifyService(t *testing.T) {
	t.Parallel()
	p := newPLWorld(t, nil)
	s := p.makeService(true, plRoot(plConsumer))
	modify := func(in ec2.ModifyVpcEndpointServiceConfigurationInput) error {
		in.ServiceId = s.ServiceId
		_, err := p.provider.ec2.ModifyVpcEndpointServiceConfiguration(p.ctx, &in)
		return err
	}

	// A new zone of the load balancer is picked up when asked for, with the id alone.
	_, err := p.provider.elb.SetSubnets(p.ctx, &elb.SetSubnetsInput{LoadBalancerArn: aws.String(p.nlb), Subnets: append([]string{p.spare}, p.back...)})
	p.must("enable the third zone", err)
	plSame(t, "zones before", p.configuration(s).AvailabilityZoneIds, p.nlbZones)
	p.must("modify with the id alone", modify(ec2.ModifyVpcEndpointServiceConfigurationInput{}))
	plSame(t, "zones after", p.configuration(s).AvailabilityZoneIds, p.zones)

	// Private names come with a fresh label and value each time.
	p.must("set a name", modify(ec2.ModifyVpcEndpointServiceConfigurationInput{PrivateDnsName: aws.String("API.Example.com")}))
	first := p.configuration(s)
	plEq(t, "name", aws.ToString(first.PrivateDnsName), "api.example.com")
	plEq(t, "state", first.PrivateDnsNameConfiguration.State, ec2types.DnsNameStatePendingVerification)
	if n, v := *first.PrivateDnsNameConfiguration.Name, *first.PrivateDnsNameConfiguration.Value; len(n) != 21 || n[0] != '_' || len(v) != 25 || v[:5] != "vpce:" {
		t.Errorf("label %q, value %q", n, v)
	}
	p.must("set it again", modify(ec2.ModifyVpcEndpointServiceConfigurationInput{PrivateDnsName: aws.String("api.example.com")}))
	plEq(t, "value of the same name", *p.configuration(s).PrivateDnsNameConfiguration.Value, *first.PrivateDnsNameConfiguration.Value)
	p.must("set another", modify(ec2.ModifyVpcEndpointServiceConfigurationInput{PrivateDnsName: aws.String("b.example.com")}))
	if c := p.configuration(s).PrivateDnsNameConfiguration; *c.Value == *first.PrivateDnsNameConfiguration.Value || *c.Name == *first.PrivateDnsNameConfiguration.Name {
		t.Error("another name has the label or value of the first")
	}
	p.refused(modify(ec2.ModifyVpcEndpointServiceConfigurationInput{PrivateDnsName: aws.String("c.example.com"), RemovePrivateDnsName: aws.Bool(true)}), "InvalidParameterCombination", "")
	p.must("remove the name", modify(ec2.ModifyVpcEndpointServiceConfigurationInput{RemovePrivateDnsName: aws.Bool(true)}))
	plEq(t, "no name", p.configuration(s).PrivateDnsName, nil)

	// Load balancers come always and go only while nobody is connected.
	second := p.makeBalancer("second", p.back...)
	p.must("add a load balancer", modify(ec2.ModifyVpcEndpointServiceConfigurationInput{AddNetworkLoadBalancerArns: []string{second}}))
	p.refused(modify(ec2.ModifyVpcEndpointServiceConfigurationInput{RemoveNetworkLoadBalancerArns: []string{p.nlb, second}}), "InvalidParameter", "At least one")
	e := p.makeEndpoint(s)
	p.refused(modify(ec2.ModifyVpcEndpointServiceConfigurationInput{RemoveNetworkLoadBalancerArns: []string{second}}), "ExistingVpcEndpointConnections", "")
	_, err = p.provider.elb.DeleteLoadBalancer(p.ctx, &elb.DeleteLoadBalancerInput{LoadBalancerArn: aws.String(p.nlb)})
	p.refused(err, "ResourceInUse", "cannot be deleted because it is currently associated with another service")
	p.reject(s, *e.VpcEndpointId)
	p.must("remove a load balancer", modify(ec2.ModifyVpcEndpointServiceConfigurationInput{RemoveNetworkLoadBalancerArns: []string{second}}))
	plSame(t, "load balancers", p.configuration(s).NetworkLoadBalancerArns, []string{p.nlb})

	p.must("accept automatically", modify(ec2.ModifyVpcEndpointServiceConfigurationInput{AcceptanceRequired: aws.Bool(false)}))
	plEq(t, "state without acceptance", string(p.makeEndpoint(s).State), "pending")
	p.refused(modify(ec2.ModifyVpcEndpointServiceConfigurationInput{RemoveSupportedRegions: []string{plRegion}}), "InvalidParameter", plRegion)
	p.must("offer another Region", modify(ec2.ModifyVpcEndpointServiceConfigurationInput{AddSupportedRegions: []string{"eu-west-1"}}))
	plEq(t, "Regions", len(p.configuration(s).SupportedRegions), 2)

	_, err = p.provider.ec2.ModifyVpcEndpointServicePayerResponsibility(p.ctx, &ec2.ModifyVpcEndpointServicePayerResponsibilityInput{ServiceId: s.ServiceId, PayerResponsibility: ec2types.PayerResponsibilityServiceOwner})
	p.must("pay for the consumers", err)
	plEq(t, "payer", p.configuration(s).PayerResponsibility, ec2types.PayerResponsibilityServiceOwner)
}

// TestServicePermissions asks as a user, as a role and as another role of the consumer's account.
func TestServicePermissions(t *testing.T) {
	t.Parallel()
	p := newPLWorld(t, func(o *lab.Options) {
		o.Accounts = lab.DefaultAccounts()
		o.Accounts[1].Roles = []lab.Role{{Name: "Deployer", Path: "/team/"}, {Name: "Reader"}}
	})
	s := p.makeService(true)
	assume := func(arn string) *plSide {
		out, err := p.consumer.sts.AssumeRole(p.ctx, &sts.AssumeRoleInput{RoleArn: aws.String(arn), RoleSessionName: aws.String("run")})
		p.must("assume "+arn, err)
		c := out.Credentials
		return p.open(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
	}
	deployer := assume("arn:aws:iam::" + plConsumer + ":role/team/Deployer")
	reader := assume("arn:aws:iam::" + plConsumer + ":role/Reader")
	sees := func(side *plSide) bool {
		_, err := side.ec2.DescribeVpcEndpointServices(p.ctx, &ec2.DescribeVpcEndpointServicesInput{ServiceNames: []string{*s.ServiceName}})
		if err != nil {
			p.refused(err, "InvalidServiceName", "The Vpc Endpoint Service '"+*s.ServiceName+"' does not exist")
		}
		list, listErr := side.ec2.DescribeVpcEndpointServices(p.ctx, &ec2.DescribeVpcEndpointServicesInput{})
		p.must("list services", listErr)
		plEq(t, "listed as named", len(list.ServiceDetails) == 1, err == nil)
		return err == nil
	}
	plEq(t, "the owner sees its service", sees(p.provider), true)

	bad := func(principals ...string) error {
		_, err := p.provider.ec2.ModifyVpcEndpointServicePermissions(p.ctx, &ec2.ModifyVpcEndpointServicePermissionsInput{ServiceId: s.ServiceId, AddAllowedPrincipals: principals})
		return err
	}
	for _, arn := range []string{"arn:aws:iam::" + plConsumer + ":role/team/Deployer", "arn:aws:sts::" + plConsumer + ":assumed-role/Deployer/run", plConsumer} {
		p.refused(bad(plRoot(plConsumer), arn), "InvalidPrincipal", "Invalid Principal: '"+arn+"'")
	}
	p.refused(bad(), "InvalidParameterCombination", "")

	role := "arn:aws:iam::" + plConsumer + ":role/Deployer"
	for _, c := range []struct {
		principal              string
		user, deployer, reader bool
	}{
		{role, false, true, false},
		{plRoot("333333333333"), false, false, false},
		{plRoot(plConsumer), true, true, true},
		{"*", true, true, true},
	} {
		p.allow(s, c.principal)
		p.allow(s, c.principal) // a second time is no second permission
		plEq(t, c.principal+" and the user", sees(p.consumer), c.user)
		plEq(t, c.principal+" and the role", sees(deployer), c.deployer)
		plEq(t, c.principal+" and another role", sees(reader), c.reader)
		_, err := p.provider.ec2.ModifyVpcEndpointServicePermissions(p.ctx, &ec2.ModifyVpcEndpointServicePermissionsInput{ServiceId: s.ServiceId, RemoveAllowedPrincipals: []string{c.principal}})
		p.must("remove "+c.principal, err)
		plEq(t, c.principal+" removed", sees(p.consumer), false)
	}

	p.allow(s, role, plRoot(plConsumer), plRoot("333333333333"), "ec2.amazonaws.com")
	allowed := func(name, value string) int {
		in := &ec2.DescribeVpcEndpointServicePermissionsInput{ServiceId: s.ServiceId}
		if name != "" {
			in.Filters = []ec2types.Filter{{Name: aws.String(name), Values: []string{value}}}
		}
		out, err := p.provider.ec2.DescribeVpcEndpointServicePermissions(p.ctx, in)
		p.must("describe permissions", err)
		return len(out.AllowedPrincipals)
	}
	plEq(t, "all", allowed("", ""), 4)
	plEq(t, "by principal", allowed("principal", role), 1)
	plEq(t, "accounts", allowed("principal-type", "Account"), 2)
	plEq(t, "services", allowed("principal-type", "Service"), 1)
	_, err := p.consumer.ec2.DescribeVpcEndpointServicePermissions(p.ctx, &ec2.DescribeVpcEndpointServicePermissionsInput{ServiceId: s.ServiceId})
	p.refused(err, "InvalidVpcEndpointServiceId.NotFound", *s.ServiceId)
}

// TestConnections goes the ways that end elsewhere than in available, and sees what did not work
// listed in answers that are no errors.
func TestConnections(t *testing.T) {
	t.Parallel()
	p := newPLWorld(t, nil)
	s := p.makeService(true, plRoot(plConsumer))
	const none = "vpce-0123456789abcdef0"
	p.failedItem(p.accept(s, none), none, "InvalidVpcEndpointId.NotFound", none)
	p.failedItem(p.reject(s, none), none, "InvalidVpcEndpointId.NotFound", none)

	e := p.makeEndpoint(s)
	other := p.makeEndpoint(s)
	p.failedItem(p.accept(s, *e.VpcEndpointId, none), none, "InvalidVpcEndpointId.NotFound", none)
	p.untilState(e.VpcEndpointId, "available")
	plEq(t, "the other one waits", string(p.endpoint(other.VpcEndpointId).State), "pendingAcceptance")
	p.failedItem(p.accept(s, *e.VpcEndpointId), *e.VpcEndpointId, "IncorrectState", "available")

	// Permissions that go leave connections alone; the provider ends them by rejecting.
	_, err := p.provider.ec2.ModifyVpcEndpointServicePermissions(p.ctx, &ec2.ModifyVpcEndpointServicePermissionsInput{ServiceId: s.ServiceId, RemoveAllowedPrincipals: []string{plRoot(plConsumer)}})
	p.must("remove the permission", err)
	plEq(t, "state without permission", string(p.endpoint(e.VpcEndpointId).State), "available")
	plEq(t, "unsuccessful", plShow(p.reject(s, *e.VpcEndpointId, *other.VpcEndpointId)), "[]")
	for _, id := range []*string{e.VpcEndpointId, other.VpcEndpointId} {
		plEq(t, "state", string(p.endpoint(id).State), "rejected")
		p.failedItem(p.accept(s, *id), *id, "IncorrectState", "rejected")
		p.failedItem(p.reject(s, *id), *id, "IncorrectState", "rejected")
	}

	// The service may go now; its endpoints stay rejected until the consumer deletes them.
	none2, err := p.provider.ec2.DeleteVpcEndpointServiceConfigurations(p.ctx, &ec2.DeleteVpcEndpointServiceConfigurationsInput{ServiceIds: []string{"vpce-svc-0123456789abcdef0"}})
	p.must("delete an unknown service", err)
	p.failedItem(none2.Unsuccessful, "vpce-svc-0123456789abcdef0", "InvalidVpcEndpointService.NotFound", "")
	p.deleteService(s)
	left := p.endpoint(e.VpcEndpointId)
	plEq(t, "state without service", string(left.State), "rejected")
	plEq(t, "service name", aws.ToString(left.ServiceName), *s.ServiceName)
	list, err := p.provider.ec2.DescribeVpcEndpointConnections(p.ctx, &ec2.DescribeVpcEndpointConnectionsInput{})
	p.must("list connections", err)
	plEq(t, "connections of no service", len(list.VpcEndpointConnections), 0)

	del, err := p.provider.ec2.DeleteVpcEndpoints(p.ctx, &ec2.DeleteVpcEndpointsInput{VpcEndpointIds: []string{*e.VpcEndpointId}})
	p.must("delete the consumer's endpoint as the provider", err)
	p.failedItem(del.Unsuccessful, *e.VpcEndpointId, "InvalidVpcEndpoint.NotFound", *e.VpcEndpointId)
	del, err = p.consumer.ec2.DeleteVpcEndpoints(p.ctx, &ec2.DeleteVpcEndpointsInput{VpcEndpointIds: []string{*e.VpcEndpointId, *other.VpcEndpointId, none}})
	p.must("delete the endpoints", err)
	p.failedItem(del.Unsuccessful, none, "InvalidVpcEndpoint.NotFound", none)
	p.untilGone(e)
}

func TestConnectionNotifications(t *testing.T) {
	t.Parallel()
	p := newPLWorld(t, nil)
	s := p.makeService(true, plRoot(plConsumer))
	topic := "arn:aws:sns:" + plRegion + ":" + plProvider + ":links"
	in := &ec2.CreateVpcEndpointConnectionNotificationInput{ServiceId: s.ServiceId, ConnectionNotificationArn: aws.String(topic), ConnectionEvents: []string{"Accept", "Delete"}}
	made, err := p.provider.ec2.CreateVpcEndpointConnectionNotification(p.ctx, in)
	p.must("create", err)
	id := made.ConnectionNotification.ConnectionNotificationId
	plEq(t, "state", made.ConnectionNotification.ConnectionNotificationState, ec2types.ConnectionNotificationStateEnabled)
	_, err = p.provider.ec2.ModifyVpcEndpointConnectionNotification(p.ctx, &ec2.ModifyVpcEndpointConnectionNotificationInput{ConnectionNotificationId: id, ConnectionEvents: []string{"Reject"}})
	p.must("modify", err)
	out, err := p.provider.ec2.DescribeVpcEndpointConnectionNotifications(p.ctx, &ec2.DescribeVpcEndpointConnectionNotificationsInput{ConnectionNotificationId: id})
	p.must("describe", err)
	plSame(t, "events", out.ConnectionNotificationSet[0].ConnectionEvents, []string{"Reject"})
	plEq(t, "topic", aws.ToString(out.ConnectionNotificationSet[0].ConnectionNotificationArn), topic)

	in.ConnectionEvents = []string{"accept"}
	_, err = p.provider.ec2.CreateVpcEndpointConnectionNotification(p.ctx, in)
	p.refused(err, "InvalidParameterValue", "accept")
	_, err = p.consumer.ec2.DescribeVpcEndpointConnectionNotifications(p.ctx, &ec2.DescribeVpcEndpointConnectionNotificationsInput{ConnectionNotificationId: id})
	p.refused(err, "InvalidConnectionNotification", *id)
	gone, err := p.provider.ec2.DeleteVpcEndpointConnectionNotifications(p.ctx, &ec2.DeleteVpcEndpointConnectionNotificationsInput{ConnectionNotificationIds: []string{*id, "vpce-nfn-1"}})
	p.must("delete", err)
	p.failedItem(gone.Unsuccessful, "vpce-nfn-1", "InvalidConnectionNotification", "vpce-nfn-1")

	e := p.makeEndpoint(s)
	assoc, err := p.consumer.ec2.DescribeVpcEndpointAssociations(p.ctx, &ec2.DescribeVpcEndpointAssociationsInput{VpcEndpointIds: []string{*e.VpcEndpointId}})
	p.must("describe associations", err)
	plEq(t, "associations", len(assoc.VpcEndpointAssociations), 0)
}

// A zone of a load balancer can't be taken away while endpoints are connected to its service.
func TestZonesWithEndpointsStay(t *testing.T) {
	t.Parallel()
	p := newPLWorld(t, nil)
	s := p.makeService(true, plRoot(plConsumer))
	e := p.makeEndpoint(s)
	shrink := func() error {
		_, err := p.provider.elb.SetSubnets(p.ctx, &elb.SetSubnetsInput{LoadBalancerArn: aws.String(p.nlb), Subnets: p.back[:1]})
		return err
	}
	p.refused(shrink(), "InvalidConfigurationRequest", "active VPC endpoint associations")
	_, err := p.provider.elb.SetSubnets(p.ctx, &elb.SetSubnetsInput{LoadBalancerArn: aws.String(p.nlb), Subnets: append([]string{p.spare}, p.back...)})
	p.must("add a zone", err)
	p.reject(s, *e.VpcEndpointId)
	p.must("take zones away when nothing is connected", shrink())
}
