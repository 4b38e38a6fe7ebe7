package lab

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/linkassay/linkassay/provision"
)

// proxyHeaderKey is the target group's attribute.
const proxyHeaderKey = "proxy_protocol_v2.enabled"

// proxyFaults: the proxy protocol between load balancer and targets.
func proxyFaults() []Fault {
	return []Fault{
		{
			Name: "proxy-protocol-off", Text: "the targets are to know the consumer, and the proxy protocol was turned off for port 443",
			Excludes: []string{"proxy", "port", "target"}, Prepare: building(func(p *provision.ProviderBuild) { p.ProxyProtocol = true }),
			set: func(b *breaker, ctx context.Context) error { return b.proxyProtocol(ctx, 443, "false") },
		},
		{
			Name: "proxy-header-fails-health-checks", Text: "the proxy protocol was turned on for port 80, and the servers answer its health checks with 400",
			Excludes: []string{"proxy", "port", "target"}, Prepare: building(plainServers), set: (*breaker).proxyFailsHealthChecks,
		},
		{
			Name: "proxy-header-not-understood", Text: "the proxy protocol was turned on for port 443, and the servers take its header for a TLS handshake",
			Excludes: []string{"proxy", "port", "target"}, Prepare: building(plainServers),
			set: func(b *breaker, ctx context.Context) error { return b.proxyProtocol(ctx, 443, "true") },
		},
		{
			Name: "consumer-not-told", Text: "the link file expects that the targets on port 80 tell the endpoint, and they get no header",
			Excludes: []string{"proxy", "port", "target"}, File: func(l *provision.Link) {
				for i, p := range l.Ports {
					if p.Port == 80 {
						ask := *p.HTTP
						ask.EndpointID = "proxy-endpoint (vpce-[0-9a-f]+)"
						l.Ports[i].HTTP = &ask
					}
				}
			},
		},
	}
}

// plainServers lets instances serve the walk-through's ports without knowing the proxy protocol.
func plainServers(p *provision.ProviderBuild) {
	p.Instances = &provision.InstanceBuild{UserData: "#!/bin/sh\n" + serveComment + " http=80 https=443 proxy=unknown\n"}
}

func (b *breaker) proxyProtocol(ctx context.Context, port int32, on string) error {
	g, err := b.groupOn(ctx, port)
	if err != nil {
		return err
	}
	return b.setGroupAttribute(ctx, *g.TargetGroupArn, proxyHeaderKey, on)
}

func (b *breaker) proxyFailsHealthChecks(ctx context.Context) error {
	g, err := b.groupOn(ctx, 80)
	if err != nil {
		return err
	}
	if _, err := b.sides.Provider.ELB.ModifyTargetGroup(ctx, &elb.ModifyTargetGroupInput{
		TargetGroupArn: g.TargetGroupArn, HealthCheckProtocol: elbtypes.ProtocolEnumHttp, HealthCheckPath: aws.String("/"),
	}); err != nil {
		return err
	}
	if err := b.proxyProtocol(ctx, 80, "true"); err != nil {
		return err
	}
	return b.untilTargets(ctx, *g.TargetGroupArn, elbtypes.TargetHealthStateEnumUnhealthy)
}
