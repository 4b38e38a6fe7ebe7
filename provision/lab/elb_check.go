package lab

import (
	"strconv"
	"strings"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// Default quotas of ELBv2, as DescribeAccountLimits shows them.
const (
	maxLoadBalancers = 50
	maxListeners     = 50
	maxTargetGroups  = 3000
	maxTargets       = 1000 // of one group
)

// invalid makes the error that ELBv2 has for what is wrong with a parameter.
func invalid(format string, args ...any) error {
	return wire.Errorf(400, "ValidationError", format, args...)
}

// elbRequired reads a parameter that must be there.
func (c *call) elbRequired(key string) (string, error) {
	v := c.params.String(key)
	if v == "" {
		return "", invalid("1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be null", lowerFirst(key))
	}
	return v, nil
}

// elbInt reads a number within bounds.
func (c *call) elbInt(key string, def, low, high int) (int, error) {
	s := c.params.String(key)
	if s == "" {
		return def, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, invalid("Value '%.64s' at '%s' is not an integer", s, lowerFirst(key))
	}
	if n < low || n > high {
		return 0, invalid("1 validation error detected: Value '%d' at '%s' failed to satisfy constraint: Member must have value between %d and %d, inclusive",
			n, lowerFirst(key), low, high)
	}
	return n, nil
}

// elbName checks the name of a load balancer or target group.
func elbName(what, name string) error {
	switch {
	case name == "":
		return invalid("1 validation error detected: Value null at 'name' failed to satisfy constraint: Member must not be null")
	case len(name) > 32:
		return invalid("The %s name '%.64s' cannot be longer than '32' characters", what, name)
	case strings.Trim(name, mixedAlnum+"-") != "":
		return invalid("The %s name '%s' can only contain characters that are alphanumeric characters and hyphens(-)", what, name)
	case strings.HasPrefix(name, "-") || strings.HasSuffix(name, "-"):
		return invalid("The %s name '%s' cannot begin or end with a hyphen(-)", what, name)
	}
	return nil
}

// elbARN refuses what is no ARN of the kind: loadbalancer, targetgroup or listener.
func elbARN(arn, kind, what string) error {
	p := strings.SplitN(arn, ":", 6)
	if len(p) != 6 || p[0] != "arn" || p[2] != "elasticloadbalancing" || !strings.HasPrefix(p[5], kind+"/") {
		return invalid("'%.256s' is not a valid %s ARN", arn, what)
	}
	return nil
}

func (c *call) lbByARN(arn string) (*loadBalancer, error) {
	if err := elbARN(arn, "loadbalancer", "load balancer"); err != nil {
		return nil, err
	}
	if lb := c.loadBalancers[arn]; lb != nil && c.owns(lb) {
		return lb, nil
	}
	return nil, wire.Errorf(400, "LoadBalancerNotFound", "Load balancers '[%.256s]' not found", arn)
}

func (c *call) targetGroupByARN(arn string) (*targetGroup, error) {
	if err := elbARN(arn, "targetgroup", "target group"); err != nil {
		return nil, err
	}
	if g := c.targetGroups[arn]; g != nil && c.owns(g) {
		return g, nil
	}
	return nil, wire.Errorf(400, "TargetGroupNotFound", "Target groups '%s' not found", arn)
}

func (c *call) listenerByARN(arn string) (*listener, error) {
	if err := elbARN(arn, "listener", "listener"); err != nil {
		return nil, err
	}
	if l := c.listeners[arn]; l != nil && c.owns(l) {
		return l, nil
	}
	return nil, wire.Errorf(400, "ListenerNotFound", "One or more listeners not found")
}

// requiredLB, requiredTargetGroup and requiredListener find what an operation is about.
func (c *call) requiredLB() (*loadBalancer, error) {
	arn, err := c.elbRequired("LoadBalancerArn")
	if err != nil {
		return nil, err
	}
	return c.lbByARN(arn)
}

func (c *call) requiredTargetGroup() (*targetGroup, error) {
	arn, err := c.elbRequired("TargetGroupArn")
	if err != nil {
		return nil, err
	}
	return c.targetGroupByARN(arn)
}

func (c *call) requiredListener() (*listener, error) {
	arn, err := c.elbRequired("ListenerArn")
	if err != nil {
		return nil, err
	}
	return c.listenerByARN(arn)
}

// elbGroups reads the security groups of a load balancer in the VPC.
func elbGroups(c *call, vpcID string) ([]string, error) {
	ids := c.params.Members("SecurityGroups")
	for _, id := range ids {
		if g := c.groups[id]; g == nil || !c.owns(g) || g.vpc != vpcID {
			return nil, wire.Errorf(400, "InvalidSecurityGroup", "One or more security groups are invalid")
		}
	}
	if len(ids) > 5 {
		return nil, wire.Errorf(400, "InvalidConfigurationRequest", "You can specify at most 5 security groups")
	}
	return ids, nil
}
