package suites_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/lab"
	"github.com/linkassay/linkassay/suites"
)

func TestMain(m *testing.M) {
	// The tests wait for their labs most of the time: many of them fit side by side.
	flag.Parse()
	onlyTheSuite()
	// The value alone is set: Ginkgo refuses to run where the flag counts as given.
	if err := flag.Lookup("test.parallel").Value.Set("16"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// trial is one run of the fault matrix: a link in a lab of its own, what is broken in it, and what is seen.
type trial struct {
	name    string
	faults  []lab.Fault
	file    func(*provision.Link)                // changes the link file that it is verified with
	seed    uint64                               // changes what must not matter; 0 changes nothing
	prepare func(*lab.Options)                   // makes another healthy shape before the link is built
	after   func(context.Context, labLink) error // … and after
}

// trialTime bounds one trial. It is long: on a busy machine many share two cores.
const trialTime = 2 * time.Minute

// run builds the link, breaks it, and judges what is seen of it.
func (x trial) run(ctx context.Context) (verdicts []suites.Verdict, err error) {
	ctx, cancel := context.WithTimeout(ctx, trialTime)
	defer cancel()
	prepare := []func(*lab.Options){calm(len(x.faults) > 0), vary(x.seed), x.prepare}
	for _, f := range x.faults {
		prepare = append(prepare, f.Prepare)
	}
	l, err := lab.Start(ctx, options(prepare...))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	link, err := l.Provision(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("provision: %w", err)
	}
	if x.after != nil {
		if err := x.after(ctx, labLink{l, link}); err != nil {
			return nil, fmt.Errorf("change the link: %w", err)
		}
	}
	for _, f := range lastFirst(x.faults) {
		if err := l.Inject(ctx, f.Name, link); err != nil {
			return nil, err
		}
	}
	o, err := observeLab(ctx, l, x.file, func(o *probes.Options) {
		o.Slow = slices.ContainsFunc(x.faults, func(f lab.Fault) bool { return f.Slow })
	})
	if err != nil {
		return nil, fmt.Errorf("observe: %w", err)
	}
	if o.Interrupted {
		return nil, fmt.Errorf("observing took longer than %s", trialTime)
	}
	return suites.Judge(o, suites.Catalogue(), nil), nil
}

// calm makes health checks slow and probes patient: where many labs share a busy machine, a late answer is not a
// dead target. Connects wait no longer than they must, since broken links are silent.
func calm(broken bool) func(*lab.Options) {
	return func(o *lab.Options) {
		o.Timing = lab.Brisk()
		o.Timing.HealthScale = 5
		o.Link = func(l *provision.Link) {
			patient := provision.Duration(30 * time.Second)
			l.Timeouts = provision.Timeouts{DNS: provision.Duration(5 * time.Second), Connect: patient, TLS: patient, HTTP: patient}
			if broken {
				l.Timeouts.Connect = provision.Duration(4 * time.Second)
			}
		}
	}
}

// lastFirst is the order in which faults are set: what comes late in a link's life is broken while what it
// needs is still there.
func lastFirst(faults []lab.Fault) []lab.Fault {
	var out []lab.Fault
	for _, f := range slices.Backward(lab.Faults()) {
		if slices.ContainsFunc(faults, func(g lab.Fault) bool { return g.Name == f.Name }) {
			out = append(out, f)
		}
	}
	return out
}

// options are a lab's with all of these changes, each of which may change the link too.
func options(prepare ...func(*lab.Options)) lab.Options {
	var o lab.Options
	var changes []func(*provision.Link)
	for _, p := range prepare {
		if p == nil {
			continue
		}
		o.Link = nil
		if p(&o); o.Link != nil {
			changes = append(changes, o.Link)
		}
	}
	o.Link = func(l *provision.Link) {
		for _, change := range changes {
			change(l)
		}
	}
	return o
}

// vary changes what must not matter to any verdict: ids, which letters the zones have, and addresses.
func vary(seed uint64) func(*lab.Options) {
	if seed == 0 {
		return nil
	}
	return func(o *lab.Options) {
		r := rand.New(rand.NewPCG(seed, seed))
		o.Seed = r.Uint64() | 1
		block := func() string { return fmt.Sprintf("10.%d.0.0/16", 1+r.IntN(250)) }
		provider, consumer := block(), block()
		if r.IntN(2) == 0 { // the two sides may overlap
			consumer = provider
		}
		o.Link = func(l *provision.Link) { l.Provider.Build.CIDR, l.Consumer.Build.CIDR = provider, consumer }
	}
}

// expected is what a fault must lead to.
type expected struct {
	Fault string      `yaml:"fault"`
	Root  string      `yaml:"root"`
	Side  suites.Side `yaml:"side"`
	Rows  []string    `yaml:"rows"`
}

// expectations reads what each fault must lead to, as it was thought out by hand.
func expectations(t *testing.T) map[string]expected {
	t.Helper()
	var list []expected
	readYAML(t, "roots.yaml", &list)
	all := map[string]expected{}
	for _, e := range list {
		if _, ok := lab.FindFault(e.Fault); !ok {
			t.Errorf("roots.yaml: the lab has no fault %s", e.Fault)
		}
		if _, twice := all[e.Fault]; twice {
			t.Errorf("roots.yaml: fault %s stands there twice", e.Fault)
		}
		all[e.Fault] = e
	}
	for _, f := range lab.Faults() {
		if _, ok := all[f.Name]; !ok {
			t.Errorf("roots.yaml does not say what fault %s must lead to", f.Name)
		}
	}
	return all
}

func readYAML(t *testing.T, name string, into any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(b, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// above are the checks that block a failure of this one when they fail, and those that may: it is put down to
// what it comes after or because of, and to what those come after. What those may come because of counts only
// when they fail themselves.
func above(catalogue []suites.Check, id string) (does, may map[string]bool) {
	does, may = map[string]bool{}, map[string]bool{}
	var walk func(next []string, sure bool)
	walk = func(next []string, sure bool) {
		for _, id := range next {
			if does[id] || may[id] && !sure {
				continue
			}
			if sure {
				does[id] = true
			}
			may[id] = true
			c, _ := suites.Find(catalogue, id)
			walk(c.After, sure)
			walk(c.Because, false)
		}
	}
	c, _ := suites.Find(catalogue, id)
	walk(slices.Concat(c.After, c.Because), true)
	return does, may
}

// lead is a root that faults lead to.
type lead struct {
	sides []suites.Side // that it may be for to fix
	maybe bool          // it may as well be blocked
}

// mustLead says which roots these faults lead to together: all of theirs, less those that come after another.
func mustLead(want map[string]expected, faults []lab.Fault) map[string]lead {
	roots := map[string]lead{}
	for _, f := range faults {
		e := want[f.Name]
		roots[e.Root] = lead{sides: append(roots[e.Root].sides, e.Side)}
	}
	catalogue := suites.Catalogue()
	left := maps.Clone(roots)
	for id, r := range roots {
		does, may := above(catalogue, id)
		for cause := range roots {
			switch c, _ := suites.Find(catalogue, cause); {
			case does[cause]:
				delete(left, id)
			// What a side could not be asked may be what the other root needs to be told.
			case may[cause] || id != cause && len(c.Explains) > 0:
				if _, still := left[id]; still {
					left[id] = lead{r.sides, true}
				}
			}
		}
	}
	return left
}

// compare says what is wrong with the verdicts, where these roots and no others must be.
func compare(verdicts []suites.Verdict, want map[string]lead) []string {
	var wrong []string
	seen := map[string]bool{}
	for _, v := range suites.Roots(verdicts) {
		seen[v.Check] = true
		lead, expected := want[v.Check]
		switch {
		case !expected:
			wrong = append(wrong, fmt.Sprintf("extra root %s: %s", v.Check, v.Reason))
		case !slices.Contains(lead.sides, v.Side):
			wrong = append(wrong, fmt.Sprintf("%s is for the %s side to fix, want %s", v.Check, v.Side, lead.sides[0]))
		case v.Fix == nil || v.Fix.Text == "" || len(v.Facts) == 0:
			wrong = append(wrong, v.Check+" has no fix or no facts")
		}
	}
	for _, id := range slices.Sorted(maps.Keys(want)) {
		if seen[id] || want[id].maybe {
			continue
		}
		became := "is not among the verdicts"
		for _, v := range verdicts {
			if v.Check == id {
				became = strings.TrimSpace(fmt.Sprintf("is %s %s", v.Status, v.Reason))
			}
		}
		wrong = append(wrong, fmt.Sprintf("no root %s, which %s", id, became))
	}
	for _, v := range verdicts {
		if v.Status == suites.Untold {
			wrong = append(wrong, fmt.Sprintf("could not tell %s: %s", v.Check, v.Reason))
		}
		if v.Status == suites.Blocked && len(want) == 0 {
			wrong = append(wrong, fmt.Sprintf("%s is %s", v.Check, v.Reason))
		}
	}
	return wrong
}

// result is what became of a trial.
type result struct {
	trial
	verdicts []suites.Verdict
	wrong    []string
	took     time.Duration
}

// check runs a trial and compares it with what its faults must lead to.
func (x trial) check(ctx context.Context, want map[string]expected) result {
	began := time.Now()
	verdicts, err := x.run(ctx)
	r := result{trial: x, verdicts: verdicts, took: time.Since(began)}
	if err != nil {
		r.wrong = []string{err.Error()}
		return r
	}
	r.wrong = compare(verdicts, mustLead(want, x.faults))
	return r
}

// all runs trials side by side, at most so many at once, and calls each with every result as it comes.
func all(ctx context.Context, trials []trial, atOnce int, want map[string]expected, each func(result)) {
	next := make(chan trial)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range min(atOnce, len(trials)) {
		wg.Go(func() {
			for x := range next {
				r := x.check(ctx, want)
				mu.Lock()
				each(r)
				mu.Unlock()
			}
		})
	}
	for _, x := range trials {
		next <- x
	}
	close(next)
	wg.Wait()
}
