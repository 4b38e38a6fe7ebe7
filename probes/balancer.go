package probes

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/linkassay/linkassay/provision/awsapi"
)

// arnsPerCall is how many ARNs a Describe call of ELBv2 takes at once (20 for load balancers and
// for target groups).
const arnsPerCall = 20

// maxSpareGroups is how many target groups without a listener are kept: one is enough for the fix.
const maxSpareGroups = 4

func (r *run) loadBalancers(sd side, s *span, arns []string, zones *promise[[]Zone]) ([]LoadBalancer, error) {
	var raw []elbtypes.LoadBalancer
	for chunk := range slices.Chunk(arns, arnsPerCall) {
		out, err := call(r, s, "elasticloadbalancing:DescribeLoadBalancers", func(ctx context.Context) (*elb.DescribeLoadBalancersOutput, error) {
			return sd.ELB.DescribeLoadBalancers(ctx, &elb.DescribeLoadBalancersInput{LoadBalancerArns: chunk})
		})
		if isNotFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		raw = append(raw, out.LoadBalancers...)
	}
	all, err := each(raw, func(lb elbtypes.LoadBalancer) (LoadBalancer, error) {
		out, err := call(r, s, "elasticloadbalancing:DescribeLoadBalancerAttributes",
			func(ctx context.Context) (*elb.DescribeLoadBalancerAttributesOutput, error) {
				return sd.ELB.DescribeLoadBalancerAttributes(ctx, &elb.DescribeLoadBalancerAttributesInput{LoadBalancerArn: lb.LoadBalancerArn})
			})
		if err != nil {
			return LoadBalancer{}, err
		}
		b := loadBalancerOf(lb)
		for _, a := range out.Attributes {
			if aws.ToString(a.Key) == "load_balancing.cross_zone.enabled" {
				b.CrossZone = aws.ToString(a.Value) == "true"
			}
		}
		return b, nil
	})
	if err != nil {
		return nil, err
	}
	names, _ := zones.value() // without it zone ids stay unknown; that item says why
	for i := range all {
		for j := range all[i].Zones {
			all[i].Zones[j].ZoneID = zoneID(names, all[i].Zones[j].ZoneName)
		}
	}
	slices.SortFunc(all, func(a, b LoadBalancer) int { return cmp.Compare(a.ARN, b.ARN) })
	return all, nil
}

func loadBalancerOf(lb elbtypes.LoadBalancer) LoadBalancer {
	b := LoadBalancer{
		ARN: aws.ToString(lb.LoadBalancerArn), Name: aws.ToString(lb.LoadBalancerName), Type: string(lb.Type),
		Scheme: string(lb.Scheme), VPCID: aws.ToString(lb.VpcId), IPAddressType: string(lb.IpAddressType),
		SecurityGroupIDs: texts(lb.SecurityGroups),
		EnforceInbound:   aws.ToString(lb.EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic),
	}
	if lb.State != nil {
		b.State, b.StateReason = string(lb.State.Code), clean(aws.ToString(lb.State.Reason), maxDetail)
	}
	for _, z := range lb.AvailabilityZones {
		b.Zones = append(b.Zones, LoadBalancerZone{ZoneName: aws.ToString(z.ZoneName), SubnetID: aws.ToString(z.SubnetId)})
	}
	slices.SortFunc(b.Zones, func(a, b LoadBalancerZone) int { return cmp.Compare(a.ZoneName, b.ZoneName) })
	return b
}

func (r *run) listeners(sd side, s *span, arns []string) ([]Listener, error) {
	lists, err := each(arns, func(arn string) ([]Listener, error) {
		raw, err := orNone(call(r, s, "elasticloadbalancing:DescribeListeners", func(ctx context.Context) ([]elbtypes.Listener, error) {
			return awsapi.All(ctx, elb.NewDescribeListenersPaginator(sd.ELB, &elb.DescribeListenersInput{LoadBalancerArn: &arn}),
				func(o *elb.DescribeListenersOutput) []elbtypes.Listener { return o.Listeners })
		}))
		if err != nil {
			return nil, err
		}
		timeouts, err := r.idleTimeouts(sd, s, raw)
		if err != nil {
			return nil, err
		}
		var all []Listener
		for i, l := range raw {
			all = append(all, Listener{
				ARN: aws.ToString(l.ListenerArn), LoadBalancerARN: arn, Port: uint16(aws.ToInt32(l.Port)),
				Protocol: string(l.Protocol), TargetGroupARNs: groupsOf(l.DefaultActions), IdleTimeoutSeconds: timeouts[i],
			})
		}
		return all, nil
	})
	if err != nil {
		return nil, err
	}
	all := slices.Concat(lists...)
	slices.SortFunc(all, func(a, b Listener) int {
		return cmp.Or(cmp.Compare(a.LoadBalancerARN, b.LoadBalancerARN), cmp.Compare(a.Port, b.Port), cmp.Compare(a.ARN, b.ARN))
	})
	return all, nil
}

// idleTimeouts are the listeners' TCP idle timeouts in seconds. They matter, and are asked, only where
// the sides are in different Regions or silent connections are tried.
func (r *run) idleTimeouts(sd side, s *span, listeners []elbtypes.Listener) ([]int32, error) {
	if !r.link.CrossRegion() && !r.o.Slow {
		return make([]int32, len(listeners)), nil
	}
	return each(listeners, func(l elbtypes.Listener) (int32, error) {
		out, err := call(r, s, "elasticloadbalancing:DescribeListenerAttributes", func(ctx context.Context) (*elb.DescribeListenerAttributesOutput, error) {
			return sd.ELB.DescribeListenerAttributes(ctx, &elb.DescribeListenerAttributesInput{ListenerArn: l.ListenerArn})
		})
		if err != nil {
			return 0, err
		}
		for _, a := range out.Attributes {
			if n, err := strconv.ParseInt(aws.ToString(a.Value), 10, 32); err == nil && aws.ToString(a.Key) == "tcp.idle_timeout.seconds" {
				return int32(n), nil
			}
		}
		return 0, nil // a listener of another protocol
	})
}

// groupsOf lists the target groups of actions, which name one directly, several with weights, or
// the same one both ways.
func groupsOf(actions []elbtypes.Action) []string {
	var arns []string
	for _, a := range actions {
		if a.TargetGroupArn != nil {
			arns = append(arns, *a.TargetGroupArn)
		}
		if a.ForwardConfig != nil {
			for _, t := range a.ForwardConfig.TargetGroups {
				arns = append(arns, aws.ToString(t.TargetGroupArn))
			}
		}
	}
	slices.Sort(arns)
	return slices.Compact(arns)
}

func groupsBehind(listeners []Listener) []string {
	var arns []string
	for _, l := range listeners {
		arns = append(arns, l.TargetGroupARNs...)
	}
	slices.Sort(arns)
	return slices.Compact(arns)
}

func (r *run) targetGroups(sd side, s *span, arns []string) ([]TargetGroup, error) {
	var raw []elbtypes.TargetGroup
	for chunk := range slices.Chunk(arns, arnsPerCall) {
		out, err := orNone(call(r, s, "elasticloadbalancing:DescribeTargetGroups", func(ctx context.Context) ([]elbtypes.TargetGroup, error) {
			return awsapi.All(ctx, elb.NewDescribeTargetGroupsPaginator(sd.ELB, &elb.DescribeTargetGroupsInput{TargetGroupArns: chunk}),
				func(o *elb.DescribeTargetGroupsOutput) []elbtypes.TargetGroup { return o.TargetGroups })
		}))
		if err != nil {
			return nil, err
		}
		raw = append(raw, out...)
	}
	all, err := each(raw, func(tg elbtypes.TargetGroup) (TargetGroup, error) {
		out, err := call(r, s, "elasticloadbalancing:DescribeTargetGroupAttributes",
			func(ctx context.Context) (*elb.DescribeTargetGroupAttributesOutput, error) {
				return sd.ELB.DescribeTargetGroupAttributes(ctx, &elb.DescribeTargetGroupAttributesInput{TargetGroupArn: tg.TargetGroupArn})
			})
		if err != nil {
			return TargetGroup{}, err
		}
		return targetGroupOf(tg, out.Attributes), nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b TargetGroup) int { return cmp.Compare(a.ARN, b.ARN) })
	return all, nil
}

// spareGroups lists target groups that no load balancer uses and that would fit a port of the link on
// which nothing takes TCP: the listener that is missing belongs in front of one of them. It does what it
// can, and looks at the first page only; their attributes are not asked.
func (r *run) spareGroups(sd side, s *span, listeners []Listener, balancers *promise[[]LoadBalancer]) []TargetGroup {
	wanted := map[uint16]bool{}
	for _, p := range r.link.Ports {
		if !slices.ContainsFunc(listeners, func(l Listener) bool { return l.Port == p.Port && l.Protocol != "UDP" }) {
			wanted[cmp.Or(p.TargetPort, p.Port)] = true
		}
	}
	lbs, err := balancers.value()
	if len(wanted) == 0 || len(lbs) == 0 || err != nil {
		return nil
	}
	out, err := call(r, s, "elasticloadbalancing:DescribeTargetGroups", func(ctx context.Context) (*elb.DescribeTargetGroupsOutput, error) {
		return sd.ELB.DescribeTargetGroups(ctx, &elb.DescribeTargetGroupsInput{PageSize: aws.Int32(400)})
	})
	if err != nil {
		return nil
	}
	var spare []TargetGroup
	for _, tg := range out.TargetGroups {
		g := targetGroupOf(tg, nil)
		if len(tg.LoadBalancerArns) == 0 && wanted[g.Port] && strings.HasPrefix(g.Protocol, "TCP") &&
			slices.ContainsFunc(lbs, func(lb LoadBalancer) bool { return lb.VPCID == g.VPCID }) {
			spare = append(spare, g)
		}
	}
	slices.SortFunc(spare, func(a, b TargetGroup) int { return cmp.Compare(a.ARN, b.ARN) })
	return spare[:min(len(spare), maxSpareGroups)]
}

func targetGroupOf(tg elbtypes.TargetGroup, attributes []elbtypes.TargetGroupAttribute) TargetGroup {
	g := TargetGroup{
		ARN: aws.ToString(tg.TargetGroupArn), Name: aws.ToString(tg.TargetGroupName), Protocol: string(tg.Protocol),
		Port: uint16(aws.ToInt32(tg.Port)), TargetType: string(tg.TargetType), VPCID: aws.ToString(tg.VpcId),
		HealthProtocol: string(tg.HealthCheckProtocol), HealthPort: aws.ToString(tg.HealthCheckPort),
		HealthPath: clean(aws.ToString(tg.HealthCheckPath), maxName), IntervalSeconds: aws.ToInt32(tg.HealthCheckIntervalSeconds),
		HealthyThreshold: aws.ToInt32(tg.HealthyThresholdCount), UnhealthyThreshold: aws.ToInt32(tg.UnhealthyThresholdCount),
	}
	g.TimeoutSeconds = aws.ToInt32(tg.HealthCheckTimeoutSeconds)
	if m := tg.Matcher; m != nil {
		g.Matcher = clean(aws.ToString(m.HttpCode), maxName)
	}
	for _, a := range attributes {
		switch aws.ToString(a.Key) {
		case "deregistration_delay.timeout_seconds":
			seconds, _ := strconv.ParseInt(aws.ToString(a.Value), 10, 32) // AWS's own number; 0 otherwise
			g.DrainSeconds = int32(seconds)
		case "proxy_protocol_v2.enabled":
			g.ProxyProtocol = aws.ToString(a.Value) == "true"
		case "load_balancing.cross_zone.enabled":
			g.CrossZone = aws.ToString(a.Value)
		}
	}
	return g
}

func (r *run) targetHealth(sd side, s *span, arns []string) ([]TargetHealth, error) {
	lists, err := each(arns, func(arn string) ([]TargetHealth, error) {
		out, err := call(r, s, "elasticloadbalancing:DescribeTargetHealth", func(ctx context.Context) (*elb.DescribeTargetHealthOutput, error) {
			return sd.ELB.DescribeTargetHealth(ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: &arn})
		})
		if isNotFound(err) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		var all []TargetHealth
		for _, d := range out.TargetHealthDescriptions {
			h := TargetHealth{TargetGroupARN: arn}
			if d.Target != nil {
				h.TargetID, h.Port = aws.ToString(d.Target.Id), uint16(aws.ToInt32(d.Target.Port))
				h.ZoneName = aws.ToString(d.Target.AvailabilityZone)
			}
			if d.TargetHealth != nil {
				h.State, h.Reason = string(d.TargetHealth.State), string(d.TargetHealth.Reason)
				h.Description = clean(aws.ToString(d.TargetHealth.Description), maxDetail)
			}
			all = append(all, h)
		}
		return all, nil
	})
	if err != nil {
		return nil, err
	}
	all := slices.Concat(lists...)
	slices.SortFunc(all, func(a, b TargetHealth) int {
		return cmp.Or(cmp.Compare(a.TargetGroupARN, b.TargetGroupARN), cmp.Compare(a.TargetID, b.TargetID), cmp.Compare(a.Port, b.Port))
	})
	return all, nil
}

// placeTargets fills in the zones of targets, which DescribeTargetHealth mostly leaves out: an
// instance is in the zone of its placement, an address in that of its subnet. It does what it can;
// a zone that cannot be found stays empty.
func (r *run) placeTargets(sd side, s *span, health []TargetHealth, p *providerItems) []TargetHealth {
	zones, _ := p.zones.value()
	var instances []string
	unplaced := false
	for _, h := range health {
		switch {
		case h.ZoneName != "":
		case strings.HasPrefix(h.TargetID, "i-"):
			instances = append(instances, h.TargetID)
		default:
			unplaced = true
		}
	}
	slices.Sort(instances)
	at := r.instanceZones(sd, s, slices.Compact(instances))
	var subnets []ec2types.Subnet
	if unplaced {
		groups, _ := p.targetGroups.value()
		subnets = r.subnetsOf(sd, s, groups)
	}
	for i := range health {
		h := &health[i]
		if h.ZoneName == "" {
			h.ZoneName = at[h.TargetID]
		}
		if ip, err := netip.ParseAddr(h.TargetID); err == nil && h.ZoneName == "" {
			for _, sub := range subnets {
				if c, err := netip.ParsePrefix(aws.ToString(sub.CidrBlock)); err == nil && c.Contains(ip) {
					h.ZoneName = aws.ToString(sub.AvailabilityZone)
				}
			}
		}
		h.ZoneID = zoneID(zones, h.ZoneName)
	}
	return health
}

func (r *run) instanceZones(sd side, s *span, ids []string) map[string]string {
	at := map[string]string{}
	if len(ids) == 0 {
		return at
	}
	found, err := call(r, s, "ec2:DescribeInstances", func(ctx context.Context) ([]ec2types.Reservation, error) {
		return awsapi.All(ctx, ec2.NewDescribeInstancesPaginator(sd.EC2, &ec2.DescribeInstancesInput{InstanceIds: ids}),
			func(o *ec2.DescribeInstancesOutput) []ec2types.Reservation { return o.Reservations })
	})
	if err != nil {
		return at
	}
	for _, res := range found {
		for _, i := range res.Instances {
			if i.Placement != nil {
				at[aws.ToString(i.InstanceId)] = aws.ToString(i.Placement.AvailabilityZone)
			}
		}
	}
	return at
}

func (r *run) subnetsOf(sd side, s *span, groups []TargetGroup) []ec2types.Subnet {
	var vpcs []string
	for _, g := range groups {
		if g.VPCID != "" {
			vpcs = append(vpcs, g.VPCID)
		}
	}
	slices.Sort(vpcs)
	if vpcs = slices.Compact(vpcs); len(vpcs) == 0 {
		return nil
	}
	found, _ := call(r, s, "ec2:DescribeSubnets", func(ctx context.Context) ([]ec2types.Subnet, error) {
		return awsapi.All(ctx, ec2.NewDescribeSubnetsPaginator(sd.EC2,
			&ec2.DescribeSubnetsInput{Filters: []ec2types.Filter{{Name: aws.String("vpc-id"), Values: vpcs}}}),
			func(o *ec2.DescribeSubnetsOutput) []ec2types.Subnet { return o.Subnets })
	})
	return found
}
