package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/awsapi"
)

// reopenEvery bounds how often clients are opened anew whose credentials AWS refuses.
const reopenEvery = 10 * time.Second

// fleetClients are the AWS clients of a fleet: those of one access are opened once, for all links that use it, and share
// what they read.
type fleetClients struct {
	late atomic.Int64 // requests that outlived the look that began them, and are not told yet

	mu      sync.Mutex
	open    map[access]*lease
	closing sync.WaitGroup
}

// access is how an account is got into, and how long an answer may take.
type access struct {
	account, region, profile, role, externalID string
	timeout                                    time.Duration
}

// lease is clients that are in use.
type lease struct {
	*awsapi.Clients
	users  int
	opened time.Time
	gone   bool // nobody gets them any more
}

func newFleetClients() *fleetClients { return &fleetClients{open: map[access]*lease{}} }

func accessOf(l *provision.Link, p provision.Party, region string) access {
	a := access{account: p.Account, region: region, profile: p.Profile, timeout: l.Timeouts.API.Or(provision.DefaultAPITimeout)}
	if p.Role != nil {
		a.role, a.externalID = p.Role.ARN, p.Role.ExternalID
	}
	return a
}

// loan is what one look has borrowed.
type loan struct {
	mu  sync.Mutex
	all []*lease
}

// opener lends what a look of the link asks for.
func (to *loan) opener(f *fleetClients, l *provision.Link) opener {
	return func(ctx context.Context, p provision.Party, region string) (*awsapi.Clients, error) {
		return f.lend(ctx, to, accessOf(l, p, region))
	}
}

// lend gives clients out, until giveBack.
func (f *fleetClients) lend(ctx context.Context, to *loan, a access) (*awsapi.Clients, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.open[a]
	if l != nil && l.Refused() && time.Since(l.opened) > reopenEvery {
		f.retire(a, l) // the profile may have other credentials by now
		l = nil
	}
	if l == nil {
		from := awsapi.Access{Region: a.region, Profile: a.profile, RoleARN: a.role, ExternalID: a.externalID}
		c, err := awsapi.Open(ctx, from, awsapi.WithCallTimeout(a.timeout), awsapi.WithSharing(awsapi.Sharing{}))
		if err != nil {
			return nil, err
		}
		l = &lease{Clients: c, opened: time.Now()}
		f.open[a] = l
	}
	l.users++
	to.mu.Lock()
	defer to.mu.Unlock()
	to.all = append(to.all, l)
	return l.Clients, nil
}

// giveBack returns what a look has borrowed.
func (to *loan) giveBack(f *fleetClients) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range to.all {
		if l.users--; l.users == 0 && l.gone {
			f.closing.Go(l.Close)
		}
	}
}

// retire lets nobody have the clients any more; they are closed when the last look gives them back. f.mu is held.
func (f *fleetClients) retire(a access, l *lease) {
	delete(f.open, a)
	if l.gone = true; l.users == 0 {
		f.closing.Go(l.Close)
	}
}

// watch keeps the clients that these links use, and no others.
func (f *fleetClients) watch(links []provision.Link) {
	wanted := map[access]bool{}
	for i := range links {
		l := &links[i]
		wanted[accessOf(l, l.Provider.Party, l.ProviderRegion())] = true
		wanted[accessOf(l, l.Consumer.Party, l.Region)] = true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for a, l := range f.open {
		if !wanted[a] {
			f.retire(a, l)
		}
	}
}

// close ends what is on its way, and waits for it.
func (f *fleetClients) close() {
	f.mu.Lock()
	for a, l := range f.open {
		delete(f.open, a)
		f.closing.Go(l.Close)
	}
	f.mu.Unlock()
	f.closing.Wait()
}
