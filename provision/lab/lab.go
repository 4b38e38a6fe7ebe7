// Package lab is an AWS with PrivateLink in one process: several accounts behind one loopback
// port that speaks the real wire protocols, VPCs that are userspace TCP/IP stacks with real
// packets, and an internet with a DNS root. It needs no root, no container and no network.
//
// What the control plane says and what the data plane does come from one model (world): revoke a
// security group rule through the API, and packets drop.
package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

const defaultRegion = "ap-southeast-1"

// Options say what lab to start. The zero value is a good lab.
type Options struct {
	// Listen is the loopback address of the AWS API; default 127.0.0.1:0. A host that is not
	// loopback is refused.
	Listen string
	// Accounts exist from the start; default DefaultAccounts.
	Accounts []Account
	// Region is where default zones and profiles point; default ap-southeast-1.
	Region string
	// Timing sets how long AWS takes for things; default Brisk.
	Timing Timing
	// EndpointsPerVPC is the quota of interface endpoints in a VPC (L-29B6F2EB); default 50.
	EndpointsPerVPC int
	// EndpointPolicies lets endpoints to customers' services have policies. Whether AWS's do is UNSOURCED;
	// they do nothing to packets.
	EndpointPolicies bool
	// ControlPlane leaves out the networks of VPCs, for accounts with many thousand endpoints: no packets, no resolvers, no
	// health checks. The API and the internet's public DNS are as ever.
	ControlPlane bool
	// Link changes the walk-through's link before it is built; nil changes nothing.
	Link func(*provision.Link)
	// Seed makes ids, keys and zone mappings repeatable; 0 takes a random one.
	Seed uint64
	// Log gets one line per event; default discards.
	Log *slog.Logger
}

// Account is one AWS account of the lab.
type Account struct {
	Profile string // the name in the AWS configuration files that WriteDir makes
	ID      string // 12 digits
	// Domain is a public hosted zone that the account has from the start, registered at its
	// parent; empty for none.
	Domain string
	// Roles can be assumed with sts:AssumeRole.
	Roles []Role
	// Policies are the identity policies of the account's user, as IAM takes them (JSON); without one it
	// may do everything in its account.
	Policies []string
}

// Role is an IAM role of an account.
type Role struct {
	Name       string
	Path       string   // default "/"
	ExternalID string   // asked for when not empty
	Trusts     []string // account ids or ARNs that may assume it; empty: any account of the lab
	// Policies are the role's identity policies, as IAM takes them (JSON); without one it may do everything
	// in its account.
	Policies []string
	// Lacks are actions that the role has no permission for, such as "ec2:CreateVpcEndpoint"; it may do
	// everything else in its account.
	Lacks []string
}

// Timing sets how long the lab's AWS takes. Real AWS takes minutes; tests want milliseconds.
type Timing struct {
	LoadBalancer    time.Duration // provisioning → active (AWS: about 2 minutes)
	VPC             time.Duration // pending → available
	Endpoint        time.Duration // pending → available, also after a modification
	Deleting        time.Duration // deleting → gone
	Instance        time.Duration // pending → running, shutting-down → terminated
	Verification    time.Duration // from Start to the TXT lookup
	Reverification  time.Duration // the service polls by itself this often; 0: never
	Change          time.Duration // Route 53 PENDING → INSYNC; name servers change then
	Permission      time.Duration // until a permission is effective
	ServiceUsable   time.Duration // 503 Unavailable on CreateVpcEndpoint after the service was made
	EndpointVisible time.Duration // NotFound right after CreateVpcEndpoint
	PrivateZone     time.Duration // until private DNS answers after it was enabled
	// HealthScale divides health check intervals and timeouts: 100 makes 10 s into 100 ms.
	HealthScale float64
	// IdleScale divides the idle timeouts of connections: 100 makes 350 s into 3.5 s; 0 leaves them as they are.
	IdleScale float64
	// Rate is the number of API calls a second (token bucket, per account and service) beyond
	// Burst that are throttled; 0: no throttling.
	Rate  float64
	Burst int
}

// Brisk is the default timing: every state is there to be seen, and the walk-through takes
// seconds.
func Brisk() Timing {
	return Timing{
		LoadBalancer: 15 * time.Millisecond, VPC: 10 * time.Millisecond,
		Endpoint: 150 * time.Millisecond, Deleting: 100 * time.Millisecond,
		Instance: 50 * time.Millisecond, Verification: 50 * time.Millisecond,
		Change: 50 * time.Millisecond, Permission: 20 * time.Millisecond,
		PrivateZone: 20 * time.Millisecond, HealthScale: 100,
	}
}

// The role that each default account has.
const (
	labRoleName   = "linkassay"
	labExternalID = "linkassay-lab"
)

// DefaultAccounts are the two accounts of the walk-through. Each has a role "linkassay" that asks for
// an external id, to try link files with roles.
func DefaultAccounts() []Account {
	roles := []Role{{Name: labRoleName, ExternalID: labExternalID}}
	return []Account{
		{Profile: "provider", ID: "111111111111", Domain: "chartsinvestor.com", Roles: roles},
		{Profile: "consumer", ID: "222222222222", Roles: roles},
	}
}

// Lab is a running AWS. Its methods are safe for concurrent use.
type Lab struct {
	opts  Options // with the defaults filled in
	world *world
	plane *plane
	api   *server

	closing sync.Once

	mu       sync.Mutex
	believes []func(*provision.Link) // what faults changed in the link file
}

// Start runs a lab until Close. The context bounds the start alone.
func Start(ctx context.Context, opts Options) (*Lab, error) {
	opts = opts.filled()
	if err := opts.check(); err != nil {
		return nil, err
	}
	listener, err := listen(ctx, opts.Listen)
	if err != nil {
		return nil, err
	}
	ids := newIDSource(opts.Seed)
	l := &Lab{opts: opts, world: newWorld(opts, ids, opts.Log)}
	if l.plane, err = newPlane(l.world, opts.Log, opts.ControlPlane); err != nil {
		l.world.close()
		return nil, errors.Join(fmt.Errorf("start the data plane: %w", err), listener.Close())
	}
	err = l.addAccounts()
	if err == nil {
		l.api, err = newServer(l.world, listener, opts.Log)
	}
	if err != nil {
		l.world.close()
		l.plane.close()
		return nil, errors.Join(err, listener.Close())
	}
	opts.Log.Debug("lab is up", "url", l.URL(), "seed", ids.seed)
	return l, nil
}

// Close stops the lab and waits for everything that it runs. It may be called more than once.
func (l *Lab) Close() error {
	var err error
	l.closing.Do(func() {
		err = l.api.close()
		l.world.close() // no transition runs into a data plane that is gone
		l.plane.close()
	})
	return err
}

// URL is where the AWS API is.
func (l *Lab) URL() string { return "http://" + l.api.listener.Addr().String() }

// Credentials are the access key of an account's user, who may do everything in the account.
func (l *Lab) Credentials(profile string) (id, secret string, ok bool) {
	account := l.AccountID(profile)
	l.world.mu.RLock()
	defer l.world.mu.RUnlock()
	for _, k := range l.world.keys {
		if k.account == account && k.token == "" && account != "" {
			return k.id, k.secret, true
		}
	}
	return "", "", false
}

// AccountID is the id of the account with this profile; "" when there is none.
func (l *Lab) AccountID(profile string) string {
	for _, a := range l.opts.Accounts {
		if a.Profile == profile {
			return a.ID
		}
	}
	return ""
}

// Requests are the API requests so far, oldest first; the last 100,000 of them.
func (l *Lab) Requests() []Request { return l.api.requests.all() }

// ResetRequests forgets the requests so far.
func (l *Lab) ResetRequests() { l.api.requests.reset() }

// filled gives the options with defaults in place of zero values.
func (o Options) filled() Options {
	o.Listen = cmp.Or(o.Listen, "127.0.0.1:0")
	o.Region = cmp.Or(o.Region, defaultRegion)
	if len(o.Accounts) == 0 {
		o.Accounts = DefaultAccounts()
	}
	o.Accounts = slices.Clone(o.Accounts)
	if o.Timing == (Timing{}) {
		o.Timing = Brisk()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// check refuses options that no lab can be made of, all of them at once.
func (o Options) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("lab options: "+format, args...)) }
	if !slices.ContainsFunc(regions(), func(r regionInfo) bool { return r.name == o.Region }) {
		bad("Region %q is not one that the lab has", o.Region)
	}
	profiles, ids := map[string]bool{}, map[string]bool{}
	for _, a := range o.Accounts {
		if len(a.ID) != 12 || strings.Trim(a.ID, "0123456789") != "" {
			bad("account id %q: expected 12 digits", a.ID)
		}
		if !isName(a.Profile) {
			bad("profile %q: expected letters, digits and any of +=,.@_-", a.Profile)
		}
		if ids[a.ID] || profiles[a.Profile] {
			bad("account %s (%s) is given twice", a.ID, a.Profile)
		}
		profiles[a.Profile], ids[a.ID] = true, true
		roles := map[string]bool{}
		for _, r := range a.Roles {
			if !isName(r.Name) {
				bad("role %q of account %s: expected letters, digits and any of +=,.@_-", r.Name, a.ID)
			}
			if path := rolePath(r.Path); !strings.HasPrefix(path, "/") || !strings.HasSuffix(path, "/") {
				bad("path %q of role %s: expected / at both ends", r.Path, r.Name)
			}
			if roles[r.Name] {
				bad("account %s has two roles %s", a.ID, r.Name)
			}
			roles[r.Name] = true
		}
	}
	return errors.Join(errs...)
}

// isName says whether s can name a profile, a role or a session.
func isName(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(strings.ToLower(s), lowerAlnum+"_+=,.@-") == ""
}

func rolePath(p string) string { return cmp.Or(p, "/") }

// addAccounts makes the accounts, their access keys, their roles and their public zones.
func (l *Lab) addAccounts() error {
	w := l.world
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range l.opts.Accounts {
		to := &account{id: a.ID, name: a.Profile, zones: map[string][]zone{}, roles: map[string]*role{}, domain: a.Domain}
		var err error
		if to.user, err = newGrants(a.Policies, nil); err != nil {
			return fmt.Errorf("user of account %s: %w", a.ID, err)
		}
		for _, r := range a.Roles {
			g, err := newGrants(r.Policies, r.Lacks)
			if err != nil {
				return fmt.Errorf("role %s of account %s: %w", r.Name, a.ID, err)
			}
			to.roles[r.Name] = &role{name: r.Name, path: rolePath(r.Path), externalID: r.ExternalID, trusts: slices.Clone(r.Trusts), grants: g}
		}
		w.accounts[a.ID] = to
		key := &accessKey{
			id: "AKIALAB" + w.ids.upper(13), secret: w.mixed(40), account: a.ID,
			arn: w.arn("iam", "", a.ID, "user/lab"), userID: "AIDA" + w.ids.upper(17), grants: to.user,
		}
		w.keys[key.id] = key
		if a.Domain == "" {
			continue
		}
		c := &call{
			world: w, service: "route53", action: "CreateHostedZone", region: globalRegion,
			caller: key, account: a.ID, params: wire.NewParams(nil), now: time.Now(),
		}
		z, err := c.newHostedZone(createHostedZoneRequest{Name: a.Domain, CallerReference: "linkassay-lab"})
		if err != nil {
			return fmt.Errorf("make the public zone %s of account %s: %w", a.Domain, a.ID, err)
		}
		z.published = maps.Clone(z.records) // it has been there all along: nothing is pending
	}
	w.changed()
	return nil
}
