package canary

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/suites"
)

// consumers are links of one service through endpoints of their own, whose provider can't be asked: that the path is dark is all
// that there is to see.
type consumers struct {
	t    *testing.T
	mu   sync.Mutex
	dark map[string]string              // by link: what is dark there, "path", "resolver", or "txt"
	vpcs int                            // links are spread over so many; 0: each has one of its own
	svcs int                            // and over so many services; 0: one
	from string                         // of all vantages
	o    map[string]*probes.Observation // by what is dark
}

func newConsumers(t *testing.T) *consumers {
	w := &consumers{t: t, dark: map[string]string{}, o: map[string]*probes.Observation{}}
	for _, dark := range []string{"", "path", "resolver", "SERVFAIL", "REFUSED", "txt", "api", "throttled"} {
		o := recorded(t, "consumer-only", "")
		darken(o, dark)
		w.o[dark] = o
	}
	return w
}

func (w *consumers) set(what string, links ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range links {
		w.dark[l] = what
	}
}

func (w *consumers) look(_ context.Context, link provision.Link, known *probes.Observation) (*probes.Observation, int64) {
	w.mu.Lock()
	dark := w.dark[link.Name]
	w.mu.Unlock()
	o := *w.o[dark]
	n := 0
	fmt.Sscanf(link.Name, "link-%d", &n)
	o.Link.Name, o.Link.Canary = link.Name, link.Canary
	o.Link.Consumer.EndpointID = fmt.Sprintf("vpce-%017d", n)
	endpoint := *o.Consumer.Endpoint
	endpoint.Value.ID, endpoint.Value.VPCID = o.Link.Consumer.EndpointID, fmt.Sprintf("vpc-%d", n)
	if w.vpcs > 0 {
		endpoint.Value.VPCID = fmt.Sprintf("vpc-of-%d", n%w.vpcs)
	}
	if w.svcs > 0 {
		o.Link.Provider.ServiceName = fmt.Sprintf("com.amazonaws.vpce.ap-southeast-1.vpce-svc-%d", n/w.vpcs%w.svcs)
		endpoint.Value.ServiceName = o.Link.Provider.ServiceName
	}
	o.Consumer.Endpoint = &endpoint
	if w.from != "" {
		o.Link.Vantages = slices.Clone(o.Link.Vantages)
		for i := range o.Link.Vantages {
			o.Link.Vantages[i].From = w.from
		}
	}
	if known != nil {
		o.Provider, o.Consumer, o.Path, o.DNS.TXT, o.DNS.Public, o.Known = known.Provider, known.Consumer, known.Path, known.DNS.TXT, known.DNS.Public, known.Started
	}
	started := time.Now().UTC()
	time.Sleep(200 * time.Millisecond)
	o.Started, o.Finished = started, time.Now().UTC()
	return &o, 0
}

// darken makes an Observation one in which something is dark.
func darken(o *probes.Observation, what string) {
	switch what {
	case "path":
		for i := range o.Reach.TCP.Value {
			for j := range o.Reach.TCP.Value[i].Tries {
				o.Reach.TCP.Value[i].Tries[j].Outcome = probes.TimedOut
			}
		}
		lose(o.Reach.TLS)
		lose(o.Reach.HTTP)
	case "resolver":
		for _, it := range []*probes.Item[[]probes.Lookup]{o.DNS.Private, o.DNS.Regional, o.DNS.Zonal} {
			for i := range it.Value {
				l := &it.Value[i]
				l.Outcome, l.RCode, l.Addrs, l.Chain = probes.TimedOut, "", nil, nil
			}
		}
	case "SERVFAIL", "REFUSED":
		for _, it := range []*probes.Item[[]probes.Lookup]{o.DNS.Private, o.DNS.Regional, o.DNS.Zonal} {
			for i := range it.Value {
				l := &it.Value[i]
				l.Outcome, l.RCode, l.Addrs, l.Chain = probes.Outcome(what), what, nil, nil
			}
		}
	case "txt":
		failed := &probes.Failure{Class: probes.FailNetwork, Message: "no root server answers: i/o timeout"}
		o.DNS.TXT.Error, o.DNS.Public.Error = failed, failed
	case "api":
		o.Consumer.Endpoint.Error = &probes.Failure{Class: probes.FailNetwork, Operation: "ec2:DescribeVpcEndpoints", Message: "lookup ec2.ap-southeast-1.amazonaws.com: no answer"}
	case "throttled":
		o.Consumer.Endpoint.Error = &probes.Failure{Class: probes.FailThrottled, Operation: "ec2:DescribeVpcEndpoints", Code: "RequestLimitExceeded", Message: "too many requests"}
	}
}

// lose makes an item one that nothing could be observed of, since what comes before it fails.
func lose[T any](it *probes.Item[T]) {
	var none T
	it.Value, it.Absent = none, probes.NoSubject
}

func names(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("link-%03d", i))
	}
	return all
}

// linksOf are the links of open incidents, by key.
func linksOf(open []Incident) map[string][]string {
	all := map[string][]string{}
	for _, i := range open {
		for _, a := range i.Links {
			all[i.Key] = append(all[i.Key], a.Link)
		}
	}
	return all
}

func TestAServiceThatIsDarkIsOneIncident(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const fleetSize = 40
		w, one, two := newConsumers(t), &heard{}, &heard{}
		links := fleet(fleetSize, every(10*time.Second, time.Minute))
		a, stopA := run(t, Options{Look: w.look, Sinks: []Sink{one}, Concurrency: 64}, links)
		time.Sleep(3300 * time.Millisecond) // another canary on the same fleet
		b, stopB := run(t, Options{Look: w.look, Sinks: []Sink{two}, Concurrency: 64}, links)
		time.Sleep(time.Minute)
		w.set("path", names(fleetSize)...)
		time.Sleep(time.Minute)
		synctest.Wait()
		for _, c := range []*Canary{a, b} {
			open := c.Incidents()
			if len(open) != 1 || len(open[0].Links) != fleetSize || open[0].Cause.Kind != Service {
				t.Fatalf("%d incidents: %v", len(open), slices.Collect(maps.Keys(linksOf(open))))
			}
		}
		if a.Incidents()[0].Key != b.Incidents()[0].Key {
			t.Errorf("two keys: %s and %s", a.Incidents()[0].Key, b.Incidents()[0].Key)
		}
		w.set("", names(fleetSize)...)
		time.Sleep(time.Minute)
		synctest.Wait()
		for _, h := range []*heard{one, two} {
			kinds := h.kinds()
			if kinds[0] != Opened || kinds[len(kinds)-1] != Cleared || slices.Contains(kinds[1:], Opened) {
				t.Errorf("%q", kinds)
			}
		}
		stopA()
		stopB()
	})
}

func TestTwoConsumersFaultsAreTwoIncidents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, sink, other := newConsumers(t), &heard{}, &heard{}
		links := fleet(12, every(30*time.Second, 5*time.Minute))
		c, stop := run(t, Options{Look: w.look, Sinks: []Sink{sink}}, links)
		again, stopAgain := run(t, Options{Look: w.look, Sinks: []Sink{other}}, links)
		time.Sleep(time.Minute)
		w.set("path", "link-003")
		time.Sleep(3 * time.Minute)
		w.set("path", "link-011")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		open := linksOf(c.Incidents())
		if len(open) != 2 || fmt.Sprint(open) != fmt.Sprint(linksOf(again.Incidents())) {
			t.Fatalf("%v; the other canary: %v", open, linksOf(again.Incidents()))
		}
		for key, of := range open {
			if len(of) != 1 || !strings.Contains(key, "/endpoint/vpce-") {
				t.Errorf("%s: %v", key, of)
			}
		}
		// Then the service breaks for all. What is old stays what it was; the rest is one.
		time.Sleep(11 * time.Minute)
		w.set("path", names(12)...)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if open := c.Incidents(); len(open) != 3 || len(linksOf(open)["reachability.tcp-interfaces/service/vpce-svc-071afff70666e61e0"]) != 10 {
			t.Errorf("%v", linksOf(open))
		}
		w.set("", names(12)...)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if open := c.Incidents(); len(open) != 0 {
			t.Errorf("%v", linksOf(open))
		}
		stop()
		stopAgain()
	})
}

// Twenty services in five VPCs: a VPC that is dark, and another that one service is dark in.
func TestAVPCThatIsDarkIsOneIncident(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, sink := newConsumers(t), &heard{}
		w.vpcs, w.svcs = 5, 20
		c, stop := run(t, Options{Look: w.look, Sinks: []Sink{sink}, Concurrency: 64}, fleet(100, every(20*time.Second, 5*time.Minute)))
		time.Sleep(time.Minute)
		var dark []string
		for i := 2; i < 100; i += 5 {
			dark = append(dark, fmt.Sprintf("link-%03d", i))
		}
		w.set("path", append(dark, "link-044")...)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		open := linksOf(c.Incidents())
		if len(open) != 2 || !slices.Equal(open["reachability.tcp-interfaces/vpc/vpc-of-2"], dark) || len(open["reachability.tcp-interfaces/endpoint/vpce-00000000000000044"]) != 1 {
			t.Errorf("%v", open)
		}
		w.set("", names(100)...)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if kinds := sink.kinds(); len(c.Incidents()) != 0 || len(slices.DeleteFunc(kinds, func(k ChangeKind) bool { return k != Cleared })) != 2 {
			t.Errorf("%v, %q", linksOf(c.Incidents()), kinds)
		}
		stop()
	})
}

// A service that goes dark for one consumer after the other is first taken for theirs, and then for one.
func TestWhatSpreadsIsGathered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, sink := newConsumers(t), &heard{}
		c, stop := run(t, Options{Look: w.look, Sinks: []Sink{sink}}, fleet(10, every(10*time.Second, time.Minute)))
		time.Sleep(time.Minute)
		for _, link := range names(10) {
			w.set("path", link)
			time.Sleep(40 * time.Second)
		}
		synctest.Wait()
		open := c.Incidents()
		if len(open) != 1 || len(open[0].Links) != 10 || open[0].Cause.Kind != Service {
			t.Errorf("%v", linksOf(open))
		}
		var opened, cleared int
		for _, k := range sink.kinds() {
			switch k {
			case Opened:
				opened++
			case Cleared:
				cleared++
			}
		}
		if opened != cleared+1 {
			t.Errorf("%d opened and %d cleared: each that was told must end", opened, cleared)
		}
		stop()
	})
}

// X of Y over invocations, each of which sees all links before it applies the first.
func TestOnceKnowsWhoseFaultItIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, store := newConsumers(t), &memory{}
		links := fleet(5, every(10*time.Second, time.Minute))
		var c *Canary
		for range 4 {
			w.set("path", "link-000")
			c = New(Options{Look: w.look, Catalogue: suites.Catalogue(), Store: store})
			if _, err := c.Once(t.Context(), links); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		if open := c.Incidents(); len(open) != 1 || open[0].Cause.Kind != Endpoint || len(open[0].Links) != 1 {
			t.Errorf("%v", linksOf(open))
		}
		w.set("", "link-000")
		for range 3 {
			c = New(Options{Look: w.look, Catalogue: suites.Catalogue(), Store: store})
			if _, err := c.Once(t.Context(), links); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		if open := c.Incidents(); len(open) != 0 {
			t.Errorf("%v", linksOf(open))
		}
	})
}

// Links of one service that recover one after the other leave the incident that they joined, and none is told anew.
func TestWhoIsLastToRecoverStaysInItsIncident(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, sink := newConsumers(t), &heard{}
		c, stop := run(t, Options{Look: w.look, Sinks: []Sink{sink}}, fleet(4, every(10*time.Second, time.Minute)))
		time.Sleep(time.Minute)
		w.set("path", names(4)...)
		time.Sleep(time.Minute)
		for _, link := range names(4) {
			w.set("", link)
			time.Sleep(time.Minute)
			synctest.Wait()
			for _, i := range c.Incidents() {
				if i.Cause.Kind != Service {
					t.Errorf("%s well: %v", link, linksOf(c.Incidents()))
				}
			}
		}
		if kinds := countKinds(sink.all()); kinds[Opened] != 1 || kinds[Cleared] != 1 || len(c.Incidents()) != 0 {
			t.Errorf("%v, open %v", kinds, linksOf(c.Incidents()))
		}
		// The next time it is dark, it is told.
		w.set("path", names(4)...)
		time.Sleep(time.Minute)
		synctest.Wait()
		if kinds := countKinds(sink.all()); kinds[Opened] != 2 {
			t.Errorf("%v", kinds)
		}
		stop()
	})
}

// A link that failed a round for a reason of its own just before all of its VPC went dark is confirmed while most others were last
// looked at before: what they said then says nothing.
func TestWhoFailedJustBeforeIsOfTheSameVPC(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, sink := newConsumers(t), &heard{}
		w.vpcs, w.svcs = 5, 20
		c, stop := run(t, Options{Look: w.look, Sinks: []Sink{sink}, Concurrency: 64}, fleet(100, every(20*time.Second, 5*time.Minute)))
		time.Sleep(time.Minute)
		var dark []string
		for i := 2; i < 100; i += 5 {
			dark = append(dark, fmt.Sprintf("link-%03d", i))
		}
		for _, first := range dark[5:9] { // of which one is looked at when half of the others were not
			w.set("path", first)
			for failed := false; !failed; time.Sleep(100 * time.Millisecond) {
				synctest.Wait()
				rounds := sink.of(first)
				failed = rounds[len(rounds)-1].Outcome == Bad
			}
			time.Sleep(7 * time.Second)
			w.set("path", dark...)
			time.Sleep(time.Minute)
			synctest.Wait()
			if open := linksOf(c.Incidents()); len(open) != 1 || !slices.Equal(open["reachability.tcp-interfaces/vpc/vpc-of-2"], dark) {
				t.Errorf("%s: %v", first, open)
			}
			w.set("", names(100)...)
			time.Sleep(2 * time.Minute)
		}
		synctest.Wait()
		for _, c := range sink.all() {
			if c.Kind == Opened && c.Incident.Cause.Kind != VPC {
				t.Errorf("opened %s", c.Incident.Key)
			}
		}
		stop()
	})
}
