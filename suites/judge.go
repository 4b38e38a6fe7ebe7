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
	return newJudging(o, catalogue).verdicts(selection)
}

// judging judges one Observation and remembers each verdict, so that every spec can judge its own
// closure in any order.
type judging struct {
	o         *probes.Observation
	catalogue []Check
	index     map[string]int
	meta      map[string]probes.ItemMeta // of every item

	mu   sync.Mutex
	done []*judged
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

func newJudging(o *probes.Observation, catalogue []Check) *judging {
	j := &judging{o: complete(o), catalogue: catalogue, index: make(map[string]int, len(catalogue)), done: make([]*judged, len(catalogue))}
	for i, c := range catalogue {
		j.index[c.ID] = i
	}
	j.meta = map[string]probes.ItemMeta{}
	for _, name := range probes.ItemNames() {
		if meta, ok := j.o.Meta(name); ok {
			j.meta[name] = meta
		}
	}
	return j
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

// verdict judges one check of the catalogue and what it comes after.
func (j *judging) verdict(id string) Verdict {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.at(j.index[id]).Verdict
}

func (j *judging) verdicts(selection Selection) []Verdict {
	wanted := make([]bool, len(j.catalogue))
	for i, c := range j.catalogue {
		wanted[i] = selection == nil || selection(j.o.Link.Name, c)
	}
	for i, c := range j.catalogue {
		if !wanted[i] {
			continue
		}
		if v := j.verdict(c.ID); v.Status == Blocked {
			wanted[j.index[v.BlockedBy]] = true
		}
	}
	var out []Verdict
	for i, c := range j.catalogue {
		if wanted[i] {
			out = append(out, j.verdict(c.ID))
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
	c := &j.catalogue[i]
	d := &judged{root: none, unasked: none, busy: true, Verdict: Verdict{
		Link: j.o.Link.Name, Check: c.ID, Title: c.Title, Area: c.Area, Severity: c.Severity, Revision: c.Revision,
		Duration: j.duration(c),
	}}
	j.done[i] = d
	d.root = j.rootOf(c.After)
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
func (j *judging) run(c *Check, d *judged) {
	in := newC()
	d.Status, d.Reason = evaluate(in, c, j.o.Only(c.items()...))
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
	if root := j.rootOf(c.Because); root != none {
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
	d.root, d.Status, d.BlockedBy, d.Facts = root, Blocked, j.catalogue[root].ID, nil
	d.Reason = "blocked by " + d.BlockedBy
	if seen != "" {
		d.Reason = plain(d.Reason + " (seen: " + seen + ")")
	}
}

// rootOf returns the root failure at or above the checks with these ids: the first in the
// catalogue's order when there are several, or none.
func (j *judging) rootOf(ids []string) int {
	root := none
	for _, id := range ids {
		i, ok := j.index[id]
		if !ok {
			continue
		}
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
func (j *judging) explained(c *Check, above string) int {
	if above != "" {
		return j.at(j.index[above]).unasked
	}
	for _, item := range c.items() {
		f := j.meta[item].Error
		if f == nil {
			continue
		}
		for i := range j.catalogue {
			e := &j.catalogue[i]
			if e.ID != c.ID && e.Side == sideOf(item) && slices.Contains(e.Explains, f.Class) {
				if root := j.rootOf([]string{e.ID}); root != none {
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
	deliberate bool   // the link file leaves it out
	above      string // the check above that could not be told
}

// missing says what the check needs and the Observation lacks. What was left out on purpose comes
// before what could not be asked, and that before what the run did not reach.
func (j *judging) missing(c *Check) lack {
	var all []lack
	for _, item := range c.Needs {
		if l := j.lackOf(c, item); l.reason != "" {
			all = append(all, l)
		}
	}
	var either []lack
	for _, item := range c.NeedsOne {
		if l := j.lackOf(c, item); l.reason != "" {
			either = append(either, l)
		}
	}
	if n := len(c.NeedsOne); n > 0 && len(either) == n {
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
	return lack{}
}

func (j *judging) lackOf(c *Check, item string) lack {
	meta, ok := j.meta[item]
	switch {
	case !ok || meta.Absent == notRecorded:
		return lack{status: Untold, reason: "the observation has no item " + item}
	case meta.Error != nil:
		f := meta.Error
		if f.Class == probes.FailVantage {
			return lack{status: Untold, reason: itemOutOfReach(j.o, item, f)}
		}
		reason := fmt.Sprintf("%s: %s: %s", f.Operation, f.Class, strings.TrimSpace(f.Code+" "+f.Message))
		return lack{status: Untold, reason: plain(reason)}
	}
	switch meta.Absent {
	case "":
		return lack{}
	case probes.NotReached:
		return lack{status: Untold, reason: "interrupted"}
	case probes.NoSubject:
		// Nothing above failed, or the check would be blocked. If something above could not be
		// told, then whether the subject exists is not known either.
		if above := j.untoldAbove(c); above != "" {
			return lack{status: Untold, reason: above + " could not be told", above: above}
		}
		return lack{status: Skipped, reason: string(probes.NoSubject)}
	default:
		return lack{status: Skipped, reason: string(meta.Absent), deliberate: true}
	}
}

// untoldAbove returns the first check in the closure that could not be told.
func (j *judging) untoldAbove(c *Check) string {
	for _, id := range c.After {
		i, ok := j.index[id]
		if !ok {
			continue
		}
		if d := j.at(i); d.Status == Untold || d.unasked != none {
			return id
		}
		if above := j.untoldAbove(&j.catalogue[i]); above != "" {
			return above
		}
	}
	return ""
}

// duration is how long the slowest of the items took that the check rests on; they are gathered
// side by side.
func (j *judging) duration(c *Check) time.Duration {
	var longest time.Duration
	for _, item := range c.items() {
		longest = max(longest, j.meta[item].Duration)
	}
	return longest
}
