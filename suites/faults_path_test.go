package suites

import (
	"net/netip"

	"github.com/linkassay/linkassay/probes"
)

// pathFaults are what drops packets between the vantages, the endpoint, the load balancer and the targets.
func pathFaults() []fault {
	closed := func(acl *probes.NetworkACL, egress bool, from, to int32) {
		acl.Entries = append([]probes.ACLEntry{{Number: 10, Egress: egress, Protocol: "6", FromPort: from, ToPort: to, CIDR: "0.0.0.0/0"}}, acl.Entries...)
	}
	fromZone := func(o *probes.Observation, blocked func(a probes.Attempt) bool) {
		setTCP(o, func(a probes.Attempt) probes.Outcome {
			if blocked(a) {
				return probes.TimedOut
			}
			return probes.OK
		})
	}
	elsewhere := func(a probes.Attempt) bool { return a.Addr.Addr() != address(0) }
	onHTTPS := func(a probes.Attempt) bool { return a.Addr.Port() == 443 }
	return []fault{
		{"client-group-closed", func(o *probes.Observation) {
			o.Path.ClientGroups.Value[0].Egress = []probes.SecurityGroupRule{{Protocol: "udp", FromPort: 53, ToPort: 53, CIDR: "0.0.0.0/0"}}
			allTCP(o, probes.TimedOut)
		}, "network.client-security-group", ConsumerSide, []string{"connection.endpoint-security-group", "network.client-acl"}},
		{"client-acl-denies", func(o *probes.Observation) {
			closed(&o.Path.ConsumerACLs.Value[0], true, 443, 443)
			fromZone(o, func(a probes.Attempt) bool { return elsewhere(a) && onHTTPS(a) })
		}, "network.client-acl", ConsumerSide, []string{"network.endpoint-acl", "network.client-security-group"}},
		{"client-acl-denies-answers", func(o *probes.Observation) {
			closed(&o.Path.ConsumerACLs.Value[0], false, 1024, 65535)
			fromZone(o, elsewhere)
		}, "network.client-acl", ConsumerSide, []string{"network.endpoint-acl"}},
		{"endpoint-acl-denies", func(o *probes.Observation) {
			closed(&o.Path.ConsumerACLs.Value[1], false, 0, 65535)
			fromZone(o, elsewhere)
		}, "network.endpoint-acl", ConsumerSide, []string{"network.client-acl", "connection.endpoint-security-group"}},
		{"endpoint-acl-denies-answers", func(o *probes.Observation) {
			closed(&o.Path.ConsumerACLs.Value[1], true, 40000, 50000)
			fromZone(o, elsewhere)
		}, "network.endpoint-acl", ConsumerSide, []string{"network.client-acl"}},
		{"vantage-not-routed", func(o *probes.Observation) {
			o.Path.Clients.Value[0] = probes.Client{Vantage: inside, Addr: netip.MustParseAddr("172.16.9.9")}
			allTCP(o, probes.TimedOut)
		}, "network.route-to-vantage", ConsumerSide, []string{"dns.regional-name-resolves"}},
		{"target-group-without-health-checks", func(o *probes.Observation) {
			for i := range o.Provider.TargetGroups.Value {
				o.Provider.TargetGroups.Value[i].HealthPort = "8080"
			}
			unhealthy(o, "Target.Timeout")
			allTCP(o, probes.TimedOut)
		}, "network.target-health-checks", ProviderSide, []string{"network.target-acl"}},
		{"target-group-admits-clients-only", func(o *probes.Observation) {
			for i := range o.Provider.TargetGroups.Value {
				o.Provider.TargetGroups.Value[i].HealthPort = "8080"
			}
			o.Path.TargetGroups.Value[0].Ingress = []probes.SecurityGroupRule{
				{Protocol: "tcp", FromPort: 8080, ToPort: 8080, CIDR: "10.0.0.0/16"}, {Protocol: "tcp", FromPort: 80, ToPort: 443, CIDR: "10.0.1.200/32"},
			}
			allTCP(o, probes.TimedOut)
		}, "network.target-security-group", ProviderSide, []string{"network.target-health-checks", "connection.healthy-target"}},
		{"target-acl-denies-answers", func(o *probes.Observation) {
			closed(&o.Path.ProviderACLs.Value[1], true, 1024, 65535)
			unhealthy(o, "Target.Timeout")
			allTCP(o, probes.TimedOut)
		}, "network.target-acl", ProviderSide, []string{"network.target-security-group"}},
		{"load-balancer-closed-outbound", func(o *probes.Observation) {
			o.Provider.LoadBalancers.Value[0].SecurityGroupIDs = []string{"sg-0b"}
			o.Provider.SecurityGroups.Value = []probes.SecurityGroup{{ID: "sg-0b", Ingress: []probes.SecurityGroupRule{{Protocol: "-1", CIDR: "0.0.0.0/0"}}}}
			unhealthy(o, "Target.Timeout")
			allTCP(o, probes.TimedOut)
		}, "network.load-balancer-egress", ProviderSide, []string{"connection.load-balancer-security-group"}},
		{"load-balancer-group-admits-interfaces", func(o *probes.Observation) {
			o.Provider.LoadBalancers.Value[0].SecurityGroupIDs = []string{"sg-0b"}
			o.Provider.SecurityGroups.Value = []probes.SecurityGroup{{
				ID: "sg-0b", Egress: []probes.SecurityGroupRule{{Protocol: "-1", CIDR: "0.0.0.0/0"}},
				Ingress: []probes.SecurityGroupRule{{Protocol: "tcp", FromPort: 80, ToPort: 443, CIDR: address(0).String() + "/32"}},
			}}
			allTCP(o, probes.TimedOut)
		}, "connection.load-balancer-security-group", ProviderSide, nil},
		{"large-requests-hang", func(o *probes.Observation) {
			for i := range o.Reach.Large.Value {
				o.Reach.Large.Value[i].Outcome, o.Reach.Large.Value[i].Status = probes.TimedOut, 0
			}
		}, "reachability.large-requests", Network, []string{"reachability.http-private-name"}},
		{"tls-by-aws-name", func(o *probes.Observation) {
			for i := range o.Reach.TLS.Value {
				h := &o.Reach.TLS.Value[i]
				h.ServerName, h.Outcome, h.VerifyError = regional, probes.TLSFailed, "x509: certificate is valid for "+name+", not "+regional
			}
		}, "reachability.tls-server-name", ConsumerSide, nil},
	}
}
