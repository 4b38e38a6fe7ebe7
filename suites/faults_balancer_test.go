package suites

import (
	"strings"
	"testing"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
)

// balancerFaults are broken load balancers and targets.
func balancerFaults() []fault {
	return []fault{
		{"targets-deregistered", func(o *probes.Observation) {
			o.Provider.TargetHealth.Value = nil
			allTCP(o, probes.Refused)
		}, "connection.targets-registered", ProviderSide, nil},
		{"instances-stopped", func(o *probes.Observation) {
			setTargets(o, "", "unused", "Target.InvalidState", "Target is in the stopped state")
			allTCP(o, probes.Refused)
		}, "connection.targets-in-use", ProviderSide, []string{"connection.targets-registered"}},
		{"targets-initial", func(o *probes.Observation) {
			setTargets(o, "tg/https", "initial", "Elb.InitialHealthChecking", "Initial health checks in progress")
		}, "connection.targets-checked", ProviderSide, []string{"connection.targets-in-use"}},
		{"health-check-code", func(o *probes.Observation) {
			setTargets(o, "tg/http", "unhealthy", "Target.ResponseCodeMismatch", "Health checks failed with these codes: [404]")
		}, "connection.health-check-code", ProviderSide, []string{"connection.targets-checked"}},
		{"load-balancers-differ", func(o *probes.Observation) {
			second(o)
			o.Provider.Listeners.Value = o.Provider.Listeners.Value[:3] // the second has none on port 443
		}, "connection.load-balancers-alike", ProviderSide, []string{"connection.listener-on-each-port", "connection.healthy-target"}},
		{"proxy-protocol-on-one-load-balancer", func(o *probes.Observation) {
			second(o)
			o.Provider.TargetGroups.Value = append(o.Provider.TargetGroups.Value, probes.TargetGroup{ARN: "tg/https2", Port: 443, ProxyProtocol: true})
			o.Provider.Listeners.Value[3].TargetGroupARNs = []string{"tg/https2"}
			for _, h := range onlyGroup(o, "tg/https") {
				h.TargetGroupARN = "tg/https2"
				o.Provider.TargetHealth.Value = append(o.Provider.TargetHealth.Value, h)
			}
		}, "connection.load-balancers-alike", ProviderSide, nil},
		{"load-balancer-not-in-zone", func(o *probes.Observation) {
			lb := &o.Provider.LoadBalancers.Value[0]
			lb.Zones = lb.Zones[:2]
		}, "connection.load-balancer-in-endpoint-zones", ProviderSide, []string{"connection.service-zones-current"}},
		{"zone-of-the-link-file-without-load-balancer", func(o *probes.Observation) {
			o.Link.Consumer.Build = &provision.ConsumerBuild{Zones: []string{"apse1-az4"}}
		}, "connection.load-balancer-in-endpoint-zones", ProviderSide, nil},
		{"service-zones-old", func(o *probes.Observation) {
			lb := &o.Provider.LoadBalancers.Value[0]
			lb.Zones = append(lb.Zones, probes.LoadBalancerZone{ZoneName: "ap-southeast-1d", ZoneID: "apse1-az4", SubnetID: "subnet-03"})
			for _, group := range []string{"tg/http", "tg/https"} {
				o.Provider.TargetHealth.Value = append(o.Provider.TargetHealth.Value, probes.TargetHealth{TargetGroupARN: group, TargetID: "i-03", ZoneID: "apse1-az4", State: "healthy"})
			}
		}, "connection.service-zones-current", ProviderSide, nil},
		{"load-balancer-impaired", func(o *probes.Observation) {
			o.Provider.LoadBalancers.Value[0].State = "active_impaired"
		}, "resilience.load-balancer-unimpaired", ProviderSide, []string{"connection.load-balancer-active"}},
		{"service-in-one-zone", func(o *probes.Observation) {
			lb := &o.Provider.LoadBalancers.Value[0]
			lb.Zones = lb.Zones[:1]
			o.Provider.Service.Value.ZoneIDs = zones[:1]
			absent(&o.Consumer.Subnets, probes.NoConsumerAccess)
			absent(&o.Consumer.BuildSubnets, probes.NotConfigured)
		}, "resilience.service-in-two-zones", ProviderSide, nil},
		{"one-of-two-targets-dead", func(o *probes.Observation) {
			o.Provider.TargetHealth.Value = append(o.Provider.TargetHealth.Value,
				probes.TargetHealth{TargetGroupARN: "tg/http", TargetID: "i-09", ZoneID: zones[0], State: "unhealthy", Reason: "Target.Timeout"})
		}, "resilience.every-target-in-service", ProviderSide, []string{"connection.healthy-target-in-each-zone"}},
		{"health-checks-slow", func(o *probes.Observation) {
			g := &o.Provider.TargetGroups.Value[1]
			g.IntervalSeconds, g.UnhealthyThreshold = 30, 3
		}, "resilience.health-checks-fast", ProviderSide, nil},
		{"deregistration-slow", func(o *probes.Observation) {
			o.Provider.TargetGroups.Value[0].DrainSeconds = 3600
		}, "resilience.deregistration-delay", ProviderSide, nil},
	}
}

// second gives the service another load balancer like the first, in front of the same groups.
func second(o *probes.Observation) {
	lb := o.Provider.LoadBalancers.Value[0]
	lb.ARN, lb.Name = lbARN+"2", "orders-2"
	o.Provider.LoadBalancers.Value = append(o.Provider.LoadBalancers.Value, lb)
	o.Provider.Service.Value.LoadBalancerARNs = append(o.Provider.Service.Value.LoadBalancerARNs, lb.ARN)
	for _, l := range o.Provider.Listeners.Value {
		l.ARN, l.LoadBalancerARN = l.ARN+"2", lb.ARN
		o.Provider.Listeners.Value = append(o.Provider.Listeners.Value, l)
	}
}

// setTargets puts all targets of a group, or of all with "", into a state.
func setTargets(o *probes.Observation, group, state, reason, text string) {
	for i := range o.Provider.TargetHealth.Value {
		h := &o.Provider.TargetHealth.Value[i]
		if group == "" || h.TargetGroupARN == group {
			h.State, h.Reason, h.Description = state, reason, text
		}
	}
}

// Failures of one check that differ in what mends them.
func TestBalancerFixes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, command string
		make          func(o *probes.Observation)
	}{
		{"the other port's targets are registered", "elbv2 register-targets --target-group-arn tg/https --targets Id=i-00,Port=443 Id=i-01,Port=443 Id=i-02,Port=443 ", func(o *probes.Observation) {
			o.Provider.TargetHealth.Value = onlyGroup(o, "tg/http")
		}},
		{"stopped instances are started", "ec2 start-instances --instance-ids i-00 i-01 i-02 ", func(o *probes.Observation) {
			setTargets(o, "", "unused", "Target.InvalidState", "Target is in the stopped state")
		}},
		{"terminated ones are replaced", "elbv2 register-targets --target-group-arn tg/https --targets Id=i-00,Port=443 ", func(o *probes.Observation) {
			setTargets(o, "tg/https", "unused", "Target.InvalidState", "Target is in the terminated state")
			o.Provider.TargetHealth.Value = append(onlyGroup(o, "tg/https"), onlyGroup(o, "tg/http")[0])
		}},
		{"a load balancer's address is taken out", "elbv2 deregister-targets --target-group-arn tg/http --targets Id=i-00 ", func(o *probes.Observation) {
			setTargets(o, "tg/http", "unused", "Target.IpUnusable", "")
		}},
		{"a zone is enabled beside those that are", "elbv2 set-subnets --load-balancer-arn " + lbARN + " --subnets subnet-00 subnet-01 subnet-02 SUBNET_ID ", func(o *probes.Observation) {
			setTargets(o, "tg/http", "unused", "Target.NotInUse", "Target is in an Availability Zone that is not enabled for the load balancer")
		}},
		{"first checks are made to come sooner", "elbv2 modify-target-group --target-group-arn tg/https --health-check-interval-seconds 10 ", func(o *probes.Observation) {
			setTargets(o, "tg/https", "initial", "Elb.RegistrationInProgress", "")
		}},
		{"the code that the servers have is accepted", "elbv2 modify-target-group --target-group-arn tg/http --matcher HttpCode=404 ", func(o *probes.Observation) {
			setTargets(o, "tg/http", "unhealthy", "Target.ResponseCodeMismatch", "Health checks failed with these codes: [404]")
		}},
		{"checks go to the port of the traffic", "elbv2 modify-target-group --target-group-arn tg/https --health-check-port traffic-port ", func(o *probes.Observation) {
			o.Provider.TargetGroups.Value[1].HealthPort = "80"
			setTargets(o, "tg/https", "unhealthy", "Target.Timeout", "Request timed out")
		}},
		{"a listener on a wrong port is moved", "elbv2 modify-listener --listener-arn l/443 --port 443 ", func(o *probes.Observation) {
			o.Provider.Listeners.Value[1].Port = 8443
		}},
		{"a listener for UDP becomes one for TCP", "elbv2 modify-listener --listener-arn l/443 --protocol TCP ", func(o *probes.Observation) {
			o.Provider.Listeners.Value[1].Protocol = "UDP"
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			o := healthy()
			tc.make(o)
			if got := onlyRoot(t, o); !strings.Contains(got.Fix.Command+" ", tc.command) {
				t.Errorf("%s: %s\nwant it to have %s", got.Check, got.Fix.Command, tc.command)
			}
		})
	}
}

func onlyGroup(o *probes.Observation, group string) []probes.TargetHealth {
	var out []probes.TargetHealth
	for _, h := range o.Provider.TargetHealth.Value {
		if h.TargetGroupARN == group {
			out = append(out, h)
		}
	}
	return out
}
