package history

import (
	"encoding/json"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/linkassay/linkassay/suites/canary"
)

// Run is one round, or several in a row that said the same.
type Run struct {
	Link         string
	Began, Until time.Time // the start of the first round and the end of the last
	Rounds       int
	Outcome      canary.Outcome
	Reason       string // of the first, why it could not be told or was interrupted
	Maintenance  string
	Causes       []Cause
	Bundle       string // of evidence; see canary.Round
	Latency      []Spread
	// Roots are the causes with all that was found; of a run that says what the one before says, they are left out.
	Roots []canary.Root
}

// Cause is a cause of a run.
type Cause struct {
	Key      string // see canary.Cause.Key
	Required bool
}

// Check is the id of the check that failed.
func (c Cause) Check() string {
	id, _, _ := strings.Cut(c.Key, "/")
	return id
}

// How rounds become runs.
const (
	slot      = 5 * time.Minute // the longest run as it is recorded
	whole     = 3               // so many rounds in a row that are not good are kept one by one
	maxCauses = 20
	maxText   = 1000      // bytes of a reason
	maxRoots  = 128 << 10 // bytes of what was found; beyond it, facts are left out
)

// tape is what is remembered of a link.
type tape struct {
	says  string // what its last round said, that is not interrupted
	same  int    // rounds in a row that said it
	run   *building
	marks []mark // incidents that it is known to have
}

// building is a run that goes on.
type building struct {
	Run
	gauges []gauge
	slot   int64
	table  table
}

// mark is an incident of a link.
type mark struct {
	key    string
	opened int64
}

// table is where a run is kept.
type table string

const (
	goodTable table = "good"
	toldTable table = "told" // what is kept longer
)

// entry is something that is to be written: a run, a change, the end of an incident that nobody saw, or that a link has one.
type entry struct {
	run    *Run
	table  table
	change *canary.Change
	lapsed *lapse
	link   string
	mark   mark
	size   int // bytes, about
}

// Round takes a round in. It does not wait for the disk.
func (h *History) Round(r canary.Round) error {
	causes := causesOf(r.Roots)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil
	}
	t := h.links[r.Link]
	if t == nil {
		t = &tape{}
		h.links[r.Link] = t
	}
	says := saying(r.Outcome, r.Maintenance, causes)
	changed := t.says != "" && says != t.says && r.Outcome != canary.Interrupted
	switch {
	case r.Outcome == canary.Interrupted:
	case says == t.says:
		t.same++
	default:
		t.says, t.same = says, 1
	}
	h.join(t, r.Link, causes)
	at := slotOf(r.Link, r.Finished)
	alone := changed || r.Bundle != "" || r.Outcome == canary.Interrupted || r.Outcome != canary.Good && t.same <= whole
	if t.run != nil && (alone || t.run.slot != at) {
		h.put(t.end(r.Link))
	}
	if t.run == nil {
		t.run = &building{slot: at, table: goodTable, Run: Run{
			Link: r.Link, Began: r.Started, Outcome: r.Outcome, Reason: cut(r.Reason, maxText), Maintenance: cut(r.Maintenance, maxText),
			Causes: causes, Bundle: r.Bundle,
		}}
		if alone || r.Outcome != canary.Good {
			t.run.table = toldTable
		}
		if changed || t.same == 1 {
			t.run.Roots = r.Roots
		}
	}
	b := t.run
	b.Rounds++
	b.Until = r.Finished
	if r.Outcome != canary.Interrupted {
		b.gauges = gather(b.gauges, Slowest{Phase: PhaseRound, Took: r.Took})
		if r.Observation != nil {
			for _, s := range Measure(r.Observation) {
				b.gauges = gather(b.gauges, s)
			}
		}
	}
	if alone {
		h.put(t.end(r.Link))
	}
	return nil
}

// join notes which open incidents a link has.
func (h *History) join(t *tape, link string, causes []Cause) {
	for _, c := range causes {
		opened, open := h.open[c.Key]
		if m := (mark{c.Key, opened}); open && c.Required && !slices.Contains(t.marks, m) {
			t.marks = append(slices.DeleteFunc(t.marks, func(m mark) bool { return h.open[m.key] != m.opened }), m)
			h.put(entry{link: link, mark: m, size: 200})
		}
	}
}

// Change takes a change in. It does not wait for the disk.
func (h *History) Change(c canary.Change) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil
	}
	switch {
	case c.Kind == canary.Recovered:
	case c.Kind == canary.Links && h.heavy > maxWaiting/4:
		return nil // the disk is slow: what else is told of the incident is worth more
	case c.Incident.Open():
		opened := c.Incident.Opened.UnixMicro()
		if before, open := h.open[c.Incident.Key]; open && before != opened { // its end was not told, or not kept
			h.put(entry{lapsed: &lapse{mark{c.Incident.Key, before}, c.At}, size: 200})
		}
		h.open[c.Incident.Key] = opened
	default:
		delete(h.open, c.Incident.Key)
	}
	h.put(entry{change: &c, size: 2000 + 100*len(c.Incident.Links)})
	return nil
}

// end takes the run that goes on off the tape.
func (t *tape) end(link string) entry {
	b := t.run
	t.run = nil
	if b == nil {
		return entry{}
	}
	r := b.finished()
	return entry{run: &r, table: b.table, link: link, size: 400 + 1000*len(r.Roots)}
}

func (b *building) finished() Run {
	r := b.Run
	r.Latency = spreads(b.gauges)
	return r
}

// endOld ends runs of links of which nothing was told any more for long.
func (h *History) endOld() {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.o.Now().Add(-2 * slot)
	for link, t := range h.links {
		if t.run != nil && t.run.Until.Before(before) {
			h.put(t.end(link))
		}
	}
}

// put adds to what waits. Changes are few, and worth more.
func (h *History) put(e entry) {
	if e.size == 0 {
		return
	}
	most := maxWaiting
	if e.change != nil {
		most *= 2
	}
	if h.heavy+e.size > most {
		h.lost++
		return
	}
	h.heavy += e.size
	h.waiting = append(h.waiting, e)
}

// saying is what a round says: two that say the same may be one run.
func saying(outcome canary.Outcome, maintenance string, causes []Cause) string {
	if maintenance == "" && len(causes) == 0 {
		return string(outcome)
	}
	return string(outcome) + "\x00" + maintenance + "\x00" + encodeCauses(causes)
}

func causesOf(roots []canary.Root) []Cause {
	if len(roots) == 0 {
		return nil
	}
	causes := make([]Cause, 0, min(len(roots), maxCauses))
	for _, r := range roots {
		if len(causes) < maxCauses {
			causes = append(causes, Cause{cut(strings.ReplaceAll(r.Key, "\n", " "), maxText), r.Required})
		}
	}
	return causes
}

// encodeCauses writes a line for each, with a ! before those that are required.
func encodeCauses(causes []Cause) string {
	var b strings.Builder
	for i, c := range causes {
		if i > 0 {
			b.WriteByte('\n')
		}
		if c.Required {
			b.WriteByte('!')
		}
		b.WriteString(c.Key)
	}
	return b.String()
}

func decodeCauses(s string) []Cause {
	if s == "" {
		return nil
	}
	var causes []Cause
	for line := range strings.SplitSeq(s, "\n") {
		key, required := strings.CutPrefix(line, "!")
		causes = append(causes, Cause{key, required})
	}
	return causes
}

// encodeRoots writes what was found, within bounds.
func encodeRoots(roots []canary.Root) ([]byte, error) {
	if len(roots) == 0 {
		return nil, nil
	}
	roots = slices.Clone(roots[:min(len(roots), maxCauses)])
	b, err := json.Marshal(roots)
	if err != nil || len(b) <= maxRoots {
		return b, err
	}
	for i := range roots {
		roots[i].Facts, roots[i].Reason = nil, cut(roots[i].Reason, maxText)
	}
	b, err = json.Marshal(roots)
	if len(b) > maxRoots {
		return nil, err
	}
	return b, err
}

// slotOf numbers the slots of a link: they begin at a time of its own, so that a fleet's do not all end at once.
func slotOf(link string, at time.Time) int64 {
	f := fnv.New32a()
	_, _ = f.Write([]byte(link))
	return (at.UnixMicro() + int64(f.Sum32())%slot.Microseconds()) / slot.Microseconds()
}

// cut shortens a text to so many bytes.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "")
}
