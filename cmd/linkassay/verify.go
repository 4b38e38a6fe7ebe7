package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/reports"
	"github.com/linkassay/linkassay/suites"
)

// judgeFlags are the flags that say what is judged and where it goes; verify and demo share them.
type judgeFlags struct {
	out    string
	format string
	labels string
	failOn string
	wait   time.Duration
}

func (f *judgeFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.out, "out", "", "directory for run.json, junit.xml and report.md; must be absent or empty")
	cmd.Flags().StringVar(&f.format, "format", "table", "what to print: table, markdown or json")
	cmd.Flags().StringVar(&f.labels, "label-filter", "", "Ginkgo label filter over check ids, areas and severities, such as 'dns || reachability'")
	cmd.Flags().StringVar(&f.failOn, "fail-on", "", "what fails the run beside critical checks: warning, or advice (warnings too)")
	cmd.Flags().DurationVar(&f.wait, "wait", 0, "poll the control plane until its states are final, at most this long")
}

// check refuses wrong flags before anything is touched.
func (f *judgeFlags) check() error {
	switch f.format {
	case "table", "markdown", "json":
	default:
		return usageError("--format %q: expected table, markdown or json", f.format)
	}
	switch suites.Severity(f.failOn) {
	case "", suites.Warning, suites.Advice:
	default:
		return usageError("--fail-on %q: expected warning or advice", f.failOn)
	}
	if _, err := suites.Select(f.labels); err != nil {
		return usageError("--label-filter: %v", err)
	}
	if f.wait < 0 {
		return usageError("--wait %s: expected a positive duration", f.wait)
	}
	if f.out != "" {
		if err := reports.CheckDir(f.out); err != nil {
			return usageError("--out: %v", err)
		}
	}
	return nil
}

func newVerify(a *app) *cobra.Command {
	var (
		path   string
		only   []string
		dryRun bool
		flags  judgeFlags
	)
	cmd := &cobra.Command{
		Use:   "verify -f FILE",
		Short: "Observe a link from every vantage and judge it",
		Long: `verify reads both accounts (never writing), asks DNS, connects from every vantage of the link
file, judges what it saw with every check, and names the one root cause where something is wrong.
Without --out nothing is written to disk.`,
		Example: `  linkassay verify -f link.yaml
  linkassay verify -f link.yaml --out evidence/ --wait 10m
  linkassay verify -f link.yaml --label-filter 'dns' --format json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := flags.check(); err != nil {
				return err
			}
			links, err := a.loadLinks(path, only)
			if err != nil {
				return err
			}
			if dryRun {
				return a.explainVerify(links, flags)
			}
			observe := func(ctx context.Context, p *progress) []*probes.Observation {
				return a.observeAll(ctx, links, provision.OpenParty, flags.wait, p)
			}
			for i := range links { // wrong vantages are a wrong link file, found before any probing
				if _, _, err := place(&links[i]); err != nil {
					return err
				}
			}
			return a.judgeAndReport(cmd.Context(), observe, flags)
		},
	}
	cmd.Flags().StringVarP(&path, "file", "f", "", "link file, - for standard input")
	cmd.Flags().StringSliceVar(&only, "link", nil, "only these links of the file")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what would be asked and checked; touches no network")
	flags.register(cmd)
	return cmd
}

// observeAll observes links side by side, at most eight at once, in the file's order.
func (a *app) observeAll(ctx context.Context, links []provision.Link, open opener, wait time.Duration, p *progress) []*probes.Observation {
	const atOnce = 8
	observations := make([]*probes.Observation, len(links))
	slots := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for i, l := range links {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			p.line("observing %s", l.Name)
			// place was checked before: an error here is not possible, and shows as missing vantages.
			found, src, err := sources(ctx, l, open)
			if err != nil {
				a.log().Error("open the link's vantages", "link", l.Name, "error", err)
			}
			observations[i] = probes.Observe(ctx, found, src, probes.Options{
				Wait: wait, ReadFile: readFile,
				Progress: func(s string) { p.line("%s: %s", l.Name, s) },
			})
		})
	}
	wg.Wait()
	return observations
}

// judgeAndReport runs the line's last two stages. It writes and prints whatever was observed,
// also when the context has ended.
func (a *app) judgeAndReport(ctx context.Context, observe func(context.Context, *progress) []*probes.Observation, flags judgeFlags) error {
	p := a.newProgress()
	started := time.Now().UTC()
	observations := observe(ctx, p)
	var runner suites.Runner
	opts := suites.RunOptions{LabelFilter: flags.labels}
	if a.verbose {
		opts.Output = a.err
	}
	result, err := runner.Run(ctx, observations, opts)
	if err != nil {
		return withCode(exitUsage, err)
	}
	outcome := verdictErrors(result.All(), suites.Severity(flags.failOn))
	if ctx.Err() != nil {
		outcome = errors.Join(outcome, withCode(exitInterrupted, errors.New("interrupted: the report holds what was observed until then")))
	}
	code, reasons := exitCode(outcome)
	report := &reports.Report{
		Tool: "linkassay", Version: version, Started: started, Finished: time.Now().UTC(),
		FailOn: suites.Severity(flags.failOn), ExitCode: code, ExitReasons: reasons,
	}
	for i, o := range observations {
		report.Links = append(report.Links, reports.LinkReport{Observation: o, Verdicts: result.Verdicts[i]})
	}
	if flags.out != "" {
		if err := reports.Write(flags.out, report); err != nil {
			outcome = errors.Join(outcome, withCode(exitUntold, err))
		} else {
			p.line("wrote run.json, junit.xml and report.md to %s", flags.out)
		}
	}
	if err := a.print(report, flags.format); err != nil {
		outcome = errors.Join(outcome, withCode(exitUntold, fmt.Errorf("print the report: %w", err)))
	}
	return outcome
}

// explainVerify says what verify would do, from the link file alone.
func (a *app) explainVerify(links []provision.Link, flags judgeFlags) error {
	var b strings.Builder
	for _, l := range links {
		fmt.Fprintf(&b, "link %s (%s)\n", l.Name, l.Region)
		for _, side := range []struct {
			name  string
			party provision.Party
		}{{"provider", l.Provider.Party}, {"consumer", l.Consumer.Party}} {
			if side.party.Access == provision.AccessNone {
				fmt.Fprintf(&b, "  %s %s: not asked (access: none)\n", side.name, side.party.Account)
				continue
			}
			fmt.Fprintf(&b, "  %s %s: AWS API reads as %s\n", side.name, side.party.Account, describeParty(side.party))
		}
		for _, v := range l.Vantages {
			expect := v.Expect
			if expect == "" {
				expect = provision.ExpectReach
			}
			fmt.Fprintf(&b, "  vantage %s (%s): DNS, then ports", v.Name, v.From)
			for _, port := range l.Ports {
				fmt.Fprintf(&b, " %d", port.Port)
			}
			fmt.Fprintf(&b, "; expects %s\n", expect)
		}
		if len(l.Vantages) == 0 {
			fmt.Fprintf(&b, "  no vantages: control plane only\n")
		}
	}
	selected, err := suites.Select(flags.labels)
	if err != nil {
		return usageError("--label-filter: %v", err)
	}
	for _, l := range links {
		fmt.Fprintf(&b, "checks of %s:\n", l.Name)
		for _, c := range suites.Catalogue() {
			if selected(l.Name, c) {
				fmt.Fprintf(&b, "  %s\n", c.ID)
			}
		}
	}
	_, err = a.out.Write([]byte(b.String()))
	return err
}

func describeParty(p provision.Party) string {
	switch {
	case p.Role != nil && p.Profile != "":
		return "role " + p.Role.ARN + " from profile " + p.Profile
	case p.Role != nil:
		return "role " + p.Role.ARN
	case p.Profile != "":
		return "profile " + p.Profile
	default:
		return "the environment's credentials"
	}
}
