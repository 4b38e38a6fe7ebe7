package evidence

import (
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"sync"

	"github.com/linkassay/linkassay/reports"
	"github.com/linkassay/linkassay/suites"
)

// replayed is what came of a replay.
type replayed struct {
	Replay
	problems, notes []string
}

// replayer judges runs again, by the catalogue of this build.
type replayer struct {
	catalogue []suites.Check
	digest    string
}

func newReplayer() *replayer {
	c := suites.Catalogue()
	return &replayer{c, suites.Digest(c)}
}

// replay judges every recorded observation again and compares the verdicts: status, facts and blocker, and what decides
// whether they count. The error is reports.ErrNewer when the recording is of a newer catalogue than this build's.
func (p *replayer) replay(r *reports.Report) (*replayed, error) {
	all := &replayed{}
	filter, err := suites.ProfileFilter(string(r.Profile), r.Selection)
	if err != nil {
		return all, fmt.Errorf("%w: %w", err, reports.ErrNewer)
	}
	selection, err := suites.Select(filter)
	if err != nil {
		all.problems = append(all.problems, err.Error())
		return all, nil
	}
	links := make([]*linkReplay, len(r.Links))
	var wg sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i := range r.Links {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			l := &linkReplay{catalogue: p.catalogue, selection: selection, failOn: r.FailOn, sameCatalogue: r.Catalogue == p.digest}
			l.err = guarded(func() error { return l.replay(r.Links[i]) })
			links[i] = l
		})
	}
	wg.Wait()
	for _, l := range links {
		if l.err != nil {
			return nil, l.err
		}
		all.Checks += l.Checks
		all.Rounds += l.Rounds
		all.Revised = append(all.Revised, l.Revised...)
		all.Retired = append(all.Retired, l.Retired...)
		all.New = append(all.New, l.New...)
		all.problems = append(all.problems, l.problems...)
		all.notes = append(all.notes, l.notes...)
	}
	all.problems = append(all.problems, exitProblems(r)...)
	return all, nil
}

// guarded makes an error of a panic: a recording may come from anybody.
func guarded(do func() error) (err error) {
	defer func() {
		if x := recover(); x != nil {
			err = refuse("the recorded observation can't be judged: %v", x)
		}
	}()
	return do()
}

type linkReplay struct {
	replayed
	catalogue     []suites.Check
	selection     suites.Selection
	failOn        suites.Severity
	sameCatalogue bool // as when it was recorded
	err           error

	link    string
	unequal map[string]bool // checks that are not in the same revision in both
}

func (l *linkReplay) problem(format string, args ...any) {
	l.problems = append(l.problems, "link "+l.link+": "+fmt.Sprintf(format, args...))
}

func (l *linkReplay) note(format string, args ...any) {
	l.notes = append(l.notes, "link "+l.link+": "+fmt.Sprintf(format, args...))
}

func (l *linkReplay) replay(recorded reports.LinkReport) error {
	l.link, l.unequal = recorded.Observation.Link.Name, map[string]bool{}
	now := suites.Judge(recorded.Observation, l.catalogue, l.selection)
	if err := l.revisions(recorded.Verdicts, now); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, was := range recorded.Verdicts {
		switch {
		case seen[was.Check]:
			l.problem("two verdicts on %s", was.Check)
			continue
		case was.Link != l.link:
			l.problem("a verdict on the link %s", was.Link)
		}
		seen[was.Check] = true
		i := slices.IndexFunc(now, func(v suites.Verdict) bool { return v.Check == was.Check })
		switch {
		case i >= 0:
			l.compare(was, now[i])
		case !l.unequal[was.Check] && !l.excused(was.Check, was.BlockedBy):
			l.problem("%s was not asked, and has a verdict", was.Check)
		}
	}
	for _, is := range now {
		if !seen[is.Check] && !l.unequal[is.Check] && !l.excused(is.Check, is.BlockedBy) {
			l.problem("the verdict on %s is missing: it is %q", is.Check, is.Status)
		}
	}
	for _, round := range recorded.Rounds {
		l.round(round)
	}
	return nil
}

// revisions finds the checks that can't be compared.
func (l *linkReplay) revisions(recorded, now []suites.Verdict) error {
	for _, was := range recorded {
		i := slices.IndexFunc(l.catalogue, func(c suites.Check) bool { return c.ID == was.Check })
		switch {
		case i < 0 && isRetired(was.Check):
			l.unequal[was.Check] = true
			l.Retired = append(l.Retired, l.link+"/"+was.Check)
			l.note("%s is asked no more: recorded %q", was.Check, was.Status)
		case i < 0:
			return fmt.Errorf("judge link %s again: no check %q here: %w", l.link, was.Check, reports.ErrNewer)
		case was.Revision < 1:
			l.problem("%s is recorded in revision %d: revisions begin with 1", was.Check, was.Revision)
		case l.catalogue[i].Revision < was.Revision:
			return fmt.Errorf("judge link %s again: %s is recorded in revision %d, here it is %d: %w", l.link, was.Check, was.Revision, l.catalogue[i].Revision, reports.ErrNewer)
		case l.catalogue[i].Revision > was.Revision && l.sameCatalogue:
			l.problem("%s is recorded in revision %d, and the catalogue that was recorded has %d", was.Check, was.Revision, l.catalogue[i].Revision)
		case l.catalogue[i].Revision > was.Revision:
			l.unequal[was.Check] = true
			is := suites.Status("")
			if k := slices.IndexFunc(now, func(v suites.Verdict) bool { return v.Check == was.Check }); k >= 0 {
				is = now[k].Status
			}
			l.Revised = append(l.Revised, Revised{l.link, was.Check, was.Revision, l.catalogue[i].Revision, was.Status, is})
			l.note("%s was judged in revision %d as %q; revision %d says %q", was.Check, was.Revision, was.Status, l.catalogue[i].Revision, is)
		}
	}
	if l.sameCatalogue {
		return nil
	}
	for _, is := range now {
		if !slices.ContainsFunc(recorded, func(v suites.Verdict) bool { return v.Check == is.Check }) {
			l.unequal[is.Check] = true
			l.New = append(l.New, l.link+"/"+is.Check)
			l.note("%s was not asked when it was recorded, by another catalogue than this build's; it says %q", is.Check, is.Status)
		}
	}
	return nil
}

func isRetired(id string) bool {
	retired, err := suites.Retired()
	return err == nil && slices.ContainsFunc(retired, func(c suites.RetiredCheck) bool { return c.ID == id })
}

// compare says whether two verdicts of the same check are the same.
func (l *linkReplay) compare(was, is suites.Verdict) {
	l.Checks++
	if l.unequal[was.Check] {
		return
	}
	var differs string
	switch {
	case was.Status != is.Status:
		differs = fmt.Sprintf("recorded %q, judged again it is %q", was.Status, is.Status)
	case was.BlockedBy != is.BlockedBy:
		differs = fmt.Sprintf("recorded as blocked by %q, judged again by %q", was.BlockedBy, is.BlockedBy)
	case !sameFacts(was.Facts, is.Facts):
		differs = "the recorded facts are not those that it rests on"
	case was.Severity != is.Severity || was.CouldNotAsk != is.CouldNotAsk || !reflect.DeepEqual(was.Accepted, is.Accepted):
		differs = "recorded with another weight than it has"
	default:
		return
	}
	if l.excused(was.Check, was.BlockedBy, is.BlockedBy) {
		l.note("%s: %s; it depends on a check whose revision has changed since", was.Check, differs)
		return
	}
	l.problem("%s: %s", was.Check, differs)
}

func sameFacts(a, b []suites.Fact) bool { return slices.Equal(a, b) }

// excused says whether one of the checks, or one above it, can't be compared.
func (l *linkReplay) excused(ids ...string) bool {
	if len(l.unequal) == 0 {
		return false
	}
	seen := map[string]bool{}
	for len(ids) > 0 {
		id := ids[0]
		ids = ids[1:]
		if seen[id] {
			continue
		}
		seen[id] = true
		if l.unequal[id] {
			return true
		}
		if i := slices.IndexFunc(l.catalogue, func(c suites.Check) bool { return c.ID == id }); i >= 0 {
			ids = append(append(ids, l.catalogue[i].After...), l.catalogue[i].Because...)
		}
	}
	return false
}

// round judges a round of settling again.
func (l *linkReplay) round(was suites.Round) {
	l.Rounds++
	verdicts := suites.Judge(was.Observation, l.catalogue, l.selection)
	s, roots := suites.Summarize(verdicts, l.failOn), suites.Roots(verdicts)
	same := was.Good == (s.RequiredFailed+s.RequiredUntold == 0) && slices.EqualFunc(was.Roots, roots, func(a, b suites.Verdict) bool {
		return a.Check == b.Check && a.Status == b.Status && sameFacts(a.Facts, b.Facts)
	})
	switch {
	case same:
	case len(l.unequal) > 0:
		l.note("round %d failed for other checks than are recorded: this build's catalogue is another", was.Number)
	default:
		l.problem("round %d did not fail for what is recorded", was.Number)
	}
}

// exitProblems says where the exit code does not fit the verdicts.
func exitProblems(r *reports.Report) []string {
	s := r.Summary()
	switch {
	case s.RequiredFailed > 0 && (r.ExitCode == 0 || r.ExitCode == 3 || r.ExitCode == 4):
		return []string{fmt.Sprintf("a required check failed, and the exit code is recorded as %d", r.ExitCode)}
	case s.RequiredUntold > 0 && r.ExitCode == 0:
		return []string{"a required check could not be told, and the exit code is recorded as 0"}
	case s.RequiredFailed == 0 && r.ExitCode == 1:
		return []string{"no required check failed, and the exit code is recorded as 1"}
	}
	return nil
}
