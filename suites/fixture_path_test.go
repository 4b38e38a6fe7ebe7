package suites

import (
	"fmt"
	"net/netip"

	"github.com/linkassay/linkassay/probes"
)

// The addresses at both ends of the path.
var (
	clientAddr  = netip.MustParseAddr("10.0.1.200")
	outsideAddr = netip.MustParseAddr("198.51.100.9")
)

func nodeAddr(i int) netip.Addr   { return netip.AddrFrom4([4]byte{10, 0, byte(i), 4}) }
func targetAddr(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i), 20}) }

// openACL is what every VPC's default network ACL says.
func openACL(id, vpc string, subnets ...string) probes.NetworkACL {
	acl := probes.NetworkACL{ID: id, VPCID: vpc, Default: true, SubnetIDs: subnets}
	for _, egress := range []bool{true, false} {
		acl.Entries = append(acl.Entries,
			probes.ACLEntry{Number: 100, Egress: egress, Allow: true, Protocol: "-1", CIDR: "0.0.0.0/0"},
			probes.ACLEntry{Number: lastEntry, Egress: egress, Protocol: "-1", CIDR: "0.0.0.0/0"})
	}
	return acl
}

// path makes what lies between the vantages, the endpoint, the load balancer and the targets: the
// targets are in subnets of their own.
func path(o *probes.Observation) {
	x := &o.Path
	x.Clients = item([]probes.Client{
		{Vantage: inside, Addr: clientAddr, SubnetID: "subnet-10", InterfaceID: "eni-c", GroupIDs: []string{"sg-0c"}},
		{Vantage: outside, Addr: outsideAddr},
	})
	x.ClientGroups = item([]probes.SecurityGroup{{ID: "sg-0c", Egress: []probes.SecurityGroupRule{{Protocol: "-1", CIDR: "0.0.0.0/0"}}}})
	x.ConsumerACLs = item([]probes.NetworkACL{openACL("acl-c0", "vpc-0aa", "subnet-10"), openACL("acl-c1", "vpc-0aa", "subnet-11", "subnet-12")})
	x.Routes = item([]probes.RouteTable{{ID: "rtb-0", VPCID: "vpc-0aa", Main: true, Routes: []probes.Route{{CIDR: "10.0.0.0/16", Via: "local", State: "active"}}}})
	var nodes []probes.NodeNIC
	var targets []probes.TargetNIC
	for i, z := range zones {
		nodes = append(nodes, probes.NodeNIC{LoadBalancerARN: lbARN, Interface: probes.Interface{ID: fmt.Sprintf("eni-n%d", i), SubnetID: fmt.Sprintf("subnet-0%d", i), ZoneID: z, IPs: []netip.Addr{nodeAddr(i)}}})
		targets = append(targets, probes.TargetNIC{TargetID: fmt.Sprintf("i-0%d", i), Interface: probes.Interface{
			ID: fmt.Sprintf("eni-t%d", i), SubnetID: fmt.Sprintf("subnet-2%d", i), ZoneID: z, IPs: []netip.Addr{targetAddr(i)}, GroupIDs: []string{"sg-0t"},
		}})
	}
	x.Nodes, x.Targets = item(nodes), item(targets)
	x.TargetGroups = item([]probes.SecurityGroup{{ID: "sg-0t", Ingress: []probes.SecurityGroupRule{
		{Protocol: "tcp", FromPort: 80, ToPort: 80, CIDR: "10.0.0.0/16"}, {Protocol: "tcp", FromPort: 443, ToPort: 443, CIDR: "10.0.0.0/16"},
	}}})
	x.ProviderACLs = item([]probes.NetworkACL{openACL("acl-n", "vpc-0bb", "subnet-00", "subnet-01", "subnet-02"), openACL("acl-t", "vpc-0bb", "subnet-20", "subnet-21", "subnet-22")})
}

func noProviderPath(o *probes.Observation) {
	absent(&o.Path.Nodes, probes.NoProviderAccess)
	absent(&o.Path.Targets, probes.NoProviderAccess)
	absent(&o.Path.TargetGroups, probes.NoProviderAccess)
	absent(&o.Path.ProviderACLs, probes.NoProviderAccess)
}

func noConsumerPath(o *probes.Observation) {
	absent(&o.Path.Clients, probes.NoConsumerAccess)
	absent(&o.Path.ClientGroups, probes.NoConsumerAccess)
	absent(&o.Path.ConsumerACLs, probes.NoConsumerAccess)
	absent(&o.Path.Routes, probes.NoConsumerAccess)
}
