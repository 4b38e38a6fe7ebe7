package lab

import (
	"maps"
	"slices"
	"strconv"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// valueCheck says whether an attribute takes a value.
type valueCheck func(string) bool

func anyOf(values ...string) valueCheck {
	return func(v string) bool { return slices.Contains(values, v) }
}

func between(low, high int) valueCheck {
	return func(v string) bool {
		n, err := strconv.Atoi(v)
		return err == nil && n >= low && n <= high
	}
}

func anything(v string) bool { return len(v) <= 1024 }

// attribute is one that a kind of resource has: its value at creation, and what it may become.
type attribute struct {
	initial string
	takes   valueCheck
}

func loadBalancerAttributes() map[string]attribute {
	boolean := anyOf("true", "false")
	return map[string]attribute{
		"access_logs.s3.bucket":                  {"", anything},
		"access_logs.s3.enabled":                 {"false", boolean},
		"access_logs.s3.prefix":                  {"", anything},
		"deletion_protection.enabled":            {"false", boolean},
		"dns_record.client_routing_policy":       {"any_availability_zone", anyOf("any_availability_zone", "partial_availability_zone_affinity", "availability_zone_affinity")},
		"ipv6.deny_all_igw_traffic":              {"false", boolean},
		"load_balancing.cross_zone.enabled":      {"false", boolean},
		"secondary_ips.auto_assigned.per_subnet": {"0", between(0, 7)},
		"zonal_shift.config.enabled":             {"false", boolean},
	}
}

// targetGroupAttributes are those of groups for network load balancers. Client addresses are kept
// by default where the target type and protocol allow it.
func targetGroupAttributes(protocol, targetType string) map[string]attribute {
	boolean := anyOf("true", "false")
	count, percent := between(1, maxTargets), func(v string) bool { return v == "off" || between(1, 100)(v) }
	keep := targetType == "instance" || protocol == "UDP" || protocol == "TCP_UDP"
	return map[string]attribute{
		"deregistration_delay.connection_termination.enabled":                            {"false", boolean},
		"deregistration_delay.timeout_seconds":                                           {"300", between(0, 3600)},
		"load_balancing.cross_zone.enabled":                                              {"use_load_balancer_configuration", anyOf("true", "false", "use_load_balancer_configuration")},
		"preserve_client_ip.enabled":                                                     {yes(keep), boolean},
		"proxy_protocol_v2.enabled":                                                      {"false", boolean},
		"stickiness.enabled":                                                             {"false", boolean},
		"stickiness.type":                                                                {"source_ip", anyOf("source_ip")},
		"target_group_health.dns_failover.minimum_healthy_targets.count":                 {"1", count},
		"target_group_health.dns_failover.minimum_healthy_targets.percentage":            {"off", percent},
		"target_group_health.unhealthy_state_routing.minimum_healthy_targets.count":      {"1", count},
		"target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": {"off", percent},
		"target_health_state.unhealthy.connection_termination.enabled":                   {"true", boolean},
		"target_health_state.unhealthy.draining_interval_seconds":                        {"0", between(0, 360000)},
	}
}

// listenerAttributes are those of a TCP listener; other protocols have none.
func listenerAttributes(protocol string) map[string]attribute {
	if protocol != "TCP" {
		return nil
	}
	return map[string]attribute{"tcp.idle_timeout.seconds": {"350", between(60, 6000)}}
}

// initialValues is what the attributes are at creation.
func initialValues(known map[string]attribute) map[string]string {
	out := make(map[string]string, len(known))
	for k, a := range known {
		out[k] = a.initial
	}
	return out
}

func loadBalancerDefaults() map[string]string { return initialValues(loadBalancerAttributes()) }

// changedAttributes reads Attributes.member.N over what is set now; what says whose they are.
func changedAttributes(c *call, what string, now map[string]string, known map[string]attribute) (map[string]string, error) {
	out := maps.Clone(now)
	given := false
	err := c.params.Each("Attributes.member", func(p string) error {
		given = true
		k, v := c.params.String(p+".Key"), c.params.String(p+".Value")
		a, ok := known[k]
		if !ok {
			return wire.Errorf(400, "InvalidConfigurationRequest", "%s attribute key '%.256s' is not recognized", what, k)
		}
		if !a.takes(v) {
			return invalid("%s attribute value '%.256s' is not valid for the attribute '%s'", what, v, k)
		}
		if out == nil {
			out = map[string]string{}
		}
		out[k] = v
		return nil
	})
	if err == nil && !given {
		err = invalid("%s attributes must be specified", what)
	}
	return out, err
}

func describeLoadBalancerAttributes(c *call) (any, error) {
	lb, err := c.requiredLB()
	if err != nil {
		return nil, err
	}
	return showAttributes(lb.attributes), nil
}

func modifyLoadBalancerAttributes(c *call) (any, error) {
	lb, err := c.requiredLB()
	if err != nil {
		return nil, err
	}
	next, err := changedAttributes(c, "Load balancer", lb.attributes, loadBalancerAttributes())
	if err != nil {
		return nil, err
	}
	before, _ := strconv.Atoi(lb.attributes["secondary_ips.auto_assigned.per_subnet"]) // "0" at least
	if n, _ := strconv.Atoi(next["secondary_ips.auto_assigned.per_subnet"]); n < before {
		return nil, wire.Errorf(400, "InvalidConfigurationRequest", "The number of secondary IP addresses cannot be decreased")
	}
	lb.attributes = next
	return showAttributes(lb.attributes), nil
}

func describeTargetGroupAttributes(c *call) (any, error) {
	g, err := c.requiredTargetGroup()
	if err != nil {
		return nil, err
	}
	return showAttributes(g.attributes), nil
}

func modifyTargetGroupAttributes(c *call) (any, error) {
	g, err := c.requiredTargetGroup()
	if err != nil {
		return nil, err
	}
	next, err := changedAttributes(c, "Target group", g.attributes, targetGroupAttributes(g.protocol, g.targetType))
	if err != nil {
		return nil, err
	}
	if next["preserve_client_ip.enabled"] == "false" && (g.protocol == "UDP" || g.protocol == "TCP_UDP") {
		return nil, wire.Errorf(400, "InvalidConfigurationRequest",
			"Client IP preservation cannot be disabled for UDP and TCP_UDP target groups")
	}
	g.attributes = next
	return showAttributes(g.attributes), nil
}

func describeListenerAttributes(c *call) (any, error) {
	l, err := c.requiredListener()
	if err != nil {
		return nil, err
	}
	return showAttributes(l.attributes), nil
}

func modifyListenerAttributes(c *call) (any, error) {
	l, err := c.requiredListener()
	if err != nil {
		return nil, err
	}
	next, err := changedAttributes(c, "Listener", l.attributes, listenerAttributes(l.protocol))
	if err != nil {
		return nil, err
	}
	l.attributes = next
	return showAttributes(l.attributes), nil
}
