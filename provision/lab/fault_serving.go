package lab

import (
	"context"
	"net/netip"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/linkassay/linkassay/provision"
)

// servingFaults: what the targets' servers do wrong, and what stands in the way of bytes once connections are made.
func servingFaults() []Fault {
	all := func(s Serving) func(*breaker, context.Context) error {
		return func(b *breaker, ctx context.Context) error { return b.misbehave(ctx, s) }
	}
	// A link that is broken so has to be waited for: no longer than it must.
	impatient := func(l *provision.Link) {
		l.Timeouts.TLS, l.Timeouts.HTTP = provision.Duration(4*time.Second), provision.Duration(4*time.Second)
	}
	stranger := func(l *provision.Link) {
		l.Consumer.Access, l.Consumer.EndpointID, l.Consumer.Build = provision.AccessNone, "", nil
	}
	return []Fault{
		{
			Name: "certificate-for-other-name", Text: "the targets' certificate is for another name",
			Excludes: []string{"certificate"}, set: all(Serving{Certificate: CertificateOtherName}),
		},
		{
			Name: "certificate-expired", Text: "the targets' certificate has expired",
			Excludes: []string{"certificate"}, set: all(Serving{Certificate: CertificateExpired}),
		},
		{
			Name: "certificate-of-other-ca", Text: "the targets' certificate is from another CA than the link file's",
			Excludes: []string{"certificate"}, set: all(Serving{Certificate: CertificateOtherCA}),
		},
		{
			Name: "certificate-ends-soon", Text: "the targets' certificate ends in three days",
			Excludes: []string{"certificate"}, set: all(Serving{Certificate: CertificateEndsSoon}),
		},
		{
			Name: "tls-by-aws-name", Text: "clients ask for TLS by the name that AWS gave the endpoint",
			Excludes: []string{"certificate"}, File: func(l *provision.Link) {
				for i := range l.Ports {
					if t := l.Ports[i].TLS; t != nil {
						own := *t
						own.ServerName = "vpce-0123456789abcdef0-abcdefgh.vpce-svc-0123456789abcdef0." + l.Region + ".vpce.amazonaws.com"
						l.Ports[i].TLS = &own
					}
				}
			},
		},
		{
			Name: "targets-speak-plain", Text: "the targets speak plain HTTP on the port that should speak TLS",
			Excludes: []string{"certificate", "server"}, set: all(Serving{Plain: true}),
		},
		{
			Name: "targets-never-answer", Text: "the targets take requests and never answer",
			Excludes: []string{"server"}, File: impatient, set: all(Serving{Silent: true}),
		},
		{
			Name: "targets-answer-500", Text: "the targets answer every request with 500",
			Excludes: []string{"server"}, set: all(Serving{Status: 500}),
		},
		{
			Name: "targets-answer-500-to-aws-names", Text: "the targets answer 500 to requests for the names that AWS gave the endpoint, and the link has no other",
			Excludes: []string{"*"},
			Prepare: func(o *Options) {
				o.change(func(l *provision.Link) { l.PrivateDNSName, l.Ports = "", l.Ports[:1] })
			},
			set: all(Serving{Status: 500, Host: ".amazonaws.com"}),
		},
		{
			Name: "targets-answer-500-to-stranger", Text: "the targets answer 500, and the consumer's account may not be asked",
			Excludes: []string{"*"}, File: stranger, set: all(Serving{Status: 500}),
		},
		{
			Name: "private-name-elsewhere-for-stranger", Text: "the private name leads to an address where nobody is, and the consumer's account may not be asked",
			Excludes: []string{"*"}, File: stranger, set: (*breaker).privateNameElsewhere,
		},
		{
			Name: "node-half-open", Text: "the load balancer's node in one zone accepts connections and carries nothing",
			Excludes: []string{"zone", "server"}, File: impatient, set: (*breaker).nodeHalfOpen,
		},
		{
			Name: "large-packets-lost", Text: "packets above 1,500 bytes vanish between clients and endpoint",
			Excludes: []string{"mtu", "server"}, File: impatient, set: (*breaker).largePacketsLost,
		},
		{
			Name: "target-port-refuses", Text: "targets are registered on a port where nothing listens, and checked on another",
			Excludes: []string{"target", "target-group"}, set: (*breaker).targetPortRefuses,
		},
	}
}

// misbehave makes the servers of all targets do so too.
func (b *breaker) misbehave(ctx context.Context, s Serving) error {
	groups, err := b.targetGroups(ctx)
	if err != nil {
		return err
	}
	ids, err := b.targets(ctx, groups...)
	if err != nil {
		return err
	}
	for _, id := range ids {
		h, err := b.lab.host(id)
		if err != nil {
			return err
		}
		all := h.misbehaves().and(s)
		h.serves.Store(&all)
	}
	return nil
}

func (b *breaker) privateNameElsewhere(ctx context.Context) error {
	e, err := b.endpoint(ctx)
	if err != nil {
		return err
	}
	return b.lab.ResolverAnswers(aws.ToString(e.VpcId), b.link.PrivateDNSName, []netip.Addr{netip.MustParseAddr("10.0.255.200")})
}

func (b *breaker) nodeHalfOpen(ctx context.Context) error {
	lb, err := b.balancer(ctx)
	if err != nil {
		return err
	}
	subnets := nodeSubnets(lb)
	out, err := b.sides.Provider.EC2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{SubnetIds: subnets[:1]})
	if err != nil {
		return err
	}
	b.lab.HalfOpen(aws.ToString(out.Subnets[0].AvailabilityZoneId), true)
	return nil
}

func (b *breaker) largePacketsLost(ctx context.Context) error {
	e, err := b.endpoint(ctx)
	if err != nil {
		return err
	}
	return b.lab.BlackHole(aws.ToString(e.VpcId), 1500)
}

func (b *breaker) targetPortRefuses(ctx context.Context) error {
	const port = 9443
	group, ids, err := b.targetSecurityGroups(ctx)
	if err != nil {
		return err
	}
	p := b.sides.Provider
	if _, err := p.EC2.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &ids[0], IpPermissions: []ec2types.IpPermission{{
		IpProtocol: aws.String("tcp"), FromPort: aws.Int32(port), ToPort: aws.Int32(port), IpRanges: []ec2types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}},
	}}}); err != nil {
		return err
	}
	if err := b.checkOn(ctx, group); err != nil {
		return err
	}
	old, err := b.targetHealth(ctx, *group.TargetGroupArn)
	if err != nil {
		return err
	}
	var was, is []elbtypes.TargetDescription
	for _, t := range old {
		was = append(was, elbtypes.TargetDescription{Id: t.Target.Id, Port: t.Target.Port})
		is = append(is, elbtypes.TargetDescription{Id: t.Target.Id, Port: aws.Int32(port)})
	}
	if _, err := p.ELB.RegisterTargets(ctx, &elb.RegisterTargetsInput{TargetGroupArn: group.TargetGroupArn, Targets: is}); err != nil {
		return err
	}
	if _, err := p.ELB.DeregisterTargets(ctx, &elb.DeregisterTargetsInput{TargetGroupArn: group.TargetGroupArn, Targets: was}); err != nil {
		return err
	}
	return b.until(ctx, "the targets on the other port are healthy", func() (bool, error) {
		health, err := b.targetHealth(ctx, *group.TargetGroupArn)
		if err != nil {
			return false, err
		}
		n := 0
		for _, t := range health {
			if *t.Target.Port == port && t.TargetHealth.State == elbtypes.TargetHealthStateEnumHealthy {
				n++
			}
		}
		return n == len(is), nil
	})
}
