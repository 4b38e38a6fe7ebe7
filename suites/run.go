package suites

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/formatter"
	"github.com/onsi/ginkgo/v2/types"

	"github.com/linkassay/linkassay/probes"
)

// Runner runs the checks as Ginkgo specs. Ginkgo runs one suite per process, so a process has one
// Runner and uses it once; Judge has no such limit.
type Runner struct{ used atomic.Bool }

// ErrUsedTwice says that a Runner was asked to run again.
var ErrUsedTwice = errors.New("suites: Ginkgo runs only once in a process; use Judge to judge again")

// RunOptions say what is run and where Ginkgo's own words go.
type RunOptions struct {
	// Catalogue holds the checks; nil means Catalogue().
	Catalogue []Check
	// LabelFilter picks checks and links, in Ginkgo's syntax; empty means all. See Select.
	LabelFilter string
	// Output gets Ginkgo's progress and failures; nil discards them. It must not be stdout, which
	// is for results.
	Output io.Writer
}

// Result is what a run came to.
type Result struct {
	// Verdicts has one list per Observation, in their order.
	Verdicts [][]Verdict
	// Selected is how many checks were selected over all links; each was a spec. Verdicts may
	// hold more: the roots that selected checks are blocked by.
	Selected int
}

// All returns the verdicts of all links in order.
func (r Result) All() []Verdict {
	var all []Verdict
	for _, v := range r.Verdicts {
		all = append(all, v...)
	}
	return all
}

// Run judges the Observations, each check as a Ginkgo spec. The verdicts are those of Judge: the
// specs decide nothing. Ginkgo runs those that say something of the link, and skips the others. When ctx has ended the
// Observations are judged without Ginkgo, because an interrupted run must still tell what it saw. An error means that
// nothing was selected (ErrNothingSelected), the filter is wrong, or that Ginkgo did not run what was selected.
func (r *Runner) Run(ctx context.Context, observations []*probes.Observation, opts RunOptions) (Result, error) {
	result, wait, err := r.Start(ctx, observations, opts)
	if err == nil {
		err = wait()
	}
	if err != nil {
		return Result{}, err
	}
	return result, nil
}

// Start is Run that does not wait for Ginkgo: what is to be made of the verdicts can be begun beside it. Whoever calls it must call wait,
// which waits until Ginkgo is through and says whether it ran what was selected. Until then Ginkgo writes to opts.Output.
func (r *Runner) Start(ctx context.Context, observations []*probes.Observation, opts RunOptions) (result Result, wait func() error, err error) {
	catalogue := opts.Catalogue
	if catalogue == nil {
		catalogue = Catalogue()
	}
	if err := Validate(catalogue); err != nil {
		return Result{}, nil, fmt.Errorf("the catalogue is wrong: %w", err)
	}
	selection, err := Select(opts.LabelFilter)
	if err != nil {
		return Result{}, nil, err
	}
	set := newSpecSet(observations, catalogue, selection)
	set.told = opts.Output != nil
	result.Selected = set.count()
	if result.Selected == 0 {
		return Result{}, nil, fmt.Errorf("%w: no check of %d links matches the label filter %q", ErrNothingSelected, len(observations), opts.LabelFilter)
	}
	live := ctx.Err() == nil
	if live && r.used.Swap(true) {
		return Result{}, nil, ErrUsedTwice
	}
	judged := set.judge()
	wait = func() error { return nil }
	if live {
		ended := make(chan error, 1)
		go func() { ended <- set.run(ctx, opts) }()
		wait = sync.OnceValue(func() error { return <-ended })
	}
	if err := judged(); err != nil {
		return Result{}, nil, errors.Join(err, wait())
	}
	for _, l := range set.links {
		result.Verdicts = append(result.Verdicts, l.verdicts)
	}
	return result, wait, nil
}

// specSet is the tree of specs: a container per link, since specs side by side in one container
// cost Ginkgo quadratic time, and in it a spec per selected check. Ginkgo is not given the run's filter: it would carry the others along.
type specSet struct {
	catalogue []Check
	compiled  *Compiled
	links     []specLink
	// told says that somebody reads what Ginkgo says of the specs: labels and entries are for them.
	told bool
	live int          // specs that Ginkgo is to run
	ran  atomic.Int64 // different ones that it ran
}

type specLink struct {
	observation *probes.Observation
	choice      Choice
	ran         []atomic.Bool // the checks whose spec was run
	// judged is closed when verdicts are there and judging holds them; nil where each spec judges for itself.
	judged   chan struct{}
	judging  *judging
	verdicts []Verdict
}

func newSpecSet(observations []*probes.Observation, catalogue []Check, selection Selection) *specSet {
	s := &specSet{catalogue: catalogue, compiled: Compile(catalogue)}
	for _, o := range observations {
		s.links = append(s.links, specLink{observation: o, choice: s.compiled.Choose(o.Link.Name, selection), ran: make([]atomic.Bool, len(catalogue))})
	}
	return s
}

// judge begins to judge the links, side by side, while Ginkgo makes its tree of those that are judged. What it returns waits for
// all, and says what went wrong.
func (s *specSet) judge() (wait func() error) {
	errs := make([]error, len(s.links))
	for i := range s.links {
		s.links[i].judged = make(chan struct{})
	}
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(s.links)) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(s.links)); i = next.Add(1) - 1 {
				errs[i] = s.links[i].judge(s.compiled)
			}
		})
	}
	return func() error {
		workers.Wait()
		return errors.Join(errs...)
	}
}

func (l *specLink) judge(c *Compiled) (err error) {
	defer close(l.judged)
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("judge link %s: panic: %v\n%s", plain(l.observation.Link.Name), x, debug.Stack())
		}
	}()
	l.judging = c.judging(l.observation)
	l.verdicts = l.judging.verdicts(l.choice)
	return nil
}

func (s *specSet) count() int {
	n := 0
	for _, l := range s.links {
		for _, chosen := range l.choice {
			if chosen {
				n++
			}
		}
	}
	return n
}

// asideLabel is the label of what Ginkgo is not to run: checks that are known not to apply, or to be blocked. Its own way to skip a spec
// that runs takes a stack trace each.
const asideLabel = "aside"

// register builds the tree. It must be called before ginkgo.RunSpecs.
func (s *specSet) register() {
	texts, decorations := make([]string, len(s.catalogue)), make([][]any, len(s.catalogue))
	for k, c := range s.catalogue {
		texts[k] = c.ID + " " + c.Title
		decorations[k] = []any{place("checks", k, "linkassay explain "+c.ID)}
		if s.told {
			decorations[k] = append(decorations[k], ginkgo.Label(c.Labels()...))
		}
	}
	for i := range s.links {
		l := &s.links[i]
		if !slices.Contains(l.choice, true) {
			continue // Ginkgo refuses empty containers
		}
		at := place("links", i, fmt.Sprintf("link %d of %d", i+1, len(s.links)))
		name := l.observation.Link.Name
		ginkgo.Describe("link "+plain(name), ginkgo.Label(linkLabel(name)), at, func() {
			if l.judged != nil {
				<-l.judged
			}
			for k, chosen := range l.choice {
				switch {
				case !chosen:
				case l.verdicts != nil && l.judging.verdict(k).aside():
					ginkgo.It(texts[k], decorations[k], ginkgo.Label(asideLabel), func() {})
				default:
					s.live++
					ginkgo.It(texts[k], decorations[k], func() { s.spec(l, k) })
				}
			}
		})
	}
}

// aside says whether the check was not judged.
func (v Verdict) aside() bool { return v.Status == Skipped || v.Status == Blocked }

// place is where a node stands, in words for who reads what Ginkgo says. Ginkgo sorts nodes by file and line: all of these are made in
// one line, and it would sort them by their texts.
func place(file string, i int, words string) types.CodeLocation {
	return types.CodeLocation{FileName: file, LineNumber: i + 1, CustomMessage: words}
}

// spec is the body of the spec of check k. An interrupted Ginkgo does not wait for it.
func (s *specSet) spec(l *specLink, k int) {
	if !l.ran[k].Swap(true) {
		s.ran.Add(1)
	}
	v := l.judging.verdict(k)
	if s.told {
		ginkgo.AddReportEntry("verdict", entry(v), types.ReportEntryVisibilityNever)
	}
	report(v)
}

// report turns a verdict into a spec's end. "Could not tell" is a failure: Skip would be green.
func report(v Verdict) {
	switch v.Status {
	case Failed, Untold:
		message := fmt.Sprintf("%s: %s", v.Status, v.Reason)
		for _, f := range v.Facts {
			message += fmt.Sprintf("\n  %s: %s", f.Name, f.Value)
		}
		if v.Fix != nil {
			message += fmt.Sprintf("\nfix (%s side): %s", v.Side, v.Fix.Text)
			if v.Fix.Command != "" {
				message += "\n  " + v.Fix.Command
			}
		}
		ginkgo.Fail(message, 1)
	case Blocked, Skipped:
		ginkgo.Skip(v.Reason, 1)
	}
}

// entry is what a verdict is compared by in Ginkgo's JSON report.
func entry(v Verdict) string {
	return v.Link + " " + v.Check + ": " + string(v.Status) + " " + v.BlockedBy
}

// run runs the specs in this process. What would make Ginkgo end the process is ruled out first:
// labels are clean, and the working directory is there.
func (s *specSet) run(ctx context.Context, opts RunOptions) (err error) {
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("ginkgo: panic: %v\n%s", x, debug.Stack())
		}
	}()
	if _, err := os.Getwd(); err != nil {
		return fmt.Errorf("ginkgo needs a working directory: %w", err)
	}
	out := opts.Output
	if out == nil {
		out = io.Discard
	}
	// RunSpecs writes to this variable of Ginkgo's, which is stdout unless it is told otherwise.
	stdout := formatter.ColorableStdOut
	formatter.ColorableStdOut = out
	defer func() { formatter.ColorableStdOut = stdout }()

	s.register()
	suite := types.NewDefaultSuiteConfig()
	suite.LabelFilter = "!" + asideLabel
	suite.RandomSeed = 1
	suite.Timeout = 0 // judging is pure: there is nothing to wait for
	reporter := types.NewDefaultReporterConfig()
	reporter.NoColor = true
	reporter.SilenceSkips = true
	reporter.Succinct = !s.told // it then spares itself a copy of all its reports
	var t failing
	ginkgo.RunSpecs(&t, "linkassay", suite, reporter)
	// Whether specs failed is told by the verdicts; t only satisfies RunSpecs.
	if ran := int(s.ran.Load()); ran != s.live && ctx.Err() == nil {
		return fmt.Errorf("ginkgo ran %d of the %d selected checks that apply", ran, s.live)
	}
	return nil
}

// failing is the little of *testing.T that RunSpecs needs.
type failing struct{ failed bool }

func (f *failing) Fail() { f.failed = true }

// Register adds the checks on these Observations to the Ginkgo suite of a *_test.go file, so that
// ginkgo and go test run the same specs as linkassay verify. It is called before RunSpecs, and
// returns the number of specs: none is an error that the caller must raise, since Ginkgo passes a
// suite without specs.
func Register(provide func() []*probes.Observation) int {
	set := newSpecSet(provide(), Catalogue(), nil)
	set.told = true
	for i := range set.links {
		set.links[i].judging = set.compiled.judging(set.links[i].observation)
	}
	set.register()
	return len(set.links) * len(set.catalogue)
}
