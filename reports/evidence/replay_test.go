package evidence

import (
	"flag"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/linkassay/linkassay/reports"
	"github.com/linkassay/linkassay/suites"
)

// older makes a run look as if another catalogue had judged it.
func older(t *testing.T, edit func(v []suites.Verdict) []suites.Verdict) *reports.Report {
	t.Helper()
	r := runOf(t, "", "security-group-closed")
	r.Catalogue = strings.Repeat("0", 64)
	r.Links[0].Verdicts = edit(r.Links[0].Verdicts)
	return r
}

func at(t *testing.T, v []suites.Verdict, check string) *suites.Verdict {
	t.Helper()
	for i := range v {
		if v[i].Check == check {
			return &v[i]
		}
	}
	t.Fatalf("no verdict on %s", check)
	return nil
}

// A check whose revision has risen is told with both revisions, and is no reason to refuse; nor is what depends on it.
func TestReplayOfAnOlderCatalogue(t *testing.T) {
	t.Parallel()
	const check = "connection.endpoint-security-group"
	r := older(t, func(v []suites.Verdict) []suites.Verdict {
		x := at(t, v, check)
		x.Revision--
		x.Facts = append(x.Facts, suites.Fact{Name: "old", Value: "fact"})
		return v
	})
	result, err := Verify(forge(t, r), Options{})
	if err != nil || result.Err() != nil {
		t.Fatal(err, result.Err())
	}
	now := at(t, r.Links[0].Verdicts, check).Revision + 1
	if len(result.Replay.Revised) != 1 || result.Replay.Revised[0] != (Revised{"orders", check, now - 1, now, suites.Failed, suites.Failed}) {
		t.Errorf("%+v", result.Replay.Revised)
	}
	// One that said otherwise then, as all that was blocked by it.
	r = older(t, func(v []suites.Verdict) []suites.Verdict {
		for i := range v {
			if v[i].BlockedBy == check {
				v[i].Status, v[i].BlockedBy = suites.Passed, ""
			}
		}
		x := at(t, v, check)
		x.Revision, x.Status = x.Revision-1, suites.Passed
		return v
	})
	r.ExitCode, r.ExitReasons = 0, nil
	result, err = Verify(forge(t, r), Options{})
	if err != nil || result.Err() != nil {
		t.Fatal(err, result.Err())
	}
	if got := result.Replay.Revised; len(got) != 1 || got[0].Was != suites.Passed || got[0].Is != suites.Failed || len(result.Notes) < 3 {
		t.Errorf("%+v %q", got, result.Notes)
	}
	// A check that nothing excuses is refused all the same.
	r = older(t, func(v []suites.Verdict) []suites.Verdict {
		at(t, v, check).Revision--
		at(t, v, "identity.clock-right").Status = suites.Skipped
		return v
	})
	refused(t, forge(t, r), Options{}, "identity.clock-right: recorded \"skipped\"")
	// A check that was not asked then.
	r = older(t, func(v []suites.Verdict) []suites.Verdict { return v[1:] })
	result, err = Verify(forge(t, r), Options{})
	if err != nil || result.Err() != nil || len(result.Replay.New) != 1 {
		t.Errorf("%+v, %v", result, err)
	}
	retired, err := suites.Retired()
	if err != nil {
		t.Fatal(err)
	}
	if len(retired) == 0 {
		return
	}
	r = older(t, func(v []suites.Verdict) []suites.Verdict {
		x := *at(t, v, "identity.clock-right")
		x.Check = retired[0].ID
		return append(v, x)
	})
	result, err = Verify(forge(t, r), Options{})
	if err != nil || result.Err() != nil || len(result.Replay.Retired) != 1 || result.Replay.Retired[0] != "orders/"+retired[0].ID {
		t.Errorf("%+v, %v", result, err)
	}
}

// Rounds of --wait are judged again too.
func TestReplayOfRounds(t *testing.T) {
	t.Parallel()
	rounds := func() *reports.Report {
		r := runOf(t, "", "healthy")
		bad := runOf(t, "", "security-group-closed")
		r.Links[0].Rounds = []suites.Round{
			{Number: 1, Observation: bad.Links[0].Observation, Roots: suites.Roots(bad.Links[0].Verdicts)},
			{Number: 2, Good: true, Observation: r.Links[0].Observation, Roots: suites.Roots(r.Links[0].Verdicts)},
		}
		r.Links[0].Raw.Add(bad.Links[0].Raw)
		return r
	}
	result, err := Verify(load(t, bundleOf(t, rounds(), SealOptions{})), Options{})
	if err != nil || result.Err() != nil || result.Replay.Rounds != 2 {
		t.Fatalf("%+v, %v", result, err)
	}
	r := rounds()
	r.Links[0].Rounds[0].Roots = nil
	refused(t, forge(t, r), Options{}, "round 1 did not fail for what is recorded")
	r = rounds()
	r.Links[0].Rounds[0].Good = true
	refused(t, forge(t, r), Options{}, "round 1")
}

// pace is set by make pace, which wants a machine of its own.
var pace = flag.Bool("pace", false, "hold what is promised of times to the letter")

// A thousand one-link runs replay in a moment.
func TestReplayIsFast(t *testing.T) {
	t.Parallel()
	const runs = 1000
	b, err := reports.Encode(runOf(t, "", "healthy"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := reports.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	p := newReplayer()
	work := make(chan struct{}, runs)
	for range runs {
		work <- struct{}{}
	}
	close(work)
	started := time.Now()
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for range work {
				if again, err := p.replay(r); err != nil || len(again.problems) > 0 {
					t.Error(again, err)
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(started)
	t.Logf("%d runs of %d checks each replayed in %s", runs, len(r.Links[0].Verdicts), took)
	// A machine that is shared with others takes longer: make pace has one of its own.
	bound := 20 * time.Second
	if *pace {
		bound = 2 * time.Second
	}
	if took > bound {
		t.Errorf("%d runs took %s", runs, took)
	}
}

func BenchmarkReplay(b *testing.B) {
	r := runOf(b, "", "healthy")
	p := newReplayer()
	for b.Loop() {
		if again, err := p.replay(r); err != nil || len(again.problems) > 0 {
			b.Fatal(again, err)
		}
	}
}

// BenchmarkVerify takes all of it: files read, digests, run.json decoded and encoded again, statement, replay.
func BenchmarkVerify(b *testing.B) {
	dir := bundleOf(b, runOf(b, "", "healthy"), SealOptions{})
	for b.Loop() {
		if r, err := VerifyDir(dir, Options{}); err != nil || !r.Verified {
			b.Fatal(r, err)
		}
	}
}
