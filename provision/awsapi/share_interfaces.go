package awsapi

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// interfaces are the network interfaces of endpoints. Nobody but AWS changes them, and not without changing the endpoint:
// they are read once, many at a time, and again when the endpoint has others, or other security groups, address types or
// another state.
type interfaces struct {
	s *store

	mu      sync.Mutex
	of      map[string]belonging // by interface id
	order   []string             // of those that the whole list of endpoints had
	have    map[string]*networkInterface
	reading map[string]*batch // that are on their way
	refused *answer           // AWS does not let them be read; nil: it does
	late    int               // read for the present since lateAt
	lateAt  time.Time
}

// belonging is what an endpoint was like when it was last seen to have the interface.
type belonging struct {
	like string
	seen time.Time
}

type networkInterface struct {
	item ec2types.NetworkInterface
	like string
	read time.Time
}

// batch is one request for many interfaces.
type batch struct {
	done chan struct{}
	got  *answer // its error; the interfaces are in have
}

// mostLate is how many links' interfaces are read for the present alone in lateSpan.
const mostLate = 30

func newInterfaces(s *store) *interfaces {
	return &interfaces{s: s, of: map[string]belonging{}, have: map[string]*networkInterface{}, reading: map[string]*batch{}}
}

// saw is told of endpoints: of all, or of some.
func (x *interfaces) saw(endpoints []ec2types.VpcEndpoint, whole bool, at time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	before := x.of
	if whole {
		x.of, x.order = make(map[string]belonging, len(x.of)), x.order[:0]
	}
	for i := range endpoints {
		e := &endpoints[i]
		like := likeness(e)
		for _, id := range e.NetworkInterfaceIds {
			if whole {
				x.order = append(x.order, id)
			}
			if b, ok := before[id]; ok && b.seen.After(at) { // something newer is known
				x.of[id] = b
				continue
			}
			x.of[id] = belonging{like, at}
			if n := x.have[id]; n != nil && n.like != like {
				delete(x.have, id)
			}
		}
	}
	if !whole {
		return
	}
	for id := range x.have {
		if _, ok := x.of[id]; !ok {
			delete(x.have, id)
		}
	}
}

// likeness is what an endpoint's interfaces depend on.
func likeness(e *ec2types.VpcEndpoint) string {
	parts := slices.Concat([]string{string(e.State), string(e.IpAddressType)}, e.NetworkInterfaceIds, []string{""}, e.SubnetIds)
	for _, g := range e.Groups {
		parts = append(parts, aws.ToString(g.GroupId))
	}
	return strings.Join(parts, " ")
}

// ask answers what the endpoints' interfaces are. Others are asked on their own.
func (x *interfaces) ask(ctx context.Context, n need, in any, ids []string, direct func(context.Context) (any, error)) *answer {
	alone := func(ctx context.Context) (any, error) {
		at := x.s.now().Round(0)
		out, err := direct(ctx)
		x.keep(ids, out, err, at)
		return out, err
	}
	for tries := 0; ; tries++ {
		x.mu.Lock()
		if r := x.refused; r.good(n.since, x.s.now().Round(0)) {
			x.mu.Unlock()
			return r
		}
		a, missing, strange := x.known(ids)
		if strange || tries > len(ids)+1 || a != nil && n.fresh && a.began.Before(n.since) && x.hurry() {
			x.mu.Unlock()
			return x.s.ask(ctx, keyOf(in), n.since, alone)
		}
		if a != nil {
			x.mu.Unlock()
			return a
		}
		b := x.reading[missing[0]]
		if b == nil {
			b = x.begin(ctx, missing)
		}
		x.mu.Unlock()
		if b == nil {
			return x.s.ask(ctx, keyOf(in), n.since, alone)
		}
		select {
		case <-b.done:
			if b.got.err != nil {
				return b.got
			}
		case <-ctx.Done():
			return x.s.gaveUp(ctx)
		}
	}
}

// keep takes in what was read of some alone.
func (x *interfaces) keep(ids []string, out any, err error, at time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err != nil {
		if isAnswer(err) { // one of them may be gone
			for _, id := range ids {
				delete(x.have, id)
			}
		}
		return
	}
	for _, n := range out.(*ec2.DescribeNetworkInterfacesOutput).NetworkInterfaces {
		if b, ok := x.of[aws.ToString(n.NetworkInterfaceId)]; ok {
			x.have[aws.ToString(n.NetworkInterfaceId)] = &networkInterface{n, b.like, at}
		}
	}
}

// hurry says whether interfaces may be read for the present once more. x.mu is held.
func (x *interfaces) hurry() bool {
	now := x.s.now().Round(0)
	if now.Sub(x.lateAt) > lateSpan {
		x.late, x.lateAt = 0, now
	}
	x.late++
	return x.late <= mostLate
}

// known answers from what was read, or says what is missing, or that an id is no endpoint's. x.mu is held.
func (x *interfaces) known(ids []string) (a *answer, missing []string, strange bool) {
	a = &answer{}
	var items []ec2types.NetworkInterface
	done := map[string]bool{}
	for _, id := range ids {
		b, ok := x.of[id]
		if !ok {
			return nil, nil, true
		}
		n := x.have[id]
		if n == nil {
			missing = append(missing, id)
			continue
		}
		if done[id] {
			continue
		}
		done[id] = true
		items = append(items, n.item)
		a.began, a.seen = oldest(a.began, n.read), oldest(a.seen, b.seen)
	}
	if len(missing) > 0 {
		return nil, missing, false
	}
	a.ended, a.value = a.began, &ec2.DescribeNetworkInterfacesOutput{NetworkInterfaces: items}
	return a, nil, false
}

// begin reads what is missing, and as many others as one request takes that are missing too. x.mu is held.
func (x *interfaces) begin(ctx context.Context, missing []string) *batch {
	s := x.s
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return nil
	}
	b := &batch{done: make(chan struct{})}
	var ids []string
	for _, id := range slices.Concat(missing, x.order) {
		if len(ids) == s.page {
			break
		}
		if x.have[id] == nil && x.reading[id] == nil {
			x.reading[id] = b
			ids = append(ids, id)
		}
	}
	s.wg.Go(func() { x.read(ctx, b, ids) })
	return b
}

// read makes the request. It outlives who asked for it.
func (x *interfaces) read(asker context.Context, b *batch, ids []string) {
	s := x.s
	ctx, cancel := context.WithCancel(context.WithValue(context.WithoutCancel(asker), throughKey{}, true))
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	own := &Trace{around: traceOf(asker).outermost(), flight: true}
	began := s.now().Round(0)
	out, err := guarded(context.WithValue(ctx, traceKey{}, own), func(ctx context.Context) (any, error) { return x.describe(ctx, ids) })
	x.mu.Lock()
	defer x.mu.Unlock()
	b.got = &answer{began: began, ended: s.now().Round(0), err: err, attempts: own.Attempts()}
	for _, id := range ids {
		delete(x.reading, id)
	}
	x.refused = nil
	if isMalformed(err) { // so many can't be asked for at once: nobody's own question is to fail for that
		out, err, b.got.err = []ec2types.NetworkInterface(nil), nil, nil
	}
	if err != nil && isAnswer(err) {
		x.refused = b.got
	}
	if err == nil {
		for _, n := range out.([]ec2types.NetworkInterface) {
			id := aws.ToString(n.NetworkInterfaceId)
			if of, ok := x.of[id]; ok {
				x.have[id] = &networkInterface{n, of.like, began}
			}
		}
		for _, id := range ids {
			if x.have[id] == nil { // AWS itself is to say so
				delete(x.of, id)
			}
		}
	}
	close(b.done)
}

// describe reads interfaces by their ids, without those of which AWS says that there is no such thing: they must not
// keep the others from being known.
func (x *interfaces) describe(ctx context.Context, ids []string) ([]ec2types.NetworkInterface, error) {
	words := words{}
	for {
		out, err := x.s.c.EC2.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: ids})
		if err == nil {
			words.share(out.NetworkInterfaces)
			return out.NetworkInterfaces, nil
		}
		if !IsCode(err, "InvalidNetworkInterfaceID.NotFound") {
			return nil, err
		}
		text := err.Error()
		rest := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return strings.Contains(text, id) })
		switch {
		case len(rest) == 0:
			return nil, nil
		case len(rest) < len(ids):
			ids = rest
		case len(ids) == 1:
			return nil, nil
		default: // AWS does not say which
			first, err1 := x.describe(ctx, ids[:len(ids)/2])
			second, err2 := x.describe(ctx, ids[len(ids)/2:])
			return append(first, second...), errors.Join(err1, err2)
		}
	}
}
