package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/linkassay/linkassay/reports"
	"github.com/linkassay/linkassay/reports/evidence/ledger"
)

func newReport(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Report on many runs: availability, incidents, gaps and changes over a period",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError("no command report %s; linkassay report --help lists them", args[0])
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error {
			return usageError("say which report: linkassay report period LEDGER")
		},
	}
	cmd.AddCommand(newReportPeriod(a))
	return cmd
}

// periodFlags say what a period report is of and where it goes.
type periodFlags struct {
	from, to, out, format string
	heads                 []string
	every, hold           time.Duration
}

// defaultPeriod is how far a report goes back that is not told.
const defaultPeriod = 30 * 24 * time.Hour

func newReportPeriod(a *app) *cobra.Command {
	var f periodFlags
	cmd := &cobra.Command{
		Use:   "period LEDGER",
		Short: "Availability per link and check, incidents, gaps and changes, from a ledger",
		Long: `period reads a ledger, a folder or s3://BUCKET/PREFIX, and reports on the runs of a period: availability per link and
check, incidents with their root cause, gaps in the declared schedule, changes of configuration, and the controls that
this is evidence for. How each number is made is stated in the report. The ledger is verified on the way.

Exit codes: 0 the report is made; 1 it is made, but the ledger does not verify; 2 wrong usage; 3 the ledger could not be read.`,
		Example: `  linkassay report period --from 2026-09-01 --to 2026-09-30 --out september/ runs/
  linkassay report period --head heads.txt s3://bucket/runs?region=eu-west-1`,
		Args: oneLedger,
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, a, args[0]) },
	}
	cmd.Flags().StringVar(&f.from, "from", "", "beginning, such as 2026-09-01 or 2026-09-01T08:00:00Z (days are UTC); default: 30 days before the end")
	cmd.Flags().StringVar(&f.to, "to", "", "end; a day is in it; default: now")
	cmd.Flags().StringVar(&f.out, "out", "", "directory for period.html, period.md, period.json and CSV files; must be absent or empty")
	cmd.Flags().StringVar(&f.format, "format", "table", "what to print: table, markdown or json")
	cmd.Flags().StringArrayVar(&f.heads, "head", nil, "a head of the ledger that is known from elsewhere, SEQ:HASH or HASH, or a file of them; repeatable")
	cmd.Flags().DurationVar(&f.every, "every", 0, "the schedule that the runs were on, such as 5m; default: what they declare")
	cmd.Flags().DurationVar(&f.hold, "hold", reports.DefaultHold, "how long a run speaks that declares no schedule")
	return cmd
}

func (f *periodFlags) run(cmd *cobra.Command, a *app, place string) error {
	now := time.Now().UTC()
	o := reports.PeriodOptions{To: now, Every: f.every, Hold: f.hold}
	if f.to != "" {
		t, day, err := parseMoment(f.to)
		if err != nil {
			return usageError("--to %w", err)
		}
		if day {
			t = t.AddDate(0, 0, 1)
		}
		if t.Before(now) {
			o.To = t
		}
	}
	o.From = o.To.Add(-defaultPeriod)
	if f.from != "" {
		var err error
		if o.From, _, err = parseMoment(f.from); err != nil {
			return usageError("--from %w", err)
		}
	}
	switch {
	case !o.From.Before(o.To):
		return usageError("--from %s is not before the end, %s", o.From.Format(time.RFC3339), o.To.Format(time.RFC3339))
	case f.every < 0 || f.hold <= 0:
		return usageError("--every and --hold: expected positive durations, such as 5m")
	case f.format != reports.TableFormat && f.format != reports.MarkdownFormat && f.format != reports.JSONFormat:
		return usageError("--format %q: expected table, markdown or json", f.format)
	}
	if f.out != "" {
		if err := reports.CheckDir(f.out); err != nil {
			return usageError("--out: %v", err)
		}
	}
	heads, err := readHeads(f.heads)
	if err != nil {
		return err
	}
	l, err := openToRead(cmd.Context(), place)
	if err != nil {
		return err
	}
	defer l.Close()
	o.Fallback = time.Duration(l.Genesis().Every)
	period := reports.NewPeriod(o)
	result, err := l.Verify(cmd.Context(), ledger.VerifyOptions{Heads: heads, Every: f.every, Each: func(e *ledger.Entry) { period.Add(e.Record) }})
	if err != nil {
		return untold(cmd.Context(), err)
	}
	report, err := period.Report()
	if err != nil {
		return withCode(exitUntold, err)
	}
	report.Source = reports.PeriodSource{Place: l.String(), Entries: result.Entries, Head: result.Head.String(), Proof: result.Proof()}
	for _, p := range result.Problems {
		report.Source.Problems = append(report.Source.Problems, p.String())
	}
	var errs []error
	if f.out != "" {
		if err := reports.WritePeriod(f.out, report); err != nil {
			errs = append(errs, withCode(exitUntold, fmt.Errorf("--out %s: %w", f.out, err)))
		}
	}
	errs = append(errs, printError(reports.PrintPeriod(a.out, report, f.format, a.printOptions())))
	if result.Refused() {
		errs = append(errs, withCode(exitFailed, fmt.Errorf("the ledger %s does not verify: %s", l, result.Problems[0])))
	}
	return errors.Join(errs...)
}

// parseMoment reads a time in RFC 3339 or a day, in UTC; it says whether it was a day.
func parseMoment(s string) (t time.Time, day bool, err error) {
	if t, err = time.Parse(time.DateOnly, s); err == nil {
		return t, true, nil
	}
	if t, err = time.Parse(time.RFC3339, s); err != nil {
		return t, false, fmt.Errorf("%q: expected a day such as 2026-09-01, or a time such as 2026-09-01T08:00:00Z", s)
	}
	return t.UTC(), false, nil
}
