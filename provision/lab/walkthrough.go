package lab

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/awsapi"
	"github.com/linkassay/linkassay/provision/lab/internal/names"
)

// LinkName and PrivateDNSName are those of the walk-through's link.
const (
	LinkName       = "charts-api"
	PrivateDNSName = "api-svc.intra.chartsinvestor.com"
)

// caName stands for the lab's CA certificate in links that never leave the process; see ReadFile.
const caName = "lab:ca.pem"

// Link is the walk-through's link between the lab's first two accounts: three zones, HTTP on 80 and
// HTTPS on 443, and the same CIDR block on both sides, to show that they may overlap. It has no
// vantages; in the process they come from Vantage, outside of it through SOCKS.
func (l *Lab) Link() provision.Link {
	provider, consumer := l.opts.Accounts[0], l.opts.Accounts[1]
	link := provision.Link{
		Name: LinkName, Region: l.opts.Region, PrivateDNSName: PrivateDNSName,
		Provider: provision.Provider{
			Party: provision.Party{Account: provider.ID, Profile: provider.Profile},
			Build: &provision.ProviderBuild{CIDR: "10.0.0.0/16"},
		},
		Consumer: provision.Consumer{
			Party: provision.Party{Account: consumer.ID, Profile: consumer.Profile},
			Build: &provision.ConsumerBuild{CIDR: "10.0.0.0/16"},
		},
		Ports: []provision.Port{
			{Port: 80, HTTP: &provision.HTTP{Path: "/", Body: "linkassay target"}},
			{Port: 443, TLS: &provision.TLS{CA: caName}, HTTP: &provision.HTTP{Path: "/", Body: "linkassay target"}},
		},
	}
	if l.opts.Link != nil {
		l.opts.Link(&link)
	}
	return link
}

// HurryIdle makes the lab forget silent connections after d instead of AWS's 350 s, each listener's own idle timeout in
// proportion, and lets the link file say so.
func (o *Options) HurryIdle(d time.Duration) {
	o.Timing = o.filled().Timing
	o.Timing.IdleScale = float64(defaultIdleTimeout) / float64(d)
	o.change(func(l *provision.Link) { l.Timeouts.Idle = provision.Duration(d) })
}

// Believed is the link as its link file has it: Link, unless a fault made the file wrong.
func (l *Lab) Believed() provision.Link {
	link := l.Link()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, change := range l.believes {
		change(&link)
	}
	return link
}

func (l *Lab) believe(change func(*provision.Link)) {
	if change == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.believes = append(l.believes, change)
}

// LinkFile is the walk-through's link file for other processes: the lab's profiles, its CA in dir,
// and its SOCKS listeners as vantages.
func (l *Lab) LinkFile(dir string) ([]byte, error) {
	link := l.Believed()
	for i := range link.Ports {
		if link.Ports[i].TLS != nil {
			link.Ports[i].TLS.CA = filepath.Join(dir, "ca.pem")
		}
	}
	listeners := l.SOCKS()
	slices.SortStableFunc(listeners, func(a, b SOCKSListener) int { return cmp.Compare(a.Zone, b.Zone) })
	oldest := l.Subnets(link.Consumer.Account)
	for _, s := range listeners {
		switch {
		case s.Zone == Internet:
			link.PublicDNS.From = "socks5://" + s.Addr
		case s.Account == link.Consumer.Account && (s.SubnetID == "" || slices.Contains(oldest, Subnet{s.SubnetID, s.Zone})):
			link.Vantages = append(link.Vantages, provision.Vantage{Name: "consumer-" + s.Zone, From: "socks5://" + s.Addr, Zone: s.Zone})
		}
	}
	for i := range link.Vantages {
		for _, s := range listeners {
			if from := link.Vantages[i].From; from == FromInternet && s.Zone == Internet || from == FromClient && s.SubnetID != "" && len(oldest) > 0 && s.SubnetID == oldest[0].ID {
				link.Vantages[i].From = "socks5://" + s.Addr
			}
		}
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# The walk-through's link in the lab at %s.\n# Its SOCKS vantages work as long as that lab runs.\n", l.URL())
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(provision.File{APIVersion: provision.APIVersion, Links: []provision.Link{link}}); err != nil {
		return nil, fmt.Errorf("write the lab's link file: %w", err)
	}
	return b.Bytes(), e.Close()
}

// Open gets into one of the lab's accounts with its own key, and from there into the party's role. It takes the place of
// provision.OpenParty where the lab is in the same process.
func (l *Lab) Open(ctx context.Context, p provision.Party, region string) (*awsapi.Clients, error) {
	for _, a := range l.opts.Accounts {
		if a.ID != p.Account {
			continue
		}
		id, secret, ok := l.Credentials(a.Profile)
		if !ok {
			break
		}
		access := awsapi.Access{Region: region}
		if p.Role != nil {
			access.RoleARN, access.ExternalID = p.Role.ARN, p.Role.ExternalID
		}
		return awsapi.Open(ctx, access, awsapi.WithStatic(l.URL(), id, secret))
	}
	return nil, fmt.Errorf("open account %s: the lab has no such account", p.Account)
}

// ReadFile gives the lab's CA under the name that Link uses for it.
func (l *Lab) ReadFile(name string) ([]byte, error) {
	if name == caName {
		return l.CA(), nil
	}
	return nil, fmt.Errorf("read %s: the lab has only %s", name, caName)
}

// Subnet is one subnet of an account, for choosing vantages.
type Subnet struct {
	ID     string
	ZoneID string
}

// Subnets lists the subnets of an account that vantages stand in: in each zone the oldest, by zone id.
func (l *Lab) Subnets(account string) []Subnet {
	l.world.mu.RLock()
	defer l.world.mu.RUnlock()
	var own []*subnet
	for _, s := range l.world.subnets {
		if s.account == account {
			own = append(own, s)
		}
	}
	slices.SortFunc(own, func(a, b *subnet) int {
		return cmp.Or(cmp.Compare(a.zoneID, b.zoneID), a.created.Compare(b.created), cmp.Compare(a.id, b.id))
	})
	own = slices.CompactFunc(own, func(a, b *subnet) bool { return a.zoneID == b.zoneID })
	var out []Subnet
	for _, s := range own {
		out = append(out, Subnet{ID: s.id, ZoneID: s.zoneID})
	}
	return out
}

// Provision builds the walk-through's link and returns it with its ids, once its private DNS name answers: AWS says
// that an endpoint is available some time before that.
func (l *Lab) Provision(ctx context.Context, progress func(provision.Event)) (provision.Link, error) {
	link := l.Link()
	sides, err := provision.Open(ctx, &link, l.Open)
	if err != nil {
		return link, err
	}
	built, err := provision.Apply(ctx, &link, sides, provision.Options{Progress: progress})
	if err != nil {
		return built, err
	}
	return built, l.untilNamed(ctx, built.Consumer.EndpointID)
}

// untilNamed waits until the VPC's resolver has the zone of the endpoint's private DNS name, where it is to have one.
func (l *Lab) untilNamed(ctx context.Context, endpointID string) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !l.named(endpointID) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until the private DNS name of %s answers: %w", endpointID, ctx.Err())
		case <-tick.C:
		}
	}
	return nil
}

func (l *Lab) named(endpointID string) bool {
	w := l.world
	w.mu.RLock()
	defer w.mu.RUnlock()
	e := w.endpoints[endpointID]
	if e == nil {
		return true
	}
	name, v, n := w.privateNameOf(e), w.vpcs[e.vpc], l.plane.networks[e.vpc]
	if name == "" || v == nil || n == nil || !v.dnsSupport || !v.dnsHostnames || !e.inState(endpointAvailable) {
		return true
	}
	origin := fqdn(strings.TrimPrefix(name, "*."))
	return slices.ContainsFunc(n.private, func(z *names.Zone) bool { return z.Origin() == origin })
}
