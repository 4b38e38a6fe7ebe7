package suites

import (
	"net/netip"
	"slices"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
)

// clientPathChecks: between the vantages and the endpoint's interfaces nothing drops their packets.
func clientPathChecks() []Check {
	return []Check{
		check("network.route-to-vantage", "the endpoint has a way back to each vantage",
			revision(1), severity(Critical), side(ConsumerSide),
			after("connection.endpoint-service"),
			needs("path.clients", "path.routes", "consumer.interfaces", "consumer.vpc"), wants("reach.tcp"),
			asserts("where a vantage's own address is outside the endpoint's VPC and nothing connects from it, the route tables of the endpoint's subnets have an active route to that address"),
			why("the endpoint's names resolve everywhere, to addresses that only the VPC and what it has routes to can reach"),
			source("VPC guide, Route tables; PrivateLink guide, Access through an interface endpoint"),
			rows("PL-ROUTE-001", "PL-DNS-013"),
			fix(fixRoute),
			body(judgeRoutes),
		),
		check("network.client-security-group", "the vantages' security groups let them out",
			revision(1), severity(Critical), side(ConsumerSide),
			after("connection.endpoint-available"),
			needs("path.clients", "path.clientGroups", "consumer.interfaces"), wants("reach.tcp", "consumer.vpc", "consumer.endpoint"),
			asserts("where a vantage's address is that of a network interface of the VPC, an outbound rule of its security groups admits TCP to each interface and port of the link"),
			why("a security group drops what no outbound rule admits, before it ever leaves the client"),
			source("VPC guide, Security group rules; EC2 API reference, DescribeSecurityGroups"),
			rows("PL-SG-003"),
			fix(func(o *probes.Observation) Fix {
				f := Fix{Text: "let the client's security group out to the endpoint", Command: egressCommand(o, ConsumerSide, "SECURITY_GROUP_ID", o.Link.Ports[0].Port, "ENDPOINT_CIDR")}
				forEachFlow(o, func(w clientFlow) {
					if w.by.eni != "" && !w.egress(o).open() && len(w.by.groups) > 0 {
						f.Command = egressCommand(o, ConsumerSide, w.by.groups[0], w.port, single(w.ip).String())
					}
				})
				return f
			}),
			body(func(c *C, o *probes.Observation) {
				known := false
				forEachFlow(o, func(w clientFlow) {
					if w.by.eni == "" {
						return
					}
					known = true
					if how := w.egress(o); how.open() || w.connected {
						c.Fact(w.name(), "%s %s", list(w.by.groups), how)
					} else {
						c.Wrong(w.name(), "%s of %s: %s", list(w.by.groups), w.by.eni, how)
					}
				})
				if !known {
					c.Skip("no vantage's network interface is known")
				}
			}),
		),
		check("network.client-acl", "network ACLs of the vantages' subnets pass",
			revision(1), severity(Critical), side(ConsumerSide),
			after("connection.endpoint-available"),
			needs("path.clients", "path.consumerAcls", "consumer.interfaces"), wants("reach.tcp", "consumer.vpc"),
			asserts("the network ACL of each vantage's subnet lets TCP out to each interface and port, and the answers in on ports 32768-60999, by the first entry that fits; traffic inside one subnet meets none"),
			why("a network ACL is stateless: it must allow questions and answers, and what it denies times out"),
			source("VPC guide, Network ACLs, ephemeral ports; EC2 API reference, DescribeNetworkAcls"),
			rows("PL-NACL-002"),
			fix(func(o *probes.Observation) Fix { return fixClientACL(o, true) }),
			body(func(c *C, o *probes.Observation) { judgeClientACL(c, o, true) }),
		),
		check("network.endpoint-acl", "network ACLs of the endpoint's subnets pass",
			revision(1), severity(Critical), side(ConsumerSide),
			after("connection.endpoint-available", "connection.interface-in-each-subnet"),
			needs("path.consumerAcls", "consumer.interfaces"), wants("path.clients", "reach.tcp", "consumer.vpc"),
			asserts("the network ACL of each interface's subnet lets TCP in from each vantage's address to each port, and the answers out on ports 32768-60999, by the first entry that fits; traffic inside one subnet meets none"),
			why("a network ACL is stateless: it must allow questions and answers, and what it denies times out"),
			source("VPC guide, Network ACLs, ephemeral ports; EC2 API reference, DescribeNetworkAcls"),
			rows("PL-NACL-001"),
			fix(func(o *probes.Observation) Fix { return fixClientACL(o, false) }),
			body(func(c *C, o *probes.Observation) { judgeClientACL(c, o, false) }),
		),
	}
}

// clientFlow is one connection that should be made: from a client to an interface of the endpoint.
type clientFlow struct {
	by        client
	to        probes.Interface
	ip        netip.Addr
	port      uint16
	connected bool
}

func (w clientFlow) name() string {
	return or(w.by.vantage, "VPC") + " to " + netip.AddrPortFrom(w.ip, w.port).String()
}

// forEachFlow calls f with each connection of the clients' that should be made.
func forEachFlow(o *probes.Observation, f func(w clientFlow)) {
	attempts := maybe(o.Reach.TCP)
	for _, by := range clientsOf(o) {
		for _, n := range maybe(o.Consumer.Interfaces) {
			for _, ip := range n.IPs {
				if len(by.from) > 0 && by.from[0].Addr().Is4() != ip.Is4() {
					continue // the client's address of that family is not known
				}
				for _, p := range o.Link.Ports {
					f(clientFlow{by, n, ip, p.Port, connectedFrom(attempts, by.vantage, p.Port, ip)})
				}
			}
		}
	}
}

// egress evaluates the outbound rules of the client's groups for the flow.
func (w clientFlow) egress(o *probes.Observation) admission {
	var rules []probes.SecurityGroupRule
	for _, g := range maybe(o.Path.ClientGroups) {
		if slices.Contains(w.by.groups, g.ID) {
			rules = append(rules, g.Egress...)
		}
	}
	groups := w.to.GroupIDs
	if len(groups) == 0 {
		groups = maybe(o.Consumer.Endpoint).SecurityGroupIDs
	}
	return admits(rules, w.port, peers{[]netip.Prefix{single(w.ip)}, groups, true})
}

// border is the network ACL that the flow meets at the client's subnet (asks) or the interface's.
func (w clientFlow) border(o *probes.Observation, asks bool) (acl probes.NetworkACL, peer netip.Prefix, ok bool) {
	subnet := w.to.SubnetID
	if asks {
		subnet = w.by.subnet
	}
	if subnet == "" || w.by.subnet == w.to.SubnetID || len(w.by.from) == 0 {
		return acl, peer, false
	}
	peer = w.by.from[0]
	if asks {
		peer = single(w.ip)
	}
	acl, ok = aclOf(maybe(o.Path.ConsumerACLs), subnet)
	return acl, peer, ok
}

func judgeClientACL(c *C, o *probes.Observation, asks bool) {
	judged := map[string]int{}
	met := false
	forEachFlow(o, func(w clientFlow) {
		acl, peer, ok := w.border(o, asks)
		if !ok {
			return
		}
		met = true
		if what := refusal(acl, asks, peer, w.port); what != "" && !w.connected {
			c.Wrong(w.name(), "%s", what)
			return
		}
		judged[acl.ID]++
	})
	if !met {
		c.Skip("no connection is known to cross a subnet's border")
	}
	for _, acl := range maybe(o.Path.ConsumerACLs) {
		if n := judged[acl.ID]; n > 0 {
			c.Fact(acl.ID, "lets %d connections pass", n)
		}
	}
}

func fixClientACL(o *probes.Observation, asks bool) Fix {
	var first probes.NetworkACL
	port := o.Link.Ports[0].Port
	var peers []netip.Prefix // that the first of the refusing ACLs refuses on the port
	forEachFlow(o, func(w clientFlow) {
		acl, peer, ok := w.border(o, asks)
		if !ok || w.connected || refusal(acl, asks, peer, w.port) == "" {
			return
		}
		if len(peers) == 0 {
			first, port = acl, w.port
		}
		if acl.ID == first.ID && w.port == port && !slices.Contains(peers, peer) {
			peers = append(peers, peer)
		}
	})
	if len(peers) == 0 {
		return fixACL(o, ConsumerSide, first, asks, netip.PrefixFrom(netip.IPv4Unspecified(), 0), port)
	}
	return admitACL(o, ConsumerSide, first, asks, peers[0], port, covering(peers, prefixes(maybe(o.Consumer.VPC).CIDRs)))
}

// covering is the block that holds all the peers, so that one entry does for them; the first of several that no one block holds.
func covering(peers, blocks []netip.Prefix) netip.Prefix {
	if len(peers) > 1 {
		for _, b := range blocks {
			if !slices.ContainsFunc(peers, func(p netip.Prefix) bool { return !b.Contains(p.Addr()) || p.Bits() < b.Bits() }) {
				return b
			}
		}
	}
	return peers[0]
}

// judgeRoutes looks at vantages outside the VPC from which nothing connects.
func judgeRoutes(c *C, o *probes.Observation) {
	outside := false
	for _, r := range routesBack(o) {
		outside = true
		switch {
		case r.missing == "":
			c.Fact(r.by.String(), "%s", r.found)
		default:
			c.Wrong(r.by.String(), "is outside the VPC, and %s has no route to it", r.missing)
		}
	}
	if !outside {
		c.Skip("no vantage's address is known to be outside the VPC")
	}
}

// routeBack is how packets get from the endpoint's subnets back to a client outside the VPC.
type routeBack struct {
	by      client
	found   string
	missing string // the route table without a route
	subnet  string
}

func routesBack(o *probes.Observation) []routeBack {
	vpc, tables, attempts := prefixes(maybe(o.Consumer.VPC).CIDRs), maybe(o.Path.Routes), maybe(o.Reach.TCP)
	var out []routeBack
	for _, by := range clientsOf(o) {
		if !by.known || by.subnet != "" || slices.ContainsFunc(vpc, func(p netip.Prefix) bool { return p.Contains(by.from[0].Addr()) }) {
			continue
		}
		r := routeBack{by: by}
		if slices.ContainsFunc(o.Link.Ports, portConnects(attempts, by.vantage)) {
			r.found = "connects" // whatever stands between translates its address
			out = append(out, r)
			continue
		}
		for _, n := range maybe(o.Consumer.Interfaces) {
			table, ok := tableOf(tables, n.SubnetID)
			if !ok {
				continue
			}
			via := routeTo(table, by.from[0].Addr())
			if via == "" {
				r.missing, r.subnet = table.ID, n.SubnetID
				break
			}
			r.found = table.ID + " routes to it through " + via
		}
		out = append(out, r)
	}
	return out
}

// tableOf finds the route table of a subnet: its own, or the VPC's main one.
func tableOf(tables []probes.RouteTable, subnet string) (probes.RouteTable, bool) {
	i := slices.IndexFunc(tables, func(t probes.RouteTable) bool { return slices.Contains(t.SubnetIDs, subnet) })
	if i < 0 {
		i = slices.IndexFunc(tables, func(t probes.RouteTable) bool { return t.Main })
	}
	if i < 0 {
		return probes.RouteTable{}, false
	}
	return tables[i], true
}

// routeTo finds the most specific active route to an address. An internet gateway leads to no private
// address, and what comes from the internet has no way to an endpoint at all.
func routeTo(t probes.RouteTable, to netip.Addr) string {
	best, via := -1, ""
	for _, r := range t.Routes {
		p, err := netip.ParsePrefix(r.CIDR)
		if err == nil && p.Contains(to) && p.Bits() > best && r.State != "blackhole" {
			best, via = p.Bits(), r.Via
		}
	}
	if len(via) > 4 && via[:4] == "igw-" {
		return ""
	}
	return via
}

func fixRoute(o *probes.Observation) Fix {
	f := Fix{
		Text:     "connect the vantage's network to the VPC (peering, a transit gateway, a VPN) and route both ways, or observe from inside the VPC",
		LinkFile: "vantages[].from: a place in the VPC, such as a bastion's SOCKS proxy",
	}
	table, cidr := "ROUTE_TABLE_ID", "CLIENT_CIDR"
	for _, r := range routesBack(o) {
		if r.missing != "" {
			table, cidr = r.missing, r.by.from[0].String()
			break
		}
	}
	f.Command = command(o.Link, ConsumerSide, "ec2", "create-route", "--route-table-id", table, "--destination-cidr-block", cidr, "--transit-gateway-id", "TRANSIT_GATEWAY_ID")
	return f
}

// portConnects says of a port whether the vantage connected to it.
func portConnects(attempts []probes.Attempt, vantage string) func(provision.Port) bool {
	return func(p provision.Port) bool { return connectedFrom(attempts, vantage, p.Port, netip.Addr{}) }
}
