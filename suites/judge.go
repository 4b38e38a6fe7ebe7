package suites

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/linkassay/linkassay/probes"
)

// Judge gives the verdicts of the selected checks on an Observation, in the catalogue's order. It
// is pure: the same Observation and catalogue give the same verdicts. A selected check that is
// blocked by one that was not selected brings that one's verdict along, so that the root cause is
// always told. A nil selection selects all.
func Judge(o *probes.Observation, catalogue []Check, selection Selection) []Verdict {
	c := Compile(catalogue)
	return c.Judge(o, c.Choose(o.Link.Name, selection))
}

// judging judges one Observation and remembers each verdict, so that every spec can judge its own
// closure in any order.
type judging struct {
	*Compiled
	o     *probes.Observation
	meta  []probes.ItemMeta // of every item
	there []bool            // the items that the Observation has

	mu    sync.Mutex
	done  []*judged
	store []judged            // what done points to
	view  *probes.Observation // what the last body saw, to be used again; nil when a fix may still read it
}

// judged is a verdict together with the root failure above the check, which a skipped check has
// too: what comes after it is blocked by that root all the same.
type judged struct {
	Verdict
	root int // index of the root failure in the catalogue, or none
	// unasked is the index of the failed check that tells why this one could not be told, or none.
	unasked int
	busy    bool
}

const none = -1

func (c *Compiled) judging(o *probes.Observation) *judging {
	j, _ := c.spare.Get().(*judging)
	if j == nil {
		j = &judging{Compiled: c, done: make([]*judged, len(c.checks)), store: make([]judged, len(c.checks))}
	}
	j.o = complete(o)
	j.meta, j.there = j.o.Metas()
	return j
}

// leave gives the memory of a judging to the next one. Verdicts that it gave away are copies.
func (j *judging) leave() {
	clear(j.done)
	clear(j.store)
	j.o, j.meta, j.there, j.view = nil, nil, nil, nil
	j.spare.Put(j)
}

// notRecorded is why an item is missing that an older recording did not have yet.
const notRecorded probes.Absence = "not recorded"

// complete returns a view of o in which no item is nil: an item that is nil in what a check gets to
// see is then one that it did not declare.
func complete(o *probes.Observation) *probes.Observation {
	view := *o
	for _, group := range []any{&view.Provider, &view.Consumer, &view.DNS, &view.Path, &view.Reach} {
		fields := reflect.ValueOf(group).Elem()
		for i := range fields.NumField() {
			if f := fields.Field(i); f.Kind() == reflect.Pointer && f.IsNil() {
				f.Set(reflect.New(f.Type().Elem()))
				f.Elem().FieldByName("Absent").SetString(string(notRecorded))
			}
		}
	}
	return &view
}

// verdict judges the check at this index of the catalogue and what it comes after.
func (j *judging) verdict(i int) Verdict {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.at(i).Verdict
}

func (j *judging) verdicts(choice Choice) []Verdict {
	j.mu.Lock()
	defer j.mu.Unlock()
	wanted := slices.Clone(choice)
	n := 0
	for i := range j.checks {
		if !choice[i] {
			continue
		}
		n++
		if d := j.at(i); d.Status == Blocked {
			if k := j.index[d.BlockedBy]; !wanted[k] {
				wanted[k] = true
				n++
			}
		}
	}
	if n == 0 {
		return nil
	}
	out := make([]Verdict, 0, n)
	for i, w := range wanted {
		if w {
			out = append(out, j.at(i).Verdict)
		}
	}
	return out
}

// at judges the check at index i. The caller holds mu.
func (j *judging) at(i int) *judged {
	if d := j.done[i]; d != nil {
		if d.busy { // the catalogue was not validated
			d.Status, d.Reason = Untold, "the check is wrong: it comes after itself"
		}
		return d
	}
	c := &j.checks[i]
	d := &j.store[i]
	*d = judged{root: none, unasked: none, busy: true, Verdict: Verdict{
		Link: j.o.Link.Name, Check: c.ID, Title: c.Title, Area: c.Area, Severity: c.Severity, Revision: c.Revision,
		Duration: j.duration(c),
	}}
	j.done[i] = d
	d.root = j.rootOf(c.after)
	missing := j.missing(c)
	switch {
	case missing.deliberate:
		// What the link file leaves out is skipped whatever else is broken.
		d.Status, d.Reason = Skipped, missing.reason
	case d.root != none:
		j.block(d, d.root, "")
	case missing.reason != "":
		d.Status, d.Reason = missing.status, missing.reason
	default:
		j.run(c, d)
	}
	if d.Status == Untold {
		if d.unasked = j.explained(c, missing.above); d.unasked != none {
			// What comes after it is judged all the same: its own questions may have answers.
			j.block(d, d.unasked, d.Reason)
			d.root = none
		}
	}
	d.busy = false
	return d
}

// run judges the check's body, and looks for the cause of a failure among the checks that may
// explain it.
func (j *judging) run(c *compiledCheck, d *judged) {
	in := &C{Gomega: j.gomega}
	view := j.view
	if view == nil {
		view = &probes.Observation{}
	}
	d.Status, d.Reason = evaluate(in, c.Check, j.o.OnlyInto(view, c.set))
	if j.view = view; in.fix != nil {
		j.view = nil
	}
	if d.Status == Untold && len(in.of) > 0 {
		if down := downVantages(j.o); len(down) > 0 {
			if v := ofDown(in.of, down); len(v) > 0 {
				d.Reason = outOfReach(j.o, v, down[v[0]])
			}
		}
	}
	d.Facts = in.facts
	if d.Status != Failed {
		return
	}
	if root := j.rootOf(c.because); root != none {
		j.block(d, root, d.Reason)
		return
	}
	d.Side, d.CouldNotAsk = c.Side, len(c.Explains) > 0
	fix := c.fix
	if in.fix != nil {
		d.Side, fix = in.side, in.fix
	}
	f := makeFix(c.ID, fix, j.o)
	f.Apply = applyCommand(j.o, c.ID)
	d.Fix = &f
	d.Accepted = acceptedOf(j.o, c.ID)
}

func (j *judging) block(d *judged, root int, seen string) {
	d.root, d.Status, d.BlockedBy, d.Facts = root, Blocked, j.checks[root].ID, nil
	d.Reason = "blocked by " + d.BlockedBy
	if seen != "" {
		d.Reason = plain(d.Reason + " (seen: " + seen + ")")
	}
}

// rootOf returns the root failure at or above these checks: the first in the catalogue's order when there are
// several, or none.
func (j *judging) rootOf(checks []int) int {
	root := none
	for _, i := range checks {
		d := j.at(i)
		r := d.root
		if d.Status == Failed {
			r = i
		}
		if r != none && (root == none || r < root) {
			root = r
		}
	}
	return root
}

// explained returns the failed check that tells why one of c's questions got no answer, or one of the check
// above that could not be told; or none.
func (j *judging) explained(c *compiledCheck, above int) int {
	if above != none {
		return j.at(above).unasked
	}
	for _, item := range c.items {
		f := j.meta[item].Error
		if f == nil {
			continue
		}
		for i := range j.checks {
			e := &j.checks[i]
			if e.Check != c.Check && e.Side == j.sides[item] && slices.Contains(e.Explains, f.Class) {
				if root := j.rootOf([]int{i}); root != none {
					return root
				}
			}
		}
	}
	return none
}

// sideOf says whose API an item rests on: names and connections are those of the consumer's endpoint.
func sideOf(item string) Side {
	switch item {
	case "dns.txt", "dns.public", "path.nodes", "path.targets", "path.targetGroups", "path.providerAcls":
		return ProviderSide
	}
	if strings.HasPrefix(item, "provider.") {
		return ProviderSide
	}
	return ConsumerSide
}

// evaluate runs a body and turns the way it ended into a status and a reason.
func evaluate(in *C, c *Check, o *probes.Observation) (status Status, reason string) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case failed:
			status, reason = Failed, plain(firstLine(r.message))
		case skipped:
			status, reason = Skipped, r.reason
		case untold:
			status, reason = Untold, r.reason
		default:
			// Above all a nil dereference: the body read an item that it did not declare.
			status, reason = Untold, plain(fmt.Sprintf("the check is wrong: %v", r))
		}
	}()
	c.body(in, o)
	in.settle()
	return Passed, ""
}

// makeFix asks the check for its fix; a fix that panics must not take the verdict with it.
func makeFix(id string, fix func(*probes.Observation) Fix, o *probes.Observation) (f Fix) {
	defer func() {
		if r := recover(); r != nil {
			f = Fix{Text: plain(fmt.Sprintf("see linkassay explain %s (its fix could not be written: %v)", id, r))}
		}
	}()
	f = fix(o)
	f.Text, f.LinkFile = plain(f.Text), plain(f.LinkFile)
	return f
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

// lack is what keeps a check from being judged.
type lack struct {
	status     Status
	reason     string
	deliberate bool // the link file leaves it out
	above      int  // the check above that could not be told, or none
}

// missing says what the check needs and the Observation lacks. What was left out on purpose comes
// before what could not be asked, and that before what the run did not reach.
func (j *judging) missing(c *compiledCheck) lack {
	all, either := make([]lack, 0, 8), make([]lack, 0, 8) // on the stack
	for _, item := range c.needs {
		if l := j.lackOf(c, item); l.reason != "" {
			all = append(all, l)
		}
	}
	for _, item := range c.needsOne {
		if l := j.lackOf(c, item); l.reason != "" {
			either = append(either, l)
		}
	}
	if n := len(c.needsOne); n > 0 && len(either) == n {
		// One failed question is enough not to tell: the others were left out on purpose.
		i := slices.IndexFunc(either, func(l lack) bool { return !l.deliberate })
		all = append(all, either[max(i, 0)])
	}
	if i := slices.IndexFunc(all, func(l lack) bool { return l.deliberate }); i >= 0 {
		return all[i]
	}
	if i := slices.IndexFunc(all, func(l lack) bool { return l.status == Untold }); i >= 0 {
		return all[i]
	}
	if len(all) > 0 {
		return all[0]
	}
	return lack{above: none}
}

func (j *judging) lackOf(c *compiledCheck, item int) lack {
	meta, ok := j.meta[item], j.there[item]
	switch {
	case !ok || meta.Absent == notRecorded:
		return lack{status: Untold, reason: "the observation has no item " + j.items[item], above: none}
	case meta.Error != nil:
		f := meta.Error
		if f.Class == probes.FailVantage {
			return lack{status: Untold, reason: itemOutOfReach(j.o, j.items[item], f), above: none}
		}
		reason := fmt.Sprintf("%s: %s: %s", f.Operation, f.Class, strings.TrimSpace(f.Code+" "+f.Message))
		return lack{status: Untold, reason: plain(reason), above: none}
	}
	switch meta.Absent {
	case "":
		return lack{above: none}
	case probes.NotReached:
		return lack{status: Untold, reason: "interrupted", above: none}
	case probes.NoSubject:
		// Nothing above failed, or the check would be blocked. If something above could not be
		// told, then whether the subject exists is not known either.
		if above := j.untoldAbove(c); above != none {
			return lack{status: Untold, reason: j.checks[above].ID + " could not be told", above: above}
		}
		return lack{status: Skipped, reason: string(probes.NoSubject), above: none}
	default:
		return lack{status: Skipped, reason: string(meta.Absent), deliberate: true, above: none}
	}
}

// untoldAbove returns the first check in the closure that could not be told, or none.
func (j *judging) untoldAbove(c *compiledCheck) int {
	for _, i := range c.after {
		if d := j.at(i); d.Status == Untold || d.unasked != none {
			return i
		}
		if above := j.untoldAbove(&j.checks[i]); above != none {
			return above
		}
	}
	return none
}

// duration is how long the slowest of the items took that the check rests on; they are gathered
// side by side.
func (j *judging) duration(c *compiledCheck) time.Duration {
	var longest time.Duration
	for _, item := range c.items {
		longest = max(longest, j.meta[item].Duration)
	}
	return longest
}
