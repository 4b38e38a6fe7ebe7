package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/lab"
	"github.com/linkassay/linkassay/suites"
)

func newDemo(a *app) *cobra.Command {
	var (
		fault string
		seed  uint64
		flags judgeFlags
	)
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "The whole walk-through in an embedded AWS: build a link, verify it, remove it",
		Long: `demo starts the lab, builds both sides of a link through the AWS SDK, verifies the link from every
consumer subnet, prints the report, removes everything and stops the lab. It needs no AWS account
and no network. With --out the evidence is sealed with a key that is made for this one run and thrown
away; its public half goes to DIR.allowed_signers.`,
		Example: `  linkassay demo -v
  linkassay demo --fault security-group-closed --out evidence/`,
		Args: flagsOnly,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := flags.check(); err != nil {
				return err
			}
			if err := flags.throwaway(); err != nil {
				return err
			}
			opts := lab.Options{Seed: seed, Log: a.log()}
			if err := prepareFault(fault, &opts); err != nil {
				return err
			}
			if fault != "" && flags.failOn == "" {
				flags.failOn = string(suites.Advice) // the fault fails the run, however little it weighs
			}
			if f, _ := lab.FindFault(fault); f.Slow {
				flags.slow = true
			}
			if flags.slow && opts.Timing.IdleScale == 0 {
				opts.HurryIdle(hurriedIdle)
			}
			if err := flags.ledger.openLedger(cmd.Context()); err != nil {
				return err
			}
			defer flags.ledger.closeLedger()
			d := demo{app: a, fault: fault, p: a.newProgress()}
			return d.run(cmd.Context(), opts, flags)
		},
	}
	cmd.Flags().StringVar(&fault, "fault", "", "break the link in this way before verifying (linkassay list faults); implies --fail-on advice")
	completeFaults(cmd)
	cmd.Flags().Uint64Var(&seed, "seed", 0, "make ids and zone mappings repeatable; 0 takes a random seed")
	flags.register(cmd)
	return cmd
}

func isUsage(err error) bool {
	code, _ := exitCode(err)
	return code == exitUsage
}

// hurriedIdle stands for 350 s in a demo with --slow.
const hurriedIdle = 3500 * time.Millisecond

// demo is one walk-through.
type demo struct {
	*app
	fault string
	p     *progress
	lab   *lab.Lab
	link  provision.Link
	way   way
	// verifying is called when the link is built and about to be observed; nil does nothing.
	verifying func(context.Context)
}

// run is the whole walk-through. Reports are written and the link is removed on every way out.
func (d *demo) run(ctx context.Context, opts lab.Options, flags judgeFlags) error {
	run := d.newAssay(flags)
	run.sayThrowaway()
	if err := d.build(ctx, opts, flags); err != nil {
		if err = buildError(ctx, err); ctx.Err() != nil && !isUsage(err) {
			// What provision says of going on is for a link that stays.
			err = withCode(exitInterrupted, errors.New("interrupted while the link was being built; what was built of it is removed"))
		}
		err = errors.Join(err, d.close(ctx))
		if isUsage(err) {
			return err
		}
		run.err = err
		run.write(ctx)
		run.appendLedger(ctx)
		return run.err
	}
	d.p.line("verifying from %d vantages", len(d.way.vantages))
	if d.verifying != nil {
		d.verifying(ctx)
	}
	run.judge(ctx, []looked{d.observe(ctx, flags)})
	run.finish(ctx)
	if err := d.close(ctx); err != nil {
		run.err = errors.Join(run.err, err)
		run.write(ctx) // again: what is left over counts for the exit code
	}
	return run.err
}

// build starts the lab and the link in it.
func (d *demo) build(ctx context.Context, opts lab.Options, flags judgeFlags) error {
	var err error
	if d.lab, err = lab.Start(ctx, opts); err != nil {
		return fmt.Errorf("start the lab: %w", err)
	}
	if err := flags.selects(d.lab.Link().Name); err != nil {
		return err
	}
	d.p.line("lab is up at %s: accounts %s (provider) and %s (consumer)", d.lab.URL(), d.lab.Link().Provider.Account, d.lab.Link().Consumer.Account)
	d.link = d.lab.Link()
	if d.link, err = d.lab.Provision(ctx, d.p.event); err != nil {
		return err
	}
	if d.fault != "" {
		d.p.line("fault: %s", d.fault)
		if err := d.lab.Inject(ctx, d.fault, d.link); err != nil {
			return fmt.Errorf("inject fault %s: %w", d.fault, err)
		}
	}
	d.way.public = d.lab.Internet()
	d.way.vantages, err = labVantages(d.lab, d.link.Consumer.Account)
	for _, v := range d.way.vantages {
		d.link.Vantages = append(d.link.Vantages, v.Spec)
	}
	for _, spec := range d.lab.Believed().Vantages { // a fault put them into the link file
		v, bad := d.lab.Place(spec.From)
		if bad != nil {
			return bad
		}
		d.way.vantages = append(d.way.vantages, probes.Placed{Spec: spec, Vantage: v})
	}
	return err
}

// labVantages places a vantage in each of the account's subnets.
func labVantages(l *lab.Lab, account string) ([]probes.Placed, error) {
	var placed []probes.Placed
	for _, s := range l.Subnets(account) {
		v, err := l.Vantage(s.ID)
		if err != nil {
			return nil, fmt.Errorf("vantage in %s: %w", s.ID, err)
		}
		placed = append(placed, probes.Placed{
			Spec:    provision.Vantage{Name: "consumer-" + s.ZoneID, From: "lab", Zone: s.ZoneID},
			Vantage: v,
		})
	}
	return placed, nil
}

// observe looks at the link, each time after finding it anew: a fault may have taken things away.
func (d *demo) observe(ctx context.Context, flags judgeFlags) looked {
	progress := func(s string) { d.p.line("%s", s) }
	return flags.look(ctx, progress, func(ctx context.Context, wait time.Duration) *probes.Observation {
		started := time.Now()
		link := d.lab.Believed()
		link.Vantages = append(slices.Clone(d.link.Vantages), link.Vantages...)
		link, src := sources(ctx, link, d.way, d.lab.Open)
		return probes.Observe(ctx, link, src, probes.Options{Wait: wait, Slow: flags.slow, ReadFile: d.lab.ReadFile, Progress: progress, Started: started})
	})
}

// close removes what was built, also after an interrupt, and stops the lab.
func (d *demo) close(ctx context.Context) error {
	if d.lab == nil {
		return nil
	}
	var errs []error
	ctx = context.WithoutCancel(ctx)
	link := d.lab.Link()
	sides, err := provision.Open(ctx, &link, d.lab.Open)
	if err == nil {
		err = d.lab.RemoveStrangers(ctx, link)
	}
	if err == nil {
		var left []provision.Leftover
		left, err = provision.Destroy(ctx, &link, sides, provision.Options{Progress: d.p.event})
		if len(left) > 0 {
			errs = append(errs, withCode(exitLeftOver, fmt.Errorf("destroy left %d resources over, the first: %s %s: %s", len(left), left[0].Kind, left[0].ID, left[0].Why)))
		}
	}
	if err != nil {
		errs = append(errs, withCode(exitLeftOver, fmt.Errorf("destroy: %w", err)))
	}
	if err := d.lab.Close(); err != nil {
		errs = append(errs, withCode(exitUntold, fmt.Errorf("stop the lab: %w", err)))
	}
	d.p.line("link destroyed, lab is down")
	return errors.Join(errs...)
}
