package suites

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/linkassay/linkassay/probes"
)

// Check is one statement about a link, declared once. The Ginkgo tree, explain, the reports and the
// docs are all made from it. A check is a pure function of the Observation: it asks no network, no
// AWS and no clock.
type Check struct {
	ID       string // area.what-holds, in kebab case; stable for ever
	Title    string // what holds when the check passes
	Area     string // the ID up to its dot
	Revision int    // rises when the verdict on some observation changes
	Severity Severity
	Side     Side // whose a failure is to fix, unless the body finds otherwise

	// After names checks without which this one means nothing: when one of them failed, this one is
	// blocked by it and not judged.
	After []string
	// Because names checks that may explain a failure of this one: it is judged in any case, and a
	// failure is blocked by them. What still works below a failed check is then told too.
	Because []string

	// Explains are the classes of failures that this check tells of, on its side: a check that could not
	// be told because a question failed so is blocked by this one when it failed. One denied call or
	// one missing key has one root, however many answers it costs.
	Explains []probes.FailureClass

	Needs    []string // items of the Observation without which the check can't be judged
	NeedsOne []string // items of which one is enough
	Wants    []string // items that the body reads when they are there

	Asserts string // what is asserted, from which fields or packets
	Why     string // why it matters
	Source  string // where AWS says so

	Rows []string // the known failure modes that it finds, such as PL-EP-004 (see rows.yaml)

	fix  func(o *probes.Observation) Fix
	body func(c *C, o *probes.Observation)
}

// option is one part of a declaration.
type option func(*Check)

// check declares a check.
func check(id, title string, options ...option) Check {
	area, _, _ := strings.Cut(id, ".")
	c := Check{ID: id, Title: title, Area: area}
	for _, o := range options {
		o(&c)
	}
	return c
}

func revision(n int) option        { return func(c *Check) { c.Revision = n } }
func severity(s Severity) option   { return func(c *Check) { c.Severity = s } }
func side(s Side) option           { return func(c *Check) { c.Side = s } }
func after(ids ...string) option   { return func(c *Check) { c.After = ids } }
func because(ids ...string) option { return func(c *Check) { c.Because = ids } }
func explains(classes ...probes.FailureClass) option {
	return func(c *Check) { c.Explains = classes }
}
func needs(items ...string) option    { return func(c *Check) { c.Needs = items } }
func needsOne(items ...string) option { return func(c *Check) { c.NeedsOne = items } }
func wants(items ...string) option    { return func(c *Check) { c.Wants = items } }
func asserts(text string) option      { return func(c *Check) { c.Asserts = text } }
func why(text string) option          { return func(c *Check) { c.Why = text } }
func rows(ids ...string) option       { return func(c *Check) { c.Rows = ids } }
func source(text string) option       { return func(c *Check) { c.Source = text } }

// fix says how a failure is mended, unless the body says it with C.Blame. It reads the whole
// Observation, since a command needs ids that the check does not judge.
func fix(f func(o *probes.Observation) Fix) option { return func(c *Check) { c.fix = f } }

// body is the check itself. The Observation that it gets holds the declared items only.
func body(f func(c *C, o *probes.Observation)) option { return func(c *Check) { c.body = f } }

// items are all items that the body may read.
func (c *Check) items() []string { return slices.Concat(c.Needs, c.NeedsOne, c.Wants) }

// Labels are what a label filter selects the check by.
func (c *Check) Labels() []string {
	labels := []string{c.ID, c.Area, string(c.Severity)}
	for _, p := range Profiles() {
		if c.In(p) {
			labels = append(labels, string(p))
		}
	}
	return labels
}

// Find returns the check with this id.
func Find(catalogue []Check, id string) (Check, bool) {
	i := slices.IndexFunc(catalogue, func(c Check) bool { return c.ID == id })
	if i < 0 {
		return Check{}, false
	}
	return catalogue[i], true
}

// Validate says what is wrong with a catalogue: ids, severities, edges and items.
func Validate(catalogue []Check) error {
	form := regexp.MustCompile(`^[a-z]+\.[a-z0-9]+(-[a-z0-9]+)*$`)
	known := make(map[string]Check, len(catalogue))
	retired, err := Retired()
	if err != nil {
		return err
	}
	for _, c := range catalogue {
		if !form.MatchString(c.ID) {
			return fmt.Errorf("check %q: the id is not area.what-holds in kebab case", c.ID)
		}
		if _, twice := known[c.ID]; twice {
			return fmt.Errorf("check %s: declared twice", c.ID)
		}
		if i := slices.IndexFunc(retired, func(r RetiredCheck) bool { return r.ID == c.ID }); i >= 0 {
			return fmt.Errorf("check %s: the id was retired in %s and can't come back", c.ID, retired[i].Since)
		}
		known[c.ID] = c
	}
	items := probes.ItemNames()
	for _, c := range catalogue {
		if err := c.validate(known, items); err != nil {
			return fmt.Errorf("check %s: %w", c.ID, err)
		}
	}
	return acyclic(catalogue, known)
}

func (c *Check) validate(known map[string]Check, items []string) error {
	switch {
	case c.Title == "" || c.Asserts == "" || c.Why == "" || c.Source == "":
		return fmt.Errorf("title, asserts, why and source must be given")
	case c.body == nil || c.fix == nil:
		return fmt.Errorf("body and fix must be given")
	case c.Revision < 1:
		return fmt.Errorf("the revision starts at 1")
	case c.Side != ProviderSide && c.Side != ConsumerSide && c.Side != Network:
		return fmt.Errorf("unknown side %q", c.Side)
	case rank(c.Severity) == 0:
		return fmt.Errorf("unknown severity %q", c.Severity)
	case len(c.Needs)+len(c.NeedsOne) == 0 && len(c.Explains) == 0:
		return fmt.Errorf("it needs no item")
	}
	for _, item := range c.items() {
		if !slices.Contains(items, item) {
			return fmt.Errorf("unknown item %q", item)
		}
	}
	for _, id := range slices.Concat(c.After, c.Because) {
		other, ok := known[id]
		if !ok {
			return fmt.Errorf("it comes after %q, which is not a check", id)
		}
		// Otherwise a failed warning could hide a failed critical check, and the run would pass.
		if rank(other.Severity) < rank(c.Severity) {
			return fmt.Errorf("a %s check can't come after %s, which is only %s", c.Severity, id, other.Severity)
		}
	}
	return nil
}

// acyclic walks the edges depth first and names a cycle.
func acyclic(catalogue []Check, known map[string]Check) error {
	const open, closed = 1, 2
	state := make(map[string]int, len(catalogue))
	var walk func(id string, path []string) error
	walk = func(id string, path []string) error {
		path = append(path, id)
		switch state[id] {
		case open:
			return fmt.Errorf("the checks go round in a circle: %s", strings.Join(path, " after "))
		case closed:
			return nil
		}
		state[id] = open
		c := known[id]
		for _, next := range slices.Concat(c.After, c.Because) {
			if err := walk(next, path); err != nil {
				return err
			}
		}
		state[id] = closed
		return nil
	}
	for _, c := range catalogue {
		if err := walk(c.ID, nil); err != nil {
			return err
		}
	}
	return nil
}

// rank orders severities; 0 is not a severity.
func rank(s Severity) int {
	switch s {
	case Critical:
		return 3
	case Warning:
		return 2
	case Advice:
		return 1
	}
	return 0
}
