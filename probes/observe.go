package probes

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/awsapi"
)

// Placed is a vantage of the link file together with the network that it names.
type Placed struct {
	Spec    provision.Vantage
	Vantage Vantage
}

// Sources are what an Observation is gathered through.
type Sources struct {
	// Provider and Consumer call the AWS API of the two sides. A side whose access is "none" is
	// not asked, whatever stands here.
	Provider, Consumer *awsapi.Clients
	// ProviderErr and ConsumerErr say why a side's client could not be opened.
	ProviderErr, ConsumerErr error
	// Vantages are where DNS, TCP, TLS and HTTP probes leave from, in the link file's order.
	Vantages []Placed
	// PublicDNS is where the verification record is asked from; nil when there is none.
	PublicDNS Vantage
}

// Options change how an Observation is gathered. The zero value is good.
type Options struct {
	// Wait is how long control-plane states may take to become final before the link is observed;
	// 0 does not wait.
	Wait time.Duration
	// Progress gets a line whenever there is something new to wait for. It is never called twice
	// at a time.
	Progress func(string)
	// ReadFile reads the CA, certificate and key files of the link; default os.ReadFile.
	ReadFile func(string) ([]byte, error)
	// Slow adds what takes minutes: connections that are silent for about as long as the link's idle timeout.
	Slow bool
	// Known is an earlier Observation of the same link, whose control plane (both sides, the path, and public DNS) is
	// taken over instead of being asked again: DNS at the vantages and connections alone are measured. No AWS API is
	// called then, and Wait and the sources' clients say nothing.
	Known *Observation
	// Engine makes a round with Known a fast one, in which nothing is measured twice: names are asked for A records alone, and
	// their AAAA records taken over from Known where those were answered; each address is dialled once, with further tries
	// only where that fails, TLS and HTTP go over the first connection that opens, and what several names lead to is recorded
	// for each of them. Large requests are taken over too. Another round only asks DNS over its sockets.
	Engine *Engine
	// Public are answers of public DNS that links share, as young as the context wants them (awsapi.NotOlder); nil: it is
	// asked for each.
	Public *Public
	// Tries is the number of TCP connects per target and port; default 3. Where a vantage
	// expects a timeout it is always 1.
	Tries int
	// Started is when the work on the Observation began, where finding the link came before Observe and
	// took its own time; zero means now.
	Started time.Time
	// Now is the clock of every time stamp; default time.Now.
	Now func() time.Time
	// Concurrency bounds the connections and, apart from them, the DNS questions in flight;
	// default 192.
	Concurrency int
}

// The defaults and bounds of gathering.
const (
	defaultTries       = 3
	defaultConcurrency = 192
	apiConcurrency     = 16 // AWS calls of one kind side by side
	unknownResolver    = "169.254.169.253:53"
)

// run is one Observation in the making.
type run struct {
	ctx   context.Context
	link  *provision.Link // not to be changed
	src   Sources
	o     Options
	limit limits
	wg    sync.WaitGroup

	dialSlots chan struct{} // connections in flight
	dnsSlots  chan struct{} // questions in flight

	mu     sync.Mutex
	panics []string
}

// limits are the link's timeouts with their defaults.
type limits struct{ api, dns, connect, tls, http time.Duration }

func (r *run) now() time.Time { return r.o.Now().UTC() }

// Observe gathers everything that the checks need to know of a link, side by side, so that it
// takes as long as the longest chain of questions that need each other's answers. It always
// returns an Observation in which every item says what came of it. When ctx ends, it returns as
// soon as the probes in flight have given up, with what was observed so far.
func Observe(ctx context.Context, link provision.Link, src Sources, o Options) *Observation {
	ctx, answers := awsapi.WithTrace(ctx)
	obs := &Observation{Format: Format, Link: link, Started: o.Started.UTC()}
	r := newRun(ctx, &obs.Link, src, o)
	if o.Started.IsZero() {
		obs.Started = r.now()
	}
	why := r.gather(obs)
	if why == nil {
		why = absent{NotReached}
	}
	for _, it := range itemTable() {
		it.fill(obs, why)
	}
	if oldest := answers.Oldest(); !oldest.IsZero() && oldest.Before(obs.Started) && obs.Known.IsZero() {
		obs.Known = oldest.UTC() // others had asked it before
	}
	obs.Panics = r.panics
	obs.Interrupted = ctx.Err() != nil || o.Engine.ended()
	obs.Finished = r.now()
	return obs
}

func newRun(ctx context.Context, link *provision.Link, src Sources, o Options) *run {
	if o.ReadFile == nil {
		o.ReadFile = os.ReadFile
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Tries < 1 {
		o.Tries = defaultTries
	}
	if o.Concurrency < 1 {
		o.Concurrency = defaultConcurrency
	}
	t := link.Timeouts
	return &run{
		ctx: ctx, link: link, src: src, o: o,
		limit: limits{
			api: t.API.Or(provision.DefaultAPITimeout), dns: t.DNS.Or(provision.DefaultDNSTimeout),
			connect: t.Connect.Or(provision.DefaultConnectTimeout), tls: t.TLS.Or(provision.DefaultTLSTimeout),
			http: t.HTTP.Or(provision.DefaultHTTPTimeout),
		},
		dialSlots: make(chan struct{}, o.Concurrency),
		dnsSlots:  make(chan struct{}, o.Concurrency),
	}
}

// gather fills obs. Its error says why items are missing; it is nil when none is.
func (r *run) gather(obs *Observation) (err error) {
	defer func() {
		r.wg.Wait()
		if x := recover(); x != nil {
			err = r.panicked("observe", x)
		}
	}()
	if r.o.Known != nil {
		r.gatherData(obs, r.o.Known)
		return nil
	}
	provider := r.openSide(r.link.Provider.Party, NoProviderAccess, r.src.Provider, r.src.ProviderErr)
	consumer := r.openSide(r.link.Consumer.Party, NoConsumerAccess, r.src.Consumer, r.src.ConsumerErr)
	if r.o.Wait > 0 {
		obs.Timeline = r.await(provider, consumer)
	}
	p := r.askProvider(provider)
	c := r.askConsumer(consumer, p.serviceName)
	public := r.walkPublic()
	txt := r.askTXT(provider, p.service, public)
	publicName := r.askPublic(public)
	way := r.askWay(c)
	path := r.askPath(provider, consumer, p, c, way.places)
	r.wg.Wait()

	obs.Provider = p.collect()
	obs.Consumer = c.collect()
	obs.DNS, obs.Reach = way.collect()
	obs.DNS.TXT, obs.DNS.Public = txt.item, publicName.item
	obs.Path = path.collect()
	obs.Provider.API, obs.Consumer.API = r.apiItem(provider), r.apiItem(consumer)
	return nil
}

// side is one account's API, or the reason why it can't be asked.
type side struct {
	*awsapi.Clients
	stop  error
	asked *awsapi.Clients // what was asked through, also where that failed
}

func (r *run) openSide(p provision.Party, none Absence, c *awsapi.Clients, err error) side {
	switch {
	case p.Access == provision.AccessNone:
		return side{stop: absent{none}}
	case err != nil:
		class, code, message := awsapi.Classify(err)
		if code == "" && class == awsapi.ClassAPI { // no AWS answer at all: the profile or role is wrong
			class = awsapi.ClassCredentials
		}
		return side{asked: c, stop: failed{Failure{
			Class: FailureClass(class), Operation: "open account " + p.Account, Code: code, Message: clean(message, maxDetail),
		}}}
	case c == nil:
		return side{stop: failure(FailCredentials, "open AWS clients of account "+p.Account, "no credentials were given")}
	}
	return side{Clients: c, asked: c}
}

func (r *run) progress(format string, args ...any) {
	if r.o.Progress == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.o.Progress(fmt.Sprintf(format, args...))
}
