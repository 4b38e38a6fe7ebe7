package lab_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"go.uber.org/goleak"

	"github.com/linkassay/linkassay/provision/lab"
)

// TestLinkCarriesHTTP goes through every interface of a healthy link, and through the regional name.
func TestLinkCarriesHTTP(t *testing.T) {
	t.Parallel()
	v := newLive(t, liveOptions{})
	v.enablePrivateDNS(plPrivateName)
	nodes := v.nodes()
	for z, addr := range v.interfaces() {
		for _, scheme := range []string{"http", "https"} {
			got := v.mustGet(v.vantage(z), scheme, plPrivateName, addr)
			if got["instance"] != v.instances[z] || got["zone"] != z {
				t.Errorf("%s in %s: answered by %s in %s, want %s", scheme, z, got["instance"], got["zone"], v.instances[z])
			}
			remote := netip.MustParseAddrPort(got["remote"]).Addr()
			if remote != nodes[z] {
				t.Errorf("%s in %s: the target saw %s, want the load balancer's node %s", scheme, z, remote, nodes[z])
			}
			if got["host"] != plPrivateName {
				t.Errorf("host %q", got["host"])
			}
		}
	}
	// Another name than the lab's own gets the instance's own certificate.
	var wrong x509.HostnameError
	z := v.zones[0]
	if _, err := v.get(v.vantage(z), "https", v.regional(), v.interfaces()[z]); !errors.As(err, &wrong) {
		t.Errorf("TLS under the AWS-assigned name: %v, want a certificate for another name", err)
	} else if want := ".ap-southeast-1.compute.internal"; !strings.HasSuffix(wrong.Certificate.DNSNames[0], want) {
		t.Errorf("certificate for %v, want one for *%s", wrong.Certificate.DNSNames, want)
	}
}

// nodes are the load balancer's addresses by zone id.
func (v *live) nodes() map[string]netip.Addr {
	v.t.Helper()
	out, err := v.provider.EC2.DescribeNetworkInterfaces(v.ctx, &ec2.DescribeNetworkInterfacesInput{
		Filters: []ec2types.Filter{{Name: aws.String("vpc-id"), Values: []string{v.backVPC}}},
	})
	v.must("describe interfaces", err)
	found := map[string]netip.Addr{}
	for _, i := range out.NetworkInterfaces {
		for z, s := range v.back {
			if s == *i.SubnetId && i.InterfaceType == ec2types.NetworkInterfaceTypeNetworkLoadBalancer {
				found[z] = netip.MustParseAddr(*i.PrivateIpAddress)
			}
		}
	}
	return found
}

func TestConnectionFollowsAcceptance(t *testing.T) {
	t.Parallel()
	v := newLive(t, liveOptions{noAccept: true})
	z := v.zones[0]
	from, addr := v.vantage(z), v.interfaces()[z]
	if got := v.connectBriefly(from, addr, 80); got != "silence" {
		t.Errorf("before acceptance: %s, want silence", got)
	}
	v.accept()
	if got := v.connect(from, addr, 80); got != "open" {
		t.Errorf("available: %s, want open", got)
	}

	// A modification does not stop traffic.
	_, err := v.consumer.EC2.ModifyVpcEndpoint(v.ctx, &ec2.ModifyVpcEndpointInput{VpcEndpointId: v.endpoint.VpcEndpointId, AddSecurityGroupIds: []string{v.makeGroup(v.consumer, v.frontVPC, "more")}})
	v.must("modify", err)
	if got := v.connect(from, addr, 80); got != "open" {
		t.Errorf("pending after a modification: %s, want open", got)
	}
	v.untilState("available")

	open, err := from.DialContext(v.ctx, "tcp", netip.AddrPortFrom(addr, 80).String())
	v.must("dial", err)
	defer open.Close()
	_, err = v.provider.EC2.RejectVpcEndpointConnections(v.ctx, &ec2.RejectVpcEndpointConnectionsInput{ServiceId: v.service.ServiceId, VpcEndpointIds: []string{*v.endpoint.VpcEndpointId}})
	v.must("reject", err)
	if got := v.connectBriefly(from, addr, 80); got != "silence" {
		t.Errorf("rejected: %s, want silence", got)
	}
	v.must("set a deadline", open.SetReadDeadline(time.Now().Add(livePatience)))
	if _, err := open.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("open connection after the rejection: %v, want its end", err)
	}
}

func TestSecurityGroupsDrop(t *testing.T) {
	t.Parallel()
	v := newLive(t, liveOptions{})
	z := v.zones[1]
	from, addr := v.vantage(z), v.interfaces()[z]
	steps := []struct {
		what   string
		change func()
		want   string
	}{
		{"as built", func() {}, "open"},
		{"endpoint group closed", func() { v.revoke(v.consumer, v.endGroup, liveCIDR, 80, 443) }, "silence"},
		{"opened for another port", func() { v.allow(v.consumer, v.endGroup, liveCIDR, 443, 443) }, "silence"},
		{"opened for another network", func() { v.allow(v.consumer, v.endGroup, "10.0.200.0/24", 80, 80) }, "silence"},
		{"opened", func() { v.allow(v.consumer, v.endGroup, "10.0.1.0/24", 80, 80) }, "open"},
		{"targets' group closed", func() { v.revoke(v.provider, v.backGroup, liveCIDR, 0, 65535) }, "silence"},
		{"opened to the node", func() { v.allow(v.provider, v.backGroup, v.nodes()[z].String()+"/32", 80, 80) }, "open"},
	}
	for _, s := range steps {
		s.change()
		got := ""
		if s.want == "silence" {
			got = v.connectBriefly(from, addr, 80)
		} else {
			got = v.connect(from, addr, 80)
		}
		if got != s.want {
			t.Errorf("%s: %s, want %s", s.what, got, s.want)
		}
	}
	if got := v.connectBriefly(from, netip.MustParseAddr("10.0.1.77"), 80); got != "silence" {
		t.Errorf("an address that nobody has: %s, want silence", got)
	}
}

func TestZoneDown(t *testing.T) {
	t.Parallel()
	v := newLive(t, liveOptions{})
	down, up := v.zones[0], v.zones[1]
	at := v.interfaces()
	v.lab.ZoneDown(down, true)
	if got := v.connectBriefly(v.vantage(up), at[down], 80); got != "silence" {
		t.Errorf("interface in the zone: %s, want silence", got)
	}
	if got := v.connectBriefly(v.vantage(down), at[up], 80); got != "silence" {
		t.Errorf("out of the zone: %s, want silence", got)
	}
	if got := v.connect(v.vantage(up), at[up], 80); got != "open" {
		t.Errorf("interface in another zone: %s, want open", got)
	}
	if got := v.addresses(v.vantage(up), v.regional()); slices.Contains(got, at[down]) || len(got) != 2 {
		t.Errorf("regional name: %v, want it without %s", got, at[down])
	}
	v.untilHealth(80, "unhealthy", v.instances[down])
	v.lab.ZoneDown(down, false)
	if got := v.connect(v.vantage(down), at[down], 443); got != "open" && got != "refused" {
		t.Errorf("zone up again: %s", got)
	}
	v.untilHealth(80, "healthy")
	v.untilHealth(443, "healthy")
	if got := v.addresses(v.vantage(up), v.regional()); len(got) != 3 {
		t.Errorf("regional name: %v", got)
	}
}

func TestLatencyAndLoss(t *testing.T) {
	t.Parallel()
	v := newLive(t, liveOptions{})
	z := v.zones[0]
	from, addr := v.vantage(z), v.interfaces()[z]
	const delay = 30 * time.Millisecond
	v.must("latency", v.lab.Latency(v.frontVPC, delay))
	began := time.Now()
	if got := v.connect(from, addr, 80); got != "open" {
		t.Fatalf("with latency: %s", got)
	}
	if took := time.Since(began); took < 2*delay {
		t.Errorf("connected in %s, want at least %s", took, 2*delay)
	}
	v.must("no latency", v.lab.Latency(v.frontVPC, 0))
	v.must("loss", v.lab.Loss(v.frontVPC, 1))
	if got := v.connectBriefly(from, addr, 80); got != "silence" {
		t.Errorf("everything lost: %s", got)
	}
	v.must("no loss", v.lab.Loss(v.frontVPC, 0))
	if got := v.connect(from, addr, 80); got != "open" {
		t.Errorf("nothing lost: %s", got)
	}
	if err := v.lab.Loss("vpc-00000000000000000", 1); err == nil {
		t.Error("loss in a VPC that is not there: no error")
	}
}

func TestServeComment(t *testing.T) {
	t.Parallel()
	v := startLive(t, lab.Options{})
	v.backVPC = v.makeVPC(v.provider, v.back)
	v.backGroup = v.makeGroup(v.provider, v.backVPC, "targets")
	v.allow(v.provider, v.backGroup, liveCIDR, 0, 65535)
	z := v.zones[0]
	id := v.makeInstance(z, "#!/bin/sh\n#linkassay:serve http=8000 https=9000\n")
	out, err := v.provider.EC2.DescribeInstances(v.ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
	v.must("describe", err)
	addr := netip.MustParseAddr(*out.Reservations[0].Instances[0].PrivateIpAddress)
	from, err := v.lab.Vantage(v.back[z])
	v.must("vantage", err)
	for port, want := range map[int]string{8000: "open", 9000: "open", 80: "refused", 443: "refused"} {
		if got := v.connect(from, addr, port); got != want {
			t.Errorf("port %d: %s, want %s", port, got, want)
		}
	}
	_, err = v.provider.EC2.TerminateInstances(v.ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{id}})
	v.must("terminate", err)
	v.until("nobody is at the address", func() bool { return v.connectBriefly(from, addr, 8000) == "silence" })
}

// TestTwoLabsSideBySide: the same names and addresses in one process, and nothing in common.
func TestTwoLabsSideBySide(t *testing.T) {
	t.Parallel()
	a, b := newLive(t, liveOptions{}), newLive(t, liveOptions{})
	for _, v := range []*live{a, b} {
		z := v.zones[0]
		got := v.mustGet(v.vantage(z), "http", "x.example", v.interfaces()[z])
		if got["instance"] != v.instances[z] {
			t.Errorf("answered by %s, want %s", got["instance"], v.instances[z])
		}
	}
	z := a.zones[0]
	if got := a.addresses(a.vantage(z), b.regional()); len(got) != 0 {
		t.Errorf("one lab knows the other's name: %v", got)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(a.lab.CA())
	c, err := b.vantage(z).DialContext(b.ctx, "tcp", netip.AddrPortFrom(b.interfaces()[z], 443).String())
	b.must("dial", err)
	defer c.Close()
	var unknown x509.UnknownAuthorityError
	if err := tls.Client(c, &tls.Config{RootCAs: roots, ServerName: "www.chartsinvestor.com"}).HandshakeContext(b.ctx); !errors.As(err, &unknown) {
		t.Errorf("one lab's CA and the other's server: %v, want an unknown authority", err)
	}
}

// TestCloseEndsEverything closes a lab under open flows and running health checks.
func TestCloseEndsEverything(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		began := time.Now()
		l, err := lab.Start(ctx, lab.Options{Timing: liveTiming()})
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("started in %s, want under a second", took)
		}
		v := useLive(t, ctx, l)
		v.build(liveOptions{})
		z := v.zones[0]
		from, addr := v.vantage(z), v.interfaces()[z]
		for range 20 {
			c, err := from.DialContext(ctx, "tcp", netip.AddrPortFrom(addr, 80).String())
			v.must("dial", err)
			defer c.Close()
			_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			v.must("ask", err)
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			v.must("answer", err)
			v.must("close the body", resp.Body.Close())
		}
		v.provider.Close()
		v.consumer.Close()
		began = time.Now()
		v.must("close", l.Close())
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("closed in %s", took)
		}
		if _, err := from.DialContext(ctx, "tcp", netip.AddrPortFrom(addr, 80).String()); err == nil {
			t.Error("a connection in a closed lab")
		}
	}()
	goleak.VerifyNone(t, ignore)
}
