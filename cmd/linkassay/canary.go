package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/reports"
	"github.com/linkassay/linkassay/reports/live"
	"github.com/linkassay/linkassay/suites"
	"github.com/linkassay/linkassay/suites/canary"
)

// canaryFlags are what canary is asked.
type canaryFlags struct {
	path, labels, profile, failOn           string
	listen, webConfig, textfile             string
	state, command, webhook, sns            string
	ledger                                  ledgerFlags
	history                                 historyFlags
	bundles                                 bundleFlags
	once, checkConfig, quiet, noListen, emf bool
	concurrency                             int
}

// How often the link file is looked at for changes, and the textfile is written.
const (
	textfileEvery = 15 * time.Second
	stopGrace     = 400 * time.Millisecond // what the end waits for files beside the state
)

func newCanary(a *app) *cobra.Command {
	var f canaryFlags
	cmd := &cobra.Command{
		Use:   "canary -f FILE",
		Short: "Watch links on a schedule, and tell incidents, not noise",
		Long: `canary looks at each link again and again with the checks of verify: names and connections at the
link's interval, the AWS APIs at its controlInterval (docs/link-file.md). It only reads. X failures of
Y rounds make an incident, one for each root cause however many links it takes down; N good rounds end it.

-f is a link file or a folder of them, read again when it changes and on SIGHUP; a wrong new one leaves
the old one in force. Rounds and incidents go to stdout as JSON lines, metrics and a status page to http://` + defaultListen + `/.

It ends on SIGINT or SIGTERM, with exit code 0. With --once each link is looked at once, --state keeps
the count from one invocation to the next, and the exit code is 1 only while an incident is open.`,
		Example: `  linkassay canary -f links.yaml --state canary.json
  linkassay canary -f links/ --quiet --ledger runs/
  linkassay canary -f links.yaml --once --state canary.json --textfile /var/lib/node_exporter/linkassay.prom
  linkassay canary -f links.yaml --once --state s3://BUCKET/canary.json --alert-sns arn:aws:sns:eu-west-1:111122223333:alerts
  linkassay canary -f links.yaml --check-config`,
		Args: flagsOnly,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.noListen = f.once && !cmd.Flags().Changed("listen")
			if err := errors.Join(f.check(), f.history.check(cmd.Flags().Changed), f.bundles.check(cmd.Flags().Changed)); err != nil {
				return err
			}
			var follow *follower
			if !f.once && !f.checkConfig {
				follow = followFleet(f.path)
				defer follow.end()
			}
			links, err := a.loadFleet(cmd.Context(), f.path)
			switch {
			case err != nil && cmd.Context().Err() != nil:
				return nil // the normal end, early
			case err != nil:
				return err
			case f.checkConfig:
				return a.printFleet(links)
			}
			return a.canary(cmd.Context(), links, &f, follow)
		},
	}
	cmd.Flags().StringVarP(&f.path, "file", "f", "", "link file, or a folder of link files (*.yaml, *.yml)")
	cmd.Flags().StringVar(&f.labels, "label-filter", "", "only the checks that match this Ginkgo label filter")
	cmd.Flags().StringVar(&f.profile, "profile", string(suites.Canary), "which checks: canary (what can break in use), acceptance (all), or audit")
	cmd.Flags().StringVar(&f.failOn, "fail-on", "", "what makes incidents beside critical checks: warning, or advice (warnings too)")
	cmd.Flags().StringVar(&f.listen, "listen", defaultListen, "address of the status page, /metrics, /healthz and /readyz; empty: none (with --once none unless given)")
	cmd.Flags().StringVar(&f.webConfig, "web-config", "", "file with TLS and users for --listen, as the Prometheus exporters have it")
	cmd.Flags().StringVar(&f.textfile, "textfile", "", "write the metrics to this file, for node_exporter's textfile collector")
	cmd.Flags().StringVar(&f.command, "alert-command", "", "program to run when an incident is opened, spreads, flaps or is cleared, with the alert as JSON on its standard input")
	cmd.Flags().StringVar(&f.webhook, "alert-webhook", "", "https URL to post such alerts to, signed with the secret in "+webhookSecret+"; $"+webhookURL+" if not given")
	cmd.Flags().StringVar(&f.sns, "alert-sns", "", "ARN of an SNS topic to publish such alerts to; ARN?profile=NAME with that profile's credentials")
	cmd.Flags().StringVar(&f.state, "state", "", "file, or s3://BUCKET/KEY, that keeps incidents and counts over restarts, of one canary at a time")
	cmd.Flags().BoolVar(&f.once, "once", false, "look at each link once and end; needs --state or --history")
	cmd.Flags().BoolVar(&f.checkConfig, "check-config", false, "check the link files and say what would be watched; touches no network")
	cmd.Flags().BoolVar(&f.quiet, "quiet", false, "print no rounds that were good")
	cmd.Flags().BoolVar(&f.emf, "emf", false, "print CloudWatch embedded metric format lines too")
	cmd.Flags().IntVar(&f.concurrency, "concurrency", 1024, "rounds side by side, at most")
	f.history.register(cmd)
	f.bundles.register(cmd)
	cmd.Flags().StringVar(&f.ledger.place, "ledger", "", "add rounds to this hash-chained log: a folder, or s3://BUCKET/PREFIX (docs/ledger.md)")
	return cmd
}

// defaultListen is loopback: what is watched is nobody else's business.
const defaultListen = "127.0.0.1:9815"

// check refuses wrong flags before anything is touched.
func (f *canaryFlags) check() error {
	if err := checkSelection(f.failOn, f.labels, f.profile); err != nil {
		return err
	}
	switch {
	case f.once && f.state == "" && f.history.path == "":
		return usageError("--once needs --state FILE or --history FILE: one round alone makes no incident")
	case f.webConfig != "" && (f.listen == "" || f.noListen):
		return usageError("--web-config needs --listen")
	case f.concurrency < 1 || f.concurrency > 4096:
		return usageError("--concurrency %d: expected a number from 1 to 4096", f.concurrency)
	}
	if strings.Contains(f.state, "://") {
		if _, err := live.ParseStatePlace(f.state); err != nil {
			return usageError("--state %w", err)
		}
	}
	return f.ledger.check()
}

// stateStore keeps the state until it is closed.
type stateStore interface {
	canary.Store
	io.Closer
}

// openState takes the state for this canary alone.
func (f *canaryFlags) openState(ctx context.Context) (stateStore, error) {
	if !strings.Contains(f.state, "://") {
		s, err := live.OpenStateFile(f.state)
		return s, withCode(exitUntold, err)
	}
	p, err := live.ParseStatePlace(f.state)
	if err != nil {
		return nil, usageError("--state %w", err)
	}
	s, err := live.OpenStateObject(ctx, p)
	if err != nil {
		return nil, usageError("--state: %w", err)
	}
	return s, nil
}

// canary watches until the context ends, or once.
func (a *app) canary(ctx context.Context, links []provision.Link, f *canaryFlags, follow *follower) (err error) {
	filter, err := suites.ProfileFilter(f.profile, f.labels)
	if err != nil {
		return usageError("--profile: %v", err)
	}
	selection, err := suites.Select(filter)
	if err != nil {
		return usageError("--label-filter: %v", err)
	}
	alerts, err := f.alerts(context.WithoutCancel(ctx)) // also of what the last round found; the stop bounds it
	if err != nil {
		return err
	}
	if err := f.ledger.openLedger(ctx); err != nil {
		return err
	}
	defer f.ledger.closeLedger()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if os.Getenv("GOGC") == "" { // what is known of a fleet stays: less garbage beside it is enough
		defer debug.SetGCPercent(debug.SetGCPercent(50))
	}

	out := &oneAtATime{w: a.out}
	problems := &complaints{w: a.err}
	memory, err := a.openMemory(ctx, f, selection, problems.add)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, memory.close()) }()
	metrics := live.NewMetrics()
	pages := live.NewStatus(nil)
	clients := newFleetClients()
	defer clients.close()
	engine := probes.NewEngine(0)
	defer engine.Close()
	sight := &looker{clients: clients, public: probes.NewPublic(), engine: engine}
	watch := func(links []provision.Link) {
		clients.watch(links)
		sight.watch(links)
		metrics.Watch(links)
		pages.Watch(links)
	}
	watch(links)
	o := canary.Options{
		Look: sight.look, Clean: clean, Catalogue: suites.Catalogue(), Selection: selection, FailOn: suites.Severity(f.failOn),
		Concurrency: f.concurrency, Problem: problems.add, Restored: func(open []canary.Incident, links map[string]canary.LinkState) {
			metrics.Restore(open, links)
			pages.Restore(open)
		},
		Sinks: []canary.Sink{&untilClosed{Sink: memory.runbooks.In(live.NewLines(out, f.quiet)), end: cancel}, metrics, pages},
	}
	for _, s := range alerts {
		o.Sinks = append(o.Sinks, memory.alert(s))
	}
	if f.emf {
		o.Sinks = append(o.Sinks, &untilClosed{Sink: live.NewEMF(out), end: cancel})
	}
	if f.state != "" {
		store, err := f.openState(ctx)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, store.Close()) }()
		o.Store = store
	}
	memory.attach(&o, pages)
	if f.ledger.open != nil {
		o.Sinks = append(o.Sinks, live.NewLedger(f.ledger.open, "linkassay", version, suites.Severity(f.failOn), suites.Profile(f.profile)))
	}
	if f.listen != "" && !f.noListen {
		s, err := live.Listen(ctx, f.listen, f.webConfig, metrics, pages)
		if err != nil {
			return usageError("--listen: %w", err)
		}
		defer func() { err = errors.Join(err, withCode(exitUntold, s.Close())) }()
		o.Sinks = append(o.Sinks, s)
		fmt.Fprintf(a.err, "linkassay: listening on %s: status page at /, /metrics, /healthz, /readyz\n", s.Addr())
		if without := s.Open(); without != "" {
			fmt.Fprintf(a.err, "linkassay: warning: %s is open to the network without %s; see --web-config\n", s.Addr(), without)
		}
		go func() {
			if err, failed := <-s.Failed(); failed {
				problems.add(err)
			}
		}()
	}
	c := canary.New(o)
	memory.hold(c)
	if f.once {
		_, err = c.Once(ctx, links)
		err = withCode(exitUntold, err)
		if f.textfile != "" {
			err = errors.Join(err, withCode(exitUntold, writeTextfile(metrics, f.textfile)))
		}
		if errors.Is(err, live.ErrStateTaken) {
			return err // what it counted is nobody's
		}
		return errors.Join(err, openIncidents(c.Incidents()))
	}
	var beside sync.WaitGroup
	beside.Go(func() { a.reload(ctx, follow, c, watch, problems) })
	if f.textfile != "" {
		beside.Go(func() { keepTextfile(ctx, metrics, f.textfile, problems) })
	}
	err = withCode(exitUntold, c.Run(ctx, links))
	cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		beside.Wait()
	}()
	select {
	case <-ended:
	case <-time.After(stopGrace): // of a disk that hangs
		problems.add(errors.New("stop: the link files or --textfile are on a disk that does not answer; the last metrics may not be in the file"))
	}
	return err
}

// openIncidents is exit code 1 while an incident is open.
func openIncidents(open []canary.Incident) error {
	if len(open) == 0 {
		return nil
	}
	var keys []string
	for _, i := range open {
		keys = append(keys, fmt.Sprintf("%s (%d links)", i.Key, len(i.Links)))
	}
	return withCode(exitFailed, fmt.Errorf("open incidents: %s", abbreviate(keys)))
}

func writeTextfile(m *live.Metrics, path string) error {
	if err := m.WriteTextfile(path); err != nil {
		return fmt.Errorf("--textfile %s: %w", path, err)
	}
	return nil
}

func keepTextfile(ctx context.Context, m *live.Metrics, path string, problems *complaints) {
	tick := time.NewTicker(textfileEvery)
	defer tick.Stop()
	for {
		if err := writeTextfile(m, path); err != nil {
			problems.add(err)
		}
		select {
		case <-ctx.Done():
			if err := writeTextfile(m, path); err != nil {
				problems.add(err)
			}
			return
		case <-tick.C:
		}
	}
}

// reload follows the link files until the context ends.
func (a *app) reload(ctx context.Context, files *follower, c *canary.Canary, watch func([]provision.Link), problems *complaints) {
	for files.changed(ctx) {
		fresh, err := a.loadFleet(ctx, files.path)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			problems.add(fmt.Errorf("%s was changed and is wrong; the one of before stays in force:\n%w", files.path, err))
			continue
		}
		c.Update(fresh)
		watch(fresh)
		fmt.Fprintf(a.err, "linkassay: read %s again: %d links\n", files.path, len(fresh))
	}
}

// untilClosed ends the canary when nobody reads its lines any more (| head).
type untilClosed struct {
	canary.Sink
	end func()
}

func (u *untilClosed) Round(r canary.Round) error { return u.closed(u.Sink.Round(r)) }

func (u *untilClosed) Change(c canary.Change) error { return u.closed(u.Sink.Change(c)) }

func (u *untilClosed) closed(err error) error {
	if errors.Is(err, syscall.EPIPE) {
		u.end()
		return nil
	}
	return err
}

// oneAtATime keeps lines of several sinks apart.
type oneAtATime struct {
	mu sync.Mutex
	w  io.Writer
}

func (o *oneAtATime) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.w.Write(p)
}

// complaints prints what goes wrong on the way, each text at most once a minute.
type complaints struct {
	w    io.Writer
	mu   sync.Mutex
	last map[string]time.Time
}

func (c *complaints) add(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	text := err.Error()
	if at, ok := c.last[text]; ok && time.Since(at) < time.Minute {
		return
	}
	if c.last == nil || len(c.last) > 1000 {
		c.last = map[string]time.Time{}
	}
	c.last[text] = time.Now()
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, reports.Clean(strings.TrimRight(line, "\n")))
	}
	fmt.Fprintln(c.w, signed(strings.Join(lines, "\n")))
}
