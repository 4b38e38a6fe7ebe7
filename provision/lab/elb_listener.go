package lab

import (
	"cmp"
	"slices"
	"strings"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// tlsSetting is what a TLS listener has more than others.
type tlsSetting struct {
	certificate, policy, alpn string
}

type listenerList struct {
	Items *wire.Members[listenerXML] `xml:"Listeners"`
	Next  string                     `xml:"NextMarker,omitempty"`
}

type listenerXML struct {
	ARN          string                        `xml:"ListenerArn"`
	LoadBalancer string                        `xml:"LoadBalancerArn"`
	Port         int                           `xml:"Port"`
	Protocol     string                        `xml:"Protocol"`
	Certificates *wire.Members[certificateXML] `xml:"Certificates"`
	Policy       string                        `xml:"SslPolicy,omitempty"`
	Actions      *wire.Members[actionXML]      `xml:"DefaultActions"`
	ALPN         *wire.Members[string]         `xml:"AlpnPolicy"`
}

type certificateXML struct {
	ARN string `xml:"CertificateArn"`
}

type actionXML struct {
	Type    string     `xml:"Type"`
	Group   string     `xml:"TargetGroupArn"`
	Forward forwardXML `xml:"ForwardConfig"`
}

type forwardXML struct {
	Groups *wire.Members[groupTuple] `xml:"TargetGroups"`
}

type groupTuple struct {
	ARN string `xml:"TargetGroupArn"`
}

func showListener(c *call, l *listener) listenerXML {
	x := listenerXML{
		ARN: l.id, LoadBalancer: l.loadBalancer, Port: l.port, Protocol: l.protocol,
		Actions: wire.MembersOf([]actionXML{{
			"forward", l.targetGroup, forwardXML{wire.MembersOf([]groupTuple{{l.targetGroup}})},
		}}),
	}
	if t, ok := c.tls[l.id]; ok && l.protocol == "TLS" {
		x.Certificates, x.Policy = wire.MembersOf([]certificateXML{{t.certificate}}), t.policy
		if t.alpn != "" {
			x.ALPN = wire.MembersOf([]string{t.alpn})
		}
	}
	return x
}

func createListener(c *call) (any, error) {
	lb, err := c.requiredLB()
	if err != nil {
		return nil, err
	}
	if err := lb.onlyNetwork(); err != nil {
		return nil, err
	}
	l := &listener{loadBalancer: lb.id}
	t, err := listenerFrom(c, lb, l, tlsSetting{})
	if err != nil {
		return nil, err
	}
	if l.tags, err = elbTags(c); err != nil {
		return nil, err
	}
	if len(c.listenersOf(lb)) >= maxListeners {
		return nil, wire.Errorf(400, "TooManyListeners", "The maximum number of listeners has been reached")
	}
	l.id = strings.Replace(lb.id, ":loadbalancer/", ":listener/", 1) + "/" + c.hex(16)
	l.account, l.region, l.created = c.account, c.region, c.stamp()
	l.attributes = initialValues(listenerAttributes(l.protocol))
	c.listeners[l.id] = l
	if l.protocol == "TLS" {
		c.tls[l.id] = t
	}
	return listenerList{Items: wire.MembersOf([]listenerXML{showListener(c, l)})}, nil
}

// listenersOf lists the load balancer's listeners, oldest first.
func (w *world) listenersOf(lb *loadBalancer) []*listener {
	var out []*listener
	for _, l := range w.listeners {
		if l.loadBalancer == lb.id {
			out = append(out, l)
		}
	}
	byAge(out)
	return out
}

// listenerFrom reads a CreateListener or ModifyListener request over what l and t are.
func listenerFrom(c *call, lb *loadBalancer, l *listener, t tlsSetting) (tlsSetting, error) {
	l.protocol = cmp.Or(c.params.String("Protocol"), l.protocol)
	switch l.protocol {
	case "TCP", "TLS", "UDP", "TCP_UDP":
	case "":
		return t, invalid("A listener protocol must be specified")
	default:
		return t, wire.Errorf(400, "UnsupportedProtocol",
			"The protocol '%.64s' is not supported by network load balancers; it must be one of 'TCP', 'TLS', 'UDP', 'TCP_UDP'", l.protocol)
	}
	var err error
	if l.port, err = c.elbInt("Port", l.port, 1, 65535); err != nil {
		return t, err
	}
	if l.port == 0 {
		return t, invalid("A listener port must be specified")
	}
	for _, other := range c.listenersOf(lb) {
		if other.port == l.port && other.id != l.id {
			return t, wire.Errorf(400, "DuplicateListener", "A listener already exists on this port for this load balancer '%s'", lb.id)
		}
	}
	if t, err = tlsFrom(c, l, t); err != nil {
		return t, err
	}
	group, err := forwardFrom(c)
	if err != nil {
		return t, err
	}
	l.targetGroup = cmp.Or(group, l.targetGroup)
	if l.targetGroup == "" {
		return t, invalid("A listener must have a default action")
	}
	g, err := c.targetGroupByARN(l.targetGroup)
	if err != nil {
		return t, err
	}
	return t, c.mayForward(lb, l, g)
}

// tlsFrom reads what only TLS listeners have.
func tlsFrom(c *call, l *listener, t tlsSetting) (tlsSetting, error) {
	t.certificate = cmp.Or(c.params.String("Certificates.member.1.CertificateArn"), t.certificate)
	t.policy = cmp.Or(c.params.String("SslPolicy"), t.policy, "ELBSecurityPolicy-TLS13-1-2-2021-06")
	t.alpn = cmp.Or(c.params.String("AlpnPolicy.member.1"), t.alpn)
	switch {
	case l.protocol == "TLS" && t.certificate == "":
		return t, invalid("A certificate must be specified for TLS listeners")
	case l.protocol != "TLS" && c.params.Has("Certificates.member.1.CertificateArn"):
		return t, wire.Errorf(400, "InvalidConfigurationRequest", "Certificates cannot be specified for %s listeners", l.protocol)
	case l.protocol == "TLS" && !strings.HasPrefix(t.certificate, "arn:"):
		return t, invalid("Certificate ARN '%.256s' is not valid", t.certificate)
	}
	return t, nil
}

// forwardFrom reads the target group of the default action; "" when no action was given.
func forwardFrom(c *call) (string, error) {
	group, count := "", 0
	err := c.params.Each("DefaultActions.member", func(p string) error {
		count++
		if kind := c.params.String(p + ".Type"); kind != "forward" {
			return wire.Errorf(400, "InvalidLoadBalancerAction", "The action type '%.64s' is not valid with network load balancers", kind)
		}
		_ = c.params.String(p + ".Order") // there is one action
		group = c.params.String(p + ".TargetGroupArn")
		listed := 0
		return c.params.Each(p+".ForwardConfig.TargetGroups.member", func(q string) error {
			listed++
			arn := c.params.String(q + ".TargetGroupArn")
			_ = c.params.String(q + ".Weight") // a single group gets everything
			if listed > 1 || group != "" && group != arn {
				return wire.Errorf(400, "InvalidConfigurationRequest", "A listener of the lab forwards to one target group")
			}
			group = arn
			return nil
		})
	})
	switch {
	case err != nil:
		return "", err
	case count > 1:
		return "", wire.Errorf(400, "InvalidConfigurationRequest", "Only one default action can be specified")
	case count == 1 && group == "":
		return "", invalid("A target group ARN must be specified")
	}
	return group, nil
}

// mayForward checks that the listener can use the target group.
func (c *call) mayForward(lb *loadBalancer, l *listener, g *targetGroup) error {
	if g.vpc != lb.vpc {
		return wire.Errorf(400, "InvalidConfigurationRequest",
			"The following target groups are not in the VPC of the load balancer '%s': '%s'", lb.vpc, g.id)
	}
	fits := map[string][]string{
		"TCP": {"TCP", "TCP_UDP"}, "TLS": {"TCP", "TLS"}, "UDP": {"UDP", "TCP_UDP"}, "TCP_UDP": {"TCP_UDP"},
	}
	if !slices.Contains(fits[l.protocol], g.protocol) {
		return wire.Errorf(400, "IncompatibleProtocols",
			"The protocol '%s' of the target group '%s' is not compatible with the listener protocol '%s'", g.protocol, g.id, l.protocol)
	}
	for _, other := range c.loadBalancersOf(g) {
		if other != lb.id {
			return wire.Errorf(400, "TargetGroupAssociationLimit",
				"The following target groups cannot be associated with more than one load balancer: %s", g.id)
		}
	}
	return nil
}

func describeListeners(c *call) (any, error) {
	arns := c.params.Members("ListenerArns")
	var out []*listener
	switch {
	case c.params.String("LoadBalancerArn") != "":
		lb, err := c.requiredLB()
		if err != nil {
			return nil, err
		}
		out = c.listenersOf(lb)
		if len(arns) > 0 {
			out = slices.DeleteFunc(out, func(l *listener) bool { return !slices.Contains(arns, l.id) })
		}
	case len(arns) > 0:
		for _, arn := range arns {
			l, err := c.listenerByARN(arn)
			if err != nil {
				return nil, err
			}
			out = append(out, l)
		}
	default:
		return nil, invalid("You must specify either listener ARNs or a load balancer ARN")
	}
	out, next, err := marked(c, out)
	if err != nil {
		return nil, err
	}
	list := listenerList{Items: wire.MembersOf[listenerXML](nil), Next: next}
	for _, l := range out {
		list.Items.Items = append(list.Items.Items, showListener(c, l))
	}
	return list, nil
}

func modifyListener(c *call) (any, error) {
	l, err := c.requiredListener()
	if err != nil {
		return nil, err
	}
	lb := c.loadBalancers[l.loadBalancer]
	next := *l // nothing changes unless everything is right
	t, err := listenerFrom(c, lb, &next, c.tls[l.id])
	if err != nil {
		return nil, err
	}
	if next.protocol != l.protocol {
		next.attributes = initialValues(listenerAttributes(next.protocol))
	}
	*l = next
	delete(c.tls, l.id)
	if l.protocol == "TLS" {
		c.tls[l.id] = t
	}
	return listenerList{Items: wire.MembersOf([]listenerXML{showListener(c, l)})}, nil
}

func deleteListener(c *call) (any, error) {
	l, err := c.requiredListener()
	if err != nil {
		return nil, err
	}
	delete(c.listeners, l.id)
	delete(c.tls, l.id)
	return nil, nil
}
