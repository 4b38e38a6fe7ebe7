package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/linkassay/linkassay/reports"
	"github.com/linkassay/linkassay/reports/evidence/ledger"
)

// isLedger says whether what evidence verify was given is a ledger rather than a bundle. What could be a bundle is
// one: a file that is put into it must not get it past the questions that are asked of bundles.
func isLedger(place string) bool {
	if strings.Contains(place, "://") {
		return true
	}
	has := func(name string) bool {
		_, err := os.Lstat(filepath.Join(place, name))
		return err == nil
	}
	return has(ledger.GenesisName) && !has(reports.RunFile) && !has("SHA256SUMS")
}

// ledgerVerify is how a ledger is verified.
type ledgerVerify struct {
	heads []string
	every time.Duration
}

func (f *ledgerVerify) given() bool { return len(f.heads) > 0 || f.every != 0 }

func (f *ledgerVerify) register(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.heads, "head", nil, "of a ledger: a head that is known from elsewhere, SEQ:HASH or HASH, or a file of them; repeatable")
	cmd.Flags().DurationVar(&f.every, "every", 0, "of a ledger: the schedule that its runs were on, such as 5m; default: what they declare")
}

// verify verifies the ledger and prints what came of it.
func (f *ledgerVerify) verify(cmd *cobra.Command, a *app, place, format string) error {
	ctx := cmd.Context()
	for _, flag := range []string{"allowed-signers", "require-signature", "principal", "timestamp-ca"} {
		if cmd.Flags().Changed(flag) {
			return usageError("--%s is for bundles, and %s is a ledger", flag, place)
		}
	}
	heads, err := readHeads(f.heads)
	if err != nil {
		return err
	}
	if f.every < 0 {
		return usageError("--every %s: expected a positive duration, such as 5m", f.every)
	}
	l, err := openToRead(ctx, place)
	if err != nil {
		return err
	}
	defer l.Close()
	result, err := l.Verify(ctx, ledger.VerifyOptions{Heads: heads, Every: f.every, Now: time.Now()})
	if err != nil {
		return untold(ctx, err)
	}
	if err := result.Print(a.out, l.String(), format); err != nil {
		return printError(err)
	}
	switch {
	case result.Newer():
		return withCode(exitUntold, fmt.Errorf("a newer linkassay wrote some of %s; this is version %s", l, version))
	case result.Refused():
		return &exitError{code: exitFailed, err: errors.New("the ledger is refused"), quiet: true}
	}
	return nil
}

// readHeads reads heads as they are given on the command line: a head, or a file of heads.
func readHeads(given []string) ([]ledger.Head, error) {
	var heads []ledger.Head
	for _, s := range given {
		if h, err := ledger.ParseHead(s); err == nil {
			heads = append(heads, h)
			continue
		}
		file, err := os.Open(s)
		if errors.Is(err, os.ErrNotExist) {
			return nil, usageError("--head %q: no such file, and %w", s, ledger.ErrHead)
		}
		if err != nil {
			return nil, usageError("--head: %w", err)
		}
		more, err := ledger.ParseHeads(file)
		_ = file.Close()
		if err != nil {
			return nil, usageError("--head %s: %w", s, err)
		}
		heads = append(heads, more...)
	}
	return heads, nil
}

func openToRead(ctx context.Context, place string) (*ledger.Ledger, error) {
	p, err := ledger.ParsePlace(place)
	if err != nil {
		return nil, withCode(exitUsage, err)
	}
	l, err := ledger.Open(ctx, p)
	if err != nil {
		return nil, untold(ctx, err)
	}
	return l, nil
}

// untold is for what could not be read, unless it was interrupted.
func untold(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return withCode(exitInterrupted, errors.New("interrupted"))
	}
	return withCode(exitUntold, err)
}

// newEvidenceLedger is the group of commands on ledgers.
func newEvidenceLedger(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ledger",
		Short: "Verify a ledger of runs, or show its newest entries",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError("no command evidence ledger %s; linkassay evidence ledger --help lists them", args[0])
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error {
			return usageError("say what to do with the ledger: linkassay evidence ledger verify LEDGER, or show LEDGER")
		},
	}
	cmd.AddCommand(newLedgerVerify(a), newLedgerShow(a))
	return cmd
}

func newLedgerVerify(a *app) *cobra.Command {
	var f ledgerVerify
	var format string
	cmd := &cobra.Command{
		Use:   "verify LEDGER",
		Short: "Prove that no run was removed, reordered or changed before a known head",
		Long: `verify reads all of a ledger, a folder or s3://BUCKET/PREFIX, and says whether its entries hang together. With a
head that was kept elsewhere it proves that none up to it was removed, reordered or changed. Gaps in a declared
schedule are listed.

Exit codes: 0 verified; 1 refused; 2 wrong usage; 3 unreadable, or made by a newer linkassay.`,
		Example: `  linkassay evidence ledger verify runs/ --head heads.txt
  linkassay evidence ledger verify s3://bucket/runs?region=eu-west-1 --head 42:9f86d0…`,
		Args: oneLedger,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := resultFormat(format); err != nil {
				return err
			}
			return f.verify(cmd, a, args[0], format)
		},
	}
	f.register(cmd)
	cmd.Flags().StringVar(&format, "format", "table", "what to print: table or json")
	return cmd
}

func newLedgerShow(a *app) *cobra.Command {
	var format string
	var last int
	cmd := &cobra.Command{
		Use:   "show LEDGER",
		Short: "Print the newest entries, a line each",
		Args:  oneLedger,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := resultFormat(format); err != nil {
				return err
			}
			if last < 1 {
				return usageError("--last %d: expected a number of entries from 1", last)
			}
			l, err := openToRead(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer l.Close()
			head, err := l.Head(cmd.Context())
			if err != nil {
				return untold(cmd.Context(), err)
			}
			first := uint64(1)
			if n := uint64(last); head.Seq > n {
				first = head.Seq - n + 1
			}
			for e, err := range l.Entries(cmd.Context(), first) {
				if err != nil {
					return untold(cmd.Context(), err)
				}
				if err := ledger.PrintEntry(a.out, e, format); err != nil {
					return printError(err)
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&format, "format", "table", "what to print: table, or json, a line each")
	cmd.Flags().IntVar(&last, "last", 20, "how many")
	return cmd
}

func oneLedger(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usageError("name one ledger, a folder or s3://BUCKET/PREFIX: %s LEDGER", cmd.CommandPath())
	}
	return nil
}
