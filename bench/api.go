package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/awsapi"
	"github.com/linkassay/linkassay/provision/lab"
)

// apiShape is a fleet, and how many items the clients ask for at once.
type apiShape struct {
	lab.Fleet
	pageSize int
}

// apiRound is one refresh: what all links' reads of the control plane took.
type apiRound struct {
	name           string
	calls, formula int
	said           string // the formula with its numbers
	took           time.Duration
	by             map[string]int // what the lab counted
}

// apiResult is what a fleet's API reads cost.
type apiResult struct {
	rounds []apiRound
	heap   float64 // MB that the clients keep
}

// fleetAPI measures the API reads of the fleet shape that is promised.
func fleetAPI(ctx context.Context, b *book) error {
	r, err := measureAPI(ctx, apiShape{lab.Fleet{Endpoints: 10_000, VPCs: 20, Services: 5, PrivateNames: true}, 1000})
	if err != nil {
		return err
	}
	goals := map[string]goal{"first": atMost(160), "steady": atMost(60)}
	for _, round := range r.rounds {
		b.note(round.said, round.name+" refresh", "calls", goals[round.name], float64(round.calls))
		b.add(round.name+" refresh: off the formula", "calls", exactly(0), float64(round.calls-round.formula))
		b.add(round.name+" refresh: time", "s", goal{}, round.took.Seconds())
	}
	b.add("kept answers", "MB", atMost(150), r.heap)
	return nil
}

// apiFleet is a fleet in a lab, and clients that share what they read.
type apiFleet struct {
	shape              apiShape
	l                  *lab.Lab
	links              []provision.Link
	provider, consumer *awsapi.Clients
	later              atomic.Int64 // time.Duration that the clients' clock is ahead
}

// measureAPI reads the control plane of all links again and again: at first, when everything is too old that is read often,
// with two endpoints changed, and when all is too old.
func measureAPI(ctx context.Context, shape apiShape) (r apiResult, err error) {
	perVPC := shape.Endpoints/shape.VPCs + 2
	l, err := lab.Start(ctx, lab.Options{ControlPlane: true, EndpointsPerVPC: perVPC, Seed: 1})
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	f := &apiFleet{shape: shape, l: l}
	if f.links, err = l.ProvisionFleet(ctx, shape.Fleet); err != nil {
		return r, err
	}
	before := heapMB()
	if f.provider, err = f.open(ctx, f.links[0].Provider.Party); err != nil {
		return r, err
	}
	defer f.provider.Close()
	if f.consumer, err = f.open(ctx, f.links[0].Consumer.Party); err != nil {
		return r, err
	}
	defer f.consumer.Close()

	for _, step := range []struct {
		name           string
		change         func(context.Context) (interfaces int, err error)
		later          time.Duration
		often, rarely  bool
		everyInterface bool
	}{
		{"first", nil, 0, true, true, true},
		{"second, at once", nil, 0, false, false, false},
		{"steady", nil, 2 * often, true, false, false},
		{"steady, two endpoints changed", f.change, 2 * often, true, false, false},
		{"twelfth", nil, rarely + time.Second, true, true, false},
	} {
		changed := 0
		if step.change != nil {
			if changed, err = step.change(ctx); err != nil {
				return r, err
			}
		}
		if step.everyInterface {
			changed = 3 * shape.Endpoints
		}
		f.later.Add(int64(step.later))
		round, err := f.refresh(ctx)
		if err != nil {
			return r, fmt.Errorf("%s refresh: %w", step.name, err)
		}
		round.name = step.name
		round.formula, round.said = shape.formula(step.often, step.rarely, changed)
		r.rounds = append(r.rounds, round)
	}
	r.heap = heapMB() - before
	return r, nil
}

// The ages of answers that are good enough.
const (
	often  = time.Minute
	rarely = 12 * often
)

func (f *apiFleet) now() time.Time { return time.Now().Add(time.Duration(f.later.Load())) }

func (f *apiFleet) open(ctx context.Context, p provision.Party) (*awsapi.Clients, error) {
	id, secret, _ := f.l.Credentials(p.Profile)
	return awsapi.Open(ctx, awsapi.Access{Region: f.links[0].Region}, awsapi.WithStatic(f.l.URL(), id, secret),
		awsapi.WithSharing(awsapi.Sharing{PageSize: f.shape.pageSize, Now: f.now}))
}

// refresh asks everything that the probes ask of the control plane, for each link.
func (f *apiFleet) refresh(ctx context.Context) (apiRound, error) {
	f.l.ResetRequests()
	calls := f.provider.Calls() + f.consumer.Calls()
	began := time.Now()
	ctx = awsapi.NotOlder(ctx, f.now(), often, rarely)
	slots := make(chan struct{}, 32)
	errs := make([]error, len(f.links))
	var wg sync.WaitGroup
	for i, link := range f.links {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			o := probes.Observe(ctx, link, probes.Sources{Provider: f.provider, Consumer: f.consumer}, probes.Options{Now: f.now})
			errs[i] = complete(o)
		})
	}
	wg.Wait()
	r := apiRound{took: time.Since(began), by: map[string]int{}}
	for _, q := range f.l.Requests() {
		r.by[q.Service+":"+q.Action]++
		r.calls++
	}
	if sent := f.provider.Calls() + f.consumer.Calls() - calls; sent != int64(r.calls) {
		errs = append(errs, fmt.Errorf("the lab counted %d requests, the clients %d", r.calls, sent))
	}
	return r, errors.Join(errs...)
}

// complete refuses an observation that lacks what the control plane has to say.
func complete(o *probes.Observation) error {
	for _, name := range probes.ItemNames() {
		if m, _ := o.Meta(name); m.Error != nil {
			return fmt.Errorf("%s: %s: %s: %s", o.Link.Name, name, m.Error.Operation, m.Error.Message)
		}
	}
	e := o.Consumer.Endpoint.Value
	if !e.Found || len(o.Consumer.Interfaces.Value) != len(e.InterfaceIDs) || len(e.InterfaceIDs) == 0 || len(o.Provider.Connections.Value) == 0 {
		return fmt.Errorf("%s: an endpoint (%v) with %d interfaces of %d, among %d connections",
			o.Link.Name, e.Found, len(o.Consumer.Interfaces.Value), len(e.InterfaceIDs), len(o.Provider.Connections.Value))
	}
	return nil
}

// change takes an endpoint out of a subnet, and replaces another. It returns the number of interfaces that nobody has read.
func (f *apiFleet) change(ctx context.Context) (int, error) {
	c, err := f.l.Open(ctx, f.links[0].Consumer.Party, f.links[0].Region)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	replaced, shrunk := &f.links[0], f.links[len(f.links)-1]
	out, err := c.EC2.DescribeVpcEndpoints(ctx, &ec2.DescribeVpcEndpointsInput{VpcEndpointIds: []string{replaced.Consumer.EndpointID, shrunk.Consumer.EndpointID}})
	if err != nil {
		return 0, err
	}
	for _, e := range out.VpcEndpoints {
		if *e.VpcEndpointId == shrunk.Consumer.EndpointID {
			_, err = c.EC2.ModifyVpcEndpoint(ctx, &ec2.ModifyVpcEndpointInput{VpcEndpointId: e.VpcEndpointId, RemoveSubnetIds: e.SubnetIds[:1]})
		} else if _, err = c.EC2.DeleteVpcEndpoints(ctx, &ec2.DeleteVpcEndpointsInput{VpcEndpointIds: []string{*e.VpcEndpointId}}); err == nil {
			var made *ec2.CreateVpcEndpointOutput
			if made, err = c.EC2.CreateVpcEndpoint(ctx, &ec2.CreateVpcEndpointInput{
				VpcEndpointType: e.VpcEndpointType, ServiceName: e.ServiceName, VpcId: e.VpcId, SubnetIds: e.SubnetIds, SecurityGroupIds: []string{*e.Groups[0].GroupId},
			}); err == nil {
				replaced.Consumer.EndpointID = *made.VpcEndpoint.VpcEndpointId
			}
		}
		if err != nil {
			return 0, err
		}
	}
	err = f.settled(ctx, c)
	return 3 + 2, err
}

// settled waits until no endpoint is on its way to another state.
func (f *apiFleet) settled(ctx context.Context, c *awsapi.Clients) error {
	for {
		all, err := awsapi.All(ctx, ec2.NewDescribeVpcEndpointsPaginator(c.EC2, &ec2.DescribeVpcEndpointsInput{}), func(o *ec2.DescribeVpcEndpointsOutput) []string {
			var states []string
			for _, e := range o.VpcEndpoints {
				states = append(states, string(e.State))
			}
			return states
		})
		if err != nil || !slices.ContainsFunc(all, func(s string) bool { return s != "available" }) {
			return err
		}
	}
}

// formula is the number of requests that a refresh takes: of what is read often, of what is read rarely, and of
// interfaces that nobody has read.
func (s apiShape) formula(often, rarely bool, interfaces int) (int, string) {
	pages := func(n, most int) int { return max(1, (n+min(s.pageSize, most)-1)/min(s.pageSize, most)) }
	const ec2, elb, routes = 1000, 400, 100
	n, v, e := s.Services, s.VPCs, s.Endpoints
	total := 0
	var terms []string
	add := func(what string, times, each int) {
		total += times * each
		terms = append(terms, fmt.Sprintf(what, times))
	}
	if often {
		// Consumer: endpoints, VPCs, their subnets and security groups (a default one each), network ACLs, route tables, offered services.
		of := pages(e, ec2) + pages(v, ec2) + pages(3*v, ec2) + pages(2*v, ec2) + pages(v, ec2) + pages(v, routes) + pages(n, ec2)
		// Provider: services, load balancers, target groups, security groups and network ACLs of one VPC; each service's connections.
		of += pages(n, ec2) + 2*pages(n, elb) + pages(2, ec2) + pages(1, ec2)
		for i := range n {
			of += pages((e+n-1-i)/n, ec2)
		}
		add("%d pages", of, 1)
		add("%d services (permissions)", n, 1)
		add("%d load balancers (listeners)", n, 1)
		add("%d target groups (health)", n, 1)
	}
	if rarely {
		// Both: identity, zones. Provider: instances, their interfaces, those of load balancers, hosted zones of the domain.
		add("%d pages of what hardly changes", 4+2*pages(n, ec2)+pages(3*n, ec2)+1, 1)
		add("2 × %d hosted zones", 1, 2)
		add("%d load balancers (attributes)", n, 1)
		add("%d target groups (attributes)", n, 1)
		add("3 × %d VPCs (2 attributes, hosted zones)", v, 3)
	}
	if interfaces > 0 {
		add("%d pages of interfaces", pages(interfaces, ec2), 1)
	}
	return total, fmt.Sprintf("%d by the formula: %s", total, strings.Join(terms, " + "))
}

// heapMB is the memory in use.
func heapMB() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / 1e6
}

// counted is what the lab counted, in order.
func (r apiRound) counted() string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(r.by)) {
		all = append(all, fmt.Sprintf("%s %d", name, r.by[name]))
	}
	return strings.Join(all, ", ")
}
