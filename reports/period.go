package reports

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/linkassay/linkassay/suites"
)

// PeriodOptions say which time a period report is of, and how long a run speaks.
type PeriodOptions struct {
	From, To time.Time // From is in it, To is not
	// Hold is how long a run speaks that was on no declared schedule; zero means DefaultHold.
	Hold time.Duration
	// Every is the schedule that all runs were on; zero is what each declares, or else Fallback.
	Every, Fallback time.Duration
}

// DefaultHold is how long a run speaks that was on no declared schedule.
const DefaultHold = 15 * time.Minute

// Tally says how a link or a check was over a period: by runs, and by time. See Method.
type Tally struct {
	Runs struct {
		Up     int `json:"up"`
		Down   int `json:"down"`
		Untold int `json:"couldNotTell"`
	} `json:"runs"`
	Time struct {
		Up      time.Duration `json:"up"` // nanoseconds, as the others
		Down    time.Duration `json:"down"`
		Untold  time.Duration `json:"couldNotTell"`
		Unknown time.Duration `json:"notObserved"` // before the first run, in gaps, after the last one
	} `json:"time"`
}

// Availability is the share of the time told that was up, false when nothing was told.
func (t Tally) Availability() (float64, bool) { return portion(t.Time.Up, t.Time.Down) }

// Share is the share of runs that said up, of those that could tell.
func (t Tally) Share() (float64, bool) { return portion(t.Runs.Up, t.Runs.Down) }

func portion[N int | time.Duration](up, down N) (float64, bool) {
	if up+down == 0 {
		return 0, false
	}
	return float64(up) / float64(up+down), true
}

// Coverage is the share of the period that the link or check was told in.
func (t Tally) Coverage() float64 {
	all := t.Time.Up + t.Time.Down + t.Time.Untold + t.Time.Unknown
	if all == 0 {
		return 0
	}
	return float64(t.Time.Up+t.Time.Down) / float64(all)
}

// PeriodReport is what runs say of a period.
type PeriodReport struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Source is the ledger that the runs were read from.
	Source    PeriodSource    `json:"source"`
	Runs      int             `json:"runs"` // that ended in the period
	Links     []PeriodLink    `json:"links"`
	Incidents []Incident      `json:"incidents"`
	Gaps      []Gap           `json:"gaps"`
	Changes   []Change        `json:"changes"`
	Controls  []PeriodControl `json:"controls"`
	// ControlsVersion is that of the mapping from checks to controls.
	ControlsVersion int      `json:"controlsVersion"`
	Method          []string `json:"method"`
}

// PeriodSource is a ledger, and what is proved of it.
type PeriodSource struct {
	Place    string   `json:"place"`
	Entries  uint64   `json:"entries"`
	Head     string   `json:"head"`
	Proof    string   `json:"proof"`
	Problems []string `json:"problems,omitempty"` // why it does not verify
}

// PeriodLink is one link over the period.
type PeriodLink struct {
	Name string `json:"name"`
	Tally
	Checks    []PeriodCheck `json:"checks"`
	Incidents int           `json:"incidents"`
	Flaps     int           `json:"flaps"` // incidents of a single failed run, with good runs before and after
	Last      State         `json:"last"`  // what the last run said
}

// PeriodCheck is one check of a link over the period.
type PeriodCheck struct {
	Check    string          `json:"check"`
	Severity suites.Severity `json:"severity"`
	Tally
}

// Incident is a time in which a link was down. Runs are samples: it began after the good run before it and ended
// before the good one after it, and nobody looked in between.
type Incident struct {
	Link     string       `json:"link"`
	Before   time.Time    `json:"before,omitzero"` // the last good run before it; zero when none is known
	Start    time.Time    `json:"start"`           // the first failed run
	LastDown time.Time    `json:"lastDown"`        // the last failed run
	End      time.Time    `json:"end,omitzero"`    // the first good run after it; zero while it lasts
	Runs     int          `json:"runs"`            // failed ones
	Roots    []RootRecord `json:"roots"`
	Gap      bool         `json:"gap,omitempty"` // in it there is a time that nothing was observed in
}

// Duration is from the first failed run to the first good one, or to now where it lasts.
func (i Incident) Duration(now time.Time) time.Duration {
	if i.End.IsZero() {
		return max(now.Sub(i.Start), 0)
	}
	return i.End.Sub(i.Start)
}

// Bounds are the shortest and the longest that it can have lasted; the longest is false where no good run is
// known before or after it.
func (i Incident) Bounds() (least, most time.Duration, known bool) {
	if i.Before.IsZero() || i.End.IsZero() {
		return i.LastDown.Sub(i.Start), 0, false
	}
	return i.LastDown.Sub(i.Start), i.End.Sub(i.Before), true
}

// Flap says whether it was a single failed run between good ones.
func (i Incident) Flap() bool { return i.Runs == 1 && !i.Before.IsZero() && !i.End.IsZero() }

// PeriodBuilder makes a PeriodReport of records. They come in the ledger's order, those before the period too: what was
// so at its beginning is known from them.
type PeriodBuilder struct {
	opts      PeriodOptions
	runs      int
	links     map[string]*linkTrack
	incidents []Incident
	gaps      *Gaps
	changes   changes
}

// NewPeriod begins a report.
func NewPeriod(opts PeriodOptions) *PeriodBuilder {
	opts.Hold = cmp.Or(opts.Hold, DefaultHold)
	return &PeriodBuilder{opts: opts, links: map[string]*linkTrack{}, gaps: NewGaps(opts.Every, opts.Fallback), changes: newChanges()}
}

func (b *PeriodBuilder) within(t time.Time) bool {
	return !t.Before(b.opts.From) && t.Before(b.opts.To)
}

// Add takes the next record. What was observed after the period is left out.
func (b *PeriodBuilder) Add(r Record) {
	kept := r
	kept.Links = slices.DeleteFunc(slices.Clone(r.Links), func(l LinkRecord) bool { return !l.Observed.Before(b.opts.To) })
	if b.within(r.Finished) {
		b.runs++
	}
	every := cmp.Or(b.opts.Every, time.Duration(r.Every), b.opts.Fallback, b.opts.Hold)
	b.gaps.Add(kept)
	b.changes.add(kept)
	for _, l := range kept.Links {
		t := b.links[l.Name]
		if t == nil {
			t = &linkTrack{checks: map[string]*checkTrack{}}
			b.links[l.Name] = t
		}
		stale := t.own.any && l.Observed.Before(t.own.last.at)
		if gap := t.own.add(b.opts, sample{l.Observed, l.State, every}); !stale {
			b.incident(t, l, gap)
		}
		for id, c := range l.Checks {
			ct := t.checks[id]
			if ct == nil {
				ct = &checkTrack{}
				t.checks[id] = ct
			}
			ct.severity = c.Severity
			state := c.State()
			if c.Status == suites.Skipped {
				state = skipped
			} else if b.within(l.Observed) {
				ct.asked = true
			}
			ct.add(b.opts, sample{l.Observed, state, every})
		}
	}
}

// skipped is the state of a check that did not apply: time and runs say nothing of it.
const skipped State = ""

type linkTrack struct {
	own      track
	checks   map[string]*checkTrack
	incident *Incident // under way
	lastUp   time.Time
}

type checkTrack struct {
	track
	severity suites.Severity
	asked    bool // in the period
}

// sample is what one run said.
type sample struct {
	at    time.Time
	state State
	every time.Duration
}

// track adds up samples.
type track struct {
	last  sample
	any   bool
	tally Tally
}

// add takes the next sample, and says whether there was a gap before it. One that is older than the last, of runs that
// overlapped, counts as a run and not in time.
func (t *track) add(o PeriodOptions, s sample) (gap bool) {
	if !s.at.Before(o.From) && s.at.Before(o.To) {
		switch s.state {
		case Up:
			t.tally.Runs.Up++
		case Down:
			t.tally.Runs.Down++
		case Untold:
			t.tally.Runs.Untold++
		}
	}
	if t.any && s.at.Before(t.last.at) {
		return false
	}
	gap = t.until(o, s.at)
	t.last, t.any = s, true
	return gap
}

// until accounts for the time from the last sample to the next: the last one speaks for all of it or, where the next came late,
// for one interval, and the rest was not observed.
func (t *track) until(o PeriodOptions, next time.Time) (gap bool) {
	if !t.any {
		t.tally.Time.Unknown += o.within(o.From, next)
		return false
	}
	holds := next
	if late(next.Sub(t.last.at), t.last.every) {
		holds, gap = t.last.at.Add(t.last.every), true
	}
	d := o.within(t.last.at, holds)
	switch t.last.state {
	case Up:
		t.tally.Time.Up += d
	case Down:
		t.tally.Time.Down += d
	case Untold:
		t.tally.Time.Untold += d
	default:
		t.tally.Time.Unknown += d
	}
	t.tally.Time.Unknown += o.within(holds, next)
	return gap
}

// within is how much of a time is in the period.
func (o PeriodOptions) within(from, to time.Time) time.Duration {
	if from.Before(o.From) {
		from = o.From
	}
	if to.After(o.To) {
		to = o.To
	}
	return max(to.Sub(from), 0)
}

// incident follows one link through up and down. What could not be told neither begins nor ends an incident.
func (b *PeriodBuilder) incident(t *linkTrack, l LinkRecord, gap bool) {
	if t.incident != nil && gap {
		t.incident.Gap = true
	}
	switch l.State {
	case Down:
		if t.incident == nil {
			t.incident = &Incident{Link: l.Name, Before: t.lastUp, Start: l.Observed}
		}
		i := t.incident
		i.Runs++
		i.LastDown = l.Observed
		for _, root := range l.Roots {
			known := slices.ContainsFunc(i.Roots, func(r RootRecord) bool { return r.Check == root.Check })
			if root.Required && !known && len(i.Roots) < recordRoots {
				i.Roots = append(i.Roots, root)
			}
		}
	case Up:
		t.lastUp = l.Observed
		if t.incident != nil {
			t.incident.End = l.Observed
			b.incidents = append(b.incidents, *t.incident)
			t.incident = nil
		}
	}
}

// Report ends the report.
func (b *PeriodBuilder) Report() (*PeriodReport, error) {
	o := b.opts
	r := &PeriodReport{From: o.From, To: o.To, Runs: b.runs, Method: b.method()}
	incidents := slices.Clone(b.incidents)
	for _, name := range slices.Sorted(maps.Keys(b.links)) {
		t := b.links[name]
		own := t.own
		gap := own.until(o, o.To)
		l := PeriodLink{Name: name, Tally: own.tally, Last: own.last.state}
		for _, id := range slices.Sorted(maps.Keys(t.checks)) {
			if c := *t.checks[id]; c.asked {
				c.until(o, o.To)
				l.Checks = append(l.Checks, PeriodCheck{Check: id, Severity: c.severity, Tally: c.tally})
			}
		}
		if t.incident != nil {
			last := *t.incident
			last.Gap = last.Gap || gap
			incidents = append(incidents, last)
		}
		r.Links = append(r.Links, l)
	}
	for _, i := range incidents {
		if !i.End.IsZero() && i.End.Before(o.From) {
			continue
		}
		r.Incidents = append(r.Incidents, i)
		k := slices.IndexFunc(r.Links, func(l PeriodLink) bool { return l.Name == i.Link })
		r.Links[k].Incidents++
		if i.Flap() {
			r.Links[k].Flaps++
		}
	}
	slices.SortStableFunc(r.Incidents, func(a, b Incident) int { return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Link, b.Link)) })
	for _, g := range b.gaps.End(o.To) {
		if g.To.IsZero() || g.To.After(o.From) {
			r.Gaps = append(r.Gaps, g)
		}
	}
	for _, c := range b.changes.found {
		if b.within(c.At) {
			r.Changes = append(r.Changes, c)
		}
	}
	return r, r.addControls()
}

// method says how the numbers are made, for whoever has nothing but the report.
func (b *PeriodBuilder) method() []string {
	schedule := "the interval of the schedule that it was declared to be part of"
	if b.opts.Every > 0 {
		schedule = b.opts.Every.String()
	}
	return []string{
		"A run is a sample: it says how a link was when observing it ended. A link was down where a required check failed; it was up where all required checks were told and none failed, as far as the run's selection of checks went; else it could not be told.",
		"By time: a run speaks for the time until the next run of the link. Where that came later than twice its interval, the run speaks for one interval, and the rest was not observed. The interval is " + schedule + ", or " + b.opts.Hold.String() + " where none was declared.",
		"Availability is the time up, divided by the time up and down. Time that could not be told, and time that was not observed (before the first run, in gaps, after the last run) is in neither: it is counted apart, and never as up.",
		"By runs: the share of runs that said up, of those that said up or down.",
		"A check is up where it passed and down where it failed, accepted findings included; where it was blocked by another check's failure it could not be told. Checks that did not apply to the link in all of the period are left out.",
		"An incident lasts from the first run that found the link down to the first that found it up. What could not be told neither begins nor ends one. The true beginning is after the last good run before it and the true end before the first good one after it: at least and at most say so. A flap is an incident of a single failed run with good runs before and after.",
	}
}
