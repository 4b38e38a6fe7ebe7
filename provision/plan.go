package provision

import (
	"context"
	"fmt"
	"strings"
)

// step is a Step and how it is done.
type step[T any] struct {
	Step
	run func(T, context.Context) error
}

// buildsService says whether apply builds the endpoint service, and what stands behind it.
func (l *Link) buildsService() bool {
	p := &l.Provider
	return p.Access != AccessNone && p.Build != nil && p.ServiceID == "" && p.ServiceName == ""
}

// buildsEndpoint says whether apply builds the consumer's endpoint.
func (l *Link) buildsEndpoint() bool {
	c := &l.Consumer
	return c.Access != AccessNone && c.Build != nil && c.EndpointID == ""
}

// launches says whether apply launches the target instances.
func (l *Link) launches() bool { return l.buildsService() && len(l.Provider.Build.Targets) == 0 }

// Plan lists what Apply would do, in order. It asks nobody: what exists already is found when it is
// applied, and then used.
func Plan(l *Link) []Step {
	var out []Step
	for _, s := range applySteps(l) {
		out = append(out, s.Step)
	}
	return out
}

func applySteps(l *Link) []step[*builder] {
	var steps []step[*builder]
	add := func(side, name string, run func(*builder, context.Context) error, format string, args ...any) {
		steps = append(steps, step[*builder]{Step{side, name, fmt.Sprintf(format, args...)}, run})
	}
	provider, consumer := l.Provider.Access != AccessNone, l.Consumer.Access != AccessNone
	if provider {
		add(SideProvider, "credentials", (*builder).providerIdentity, "check that the credentials belong to account %s", l.Provider.Account)
	}
	if consumer {
		add(SideConsumer, "credentials", (*builder).consumerIdentity, "check that the credentials belong to account %s", l.Consumer.Account)
	}
	switch {
	case l.buildsService():
		planService(l, add)
	case provider:
		add(SideProvider, "service", (*builder).useService, "use the endpoint service %s", either(l.Provider.ServiceID, l.Provider.ServiceName))
		add(SideProvider, "permission", (*builder).permit, "allow %s to find the service, if it is not allowed yet", strings.Join(l.principals(), ", "))
	}
	switch {
	case l.buildsEndpoint():
		planEndpoint(l, add)
	case consumer:
		add(SideConsumer, "endpoint", (*builder).useEndpoint, "use the endpoint %s", l.Consumer.EndpointID)
	}
	if provider {
		add(SideProvider, "acceptance", (*builder).accept, "accept the endpoint's connection, if it waits for that")
	}
	if consumer {
		add(SideConsumer, "connection", (*builder).connected, "wait until the endpoint is available")
	}
	if l.PrivateDNSName == "" {
		return steps
	}
	if provider {
		add(SideProvider, "private DNS name", (*builder).nameService, "set the service's private DNS name %s", l.PrivateDNSName)
		add(SideProvider, "TXT record", (*builder).publishTXT, "add the verification value to a TXT record in %s",
			either(l.Provider.HostedZone, "the public hosted zone that holds the name"))
		add(SideProvider, "verification", (*builder).verifyDomain, "start the verification of the name and wait for it")
	}
	if consumer {
		add(SideConsumer, "private DNS", (*builder).enablePrivateDNS, "enable private DNS on the endpoint")
	}
	return steps
}

type addStep func(side, name string, run func(*builder, context.Context) error, format string, args ...any)

func planService(l *Link, add addStep) {
	b := l.Provider.Build
	planNetwork(SideProvider, b.VPCID, b.SubnetIDs, b.CIDR, either(strings.Join(b.Zones, ", "), "the Region's first three zones"),
		(*builder).providerVPC, (*builder).providerSubnets, add)
	if l.launches() {
		add(SideProvider, "security group", (*builder).providerGroup, "create the targets' security group, open for ports %s from the VPC", l.targetPorts())
		add(SideProvider, "instances", (*builder).launch, "launch an instance in each zone that serves ports %s", l.targetPorts())
	}
	add(SideProvider, "load balancer", (*builder).balancer, "create the internal Network Load Balancer %s", stem(l.Name))
	for _, p := range l.Ports {
		add(SideProvider, fmt.Sprintf("port %d", p.Port), func(b *builder, ctx context.Context) error { return b.portOf(ctx, p) },
			"create the target group %s with its targets, and the listener for port %d", targetGroupName(l.Name, p.Port), p.Port)
	}
	add(SideProvider, "health", (*builder).healthy, "wait until the load balancer is active and its targets are healthy")
	acceptance := "acceptance required"
	if b.AcceptanceRequired != nil && !*b.AcceptanceRequired {
		acceptance = "no acceptance required"
	}
	add(SideProvider, "service", (*builder).service, "create the endpoint service (%s)", acceptance)
	add(SideProvider, "permission", (*builder).permit, "allow %s to find the service", strings.Join(l.principals(), ", "))
}

func planEndpoint(l *Link, add addStep) {
	b := l.Consumer.Build
	add(SideConsumer, "service", (*builder).seeService, "wait until account %s sees the service", l.Consumer.Account)
	planNetwork(SideConsumer, b.VPCID, b.SubnetIDs, b.CIDR, either(strings.Join(b.Zones, ", "), "the zones that the service offers"),
		(*builder).consumerVPC, (*builder).consumerSubnets, add)
	if len(b.SecurityGroupIDs) == 0 {
		add(SideConsumer, "security group", (*builder).consumerGroup, "create the endpoint's security group, open for ports %s from the VPC", l.ports())
	}
	add(SideConsumer, "endpoint", (*builder).endpoint, "create the interface endpoint, with private DNS off")
}

func planNetwork(side, vpc string, subnets []string, cidr, zones string, makeVPC, makeSubnets func(*builder, context.Context) error, add addStep) {
	if vpc != "" {
		add(side, "VPC", makeVPC, "use the VPC %s", vpc)
		add(side, "subnets", makeSubnets, "use the subnets %s", strings.Join(subnets, ", "))
		return
	}
	add(side, "VPC", makeVPC, "create a VPC with %s", either(cidr, defaultCIDR.String()))
	add(side, "subnets", makeSubnets, "create a subnet in each of %s", zones)
}

// principals are who may find the service.
func (l *Link) principals() []string {
	if b := l.Provider.Build; b != nil && len(b.AllowedPrincipals) > 0 {
		return b.AllowedPrincipals
	}
	return []string{l.ConsumerPrincipal()}
}

func (l *Link) ports() string {
	var s []string
	for _, p := range l.Ports {
		s = append(s, fmt.Sprint(p.Port))
	}
	return strings.Join(s, ", ")
}

func (l *Link) targetPorts() string {
	var s []string
	for _, p := range uniquePorts(l.Ports, Port.targetPort) {
		s = append(s, fmt.Sprint(p))
	}
	return strings.Join(s, ", ")
}

func uniquePorts(ports []Port, of func(Port) uint16) []uint16 {
	var out []uint16
	seen := map[uint16]bool{}
	for _, p := range ports {
		if n := of(p); !seen[n] {
			seen[n] = true
			out = append(out, n)
		}
	}
	return out
}

func either(s, or string) string {
	if s != "" {
		return s
	}
	return or
}
