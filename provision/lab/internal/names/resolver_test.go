package names

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"github.com/linkassay/linkassay/provision/lab/internal/network"
)

var (
	vpcClient = netip.MustParseAddr("10.0.1.50")
	vpcBase2  = netip.MustParseAddr("10.0.0.2")
	linkLocal = netip.MustParseAddr("169.254.169.253")
)

// newVPC is a network with a client and a resolver that recurses in the internet.
func newVPC(t testing.TB, recurse func(context.Context, dns.Question) (*dns.Msg, error)) (*network.Net, *Resolver) {
	t.Helper()
	n, err := network.New(network.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	for _, a := range []netip.Addr{vpcClient, vpcBase2} {
		if err := n.AddAddr(a); err != nil {
			t.Fatal(err)
		}
	}
	r, err := NewResolver(n, []netip.Addr{vpcBase2, linkLocal}, recurse)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return n, r
}

func TestResolver(t *testing.T) {
	t.Parallel()
	i := newInternet(t)
	publish(t, i, "chartsinvestor.com",
		"www.chartsinvestor.com. 60 IN A 192.0.2.80",
		"api-svc.intra.chartsinvestor.com. 60 IN A 192.0.2.81",
		"other.intra.chartsinvestor.com. 60 IN A 192.0.2.82",
		"into.chartsinvestor.com. 60 IN CNAME api-svc.intra.chartsinvestor.com.",
	)
	n, r := newVPC(t, i.Recurse)
	regional := "vpce-0abc.vpce-svc-0def.ap-southeast-1.vpce.amazonaws.com."
	assigned := NewZone("vpce-svc-0def.ap-southeast-1.vpce.amazonaws.com", nil)
	put(t, assigned, regional+" 60 IN A 10.0.1.100", regional+" 60 IN A 10.0.2.100")
	private := NewZone("api-svc.intra.chartsinvestor.com", nil)
	put(t, private, "api-svc.intra.chartsinvestor.com. 60 IN CNAME "+regional)
	hosted := NewZone("intra.chartsinvestor.com", nil)
	put(t, hosted,
		"db.intra.chartsinvestor.com. 60 IN A 10.0.3.3",
		"public.intra.chartsinvestor.com. 60 IN CNAME www.chartsinvestor.com.",
		"round.intra.chartsinvestor.com. 60 IN CNAME round.intra.chartsinvestor.com.",
	)
	d := n.Dialer(vpcClient)
	check := func(name string, rcode int, want string) {
		t.Helper()
		for _, proto := range []string{"udp", "tcp"} {
			m := ask(t, d, proto, vpcBase2, name, dns.TypeA, 1232)
			if m.Rcode != rcode || brief(m.Answer) != want || !m.RecursionAvailable {
				t.Errorf("%s over %s:\n%v\nwant %s %q", name, proto, m, dns.RcodeToString[rcode], want)
			}
		}
	}
	// Without private zones everything is public.
	check("api-svc.intra.chartsinvestor.com", dns.RcodeSuccess, "api-svc.intra.chartsinvestor.com. A 192.0.2.81")
	check("nowhere.chartsinvestor.com", dns.RcodeNameError, "")

	r.SetPrivate([]*Zone{hosted, assigned, private})
	viaEndpoint := "api-svc.intra.chartsinvestor.com. CNAME " + regional + "; " + regional + " A 10.0.1.100; " + regional + " A 10.0.2.100"
	check("API-svc.intra.chartsinvestor.com", dns.RcodeSuccess, viaEndpoint)
	check("db.intra.chartsinvestor.com", dns.RcodeSuccess, "db.intra.chartsinvestor.com. A 10.0.3.3")
	check("other.intra.chartsinvestor.com", dns.RcodeNameError, "") // shadowed
	check("www.chartsinvestor.com", dns.RcodeSuccess, "www.chartsinvestor.com. A 192.0.2.80")
	check("public.intra.chartsinvestor.com", dns.RcodeSuccess,
		"public.intra.chartsinvestor.com. CNAME www.chartsinvestor.com.; www.chartsinvestor.com. A 192.0.2.80")
	check("into.chartsinvestor.com", dns.RcodeSuccess, "into.chartsinvestor.com. CNAME api-svc.intra.chartsinvestor.com.; "+viaEndpoint)
	check("round.intra.chartsinvestor.com", dns.RcodeServerFailure, "")

	// The other address gives the same answers.
	if m := ask(t, d, "udp", linkLocal, "db.intra.chartsinvestor.com", dns.TypeA, 0); brief(m.Answer) != "db.intra.chartsinvestor.com. A 10.0.3.3" {
		t.Errorf("%v", m)
	}
	// A lying resolver; and the truth is whole again afterwards.
	r.SetTamper(func(q dns.Question, m *dns.Msg) {
		if strings.HasPrefix(q.Name, "db.") {
			m.Answer[0].(*dns.A).A = []byte{10, 66, 66, 66}
		}
	})
	check("db.intra.chartsinvestor.com", dns.RcodeSuccess, "db.intra.chartsinvestor.com. A 10.66.66.66")
	r.SetTamper(nil)
	check("db.intra.chartsinvestor.com", dns.RcodeSuccess, "db.intra.chartsinvestor.com. A 10.0.3.3")
	r.SetPrivate(nil)
	check("other.intra.chartsinvestor.com", dns.RcodeSuccess, "other.intra.chartsinvestor.com. A 192.0.2.82")
}

func TestResolverFailures(t *testing.T) {
	t.Parallel()
	n, r := newVPC(t, func(context.Context, dns.Question) (*dns.Msg, error) { return nil, errors.New("nothing out there") })
	if m := ask(t, n.Dialer(vpcClient), "udp", vpcBase2, "example.com", dns.TypeA, 0); m.Rcode != dns.RcodeServerFailure || !m.RecursionAvailable {
		t.Errorf("%v", m)
	}
	if _, err := NewResolver(n, []netip.Addr{vpcBase2}, nil); err == nil {
		t.Error("two resolvers on one address")
	}
	r.Close()
	if n.HasAddr(linkLocal) || !n.HasAddr(vpcBase2) {
		t.Error("Close must take away the addresses that the resolver added, and no others")
	}
	again, err := NewResolver(n, []netip.Addr{vpcBase2, linkLocal}, nil)
	if err != nil {
		t.Fatalf("a new resolver after Close: %v", err)
	}
	again.Close()
}

// The resolver closes while questions hang in recursion: they end with it.
func TestResolverCloseEndsRecursion(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{})
	var once sync.Once
	n, r := newVPC(t, func(ctx context.Context, _ dns.Question) (*dns.Msg, error) {
		once.Do(func() { close(entered) })
		<-ctx.Done()
		return nil, ctx.Err()
	})
	c, err := n.Dialer(vpcClient).DialContext(within(t, patience), "tcp", netip.AddrPortFrom(vpcBase2, 53).String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := (&dns.Conn{Conn: c}).WriteMsg(new(dns.Msg).SetQuestion("example.com.", dns.TypeA)); err != nil {
		t.Fatal(err)
	}
	<-entered
	r.Close()
}

// A network that closes first must not make its resolver hang.
func TestResolverAfterItsNetwork(t *testing.T) {
	t.Parallel()
	n, r := newVPC(t, nil)
	n.Close()
	r.Close()
}
