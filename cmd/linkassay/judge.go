package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/reports"
	"github.com/linkassay/linkassay/reports/evidence"
	"github.com/linkassay/linkassay/suites"
)

// judgeFlags are the flags that say what is judged and where it goes; verify and demo share them.
type judgeFlags struct {
	out    string
	format string
	labels string
	// profile picks the checks that labels picks from.
	profile string
	failOn  string
	wait    time.Duration
	settle  int
	slow    bool
	given   func(flag string) bool // whether the flag stood on the command line
	seal    evidence.SealOptions   // how the bundle in out is sealed
	ledger  ledgerFlags
}

// With --wait, so many rounds in a row must be good; and no more than that can be asked for.
const (
	defaultSettle = 3
	maxSettle     = 100
)

// filter is the label filter of the profile and the labels together. The flags were checked.
func (f *judgeFlags) filter() string {
	filter, err := suites.ProfileFilter(f.profile, f.labels)
	if err != nil {
		return f.labels
	}
	return filter
}

func (f *judgeFlags) register(cmd *cobra.Command) {
	f.given = cmd.Flags().Changed
	cmd.Flags().StringVar(&f.out, "out", "", "directory for the evidence: run.json, junit.xml, report.html, controls.csv and others, and their digests; must be absent or empty")
	cmd.Flags().StringVar(&f.format, "format", reports.TableFormat, "what to print: "+strings.Join(reports.Formats(), ", ")+" (asff: findings for AWS Security Hub; oscal: OSCAL Assessment Results)")
	completeFormats(cmd)
	cmd.Flags().StringVar(&f.labels, "label-filter", "", "only the checks that match this Ginkgo label filter; labels are check ids, areas, severities and link:NAME, such as 'dns || reachability'")
	cmd.Flags().StringVar(&f.profile, "profile", string(suites.Acceptance), "which checks: acceptance (all), canary (what can break in use), or audit (access, exposure, encryption, redundancy, ownership)")
	cmd.Flags().StringVar(&f.failOn, "fail-on", "", "what fails the run beside critical checks: warning, or advice (warnings too)")
	cmd.Flags().DurationVar(&f.wait, "wait", 0, "poll the control plane until its states are final, then look again until --settle rounds in a row are good; at most this long, such as 10m")
	cmd.Flags().BoolVar(&f.slow, "slow", false, "also keep connections silent for about as long as timeouts.idle (350s by default), to see whether they last")
	cmd.Flags().IntVar(&f.settle, "settle", defaultSettle, "with --wait, how many rounds in a row must be good")
	f.ledger.register(cmd)
}

// completeFormats makes the shell offer the formats.
func completeFormats(cmd *cobra.Command) {
	err := cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(reports.Formats(), cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err) // the flag is there: it is registered beside this
	}
}

// checkSelection refuses what picks and weighs no checks.
func checkSelection(failOn, labels, profile string) error {
	switch suites.Severity(failOn) {
	case "", suites.Warning, suites.Advice:
	default:
		return usageError("--fail-on %q: expected warning or advice", failOn)
	}
	if _, err := suites.Select(labels); err != nil {
		return usageError("--label-filter: %v", err)
	}
	if _, err := suites.ProfileFilter(profile, labels); err != nil {
		return usageError("--profile: %v", err)
	}
	return nil
}

// check refuses wrong flags before anything is touched.
func (f *judgeFlags) check() error {
	if !slices.Contains(reports.Formats(), f.format) {
		return usageError("--format %q: expected one of %s", f.format, strings.Join(reports.Formats(), ", "))
	}
	if err := checkSelection(f.failOn, f.labels, f.profile); err != nil {
		return err
	}
	if f.settle < 1 || f.settle > maxSettle {
		return usageError("--settle %d: expected a number of rounds from 1 to %d", f.settle, maxSettle)
	}
	if f.settle != defaultSettle && f.wait == 0 {
		return usageError("--settle needs --wait: it looks again until the link has settled, or the time is up")
	}
	if f.slow && f.wait != 0 {
		return usageError("--slow with --wait: each round would take as long as the silence; run with --wait first, then with --slow")
	}
	if f.wait < 0 {
		return usageError("--wait %s: expected a positive duration, such as 10m", f.wait)
	}
	if f.out == "" && f.given("out") {
		return usageError("--out %q: expected a directory, absent or empty", f.out)
	}
	if f.out != "" {
		if err := reports.CheckDir(f.out); err != nil {
			return usageError("--out: %v", err)
		}
	}
	return f.ledger.check()
}

// selects refuses a label filter that matches no check of the links, before any of them is observed.
func (f *judgeFlags) selects(links ...string) error {
	selected, err := suites.Select(f.filter())
	if err != nil {
		return usageError("--label-filter: %v", err)
	}
	for _, link := range links {
		for _, c := range suites.Catalogue() {
			if selected(link, c) {
				return nil
			}
		}
	}
	return usageError("--label-filter %q: %w: no check of %s matches; labels are check ids (linkassay list checks), areas such as dns, severities, profiles, and link:NAME",
		f.filter(), suites.ErrNothingSelected, abbreviate(links))
}

// assay is one run of verify or demo: what it came to, and the report of it.
type assay struct {
	*app
	flags  judgeFlags
	report reports.Report
	err    error            // everything that leads to an exit code
	bundle *evidence.Bundle // nil before it is begun, and without --out
	// specs waits for Ginkgo, which runs beside the writing of the bundle, and says whether it ran what was selected.
	specs func() error
	// unwritten means that the bundle could not be written; trying again would only say it twice.
	unwritten bool
}

func (a *app) newAssay(flags judgeFlags) *assay {
	return &assay{app: a, flags: flags, report: reports.Report{
		Tool: "linkassay", Version: version, Build: build(), Started: time.Now().UTC(), FailOn: suites.Severity(flags.failOn),
		Profile: suites.Profile(flags.profile), Selection: flags.labels, Catalogue: suites.Digest(suites.Catalogue()),
	}}
}

// build says what this binary was made of.
func build() reports.Build {
	b := reports.Build{Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// looked is what came of looking at a link, as it is kept: the last round, and with --wait those before it.
type looked struct {
	observation *probes.Observation
	rounds      []suites.Round
	raw         *reports.Raw // of all rounds
	err         error        // why not all of it could be kept
}

// keep makes of what was observed what is kept of it: that is what is judged.
func (l *looked) keep(o *probes.Observation) *probes.Observation {
	kept, raw, err := reports.Keep(o)
	if err != nil {
		l.err = errors.Join(l.err, withCode(exitUntold, fmt.Errorf("judged as observed, and not kept: %w", err)))
		return o
	}
	if l.raw == nil {
		l.raw = raw
	}
	l.raw.Add(raw)
	return kept
}

// look observes a link once, or with --wait until it has settled.
func (f *judgeFlags) look(ctx context.Context, progress func(string), see func(ctx context.Context, wait time.Duration) *probes.Observation) looked {
	var l looked
	observe := func(ctx context.Context, wait time.Duration) *probes.Observation { return l.keep(see(ctx, wait)) }
	if f.wait == 0 {
		l.observation = observe(ctx, 0)
		return l
	}
	deadline := time.Now().Add(f.wait)
	settle := func() error {
		selected, err := suites.Select(f.filter())
		if err != nil {
			return err
		}
		l.rounds = suites.Settle(ctx, func(ctx context.Context) *probes.Observation {
			// A state that is final is not waited for: later rounds wait only if one changed again.
			l.observation = observe(ctx, max(time.Until(deadline), time.Millisecond))
			return l.observation
		}, suites.SettleOptions{Good: f.settle, Within: f.wait, Selection: selected, FailOn: suites.Severity(f.failOn), Progress: progress})
		return nil
	}
	if err := guard("settle", settle); err != nil {
		progress(err.Error())
	}
	if l.observation == nil {
		l.observation = observe(ctx, 0)
	}
	return l
}

// judge judges what was last seen of the links and adds all of it to the report. With --out it is written before, and
// what is judged was read back.
func (s *assay) judge(ctx context.Context, links []looked) {
	for _, l := range links {
		s.report.Links = append(s.report.Links, reports.LinkReport{Observation: l.observation, Rounds: l.rounds, Raw: l.raw})
		s.err = errors.Join(s.err, l.err)
	}
	if s.begin() {
		s.outError(s.bundle.Observe(&s.report))
	}
	var observations []*probes.Observation
	for _, l := range s.report.Links {
		observations = append(observations, l.Observation)
	}
	verdicts, err := s.verdicts(ctx, observations)
	var all []suites.Verdict
	for i := range s.report.Links {
		s.report.Links[i].Verdicts = verdicts[i]
		all = append(all, verdicts[i]...)
	}
	s.err = errors.Join(s.err, verdictErrors(all, s.report.FailOn), err)
	if ctx.Err() != nil {
		s.err = errors.Join(s.err, withCode(exitInterrupted, errors.New("interrupted: the report holds what was observed until then")))
	}
}

// verdicts runs the checks as Ginkgo specs, and does not wait for them unless their words are asked for. When that goes wrong the
// observations are judged without Ginkgo: the specs decide nothing, and what was observed must be told all the same.
func (s *assay) verdicts(ctx context.Context, observations []*probes.Observation) ([][]suites.Verdict, error) {
	opts := suites.RunOptions{LabelFilter: s.flags.filter()}
	if s.verbose {
		opts.Output = s.app.err
	}
	var result suites.Result
	err := guard("run the checks", func() (err error) {
		var runner suites.Runner
		if result, s.specs, err = runner.Start(ctx, observations, opts); err == nil && s.verbose {
			err = s.ginkgo()
		}
		return err
	})
	if err == nil {
		return result.Verdicts, nil
	}
	errs := []error{withoutGinkgo(err)}
	verdicts := make([][]suites.Verdict, len(observations))
	for i, o := range observations {
		errs = append(errs, withCode(exitUntold, guard("judge "+o.Link.Name, func() error {
			selected, err := suites.Select(s.flags.filter())
			if err == nil {
				verdicts[i] = suites.Judge(o, suites.Catalogue(), selected)
			}
			return err
		})))
	}
	return verdicts, errors.Join(errs...)
}

// ginkgo waits until Ginkgo is through, and says once what went wrong with it.
func (s *assay) ginkgo() error {
	wait := s.specs
	if s.specs = nil; wait == nil {
		return nil
	}
	return wait()
}

func withoutGinkgo(err error) error {
	return withCode(exitUntold, fmt.Errorf("judged without Ginkgo: %w", err))
}

// begin begins the bundle where --out asks for one. It says whether there is one to write to.
func (s *assay) begin() bool {
	if s.flags.out == "" || s.unwritten {
		return false
	}
	if s.bundle == nil {
		var err error
		s.bundle, err = evidence.Create(s.flags.out)
		s.outError(err)
	}
	return !s.unwritten
}

// outError takes in what went wrong with --out: the run goes on, nothing more is written, and it is told.
func (s *assay) outError(err error) {
	if err != nil {
		s.unwritten = true
		s.err = errors.Join(s.err, withCode(exitUntold, fmt.Errorf("--out %s: %w", s.flags.out, err)))
	}
}

// write seals the bundle in --out, with the exit code as far as it is known.
func (s *assay) write(ctx context.Context) {
	s.report.Finished = time.Now().UTC()
	s.report.ExitCode, s.report.ExitReasons = exitCode(s.err)
	if s.begin() {
		s.outError(s.flags.writeSigner())
	}
	if s.begin() {
		s.outError(s.bundle.Seal(context.WithoutCancel(ctx), &s.report, s.flags.seal)) // also of a run that was interrupted
	}
}

// finish seals the bundle, adds the run to the ledger, then prints the report.
func (s *assay) finish(ctx context.Context) {
	s.write(ctx)
	if err := s.ginkgo(); err != nil {
		s.err = errors.Join(s.err, withoutGinkgo(err))
		s.write(ctx) // again: it counts for the exit code
	}
	s.appendLedger(ctx)
	opts := s.printOptions()
	if !s.unwritten {
		opts.Bundle = s.flags.out
	}
	if err := reports.Print(s.out, &s.report, s.flags.format, opts); err != nil {
		s.err = errors.Join(s.err, printError(err))
	}
}

// guard makes a panic an error, so that what was observed is still reported.
func guard(what string, do func() error) (err error) {
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("%s: panic: %v\n%s", what, x, debug.Stack())
		}
	}()
	return do()
}
