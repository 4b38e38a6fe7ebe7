package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/linkassay/linkassay/reports"
	"github.com/linkassay/linkassay/reports/evidence"
	"github.com/linkassay/linkassay/reports/evidence/ledger"
)

func newEvidence(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "evidence",
		Short: "Verify and compare the evidence of runs, offline",
		Long: `evidence works on the bundles that verify and demo write with --out, and on the ledgers that they add to with
--ledger. It needs no AWS account, and no network for what is in a folder.`,
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
	cmd.AddCommand(newEvidenceVerify(a), newEvidenceDiff(a), newEvidenceLedger(a))
	return cmd
}

func newEvidenceVerify(a *app) *cobra.Command {
	var (
		format, allowed, ca string
		o                   evidence.Options
		l                   ledgerVerify
	)
	cmd := &cobra.Command{
		Use:   "verify DIR|LEDGER",
		Short: "Verify a bundle: signature, digests, and that checks and pages say again what was recorded",
		Long: `verify says whether a bundle is complete, unchanged and by whom it is signed, and judges the recorded
observations again: the checks must give the same status, facts and blockers as are recorded, and report.html and
the other files that are made of run.json must say what it does.

A signature is worth something only with --allowed-signers, a list in the format of ssh-keygen that comes
from its owner and not with the bundle. A bundle without a signature is verified too, unless
--require-signature is given; its digests prove integrity against accident only.

Of a ledger, a folder or s3://BUCKET/PREFIX, verify says what evidence ledger verify says.

Exit codes: 0 verified; 1 refused; 2 wrong usage; 3 unreadable, or made by a newer linkassay.`,
		Example: `  linkassay evidence verify evidence/
  linkassay evidence verify evidence/ --allowed-signers allowed_signers --require-signature
  linkassay evidence verify runs/ --head heads.txt`,
		Args: oneBundle,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := resultFormat(format); err != nil {
				return err
			}
			if isLedger(args[0]) {
				return l.verify(cmd, a, args[0], format)
			}
			if l.given() {
				return usageError("--head and --every are for ledgers, and %s is none: it has no %s", args[0], ledger.GenesisName)
			}
			if o.Principal != "" && allowed == "" {
				return usageError("--principal needs --allowed-signers: the list says whose a key is")
			}
			if allowed != "" {
				var err error
				if o.AllowedSigners, err = os.ReadFile(allowed); err != nil {
					return usageError("--allowed-signers: %v", err)
				}
			}
			var err error
			if o.TimestampRoots, err = certificates("--timestamp-ca", ca); err != nil {
				return err
			}
			o.Version, o.Build = version, build()
			result, err := evidence.VerifyDir(args[0], o)
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
	cmd.Flags().StringVar(&allowed, "allowed-signers", "", "list of the keys that may sign, as ssh-keygen -Y takes it")
	cmd.Flags().BoolVar(&o.RequireSignature, "require-signature", false, "refuse a bundle that nobody of --allowed-signers has signed")
	cmd.Flags().StringVar(&ca, "timestamp-ca", "", "PEM file with the root certificates of the time stamping authority; default: the system's")
	cmd.Flags().StringVar(&o.Principal, "principal", "", "who must have signed; default: whoever of --allowed-signers")
	cmd.Flags().StringVar(&format, "format", "table", "what to print: table or json")
	l.register(cmd)
	return cmd
}

func newEvidenceDiff(a *app) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "diff A B",
		Short: "Say what changed between two runs",
		Long: `diff compares two bundles: per link the verdicts, the facts they rest on, the configuration and the
identities; and the selection of checks and the tool. Both are verified first.

Exit codes: 0 nothing changed; 1 something did; 2 wrong usage; 3 one of them is refused or unreadable.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usageError("name two bundles: %s A B", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if err := resultFormat(format); err != nil {
				return err
			}
			d, err := evidence.DiffDirs(args[0], args[1])
			if err != nil {
				return evidenceError(err)
			}
			if err := evidence.PrintDiff(a.out, d, format); err != nil {
				return printError(err)
			}
			if !d.Same {
				return &exitError{code: exitFailed, err: errors.New("the runs differ"), quiet: true}
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
	if errors.Is(err, evidence.ErrAllowedSigners) {
		return usageError("--allowed-signers: %v", err)
	}
	if errors.Is(err, reports.ErrNewer) {
		return withCode(exitUntold, fmt.Errorf("%w; this is version %s", err, version))
	}
	return withCode(exitUntold, err)
}
