package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/reports"
	"github.com/linkassay/linkassay/reports/evidence/ledger"
)

// ledgerFlags say which ledger a run is added to.
type ledgerFlags struct {
	place string
	every time.Duration
	open  *ledger.Ledger // nil without --ledger
	// added means that the run is in the ledger, or that it could not be added: once is enough.
	added bool
}

// ledgerTime bounds adding a run to a ledger, also after an interrupt.
const ledgerTime = time.Minute

func (f *ledgerFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.place, "ledger", "", "add the run to this hash-chained log: a folder, or s3://BUCKET/PREFIX (docs/ledger.md)")
	cmd.Flags().DurationVar(&f.every, "every", 0, "with --ledger, the schedule that this run is part of, such as 5m: gaps in it are reported")
}

func (f *ledgerFlags) check() error {
	if f.place != "" {
		if _, err := ledger.ParsePlace(f.place); err != nil {
			return usageError("--ledger: %w", err)
		}
	}
	switch {
	case f.every < 0, f.every > 0 && f.every < time.Second:
		return usageError("--every %s: expected at least a second, such as 5m", f.every)
	case f.every > 0 && f.place == "":
		return usageError("--every needs --ledger: it is declared there")
	}
	return nil
}

// openLedger opens the ledger before anything is observed: one that can't be written to is told at once.
func (f *ledgerFlags) openLedger(ctx context.Context) error {
	if f.place == "" {
		return nil
	}
	p, err := ledger.ParsePlace(f.place)
	if err != nil {
		return usageError("--ledger: %w", err)
	}
	bounded, cancel := context.WithTimeout(ctx, ledgerTime)
	defer cancel()
	f.open, err = ledger.OpenOrCreate(bounded, p, ledger.Options{Tool: "linkassay " + version, Every: f.every})
	if err == nil {
		_, err = f.open.Head(bounded)
	}
	if err != nil {
		return untold(ctx, err)
	}
	return nil
}

func (f *ledgerFlags) closeLedger() {
	if f.open != nil {
		_ = f.open.Close()
	}
}

// appendLedger adds the run to the ledger, whatever it came to, and tells the new head on stderr and in the report.
// It comes after the reports are written: the entry names them.
func (s *assay) appendLedger(ctx context.Context) {
	f := &s.flags.ledger
	if f.open == nil || f.added {
		return
	}
	f.added = true
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ledgerTime)
	defer cancel()
	record := reports.NewRecord(&s.report)
	record.Every = provision.Duration(f.every)
	var err error
	if s.bundle != nil && !s.unwritten {
		record.Bundle, err = bundleRecord(s.flags.out)
		s.err = errors.Join(s.err, withCode(exitUntold, err))
	}
	head, err := f.open.Append(ctx, record)
	if err != nil {
		s.err = errors.Join(s.err, withCode(exitUntold, fmt.Errorf("this run may not be in the ledger: %w", err)))
		s.report.ExitCode, s.report.ExitReasons = exitCode(s.err)
		return
	}
	s.report.Notes = append(s.report.Notes, fmt.Sprintf("ledger %s, head %s", f.open, head))
	fmt.Fprintf(s.app.err, "%s%s\n", ledger.HeadLine, head)
}

// bundleRecord names the bundle that the run left.
func bundleRecord(dir string) (*reports.BundleRecord, error) {
	b, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	if err != nil {
		return nil, fmt.Errorf("the ledger's entry does not name the bundle: %w", err)
	}
	sum := sha256.Sum256(b)
	return &reports.BundleRecord{Place: dir, Digest: hex.EncodeToString(sum[:])}, nil
}
