package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/linkassay/linkassay/reports"
	"github.com/linkassay/linkassay/reports/evidence"
)

func newEvidence(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "evidence",
		Short: "Verify and compare the evidence of runs, offline",
		Long: `evidence works on the bundles that verify and demo write with --out. It needs no AWS account and no
network.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError("no command evidence %s; linkassay evidence --help lists them", args[0])
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error {
			return usageError("say what to do with the evidence: linkassay evidence verify DIR")
		},
	}
	cmd.AddCommand(newEvidenceVerify(a))
	return cmd
}

func newEvidenceVerify(a *app) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "verify DIR",
		Short: "Verify a bundle: digests, and that the checks say again what was recorded",
		Long: `verify says whether a bundle is complete and unchanged, and judges the recorded observations again:
the checks must give the same status, facts and blockers as are recorded.

Exit codes: 0 verified; 1 refused; 2 wrong usage; 3 unreadable, or made by a newer linkassay.`,
		Args: oneBundle,
		RunE: func(_ *cobra.Command, args []string) error {
			if err := resultFormat(format); err != nil {
				return err
			}
			result, err := evidence.VerifyDir(args[0], evidence.Options{})
			if err != nil {
				return evidenceError(err)
			}
			if err := evidence.PrintResult(a.out, result, format); err != nil {
				return printError(err)
			}
			if err := result.Err(); err != nil {
				return &exitError{code: exitFailed, err: err, quiet: true}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&format, "format", "table", "what to print: table or json")
	return cmd
}

func oneBundle(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usageError("name one bundle, the directory of a run's --out: %s DIR", cmd.CommandPath())
	}
	return nil
}

func resultFormat(format string) error {
	if format != "table" && format != "json" {
		return usageError("--format %q: expected table or json", format)
	}
	return nil
}

// evidenceError gives the exit code to what kept a bundle from being verified.
func evidenceError(err error) error {
	if errors.Is(err, reports.ErrNewer) {
		return withCode(exitUntold, fmt.Errorf("%w; this is version %s", err, version))
	}
	return withCode(exitUntold, err)
}
