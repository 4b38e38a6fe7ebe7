package lab

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

type targetGroupList struct {
	Items *wire.Members[targetGroupXML] `xml:"TargetGroups"`
	Next  string                        `xml:"NextMarker,omitempty"`
}

type targetGroupXML struct {
	ARN            string                `xml:"TargetGroupArn"`
	Name           string                `xml:"TargetGroupName"`
	Protocol       string                `xml:"Protocol"`
	Port           int                   `xml:"Port"`
	VPC            string                `xml:"VpcId"`
	HealthProtocol string                `xml:"HealthCheckProtocol"`
	HealthPort     string                `xml:"HealthCheckPort"`
	HealthEnabled  bool                  `xml:"HealthCheckEnabled"`
	Interval       int                   `xml:"HealthCheckIntervalSeconds"`
	Timeout        int                   `xml:"HealthCheckTimeoutSeconds"`
	Healthy        int                   `xml:"HealthyThresholdCount"`
	Unhealthy      int                   `xml:"UnhealthyThresholdCount"`
	Path           string                `xml:"HealthCheckPath,omitempty"`
	Matcher        *matcherXML           `xml:"Matcher"`
	LoadBalancers  *wire.Members[string] `xml:"LoadBalancerArns"`
	Type           string                `xml:"TargetType"`
	IPType         string                `xml:"IpAddressType"`
}

type matcherXML struct {
	HTTP string `xml:"HttpCode"`
}

func showTargetGroup(c *call, g *targetGroup) targetGroupXML {
	h := g.health
	x := targetGroupXML{
		ARN: g.id, Name: g.name, Protocol: g.protocol, Port: g.port, VPC: g.vpc, HealthProtocol: h.protocol,
		HealthPort: h.port, HealthEnabled: h.enabled, Interval: int(h.interval / time.Second),
		Timeout: int(h.timeout / time.Second), Healthy: h.healthy, Unhealthy: h.unhealthy, Path: h.path,
		LoadBalancers: wire.MembersOf(c.loadBalancersOf(g)), Type: g.targetType, IPType: "ipv4",
	}
	if h.matcher != "" {
		x.Matcher = &matcherXML{h.matcher}
	}
	return x
}

// loadBalancersOf lists the load balancers whose listeners forward to the group; AWS allows one.
func (w *world) loadBalancersOf(g *targetGroup) []string {
	var out []string
	for _, l := range w.listeners {
		if l.targetGroup == g.id && !slices.Contains(out, l.loadBalancer) {
			out = append(out, l.loadBalancer)
		}
	}
	slices.Sort(out)
	return out
}

func createTargetGroup(c *call) (any, error) {
	g, err := targetGroupFrom(c)
	if err != nil {
		return nil, err
	}
	all := mine(c, c.targetGroups)
	for _, other := range all {
		if other.name != g.name {
			continue
		}
		if other.protocol != g.protocol || other.port != g.port || other.vpc != g.vpc ||
			other.targetType != g.targetType || other.health != g.health {
			return nil, wire.Errorf(400, "DuplicateTargetGroupName",
				"A target group with the same name '%s' exists, but with different settings", g.name)
		}
		return targetGroupList{Items: wire.MembersOf([]targetGroupXML{showTargetGroup(c, other)})}, nil
	}
	if len(all) >= maxTargetGroups {
		return nil, wire.Errorf(400, "TooManyTargetGroups", "The maximum number of target groups has been reached")
	}
	g.id = c.arn("elasticloadbalancing", c.region, c.account, "targetgroup/"+g.name+"/"+c.hex(16))
	g.account, g.region, g.created = c.account, c.region, c.stamp()
	c.targetGroups[g.id] = g
	return targetGroupList{Items: wire.MembersOf([]targetGroupXML{showTargetGroup(c, g)})}, nil
}

// targetGroupFrom reads and checks a CreateTargetGroup request.
func targetGroupFrom(c *call) (*targetGroup, error) {
	g := &targetGroup{
		name: c.params.String("Name"), protocol: c.params.String("Protocol"), vpc: c.params.String("VpcId"),
		targetType: cmp.Or(c.params.String("TargetType"), "instance"),
	}
	if err := elbName("target group", g.name); err != nil {
		return nil, err
	}
	switch g.targetType {
	case "instance", "ip":
	case "alb":
		if g.protocol != "TCP" {
			return nil, wire.Errorf(400, "InvalidConfigurationRequest", "Target groups with target type 'alb' must have the protocol TCP")
		}
	case "lambda":
		return nil, wire.Errorf(400, "InvalidConfigurationRequest", "Network load balancers do not support the target type 'lambda'")
	default:
		return nil, invalid("The target type '%.64s' is not valid: it must be one of 'instance', 'ip', 'alb'", g.targetType)
	}
	switch g.protocol {
	case "TCP", "TLS", "UDP", "TCP_UDP", "HTTP", "HTTPS":
	case "":
		return nil, invalid("A protocol must be specified")
	case "QUIC", "TCP_QUIC", "GENEVE":
		return nil, wire.Errorf(400, "InvalidConfigurationRequest", "The lab does not have the target group protocol '%s'", g.protocol)
	default:
		return nil, invalid("1 validation error detected: Value '%.64s' at 'protocol' failed to satisfy constraint: Member must satisfy enum value set: [HTTP, HTTPS, TCP, TLS, UDP, TCP_UDP]", g.protocol)
	}
	if !c.params.Has("Port") {
		return nil, invalid("A port must be specified")
	}
	var err error
	if g.port, err = c.elbInt("Port", 0, 1, 65535); err != nil {
		return nil, err
	}
	if g.vpc == "" {
		return nil, invalid("A VPC ID must be specified")
	}
	if v := c.vpcs[g.vpc]; v == nil || !c.owns(v) {
		return nil, invalid("The VPC ID '%.64s' is not found", g.vpc)
	}
	if t := c.params.String("IpAddressType"); t != "" && t != "ipv4" {
		return nil, wire.Errorf(400, "InvalidConfigurationRequest", "The lab does not have the IP address type '%.64s'", t)
	}
	if g.health, err = healthFrom(c, g, healthDefaults(g.protocol)); err != nil {
		return nil, err
	}
	g.attributes = initialValues(targetGroupAttributes(g.protocol, g.targetType))
	g.tags, err = elbTags(c)
	return g, err
}

// healthDefaults are AWS's, by the group's protocol.
func healthDefaults(protocol string) healthCheck {
	h := healthCheck{
		enabled: true, protocol: "TCP", port: "traffic-port", interval: 30 * time.Second, timeout: 10 * time.Second,
		healthy: 5, unhealthy: 2,
	}
	if protocol == "HTTP" || protocol == "HTTPS" { // groups for application load balancers
		h.protocol, h.timeout, h.path, h.matcher = protocol, 5*time.Second, "/", "200"
	}
	return h
}

// healthFrom reads the health check of CreateTargetGroup and ModifyTargetGroup over h.
func healthFrom(c *call, g *targetGroup, h healthCheck) (healthCheck, error) {
	if p := c.params.String("HealthCheckProtocol"); p != "" && p != h.protocol {
		switch p {
		case "TCP":
			h.path, h.matcher, h.timeout = "", "", 10*time.Second
		case "HTTP":
			h.timeout = 6 * time.Second
		case "HTTPS":
			h.timeout = 10 * time.Second
		default:
			return h, wire.Errorf(400, "InvalidConfigurationRequest",
				"Health check protocol '%.64s' must be one of 'HTTP, HTTPS, TCP'", p)
		}
		h.protocol = p
	}
	if h.protocol != "TCP" {
		h.path, h.matcher = cmp.Or(h.path, "/"), cmp.Or(h.matcher, "200-399")
	}
	if p := c.params.String("HealthCheckPort"); p != "" {
		if n, err := strconv.Atoi(p); p != "traffic-port" && (err != nil || n < 1 || n > 65535) {
			return h, invalid("Health check port '%.64s' must be 'traffic-port' or in the range 1 to 65535", p)
		}
		h.port = p
	}
	if on := c.params.String("HealthCheckEnabled"); on == "false" {
		return h, wire.Errorf(400, "InvalidConfigurationRequest",
			"Health check enabled must be true for target groups with target type '%s'", g.targetType)
	} else if on != "" && on != "true" {
		return h, invalid("HealthCheckEnabled must be 'true' or 'false'")
	}
	path, matcher := c.params.String("HealthCheckPath"), c.params.String("Matcher.HttpCode")
	switch {
	case path == "":
	case h.protocol == "TCP":
		return h, wire.Errorf(400, "InvalidConfigurationRequest", "Health check path cannot be specified with health check protocol 'TCP'")
	case path[0] != '/' || len(path) > 1024:
		return h, invalid("Health check path '%.64s' must begin with a '/' character", path)
	default:
		h.path = path
	}
	switch {
	case matcher == "":
	case h.protocol == "TCP":
		return h, wire.Errorf(400, "InvalidConfigurationRequest", "Health check matcher cannot be specified with health check protocol 'TCP'")
	case !validMatcher(matcher):
		return h, invalid("Health check matcher HTTP code '%.64s' must be within the range 200 to 599", matcher)
	default:
		h.matcher = matcher
	}
	return h, healthNumbers(c, &h)
}

// healthNumbers reads the thresholds and times.
func healthNumbers(c *call, h *healthCheck) error {
	interval, err := c.elbInt("HealthCheckIntervalSeconds", int(h.interval/time.Second), 5, 300)
	if err != nil {
		return err
	}
	timeout, err := c.elbInt("HealthCheckTimeoutSeconds", min(int(h.timeout/time.Second), interval), 2, 120)
	if err != nil {
		return err
	}
	if timeout > interval {
		return invalid("Health check timeout '%d' must be smaller than or equal to the interval '%d'", timeout, interval)
	}
	if h.healthy, err = c.elbInt("HealthyThresholdCount", h.healthy, 2, 10); err != nil {
		return err
	}
	if h.unhealthy, err = c.elbInt("UnhealthyThresholdCount", h.unhealthy, 2, 10); err != nil {
		return err
	}
	h.interval, h.timeout = time.Duration(interval)*time.Second, time.Duration(timeout)*time.Second
	return nil
}

func describeTargetGroups(c *call) (any, error) {
	arns, names, of := c.params.Members("TargetGroupArns"), c.params.Members("Names"), c.params.String("LoadBalancerArn")
	all := mine(c, c.targetGroups)
	out := all
	if len(arns)+len(names) > 0 {
		out = nil
	}
	for _, arn := range arns {
		g, err := c.targetGroupByARN(arn)
		if err != nil {
			return nil, err
		}
		out = append(out, g)
	}
	for _, name := range names {
		i := slices.IndexFunc(all, func(g *targetGroup) bool { return g.name == name })
		if i < 0 {
			return nil, wire.Errorf(400, "TargetGroupNotFound", "One or more target groups not found")
		}
		out = append(out, all[i])
	}
	if of != "" {
		lb, err := c.lbByARN(of)
		if err != nil {
			return nil, err
		}
		out = slices.DeleteFunc(slices.Clone(out), func(g *targetGroup) bool {
			return !slices.Contains(c.loadBalancersOf(g), lb.id)
		})
	}
	out, next, err := marked(c, out)
	if err != nil {
		return nil, err
	}
	list := targetGroupList{Items: wire.MembersOf[targetGroupXML](nil), Next: next}
	for _, g := range out {
		list.Items.Items = append(list.Items.Items, showTargetGroup(c, g))
	}
	return list, nil
}

func modifyTargetGroup(c *call) (any, error) {
	g, err := c.requiredTargetGroup()
	if err != nil {
		return nil, err
	}
	h, err := healthFrom(c, g, g.health)
	if err != nil {
		return nil, err
	}
	g.health = h
	return targetGroupList{Items: wire.MembersOf([]targetGroupXML{showTargetGroup(c, g)})}, nil
}

// deleteTargetGroup succeeds for a group that is not there, as at AWS.
func deleteTargetGroup(c *call) (any, error) {
	arn, err := c.elbRequired("TargetGroupArn")
	if err != nil {
		return nil, err
	}
	g := c.targetGroups[arn]
	if g == nil || !c.owns(g) {
		return nil, nil
	}
	if len(c.loadBalancersOf(g)) > 0 {
		return nil, wire.Errorf(400, "ResourceInUse", "Target group '%s' is currently in use by a listener or a rule", arn)
	}
	delete(c.targetGroups, arn)
	return nil, nil
}

// validMatcher says whether s is a list of HTTP codes and ranges: "200", "200,202", "200-399".
func validMatcher(s string) bool {
	if len(s) > 256 {
		return false
	}
	code := between(200, 599)
	for part := range strings.SplitSeq(s, ",") {
		low, high, ranged := strings.Cut(part, "-")
		if !code(low) || ranged && (!code(high) || high < low) {
			return false
		}
	}
	return true
}
