package main

import (
	"context"
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

func newVerify(a *app) *cobra.Command {
	var (
		path   string
		only   []string
		dryRun bool
		hub    bool
		seal   sealFlags
		flags  judgeFlags
	)
	cmd := &cobra.Command{
		Use:   "verify -f FILE",
		Short: "Observe a link from every vantage and judge it",
		Long: `verify reads both accounts (never changing them), asks DNS, connects from every vantage of the link
file, judges what it saw with every check, and names the one root cause where something is wrong.
--import alone writes to AWS: findings, into Security Hub of each account that may be asked.
Without --out and --ledger nothing is written to disk.`,
		Example: `  linkassay verify -f link.yaml
  linkassay verify -f link.yaml --out evidence/ --wait 10m
  linkassay verify -f link.yaml --out evidence/ --sign ~/.ssh/id_ed25519
  linkassay verify -f link.yaml --slow
  linkassay verify -f link.yaml --ledger runs/ --every 5m
  linkassay verify -f link.yaml --label-filter 'dns' --format json`,
		Args: flagsOnly,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := flags.check(); err != nil {
				return err
			}
			if hub && flags.format != reports.ASFFFormat {
				return usageError("--import needs --format asff: what is imported is what is printed")
			}
			links, err := a.loadLinks(cmd.Context(), path, only)
			if err != nil {
				return err
			}
			var names []string
			for _, l := range links {
				names = append(names, l.Name)
			}
			if err := flags.selects(names...); err != nil {
				return err
			}
			ways := make([]way, len(links))
			for i := range links { // wrong vantages are a wrong link file, found before any probing
				if ways[i], err = place(&links[i]); err != nil {
					return err
				}
			}
			if dryRun {
				return a.explainVerify(links, flags)
			}
			if err := a.openSeal(cmd.Context(), seal, &flags); err != nil { // before the run, not after it
				return err
			}
			if err := flags.ledger.openLedger(cmd.Context()); err != nil {
				return err
			}
			defer flags.ledger.closeLedger()
			run := a.newAssay(flags)
			run.judge(cmd.Context(), a.observeAll(cmd.Context(), links, ways, &flags))
			if hub && cmd.Context().Err() == nil {
				run.importFindings(cmd.Context(), links)
			}
			run.finish(cmd.Context())
			return run.err
		},
	}
	cmd.Flags().StringVarP(&path, "file", "f", "", "link file, - for standard input")
	cmd.Flags().StringSliceVar(&only, "link", nil, "only these links of the file, by name; repeat it or separate with commas")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what would be asked and checked; touches no network")
	cmd.Flags().BoolVar(&hub, "import", false, "with --format asff: also import the findings into AWS Security Hub of each account that may be asked")
	seal.register(cmd)
	flags.register(cmd)
	return cmd
}

// observeAll observes links side by side, at most eight at once, in the file's order.
func (a *app) observeAll(ctx context.Context, links []provision.Link, ways []way, flags *judgeFlags) []looked {
	const atOnce = 8
	p := a.newProgress()
	all := make([]looked, len(links))
	slots := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for i, l := range links {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			p.line("observing %s", l.Name)
			progress := func(s string) { p.line("%s: %s", l.Name, s) }
			all[i] = flags.look(ctx, progress, func(ctx context.Context, wait time.Duration) *probes.Observation {
				started := time.Now()
				found, src := sources(ctx, l, ways[i], nil)
				defer src.Provider.Close()
				defer src.Consumer.Close()
				return probes.Observe(ctx, found, src, probes.Options{Wait: wait, Slow: flags.slow, ReadFile: readFile, Progress: progress, Started: started})
			})
			p.line("observed %s", l.Name)
		})
	}
	wg.Wait()
	return all
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
			if flags.slow && expect == provision.ExpectReach {
				fmt.Fprintf(&b, ", and connections silent for about %s", l.Timeouts.Idle.Or(provision.DefaultIdleTimeout))
			}
			fmt.Fprintf(&b, "; expects %s\n", expect)
		}
		if len(l.Vantages) == 0 {
			fmt.Fprintf(&b, "  no vantages: control plane only\n")
		}
	}
	selected, err := suites.Select(flags.filter())
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
	return printError(err)
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
