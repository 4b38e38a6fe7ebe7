package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/linkassay/linkassay/provision"
)

// buildFlags are the flags of apply and destroy.
type buildFlags struct {
	path    string
	only    []string
	dryRun  bool
	timeout time.Duration
}

func (f *buildFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.path, "file", "f", "", "link file, - for standard input")
	cmd.Flags().StringSliceVar(&f.only, "link", nil, "only these links of the file, by name; repeat it or separate with commas")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "print the steps and end; touches no network")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 15*time.Minute, "how long to wait for any one state, such as an endpoint becoming available")
}

func newApply(a *app) *cobra.Command {
	var flags buildFlags
	cmd := &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Build both sides of a link",
		Long: `apply builds what the link file asks for on both sides, in the order in which a link comes to
life, and tags it. It can be interrupted and run again: what exists is kept. The ids go to
stdout; progress goes to stderr on a terminal, or with -v. The first link that fails ends it.`,
		Example: `  linkassay apply -f link.yaml --dry-run
  linkassay apply -f link.yaml -v`,
		Args: flagsOnly,
		RunE: func(cmd *cobra.Command, _ []string) error {
			links, err := a.buildLinks(cmd.Context(), flags, provision.Plan, a.loadLinks)
			if err != nil {
				return err
			}
			return a.each(cmd.Context(), links, flags, firstFails, func(ctx context.Context, l *provision.Link, s provision.Sides, o provision.Options) error {
				built, err := provision.Apply(ctx, l, s, o)
				if ctx.Err() != nil {
					return buildError(ctx, fmt.Errorf("interrupted; run apply again to go on, or destroy to remove what was built: %w", err))
				}
				if err != nil {
					return buildError(ctx, err)
				}
				_, err = fmt.Fprintf(a.out, "%s: service %s, endpoint %s\n", built.Name, orDash(built.Provider.ServiceName), orDash(built.Consumer.EndpointID))
				return printError(err)
			})
		},
	}
	flags.register(cmd)
	return cmd
}

func newDestroy(a *app) *cobra.Command {
	var flags buildFlags
	cmd := &cobra.Command{
		Use:   "destroy -f FILE",
		Short: "Remove what apply built, and nothing else",
		Long: `destroy removes what carries the link's tags, takes its TXT value back, and restores what apply
changed on existing resources where it still has the value that was set. What it cannot remove it
lists on stdout, with the reason, and exits with 4; destroy again when the reason is gone. A link
that fails does not keep the next ones from being destroyed.`,
		Example: `  linkassay destroy -f link.yaml --dry-run
  linkassay destroy -f link.yaml`,
		Args: flagsOnly,
		RunE: func(cmd *cobra.Command, _ []string) error {
			links, err := a.buildLinks(cmd.Context(), flags, provision.DestroyPlan, a.loadToDestroy)
			if err != nil {
				return err
			}
			return a.each(cmd.Context(), links, flags, allAreTried, func(ctx context.Context, l *provision.Link, s provision.Sides, o provision.Options) error {
				left, err := provision.Destroy(ctx, l, s, o)
				if ctx.Err() != nil {
					err = fmt.Errorf("interrupted; run destroy again to go on: %w", errors.Join(ctx.Err(), err))
				}
				return errors.Join(buildError(ctx, err), a.leftOver(l.Name, left))
			})
		},
	}
	flags.register(cmd)
	return cmd
}

// loader reads links from a link file.
type loader func(ctx context.Context, path string, only []string) ([]provision.Link, error)

// buildLinks loads the links to build or to remove. With --dry-run it prints their steps, and there
// is none to act on.
func (a *app) buildLinks(ctx context.Context, flags buildFlags, plan func(*provision.Link) []provision.Step, load loader) ([]provision.Link, error) {
	if flags.timeout <= 0 {
		return nil, usageError("--timeout %s: expected a positive duration, such as 15m", flags.timeout)
	}
	links, err := load(ctx, flags.path, flags.only)
	if err != nil || !flags.dryRun {
		return links, err
	}
	for _, l := range links {
		for _, step := range plan(&l) {
			if _, err := fmt.Fprintf(a.out, "%s: %-8s  %s\n", l.Name, step.Side, step.What); err != nil {
				return nil, printError(err)
			}
		}
	}
	return nil, nil
}

// Whether a link that fails keeps the next ones from being worked on.
const (
	firstFails  = true
	allAreTried = false
)

// each acts on the links one after the other, so that the output stays readable.
func (a *app) each(ctx context.Context, links []provision.Link, flags buildFlags, stop bool, act func(context.Context, *provision.Link, provision.Sides, provision.Options) error) error {
	p := a.newProgress()
	var errs []error
	for _, l := range links {
		sides, err := provision.Open(ctx, &l, nil)
		if err == nil {
			err = act(ctx, &l, sides, provision.Options{Progress: p.event, Timeout: flags.timeout})
		} else {
			err = withCode(exitUntold, err)
		}
		errs = append(errs, err)
		if ctx.Err() != nil || stop && err != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// buildError gives an error of provisioning its exit code, unless it has one: interrupted when the
// context has ended, else could not tell (AWS did not let us).
func buildError(ctx context.Context, err error) error {
	var e *exitError
	switch {
	case err == nil || errors.As(err, &e):
		return err
	case ctx.Err() != nil:
		return withCode(exitInterrupted, err)
	default:
		return withCode(exitUntold, err)
	}
}

// leftOver prints what destroy had to leave, and leads to exit code 4 when there is any.
func (a *app) leftOver(link string, left []provision.Leftover) error {
	if len(left) == 0 {
		return nil
	}
	for _, l := range left {
		if _, err := fmt.Fprintf(a.out, "%s: left over: %s %s %s: %s\n", link, l.Side, l.Kind, l.ID, l.Why); err != nil {
			return errors.Join(printError(err), leftOverError(link, len(left)))
		}
	}
	return leftOverError(link, len(left))
}

func leftOverError(link string, n int) error {
	return withCode(exitLeftOver, fmt.Errorf("link %s: %d things are left over; see stdout for what and why, then destroy again", link, n))
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
