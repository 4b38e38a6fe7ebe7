package suites

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
)

// The healthy link that every fixture starts from: three zones, HTTP on 80, HTTPS on 443, one
// vantage in the consumer's VPC and one that must not get through.
const (
	name       = "api-svc.intra.chartsinvestor.com"
	serviceID  = "vpce-svc-071afff70666e61e0"
	service    = "com.amazonaws.vpce.ap-southeast-1." + serviceID
	endpointID = "vpce-06da68c605432752f"
	base       = "." + serviceID + ".ap-southeast-1.vpce.amazonaws.com"
	regional   = endpointID + "-1zrggw92" + base
	lbARN      = "arn:aws:elasticloadbalancing:ap-southeast-1:111111111111:loadbalancer/net/orders/50dc6c495c0c9188"
	inside     = "subnet-a"
	outside    = "internet"
	txtLabel   = "_6e86v84tqgqubxbwii1m"
	txtValue   = "vpce:l6p0ERxlTt45jevFwOCp"
)

var (
	start = time.Date(2026, 9, 1, 8, 30, 0, 0, time.UTC)
	zones = []string{"apse1-az1", "apse1-az2", "apse1-az3"}
)

// zoneName is the consumer's name of a zone; the provider's names are the other way round.
func zoneName(i int) string { return "ap-southeast-1" + string("bca"[i]) }

func zonal(i int) string { return endpointID + "-1zrggw92-" + zoneName(i) + base }

func address(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i + 1), 10}) }

func item[T any](v T) *probes.Item[T] {
	return &probes.Item[T]{Started: start, Duration: 12 * time.Millisecond, Value: v}
}

func absent[T any](it **probes.Item[T], why probes.Absence) { *it = &probes.Item[T]{Absent: why} }

// healthy makes a new Observation of the healthy link.
func healthy() *probes.Observation {
	o := &probes.Observation{Format: probes.Format, Started: start, Finished: start.Add(700 * time.Millisecond), Link: link()}
	provider(o)
	consumer(o)
	dns(o)
	names(o)
	families(o)
	reach(o)
	namedSubnets(o)
	path(o)
	identities(o)
	silences(o)
	return o
}

func link() provision.Link {
	return provision.Link{
		Name: "orders", Region: "ap-southeast-1", PrivateDNSName: name,
		Provider: provision.Provider{
			Party:     provision.Party{Access: provision.AccessAPI, Account: "111111111111", Profile: "provider"},
			ServiceID: serviceID,
		},
		Consumer: provision.Consumer{
			Party:      provision.Party{Access: provision.AccessAPI, Account: "222222222222", Profile: "consumer"},
			EndpointID: endpointID,
		},
		Ports: []provision.Port{
			{Port: 80, HTTP: &provision.HTTP{Path: "/"}},
			{Port: 443, TLS: &provision.TLS{CA: "ca.pem"}, HTTP: &provision.HTTP{Path: "/", Body: "hello"}},
		},
		Vantages: []provision.Vantage{
			{Name: inside, From: "socks5://127.0.0.1:1080", Zone: zones[0]},
			{Name: outside, From: "socks5://127.0.0.1:1081", Expect: provision.ExpectTimeout},
		},
	}
}

func provider(o *probes.Observation) {
	p := &o.Provider
	p.Identity = item(probes.Identity{Account: "111111111111", ARN: "arn:aws:sts::111111111111:assumed-role/Ops/ci"})
	p.Service = item(probes.Service{
		Found: true, ID: serviceID, Name: service, Type: "Interface", State: "Available", ZoneIDs: zones, AcceptanceRequired: true,
		LoadBalancerARNs: []string{lbARN}, PrivateDNSName: name,
		Verification: &probes.Verification{State: "verified", Type: "TXT", Name: txtLabel, Value: txtValue},
	})
	p.Permissions = item([]probes.Principal{
		{Type: "Account", ARN: "arn:aws:iam::333333333333:root"}, {Type: "Account", ARN: "arn:aws:iam::222222222222:root"},
	})
	p.Connections = item([]probes.Connection{{EndpointID: endpointID, EndpointOwner: "222222222222", State: "available", Created: start}})
	lb := probes.LoadBalancer{ARN: lbARN, Name: "orders", Type: "network", Scheme: "internal", State: "active"}
	var zs []probes.Zone
	var health []probes.TargetHealth
	for i, z := range zones {
		zs = append(zs, probes.Zone{Name: "ap-southeast-1" + string("abc"[i]), ID: z, State: "available"})
		lb.Zones = append(lb.Zones, probes.LoadBalancerZone{ZoneName: zs[i].Name, ZoneID: z, SubnetID: fmt.Sprintf("subnet-0%d", i)})
		for _, group := range []string{"tg/http", "tg/https"} {
			health = append(health, probes.TargetHealth{TargetGroupARN: group, TargetID: fmt.Sprintf("i-0%d", i), Port: map[string]uint16{"tg/http": 80, "tg/https": 443}[group], ZoneID: z, State: "healthy"})
		}
	}
	p.Zones = item(zs)
	p.LoadBalancers = item([]probes.LoadBalancer{lb})
	p.Listeners = item([]probes.Listener{
		{ARN: "l/80", LoadBalancerARN: lbARN, Port: 80, Protocol: "TCP", TargetGroupARNs: []string{"tg/http"}},
		{ARN: "l/443", LoadBalancerARN: lbARN, Port: 443, Protocol: "TCP", TargetGroupARNs: []string{"tg/https"}},
	})
	p.TargetGroups = item([]probes.TargetGroup{{ARN: "tg/http", Port: 80, CrossZone: "use_load_balancer_configuration"}, {ARN: "tg/https", Port: 443}})
	p.TargetHealth = item(health)
	p.SecurityGroups = item([]probes.SecurityGroup(nil))
}

func consumer(o *probes.Observation) {
	c := &o.Consumer
	c.Identity = item(probes.Identity{Account: "222222222222", ARN: "arn:aws:sts::222222222222:assumed-role/App/ci"})
	c.Service = item(probes.ServiceDetail{
		Visible: true, Name: service, ID: serviceID, Owner: "111111111111", Type: "Interface", ZoneIDs: zones,
		AcceptanceRequired: true, PrivateDNSName: name, VerificationState: "verified",
	})
	e := probes.Endpoint{
		Found: true, ID: endpointID, Type: "Interface", VPCID: "vpc-0aa", ServiceName: service, State: "available", PrivateDNSEnabled: true,
		SecurityGroupIDs: []string{"sg-0e"}, RegionalName: regional, OtherNames: []string{name}, Created: start,
	}
	var zs []probes.Zone
	var interfaces []probes.Interface
	var subnets []probes.Subnet
	for i, z := range zones {
		subnet, eni := fmt.Sprintf("subnet-1%d", i), fmt.Sprintf("eni-1%d", i)
		zs = append(zs, probes.Zone{Name: zoneName(i), ID: z, State: "available"})
		interfaces = append(interfaces, probes.Interface{ID: eni, SubnetID: subnet, VPCID: "vpc-0aa", ZoneName: zoneName(i), ZoneID: z, Status: "in-use", IPs: []netip.Addr{address(i)}})
		subnets = append(subnets, probes.Subnet{ID: subnet, VPCID: "vpc-0aa", CIDR: fmt.Sprintf("10.0.%d.0/24", i+1), ZoneName: zoneName(i), ZoneID: z, FreeIPs: 200})
		e.SubnetIDs, e.InterfaceIDs, e.ZonalNames = append(e.SubnetIDs, subnet), append(e.InterfaceIDs, eni), append(e.ZonalNames, zonal(i))
	}
	c.Zones, c.Endpoint, c.Interfaces, c.Subnets = item(zs), item(e), item(interfaces), item(subnets)
	c.VPC = item(probes.VPC{ID: "vpc-0aa", CIDRs: []string{"10.0.0.0/16"}, DNSSupport: true, DNSHostnames: true})
	c.SecurityGroups = item([]probes.SecurityGroup{{ID: "sg-0e", VPCID: "vpc-0aa", Ingress: []probes.SecurityGroupRule{
		{Protocol: "tcp", FromPort: 80, ToPort: 80, CIDR: "10.0.0.0/16"}, {Protocol: "tcp", FromPort: 443, ToPort: 443, CIDR: "10.0.0.0/16"},
	}}})
	c.HostedZones = item([]probes.HostedZone{{ID: "/hostedzone/Z06320943MMOWYG6MAVL9", Name: name + ".", OwningService: "vpce.amazonaws.com"}})
}

func dns(o *probes.Observation) {
	all := []netip.Addr{address(0), address(1), address(2)}
	var private, reg, zon []probes.Lookup
	for _, v := range []string{inside, outside} {
		if v == inside {
			private = append(private, lookup(v, name, "A", all, regional), lookup(v, name, "AAAA", nil))
		} else {
			private = append(private, failedLookup(v, name, probes.NXDomain))
		}
		reg = append(reg, lookup(v, regional, "A", all), lookup(v, regional, "AAAA", nil))
		for i := range zones {
			zon = append(zon, lookup(v, zonal(i), "A", all[i:i+1]))
		}
	}
	o.DNS.Private, o.DNS.Regional, o.DNS.Zonal = item(private), item(reg), item(zon)
	t := probes.TXT{Domain: name, Label: txtLabel, Want: txtValue}
	zone := probes.ServersOf{Zone: "chartsinvestor.com"}
	for i := range 4 {
		zone.Servers = append(zone.Servers, probes.Server{Name: fmt.Sprintf("ns-%d.awsdns-0%d.com", i, i), Addr: netip.AddrFrom4([4]byte{205, 251, 192, byte(i + 1)})})
	}
	t.Zones = []probes.ServersOf{{Zone: ".", Servers: []probes.Server{{Name: "a.root-servers.net", Addr: netip.MustParseAddr("198.41.0.4")}}}, zone}
	for _, owner := range []string{txtLabel + "." + name, txtLabel + ".intra.chartsinvestor.com"} {
		for _, s := range zone.Servers {
			q := probes.TXTQuestion{Owner: owner, Lookup: failedLookup("local", owner, probes.NXDomain)}
			if owner == txtLabel+"."+name {
				q.Lookup = probes.Lookup{Vantage: "local", Name: owner, Outcome: probes.OK, RCode: "NOERROR", Texts: []string{txtValue}, TTL: 1800}
			}
			q.Type, q.Server, q.Auth = "TXT", netip.AddrPortFrom(s.Addr, 53), true
			t.Asked = append(t.Asked, q)
		}
	}
	o.DNS.TXT = item(t)
}

func lookup(vantage, name, kind string, addrs []netip.Addr, chain ...string) probes.Lookup {
	l := probes.Lookup{
		Vantage: vantage, Name: name, Type: kind, Server: netip.MustParseAddrPort("10.0.0.2:53"), Transport: "tcp", Started: start,
		Duration: 2 * time.Millisecond, Attempts: 1, Outcome: probes.OK, RCode: "NOERROR", Chain: chain, Addrs: addrs, TTL: 60,
	}
	if len(addrs) == 0 {
		l.Outcome = probes.NoData
	}
	return l
}

func failedLookup(vantage, name string, outcome probes.Outcome) probes.Lookup {
	l := lookup(vantage, name, "A", nil)
	l.Outcome, l.RCode = outcome, ""
	switch outcome {
	case probes.NXDomain, probes.ServFail, probes.DNSRefused:
		l.RCode = string(outcome)
	}
	return l
}

// reach makes the connections that follow from the lookups and the interfaces.
func reach(o *probes.Observation) {
	var tcp []probes.Attempt
	var tls []probes.Handshake
	var http, large []probes.Exchange
	yes := true
	for _, v := range []string{inside, outside} {
		for _, d := range dialled(o, v) {
			for _, port := range []uint16{80, 443} {
				addr := netip.AddrPortFrom(d.addr, port)
				try := probes.Try{Started: start, Duration: time.Millisecond, Outcome: probes.OK}
				if v == outside {
					try.Outcome, try.Duration = probes.TimedOut, 3*time.Second
				}
				tcp = append(tcp, probes.Attempt{Vantage: v, Target: d.Target, Addr: addr, Tries: []probes.Try{try}})
				if v == outside {
					continue
				}
				x := probes.Exchange{Vantage: v, Target: d.Target, Addr: addr, Method: "GET", URL: "http://" + name + "/", Try: try, Status: 200, BodyBytes: 6}
				if port == 443 {
					tls = append(tls, probes.Handshake{Vantage: v, Target: d.Target, Addr: addr, ServerName: name, Try: try, Version: "TLS 1.3", Chain: chain()})
					x.URL, x.BodyMatched = "https://"+name+"/", &yes
				}
				http = append(http, x)
				if d.Kind == probes.TargetInterface && port == 80 {
					large = append(large, x)
				}
			}
		}
	}
	o.Reach.TCP, o.Reach.TLS, o.Reach.HTTP, o.Reach.Large = item(tcp), item(tls), item(http), item(large)
}

type dial struct {
	probes.Target
	addr netip.Addr
}

func dialled(o *probes.Observation, vantage string) []dial {
	var out []dial
	for _, n := range o.Consumer.Interfaces.Value {
		for _, ip := range n.IPs {
			out = append(out, dial{probes.Target{Kind: probes.TargetInterface, ZoneID: n.ZoneID}, ip})
		}
	}
	byName := func(kind probes.TargetKind, lookups []probes.Lookup) {
		for _, l := range lookups {
			if l.Vantage != vantage {
				continue
			}
			for _, a := range l.Addrs {
				t := probes.Target{Kind: kind, Name: l.Name}
				if kind == probes.TargetZonal {
					for _, n := range o.Consumer.Interfaces.Value {
						if strings.Contains(l.Name, n.ZoneName) {
							t.ZoneID = n.ZoneID
						}
					}
				}
				out = append(out, dial{t, a})
			}
		}
	}
	byName(probes.TargetPrivate, o.DNS.Private.Value)
	byName(probes.TargetRegional, o.DNS.Regional.Value)
	byName(probes.TargetZonal, o.DNS.Zonal.Value)
	return out
}

func chain() []probes.Certificate {
	return []probes.Certificate{{
		Subject: "CN=" + name, Issuer: "CN=linkassay lab", DNSNames: []string{name}, NotBefore: start.Add(-time.Hour), NotAfter: start.AddDate(0, 3, 0), SHA256: strings.Repeat("ab", 32),
	}}
}

// Mutations, as a fault looks in the items that it touches.

func setTCP(o *probes.Observation, f func(a probes.Attempt) probes.Outcome) {
	for i := range o.Reach.TCP.Value {
		a := &o.Reach.TCP.Value[i]
		if a.Vantage == inside {
			a.Tries[0].Outcome = f(*a)
		}
	}
	// What can't connect can't speak either.
	for i := range o.Reach.TLS.Value {
		h := &o.Reach.TLS.Value[i]
		if out := f(probes.Attempt{Vantage: h.Vantage, Target: h.Target, Addr: h.Addr}); out != probes.OK {
			h.Outcome, h.Chain = out, nil
		}
	}
	for i := range o.Reach.HTTP.Value {
		x := &o.Reach.HTTP.Value[i]
		if out := f(probes.Attempt{Vantage: x.Vantage, Target: x.Target, Addr: x.Addr}); out != probes.OK {
			x.Outcome, x.Status, x.BodyMatched = out, 0, nil
		}
	}
}

func allTCP(o *probes.Observation, outcome probes.Outcome) {
	setTCP(o, func(probes.Attempt) probes.Outcome { return outcome })
}

// setDNS replaces what the inside vantage's resolver says of names.
func setDNS(it *probes.Item[[]probes.Lookup], f func(l probes.Lookup) probes.Lookup) {
	for i, l := range it.Value {
		if l.Vantage == inside {
			it.Value[i] = f(l)
		}
	}
}

func nxdomain(l probes.Lookup) probes.Lookup { return failedLookup(l.Vantage, l.Name, probes.NXDomain) }

// noPrivateName is what follows where the private name does not lead to the endpoint.
func noPrivateName(o *probes.Observation) {
	setDNS(o.DNS.Private, nxdomain)
	reach(o)
}

func setTXT(o *probes.Observation, f func(q *probes.TXTQuestion)) {
	for i := range o.DNS.TXT.Value.Asked {
		f(&o.DNS.TXT.Value.Asked[i])
	}
}

func withoutTXT(q *probes.TXTQuestion) {
	if q.Outcome == probes.OK {
		q.Outcome, q.RCode, q.Texts = probes.NXDomain, "NXDOMAIN", nil
	}
}

func unverified(o *probes.Observation, state string) {
	o.Provider.Service.Value.Verification.State = state
	o.Consumer.Service.Value.VerificationState = state
	o.Consumer.Endpoint.Value.PrivateDNSEnabled = false
	o.Consumer.Endpoint.Value.OtherNames = nil
	o.Consumer.HostedZones.Value = nil
	noPrivateName(o)
}

func unhealthy(o *probes.Observation, reason string, zones ...string) {
	for i := range o.Provider.TargetHealth.Value {
		h := &o.Provider.TargetHealth.Value[i]
		if len(zones) == 0 || h.ZoneID == zones[0] {
			h.State, h.Reason = "unhealthy", reason
		}
	}
}

func state(o *probes.Observation, s string) {
	o.Consumer.Endpoint.Value.State = s
	o.Provider.Connections.Value[0].State = s
	o.Consumer.Endpoint.Value.PrivateDNSEnabled = false
	o.Consumer.Endpoint.Value.OtherNames = nil
	o.Consumer.HostedZones.Value = nil
	noPrivateName(o)
	allTCP(o, probes.TimedOut)
}
