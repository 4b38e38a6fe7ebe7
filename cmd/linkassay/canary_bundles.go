package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/linkassay/linkassay/reports"
	"github.com/linkassay/linkassay/reports/live"
	"github.com/linkassay/linkassay/reports/live/bundles"
	"github.com/linkassay/linkassay/suites"
)

// bundleFlags say where the canary keeps evidence, and what else alerts name.
type bundleFlags struct {
	dir, sign string
	age       ageFlag
	size      sizeFlag
	count     int
	runbooks  []string
}

// bundlesStop bounds the writing of bundles at the end; with --once nobody is in a hurry.
const (
	bundlesStop = 300 * time.Millisecond
	bundlesOnce = 30 * time.Second
)

func (f *bundleFlags) register(cmd *cobra.Command) {
	f.age, f.size = ageFlag(bundles.DefaultAge), bundles.DefaultSize
	cmd.Flags().StringVar(&f.dir, "bundles", "", "folder for evidence bundles of rounds that opened an incident, or in which a link came to something else (docs/canary.md)")
	cmd.Flags().Var(&f.age, "bundles-age", fmt.Sprintf("how long bundles of good rounds are kept; others are kept %d times as long", bundles.Longer))
	cmd.Flags().Var(&f.size, "bundles-size", "how large the folder may become; the oldest go first")
	cmd.Flags().IntVar(&f.count, "bundles-count", bundles.DefaultCount, "how many bundles there may be")
	cmd.Flags().StringVar(&f.sign, "sign", "", "sign bundles with this key: a private key file, agent:FINGERPRINT, agent:PUBLIC-KEY-FILE, or kms:KEY")
	cmd.Flags().StringArrayVar(&f.runbooks, "runbook", nil, "https URL of what to do, named by alerts and the status page: for all checks, with {check} and {area} in it, or CHECK=URL; repeat it")
}

func (f *bundleFlags) check(given func(string) bool) error {
	switch {
	case f.dir == "" && (given("bundles-age") || given("bundles-size") || given("bundles-count") || f.sign != ""):
		return usageError("--bundles-age, --bundles-size, --bundles-count and --sign need --bundles DIR")
	case strings.Contains(f.dir, "://"):
		return usageError("--bundles %q: expected a folder on a disk of this host", f.dir)
	case time.Duration(f.age) < time.Hour:
		return usageError("--bundles-age %s: expected at least 1h", &f.age)
	case f.size < 1<<20:
		return usageError("--bundles-size %s: expected at least 1MiB", &f.size)
	case f.count < 1:
		return usageError("--bundles-count %d: expected a number from 1", f.count)
	}
	if _, err := live.ParseRunbooks(f.runbooks, suites.Catalogue()); err != nil {
		return usageError("--runbook %w", err)
	}
	return nil
}

// open opens the folder; nil without --bundles.
func (f *bundleFlags) open(ctx context.Context, a *app, c *canaryFlags, selection suites.Selection, problem func(error)) (*bundles.Bundles, error) {
	if f.dir == "" {
		return nil, nil
	}
	var seal judgeFlags
	if err := a.openKey(ctx, f.sign, &seal); err != nil {
		return nil, err
	}
	b, err := bundles.Open(f.dir, bundles.Options{
		Age: time.Duration(f.age), Size: int64(f.size), Count: f.count, Selection: selection, Seal: seal.seal, Problem: problem,
		Report: reports.Report{
			Tool: "linkassay", Version: version, Build: build(), FailOn: suites.Severity(c.failOn), Profile: suites.Profile(c.profile),
			Selection: c.labels, Catalogue: suites.Digest(suites.Catalogue()),
		},
	})
	if err != nil {
		return nil, withCode(exitUntold, fmt.Errorf("--bundles: %w", err))
	}
	return b, nil
}

// closeBundles writes what waits, for so long.
func closeBundles(b *bundles.Bundles, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	return withCode(exitUntold, b.Close(ctx))
}
