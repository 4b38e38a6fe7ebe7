package reports

import (
	"flag"
	"fmt"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/linkassay/linkassay/suites"
)

// fleet is a report of so many links with 60 checks each, a tenth of them broken.
func fleet(t testing.TB, links int) *Report {
	t.Helper()
	var kinds []LinkReport
	for _, name := range []string{"healthy", "security-group-closed"} {
		o := recording(t, name)
		kinds = append(kinds, LinkReport{Observation: o, Verdicts: suites.Judge(o, suites.Catalogue(), nil)[:60]})
	}
	r := &Report{Tool: "linkassay", Version: "0.1.0", Started: kinds[0].Observation.Started, Finished: kinds[0].Observation.Finished}
	for i := range links {
		l := kinds[0]
		if i%10 == 3 {
			l = kinds[1]
		}
		o := *l.Observation
		o.Link.Name = fmt.Sprintf("orders-%04d", i)
		r.Links = append(r.Links, LinkReport{Observation: &o, Verdicts: l.Verdicts})
	}
	return r
}

// BenchmarkPageOfAFleet measures a page of 1,000 links with 60 checks each.
func BenchmarkPageOfAFleet(b *testing.B) {
	r := fleet(b, 1000)
	for b.Loop() {
		var n counter
		if err := WriteHTML(&n, r); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(n)/1e6, "MB")
	}
}

type counter int64

func (c *counter) Write(b []byte) (int, error) { *c += counter(len(b)); return len(b), nil }

// A thousand links are one page, made in less time than somebody waits for it.
func TestPageOfAFleetIsMadeInTime(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures time, which -short has none for")
	}
	bound := timeFor(2 * time.Second)
	r := fleet(t, 1000)
	best := time.Hour
	for range 3 {
		began := processorTime(t) // others use the machine too
		if err := WriteHTML(io.Discard, r); err != nil {
			t.Fatal(err)
		}
		if best = min(best, processorTime(t)-began); best < bound {
			break
		}
	}
	t.Logf("1,000 links with 60 checks: %s of processor time", best.Round(time.Millisecond))
	if best > bound {
		t.Errorf("it takes %s of processor time, the bound is %s", best, bound)
	}
}

// processorTime is how long processors were at work for this process.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// pace is set by make pace, which wants a machine of its own.
var pace = flag.Bool("pace", false, "hold what is promised of times to the letter")

// timeFor is a promised time, or where others may use the machine too, a time that shows that the work did not grow.
func timeFor(promised time.Duration) time.Duration {
	if *pace {
		return promised
	}
	return 5 * promised
}
