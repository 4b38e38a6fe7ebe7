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
	cmd.Flags().StringSliceVar(&f.only, "link", nil, "only these links of the file")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "print the steps; touches no network")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 15*time.Minute, "bound of each single wait")
}

func newApply(a *app) *cobra.Command {
	var flags buildFlags
	cmd := &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Build both sides of a link",
		Long: `apply builds what the link file asks for on both sides, in the order in which a link comes to
life, and tags it. It can be interrupted and run again: what exists is kept. Progress goes to
stderr; the ids go to stdout.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.build(cmd.Context(), flags, provision.Plan, func(ctx context.Context, l *provision.Link, s provision.Sides, o provision.Options) error {
				built, err := provision.Apply(ctx, l, s, o)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(a.out, "%s: service %s, endpoint %s\n", built.Name, orDash(built.Provider.ServiceName), orDash(built.Consumer.EndpointID))
				return err
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
lists, and exits with 4.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.build(cmd.Context(), flags, provision.DestroyPlan, func(ctx context.Context, l *provision.Link, s provision.Sides, o provision.Options) error {
				left, err := provision.Destroy(ctx, l, s, o)
				return errors.Join(err, a.leftOver(l.Name, left))
			})
		},
	}
	flags.register(cmd)
	return cmd
}

// build runs one provisioning action over the links of a file, one after the other: the first that
// fails ends it, so that the output stays readable.
func (a *app) build(ctx context.Context, flags buildFlags, plan func(*provision.Link) []provision.Step, act func(context.Context, *provision.Link, provision.Sides, provision.Options) error) error {
	if flags.timeout <= 0 {
		return usageError("--timeout %s: expected a positive duration", flags.timeout)
	}
	links, err := a.loadLinks(flags.path, flags.only)
	if err != nil {
		return err
	}
	if flags.dryRun {
		for _, l := range links {
			for _, step := range plan(&l) {
				if _, err := fmt.Fprintf(a.out, "%s: %-8s  %s\n", l.Name, step.Side, step.What); err != nil {
					return err
				}
			}
		}
		return nil
	}
	p := a.newProgress()
	for _, l := range links {
		sides, err := mustOpenSides(ctx, &l, provision.OpenParty)
		if err != nil {
			return err
		}
		if err := act(ctx, &l, sides, provision.Options{Progress: p.event, Timeout: flags.timeout}); err != nil {
			return buildError(ctx, err)
		}
	}
	return nil
}

// buildError gives an error of provisioning its exit code: interrupted when the context has ended,
// else could not tell (AWS did not let us), unless it has one.
func buildError(ctx context.Context, err error) error {
	var e *exitError
	switch {
	case ctx.Err() != nil:
		return errors.Join(withCode(exitInterrupted, err))
	case errors.As(err, &e):
		return err
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
			return err
		}
	}
	return withCode(exitLeftOver, fmt.Errorf("link %s: %d resources are left over", link, len(left)))
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
