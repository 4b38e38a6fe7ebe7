package suites

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
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
	// Selected is how many checks were selected over all links; each was run as a spec. Verdicts may
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
// specs decide nothing. When ctx has ended the Observations are judged without Ginkgo, because an
// interrupted run must still tell what it saw. An error means that nothing was selected
// (ErrNothingSelected), the filter is wrong, or that Ginkgo did not run what was selected.
func (r *Runner) Run(ctx context.Context, observations []*probes.Observation, opts RunOptions) (Result, error) {
	catalogue := opts.Catalogue
	if catalogue == nil {
		catalogue = Catalogue()
	}
	if err := Validate(catalogue); err != nil {
		return Result{}, fmt.Errorf("the catalogue is wrong: %w", err)
	}
	selection, err := Select(opts.LabelFilter)
	if err != nil {
		return Result{}, err
	}
	set := newSpecSet(observations, catalogue, selection)
	result := Result{Selected: set.count()}
	if result.Selected == 0 {
		return Result{}, fmt.Errorf("%w: no check of %d links matches the label filter %q", ErrNothingSelected, len(observations), opts.LabelFilter)
	}
	if ctx.Err() == nil {
		if r.used.Swap(true) {
			return Result{}, ErrUsedTwice
		}
		if err := set.run(opts); err != nil && ctx.Err() == nil {
			return Result{}, err
		}
		if ran := set.ran(); ran != result.Selected && ctx.Err() == nil {
			return Result{}, fmt.Errorf("ginkgo ran %d of the %d selected checks", ran, result.Selected)
		}
	}
	for _, l := range set.links {
		result.Verdicts = append(result.Verdicts, l.judging.verdicts(l.choice))
	}
	return result, nil
}

// specSet is the tree of specs: a container per link, since specs side by side in one container
// cost Ginkgo quadratic time, and in it a spec per selected check. Ginkgo gets no filter: it would carry the others along.
type specSet struct {
	catalogue []Check
	links     []specLink

	mu   sync.Mutex
	seen map[[2]int]bool // link and check that were run
}

type specLink struct {
	name    string
	judging *judging
	choice  Choice
}

func newSpecSet(observations []*probes.Observation, catalogue []Check, selection Selection) *specSet {
	s := &specSet{catalogue: catalogue, seen: map[[2]int]bool{}}
	compiled := Compile(catalogue)
	for _, o := range observations {
		s.links = append(s.links, specLink{o.Link.Name, compiled.judging(o), compiled.Choose(o.Link.Name, selection)})
	}
	return s
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

// ran is how many different specs were run.
func (s *specSet) ran() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seen)
}

// register builds the tree. It must be called before ginkgo.RunSpecs.
func (s *specSet) register() {
	labels := make([]ginkgo.Labels, len(s.catalogue))
	for k, c := range s.catalogue {
		labels[k] = ginkgo.Label(c.Labels()...)
	}
	for i, l := range s.links {
		if !slices.Contains(l.choice, true) {
			continue // Ginkgo refuses empty containers
		}
		ginkgo.Describe("link "+plain(l.name), ginkgo.Label(linkLabel(l.name)), func() {
			for k, c := range s.catalogue {
				if !l.choice[k] {
					continue
				}
				ginkgo.It(c.ID+" "+c.Title, labels[k], func() {
					s.mu.Lock()
					s.seen[[2]int{i, k}] = true
					s.mu.Unlock()
					report(l.judging.verdict(c.ID))
				})
			}
		})
	}
}

// report turns a verdict into a spec's end. "Could not tell" is a failure: Skip would be green.
func report(v Verdict) {
	ginkgo.AddReportEntry("verdict", entry(v), types.ReportEntryVisibilityNever)
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
func (s *specSet) run(opts RunOptions) error {
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
	suite.FailOnEmpty = true
	suite.RandomSeed = 1
	suite.Timeout = 0 // judging is pure: there is nothing to wait for
	reporter := types.NewDefaultReporterConfig()
	reporter.NoColor = true
	reporter.SilenceSkips = true
	var t failing
	ginkgo.RunSpecs(&t, "linkassay", suite, reporter)
	// Whether specs failed is told by the verdicts; t only satisfies RunSpecs.
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
	set.register()
	return len(set.links) * len(set.catalogue)
}
